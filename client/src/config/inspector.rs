//! `[inspector]` and `[keys]`: how the inspector looks, and its keys.

use std::{collections::BTreeMap, env};

use crate::{
    cli::UiArgs,
    config::{ConfigError, Environment, Problem, table::Table},
    listing::Order,
    tui::{Clipboard, Keymap, KeysError, Palette, Ui},
};

/// Every key of `[inspector]`.
pub(super) const KEYS: &[&str] = &["theme", "ascii", "mouse", "order", "clipboard"];

/// What a file says of the inspector.
#[derive(Clone, Debug, Default)]
pub struct FileInspector {
    /// `theme`
    pub theme: Option<Palette>,
    /// `ascii`
    pub ascii: Option<bool>,
    /// `mouse`
    pub mouse: Option<bool>,
    /// `order`
    pub order: Option<Order>,
    /// `clipboard`
    pub clipboard: Option<Clipboard>,
    /// `[keys]`, laid over the table.
    pub keymap: Option<Keymap>,
}

impl FileInspector {
    pub(super) fn read(file: &Table<'_>) -> Result<Self, ConfigError> {
        let mut inspector = Self::default();
        if let Some((_, table)) = file.table("inspector")? {
            table.deny_unknown(KEYS)?;
            let palette = |text: &str| text.parse::<Palette>().map_err(Problem::Theme);
            inspector.theme = table.text("theme", palette)?.map(|given| given.value);
            inspector.ascii = table.boolean("ascii")?;
            inspector.mouse = table.boolean("mouse")?;
            let order = |text: &str| text.parse::<Order>().map_err(Problem::Order);
            inspector.order = table.text("order", order)?.map(|given| given.value);
            let clipboard = |text: &str| text.parse::<Clipboard>().map_err(Problem::Clipboard);
            inspector.clipboard = table.text("clipboard", clipboard)?.map(|given| given.value);
        }
        if let Some((span, table)) = file.table("keys")? {
            let mut keys = BTreeMap::new();
            for name in table.table.keys().map(|name| name.get_ref().to_string()) {
                let given = table.texts(&name, |text| Ok(text.to_owned()))?;
                keys.insert(name, given.into_iter().map(|given| given.value).collect());
            }
            let keymap = Keymap::new(&keys).map_err(|error| {
                let name = table.table.keys().find(|name| is_about(&error, name.get_ref(), &keys));
                let span = name.map_or(span.clone(), toml::Spanned::span);
                table.place.error(&span, Problem::Keys(Box::new(error)))
            })?;
            inspector.keymap = Some(keymap);
        }
        Ok(inspector)
    }
}

/// Whether what is wrong with the keys is wrong with those of a name.
fn is_about(error: &KeysError, name: &str, keys: &BTreeMap<String, Vec<String>>) -> bool {
    match error {
        KeysError::Name(wrong) => wrong == name,
        KeysError::Key(wrong) => {
            keys.get(name).into_iter().flatten().any(|keys| keys.split(' ').any(|key| key == wrong))
        }
        KeysError::Clash { one, other, .. } => one == name || other == name,
        KeysError::Needed(wrong) => *wrong == name,
    }
}

/// Arguments over the file over what suits the environment.
pub(super) fn resolve(args: &UiArgs, environment: Environment<'_>, file: Option<&FileInspector>) -> Ui {
    let default = Ui::default();
    Ui {
        palette: args.theme.or(file.and_then(|file| file.theme)).unwrap_or(default.palette),
        ascii: args.ascii
            || file.and_then(|file| file.ascii).unwrap_or_else(|| shows_only_ascii(environment)),
        mouse: file.and_then(|file| file.mouse).unwrap_or(default.mouse),
        keymap: file.and_then(|file| file.keymap.clone()).unwrap_or(default.keymap),
        order: args.order.or(file.and_then(|file| file.order)).unwrap_or(default.order),
        clipboard: file.and_then(|file| file.clipboard).unwrap_or(default.clipboard),
    }
}

/// How the inspector looks when there is no file.
pub fn ui(args: &UiArgs) -> Ui {
    resolve(args, &|name| env::var_os(name), None)
}

/// Whether the locale says that the terminal has no UTF-8 (POSIX.1-2017 §8.2: the first of these that is set counts). When none is,
/// nothing is said.
fn shows_only_ascii(environment: Environment<'_>) -> bool {
    let set = |name: &&str| environment(name).filter(|value| !value.is_empty());
    ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_lowercase();
        !locale.contains("utf-8") && !locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, path::Path};

    use super::*;
    use crate::config::ConfigFile;

    fn file(text: &str) -> Result<FileInspector, String> {
        let file = ConfigFile::parse(Path::new("inhaul.toml"), text);
        file.map(|file| file.inspector).map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_says_how_the_inspector_looks_and_arguments_say_it_louder() {
        let text = "[inspector]\ntheme = \"light\"\nascii = true\nmouse = false\norder = \"slowest\"\nclipboard = \"tmux\"\n[keys]\nreplay = [\"f11\", \"z z\"]\n";
        let file = file(text).unwrap();
        let ui = resolve(&UiArgs::default(), &|_| None, Some(&file));
        assert_eq!((ui.palette, ui.ascii, ui.mouse), (Palette::Light, true, false));
        assert_eq!((ui.order.to_string().as_str(), ui.clipboard), ("slowest first", Clipboard::Tmux));
        assert_eq!(ui.keymap.written("replay"), "f11, z z");
        let args = UiArgs { theme: Some(Palette::Mono), ..UiArgs::default() };
        assert_eq!(resolve(&args, &|_| None, Some(&file)).palette, Palette::Mono);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, expected) in [
            ("[inspector]\ntheme = \"pink\"", "inhaul.toml:2: inspector.theme: \"pink\" is no theme"),
            ("[inspector]\norder = \"up\"", "inhaul.toml:2: inspector.order: \"up\" is no order of the list"),
            (
                "[inspector]\nclipboard = \"paper\"",
                "inhaul.toml:2: inspector.clipboard: \"paper\" is no clipboard",
            ),
            ("[inspector]\nfont = 1", "inhaul.toml:2: inspector: unknown key \"font\""),
            ("\n[keys]\nreplay = \"z\"\nfly = \"f\"", "inhaul.toml:4: keys: \"fly\" is nothing a key can do"),
            ("[keys]\n\nreplay = [\"z\", \"g nokey\"]", "inhaul.toml:3: keys: \"nokey\" is no key"),
            ("[keys]\n\nreplay = \"j\"", "inhaul.toml:3: keys: \"j\" means both"),
            ("keys = 1", "inhaul.toml:1: keys: "),
        ] {
            let error = file(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_locale_without_utf_8_means_ascii() {
        for (locale, ascii) in
            [("C", true), ("de_DE.ISO-8859-1", true), ("en_US.UTF-8", false), ("C.utf8", false), ("", false)]
        {
            let environment = |name: &str| (name == "LANG").then(|| OsString::from(locale));
            assert_eq!(shows_only_ascii(&environment), ascii, "{locale}");
        }
        let environment = |name: &str| match name {
            "LC_ALL" => Some("C.UTF-8".into()),
            _ => Some("C".into()),
        };
        assert!(!shows_only_ascii(&environment));
    }
}

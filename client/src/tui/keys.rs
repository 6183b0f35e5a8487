//! Every key of the inspector: one table for what they do, for the help, for docs/keys.md and for `inhaul keys`.
//!
//! A key counts where its scopes say. Several pressed after each other, such as `g g`, are a sequence; no sequence is the beginning of
//! another one that counts in the same place, so none has to wait for a clock.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    str::FromStr,
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use thiserror::Error;

mod table;

pub(crate) use table::BINDINGS;

pub(crate) use super::{holding::Holding, scenario::Command};
use crate::{listing::By, output::body::Form};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Go(Way),
    Open,
    OtherPane,
    Back,
    Quit,
    QuitNow,
    Suspend,
    Redraw,
    Show(View),
    Replay,
    ReplaySigned,
    Hold(Holding),
    Filter,
    Search,
    SearchNext,
    SearchBefore,
    Follow,
    Tab(Tab),
    NextTab,
    TabBefore,
    Fold,
    FoldAll,
    UnfoldAll,
    Change(Change),
    /// Only events of the same kind as the selected one; or none of them.
    OfKind(bool),
    /// Only events with the same value in their bodies.
    SameValue,
    /// To an event or a time.
    Goto,
    /// Checks signatures anew.
    Verify,
    /// Connects to the relay now.
    Reconnect,
    NextFailure,
    FailureBefore,
    /// The one behind the event that is open.
    NextEvent,
    EventBefore,
    Note(Note),
    Copy(Copy),
    SaveBody,
    Body(OnBody),
    Compare,
    DiffLayout,
    Scenario(Command),
}

/// What is done with the body of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OnBody {
    /// The whole of it in a pager.
    Page(Form),
    /// Asked by a jq program.
    Query,
    /// Given to a command.
    Pipe,
    /// Shown as it was sent, or as it reads.
    AsSent,
}

/// What is noted on events, and which filter finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Note {
    Mark,
    MarkAndGoDown,
    UnmarkAll,
    OnlyMarked,
    /// Everything from one end to the other.
    Range,
    /// Everything in the list.
    MarkShown,
    Tags,
    Comment,
    /// Deletes what is marked or selected.
    Delete,
    /// Takes the last deletion back.
    Undo,
    /// A saved filter, by its place in the order of names.
    Saved(usize),
}

/// What of an event is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Copy {
    Body,
    Curl,
    Httpie,
    Fetch,
    Raw,
    Signed,
    Id,
    Url,
    /// Where one is in the body.
    JqPath,
    Show,
}

/// What covers list and event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum View {
    Help,
    /// Everything a key can do.
    Commands,
    Options,
    Log,
    Relay,
    /// The events of the same object.
    Thread,
    /// Two events compared.
    Diff,
    /// What a command printed.
    Piped,
    /// The scenario played last.
    Play,
}

/// What of the look is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    Times,
    Layout,
    Wider,
    Narrower,
    Hints,
    Mouse,
    Mask,
    /// By what the list is ordered; again turns it round.
    OrderBy(By),
    ReverseOrder,
}

/// Where to go, in the list, the event or a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Down,
    Up,
    HalfDown,
    HalfUp,
    PageDown,
    PageUp,
    First,
    Last,
}

/// What of an event is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Tab {
    #[default]
    Body,
    Headers,
    Signature,
    Attempts,
    Raw,
}

impl Tab {
    pub(crate) const ALL: [Self; 5] = [Self::Body, Self::Headers, Self::Signature, Self::Attempts, Self::Raw];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Body => "Body",
            Self::Headers => "Headers",
            Self::Signature => "Signature",
            Self::Attempts => "Attempts",
            Self::Raw => "Raw",
        }
    }

    /// The name where there is little room.
    pub(crate) fn short_name(self) -> &'static str {
        match self {
            Self::Body => "Body",
            Self::Headers => "Head",
            Self::Signature => "Sig",
            Self::Attempts => "Tries",
            Self::Raw => "Raw",
        }
    }
}

/// Where the keys of a line of the table count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Wherever nothing is being typed.
    Everywhere,
    /// In the list of events.
    List,
    /// In the event.
    Event,
    /// In what covers the list, such as the help.
    View,
}

impl Scope {
    /// Whether there is a place where both count.
    fn overlaps(self, other: Self) -> bool {
        self == other || self == Self::Everywhere || other == Self::Everywhere
    }
}

/// A line of the table.
pub(crate) struct Binding {
    pub(crate) action: Action,
    /// Its name in the configuration's `[keys]`.
    pub(crate) name: &'static str,
    pub(crate) scopes: &'static [Scope],
    /// The keys when nothing else is configured; a blank parts those pressed after each other.
    pub(crate) keys: &'static [&'static str],
    /// What it does, for the help.
    pub(crate) text: &'static str,
    /// Words for the line of hints, each with the place it is said in; keys without one are only in the help.
    pub(crate) hints: &'static [(Scope, &'static str)],
}

impl Binding {
    /// What the line of hints says of it in a place.
    pub(super) fn hint(&self, scope: Scope) -> Option<&'static str> {
        self.hints.iter().find(|(own, _)| own.overlaps(scope)).map(|(_, hint)| *hint)
    }

    /// Whether it counts there.
    pub(super) fn counts_in(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|own| own.overlaps(scope))
    }
}

/// One key with what is held down beside it. The case of a letter says whether that was Shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// The names of keys that are no letters.
const NAMED: [(&str, KeyCode); 16] = [
    ("space", KeyCode::Char(' ')),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
];

/// What is wrong with configured keys.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeysError {
    /// There is no such key.
    #[error(
        "{0:?} is no key: write a character, or such as `ctrl-d`, `alt-x`, `f5`, `space`, `enter`, `pgdn`; blanks part keys pressed after each other"
    )]
    Key(String),
    /// Nothing has this name.
    #[error("{0:?} is nothing a key can do; `inhaul keys` prints every name")]
    Name(String),
    /// Two things would be done by one key.
    #[error("{key:?} means both {one} and {other}, or begins both")]
    Clash {
        /// The sequence, as it is written.
        key: String,
        /// What it does.
        one: String,
        /// What else it does.
        other: String,
    },
    /// Without it nobody gets out.
    #[error("{0:?} must keep a key")]
    Needed(&'static str),
}

impl FromStr for Key {
    type Err = KeysError;

    fn from_str(text: &str) -> Result<Self, KeysError> {
        let error = || KeysError::Key(text.to_owned());
        let (mut rest, mut modifiers) = (text, KeyModifiers::NONE);
        if let Some(after) = rest.strip_prefix("ctrl-") {
            (rest, modifiers) = (after, modifiers | KeyModifiers::CONTROL);
        }
        if let Some(after) = rest.strip_prefix("alt-") {
            (rest, modifiers) = (after, modifiers | KeyModifiers::ALT);
        }
        if let Some((_, code)) = NAMED.iter().find(|(name, _)| *name == rest) {
            return Ok(Self { code: *code, modifiers });
        }
        let mut letters = rest.chars();
        if let (Some(letter), None) = (letters.next(), letters.next()) {
            if letter.is_control() || letter.is_whitespace() {
                return Err(error());
            }
            return Ok(Self { code: KeyCode::Char(letter), modifiers });
        }
        let number = rest.strip_prefix('f').and_then(|number| number.parse().ok());
        match number.filter(|number| (1..=12).contains(number)) {
            Some(number) => Ok(Self { code: KeyCode::F(number), modifiers }),
            None => Err(error()),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("ctrl-")?;
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            f.write_str("alt-")?;
        }
        if let Some((name, _)) = NAMED.iter().find(|(_, code)| *code == self.code) {
            return f.write_str(name);
        }
        if let KeyCode::F(number) = self.code {
            return write!(f, "f{number}");
        }
        f.write_char(self.code.as_char().unwrap_or('?'))
    }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        Self { code: event.code, modifiers: event.modifiers - KeyModifiers::SHIFT }
    }
}

impl Key {
    /// The digit it is, if it is one alone.
    pub(super) fn digit(self) -> Option<usize> {
        let digit = self.code.as_char()?.to_digit(10)?;
        if self.modifiers.is_empty() { usize::try_from(digit).ok() } else { None }
    }
}

fn sequence(text: &str) -> Result<Vec<Key>, KeysError> {
    let keys: Vec<Key> = text.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(KeysError::Key(text.to_owned())) } else { Ok(keys) }
}

/// What keys do, by the table and the configuration.
#[derive(Clone, Debug)]
pub struct Keymap {
    /// The sequences of each line of the table.
    bound: Vec<Vec<Vec<Key>>>,
}

/// What is known of the keys pressed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    Action(Action),
    /// They begin a sequence.
    More,
    Nothing,
}

impl Default for Keymap {
    fn default() -> Self {
        Self::new(&BTreeMap::new()).expect("a test checks the table")
    }
}

impl Keymap {
    /// The table, with other keys for what is named.
    ///
    /// # Errors
    /// When there is no such name or key, when one key would do two things, or when nothing would lead out.
    pub fn new(configured: &BTreeMap<String, Vec<String>>) -> Result<Self, KeysError> {
        if let Some(name) = configured.keys().find(|name| BINDINGS.iter().all(|line| line.name != **name)) {
            return Err(KeysError::Name(name.clone()));
        }
        let mut bound = Vec::new();
        for line in &BINDINGS {
            let own = configured.get(line.name);
            let sequences: Vec<Vec<Key>> = match own {
                Some(keys) => keys.iter().map(|keys| sequence(keys)).collect::<Result<_, _>>()?,
                None => line.keys.iter().map(|keys| sequence(keys)).collect::<Result<_, _>>()?,
            };
            if sequences.is_empty()
                && matches!(line.action, Action::Quit | Action::Back | Action::Show(View::Help))
            {
                return Err(KeysError::Needed(line.name));
            }
            bound.push(sequences);
        }
        let keymap = Self { bound };
        keymap.check()?;
        Ok(keymap)
    }

    fn lines(&self) -> impl Iterator<Item = (&'static Binding, &Vec<Vec<Key>>)> {
        BINDINGS.iter().zip(&self.bound)
    }

    /// Refuses what would do two things in one place.
    fn check(&self) -> Result<(), KeysError> {
        for (index, (one, own)) in self.lines().enumerate() {
            for (other, others) in self.lines().skip(index + 1) {
                let meet =
                    one.scopes.iter().any(|scope| other.scopes.iter().any(|second| scope.overlaps(*second)));
                for sequence in own.iter().filter(|_| meet) {
                    let begins =
                        |second: &&Vec<Key>| second.starts_with(sequence) || sequence.starts_with(second);
                    if others.iter().find(begins).is_some() {
                        return Err(KeysError::Clash {
                            key: written(sequence),
                            one: one.name.to_owned(),
                            other: other.name.to_owned(),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// What was pressed means, where `scope` counts.
    pub(super) fn pressed(&self, keys: &[Key], scope: Scope) -> Pressed {
        let mut more = false;
        for (line, sequences) in self.lines() {
            if !line.counts_in(scope) {
                continue;
            }
            for sequence in sequences {
                if sequence == keys {
                    return Pressed::Action(line.action);
                }
                more |= sequence.starts_with(keys);
            }
        }
        if more { Pressed::More } else { Pressed::Nothing }
    }

    /// Whether a number can stand before a key there: where digits do something themselves, none can.
    pub(super) fn counts_in(&self, scope: Scope) -> bool {
        let digit = |digit| Key { code: KeyCode::Char(digit), modifiers: KeyModifiers::NONE };
        ('0'..='9').all(|number| self.pressed(&[digit(number)], scope) == Pressed::Nothing)
    }

    /// What keys may follow those pressed so far, each with the name of what it does.
    pub(super) fn continued(&self, keys: &[Key], scope: Scope) -> Vec<(String, &'static str)> {
        let mut found = Vec::new();
        for (line, sequences) in self.lines().filter(|(line, _)| line.counts_in(scope)) {
            for rest in sequences.iter().filter_map(|sequence| sequence.strip_prefix(keys)) {
                found.push((written(rest), line.name));
            }
        }
        found
    }

    /// The keys of a line of the table as people write them, such as `g g, home`.
    pub(crate) fn written(&self, name: &str) -> String {
        let of = self.lines().find(|(line, _)| line.name == name);
        let sequences = of.into_iter().flat_map(|(_, sequences)| sequences);
        sequences.map(|sequence| written(sequence)).collect::<Vec<_>>().join(", ")
    }

    /// The first key of an action, for hints; empty when it has none.
    pub(super) fn first(&self, action: Action) -> String {
        let of = self.lines().find(|(line, _)| line.action == action);
        of.and_then(|(_, sequences)| sequences.first()).map(|sequence| written(sequence)).unwrap_or_default()
    }

    /// The whole table as the configuration's `[keys]`, each line with what it does.
    pub fn to_toml(&self) -> String {
        let mut text = String::from("[keys]\n");
        for (line, sequences) in self.lines() {
            let keys: Vec<String> =
                sequences.iter().map(|sequence| toml::Value::from(written(sequence)).to_string()).collect();
            text.push_str(&format!("# {}\n{} = [{}]\n", line.text, line.name, keys.join(", ")));
        }
        text
    }
}

pub(super) fn written(sequence: &[Key]) -> String {
    sequence.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

/// Ctrl-c, which quits wherever one is.
pub(super) fn is_interrupt(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn keymap(name: &str, keys: &[&str]) -> Result<Keymap, KeysError> {
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        Keymap::new(&BTreeMap::from([(name.to_owned(), keys)]))
    }

    #[test]
    fn every_line_has_keys_and_a_name_of_its_own_and_no_key_does_two_things() {
        Keymap::new(&BTreeMap::new()).unwrap();
        for (index, line) in BINDINGS.iter().enumerate() {
            assert!(
                !line.keys.is_empty() && !line.scopes.is_empty() && !line.text.is_empty(),
                "{}",
                line.name
            );
            assert!(BINDINGS[..index].iter().all(|other| other.name != line.name), "{}", line.name);
        }
    }

    #[test]
    fn keys_are_written_as_they_are_read() {
        for text in
            ["a", "G", "ctrl-d", "alt-x", "ctrl-alt-x", "f12", "space", "shift-tab", "-", "g g", "ctrl-up"]
        {
            assert_eq!(written(&sequence(text).unwrap()), text);
        }
        for text in ["", "ab", "f13", "ctrl-", "g  g", "\u{7}"] {
            assert_eq!(
                sequence(text),
                Err(KeysError::Key(
                    text.split(' ').find(|key| key.parse::<Key>().is_err()).unwrap().to_owned()
                ))
            );
        }
        let shifted = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(Key::from(shifted), "G".parse().unwrap());
    }

    #[test]
    fn other_keys_replace_those_of_the_table() {
        let keymap = keymap("replay", &["z r", "f11"]).unwrap();
        let press = |text: &str| keymap.pressed(&sequence(text).unwrap(), Scope::List);
        assert_eq!(press("f11"), Pressed::Action(Action::Replay));
        assert_eq!(press("z"), Pressed::More);
        assert_eq!(press("z r"), Pressed::Action(Action::Replay));
        assert_eq!(press("r"), Pressed::Nothing);
        assert_eq!(keymap.written("replay"), "z r, f11");
        let printed: toml::Table = keymap.to_toml().parse().unwrap();
        assert_eq!(printed["keys"]["replay"].as_array().unwrap().len(), 2);
        assert_eq!(printed["keys"].as_table().unwrap().len(), BINDINGS.len());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(keymap("fly", &["f"]).unwrap_err(), KeysError::Name("fly".to_owned()));
        assert_eq!(keymap("help", &[]).unwrap_err(), KeysError::Needed("help"));
        let clash = keymap("replay", &["g"]).unwrap_err();
        assert!(matches!(clash, KeysError::Clash { ref key, .. } if key == "g" || key == "g g"), "{clash}");
        assert!(keymap("help", &["?", "?"]).is_ok(), "twice the same is no clash");
    }

    #[test]
    fn the_page_about_keys_is_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/keys.md");
        let page = fs::read_to_string(path).unwrap();
        let keymap = Keymap::default();
        let rows: String = BINDINGS
            .iter()
            .map(|line| {
                format!(
                    "| `{}` | {} | {} |\n",
                    keymap.written(line.name).replace('|', "\\|"),
                    line.text,
                    line.name
                )
            })
            .collect();
        assert!(page.contains(&rows), "docs/keys.md must have these rows:\n{rows}");
    }
}

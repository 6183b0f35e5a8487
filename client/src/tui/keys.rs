//! Every key of the inspector: one table for what they do, for the help, for docs/keys.md and for `inhaul keys`.
//!
//! A key counts where its scopes say. Several pressed after each other, such as `g g`, are a sequence; no sequence is the beginning of
//! another one that counts in the same place, so none has to wait for a clock.

use std::collections::BTreeMap;

mod action;
mod key;
mod table;

pub(super) use action::{Action, Change, Copy, Note, OnBody, Tab, View, Way};
pub(super) use key::{Key, is_interrupt, written};
pub(crate) use table::BINDINGS;

pub use key::KeysError;
use key::sequence;

pub(super) use super::{holding::Holding, scenario::Command};

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
        ('0'..='9').all(|letter| self.pressed(&[Key::letter(letter)], scope) == Pressed::Nothing)
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

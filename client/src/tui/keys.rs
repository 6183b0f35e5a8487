//! Every key of the inspector: one table for what they do, for the help, and for docs/keys.md.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Go(Way),
    Open,
    OtherPane,
    Back,
    Replay,
    ReplaySigned,
    Filter,
    Follow,
    Mark,
    MarkAndGoDown,
    UnmarkAll,
    Help,
    Quit,
}

/// Where to go, in the list or in the detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Down,
    Up,
    PageDown,
    PageUp,
    First,
    Last,
}

/// A line of the table.
pub(super) struct Binding {
    /// As people write it.
    pub(super) keys: &'static str,
    /// What it does, for the help.
    pub(super) text: &'static str,
    /// A word for the line of hints; keys without one are only in the help.
    pub(super) hint: Option<&'static str>,
    pub(super) action: Action,
    codes: &'static [(KeyCode, KeyModifiers)],
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

/// The table, in the order of the help.
pub(super) const BINDINGS: [Binding; 18] = [
    Binding {
        keys: "j ↓",
        text: "next event, or a line down in the detail",
        hint: None,
        action: Action::Go(Way::Down),
        codes: &[(KeyCode::Char('j'), NONE), (KeyCode::Down, NONE)],
    },
    Binding {
        keys: "k ↑",
        text: "event before, or a line up in the detail",
        hint: None,
        action: Action::Go(Way::Up),
        codes: &[(KeyCode::Char('k'), NONE), (KeyCode::Up, NONE)],
    },
    Binding {
        keys: "Ctrl-d PgDn",
        text: "a page down",
        hint: None,
        action: Action::Go(Way::PageDown),
        codes: &[(KeyCode::Char('d'), CONTROL), (KeyCode::PageDown, NONE)],
    },
    Binding {
        keys: "Ctrl-u PgUp",
        text: "a page up",
        hint: None,
        action: Action::Go(Way::PageUp),
        codes: &[(KeyCode::Char('u'), CONTROL), (KeyCode::PageUp, NONE)],
    },
    Binding {
        keys: "g Home",
        text: "oldest event, or the top of the detail",
        hint: None,
        action: Action::Go(Way::First),
        codes: &[(KeyCode::Char('g'), NONE), (KeyCode::Home, NONE)],
    },
    Binding {
        keys: "G End",
        text: "newest event and follow, or the end of the detail",
        hint: None,
        action: Action::Go(Way::Last),
        codes: &[(KeyCode::Char('G'), NONE), (KeyCode::End, NONE)],
    },
    Binding {
        keys: "Enter",
        text: "open the event",
        hint: Some("open"),
        action: Action::Open,
        codes: &[(KeyCode::Enter, NONE)],
    },
    Binding {
        keys: "Tab",
        text: "between list and detail",
        hint: None,
        action: Action::OtherPane,
        codes: &[(KeyCode::Tab, NONE)],
    },
    Binding {
        keys: "r",
        text: "replay: send the event to your application once more, as a new attempt",
        hint: Some("replay"),
        action: Action::Replay,
        codes: &[(KeyCode::Char('r'), NONE)],
    },
    Binding {
        keys: "R",
        text: "replay signed anew: with the time of now and, in a header, a fresh id",
        hint: None,
        action: Action::ReplaySigned,
        codes: &[(KeyCode::Char('R'), NONE), (KeyCode::Char('R'), KeyModifiers::SHIFT)],
    },
    Binding {
        keys: "/",
        text: "filter: words, type:charge.* status:5xx -is:late body:text data.amount>9 (docs/filters.md)",
        hint: Some("filter"),
        action: Action::Filter,
        codes: &[(KeyCode::Char('/'), NONE)],
    },
    Binding {
        keys: "F",
        text: "follow the newest event, or stay",
        hint: Some("follow"),
        action: Action::Follow,
        codes: &[(KeyCode::Char('F'), NONE)],
    },
    Binding {
        keys: "Space",
        text: "mark the event, or take its mark away, and go to the next one",
        hint: None,
        action: Action::MarkAndGoDown,
        codes: &[(KeyCode::Char(' '), NONE)],
    },
    Binding {
        keys: "m",
        text: "mark the event, or take its mark away",
        hint: None,
        action: Action::Mark,
        codes: &[(KeyCode::Char('m'), NONE)],
    },
    Binding {
        keys: "U",
        text: "take every mark away",
        hint: None,
        action: Action::UnmarkAll,
        codes: &[(KeyCode::Char('U'), NONE)],
    },
    Binding {
        keys: "?",
        text: "this help",
        hint: Some("help"),
        action: Action::Help,
        codes: &[(KeyCode::Char('?'), NONE)],
    },
    Binding {
        keys: "Esc",
        text: "back: close the help or the detail, clear the filter",
        hint: None,
        action: Action::Back,
        codes: &[(KeyCode::Esc, NONE)],
    },
    Binding {
        keys: "q Ctrl-c",
        text: "back, and from the list quit; Ctrl-c quits at once",
        hint: Some("quit"),
        action: Action::Quit,
        codes: &[(KeyCode::Char('q'), NONE)],
    },
];

/// What a key does, if anything. A letter's case says whether Shift was held.
pub(super) fn action(key: KeyEvent) -> Option<Action> {
    let modifiers = key.modifiers - KeyModifiers::SHIFT;
    let bound = |binding: &&Binding| binding.codes.contains(&(key.code, modifiers));
    BINDINGS.iter().find(bound).map(|binding| binding.action)
}

/// Ctrl-c, which quits wherever one is.
pub(super) fn is_interrupt(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers == CONTROL
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fs, path::Path};

    use super::*;

    #[test]
    fn no_key_does_two_things_and_every_action_has_a_key() {
        let mut seen = HashSet::new();
        for binding in &BINDINGS {
            assert!(!binding.codes.is_empty(), "{}", binding.keys);
            for code in binding.codes {
                assert!(seen.insert(*code), "{code:?} is bound twice");
                assert_eq!(action(KeyEvent::new(code.0, code.1)), Some(binding.action));
            }
        }
        assert_eq!(
            action(KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT)),
            Some(Action::Go(Way::Last))
        );
        assert_eq!(action(KeyEvent::new(KeyCode::Char('x'), NONE)), None);
    }

    #[test]
    fn the_page_about_keys_is_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/keys.md");
        let page = fs::read_to_string(path).unwrap();
        let rows: String =
            BINDINGS.iter().map(|binding| format!("| `{}` | {} |\n", binding.keys, binding.text)).collect();
        assert!(page.contains(&rows), "docs/keys.md must have these rows:\n{rows}");
    }
}

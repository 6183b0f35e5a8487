//! One key, several pressed after each other, and how both are written.

use std::{
    fmt::{self, Write},
    str::FromStr,
};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use thiserror::Error;

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
    /// A character, with nothing held down.
    pub(super) fn letter(letter: char) -> Self {
        Self { code: KeyCode::Char(letter), modifiers: KeyModifiers::NONE }
    }

    /// The digit it is, if it is one alone.
    pub(in super::super) fn digit(self) -> Option<usize> {
        let digit = self.code.as_char()?.to_digit(10)?;
        if self.modifiers.is_empty() { usize::try_from(digit).ok() } else { None }
    }
}

/// Keys pressed after each other, parted by blanks.
pub(super) fn sequence(text: &str) -> Result<Vec<Key>, KeysError> {
    let keys: Vec<Key> = text.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(KeysError::Key(text.to_owned())) } else { Ok(keys) }
}

/// Keys pressed after each other, as they are written.
pub(in super::super) fn written(sequence: &[Key]) -> String {
    sequence.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

/// Ctrl-c, which quits wherever one is.
pub(in super::super) fn is_interrupt(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

//! Texts that many events have, each kept once.

use std::collections::HashMap;

/// Most different words of one field. Whoever gives every event a type of its own must not fill the memory.
const WORDS_MAX: usize = 100_000;

/// The number of a text among the words of its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WordNumber(u32);

impl WordNumber {
    /// There is no text.
    pub(super) const NONE: Self = Self(u32::MAX);
    /// There is one, and it is not among the words.
    pub(super) const UNLISTED: Self = Self(u32::MAX - 1);

    /// Its place among the words.
    pub(super) fn place(self) -> Option<usize> {
        if self == Self::NONE || self == Self::UNLISTED { None } else { Some(self.0 as usize) }
    }
}

/// The words of one field.
#[derive(Default)]
pub(super) struct Words {
    texts: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
    /// How many letters the longest has.
    widest: usize,
}

impl Words {
    /// The number of a text, which is a word from now on.
    pub(super) fn number(&mut self, text: Option<&str>) -> WordNumber {
        let Some(text) = text else { return WordNumber::NONE };
        if let Some(&number) = self.numbers.get(text) {
            return WordNumber(number);
        }
        if self.texts.len() >= WORDS_MAX {
            return WordNumber::UNLISTED;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.widest = self.widest.max(text.chars().count());
        self.texts.push(text.into());
        self.numbers.insert(text.into(), number);
        WordNumber(number)
    }

    /// The text of a number.
    pub(super) fn text(&self, number: WordNumber) -> Option<&str> {
        self.texts.get(number.place()?).map(AsRef::as_ref)
    }

    /// How many letters the longest word has.
    pub(super) fn widest(&self) -> usize {
        self.widest
    }

    /// Every word, in the order of their numbers.
    pub(super) fn texts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.texts.iter().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_and_beyond_the_most_none() {
        let mut words = Words::default();
        let stripe = words.number(Some("stripe"));
        assert_eq!(words.number(Some("stripe")), stripe);
        assert_ne!(words.number(Some("github")), stripe);
        assert_eq!(words.text(stripe), Some("stripe"));
        assert_eq!(words.number(None), WordNumber::NONE);
        for number in 2..WORDS_MAX {
            words.number(Some(&number.to_string()));
        }
        assert_eq!(words.number(Some("one more")), WordNumber::UNLISTED);
        assert_eq!(words.number(Some("stripe")), stripe);
        assert_eq!(words.texts().len(), WORDS_MAX);
    }
}

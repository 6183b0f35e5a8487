//! Filters that have a name: `@slow` means what is saved as `slow`.

use std::collections::BTreeMap;

use super::{Filter, FilterError};

/// How many saved filters may lead to one another; more are taken for a circle.
pub(super) const SAVED_DEPTH_MAX: usize = 8;

/// Bytes of all saved filters that one filter leads to, each as often as it is named: filters that name one another multiply.
pub(super) const SAVED_BYTES_MAX: usize = 64 * 1024;

/// Longest name, in bytes.
const NAME_MAX_BYTES: usize = 40;

/// Filters by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved(BTreeMap<String, String>);

impl Saved {
    /// Whether a filter can have this name: letters, digits, `-` and `_`.
    pub fn is_name(name: &str) -> bool {
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        (1..=NAME_MAX_BYTES).contains(&name.len()) && name.chars().all(fits)
    }

    /// Gives a filter a name, in place of the one that had it. What it says is not looked at: [`Saved::check`] does that once all are there.
    pub fn insert(&mut self, name: &str, text: &str) {
        self.0.insert(name.to_owned(), text.to_owned());
    }

    /// These filters and others, which come before those of the same name.
    #[must_use]
    pub fn with(mut self, others: &Self) -> Self {
        self.0.extend(others.0.clone());
        self
    }

    /// The text of a filter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names and texts, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Makes sure that a filter means something.
    ///
    /// # Errors
    /// With what is wrong, and its place in the text of that filter.
    pub fn check(&self, name: &str) -> Result<(), FilterError> {
        Filter::parse_with(self.text(name).unwrap_or_default(), self).map(|_| ())
    }
}

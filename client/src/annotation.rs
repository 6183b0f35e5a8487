//! What a person notes on a stored event: tags, which are words to find it by, and a comment.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest tag, in characters.
pub const TAG_MAX_CHARS: usize = 40;
/// Most tags of one event.
pub const TAGS_MAX: usize = 32;
/// Longest comment, in bytes.
pub const COMMENT_MAX_BYTES: usize = 1024;

/// Something that is noted on an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Annotation {
    /// Tags are given and taken away.
    Tags(TagChange),
    /// The comment is this one now.
    Comment(Comment),
}

/// Tags that are given to an event, and tags that are taken from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagChange {
    /// What it has from now on.
    #[serde(default)]
    pub add: Vec<String>,
    /// What it has no longer.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// What is written about an event. An empty text removes what was written before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    text: String,
}

/// Why something cannot be noted on an event.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AnnotationError {
    /// A word that is no tag.
    #[error(
        "{0:?} is no tag: a tag has at most {TAG_MAX_CHARS} letters, digits and signs of -_.:/#@, a letter or digit first"
    )]
    Tag(String),
    /// Too many tags.
    #[error("an event has at most {TAGS_MAX} tags")]
    TooManyTags,
    /// A long comment.
    #[error("a comment has at most {COMMENT_MAX_BYTES} bytes, and this one has {0}")]
    LongComment(usize),
}

impl TagChange {
    /// From words as people write them: `+word` gives a tag, `-word` takes it away, and `word` gives it too.
    ///
    /// # Errors
    /// At the first word that is no tag.
    pub fn parse<'t>(words: impl IntoIterator<Item = &'t str>) -> Result<Self, AnnotationError> {
        let mut change = Self::default();
        for word in words {
            let (tags, tag) = match word.strip_prefix('-') {
                Some(tag) => (&mut change.remove, tag),
                None => (&mut change.add, word.strip_prefix('+').unwrap_or(word)),
            };
            tags.push(tag.to_owned());
        }
        change.check()?;
        Ok(change)
    }

    /// Makes sure that what comes from elsewhere is what [`TagChange::parse`] lets through.
    ///
    /// # Errors
    /// At the first word that is no tag, or when there are more than an event may have.
    pub fn check(&self) -> Result<(), AnnotationError> {
        match self.add.iter().chain(&self.remove).find(|tag| !is_tag(tag)) {
            Some(wrong) => Err(AnnotationError::Tag(wrong.clone())),
            None if self.add.len() > TAGS_MAX || self.remove.len() > TAGS_MAX => {
                Err(AnnotationError::TooManyTags)
            }
            None => Ok(()),
        }
    }

    /// Whether nothing is given or taken.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    /// Changes the tags of an event, which stay in order. What is given and taken at once is taken.
    pub fn apply(&self, tags: &mut Vec<String>) {
        for tag in &self.add {
            if let Err(at) = tags.binary_search(tag) {
                tags.insert(at, tag.clone());
            }
        }
        tags.retain(|tag| !self.remove.contains(tag));
    }
}

fn is_tag(word: &str) -> bool {
    let fits = |letter: char| letter.is_alphanumeric() || "-_.:/#@".contains(letter);
    word.starts_with(char::is_alphanumeric) && word.chars().count() <= TAG_MAX_CHARS && word.chars().all(fits)
}

impl Comment {
    /// A comment, without the white space around it.
    ///
    /// # Errors
    /// When it is too long.
    pub fn new(text: &str) -> Result<Self, AnnotationError> {
        let comment = Self { text: text.trim().to_owned() };
        comment.check()?;
        Ok(comment)
    }

    /// Makes sure that what comes from elsewhere is what [`Comment::new`] lets through.
    ///
    /// # Errors
    /// When it is too long.
    pub fn check(&self) -> Result<(), AnnotationError> {
        let bytes = self.text.len();
        if bytes > COMMENT_MAX_BYTES { Err(AnnotationError::LongComment(bytes)) } else { Ok(()) }
    }

    /// What an event's comment is then.
    pub fn text(&self) -> Option<String> {
        Some(self.text.clone()).filter(|text| !text.is_empty())
    }
}

impl Annotation {
    /// Makes sure that what comes from elsewhere keeps to the limits.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<(), AnnotationError> {
        match self {
            Self::Tags(change) => change.check(),
            Self::Comment(comment) => comment.check(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_give_and_take_tags_which_stay_in_order() {
        let change = TagChange::parse(["+slow", "-fine", "bug/12", "fine"]).unwrap();
        let mut tags = vec!["fine".to_owned(), "todo".to_owned()];
        change.apply(&mut tags);
        assert_eq!(tags, ["bug/12", "slow", "todo"]);
        change.apply(&mut tags);
        assert_eq!(tags.len(), 3, "a tag is there once");
    }

    #[test]
    fn what_a_filter_or_a_terminal_could_not_take_is_no_tag() {
        let long = "x".repeat(TAG_MAX_CHARS + 1);
        for wrong in ["", "+", "--x", "two words", "a,b", "\u{1b}[2J", "a\"", ".x", &long] {
            assert!(TagChange::parse([wrong]).is_err(), "{wrong:?}");
        }
        let many: Vec<String> = (0..=TAGS_MAX).map(|number| number.to_string()).collect();
        let many = TagChange::parse(many.iter().map(String::as_str));
        assert_eq!(many, Err(AnnotationError::TooManyTags));
        assert!(TagChange::parse(["größer", &long[1..]]).is_ok());
    }

    #[test]
    fn a_comment_is_trimmed_and_an_empty_one_is_none() {
        assert_eq!(Comment::new("  who sent this? \n").unwrap().text().as_deref(), Some("who sent this?"));
        assert_eq!(Comment::new(" ").unwrap().text(), None);
        let long = "x".repeat(COMMENT_MAX_BYTES + 1);
        assert_eq!(Comment::new(&long), Err(AnnotationError::LongComment(long.len())));
    }
}

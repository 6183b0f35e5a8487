//! How texts are compared: by a part, by a glob, as a whole, or by a regular expression.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// Largest compiled regular expression; one that repeats repetitions could otherwise take all memory.
const REGEX_MAX_BYTES: usize = 1 << 20;

/// A text to compare with. Without a capital letter it does not tell small letters from capital ones.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    kind: Kind,
    text: String,
    regex: Regex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `:`: a part of the text.
    Part,
    /// `:` and `*` or `?` in a value without quotes: the whole text looks like it.
    Glob,
    /// `=`: the whole text.
    Whole,
    /// `~`: a regular expression.
    Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.text) == (other.kind, &other.text)
    }
}

impl Pattern {
    /// Makes a pattern; fails with the reason when the text is no regular expression.
    pub(super) fn new(kind: Kind, text: &str) -> Result<Self, String> {
        let expression = match kind {
            Kind::Regex => text.to_owned(),
            Kind::Part => regex::escape(text),
            Kind::Glob => glob(text),
            Kind::Whole => format!("^{}$", regex::escape(text)),
        };
        let regex = RegexBuilder::new(&expression)
            .case_insensitive(!text.chars().any(char::is_uppercase))
            .dot_matches_new_line(kind != Kind::Regex)
            .size_limit(REGEX_MAX_BYTES)
            .build()
            .map_err(|error| reason(&error))?;
        Ok(Self { kind, text: text.to_owned(), regex })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The text as it was given.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// As a word by itself.
    pub(super) fn write_word(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Regex => write!(f, "/{}/", self.text.replace('/', "\\/")),
            Kind::Glob => f.write_str(&self.text),
            Kind::Part | Kind::Whole => f.write_str(&word(&self.text)),
        }
    }

    pub(super) fn operator(&self) -> &'static str {
        match self.kind {
            Kind::Part | Kind::Glob => ":",
            Kind::Whole => "=",
            Kind::Regex => "~",
        }
    }
}

/// As a value behind its operator.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == Kind::Glob { f.write_str(&self.text) } else { f.write_str(&quoted(&self.text)) }
    }
}

/// An operator and its values.
pub(super) fn write_all(f: &mut fmt::Formatter<'_>, patterns: &[Pattern]) -> fmt::Result {
    for (at, pattern) in patterns.iter().enumerate() {
        write!(f, "{}{pattern}", if at == 0 { pattern.operator() } else { "," })?;
    }
    Ok(())
}

/// A text as a value of a filter, in quotes if it needs any to mean just this text.
pub fn quoted(text: &str) -> String {
    let special = |letter: char| {
        letter.is_whitespace()
            || matches!(letter, '(' | ')' | ',' | '"' | '\'' | '\\' | '/' | '|' | '&' | '*' | '?')
    };
    if text.is_empty() || text.contains(special) { in_quotes(text) } else { text.to_owned() }
}

/// A word by itself, in quotes if it would be read otherwise.
fn word(text: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
    let starts_well = text.chars().next().is_some_and(char::is_alphanumeric);
    let is_operator = matches!(text, "AND" | "OR" | "NOT");
    let named = ["header.", "query.", "resp.header."].iter().any(|prefix| text.starts_with(prefix));
    if starts_well && text.chars().all(plain) && !is_operator && !named {
        text.to_owned()
    } else {
        in_quotes(text)
    }
}

/// A text in quotes, which means just this text wherever a value or a word stands.
pub fn in_quotes(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether a text without quotes stands for others.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// The regular expression of a glob.
pub(super) fn glob(text: &str) -> String {
    let mut out = "(?s)^".to_owned();
    for letter in text.chars() {
        match letter {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            _ => out.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    out
}

/// The last line of what the parser says; those before it are a picture of the expression.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().next_back().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

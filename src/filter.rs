//! The filter language: which events are meant. One language for lists, the inspector and routes; `docs/filters.md` describes it.
//!
//! ```text
//!  text ──syntax──▶ words and their places ──resolve──▶ Filter ──test──▶ yes, no, or not known without the event's bytes
//! ```
//! A test of what is not at hand yet is neither true nor false, and the rest of the filter decides if it can (Kleene's logic). So a
//! filter is first tried on what a list knows of an event, and only those it leaves open are read from the disk.

use std::{fmt, ops::Range, str::FromStr};

use thiserror::Error;

mod complete;
mod decimal;
mod field;
mod json;
mod number;
mod pattern;
mod prepared;
mod resolve;
mod saved;
mod subject;
mod syntax;
mod time;

pub use complete::{Candidate, Completion, Seen, complete};
pub use field::{Flag, NumberField, Signature, TextField};
pub use json::{JsonValue, Path as JsonPath, Place as JsonPlace};
pub use pattern::{in_quotes, quoted};
pub use prepared::{FAILED, Listed, ListedWord, Prepared, REMARKS, Vocabulary};
pub use saved::Saved;
pub use subject::{Outcome, Subject};
pub use time::moment;

use number::Numbers;
use pattern::Pattern;
use time::Times;

/// Longest text of a filter, in bytes.
pub const TEXT_MAX_BYTES: usize = 4096;

/// Which events are meant; the empty filter means all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    expression: Option<Expression>,
}

/// Why a text is no filter.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct FilterError {
    /// The bytes of the text that are wrong; empty at its end.
    pub span: Range<usize>,
    /// What is wrong with them, and what would be right.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Test(Test),
}

/// What is asked of one event.
#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// One of the patterns is in what the list knows of it.
    Word(Pattern),
    /// One of the texts matches.
    Text(TextField, Vec<Pattern>),
    /// It has the text at all.
    Present(TextField),
    /// One of the numbers is one of these.
    Number(NumberField, Vec<Numbers<f64>>),
    /// The last attempt ended in one of these ways.
    Status(Vec<field::StatusTest>),
    /// One of these is true of it.
    Flags(Vec<Flag>),
    /// The signature check found one of these.
    Signature(Vec<Signature>),
    /// It was received then.
    Received(Times),
    /// A value of its JSON body matches.
    Json(json::Path, json::JsonTest),
    /// A jq program finds something in its JSON body.
    Jq(String),
}

impl Filter {
    /// Reads a filter that names no saved ones and has no jq programs.
    ///
    /// # Errors
    /// At the first thing that is wrong, with its place.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Self::parse_with(text, &Saved::default())?.without_programs(text)
    }

    /// Reads a filter that decides what becomes of events, and may name saved ones. It has no jq programs, because nothing that is forwarded
    /// waits for a program, and asks for nothing that is known only later.
    ///
    /// # Errors
    /// As [`Filter::parse`], when no filter has the name, and when it asks for what becomes of an event.
    pub fn parse_deciding(text: &str, saved: &Saved) -> Result<Self, FilterError> {
        let filter = Self::parse_with(text, saved)?.without_programs(text)?;
        match filter.expression.as_ref().and_then(Expression::known_later) {
            None => Ok(filter),
            Some(test) => {
                let message = format!(
                    "what is forwarded or held is decided about an event when it arrives; {test} is not known then"
                );
                Err(FilterError { span: 0..text.len(), message })
            }
        }
    }

    fn without_programs(self, text: &str) -> Result<Self, FilterError> {
        if self.jq_programs().is_empty() {
            return Ok(self);
        }
        let message =
            "jq: finds events that are there; what is forwarded or held is not decided by a program";
        Err(FilterError { span: 0..text.len(), message: message.to_owned() })
    }

    /// Reads a filter that may name saved ones: `@name` means what is saved under that name. What its jq programs say is not looked at.
    ///
    /// # Errors
    /// As [`Filter::parse`], when no filter has the name, and when it asks for marks, which only a list has.
    pub fn parse_with(text: &str, saved: &Saved) -> Result<Self, FilterError> {
        let filter = Self::parse_for_list(text, saved)?;
        if filter.asks_for(Flag::Marked) {
            let message =
                "marks are known to the inspector alone, while it runs; a tag stays: `tag:`".to_owned();
            return Err(FilterError { span: 0..text.len(), message });
        }
        Ok(filter)
    }

    /// As [`Filter::parse_with`], of a list in which a person marks events.
    ///
    /// # Errors
    /// As [`Filter::parse`], and when no filter has the name.
    pub fn parse_for_list(text: &str, saved: &Saved) -> Result<Self, FilterError> {
        if text.len() > TEXT_MAX_BYTES {
            let message = format!("a filter has at most {TEXT_MAX_BYTES} bytes");
            return Err(FilterError { span: TEXT_MAX_BYTES..text.len(), message });
        }
        let raw = syntax::parse(text)?;
        Ok(Self {
            expression: raw.map(|raw| resolve::resolve(&raw, &resolve::Names::new(saved), 0)).transpose()?,
        })
    }

    /// Whether it means every event.
    pub fn is_empty(&self) -> bool {
        self.expression.is_none()
    }

    /// Whether it asks for a flag.
    pub fn asks_for(&self, flag: Flag) -> bool {
        self.expression.as_ref().is_some_and(|expression| expression.asks_for(flag))
    }

    /// The jq programs in it.
    pub fn jq_programs(&self) -> Vec<&str> {
        fn collect<'f>(expression: &'f Expression, programs: &mut Vec<&'f str>) {
            match expression {
                Expression::And(all) | Expression::Or(all) => {
                    all.iter().for_each(|part| collect(part, programs));
                }
                Expression::Not(other) => collect(other, programs),
                Expression::Test(Test::Jq(program)) => programs.push(program),
                Expression::Test(_) => {}
            }
        }
        let mut programs = Vec::new();
        self.expression.iter().for_each(|expression| collect(expression, &mut programs));
        programs
    }

    /// Whether an event is meant; nothing when that is not known without what the subject has not at hand.
    pub fn test(&self, subject: &impl Subject) -> Option<bool> {
        self.expression.as_ref().map_or(Some(true), |expression| expression.test(subject))
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Expression {
    fn test(&self, subject: &impl Subject) -> Option<bool> {
        match self {
            Self::And(all) => decide(all, subject, false),
            Self::Or(any) => decide(any, subject, true),
            Self::Not(other) => other.test(subject).map(|truth| !truth),
            Self::Test(test) => test.test(subject),
        }
    }

    /// The first test of what is not known of an event when it arrives.
    fn known_later(&self) -> Option<&Test> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().find_map(Self::known_later),
            Self::Not(other) => other.known_later(),
            Self::Test(test) => test.is_of_later().then_some(test),
        }
    }

    fn asks_for(&self, flag: Flag) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.asks_for(flag)),
            Self::Not(other) => other.asks_for(flag),
            Self::Test(test) => matches!(test, Test::Flags(flags) if flags.contains(&flag)),
        }
    }
}

/// The first that is `decisive` decides; otherwise those that are not known leave it open.
fn decide(expressions: &[Expression], subject: &impl Subject, decisive: bool) -> Option<bool> {
    let mut known = true;
    for expression in expressions {
        match expression.test(subject) {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => known = false,
        }
    }
    known.then_some(!decisive)
}

impl Test {
    /// Whether it asks for what becomes of an event, or what a person notes on it.
    fn is_of_later(&self) -> bool {
        match self {
            Self::Text(field, _) | Self::Present(field) => field.is_of_later(),
            Self::Number(field, _) => field.is_of_later(),
            Self::Status(_) => true,
            Self::Flags(flags) => flags.iter().any(|flag| flag.is_of_later()),
            Self::Word(_) | Self::Signature(_) | Self::Received(_) | Self::Json(..) | Self::Jq(_) => false,
        }
    }

    fn test(&self, subject: &impl Subject) -> Option<bool> {
        match self {
            Self::Word(pattern) => subject.any_word(&mut |text| pattern.matches(text)),
            Self::Text(field, patterns) => {
                subject.any_text(field, &mut |text| patterns.iter().any(|pattern| pattern.matches(text)))
            }
            Self::Present(field) => subject.any_text(field, &mut |_| true),
            Self::Number(field, numbers) => {
                Some(subject.any_number(*field, &mut |number| numbers.iter().any(|one| one.hold(&number))))
            }
            Self::Status(tests) => Some(tests.iter().any(|test| test.holds(subject.outcome()))),
            Self::Flags(flags) => Some(flags.iter().any(|flag| subject.has(*flag))),
            Self::Signature(signatures) => Some(signatures.contains(&subject.signature())),
            Self::Received(times) => Some(times.hold(subject.received_at(), subject.now())),
            Self::Jq(program) => subject.jq(program),
            Self::Json(path, test) => subject.any_json(path, &mut |value| test.holds(value)),
        }
    }
}

/// The normal form, which reads back as the same filter.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.expression {
            Some(expression) => write!(f, "{expression}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(all) => joined(f, all, " ", |part| matches!(part, Self::Or(_) | Self::And(_))),
            Self::Or(any) => joined(f, any, " OR ", |part| matches!(part, Self::Or(_))),
            Self::Not(other) => match &**other {
                Self::And(_) | Self::Or(_) => write!(f, "-({other})"),
                Self::Not(_) | Self::Test(_) => write!(f, "-{other}"),
            },
            Self::Test(test) => write!(f, "{test}"),
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expression],
    between: &str,
    in_brackets: impl Fn(&Expression) -> bool,
) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        if in_brackets(part) { write!(f, "({part})")? } else { write!(f, "{part}")? }
    }
    Ok(())
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(pattern) => pattern.write_word(f),
            Self::Text(field, patterns) => {
                write!(f, "{field}")?;
                pattern::write_all(f, patterns)
            }
            Self::Present(field) => write!(f, "{field}"),
            Self::Number(field, numbers) => {
                write!(f, "{field}")?;
                number::write_all(f, numbers)
            }
            Self::Status(tests) => {
                f.write_str("status")?;
                number::write_all(f, tests)
            }
            Self::Flags(flags) => write!(f, "is:{}", names(flags)),
            Self::Signature(signatures) => write!(f, "sig:{}", names(signatures)),
            Self::Received(times) => write!(f, "{times}"),
            Self::Json(path, test) => test.write(f, path),
            Self::Jq(program) => write!(f, "jq:{}", quoted(program)),
        }
    }
}

fn names<T: fmt::Display>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;

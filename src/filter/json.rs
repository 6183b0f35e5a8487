//! Values of JSON bodies: where they are, and what they must be.

use std::fmt;

use super::{
    decimal::Decimal,
    number::{self, Numbers},
    pattern::{self, Pattern},
};

/// Where a value is in a JSON document: `data.amount`, `$.items[0].id`, `items[*].id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<Step>);

/// One step on the way from a document to a value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// The member of that name of an object.
    Member(&'a str),
    /// The item of an array, counted from 0.
    Item(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    At(usize),
    Each,
}

impl Path {
    /// Reads a path; nothing when the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut steps = Vec::new();
        let rest = match text.strip_prefix('$') {
            Some("") => return Some(Self(steps)),
            Some(rest) if rest.starts_with('[') => rest,
            Some(rest) => rest.strip_prefix('.')?,
            None => text,
        };
        for part in rest.split('.') {
            let (name, mut brackets) = part.split_at(part.find('[').unwrap_or(part.len()));
            if name.is_empty() && (brackets.is_empty() || !steps.is_empty()) {
                return None;
            }
            steps.extend((!name.is_empty()).then(|| Step::Member(name.to_owned())));
            while let Some((inside, behind)) =
                brackets.strip_prefix('[').and_then(|rest| rest.split_once(']'))
            {
                steps.push(if inside == "*" { Step::Each } else { Step::At(inside.parse().ok()?) });
                brackets = behind;
            }
            if !brackets.is_empty() {
                return None;
            }
        }
        Some(Self(steps))
    }

    /// Whether it leads to the value at the end of these steps.
    pub fn leads_to(&self, places: &[Place<'_>]) -> bool {
        self.0.len() == places.len() && self.leads_through(places)
    }

    /// Whether it leads to the value at the end of these steps, or to one inside of it.
    pub fn leads_through(&self, places: &[Place<'_>]) -> bool {
        let fits = |(step, place): (&Step, &Place<'_>)| match (step, place) {
            (Step::Member(name), Place::Member(member)) => name == member,
            (Step::At(index), Place::Item(item)) => index == item,
            (Step::Each, Place::Item(_)) => true,
            (Step::Member(_), Place::Item(_)) | (Step::At(_) | Step::Each, Place::Member(_)) => false,
        };
        self.0.len() >= places.len() && self.0.iter().zip(places).all(fits)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for step in &self.0 {
            match step {
                Step::Member(name) => write!(f, ".{name}")?,
                Step::At(index) => write!(f, "[{index}]")?,
                Step::Each => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

/// A value of a JSON document, as it is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonValue<'a> {
    /// A number with all of its digits, `true`, `false` or `null`.
    Plain(&'a str),
    /// A text, without quotes and escapes.
    Text(&'a str),
    /// An array or an object.
    Nested,
}

/// What a value of a JSON document must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum JsonTest {
    /// Anything.
    Exists,
    /// One of these.
    OneOf(Vec<Wanted>),
}

/// A value that passes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    /// A number, or a text that is one.
    Numbers(Numbers<Decimal>),
    /// This number, and of what is no number a text like this.
    Either(Decimal, Pattern),
    /// Written as text, it matches.
    Text(Pattern),
}

impl JsonTest {
    pub(super) fn holds(&self, value: JsonValue<'_>) -> bool {
        match self {
            Self::Exists => true,
            Self::OneOf(all) => all.iter().any(|wanted| wanted.is(value)),
        }
    }

    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
        let all = match self {
            Self::Exists => return write!(f, "exists:{}", pattern::quoted(&path.to_string())),
            Self::OneOf(all) => all,
        };
        write!(f, "{path}")?;
        let pattern = all.iter().find_map(|wanted| match wanted {
            Wanted::Either(_, pattern) | Wanted::Text(pattern) => Some(pattern),
            Wanted::Numbers(_) => None,
        });
        match pattern {
            Some(pattern) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                write!(f, "{}{}", pattern.operator(), all.join(","))
            }
            None => number::write_all(f, all),
        }
    }
}

impl Wanted {
    fn is(&self, value: JsonValue<'_>) -> bool {
        let (JsonValue::Plain(written) | JsonValue::Text(written)) = value else { return false };
        match self {
            Self::Numbers(numbers) => Decimal::parse(written).is_some_and(|number| numbers.hold(&number)),
            Self::Either(wanted, pattern) => match (value, Decimal::parse(written)) {
                (JsonValue::Plain(_), Some(number)) => number == *wanted,
                _ => pattern.matches(written),
            },
            Self::Text(pattern) => pattern.matches(written),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // One number by itself may be a text too.
            Self::Numbers(Numbers::Between(low, high)) => write!(f, "{low}..{high}"),
            Self::Numbers(numbers) => write!(f, "{numbers}"),
            Self::Either(_, pattern) => f.write_str(pattern.text()),
            // Without quotes it would be a number.
            Self::Text(pattern) if Numbers::parse(":", pattern.text(), Decimal::parse).is_ok() => {
                f.write_str(&pattern::in_quotes(pattern.text()))
            }
            Self::Text(pattern) => write!(f, "{pattern}"),
        }
    }
}

//! What can be asked of an event: one table of names, and what their values look like.

use std::fmt;

use serde_json::Value;

use super::{
    number::{Comparison, Unit},
    pattern::{self, Pattern},
    subject::Outcome,
};

/// A text of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextField {
    /// Who sent it.
    Provider,
    /// The provider's name for what happened.
    Type,
    /// The endpoint it was posted to.
    Endpoint,
    /// Where it was sent to: the URLs of its attempts.
    Target,
    /// The relay's id and the provider's.
    Id,
    /// The provider's id.
    Key,
    /// The request method.
    Method,
    /// The path behind the endpoint.
    Path,
    /// Whom the relay saw.
    Ip,
    /// The `Host` header.
    Host,
    /// A parameter of the query, by its name.
    Query(String),
    /// A header of the request, by its name in small letters.
    Header(String),
    /// The header lines of the request: `name: value`.
    Headers,
    /// A header of the targets' answers.
    AnswerHeader(String),
    /// The header lines of the targets' answers.
    AnswerHeaders,
    /// What the targets answered: the beginning of the bodies.
    Answer,
    /// The body.
    Body,
    /// The words a person gave it.
    Tag,
    /// What a person wrote about it.
    Comment,
    /// The provider's id of the object it is about.
    Object,
    /// The relay's id of the first delivery of the same event.
    Repeats,
}

/// A number of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberField {
    /// Milliseconds the last attempt took.
    Milliseconds,
    /// Milliseconds since the relay received it.
    Age,
    /// Bytes of the body.
    Size,
    /// How many attempts there were.
    Attempts,
}

/// Something that is true of an event or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// It is to be forwarded.
    Pending,
    /// A person decides whether it is.
    Held,
    /// It was not delivered and is not tried again.
    GivenUp,
    /// A target answered 2xx.
    Delivered,
    /// The last attempt was no success.
    Failed,
    /// It did not reach a target, because its signature is not valid.
    Rejected,
    /// The sender was told to come again.
    Missed,
    /// It waited at the relay while no client was there.
    Late,
    /// It came from a file.
    Imported,
    /// The same was delivered before.
    Repeat,
    /// It was not forwarded, because the same was delivered before.
    Dropped,
    /// A person sent it again.
    Replayed,
    /// It was tried again by itself.
    Retried,
    /// A person gave it a tag.
    Tagged,
    /// A person marked it in a list; no list but that one knows.
    Marked,
}

/// What a signature check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Right.
    Valid,
    /// Wrong.
    Invalid,
    /// Right and too old.
    Stale,
    /// Made with a secret that is not known here.
    NoSecret,
    /// None.
    Unsigned,
    /// Not checked yet.
    Unchecked,
}

/// The words of `is:`, the first of each the usual one.
pub(super) const FLAGS: [(Flag, &[&str]); 15] = [
    (Flag::Pending, &["pending", "queued"]),
    (Flag::Held, &["held"]),
    (Flag::GivenUp, &["given-up", "dlq", "dead"]),
    (Flag::Delivered, &["delivered"]),
    (Flag::Failed, &["failed"]),
    (Flag::Rejected, &["rejected"]),
    (Flag::Missed, &["missed"]),
    (Flag::Late, &["late"]),
    (Flag::Imported, &["imported"]),
    (Flag::Repeat, &["repeat", "dup"]),
    (Flag::Dropped, &["dropped"]),
    (Flag::Replayed, &["replayed", "replay"]),
    (Flag::Retried, &["retried", "retry"]),
    (Flag::Tagged, &["tagged"]),
    (Flag::Marked, &["marked"]),
];

/// The words of `sig:`, the first of each the usual one.
pub(super) const SIGNATURES: [(Signature, &[&str]); 6] = [
    (Signature::Valid, &["valid", "ok"]),
    (Signature::Invalid, &["invalid", "bad"]),
    (Signature::Stale, &["stale"]),
    (Signature::NoSecret, &["no-secret", "nosecret"]),
    (Signature::Unsigned, &["unsigned", "missing"]),
    (Signature::Unchecked, &["unchecked", "none"]),
];

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
    Text(TextField),
    Number(NumberField),
    Status,
    Flags,
    Signature,
    After,
    Before,
    At,
    Exists,
    Jq,
    Json(Path),
}

/// Every name without a dot.
const NAMES: [(&str, Field); 36] = [
    ("status", Field::Status),
    ("is", Field::Flags),
    ("state", Field::Flags),
    ("provider", Field::Text(TextField::Provider)),
    ("p", Field::Text(TextField::Provider)),
    ("type", Field::Text(TextField::Type)),
    ("endpoint", Field::Text(TextField::Endpoint)),
    ("target", Field::Text(TextField::Target)),
    ("sig", Field::Signature),
    ("ms", Field::Number(NumberField::Milliseconds)),
    ("age", Field::Number(NumberField::Age)),
    ("size", Field::Number(NumberField::Size)),
    ("attempts", Field::Number(NumberField::Attempts)),
    ("after", Field::After),
    ("before", Field::Before),
    ("at", Field::At),
    ("id", Field::Text(TextField::Id)),
    ("key", Field::Text(TextField::Key)),
    ("method", Field::Text(TextField::Method)),
    ("path", Field::Text(TextField::Path)),
    ("ip", Field::Text(TextField::Ip)),
    ("host", Field::Text(TextField::Host)),
    ("header", Field::Text(TextField::Headers)),
    ("headers", Field::Text(TextField::Headers)),
    ("resp", Field::Text(TextField::Answer)),
    ("resp.header", Field::Text(TextField::AnswerHeaders)),
    ("answer", Field::Text(TextField::Answer)),
    ("body", Field::Text(TextField::Body)),
    ("tag", Field::Text(TextField::Tag)),
    ("comment", Field::Text(TextField::Comment)),
    ("object", Field::Text(TextField::Object)),
    ("repeats", Field::Text(TextField::Repeats)),
    ("exists", Field::Exists),
    ("jq", Field::Jq),
    ("signature", Field::Signature),
    ("latency", Field::Number(NumberField::Milliseconds)),
];

impl Field {
    /// What a name stands for, whatever its letters' case.
    pub(super) fn named(name: &str) -> Option<Self> {
        let small = name.to_ascii_lowercase();
        if let Some((_, field)) = NAMES.iter().find(|(known, _)| *known == small) {
            return Some(field.clone());
        }
        let after = |prefix: &str| small.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        if let Some(header) = after("resp.header.") {
            return Some(Self::Text(TextField::AnswerHeader(header.to_owned())));
        }
        if let Some(header) = after("header.") {
            return Some(Self::Text(TextField::Header(header.to_owned())));
        }
        if after("query.").is_some() {
            return Some(Self::Text(TextField::Query(name["query.".len()..].to_owned())));
        }
        if name.starts_with('$') || name.contains('.') { Path::parse(name).map(Self::Json) } else { None }
    }

    /// The first name of what a name stands for, as `provider` for `p`.
    pub(super) fn usual_name(name: &str) -> Option<&'static str> {
        let field = Self::named(name)?;
        NAMES.iter().find(|(_, known)| *known == field).map(|(name, _)| *name)
    }

    /// Names to choose from: of several for the same thing, the first.
    pub(super) fn names_to_offer() -> impl Iterator<Item = &'static str> {
        let is_first =
            |(at, (_, field)): &(usize, &(&str, Self))| !NAMES[..*at].iter().any(|(_, known)| known == field);
        NAMES.iter().enumerate().filter(is_first).map(|(_, (name, _))| *name)
    }

    /// Names that a slip of the finger may have meant.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}

impl Flag {
    /// Every flag.
    pub fn all() -> impl Iterator<Item = Self> {
        FLAGS.into_iter().map(|(flag, _)| flag)
    }
}

impl NumberField {
    pub(super) fn unit(self) -> Unit {
        match self {
            Self::Milliseconds | Self::Age => Unit::Time,
            Self::Size => Unit::Bytes,
            Self::Attempts => Unit::Count,
        }
    }
}

impl fmt::Display for TextField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = NAMES.iter().find(|(_, field)| matches!(field, Field::Text(text) if text == self));
        match (self, known) {
            (Self::Query(name), _) => write!(f, "query.{name}"),
            (Self::Header(name), _) => write!(f, "header.{name}"),
            (Self::AnswerHeader(name), _) => write!(f, "resp.header.{name}"),
            (_, known) => f.write_str(known.map_or("", |(name, _)| name)),
        }
    }
}

impl fmt::Display for NumberField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Milliseconds => "ms",
            Self::Age => "age",
            Self::Size => "size",
            Self::Attempts => "attempts",
        })
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(first_word(&FLAGS, self))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(first_word(&SIGNATURES, self))
    }
}

fn first_word<T: PartialEq>(all: &[(T, &[&'static str])], wanted: &T) -> &'static str {
    let row = all.iter().find(|(known, _)| known == wanted);
    row.and_then(|(_, words)| words.first()).copied().unwrap_or_default()
}

/// Outcomes of the last attempt that pass.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statuses {
    /// Answers compared with one number.
    Compared(Comparison, u16),
    /// One of these.
    OneOf(Vec<StatusRange>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusRange {
    /// Both included.
    Answered(u16, u16),
    /// `err`: no answer.
    Failed,
    /// `none`: no attempt with an outcome.
    None,
}

impl Statuses {
    pub(super) fn hold(&self, outcome: Outcome) -> bool {
        match (self, outcome) {
            (Self::Compared(comparison, limit), Outcome::Status(status)) => {
                comparison.holds(f64::from(status), f64::from(*limit))
            }
            (Self::Compared(..), Outcome::Failed | Outcome::None) => false,
            (Self::OneOf(ranges), outcome) => ranges.iter().any(|range| match (range, outcome) {
                (StatusRange::Answered(low, high), Outcome::Status(status)) => {
                    (*low..=*high).contains(&status)
                }
                (StatusRange::Failed, Outcome::Failed) | (StatusRange::None, Outcome::None) => true,
                (StatusRange::Answered(..) | StatusRange::Failed | StatusRange::None, _) => false,
            }),
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = match self {
            Self::Compared(comparison, limit) => return write!(f, "{}{limit}", comparison.as_str()),
            Self::OneOf(ranges) => ranges,
        };
        for (at, range) in ranges.iter().enumerate() {
            f.write_str(if at == 0 { ":" } else { "," })?;
            match range {
                StatusRange::Answered(low, high) if low == high => write!(f, "{low}")?,
                StatusRange::Answered(low, high) if low % 100 == 0 && *high == low + 99 => {
                    write!(f, "{}xx", low / 100)?;
                }
                StatusRange::Answered(low, high) => write!(f, "{low}..{high}")?,
                StatusRange::Failed => f.write_str("err")?,
                StatusRange::None => f.write_str("none")?,
            }
        }
        Ok(())
    }
}

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
        let fits = |(step, place): (&Step, &Place<'_>)| match (step, place) {
            (Step::Member(name), Place::Member(member)) => name == member,
            (Step::At(index), Place::Item(item)) => index == item,
            (Step::Each, Place::Item(_)) => true,
            (Step::Member(_), Place::Item(_)) | (Step::At(_) | Step::Each, Place::Member(_)) => false,
        };
        self.0.len() == places.len() && self.0.iter().zip(places).all(fits)
    }

    /// Every value there, in order.
    pub(super) fn values<'v>(&self, json: &'v Value) -> impl Iterator<Item = &'v Value> {
        let mut found = vec![json];
        for step in &self.0 {
            found = found
                .into_iter()
                .flat_map(|value| match step {
                    Step::Member(name) => value.get(name).into_iter().collect::<Vec<_>>(),
                    Step::At(index) => value.get(index).into_iter().collect(),
                    Step::Each => value.as_array().into_iter().flatten().collect(),
                })
                .collect();
        }
        found.into_iter()
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

/// What a value of a JSON document must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum JsonTest {
    /// Anything.
    Exists,
    /// A number, compared.
    Number(Comparison, f64),
    /// Written as text, it matches one of these.
    Text(Vec<Pattern>),
}

impl JsonTest {
    pub(super) fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Exists => true,
            Self::Number(comparison, limit) => {
                let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
                number.is_some_and(|number| comparison.holds(number, *limit))
            }
            Self::Text(patterns) => {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
                    Value::Array(_) | Value::Object(_) => return false,
                };
                patterns.iter().any(|pattern| pattern.matches(&text))
            }
        }
    }

    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
        match self {
            Self::Exists => write!(f, "exists:{}", pattern::quoted(&path.to_string())),
            Self::Number(comparison, limit) => write!(f, "{path}{}{limit}", comparison.as_str()),
            Self::Text(patterns) => {
                write!(f, "{path}")?;
                pattern::write_all(f, patterns)
            }
        }
    }
}

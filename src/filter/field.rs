//! What can be asked of an event: one table of names, and what their values look like.

use std::fmt;

use super::{
    json::Path,
    number::{Numbers, Unit},
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
    (Flag::Imported, &["imported", "file"]),
    (Flag::Repeat, &["repeat", "dup", "again"]),
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

    /// Its bit among those of all flags.
    pub fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The words that mean it behind `is:`, the first of them the usual one.
    pub fn words(self) -> &'static [&'static str] {
        FLAGS.iter().find(|(flag, _)| *flag == self).map_or(&[], |(_, words)| words)
    }

    /// Whether it is known only after the event has arrived.
    pub(super) fn is_of_later(self) -> bool {
        match self {
            Self::Missed | Self::Late | Self::Imported | Self::Repeat => false,
            Self::Pending
            | Self::Held
            | Self::GivenUp
            | Self::Delivered
            | Self::Failed
            | Self::Rejected
            | Self::Dropped
            | Self::Replayed
            | Self::Retried
            | Self::Tagged
            | Self::Marked => true,
        }
    }
}

impl Signature {
    /// Its bit among those of all that a check can find.
    pub(super) fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl TextField {
    /// Whether it is known only after the event has arrived.
    pub(super) fn is_of_later(&self) -> bool {
        matches!(
            self,
            Self::Target
                | Self::AnswerHeader(_)
                | Self::AnswerHeaders
                | Self::Answer
                | Self::Tag
                | Self::Comment
        )
    }
}

impl NumberField {
    /// Whether it is known only after the event has arrived.
    pub(super) fn is_of_later(self) -> bool {
        matches!(self, Self::Milliseconds | Self::Attempts)
    }

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

/// An outcome of the last attempt that passes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum StatusTest {
    /// An answer with one of these.
    Answered(Numbers<u16>),
    /// `err`: no answer.
    Failed,
    /// `none`: no attempt with an outcome.
    None,
}

impl StatusTest {
    pub(super) fn holds(&self, outcome: Outcome) -> bool {
        match (self, outcome) {
            (Self::Answered(numbers), Outcome::Status(status)) => numbers.hold(&status),
            (Self::Failed, Outcome::Failed) | (Self::None, Outcome::None) => true,
            (Self::Answered(_) | Self::Failed | Self::None, _) => false,
        }
    }
}

impl fmt::Display for StatusTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(Numbers::Between(low, high)) if low % 100 == 0 && *high == low + 99 => {
                write!(f, "{}xx", low / 100)
            }
            Self::Answered(numbers) => write!(f, "{numbers}"),
            Self::Failed => f.write_str("err"),
            Self::None => f.write_str("none"),
        }
    }
}

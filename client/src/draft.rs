//! What a person changes of an event before it is sent: a draft. The stored event stays as it is.

use bytes::Bytes;
use inhaul_core::event::{Event, UnixMillis};
use serde::{Deserialize, Serialize};
use thiserror::Error;

mod apply;
mod json;
mod mark;

pub use apply::{DraftError, Signer, apply, renews_id};
pub use mark::{MARK, marked};

/// Most header lines, parameters and values that one draft may change.
pub const CHANGES_MAX: usize = 200;

/// Everything that is to be different from what was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// A body in place of the one received.
    pub body: Option<Bytes>,
    /// What else changes.
    pub changes: Changes,
}

/// What changes besides the whole body. Applied in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Changes {
    /// Values of a JSON body, as `path=value`; the rest of the body stays byte for byte.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_values: Vec<String>,
    /// Parameters of the query that go, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_query: Vec<String>,
    /// Parameters of the query, each in the place of those with its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_query: Vec<(String, String)>,
    /// Header lines that go, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_headers: Vec<String>,
    /// Header lines, each in the place of those with its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_headers: Vec<(String, String)>,
    /// The provider's id of the event.
    #[serde(skip_serializing_if = "is_default")]
    pub id: IdChange,
    /// The signature.
    #[serde(skip_serializing_if = "is_default")]
    pub sign: Sign,
    /// Each copy says in a header that it is a replay: see [`marked`].
    #[serde(skip_serializing_if = "is_default")]
    pub mark: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What becomes of the signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// It stays as it was received.
    #[default]
    Keep,
    /// It is made anew, with the time of now
    Fresh,
    /// It is made anew, with a digest that is wrong
    BreakDigest,
    /// It is made anew, with a time that is too long ago
    BreakTime,
    /// There is none
    BreakMissing,
}

/// What becomes of the provider's id of the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdChange {
    /// It stays.
    #[default]
    Keep,
    /// A new one for each copy, if it is in a header; the body stays.
    NewInHeader,
    /// A new one for each copy, in a header, the body or the query.
    New,
}

/// A draft as it is on record with its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// When it was made.
    pub at: UnixMillis,
    /// The event was held, and is forwarded like this.
    pub forward: bool,
    /// What changes.
    pub draft: Draft,
}

/// Which draft of an event: a digest of what it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EditId(#[serde(with = "hex")] pub [u8; 32]);

/// A draft that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("a draft changes at most {CHANGES_MAX} headers, parameters and values")]
pub struct TooMany;

impl Draft {
    /// Whether what is sent is, but for its signature, its id and its mark, what was received.
    pub fn keeps_content(&self) -> bool {
        let Self { body, changes } = self;
        let Changes { set_values, remove_query, set_query, remove_headers, set_headers, .. } = changes;
        body.is_none()
            && [set_values, remove_query, remove_headers].iter().all(|list| list.is_empty())
            && [set_query, set_headers].iter().all(|list| list.is_empty())
    }

    /// Whether nothing is different at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Which draft it is.
    pub fn id(&self) -> EditId {
        let changes = serde_json::to_vec(&self.changes).unwrap_or_default();
        let length = (changes.len() as u64).to_be_bytes();
        let body = self.body.as_ref().map(|body| Event::digest(body));
        EditId(Event::digest(
            &[&length[..], &changes, body.as_ref().map_or(&[], |digest| &digest[..])].concat(),
        ))
    }

    /// Refuses what no person writes.
    ///
    /// # Errors
    /// When it changes more than [`CHANGES_MAX`] things.
    pub fn check(&self) -> Result<(), TooMany> {
        let Changes { set_values, remove_query, set_query, remove_headers, set_headers, .. } = &self.changes;
        let lists =
            [set_values.len(), remove_query.len(), remove_headers.len(), set_query.len(), set_headers.len()];
        if lists.iter().sum::<usize>() > CHANGES_MAX { Err(TooMany) } else { Ok(()) }
    }

    /// What is different, in a few words; names and no values. Nothing when nothing is. Whether an id is another one depends on the event,
    /// so [`renews_id`] says it.
    pub fn words(&self, renews_id: bool) -> Vec<String> {
        let Changes { set_values, remove_query, set_query, remove_headers, set_headers, id: _, sign, mark } =
            &self.changes;
        let mut words = Vec::new();
        if let Some(body) = &self.body {
            words.push(format!("body edited ({} B)", body.len()));
        }
        let names = |pairs: &[(String, String)]| {
            pairs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let paths: Vec<&str> = set_values.iter().map(|set| set.split('=').next().unwrap_or(set)).collect();
        for (what, list) in [
            ("set", paths.join(", ")),
            ("query without", remove_query.join(", ")),
            ("query with", names(set_query)),
            ("headers without", remove_headers.join(", ")),
            ("headers with", names(set_headers)),
        ] {
            if !list.is_empty() {
                words.push(format!("{what} {list}"));
            }
        }
        if *mark {
            words.push("marked as a replay".to_owned());
        }
        if renews_id {
            words.push("new id".to_owned());
        }
        let signed = match sign {
            Sign::Keep => return words,
            Sign::Fresh => "signed anew",
            Sign::BreakDigest => "signature with a wrong digest",
            Sign::BreakTime => "signature of long ago",
            Sign::BreakMissing => "signature left out",
        };
        words.push(signed.to_owned());
        words
    }
}

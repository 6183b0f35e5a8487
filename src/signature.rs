//! How providers sign their webhooks, what a check of one event found, and signing as they do.
//!
//! Providers are rows of data in `signature/catalogue.toml`; one engine reads them for checking and for signing:
//!
//! ```text
//!  rule       the language of the rows: where a signature is, what is signed, with which key
//!  select     reads values out of a request, and writes them into one
//!  check      the verdict
//!  content    the bytes that are signed
//!  diagnose   why a signature does not match
//!  digests    a signature beside what the secrets would have made
//!  sign       the headers a provider would send
//!  flaw       the same, wrong on purpose
//!  public_key signatures that are checked with a public key
//!  jwt        signed claims
//!  x5c        signatures that bring their certificates along
//!  message    HTTP Message Signatures
//!  catalogue  the rows, by id and by the headers of a request
//!  challenge  the questions providers ask an endpoint before they send to it
//!  own        rows of a user's own, from a configuration file
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::{Event, Head, Header, UnixMillis};

mod catalogue;
mod challenge;
mod check;
mod content;
mod diagnose;
mod digests;
mod flaw;
mod jwt;
mod message;
mod own;
mod public_key;
mod rule;
mod select;
mod sign;
#[cfg(test)]
mod tests;
mod x5c;

pub use catalogue::{Catalogue, EventNames, IdPlace, Provider, catalogue, usual_event_type, verify_any};
pub use challenge::{Challenge, ChallengeAnswer, challenge, token_parameters};
pub use digests::{Digests, Expected};
pub use flaw::Flaw;
pub use own::RowError;
pub use sign::SignError;

impl Verdict {
    /// How much a verdict says, when several ways of signing apply to one request: the highest counts.
    fn rank(&self) -> u8 {
        match self {
            Self::Valid { .. } => 8,
            Self::Stale { .. } => 7,
            Self::Invalid { code, .. } if diagnose::CODES.contains(&code.as_str()) => 6,
            // These say that the scheme may be another one.
            Self::Invalid { code, .. } if code == "requirement" => 4,
            Self::Invalid { code, .. } if code == "not_a_form" => 3,
            Self::Invalid { code, .. } if code == "malformed_signature" => 1,
            Self::Invalid { .. } => 5,
            Self::NoSecret { .. } => 2,
            Self::Unsigned => 0,
        }
    }
}

/// A signing secret, as the provider shows it to its user.
#[derive(Clone)]
pub struct Secret {
    label: String,
    text: String,
}

impl Secret {
    /// A secret and what it is called; the label is shown and stored, the text never is.
    pub fn new(label: impl Into<String>, text: impl Into<String>) -> Self {
        Self { label: label.into(), text: text.into() }
    }

    /// The secret without white space around it, if there is any.
    fn trimmed(&self) -> Option<Self> {
        let text = self.text.trim();
        (text.len() < self.text.len() && !text.is_empty()).then(|| Self::new(self.label.as_str(), text))
    }

    /// What the secret is called.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({:?})", self.label)
    }
}

/// A request as the sender made it: what a signature is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The request method.
    pub method: &'a [u8],
    /// The whole URL as the sender used it; some signatures are over it.
    pub url: Option<&'a str>,
    /// Every header, in order.
    pub headers: &'a [Header],
    /// The body's exact bytes.
    pub body: &'a [u8],
    /// When it came to the relay; the age of a signature is judged by it.
    pub received_at: UnixMillis,
}

impl<'a> Delivery<'a> {
    /// The delivery that an event is, with the URL its sender used where that is known.
    pub fn of_event(event: &'a Event, head: &'a Head, url: Option<&'a str>) -> Self {
        Self {
            method: &head.method,
            url,
            headers: &head.headers,
            body: &event.body,
            received_at: event.received_at,
        }
    }
}

/// A request to be signed.
#[derive(Clone, Copy, Debug)]
pub struct SignRequest<'a> {
    /// The request method.
    pub method: &'a [u8],
    /// The whole URL it will be sent to.
    pub url: Option<&'a str>,
    /// The body's exact bytes.
    pub body: &'a [u8],
    /// The time of the signature.
    pub at: UnixMillis,
    /// The provider's id of the event, for those that send it in a header.
    pub id: Option<&'a str>,
    /// The event's type, for those that send it in a header.
    pub event_type: Option<&'a str>,
}

/// What the check of an event's signature found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Verdict {
    /// The signature is right and fresh enough.
    Valid {
        /// `provider/scheme`.
        scheme: String,
        /// Label of the secret that matched; never the secret.
        secret: String,
    },
    /// There is a signature and it is wrong.
    Invalid {
        /// `provider/scheme`.
        scheme: String,
        /// Stable code of the reason, in `snake_case`.
        code: String,
        /// The reason in one plain sentence.
        reason: String,
    },
    /// The signature is right, but its own timestamp is too far from the time the relay received the event.
    Stale {
        /// `provider/scheme`.
        scheme: String,
        /// Received minus signed, in seconds; negative for a timestamp in the future.
        age_seconds: i64,
        /// What the provider tolerates, in seconds.
        tolerance_seconds: u64,
    },
    /// The event looks signed by a provider for which no secret is configured.
    NoSecret {
        /// The provider's id.
        provider: String,
    },
    /// The event carries no signature that was asked for or that any known provider makes.
    Unsigned,
}

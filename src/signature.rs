//! How providers sign their webhooks, and what a check of one event found.

use serde::{Deserialize, Serialize};

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

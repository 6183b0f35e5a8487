//! What is known of a stored event besides its bytes: the row of lists, and the attempts to deliver it.

use inhaul_core::{
    event::{EndpointName, EventId, UnixMillis},
    signature::Verdict,
};
use serde::{Deserialize, Serialize};

use crate::draft::EditId;

/// One event as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// The relay's id.
    pub id: EventId,
    /// The endpoint it was posted to.
    pub endpoint: EndpointName,
    /// When the relay received it.
    pub received_at: UnixMillis,
    /// When this client had it on disk.
    pub stored_at: UnixMillis,
    /// The request method; bytes that are no UTF-8 are replaced.
    pub method: String,
    /// The request target behind the endpoint, path and query; bytes that are no UTF-8 are replaced.
    pub target: String,
    /// Length of the body.
    pub body_bytes: u64,
    /// The `Content-Type` header, if there is one.
    pub content_type: Option<String>,
    /// The provider that signed it, as configured or as recognised by its headers.
    pub provider: Option<String>,
    /// The provider's name for what happened, such as `call.ended`.
    pub event_type: Option<String>,
    /// The provider's own id of the event, the same on each of its deliveries.
    pub provider_event_id: Option<String>,
    /// The provider's id of the object it is about, such as a call; the events of one object have the same.
    #[serde(default)]
    pub object_id: Option<String>,
    /// The sender was told to come again: the event is shown and not forwarded by itself.
    pub missed: bool,
    /// It waited at the relay for more than a minute, because no client was there.
    #[serde(default)]
    pub late: bool,
    /// The sender waited for the application's answer, and so knows itself when to send again.
    #[serde(default)]
    pub sender_waited: bool,
    /// That sender was told that the event is taken if no answer came in time, and did not come again then.
    #[serde(default)]
    pub taken_when_late: bool,
    /// It came from a file, not from a relay.
    #[serde(default)]
    pub imported: bool,
    /// What is left to do for it.
    pub state: EventState,
    /// The provider sent the same before.
    #[serde(default)]
    pub repeat: Option<Repeat>,
    /// The event was not delivered and is not tried again by itself: a dead letter, until a replay succeeds.
    #[serde(default)]
    pub given_up: Option<GivenUp>,
    /// It was held, and a person decided that it goes nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Dropped>,
    /// It was held, and a person decided that it is forwarded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
    /// It was held, and is forwarded as this draft says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded_as: Option<EditId>,
    /// Words a person gave it, in order, each once.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What a person wrote about it.
    #[serde(default)]
    pub comment: Option<String>,
    /// What the signature check found; absent until it ran.
    pub verdict: Option<Verdict>,
    /// Every attempt to deliver it, oldest first; of the replays, the last [`REPLAYS_LISTED`].
    pub attempts: Vec<Attempt>,
}

/// How many replays a row lists. Earlier ones are in the journal; without a bound, the row of an event that is replayed
/// thousands of times would be written anew each time.
pub const REPLAYS_LISTED: usize = 50;

impl EventRow {
    /// How many attempts there were, with those that are not listed.
    pub fn attempts_made(&self) -> u32 {
        self.attempts.last().map_or(0, |last| last.number)
    }

    /// Whether it has a signature, as far as that was looked at.
    pub fn is_signed(&self) -> bool {
        !matches!(self.verdict, None | Some(Verdict::Unsigned))
    }

    /// Whether two events are of the same sender, endpoint and type; without a type, of the same method and path.
    pub fn is_like(&self, other: &Self) -> bool {
        let path = |row: &Self| row.target.split('?').next().map(str::to_owned);
        let same_kind = self.endpoint == other.endpoint
            && self.provider == other.provider
            && self.event_type == other.event_type;
        same_kind && (self.event_type.is_some() || (self.method == other.method && path(self) == path(other)))
    }

    /// Whether the last attempt was answered otherwise than 2xx, or not at all.
    pub fn last_attempt_failed(&self) -> bool {
        self.attempts.last().is_some_and(|last| match &last.outcome {
            Outcome::Answered { .. } => !last.outcome.is_success(),
            Outcome::Failed { .. } => true,
            Outcome::Begun | Outcome::Rejected => false,
        })
    }

    /// Whether a person would look at it: not delivered, or its signature not valid.
    pub fn has_failed(&self) -> bool {
        self.last_attempt_failed()
            || self.given_up.is_some()
            || matches!(self.verdict, Some(Verdict::Invalid { .. } | Verdict::Stale { .. }))
    }

    /// Puts an attempt in its place among the others, or in that of what was known of it before.
    pub fn put_attempt(&mut self, attempt: Attempt) {
        match self.attempts.binary_search_by_key(&attempt.number, |known| known.number) {
            Ok(at) => self.attempts[at] = attempt,
            Err(at) => self.attempts.insert(at, attempt),
        }
    }
}

/// What is left to do for a stored event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// Nothing: it was delivered as far as it could be, or goes nowhere.
    Settled,
    /// It is to be forwarded.
    Pending,
    /// A person says whether it is forwarded.
    Held,
    /// It was not delivered and is not tried again by itself.
    GivenUp,
}

/// Which delivery of the same event this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// 2 for the second delivery.
    pub number: u32,
    /// The first delivery.
    pub first: EventId,
    /// When the relay received that.
    pub first_received_at: UnixMillis,
    /// Whether the provider gave both the same id; otherwise their requests and bodies are equal.
    pub same_id: bool,
    /// The bodies are byte for byte the same; false also when that of the first cannot be read any more.
    pub same_body: bool,
    /// It is not forwarded, because an earlier delivery was or is.
    pub dropped: bool,
}

/// When and why an event is no longer tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// When that was decided.
    pub at: UnixMillis,
    /// Why, in one sentence.
    pub reason: String,
}

/// When, by whom and why a held event was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// When that was decided.
    pub at: UnixMillis,
    /// Who decided, as their system calls them.
    pub by: String,
    /// Why, where they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// One try to deliver an event to a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1 for the event's first attempt, counted over all targets.
    pub number: u32,
    /// The URL it was sent to.
    pub target: String,
    /// Why it was made.
    pub cause: AttemptCause,
    /// When the client began.
    pub started_at: UnixMillis,
    /// What was sent in place of what was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Changed>,
    /// What came of it.
    pub outcome: Outcome,
}

/// How the request of an attempt differs from the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// In a few words, such as `body edited (12 B), signed anew`.
    pub what: String,
    /// The draft, if it changed more than signature and id; it is on record with the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<EditId>,
    /// Length of the body that was sent.
    pub body_bytes: u64,
    /// SHA-256 of the body that was sent.
    #[serde(with = "hex")]
    pub body_sha256: [u8; 32],
}

/// Why an attempt was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptCause {
    /// The event arrived.
    Arrival,
    /// The client had been stopped before the event's outcome was on record.
    Resume,
    /// The one before it failed, and nobody else tries again.
    Retry,
    /// A person asked for it.
    Replay,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// It was begun and its end is not on record: it runs, or the client was killed meanwhile.
    Begun,
    /// The target answered.
    Answered {
        /// The status code.
        status: u16,
        /// The answer's header lines as `name: value`, bytes that are no UTF-8 replaced.
        headers: Vec<(String, String)>,
        /// Length of the answer's body.
        body_bytes: u64,
        /// The first bytes of the answer's body, at most [`BODY_EXCERPT_BYTES`], as base64 in the stored form.
        #[serde(with = "base64_bytes")]
        body_excerpt: Vec<u8>,
        /// From the first byte sent to the last byte read, in milliseconds.
        latency_ms: u64,
    },
    /// The target gave no usable answer.
    Failed {
        /// What kind of failure.
        kind: FailureKind,
        /// What happened, in one sentence.
        message: String,
        /// From the start to the failure, in milliseconds.
        latency_ms: u64,
    },
    /// It was not sent, because its signature was not valid and `--verify reject` is on.
    Rejected,
}

/// How much of an answer's body an attempt keeps.
pub const BODY_EXCERPT_BYTES: usize = 1024;

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// No connection could be made.
    Connect,
    /// No whole answer within the time limit.
    Timeout,
    /// What came back is no HTTP answer, or was cut off.
    BadAnswer,
    /// The answer is larger than the client takes.
    TooLarge,
    /// The client was stopped meanwhile.
    Stopped,
}

impl Outcome {
    /// That of an attempt whose client was killed meanwhile.
    pub fn stopped_by_kill() -> Self {
        Self::Failed {
            kind: FailureKind::Stopped,
            message: "the client was stopped before the answer was on record".to_owned(),
            latency_ms: 0,
        }
    }

    /// Whether the client was stopped meanwhile.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Failed { kind: FailureKind::Stopped, .. })
    }

    /// Whether the target answered 2xx.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Answered { status: 200..=299, .. })
    }
}

mod base64_bytes {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

//! The frames of the session protocol, version 1: one binary WebSocket message each. `docs/protocol.md` is the page for
//! people who write another client; a test keeps the two together.
//!
//! ```text
//!  0       1                  5
//!  ┌───────┬──────────────────┬──────┬───────────┐
//!  │ type  │ JSON length      │ JSON │ raw bytes │
//!  │ u8    │ u32 big endian   │      │ to the end│
//!  └───────┴──────────────────┴──────┴───────────┘
//! ```

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;
use uuid::Uuid;

use crate::event::{EndpointName, EventId, EventMeta, UnixMillis};

/// The version of the protocol this release speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// The WebSocket sub-protocol (RFC 6455 §1.9).
pub const SUB_PROTOCOL: &str = "inhaul.v1";

/// Where clients attach, below the relay's public URL.
pub const ATTACH_PATH: &str = "/_inhaul/attach";

/// Most body bytes in one `CHUNK`: small enough that a `PING` never waits long behind one.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Longest JSON part of a frame.
pub const JSON_MAX_BYTES: usize = 64 * 1024;

/// Longest raw part of a frame: the head of a request or answer is the longest there is.
pub const RAW_MAX_BYTES: usize = 256 * 1024;

/// Longest frame.
pub const FRAME_MAX_BYTES: usize = 5 + JSON_MAX_BYTES + RAW_MAX_BYTES;

/// A frame whose type has this bit may be ignored by who does not know it.
const IGNORABLE: u8 = 0x80;

/// One message of the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// Client to relay, first: who it is and what it wants.
    Hello(Hello),
    /// Relay to client: the session is open.
    Welcome(Welcome),
    /// Client to relay: how much may be sent, in all since the session began.
    Credit(Credit),
    /// Relay to client: an event, and its HTTP head as raw bytes.
    Event(EventHeader, Bytes),
    /// Both ways: the next bytes of a body.
    Chunk(Chunk, Bytes),
    /// Client to relay: these events are on the client's own disk.
    Stored(Stored),
    /// Client to relay: the app's answer, and its header lines as raw bytes.
    Result(ResultHeader, Bytes),
    /// Both ways: answer with a `PONG` that repeats the time.
    Ping(Echo),
    /// Both ways: the time of the `PING` it answers.
    Pong(Echo),
    /// Relay to client: the relay goes down; come back later.
    Drain(Drain),
    /// Both ways, last: why the session ends.
    Error(SessionError),
}

/// `HELLO`: the first frame, due within ten seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// Protocol versions the client speaks.
    pub versions: Vec<u32>,
    /// Name and version of the client program.
    pub software: String,
    /// Made once for each data directory: a second session of the same client takes over from the first.
    pub client_id: Uuid,
    /// What the client wants to receive.
    pub endpoints: Vec<HelloEndpoint>,
}

/// One endpoint in a `HELLO`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct HelloEndpoint {
    /// Its name.
    pub name: EndpointName,
    /// Its token; never logged.
    pub token: String,
    /// How far the client has stored, when it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Cursor>,
    /// How it shares the endpoint with other clients; not at all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<Sharing>,
}

/// How several clients have one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Each has every event, and a cursor of its own.
    Share,
    /// They have one cursor, and each event goes to one of them.
    Balance,
    /// A way a later release knows.
    #[serde(other)]
    Other,
}

impl Sharing {
    /// The word for it in frames, files and arguments.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Balance => "balance",
            Self::Other => "other",
        }
    }
}

/// How far a spool has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The spool's own id: numbers of another spool mean nothing.
    pub spool: Uuid,
    /// Every event up to this number is stored.
    pub up_to: u64,
}

impl fmt::Debug for HelloEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HelloEndpoint")
            .field("name", &self.name)
            .field("resume", &self.resume)
            .field("sharing", &self.sharing)
            .finish_non_exhaustive()
    }
}

/// `WELCOME`: the relay's answer to `HELLO`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version the session speaks.
    pub version: u32,
    /// Name and version of the relay program.
    pub software: String,
    /// Grows with each session of the relay; the higher one holds the endpoint.
    pub generation: u64,
    /// One for each endpoint of the `HELLO`, in its order.
    pub endpoints: Vec<WelcomeEndpoint>,
    /// How often the relay sends `PING`.
    pub ping_interval_ms: u64,
    /// Silence after which either side gives the session up.
    pub dead_after_ms: u64,
    /// Largest body of an app's answer the relay takes.
    pub max_answer_bytes: u64,
    /// The relay's clock, by which events have their time of arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<UnixMillis>,
}

/// One endpoint in a `WELCOME`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WelcomeEndpoint {
    /// Its name.
    pub name: EndpointName,
    /// Where senders post to.
    pub url: String,
    /// The spool the sequence numbers belong to.
    pub spool: Uuid,
    /// Events that wait for this client now.
    pub backlog_events: u64,
    /// Their size: heads and bodies.
    pub backlog_bytes: u64,
    /// How the client shares the endpoint, as its HELLO asked: a relay that does not know how says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<Sharing>,
    /// What the relay dropped since a client was last told, because it waited too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<Expired>,
    /// A sender that waits is told that its event is taken when no answer comes in time, and does not come again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_when_late: bool,
}

/// Events a client never got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// How many.
    pub events: u64,
    /// When the oldest of them was received.
    pub since_ms: UnixMillis,
}

/// `CREDIT`: totals since the session began, so a repeated frame changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// Events the relay may have sent in all.
    pub events: u64,
    /// Bytes of heads and bodies the relay may have sent in all.
    pub bytes: u64,
}

/// `EVENT`: the body follows in `CHUNK`s; an empty body has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventHeader {
    /// What is known of the event.
    #[serde(flatten)]
    pub meta: EventMeta,
    /// Its number in the spool of its endpoint: growing, with gaps.
    pub seq: u64,
    /// The sender waits for the app's answer, this long from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// The sender was told to come again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missed: bool,
}

/// `CHUNK`: raw bytes of the body of an event or of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The event.
    pub id: EventId,
    /// Where in the body the bytes belong: exactly behind those before.
    pub offset: u64,
}

/// `STORED`: only this lets the relay forget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The endpoint.
    pub endpoint: EndpointName,
    /// Every event up to this number is stored.
    pub up_to: u64,
    /// And these beyond it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plus: Vec<u64>,
}

/// `RESULT`: what the app answered to an event with a deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultHeader {
    /// The event.
    pub id: EventId,
    /// The answer, or why there is none.
    #[serde(flatten)]
    pub kind: ResultKind,
    /// From the first byte sent to the app to the last byte read, or to the failure.
    pub latency_ms: u64,
}

/// What came of handing an event to the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum ResultKind {
    /// The app answered; header lines are the raw part, the body follows in `CHUNK`s.
    Answered {
        /// The status code.
        status: u16,
        /// Length of the body.
        body_bytes: u64,
    },
    /// There is no connection to the app, or no usable answer.
    Unreachable {
        /// Why, in one sentence.
        reason: String,
    },
    /// The app gave no whole answer in time.
    TimedOut,
    /// The client keeps the event from the app, because its signature is not known to be valid.
    Rejected {
        /// Why it is not.
        #[serde(default, skip_serializing_if = "Rejection::is_invalid")]
        reason: Rejection,
    },
    /// The client has stored the event and forwards it to no app.
    NoApp,
}

/// Why an event's signature is not known to be valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// It has none.
    Unsigned,
    /// The client has no secret to check it with.
    Unchecked,
    /// It is wrong, or of another time.
    #[default]
    #[serde(other)]
    Invalid,
}

impl Rejection {
    fn is_invalid(&self) -> bool {
        *self == Self::Invalid
    }

    /// What its sender is told.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unsigned => "this webhook has no signature",
            Self::Unchecked => "the signature of this webhook cannot be checked: no secret is configured",
            Self::Invalid => "the signature of this webhook is not valid",
        }
    }
}

/// `PING` and `PONG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// The asking side's own clock, in any unit it likes.
    pub time: u64,
}

/// `DRAIN`: the relay takes no more webhooks and will close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// When to come back, at the earliest.
    pub after_ms: u64,
}

/// `ERROR`: the session ends behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionError {
    /// Which of the reasons.
    pub code: ErrorCode,
    /// The reason and what to do, for a person.
    pub text: String,
    /// Whether coming back can help without a change by a person.
    pub retryable: bool,
    /// When to come back, at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// No such endpoint, or its token is another one.
    Unauthorized,
    /// No common protocol version.
    UnsupportedVersion,
    /// A newer session of the same client holds the endpoint.
    Superseded,
    /// Another client holds the endpoint, and the two do not share it in the same way.
    EndpointBusy,
    /// The endpoint was removed, or its token changed, while the session ran.
    Revoked,
    /// The other side broke the protocol.
    Protocol,
    /// The other side was silent too long.
    Silent,
    /// The relay goes down.
    ShuttingDown,
    /// The relay failed.
    Internal,
    /// A reason a later release knows.
    #[serde(other)]
    Other,
}

impl fmt::Display for ErrorCode {
    /// As frames have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Why bytes are not a frame.
#[derive(Debug, Error)]
pub enum WireError {
    /// Shorter than its own lengths say.
    #[error("the frame is cut short")]
    Short,
    /// A part is longer than the protocol allows.
    #[error("the frame's {part} has {bytes} bytes; at most {limit} are allowed")]
    TooLong {
        /// `JSON` or `raw part`.
        part: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A type of which nothing is known and that must not be ignored.
    #[error("the frame has the unknown type {0:#04x}")]
    UnknownType(u8),
    /// The JSON part is not what the type wants.
    #[error("the JSON part of {frame}: {error}")]
    Json {
        /// The frame's name.
        frame: &'static str,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// There are raw bytes where the type has none.
    #[error("{0} has no raw part")]
    UnwantedRaw(&'static str),
}

/// Every frame's type byte and name, in the order of `docs/protocol.md`.
pub const FRAMES: [(u8, &str); 11] = [
    (0x01, "HELLO"),
    (0x02, "WELCOME"),
    (0x03, "CREDIT"),
    (0x04, "EVENT"),
    (0x05, "CHUNK"),
    (0x06, "STORED"),
    (0x07, "RESULT"),
    (0x08, "PING"),
    (0x09, "PONG"),
    (0x0a, "DRAIN"),
    (0x0b, "ERROR"),
];

impl Frame {
    fn type_byte(&self) -> u8 {
        match self {
            Self::Hello(_) => 0x01,
            Self::Welcome(_) => 0x02,
            Self::Credit(_) => 0x03,
            Self::Event(..) => 0x04,
            Self::Chunk(..) => 0x05,
            Self::Stored(_) => 0x06,
            Self::Result(..) => 0x07,
            Self::Ping(_) => 0x08,
            Self::Pong(_) => 0x09,
            Self::Drain(_) => 0x0a,
            Self::Error(_) => 0x0b,
        }
    }

    /// The frame's name in the protocol.
    pub fn name(&self) -> &'static str {
        name_of(self.type_byte()).unwrap_or("frame")
    }

    /// The bytes of one WebSocket message.
    pub fn encode(&self) -> Bytes {
        let (json, raw) = match self {
            Self::Hello(hello) => (json(hello), None),
            Self::Welcome(welcome) => (json(welcome), None),
            Self::Credit(credit) => (json(credit), None),
            Self::Event(header, head) => (json(header), Some(head)),
            Self::Chunk(chunk, data) => (json(chunk), Some(data)),
            Self::Stored(stored) => (json(stored), None),
            Self::Result(header, head) => (json(header), Some(head)),
            Self::Ping(echo) | Self::Pong(echo) => (json(echo), None),
            Self::Drain(drain) => (json(drain), None),
            Self::Error(error) => (json(error), None),
        };
        let raw = raw.map_or(&[][..], |raw| raw);
        let mut out = BytesMut::with_capacity(5 + json.len() + raw.len());
        out.put_u8(self.type_byte());
        out.put_u32(u32::try_from(json.len()).expect("the JSON part is far below 4 GiB"));
        out.put_slice(&json);
        out.put_slice(raw);
        out.freeze()
    }

    /// Reads one message. `None` is a frame of a later release that may be ignored.
    ///
    /// # Errors
    /// When the bytes are no frame this release can take.
    pub fn decode(mut bytes: Bytes) -> Result<Option<Self>, WireError> {
        if bytes.len() < 5 {
            return Err(WireError::Short);
        }
        let kind = bytes.get_u8();
        let json_len = bytes.get_u32() as usize;
        if json_len > JSON_MAX_BYTES {
            return Err(WireError::TooLong { part: "JSON", bytes: json_len, limit: JSON_MAX_BYTES });
        }
        if bytes.len() < json_len {
            return Err(WireError::Short);
        }
        let json = bytes.split_to(json_len);
        let parts = Parts { frame: name_of(kind).unwrap_or("frame"), json, raw: bytes };
        if parts.raw.len() > RAW_MAX_BYTES {
            return Err(WireError::TooLong {
                part: "raw part",
                bytes: parts.raw.len(),
                limit: RAW_MAX_BYTES,
            });
        }
        Ok(Some(match kind {
            0x01 => Self::Hello(parts.only_json()?),
            0x02 => Self::Welcome(parts.only_json()?),
            0x03 => Self::Credit(parts.only_json()?),
            0x04 => Self::Event(parts.json()?, parts.raw),
            0x05 => Self::Chunk(parts.json()?, parts.raw),
            0x06 => Self::Stored(parts.only_json()?),
            0x07 => Self::Result(parts.json()?, parts.raw),
            0x08 => Self::Ping(parts.only_json()?),
            0x09 => Self::Pong(parts.only_json()?),
            0x0a => Self::Drain(parts.only_json()?),
            0x0b => Self::Error(parts.only_json()?),
            later if later & IGNORABLE != 0 => return Ok(None),
            unknown => return Err(WireError::UnknownType(unknown)),
        }))
    }
}

fn name_of(kind: u8) -> Option<&'static str> {
    FRAMES.iter().find(|(byte, _)| *byte == kind).map(|(_, name)| *name)
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data has a JSON form")
}

struct Parts {
    frame: &'static str,
    json: Bytes,
    raw: Bytes,
}

impl Parts {
    fn json<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        serde_json::from_slice(&self.json).map_err(|error| WireError::Json { frame: self.frame, error })
    }

    fn only_json<T: DeserializeOwned>(self) -> Result<T, WireError> {
        if self.raw.is_empty() { self.json() } else { Err(WireError::UnwantedRaw(self.frame)) }
    }
}

#[cfg(test)]
mod tests;

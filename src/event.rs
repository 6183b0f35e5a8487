//! One webhook as received: whole and immutable, with the bytes of its HTTP head kept as they came.

use std::{fmt, str::FromStr};

use arrayvec::ArrayString;
use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

mod head;
mod record;

pub use head::{HOP_BY_HOP, Head, HeadError, Header, HttpVersion, end_to_end};
pub use record::{EventMeta, RecordError};

/// The relay's id of an event: a UUIDv7 (RFC 9562 §5.7), so ids sort by the time of receipt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// The name an endpoint was given: a label of `a-z`, `0-9` and `-`, at most 30 bytes, not a secret.
///
/// With the random part behind it (`-` and 32 hex digits) it still fits one DNS label of 63 bytes (RFC 1035 §2.3.4).
///
/// It is kept in place: every event has copies of it on several threads.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct EndpointName(ArrayString<ENDPOINT_NAME_MAX_BYTES>);

/// Longest endpoint name in bytes.
pub const ENDPOINT_NAME_MAX_BYTES: usize = 30;

/// Why a text is not an endpoint name.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "endpoint name {0:?} must be 1 to {ENDPOINT_NAME_MAX_BYTES} characters of a-z, 0-9 and '-', and start with a letter or digit"
)]
pub struct EndpointNameError(pub String);

impl EndpointName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EndpointName {
    type Err = EndpointNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        match ArrayString::from(text) {
            Ok(name) if !text.is_empty() && !text.starts_with('-') && text.bytes().all(allowed) => {
                Ok(Self(name))
            }
            _ => Err(EndpointNameError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for EndpointName {
    type Error = EndpointNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Serialize for EndpointName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for EndpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EndpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointName({})", self.0)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl fmt::Display for UnixMillis {
    /// RFC 3339 in UTC with milliseconds: `2026-11-24T07:41:10.118Z`. A time no calendar reaches is shown as its number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment =
            i64::try_from(self.0).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
        match moment {
            Some(moment) => write!(f, "{moment:.3}"),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// Whom the relay saw on the other side of the connection, and how it knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// `address:port`, or an address alone when a proxy named it.
    pub address: String,
    /// Where `address` comes from.
    pub source: PeerSource,
}

/// Where a peer address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerSource {
    /// The TCP connection itself.
    Socket,
    /// `X-Forwarded-For`, set by a proxy the operator named as trusted.
    TrustedProxy,
}

/// One webhook as received by the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The relay's id of this event.
    pub id: EventId,
    /// The endpoint it was posted to.
    pub endpoint: EndpointName,
    /// When the relay had read the request's head.
    pub received_at: UnixMillis,
    /// Whom the relay saw.
    pub peer: Peer,
    /// How many leading bytes of the request target name the endpoint (`/in/<endpoint>`) and do not go to the app.
    pub prefix_bytes: usize,
    /// The request line and the header lines, each ended by CRLF, and the empty line, exactly as received over HTTP/1;
    /// over HTTP/2 the same written from the header list.
    pub head: Bytes,
    /// The body with its transfer coding removed and nothing else changed.
    pub body: Bytes,
    /// SHA-256 of `body`, computed where it was received.
    pub body_sha256: [u8; 32],
}

impl Event {
    /// SHA-256 of a body.
    pub fn digest(body: &[u8]) -> [u8; 32] {
        Sha256::digest(body).into()
    }

    /// The head taken apart.
    ///
    /// # Errors
    /// When the stored bytes are no HTTP head, which the relay never stores.
    pub fn parsed_head(&self) -> Result<Head, HeadError> {
        Head::parse(&self.head)
    }

    /// What of the request target goes to the app: the path behind the endpoint, at least `/`, and the query.
    pub fn app_target(&self, head: &Head) -> Bytes {
        let rest = head.target.slice(self.prefix_bytes.min(head.target.len())..);
        match rest.first() {
            Some(b'/') => rest,
            _ => Bytes::from([b"/", rest.as_ref()].concat()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "orders", "a-1", "0", &"x".repeat(30)] {
            assert_eq!(good.parse::<EndpointName>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "A", "a_b", "ä", "a/b", "..", &"x".repeat(31)] {
            assert!(bad.parse::<EndpointName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_rfc_3339_with_milliseconds() {
        assert_eq!(UnixMillis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(UnixMillis(1_763_970_070_118).to_string(), "2025-11-24T07:41:10.118Z");
        assert_eq!(UnixMillis(u64::MAX).to_string(), format!("{} ms", u64::MAX));
    }

    #[test]
    fn the_app_sees_the_target_behind_the_endpoint() {
        for (target, prefix_bytes, expected) in [
            ("/in/a-1/stripe?x=%2F", 7, "/stripe?x=%2F"),
            ("/in/a-1", 7, "/"),
            ("/in/a-1?q", 7, "/?q"),
            ("/whole", 0, "/whole"),
        ] {
            let event = record::tests::event(format!("POST {target} HTTP/1.1\r\n\r\n"), prefix_bytes, b"");
            let head = event.parsed_head().unwrap();
            assert_eq!(event.app_target(&head), expected);
        }
    }
}

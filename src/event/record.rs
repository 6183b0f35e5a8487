//! The bytes an event is stored as, on the relay and on the client: a version, a JSON part, the head, the body.
//!
//! ```text
//!  0        1                5
//!  ┌────────┬────────────────┬───────────┬────────────┬────────────┐
//!  │ 1      │ meta length    │ meta JSON │ head bytes │ body bytes │
//!  │ u8     │ u32 big endian │           │            │            │
//!  └────────┴────────────────┴───────────┴────────────┴────────────┘
//! ```
//! The JSON names the lengths of the two parts behind it; unknown members are ignored, so later releases may add some.

use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize, Serializer, ser};
use thiserror::Error;
use uuid::Uuid;

use super::{EndpointName, Event, EventId, Peer, UnixMillis};

/// The first byte of every record written today.
const VERSION: u8 = 1;

/// Bytes that most records need before the head.
const USUAL_META_BYTES: usize = 384;

/// Everything of an event but its two byte strings; also the JSON of the `EVENT` frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventMeta {
    /// The relay's id.
    pub id: EventId,
    /// The endpoint it was posted to.
    pub endpoint: EndpointName,
    /// When the relay received it.
    pub received_at_ms: UnixMillis,
    /// Whom the relay saw.
    pub peer: Peer,
    /// Leading bytes of the request target that name the endpoint.
    pub prefix_bytes: usize,
    /// Length of the head.
    pub head_bytes: usize,
    /// Length of the body.
    pub body_bytes: usize,
    /// SHA-256 of the body in lower-case hex.
    #[serde(serialize_with = "serialize_hex", deserialize_with = "hex::serde::deserialize")]
    pub body_sha256: [u8; 32],
}

/// As `hex::serde`, without a string on the way.
fn serialize_hex<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = [0; 64];
    hex::encode_to_slice(digest, &mut text).map_err(ser::Error::custom)?;
    serializer.serialize_str(str::from_utf8(&text).map_err(ser::Error::custom)?)
}

/// Why bytes are not a record.
#[derive(Debug, Error)]
pub enum RecordError {
    /// Shorter than its own lengths say.
    #[error("the record is cut short")]
    Short,
    /// Written by a later release.
    #[error("the record has version {0}; this release reads version {VERSION}")]
    Version(u8),
    /// The JSON part cannot be read.
    #[error("the record's JSON part: {0}")]
    Meta(#[from] serde_json::Error),
    /// There are bytes behind the body.
    #[error("the record has {0} bytes too many")]
    Long(usize),
}

impl EventMeta {
    /// What an event says of itself.
    pub fn of(event: &Event) -> Self {
        Self {
            id: event.id,
            endpoint: event.endpoint.clone(),
            received_at_ms: event.received_at,
            peer: event.peer.clone(),
            prefix_bytes: event.prefix_bytes,
            head_bytes: event.head.len(),
            body_bytes: event.body.len(),
            body_sha256: event.body_sha256,
        }
    }

    /// The event these words and bytes make.
    pub fn into_event(self, head: Bytes, body: Bytes) -> Event {
        Event {
            id: self.id,
            endpoint: self.endpoint,
            received_at: self.received_at_ms,
            peer: self.peer,
            prefix_bytes: self.prefix_bytes,
            head,
            body,
            body_sha256: self.body_sha256,
        }
    }
}

impl Event {
    /// The record of this event without its body: what stands before the body in the stored bytes.
    pub fn record_prefix(&self) -> Bytes {
        let mut out = Vec::with_capacity(USUAL_META_BYTES + self.head.len());
        out.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
        self.write_meta(&mut out);
        let meta_len = u32::try_from(out.len() - 5).expect("the JSON part is far below 4 GiB");
        out[1..5].copy_from_slice(&meta_len.to_be_bytes());
        out.extend_from_slice(&self.head);
        out.into()
    }

    /// Writes the JSON of [`EventMeta::of`]. By hand, because it is written for every webhook: none of its texts but the peer's has a character
    /// that is escaped, and a serializer looks for one in each of them, and in each name.
    fn write_meta(&self, out: &mut Vec<u8>) {
        let (mut id, mut digest) = (Uuid::encode_buffer(), [0; 64]);
        let id = self.id.0.as_hyphenated().encode_lower(&mut id);
        hex::encode_to_slice(self.body_sha256, &mut digest).expect("two digits for each byte");
        let mut number = itoa::Buffer::new();
        put(out, "{\"id\":\"", id.as_bytes());
        put(out, "\",\"endpoint\":\"", self.endpoint.as_str().as_bytes());
        put(out, "\",\"received_at_ms\":", number.format(self.received_at.0).as_bytes());
        put(out, ",\"peer\":", &[]);
        serde_json::to_writer(&mut *out, &self.peer).expect("plain data has a JSON form");
        put(out, ",\"prefix_bytes\":", number.format(self.prefix_bytes).as_bytes());
        put(out, ",\"head_bytes\":", number.format(self.head.len()).as_bytes());
        put(out, ",\"body_bytes\":", number.format(self.body.len()).as_bytes());
        put(out, ",\"body_sha256\":\"", &digest);
        put(out, "\"}", &[]);
    }

    /// Reads a record: the bytes of [`Event::record_prefix`] and the body.
    ///
    /// # Errors
    /// When the bytes are no record of a version this release knows.
    pub fn from_record(mut bytes: Bytes) -> Result<Self, RecordError> {
        if bytes.len() < 5 {
            return Err(RecordError::Short);
        }
        match bytes.get_u8() {
            VERSION => {}
            other => return Err(RecordError::Version(other)),
        }
        let meta_len = bytes.get_u32() as usize;
        if bytes.len() < meta_len {
            return Err(RecordError::Short);
        }
        let meta: EventMeta = serde_json::from_slice(&bytes.split_to(meta_len))?;
        let wanted = meta.head_bytes.checked_add(meta.body_bytes).ok_or(RecordError::Short)?;
        match bytes.len().checked_sub(wanted) {
            None => Err(RecordError::Short),
            Some(0) => {
                let head = bytes.split_to(meta.head_bytes);
                Ok(meta.into_event(head, bytes))
            }
            Some(extra) => Err(RecordError::Long(extra)),
        }
    }
}

fn put(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::PeerSource;

    pub(crate) fn event(head: String, prefix_bytes: usize, body: &[u8]) -> Event {
        Event {
            id: EventId(Uuid::from_u128(0x0193_5b1e_7c00_7000_8000_0000_0000_0001)),
            endpoint: "orders".parse().unwrap(),
            received_at: UnixMillis(1_763_970_070_118),
            peer: Peer { address: "203.0.113.9:40001".into(), source: PeerSource::Socket },
            prefix_bytes,
            head: head.into(),
            body: Bytes::copy_from_slice(body),
            body_sha256: Event::digest(body),
        }
    }

    fn record(event: &Event) -> Bytes {
        [event.record_prefix(), event.body.clone()].concat().into()
    }

    /// The bytes of version 1. They must stay readable for ever (promise 9): never edit, only add a version.
    const GOLDEN: &[u8] = include_bytes!("../../assets/golden/event-record-v1.bin");

    #[test]
    fn the_golden_record_reads_and_writes_the_same() {
        let expected =
            event("POST /in/orders-1/x HTTP/1.1\r\nHost: a\r\n\r\n".into(), 12, b"{\"id\":\"evt_1\"}");
        assert_eq!(record(&expected), GOLDEN);
        assert_eq!(Event::from_record(Bytes::from_static(GOLDEN)).unwrap(), expected);
    }

    #[test]
    fn damage_is_an_error() {
        for cut in 0..GOLDEN.len() {
            assert!(Event::from_record(Bytes::from_static(&GOLDEN[..cut])).is_err(), "{cut}");
        }
        let long = [GOLDEN, b"x"].concat();
        assert!(matches!(Event::from_record(long.into()), Err(RecordError::Long(1))));
        let later = [&[2], &GOLDEN[1..]].concat();
        assert!(matches!(Event::from_record(later.into()), Err(RecordError::Version(2))));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let event = event("POST / HTTP/1.1\r\n\r\n".into(), 0, &body);
            prop_assert_eq!(Event::from_record(record(&event)).unwrap(), event);
        }

        #[test]
        fn the_json_part_is_that_of_a_serializer(
            id: u128,
            received_at: u64,
            prefix_bytes: usize,
            endpoint in "[a-z0-9][a-z0-9-]{0,29}",
            address in ".{0,20}",
            proxied: bool,
        ) {
            let source = if proxied { PeerSource::TrustedProxy } else { PeerSource::Socket };
            let event = Event {
                id: EventId(Uuid::from_u128(id)),
                endpoint: endpoint.parse().unwrap(),
                received_at: UnixMillis(received_at),
                peer: Peer { address, source },
                ..event("POST / HTTP/1.1\r\n\r\n".into(), prefix_bytes, b"body")
            };
            let prefix = event.record_prefix();
            let json = serde_json::to_vec(&EventMeta::of(&event)).unwrap();
            prop_assert_eq!(&prefix[5..prefix.len() - event.head.len()], &json);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Event::from_record(bytes.into());
        }
    }
}

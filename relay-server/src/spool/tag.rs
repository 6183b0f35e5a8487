//! The tags of spool records. Most begin with a byte for the length of the endpoint's name, the name, and a number as u64.
//! `docs/journal-format.md` has them all.

use bytes::{Buf, BufMut};
use inhaul_core::event::{EndpointName, EventId, UnixMillis};
use uuid::Uuid;

use super::Expired;

/// What a record is. The numbers are stored: never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Event = 1,
    Cursor = 2,
    OneStored = 3,
    Missed = 4,
    Identity = 5,
    Client = 6,
    Expired = 7,
    Clock = 8,
}

/// A tag taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Event { endpoint: EndpointName, seq: u64, id: EventId, bytes: u64, missed: bool, kept_since: u32 },
    Cursor { endpoint: EndpointName, seq: u64 },
    OneStored { endpoint: EndpointName, seq: u64 },
    Missed { endpoint: EndpointName, seq: u64 },
    Identity(Uuid),
    Client { endpoint: EndpointName, client: Uuid, record: ClientRecord },
    Expired { endpoint: EndpointName, revision: u64, expired: Expired },
    Clock(u32),
}

/// Whether the spool keeps events for a client. The numbers are stored: never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It does.
    Holds = 0,
    /// Not any more: the client was away for longer than the retention.
    Lapsed = 1,
    /// Not any more: the client was removed, or shares the endpoint no longer.
    Left = 2,
}

/// All that is stored of one client of a shared endpoint; the record with the highest revision counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientRecord {
    pub(super) up_to: u64,
    pub(super) revision: u64,
    pub(super) standing: Standing,
    /// Seconds the relay had run when the client was last connected.
    pub(super) seen: u32,
    /// The time of day then.
    pub(super) seen_at: UnixMillis,
    /// What expired for it and was not told to it yet.
    pub(super) expired: Expired,
}

/// The tag of an event; `kept_since` is the seconds the relay had run when it was stored.
pub(super) fn of_event(
    endpoint: &EndpointName,
    seq: u64,
    id: EventId,
    bytes: u64,
    missed: bool,
    kept_since: u32,
) -> Vec<u8> {
    let mut tag = of_mark(endpoint, seq);
    tag.extend_from_slice(id.0.as_bytes());
    tag.put_u64(bytes);
    tag.put_u8(u8::from(missed));
    tag.put_u32(kept_since);
    tag
}

pub(super) fn of_mark(endpoint: &EndpointName, seq: u64) -> Vec<u8> {
    let name = endpoint.as_str().as_bytes();
    let mut tag = Vec::with_capacity(96);
    tag.put_u8(u8::try_from(name.len()).expect("an endpoint name has at most 30 bytes"));
    tag.extend_from_slice(name);
    tag.put_u64(seq);
    tag
}

pub(super) fn of_client(endpoint: &EndpointName, client: Uuid, record: &ClientRecord) -> Vec<u8> {
    let mut tag = of_mark(endpoint, record.up_to);
    tag.extend_from_slice(client.as_bytes());
    tag.put_u64(record.revision);
    tag.put_u8(record.standing as u8);
    tag.put_u32(record.seen);
    tag.put_u64(record.seen_at.0);
    put_expired(&mut tag, record.expired);
    tag
}

pub(super) fn of_expired(endpoint: &EndpointName, revision: u64, expired: Expired) -> Vec<u8> {
    let mut tag = of_mark(endpoint, revision);
    put_expired(&mut tag, expired);
    tag
}

pub(super) fn of_clock(seconds: u32) -> [u8; 4] {
    seconds.to_be_bytes()
}

fn put_expired(tag: &mut Vec<u8>, expired: Expired) {
    tag.put_u64(expired.events);
    tag.put_u64(expired.since.0);
}

impl Tag {
    /// Reads the tag of a record; `None` is a kind or form this release does not know.
    pub(super) fn read(kind: u8, mut tag: &[u8]) -> Option<Self> {
        if kind == Kind::Identity as u8 {
            return Uuid::from_slice(tag).ok().map(Self::Identity);
        }
        if kind == Kind::Clock as u8 {
            return Some(Self::Clock(u32::from_be_bytes(tag.try_into().ok()?)));
        }
        let name_len = usize::from(tag.try_get_u8().ok()?);
        let name = tag.get(..name_len)?;
        let endpoint: EndpointName = std::str::from_utf8(name).ok()?.parse().ok()?;
        tag.advance(name_len);
        let seq = tag.try_get_u64().ok()?;
        let rest = &mut tag;
        let read = match kind {
            kind if kind == Kind::Event as u8 => read_event(endpoint, seq, rest)?,
            kind if kind == Kind::Cursor as u8 => Self::Cursor { endpoint, seq },
            kind if kind == Kind::OneStored as u8 => Self::OneStored { endpoint, seq },
            kind if kind == Kind::Missed as u8 => Self::Missed { endpoint, seq },
            kind if kind == Kind::Client as u8 => read_client(endpoint, seq, rest)?,
            kind if kind == Kind::Expired as u8 => {
                Self::Expired { endpoint, revision: seq, expired: read_expired(rest)? }
            }
            _ => return None,
        };
        rest.is_empty().then_some(read)
    }
}

fn read_event(endpoint: EndpointName, seq: u64, tag: &mut &[u8]) -> Option<Tag> {
    let id = EventId(read_uuid(tag)?);
    let bytes = tag.try_get_u64().ok()?;
    let missed = tag.try_get_u8().ok()? != 0;
    // Releases before there was a retention did not say when: such an event counts from the beginning of the count.
    let kept_since = if tag.is_empty() { 0 } else { tag.try_get_u32().ok()? };
    Some(Tag::Event { endpoint, seq, id, bytes, missed, kept_since })
}

fn read_client(endpoint: EndpointName, up_to: u64, tag: &mut &[u8]) -> Option<Tag> {
    let client = read_uuid(tag)?;
    let revision = tag.try_get_u64().ok()?;
    let standing = tag.try_get_u8().ok()?;
    let standing = [Standing::Holds, Standing::Lapsed, Standing::Left]
        .into_iter()
        .find(|known| *known as u8 == standing)?;
    let seen = tag.try_get_u32().ok()?;
    let seen_at = UnixMillis(tag.try_get_u64().ok()?);
    let expired = read_expired(tag)?;
    let record = ClientRecord { up_to, revision, standing, seen, seen_at, expired };
    Some(Tag::Client { endpoint, client, record })
}

fn read_expired(tag: &mut &[u8]) -> Option<Expired> {
    let events = tag.try_get_u64().ok()?;
    Some(Expired { events, since: UnixMillis(tag.try_get_u64().ok()?) })
}

fn read_uuid(tag: &mut &[u8]) -> Option<Uuid> {
    let id = Uuid::from_slice(tag.get(..16)?).ok()?;
    tag.advance(16);
    Some(id)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    /// Every kind and its tag. They must stay readable for ever (promise 9): never edit, only add.
    const GOLDEN: &str = include_str!("../../../assets/golden/spool-tags-v1.txt");

    #[test]
    fn golden_tags_are_written_and_read_the_same() {
        let orders: EndpointName = "orders".parse().unwrap();
        let id = EventId(Uuid::from_u128(0x0193_5b1e_7c00_7000_8000_0000_0000_0001));
        let client = Uuid::from_u128(9);
        let expired = Expired { events: 12, since: UnixMillis(1_763_710_870_118) };
        let record = ClientRecord {
            up_to: 41,
            revision: 7,
            standing: Standing::Lapsed,
            seen: 86_400,
            seen_at: UnixMillis(1_763_970_070_118),
            expired,
        };
        let event = of_event(&orders, 42, id, 1024, true, 3600);
        let endpoint = || orders.clone();
        let tags = [
            (
                Kind::Event,
                event[..event.len() - 4].to_vec(),
                Tag::Event { endpoint: endpoint(), seq: 42, id, bytes: 1024, missed: true, kept_since: 0 },
            ),
            (
                Kind::Event,
                event,
                Tag::Event { endpoint: endpoint(), seq: 42, id, bytes: 1024, missed: true, kept_since: 3600 },
            ),
            (Kind::Cursor, of_mark(&orders, 41), Tag::Cursor { endpoint: endpoint(), seq: 41 }),
            (Kind::OneStored, of_mark(&orders, 44), Tag::OneStored { endpoint: endpoint(), seq: 44 }),
            (Kind::Missed, of_mark(&orders, 43), Tag::Missed { endpoint: endpoint(), seq: 43 }),
            (Kind::Identity, client.as_bytes().to_vec(), Tag::Identity(client)),
            (
                Kind::Client,
                of_client(&orders, client, &record),
                Tag::Client { endpoint: endpoint(), client, record },
            ),
            (
                Kind::Expired,
                of_expired(&orders, 7, expired),
                Tag::Expired { endpoint: endpoint(), revision: 7, expired },
            ),
            (Kind::Clock, of_clock(86_400).to_vec(), Tag::Clock(86_400)),
        ];
        let mut text = String::new();
        for (kind, tag, read) in tags {
            writeln!(text, "{} {}", kind as u8, hex::encode(&tag)).unwrap();
            assert_eq!(Tag::read(kind as u8, &tag), Some(read));
        }
        if std::env::var_os("INHAUL_WRITE_GOLDEN").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/golden/spool-tags-v1.txt");
            std::fs::write(path, &text).unwrap();
            return;
        }
        assert_eq!(text, GOLDEN);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            name in "[a-z0-9][a-z0-9-]{0,29}",
            seq: u64,
            id: u128,
            bytes: u64,
            missed: bool,
            kept_since: u32,
        ) {
            let endpoint: EndpointName = name.parse().unwrap();
            let id = EventId(Uuid::from_u128(id));
            let event = of_event(&endpoint, seq, id, bytes, missed, kept_since);
            prop_assert_eq!(
                Tag::read(1, &event),
                Some(Tag::Event { endpoint: endpoint.clone(), seq, id, bytes, missed, kept_since })
            );
            // The form of releases before there was a retention.
            prop_assert_eq!(
                Tag::read(1, &event[..event.len() - 4]),
                Some(Tag::Event { endpoint: endpoint.clone(), seq, id, bytes, missed, kept_since: 0 })
            );
            let mark = of_mark(&endpoint, seq);
            prop_assert_eq!(Tag::read(2, &mark), Some(Tag::Cursor { endpoint: endpoint.clone(), seq }));
            prop_assert_eq!(Tag::read(3, &mark), Some(Tag::OneStored { endpoint: endpoint.clone(), seq }));
            prop_assert_eq!(Tag::read(4, &mark), Some(Tag::Missed { endpoint: endpoint.clone(), seq }));
            prop_assert_eq!(Tag::read(99, &mark), None);
            let expired = Expired { events: bytes, since: UnixMillis(seq) };
            prop_assert_eq!(
                Tag::read(7, &of_expired(&endpoint, seq, expired)),
                Some(Tag::Expired { endpoint: endpoint.clone(), revision: seq, expired })
            );
            prop_assert_eq!(Tag::read(8, &of_clock(kept_since)), Some(Tag::Clock(kept_since)));
            for standing in [Standing::Holds, Standing::Lapsed, Standing::Left] {
                let seen_at = UnixMillis(bytes);
                let record =
                    ClientRecord { up_to: seq, revision: bytes, standing, seen: kept_since, seen_at, expired };
                let tag = of_client(&endpoint, id.0, &record);
                prop_assert_eq!(
                    Tag::read(6, &tag),
                    Some(Tag::Client { endpoint: endpoint.clone(), client: id.0, record })
                );
                prop_assert!(tag.len() <= 255);
                prop_assert_eq!(Tag::read(6, &tag[..tag.len() - 1]), None);
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(kind: u8, tag in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Tag::read(kind, &tag);
        }
    }
}

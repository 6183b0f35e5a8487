//! The tags of spool records: a byte for the name's length, the name, the number as u64; events add id, size and a flag.

use bytes::{Buf, BufMut};
use inhaul_core::event::{EndpointName, EventId};
use uuid::Uuid;

/// What a record is. The numbers are stored: never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Event = 1,
    Cursor = 2,
    OneStored = 3,
    Missed = 4,
    Identity = 5,
}

/// A tag taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Event { endpoint: EndpointName, seq: u64, id: EventId, bytes: u64, missed: bool },
    Cursor { endpoint: EndpointName, seq: u64 },
    OneStored { endpoint: EndpointName, seq: u64 },
    Missed { endpoint: EndpointName, seq: u64 },
    Identity(Uuid),
}

pub(super) fn of_event(endpoint: &EndpointName, seq: u64, id: EventId, bytes: u64, missed: bool) -> Vec<u8> {
    let mut tag = of_mark(endpoint, seq);
    tag.extend_from_slice(id.0.as_bytes());
    tag.put_u64(bytes);
    tag.put_u8(u8::from(missed));
    tag
}

pub(super) fn of_mark(endpoint: &EndpointName, seq: u64) -> Vec<u8> {
    let name = endpoint.as_str().as_bytes();
    let mut tag = Vec::with_capacity(64);
    tag.put_u8(u8::try_from(name.len()).expect("an endpoint name has at most 30 bytes"));
    tag.extend_from_slice(name);
    tag.put_u64(seq);
    tag
}

impl Tag {
    /// Reads the tag of a record; `None` is a kind or form this release does not know.
    pub(super) fn read(kind: u8, mut tag: &[u8]) -> Option<Self> {
        if kind == Kind::Identity as u8 {
            return Uuid::from_slice(tag).ok().map(Self::Identity);
        }
        let name_len = usize::from(tag.try_get_u8().ok()?);
        let name = tag.get(..name_len)?;
        let endpoint: EndpointName = std::str::from_utf8(name).ok()?.parse().ok()?;
        tag.advance(name_len);
        let seq = tag.try_get_u64().ok()?;
        if kind == Kind::Event as u8 {
            let id = EventId(Uuid::from_slice(tag.get(..16)?).ok()?);
            tag.advance(16);
            let bytes = tag.try_get_u64().ok()?;
            let missed = tag.try_get_u8().ok()? != 0;
            return tag.is_empty().then_some(Self::Event { endpoint, seq, id, bytes, missed });
        }
        if !tag.is_empty() {
            return None;
        }
        let mark =
            [Kind::Cursor, Kind::OneStored, Kind::Missed].into_iter().find(|mark| *mark as u8 == kind)?;
        Some(match mark {
            Kind::OneStored => Self::OneStored { endpoint, seq },
            Kind::Missed => Self::Missed { endpoint, seq },
            Kind::Cursor | Kind::Event | Kind::Identity => Self::Cursor { endpoint, seq },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(name in "[a-z0-9][a-z0-9-]{0,29}", seq: u64, id: u128, bytes: u64, missed: bool) {
            let endpoint: EndpointName = name.parse().unwrap();
            let id = EventId(Uuid::from_u128(id));
            prop_assert_eq!(
                Tag::read(1, &of_event(&endpoint, seq, id, bytes, missed)),
                Some(Tag::Event { endpoint: endpoint.clone(), seq, id, bytes, missed })
            );
            let mark = of_mark(&endpoint, seq);
            prop_assert_eq!(Tag::read(2, &mark), Some(Tag::Cursor { endpoint: endpoint.clone(), seq }));
            prop_assert_eq!(Tag::read(3, &mark), Some(Tag::OneStored { endpoint: endpoint.clone(), seq }));
            prop_assert_eq!(Tag::read(4, &mark), Some(Tag::Missed { endpoint, seq }));
            prop_assert_eq!(Tag::read(99, &mark), None);
        }

        #[test]
        fn any_bytes_are_read_without_panic(kind: u8, tag in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Tag::read(kind, &tag);
        }
    }
}

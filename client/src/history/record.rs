//! What the history writes into its journal: one record for each thing that happened to an event.
//!
//! ```text
//!  kind  tag       payload
//!  1     event id  u32 big endian, that many bytes of JSON (`Arrived`), the event record (head and body)
//!  2     event id  JSON of the verdict
//!  3     event id  JSON of the attempt: written when it begins and again when it ends
//!  4     event id  empty: nothing more is to be forwarded by itself
//!  5     event id  JSON of when and why the event was given up, which settles it too
//!  6     event id  empty: it was held, and is to be forwarded now
//!  7     event id  JSON of the tags a person gave it and took from it
//!  8     event id  JSON of what a person wrote about it; an empty text removes it
//!  9     event id  u32 big endian, that many bytes of JSON (`Edited`), the edited body if there is one
//!  10    event id  JSON of when, by whom and why it was dropped: it was held, and goes nowhere
//!  11    event id  JSON of the attempt that ended, and nothing more is to be forwarded by itself: 3 and 4 in one
//!  12    event id  JSON of a deletion, with what stays of the event, or that the deletion is taken back
//!  13    event id  JSON of when it was found that its sender had been told to come again: nothing is to be forwarded by itself
//! ```
//! An empty payload of another kind than 4 and 6 is one that was erased.
//! These bytes stay readable for ever. A later release may add kinds and members; this one skips those it does not know.

use bytes::{Buf, Bytes};
use inhaul_core::{
    event::{Event, RecordError, UnixMillis},
    signature::Verdict,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Facts, deletion::Deletion};
use crate::{
    annotation::{Comment, TagChange},
    draft::{Changes, Draft, Edit},
    row::{Attempt, Dropped, GivenUp, Repeat},
};

/// The kind of the record an event arrives with.
pub(super) const EVENT: u8 = 1;
const VERDICT: u8 = 2;
const ATTEMPT: u8 = 3;
const SETTLED: u8 = 4;
const GIVEN_UP: u8 = 5;
const RELEASED: u8 = 6;
const TAGS: u8 = 7;
const COMMENT: u8 = 8;
const EDITED: u8 = 9;
const DROPPED: u8 = 10;
const LAST_ATTEMPT: u8 = 11;
/// The kind of the record that says what stays of an event; it is never erased.
pub(super) const DELETION: u8 = 12;
const MISSED: u8 = 13;

/// What the client noted when an event arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Arrived {
    /// 1 for the first event of this data directory, counted over all periods; some numbers may be missing.
    pub(super) arrival: u64,
    /// The client's clock.
    pub(super) stored_at_ms: UnixMillis,
    /// What the caller knew of the event.
    #[serde(flatten)]
    pub(super) facts: Facts,
    /// The provider sent the same before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) repeat: Option<Box<Repeat>>,
}

/// What stands before an edited body.
#[derive(Serialize, Deserialize)]
struct Edited {
    at: UnixMillis,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    forward: bool,
    #[serde(default)]
    changes: Changes,
    /// Length of the edited body; absent when the body is not edited as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_bytes: Option<u64>,
}

/// One thing that happened to an event.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// It arrived.
    Arrived(Arrived, Event),
    /// Its signature was checked.
    Verdict(Verdict),
    /// An attempt began or ended.
    Attempt(Attempt),
    /// An attempt ended, and nothing more is to be forwarded by itself.
    LastAttempt(Attempt),
    /// Nothing more is to be forwarded by itself.
    Settled,
    /// It could not be delivered, and is not tried again.
    GivenUp(GivenUp),
    /// It was held, and is to be forwarded now.
    Released,
    /// A person edited it, for a replay or to have it forwarded like this.
    Edited(Edit),
    /// It was held, and a person decided that it goes nowhere.
    Dropped(Dropped),
    /// A person gave it tags, or took them away.
    Tags(TagChange),
    /// A person wrote something about it.
    Comment(Comment),
    /// A person deleted it, or took that back.
    Deletion(Deletion),
    /// Its sender was told to come again before it was forwarded.
    Missed(Missed),
}

/// When it was found that a sender had been told to come again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Missed {
    pub(super) at: UnixMillis,
}

/// Why a record of a known kind cannot be read.
#[derive(Debug, Error)]
pub(super) enum ChangeError {
    #[error("the record is cut short")]
    Short,
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Event(#[from] RecordError),
}

impl Change {
    /// The kind and the payload, in parts so that a body is not copied.
    pub(super) fn to_record(&self) -> (u8, Vec<Bytes>) {
        match self {
            Self::Arrived(arrived, event) => {
                let [length, arrived] = with_length(json(arrived));
                (EVENT, vec![length, arrived, event.record_prefix(), event.body.clone()])
            }
            Self::Verdict(verdict) => (VERDICT, vec![json(verdict)]),
            Self::Attempt(attempt) => (ATTEMPT, vec![json(attempt)]),
            Self::LastAttempt(attempt) => (LAST_ATTEMPT, vec![json(attempt)]),
            Self::Settled => (SETTLED, Vec::new()),
            Self::GivenUp(given_up) => (GIVEN_UP, vec![json(given_up)]),
            Self::Released => (RELEASED, Vec::new()),
            Self::Edited(Edit { at, forward, draft: Draft { body, changes } }) => {
                let body_bytes = body.as_ref().map(|body| body.len() as u64);
                let edited = Edited { at: *at, forward: *forward, changes: changes.clone(), body_bytes };
                let [length, edited] = with_length(json(&edited));
                (EDITED, [Some(length), Some(edited), body.clone()].into_iter().flatten().collect())
            }
            Self::Dropped(dropped) => (DROPPED, vec![json(dropped)]),
            Self::Tags(change) => (TAGS, vec![json(change)]),
            Self::Comment(comment) => (COMMENT, vec![json(comment)]),
            Self::Deletion(deletion) => (DELETION, vec![json(deletion)]),
            Self::Missed(missed) => (MISSED, vec![json(missed)]),
        }
    }

    /// What a record says; nothing when a later release made it, or it was erased.
    pub(super) fn from_record(kind: u8, mut payload: Bytes) -> Result<Option<Self>, ChangeError> {
        if payload.is_empty() && ![SETTLED, RELEASED].contains(&kind) {
            return Ok(None);
        }
        Ok(Some(match kind {
            EVENT => {
                let arrived = serde_json::from_slice(&split_length(&mut payload)?)?;
                Self::Arrived(arrived, Event::from_record(payload)?)
            }
            VERDICT => Self::Verdict(serde_json::from_slice(&payload)?),
            ATTEMPT => Self::Attempt(serde_json::from_slice(&payload)?),
            LAST_ATTEMPT => Self::LastAttempt(serde_json::from_slice(&payload)?),
            SETTLED => Self::Settled,
            GIVEN_UP => Self::GivenUp(serde_json::from_slice(&payload)?),
            RELEASED => Self::Released,
            EDITED => {
                let Edited { at, forward, changes, body_bytes } =
                    serde_json::from_slice(&split_length(&mut payload)?)?;
                if payload.len() as u64 != body_bytes.unwrap_or(0) {
                    return Err(ChangeError::Short);
                }
                let draft = Draft { body: body_bytes.map(|_| payload), changes };
                Self::Edited(Edit { at, forward, draft })
            }
            DROPPED => Self::Dropped(serde_json::from_slice(&payload)?),
            TAGS => Self::Tags(serde_json::from_slice(&payload)?),
            COMMENT => Self::Comment(serde_json::from_slice(&payload)?),
            DELETION => Self::Deletion(serde_json::from_slice(&payload)?),
            MISSED => Self::Missed(serde_json::from_slice(&payload)?),
            _ => return Ok(None),
        }))
    }
}

/// Bytes behind their length.
fn with_length(bytes: Bytes) -> [Bytes; 2] {
    let length = u32::try_from(bytes.len()).expect("words a person writes, with a limit");
    [Bytes::copy_from_slice(&length.to_be_bytes()), bytes]
}

/// The bytes behind their length, taken off.
fn split_length(payload: &mut Bytes) -> Result<Bytes, ChangeError> {
    let length = payload.try_get_u32().map_err(|_| ChangeError::Short)? as usize;
    if payload.len() < length { Err(ChangeError::Short) } else { Ok(payload.split_to(length)) }
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("plain data has a JSON form").into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        draft::{IdChange, Sign},
        history::{deletion::Deleted, tests::sample_event},
        row::{AttemptCause, Changed, FailureKind, Outcome},
    };

    fn attempt(outcome: Outcome) -> Attempt {
        Attempt {
            number: 2,
            target: "http://localhost:3000/".into(),
            cause: AttemptCause::Replay,
            started_at: UnixMillis(1_763_970_070_200),
            changed: None,
            outcome,
        }
    }

    /// One that is like no other, one with every fact there was at first, one that was verified before it was stored, and one from a file.
    fn arrivals() -> [Change; 4] {
        let facts = Facts {
            provider: Some("stripe".into()),
            event_type: Some("charge.failed".into()),
            provider_event_id: Some("evt_1".into()),
            forward: true,
            ..Facts::default()
        };
        let stored_at_ms = UnixMillis(1_763_970_070_150);
        let all = Facts { held: true, late: true, sender_waits: true, missed: true, ..facts.clone() };
        let verdict = Verdict::NoSecret { provider: "stripe".into() };
        let verified = Facts { verdict: Some(Box::new(verdict)), ..facts.clone() };
        let repeat = Repeat {
            number: 3,
            first: sample_event(1, b"").id,
            first_received_at: UnixMillis(1_763_970_070_118),
            same_id: true,
            same_body: false,
            dropped: true,
        };
        let imported = Facts { forward: false, imported: true, ..facts.clone() };
        let imported = Arrived { arrival: 9, stored_at_ms, facts: imported, repeat: None };
        let first = Arrived { arrival: 7, stored_at_ms, facts, repeat: None };
        let repeated = Arrived { arrival: 8, stored_at_ms, facts: all, repeat: Some(Box::new(repeat)) };
        let verified = Arrived { arrival: 9, stored_at_ms, facts: verified, repeat: None };
        [
            Change::Arrived(first, sample_event(1, b"{}")),
            Change::Arrived(repeated, sample_event(2, b"{}")),
            Change::Arrived(verified, sample_event(3, b"{}")),
            Change::Arrived(imported, sample_event(3, b"{}")),
        ]
    }

    /// One with a body of its own, one with every change there is, and an attempt that sent one of them.
    fn edits() -> [Change; 3] {
        let pair = |name: &str| (name.to_owned(), "1".to_owned());
        let edited = Draft { body: Some(Bytes::from_static(b"{\"a\":2}")), changes: Changes::default() };
        let changes = Changes {
            set_values: vec!["data.amount=1".to_owned()],
            remove_query: vec!["a".to_owned()],
            set_query: vec![pair("b")],
            remove_headers: vec!["x-a".to_owned()],
            set_headers: vec![pair("x-b")],
            id: IdChange::New,
            sign: Sign::Fresh,
            mark: false,
        };
        let at = UnixMillis(1_763_970_070_400);
        let attempt = attempt(Outcome::Begun);
        let changed = Changed {
            what: "body edited (7 B)".to_owned(),
            edit: Some(edited.id()),
            body_bytes: 7,
            body_sha256: Event::digest(b"{\"a\":2}"),
        };
        [
            Change::Edited(Edit { at, forward: false, draft: edited }),
            Change::Edited(Edit { at, forward: true, draft: Draft { body: None, changes } }),
            Change::Attempt(Attempt { changed: Some(changed), ..attempt }),
        ]
    }

    fn dropped() -> Dropped {
        Dropped {
            at: UnixMillis(1_763_970_070_500),
            by: "ada".to_owned(),
            why: Some("a test of theirs".to_owned()),
        }
    }

    /// One whose provider says what it is about.
    fn of_object() -> Change {
        let facts = Facts {
            provider: Some("callpaymin".into()),
            object_id: Some("call_220".into()),
            ..Facts::default()
        };
        let arrived =
            Arrived { arrival: 9, stored_at_ms: UnixMillis(1_763_970_070_150), facts, repeat: None };
        Change::Arrived(arrived, sample_event(3, b"{}"))
    }

    /// A change, its kind, and the bytes that version 1 wrote. Those must stay readable for ever: never edit, only add.
    type Golden = (Change, u8, &'static [u8]);

    /// One of each.
    fn golden() -> Vec<Golden> {
        [
            golden_arrivals().to_vec(),
            golden_attempts().to_vec(),
            golden_decisions().to_vec(),
            golden_deletions().to_vec(),
        ]
        .concat()
    }

    fn golden_deletions() -> [Golden; 2] {
        let deleted = Deleted {
            at: UnixMillis(1_763_970_070_600),
            id: sample_event(1, b"").id,
            arrival: 7,
            endpoint: "orders".parse().unwrap(),
            received_at: UnixMillis(1_763_970_070_118),
            stored_at: UnixMillis(1_763_970_070_150),
        };
        let restored = Deletion::Restored { at: UnixMillis(1_763_970_070_700) };
        [
            (
                Change::Deletion(Deletion::Deleted(deleted)),
                DELETION,
                include_bytes!("../../../assets/golden/history-deleted-v1.bin"),
            ),
            (
                Change::Deletion(restored),
                DELETION,
                include_bytes!("../../../assets/golden/history-restored-v1.bin"),
            ),
        ]
    }

    fn golden_arrivals() -> [Golden; 5] {
        let [first, repeated, verified, imported] = arrivals();
        [
            (first, EVENT, include_bytes!("../../../assets/golden/history-event-v1.bin")),
            (repeated, EVENT, include_bytes!("../../../assets/golden/history-event-repeated-v1.bin")),
            (verified, EVENT, include_bytes!("../../../assets/golden/history-event-verified-v1.bin")),
            (imported, EVENT, include_bytes!("../../../assets/golden/history-event-imported-v1.bin")),
            (of_object(), EVENT, include_bytes!("../../../assets/golden/history-event-object-v1.bin")),
        ]
    }

    fn golden_attempts() -> [Golden; 6] {
        let answered = Outcome::Answered {
            status: 204,
            headers: vec![("x-a".into(), "1".into())],
            body_bytes: 3,
            body_excerpt: vec![0, 255, 7],
            latency_ms: 12,
        };
        let [_, _, sent] = edits();
        let failed = Outcome::Failed { kind: FailureKind::Connect, message: "refused".into(), latency_ms: 1 };
        [
            (
                Change::Verdict(Verdict::Unsigned),
                VERDICT,
                include_bytes!("../../../assets/golden/history-verdict-v1.bin"),
            ),
            (
                Change::Attempt(attempt(Outcome::Begun)),
                ATTEMPT,
                include_bytes!("../../../assets/golden/history-attempt-begun-v1.bin"),
            ),
            (
                Change::LastAttempt(attempt(answered.clone())),
                LAST_ATTEMPT,
                include_bytes!("../../../assets/golden/history-attempt-last-v1.bin"),
            ),
            (
                Change::Attempt(attempt(answered)),
                ATTEMPT,
                include_bytes!("../../../assets/golden/history-attempt-answered-v1.bin"),
            ),
            (
                Change::Attempt(attempt(failed)),
                ATTEMPT,
                include_bytes!("../../../assets/golden/history-attempt-failed-v1.bin"),
            ),
            (sent, ATTEMPT, include_bytes!("../../../assets/golden/history-attempt-edited-v1.bin")),
        ]
    }

    fn golden_decisions() -> [Golden; 9] {
        let [edited, released, _] = edits();
        [
            (
                Change::Tags(TagChange { add: vec!["bug/12".into()], remove: vec!["todo".into()] }),
                TAGS,
                include_bytes!("../../../assets/golden/history-tags-v1.bin"),
            ),
            (
                Change::Comment(Comment::new("who sent \"this\"?").unwrap()),
                COMMENT,
                include_bytes!("../../../assets/golden/history-comment-v1.bin"),
            ),
            (Change::Settled, SETTLED, b""),
            (edited, EDITED, include_bytes!("../../../assets/golden/history-edited-v1.bin")),
            (released, EDITED, include_bytes!("../../../assets/golden/history-edited-forward-v1.bin")),
            (
                Change::Dropped(dropped()),
                DROPPED,
                include_bytes!("../../../assets/golden/history-dropped-v1.bin"),
            ),
            (Change::Released, RELEASED, b""),
            (
                Change::Missed(Missed { at: UnixMillis(1_763_970_070_800) }),
                MISSED,
                include_bytes!("../../../assets/golden/history-missed-v1.bin"),
            ),
            (
                Change::GivenUp(GivenUp { at: UnixMillis(1_763_970_070_300), reason: "12 tries".into() }),
                GIVEN_UP,
                include_bytes!("../../../assets/golden/history-given-up-v1.bin"),
            ),
        ]
    }

    #[test]
    fn golden_records_read_and_write_the_same() {
        for (change, kind, bytes) in golden() {
            let (written_kind, parts) = change.to_record();
            assert_eq!((written_kind, parts.concat().as_slice()), (kind, bytes));
            let read = Change::from_record(kind, Bytes::from_static(bytes)).unwrap();
            assert_eq!(read, Some(change));
        }
    }

    #[test]
    fn damage_is_an_error_and_a_later_kind_is_not_nor_one_that_was_erased() {
        for (change, kind, bytes) in golden() {
            if !bytes.is_empty() {
                assert!(matches!(Change::from_record(kind, Bytes::new()), Ok(None)), "{change:?} erased");
            }
            for cut in 1..bytes.len() {
                let read = Change::from_record(kind, Bytes::from_static(&bytes[..cut]));
                assert!(read.is_err(), "{change:?} cut to {cut}");
            }
        }
        assert!(matches!(Change::from_record(200, Bytes::from_static(b"?")), Ok(None)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(kind in 0..15u8, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Change::from_record(kind, bytes.into());
        }
    }
}

//! From records to rows: the one place that says what a record does to an event's row. Live changes and a rebuild both
//! go through it, so that both end in the same rows.

use inhaul_core::event::{Event, UnixMillis};
use inhaul_journal::Location;
use serde::{Deserialize, Serialize};

use super::{
    Facts,
    deletion::{Deletion, Tombstone},
    record::{Arrived, Change},
    same::SameKey,
};
use crate::{
    draft::EditId,
    row::{Attempt, AttemptCause, EventRow, EventState, REPLAYS_LISTED},
};

/// How many drafts of an event can be found again. Earlier ones are in the journal.
const EDITS_LISTED: usize = 20;

/// A row with what the history itself needs to know of the event; the value in the index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Indexed {
    /// Place in the order of storing.
    pub(super) arrival: u64,
    /// Where in the period's journal the event's bytes are.
    #[serde(with = "location_json")]
    pub(super) location: Location,
    /// The event's latest record; the entry is as that record left it.
    #[serde(with = "location_json")]
    pub(super) latest: Location,
    /// What it has in common with other deliveries of the same event.
    pub(super) same: Option<SameKey>,
    /// Where its drafts are, in their order in the journal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) edits: Vec<EditPlace>,
    /// What it has in common with other events of the same object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) object: Option<SameKey>,
    /// It was held, and this record let it go.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "location_json::optional")]
    pub(super) released: Option<Location>,
    /// A person deleted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deleted: Option<Tombstone>,
    /// What everyone else sees.
    pub(super) row: EventRow,
}

/// Where a draft is in the period's journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EditPlace {
    #[serde(with = "location_json")]
    pub(super) location: Location,
    pub(super) id: EditId,
}

impl Indexed {
    /// What it can be found by besides its id.
    pub(super) fn keys(&self) -> impl Iterator<Item = SameKey> + use<> {
        self.same.into_iter().chain(self.object)
    }

    /// The record in its period's journal since which it is to be forwarded: among events that are, the one whose record is first goes first.
    pub(super) fn turn(&self) -> Location {
        self.released.unwrap_or(self.location)
    }

    /// Lets it go, if it is held.
    fn release(&mut self, by: Location) {
        if self.row.state == EventState::Held {
            self.row.state = EventState::Pending;
            self.row.released = true;
            self.released = Some(by);
        }
    }
}

/// What a record at `location` makes of an event's entry; nothing when its arrival is not on record. Of an event that is deleted, the record
/// that says so is enough: those before it may be erased.
///
/// Applying the same records in the same order to their own outcome changes nothing: what is caught up twice is right.
pub(super) fn fold(entry: Option<Indexed>, location: Location, change: &Change) -> Option<Indexed> {
    let Some(mut entry) = entry else {
        return match change {
            Change::Arrived(arrived, event) => Some(arrival(location, arrived, event)),
            Change::Deletion(Deletion::Deleted(deleted)) => Some(Indexed::erased(deleted, location)),
            Change::Verdict(_)
            | Change::Attempt(_)
            | Change::LastAttempt(_)
            | Change::Settled
            | Change::GivenUp(_)
            | Change::Released
            | Change::Edited(_)
            | Change::Dropped(_)
            | Change::Tags(_)
            | Change::Comment(_)
            | Change::Missed(_)
            | Change::Deletion(Deletion::Restored { .. }) => None,
        };
    };
    entry.latest = location;
    match change {
        // The first one counts: an event is in the history once.
        Change::Arrived(..) => {}
        Change::Verdict(verdict) => entry.row.verdict = Some(verdict.clone()),
        Change::Attempt(attempt) => put_attempt(&mut entry.row, attempt),
        Change::LastAttempt(attempt) => {
            put_attempt(&mut entry.row, attempt);
            entry.row.state = EventState::Settled;
        }
        Change::Settled => entry.row.state = EventState::Settled,
        Change::GivenUp(given_up) => {
            entry.row.state = EventState::GivenUp;
            entry.row.given_up = Some(given_up.clone());
        }
        Change::Released => entry.release(location),
        Change::Edited(edit) => {
            put_edit(&mut entry, EditPlace { location, id: edit.draft.id() });
            if edit.forward && entry.row.state == EventState::Held {
                entry.release(location);
                entry.row.forwarded_as = Some(edit.draft.id());
            }
        }
        Change::Dropped(dropped) => {
            entry.row.state = EventState::Settled;
            entry.row.dropped = Some(dropped.clone());
        }
        Change::Tags(change) => change.apply(&mut entry.row.tags),
        Change::Comment(comment) => entry.row.comment = comment.text(),
        Change::Deletion(deletion) => entry.apply(deletion),
        Change::Missed(_) => {
            entry.row.missed = true;
            entry.row.state = EventState::Settled;
        }
    }
    Some(entry)
}

fn put_attempt(row: &mut EventRow, attempt: &Attempt) {
    row.put_attempt(attempt.clone());
    if attempt.outcome.is_success() {
        row.given_up = None;
        if row.state == EventState::GivenUp {
            row.state = EventState::Settled;
        }
    }
    let attempts = &mut row.attempts;
    let is_replay = |attempt: &Attempt| attempt.cause == AttemptCause::Replay;
    if attempts.iter().filter(|attempt| is_replay(attempt)).count() > REPLAYS_LISTED
        && let Some(oldest) = attempts.iter().position(is_replay)
    {
        attempts.remove(oldest);
    }
}

/// By place, so that what is applied a second time ends the same.
fn put_edit(entry: &mut Indexed, edit: EditPlace) {
    let Indexed { edits, row, .. } = entry;
    if let Err(at) = edits.binary_search_by_key(&edit.location, |known| known.location) {
        edits.insert(at, edit);
    }
    // The one that is forwarded stays.
    let oldest = edits.iter().position(|edit| row.forwarded_as != Some(edit.id));
    if let Some(oldest) = oldest.filter(|_| edits.len() > EDITS_LISTED) {
        edits.remove(oldest);
    }
}

fn arrival(location: Location, arrived: &Arrived, event: &Event) -> Indexed {
    Indexed {
        arrival: arrived.arrival,
        location,
        latest: location,
        same: SameKey::of(event, &arrived.facts),
        object: SameKey::of_object(event, &arrived.facts),
        edits: Vec::new(),
        released: None,
        deleted: None,
        row: arrived_row(arrived, event),
    }
}

/// The row of an event that nothing has happened to but its arrival.
pub(super) fn arrived_row(arrived: &Arrived, event: &Event) -> EventRow {
    let row = row(event, &arrived.facts, arrived.stored_at_ms);
    EventRow { repeat: arrived.repeat.as_deref().cloned(), ..row }
}

/// The row of an event as it arrives, but for what is only known from other events.
pub fn row(event: &Event, facts: &Facts, stored_at: UnixMillis) -> EventRow {
    let head = event.parsed_head().ok();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    EventRow {
        id: event.id,
        endpoint: event.endpoint.clone(),
        received_at: event.received_at,
        stored_at,
        method: head.as_ref().map(|head| text(&head.method)).unwrap_or_default(),
        target: head.as_ref().map(|head| text(&event.app_target(head))).unwrap_or_default(),
        body_bytes: event.body.len() as u64,
        content_type: head.as_ref().and_then(|head| head.header("content-type")).map(|value| text(value)),
        provider: facts.provider.clone(),
        event_type: facts.event_type.clone(),
        provider_event_id: facts.provider_event_id.clone(),
        object_id: facts.object_id.clone(),
        missed: facts.missed,
        late: facts.late,
        sender_waited: facts.sender_waits,
        taken_when_late: facts.taken_when_late,
        imported: facts.imported,
        state: match (facts.held, facts.forward) {
            (true, _) => EventState::Held,
            (false, true) => EventState::Pending,
            (false, false) => EventState::Settled,
        },
        repeat: None,
        given_up: None,
        dropped: None,
        released: false,
        forwarded_as: None,
        tags: Vec::new(),
        comment: None,
        verdict: facts.verdict.as_deref().cloned(),
        attempts: Vec::new(),
    }
}

/// A location as `[segment, offset, length]`.
pub(super) mod location_json {
    use inhaul_journal::Location;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        location: &Location,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (location.segment, location.offset, location.len).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Location, D::Error> {
        let (segment, offset, len) = Deserialize::deserialize(deserializer)?;
        Ok(Location { segment, offset, len })
    }

    pub(in super::super) mod optional {
        use super::*;

        pub(in super::super::super) fn serialize<S: Serializer>(
            location: &Option<Location>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            location.map(|place| (place.segment, place.offset, place.len)).serialize(serializer)
        }

        pub(in super::super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Location>, D::Error> {
            let place: Option<(u64, u64, u32)> = Deserialize::deserialize(deserializer)?;
            Ok(place.map(|(segment, offset, len)| Location { segment, offset, len }))
        }
    }
}

#[cfg(test)]
mod tests {
    use inhaul_core::{event::UnixMillis, signature::Verdict};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        annotation::{Comment, TagChange},
        draft::{Draft, Edit},
        history::{
            Facts,
            deletion::Deleted,
            record::Missed,
            tests::{sample_attempt, sample_event},
        },
        row::{Dropped, GivenUp, Outcome},
    };

    fn at(offset: u64) -> Location {
        Location { segment: 1, offset, len: 10 }
    }

    fn arrived(arrival: u64) -> Change {
        let facts = Facts { forward: true, ..Facts::default() };
        let arrived = Arrived { arrival, stored_at_ms: UnixMillis(5), facts, repeat: None };
        Change::Arrived(arrived, sample_event(1, b"body"))
    }

    fn edited(number: u8, forward: bool) -> Change {
        let body = Some(vec![number].into());
        let draft = Draft { body, ..Draft::default() };
        Change::Edited(Edit { at: UnixMillis(1), forward, draft })
    }

    fn dropped() -> Change {
        Change::Dropped(Dropped { at: UnixMillis(1), by: "ada".into(), why: None })
    }

    #[test]
    fn replays_beyond_those_listed_leave_the_numbers_as_they_are() {
        let replay = |number| {
            let attempt = sample_attempt(number, Outcome::Begun);
            Change::Attempt(Attempt { cause: AttemptCause::Replay, ..attempt })
        };
        let first = Change::Attempt(sample_attempt(1, Outcome::Begun));
        let all = [arrived(1), first].into_iter().chain((2..200).map(replay));
        let entry =
            all.enumerate().fold(None, |entry, (index, change)| fold(entry, at(index as u64), &change));
        let row = entry.unwrap().row;
        assert_eq!((row.attempts.len(), row.attempts[0].number), (REPLAYS_LISTED + 1, 1));
        assert_eq!((row.attempts[1].number, row.attempts_made()), (150, 199));
    }

    #[test]
    fn a_held_event_is_released_as_edited_or_dropped_and_no_other_is() {
        let held = Facts { forward: true, held: true, ..Facts::default() };
        let arrives = Arrived { arrival: 1, stored_at_ms: UnixMillis(5), facts: held, repeat: None };
        let held = fold(None, at(0), &Change::Arrived(arrives, sample_event(1, b"x"))).unwrap();
        let replayed = fold(Some(held.clone()), at(1), &edited(1, false)).unwrap();
        assert_eq!((replayed.row.state, replayed.row.forwarded_as), (EventState::Held, None));
        let Change::Edited(edit) = edited(2, true) else { unreachable!() };
        let released = fold(Some(replayed), at(2), &edited(2, true)).unwrap();
        assert_eq!(released.row.forwarded_as, Some(edit.draft.id()));
        assert_eq!((released.row.state, released.edits.len()), (EventState::Pending, 2));
        let gone = fold(Some(held), at(1), &dropped()).unwrap();
        assert_eq!(gone.row.state, EventState::Settled);
        assert_eq!(fold(Some(gone.clone()), at(2), &edited(2, true)).unwrap().row.forwarded_as, None);
        let settled = fold(Some(released), at(3), &Change::Settled).unwrap();
        assert_eq!(fold(Some(settled), at(4), &edited(3, true)).unwrap().row.state, EventState::Settled);
    }

    #[test]
    fn a_row_says_what_the_event_is() {
        let entry = fold(None, at(0), &arrived(3)).unwrap();
        assert_eq!((entry.arrival, entry.row.state, entry.location), (3, EventState::Pending, at(0)));
        assert_eq!(entry.row.method, "POST");
        assert_eq!(entry.row.target, "/hook?n=1");
        assert_eq!(entry.row.content_type.as_deref(), Some("text/plain"));
        assert_eq!(entry.row.body_bytes, 4);
        let json = serde_json::to_vec(&entry).unwrap();
        assert_eq!(serde_json::from_slice::<Indexed>(&json).unwrap(), entry);
    }

    #[test]
    fn without_an_arrival_nothing_else_counts() {
        for change in [
            Change::Verdict(Verdict::Unsigned),
            Change::Attempt(sample_attempt(1, Outcome::Begun)),
            Change::LastAttempt(sample_attempt(1, Outcome::Rejected)),
            Change::Settled,
            Change::Released,
            edited(1, true),
            dropped(),
            Change::Tags(TagChange::default()),
            Change::Missed(Missed { at: UnixMillis(1) }),
            Change::Comment(Comment::default()),
            Change::Deletion(Deletion::Restored { at: UnixMillis(1) }),
            Change::GivenUp(GivenUp { at: UnixMillis(1), reason: "no".into() }),
        ] {
            assert_eq!(fold(None, at(9), &change), None);
        }
    }

    #[test]
    fn a_second_arrival_does_not_count() {
        let first = fold(None, at(0), &arrived(3)).unwrap();
        let settled = fold(Some(first), at(1), &Change::Settled).unwrap();
        let expected = Indexed { latest: at(2), ..settled.clone() };
        assert_eq!(fold(Some(settled), at(2), &arrived(4)), Some(expected));
    }

    /// One that has arrived.
    fn entry() -> Indexed {
        fold(None, at(0), &arrived(1)).unwrap()
    }

    #[test]
    fn a_deleted_event_is_kept_until_it_is_erased_and_known_for_ever() {
        let settled = fold(Some(entry()), at(1), &Change::Settled).unwrap();
        let deletion = Change::Deletion(Deletion::Deleted(Deleted::of(&settled, UnixMillis(1))));
        let gone = fold(Some(settled.clone()), at(2), &deletion).unwrap();
        assert!(gone.is_deleted());
        assert_eq!(gone.row, settled.row);
        let back = fold(Some(gone), at(3), &Change::Deletion(Deletion::Restored { at: UnixMillis(2) }));
        assert_eq!(back, Some(Indexed { latest: at(3), ..settled.clone() }));
        // Its arrival is erased.
        let known = fold(None, at(2), &deletion).unwrap();
        assert_eq!((known.row.id, known.arrival, known.row.state), (settled.row.id, 1, EventState::Settled));
        assert!(known.is_deleted() && known.row.target.is_empty());
        let stays = fold(Some(known), at(3), &Change::Deletion(Deletion::Restored { at: UnixMillis(2) }));
        assert!(stays.unwrap().is_deleted(), "nothing is left to come back");
    }

    fn any_change() -> impl Strategy<Value = Change> {
        let ended = || Outcome::Failed {
            kind: crate::row::FailureKind::Timeout,
            message: "late".into(),
            latency_ms: 9,
        };
        prop_oneof![
            Just(Change::Verdict(Verdict::Unsigned)),
            Just(Change::Verdict(Verdict::NoSecret { provider: "stripe".into() })),
            (1..4u32).prop_map(|number| Change::Attempt(sample_attempt(number, Outcome::Begun))),
            (1..4u32).prop_map(move |number| Change::Attempt(sample_attempt(number, ended()))),
            (1..4u32).prop_map(move |number| Change::LastAttempt(sample_attempt(number, ended()))),
            Just(Change::Settled),
            Just(Change::Released),
            Just(Change::Missed(Missed { at: UnixMillis(1) })),
            (0..30u8, any::<bool>()).prop_map(|(number, forward)| edited(number, forward)),
            Just(dropped()),
            (1..80u32).prop_map(|number| {
                let attempt = sample_attempt(number, Outcome::Begun);
                Change::Attempt(Attempt { cause: AttemptCause::Replay, ..attempt })
            }),
            ("[ab]", "[ab]").prop_map(|(add, remove)| {
                Change::Tags(TagChange { add: vec![add], remove: vec![remove] })
            }),
            "[ab]?".prop_map(|text| Change::Comment(Comment::new(&text).unwrap())),
            Just(Change::GivenUp(GivenUp { at: UnixMillis(1), reason: "no".into() })),
            Just(Change::Deletion(Deletion::Deleted(Deleted::of(&entry(), UnixMillis(1))))),
            Just(Change::Deletion(Deletion::Restored { at: UnixMillis(2) })),
        ]
    }

    proptest! {
        /// A crash leaves any part of what follows the marker applied; going over all of it again must end the same.
        #[test]
        fn catching_up_twice_ends_the_same(
            changes in prop::collection::vec(any_change(), 0..20), from in 0..20usize, applied in 0..20usize
        ) {
            let all: Vec<Change> = std::iter::once(arrived(1)).chain(changes).collect();
            let run = |start: Option<Indexed>, range: std::ops::Range<usize>| {
                range.fold(start, |entry, index| fold(entry, at(index as u64), &all[index]))
            };
            let whole = run(None, 0..all.len());
            let from = from.min(all.len());
            let applied = applied.clamp(from, all.len());
            let crashed = run(None, 0..applied);
            prop_assert_eq!(run(crashed, from..all.len()), whole);
        }
    }
}

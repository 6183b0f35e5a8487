//! The rows of one period, by event and by order of storing. Everything in an index can be made again from the journal
//! of its period, so it is asked for speed and never for safety.

mod contain;
mod database;
mod memory;

use std::{collections::HashMap, io, sync::Arc};

use inhaul_core::event::EventId;
use inhaul_journal::Location;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

pub use contain::panic_is_contained;
pub(super) use database::Database;
pub(super) use memory::Memory;

use super::{
    deletion::Tombstone,
    fold::{Indexed, location_json},
    same::SameKey,
};
use crate::row::EventState;

/// Why an index cannot be used any more.
#[derive(Debug, Error)]
pub(super) enum IndexError {
    #[error(transparent)]
    Database(#[from] sled::Error),
    #[error("it broke off: {0}")]
    Panicked(String),
    #[error("it gave no answer")]
    Silent,
    #[error("an entry cannot be read: {0}")]
    Entry(#[from] serde_json::Error),
    #[error("an entry is missing")]
    Missing,
    #[error("its rows are not those of the journal")]
    OtherRows,
    #[error("the journal holds other records than those it was made from")]
    OtherJournal,
    #[error("it has another format")]
    Format,
    #[error("a start before this one did not get past it")]
    Unfinished,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl IndexError {
    /// Whether the system refuses to write, which says nothing against what is written already.
    pub(super) fn is_refusal(&self) -> bool {
        let error = match self {
            Self::Io(error) | Self::Database(sled::Error::Io(error)) => error,
            Self::Database(_)
            | Self::Panicked(_)
            | Self::Silent
            | Self::Entry(_)
            | Self::Missing
            | Self::OtherRows
            | Self::OtherJournal
            | Self::Format
            | Self::Unfinished => return false,
        };
        let refusals = [
            io::ErrorKind::StorageFull,
            io::ErrorKind::QuotaExceeded,
            io::ErrorKind::ReadOnlyFilesystem,
            io::ErrorKind::PermissionDenied,
        ];
        refusals.contains(&error.kind())
    }
}

/// How much of the journal an index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// The last record applied.
    #[serde(with = "location_json")]
    pub(super) up_to: Location,
    /// How many records lead up to it, itself included.
    pub(super) records: u64,
    /// How many events had to be left out because their records cannot be read.
    pub(super) unreadable_events: u64,
    /// The disk refused to read a record behind it, and perhaps more. Those behind that one are in, so an event of theirs is put together anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_held_back: bool,
}

/// The place of the latest record of each event in a journal.
pub(super) type LatestRecords = HashMap<EventId, Location>;

/// The first and the last of a period's events, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    /// Lowest id, also of those deleted; by UUIDv7 it is the first received.
    pub(super) first_id: EventId,
    /// Highest id.
    pub(super) last_id: EventId,
    /// The number of the event stored last.
    pub(super) last_arrival: u64,
    /// How many events there are, without those deleted.
    pub(super) events: u64,
    /// How many of them have something left to do.
    pub(super) open: OpenEvents,
}

/// Events of which something is left to do, by what that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OpenEvents {
    /// To be forwarded.
    pub(super) pending: u64,
    /// A person decides.
    pub(super) held: u64,
    /// Not tried again by itself.
    pub(super) given_up: u64,
    /// Deleted, and their bytes are still there.
    #[serde(default)]
    pub(super) erasable: u64,
}

/// What is left to do for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It is to be forwarded.
    Pending,
    /// A person decides.
    Held,
    /// It is not tried again by itself.
    GivenUp,
    /// It is deleted, and its bytes are to be overwritten.
    Erasure,
}

impl Left {
    /// What is left to do for an entry, if anything.
    pub(super) fn of(entry: &Indexed) -> Option<Self> {
        Self::of_stamp(entry.row.state, entry.deleted.as_ref())
    }

    /// What is left to do for an event in a state, unless it is deleted.
    pub(super) fn of_stamp(state: EventState, deleted: Option<&Tombstone>) -> Option<Self> {
        match (deleted, state) {
            (Some(gone), _) => (!gone.is_erased).then_some(Self::Erasure),
            (None, EventState::Settled) => None,
            (None, EventState::Pending) => Some(Self::Pending),
            (None, EventState::Held) => Some(Self::Held),
            (None, EventState::GivenUp) => Some(Self::GivenUp),
        }
    }
}

impl OpenEvents {
    pub(super) fn count(left: impl IntoIterator<Item = Left>) -> Self {
        let mut open = Self::default();
        for left in left {
            match left {
                Left::Pending => open.pending += 1,
                Left::Held => open.held += 1,
                Left::GivenUp => open.given_up += 1,
                Left::Erasure => open.erasable += 1,
            }
        }
        open
    }

    /// How many are in a state; of settled ones nothing is known here.
    pub(super) fn of(&self, state: EventState) -> u64 {
        match state {
            EventState::Settled => 0,
            EventState::Pending => self.pending,
            EventState::Held => self.held,
            EventState::GivenUp => self.given_up,
        }
    }
}

impl Extent {
    /// Whether an event of that id could be among them.
    pub(super) fn covers(&self, id: EventId) -> bool {
        self.overlaps(id, id)
    }

    /// Whether an event with an id from `low` to `high` could be among them.
    pub(super) fn overlaps(&self, low: EventId, high: EventId) -> bool {
        self.first_id <= high && low <= self.last_id
    }
}

/// What an index does; one in a database on disk, one in memory for when no database can be had.
pub(super) trait Index: Send {
    /// How much of the journal is in it, as of the last [`Index::mark`].
    fn marker(&self) -> Result<Option<Marker>, IndexError>;
    /// Notes that everything up to there has been put in.
    fn mark(&mut self, marker: Marker) -> Result<(), IndexError>;
    /// The entry of an event, also when it is deleted. All else but [`Index::erasable`] is of those that are not.
    fn get(&self, id: EventId) -> Result<Option<Indexed>, IndexError>;
    /// Adds an entry or replaces that of the same event.
    fn put(&mut self, entry: &Indexed) -> Result<(), IndexError>;
    /// The entries stored before the one with that number, newest first.
    fn before(&self, arrival: u64, limit: usize) -> Result<Vec<Indexed>, IndexError>;
    /// The entries with this left to do that were stored before the one with that number, newest first.
    fn in_state(&self, state: EventState, arrival: u64, limit: usize) -> Result<Vec<Indexed>, IndexError>;
    /// The deleted entries whose bytes are still there.
    fn erasable(&self) -> Result<Vec<Indexed>, IndexError>;
    /// The entries with this key, the one stored last first.
    fn deliveries(&self, key: SameKey, limit: usize) -> Result<Vec<Indexed>, IndexError>;
    /// The keys of all entries.
    fn keys(&self) -> Result<Vec<SameKey>, IndexError>;
    /// The ids from `low` to `high`, at most `limit` of them.
    fn ids_between(&self, low: EventId, high: EventId, limit: usize) -> Result<Vec<EventId>, IndexError>;
    /// First, last and count; nothing when it is empty.
    fn extent(&self) -> Result<Option<Extent>, IndexError>;
    /// Reads everything once, and compares it with the latest record of each event in the journal. That many events
    /// may be missing.
    fn check(&self, latest: &Arc<LatestRecords>, missing: u64) -> Result<(), IndexError>;
    /// Writes out what is in memory and lets go of the files.
    fn close(self: Box<Self>) -> Result<(), IndexError>;
}

fn id_key(id: EventId) -> [u8; 16] {
    *id.0.as_bytes()
}

fn id_from(bytes: &[u8]) -> Result<EventId, IndexError> {
    Uuid::from_slice(bytes).map(EventId).map_err(|_| IndexError::Missing)
}

fn arrival_from(bytes: &[u8]) -> Result<u64, IndexError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| IndexError::Missing)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::{deletion::Deleted, tests::sample_entry};

    #[derive(Clone, Debug)]
    enum Step {
        Put { event: u8, state: EventState, same: u8, deleted: u8 },
        Mark(u64),
        Get(u8),
        Before(u64, usize),
        Between(u8, u8, usize),
        Reopen,
    }

    const OPEN: [EventState; 3] = [EventState::Pending, EventState::Held, EventState::GivenUp];

    fn any_state() -> impl Strategy<Value = EventState> {
        prop_oneof![
            Just(EventState::Settled),
            Just(EventState::Pending),
            Just(EventState::Held),
            Just(EventState::GivenUp)
        ]
    }

    fn key(of: u8) -> SameKey {
        SameKey([of; 16])
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..24u8, any_state(), 0..3u8, 0..6u8)
                .prop_map(|(event, state, same, deleted)| Step::Put { event, state, same, deleted }),
            1 => any::<u64>().prop_map(Step::Mark),
            2 => (0..24u8).prop_map(Step::Get),
            1 => (0..300u64, 0..9usize).prop_map(|(arrival, limit)| Step::Before(arrival, limit)),
            1 => (any::<u8>(), any::<u8>(), 0..9usize).prop_map(|(low, high, limit)| Step::Between(low, high, limit)),
            1 => Just(Step::Reopen),
        ]
    }

    /// The check of the one on disk, against what is in the one in memory.
    fn check_notices_everything(disk: &dyn Index, memory: &dyn Index) -> Result<(), TestCaseError> {
        let ids = (0..=u8::MAX).map(|event| sample_entry(event, 0).row.id);
        let entries: Vec<Indexed> = ids.filter_map(|id| memory.get(id).unwrap()).collect();
        let mut latest: LatestRecords = entries.iter().map(|entry| (entry.row.id, entry.latest)).collect();
        let check = |latest: &LatestRecords, missing| disk.check(&Arc::new(latest.clone()), missing);
        prop_assert!(check(&latest, 0).is_ok());
        prop_assert!(check(&latest, 1).is_err());
        if let Some(entry) = entries.first() {
            let later = Location { offset: entry.latest.offset + 1, ..entry.latest };
            latest.insert(entry.row.id, later);
            prop_assert!(check(&latest, 0).is_err(), "a row that is behind");
            latest.remove(&entry.row.id);
            prop_assert!(check(&latest, 0).is_err(), "a row too many");
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        /// The one in memory is the model of the one on disk.
        #[test]
        fn both_kinds_answer_the_same(steps in prop::collection::vec(any_step(), 1..40)) {
            let temp = tempfile::tempdir().unwrap();
            let open = || -> Box<dyn Index> { Box::new(Database::open(&temp.path().join("i"), 1 << 20).unwrap()) };
            let mut disk = open();
            let mut memory: Box<dyn Index> = Box::new(Memory::default());
            for step in steps {
                match step {
                    Step::Put { event, state, same, deleted } => {
                        let mut entry = sample_entry(event, 1000 - u64::from(event));
                        // An event's key stays what it was.
                        let known = memory.get(entry.row.id).unwrap();
                        (entry.same, entry.object) = known.map_or(
                            ((same > 0).then(|| key(same)), (same == 2).then(|| key(same + 1))),
                            |known| (known.same, known.object),
                        );
                        entry.row.state = state;
                        let tombstone = Deleted::of(&entry, entry.row.stored_at);
                        entry.deleted = (deleted > 3).then_some(Tombstone { deleted: tombstone, is_erased: deleted == 5 });
                        disk.put(&entry).unwrap();
                        memory.put(&entry).unwrap();
                    }
                    Step::Mark(records) => {
                        let up_to = Location { segment: 1, offset: records, len: 1 };
                        let marker = Marker { up_to, records, unreadable_events: 0, is_held_back: false };
                        disk.mark(marker).unwrap();
                        memory.mark(marker).unwrap();
                    }
                    Step::Get(event) => {
                        let id = sample_entry(event, 0).row.id;
                        prop_assert_eq!(disk.get(id).unwrap(), memory.get(id).unwrap());
                    }
                    Step::Before(arrival, limit) => {
                        let arrival = 744 + arrival;
                        prop_assert_eq!(disk.before(arrival, limit).unwrap(), memory.before(arrival, limit).unwrap());
                    }
                    Step::Between(low, high, limit) => {
                        let (low, high) = (sample_entry(low, 0).row.id, sample_entry(high, 0).row.id);
                        prop_assert_eq!(
                            disk.ids_between(low, high, limit).unwrap(),
                            memory.ids_between(low, high, limit).unwrap()
                        );
                    }
                    Step::Reopen => {
                        disk.close().unwrap();
                        disk = open();
                    }
                }
                for state in OPEN {
                    for (arrival, limit) in [(u64::MAX, usize::MAX), (900, 3)] {
                        let expected = memory.in_state(state, arrival, limit).unwrap();
                        prop_assert_eq!(disk.in_state(state, arrival, limit).unwrap(), expected);
                    }
                }
                for (same, limit) in [(1, 2), (2, usize::MAX), (3, usize::MAX)] {
                    let expected = memory.deliveries(key(same), limit).unwrap();
                    prop_assert_eq!(disk.deliveries(key(same), limit).unwrap(), expected);
                }
                prop_assert_eq!(disk.erasable().unwrap(), memory.erasable().unwrap());
                prop_assert_eq!(disk.keys().unwrap(), memory.keys().unwrap());
                prop_assert_eq!(disk.extent().unwrap(), memory.extent().unwrap());
                prop_assert_eq!(disk.marker().unwrap(), memory.marker().unwrap());
                check_notices_everything(disk.as_ref(), memory.as_ref())?;
            }
        }
    }
}

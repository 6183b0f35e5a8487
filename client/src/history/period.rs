//! One period: a directory with the journal of its events and the index made from it.

mod catch_up;
mod name;
mod rebuild;
mod summary;

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use inhaul_core::event::EventId;
use inhaul_journal::{Erasure, Journal, Location, OpenError, ReadError};

pub(super) use name::{PeriodName, date_of};
pub(super) use summary::{read_summary, remove_summary, write_summary};

use self::{catch_up::Log, rebuild::IndexSource};
use super::{
    HistoryError, Options,
    error::with_causes,
    fold::{Indexed, fold},
    index::{Extent, Index, IndexError, Marker, OpenEvents},
    notes::Notes,
    record::{Change, ChangeError, DELETION},
};
use crate::data_dir::{create_private_dir, sync_parent};

/// Events that arrived last may be among those that cannot be read, so that their numbers are not known. There are not so many behind one that
/// is, also with the numbers of events that were not stored.
const ARRIVALS_HELD_BACK: u64 = 1 << 32;

/// Where a period is and what of it is there, while it is open.
pub(super) struct OpenPeriod {
    directory: PathBuf,
    journal: Journal,
    index: Box<dyn Index>,
    source: IndexSource,
    /// Of everything applied so far; the index's own marker may be behind.
    marker: Option<Marker>,
    marker_is_written: bool,
    /// The last record applied. The marker stays before one that the disk refused to read.
    applied: Option<Location>,
    /// Events with such a record.
    held_back: HashSet<EventId>,
    /// Of all events, whether durable yet or on their way.
    event_bytes: u64,
}

/// How much memory a period may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// New events go into it.
    Current,
    /// It is read, and changed now and then.
    Old,
}

/// Why bytes of the journal are not what they should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadBackError {
    #[error(transparent)]
    Journal(#[from] ReadError),
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl OpenPeriod {
    /// Opens or makes a period; what was found wrong and put right goes into the notes.
    pub(super) fn open(
        directory: &Path,
        role: Role,
        options: &Options,
        notes: &Notes,
    ) -> Result<Self, HistoryError> {
        let source = if options.simulated { IndexSource::Memory } else { IndexSource::Existing };
        Self::open_with(directory, role, options, notes, source)
    }

    fn open_with(
        directory: &Path,
        role: Role,
        options: &Options,
        notes: &Notes,
        source: IndexSource,
    ) -> Result<Self, HistoryError> {
        let journal_directory = directory.join("journal");
        settle_repair(directory).map_err(|error| HistoryError::io(directory, &error))?;
        for path in [directory, &journal_directory] {
            create_private_dir(path)
                .and_then(|()| sync_parent(path))
                .map_err(|error| HistoryError::io(path, &error))?;
        }
        let mut log = Log::default();
        let opened = Journal::open_on(
            Arc::clone(&options.disk),
            &journal_directory,
            journal_options(options, role),
            &mut |location, kind, tag| log.add(location, kind, tag),
        );
        let (journal, recovery) = opened.map_err(|error| journal_error(directory, error))?;
        let event_bytes = log.event_bytes();
        for line in recovery.problems() {
            notes.add(format!("history in {}: {line}", directory.display()));
        }
        let cache_bytes = match role {
            Role::Current => options.cache_bytes,
            Role::Old => options.old_cache_bytes,
        };
        let ready = rebuild::index_of(directory, &journal, &log, source, cache_bytes, options, notes);
        Ok(Self {
            directory: directory.to_owned(),
            journal,
            index: ready.index,
            source: ready.source,
            marker: ready.marker,
            marker_is_written: true,
            applied: log.last(),
            held_back: ready.held_back,
            event_bytes,
        })
    }

    /// The rows.
    pub(super) fn index(&self) -> &dyn Index {
        self.index.as_ref()
    }

    /// Whether the index has all that the journal has and that is not damaged.
    pub(super) fn is_whole(&self) -> bool {
        self.held_back.is_empty()
    }

    /// Whether the disk refused to read a record of an event, which may be why it is not in the index.
    pub(super) fn holds_back(&self, id: EventId) -> bool {
        self.held_back.contains(&id)
    }

    /// The first and the last of its events, also of those that the disk refused to read.
    pub(super) fn extent(&self) -> Result<Option<Extent>, IndexError> {
        let Some((&first, &last)) = self.held_back.iter().min().zip(self.held_back.iter().max()) else {
            return self.index.extent();
        };
        let none = Extent {
            first_id: first,
            last_id: last,
            last_arrival: 0,
            events: 0,
            open: OpenEvents::default(),
        };
        let read = self.index.extent()?.unwrap_or(none);
        Ok(Some(Extent {
            first_id: read.first_id.min(first),
            last_id: read.last_id.max(last),
            last_arrival: read.last_arrival + ARRIVALS_HELD_BACK,
            ..read
        }))
    }

    /// The journal, to append to; what becomes durable is to be given to [`OpenPeriod::apply`].
    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Bytes of all events in it.
    pub(super) fn event_bytes(&self) -> u64 {
        self.event_bytes
    }

    /// Counts an event that was given to the journal.
    pub(super) fn add_event_bytes(&mut self, bytes: u64) {
        self.event_bytes += bytes;
    }

    /// What the journal says happened at a location.
    pub(super) fn read(&self, location: Location) -> Result<Option<Change>, ReadBackError> {
        let record = self.journal.read(location)?;
        Ok(Change::from_record(record.kind, record.payload)?)
    }

    /// Brings a durable change into the index, and gives back the event's entry. Changes come in the journal's order;
    /// one that is in already stays as it is.
    pub(super) fn apply(
        &mut self,
        location: Location,
        id: EventId,
        change: &Change,
    ) -> Result<Option<Indexed>, IndexError> {
        let entry = self.index.get(id)?;
        if self.applied.is_some_and(|applied| location <= applied) {
            return Ok(entry);
        }
        let entry = fold(entry, location, change);
        if let Some(entry) = &entry {
            self.index.put(entry)?;
        }
        self.applied = Some(location);
        if self.is_whole() {
            let (records, unreadable_events) =
                self.marker.map_or((0, 0), |marker| (marker.records, marker.unreadable_events));
            let marker =
                Marker { up_to: location, records: records + 1, unreadable_events, is_held_back: false };
            self.marker = Some(marker);
            self.marker_is_written = false;
        }
        Ok(entry)
    }

    /// Overwrites every record of these events but those of their deletions. An index that was set aside may have rows of them, and goes.
    pub(super) fn erase_records(&self, entries: &[Indexed]) -> Result<(), ReadError> {
        let erasure = |entry: &Indexed| Erasure {
            range: entry.location..=entry.latest,
            tag: Bytes::copy_from_slice(entry.row.id.0.as_bytes()),
        };
        let erasures: Vec<Erasure> = entries.iter().map(erasure).collect();
        self.journal.erase(&erasures, &|kind| kind != DELETION)?;
        if let Err(error) = rebuild::remove_set_aside(&self.directory) {
            tracing::warn!(%error, "an index that was set aside stays, and may hold rows of deleted events");
        }
        Ok(())
    }

    /// Puts an entry in the place of that of the same event.
    pub(super) fn put(&mut self, entry: &Indexed) -> Result<(), IndexError> {
        self.index.put(entry)
    }

    /// Notes in the index how far it is.
    pub(super) fn write_marker(&mut self) -> Result<(), IndexError> {
        if let Some(marker) = self.marker.filter(|_| !self.marker_is_written) {
            self.index.mark(marker)?;
            self.marker_is_written = true;
        }
        Ok(())
    }

    /// Puts a broken index aside and makes another from the journal: on disk, and when that broke too, in memory.
    ///
    /// Everything the journal holds is in the new one, also what [`OpenPeriod::apply`] was not told of yet.
    pub(super) fn repair(
        self,
        role: Role,
        options: &Options,
        notes: &Notes,
        error: &IndexError,
    ) -> Result<Self, HistoryError> {
        let Self { directory, journal, index, source, .. } = self;
        if error.is_refusal() {
            // It stays where it is and must be free to be opened again. What it could not write is in the journal.
            let _ = index.close();
        } else {
            drop(index);
        }
        if let Err(error) = journal.close() {
            tracing::warn!(%error, "the journal of a period did not close well");
        }
        let source = rebuild::replace(&directory, source, options, notes, error);
        Self::open_with(&directory, role, options, notes, source)
    }

    /// Writes everything out and lets go of the files.
    pub(super) fn close(mut self) {
        let marked = self.write_marker();
        if let Err(error) = marked.and_then(|()| self.index.close()) {
            tracing::warn!(%error, "an index did not close well; it will be made again");
        }
        if let Err(error) = self.journal.close() {
            tracing::warn!(%error, "the journal of a period did not close well");
        }
    }
}

/// How the journal of a period is kept.
pub(super) fn journal_options(options: &Options, role: Role) -> inhaul_journal::Options {
    inhaul_journal::Options {
        segment_bytes: options.segment_bytes,
        prefill: options.prefill && role == Role::Current,
        in_order: true,
        stepped: options.simulated,
        ..inhaul_journal::Options::default()
    }
}

/// Gives a repaired journal its place, also when the repair was interrupted just before.
pub(super) fn settle_repair(directory: &Path) -> io::Result<()> {
    let (journal, repaired) = (directory.join("journal"), directory.join("journal.repaired"));
    if repaired.exists() && !journal.exists() {
        fs::rename(&repaired, &journal)?;
        sync_parent(&journal)?;
    }
    Ok(())
}

pub(super) fn journal_error(directory: &Path, error: OpenError) -> HistoryError {
    match error {
        OpenError::Version { file, .. } => HistoryError::LaterRelease { path: file },
        OpenError::Locked(_) | OpenError::Io { .. } => {
            HistoryError::Journal { path: directory.to_owned(), reason: with_causes(&error) }
        }
    }
}

#[cfg(test)]
mod tests {
    use inhaul_core::event::UnixMillis;

    use super::*;
    use crate::{
        history::{
            Facts,
            record::Arrived,
            tests::{World, sample_attempt, sample_event},
        },
        row::{EventState, Outcome},
    };

    fn append(period: &mut OpenPeriod, id: EventId, change: &Change) -> Location {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (kind, parts) = change.to_record();
        let done = move |result| sender.send(result).unwrap();
        period.journal().append(kind, id.0.as_bytes(), parts, done).unwrap();
        receiver.recv().unwrap().unwrap()
    }

    fn arrive(period: &mut OpenPeriod, number: u64) -> EventId {
        let event = sample_event(number, b"body");
        let id = event.id;
        let facts = Facts { forward: true, ..Facts::default() };
        let change = Change::Arrived(
            Arrived { arrival: number, stored_at_ms: UnixMillis(1), facts, repeat: None },
            event,
        );
        let location = append(period, id, &change);
        period.apply(location, id, &change).unwrap().unwrap();
        id
    }

    #[test]
    fn an_index_that_may_not_be_written_stays_where_it_is() {
        let world = World::new();
        let (options, notes, directory) = (world.options(), Notes::default(), world.path().join("p"));
        let mut period = OpenPeriod::open(&directory, Role::Current, &options, &notes).unwrap();
        let first = arrive(&mut period, 1);
        let full = IndexError::Io(std::io::ErrorKind::StorageFull.into());
        let mut period = period.repair(Role::Current, &options, &notes, &full).unwrap();
        assert_eq!(period.source, IndexSource::Memory);
        let second = arrive(&mut period, 2);
        period.close();
        let notes = Notes::default();
        let period = OpenPeriod::open(&directory, Role::Current, &options, &notes).unwrap();
        assert_eq!((period.source, notes.lines()), (IndexSource::Existing, vec![]));
        assert_eq!(period.index().ids_between(first, second, 9).unwrap(), [first, second]);
        period.close();
    }

    /// An index that breaks while it is used is made again on disk, then in memory; what the journal had already and
    /// the index had not been told of is in both, and is not applied twice.
    #[test]
    fn a_broken_index_is_replaced_under_way() {
        let world = World::new();
        let (options, notes, directory) = (world.options(), Notes::default(), world.path().join("p"));
        let mut period = OpenPeriod::open(&directory, Role::Current, &options, &notes).unwrap();
        let mut ids = vec![arrive(&mut period, 1)];
        for (round, source) in [(2, IndexSource::Afresh), (3, IndexSource::Memory), (4, IndexSource::Memory)]
        {
            let begun = Change::Attempt(sample_attempt(round, Outcome::Begun));
            let location = append(&mut period, ids[0], &begun);
            period = period.repair(Role::Current, &options, &notes, &IndexError::Missing).unwrap();
            assert_eq!(period.source, source);
            assert_eq!(notes.lines().len(), usize::try_from(round).unwrap() - 1);
            let before = period.marker;
            let entry = period.apply(location, ids[0], &begun).unwrap().unwrap();
            assert_eq!(entry.row.attempts.len(), usize::try_from(round).unwrap() - 1);
            assert_eq!(period.marker, before);
            ids.push(arrive(&mut period, u64::from(round)));
        }
        let pending = |period: &OpenPeriod| {
            let found = period.index().in_state(EventState::Pending, u64::MAX, usize::MAX).unwrap();
            found.into_iter().rev().map(|entry| entry.row.id).collect::<Vec<_>>()
        };
        assert_eq!(pending(&period), ids);
        period.close();

        let quiet = Notes::default();
        let period = OpenPeriod::open(&directory, Role::Old, &options, &quiet).unwrap();
        assert_eq!((pending(&period), period.source), (ids, IndexSource::Existing));
        assert_eq!(quiet.lines(), Vec::<String>::new());
        period.close();
    }
}

//! How an index gets to hold what its journal holds: caught up when it is behind, made again when it is broken.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::Path,
    sync::Arc,
};

use inhaul_core::event::EventId;
use inhaul_journal::{Erasure, Journal, Location, ReadError};
use uuid::Uuid;

use super::{
    super::{
        Options,
        error::with_causes,
        fold::{Indexed, fold},
        index::{Database, Index, IndexError, LatestRecords, Marker, Memory},
        notes::Notes,
        record::{Change, EVENT},
    },
    ReadBackError,
};

/// The name of the index in a period's directory.
const INDEX: &str = "index.sled";

/// Before every record: segments are counted from 1.
const BEFORE_ALL: Location = Location { segment: 0, offset: 0, len: 0 };

/// Where the index in use comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexSource {
    /// The database that was there, or an empty one when none was.
    Existing,
    /// A database made by this process after the one before broke.
    Afresh,
    /// Memory, after the second one broke too.
    Memory,
}

/// An index that holds what the journal holds.
pub(super) struct Ready {
    pub(super) index: Box<dyn Index>,
    pub(super) source: IndexSource,
    pub(super) marker: Option<Marker>,
    /// Events of which the disk refused to read a record.
    pub(super) held_back: HashSet<EventId>,
}

/// What the journal found when it was opened, in its order.
#[derive(Default)]
pub(super) struct Log {
    records: Vec<(Location, u8, Option<EventId>)>,
}

impl Log {
    pub(super) fn add(&mut self, location: Location, kind: u8, tag: &[u8]) {
        self.records.push((location, kind, Uuid::from_slice(tag).ok().map(EventId)));
    }

    /// Bytes of all its event records.
    pub(super) fn event_bytes(&self) -> u64 {
        let events = self.records.iter().filter(|(_, kind, _)| *kind == EVENT);
        events.map(|(location, _, _)| u64::from(location.len)).sum()
    }

    /// The last record.
    pub(super) fn last(&self) -> Option<Location> {
        self.records.last().map(|&(location, _, _)| location)
    }

    /// The events with a record from that one on.
    fn events_from(&self, first: usize) -> HashSet<EventId> {
        self.records[first..].iter().filter_map(|(_, _, id)| *id).collect()
    }

    /// Of every event that arrived, its latest record.
    fn latest(&self) -> LatestRecords {
        let mut latest = LatestRecords::new();
        for &(location, kind, id) in &self.records {
            let Some(id) = id else { continue };
            match latest.get_mut(&id) {
                Some(known) => *known = location,
                None if kind == EVENT => drop(latest.insert(id, location)),
                None => {}
            }
        }
        latest
    }
}

/// Gets an index for the journal: from `source`, or from the next one when that is broken.
pub(super) fn index_of(
    directory: &Path,
    journal: &Journal,
    log: &Log,
    mut source: IndexSource,
    cache_bytes: u64,
    options: &Options,
    notes: &Notes,
) -> Ready {
    loop {
        let found: Result<Box<dyn Index>, IndexError> = match source {
            IndexSource::Existing | IndexSource::Afresh => {
                Database::open(&directory.join(INDEX), cache_bytes).map(|index| Box::new(index) as _)
            }
            IndexSource::Memory => Ok(Box::new(Memory::default())),
        };
        let ready = found.and_then(|mut index| {
            let caught_up = catch_up(index.as_mut(), journal, log)?;
            if source != IndexSource::Memory {
                index.check(&Arc::new(log.latest()), caught_up.missing)?;
            }
            Ok((index, caught_up))
        });
        match ready {
            Ok((index, caught_up)) => {
                caught_up.tell(directory, notes);
                let CaughtUp { marker, held_back, .. } = caught_up;
                return Ready { index, source, marker, held_back };
            }
            Err(error) if source == IndexSource::Memory => {
                // Memory does not fail; should it ever, an empty list beside a whole journal still stores what comes.
                tracing::error!(%error, "no index could be made");
                let index = Box::new(Memory::default());
                return Ready { index, source, marker: None, held_back: HashSet::new() };
            }
            Err(error) => source = replace(directory, source, options, notes, &error),
        }
    }
}

/// Puts the broken index out of the way, and says what to use instead of it.
pub(super) fn replace(
    directory: &Path,
    broken: IndexSource,
    options: &Options,
    notes: &Notes,
    error: &IndexError,
) -> IndexSource {
    let place = directory.display();
    if error.is_refusal() {
        notes.add(format!(
            "history in {place}: the index cannot be written ({error}); until the next start it is kept in memory"
        ));
        return IndexSource::Memory;
    }
    let aside = match broken {
        IndexSource::Existing | IndexSource::Afresh => set_aside(directory, options),
        IndexSource::Memory => Ok(None),
    };
    match (broken, aside) {
        (IndexSource::Existing, Ok(aside)) => {
            let aside = aside.map(|name| format!("; the old one is `{name}`")).unwrap_or_default();
            notes.add(format!(
                "history in {place}: the index was damaged ({error}) and is made again from the journal{aside}"
            ));
            IndexSource::Afresh
        }
        (IndexSource::Existing, Err(aside)) => {
            notes.add(format!(
                "history in {place}: the index is damaged ({error}) and cannot be moved away ({aside}); until the \
                 next start it is kept in memory"
            ));
            IndexSource::Memory
        }
        (IndexSource::Afresh | IndexSource::Memory, _) => {
            notes.add(format!(
                "history in {place}: the index broke again ({error}); until the next start it is kept in memory"
            ));
            IndexSource::Memory
        }
    }
}

/// What is behind the name of an index that was set aside, before the time.
const SET_ASIDE: &str = ".damaged-";

/// Removes the indexes that were set aside in a period: the journal has all that they have.
pub(super) fn remove_set_aside(directory: &Path) -> io::Result<()> {
    let damaged = format!("{INDEX}{SET_ASIDE}");
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&damaged) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Renames the index's directory; of those set aside before, none is kept.
fn set_aside(directory: &Path, options: &Options) -> io::Result<Option<String>> {
    remove_set_aside(directory)?;
    let stamp: String = (options.clock)().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let name = format!("{INDEX}{SET_ASIDE}{stamp}");
    match fs::rename(directory.join(INDEX), directory.join(&name)) {
        Ok(()) => Ok(Some(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What an index took from the journal, and what it did not.
struct CaughtUp {
    marker: Option<Marker>,
    /// Records that are damaged.
    damaged: u64,
    /// Records that the disk refused to read, and one of its reasons.
    refused: Option<(u64, ReadError)>,
    /// Their events.
    held_back: HashSet<EventId>,
    /// Events that are not in the index, for good or for now.
    missing: u64,
}

impl CaughtUp {
    /// What is left out, for good and for now.
    fn tell(&self, directory: &Path, notes: &Notes) {
        let place = directory.display();
        match self.damaged {
            0 => {}
            1 => notes.add(format!("history in {place}: 1 record is damaged and left out for good")),
            more => {
                notes.add(format!("history in {place}: {more} records are damaged and left out for good"))
            }
        }
        if let Some((records, reason)) = &self.refused {
            let (records, are, them) = match records {
                1 => ("1 record".to_owned(), "is", "it"),
                more => (format!("{more} records"), "are", "them"),
            };
            notes.add(format!(
                "history in {place}: {records} cannot be read now and {are} left out until a start can read {them}; where that stays so, `inhaul history repair` goes on without {them}: {}",
                with_causes(reason)
            ));
        }
    }
}

/// Applies what the index lacks. What the disk refuses to read now is read at a later opening: the marker stays before it.
fn catch_up(index: &mut dyn Index, journal: &Journal, log: &Log) -> Result<CaughtUp, IndexError> {
    let marker = index.marker()?;
    let known = match marker {
        None => 0,
        Some(marker) => {
            let known = log.records.partition_point(|(location, _, _)| *location <= marker.up_to);
            if known as u64 != marker.records {
                return Err(IndexError::OtherJournal);
            }
            known
        }
    };
    let mut anew = match marker {
        Some(Marker { is_held_back: true, .. }) => log.events_from(known),
        Some(_) | None => HashSet::new(),
    };
    let from = if anew.is_empty() { known } else { 0 };
    let (mut damaged, mut refused, mut first_refused) = (0, None, log.records.len());
    let (mut held_back, mut without_arrival) = (HashSet::new(), Vec::new());
    let all_of: HashSet<EventId> = anew.clone();
    for (at, &(location, kind, id)) in log.records.iter().enumerate().skip(from) {
        let Some(id) = id.filter(|id| at >= known || all_of.contains(id)) else { continue };
        let known_entry = index.get(id)?;
        let entry = if anew.remove(&id) { None } else { known_entry.clone() };
        let passed = || known_entry.map(|entry| Indexed { latest: location, ..entry });
        let is_arrival = kind == EVENT && at >= known;
        let entry = match read(journal, location, kind) {
            Ok(Some(change)) => fold(entry, location, &change),
            Ok(None) => {
                without_arrival.extend(is_arrival.then_some((at, id)));
                passed()
            }
            Err(ReadBackError::Journal(error @ ReadError::Io { .. })) => {
                let (records, _) = refused.get_or_insert((0, error));
                *records += 1;
                first_refused = first_refused.min(at.max(known));
                held_back.insert(id);
                without_arrival.extend(is_arrival.then_some((at, id)));
                passed()
            }
            Err(_) => {
                damaged += u64::from(at >= known);
                without_arrival.extend(is_arrival.then_some((at, id)));
                passed()
            }
        };
        if let Some(entry) = entry {
            index.put(&entry)?;
        }
    }
    let mut missing = HashMap::new();
    for (at, id) in without_arrival {
        if index.get(id)?.is_none() {
            missing.entry(id).or_insert(at);
        }
    }
    let missing_before = |end: usize| {
        let here = missing.values().filter(|at| **at < end).count() as u64;
        marker.map_or(0, |marker| marker.unreadable_events) + here
    };
    let is_held_back = refused.is_some();
    let last = log.records[..first_refused].last().map(|&(location, _, _)| location);
    let marker = last.or(is_held_back.then_some(BEFORE_ALL)).map(|up_to| Marker {
        up_to,
        records: first_refused as u64,
        unreadable_events: missing_before(first_refused),
        is_held_back,
    });
    if let Some(marker) = marker {
        index.mark(marker)?;
    }
    Ok(CaughtUp { marker, damaged, refused, held_back, missing: missing_before(usize::MAX) })
}

/// Reads a record. What a kill left of one that was being erased is erased; what cannot be overwritten now can be at the next start.
fn read(journal: &Journal, location: Location, kind: u8) -> Result<Option<Change>, ReadBackError> {
    let record = journal.read(location)?;
    if record.payload.is_empty() && location.len > 0 {
        let erasure = Erasure { range: location..=location, tag: record.tag.clone() };
        let _ = journal.erase(&[erasure], &|_| true);
    }
    Ok(Change::from_record(kind, record.payload)?)
}

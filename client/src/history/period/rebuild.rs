//! How an index gets to hold what its journal holds: caught up when it is behind, made again when it is broken.

use std::{collections::HashSet, fs, io, path::Path, sync::Arc};

use inhaul_core::event::EventId;
use inhaul_journal::{Erasure, Journal, Location};
use uuid::Uuid;

use super::super::{
    Options,
    fold::{Indexed, fold},
    index::{Database, Index, IndexError, LatestRecords, Marker, Memory},
    notes::Notes,
    record::{Change, EVENT},
};

/// The name of the index in a period's directory.
const INDEX: &str = "index.sled";

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
            let (marker, unreadable) = catch_up(index.as_mut(), journal, log)?;
            if source != IndexSource::Memory {
                let left_out = marker.map_or(0, |marker| marker.unreadable_events);
                index.check(&Arc::new(log.latest()), left_out)?;
            }
            Ok((index, marker, unreadable))
        });
        match ready {
            Ok((index, marker, unreadable)) => {
                if unreadable > 0 {
                    notes.add(format!(
                        "history in {}: {unreadable} damaged records were left out",
                        directory.display()
                    ));
                }
                return Ready { index, source, marker };
            }
            Err(error) if source == IndexSource::Memory => {
                // Memory does not fail; should it ever, an empty list beside a whole journal still stores what comes.
                tracing::error!(%error, "no index could be made");
                return Ready { index: Box::new(Memory::default()), source, marker: None };
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

/// Applies what the index lacks. Gives back the marker, and how many records could not be read this time.
fn catch_up(
    index: &mut dyn Index,
    journal: &Journal,
    log: &Log,
) -> Result<(Option<Marker>, u64), IndexError> {
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
    let (mut unreadable, mut without_arrival) = (0, HashSet::new());
    for &(location, kind, id) in &log.records[known..] {
        let Some(id) = id else { continue };
        let entry = index.get(id)?;
        let record = journal.read(location);
        if let Ok(record) = &record
            && record.payload.is_empty()
            && location.len > 0
        {
            // A kill may have left some of it. What it cannot overwrite now it can at the next start.
            let erasure = Erasure { range: location..=location, tag: record.tag.clone() };
            let _ = journal.erase(&[erasure], &|_| true);
        }
        let entry = match record.map(|record| Change::from_record(kind, record.payload)) {
            Ok(Ok(Some(change))) => fold(entry, location, &change),
            Ok(Ok(None)) => {
                if kind == EVENT {
                    without_arrival.insert(id);
                }
                entry.map(|entry| Indexed { latest: location, ..entry })
            }
            Ok(Err(_)) | Err(_) => {
                unreadable += 1;
                if kind == EVENT {
                    without_arrival.insert(id);
                }
                entry.map(|entry| Indexed { latest: location, ..entry })
            }
        };
        if let Some(entry) = entry {
            index.put(&entry)?;
        }
    }
    let mut unreadable_events = marker.map_or(0, |marker| marker.unreadable_events);
    for id in without_arrival {
        unreadable_events += u64::from(index.get(id)?.is_none());
    }
    let marker = log.records.last().map(|&(up_to, _, _)| Marker {
        up_to,
        records: log.records.len() as u64,
        unreadable_events,
    });
    if let Some(marker) = marker {
        index.mark(marker)?;
    }
    Ok((marker, unreadable))
}

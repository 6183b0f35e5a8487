//! How an index that is behind is caught up with its journal, and what of it cannot be.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use inhaul_core::event::EventId;
use inhaul_journal::{Erasure, Journal, Location, ReadError};
use uuid::Uuid;

use super::{
    super::{
        error::with_causes,
        fold::{Indexed, fold},
        index::{Index, IndexError, LatestRecords, Marker},
        notes::Notes,
        record::{Change, EVENT},
    },
    ReadBackError,
};

/// Before every record: segments are counted from 1.
const BEFORE_ALL: Location = Location { segment: 0, offset: 0, len: 0 };

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
    pub(super) fn latest(&self) -> LatestRecords {
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

/// What an index took from the journal, and what it did not.
pub(super) struct CaughtUp {
    pub(super) marker: Option<Marker>,
    /// Records that are damaged.
    damaged: u64,
    /// Records that the disk refused to read, and one of its reasons.
    refused: Option<(u64, ReadError)>,
    /// Their events.
    pub(super) held_back: HashSet<EventId>,
    /// Events that are not in the index, for good or for now.
    pub(super) missing: u64,
}

impl CaughtUp {
    /// Says what is left out, for good and for now.
    pub(super) fn tell(&self, directory: &Path, notes: &Notes) {
        let place = directory.display();
        match self.damaged {
            0 => {}
            1 => notes.add(format!("history in {place}: 1 record is damaged and left out for good")),
            more => {
                notes.add(format!("history in {place}: {more} records are damaged and left out for good"));
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
pub(super) fn catch_up(index: &mut dyn Index, journal: &Journal, log: &Log) -> Result<CaughtUp, IndexError> {
    let marker = index.marker()?;
    let mut reading = Reading::new(log, marker)?;
    for at in reading.first()..log.records.len() {
        let (location, kind, id) = log.records[at];
        if let Some(id) = id.filter(|id| at >= reading.known || reading.anew.contains(id)) {
            let known = index.get(id)?;
            let begun =
                if reading.anew.contains(&id) && reading.begun.insert(id) { None } else { known.clone() };
            let entry = match reading.take(at, id, kind, read(journal, location, kind)) {
                Some(change) => fold(begun, location, &change),
                None => known.map(|entry| Indexed { latest: location, ..entry }),
            };
            if let Some(entry) = entry {
                index.put(&entry)?;
            }
        }
    }
    reading.end(index, log, marker)
}

/// What comes of reading the records that an index lacks.
struct Reading {
    /// So many records are in the index.
    known: usize,
    /// Events of which the index may have records behind one that it lacks: they are put together from their first record.
    anew: HashSet<EventId>,
    /// Those of them of which a record was read.
    begun: HashSet<EventId>,
    damaged: u64,
    refused: Option<(u64, ReadError)>,
    first_refused: usize,
    held_back: HashSet<EventId>,
    /// Events whose arrival says nothing, and which record that is.
    without_arrival: Vec<(usize, EventId)>,
}

impl Reading {
    fn new(log: &Log, marker: Option<Marker>) -> Result<Self, IndexError> {
        let known = marker
            .map_or(0, |marker| log.records.partition_point(|(location, _, _)| *location <= marker.up_to));
        if marker.is_some_and(|marker| known as u64 != marker.records) {
            return Err(IndexError::OtherJournal);
        }
        let is_held_back = marker.is_some_and(|marker| marker.is_held_back);
        Ok(Self {
            known,
            anew: if is_held_back { log.events_from(known) } else { HashSet::new() },
            begun: HashSet::new(),
            damaged: 0,
            refused: None,
            first_refused: log.records.len(),
            held_back: HashSet::new(),
            without_arrival: Vec::new(),
        })
    }

    /// The first record that may have to be read.
    fn first(&self) -> usize {
        if self.anew.is_empty() { self.known } else { 0 }
    }

    /// Notes what came of reading a record; gives back what it says, if anything.
    fn take(
        &mut self,
        at: usize,
        id: EventId,
        kind: u8,
        read: Result<Option<Change>, ReadBackError>,
    ) -> Option<Change> {
        let is_new = at >= self.known;
        match read {
            Ok(Some(change)) => return Some(change),
            Ok(None) => {}
            Err(ReadBackError::Journal(error @ ReadError::Io { .. })) => {
                self.refused.get_or_insert((0, error)).0 += 1;
                self.first_refused = self.first_refused.min(at.max(self.known));
                self.held_back.insert(id);
            }
            Err(_) => self.damaged += u64::from(is_new),
        }
        self.without_arrival.extend((kind == EVENT && is_new).then_some((at, id)));
        None
    }

    fn end(self, index: &mut dyn Index, log: &Log, before: Option<Marker>) -> Result<CaughtUp, IndexError> {
        let Self { damaged, refused, first_refused, held_back, without_arrival, .. } = self;
        let mut missing = HashMap::new();
        for (at, id) in without_arrival {
            if index.get(id)?.is_none() {
                missing.entry(id).or_insert(at);
            }
        }
        let missing_before = |end: usize| {
            let here = missing.values().filter(|at| **at < end).count() as u64;
            before.map_or(0, |marker| marker.unreadable_events) + here
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

//! An index in memory: what is left when no database can be had, and the model the database is tested against.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use inhaul_core::event::EventId;

use super::{Extent, Index, IndexError, Indexed, LatestRecords, Left, Marker, OpenEvents, SameKey};
use crate::row::EventState;

/// The entries of one period, gone with the process.
#[derive(Debug, Default)]
pub(in super::super) struct Memory {
    marker: Option<Marker>,
    rows: BTreeMap<EventId, Indexed>,
    arrivals: BTreeMap<u64, EventId>,
    /// Those with something left to do.
    open: BTreeMap<u64, Left>,
    same: BTreeSet<(SameKey, u64)>,
}

impl Memory {
    fn entry(&self, arrival: u64) -> Option<Indexed> {
        self.arrivals.get(&arrival).and_then(|id| self.rows.get(id)).cloned()
    }

    /// The entries of these numbers that are not deleted.
    fn present(&self, numbers: impl Iterator<Item = u64>, limit: usize) -> Vec<Indexed> {
        let entries = numbers.filter_map(|number| self.entry(number));
        entries.filter(|entry| !entry.is_deleted()).take(limit).collect()
    }
}

impl Index for Memory {
    fn marker(&self) -> Result<Option<Marker>, IndexError> {
        Ok(self.marker)
    }

    fn mark(&mut self, marker: Marker) -> Result<(), IndexError> {
        self.marker = Some(marker);
        Ok(())
    }

    fn get(&self, id: EventId) -> Result<Option<Indexed>, IndexError> {
        Ok(self.rows.get(&id).cloned())
    }

    fn put(&mut self, entry: &Indexed) -> Result<(), IndexError> {
        self.arrivals.insert(entry.arrival, entry.row.id);
        match Left::of(entry) {
            Some(left) => drop(self.open.insert(entry.arrival, left)),
            None => drop(self.open.remove(&entry.arrival)),
        }
        self.same.extend(entry.keys().map(|key| (key, entry.arrival)));
        self.rows.insert(entry.row.id, entry.clone());
        Ok(())
    }

    fn before(&self, arrival: u64, limit: usize) -> Result<Vec<Indexed>, IndexError> {
        Ok(self.present(self.arrivals.range(..arrival).rev().map(|(&number, _)| number), limit))
    }

    fn in_state(&self, state: EventState, arrival: u64, limit: usize) -> Result<Vec<Indexed>, IndexError> {
        let wanted = Left::of_stamp(state, None);
        let numbers = self.open.range(..arrival).rev().filter(|&(_, left)| Some(*left) == wanted);
        Ok(numbers.take(limit).filter_map(|(&number, _)| self.entry(number)).collect())
    }

    fn erasable(&self) -> Result<Vec<Indexed>, IndexError> {
        let numbers = self.open.iter().filter(|&(_, left)| *left == Left::Erasure);
        Ok(numbers.filter_map(|(&number, _)| self.entry(number)).collect())
    }

    fn deliveries(&self, key: SameKey, limit: usize) -> Result<Vec<Indexed>, IndexError> {
        let numbers = self.same.range((key, 0)..=(key, u64::MAX)).rev().map(|&(_, number)| number);
        Ok(self.present(numbers, limit))
    }

    fn keys(&self) -> Result<Vec<SameKey>, IndexError> {
        Ok(self.same.iter().map(|&(key, _)| key).collect())
    }

    fn ids_between(&self, low: EventId, high: EventId, limit: usize) -> Result<Vec<EventId>, IndexError> {
        if low > high {
            return Ok(Vec::new());
        }
        let present = self.rows.range(low..=high).filter(|(_, entry)| !entry.is_deleted());
        Ok(present.take(limit).map(|(&id, _)| id).collect())
    }

    fn extent(&self) -> Result<Option<Extent>, IndexError> {
        let ends = self.rows.first_key_value().zip(self.rows.last_key_value());
        let last_arrival = self.arrivals.last_key_value();
        Ok(ends.zip(last_arrival).map(|(((&first_id, _), (&last_id, _)), (&last_arrival, _))| Extent {
            first_id,
            last_id,
            last_arrival,
            events: self.rows.values().filter(|entry| !entry.is_deleted()).count() as u64,
            open: OpenEvents::count(self.open.values().copied()),
        }))
    }

    fn check(&self, _latest: &Arc<LatestRecords>, _missing: u64) -> Result<(), IndexError> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), IndexError> {
        Ok(())
    }
}

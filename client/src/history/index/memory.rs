//! An index in memory: what is left when no database can be had, and the model the database is tested against.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use inhaul_core::event::EventId;

use super::{Extent, Index, IndexError, Indexed, LatestRecords, Marker, OpenEvents, SameKey};
use crate::row::EventState;

/// The entries of one period, gone with the process.
#[derive(Debug, Default)]
pub(in super::super) struct Memory {
    marker: Option<Marker>,
    rows: BTreeMap<EventId, Indexed>,
    arrivals: BTreeMap<u64, EventId>,
    /// Those with something left to do.
    open: BTreeMap<u64, EventState>,
    same: BTreeSet<(SameKey, u64)>,
}

impl Memory {
    fn entry(&self, arrival: u64) -> Option<Indexed> {
        self.arrivals.get(&arrival).and_then(|id| self.rows.get(id)).cloned()
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
        if entry.row.state == EventState::Settled {
            self.open.remove(&entry.arrival);
        } else {
            self.open.insert(entry.arrival, entry.row.state);
        }
        self.same.extend(entry.keys().map(|key| (key, entry.arrival)));
        self.rows.insert(entry.row.id, entry.clone());
        Ok(())
    }

    fn before(&self, arrival: u64, limit: usize) -> Result<Vec<Indexed>, IndexError> {
        let numbers = self.arrivals.range(..arrival).rev().take(limit);
        Ok(numbers.filter_map(|(&number, _)| self.entry(number)).collect())
    }

    fn in_state(&self, state: EventState, arrival: u64, limit: usize) -> Result<Vec<Indexed>, IndexError> {
        let numbers = self.open.range(..arrival).rev().filter(|&(_, is)| *is == state).take(limit);
        Ok(numbers.filter_map(|(&number, _)| self.entry(number)).collect())
    }

    fn deliveries(&self, key: SameKey, limit: usize) -> Result<Vec<Indexed>, IndexError> {
        let numbers = self.same.range((key, 0)..=(key, u64::MAX)).rev().take(limit);
        Ok(numbers.filter_map(|&(_, number)| self.entry(number)).collect())
    }

    fn keys(&self) -> Result<Vec<SameKey>, IndexError> {
        Ok(self.same.iter().map(|&(key, _)| key).collect())
    }

    fn ids_between(&self, low: EventId, high: EventId, limit: usize) -> Result<Vec<EventId>, IndexError> {
        if low > high {
            return Ok(Vec::new());
        }
        Ok(self.rows.range(low..=high).take(limit).map(|(&id, _)| id).collect())
    }

    fn extent(&self) -> Result<Option<Extent>, IndexError> {
        let ends = self.rows.first_key_value().zip(self.rows.last_key_value());
        let last_arrival = self.arrivals.last_key_value();
        Ok(ends.zip(last_arrival).map(|(((&first_id, _), (&last_id, _)), (&last_arrival, _))| Extent {
            first_id,
            last_id,
            last_arrival,
            events: self.rows.len() as u64,
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

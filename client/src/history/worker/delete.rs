//! Deleting events, and overwriting their bytes once nobody can take that back any more.

use std::time::Duration;

use inhaul_core::event::{EventId, UnixMillis};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    super::{
        HistoryError,
        deletion::{Deleted, Deletion, UNDO_TIME},
        fold::Indexed,
        record::Change,
    },
    Answer, Reply, Worker,
    periods::Periods,
};
use crate::row::{EventRow, EventState, Outcome};

/// A deleted event whose bytes are to be overwritten.
pub(super) struct Erasure {
    pub(super) due: UnixMillis,
    pub(super) period: u64,
    pub(super) id: EventId,
}

impl Worker {
    /// Deletes an event of which nothing is left to do.
    pub(super) fn delete(&mut self, id: EventId, answer: Answer<EventRow>, room: OwnedSemaphorePermit) {
        match self.periods.locate(id) {
            Ok(Some((period, entry))) => match self.why_not_deletable(&entry) {
                Some(reason) => drop(answer.send(Err(HistoryError::NotDeletable { id, reason }))),
                None => {
                    let deleted = Deleted::of(&entry, (self.options.clock)());
                    let change = Change::Deletion(Deletion::Deleted(deleted));
                    self.append(period, id, change, Reply::Row(answer), room);
                }
            },
            Ok(None) => drop(answer.send(Err(HistoryError::Unknown(id)))),
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    fn why_not_deletable(&self, entry: &Indexed) -> Option<&'static str> {
        let is_sent = |outcome: &Outcome| *outcome == Outcome::Begun;
        let mut attempts = entry.row.attempts.iter();
        // One that was begun by a process that was killed has no end.
        let is_under_way = attempts
            .any(|attempt| is_sent(&attempt.outcome) && attempt.started_at >= self.opened_at)
            || self.beginning.contains_key(&entry.row.id);
        match entry.row.state {
            EventState::Pending => Some("it is still to be forwarded"),
            EventState::Held => Some("it is held; release it or drop it first"),
            EventState::Settled | EventState::GivenUp if is_under_way => Some("it is just being sent"),
            EventState::Settled | EventState::GivenUp => None,
        }
    }

    /// Takes a deletion back.
    pub(super) fn restore(&mut self, id: EventId, answer: Answer<EventRow>, room: OwnedSemaphorePermit) {
        let is_there = |entry: &Indexed| entry.deleted.as_ref().is_some_and(|gone| !gone.is_erased);
        match self.periods.locate_any(id) {
            Ok(Some((period, entry))) if is_there(&entry) => {
                let restored = Deletion::Restored { at: (self.options.clock)() };
                self.append(period, id, Change::Deletion(restored), Reply::Row(answer), room);
            }
            Ok(_) => drop(answer.send(Err(HistoryError::Unknown(id)))),
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// An event is deleted on the disk. Its bytes stay until nobody can take that back.
    pub(super) fn deleted(&mut self, period: u64, id: EventId, at: UnixMillis) {
        let undo_ms = u64::try_from(UNDO_TIME.as_millis()).unwrap_or(u64::MAX);
        self.erasures.push_back(Erasure { due: UnixMillis(at.0.saturating_add(undo_ms)), period, id });
        self.periods.note_deletions(period);
    }

    /// How long until bytes are to be overwritten; nothing when none are.
    pub(super) fn next_erasure(&self) -> Option<Duration> {
        let due = self.erasures.front()?.due;
        Some(Duration::from_millis(due.0.saturating_sub((self.options.clock)().0)))
    }

    /// Overwrites the bytes of those whose time has come.
    pub(super) fn erase_due(&mut self) {
        while self.next_erasure().is_some_and(|wait| wait.is_zero()) {
            // It may be about to come back.
            while !self.under_way.is_empty() && self.wait_for_journal() {}
            if let Some(Erasure { period, id, .. }) = self.erasures.pop_front() {
                self.periods.erase(period, id);
            }
        }
    }

    /// Overwrites what is left: nobody can take anything back after the end.
    pub(super) fn erase_all(&mut self) {
        for Erasure { period, id, .. } in std::mem::take(&mut self.erasures) {
            self.periods.erase(period, id);
        }
    }
}

impl Periods {
    /// Overwrites the bytes of an event that is deleted. What cannot be overwritten now is at the next start.
    fn erase(&mut self, number: u64, id: EventId) {
        let erased = self.with(number, |period| period.index().get(id)).and_then(|entry| match entry {
            Some(entry) => self.erase_entry(number, &entry),
            None => Ok(()),
        });
        if let Err(error) = erased
            && self.is_known(number)
        {
            self.note(format!("the bytes of the deleted event {id} are not overwritten yet: {error}"));
        }
        self.note_deletions(number);
    }

    fn erase_entry(&mut self, number: u64, entry: &Indexed) -> Result<(), HistoryError> {
        let Some(gone) = entry.deleted.as_ref().filter(|gone| !gone.is_erased) else { return Ok(()) };
        self.open(number)?.erase_records(entry)?;
        let Indexed { location, latest, same, object, .. } = *entry;
        let erased = Indexed { latest, same, object, ..Indexed::erased(&gone.deleted, location) };
        self.with(number, |period| period.put(&erased))
    }

    /// Overwrites what an earlier run deleted and did not come to overwrite.
    pub(super) fn erase_leftovers(&mut self) {
        for number in self.with_erasures() {
            let left = self.with(number, |period| period.index().erasable()).unwrap_or_default();
            for entry in left {
                self.erase(number, entry.row.id);
            }
        }
    }
}

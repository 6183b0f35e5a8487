//! Deleting events, and overwriting their bytes once nobody can take that back any more.

use std::time::Duration;

use inhaul_core::event::{EventId, UnixMillis};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    super::{
        HistoryError,
        deletion::{Deleted, Deletion, UNDO_TIME},
        error::with_causes,
        fold::Indexed,
        record::Change,
    },
    Answer, Reply, Worker,
    periods::Periods,
};
use crate::row::{Attempt, EventRow, EventState, Outcome};

/// How many events are erased with the same flushes; whatever else is asked waits meanwhile.
const ERASED_AT_ONCE: usize = 256;

/// A deleted event whose bytes are to be overwritten.
pub(super) struct Erasure {
    pub(super) due: UnixMillis,
    pub(super) period: u64,
    pub(super) id: EventId,
    /// Which of its deletions: one that was taken back erases nothing.
    pub(super) deleted_at: UnixMillis,
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
        let is_begun = |attempt: &Attempt| attempt.outcome == Outcome::Begun;
        // One that was begun by a process that was killed has no end.
        let is_under_way =
            entry.row.attempts.iter().any(|attempt| is_begun(attempt) && !self.is_of_earlier_run(attempt))
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
        match self.periods.locate_any(id) {
            Ok(Some((period, entry))) if entry.is_erasable() => {
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
        let due = UnixMillis(at.0.saturating_add(undo_ms));
        self.erasures.push_back(Erasure { due, period, id, deleted_at: at });
    }

    /// How long until bytes are to be overwritten; nothing when none are.
    pub(super) fn next_erasure(&self) -> Option<Duration> {
        let due = self.erasures.front()?.due;
        Some(Duration::from_millis(due.0.saturating_sub((self.options.clock)().0)))
    }

    /// Overwrites the bytes of some of those whose time has come; false when there are none.
    pub(super) fn erase_due(&mut self) -> bool {
        let now = (self.options.clock)();
        if self.erasures.front().is_none_or(|next| next.due > now) {
            return false;
        }
        // One of them may be about to come back.
        while !self.under_way.is_empty() && self.wait_for_journal() {}
        self.erase_next(now);
        true
    }

    /// Overwrites what is left: nobody can take anything back after the end.
    pub(super) fn erase_all(&mut self) {
        while !self.erasures.is_empty() {
            self.erase_next(UnixMillis(u64::MAX));
        }
    }

    /// Overwrites the next ones of one period that are due until then.
    fn erase_next(&mut self, until: UnixMillis) {
        let Some(period) = self.erasures.front().map(|next| next.period) else { return };
        let is_next = |next: &&Erasure| next.period == period && next.due <= until;
        let count = self.erasures.iter().take(ERASED_AT_ONCE).take_while(is_next).count();
        let next: Vec<_> = self.erasures.drain(..count).map(|next| (next.id, next.deleted_at)).collect();
        self.periods.erase(period, &next);
    }
}

impl Periods {
    /// Overwrites the bytes of events that are deleted. What cannot be overwritten now is at the next start.
    fn erase(&mut self, number: u64, deletions: &[(EventId, UnixMillis)]) {
        if let Err(error) = self.try_to_erase(number, deletions)
            && self.is_known(number)
        {
            self.note(format!("the bytes of deleted events are not overwritten yet: {error}"));
        }
    }

    fn try_to_erase(&mut self, number: u64, deletions: &[(EventId, UnixMillis)]) -> Result<(), HistoryError> {
        let mut entries = Vec::new();
        for (id, at) in deletions {
            let entry = self.with(number, |period| period.index().get(*id))?;
            // Some may have come back, and may have been deleted again.
            entries.extend(entry.filter(|entry| entry.erasable_since() == Some(*at)));
        }
        let erased = self.open(number)?.erase_records(&entries);
        erased.map_err(|error| HistoryError::NotErased { reason: with_causes(&error) })?;
        for entry in entries {
            self.with(number, |period| period.put(&entry.without_content()))?;
        }
        Ok(())
    }

    /// Overwrites what an earlier run deleted and did not come to overwrite.
    pub(super) fn erase_leftovers(&mut self) {
        for number in self.with_erasures() {
            let left = self.with(number, |period| period.index().erasable()).unwrap_or_default();
            let deletion = |entry: &Indexed| Some((entry.row.id, entry.erasable_since()?));
            let left: Vec<_> = left.iter().filter_map(deletion).collect();
            left.chunks(ERASED_AT_ONCE).for_each(|deletions| self.erase(number, deletions));
        }
    }
}

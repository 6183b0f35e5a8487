//! Attempts that a process which was killed had begun: nothing on record says how they ended, and no one will.

use super::Worker;
use crate::row::{Attempt, EventRow, EventState, Outcome};

impl Worker {
    /// Whether an attempt was begun before this process opened the history.
    pub(super) fn is_of_earlier_run(&self, attempt: &Attempt) -> bool {
        attempt.started_at < self.opened_at
    }

    /// The row with such attempts as stopped. Those of an event that is still to be forwarded stay, because the pipeline puts their end on
    /// record.
    pub(super) fn as_it_stands(&self, mut row: EventRow) -> EventRow {
        if row.state == EventState::Pending {
            return row;
        }
        let begun = row.attempts.iter_mut().filter(|attempt| attempt.outcome == Outcome::Begun);
        for attempt in begun.filter(|attempt| self.is_of_earlier_run(attempt)) {
            attempt.outcome = Outcome::stopped_by_kill();
        }
        row
    }

    /// All rows as they stand.
    pub(super) fn as_they_stand(&self, rows: Vec<EventRow>) -> Vec<EventRow> {
        rows.into_iter().map(|row| self.as_it_stands(row)).collect()
    }
}

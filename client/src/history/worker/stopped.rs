//! Attempts that a process which was killed had begun: nothing on record says how they ended, and no one will.

use inhaul_core::event::{Event, EventId};

use super::{
    super::{HistoryError, Relation},
    Worker,
};
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

    fn as_they_stand(&self, rows: Vec<EventRow>) -> Vec<EventRow> {
        rows.into_iter().map(|row| self.as_it_stands(row)).collect()
    }

    /// [`Periods::event`](super::Periods::event), as it stands.
    pub(super) fn event(&mut self, id: EventId) -> Result<Option<(Event, EventRow)>, HistoryError> {
        let found = self.periods.event(id)?;
        Ok(found.map(|(event, row)| (event, self.as_it_stands(row))))
    }

    /// [`Periods::rows`](super::Periods::rows), as they stand.
    pub(super) fn rows(
        &mut self,
        state: Option<EventState>,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<EventRow>, HistoryError> {
        let rows = self.periods.rows(state, before, limit)?;
        Ok(self.as_they_stand(rows))
    }

    /// [`Periods::pending`](super::Periods::pending), as they stand.
    pub(super) fn pending(&mut self) -> Result<Vec<EventRow>, HistoryError> {
        let rows = self.periods.pending()?;
        Ok(self.as_they_stand(rows))
    }

    /// [`Periods::rows_of`](super::Periods::rows_of), as they stand.
    pub(super) fn rows_of(&mut self, ids: &[EventId]) -> Result<Vec<EventRow>, HistoryError> {
        let rows = self.periods.rows_of(ids)?;
        Ok(self.as_they_stand(rows))
    }

    /// [`Periods::related`](super::Periods::related), as they stand.
    pub(super) fn related(
        &mut self,
        id: EventId,
        relation: Relation,
        limit: usize,
    ) -> Result<Vec<EventRow>, HistoryError> {
        let rows = self.periods.related(id, relation, limit)?;
        Ok(self.as_they_stand(rows))
    }
}

//! Stored events that go on their way again: those an earlier run did not finish.

use std::time::Duration;

use inhaul_core::{event::EventId, wire::Rejection};

use super::{
    Lanes, Pipeline, Ready,
    delivery::{Standing, standing},
    verify,
};
use crate::{
    cli::VerifyMode,
    config::Route,
    history::HistoryError,
    live::Live,
    output::count_text,
    row::{Attempt, AttemptCause, EventRow, Outcome},
};

impl Pipeline {
    /// What an earlier run stored and did not finish goes first.
    pub(super) async fn resume(&self, lanes: &Lanes) -> Result<(), HistoryError> {
        let pending = self.history.pending().await?;
        if !pending.is_empty() {
            let events = count_text(pending.len() as u64, "event");
            let text = format!("forwarding {events} of an earlier run first");
            self.show(Live::Notice(text)).await;
        }
        for mut row in pending {
            let begun = row.attempts.iter().filter(|attempt| attempt.outcome == Outcome::Begun);
            for attempt in begun.cloned().collect::<Vec<_>>() {
                let outcome = Outcome::stopped_by_kill();
                row = self.finish_attempt(row.id, Attempt { outcome, ..attempt }).await?;
            }
            if row.verdict.is_none() {
                row = self.verify_again(row).await?;
            }
            let lane = match self.lane_again(&row).await {
                Ok(Some(lane)) => lane,
                Ok(None) => {
                    self.leave_unrouted(row.id).await?;
                    continue;
                }
                Err(error) => {
                    self.leave_unplaced(row.id, error).await?;
                    continue;
                }
            };
            if self.comes_again(&row, lane) {
                // One that was being sent is no missed one.
                match row.attempts.is_empty() {
                    true => self.miss(row.id).await?,
                    false => self.settle(row.id).await?,
                }
                continue;
            }
            let ready = self.ready_again(&row, lane);
            if lanes.0[lane].send(ready).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Step 3, for an event that was stored just before the client ended. Its URL is the one its sender most likely used.
    async fn verify_again(&self, row: EventRow) -> Result<EventRow, HistoryError> {
        // One that cannot be read is given up when its turn comes.
        let Ok(Some((event, _))) = self.history.event(row.id).await else { return Ok(row) };
        match self.place_again(&event, &row).recognised.verdict {
            Some(verdict) => self.disk.write(|| self.history.set_verdict(row.id, verdict.clone())).await,
            None => Ok(row),
        }
    }

    /// A stored event whose sender does not wait any more, on its way from step 5.
    pub(super) fn ready_again(&self, row: &EventRow, lane: usize) -> Ready {
        let route = self.routes.at(lane);
        Ready {
            session: 0,
            id: row.id,
            lane,
            edit: row.forwarded_as,
            event: None,
            deadline: None,
            // Who edits an event and lets it go has seen it.
            rejected: rejection(row, route).filter(|_| row.forwarded_as.is_none()),
            cause: if row.attempts.is_empty() { AttemptCause::Arrival } else { AttemptCause::Resume },
            tries: !row.sender_waited || row.taken_when_late || first_answered_well(row, route),
            unread: 0,
            taken_when_late: false,
            released: row.released,
            not_before: self.next_try(row, route),
        }
    }

    /// Whether the sender of an event that an earlier run did not finish was told to come again: it waited, and heard nothing good from the
    /// first target. What a person let go is forwarded in any case.
    fn comes_again(&self, row: &EventRow, lane: usize) -> bool {
        let is_told_so = row.sender_waited && !row.taken_when_late;
        is_told_so && !row.released && !first_answered_well(row, self.routes.at(lane))
    }

    /// No route takes it any more.
    pub(super) async fn leave_unrouted(&self, id: EventId) -> Result<(), HistoryError> {
        self.settle(id).await?;
        let text = format!("no route takes {id} any more; `inhaul replay {id} --to URL` sends it");
        self.show(Live::Notice(text)).await;
        Ok(())
    }

    /// Which route takes it cannot be said now, because it cannot be read. It stays pending, unless it will never be readable.
    pub(super) async fn leave_unplaced(&self, id: EventId, error: HistoryError) -> Result<(), HistoryError> {
        if matches!(error, HistoryError::Damaged { .. }) {
            return self.give_up(id, error.to_string()).await;
        }
        if matches!(error, HistoryError::Closed) {
            return Err(error);
        }
        let text = format!("{error}; {id} stays to be forwarded, and is looked up at the next start");
        self.show(Live::Notice(text)).await;
        Ok(())
    }

    /// When the schedule of an earlier run's failures goes on.
    fn next_try(&self, row: &EventRow, route: &Route) -> Option<tokio::time::Instant> {
        let Standing::Again(wait) = standing(row, &route.targets, &route.retry, (self.random)()) else {
            return None;
        };
        let since = Duration::from_millis((self.clock)().0.saturating_sub(row.attempts.last()?.started_at.0));
        let left = wait.checked_sub(since).filter(|left| !left.is_zero())?;
        Some(tokio::time::Instant::now() + left)
    }
}

/// Whether the first target of its route, which answers the sender, took it.
fn first_answered_well(row: &EventRow, route: &Route) -> bool {
    let Some(first) = route.targets.first().map(ToString::to_string) else { return false };
    let is_of_arrival = |attempt: &&Attempt| attempt.cause != AttemptCause::Replay && attempt.target == first;
    row.attempts.iter().filter(is_of_arrival).any(|attempt| attempt.outcome.is_success())
}

fn rejection(row: &EventRow, route: &Route) -> Option<Rejection> {
    verify::rejection(row.verdict.as_ref()).filter(|_| route.verify == VerifyMode::Reject)
}

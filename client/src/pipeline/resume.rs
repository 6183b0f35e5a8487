//! Stored events that go on their way again: those an earlier run did not finish, and those a person decided on.

use std::time::Duration;

use inhaul_core::signature::Verdict;

use super::{
    Lanes, Pipeline, Ready,
    delivery::{Standing, standing},
    verify::{recognise, sender_url},
};
use crate::{
    cli::VerifyMode,
    clock,
    control::Decision,
    history::HistoryError,
    live::Live,
    output::count_text,
    random::random,
    row::{Attempt, AttemptCause, EventRow, FailureKind, Outcome},
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
                let outcome = Outcome::Failed {
                    kind: FailureKind::Stopped,
                    message: "the client was stopped before the answer was on record".to_owned(),
                    latency_ms: 0,
                };
                row = self.finish_attempt(row.id, Attempt { outcome, ..attempt }).await?;
            }
            if row.verdict.is_none() {
                row = self.verify_again(row).await?;
            }
            let ready = self.ready_again(&row);
            if lanes.0[self.routes.index_of(row.target.as_bytes())].send(ready).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Step 3, for an event that was stored just before the client ended. Its URL is the one its sender most likely used.
    async fn verify_again(&self, row: EventRow) -> Result<EventRow, HistoryError> {
        // One that cannot be read is given up when its turn comes.
        let Ok(Some((event, _))) = self.history.event(row.id).await else { return Ok(row) };
        let Ok(head) = event.parsed_head() else { return Ok(row) };
        let url = sender_url(&event, &head).unwrap_or_default();
        match recognise(&event, &head, &self.routes, &url).verdict {
            Some(verdict) => self.disk.write(|| self.history.set_verdict(row.id, verdict.clone())).await,
            None => Ok(row),
        }
    }

    /// A stored event whose sender does not wait any more, on its way from step 5.
    pub(super) fn ready_again(&self, row: &EventRow) -> Ready {
        Ready {
            session: 0,
            id: row.id,
            event: None,
            deadline: None,
            rejected: self.is_rejected(row),
            cause: if row.attempts.is_empty() { AttemptCause::Arrival } else { AttemptCause::Resume },
            tries: !row.sender_waited || row.taken_when_late,
            taken_when_late: false,
            not_before: self.next_try(row),
        }
    }

    /// When the schedule of an earlier run's failures goes on.
    fn next_try(&self, row: &EventRow) -> Option<tokio::time::Instant> {
        let route = self.routes.for_target(row.target.as_bytes());
        let Standing::Again(wait) = standing(row, &route.targets, &route.retry, random()) else {
            return None;
        };
        let since = Duration::from_millis(clock::now().0.saturating_sub(row.attempts.last()?.started_at.0));
        let left = wait.checked_sub(since).filter(|left| !left.is_zero())?;
        Some(tokio::time::Instant::now() + left)
    }

    fn is_rejected(&self, row: &EventRow) -> bool {
        let valid = matches!(row.verdict, Some(Verdict::Valid { .. }));
        let route = self.routes.for_target(row.target.as_bytes());
        route.verify == VerifyMode::Reject && !valid
    }

    /// A person decided on a held event: it goes on its way like one of an earlier run, or no further.
    pub(super) async fn decide(&self, decision: Decision, lanes: &Lanes) {
        let Decision { id, forward, answer } = decision;
        let decided = self.history.decide(id, forward).await;
        if let Ok(row) = &decided
            && forward
        {
            let ready = self.ready_again(row);
            // They end before this only when the client stops; the event stays pending then.
            let _ = lanes.0[self.routes.index_of(row.target.as_bytes())].send(ready).await;
        }
        // Whoever decided may have gone; it is on record.
        let _ = answer.send(decided.map_err(|error| error.to_string()));
    }
}

//! Events whose senders wait: forwarded at once, beside each other, and once; each sender hears how it went.
//!
//! As many are forwarded beside each other as there is room for. The others wait without their bytes, which are read again when their turn
//! comes, and no longer than their senders do.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use inhaul_core::{
    event::{EventId, Head},
    wire::{Rejection, ResultHeader, ResultKind},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, sleep_until},
};
use tokio_util::task::TaskTracker;

use super::{CONCURRENT_FORWARDS, DEADLINE_MARGIN, Lanes, Pipeline, Ready, Tried, ruling::Edited};
use crate::{
    forward::Answer,
    history::HistoryError,
    live::Live,
    row::{AttemptCause, FailureKind, Outcome},
    session::Report,
};

/// Events whose senders wait and that are not being forwarded yet. When as many wait, storing waits too, and the relay keeps the rest.
pub(super) const WAITING: usize = 1024;

/// Where such events are forwarded.
pub(super) struct AtOnce<'t> {
    tasks: &'t TaskTracker,
    room: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl<'t> AtOnce<'t> {
    pub(super) fn new(tasks: &'t TaskTracker) -> Self {
        let of = |permits| Arc::new(Semaphore::new(permits));
        Self { tasks, room: of(CONCURRENT_FORWARDS), waiting: of(WAITING) }
    }

    /// Forwards an event as soon as there is room. One that has not begun when the client stops stays pending.
    pub(super) async fn go(&self, pipeline: &Pipeline, ready: Ready, lanes: &Lanes) {
        let lane = lanes.0[ready.lane].clone();
        let pipeline = pipeline.clone();
        if let Ok(room) = Arc::clone(&self.room).try_acquire_owned() {
            self.tasks.spawn(async move { pipeline.forward_with(room, ready, lane).await });
            return;
        }
        let waiting = Arc::clone(&self.waiting).acquire_owned();
        let place = tokio::select! {
            biased;
            () = pipeline.stop.cancelled() => return,
            place = waiting => place,
        };
        let ready = Ready { event: None, ..ready };
        let room = Arc::clone(&self.room).acquire_owned();
        self.tasks.spawn(async move {
            let _place = place;
            let over = ready.deadline.map_or_else(Instant::now, Instant::from_std);
            tokio::select! {
                biased;
                () = pipeline.stop.cancelled() => {}
                Ok(room) = room => pipeline.forward_with(room, ready, lane).await,
                () = sleep_until(over) => pipeline.noting_failure(pipeline.too_late(ready, lane)).await,
            }
        });
    }
}

impl Pipeline {
    async fn forward_with(&self, _room: OwnedSemaphorePermit, ready: Ready, lane: mpsc::Sender<Ready>) {
        self.noting_failure(self.forward(ready, lane)).await;
    }

    async fn noting_failure(&self, done: impl Future<Output = Result<(), HistoryError>>) {
        if let Err(error) = done.await {
            self.show(Live::Notice(format!("an attempt is not on record: {error}"))).await;
        }
    }

    /// Steps 5 to 8 for an event whose sender waits.
    async fn forward(&self, ready: Ready, lane: mpsc::Sender<Ready>) -> Result<(), HistoryError> {
        if ready.deadline.is_some_and(|deadline| Instant::now() >= deadline.into()) {
            return self.too_late(ready, lane).await;
        }
        let id = ready.id;
        let (sent, changed) = match self.as_sent(&ready).await {
            Ok(Ok(edited)) => edited,
            Err(HistoryError::Closed) => return Err(HistoryError::Closed),
            // Its lane tries that again, and its sender hears at its deadline what it would hear then.
            Err(_) => return self.too_late(ready, lane).await,
            Ok(Err(reason)) => {
                let kind = ResultKind::Unreachable { reason: reason.clone() };
                self.give_up(id, reason).await?;
                self.result(ready.session, ResultHeader { id, kind, latency_ms: 0 }, None).await;
                return Ok(());
            }
        };
        let targets = &self.routes.at(ready.lane).targets;
        let cause = || (ready.cause, changed.clone());
        let mut tries: FuturesUnordered<_> = targets
            .iter()
            .map(|target| self.try_once(&sent, target, cause(), ready.rejected.is_some()))
            .collect();
        let mut waits_until = ready.deadline;
        let (mut is_late, mut all_delivered, mut first_delivered) = (false, true, false);
        let (mut is_settled, mut is_stopped) = (false, false);
        let first = targets.first();
        while let Some(tried) = tries.next().await {
            let Tried { target, attempt, answer } = tried?;
            let outcome = attempt.outcome.clone();
            all_delivered &= outcome.is_success();
            is_stopped |= outcome.is_stopped();
            first_delivered |= first == Some(target) && outcome.is_success();
            // Whether it is late is known when it is on record, because that takes its time too.
            is_settled = tries.is_empty() && (all_delivered || !(ready.taken_when_late || first_delivered));
            self.record(id, attempt, is_settled).await?;
            // 7: the first target answers the sender, with its own bytes.
            if first == Some(target)
                && let Some(deadline) = waits_until.take()
            {
                is_late = Instant::now() + DEADLINE_MARGIN >= deadline.into();
                let rejected = ready.rejected.unwrap_or_default();
                self.answer((ready.session, id), outcome, rejected, answer).await;
            }
        }
        // 8; what the end of the client cut off stays pending.
        if is_settled || is_stopped {
            return Ok(());
        }
        // The sender does not come again, so it is tried again like an event whose sender does not wait.
        let is_taken = if is_late { ready.taken_when_late } else { first_delivered };
        if is_taken && !all_delivered {
            let Some((_, row)) = self.history.event(id).await? else { return Ok(()) };
            let again =
                Ready { cause: AttemptCause::Retry, tries: true, ..self.ready_again(&row, ready.lane) };
            // The lane ends before this only when the client stops; the event stays pending then.
            let _ = lane.send(again).await;
            return Ok(());
        }
        self.settle(id).await
    }

    /// The sender has been told what it is told at its deadline: it comes again, unless it was told that the event is taken. What a person
    /// let go is forwarded in any case.
    async fn too_late(&self, ready: Ready, lane: mpsc::Sender<Ready>) -> Result<(), HistoryError> {
        if !ready.taken_when_late && !ready.released {
            return self.miss(ready.id).await;
        }
        let tries = ready.taken_when_late;
        // The lane ends before this only when the client stops; the event stays pending then.
        let _ =
            lane.send(Ready { event: None, deadline: None, tries, taken_when_late: false, ..ready }).await;
        Ok(())
    }

    /// Its sender was told to come again: it is shown, and not forwarded by itself.
    pub(super) async fn miss(&self, id: EventId) -> Result<(), HistoryError> {
        let row = self.disk.write(|| self.history.miss(id)).await?;
        self.show(Live::Changed(Box::new(row))).await;
        Ok(())
    }

    /// The event as it is sent now; its bytes are read again when it had to wait.
    async fn as_sent(&self, ready: &Ready) -> Result<Edited, HistoryError> {
        if let (Some(event), None) = (&ready.event, ready.edit) {
            return Ok(Ok((event.clone(), None)));
        }
        match self.history.event(ready.id).await {
            Ok(Some((event, row))) => self.as_edited(&event, &row, ready.edit).await,
            Ok(None) => Ok(Err("it is gone".to_owned())),
            Err(error @ HistoryError::Damaged { .. }) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    async fn answer(
        &self,
        (session, id): (u64, EventId),
        outcome: Outcome,
        reason: Rejection,
        answer: Option<Answer>,
    ) {
        let (kind, latency_ms) = match outcome {
            Outcome::Answered { status, body_bytes, latency_ms, .. } => {
                (ResultKind::Answered { status, body_bytes }, latency_ms)
            }
            Outcome::Failed { kind: FailureKind::Timeout, latency_ms, .. } => {
                (ResultKind::TimedOut, latency_ms)
            }
            Outcome::Failed { message, latency_ms, .. } => {
                (ResultKind::Unreachable { reason: message }, latency_ms)
            }
            Outcome::Rejected => (ResultKind::Rejected { reason }, 0),
            Outcome::Begun => return,
        };
        self.result(session, ResultHeader { id, kind, latency_ms }, answer).await;
    }

    async fn result(&self, session: u64, header: ResultHeader, answer: Option<Answer>) {
        let (headers, body) = match answer {
            Some(Answer { headers, body, .. }) => (Head::write_headers(&headers).into(), body),
            None => (Bytes::new(), Bytes::new()),
        };
        self.report(Report::Result { session, header, headers, body }).await;
    }
}

//! What becomes of an event, in order. This is the one place where the order is written:
//!
//! ```text
//!  1  verify       the verdict, which is stored with the event
//!  2  store        history, on the disk
//!  3  acknowledge  STORED: the relay may forget it
//!  4  show         terminal, lines, JSON
//!  5  forward      an attempt for each target, begun on the disk before it is sent
//!  6  record       the attempt's outcome, on the disk, and shown
//!  7  answer       RESULT, when the sender waits
//!  8  settle       nothing more is to be done by itself, which the last outcome's record says with it; or it is tried again later, or
//!                  given up
//! ```
//!
//! Steps 1 to 4 happen for one event after the other, in the order of arrival, though many may be on their way to the disk together.
//! From 5 on, an event whose sender waits goes at once, beside others, and once: its sender hears how it went, and sends again by itself. All
//! others go through the lane of their route, in order; and so does one whose sender was told that it is taken, because the answer was late.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesOrdered};
use inhaul_core::{
    event::{EndpointName, Event, EventId},
    wire::Rejection,
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cli::CatchUp,
    config::{Route, Routes},
    control::Decision,
    draft::EditId,
    forward::{Answer, Forwarded, Forwarder, Target},
    history::{Clock, History, HistoryError, Stored},
    hold::Hold,
    live::Live,
    row::{Attempt, AttemptCause, Changed, EventRow, EventState, FailureKind, Outcome},
    session::{Arrival, Report, WINDOW},
};

mod arrive;
mod at_once;
mod delivery;
mod disk;
mod lane;
mod left;
mod place;
mod replay;
mod resign;
mod resume;
mod ruling;
mod verifier;
mod verify;

pub use disk::Disk;
pub use resign::Signing;
pub use verifier::Verifier;
pub use verify::sender_url;

use at_once::AtOnce;
use lane::Lane;
use left::Left;
use ruling::Senders;
use verify::Recognised;

/// An answer this short before the deadline may reach the relay behind it. Then sender and client may both try again, which is better than
/// neither of them.
const DEADLINE_MARGIN: Duration = Duration::from_secs(1);

/// How many events whose senders wait are forwarded beside each other.
pub const CONCURRENT_FORWARDS: usize = 16;

/// Events of a route that wait for their turn, and as many for their next try. When as many wait, storing waits too, and the relay
/// keeps the rest.
const LANE_EVENTS: usize = 100_000;

/// How long what is being sent may take to end when the client stops. As long as the relay gives its requests.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

/// What a pipeline needs.
#[derive(Clone)]
pub struct Pipeline {
    /// Where events are stored.
    pub history: History,
    /// Where writing waits while that is not possible.
    pub disk: Disk,
    /// Where they go and how they are verified.
    pub routes: Arc<Routes>,
    /// What becomes of events that came while the client was away.
    pub catch_up: CatchUp,
    /// Which events wait for a person.
    pub hold: Hold,
    /// How they get there.
    pub forwarder: Forwarder,
    /// To the relay.
    pub reports: mpsc::Sender<Report>,
    /// To whoever shows things. When it is full, showing holds the pipeline up: nothing shown is lost.
    pub live: mpsc::Sender<Live>,
    /// The time of day.
    pub clock: Clock,
    /// For waits that should not be in step.
    pub random: Random,
    /// It is to stop: nothing more is begun, and what is being sent has [`STOP_GRACE`] to end.
    pub stop: CancellationToken,
}

/// Any number, all equally likely.
pub type Random = fn() -> u64;

/// An event on its way from step 5.
struct Ready {
    session: u64,
    id: EventId,
    /// The place of its route.
    lane: usize,
    /// It is forwarded as this draft says.
    edit: Option<EditId>,
    /// Kept when its sender waits; read again from the history otherwise.
    event: Option<Event>,
    deadline: Option<Instant>,
    rejected: Option<Rejection>,
    cause: AttemptCause,
    /// Nobody else tries again.
    tries: bool,
    /// How often it could not be read.
    unread: u32,
    /// Nobody else does when the sender has no answer at the deadline.
    taken_when_late: bool,
    /// A person let it go.
    released: bool,
    not_before: Option<tokio::time::Instant>,
}

/// An attempt that has ended, and is not on record yet.
struct Tried<'t> {
    target: &'t Target,
    attempt: Attempt,
    /// For the sender.
    answer: Option<Answer>,
}

/// The lanes, in the order of [`Routes::iter`].
struct Lanes(Vec<mpsc::Sender<Ready>>);

/// What the arrival said besides the event.
struct Came {
    session: u64,
    endpoint: EndpointName,
    seq: u64,
    missed: bool,
    deadline: Option<Instant>,
    taken_when_late: bool,
    event: Event,
    recognised: Recognised,
    /// Its route's place among the lanes; none when no route takes it.
    lane: Option<usize>,
}

impl Came {
    /// On its way from step 5 to the targets of its route.
    fn ready(self, lane: usize, rejected: Option<Rejection>) -> Ready {
        let waits = self.deadline.is_some();
        Ready {
            session: self.session,
            id: self.event.id,
            lane,
            edit: None,
            deadline: self.deadline,
            event: waits.then_some(self.event),
            rejected,
            cause: AttemptCause::Arrival,
            tries: !waits,
            unread: 0,
            taken_when_late: self.taken_when_late,
            released: false,
            not_before: None,
        }
    }
}

impl Pipeline {
    /// Takes events, and decisions on held ones, until [`Pipeline::stop`]; then finishes what is being forwarded. Begins with what an earlier
    /// run left undone.
    ///
    /// # Errors
    /// When the history fails, because then nothing may be acknowledged any more.
    pub async fn run(
        self,
        arrivals: mpsc::Receiver<Arrival>,
        decisions: mpsc::Receiver<Decision>,
    ) -> Result<(), HistoryError> {
        let mut running = JoinSet::new();
        let open = |route: &Route| {
            let (lane, ready) = mpsc::channel(LANE_EVENTS);
            let to_run = Lane { pipeline: self.clone(), route: route.clone(), told_unread: false.into() };
            running.spawn(to_run.run(ready));
            lane
        };
        let lanes = Lanes(self.routes.iter().map(open).collect());
        let at_once = TaskTracker::new();
        let mut ended = tokio::select! {
            biased;
            taken = self.take((arrivals, decisions), lanes, &at_once) => taken,
            // It ends before `take` only when the history fails.
            Some(Ok(Err(error))) = running.join_next() => Err(error),
        };
        at_once.close();
        at_once.wait().await;
        // They end with their channels; a panic in one has been reported by its thread.
        while let Some(lane) = running.join_next().await {
            ended = ended.and(lane.unwrap_or(Ok(())));
        }
        ended
    }

    /// Steps 1 to 4.
    async fn take(
        &self,
        (mut arrivals, mut decisions): (mpsc::Receiver<Arrival>, mpsc::Receiver<Decision>),
        lanes: Lanes,
        at_once: &TaskTracker,
    ) -> Result<(), HistoryError> {
        self.resume(&lanes).await?;
        let at_once = AtOnce::new(at_once);
        let mut senders = Senders::default();
        let mut storing = FuturesOrdered::new();
        let mut left = Left::default();
        loop {
            let full = storing.len() as u64 >= WINDOW.events;
            let (came, stored) = tokio::select! {
                biased;
                () = self.stop.cancelled() => return self.acknowledge_all(storing).await,
                Some(stored) = storing.next() => stored,
                Some(decision) = decisions.recv() => {
                    self.decide(decision, &mut senders, &lanes, &at_once).await;
                    continue;
                }
                () = left.due() => {
                    self.look_for_left(&mut left).await;
                    continue;
                }
                arrival = arrivals.recv(), if !full => {
                    let Some(arrival) = arrival else { return Ok(()) };
                    // 1, and 2: on its way to the disk together with those around it.
                    storing.push_back(self.store(arrival));
                    continue;
                }
            };
            let stored = match stored {
                Err(HistoryError::Unreadable { path, reason, .. }) => {
                    self.leave(&came, &path, &reason, &mut left).await;
                    continue;
                }
                stored => stored?,
            };
            // 3
            self.report(Report::Stored {
                session: came.session,
                endpoint: came.endpoint.clone(),
                seq: came.seq,
            })
            .await;
            let Stored::New(row) = stored else { continue };
            // 4
            let rejected = came.recognised.rejection().filter(|_| !came.missed);
            self.show(Live::Event(Box::new(row.clone()))).await;
            if row.state == EventState::Held {
                senders.note(&came);
                continue;
            }
            let Some(lane) = came.lane.filter(|_| row.state == EventState::Pending) else {
                self.answer_for_no_app(&came, rejected).await;
                continue;
            };
            let waits = came.deadline.is_some();
            let ready = came.ready(lane, rejected);
            if waits {
                at_once.go(self, ready, &lanes).await;
            } else if lanes.0[lane].send(ready).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn finish_attempt(&self, id: EventId, attempt: Attempt) -> Result<EventRow, HistoryError> {
        self.disk.write(|| self.history.finish_attempt(id, attempt.clone())).await
    }

    /// Step 8 for one that is not tried any more.
    async fn give_up(&self, id: EventId, reason: String) -> Result<(), HistoryError> {
        let row = self.disk.write(|| self.history.give_up(id, reason.clone())).await?;
        self.show(Live::Changed(Box::new(row))).await;
        let text = format!("{id} is given up: {reason}; `inhaul replay {id}` sends it again");
        self.show(Live::Notice(text)).await;
        Ok(())
    }

    /// Step 8.
    async fn settle(&self, id: EventId) -> Result<(), HistoryError> {
        self.disk.write(|| self.history.settle(id)).await
    }

    /// Step 5 for one target.
    async fn try_once<'t>(
        &self,
        event: &Event,
        target: &'t Target,
        (cause, changed): (AttemptCause, Option<Changed>),
        rejected: bool,
    ) -> Result<Tried<'t>, HistoryError> {
        let begun = self.begin(event.id, target, (cause, changed)).await?;
        Ok(self.send_begun(event, target, begun, rejected).await)
    }

    /// Puts an attempt on record that is sent next.
    async fn begin(
        &self,
        id: EventId,
        target: &Target,
        (cause, changed): (AttemptCause, Option<Changed>),
    ) -> Result<Attempt, HistoryError> {
        let name = target.to_string();
        let begin = || self.history.begin_changed_attempt(id, &name, cause, changed.clone());
        self.disk.write(begin).await
    }

    /// Sends what is on record as begun. When the client stops meanwhile, it has so long to end and no longer.
    async fn send_begun<'t>(
        &self,
        event: &Event,
        target: &'t Target,
        begun: Attempt,
        rejected: bool,
    ) -> Tried<'t> {
        let Forwarded { outcome, answer } = if rejected {
            Forwarded { outcome: Outcome::Rejected, answer: None }
        } else {
            let began = tokio::time::Instant::now();
            tokio::select! {
                biased;
                forwarded = self.forwarder.send(event, target) => forwarded,
                () = self.grace_is_over() => {
                    let latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let message = format!("the client was stopped before {target} answered");
                    let outcome = Outcome::Failed { kind: FailureKind::Stopped, message, latency_ms };
                    Forwarded { outcome, answer: None }
                }
            }
        };
        Tried { target, attempt: Attempt { outcome, ..begun }, answer }
    }

    async fn grace_is_over(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(STOP_GRACE).await;
    }

    /// Step 6, and 8 when nothing more is to be done.
    async fn record(&self, id: EventId, attempt: Attempt, settles: bool) -> Result<EventRow, HistoryError> {
        let row = if settles {
            self.disk.write(|| self.history.finish_last_attempt(id, attempt.clone())).await?
        } else {
            self.finish_attempt(id, attempt.clone()).await?
        };
        self.show(Live::Attempt(Box::new(row.clone()), attempt)).await;
        Ok(row)
    }

    async fn report(&self, report: Report) {
        // Without a session, the relay sends again what was not acknowledged.
        let _ = self.reports.send(report).await;
    }

    async fn show(&self, live: Live) {
        // Nobody watches any more; the history has it.
        let _ = self.live.send(live).await;
    }
}

#[cfg(test)]
mod tests;

//! Events of one route whose senders do not wait, on their way to its targets: one after the other, or as many beside each other as the
//! route allows, and again later when that may help.
//!
//! An event that fails steps aside until its next try, so that it does not stop the next one, unless the route asks for strict order. While
//! the first target takes no connections, everything waits for it.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::{StreamExt, TryStreamExt, stream::FuturesUnordered};
use inhaul_core::{
    event::{EventId, UnixMillis},
    retry::{Backoff, Schedule},
};
use tokio::{
    sync::mpsc,
    time::{Duration, Instant, sleep, sleep_until},
};

use super::{
    LANE_EVENTS, Pipeline, Random, Ready,
    delivery::{Standing, open_targets, standing, standing_without_tls},
};
use crate::{
    config::Route,
    forward::{Forwarder, Target},
    history::HistoryError,
    live::{Live, NextTry},
    row::AttemptCause,
};

/// How often a target that takes no connections is asked whether it does.
const ASKING: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(5) };

/// How often an event that cannot be read now is looked up again.
const READING: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(30) };

/// What is left to do for an event.
enum Next {
    Nothing,
    /// To be put on record, which the next event need not wait for: without it, the outcomes on record say the same.
    Settle(EventId),
    Again(Duration),
    /// As soon as this target takes connections.
    When(Target),
}

/// The events of one route.
pub(super) struct Lane {
    pub(super) pipeline: Pipeline,
    pub(super) route: Route,
    /// A person was told that events cannot be read.
    pub(super) told_unread: AtomicBool,
}

/// Events that wait: by when they are due, and then by their turn.
type Later = BTreeMap<(Instant, u64), Ready>;

/// Done when a target takes connections again.
type Return = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Lane {
    /// Takes events until the client stops, or until nobody can send any; then finishes what is being forwarded. What waits stays pending in the
    /// history.
    pub(super) async fn run(self, mut ready: mpsc::Receiver<Ready>) -> Result<(), HistoryError> {
        let mut under_way = FuturesUnordered::new();
        let mut settling = FuturesUnordered::new();
        let mut later = Later::new();
        let mut turns = 0_u64;
        let mut outages = 0_u32;
        let mut back: Option<Return> = None;
        let mut is_open = true;
        while is_open || !under_way.is_empty() {
            let room = back.is_none() && under_way.len() < self.route.concurrency;
            let in_order = !self.route.strict_order || (under_way.is_empty() && later.is_empty());
            let takes_new = room && in_order && later.len() < LANE_EVENTS;
            let due = later.first_key_value().map_or_else(Instant::now, |((due, _), _)| *due);
            tokio::select! {
                biased;
                () = self.pipeline.stop.cancelled() => break,
                Some((turn, event, done)) = under_way.next() => match done? {
                    Next::Nothing => outages = 0,
                    Next::Settle(id) => {
                        outages = 0;
                        settling.push(self.pipeline.settle(id));
                    }
                    Next::Again(wait) => {
                        outages = 0;
                        self.put_off(&mut later, (Instant::now() + wait, turn), event).await;
                    }
                    Next::When(target) => {
                        self.put_off_until(&mut later, turn, event, &target).await;
                        if back.is_none() {
                            outages += 1;
                            back = Some(self.outage(target, outages).await);
                        }
                    }
                },
                Some(settled) = settling.next() => settled?,
                () = wait_for(&mut back) => back = None,
                () = sleep_until(due), if room && !later.is_empty() => {
                    if let Some(((_, turn), event)) = later.pop_first() {
                        under_way.push(self.deliver(turn, event));
                    }
                }
                next = ready.recv(), if is_open && takes_new => match next {
                    None => is_open = false,
                    Some(event) => {
                        turns += 1;
                        match event.not_before {
                            Some(due) => self.put_off(&mut later, (due, turns), event).await,
                            None => under_way.push(self.deliver(turns, event)),
                        }
                    }
                },
            }
        }
        while let Some((_, _, done)) = under_way.next().await {
            if let Next::Settle(id) = done? {
                settling.push(self.pipeline.settle(id));
            }
        }
        settling.try_collect().await
    }

    /// Has an event wait for its next try, and says when that is.
    async fn put_off(&self, later: &mut Later, (due, turn): (Instant, u64), event: Ready) {
        let wait = due.saturating_duration_since(Instant::now());
        let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let at = UnixMillis((self.pipeline.clock)().0.saturating_add(wait));
        self.pipeline.show(Live::NextTry(event.id, NextTry::At(at))).await;
        later.insert((due, turn), event);
    }

    /// Has an event wait for its target, and says so.
    async fn put_off_until(&self, later: &mut Later, turn: u64, event: Ready, target: &Target) {
        self.pipeline.show(Live::NextTry(event.id, NextTry::When(target.to_string()))).await;
        later.insert((Instant::now(), turn), event);
    }

    /// Says so when a target has gone, and gives what waits for it.
    async fn outage(&self, target: Target, outages: u32) -> Return {
        if outages == 1 {
            let text = format!("{target} takes no connections; events wait until it does");
            self.pipeline.show(Live::Notice(text)).await;
        }
        let Pipeline { forwarder, random, .. } = &self.pipeline;
        Box::pin(until_reachable(forwarder.clone(), target, outages, *random))
    }

    async fn deliver(&self, turn: u64, event: Ready) -> (u64, Ready, Result<Next, HistoryError>) {
        let next = match self.deliver_once(&event).await {
            Err(error) if is_of_reading(&error) => {
                self.tell_unread(&error).await;
                let unread = event.unread.saturating_add(1);
                let wait = READING.delay(unread, (self.pipeline.random)());
                return (turn, Ready { unread, not_before: None, ..event }, Ok(Next::Again(wait)));
            }
            next => next,
        };
        (turn, Ready { cause: AttemptCause::Retry, not_before: None, unread: 0, ..event }, next)
    }

    async fn tell_unread(&self, error: &HistoryError) {
        if !self.told_unread.swap(true, Ordering::Relaxed) {
            let text = format!("{error}; it stays to be forwarded, and the others go on");
            self.pipeline.show(Live::Notice(text)).await;
        }
    }

    /// Steps 5 to 8 for the targets that are still to be tried.
    async fn deliver_once(&self, ready: &Ready) -> Result<Next, HistoryError> {
        let Pipeline { history, forwarder, random, .. } = &self.pipeline;
        let (event, mut row) = match history.event(ready.id).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Next::Nothing),
            Err(error @ HistoryError::Damaged { .. }) => {
                return self.give_up(ready, error.to_string()).await;
            }
            Err(error) => return Err(error),
        };
        let Route { targets, retry, .. } = &self.route;
        let once = Schedule::new(Vec::new());
        let open = open_targets(&row, targets, if ready.tries { retry } else { &once });
        let (sent, changed) = match self.pipeline.as_edited(&event, &row, row.forwarded_as).await? {
            Ok(edited) => edited,
            Err(reason) => return self.give_up(ready, reason).await,
        };
        let cause = || (ready.cause, changed.clone());
        let mut tries: FuturesUnordered<_> = open
            .into_iter()
            .map(|target| self.pipeline.try_once(&sent, target, cause(), ready.rejected.is_some()))
            .collect();
        let mut is_stopped = false;
        while let Some(tried) = tries.next().await {
            let attempt = tried?.attempt;
            is_stopped |= attempt.outcome.is_stopped();
            row.put_attempt(attempt.clone());
            let settles = tries.is_empty()
                && !is_stopped
                && (!ready.tries || standing(&row, targets, retry, random()) == Standing::Delivered);
            row = self.pipeline.record(ready.id, attempt, settles).await?;
            if settles {
                return Ok(Next::Nothing);
            }
        }
        if is_stopped {
            // It stays pending.
            return Ok(Next::Nothing);
        }
        if !ready.tries {
            return Ok(Next::Settle(ready.id));
        }
        let mut stands = standing(&row, targets, retry, random());
        if let Standing::Unreachable(target) = &stands
            && forwarder.reaches(target).await
        {
            stands = if target.is_https() {
                standing_without_tls(&row, target, retry, random())
            } else {
                // It came just now.
                Standing::Again(ASKING.first)
            };
        }
        match stands {
            Standing::Delivered => Ok(Next::Settle(ready.id)),
            Standing::Again(wait) => Ok(Next::Again(wait)),
            Standing::Unreachable(target) => Ok(Next::When(target)),
            Standing::GivenUp(reason) => self.give_up(ready, reason).await,
        }
    }

    async fn give_up(&self, ready: &Ready, reason: String) -> Result<Next, HistoryError> {
        self.pipeline.give_up(ready.id, reason).await?;
        Ok(Next::Nothing)
    }
}

/// Whether it is one event, or one period, that cannot be read now: others can be, and this one perhaps later.
fn is_of_reading(error: &HistoryError) -> bool {
    match error {
        HistoryError::Unreadable { .. }
        | HistoryError::Io { .. }
        | HistoryError::Journal { .. }
        | HistoryError::LaterRelease { .. } => true,
        HistoryError::Locked { .. }
        | HistoryError::NotStored { .. }
        | HistoryError::Unknown(_)
        | HistoryError::NotHeld(_)
        | HistoryError::NotDeletable { .. }
        | HistoryError::NotErased { .. }
        | HistoryError::Annotation(_)
        | HistoryError::Damaged { .. }
        | HistoryError::Closed => false,
    }
}

/// Waits for what there is to wait for; for ever when there is nothing.
async fn wait_for(back: &mut Option<Return>) {
    match back {
        Some(back) => back.await,
        None => std::future::pending().await,
    }
}

/// Waits until a target takes connections, less often the more often it went away again.
async fn until_reachable(forwarder: Forwarder, target: Target, outages: u32, random: Random) {
    let mut asked = outages;
    loop {
        sleep(ASKING.delay(asked, random())).await;
        if forwarder.reaches(&target).await {
            return;
        }
        asked = asked.saturating_add(1);
    }
}

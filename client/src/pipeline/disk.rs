//! Waits with what the disk does not take: it may be full, or not writable, for a while. Nothing is acknowledged or sent meanwhile, so
//! the relay keeps what comes.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use inhaul_core::{event::Event, retry::Backoff};
use tokio::{
    sync::{Notify, mpsc},
    time::{Duration, sleep},
};
use tokio_util::sync::CancellationToken;

use super::Random;
use crate::{
    history::{Facts, History, HistoryError, Stored},
    live::Live,
    random::random,
};

/// How often the disk is tried again.
const TRYING: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(5) };

/// Where the pipeline's writes wait for their turn. A clone is another handle of the same place.
#[derive(Clone)]
pub struct Disk {
    outage: Arc<Outage>,
    live: mpsc::Sender<Live>,
    stop: CancellationToken,
    random: Random,
}

#[derive(Default)]
struct Outage {
    /// Writes that failed and are tried again.
    failing: AtomicUsize,
    line: Mutex<Line>,
    /// The line moved up.
    moved: Notify,
}

/// The events that are being stored.
#[derive(Default)]
struct Line {
    next: u64,
    /// In the order in which they came.
    places: BTreeSet<u64>,
    /// Those of them that were not stored, and those that came after them.
    queued: usize,
    /// The first of them is given up, so none behind it may be stored either.
    is_over: bool,
}

/// An event's place in the line, until it leaves it.
struct Place<'o> {
    outage: &'o Outage,
    number: u64,
    is_queued: bool,
}

impl Outage {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place at the end of the line, which is queued when another one is.
    fn enter(&self) -> Place<'_> {
        let mut line = self.line();
        line.next += 1;
        let (number, is_queued) = (line.next, line.queued > 0);
        line.places.insert(number);
        line.queued += usize::from(is_queued);
        Place { outage: self, number, is_queued }
    }
}

impl Place<'_> {
    /// Was not stored, so those that come now wait behind it.
    fn queue(&mut self) {
        if !std::mem::replace(&mut self.is_queued, true) {
            self.outage.line().queued += 1;
        }
    }

    /// Waits until all that came before have left. An event may hear that it was not stored before one that came earlier does.
    async fn turn(&self) {
        loop {
            let moved = self.outage.moved.notified();
            let mut moved = std::pin::pin!(moved);
            // What happens from here on is not missed.
            moved.as_mut().enable();
            if self.outage.line().places.first() == Some(&self.number) {
                return;
            }
            moved.await;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut line = self.outage.line();
        line.places.remove(&self.number);
        line.queued -= usize::from(self.is_queued);
        drop(line);
        self.outage.moved.notify_waiters();
    }
}

impl Disk {
    /// Tells of an outage and its end on `live`; waits for no disk any more after `stop`.
    pub fn new(live: mpsc::Sender<Live>, stop: CancellationToken, random: Random) -> Self {
        Self { outage: Arc::default(), live, stop, random }
    }

    /// Does not wait: a write that fails is an error at once.
    pub fn impatient(live: mpsc::Sender<Live>) -> Self {
        let disk = Self::new(live, CancellationToken::new(), random);
        disk.stop.cancel();
        disk
    }

    /// Writes, and again until the disk takes it.
    ///
    /// # Errors
    /// When it fails in a way that waiting does not change, or the client stops.
    pub(super) async fn write<T, F>(&self, write: impl Fn() -> F) -> Result<T, HistoryError>
    where
        F: Future<Output = Result<T, HistoryError>>,
    {
        let mut failures = 0_u32;
        loop {
            match write().await {
                Err(error) if may_change(&error) && !self.stop.is_cancelled() => {
                    failures = failures.saturating_add(1);
                    if failures == 1 && self.outage.failing.fetch_add(1, Ordering::SeqCst) == 0 {
                        let text = "the history cannot be written; events wait until it can";
                        self.tell(format!("{text}: {error}")).await;
                    }
                    tokio::select! {
                        biased;
                        () = self.stop.cancelled() => {}
                        () = sleep(TRYING.delay(failures, (self.random)())) => {}
                    }
                }
                written => {
                    let is_last = failures > 0 && self.outage.failing.fetch_sub(1, Ordering::SeqCst) == 1;
                    if is_last && written.is_ok() {
                        self.tell("the history can be written again".to_owned()).await;
                    }
                    return written;
                }
            }
        }
    }

    /// Stores an event, and again until the disk takes it. What was not stored is stored before what came later, in the order of these
    /// calls.
    ///
    /// # Errors
    /// As [`Disk::write`].
    pub(super) async fn store(
        &self,
        history: &History,
        event: &Event,
        facts: &Facts,
    ) -> Result<Stored, HistoryError> {
        let mut place = self.outage.enter();
        if !place.is_queued {
            match history.store(event.clone(), facts.clone()).await {
                Err(error) if may_change(&error) => place.queue(),
                stored => return stored,
            }
        }
        place.turn().await;
        if self.outage.line().is_over {
            return history.store(event.clone(), facts.clone()).await;
        }
        let stored = self.write(|| history.store_again(event.clone(), facts.clone())).await;
        let is_over = matches!(&stored, Err(error) if !matches!(error, HistoryError::Unreadable { .. }));
        self.outage.line().is_over |= is_over;
        stored
    }

    async fn tell(&self, text: String) {
        // Nobody watches any more; what waits still does.
        let _ = self.live.send(Live::Notice(text)).await;
    }
}

/// Whether the disk may take it later.
fn may_change(error: &HistoryError) -> bool {
    match error {
        HistoryError::NotStored { .. } | HistoryError::Io { .. } | HistoryError::Journal { .. } => true,
        HistoryError::Locked { .. }
        | HistoryError::LaterRelease { .. }
        | HistoryError::Unreadable { .. }
        | HistoryError::Unknown(_)
        | HistoryError::NotHeld(_)
        | HistoryError::NotDeletable { .. }
        | HistoryError::NotErased { .. }
        | HistoryError::Annotation(_)
        | HistoryError::Damaged { .. }
        | HistoryError::Closed => false,
    }
}

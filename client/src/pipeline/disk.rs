//! Waits with what the disk does not take: it may be full, or not writable, for a while. Nothing is acknowledged or sent meanwhile, so
//! the relay keeps what comes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use inhaul_core::{event::Event, retry::Backoff};
use tokio::{
    sync::{Mutex, mpsc},
    time::{Duration, sleep},
};
use tokio_util::sync::CancellationToken;

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
}

#[derive(Default)]
struct Outage {
    /// Writes that failed and are tried again.
    failing: AtomicUsize,
    /// Events that were not stored, and those that came after them.
    queued: AtomicUsize,
    /// Held by the first of them. It is fair, so the others follow in their order.
    turn: Mutex<()>,
}

impl Disk {
    /// Tells of an outage and its end on `live`; waits for no disk any more after `stop`.
    pub fn new(live: mpsc::Sender<Live>, stop: CancellationToken) -> Self {
        Self { outage: Arc::default(), live, stop }
    }

    /// Does not wait: a write that fails is an error at once.
    pub fn impatient(live: mpsc::Sender<Live>) -> Self {
        let disk = Self::new(live, CancellationToken::new());
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
                        () = self.stop.cancelled() => {}
                        () = sleep(TRYING.delay(failures, random())) => {}
                    }
                }
                written => {
                    if failures > 0 && self.outage.failing.fetch_sub(1, Ordering::SeqCst) == 1 {
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
        let Outage { queued, turn, .. } = &*self.outage;
        if queued.load(Ordering::SeqCst) == 0 {
            match history.store(event.clone(), facts.clone()).await {
                Err(error) if may_change(&error) => {}
                stored => return stored,
            }
        }
        queued.fetch_add(1, Ordering::SeqCst);
        let _turn = turn.lock().await;
        let stored = self.write(|| history.store_again(event.clone(), facts.clone())).await;
        queued.fetch_sub(1, Ordering::SeqCst);
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
        | HistoryError::Unknown(_)
        | HistoryError::NotHeld(_)
        | HistoryError::Annotation(_)
        | HistoryError::Damaged { .. }
        | HistoryError::Closed => false,
    }
}

//! Every event this client was given, what was found out about it and what became of it: on disk before anyone is told.
//!
//! ```text
//!   History (any task) ──requests──▶ one thread ──append──▶ journal   the truth: whole events, attempts, verdicts
//!                                      │  ▲                    │
//!                                      │  └────── durable ─────┘
//!                                      └──apply──▶ index      rows and their order (sled), made again when damaged
//! ```
//! A request that changes something is answered when the journal has it on disk. Requests in flight together share one
//! flush. `docs/history.md` describes the files.

mod by_hand;
mod deletion;
mod error;
mod facts;
mod fold;
mod index;
mod lock;
mod notes;
mod period;
mod record;
mod same;
mod upkeep;
mod worker;

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use inhaul_core::{
    event::{Event, EventId, UnixMillis},
    signature::Verdict,
};
use inhaul_journal::{Disk, RealDisk};
use tokio::{
    sync::{Semaphore, oneshot},
    task::coop::unconstrained,
};

pub use by_hand::ByHand;
pub use deletion::UNDO_TIME;
pub use error::HistoryError;
pub use facts::{Deletions, Facts, Found, Kept, Relation, Ruling, Status, Stored};
pub use fold::row as arriving_row;
pub use index::panic_is_contained;
pub use lock::Holder;
pub use upkeep::{Checked, PeriodInfo, Prune, Pruned, replaced_journals};

use self::{
    lock::DataLock,
    notes::Notes,
    worker::{Answer, Message, Request, Worker},
};
use crate::{
    annotation::Annotation,
    clock,
    data_dir::DataDir,
    draft::{Draft, Edit, EditId},
    row::{Attempt, AttemptCause, Changed, EventRow, EventState},
};

/// Bytes of requests under way, in steps: what is beyond waits in its caller.
const ROOM_STEP_BYTES: usize = 16 * 1024;
/// 64 MiB of bodies, or 4096 small requests, which is also what the journal takes at once.
const ROOM_STEPS: usize = 4096;

/// Where time comes from.
pub type Clock = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// How a history is kept; the default is what `inhaul` uses.
#[derive(Clone)]
pub struct Options {
    /// Bytes of events after which a new period begins, also within a day.
    pub period_bytes: u64,
    /// Size of a segment of the journal.
    pub segment_bytes: u64,
    /// Whether segments get their size before they are written.
    pub prefill: bool,
    /// Memory the index of the current period may use.
    pub cache_bytes: u64,
    /// Memory the index of an older period may use while it is open.
    pub old_cache_bytes: u64,
    /// The time events are stored at.
    pub clock: Clock,
    /// How long to wait for a process that holds the data directory and is about to end.
    pub lock_wait: Duration,
    /// The command shown to others who want the data directory; `None` is this process's own.
    pub command: Option<String>,
    /// Where the journals are.
    pub disk: Arc<dyn Disk>,
    /// As in a simulation: journals write when they are told to, and indexes are in memory.
    pub simulated: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            period_bytes: 256 << 20,
            segment_bytes: 16 << 20,
            prefill: true,
            cache_bytes: 48 << 20,
            old_cache_bytes: 4 << 20,
            clock: Arc::new(clock::now),
            lock_wait: Duration::from_secs(2),
            command: None,
            disk: Arc::new(RealDisk),
            simulated: false,
        }
    }
}

/// A history that was opened, and what was found wrong with it.
#[derive(Debug)]
pub struct Opened {
    /// The history, ready.
    pub history: History,
    /// One plain line per problem that was put right.
    pub notes: Vec<String>,
}

/// A handle on the history. When the last one is dropped, what is under way is finished behind its back;
/// [`History::close`] waits for that.
#[derive(Clone)]
pub struct History {
    shared: Arc<Shared>,
}

struct Shared {
    sender: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    notes: Notes,
    lock: SharedLock,
    data: DataDir,
}

/// The data directory's lock: there until the history is closed.
type SharedLock = Arc<Mutex<Option<DataLock>>>;

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({})", self.shared.data.path().display())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The thread is gone already when the history was closed.
        let _ = self.sender.send(Message::Close(None));
    }
}

impl History {
    /// Opens or makes the history of a data directory, and takes the directory for this process. Blocks.
    ///
    /// # Errors
    /// When another process has the directory, a later release wrote it, or it cannot be read and written. Nothing is
    /// changed or destroyed then.
    pub fn open(data_dir: &Path) -> Result<Opened, HistoryError> {
        Self::open_with(data_dir, Options::default())
    }

    /// [`History::open`] with other options than the default ones.
    ///
    /// # Errors
    /// As [`History::open`].
    pub fn open_with(data_dir: &Path, options: Options) -> Result<Opened, HistoryError> {
        let data = DataDir::open(Some(data_dir))?;
        let lock = DataLock::take(&data, Holder::this_process(&options), options.lock_wait)?;
        let notes = Notes::default();
        let (sender, inbox) = mpsc::channel();
        let lock = Arc::new(Mutex::new(Some(lock)));
        let mut worker = Worker::new(data.history(), options, notes.clone(), (sender.clone(), inbox));
        worker.open()?;
        let held = Arc::clone(&lock);
        std::thread::Builder::new()
            .name("inhaul-history".into())
            .spawn(move || worker.run(&held))
            .map_err(|error| HistoryError::io(data_dir, &error))?;
        Ok(Self::opened(sender, notes, lock, data))
    }

    fn opened(sender: mpsc::Sender<Message>, notes: Notes, lock: SharedLock, data: DataDir) -> Opened {
        let room = Arc::new(Semaphore::new(ROOM_STEPS));
        let opening_notes = notes.lines();
        let history = Self { shared: Arc::new(Shared { sender, room, notes, lock, data }) };
        Opened { history, notes: opening_notes }
    }

    /// Stores an event once: the answer comes when it is on disk. Events are in the order in which these calls were first
    /// polled: after one that was not stored none is, until that one is [stored again](Self::store_again) or the history is opened again.
    /// Only one that may be in a period that cannot be opened, [`HistoryError::Unreadable`], holds up no other.
    ///
    /// # Errors
    /// When it could not be written; storing it again is safe.
    pub async fn store(&self, event: Event, facts: Facts) -> Result<Stored, HistoryError> {
        self.ask_to_store(event, facts, false).await
    }

    /// Tries again to store an event that was not stored. To be called for the first of those that were not, and then for the others in
    /// their order.
    ///
    /// # Errors
    /// As [`History::store`].
    pub async fn store_again(&self, event: Event, facts: Facts) -> Result<Stored, HistoryError> {
        self.ask_to_store(event, facts, true).await
    }

    async fn ask_to_store(&self, event: Event, facts: Facts, again: bool) -> Result<Stored, HistoryError> {
        let bytes = event.head.len() + event.body.len();
        self.ask(bytes, |answer| Request::Store { event, facts, again, answer }).await
    }

    /// Records what the signature check found, when that was not known yet as the event was stored.
    ///
    /// # Errors
    /// When there is no such event, or the verdict could not be written.
    pub async fn set_verdict(&self, id: EventId, verdict: Verdict) -> Result<EventRow, HistoryError> {
        self.ask(0, |answer| Request::SetVerdict { id, verdict, answer }).await
    }

    /// Records that an attempt begins, on disk before this returns, and gives it the event's next number.
    ///
    /// # Errors
    /// When there is no such event, or the attempt could not be written.
    pub async fn begin_attempt(
        &self,
        id: EventId,
        target: &str,
        cause: AttemptCause,
    ) -> Result<Attempt, HistoryError> {
        self.begin_changed_attempt(id, target, cause, None).await
    }

    /// As [`History::begin_attempt`], of a request that differs from the event.
    ///
    /// # Errors
    /// As [`History::begin_attempt`].
    pub async fn begin_changed_attempt(
        &self,
        id: EventId,
        target: &str,
        cause: AttemptCause,
        changed: Option<Changed>,
    ) -> Result<Attempt, HistoryError> {
        let target = target.to_owned();
        self.ask(0, |answer| Request::BeginAttempt { id, target, cause, changed, answer }).await
    }

    /// Records what came of an attempt; its number says which.
    ///
    /// # Errors
    /// When there is no such event, or the attempt could not be written.
    pub async fn finish_attempt(&self, id: EventId, attempt: Attempt) -> Result<EventRow, HistoryError> {
        self.ask(0, |answer| Request::FinishAttempt { id, attempt, answer }).await
    }

    /// Records what came of an attempt, and with the same write that nothing more of the event is to be forwarded by itself.
    ///
    /// # Errors
    /// As [`History::finish_attempt`].
    pub async fn finish_last_attempt(&self, id: EventId, attempt: Attempt) -> Result<EventRow, HistoryError> {
        self.ask(0, |answer| Request::FinishLastAttempt { id, attempt, answer }).await
    }

    /// Records that nothing more of this event is to be forwarded by itself.
    ///
    /// # Errors
    /// When there is no such event, or this could not be written.
    pub async fn settle(&self, id: EventId) -> Result<(), HistoryError> {
        self.ask(0, |answer| Request::Settle { id, answer }).await
    }

    /// Records that an event could not be delivered and is not tried again by itself.
    ///
    /// # Errors
    /// As [`History::settle`].
    pub async fn give_up(&self, id: EventId, reason: String) -> Result<EventRow, HistoryError> {
        self.ask(0, |answer| Request::GiveUp { id, reason, answer }).await
    }

    /// Records that the sender of an event was told to come again before it was forwarded: it is not forwarded by itself any more.
    ///
    /// # Errors
    /// As [`History::settle`].
    pub async fn miss(&self, id: EventId) -> Result<EventRow, HistoryError> {
        self.ask(0, |answer| Request::Miss { id, answer }).await
    }

    /// Records what a person decided on a held event.
    ///
    /// # Errors
    /// When the event is not held, or as [`History::settle`].
    pub async fn decide(&self, id: EventId, ruling: Ruling) -> Result<EventRow, HistoryError> {
        let bytes = match &ruling {
            Ruling::Forward(draft) => draft.body.as_ref().map_or(0, bytes::Bytes::len),
            Ruling::Drop { .. } => 0,
        };
        self.ask(bytes, |answer| Request::Decide { id, ruling, answer }).await
    }

    /// Records a draft of an event, once.
    ///
    /// # Errors
    /// When there is no such event, or the draft could not be written.
    pub async fn record_draft(&self, id: EventId, draft: Draft) -> Result<EditId, HistoryError> {
        let bytes = draft.body.as_ref().map_or(0, bytes::Bytes::len);
        self.ask(bytes, |answer| Request::Edit { id, draft, answer }).await
    }

    /// A draft on record with an event; of many, the latest can be found.
    ///
    /// # Errors
    /// When its bytes cannot be read.
    pub async fn draft(&self, id: EventId, edit: EditId) -> Result<Option<Edit>, HistoryError> {
        self.ask(0, |answer| Request::Edited { id, edit, answer }).await
    }

    /// Records what a person notes on an event.
    ///
    /// # Errors
    /// When it is beyond a limit, there is no such event, or it could not be written.
    pub async fn annotate(&self, id: EventId, annotation: Annotation) -> Result<EventRow, HistoryError> {
        annotation.check()?;
        self.ask(0, |answer| Request::Annotate { id, annotation, answer }).await
    }

    /// The last `limit` events that have something in common with one, itself among them, the one stored first first. Of older periods,
    /// those of the last seven days are looked into.
    ///
    /// # Errors
    /// When there is no such event, or the rows cannot be read.
    pub async fn related(
        &self,
        id: EventId,
        relation: Relation,
        limit: usize,
    ) -> Result<Vec<EventRow>, HistoryError> {
        self.ask(0, |answer| Request::Related { id, relation, limit, answer }).await
    }

    /// Every event that is to be forwarded, in the order in which they were stored, or let go when they were held. Those of an earlier period
    /// come first: there is no order between the records of two.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn pending(&self) -> Result<Vec<EventRow>, HistoryError> {
        self.ask(0, |answer| Request::Pending { answer }).await
    }

    /// [`History::rows`] of the events with something left to do.
    ///
    /// # Errors
    /// As [`History::rows`].
    pub async fn in_state(
        &self,
        state: EventState,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<EventRow>, HistoryError> {
        self.ask(0, |answer| Request::Rows { state: Some(state), before, limit, answer }).await
    }

    /// One event whole, with its row.
    ///
    /// # Errors
    /// When its bytes cannot be read.
    pub async fn event(&self, id: EventId) -> Result<Option<(Event, EventRow)>, HistoryError> {
        self.ask(0, |answer| Request::Event { id, answer }).await
    }

    /// At most `limit` rows, the one stored last first; with `before`, those stored before that event.
    ///
    /// # Errors
    /// When there is no event `before`, or the rows cannot be read.
    pub async fn rows(&self, before: Option<EventId>, limit: usize) -> Result<Vec<EventRow>, HistoryError> {
        self.ask(0, |answer| Request::Rows { state: None, before, limit, answer }).await
    }

    /// The rows of these events, as far as they are stored, in that order.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn rows_of(&self, ids: Vec<EventId>) -> Result<Vec<EventRow>, HistoryError> {
        self.ask(0, |answer| Request::RowsOf { ids, answer }).await
    }

    /// The event whose id begins like this, in hex digits of either case, with or without dashes.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn find(&self, prefix: &str) -> Result<Found, HistoryError> {
        let prefix = prefix.to_owned();
        self.ask(0, |answer| Request::Find { prefix, answer }).await
    }

    /// The history in numbers.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn status(&self) -> Result<Status, HistoryError> {
        self.ask(0, |answer| Request::Status { answer }).await
    }

    /// Every period, the oldest first.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub async fn periods(&self) -> Result<Vec<PeriodInfo>, HistoryError> {
        self.ask(0, |answer| Request::Periods { answer }).await
    }

    /// Removes old periods for good, except those with something left to do, and says what was removed.
    ///
    /// # Errors
    /// When one cannot be removed; those before it are gone.
    pub async fn prune(&self, prune: Prune) -> Result<Pruned, HistoryError> {
        self.ask(0, |answer| Request::Prune { prune, answer }).await
    }

    /// What was found wrong and put right since the history was opened: one plain line each.
    pub fn notes(&self) -> Vec<String> {
        self.shared.notes.lines()
    }

    /// The data directory it is in.
    pub fn data_dir(&self) -> &DataDir {
        &self.shared.data
    }

    /// Who holds the data directory: this process.
    ///
    /// # Errors
    /// When the history is closed.
    pub fn holder(&self) -> Result<Holder, HistoryError> {
        let lock = self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner);
        lock.as_ref().map(|lock| lock.holder().clone()).ok_or(HistoryError::Closed)
    }

    /// Tells other processes where this one answers them, or that it no longer does.
    pub(crate) fn announce(&self, socket: Option<&Path>) -> Result<(), HistoryError> {
        let mut lock = self.shared.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = lock.as_mut().ok_or(HistoryError::Closed)?;
        lock.announce(socket).map_err(|error| HistoryError::io(lock.path(), &error))
    }

    /// Finishes what is under way, writes everything out and gives the data directory back. Other handles get
    /// [`HistoryError::Closed`] from then on.
    ///
    /// # Errors
    /// When it was closed before.
    pub async fn close(self) -> Result<(), HistoryError> {
        let (answer, answered) = oneshot::channel();
        self.shared.sender.send(Message::Close(Some(answer))).map_err(|_| HistoryError::Closed)?;
        answered.await.map_err(|_| HistoryError::Closed)
    }

    /// Sends one request when there is room, and waits for its answer.
    async fn ask<T>(
        &self,
        bytes: usize,
        request: impl FnOnce(Answer<T>) -> Request,
    ) -> Result<T, HistoryError> {
        let steps = (1 + bytes / ROOM_STEP_BYTES).min(ROOM_STEPS);
        let steps = u32::try_from(steps).expect("not above ROOM_STEPS");
        // Not held up by tokio's budget, which would let a later call overtake this one.
        let room = unconstrained(Arc::clone(&self.shared.room).acquire_many_owned(steps)).await;
        let room = room.map_err(|_| HistoryError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let message = Message::Request(Box::new(request(answer)), room);
        self.shared.sender.send(message).map_err(|_| HistoryError::Closed)?;
        answered.await.unwrap_or(Err(HistoryError::Closed))
    }
}

#[cfg(test)]
pub(crate) mod tests;

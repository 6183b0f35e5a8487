//! The relay's durable store of events that clients have yet to store: for each endpoint a growing sequence, on one journal.
//!
//! A record's tag says everything an index needs, so opening reads no bodies.
//!
//! | kind | tag | payload |
//! |---|---|---|
//! | event | endpoint, number, event id, bytes, missed, when | the event's record |
//! | cursor | endpoint, number | none: nobody needs what is up to it |
//! | one stored | endpoint, number | none: stored, though an earlier one is not |
//! | missed | endpoint, number | none: the sender was told to come again after the event was stored |
//! | identity | the spool's id | none |
//! | client | endpoint, number, client, … | none: all there is to know of a client that shares the endpoint |
//! | expired | endpoint, count, since when | none: what clients are to be told |
//! | clock | seconds the relay has run | none |

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use inhaul_core::event::{EndpointName, Event, EventId, UnixMillis};
use inhaul_journal::{
    AppendError, Disk, Journal, Location, OpenError, Options, ReadError, RealDisk, Recovery, WorthWaiting,
};
use thiserror::Error;
use tokio::sync::oneshot;
use uuid::Uuid;

mod balance;
mod lane;
mod lanes;
mod reader;
mod removal;
mod retention;
mod sharing;
mod tag;
mod writes;

pub use reader::{JoinError, Reader, SHARED_CLIENTS_MAX};
pub use retention::{Dropped, Why};
pub use sharing::{RemoveError, SharedClient};

use lane::Waiting;
use lanes::Lanes;
use tag::Kind;
use writes::{Changes, Write};

/// How much may wait for a client, per endpoint.
#[derive(Clone, Copy, Debug)]
pub struct BacklogLimits {
    /// Most events.
    pub events: u64,
    /// Most bytes of heads and bodies.
    pub bytes: u64,
}

/// How a spool is kept.
#[derive(Default)]
pub struct SpoolOptions {
    /// Bytes of the disk taken in advance for events to come, in whole segments of the journal.
    pub reserve_bytes: u64,
    /// How long events wait for others before they are synced.
    pub worth_waiting: Option<WorthWaiting>,
}

/// Why an event was not stored.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// Its endpoint has as much waiting as it may.
    #[error(
        "{events} events ({bytes} bytes) wait for the client of {endpoint}; no more are taken until it comes"
    )]
    Backlog {
        /// The endpoint.
        endpoint: EndpointName,
        /// Events that wait.
        events: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// An endpoint was removed since [`Spool::removals`] was asked, perhaps this one.
    #[error("an endpoint was removed meanwhile")]
    Removal,
    /// The journal could not take it.
    #[error("the spool cannot store events now")]
    Journal(#[from] AppendError),
    /// The journal's writer is gone.
    #[error("the spool is closed")]
    Closed,
}

/// An event in the spool.
#[derive(Debug)]
pub struct Spooled {
    /// The event.
    pub event: Event,
    /// Its number.
    pub seq: u64,
    /// The sender was told to come again.
    pub missed: bool,
}

/// What comes next for a reader.
#[derive(Debug)]
pub enum Next {
    /// The event behind the number asked for.
    Event(Box<Spooled>),
    /// Nothing yet.
    Empty,
    /// It is larger than asked for.
    TooLarge,
}

/// What waits for the client of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Events.
    pub events: u64,
    /// Their heads and bodies.
    pub bytes: u64,
}

/// Events that waited longer than the relay keeps them, and of which no client was told yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// How many.
    pub events: u64,
    /// When the oldest of them was received.
    pub since: UnixMillis,
}

/// The relay's store. A clone is another handle of the same one.
#[derive(Clone)]
pub struct Spool {
    shared: Arc<Shared>,
}

struct Shared {
    journal: Journal,
    id: Uuid,
    lanes: Arc<Mutex<Lanes>>,
    takers: AtomicU64,
}

/// An event on its way to the disk.
struct Storing<F> {
    shared: Arc<Shared>,
    endpoint: EndpointName,
    id: EventId,
    bytes: u64,
    missed: bool,
    /// Called when it is there.
    then: F,
}

impl<F: Fn(&EndpointName)> Storing<F> {
    /// It is there, or could not be written.
    fn written(
        &self,
        written: Result<Location, AppendError>,
        seq: u64,
        kept_since: u32,
    ) -> Result<u64, AppendError> {
        let Self { shared, endpoint, id, bytes, missed, then } = self;
        let location = written.inspect_err(|_| lock(&shared.lanes).unreserve(endpoint, *bytes))?;
        let waiting = Waiting { location, id: *id, bytes: *bytes, missed: *missed, kept_since };
        let mut released = Vec::new();
        lock(&shared.lanes).written(endpoint, seq, waiting, &mut released);
        then(endpoint);
        released.into_iter().for_each(|needless| shared.journal.release(needless));
        Ok(seq)
    }
}

/// Why an event was not read.
enum Unread {
    /// What stands there is not what was written.
    Damaged(String),
    /// The system refused; that can be over in a moment, or last.
    Later(io::Error),
}

impl Spool {
    /// Opens the spool in a directory, or makes it. Blocks.
    ///
    /// # Errors
    /// When the journal there cannot be opened or written.
    pub fn open(directory: &Path) -> Result<(Self, Recovery), SpoolOpenError> {
        Self::open_with(directory, SpoolOptions::default())
    }

    /// [`Spool::open`], kept in another way.
    ///
    /// # Errors
    /// As [`Spool::open`].
    pub fn open_with(directory: &Path, options: SpoolOptions) -> Result<(Self, Recovery), SpoolOpenError> {
        let usual = Options::default();
        let ready = options.reserve_bytes.div_ceil(usual.segment_bytes);
        let options = Options {
            ready: usize::try_from(ready).unwrap_or(usize::MAX),
            worth_waiting: options.worth_waiting,
            ..usual
        };
        Self::open_on(Arc::new(RealDisk), directory, options)
    }

    /// [`Spool::open`] on another disk, with the journal kept in another way; what it does with moved records is the spool's own.
    /// With [`Options::stepped`] it works on the caller's thread, when [`Spool::step`] is called.
    ///
    /// # Errors
    /// As [`Spool::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        mut options: Options,
    ) -> Result<(Self, Recovery), SpoolOpenError> {
        let lanes = Arc::new(Mutex::new(Lanes::default()));
        let moved = Arc::clone(&lanes);
        options.on_moved = Some(Box::new(move |record| lock(&moved).moved(record)));
        let mut released = Vec::new();
        let (journal, recovery) = Journal::open_on(disk, directory, options, &mut |location, kind, tag| {
            lock(&lanes).recover(location, kind, tag, &mut released);
        })?;
        lock(&lanes).recovered(&mut released);
        for location in released {
            journal.release(location);
        }
        // Numbers given to events that are lost are given again, to others. A client that has the lost ones must not be
        // taken to have these, so they are numbers of another spool.
        let known = lock(&lanes).identity.filter(|_| recovery.problems().is_empty());
        let id = match known {
            Some(id) => id,
            None => {
                let id = Uuid::now_v7();
                let record = journal.append_wait(Kind::Identity as u8, id.as_bytes(), Vec::new())?;
                let before = lock(&lanes).identity_record.put(0, record);
                before.into_iter().for_each(|before| journal.release(before));
                id
            }
        };
        let shared = Shared { journal, id, lanes, takers: AtomicU64::new(0) };
        Ok((Self { shared: Arc::new(shared) }, recovery))
    }

    /// The id that makes this spool's numbers its own.
    pub fn id(&self) -> Uuid {
        self.shared.id
    }

    /// Stores an event; when this returns, it is on the disk. Dropping the future does not take the event back.
    ///
    /// # Errors
    /// When the backlog is full or the journal cannot write.
    pub async fn append(
        &self,
        event: &Event,
        missed: bool,
        limits: BacklogLimits,
    ) -> Result<u64, SpoolError> {
        self.append_then(event, missed, limits, self.removals(), |_| {}).await
    }

    /// [`Spool::append`]; `then` is called on the journal's thread once the event is on the disk, whether or not anybody still waits for it.
    ///
    /// # Errors
    /// As [`Spool::append`].
    pub async fn append_then(
        &self,
        event: &Event,
        missed: bool,
        limits: BacklogLimits,
        removals: u64,
        then: impl Fn(&EndpointName) + Send + Sync + 'static,
    ) -> Result<u64, SpoolError> {
        let bytes = (event.head.len() + event.body.len()) as u64;
        let (stored, outcome) = oneshot::channel();
        let prefix = event.record_prefix();
        let parts = vec![prefix.clone(), event.body.clone()];
        let storing = Arc::new(Storing {
            shared: Arc::clone(&self.shared),
            endpoint: event.endpoint.clone(),
            id: event.id,
            bytes,
            missed,
            then,
        });
        {
            // The number is given and the record queued under one lock, so the journal has an endpoint's events in order.
            let mut lanes = self.lanes();
            if lanes.removals != removals {
                return Err(SpoolError::Removal);
            }
            let kept_since = lanes.clock.stamp();
            let lane = lanes.of(&event.endpoint);
            lane.reserve(&event.endpoint, bytes, limits)?;
            lane.last_seq += 1;
            let seq = lane.last_seq;
            let tag = tag::of_event(&event.endpoint, seq, event.id, bytes, missed, kept_since);
            let storing = Arc::clone(&storing);
            let queued = self.shared.journal.append(Kind::Event as u8, tag, parts, move |written| {
                // The sender may have gone meanwhile; the event is stored all the same.
                let _ = stored.send(storing.written(written, seq, kept_since));
            });
            if let Err(error) = queued {
                lane.backlog.take_away(bytes);
                return Err(error.into());
            }
        }
        let stored = outcome.await;
        // Not before: memory that the journal's thread gives back costs it, and whoever takes some at that moment, a lock.
        drop((prefix, storing));
        Ok(stored.map_err(|_| SpoolError::Closed)??)
    }

    /// The sender of this event is to be told to come again. When this returns, that is on the disk, unless the disk did not take it. Also of
    /// an event that waits no more: that it does not may not be on the disk yet.
    pub async fn mark_missed(&self, endpoint: &EndpointName, seq: u64) {
        if let Some(lane) = self.lanes().by_name.get_mut(endpoint)
            && let Some(waiting) = lane.waiting.get_mut(&seq)
        {
            waiting.missed = true;
        }
        let changes = Changes { writes: vec![Write::Missed(seq)], released: Vec::new() };
        // It is tried again later when it was not written.
        let _ = self.carry_out_noting(endpoint, changes).await;
    }

    /// What waits at an endpoint.
    pub fn backlog(&self, endpoint: &EndpointName) -> Backlog {
        self.lanes().by_name.get(endpoint).map(|lane| lane.backlog).unwrap_or_default()
    }

    /// What waits in all.
    pub fn total(&self) -> Backlog {
        let lanes = self.lanes();
        lanes.by_name.values().fold(Backlog::default(), |sum, lane| Backlog {
            events: sum.events + lane.backlog.events,
            bytes: sum.bytes + lane.backlog.bytes,
        })
    }

    /// [`Journal::step`] of its journal.
    pub fn step(&self) -> bool {
        self.shared.journal.step()
    }

    /// Writes again what could not be written, as on a full disk: until then events come again after a restart, and take their room.
    pub fn write_again(&self) {
        let unwritten = self.lanes().take_unwritten();
        for (endpoint, changes) in unwritten {
            self.carry_out(&endpoint, changes);
        }
    }

    /// Writes what is queued and gives the directory back. Blocks.
    ///
    /// # Errors
    /// When the last records could not be written.
    pub fn close(self) -> Result<(), AppendError> {
        self.write_again();
        self.write_clock();
        self.shared.journal.clone().close()
    }

    async fn read(&self, location: Location) -> Result<Event, Unread> {
        let journal = self.shared.journal.clone();
        let read = if journal.is_stepped() {
            journal.read(location)
        } else {
            let read = tokio::task::spawn_blocking(move || journal.read(location));
            read.await.map_err(|_| Unread::Later(io::Error::other("the read was stopped")))?
        };
        let record = read.map_err(|error| match error {
            ReadError::Io { source, .. } => Unread::Later(source),
            ReadError::Missing(_) | ReadError::Damaged(_) => Unread::Damaged(error.to_string()),
        })?;
        Event::from_record(record.payload).map_err(|error| Unread::Damaged(error.to_string()))
    }

    /// Takes an event that cannot be read out of the way, unless it only moved meanwhile. Its bytes stay where they are.
    fn skip_damaged(&self, endpoint: &EndpointName, seq: u64, location: Location, reason: &str) {
        let mut lanes = self.lanes();
        let Some(lane) = lanes.by_name.get_mut(endpoint) else { return };
        if lane.waiting.get(&seq).is_some_and(|waiting| waiting.location == location)
            && let Some(waiting) = lane.waiting.remove(&seq)
        {
            lane.backlog.take_away(waiting.bytes);
            tracing::error!(%endpoint, seq, event = %waiting.id, reason, "a stored event cannot be read and is skipped");
        }
    }

    /// Journals what changed; what can go because of it goes when that is on the disk.
    fn carry_out(&self, endpoint: &EndpointName, changes: Changes) {
        self.carry_out_then(endpoint, changes, || {});
    }

    /// The same; what it returns comes when that is on the disk, or was not taken by it.
    fn carry_out_noting(&self, endpoint: &EndpointName, changes: Changes) -> oneshot::Receiver<()> {
        let (done, noted) = oneshot::channel();
        // Whoever wanted to know may have gone.
        self.carry_out_then(endpoint, changes, move || {
            let _ = done.send(());
        });
        noted
    }

    fn carry_out_then(
        &self,
        endpoint: &EndpointName,
        changes: Changes,
        then: impl FnOnce() + Send + 'static,
    ) {
        let Changes { mut writes, released } = changes;
        let Some(last) = writes.pop() else {
            released.into_iter().for_each(|needless| self.shared.journal.release(needless));
            return then();
        };
        for write in writes {
            self.write(endpoint, write, Vec::new(), || {});
        }
        self.write(endpoint, last, released, then);
    }

    fn write(
        &self,
        endpoint: &EndpointName,
        write: Write,
        mut released: Vec<Location>,
        then: impl FnOnce() + Send + 'static,
    ) {
        let lanes = Arc::clone(&self.shared.lanes);
        let journal = self.shared.journal.clone();
        let name = endpoint.clone();
        let (kind, tag) = (write.kind() as u8, write.tag(endpoint));
        let unqueued = released.clone();
        let queued = self.shared.journal.append(kind, tag, Vec::new(), move |written| {
            match written {
                Ok(location) => {
                    lock(&lanes).recorded(&name, &write, location, &mut released);
                    released.into_iter().for_each(|needless| journal.release(needless));
                }
                Err(_) => lock(&lanes).unwritten(&name, write, released),
            }
            then();
        });
        if let Err(error) = queued {
            self.lanes().unwritten(endpoint, write, unqueued);
            tracing::warn!(%endpoint, kind = write.kind() as u8, %error, "a record is not on disk; after a restart events come again");
        }
    }

    /// Journals how long the relay has run.
    fn write_clock(&self) {
        let seconds = self.lanes().clock.seconds();
        let lanes = Arc::clone(&self.shared.lanes);
        let journal = self.shared.journal.clone();
        let tag = tag::of_clock(seconds);
        let queued = self.shared.journal.append(Kind::Clock as u8, tag, Vec::new(), move |written| {
            let Ok(location) = written else { return };
            let before = lock(&lanes).clock.record.put(u64::from(seconds), location);
            before.into_iter().for_each(|before| journal.release(before));
        });
        if let Err(error) = queued {
            tracing::warn!(%error, "how long the relay has run is not on disk; after a restart events are kept longer");
        }
    }

    /// A number no other session among which events are balanced has.
    fn next_taker(&self) -> u64 {
        self.shared.takers.fetch_add(1, Ordering::Relaxed)
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        lock(&self.shared.lanes)
    }
}

/// Why the spool was not opened.
#[derive(Debug, Error)]
pub enum SpoolOpenError {
    /// The journal is locked, damaged beyond opening, or of a later release.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The journal cannot be written.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// The lanes; a panic of another holder leaves counts that are at worst too high.
fn lock(lanes: &Mutex<Lanes>) -> MutexGuard<'_, Lanes> {
    lanes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

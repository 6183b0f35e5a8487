//! The relay's durable store of events no client has stored yet: for each endpoint a growing sequence, on one journal.
//!
//! A record's tag says everything an index needs, so opening reads no bodies.
//!
//! | kind | tag | payload |
//! |---|---|---|
//! | event | endpoint, number, event id, bytes, missed | the event's record |
//! | cursor | endpoint, number | none: everything up to it is stored by the client |
//! | one stored | endpoint, number | none: stored, though an earlier one is not |
//! | missed | endpoint, number | none: the sender was told to come again after the event was stored |
//! | identity | the spool's id | none |

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use inhaul_core::event::{EndpointName, Event};
use inhaul_journal::{AppendError, Disk, Journal, Location, OpenError, Options, RealDisk, Recovery};
use thiserror::Error;
use tokio::sync::oneshot;
use uuid::Uuid;

mod lanes;
mod tag;

use lanes::{Lanes, Waiting};
use tag::Kind;

/// How much may wait for a client, per endpoint.
#[derive(Clone, Copy, Debug)]
pub struct BacklogLimits {
    /// Most events.
    pub events: u64,
    /// Most bytes of heads and bodies.
    pub bytes: u64,
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

/// The relay's store. A clone is another handle of the same one.
#[derive(Clone)]
pub struct Spool {
    shared: Arc<Shared>,
}

struct Shared {
    journal: Journal,
    id: Uuid,
    lanes: Arc<Mutex<Lanes>>,
}

impl Spool {
    /// Opens the spool in a directory, or makes it. Blocks.
    ///
    /// # Errors
    /// When the journal there cannot be opened or written.
    pub fn open(directory: &Path) -> Result<(Self, Recovery), SpoolOpenError> {
        Self::open_on(Arc::new(RealDisk), directory, Options::default())
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
                let before = lock(&lanes).identity_record.replace(record);
                before.into_iter().for_each(|before| journal.release(before));
                id
            }
        };
        Ok((Self { shared: Arc::new(Shared { journal, id, lanes }) }, recovery))
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
        let bytes = (event.head.len() + event.body.len()) as u64;
        let (stored, outcome) = oneshot::channel();
        {
            // The number is given and the record queued under one lock, so the journal has an endpoint's events in order.
            let mut lanes = self.lanes();
            let lane = lanes.by_name.entry(event.endpoint.clone()).or_default();
            lane.reserve(&event.endpoint, bytes, limits)?;
            lane.last_seq += 1;
            let seq = lane.last_seq;
            let tag = tag::of_event(&event.endpoint, seq, event.id, bytes, missed);
            let parts = vec![event.record_prefix(), event.body.clone()];
            let lanes_later = Arc::clone(&self.shared.lanes);
            let (endpoint, id) = (event.endpoint.clone(), event.id);
            let queued = self.shared.journal.append(Kind::Event as u8, &tag, parts, move |written| {
                let written = written.map(|location| {
                    lock(&lanes_later).written(&endpoint, seq, Waiting { location, id, bytes, missed });
                    seq
                });
                if written.is_err() {
                    lock(&lanes_later).unreserve(&endpoint, bytes);
                }
                // The sender may have gone meanwhile; the event is stored all the same.
                let _ = stored.send(written);
            });
            if let Err(error) = queued {
                lane.backlog.take_away(bytes);
                return Err(error.into());
            }
        }
        Ok(outcome.await.map_err(|_| SpoolError::Closed)??)
    }

    /// The first event of an endpoint behind a number, if it is not larger than `max_bytes`. An event whose record is
    /// damaged is skipped and logged.
    pub async fn next(&self, endpoint: &EndpointName, after: u64, max_bytes: u64) -> Next {
        loop {
            let (seq, location, missed) = {
                let lanes = self.lanes();
                let waiting =
                    lanes.by_name.get(endpoint).and_then(|lane| lane.waiting.range(after + 1..).next());
                match waiting {
                    None => return Next::Empty,
                    Some((_, waiting)) if waiting.bytes > max_bytes => return Next::TooLarge,
                    Some((&seq, waiting)) => (seq, waiting.location, waiting.missed),
                }
            };
            match self.read(location).await {
                Ok(event) => return Next::Event(Box::new(Spooled { event, seq, missed })),
                Err(reason) => self.skip_damaged(endpoint, seq, location, &reason),
            }
        }
    }

    /// The client has everything up to a number, and some beyond it.
    pub fn forget(&self, endpoint: &EndpointName, up_to: u64, plus: &[u64]) {
        let mut lanes = self.lanes();
        let Some(lane) = lanes.by_name.get_mut(endpoint) else { return };
        let beyond: Vec<u64> =
            plus.iter().copied().filter(|seq| *seq > up_to && lane.waiting.contains_key(seq)).collect();
        let passed: Vec<u64> = lane.waiting.range(..=up_to).map(|(&seq, _)| seq).collect();
        let moves_on = up_to > lane.cursor;
        let mut released = Vec::new();
        if moves_on {
            lane.cursor = up_to;
            lane.marks.retain(|seq, marks| {
                let keep = *seq > up_to;
                if !keep {
                    released.extend(marks.drain(..).map(|(_, mark)| mark));
                }
                keep
            });
        }
        released.extend(passed.iter().chain(&beyond).filter_map(|&seq| lanes.take_out(endpoint, seq)));
        drop(lanes);
        for &seq in &beyond {
            self.mark(Kind::OneStored, endpoint, seq);
        }
        if moves_on {
            self.write_cursor(endpoint, up_to, released);
        } else {
            for location in released {
                self.shared.journal.release(location);
            }
        }
    }

    /// The sender of this event was told to come again.
    pub fn mark_missed(&self, endpoint: &EndpointName, seq: u64) {
        let mut lanes = self.lanes();
        let waiting = lanes.by_name.get_mut(endpoint).and_then(|lane| lane.waiting.get_mut(&seq));
        if let Some(waiting) = waiting
            && !waiting.missed
        {
            waiting.missed = true;
            drop(lanes);
            self.mark(Kind::Missed, endpoint, seq);
        }
    }

    /// What waits for the client of an endpoint.
    pub fn backlog(&self, endpoint: &EndpointName) -> Backlog {
        self.lanes().by_name.get(endpoint).map(|lane| lane.backlog).unwrap_or_default()
    }

    /// The number up to which the client of an endpoint has everything.
    pub fn cursor(&self, endpoint: &EndpointName) -> u64 {
        self.lanes().by_name.get(endpoint).map_or(0, |lane| lane.cursor)
    }

    /// The highest number given to an event of an endpoint.
    pub fn last_number(&self, endpoint: &EndpointName) -> u64 {
        self.lanes().by_name.get(endpoint).map_or(0, |lane| lane.last_seq)
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

    /// Writes cursors again that could not be written: without them their events come again, and take their room until then.
    pub fn save_cursors(&self) {
        let unsaved: Vec<(EndpointName, u64)> = {
            let lanes = self.lanes();
            let unsaved = lanes.by_name.iter().filter(|(_, lane)| lane.is_unsaved);
            unsaved.map(|(endpoint, lane)| (endpoint.clone(), lane.cursor)).collect()
        };
        for (endpoint, up_to) in unsaved {
            self.write_cursor(&endpoint, up_to, Vec::new());
        }
    }

    /// Writes what is queued and gives the directory back. Blocks.
    ///
    /// # Errors
    /// When the last records could not be written.
    pub fn close(self) -> Result<(), AppendError> {
        self.save_cursors();
        self.shared.journal.clone().close()
    }

    async fn read(&self, location: Location) -> Result<Event, String> {
        let journal = self.shared.journal.clone();
        let read = if journal.is_stepped() {
            journal.read(location)
        } else {
            let read = tokio::task::spawn_blocking(move || journal.read(location));
            read.await.map_err(|error| error.to_string())?
        };
        let record = read.map_err(|error| error.to_string())?;
        Event::from_record(record.payload).map_err(|error| error.to_string())
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

    /// Journals a mark of one event; the mark goes when the cursor has passed the event.
    fn mark(&self, kind: Kind, endpoint: &EndpointName, seq: u64) {
        let lanes = Arc::clone(&self.shared.lanes);
        let name = endpoint.clone();
        let queued = self.shared.journal.append(
            kind as u8,
            &tag::of_mark(endpoint, seq),
            Vec::new(),
            move |written| {
                if let Ok(location) = written {
                    let mut lanes = lock(&lanes);
                    let lane = lanes.by_name.entry(name).or_default();
                    lane.marks.entry(seq).or_default().push((kind, location));
                }
            },
        );
        if let Err(error) = queued {
            tracing::warn!(%endpoint, seq, %error, "a mark of an event is not on disk; after a restart the event comes again");
        }
    }

    /// Journals a cursor, then gives back what it makes needless: the events' records and the cursor before it.
    fn write_cursor(&self, endpoint: &EndpointName, up_to: u64, released: Vec<Location>) {
        let shared = Arc::clone(&self.shared.lanes);
        let journal = self.shared.journal.clone();
        let name = endpoint.clone();
        let tag = tag::of_mark(endpoint, up_to);
        let unqueued = released.clone();
        let queued = self.shared.journal.append(Kind::Cursor as u8, &tag, Vec::new(), move |written| {
            let needless = {
                let mut lanes = lock(&shared);
                let lane = lanes.by_name.entry(name).or_default();
                lane.kept_back.extend(released);
                lane.is_unsaved = written.is_err();
                let Ok(location) = written else { return };
                let before = lane.cursor_record.replace(location);
                std::mem::take(&mut lane.kept_back).into_iter().chain(before)
            };
            needless.for_each(|location| journal.release(location));
        });
        if let Err(error) = queued {
            tracing::warn!(%endpoint, up_to, %error, "a cursor is not on disk; after a restart its events come again");
            let mut lanes = self.lanes();
            let lane = lanes.by_name.entry(endpoint.clone()).or_default();
            lane.kept_back.extend(unqueued);
            lane.is_unsaved = true;
        }
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

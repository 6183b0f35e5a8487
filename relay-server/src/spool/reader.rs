//! One session's way of reading an endpoint: alone, beside others that have every event too, or among others of which each
//! event goes to one.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use inhaul_core::{
    event::{EndpointName, UnixMillis},
    wire::{Cursor, Sharing},
};
use thiserror::Error;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    Backlog, Expired, Next, Spool, Spooled, Unread,
    balance::{Take, Taker},
    lane::{Lane, Waiting},
    sharing::Client,
    writes::Changes,
};

/// Most clients of a shared endpoint, connected or not: each costs memory, and may hold events.
pub const SHARED_CLIENTS_MAX: usize = 64;

/// How long a session leaves a balanced event to another one that has less to do. That one was woken at the same time, so this is far
/// longer than it takes; should it not come, the event is not held up by more than this.
const COURTESY: Duration = Duration::from_millis(2);

/// How long to wait when the system refuses to read an event that is there.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// How often to try when the device itself fails to read: then the event is damaged, and those behind it go on.
const READ_TRIES: u32 = 60;

/// Why a session cannot read an endpoint as it wants to.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum JoinError {
    /// Other clients share it and have events kept for them.
    #[error("{others} other clients share this endpoint")]
    Shared {
        /// How many.
        others: usize,
    },
    /// It has as many clients as it may.
    #[error("this endpoint has {SHARED_CLIENTS_MAX} clients, as many as it may")]
    Full,
}

#[derive(Clone, Copy)]
enum Way {
    Alone,
    Shared(Uuid),
    /// The id stands for the session's own numbers.
    Balanced {
        taker: u64,
        numbers: Uuid,
    },
}

/// A session's place in an endpoint's events. Dropping it gives back what the session has not stored.
pub struct Reader {
    spool: Spool,
    endpoint: EndpointName,
    way: Way,
    start: u64,
    untold: Expired,
    told: AtomicBool,
    left: AtomicBool,
    joined: Option<oneshot::Receiver<()>>,
}

/// What a reader reads next: its number, the spool's, and where it is.
enum Picked {
    Event(u64, u64, Waiting),
    /// It is for another session, unless that does not take it soon.
    Leave,
    Empty,
    TooLarge,
}

impl Spool {
    /// Gives a session its place in an endpoint's events. `resume` is how far the client says it has stored.
    ///
    /// # Errors
    /// When the events are kept for clients that share, and this one does not, or there are too many of them.
    pub fn join(
        &self,
        endpoint: &EndpointName,
        client: Uuid,
        sharing: Option<Sharing>,
        resume: Option<Cursor>,
    ) -> Result<Reader, JoinError> {
        let resume = resume.filter(|resume| resume.spool == self.id()).map(|resume| resume.up_to);
        let (seconds, time) = self.now();
        let mut lanes = self.lanes();
        let lane = lanes.by_name.entry(endpoint.clone()).or_default();
        let is_on_disk = lane.clients.get(&client).is_some_and(Client::holds_on_disk);
        let (changes, way) = match sharing {
            Some(Sharing::Share) => (lane.join_shared(client, resume, seconds, time)?, Way::Shared(client)),
            Some(Sharing::Balance) => {
                let changes = lane.join_alone(client)?;
                let taker = self.next_taker();
                lane.takers.insert(taker, Taker::default());
                (changes, Way::Balanced { taker, numbers: Uuid::now_v7() })
            }
            Some(Sharing::Other) | None => {
                let mut changes = lane.join_alone(client)?;
                if let Some(up_to) = resume {
                    changes.append(lane.stored(up_to.min(lane.last_seq), &[]));
                }
                (changes, Way::Alone)
            }
        };
        let (start, untold) = match way {
            Way::Alone => (lane.cursor, lane.expired),
            Way::Balanced { .. } => (0, lane.expired),
            Way::Shared(client) => lane
                .clients
                .get(&client)
                .map_or((lane.cursor, lane.expired), |known| (known.up_to(), known.expired)),
        };
        drop(lanes);
        let joined = if matches!(way, Way::Shared(_)) && !is_on_disk {
            Some(self.carry_out_noting(endpoint, changes))
        } else {
            self.carry_out(endpoint, changes);
            None
        };
        let endpoint = endpoint.clone();
        let (told, left) = (AtomicBool::new(untold.events == 0), AtomicBool::new(false));
        Ok(Reader { spool: self.clone(), endpoint, way, start, untold, told, left, joined })
    }

    /// Seconds the relay has run, and the time of day.
    fn now(&self) -> (u32, UnixMillis) {
        let lanes = self.lanes();
        (lanes.clock.seconds(), lanes.clock.time)
    }

    /// Whether a client may read an endpoint so, without doing it.
    ///
    /// # Errors
    /// As [`Spool::join`].
    pub fn may_join(
        &self,
        endpoint: &EndpointName,
        client: Uuid,
        sharing: Option<Sharing>,
    ) -> Result<(), JoinError> {
        let lanes = self.lanes();
        let others = lanes.by_name.get(endpoint).map_or(0, |lane| lane.other_holders(client));
        if others > 0 && sharing != Some(Sharing::Share) { Err(JoinError::Shared { others }) } else { Ok(()) }
    }
}

impl Reader {
    /// The endpoint.
    pub fn endpoint(&self) -> &EndpointName {
        &self.endpoint
    }

    /// The client has everything up to this number.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Of which spool its numbers are.
    pub fn numbers_of(&self) -> Uuid {
        match self.way {
            Way::Alone | Way::Shared(_) => self.spool.id(),
            Way::Balanced { numbers, .. } => numbers,
        }
    }

    /// For a client that is new among those that share: comes when its place is on the disk, or was not taken by it. Before that, another start
    /// of the relay would not know that events are to be kept for it.
    pub fn joined(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let joined = self.joined.take()?;
        // Without a word, the spool is closed.
        Some(async move { drop(joined.await) })
    }

    /// What expired, and was told to no client, when the session began.
    pub fn expired(&self) -> Option<Expired> {
        (self.untold.events > 0).then_some(self.untold)
    }

    /// The client was told what expired; saying so once more changes nothing.
    pub fn told(&self) {
        if self.told.swap(true, Ordering::AcqRel) {
            return;
        }
        let told = self.untold.events;
        let changes = self.change(|lane| {
            let write = match self.way {
                Way::Alone | Way::Balanced { .. } => {
                    lane.expired.told(told);
                    Some(lane.expired_state())
                }
                Way::Shared(client) => {
                    if let Some(known) = lane.clients.get_mut(&client) {
                        known.expired.told(told);
                    }
                    lane.client_state(client)
                }
            };
            Changes { writes: write.into_iter().collect(), released: Vec::new() }
        });
        self.spool.carry_out(&self.endpoint, changes);
    }

    /// What waits for this client.
    pub fn backlog(&self) -> Backlog {
        let lanes = self.spool.lanes();
        let lane = lanes.by_name.get(&self.endpoint);
        lane.map(|lane| match self.way {
            Way::Alone => lane.backlog,
            Way::Shared(client) => lane.backlog_of(client),
            Way::Balanced { .. } => lane.free_backlog(),
        })
        .unwrap_or_default()
    }

    /// The first event behind a number, if it is not larger than `max_bytes`. An event whose record is damaged is skipped and
    /// logged; while the system refuses to read one, it is tried again. Balanced events have their numbers from here, so for them `after` counts for nothing.
    pub fn next(&self, after: u64, max_bytes: u64) -> impl Future<Output = Next> + Send + use<> {
        let (spool, endpoint, way) = (self.spool.clone(), self.endpoint.clone(), self.way);
        async move {
            let (mut courteous, mut tries) = (true, 0);
            loop {
                let picked = {
                    let mut lanes = spool.lanes();
                    let lane = lanes.by_name.get_mut(&endpoint);
                    lane.map_or(Picked::Empty, |lane| pick(lane, way, after, max_bytes, courteous))
                };
                let (number, seq, Waiting { location, missed, .. }) = match picked {
                    Picked::Event(number, seq, waiting) => (number, seq, waiting),
                    Picked::Empty => return Next::Empty,
                    Picked::TooLarge => return Next::TooLarge,
                    Picked::Leave => {
                        tokio::time::sleep(COURTESY).await;
                        courteous = false;
                        continue;
                    }
                };
                match spool.read(location).await {
                    Ok(event) => return Next::Event(Box::new(Spooled { event, seq: number, missed })),
                    Err(unread) => {
                        if let Way::Balanced { taker, .. } = way
                            && let Some(lane) = spool.lanes().by_name.get_mut(&endpoint)
                        {
                            lane.untake(taker, number);
                        }
                        match unread {
                            Unread::Damaged(reason) => spool.skip_damaged(&endpoint, seq, location, &reason),
                            Unread::Later(error) if is_of_the_medium(&error) && tries >= READ_TRIES => {
                                spool.skip_damaged(&endpoint, seq, location, &error.to_string());
                            }
                            Unread::Later(error) => {
                                if tries == 0 {
                                    tracing::error!(%endpoint, seq, %error, "a stored event cannot be read now");
                                }
                                tries += 1;
                                tokio::time::sleep(READ_AGAIN).await;
                                continue;
                            }
                        }
                        tries = 0;
                    }
                }
            }
        }
    }

    /// Whether the sender of an event that waits, of this number, was told to come again.
    pub fn is_missed(&self, number: u64) -> bool {
        let lanes = self.spool.lanes();
        lanes.by_name.get(&self.endpoint).is_some_and(|lane| {
            let seq = match self.way {
                Way::Alone | Way::Shared(_) => Some(number),
                Way::Balanced { taker, .. } => lane.taken_as(taker, number),
            };
            seq.and_then(|seq| lane.waiting.get(&seq)).is_some_and(|waiting| waiting.missed)
        })
    }

    /// The client has everything up to a number, and some beyond it.
    pub fn stored(&self, up_to: u64, plus: &[u64]) {
        let changes = self.change(|lane| match self.way {
            Way::Alone => lane.stored(up_to, plus),
            Way::Shared(client) => lane.stored_by(client, up_to, plus),
            Way::Balanced { taker, .. } => lane.stored_of(taker, up_to, plus),
        });
        self.spool.carry_out(&self.endpoint, changes);
    }

    /// The session has ended. True when there are events for other sessions because of that.
    pub fn leave(&self) -> bool {
        if self.left.swap(true, Ordering::AcqRel) {
            return false;
        }
        match self.way {
            Way::Alone => false,
            Way::Balanced { taker, .. } => self.change(|lane| lane.give_back(taker)),
            Way::Shared(client) => {
                let (seconds, time) = self.spool.now();
                let changes = self.change(|lane| lane.leave_shared(client, seconds, time));
                self.spool.carry_out(&self.endpoint, changes);
                false
            }
        }
    }

    fn change<T: Default>(&self, change: impl FnOnce(&mut Lane) -> T) -> T {
        let mut lanes = self.spool.lanes();
        lanes.by_name.get_mut(&self.endpoint).map(|lane| change(lane)).unwrap_or_default()
    }
}

fn is_of_the_medium(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.leave();
    }
}

fn pick(lane: &mut Lane, way: Way, after: u64, max_bytes: u64, courteous: bool) -> Picked {
    let behind = after.saturating_add(1)..;
    let next = match way {
        Way::Alone => lane.waiting.range(behind).next(),
        Way::Shared(client) => match lane.clients.get(&client) {
            Some(known) => lane.waiting.range(behind).find(|(seq, _)| known.needs(**seq)),
            None => None,
        },
        Way::Balanced { taker, .. } => {
            return match lane.take(taker, max_bytes, courteous) {
                Take::Event { number, seq, waiting } => Picked::Event(number, seq, waiting),
                Take::Nothing => Picked::Empty,
                Take::Leave => Picked::Leave,
                Take::TooLarge => Picked::TooLarge,
            };
        }
    };
    match next {
        None => Picked::Empty,
        Some((_, waiting)) if waiting.bytes > max_bytes => Picked::TooLarge,
        Some((&seq, &waiting)) => Picked::Event(seq, seq, waiting),
    }
}

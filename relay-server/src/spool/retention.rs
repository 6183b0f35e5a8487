//! How long events are kept: the clock that counts, and what is too old.
//!
//! Only the time in which the relay runs counts. An event that nobody could fetch, because the relay was down, does not grow
//! older by that; and a clock of the machine that is set, or jumps, by years makes no event older than it is.

use std::time::{Duration, Instant};

use inhaul_core::event::{EndpointName, UnixMillis};
use uuid::Uuid;

use super::{
    Backlog, Expired, Spool,
    lane::{Lane, Waiting},
    sharing::Client,
    tag::Standing,
    writes::{Changes, Latest},
};

/// Longest time between two looks at the clock that counts. The relay looks each second; between two looks that are further
/// apart the process was stopped, or the machine's own count of time jumped.
const LONGEST_STEP: Duration = Duration::from_secs(60);

/// Longest time between two records of the clock, which is what a crash can take away from the age of events.
const RECORD_AT_LEAST: Duration = Duration::from_secs(300);

/// Longest time between two looks for events that are too old.
const SWEEP_AT_LEAST: Duration = Duration::from_secs(600);

/// Longest time between two records of a client that stays connected.
const SEEN_AT_LEAST: Duration = Duration::from_secs(3600);

const SHORTEST: Duration = Duration::from_secs(1);

/// The time the relay has run, over all its runs.
#[derive(Default)]
pub(super) struct Clock {
    running: Duration,
    looked: Option<Instant>,
    /// The time of day, for people.
    pub(super) time: UnixMillis,
    pub(super) record: Latest,
    recorded: Duration,
    next_sweep: Duration,
}

impl Clock {
    /// It has run for so many seconds at least, as a record says.
    pub(super) fn at_least(&mut self, seconds: u32) {
        self.running = self.running.max(Duration::from_secs(u64::from(seconds)));
    }

    pub(super) fn advance(&mut self, now: Instant, time: UnixMillis) {
        let step = self.looked.map(|looked| now.saturating_duration_since(looked)).unwrap_or_default();
        self.looked = Some(now);
        self.running += step.min(LONGEST_STEP);
        self.time = time;
    }

    /// Whole seconds it has run.
    pub(super) fn seconds(&self) -> u32 {
        u32::try_from(self.running.as_secs()).unwrap_or(u32::MAX)
    }

    /// What an event stored now is marked with; not before now, so that no event goes early.
    pub(super) fn stamp(&self) -> u32 {
        self.seconds().saturating_add(1)
    }

    /// Whether it is to be journalled, which the caller then does.
    pub(super) fn is_record_due(&mut self, retention: Option<Duration>) -> bool {
        let due = self.running >= self.recorded + part_of(retention, 16, RECORD_AT_LEAST);
        if due {
            self.recorded = self.running;
        }
        due
    }

    /// Whether events that are too old are to be looked for, which the caller then does.
    pub(super) fn is_sweep_due(&mut self, retention: Duration) -> bool {
        let due = self.running >= self.next_sweep;
        if due {
            self.next_sweep = self.running + part_of(Some(retention), 100, SWEEP_AT_LEAST);
        }
        due
    }

    /// What was stored in this second or before is too old now.
    pub(super) fn too_old(&self, retention: Duration) -> Option<u32> {
        let limit = self.running.checked_sub(retention)?;
        u32::try_from(limit.as_secs()).ok()
    }
}

/// Events the spool has dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// How many, and their size.
    pub backlog: Backlog,
    /// Why.
    pub why: Why,
}

/// Why events were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// They waited longer than the retention.
    Expired {
        /// When the oldest was received.
        since: UnixMillis,
    },
    /// They waited for a client that was away for longer than the retention, and for nobody else.
    Lapsed {
        /// The client.
        client: Uuid,
    },
}

impl Spool {
    /// Time has passed. Drops what waited longer than `retention`, for ever when there is none; returns what was dropped. To be
    /// called each second, with the time that counts and the time of day for people.
    pub fn tick(
        &self,
        now: Instant,
        time: UnixMillis,
        retention: Option<Duration>,
    ) -> Vec<(EndpointName, Dropped)> {
        let mut all = Vec::new();
        let mut dropped = Vec::new();
        let mut lanes = self.lanes();
        let lanes_now = &mut *lanes;
        lanes_now.clock.advance(now, time);
        let record_due = lanes_now.clock.is_record_due(retention);
        let seconds = lanes_now.clock.seconds();
        let swept = retention.filter(|retention| lanes_now.clock.is_sweep_due(*retention));
        let too_old = swept.and_then(|retention| lanes_now.clock.too_old(retention));
        for (endpoint, lane) in &mut lanes_now.by_name {
            let mut changes = lane.see_connected(seconds, time, retention);
            if let Some(too_old) = too_old {
                let aged = lane.expire(too_old, time);
                changes.append(aged.changes);
                if let Some(since) = aged.since {
                    let why = Why::Expired { since };
                    dropped.push((endpoint.clone(), Dropped { backlog: aged.dropped, why }));
                }
                for (client, lapsed, backlog) in lane.lapse(too_old) {
                    changes.append(lapsed);
                    dropped.push((endpoint.clone(), Dropped { backlog, why: Why::Lapsed { client } }));
                }
            }
            if !changes.is_empty() {
                all.push((endpoint.clone(), changes));
            }
        }
        drop(lanes);
        for (endpoint, changes) in all {
            self.carry_out(&endpoint, changes);
        }
        if record_due {
            self.write_clock();
        }
        dropped
    }
}

fn part_of(retention: Option<Duration>, parts: u32, at_least: Duration) -> Duration {
    retention.map_or(at_least, |retention| (retention / parts).clamp(SHORTEST, at_least))
}

/// What became too old at one endpoint.
#[derive(Default)]
pub(super) struct Aged {
    pub(super) changes: Changes,
    pub(super) dropped: Backlog,
    /// When the oldest of it was received.
    pub(super) since: Option<UnixMillis>,
}

impl Lane {
    /// Drops events that were stored in a second or before it; clients are told at their next WELCOME.
    pub(super) fn expire(&mut self, too_old: u32, now: UnixMillis) -> Aged {
        let mut aged = Aged::default();
        let mut last = None;
        while let Some((&seq, waiting)) = self.waiting.first_key_value()
            && waiting.kept_since <= too_old
        {
            let received = Waiting::received_ms(waiting.id).map_or(now, UnixMillis);
            aged.since = Some(aged.since.map_or(received, |since| since.min(received)));
            aged.dropped.add(waiting.bytes);
            if self.is_shared() {
                for client in self.clients.values_mut().filter(|client| client.needs(seq)) {
                    client.expired.add(1, received);
                }
            } else {
                self.expired.add(1, received);
            }
            self.take_out(seq, &mut aged.changes.released);
            last = Some(seq);
        }
        if let Some(last) = last {
            self.pass_expired(last, &mut aged.changes);
        }
        aged
    }

    /// Moves the cursors behind events that are dropped.
    fn pass_expired(&mut self, last: u64, changes: &mut Changes) {
        if !self.is_shared() {
            self.move_cursor(last, changes);
            changes.writes.push(self.expired_state());
            return;
        }
        let behind = self.clients.iter().filter(|(_, client)| client.holds() && client.up_to() < last);
        let behind: Vec<Uuid> = behind.map(|(&id, _)| id).collect();
        for id in behind {
            if let Some(client) = self.clients.get_mut(&id) {
                client.pass(last);
            }
            changes.writes.extend(self.client_state(id));
        }
    }

    /// Clients that share and were not seen since a second, or before it, hold nothing any more.
    pub(super) fn lapse(&mut self, too_old: u32) -> Vec<(Uuid, Changes, Backlog)> {
        let is_away = |client: &Client| client.holds() && client.sessions == 0 && client.seen < too_old;
        let away: Vec<Uuid> =
            self.clients.iter().filter(|(_, client)| is_away(client)).map(|(&id, _)| id).collect();
        let let_go = |id| {
            let (changes, dropped) = self.let_go(id, Standing::Lapsed);
            (id, changes, dropped)
        };
        away.into_iter().map(let_go).collect()
    }

    /// Notes that clients that share are connected, once in a while.
    pub(super) fn see_connected(
        &mut self,
        seconds: u32,
        at: UnixMillis,
        retention: Option<Duration>,
    ) -> Changes {
        let every = part_of(retention, 16, SEEN_AT_LEAST).as_secs();
        let due: Vec<Uuid> = self
            .clients
            .iter_mut()
            .filter(|(_, client)| {
                client.sessions > 0 && u64::from(seconds.saturating_sub(client.seen)) >= every
            })
            .map(|(&id, client)| {
                client.see(seconds, at);
                id
            })
            .collect();
        let writes = due.into_iter().filter_map(|id| self.client_state(id)).collect();
        Changes { writes, released: Vec::new() }
    }
}

impl Expired {
    pub(super) fn add(&mut self, events: u64, since: UnixMillis) {
        if events > 0 {
            self.since = if self.events == 0 { since } else { self.since.min(since) };
            self.events += events;
        }
    }

    /// So much of it was told.
    pub(super) fn told(&mut self, events: u64) {
        self.events = self.events.saturating_sub(events);
        if self.events == 0 {
            *self = Self::default();
        }
    }
}

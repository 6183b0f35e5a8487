//! One endpoint's events: those that wait, the one cursor of clients that do not share, and the backlog.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use inhaul_core::event::{EndpointName, EventId};
use inhaul_journal::Location;
use uuid::Uuid;

use super::{
    Backlog, BacklogLimits, Expired, SpoolError,
    balance::Taker,
    sharing::Client,
    tag::Kind,
    writes::{Changes, Latest, Write},
};

#[derive(Default)]
pub(super) struct Lane {
    /// The highest number given to an event.
    pub(super) last_seq: u64,
    /// The highest number of an event that is on the disk.
    pub(super) last_written: u64,
    /// Nobody needs what is up to here.
    pub(super) cursor: u64,
    pub(super) cursor_record: Latest,
    pub(super) waiting: BTreeMap<u64, Waiting>,
    /// Marks of single events, released with the event.
    pub(super) marks: BTreeMap<u64, Vec<(Kind, Location)>>,
    pub(super) backlog: Backlog,
    /// Counts the states that were journalled: of two records of one thing, the later one counts.
    pub(super) revision: u64,
    /// Clients that share the endpoint, or did.
    pub(super) clients: BTreeMap<Uuid, Client>,
    /// Sessions among which the events are balanced.
    pub(super) takers: HashMap<u64, Taker>,
    /// Numbers the takers have.
    pub(super) taken: BTreeSet<u64>,
    /// Events the takers took so far.
    pub(super) taken_in_all: u64,
    /// Every number below that waits is taken.
    pub(super) free_from: u64,
    /// What expired and was not told to any client yet.
    pub(super) expired: Expired,
    pub(super) revision_of_expired: u64,
    pub(super) expired_record: Latest,
}

/// An event that waits.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    pub(super) location: Location,
    pub(super) id: EventId,
    pub(super) bytes: u64,
    pub(super) missed: bool,
    /// Seconds the relay had run when it was stored.
    pub(super) kept_since: u32,
}

impl Backlog {
    pub(super) fn take_away(&mut self, bytes: u64) {
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.events += 1;
        self.bytes += bytes;
    }
}

impl Lane {
    pub(super) fn reserve(
        &mut self,
        endpoint: &EndpointName,
        bytes: u64,
        limits: BacklogLimits,
    ) -> Result<(), SpoolError> {
        let Backlog { events, bytes: waiting } = self.backlog;
        if events >= limits.events || waiting.saturating_add(bytes) > limits.bytes {
            return Err(SpoolError::Backlog { endpoint: endpoint.clone(), events, bytes: waiting });
        }
        self.backlog.add(bytes);
        Ok(())
    }

    pub(super) fn written(&mut self, seq: u64, waiting: Waiting, released: &mut Vec<Location>) {
        self.last_written = self.last_written.max(seq);
        if self.is_needed(seq) {
            self.waiting.insert(seq, waiting);
        } else {
            self.backlog.take_away(waiting.bytes);
            released.push(waiting.location);
        }
    }

    /// Whether some client, or whichever comes next, has yet to store this number.
    pub(super) fn is_needed(&self, seq: u64) -> bool {
        if self.is_shared() {
            self.clients.values().any(|client| client.needs(seq))
        } else {
            seq > self.cursor
        }
    }

    /// The one cursor moves on: what it passes is needed no more.
    pub(super) fn advance(&mut self, up_to: u64, released: &mut Vec<Location>) {
        self.cursor = self.cursor.max(up_to);
        let later = self.marks.split_off(&(self.cursor + 1));
        let passed = std::mem::replace(&mut self.marks, later);
        released.extend(passed.into_values().flatten().map(|(_, mark)| mark));
        let passed: Vec<u64> = self.waiting.range(..=self.cursor).map(|(&seq, _)| seq).collect();
        for seq in passed {
            self.take_out(seq, released);
        }
    }

    /// The one client has everything up to a number, and some beyond it.
    pub(super) fn stored(&mut self, up_to: u64, plus: &[u64]) -> Changes {
        let mut changes = Changes::default();
        // The endpoint is shared by now, and whoever had it alone is on its way out.
        if self.is_shared() {
            return changes;
        }
        let is_beyond = |seq: &u64| *seq > up_to.max(self.cursor) && self.waiting.contains_key(seq);
        let beyond: Vec<u64> = plus.iter().copied().filter(is_beyond).collect();
        for &seq in &beyond {
            self.take_out(seq, &mut changes.released);
            changes.writes.push(Write::OneStored(seq));
        }
        self.move_cursor(up_to, &mut changes);
        changes
    }

    /// Moves the one cursor on, if that is what it means.
    pub(super) fn move_cursor(&mut self, up_to: u64, changes: &mut Changes) {
        if up_to > self.cursor {
            self.advance(up_to, &mut changes.released);
            changes.writes.push(Write::Cursor(up_to));
        }
    }

    /// Removes a waiting event, and the mark that it was missed; their records are added to `released`.
    pub(super) fn take_out(&mut self, seq: u64, released: &mut Vec<Location>) -> Option<Waiting> {
        let waiting = self.waiting.remove(&seq)?;
        self.backlog.take_away(waiting.bytes);
        self.taken.remove(&seq);
        released.push(waiting.location);
        if let Some(marks) = self.marks.get_mut(&seq) {
            released.extend(marks.extract_if(.., |(kind, _)| *kind == Kind::Missed).map(|(_, mark)| mark));
            if marks.is_empty() {
                self.marks.remove(&seq);
            }
        }
        Some(waiting)
    }

    /// The state of what expired, to be journalled.
    pub(super) fn expired_state(&mut self) -> Write {
        self.revision += 1;
        self.revision_of_expired = self.revision;
        Write::Expired(self.revision, self.expired)
    }

    pub(super) fn recover_event(&mut self, seq: u64, mut waiting: Waiting, released: &mut Vec<Location>) {
        self.last_seq = self.last_seq.max(seq);
        let marked =
            |kind| self.marks.get(&seq).is_some_and(|marks| marks.iter().any(|(mark, _)| *mark == kind));
        if seq <= self.cursor || marked(Kind::OneStored) {
            released.push(waiting.location);
            return;
        }
        waiting.missed |= marked(Kind::Missed);
        self.backlog.add(waiting.bytes);
        if let Some(twice) = self.waiting.insert(seq, waiting) {
            self.backlog.take_away(twice.bytes);
            released.push(twice.location);
        }
    }

    pub(super) fn keep_mark(&mut self, seq: u64, mark: (Kind, Location), released: &mut Vec<Location>) {
        // The event's record may be gone; its number is not given again.
        self.last_seq = self.last_seq.max(seq);
        if seq <= self.cursor {
            released.push(mark.1);
        } else {
            self.marks.entry(seq).or_default().push(mark);
        }
    }

    pub(super) fn recovered(&mut self, released: &mut Vec<Location>) {
        self.last_written = self.last_seq;
        if !self.is_shared() {
            return;
        }
        let needless: Vec<u64> = self.waiting.keys().copied().filter(|&seq| !self.is_needed(seq)).collect();
        for seq in needless {
            self.take_out(seq, released);
        }
    }
}

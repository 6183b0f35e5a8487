//! Clients among which the events of an endpoint are balanced: they share the one cursor, and each event goes to one of them.
//!
//! A session's events have numbers of its own, growing as the protocol wants them, for an event that another session gave back
//! has a lower number in the spool than those that came after it.

use std::collections::BTreeMap;

use super::{
    Backlog,
    lane::{Lane, Waiting},
    writes::{Changes, Write},
};

/// One session and what it has taken.
#[derive(Default)]
pub(super) struct Taker {
    last_number: u64,
    /// When it took its last event, counted in events taken by all.
    took_at: u64,
    /// It found nothing when it looked last, and waits for more.
    waits: bool,
    /// The numbers in the spool behind the session's own.
    taken: BTreeMap<u64, u64>,
}

/// What a session takes next.
pub(super) enum Take {
    /// An event: the session's number for it, the spool's, and where it is.
    Event { number: u64, seq: u64, waiting: Waiting },
    /// All that waits is taken.
    Nothing,
    /// There is an event, and another session that waits has less to do than this one.
    Leave,
    /// It is larger than asked for.
    TooLarge,
}

impl Taker {
    /// Who has less of it is served first: by what is not stored yet, then by who was served longest ago.
    fn load(&self) -> (usize, u64) {
        (self.taken.len(), self.took_at)
    }
}

impl Lane {
    /// Gives the session the first event nobody has, or leaves it to a session that has less to do, if this one is `courteous`.
    pub(super) fn take(&mut self, taker: u64, max_bytes: u64, courteous: bool) -> Take {
        let least = self.takers.values().filter(|taker| taker.waits).map(Taker::load).min();
        let Some(taker) = self.takers.get_mut(&taker) else { return Take::Nothing };
        taker.waits = false;
        let free = self.waiting.range(self.free_from..).find(|(seq, _)| !self.taken.contains(seq));
        match free {
            None => {
                taker.waits = true;
                Take::Nothing
            }
            Some((_, waiting)) if waiting.bytes > max_bytes => Take::TooLarge,
            Some(_) if courteous && least.is_some_and(|least| least < taker.load()) => Take::Leave,
            Some((&seq, &waiting)) => {
                self.taken_in_all += 1;
                taker.took_at = self.taken_in_all;
                taker.last_number += 1;
                taker.taken.insert(taker.last_number, seq);
                self.taken.insert(seq);
                self.free_from = seq + 1;
                Take::Event { number: taker.last_number, seq, waiting }
            }
        }
    }

    /// The session's client has everything of its own up to a number, and some beyond it.
    pub(super) fn stored_of(&mut self, taker: u64, up_to: u64, plus: &[u64]) -> Changes {
        let mut changes = Changes::default();
        let Some(taker) = self.takers.get_mut(&taker) else { return changes };
        let later = taker.taken.split_off(&up_to.saturating_add(1));
        let mut stored: Vec<u64> = std::mem::replace(&mut taker.taken, later).into_values().collect();
        stored.extend(plus.iter().filter_map(|number| taker.taken.remove(number)));
        for seq in &stored {
            self.take_out(*seq, &mut changes.released);
        }
        let passed = self.waiting.keys().next().map_or(self.last_written, |first| first - 1);
        let beyond = stored.into_iter().filter(|seq| *seq > passed);
        changes.writes.extend(beyond.map(Write::OneStored));
        self.move_cursor(passed, &mut changes);
        changes
    }

    /// The session ends: what its client has not stored goes to another. True when there is such.
    pub(super) fn give_back(&mut self, taker: u64) -> bool {
        let Some(taker) = self.takers.remove(&taker) else { return false };
        let mut given = false;
        for seq in taker.taken.into_values() {
            given |= self.is_free_again(seq);
        }
        given
    }

    /// The spool's number of an event that a session has taken.
    pub(super) fn taken_as(&self, taker: u64, number: u64) -> Option<u64> {
        self.takers.get(&taker)?.taken.get(&number).copied()
    }

    /// An event that was taken could not be read where it was: it is nobody's again, wherever it is now.
    pub(super) fn untake(&mut self, taker: u64, number: u64) {
        let seq = self.takers.get_mut(&taker).and_then(|taker| taker.taken.remove(&number));
        if let Some(seq) = seq {
            self.is_free_again(seq);
        }
    }

    fn is_free_again(&mut self, seq: u64) -> bool {
        self.free_from = self.free_from.min(seq);
        self.taken.remove(&seq)
    }

    /// What waits and is nobody's yet.
    pub(super) fn free_backlog(&self) -> Backlog {
        let mut backlog = self.backlog;
        for waiting in self.taken.iter().filter_map(|seq| self.waiting.get(seq)) {
            backlog.take_away(waiting.bytes);
        }
        backlog
    }
}

//! Clients that share an endpoint: each has a cursor of its own, and an event goes when all of them have passed it.
//!
//! The first client to share has everything that waits; one that comes later begins with the next event. A cursor holds
//! events until its client has them, they expire, or the client lapses: it was away for longer than the retention. When the last
//! cursor goes, its place becomes that of the one cursor, so what waited for it waits for whichever client comes next.

use std::collections::BTreeSet;

use inhaul_core::event::{EndpointName, UnixMillis};
use inhaul_journal::Location;
use thiserror::Error;
use uuid::Uuid;

use super::{
    Backlog, Expired, JoinError, SHARED_CLIENTS_MAX, Spool,
    lane::{Lane, Waiting},
    tag::{ClientRecord, Standing},
    writes::{Changes, Latest, Write},
};

/// One client that shares the endpoint, or did.
pub(super) struct Client {
    pub(super) standing: Standing,
    up_to: u64,
    /// Stored beyond that. Not journalled: after a restart these come again, and the client knows them.
    beyond: BTreeSet<u64>,
    pub(super) revision: u64,
    /// The revision of its first record since it holds events.
    holds_from: u64,
    pub(super) record: Latest,
    /// How many of its sessions are here now: two while one takes over from the other.
    pub(super) sessions: u32,
    /// Seconds the relay had run when it was last connected.
    pub(super) seen: u32,
    pub(super) seen_at: UnixMillis,
    pub(super) expired: Expired,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            standing: Standing::Left,
            up_to: 0,
            beyond: BTreeSet::new(),
            revision: 0,
            holds_from: 0,
            record: Latest::default(),
            sessions: 0,
            seen: 0,
            seen_at: UnixMillis(0),
            expired: Expired::default(),
        }
    }
}

impl Client {
    pub(super) fn holds(&self) -> bool {
        self.standing == Standing::Holds
    }

    /// Whether it holds events after another start too.
    pub(super) fn holds_on_disk(&self) -> bool {
        self.holds() && self.record.reaches(self.holds_from)
    }

    /// Whether it has yet to store this number.
    pub(super) fn needs(&self, seq: u64) -> bool {
        self.holds() && seq > self.up_to && !self.beyond.contains(&seq)
    }

    pub(super) fn up_to(&self) -> u64 {
        self.up_to
    }

    pub(super) fn restore(&mut self, record: &ClientRecord) {
        let ClientRecord { up_to, revision, standing, seen, seen_at, expired } = *record;
        (self.up_to, self.revision, self.standing) = (up_to, revision, standing);
        (self.seen, self.seen_at, self.expired) = (seen, seen_at, expired);
    }

    pub(super) fn see(&mut self, seen: u32, at: UnixMillis) {
        (self.seen, self.seen_at) = (seen, at);
    }

    pub(super) fn pass(&mut self, up_to: u64) {
        self.up_to = self.up_to.max(up_to);
        self.beyond = self.beyond.split_off(&(self.up_to + 1));
    }
}

/// What an operator sees of a client that shares an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedClient {
    /// The endpoint.
    pub endpoint: EndpointName,
    /// The client.
    pub client: Uuid,
    /// Whether it is here now.
    pub connected: bool,
    /// What waits for it.
    pub backlog: Backlog,
    /// When it was last connected.
    pub seen_at: UnixMillis,
}

/// Why a client was not removed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RemoveError {
    /// No events are kept for it.
    #[error("no events are kept for this client")]
    Unknown,
    /// It would be back at once, as a new client.
    #[error("the client is connected")]
    Connected,
}

impl Spool {
    /// Every client that shares an endpoint and has events kept for it.
    pub fn shared_clients(&self) -> Vec<SharedClient> {
        let lanes = self.lanes();
        let holding = |(endpoint, lane): (&EndpointName, &Lane)| {
            let shown = lane.backlogs().into_iter().map(|(client, known, backlog)| SharedClient {
                endpoint: endpoint.clone(),
                client,
                connected: known.sessions > 0,
                backlog,
                seen_at: known.seen_at,
            });
            shown.collect::<Vec<_>>()
        };
        lanes.by_name.iter().map(|(endpoint, lane)| (endpoint, &**lane)).flat_map(holding).collect()
    }

    /// Keeps no events for a client any more; returns those that waited for nobody else and are gone.
    ///
    /// # Errors
    /// When none are kept for it, or it is connected.
    pub fn remove_client(&self, endpoint: &EndpointName, client: Uuid) -> Result<Backlog, RemoveError> {
        let mut lanes = self.lanes();
        let lane = lanes.by_name.get_mut(endpoint).ok_or(RemoveError::Unknown)?;
        let known = lane.clients.get(&client).filter(|known| known.holds());
        if known.ok_or(RemoveError::Unknown)?.sessions > 0 {
            return Err(RemoveError::Connected);
        }
        let (changes, gone) = lane.let_go(client, Standing::Left);
        drop(lanes);
        self.carry_out(endpoint, changes);
        Ok(gone)
    }
}

impl Lane {
    /// Whether clients have cursors of their own.
    pub(super) fn is_shared(&self) -> bool {
        self.clients.values().any(Client::holds)
    }

    /// Clients that hold events and are not this one.
    pub(super) fn other_holders(&self, client: Uuid) -> usize {
        self.clients.iter().filter(|(id, other)| **id != client && other.holds()).count()
    }

    /// A client that does not share wants the endpoint: nobody else may hold events, and its own cursor becomes the one cursor.
    pub(super) fn join_alone(&mut self, client: Uuid) -> Result<Changes, JoinError> {
        let others = self.other_holders(client);
        if others > 0 {
            return Err(JoinError::Shared { others });
        }
        let (mut changes, _) = self.let_go(client, Standing::Left);
        let untold = self.clients.get_mut(&client).map(|known| std::mem::take(&mut known.expired));
        if let Some(untold) = untold.filter(|untold| untold.events > 0) {
            self.expired.add(untold.events, untold.since);
            changes.writes.push(self.expired_state());
            changes.writes.extend(self.client_state(client));
        }
        Ok(changes)
    }

    /// A client shares the endpoint from now on. `resume` is how far it has stored, when it knows.
    pub(super) fn join_shared(
        &mut self,
        client: Uuid,
        resume: Option<u64>,
        seen: u32,
        at: UnixMillis,
    ) -> Result<Changes, JoinError> {
        let (mut changes, mut handed_over) = (Changes::default(), None);
        if self.clients.get(&client).is_some_and(Client::holds) {
            if let Some(up_to) = resume {
                changes = self.stored_by(client, up_to, &[]);
            }
        } else {
            self.make_room(client, &mut changes.released)?;
            let (alone, last_seq, cursor) = (!self.is_shared(), self.last_seq, self.cursor);
            // Another start would not know the others: what waits must be kept by this one.
            let first = !self.clients.values().any(Client::holds_on_disk);
            let begin = match (resume, first) {
                (Some(up_to), _) => up_to.min(last_seq).max(cursor),
                (None, true) => cursor,
                (None, false) => last_seq,
            };
            let known = self.clients.entry(client).or_default();
            if known.standing == Standing::Lapsed && resume.is_none() && !first {
                // Nothing was kept for it meanwhile.
                known.expired.add(last_seq.saturating_sub(known.up_to), known.seen_at);
            }
            known.standing = Standing::Holds;
            known.holds_from = self.revision + 1;
            known.up_to = begin;
            known.beyond.clear();
            if first && self.expired.events > 0 {
                // It is the client that comes next.
                known.expired.add(self.expired.events, self.expired.since);
                self.expired = Expired::default();
                handed_over = Some(self.expired_state());
            }
            let needless: Vec<u64> =
                self.waiting.keys().copied().take_while(|&seq| alone && seq <= begin).collect();
            for seq in needless {
                self.take_out(seq, &mut changes.released);
            }
        }
        if let Some(known) = self.clients.get_mut(&client) {
            known.sessions += 1;
            known.see(seen, at);
        }
        changes.writes.extend(self.client_state(client));
        // Behind it: what is told twice is better than what is not told.
        changes.writes.extend(handed_over);
        Ok(changes)
    }

    /// A session of a client that shares has ended.
    pub(super) fn leave_shared(&mut self, client: Uuid, seen: u32, at: UnixMillis) -> Changes {
        if let Some(known) = self.clients.get_mut(&client) {
            known.sessions = known.sessions.saturating_sub(1);
            known.see(seen, at);
        }
        Changes { writes: self.client_state(client).into_iter().collect(), released: Vec::new() }
    }

    /// This client has everything up to a number, and some beyond it.
    pub(super) fn stored_by(&mut self, client: Uuid, up_to: u64, plus: &[u64]) -> Changes {
        let mut changes = Changes::default();
        let up_to = up_to.min(self.last_seq);
        let Some(known) = self.clients.get_mut(&client).filter(|known| known.holds()) else { return changes };
        let moves_on = up_to > known.up_to;
        let mut stored: Vec<u64> = Vec::new();
        if moves_on {
            stored.extend(self.waiting.range(known.up_to + 1..=up_to).map(|(&seq, _)| seq));
            known.pass(up_to);
        }
        for seq in plus {
            if known.needs(*seq) && self.waiting.contains_key(seq) {
                known.beyond.insert(*seq);
                stored.push(*seq);
            }
        }
        for seq in stored {
            if !self.is_needed(seq) {
                self.take_out(seq, &mut changes.released);
            }
        }
        if moves_on {
            changes.writes.extend(self.client_state(client));
        }
        changes
    }

    /// Keeps nothing for a client any more. Returns also what waited for nobody else and is gone, unless it was the last client:
    /// then it waits for whichever comes next.
    pub(super) fn let_go(&mut self, client: Uuid, standing: Standing) -> (Changes, Backlog) {
        let (mut changes, mut gone) = (Changes::default(), Backlog::default());
        let last_seq = self.last_seq;
        let Some(known) = self.clients.get_mut(&client).filter(|known| known.holds()) else {
            return (changes, gone);
        };
        known.standing = standing;
        let up_to = known.up_to;
        if self.is_shared() {
            let (mut lost, mut oldest) = (0, None);
            let waited: Vec<u64> = self.waiting.range(up_to + 1..).map(|(&seq, _)| seq).collect();
            for seq in waited {
                if self.clients.get(&client).is_some_and(|known| known.beyond.contains(&seq)) {
                    continue;
                }
                let id = self.waiting.get(&seq).map(|waiting| waiting.id);
                oldest = oldest.or(id.and_then(Waiting::received_ms));
                lost += 1;
                if !self.is_needed(seq)
                    && let Some(waiting) = self.take_out(seq, &mut changes.released)
                {
                    gone.add(waiting.bytes);
                }
            }
            if let Some(known) = self.clients.get_mut(&client) {
                if standing == Standing::Lapsed {
                    let since = oldest.map_or(known.seen_at, UnixMillis);
                    known.expired.add(lost, since);
                }
                known.pass(last_seq);
            }
        } else {
            self.move_cursor(up_to, &mut changes);
        }
        changes.writes.extend(self.client_state(client));
        (changes, gone)
    }

    /// What waits for a client that shares.
    pub(super) fn backlog_of(&self, client: Uuid) -> Backlog {
        let mut backlog = Backlog::default();
        let Some(known) = self.clients.get(&client).filter(|known| known.holds()) else { return backlog };
        for (_, waiting) in self.waiting.range(known.up_to + 1..).filter(|(seq, _)| known.needs(**seq)) {
            backlog.add(waiting.bytes);
        }
        backlog
    }

    /// What waits for each client that shares. All of it is looked at once, however many clients there are: others wait meanwhile.
    fn backlogs(&self) -> Vec<(Uuid, &Client, Backlog)> {
        let holders = self.clients.iter().filter(|(_, known)| known.holds());
        let mut holders: Vec<(Uuid, &Client)> = holders.map(|(&client, known)| (client, known)).collect();
        // Whoever is furthest has the least.
        holders.sort_by_key(|(_, known)| std::cmp::Reverse(known.up_to));
        let (mut newest, mut sum) = (self.waiting.iter().rev().peekable(), Backlog::default());
        let mut counted = Vec::with_capacity(holders.len());
        for (client, known) in holders {
            while let Some((_, waiting)) = newest.next_if(|(seq, _)| **seq > known.up_to) {
                sum.add(waiting.bytes);
            }
            let mut backlog = sum;
            for waiting in known.beyond.iter().filter_map(|seq| self.waiting.get(seq)) {
                backlog.take_away(waiting.bytes);
            }
            counted.push((client, known, backlog));
        }
        counted
    }

    /// The state of a client, to be journalled.
    pub(super) fn client_state(&mut self, client: Uuid) -> Option<Write> {
        let known = self.clients.get_mut(&client)?;
        self.revision += 1;
        known.revision = self.revision;
        let Client { up_to, revision, standing, seen, seen_at, expired, .. } = *known;
        Some(Write::Client(client, ClientRecord { up_to, revision, standing, seen, seen_at, expired }))
    }

    /// Forgets a client that holds nothing, the one seen longest ago, when there are as many as an endpoint may have.
    fn make_room(&mut self, client: Uuid, released: &mut Vec<Location>) -> Result<(), JoinError> {
        if self.clients.contains_key(&client) || self.clients.len() < SHARED_CLIENTS_MAX {
            return Ok(());
        }
        let idle = self.clients.iter().filter(|(_, known)| !known.holds() && known.sessions == 0);
        let oldest = idle.min_by_key(|(_, known)| known.seen).map(|(&id, _)| id);
        let mut forgotten = oldest.and_then(|id| self.clients.remove(&id)).ok_or(JoinError::Full)?;
        released.extend(forgotten.record.take());
        Ok(())
    }
}

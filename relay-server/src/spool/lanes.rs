//! What waits, in memory: made from the tags of the journal when the spool is opened, and kept current from then on.

use std::collections::{HashMap, hash_map::Entry};

use inhaul_core::event::{EndpointName, EventId};
use inhaul_journal::{Location, Moved};
use uuid::Uuid;

use super::{
    lane::{Lane, Waiting},
    retention::Clock,
    tag::{Kind, Tag},
    writes::{Changes, Latest, Write},
};

#[derive(Default)]
pub(super) struct Lanes {
    /// Boxed: a table has room for more than is in it.
    pub(super) by_name: HashMap<EndpointName, Box<Lane>>,
    pub(super) identity: Option<Uuid>,
    pub(super) identity_record: Latest,
    pub(super) clock: Clock,
    /// How many endpoints were removed since the start.
    pub(super) removals: u64,
}

impl Lanes {
    /// An event is on the disk. What nobody needs by now is added to `released`.
    pub(super) fn written(
        &mut self,
        endpoint: &EndpointName,
        seq: u64,
        waiting: Waiting,
        released: &mut Vec<Location>,
    ) {
        self.of(endpoint).written(seq, waiting, released);
    }

    /// The lane of an endpoint.
    pub(super) fn of(&mut self, endpoint: &EndpointName) -> &mut Lane {
        self.by_name.entry(endpoint.clone()).or_default()
    }

    pub(super) fn unreserve(&mut self, endpoint: &EndpointName, bytes: u64) {
        if let Some(lane) = self.by_name.get_mut(endpoint) {
            lane.backlog.take_away(bytes);
        }
    }

    /// A record is on the disk; what it makes needless is added to `released`.
    pub(super) fn recorded(
        &mut self,
        endpoint: &EndpointName,
        write: &Write,
        location: Location,
        released: &mut Vec<Location>,
    ) {
        let lane = self.by_name.entry(endpoint.clone()).or_default();
        match *write {
            Write::Cursor(seq) => released.extend(lane.cursor_record.put(seq, location)),
            Write::OneStored(seq) if seq <= lane.cursor => released.push(location),
            Write::Missed(seq) if !lane.waiting.contains_key(&seq) => released.push(location),
            Write::OneStored(seq) | Write::Missed(seq) => {
                lane.marks.entry(seq).or_default().push((write.kind(), location));
            }
            Write::Client(client, record) => match lane.clients.get_mut(&client) {
                Some(client) => released.extend(client.record.put(record.revision, location)),
                None => released.push(location),
            },
            Write::Expired(revision, _) => released.extend(lane.expired_record.put(revision, location)),
        }
    }

    /// A record could not be written; it is tried again later. Of cursors the last one counts, and of a client's states too.
    pub(super) fn unwritten(&mut self, endpoint: &EndpointName, write: Write, released: Vec<Location>) {
        let lane = self.by_name.entry(endpoint.clone()).or_default();
        lane.unwritten.writes.retain(|earlier| !write.replaces(earlier));
        lane.unwritten.append(Changes { writes: vec![write], released });
    }

    /// What could not be written.
    pub(super) fn take_unwritten(&mut self) -> Vec<(EndpointName, Changes)> {
        let lanes = self.by_name.iter_mut().filter(|(_, lane)| !lane.unwritten.is_empty());
        lanes.map(|(endpoint, lane)| (endpoint.clone(), std::mem::take(&mut lane.unwritten))).collect()
    }

    /// The journal moved a record; false when nobody needs it any more.
    pub(super) fn moved(&mut self, moved: &Moved<'_>) -> bool {
        let lanes = &mut self.by_name;
        match Tag::read(moved.kind, moved.tag) {
            // Of a later release, which will want it.
            None => true,
            Some(Tag::Identity(_)) => self.identity_record.moved(moved),
            Some(Tag::Clock(_)) => self.clock.record.moved(moved),
            Some(Tag::Event { endpoint, seq, .. }) => {
                let waiting = lanes.get_mut(&endpoint).and_then(|lane| lane.waiting.get_mut(&seq));
                move_place(waiting.map(|waiting| &mut waiting.location), moved)
            }
            Some(Tag::Cursor { endpoint, .. }) => {
                lanes.get_mut(&endpoint).is_some_and(|lane| lane.cursor_record.moved(moved))
            }
            Some(Tag::OneStored { endpoint, seq } | Tag::Missed { endpoint, seq }) => {
                let marks = lanes.get_mut(&endpoint).and_then(|lane| lane.marks.get_mut(&seq));
                let places = marks.into_iter().flatten().map(|(_, place)| place);
                move_place(places.into_iter().find(|place| **place == moved.from), moved)
            }
            Some(Tag::Client { endpoint, client, .. }) => lanes
                .get_mut(&endpoint)
                .and_then(|lane| lane.clients.get_mut(&client))
                .is_some_and(|client| client.record.moved(moved)),
            Some(Tag::Expired { endpoint, .. }) => {
                lanes.get_mut(&endpoint).is_some_and(|lane| lane.expired_record.moved(moved))
            }
        }
    }

    /// Takes in one record found on opening; what is no longer needed is added to `released`. Records come in the order they
    /// were appended, but for those the journal moved: marks may come before their event, a state before an older one of the
    /// same thing, and after a crash a record may come twice.
    pub(super) fn recover(&mut self, location: Location, kind: u8, tag: &[u8], released: &mut Vec<Location>) {
        let Some(tag) = Tag::read(kind, tag) else {
            tracing::warn!(%location, kind, "a record of the spool is of an unknown kind and is left alone");
            return;
        };
        match tag {
            Tag::Identity(id) => {
                self.identity = Some(id);
                released.extend(self.identity_record.put(0, location));
            }
            Tag::Clock(seconds) => {
                self.clock.at_least(seconds);
                released.extend(self.clock.record.put(u64::from(seconds), location));
            }
            Tag::Event { endpoint, seq, id, bytes, missed, kept_since } => {
                self.clock.at_least(kept_since);
                let waiting = Waiting { location, id, bytes, missed, kept_since };
                self.lane(endpoint).recover_event(seq, waiting, released);
            }
            Tag::Cursor { endpoint, seq } => {
                let lane = self.lane(endpoint);
                lane.last_seq = lane.last_seq.max(seq);
                released.extend(lane.cursor_record.put(seq, location));
                lane.advance(seq, released);
            }
            Tag::OneStored { endpoint, seq } => {
                let lane = self.lane(endpoint);
                lane.take_out(seq, released);
                lane.keep_mark(seq, (Kind::OneStored, location), released);
            }
            Tag::Missed { endpoint, seq } => {
                let lane = self.lane(endpoint);
                if let Some(waiting) = lane.waiting.get_mut(&seq) {
                    waiting.missed = true;
                }
                lane.keep_mark(seq, (Kind::Missed, location), released);
            }
            Tag::Client { endpoint, client, record } => {
                self.clock.at_least(record.seen);
                let lane = self.lane(endpoint);
                lane.last_seq = lane.last_seq.max(record.up_to);
                lane.revision = lane.revision.max(record.revision);
                let known = lane.clients.entry(client).or_default();
                released.extend(known.record.put(record.revision, location));
                if record.revision >= known.revision {
                    known.restore(&record);
                }
            }
            Tag::Expired { endpoint, revision, expired } => {
                let lane = self.lane(endpoint);
                released.extend(lane.expired_record.put(revision, location));
                if revision >= lane.revision_of_expired {
                    lane.revision_of_expired = revision;
                    lane.expired = expired;
                }
                lane.revision = lane.revision.max(revision);
            }
        }
    }

    /// Every record has been taken in: what no client of a shared endpoint needs is added to `released`.
    pub(super) fn recovered(&mut self, released: &mut Vec<Location>) {
        for lane in self.by_name.values_mut() {
            lane.recovered(released);
        }
    }

    fn lane(&mut self, endpoint: EndpointName) -> &mut Lane {
        match self.by_name.entry(endpoint) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Box::default()),
        }
    }
}

/// Notes where a record is now, if it is the one that was moved.
fn move_place(place: Option<&mut Location>, moved: &Moved<'_>) -> bool {
    match place {
        Some(place) if *place == moved.from => {
            *place = moved.to;
            true
        }
        Some(_) | None => false,
    }
}

impl Waiting {
    /// When its webhook was received, as far as its id says.
    pub(super) fn received_ms(id: EventId) -> Option<u64> {
        let (seconds, nanos) = id.0.get_timestamp()?.to_unix();
        seconds.checked_mul(1000)?.checked_add(u64::from(nanos) / 1_000_000)
    }
}

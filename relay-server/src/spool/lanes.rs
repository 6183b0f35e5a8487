//! What waits, in memory: made from the tags of the journal when the spool is opened, and kept current from then on.

use std::collections::{BTreeMap, HashMap};

use inhaul_core::event::{EndpointName, EventId};
use inhaul_journal::{Location, Moved};
use uuid::Uuid;

use super::{
    Backlog, BacklogLimits, SpoolError,
    tag::{Kind, Tag},
};

#[derive(Default)]
pub(super) struct Lanes {
    pub(super) by_name: HashMap<EndpointName, Lane>,
    pub(super) identity: Option<Uuid>,
    pub(super) identity_record: Option<Location>,
}

/// One endpoint's events.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) last_seq: u64,
    pub(super) cursor: u64,
    pub(super) cursor_record: Option<Location>,
    /// The cursor is not on the disk, because that is full or failed.
    pub(super) is_unsaved: bool,
    /// Records that such a cursor makes needless: the next one that is on the disk lets them go.
    pub(super) kept_back: Vec<Location>,
    pub(super) waiting: BTreeMap<u64, Waiting>,
    /// Marks of single events, released with the event.
    pub(super) marks: HashMap<u64, Vec<(Kind, Location)>>,
    pub(super) backlog: Backlog,
}

pub(super) struct Waiting {
    pub(super) location: Location,
    pub(super) id: EventId,
    pub(super) bytes: u64,
    pub(super) missed: bool,
}

impl Backlog {
    pub(super) fn take_away(&mut self, bytes: u64) {
        self.events = self.events.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
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
        self.backlog.events += 1;
        self.backlog.bytes += bytes;
        Ok(())
    }
}

impl Lanes {
    pub(super) fn written(&mut self, endpoint: &EndpointName, seq: u64, waiting: Waiting) {
        match self.by_name.get_mut(endpoint) {
            Some(lane) => lane.waiting.insert(seq, waiting),
            None => self.by_name.entry(endpoint.clone()).or_default().waiting.insert(seq, waiting),
        };
    }

    pub(super) fn unreserve(&mut self, endpoint: &EndpointName, bytes: u64) {
        if let Some(lane) = self.by_name.get_mut(endpoint) {
            lane.backlog.take_away(bytes);
        }
    }

    /// The journal moved a record; false when nobody needs it any more.
    pub(super) fn moved(&mut self, moved: &Moved<'_>) -> bool {
        let lanes = &mut self.by_name;
        let place = match &Tag::read(moved.kind, moved.tag) {
            // Of a later release, which will want it.
            None => return true,
            Some(Tag::Identity(_)) => self.identity_record.as_mut(),
            Some(Tag::Event { endpoint, seq, .. }) => lanes
                .get_mut(endpoint)
                .and_then(|lane| lane.waiting.get_mut(seq))
                .map(|waiting| &mut waiting.location),
            Some(Tag::Cursor { endpoint, .. }) => {
                lanes.get_mut(endpoint).and_then(|lane| lane.cursor_record.as_mut())
            }
            Some(Tag::OneStored { endpoint, seq } | Tag::Missed { endpoint, seq }) => {
                lanes.get_mut(endpoint).and_then(|lane| lane.marks.get_mut(seq)).and_then(|marks| {
                    marks.iter_mut().map(|(_, place)| place).find(|place| **place == moved.from)
                })
            }
        };
        match place {
            Some(place) if *place == moved.from => {
                *place = moved.to;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Takes in one record found on opening; what is no longer needed is added to `released`.
    pub(super) fn recover(&mut self, location: Location, kind: u8, tag: &[u8], released: &mut Vec<Location>) {
        let Some(tag) = Tag::read(kind, tag) else {
            tracing::warn!(?location, kind, "a record of the spool is of an unknown kind and is left alone");
            return;
        };
        match tag {
            Tag::Identity(id) => {
                self.identity = Some(id);
                released.extend(self.identity_record.replace(location));
            }
            Tag::Event { endpoint, seq, id, bytes, missed } => {
                let waiting = Waiting { location, id, bytes, missed };
                self.recover_event(endpoint, seq, waiting, released);
            }
            Tag::Cursor { endpoint, seq } => {
                let lane = self.by_name.entry(endpoint.clone()).or_default();
                lane.last_seq = lane.last_seq.max(seq);
                lane.cursor = lane.cursor.max(seq);
                released.extend(lane.cursor_record.replace(location));
                let (cursor, passed) = (lane.cursor, lane.waiting.range(..=lane.cursor));
                let passed: Vec<u64> = passed.map(|(&seq, _)| seq).collect();
                lane.marks.retain(|seq, marks| {
                    let keep = *seq > cursor;
                    if !keep {
                        released.extend(marks.drain(..).map(|(_, mark)| mark));
                    }
                    keep
                });
                for seq in passed {
                    released.extend(self.take_out(&endpoint, seq));
                }
            }
            Tag::OneStored { endpoint, seq } => {
                released.extend(self.take_out(&endpoint, seq));
                self.keep_mark(&endpoint, seq, (Kind::OneStored, location), released);
            }
            Tag::Missed { endpoint, seq } => {
                let lane = self.by_name.entry(endpoint.clone()).or_default();
                if let Some(waiting) = lane.waiting.get_mut(&seq) {
                    waiting.missed = true;
                }
                self.keep_mark(&endpoint, seq, (Kind::Missed, location), released);
            }
        }
    }

    /// Takes in an event. Records come in the order they were appended, but for those the journal moved: marks may come before
    /// their event, and after a crash an event may come twice.
    pub(super) fn recover_event(
        &mut self,
        endpoint: EndpointName,
        seq: u64,
        mut waiting: Waiting,
        released: &mut Vec<Location>,
    ) {
        let lane = self.by_name.entry(endpoint).or_default();
        lane.last_seq = lane.last_seq.max(seq);
        let marked =
            |kind| lane.marks.get(&seq).is_some_and(|marks| marks.iter().any(|(mark, _)| *mark == kind));
        if seq <= lane.cursor || marked(Kind::OneStored) {
            released.push(waiting.location);
            return;
        }
        waiting.missed |= marked(Kind::Missed);
        lane.backlog.events += 1;
        lane.backlog.bytes += waiting.bytes;
        if let Some(twice) = lane.waiting.insert(seq, waiting) {
            lane.backlog.take_away(twice.bytes);
            released.push(twice.location);
        }
    }

    /// Removes a waiting event; what remains is its record, to be released.
    pub(super) fn take_out(&mut self, endpoint: &EndpointName, seq: u64) -> Option<Location> {
        let lane = self.by_name.get_mut(endpoint)?;
        let waiting = lane.waiting.remove(&seq)?;
        lane.backlog.take_away(waiting.bytes);
        Some(waiting.location)
    }

    pub(super) fn keep_mark(
        &mut self,
        endpoint: &EndpointName,
        seq: u64,
        mark: (Kind, Location),
        released: &mut Vec<Location>,
    ) {
        let lane = self.by_name.entry(endpoint.clone()).or_default();
        if seq <= lane.cursor {
            released.push(mark.1);
        } else {
            lane.marks.entry(seq).or_default().push(mark);
        }
    }
}

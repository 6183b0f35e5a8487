//! What is journalled of an endpoint besides its events, and which of several records of one thing counts.

use inhaul_core::event::EndpointName;
use inhaul_journal::{Location, Moved};
use uuid::Uuid;

use super::{
    Expired,
    tag::{self, ClientRecord, Kind},
};

/// A record to be journalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// Everything up to this number is needed no more.
    Cursor(u64),
    /// This one is stored, though an earlier one is not.
    OneStored(u64),
    /// The sender of this one was told to come again.
    Missed(u64),
    /// The state of a client of a shared endpoint.
    Client(Uuid, ClientRecord),
    /// What expired at a revision of the endpoint, for whichever client comes next.
    Expired(u64, Expired),
}

/// Records to be journalled, and those that can go once that is done.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) writes: Vec<Write>,
    pub(super) released: Vec<Location>,
}

/// The place of the record that counts of several of one thing: the one that stands highest in their own order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Latest(Option<(u64, Location)>);

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.released.is_empty()
    }

    /// Adds those of another step, which are journalled behind these.
    pub(super) fn append(&mut self, mut later: Self) {
        self.writes.append(&mut later.writes);
        self.released.append(&mut later.released);
    }
}

impl Write {
    /// Whether an earlier record says nothing beside this one.
    pub(super) fn replaces(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::Cursor(now), Self::Cursor(before)) => now >= before,
            (Self::Client(now, _), Self::Client(before, _)) => now == before,
            (Self::Expired(now, _), Self::Expired(before, _)) => now >= before,
            (
                Self::Cursor(_) | Self::OneStored(_) | Self::Missed(_) | Self::Client(..) | Self::Expired(..),
                _,
            ) => self == earlier,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Cursor(_) => Kind::Cursor,
            Self::OneStored(_) => Kind::OneStored,
            Self::Missed(_) => Kind::Missed,
            Self::Client(..) => Kind::Client,
            Self::Expired(..) => Kind::Expired,
        }
    }

    pub(super) fn tag(&self, endpoint: &EndpointName) -> Vec<u8> {
        match self {
            Self::Cursor(seq) | Self::OneStored(seq) | Self::Missed(seq) => tag::of_mark(endpoint, *seq),
            Self::Client(client, record) => tag::of_client(endpoint, *client, record),
            Self::Expired(revision, expired) => tag::of_expired(endpoint, *revision, *expired),
        }
    }
}

impl Latest {
    /// Whether the disk has this one, or a later one.
    pub(super) fn reaches(&self, order: u64) -> bool {
        self.0.is_some_and(|(known, _)| known >= order)
    }

    /// Takes in a record; returns the place of one that is needed no more.
    pub(super) fn put(&mut self, order: u64, location: Location) -> Option<Location> {
        match self.0 {
            Some((known, _)) if known > order => Some(location),
            Some(_) | None => self.0.replace((order, location)).map(|(_, before)| before),
        }
    }

    /// The journal moved a record; false when it is not this one.
    pub(super) fn moved(&mut self, moved: &Moved<'_>) -> bool {
        match &mut self.0 {
            Some((_, place)) if *place == moved.from => {
                *place = moved.to;
                true
            }
            Some(_) | None => false,
        }
    }

    /// The place, given up.
    pub(super) fn take(&mut self) -> Option<Location> {
        self.0.take().map(|(_, place)| place)
    }
}

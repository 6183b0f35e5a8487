//! Events that a person deleted. What is left of one is enough to know it when it comes again, and to give its place in the order of storing to
//! nobody else.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use inhaul_core::event::{EndpointName, Event, EventId, Peer, PeerSource, UnixMillis};
use inhaul_journal::Location;
use serde::{Deserialize, Serialize};

use super::{
    Deletions, Facts, History, HistoryError, Kept,
    fold::{Indexed, row},
    worker::Request,
};
use crate::row::EventRow;

/// How long a deletion can be taken back. Then the event's bytes are overwritten.
pub const UNDO_TIME: Duration = Duration::from_secs(30);

/// How many of several events are deleted with one flush.
const DELETED_AT_ONCE: usize = 256;

impl History {
    /// Deletes an event of which nothing is left to do; its row as it was. Nobody sees it from then on, and it does not come back when the relay
    /// sends it again. Its bytes are overwritten after [`UNDO_TIME`], when the history is closed, or at the next opening.
    ///
    /// # Errors
    /// When there is no such event, something is still to be done with it, or this could not be written.
    pub async fn delete(&self, id: EventId) -> Result<EventRow, HistoryError> {
        self.ask(0, |answer| Request::Delete { id, answer }).await
    }

    /// [`History::delete`] of many events, those that can be.
    pub async fn delete_all(&self, ids: Vec<EventId>) -> Deletions {
        let mut deletions = Deletions::default();
        let delete = |id| async move { (id, self.delete(id).await) };
        let mut all = stream::iter(ids).map(delete).buffered(DELETED_AT_ONCE);
        while let Some((id, result)) = all.next().await {
            match result {
                Ok(_) => deletions.deleted.push(id),
                Err(error) => deletions.kept.push(Kept { id, reason: error.to_string() }),
            }
        }
        deletions
    }

    /// Takes a deletion back, as long as the event's bytes are there.
    ///
    /// # Errors
    /// When there is no such event any more, or this could not be written.
    pub async fn restore(&self, id: EventId) -> Result<EventRow, HistoryError> {
        self.ask(0, |answer| Request::Restore { id, answer }).await
    }
}

/// An event is deleted, or is not any more: the JSON of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Deletion {
    /// It is deleted.
    Deleted(Deleted),
    /// The deletion before this is taken back.
    Restored {
        /// When.
        at: UnixMillis,
    },
}

/// What stays of an event that is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Deleted {
    /// When it was deleted.
    pub(super) at: UnixMillis,
    /// The relay's id.
    pub(super) id: EventId,
    /// Its place in the order of storing.
    pub(super) arrival: u64,
    /// The endpoint it was posted to.
    pub(super) endpoint: EndpointName,
    /// When the relay received it.
    pub(super) received_at: UnixMillis,
    /// When this client had it on disk.
    pub(super) stored_at: UnixMillis,
}

/// That an event is deleted, as its entry says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tombstone {
    pub(super) deleted: Deleted,
    /// Its bytes are overwritten: it cannot come back.
    pub(super) is_erased: bool,
}

impl Deleted {
    /// What is to stay of an event.
    pub(super) fn of(entry: &Indexed, at: UnixMillis) -> Self {
        let row = &entry.row;
        Self {
            at,
            id: row.id,
            arrival: entry.arrival,
            endpoint: row.endpoint.clone(),
            received_at: row.received_at,
            stored_at: row.stored_at,
        }
    }
}

impl Indexed {
    /// Whether nobody is to see it any more.
    pub(super) fn is_deleted(&self) -> bool {
        self.deleted.is_some()
    }

    /// Whether it is deleted, and its bytes are still there.
    pub(super) fn is_erasable(&self) -> bool {
        self.erasable_since().is_some()
    }

    /// When it was deleted, if its bytes are still there.
    pub(super) fn erasable_since(&self) -> Option<UnixMillis> {
        self.deleted.as_ref().filter(|gone| !gone.is_erased).map(|gone| gone.deleted.at)
    }

    /// What is left of a deleted entry once its bytes are overwritten.
    pub(super) fn without_content(&self) -> Self {
        match &self.deleted {
            Some(gone) => Self {
                latest: self.latest,
                same: self.same,
                object: self.object,
                ..Self::erased(&gone.deleted, self.location)
            },
            None => self.clone(),
        }
    }

    /// The entry of a deleted event whose bytes are overwritten, or never were readable.
    pub(super) fn erased(deleted: &Deleted, location: Location) -> Self {
        let Deleted { id, arrival, ref endpoint, received_at, stored_at, .. } = *deleted;
        let event = Event {
            id,
            endpoint: endpoint.clone(),
            received_at,
            peer: Peer { address: String::new(), source: PeerSource::Socket },
            prefix_bytes: 0,
            head: Bytes::new(),
            body: Bytes::new(),
            body_sha256: Event::digest(b""),
        };
        Self {
            arrival,
            location,
            latest: location,
            same: None,
            edits: Vec::new(),
            released: None,
            object: None,
            deleted: Some(Tombstone { deleted: deleted.clone(), is_erased: true }),
            row: row(&event, &Facts::default(), stored_at),
        }
    }

    /// What a record of a deletion makes of the entry. What is erased stays so.
    pub(super) fn apply(&mut self, deletion: &Deletion) {
        let is_erased = self.deleted.as_ref().is_some_and(|tombstone| tombstone.is_erased);
        if !is_erased {
            self.deleted = match deletion {
                Deletion::Deleted(deleted) => Some(Tombstone { deleted: deleted.clone(), is_erased: false }),
                Deletion::Restored { .. } => None,
            };
        }
    }
}

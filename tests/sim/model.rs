//! What must hold: an account of what senders were told and of what the client said it has, kept beside the real stores.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, ensure};
use inhaul::row::EventRow;
use inhaul_core::event::{EndpointName, Event, EventId};
use uuid::Uuid;

use crate::seeds::Outcome;

/// An event that was posted.
struct Posted {
    endpoint: EndpointName,
    body_sha256: [u8; 32],
    /// Its sender heard 2xx.
    acknowledged: bool,
    /// Its sender heard that it was not stored, though it may be on the disk.
    refused: bool,
}

#[derive(Default)]
pub struct Model {
    /// In the order in which the relay numbered them.
    posted: Vec<EventId>,
    events: BTreeMap<EventId, Posted>,
    /// On the client's disk, by its own word.
    stored: BTreeSet<EventId>,
    settled: BTreeSet<EventId>,
    /// On their way to the client's disk when its power went: of what is written together, each may be there or not.
    torn: BTreeSet<EventId>,
    spool: Option<Uuid>,
}

impl Model {
    pub fn posted(&mut self, event: &Event) {
        let (endpoint, body_sha256) = (event.endpoint.clone(), event.body_sha256);
        let posted = Posted { endpoint, body_sha256, acknowledged: false, refused: false };
        self.posted.push(event.id);
        self.events.insert(event.id, posted);
    }

    pub fn acknowledged(&mut self, id: EventId) {
        if let Some(posted) = self.events.get_mut(&id) {
            posted.acknowledged = true;
        }
    }

    pub fn torn(&mut self, ids: impl Iterator<Item = EventId>) {
        self.torn.extend(ids);
    }

    pub fn refused(&mut self, id: EventId) {
        if let Some(posted) = self.events.get_mut(&id) {
            posted.refused = true;
        }
    }

    pub fn acknowledged_count(&self) -> usize {
        self.events.values().filter(|posted| posted.acknowledged).count()
    }

    pub fn stored(&mut self, id: EventId) {
        self.stored.insert(id);
    }

    pub fn settled(&mut self, id: EventId) {
        self.settled.insert(id);
    }

    /// An event goes from one place to the next as it was posted.
    pub fn is_as_posted(&self, event: &Event) -> Outcome {
        let posted = self.events.get(&event.id).with_context(|| format!("{} was never posted", event.id))?;
        let same = posted.body_sha256 == Event::digest(&event.body) && posted.endpoint == event.endpoint;
        ensure!(same, "{} is another event than was posted", event.id);
        Ok(())
    }

    /// Promise 3: the relay forgets only what the client has on its disk. What a sender was refused may come back with a restart, and
    /// is passed over when the client has later ones.
    pub fn may_be_forgotten(&self, id: EventId) -> Outcome {
        let refused = self.events.get(&id).is_some_and(|posted| posted.refused);
        ensure!(
            refused || self.stored.contains(&id),
            "{id} is forgotten by the relay, and not on the client's disk"
        );
        Ok(())
    }

    /// What a relay that has just started holds.
    pub fn check_spool(&mut self, spool: Uuid, waiting: &BTreeSet<EventId>) -> Outcome {
        let before = *self.spool.get_or_insert(spool);
        ensure!(before == spool, "the spool has become another one");
        for (id, posted) in &self.events {
            ensure!(
                !posted.acknowledged || self.stored.contains(id) || waiting.contains(id),
                "{id} was acknowledged to its sender, and is neither in the spool nor on the client's disk"
            );
        }
        Ok(())
    }

    /// What a client that has just started holds, oldest first, and which of it is pending.
    pub fn check_history(&mut self, rows: &[EventRow], pending: &[EventRow]) -> Outcome {
        let ids: BTreeSet<EventId> = rows.iter().map(|row| row.id).collect();
        ensure!(ids.len() == rows.len(), "an event is in the history twice");
        let lost = self.stored.difference(&ids).next();
        ensure!(lost.is_none(), "the client said that it has {lost:?}, and has not");
        let undone = pending.iter().find(|row| self.settled.contains(&row.id));
        ensure!(undone.is_none(), "{undone:?} was settled, and is pending");
        self.check_order(rows)?;
        self.stored.extend(ids);
        Ok(())
    }

    /// Of each endpoint, what was acknowledged is in the order in which the relay numbered it, but for what a power cut tore.
    fn check_order(&self, rows: &[EventRow]) -> Outcome {
        let order: HashMap<EventId, usize> = self.posted.iter().copied().zip(0..).collect();
        let mut last: BTreeMap<&EndpointName, (usize, EventId)> = BTreeMap::new();
        for row in rows {
            let counts = self.events.get(&row.id).is_some_and(|posted| posted.acknowledged);
            if !counts || self.torn.contains(&row.id) {
                continue;
            }
            let number = order[&row.id];
            if let Some((before, id)) = last.insert(&row.endpoint, (number, row.id)) {
                ensure!(before < number, "{id} is stored before {}, and came after it", row.id);
            }
        }
        Ok(())
    }

    /// In the end the client has everything that was acknowledged to a sender.
    pub fn check_all_arrived(&self) -> Outcome {
        let lost = self.events.iter().find(|(id, posted)| posted.acknowledged && !self.stored.contains(id));
        if let Some((id, posted)) = lost {
            anyhow::bail!("{id} of {} was acknowledged to its sender, and never arrived", posted.endpoint);
        }
        Ok(())
    }
}

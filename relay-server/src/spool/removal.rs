//! What becomes of what waits at an endpoint that is removed: nobody may have it, least of all another endpoint of the same name.

use inhaul_core::event::EndpointName;
use uuid::Uuid;

use super::{Backlog, Expired, Spool, lane::Lane, tag::Standing, writes::Changes};

impl Spool {
    /// The endpoint is removed. Returns what waited at it and is gone.
    pub fn remove_endpoint(&self, endpoint: &EndpointName) -> Backlog {
        let mut lanes = self.lanes();
        lanes.removals += 1;
        let Some(lane) = lanes.by_name.get_mut(endpoint) else { return Backlog::default() };
        let (changes, gone) = lane.empty();
        drop(lanes);
        self.carry_out(endpoint, changes);
        gone
    }

    /// How many endpoints were removed so far. To be asked before the endpoint of an event is looked up, and given to
    /// [`Spool::append_then`].
    pub fn removals(&self) -> u64 {
        self.lanes().removals
    }
}

impl Lane {
    /// Lets go of every event, also of those on their way to the disk, of every client, and of what one is to be told. Numbers go on.
    fn empty(&mut self) -> (Changes, Backlog) {
        let (mut changes, mut gone) = (Changes::default(), Backlog::default());
        self.waiting.values().for_each(|waiting| gone.add(waiting.bytes));
        let clients: Vec<Uuid> = self.clients.keys().copied().collect();
        for client in clients {
            changes.append(self.let_go(client, Standing::Left).0);
        }
        self.move_cursor(self.last_seq, &mut changes);
        if self.expired.events > 0 {
            self.expired = Expired::default();
            changes.writes.push(self.expired_state());
        }
        (changes, gone)
    }
}

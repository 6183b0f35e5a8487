//! The end of a history: everything comes to rest, and then all must be there.

use std::time::Duration;

use anyhow::ensure;

use super::{SEGMENT_BYTES, World};
use crate::{client::Client, relay::Relay, seeds::Outcome};

/// Far more rounds than a world that is well needs to come to rest.
const ROUNDS_TO_REST: u32 = 2000;

impl World {
    /// All is well from now on: everything comes to rest, and both agree, also after another start.
    pub(super) fn end_well(&mut self) -> Outcome {
        self.places.iter().for_each(|place| place.app.get_well());
        self.come_to_rest()?;
        self.model.check_all_arrived()?;
        for client in self.places.iter_mut().flat_map(|place| &mut place.client) {
            client.check_rest(&self.model)?;
        }
        self.close_relay()?;
        self.close_clients()?;
        // What the relay's failing disk did not take of what it should forget, a client gets again, and knows.
        self.come_to_rest()?;
        self.check_space()?;
        self.close_clients()?;
        (0..self.places.len()).try_for_each(|at| self.start_client(at))?;
        self.model.check_all_arrived()
    }

    fn close_clients(&mut self) -> Outcome {
        (0..self.places.len()).try_for_each(|at| self.close_client(at))
    }

    /// A relay that holds nothing takes little of its disk.
    fn check_space(&mut self) -> Outcome {
        let Some(relay) = &mut self.relay else { anyhow::bail!("the relay is down") };
        let steps = (0..1000).take_while(|_| relay.write()).count();
        let bytes = self.relay_disk.bytes();
        ensure!(
            steps < 1000 && bytes <= 8 * SEGMENT_BYTES,
            "{bytes} bytes are used for nothing, after {steps} steps"
        );
        Ok(())
    }

    fn rests(&mut self) -> anyhow::Result<bool> {
        if !self.relay.as_ref().is_some_and(Relay::is_idle) {
            return Ok(false);
        }
        for place in &mut self.places {
            if !place.client.as_mut().map_or(Ok(false), Client::is_idle)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn come_to_rest(&mut self) -> Outcome {
        for round in 0..ROUNDS_TO_REST {
            self.relay_disk.heal();
            self.places.iter().for_each(|place| place.disk.heal());
            for _ in 0..20 * self.places.len() {
                self.tick()?;
                self.keep_up()?;
            }
            if self.rests()? {
                return Ok(());
            }
            // Whoever waits on a dead connection notices.
            if round % 10 == 9 {
                self.pass(Duration::from_secs(5))?;
            }
        }
        let relay = self.relay.as_ref().map(Relay::state);
        let clients: Vec<_> = self.places.iter().flat_map(|place| &place.client).map(Client::state).collect();
        anyhow::bail!("it does not come to rest: {relay:?}, {clients:?}")
    }
}

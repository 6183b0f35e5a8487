//! How many senders are about to bring a webhook: the more there are, the more a sync of the disk is worth waiting with.
//!
//! A TLS handshake takes the processors many times what a webhook takes. While there are many of them webhooks come one by one, far apart, and each
//! would be synced by itself; a sync takes the processors as long as several webhooks do.
//!
//! A connection counts from its first byte on. All that connections can do that say no more is make webhooks wait this long, until their time is over.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// From so many handshakes at once a webhook waits for others. One sender, and a few, never wait.
const MANY: usize = 16;

/// How long it does: a small part of what so many handshakes take.
const WAIT: Duration = Duration::from_millis(3);

/// Counts TLS handshakes under way.
#[derive(Debug, Default)]
pub struct Arriving {
    handshakes: AtomicUsize,
}

/// A handshake under way, until this is dropped.
pub struct Handshake<'a>(&'a Arriving);

impl Arriving {
    /// A handshake begins.
    pub fn handshake(&self) -> Handshake<'_> {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        Handshake(self)
    }

    /// How long it is worth waiting for more webhooks before those that are here are synced.
    pub fn worth_waiting(&self) -> Duration {
        if self.handshakes.load(Ordering::Relaxed) < MANY { Duration::ZERO } else { WAIT }
    }
}

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        self.0.handshakes.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_handshakes_are_waited_for() {
        let arriving = Arriving::default();
        let few: Vec<_> = (1..MANY).map(|_| arriving.handshake()).collect();
        assert_eq!(arriving.worth_waiting(), Duration::ZERO);
        let one_more = arriving.handshake();
        assert_eq!(arriving.worth_waiting(), WAIT);
        drop((few, one_more));
        assert_eq!(arriving.worth_waiting(), Duration::ZERO);
    }
}

//! Notices that the machine slept, that this process was stopped for a while, or that a person wants a connection now.

use std::{sync::Arc, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use tokio::{
    sync::Notify,
    time::{Interval, MissedTickBehavior, interval},
};

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Between two looks there is no more than this on a busy machine that is awake.
const AWAKE: Duration = Duration::from_secs(4);

/// The clock that goes on while the machine sleeps. [`std::time::Instant`] stands still then, on Linux (`CLOCK_MONOTONIC`) and on macOS
/// (`CLOCK_UPTIME_RAW`).
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// Looks at the clock again and again, and listens to a person.
pub(super) struct Wakes {
    looks: Interval,
    last: Duration,
    wanted: Arc<Notify>,
}

impl Wakes {
    /// Looks from now on.
    pub(super) fn new(wanted: Arc<Notify>) -> Self {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { looks, last: now(), wanted }
    }

    /// Returns after the next sleep, or when a person wants a connection. Dropping the future forgets no sleep: it is noticed by the next
    /// call.
    pub(super) async fn woken(&mut self) {
        let wanted = Arc::clone(&self.wanted);
        tokio::select! {
            () = wanted.notified() => {}
            () = self.slept() => {}
        }
    }

    async fn slept(&mut self) {
        loop {
            self.looks.tick().await;
            let now = now();
            let since = now.saturating_sub(self.last);
            self.last = now;
            if since > AWAKE {
                return;
            }
        }
    }
}

/// The time since some moment in the past.
fn now() -> Duration {
    let time = clock_gettime(CLOCK);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

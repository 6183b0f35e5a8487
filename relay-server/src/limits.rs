//! What a relay allows, in one place. Every number is an option of `inhaul relay serve` and a row of `docs/limits.md`.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter as Governor,
    clock::{Clock, DefaultClock},
};
use inhaul_core::{event::EndpointName, session::Timing};

/// What a relay allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest body of a webhook: beyond what any known provider sends.
    pub max_body_bytes: u64,
    /// Largest head of a request.
    pub max_head_bytes: usize,
    /// Most header lines of a request.
    pub max_headers: usize,
    /// Longest request target.
    pub max_target_bytes: usize,
    /// Time for a request's head to arrive.
    pub head_timeout: Duration,
    /// Time for a request's body to arrive.
    pub body_timeout: Duration,
    /// How long a connection may be without a request.
    pub idle_timeout: Duration,
    /// How long the rest of a refused request is read and thrown away, so that its sender sees the answer.
    pub refused_timeout: Duration,
    /// How long nothing of what is written to a connection may be read by the other side.
    pub write_timeout: Duration,
    /// Requests a second an endpoint takes in the long run.
    pub requests_per_second: NonZeroU32,
    /// Requests an endpoint takes at once.
    pub burst: NonZeroU32,
    /// Events that may wait for the client of an endpoint.
    pub backlog_events: u64,
    /// Their heads and bodies.
    pub backlog_bytes: u64,
    /// How long an event waits for a client before it is dropped; for ever when absent. Only time in which the relay runs counts.
    pub retention: Option<Duration>,
    /// Room on the disk that is taken in advance for events to come.
    pub spool_reserve_bytes: u64,
    /// Bytes of requests in memory, over all endpoints.
    pub in_flight_bytes: u64,
    /// Open connections of senders and clients.
    pub max_connections: usize,
    /// How long a sender is held for the app's answer: below the 10 s after which many providers give up.
    pub answer_deadline: Duration,
    /// Silence after which a client's session counts as lost; the client is told, and keeps to the same.
    pub session_silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 10 << 20,
            max_head_bytes: 64 << 10,
            max_headers: 200,
            max_target_bytes: 16 << 10,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            // Longer than the pools of the usual proxies keep a connection, so that they, and not the relay, end it.
            idle_timeout: Duration::from_secs(75),
            refused_timeout: Duration::from_secs(2),
            write_timeout: Duration::from_secs(30),
            requests_per_second: NonZeroU32::new(100).expect("not zero"),
            burst: NonZeroU32::new(200).expect("not zero"),
            backlog_events: 100_000,
            backlog_bytes: 1 << 30,
            // A weekend and a day: a client that was away since Friday evening has everything on Monday.
            retention: Some(Duration::from_secs(72 * 3600)),
            spool_reserve_bytes: 0,
            in_flight_bytes: 512 << 20,
            max_connections: 10_000,
            answer_deadline: Duration::from_secs(8),
            session_silence: Timing::default().dead,
        }
    }
}

impl Limits {
    /// How long a write to a connection may wait. A session is as patient with its client as it was told to be.
    pub fn write_limit(&self) -> Duration {
        self.write_timeout.max(self.session_silence)
    }
}

/// How often endpoints may be posted to.
pub struct RateLimiter {
    endpoints: DefaultKeyedRateLimiter<EndpointName>,
    clock: DefaultClock,
}

impl RateLimiter {
    /// With the rate and burst of these limits.
    pub fn new(limits: &Limits) -> Self {
        let quota = Quota::per_second(limits.requests_per_second).allow_burst(limits.burst);
        Self { endpoints: Governor::keyed(quota), clock: DefaultClock::default() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// With the time to wait, when there are too many.
    pub fn check(&self, endpoint: &EndpointName) -> Result<(), Duration> {
        self.endpoints.check_key(endpoint).map_err(|early| early.wait_time_from(self.clock.now()))
    }

    /// Forgets endpoints that have not been posted to for a while.
    pub fn forget_idle(&self) {
        self.endpoints.retain_recent();
    }
}

/// Bytes that may be in memory at one time. A clone shares them.
#[derive(Clone)]
pub struct ByteBudget {
    left: Arc<AtomicU64>,
}

/// Bytes taken from a budget; dropping it gives them back.
pub struct Permit {
    left: Arc<AtomicU64>,
    bytes: u64,
}

impl ByteBudget {
    /// A budget of so many bytes.
    pub fn new(bytes: u64) -> Self {
        Self { left: Arc::new(AtomicU64::new(bytes)) }
    }

    /// Takes bytes, if there are as many.
    pub fn take(&self, bytes: u64) -> Option<Permit> {
        take(&self.left, bytes).then(|| Permit { left: Arc::clone(&self.left), bytes })
    }
}

impl Permit {
    /// How many bytes it holds.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes more, if there are as many.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let taken = take(&self.left, bytes);
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

fn take(left: &AtomicU64, bytes: u64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_is_posted_to_too_often_is_told_when_to_come_again() {
        let limits = Limits {
            requests_per_second: NonZeroU32::new(1).unwrap(),
            burst: NonZeroU32::new(3).unwrap(),
            ..Limits::default()
        };
        let limiter = RateLimiter::new(&limits);
        let (busy, quiet) = ("busy".parse().unwrap(), "quiet".parse().unwrap());
        for _ in 0..3 {
            limiter.check(&busy).unwrap();
        }
        let wait = limiter.check(&busy).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        limiter.check(&quiet).unwrap();
    }

    #[test]
    fn a_budget_is_never_overdrawn_and_gets_everything_back() {
        let budget = ByteBudget::new(100);
        let mut first = budget.take(60).unwrap();
        assert!(budget.take(41).is_none());
        assert!(!first.grow(41));
        assert!(first.grow(40));
        assert_eq!(first.bytes(), 100);
        drop(first);
        assert!(budget.take(100).is_some());
    }
}

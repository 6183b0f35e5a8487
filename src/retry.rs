//! When to try again.

use std::time::Duration;

/// Full jitter between nothing and a bound that doubles with each failure, so that many clients of a relay that was away do not
/// come back in step.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The bound after the first failure.
    pub first: Duration,
    /// The bound it does not exceed.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after so many failures in a row, at least one; `random` is any number, all equally likely.
    pub fn delay(&self, failures: u32, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        let bound = doubled.min(self.longest);
        let millis = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(random % millis.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_millis(250), longest: Duration::from_secs(30) };

    #[test]
    fn the_bound_doubles_up_to_the_longest() {
        for (failures, bound_ms) in
            [(1, 250), (2, 500), (3, 1000), (7, 16_000), (8, 30_000), (u32::MAX, 30_000)]
        {
            assert_eq!(BACKOFF.delay(failures, bound_ms), Duration::from_millis(bound_ms), "{failures}");
            assert_eq!(BACKOFF.delay(failures, bound_ms + 1), Duration::ZERO, "{failures}");
        }
    }
}

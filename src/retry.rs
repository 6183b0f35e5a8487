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

/// The waits between the tries of one thing, and so how many tries there are: one more than waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    waits: Vec<Duration>,
}

impl Schedule {
    /// These waits, one after the other; none is a single try.
    pub fn new(waits: Vec<Duration>) -> Self {
        Self { waits }
    }

    /// How often something is tried in all.
    pub fn tries(&self) -> usize {
        self.waits.len() + 1
    }

    /// The wait after so many failed tries, up to a tenth shorter or longer; none when there were enough. `random` is any number,
    /// all equally likely.
    pub fn delay(&self, failures: usize, random: u64) -> Option<Duration> {
        let wait = *self.waits.get(failures.checked_sub(1)?)?;
        let tenth = u64::try_from(wait.as_millis() / 10).unwrap_or(u64::MAX / 4);
        let millis = random % (2 * tenth + 1);
        Some((wait + Duration::from_millis(millis)).saturating_sub(Duration::from_millis(tenth)))
    }
}

impl Default for Schedule {
    /// Soon at first, for an application that is being started again; a day and a half in all.
    fn default() -> Self {
        const WAITS_SECONDS: [u64; 11] = [1, 5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 64_800];
        Self { waits: WAITS_SECONDS.map(Duration::from_secs).to_vec() }
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

    #[test]
    fn a_schedule_ends() {
        let schedule = Schedule::new(vec![Duration::from_secs(10), Duration::from_secs(60)]);
        assert_eq!(schedule.tries(), 3);
        for (failures, random, expected_ms) in [
            (1, 0, Some(9000)),
            (1, 1000, Some(10_000)),
            (1, 2000, Some(11_000)),
            (1, 2001, Some(9000)),
            (2, 0, Some(54_000)),
            (3, 7, None),
        ] {
            assert_eq!(
                schedule.delay(failures, random),
                expected_ms.map(Duration::from_millis),
                "{failures} {random}"
            );
        }
        assert_eq!(Schedule::new(Vec::new()).delay(1, 5), None);
        assert_eq!(Schedule::new(vec![Duration::from_millis(5)]).delay(1, 5), Some(Duration::from_millis(5)));
    }
}

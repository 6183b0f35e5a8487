//! Stored events sent again: what is to be sent, how often and in which order, and what came of it all.

use std::{collections::BTreeMap, time::Duration};

use inhaul_core::event::EventId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    draft::Draft,
    forward::Target,
    random::random,
    row::{Attempt, FailureKind, Outcome},
};

/// Most requests of one replay.
pub const REQUESTS_MAX: u64 = 10_000;

/// Most of them under way at once.
pub const CONCURRENCY_MAX: usize = 64;

/// Longest time between two of them.
pub const DELAY_MAX: Duration = Duration::from_secs(60 * 60);

/// What is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which events, in their order.
    pub ids: Vec<EventId>,
    /// Where to; where each belongs when absent.
    pub to: Option<Target>,
    /// What changes.
    pub draft: Draft,
    /// How often, in which order, how fast.
    pub pace: Pace,
}

/// How often, in which order and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// How often each event is sent: all of them once, then all of them again.
    pub times: u32,
    /// From the start of one request to that of the next, in milliseconds.
    pub delay_ms: u64,
    /// By how many percent that is more or less, at most.
    pub jitter_percent: u8,
    /// How many requests are under way at once.
    pub concurrency: usize,
    /// In any order.
    pub shuffle: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self { times: 1, delay_ms: 0, jitter_percent: 0, concurrency: 1, shuffle: false }
    }
}

/// Why a plan is not carried out.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// There is nothing to send.
    #[error("there is nothing to send again")]
    Nothing,
    /// It is too much.
    #[error("{0} requests are too many for one replay; {REQUESTS_MAX} are the most")]
    Requests(u64),
    /// So many at once are refused.
    #[error("from 1 to {CONCURRENCY_MAX} requests can be under way at once, not {0}")]
    Concurrency(usize),
    /// It would take too long.
    #[error("the time between two requests is at most an hour")]
    Delay,
    /// The waits would be less than none.
    #[error("the jitter is at most 100 %")]
    Jitter,
}

impl Plan {
    /// One event, once.
    pub fn of_one(id: EventId, to: Option<Target>, draft: Draft) -> Self {
        Self { ids: vec![id], to, draft, pace: Pace::default() }
    }

    /// How many requests it makes.
    pub fn requests(&self) -> u64 {
        self.pace.requests(self.ids.len())
    }

    /// Refuses what is empty or too much.
    ///
    /// # Errors
    /// At the first of these.
    pub fn check(&self) -> Result<(), PlanError> {
        self.pace.check(self.ids.len())
    }

    /// The events in the order in which they are sent.
    pub fn order(&self) -> Vec<EventId> {
        let times = usize::try_from(self.pace.times).unwrap_or(usize::MAX);
        let mut order = self.ids.repeat(times);
        if self.pace.shuffle {
            // Fisher and Yates.
            for at in (1..order.len()).rev() {
                let other = usize::try_from(random() % (at as u64 + 1)).unwrap_or(at);
                order.swap(at, other);
            }
        }
        order
    }
}

impl Pace {
    /// How many requests it makes of so many events.
    pub fn requests(&self, events: usize) -> u64 {
        (events as u64).saturating_mul(u64::from(self.times))
    }

    /// Refuses what is empty or too much for so many events.
    ///
    /// # Errors
    /// At the first of these.
    pub fn check(&self, events: usize) -> Result<(), PlanError> {
        match self.requests(events) {
            0 => Err(PlanError::Nothing),
            requests if requests > REQUESTS_MAX => Err(PlanError::Requests(requests)),
            _ if !(1..=CONCURRENCY_MAX).contains(&self.concurrency) => {
                Err(PlanError::Concurrency(self.concurrency))
            }
            _ if Duration::from_millis(self.delay_ms) > DELAY_MAX => Err(PlanError::Delay),
            _ if self.jitter_percent > 100 => Err(PlanError::Jitter),
            _ => Ok(()),
        }
    }

    /// The wait from the start of one request to that of the next; `random` is any number.
    pub fn wait(&self, random: u64) -> Duration {
        let part = self.delay_ms * u64::from(self.jitter_percent) / 100;
        Duration::from_millis(self.delay_ms - part + random % (2 * part + 1))
    }
}

/// What a plan would send, found out without sending anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// How many requests.
    pub requests: u64,
    /// Where they go.
    pub targets: Vec<String>,
    /// Those of them that are not on this machine.
    pub external: Vec<String>,
    /// What is different from what was received, in a few words each.
    pub changes: Vec<String>,
    /// The first event whose signature stays while its content does not.
    pub signature_is_old: bool,
    /// The first request's line and headers as they are sent; bytes that are no UTF-8 are replaced.
    pub head: String,
    /// Length of the first request's body.
    pub body_bytes: u64,
    /// The beginning of that body; absent when it is no text.
    #[serde(default)]
    pub body_text: Option<String>,
}

/// Most bytes of a body that a preview has.
pub(crate) const PREVIEW_BODY_BYTES: usize = 4096;

/// One request of a plan is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// Of which event.
    pub id: EventId,
    /// The attempt with its outcome, or why none was made.
    pub result: Result<Attempt, String>,
}

/// What came of a replay so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that are done.
    pub done: u64,
    /// How many got each status.
    pub statuses: BTreeMap<u16, u64>,
    /// How many got no answer, by what kept them from one.
    pub failures: BTreeMap<&'static str, u64>,
    /// How many were not sent, by the reason.
    pub not_sent: BTreeMap<String, u64>,
    /// Milliseconds of each answer and failure.
    latencies: Vec<u64>,
}

/// Most reasons that are told apart.
const REASONS_MAX: usize = 20;

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, result: &Result<Attempt, String>) {
        self.done += 1;
        match result.as_ref().map(|attempt| &attempt.outcome) {
            Ok(Outcome::Answered { status, latency_ms, .. }) => {
                *self.statuses.entry(*status).or_default() += 1;
                self.latencies.push(*latency_ms);
            }
            Ok(Outcome::Failed { kind, latency_ms, .. }) => {
                *self.failures.entry(kind.words()).or_default() += 1;
                self.latencies.push(*latency_ms);
            }
            Ok(Outcome::Begun | Outcome::Rejected) => *self.failures.entry("not forwarded").or_default() += 1,
            Err(reason) => {
                let known = self.not_sent.contains_key(reason) || self.not_sent.len() < REASONS_MAX;
                let reason = if known { reason.clone() } else { "for other reasons".to_owned() };
                *self.not_sent.entry(reason).or_default() += 1;
            }
        }
    }

    /// How many got a 2xx.
    pub fn delivered(&self) -> u64 {
        self.statuses.range(200..300).map(|(_, count)| count).sum()
    }

    /// The time within which so many percent of the answers and failures came, in milliseconds.
    pub fn latency_ms(&self, percent: u64) -> Option<u64> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() as u64 * percent.min(100)).div_ceil(100).max(1);
        sorted.get(usize::try_from(rank - 1).ok()?).copied()
    }
}

impl FailureKind {
    /// In a word or two.
    pub fn words(self) -> &'static str {
        match self {
            Self::Connect => "no connection",
            Self::Timeout => "timeout",
            Self::BadAnswer => "bad answer",
            Self::TooLarge => "answer too large",
            Self::Stopped => "stopped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::tests::sample_attempt, output::tests::answered};

    fn id(number: u128) -> EventId {
        EventId(uuid::Uuid::from_u128(number))
    }

    fn plan(events: u128, pace: Pace) -> Plan {
        Plan { ids: (0..events).map(id).collect(), to: None, draft: Draft::default(), pace }
    }

    #[test]
    fn a_plan_is_bounded() {
        let with = |events, pace| plan(events, pace).check();
        let one = Pace::default();
        assert_eq!(with(0, one), Err(PlanError::Nothing));
        assert_eq!(with(1, Pace { times: 0, ..one }), Err(PlanError::Nothing));
        assert_eq!(with(2, Pace { times: 5000, ..one }), Ok(()));
        assert_eq!(with(2, Pace { times: 5001, ..one }), Err(PlanError::Requests(10_002)));
        assert_eq!(with(2, Pace { times: u32::MAX, ..one }), Err(PlanError::Requests(2 * 4_294_967_295)));
        assert_eq!(with(1, Pace { concurrency: 0, ..one }), Err(PlanError::Concurrency(0)));
        assert_eq!(with(1, Pace { concurrency: 65, ..one }), Err(PlanError::Concurrency(65)));
        assert_eq!(with(1, Pace { delay_ms: 3_600_001, ..one }), Err(PlanError::Delay));
        assert_eq!(with(1, Pace { jitter_percent: 101, ..one }), Err(PlanError::Jitter));
    }

    #[test]
    fn events_come_round_by_round_or_in_any_order() {
        let rounds = Pace { times: 2, ..Pace::default() };
        assert_eq!(plan(3, rounds).order(), [0, 1, 2, 0, 1, 2].map(id));
        let shuffled = plan(1000, Pace { shuffle: true, ..Pace::default() });
        let mut order = shuffled.order();
        assert_ne!(order, shuffled.ids);
        order.sort_unstable();
        assert_eq!(order, shuffled.ids);
    }

    #[test]
    fn jitter_is_more_or_less() {
        let pace = Pace { delay_ms: 200, jitter_percent: 20, ..Pace::default() };
        let waits: Vec<u128> = [0, 80, 81].iter().map(|&random| pace.wait(random).as_millis()).collect();
        assert_eq!(waits, [160, 240, 160]);
        assert_eq!(Pace::default().wait(u64::MAX), Duration::ZERO);
        let most = Pace { delay_ms: 3_600_000, jitter_percent: 100, ..Pace::default() };
        assert!(most.wait(u64::MAX) <= 2 * DELAY_MAX);
    }

    #[test]
    fn a_tally_adds_up() {
        let mut tally = Tally::default();
        let failed = |kind| Outcome::Failed { kind, message: "no".to_owned(), latency_ms: 900 };
        let results = [
            Ok(answered(1, 200)),
            Ok(answered(2, 204)),
            Ok(answered(3, 503)),
            Ok(sample_attempt(4, failed(FailureKind::Timeout))),
            Ok(sample_attempt(5, failed(FailureKind::Connect))),
            Err("there is no event".to_owned()),
        ];
        results.iter().for_each(|result| tally.add(result));
        let sums: u64 =
            tally.statuses.values().chain(tally.failures.values()).chain(tally.not_sent.values()).sum();
        assert_eq!((tally.done, sums, tally.delivered()), (6, 6, 2));
        assert_eq!((tally.latency_ms(50), tally.latency_ms(99)), (Some(12), Some(900)));
        assert_eq!(Tally::default().latency_ms(50), None);
        (0..100).for_each(|number| tally.add(&Err(format!("reason {number}"))));
        assert_eq!(tally.not_sent.len(), REASONS_MAX + 1);
        assert_eq!(tally.not_sent.values().sum::<u64>(), 101);
    }
}

//! Whether an event is delivered, by what is on record of it: to every target, and if not, when to try again.

use std::time::Duration;

use inhaul_core::retry::Schedule;

use crate::{
    forward::Target,
    row::{Attempt, AttemptCause, EventRow, FailureKind, Outcome},
};

/// The longest wait a target may ask for with `Retry-After`.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How an event stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing is left to do.
    Delivered,
    /// It is to be tried again so long after the last attempt ended.
    Again(Duration),
    /// The first target took no connection.
    Unreachable(Target),
    /// No further try would change anything, or there were enough.
    GivenUp(String),
}

/// How an event stands with a target.
enum With {
    Delivered,
    Untried,
    Again(Duration),
    Unreachable,
    GivenUp(String),
}

/// Targets that are still to be tried.
pub(super) fn open_targets<'t>(
    row: &EventRow,
    targets: &'t [Target],
    schedule: &Schedule,
) -> Vec<&'t Target> {
    let is_open =
        |target: &&Target| !matches!(with(row, target, schedule, 0), With::Delivered | With::GivenUp(_));
    targets.iter().filter(is_open).collect()
}

/// How an event stands with all of its targets together. `random` is for the jitter of the schedule.
pub(super) fn standing(row: &EventRow, targets: &[Target], schedule: &Schedule, random: u64) -> Standing {
    let mut soonest: Option<Duration> = None;
    let mut given_up = None;
    for (at, target) in targets.iter().enumerate() {
        match with(row, target, schedule, random) {
            With::Delivered => {}
            With::Untried => soonest = Some(Duration::ZERO),
            // Without the first target the application is not there; the others are extras, and have a schedule.
            With::Unreachable if at == 0 => return Standing::Unreachable(target.clone()),
            With::Unreachable => match by_schedule(row, target, schedule, random) {
                Ok(wait) => soonest = Some(soonest.map_or(wait, |soonest| soonest.min(wait))),
                Err(reason) => given_up = given_up.or(Some(reason)),
            },
            With::Again(wait) => soonest = Some(soonest.map_or(wait, |soonest| soonest.min(wait))),
            With::GivenUp(reason) => given_up = given_up.or(Some(reason)),
        }
    }
    match (soonest, given_up) {
        (Some(wait), _) => Standing::Again(wait),
        (None, Some(reason)) => Standing::GivenUp(reason),
        (None, None) => Standing::Delivered,
    }
}

/// How an event stands when its first target takes connections after all, so that it is its TLS that fails.
pub(super) fn standing_without_tls(
    row: &EventRow,
    target: &Target,
    schedule: &Schedule,
    random: u64,
) -> Standing {
    match by_schedule(row, target, schedule, random) {
        Ok(wait) => Standing::Again(wait),
        Err(reason) => Standing::GivenUp(reason),
    }
}

fn with(row: &EventRow, target: &Target, schedule: &Schedule, random: u64) -> With {
    let name = target.to_string();
    let mut made = row.attempts.iter().filter(|attempt| attempt.target == name);
    if made.clone().any(|attempt| attempt.outcome.is_success()) {
        return With::Delivered;
    }
    let Some(last) = made.rfind(|attempt| attempt.cause != AttemptCause::Replay) else {
        return With::Untried;
    };
    match &last.outcome {
        Outcome::Rejected => With::Delivered,
        Outcome::Begun => With::Untried,
        Outcome::Failed { kind: FailureKind::Connect, .. } => With::Unreachable,
        // It was not the target's doing.
        Outcome::Failed { kind: FailureKind::Stopped, .. } => With::Untried,
        Outcome::Answered { status, .. } if !is_worth_another_try(*status) => {
            With::GivenUp(format!("{name} answered {status}, which another try would not change"))
        }
        Outcome::Answered { .. } | Outcome::Failed { .. } => {
            by_schedule(row, target, schedule, random).map_or_else(With::GivenUp, With::Again)
        }
    }
}

/// 408 Request Timeout, 425 Too Early, 429 Too Many Requests and whatever is the server's own fault (RFC 9110 section 15, RFC 8470, RFC 6585).
fn is_worth_another_try(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

fn failures<'r>(row: &'r EventRow, target: &Target) -> impl DoubleEndedIterator<Item = &'r Attempt> {
    let name = target.to_string();
    row.attempts.iter().filter(move |attempt| {
        let counts = !matches!(attempt.outcome, Outcome::Failed { kind: FailureKind::Stopped, .. });
        attempt.target == name && attempt.cause != AttemptCause::Replay && counts
    })
}

/// The wait until the next try, or why there is none. Asked for less than the schedule's, a target would use up all tries at once.
fn by_schedule(
    row: &EventRow,
    target: &Target,
    schedule: &Schedule,
    random: u64,
) -> Result<Duration, String> {
    let asked = failures(row, target).next_back().and_then(asked_wait);
    match schedule.delay(failures(row, target).count(), random) {
        Some(wait) => Ok(asked.map_or(wait, |asked| asked.max(wait))),
        None => Err(exhausted(row, target)),
    }
}

fn exhausted(row: &EventRow, target: &Target) -> String {
    let tries = failures(row, target).count();
    let what = match failures(row, target).next_back().map(|attempt| &attempt.outcome) {
        Some(Outcome::Answered { status, .. }) => format!("{target} answered {status}"),
        Some(Outcome::Failed { message, .. }) => message.clone(),
        Some(Outcome::Begun | Outcome::Rejected) | None => format!("{target} gave no answer"),
    };
    if tries == 1 { what } else { format!("{what}, at the last of {tries} tries") }
}

/// What `Retry-After` asks for (RFC 9110 section 10.2.3): seconds, or a date.
fn asked_wait(attempt: &Attempt) -> Option<Duration> {
    let Outcome::Answered { headers, latency_ms, .. } = &attempt.outcome else { return None };
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_millisecond();
            let answered_at = attempt.started_at.0.saturating_add(*latency_ms);
            Duration::from_millis(u64::try_from(at).ok()?.saturating_sub(answered_at))
        }
    };
    Some(wait.min(ASKED_WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use inhaul_core::event::{EventId, UnixMillis};
    use uuid::Uuid;

    use super::*;

    const A: &str = "http://localhost:3000";
    const B: &str = "http://localhost:4000";

    fn answered(status: u16, headers: &[(&str, &str)]) -> Outcome {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Outcome::Answered { status, headers, body_bytes: 0, body_excerpt: Vec::new(), latency_ms: 500 }
    }

    fn failed(kind: FailureKind) -> Outcome {
        Outcome::Failed { kind, message: "it failed".to_owned(), latency_ms: 0 }
    }

    fn row(attempts: &[(&str, AttemptCause, Outcome)]) -> EventRow {
        let attempts = attempts.iter().zip(1..).map(|((target, cause, outcome), number)| Attempt {
            number,
            target: (*target).to_owned(),
            cause: *cause,
            started_at: UnixMillis(1_763_970_069_500),
            changed: None,
            outcome: outcome.clone(),
        });
        EventRow {
            id: EventId(Uuid::nil()),
            endpoint: "orders".parse().unwrap(),
            received_at: UnixMillis(0),
            stored_at: UnixMillis(0),
            method: "POST".to_owned(),
            target: "/".to_owned(),
            body_bytes: 0,
            content_type: None,
            provider: None,
            event_type: None,
            provider_event_id: None,
            object_id: None,
            tags: Vec::new(),
            comment: None,
            missed: false,
            sender_waited: false,
            taken_when_late: false,
            imported: false,
            late: false,
            state: crate::row::EventState::Settled,
            repeat: None,
            given_up: None,
            dropped: None,
            released: false,
            forwarded_as: None,
            verdict: None,
            attempts: attempts.collect(),
        }
    }

    fn stands(attempts: &[(&str, AttemptCause, Outcome)], targets: &[&str]) -> Standing {
        let schedule = Schedule::new([10, 60].map(Duration::from_secs).to_vec());
        let targets: Vec<Target> = targets.iter().map(|target| target.parse().unwrap()).collect();
        // The middle of ten seconds and a tenth more or less.
        standing(&row(attempts), &targets, &schedule, 1000)
    }

    #[test]
    fn failures_are_tried_again_until_there_were_enough() {
        use AttemptCause::{Arrival, Replay, Retry};
        let again = |seconds| Standing::Again(Duration::from_secs(seconds));
        assert_eq!(stands(&[], &[A]), again(0));
        assert_eq!(stands(&[(A, Arrival, answered(204, &[]))], &[A]), Standing::Delivered);
        assert_eq!(stands(&[(A, Arrival, Outcome::Rejected)], &[A]), Standing::Delivered);
        for outcome in [
            answered(500, &[]),
            answered(429, &[]),
            failed(FailureKind::Timeout),
            failed(FailureKind::BadAnswer),
        ] {
            assert_eq!(stands(&[(A, Arrival, outcome.clone())], &[A]), again(10), "{outcome:?}");
        }
        let twice = [(A, Arrival, answered(500, &[])), (A, Retry, answered(503, &[]))];
        assert_eq!(stands(&twice, &[A]), Standing::Again(Duration::from_secs(55)), "54 and the jitter");
        let often = [twice.to_vec(), vec![(A, Retry, answered(502, &[]))]].concat();
        let reason = format!("{A} answered 502, at the last of 3 tries");
        assert_eq!(stands(&often, &[A]), Standing::GivenUp(reason));
        let replayed = [often.clone(), vec![(A, Replay, answered(200, &[]))]].concat();
        assert_eq!(stands(&replayed, &[A]), Standing::Delivered);
        let in_vain = [often, vec![(A, Replay, answered(500, &[]))]].concat();
        assert!(matches!(stands(&in_vain, &[A]), Standing::GivenUp(_)), "a replay is no try");
        let stopped = [(A, Arrival, failed(FailureKind::Stopped))];
        assert_eq!(stands(&stopped, &[A]), again(0), "that was the client");
    }

    #[test]
    fn what_another_try_would_not_change_is_given_up_at_once() {
        for status in [301, 400, 401, 404, 410, 422] {
            let stands = stands(&[(A, AttemptCause::Arrival, answered(status, &[]))], &[A]);
            assert!(
                matches!(&stands, Standing::GivenUp(reason) if reason.contains(&status.to_string())),
                "{stands:?}"
            );
        }
    }

    #[test]
    fn a_target_may_ask_for_a_longer_wait_and_for_no_shorter_one() {
        for (value, seconds) in [
            ("17", 17),
            ("7", 10),
            ("0", 10),
            ("999999", 86_400),
            ("Mon, 24 Nov 2025 07:41:30 GMT", 20),
            ("Mon, 24 Nov 2025 07:41:00 GMT", 10),
            ("soon", 10),
        ] {
            let answer = answered(503, &[("Retry-After", value)]);
            let stands = stands(&[(A, AttemptCause::Arrival, answer)], &[A]);
            assert_eq!(stands, Standing::Again(Duration::from_secs(seconds)), "{value}");
        }
    }

    #[test]
    fn the_first_target_is_waited_for_and_each_has_its_own_tries() {
        use AttemptCause::Arrival;
        let refused = failed(FailureKind::Connect);
        let delivered = (A, Arrival, answered(200, &[]));
        assert_eq!(
            stands(&[(A, Arrival, refused.clone())], &[A, B]),
            Standing::Unreachable(A.parse().unwrap())
        );
        assert_eq!(
            stands(&[delivered.clone(), (B, Arrival, refused.clone())], &[A, B]),
            Standing::Again(Duration::from_secs(10))
        );
        let lost = (B, Arrival, answered(404, &[]));
        assert!(matches!(stands(&[delivered, lost.clone()], &[A, B]), Standing::GivenUp(_)));
        let one_left = row(&[lost, (A, Arrival, answered(500, &[]))]);
        let targets = [A.parse::<Target>().unwrap(), B.parse().unwrap()];
        assert_eq!(open_targets(&one_left, &targets, &Schedule::default()), [&targets[0]]);
    }
}

//! What is printed of a scenario: what it would send, each step that is done, and how it went.

use std::time::Duration;

use inhaul_core::visible::visible;

use super::{count_text, fit, time_text};
use crate::{
    row::Outcome,
    scenario::{Cue, Played},
};

/// Columns of the name of a step.
const NAME: usize = 32;

/// Columns of an answer.
const ANSWER: usize = 17;

/// One step that would be sent.
pub fn cue_text(number: usize, cue: &Cue) -> String {
    let step = &cue.step;
    let pause = if step.pause.is_zero() { "at once".to_owned() } else { format!("after {:?}", step.pause) };
    let within = step.within.map(|within| format!(" within {within:?}")).unwrap_or_default();
    let name = fit(&step.name, NAME, NAME);
    let url = visible(&cue.target.url_for(cue.path().as_bytes())).to_string();
    format!("{number:>3}  {name}  {pause:<14}  {url}  expects {}{within}", step.expect)
}

/// One step that is done: a mark, the answer, the time, and what was expected where it is something else.
pub fn played_text(cue: &Cue, played: &Played) -> String {
    let mark = if played.unexpected.is_none() { "ok " } else { "NOT" };
    let (answer, time, message) = match &played.result {
        Ok(Outcome::Answered { status, latency_ms, .. }) => (status.to_string(), Some(*latency_ms), None),
        Ok(Outcome::Failed { kind, message, latency_ms }) => {
            (kind.words().to_owned(), Some(*latency_ms), Some(message.clone()))
        }
        Ok(Outcome::Begun | Outcome::Rejected) => ("not sent".to_owned(), None, None),
        Err(reason) => ("not sent".to_owned(), None, Some(reason.clone())),
    };
    let time = time.map(|time| format!("{time} ms")).unwrap_or_default();
    let mut text = format!(
        "{mark} {:>3}  {}  {}  {time:>9}",
        played.step + 1,
        fit(&cue.step.name, NAME, NAME),
        fit(&answer, ANSWER, ANSWER),
    );
    for more in played.unexpected.iter().chain(&message) {
        text.push_str("  ");
        text.push_str(&visible(more).to_string());
    }
    text.trim_end().to_owned()
}

/// How it went: how many were as expected, of how many.
pub fn play_text(expected: u64, done: u64, requests: u64, took: Duration) -> String {
    let took = time_text(took);
    if done < requests {
        format!(
            "stopped after {done} of {}, {expected} as expected, in {took}",
            count_text(requests, "request")
        )
    } else {
        format!("{expected} of {} as expected, in {took}", count_text(requests, "answer"))
    }
}

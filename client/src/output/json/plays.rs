//! What `inhaul play` prints for programs.

use serde::Serialize;

use super::SCHEMA;
use crate::{
    row::{FailureKind, Outcome},
    scenario::{Cue, LibraryError, Played, Scenario},
};

/// `kind: scenario`
#[derive(Serialize)]
pub struct ScenarioRecord<'a> {
    schema: u32,
    kind: &'static str,
    name: &'a str,
    steps: Option<usize>,
    error: Option<String>,
}

/// `kind: cue`
#[derive(Serialize)]
pub struct CueRecord<'a> {
    schema: u32,
    kind: &'static str,
    step: usize,
    name: &'a str,
    url: String,
    pause_ms: u128,
    body_bytes: usize,
    expect: String,
    within_ms: Option<u128>,
}

/// `kind: played`
#[derive(Serialize)]
pub struct PlayedRecord<'a> {
    schema: u32,
    kind: &'static str,
    round: u32,
    step: usize,
    name: &'a str,
    status: Option<u16>,
    latency_ms: Option<u64>,
    error: Option<PlayedError<'a>>,
    expected: bool,
    unexpected: Option<&'a str>,
}

#[derive(Serialize)]
struct PlayedError<'a> {
    /// `null` when it was not sent at all.
    kind: Option<FailureKind>,
    message: &'a str,
}

/// `kind: play`
#[derive(Serialize)]
pub struct PlayRecord {
    schema: u32,
    kind: &'static str,
    requests: u64,
    done: u64,
    expected: u64,
}

/// What is printed of a scenario that is listed.
pub fn listed_scenario<'a>(name: &'a str, read: Result<&Scenario, &LibraryError>) -> ScenarioRecord<'a> {
    ScenarioRecord {
        schema: SCHEMA,
        kind: "scenario",
        name,
        steps: read.ok().map(|scenario| scenario.steps.len()),
        error: read.err().map(ToString::to_string),
    }
}

/// What is printed of a step that would be sent; `step` counts from 1.
pub fn cue(step: usize, cue: &Cue) -> CueRecord<'_> {
    CueRecord {
        schema: SCHEMA,
        kind: "cue",
        step,
        name: &cue.step.name,
        url: cue.target.url_for(cue.path().as_bytes()),
        pause_ms: cue.step.pause.as_millis(),
        body_bytes: cue.step.body.len(),
        expect: cue.step.expect.to_string(),
        within_ms: cue.step.within.map(|within| within.as_millis()),
    }
}

/// What is printed of a step that is done.
pub fn played<'a>(cue: &'a Cue, played: &'a Played) -> PlayedRecord<'a> {
    let (status, latency_ms, error) = match &played.result {
        Ok(Outcome::Answered { status, latency_ms, .. }) => (Some(*status), Some(*latency_ms), None),
        Ok(Outcome::Failed { kind, message, latency_ms }) => {
            (None, Some(*latency_ms), Some(PlayedError { kind: Some(*kind), message }))
        }
        Ok(Outcome::Begun | Outcome::Rejected) => (None, None, None),
        Err(message) => (None, None, Some(PlayedError { kind: None, message })),
    };
    PlayedRecord {
        schema: SCHEMA,
        kind: "played",
        round: played.round,
        step: played.step + 1,
        name: &cue.step.name,
        status,
        latency_ms,
        error,
        expected: played.unexpected.is_none(),
        unexpected: played.unexpected.as_deref(),
    }
}

/// What is printed of a scenario that was played.
pub fn play(requests: u64, done: u64, expected: u64) -> PlayRecord {
    PlayRecord { schema: SCHEMA, kind: "play", requests, done, expected }
}

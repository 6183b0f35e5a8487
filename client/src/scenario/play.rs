//! A scenario is played: each step goes out when its time has come and the one before it is done, and its answer is compared with what is
//! expected. Nothing of it goes through a history, so it works where there is none.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use inhaul_core::{
    event::{Event, EventId, Peer, PeerSource},
    signature::Provider,
};
use thiserror::Error;
use tokio::time::{Instant, sleep_until};
use uuid::Builder;

use super::{Scenario, Step};
use crate::{
    clock,
    config::{Origin, Routes},
    draft::{self, Changes, Draft, DraftError, IdChange, Sign, Signer},
    export::MASKED,
    forward::{Forwarder, Target},
    replay::REQUESTS_MAX,
    row::Outcome,
    sample,
};

/// What plays scenarios. A clone is another handle of the same.
#[derive(Clone)]
pub struct Player {
    /// What sends.
    pub forwarder: Forwarder,
    /// Who signs, and what with.
    pub routes: Arc<Routes>,
}

/// How a scenario is played.
#[derive(Clone, Debug)]
pub struct PlayOptions {
    /// Where every step goes; where it says itself when absent.
    pub to: Option<Target>,
    /// How often.
    pub times: u32,
    /// How much shorter its pauses are.
    pub speed: Speed,
    /// Header lines that every step gets, in the place of those with their names.
    pub headers: Vec<(String, String)>,
    /// How every step is signed; as it says itself when absent.
    pub sign: Option<Sign>,
    /// Every step is marked as a replay.
    pub mark: bool,
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self { to: None, times: 1, speed: Speed::default(), headers: Vec::new(), sign: None, mark: false }
    }
}

/// How many times shorter pauses are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(f64);

/// Why a text is no speed.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("write how many times as fast, such as 10 or 0.5, or `max` for no pauses")]
pub struct SpeedError;

impl Default for Speed {
    fn default() -> Self {
        Self(1.0)
    }
}

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        let speed = if text == "max" { f64::INFINITY } else { text.parse().map_err(|_| SpeedError)? };
        // Slower than that, an hour would be more than four days.
        if speed >= 0.01 { Ok(Self(speed)) } else { Err(SpeedError) }
    }
}

impl Speed {
    /// No pauses at all.
    pub const MAX: Self = Self(f64::INFINITY);

    pub(super) fn pause(self, pause: Duration) -> Duration {
        Duration::try_from_secs_f64(pause.as_secs_f64() / self.0).unwrap_or_default()
    }
}

/// Why a scenario is not played.
#[derive(Debug, Error)]
pub struct PlayError {
    /// The step it is about.
    pub origin: Option<Origin>,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for PlayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// A step that can be sent: where it goes, and what signs it.
#[derive(Clone, Debug)]
pub struct Cue {
    /// The step, with what is different this time.
    pub step: Step,
    /// Where it goes.
    pub target: Target,
    event: Event,
    draft: Draft,
    signer: Signer,
}

/// One step is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// In which round, from 1.
    pub round: u32,
    /// Which step, from 0.
    pub step: usize,
    /// What came of it, or why it was not sent.
    pub result: Result<Outcome, String>,
    /// Why that is not what is expected.
    pub unexpected: Option<String>,
}

/// A scenario that is being played.
pub struct Playing {
    forwarder: Forwarder,
    cues: Vec<Cue>,
    times: u32,
    speed: Speed,
    /// How many are done.
    done: u64,
    /// When the last one began.
    began: Option<Instant>,
}

impl Player {
    /// Finds out where each step goes and whether it can be sent. Nothing is sent yet.
    ///
    /// # Errors
    /// At the first step that cannot be.
    pub fn prepare(&self, scenario: Scenario, options: &PlayOptions) -> Result<Playing, PlayError> {
        let requests = (scenario.steps.len() as u64).saturating_mul(u64::from(options.times));
        if requests == 0 || requests > REQUESTS_MAX {
            let reason = format!("{requests} requests cannot be sent; from 1 to {REQUESTS_MAX} can");
            return Err(PlayError { origin: None, reason });
        }
        let cues = scenario.steps.into_iter().map(|step| self.cue(step, options));
        Ok(Playing {
            forwarder: self.forwarder.clone(),
            cues: cues.collect::<Result<_, _>>()?,
            times: options.times,
            speed: options.speed,
            done: 0,
            began: None,
        })
    }

    fn cue(&self, step: Step, options: &PlayOptions) -> Result<Cue, PlayError> {
        let refused = |reason: String| PlayError { origin: Some(step.origin.clone()), reason };
        let target = options.to.clone().or_else(|| step.to.clone());
        let target = target
            .ok_or_else(|| refused("it does not say where it goes: `to`, or `--to TARGET`".to_owned()))?;
        let changes = Changes {
            set_headers: options.headers.clone(),
            sign: options.sign.unwrap_or(step.changes.sign),
            mark: options.mark || step.changes.mark,
            ..step.changes.clone()
        };
        let now = clock::now();
        let new_id = || EventId(Builder::from_unix_timestamp_millis(now.0, &sample::random()).into_uuid());
        let event = Event {
            id: step.event.unwrap_or_else(new_id),
            endpoint: "scenario".parse().expect("it is a name"),
            received_at: now,
            peer: Peer { address: "unknown".to_owned(), source: PeerSource::Socket },
            prefix_bytes: 0,
            body_sha256: Event::digest(&step.body),
            head: step.head.clone(),
            body: step.body.clone(),
        };
        let signer = self.signer(&step, &event, &changes).map_err(refused)?;
        let draft = Draft { body: None, changes };
        // Better now than in the middle.
        draft::apply(&event, &draft, &signer, now).map_err(|error| {
            let who_knows = if matches!(error, DraftError::NoSecret(_)) {
                "; its route in inhaul.toml names one, or `--secret-env` of `inhaul play`"
            } else {
                ""
            };
            refused(format!("{error}{who_knows}"))
        })?;
        Ok(Cue { step, target, event, draft, signer })
    }

    /// Who signs a step, and what with: the provider it names, else the one its headers or its route do, and the secret of its route.
    fn signer(&self, step: &Step, event: &Event, changes: &Changes) -> Result<Signer, String> {
        if changes.sign == Sign::Keep && changes.id == IdChange::Keep {
            return Ok(Signer::default());
        }
        let catalogue = self.routes.catalogue();
        let head = event.parsed_head().map_err(|error| error.to_string())?;
        let named =
            match &step.provider {
                Some(name) => Some(catalogue.provider(name).ok_or_else(|| {
                    format!("there is no provider {name:?}; `inhaul providers` lists them")
                })?),
                None => catalogue.candidates(&head.headers).into_iter().next(),
            };
        let fitting: Vec<_> = self.routes.fitting(&head.target).map(|(_, route)| route).collect();
        let is_of = |provider: &Arc<Provider>| {
            fitting.iter().find(|route| route.provider.as_ref().is_some_and(|own| own.id() == provider.id()))
        };
        let with_secret = || fitting.iter().find(|route| !route.secrets.now().is_empty());
        let route = named.as_ref().and_then(is_of).or_else(with_secret).or(fitting.first());
        let provider = named.or_else(|| route?.provider.clone());
        Ok(Signer { provider, secret: route.and_then(|route| route.secrets.now().first().cloned()) })
    }
}

impl Cue {
    /// What is masked in the file, so that stars are sent: names of headers, `the query` and `the body`.
    pub fn masked(&self) -> Vec<String> {
        let changed = draft::apply(&self.event, &self.draft, &self.signer, clock::now());
        let head = changed.ok().and_then(|event| event.parsed_head().ok());
        let headers = head.map(|head| head.headers).unwrap_or_default();
        let masked = headers.iter().filter(|header| header.value == MASKED);
        let mut names: Vec<String> =
            masked.map(|header| String::from_utf8_lossy(&header.name).into_owned()).collect();
        let (field, text) = (format!("={MASKED}"), format!("\"{MASKED}\""));
        let holds = |bytes: &[u8], part: &str| bytes.windows(part.len()).any(|here| here == part.as_bytes());
        if holds(self.path().as_bytes(), &field) {
            names.push("the query".to_owned());
        }
        if holds(&self.step.body, &field) || holds(&self.step.body, &text) {
            names.push("the body".to_owned());
        }
        names
    }

    /// Path and query.
    pub fn path(&self) -> String {
        let head = self.event.parsed_head();
        head.map(|head| String::from_utf8_lossy(&head.target).into_owned()).unwrap_or_default()
    }

    async fn send(&self, forwarder: &Forwarder, round: u32) -> Result<Outcome, String> {
        let changed = draft::apply(&self.event, &self.draft, &self.signer, clock::now());
        let event = changed.map_err(|error| error.to_string())?;
        let event = match self.draft.changes.mark {
            true => draft::marked(&event, event.id, round),
            false => event,
        };
        Ok(forwarder.send(&event, &self.target).await.outcome)
    }

    /// Why an outcome is not as expected.
    pub(super) fn unexpected(&self, result: &Result<Outcome, String>) -> Option<String> {
        let Step { expect, within, .. } = &self.step;
        match result {
            Ok(Outcome::Answered { status, latency_ms, .. }) => {
                let late = within.filter(|within| u128::from(*latency_ms) > within.as_millis());
                match late {
                    _ if !expect.takes(*status) => Some(format!("expected {expect}")),
                    Some(within) => Some(format!("expected within {} ms", within.as_millis())),
                    None => None,
                }
            }
            Ok(Outcome::Failed { .. } | Outcome::Begun | Outcome::Rejected) | Err(_) => {
                Some(format!("expected {expect}"))
            }
        }
    }
}

impl Playing {
    /// The steps of each round.
    pub fn cues(&self) -> &[Cue] {
        &self.cues
    }

    /// How many requests there are in all.
    pub fn requests(&self) -> u64 {
        (self.cues.len() as u64).saturating_mul(u64::from(self.times))
    }

    /// Every target, once.
    pub fn targets(&self) -> Vec<&Target> {
        let mut targets: Vec<&Target> = Vec::new();
        for cue in &self.cues {
            if !targets.contains(&&cue.target) {
                targets.push(&cue.target);
            }
        }
        targets
    }

    /// Those that are not on this machine.
    pub fn external(&self) -> Vec<String> {
        let targets = self.targets();
        targets.iter().filter(|target| !target.is_loopback()).map(ToString::to_string).collect()
    }

    /// Sends the next one, when its time has come, and waits for its answer; nothing when all are done. Dropping the future ends the
    /// request.
    pub async fn next(&mut self) -> Option<Played> {
        if self.done >= self.requests() {
            return None;
        }
        let steps = self.cues.len() as u64;
        let step = usize::try_from(self.done % steps).ok()?;
        let round = u32::try_from(self.done / steps).ok()? + 1;
        let cue = &self.cues[step];
        if let Some(began) = self.began {
            sleep_until(began + self.speed.pause(cue.step.pause)).await;
        }
        self.began = Some(Instant::now());
        let result = cue.send(&self.forwarder, round).await;
        self.done += 1;
        Some(Played { round, step, unexpected: cue.unexpected(&result), result })
    }
}

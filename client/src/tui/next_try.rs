//! When an event that was not delivered is tried again, as it is told to a person.

use std::{collections::HashMap, time::Duration};

use inhaul_core::{
    event::{EventId, UnixMillis},
    visible::visible,
};

use super::{
    state::{State, Times},
    view::list,
};
use crate::{
    live::NextTry,
    output::time_text,
    row::{Attempt, AttemptCause, EventRow, EventState},
};

/// The next tries of events that wait for one.
pub(super) type NextTries = HashMap<EventId, NextTry>;

/// Forgets the next try of an event when an attempt was it, or when none is needed any more.
pub(super) fn attempted(state: &mut State, row: &EventRow, attempt: &Attempt) {
    if attempt.cause != AttemptCause::Replay || attempt.outcome.is_success() {
        state.next_tries.remove(&row.id);
    }
}

/// Forgets it when the event is settled or given up.
pub(super) fn changed(state: &mut State, row: &EventRow) {
    if row.state != EventState::Pending {
        state.next_tries.remove(&row.id);
    }
}

/// When the event is tried again; nothing when it waits for no try.
pub(super) fn text(state: &State, id: EventId) -> Option<String> {
    Some(match state.next_tries.get(&id)? {
        NextTry::When(target) => {
            let target = target.strip_prefix("http://").unwrap_or(target);
            format!("next try when {} takes connections", visible(target))
        }
        NextTry::At(at) => match left(state, *at) {
            None => "it is tried again now".to_owned(),
            Some(left) => {
                let zone = if state.look.times == Times::Local { "" } else { " UTC" };
                format!("next try in {}, at {}{zone}", time_text(left), list::clock(state, *at))
            }
        },
    })
}

/// The same in a few letters, such as `+12s`.
pub(super) fn flag(state: &State, id: EventId) -> Option<String> {
    match state.next_tries.get(&id)? {
        NextTry::When(_) => None,
        NextTry::At(at) => left(state, *at).map(|left| {
            format!("+{}", list::short_time(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)))
        }),
    }
}

/// In whole seconds, the last of which has begun.
fn left(state: &State, at: UnixMillis) -> Option<Duration> {
    let seconds = at.0.saturating_sub(state.now.0).div_ceil(1000);
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

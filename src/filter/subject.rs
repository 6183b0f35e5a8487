//! What a filter asks of an event.

use super::{Flag, JsonPath, JsonValue, NumberField, Signature, TextField};
use crate::event::UnixMillis;

/// What came of the last try to deliver an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was none, or it has no outcome yet.
    None,
    /// The target answered with this status.
    Status(u16),
    /// It failed without an answer.
    Failed,
}

/// An event as far as it is at hand. What is never at hand without the event's bytes may be answered by nothing: not known yet.
pub trait Subject {
    /// The time now.
    fn now(&self) -> UnixMillis;

    /// When the relay received it.
    fn received_at(&self) -> UnixMillis;

    /// What came of the last try to deliver it.
    fn outcome(&self) -> Outcome;

    /// What the signature check found.
    fn signature(&self) -> Signature;

    /// Whether this is true of it.
    fn has(&self, flag: Flag) -> bool;

    /// Whether one of the numbers passes.
    fn any_number(&self, field: NumberField, passes: &mut dyn FnMut(f64) -> bool) -> bool;

    /// Whether one of the texts that a list shows of it passes; nothing when none of those at hand does and others are not.
    fn any_word(&self, passes: &mut dyn FnMut(&str) -> bool) -> Option<bool>;

    /// Whether one of the texts passes; nothing when they are not at hand.
    fn any_text(&self, field: &TextField, passes: &mut dyn FnMut(&str) -> bool) -> Option<bool>;

    /// Whether one of the values at the end of a path in its JSON body passes; nothing when the body is not at hand.
    fn any_json(&self, path: &JsonPath, passes: &mut dyn FnMut(JsonValue<'_>) -> bool) -> Option<bool>;

    /// Whether a jq program finds something in the body; nothing when it was not run.
    fn jq(&self, program: &str) -> Option<bool> {
        let _ = program;
        None
    }
}

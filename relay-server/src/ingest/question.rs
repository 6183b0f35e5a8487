//! Which webhooks are a provider's question to the endpoint, and which of these the relay answers.

use inhaul_core::{
    event::{Event, Head},
    signature::{ChallengeAnswer, Delivery, challenge},
};

/// Largest body in which a provider's question to the endpoint is looked for.
const QUESTION_MAX_BYTES: usize = 64 * 1024;

/// A provider's question to the endpoint, before it sends to it.
pub(super) enum Question {
    /// It can be answered here.
    Answered(ChallengeAnswer),
    /// The answer takes a secret, which only the client has.
    ForClient,
}

impl Question {
    pub(super) fn in_event(event: &Event, head: &Head) -> Option<Self> {
        if event.body.len() > QUESTION_MAX_BYTES {
            return None;
        }
        let target = std::str::from_utf8(&head.target).ok()?;
        // Only the query counts for what can be answered here.
        let delivery = Delivery::of_event(event, head, Some(target));
        let asked = challenge(&delivery)?;
        Some(asked.answer(&delivery, &[]).map_or(Self::ForClient, Self::Answered))
    }
}

//! The filter: words that must, or must not, be in what the list knows of an event.

use inhaul_core::signature::Verdict;

use crate::row::{EventRow, EventState, Outcome};

/// A filter; without words everything passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    wanted: Vec<String>,
    unwanted: Vec<String>,
}

impl Filter {
    /// Words apart by blanks, in any case; `-word` is unwanted.
    pub(super) fn parse(text: &str) -> Self {
        let mut filter = Self::default();
        for word in text.split_whitespace().map(str::to_lowercase) {
            match word.strip_prefix('-') {
                Some("") => {}
                Some(word) => filter.unwanted.push(word.to_owned()),
                None => filter.wanted.push(word),
            }
        }
        filter
    }

    /// Whether everything passes.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty()
    }

    /// Whether an event passes.
    pub(super) fn passes(&self, row: &EventRow) -> bool {
        if self.is_empty() {
            return true;
        }
        let text = searched(row);
        self.wanted.iter().all(|word| text.contains(word.as_str()))
            && !self.unwanted.iter().any(|word| text.contains(word.as_str()))
    }
}

/// Everything words are looked for in, in lower case.
fn searched(row: &EventRow) -> String {
    let outcome = match row.attempts.last().map(|attempt| &attempt.outcome) {
        Some(Outcome::Answered { status, .. }) => status.to_string(),
        Some(Outcome::Failed { .. }) => "err".to_owned(),
        Some(Outcome::Rejected) => "rejected".to_owned(),
        Some(Outcome::Begun) | None => String::new(),
    };
    let id = row.id.to_string();
    let parts = [
        row.method.as_str(),
        &row.target,
        row.event_type.as_deref().unwrap_or_default(),
        row.provider.as_deref().unwrap_or_default(),
        row.provider_event_id.as_deref().unwrap_or_default(),
        verdict_word(row.verdict.as_ref()),
        &outcome,
        if row.missed { "missed" } else { "" },
        if row.given_up.is_some() { "given up" } else { "" },
        if row.late { "late" } else { "" },
        if row.repeat.is_some() { "repeat" } else { "" },
        if row.state == EventState::Held { "held" } else { "" },
        &id,
    ];
    parts.join("\n").to_lowercase()
}

/// The verdict in a word.
pub(super) fn verdict_word(verdict: Option<&Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Valid { .. }) => "valid",
        Some(Verdict::Invalid { .. }) => "invalid",
        Some(Verdict::Stale { .. }) => "stale",
        Some(Verdict::NoSecret { .. }) => "no secret",
        Some(Verdict::Unsigned) => "unsigned",
        None => "unchecked",
    }
}

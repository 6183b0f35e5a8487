//! What was found wrong in the history and put right: one plain line each, for the user.

use std::sync::{Arc, Mutex, PoisonError};

/// Most lines kept; whoever has more problems than that has one problem.
const NOTES_MAX: usize = 100;

/// The lines so far; every clone is the same list.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    lines: Arc<Mutex<Vec<String>>>,
    /// Whoever has them says them; they are not for the log.
    are_told: bool,
}

impl Notes {
    /// Lines that whoever asks for them tells the user.
    pub(super) fn to_be_told() -> Self {
        Self { are_told: true, ..Self::default() }
    }

    /// Adds a line.
    pub(super) fn add(&self, line: String) {
        if !self.are_told {
            tracing::warn!("{line}");
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < NOTES_MAX {
            lines.push(line);
        }
    }

    /// The lines so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

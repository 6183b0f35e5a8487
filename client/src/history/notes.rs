//! What was found wrong in the history and put right: one plain line each, for the user.

use std::sync::{Arc, Mutex, PoisonError};

/// Most lines kept; whoever has more problems than that has one problem.
const NOTES_MAX: usize = 100;

/// The lines so far; every clone is the same list.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    /// Adds a line.
    pub(super) fn add(&self, line: String) {
        tracing::warn!("{line}");
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < NOTES_MAX {
            lines.push(line);
        }
    }

    /// The lines so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

//! Marks: which events something is to be done with.

use super::state::{State, Toast, ToastKind};
use crate::output::count_text;

/// Marks the selected event, or takes its mark away.
pub(super) fn toggle(state: &mut State) {
    let Some(id) = state.selected else { return };
    if !state.marked.remove(&id) {
        state.marked.insert(id);
    }
}

/// Takes every mark away.
pub(super) fn clear(state: &mut State) {
    let marks = count_text(state.marked.len() as u64, "mark");
    state.marked.clear();
    state.toast = Some(Toast { text: format!("{marks} taken away"), kind: ToastKind::Note });
}

//! Marks: which events something is to be done with.

use inhaul_core::event::EventId;

use super::state::{State, ToastKind};
use crate::output::count_text;

/// Marks the selected event, or takes its mark away.
pub(super) fn toggle(state: &mut State) {
    let Some(id) = state.selected else { return };
    let is_marked = !state.marked.remove(&id);
    if is_marked {
        state.marked.insert(id);
    }
    state.events.mark(id, is_marked, state.now);
    renew(state);
}

/// Takes every mark away, and says so.
pub(super) fn clear(state: &mut State) {
    let marks = count_text(state.marked.len() as u64, "mark");
    take_all(state);
    if state.events.list().only().is_some() {
        state.events.only(None, state.now);
    }
    state.tell(format!("{marks} taken away"), ToastKind::Note);
}

/// Takes every mark away.
pub(super) fn take_all(state: &mut State) {
    for id in std::mem::take(&mut state.marked) {
        state.events.mark(id, false, state.now);
    }
}

/// Shows only marked events, or all again.
pub(super) fn only(state: &mut State) {
    if state.events.list().only().is_some() {
        state.events.only(None, state.now);
    } else if state.marked.is_empty() {
        state.tell("no event is marked".to_owned(), ToastKind::Note);
    } else {
        state.events.only(Some(&state.marked), state.now);
    }
}

/// Marks count at once where only marked events are shown.
fn renew(state: &mut State) {
    if state.events.list().only().is_some() {
        state.events.only(Some(&state.marked), state.now);
    }
}

/// The events that something is done with: the marked ones, else the selected one.
pub(super) fn meant(state: &State) -> Vec<EventId> {
    if state.marked.is_empty() {
        state.selected.into_iter().collect()
    } else {
        state.marked.iter().copied().collect()
    }
}

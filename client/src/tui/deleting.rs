//! Events that are deleted, and come back while they can.

use inhaul_core::event::{EventId, UnixMillis};

use super::{
    keys::{Action, Note},
    marks,
    message::Effect,
    state::{State, ToastKind},
};
use crate::{
    history::{Deletions, UNDO_TIME},
    output::count_text,
    row::EventRow,
};

/// Events that were deleted together.
pub(super) struct Undo {
    ids: Vec<EventId>,
    at: UnixMillis,
}

/// Asks for the deletion of the marked events, or of the selected one.
pub(super) fn delete(state: &mut State, is_again: bool, effects: &mut Vec<Effect>) {
    let ids = state.chosen();
    if !ids.is_empty() && !marks::warns(state, Action::Note(Note::Delete), is_again, "deletes") {
        effects.push(Effect::Delete(ids));
    }
}

/// Some events are deleted, and some may not be.
pub(super) fn deleted(state: &mut State, deletions: Deletions) {
    let Deletions { deleted, kept } = deletions;
    if !deleted.is_empty() {
        gone(state, &deleted);
        let (undo, seconds) = (state.keymap.written("undo"), UNDO_TIME.as_secs());
        let events = count_text(deleted.len() as u64, "event");
        state.tell(format!("{events} deleted; {undo} takes it back for {seconds} s"), ToastKind::Good);
        state.deleted.push(Undo { ids: deleted, at: state.now });
    }
    if let Some(first) = kept.first() {
        let others = if kept.len() > 1 { format!(", and {} others", kept.len() - 1) } else { String::new() };
        state.tell(format!("not deleted: {}{others}", first.reason), ToastKind::Bad);
    }
}

/// Events are no longer in the history.
pub(super) fn gone(state: &mut State, ids: &[EventId]) {
    state.events.remove(ids);
    let marks = state.marked.len();
    for id in ids {
        state.marked.remove(id);
        state.next_tries.remove(id);
    }
    if state.marked.len() < marks {
        marks::renew(state);
    }
}

/// Asks for the events that were deleted last, if they can still come back.
pub(super) fn undo(state: &mut State, effects: &mut Vec<Effect>) {
    let undo_ms = u64::try_from(UNDO_TIME.as_millis()).unwrap_or(u64::MAX);
    let now = state.now.0;
    state.deleted.retain(|undo| now.saturating_sub(undo.at.0) < undo_ms);
    match state.deleted.pop() {
        Some(Undo { ids, .. }) => effects.push(Effect::Restore(ids)),
        None => {
            let seconds = UNDO_TIME.as_secs();
            state.tell(format!("nothing was deleted here in the last {seconds} s"), ToastKind::Note);
        }
    }
}

/// Events are back.
pub(super) fn restored(state: &mut State, rows: Vec<EventRow>, why_not: Option<String>) {
    let events = count_text(rows.len() as u64, "event");
    if let Some(row) = rows.first() {
        state.selected = Some(row.id);
        state.follows = false;
    }
    for row in rows {
        state.events.put(row, state.now);
    }
    match why_not {
        Some(reason) => state.tell(format!("{events} back; not all: {reason}"), ToastKind::Bad),
        None => state.tell(format!("{events} back"), ToastKind::Good),
    }
}

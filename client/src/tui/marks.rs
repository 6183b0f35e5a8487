//! Marks: which events something is to be done with.

use inhaul_core::event::EventId;

use super::{
    keys::Action,
    state::{State, ToastKind},
};
use crate::output::count_text;

/// Marks the selected event and those behind it, so many in all; takes their marks away when the selected one has one.
pub(super) fn toggle(state: &mut State, count: usize) {
    let Some(id) = state.selected else { return };
    let ids = state.position().map_or_else(|| vec![id], |at| at_places(state, at, count));
    set(state, &ids, !state.marked.contains(&id));
    state.follows = false;
}

/// The same, and goes to the first one behind them.
pub(super) fn toggle_and_go_down(state: &mut State, count: usize) {
    let Some(at) = state.position() else { return };
    let behind = state.events.at(at.saturating_add(count)).map(|entry| entry.id);
    toggle(state, count);
    // Those whose marks were taken away may have left the list.
    let place = match behind {
        Some(id) => state.events.list().position(id),
        None => state.events.shown().checked_sub(1),
    };
    if let Some(place) = place {
        state.select(place);
        state.follows = false;
    }
}

/// The events from a place on, so many at most.
fn at_places(state: &State, from: usize, count: usize) -> Vec<EventId> {
    let to = state.events.shown().min(from.saturating_add(count));
    (from..to).filter_map(|place| state.events.at(place)).map(|entry| entry.id).collect()
}

/// Begins a range at the selected event; the second time, marks everything from there to the selected one.
pub(super) fn range(state: &mut State) {
    let Some((at, id)) = state.position().zip(state.selected) else { return };
    state.follows = false;
    let Some(from) = state.range_from.take() else {
        state.range_from = Some(id);
        let key = state.keymap.written("mark_range");
        let text = format!("go to the other end: {key} marks everything between, esc nothing");
        return state.tell(text, ToastKind::Note);
    };
    let other = state.events.list().position_from(from).unwrap_or(at);
    let (first, last) = (at.min(other), at.max(other));
    let ids = at_places(state, first, last - first + 1);
    set(state, &ids, true);
    tell_count(state);
}

/// Whether an event at a place would be marked if the range ended at the selected one.
pub(super) fn is_in_range(state: &State, place: usize, selected: Option<usize>) -> bool {
    let from = state.range_from.and_then(|from| state.events.list().position_from(from));
    let ends = from.zip(selected);
    ends.is_some_and(|(from, to)| (from.min(to)..=from.max(to)).contains(&place))
}

/// Marks every event that is shown.
pub(super) fn all_shown(state: &mut State) {
    let ids = at_places(state, 0, usize::MAX);
    set(state, &ids, true);
    state.follows = false;
    tell_count(state);
}

fn tell_count(state: &mut State) {
    let events = count_text(state.marked.len() as u64, "event");
    state.tell(format!("{events} marked"), ToastKind::Note);
}

/// Marks events, or takes their marks away.
pub(super) fn set(state: &mut State, ids: &[EventId], is_marked: bool) {
    if is_marked {
        state.marked.extend(ids);
    } else {
        for id in ids {
            state.marked.remove(id);
        }
    }
    state.events.mark(ids, is_marked, state.now);
    renew(state);
}

/// Takes every mark away, and says so.
pub(super) fn clear(state: &mut State) {
    let ids: Vec<EventId> = state.marked.iter().copied().collect();
    set(state, &ids, false);
    state.tell(format!("{} taken away", count_text(ids.len() as u64, "mark")), ToastKind::Note);
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

/// Marks count at once where only marked events are shown. Without any, all are shown again.
pub(super) fn renew(state: &mut State) {
    if state.events.list().only().is_some() {
        let marked = (!state.marked.is_empty()).then_some(&state.marked);
        state.events.only(marked, state.now);
    }
}

/// Whether a person has to agree once more, because marked events are meant that the list does not show.
pub(super) fn warns(state: &mut State, action: Action, is_again: bool, would: &str) -> bool {
    let list = state.events.list();
    let hidden = state.marked.iter().filter(|id| list.position(**id).is_none()).count();
    if hidden == 0 || is_again {
        return false;
    }
    let (events, key) = (count_text(state.marked.len() as u64, "event"), state.keymap.first(action));
    state.warned = Some(action);
    let text = format!("{events} marked, {hidden} of them not in the list; {key} again {would} all");
    state.tell(text, ToastKind::Note);
    true
}

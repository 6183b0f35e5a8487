//! Filters that are put on: as they are typed, and by what is selected.

use inhaul_core::filter::{Filter, quoted};

use super::{
    super::state::{PromptKind, State, ToastKind},
    folding,
};
use crate::filtering::checked;

/// Puts a filter on; one that is wrong is marked, and leaves the one from before.
pub(in super::super) fn set_filter(state: &mut State, text: &str) {
    text.clone_into(&mut state.filter_text);
    match Filter::parse_for_list(text, &state.saved).and_then(|filter| checked(text, filter)) {
        Ok(filter) => {
            state.filter_error = None;
            state.events.set_filter(filter, state.now);
        }
        Err(error) => {
            state.filter_error = Some(error);
            // What was typed on the way to it is no filter that anybody asked for.
            if state.prompt.as_ref().is_some_and(|prompt| prompt.kind == PromptKind::Filter)
                && let Ok(before) = Filter::parse_for_list(&state.filter_before.0, &state.saved)
                && *state.events.list().filter() != before
            {
                state.events.set_filter(before, state.now);
            }
        }
    }
}

/// Adds to the filter that events are of the selected one's type, or are not; without a type, of its path.
pub(super) fn of_kind(state: &mut State, only: bool) {
    let Some(row) = state.selected.and_then(|id| state.row(id)) else { return };
    let test = match &row.event_type {
        Some(event_type) => format!("type={}", quoted(event_type)),
        None => format!("path={}", quoted(row.target.split('?').next().unwrap_or_default())),
    };
    let sign = if only { "" } else { "-" };
    let text = match state.filter_text.trim() {
        "" => format!("{sign}{test}"),
        // What is there may be one thing or the other, and this is to be true of both.
        before if before.contains(['|', 'O']) => format!("({before}) {sign}{test}"),
        before => format!("{before} {sign}{test}"),
    };
    set_filter(state, &text);
    state.remember_filter();
}

/// Puts a filter on that finds the events with the value of the body that one is at.
pub(super) fn same_value(state: &mut State) {
    let Some(test) = folding::shown(state).map(|tree| tree.test()) else {
        return state.tell("there is no value of a JSON body here".to_owned(), ToastKind::Note);
    };
    if Filter::parse(&test).is_err() {
        return state.tell("a filter has no name for where this is".to_owned(), ToastKind::Note);
    }
    set_filter(state, &test);
    state.remember_filter();
}

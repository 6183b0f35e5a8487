//! Leaving what is open, one after another, and the inspector in the end.

use super::{
    super::{
        keys::{Action, View},
        message::Effect,
        piping, query,
        state::{Pane, State, ToastKind},
    },
    filter::set_filter,
};
use crate::output::count_text;

/// Closes what is open, the innermost first; says whether there was anything.
fn close(state: &mut State, quits: bool, effects: &mut Vec<Effect>) -> bool {
    if state.view == Some(View::Piped) {
        piping::back(state, effects);
    } else if state.view.is_some() {
        state.view = None;
    } else if !quits && query::is_shown(state) {
        query::clear(state, effects);
    } else if state.pane == Pane::Detail {
        state.pane = Pane::List;
    } else {
        return false;
    }
    true
}

/// With nothing open, shows what is hidden, the last that was hidden first.
pub(super) fn back(state: &mut State, effects: &mut Vec<Effect>) {
    if close(state, false, effects) {
    } else if state.range_from.is_some() {
        state.range_from = None;
    } else if state.events.list().only().is_some() {
        state.events.only(None, state.now);
    } else {
        set_filter(state, "");
    }
}

/// With nothing open, ends; asks once when something is under way or waits for a person.
pub(super) fn quit(state: &mut State, is_again: bool, effects: &mut Vec<Effect>) {
    if close(state, true, effects) {
        return;
    }
    match left_behind(state).filter(|_| !is_again) {
        Some(what) => {
            let key = state.keymap.first(Action::Quit);
            state.warned = Some(Action::Quit);
            state.tell(format!("{what}; {key} again quits"), ToastKind::Note);
        }
        None => effects.push(Effect::Quit { keep: false }),
    }
}

/// Ends wherever one is; asks once as well.
pub(super) fn interrupt(state: &mut State, effects: &mut Vec<Effect>) {
    let is_again = state.warned.take() == Some(Action::QuitNow);
    match left_behind(state).filter(|_| !is_again) {
        Some(what) => {
            state.warned = Some(Action::QuitNow);
            state.tell(format!("{what}; ctrl-c again quits"), ToastKind::Note);
        }
        None => effects.push(Effect::Quit { keep: false }),
    }
}

/// What is under way or waits for a person, if anything; what is held stays so.
fn left_behind(state: &State) -> Option<String> {
    let play = state.play.as_ref().filter(|play| !play.is_over);
    match state.events.list().held_count() {
        _ if state.replaying > 0 => Some("a replay is under way".to_owned()),
        0 => match (play, &state.piped) {
            (Some(play), _) => Some(format!("the scenario {} is being played", play.name)),
            (None, Some(piped)) if piped.is_running => Some("a command is under way".to_owned()),
            (None, _) => None,
        },
        1 => Some("1 event is held and stays so".to_owned()),
        held => Some(format!("{} are held and stay so", count_text(held as u64, "event"))),
    }
}

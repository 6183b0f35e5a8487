//! What keys do with the body of the selected event.

use super::super::{
    keys::{OnBody, Tab},
    message::Effect,
    piping, query,
    state::{State, ToastKind},
};
use super::press::show_tab;
use crate::output::body::Form;

/// Does what a key asks for.
pub(super) fn act(state: &mut State, action: OnBody, effects: &mut Vec<Effect>) {
    match action {
        OnBody::Page(form) => page(state, form, effects),
        OnBody::Query => query::begin(state),
        OnBody::Pipe => piping::ask(state),
        OnBody::AsSent => as_sent(state),
    }
}

/// Asks for the whole body in a pager.
fn page(state: &mut State, form: Form, effects: &mut Vec<Effect>) {
    let Some(id) = state.selected else { return };
    match state.row(id) {
        Some(row) if row.body_bytes == 0 => state.tell("it has no body".to_owned(), ToastKind::Note),
        _ => effects.push(Effect::Page(id, form, state.look.masks)),
    }
}

/// Shows the body as it was sent, or laid out again.
fn as_sent(state: &mut State) {
    state.look.as_sent = !state.look.as_sent;
    state.scroll = 0;
    show_tab(state, Tab::Body);
}

//! Events that are held: what keys do with them.

use inhaul_core::{
    event::EventId,
    filter::{Filter, Saved},
};
use tui_input::Input;

use super::{
    dialog,
    keys::Action,
    marks,
    message::Effect,
    queue,
    state::{Prompt, PromptKind, State, ToastKind},
};
use crate::{
    draft::Draft,
    history::Ruling,
    hold::{HoldChange, HoldState},
    output::count_text,
};

/// What a key does with events that are held, marked or edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holding {
    /// Asks which are held from now on.
    Ask,
    /// Holds or does not hold those of the filter.
    Turn,
    Release,
    ReleaseAll,
    Drop,
    /// Moves it towards the first that is released.
    Earlier,
    Later,
    /// Opens the replay dialog.
    Dialog,
    /// Edits the body, and opens the dialog then.
    Edit,
}

impl State {
    /// The events that something is done with: the marked ones, oldest first, else the selected one.
    pub(super) fn chosen(&self) -> Vec<EventId> {
        if self.marked.is_empty() {
            return self.selected.into_iter().collect();
        }
        self.marked.iter().copied().collect()
    }
}

/// Does what a key asks for.
pub(super) fn act(
    state: &mut State,
    action: Holding,
    count: Option<usize>,
    is_again: bool,
    effects: &mut Vec<Effect>,
) {
    match action {
        Holding::Earlier | Holding::Later => {
            queue::move_selected(state, action == Holding::Earlier, count.unwrap_or(1));
        }
        Holding::Ask => {
            let input = Input::new(state.hold.filter.clone());
            state.prompt = Some(Prompt { kind: PromptKind::Hold, input });
        }
        Holding::Turn => effects.push(Effect::Hold(HoldChange::Turn(!state.hold.is_on))),
        Holding::Release => decide(state, &Ruling::Forward(Draft::default()), effects),
        Holding::Drop if marks::warns(state, Action::Hold(action), is_again, "drops") => {}
        Holding::Drop => {
            let ruling = Ruling::Drop { by: state.person.clone(), why: None };
            decide(state, &ruling, effects);
        }
        Holding::Dialog => dialog::open(state, effects),
        Holding::Edit => effects.extend(state.selected.map(|id| Effect::Edit(id, None))),
        Holding::ReleaseAll => effects.push(Effect::ReleaseAll(state.queue.ids().to_vec())),
    }
}

fn decide(state: &mut State, ruling: &Ruling, effects: &mut Vec<Effect>) {
    let list = state.events.list();
    let mut ids: Vec<EventId> = state.chosen().into_iter().filter(|id| list.is_held(*id)).collect();
    state.queue.sort(&mut ids);
    if ids.is_empty() {
        state.tell("it is not held".to_owned(), ToastKind::Note);
    } else {
        marks::set(state, &ids, false);
        effects.push(Effect::Decide(ids, ruling.clone()));
    }
}

/// The filter was typed to its end; one that is wrong is typed on.
pub(super) fn asked(state: &mut State, text: &str, effects: &mut Vec<Effect>) {
    match Filter::parse_deciding(text, &state.saved) {
        Ok(filter) => {
            state.prompt = None;
            // Who holds knows no saved filters; what they stand for is what counts.
            let is_known = Filter::parse_deciding(text, &Saved::default()).is_ok();
            let text = if is_known { text.to_owned() } else { filter.to_string() };
            effects.push(Effect::Hold(HoldChange::Filter(text)));
        }
        Err(error) => state.tell(format!("no filter: {error}"), ToastKind::Bad),
    }
}

/// What is held from now on is known.
pub(super) fn changed(state: &mut State, changed: Result<HoldState, String>) {
    match changed {
        Ok(hold) => {
            state.tell(hold.words(), ToastKind::Note);
            state.hold = hold;
        }
        Err(reason) => state.tell(reason, ToastKind::Bad),
    }
}

/// So many were released or dropped, or why not.
pub(super) fn decided(state: &mut State, what: &str, decided: Result<u64, String>) {
    match decided {
        Ok(events) => state.tell(format!("{what}: {}", count_text(events, "event")), ToastKind::Good),
        Err(reason) => state.tell(format!("not {what}: {reason}"), ToastKind::Bad),
    }
}

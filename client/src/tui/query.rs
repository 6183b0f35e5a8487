//! A jq program over the body: run as it is typed, and for each event that is looked at while it stays.

use inhaul_core::event::EventId;
use tui_input::Input;

use super::{
    keys::Tab,
    message::Effect,
    state::{Pane, Prompt, PromptKind, State},
};
use crate::jq::{self, Answer};

/// A program and what it returned.
pub(super) struct Query {
    program: String,
    /// What was typed is one; else what runs is the last that was.
    is_program: bool,
    /// Of the program that runs, so that what comes of an earlier one is told apart.
    number: u64,
    /// Why the program is none, or was not run to its end.
    pub(super) error: Option<String>,
    /// What the last program that was one returned, and for which event.
    pub(super) answer: Option<(EventId, Answer)>,
    /// Counts changes of what is shown.
    pub(super) revision: u64,
}

impl Query {
    pub(super) fn program(&self) -> &str {
        &self.program
    }
}

/// Whether the body gives way to what a program makes of it.
pub(super) fn is_shown(state: &State) -> bool {
    state.query.is_some() && state.pane == Pane::Detail && state.tab == Tab::Body
}

/// Asks for a program, beginning with the one there is.
pub(super) fn begin(state: &mut State) {
    if state.selected.is_none() {
        return;
    }
    let program = state.query.as_ref().map(|query| query.program.clone()).unwrap_or_default();
    (state.pane, state.tab, state.scroll) = (Pane::Detail, Tab::Body, 0);
    state.prompt = Some(Prompt { kind: PromptKind::Query, input: Input::new(program) });
}

/// The program is another one. Until it is one, what the last one returned stays.
pub(super) fn typed(state: &mut State, program: &str, effects: &mut Vec<Effect>) {
    let before = state.query.take();
    let revision = before.as_ref().map_or(0, |query| query.revision) + 1;
    let (number, answer) = before.map(|query| (query.number, query.answer)).unwrap_or_default();
    let error = jq::check(program).err().map(|error| {
        let column = program.get(..error.span.start).unwrap_or(program).chars().count() + 1;
        format!("column {column}: {error}")
    });
    let is_program = error.is_none();
    state.query = Some(Query { program: program.to_owned(), is_program, number, error, answer, revision });
    ask(state, effects);
}

/// Has the program run for the selected event, in place of what runs.
pub(super) fn ask(state: &mut State, effects: &mut Vec<Effect>) {
    let (Some(query), Some(id)) = (&mut state.query, state.selected) else { return };
    if !query.is_program {
        return;
    }
    effects.push(Effect::Stop(query.number));
    state.runs += 1;
    query.number = state.runs;
    effects.push(Effect::Query(query.number, id, query.program.clone(), state.look.masks));
}

/// The body is shown again.
pub(super) fn clear(state: &mut State, effects: &mut Vec<Effect>) {
    if state.prompt.as_ref().is_some_and(|prompt| prompt.kind == PromptKind::Query) {
        state.prompt = None;
    }
    if let Some(query) = state.query.take() {
        effects.push(Effect::Stop(query.number));
        state.scroll = 0;
    }
}

/// A program was run, or not to its end; then what the last one returned stays.
pub(super) fn answered(state: &mut State, number: u64, id: EventId, answer: Result<Answer, String>) {
    let Some(query) = state.query.as_mut().filter(|query| query.number == number) else { return };
    query.revision += 1;
    let error = match answer {
        Ok(answer) => {
            query.answer = Some((id, answer));
            None
        }
        Err(error) => Some(error),
    };
    // Why what is typed now is no program matters more.
    if query.is_program {
        query.error = error;
    }
}

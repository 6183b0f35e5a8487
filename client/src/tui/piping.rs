//! Bodies piped to a command: what is asked for, and what came of it so far.

use inhaul_core::event::EventId;
use tui_input::Input;

use super::{
    keys::View,
    message::Effect,
    shell::Ending,
    state::{Prompt, PromptKind, State, ToastKind},
};

/// A command, with what it printed for each event.
pub(super) struct Piped {
    /// Of this run, so that what comes of an earlier one is told apart.
    number: u64,
    pub(super) command: String,
    /// How many events it gets.
    pub(super) events: usize,
    pub(super) parts: Vec<Part>,
    pub(super) is_running: bool,
    /// It was told to end.
    is_stopped: bool,
    /// Counts what came of it.
    pub(super) revision: u64,
}

/// What came of the command for one event.
pub(super) struct Part {
    pub(super) id: EventId,
    pub(super) output: Vec<u8>,
    pub(super) ending: Option<Ending>,
}

/// What is told of a command that is under way.
#[derive(Debug)]
pub(super) enum News {
    /// It begins with an event.
    Begun(EventId),
    /// It printed something.
    Printed(Vec<u8>),
    /// It is done with the event.
    Ended(Ending),
    /// It is done with all.
    Done,
}

/// Asks for a command.
pub(super) fn ask(state: &mut State) {
    state.asked_about = state.chosen();
    if !state.asked_about.is_empty() {
        state.prompt = Some(Prompt { kind: PromptKind::Pipe, input: Input::default() });
    }
}

/// Brings back the command that was used last.
pub(super) fn last(state: &mut State) {
    if let (Some(prompt), Some(piped)) = (&mut state.prompt, &state.piped) {
        prompt.input = Input::new(piped.command.clone());
    }
}

/// The command was typed to its end.
pub(super) fn asked(state: &mut State, command: &str, effects: &mut Vec<Effect>) {
    state.prompt = None;
    let ids = std::mem::take(&mut state.asked_about);
    if command.trim().is_empty() || ids.is_empty() {
        return;
    }
    stop(state, effects);
    state.runs += 1;
    state.piped = Some(Piped {
        number: state.runs,
        command: command.to_owned(),
        events: ids.len(),
        parts: Vec::new(),
        is_running: true,
        is_stopped: false,
        revision: state.runs << 32,
    });
    (state.view, state.view_scroll) = (Some(View::Piped), 0);
    effects.push(Effect::Pipe(state.runs, ids, command.to_owned()));
}

/// Ends the command, and says whether one had to be.
fn stop(state: &mut State, effects: &mut Vec<Effect>) -> bool {
    let running = state.piped.as_mut().filter(|piped| piped.is_running && !piped.is_stopped);
    let Some(piped) = running else { return false };
    piped.is_stopped = true;
    effects.push(Effect::Stop(piped.number));
    true
}

/// Ends the command, or closes its page when that is done already.
pub(super) fn back(state: &mut State, effects: &mut Vec<Effect>) {
    if !stop(state, effects) {
        state.view = None;
    }
}

/// Something came of a command.
pub(super) fn told(state: &mut State, number: u64, news: News) {
    let Some(piped) = state.piped.as_mut().filter(|piped| piped.number == number) else { return };
    piped.revision += 1;
    match (news, piped.parts.last_mut()) {
        (News::Begun(id), _) => piped.parts.push(Part { id, output: Vec::new(), ending: None }),
        (News::Printed(bytes), Some(part)) => part.output.extend(bytes),
        (News::Ended(ending), Some(part)) => part.ending = Some(ending),
        (News::Printed(_) | News::Ended(_), None) => {}
        (News::Done, _) => {
            piped.is_running = false;
            let is_elsewhere = state.view != Some(View::Piped);
            if is_elsewhere {
                state.tell("the command has ended".to_owned(), ToastKind::Note);
            }
        }
    }
}

//! Lines that are typed about events: tags, a comment, the name of a filter; and completion and history while a filter is typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use inhaul_core::{
    event::EventId,
    filter::{Saved, complete},
};
use tui_input::Input;

use super::{
    super::{
        deleting,
        keys::Note,
        marks,
        message::Effect,
        state::{Completing, Prompt, PromptKind, State, ToastKind},
    },
    filter::set_filter,
};
use crate::{
    annotation::{Annotation, AnnotationError, Comment, TagChange},
    output::count_text,
};

/// Does what a key asks for.
pub(super) fn act(
    state: &mut State,
    note: Note,
    count: Option<usize>,
    is_again: bool,
    effects: &mut Vec<Effect>,
) {
    let times = count.unwrap_or(1);
    match note {
        Note::Delete => deleting::delete(state, is_again, effects),
        Note::Undo => deleting::undo(state, effects),
        Note::Mark => marks::toggle(state, times),
        Note::MarkAndGoDown => marks::toggle_and_go_down(state, times),
        Note::Range => marks::range(state),
        Note::MarkShown => marks::all_shown(state),
        Note::UnmarkAll => marks::clear(state),
        Note::OnlyMarked => marks::only(state),
        Note::Tags => ask_for_tags(state),
        Note::Comment => ask_for_comment(state),
        Note::Saved(place) => use_saved(state, place),
    }
}

/// Asks for tags of what is marked or selected.
fn ask_for_tags(state: &mut State) {
    state.asked_about = state.chosen();
    if !state.asked_about.is_empty() {
        state.prompt = Some(Prompt { kind: PromptKind::Tags, input: Input::default() });
    }
}

/// Asks for the comment of the selected event, beginning with the one it has.
fn ask_for_comment(state: &mut State) {
    let Some(id) = state.selected else { return };
    let comment = state.row(id).and_then(|row| row.comment.clone()).unwrap_or_default();
    state.prompt = Some(Prompt { kind: PromptKind::Comment(id), input: Input::new(comment) });
}

/// Puts a saved filter on, by its place in the order of names.
fn use_saved(state: &mut State, place: usize) {
    let Some(name) = state.saved.iter().nth(place).map(|(name, _)| format!("@{name}")) else {
        state
            .tell("no filter is saved there; Ctrl-s while one is typed saves it".to_owned(), ToastKind::Note);
        return;
    };
    set_filter(state, &name);
    state.remember_filter();
}

/// Does what a key means in a prompt, if it means anything here.
pub(super) fn type_key(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) -> bool {
    let Some(prompt) = &state.prompt else { return false };
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match (prompt.kind, key.code) {
        (PromptKind::Tags | PromptKind::Comment(_) | PromptKind::SaveFilter, KeyCode::Esc) => {
            state.prompt = None;
        }
        (PromptKind::Tags, KeyCode::Enter) => enter_tags(state, effects),
        (PromptKind::Comment(id), KeyCode::Enter) => enter_comment(state, id, effects),
        (PromptKind::SaveFilter, KeyCode::Enter) => enter_name(state, effects),
        (PromptKind::Filter, KeyCode::Tab) => take(state),
        (PromptKind::Filter, KeyCode::Up | KeyCode::BackTab) => choose(state, true),
        (PromptKind::Filter, KeyCode::Down) => choose(state, false),
        (PromptKind::Filter, KeyCode::Char('s')) if is_control => ask_for_name(state),
        _ => {
            state.completing = None;
            return false;
        }
    }
    true
}

fn enter_tags(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(prompt) = &state.prompt else { return };
    match TagChange::parse(prompt.input.value().split_whitespace()) {
        Ok(change) => {
            state.prompt = None;
            let ids = std::mem::take(&mut state.asked_about);
            if !change.is_empty() {
                effects.push(Effect::Annotate(ids, Annotation::Tags(change)));
            }
        }
        Err(error) => refuse(state, &error),
    }
}

fn enter_comment(state: &mut State, id: EventId, effects: &mut Vec<Effect>) {
    let Some(prompt) = &state.prompt else { return };
    match Comment::new(prompt.input.value()) {
        Ok(comment) => {
            state.prompt = None;
            effects.push(Effect::Annotate(vec![id], Annotation::Comment(comment)));
        }
        Err(error) => refuse(state, &error),
    }
}

/// What was typed stays, so that it can be put right.
fn refuse(state: &mut State, error: &AnnotationError) {
    state.tell(error.to_string(), ToastKind::Bad);
}

/// What came of noting something on events.
pub(super) fn annotated(state: &mut State, count: usize, error: Option<String>) {
    match error {
        Some(error) => state.tell(format!("not noted: {error}"), ToastKind::Bad),
        None => {
            let events = count_text(count as u64, "event");
            state.tell(format!("noted on {events}"), ToastKind::Good);
        }
    }
}

fn ask_for_name(state: &mut State) {
    if state.filter_error.is_some() || state.filter_text.is_empty() {
        state.tell("only a filter that is right can be saved".to_owned(), ToastKind::Note);
    } else {
        state.prompt = Some(Prompt { kind: PromptKind::SaveFilter, input: Input::default() });
    }
}

fn enter_name(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(prompt) = &state.prompt else { return };
    let name = prompt.input.value().trim().trim_start_matches('@').to_owned();
    if !Saved::is_name(&name) {
        state.tell("a name has letters, digits, - and _, at most 40".to_owned(), ToastKind::Bad);
        return;
    }
    let text = state.filter_text.clone();
    let mut saved = state.saved.clone();
    saved.insert(&name, &text);
    if let Err(error) = saved.check(&name) {
        state.tell(error.message, ToastKind::Bad);
        return;
    }
    state.saved = saved;
    state.prompt = None;
    effects.push(Effect::SaveFilter(name, text));
}

/// Shows what may stand where one types, if something is begun there or it is `asked` for.
pub(super) fn offer(state: &mut State, asked: bool) {
    state.completing = None;
    let Some(prompt) = &state.prompt else { return };
    let text = prompt.input.value();
    let cursor = text.char_indices().nth(prompt.input.cursor()).map_or(text.len(), |(at, _)| at);
    let begins =
        text[..cursor].ends_with(|last: char| last.is_whitespace() || matches!(last, '(' | '-' | '!'));
    if !asked && (cursor == 0 || begins) {
        return;
    }
    let completion = complete(text, cursor, &state.saved, state.events.list());
    state.completing = completion.map(|completion| Completing { completion, chosen: 0 });
}

/// Takes what is chosen; with nothing to choose from, shows what there is.
fn take(state: &mut State) {
    let Some(Completing { completion, chosen }) = state.completing.take() else {
        offer(state, true);
        if state.completing.is_none() {
            state.tell("nothing is known that begins like this".to_owned(), ToastKind::Note);
        }
        return;
    };
    let (Some(prompt), Some(candidate)) = (&mut state.prompt, completion.candidates.get(chosen)) else {
        return;
    };
    let mut text = prompt.input.value().to_owned();
    text.replace_range(completion.span.clone(), &candidate.text);
    let cursor = text[..completion.span.start + candidate.text.len()].chars().count();
    prompt.input = Input::new(text.clone()).with_cursor(cursor);
    set_filter(state, &text);
    offer(state, false);
}

/// Chooses the next of what may stand there, or the one before; with nothing to choose from, goes through the filters used before.
fn choose(state: &mut State, before: bool) {
    let Some(Completing { completion, chosen }) = &mut state.completing else {
        return earlier(state, before);
    };
    let count = completion.candidates.len();
    *chosen = (*chosen + if before { count - 1 } else { 1 }) % count;
}

/// Goes through the filters that were used before, the newest first.
fn earlier(state: &mut State, older: bool) {
    state.completing = None;
    let Some(text) = state.used.beside(&state.filter_text, older).map(str::to_owned) else { return };
    state.prompt = Some(Prompt { kind: PromptKind::Filter, input: Input::new(text.clone()) });
    set_filter(state, &text);
}

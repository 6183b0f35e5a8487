//! What becomes of the state when a key is pressed.

use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent};
use tui_input::{Input, backend::crossterm::EventHandler};

use super::{
    super::{
        dialog, holding,
        keys::{Action, Change, Key, Pressed, Tab, View, is_interrupt, written},
        message::Effect,
        named, piping, query, scenario,
        state::{Layout, Pane, Prompt, PromptKind, State, Times, ToastKind},
        typing, verifying,
        view::{commands, thread},
    },
    body, exchange, filter, folding, going, leaving, notes, order, short,
};
use crate::pipeline::Signing;

/// How far the border between list and event moves at once, in percent of the width.
const BORDER_STEP: u16 = 5;

/// Largest number before a key.
const COUNT_MAX: usize = 10_000_000;

pub(super) fn press(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    if is_interrupt(key) {
        return leaving::interrupt(state, effects);
    }
    state.toast = None;
    if state.dialog.is_some() || state.prompt.is_some() {
        state.warned = None;
    }
    if state.dialog.is_some() {
        return dialog::press(state, key, effects);
    }
    if state.prompt.is_some() {
        return type_key(state, key, effects);
    }
    if scenario::stops(state, key.code, effects) {
        return;
    }
    let key = Key::from(key);
    state.pressed.push(key);
    match state.keymap.pressed(&state.pressed, state.scope()) {
        Pressed::Action(action) => {
            state.pressed.clear();
            let count = state.count.take();
            act(state, action, count, effects);
        }
        Pressed::More => {}
        Pressed::Nothing => {
            let is_alone = state.pressed.len() == 1;
            let pressed = std::mem::take(&mut state.pressed);
            let counts = is_alone && state.keymap.counts_in(state.scope());
            match key.digit().filter(|digit| counts && (*digit > 0 || state.count.is_some())) {
                Some(digit) => {
                    let count = state.count.unwrap_or(0).saturating_mul(10).saturating_add(digit);
                    state.count = Some(count.min(COUNT_MAX));
                }
                None => {
                    (state.count, state.warned) = (None, None);
                    let help = state.keymap.first(Action::Show(View::Help));
                    state.toast = Some(super::Toast {
                        text: format!("{} does nothing here; {help} lists every key", written(&pressed)),
                        kind: ToastKind::Note,
                    });
                }
            }
        }
    }
}

pub(super) fn paste(state: &mut State, text: &str, effects: &mut Vec<Effect>) {
    let is_whole = match (&mut state.dialog, &mut state.prompt) {
        (Some(dialog), _) => dialog.paste(text),
        (None, Some(prompt)) => typing::paste(&mut prompt.input, text),
        (None, None) => return,
    };
    if state.dialog.is_none() {
        typed(state, effects);
    }
    if !is_whole {
        state.tell(typing::CUT.to_owned(), ToastKind::Note);
    }
}

/// Does what a key or a command asks for.
pub(super) fn act(state: &mut State, action: Action, count: Option<usize>, effects: &mut Vec<Effect>) {
    let is_again = state.warned.take() == Some(action);
    match action {
        Action::Show(view) => show(state, view, effects),
        Action::Filter => {
            state.filter_before = (state.filter_text.clone(), state.selected);
            let input = Input::new(state.filter_text.clone());
            state.prompt = Some(Prompt { kind: PromptKind::Filter, input });
        }
        Action::Search => state.prompt = Some(Prompt { kind: PromptKind::Search, input: Input::default() }),
        // What is looked for comes before the differences.
        Action::SearchNext | Action::SearchBefore
            if state.view == Some(View::Diff) && state.search.is_empty() =>
        {
            exchange::step(state, action == Action::SearchBefore);
        }
        Action::SearchNext | Action::SearchBefore => going::find(state, action == Action::SearchBefore),
        Action::Copy(what) => exchange::copy(state, what, effects),
        Action::SaveBody => exchange::save_body(state, effects),
        Action::Body(action) => body::act(state, action, effects),
        Action::Compare => exchange::compare(state, effects),
        Action::DiffLayout => exchange::other_layout(state),
        Action::Follow => order::follow(state),
        Action::Replay => replay(state, Signing::AsReceived, effects),
        Action::ReplaySigned => replay(state, Signing::Anew, effects),
        Action::Scenario(command) => scenario::ask(state, command),
        Action::Hold(action) => holding::act(state, action, count, is_again, effects),
        Action::Open if state.view.is_some() => open_of_thread(state),
        Action::Open if state.pane == Pane::List => open(state),
        Action::Open | Action::Fold | Action::FoldAll | Action::UnfoldAll => folding::act(state, action),
        Action::OtherPane if state.pane == Pane::List => open(state),
        Action::OtherPane => state.pane = Pane::List,
        Action::Back => leaving::back(state, effects),
        Action::Quit => leaving::quit(state, is_again, effects),
        Action::QuitNow => effects.push(Effect::Quit { keep: true }),
        Action::Verify => verifying::ask(state, effects),
        Action::Reconnect => effects.push(Effect::Reconnect),
        Action::Suspend => effects.push(Effect::Suspend),
        Action::Redraw => effects.push(Effect::Redraw),
        Action::Tab(tab) => show_tab(state, tab),
        Action::NextTab => step_tab(state, 1),
        Action::TabBefore => step_tab(state, Tab::ALL.len() - 1),
        Action::Change(change) => look_otherwise(state, change, effects),
        Action::OfKind(only) => filter::of_kind(state, only),
        Action::SameValue => filter::same_value(state),
        Action::Goto => named::begin(state, "goto "),
        Action::NextFailure | Action::FailureBefore => {
            going::failure(state, action == Action::FailureBefore, count.unwrap_or(1));
        }
        Action::NextEvent | Action::EventBefore => beside(state, action == Action::EventBefore),
        Action::Note(note) => notes::act(state, note, count, is_again, effects),
        Action::Go(way) => going::go(state, way, count),
    }
}

/// Goes to the selected event. From then on no other takes its place.
pub(super) fn open(state: &mut State) {
    if state.selected.is_some() {
        (state.pane, state.follows) = (Pane::Detail, false);
    }
}

/// Shows the event behind the one that is shown, or the one before.
fn beside(state: &mut State, before: bool) {
    let Some(id) = state.selected else { return };
    let list = state.events.list();
    let Some(at) = list.position_from(id) else { return };
    // One that passes the filter no more has no place of its own.
    let behind = at + usize::from(list.position(id).is_some());
    let to = if before { at.checked_sub(1) } else { Some(behind) };
    match to.filter(|to| *to < state.events.shown()) {
        Some(to) => {
            state.select(to);
            state.follows = false;
        }
        None => state.tell("no other event is in the list in this direction".to_owned(), ToastKind::Note),
    }
}

fn look_otherwise(state: &mut State, change: Change, effects: &mut Vec<Effect>) {
    match change {
        Change::Times => {
            state.look.times = match state.look.times {
                Times::Utc => Times::Local,
                Times::Local => Times::Age,
                Times::Age => Times::Gap,
                Times::Gap => Times::Utc,
            };
        }
        Change::Layout => {
            state.look.layout = match state.look.layout {
                Layout::Auto => Layout::Side,
                Layout::Side => Layout::Stacked,
                Layout::Stacked => Layout::Single,
                Layout::Single => Layout::Auto,
            };
            state.tell(format!("layout: {}", layout_text(state.look.layout)), ToastKind::Note);
        }
        Change::Wider => state.look.list_percent = (state.look.list_percent + BORDER_STEP).min(80),
        Change::Narrower => {
            state.look.list_percent = state.look.list_percent.saturating_sub(BORDER_STEP).max(20);
        }
        Change::Hints => state.look.hints = !state.look.hints,
        Change::Mouse => {
            state.look.mouse = !state.look.mouse;
            effects.push(Effect::TakeMouse(state.look.mouse));
            let text = if state.look.mouse {
                "the mouse selects and scrolls"
            } else {
                "the mouse is the terminal's"
            };
            state.tell(text.to_owned(), ToastKind::Note);
        }
        Change::OrderBy(by) => order::choose(state, state.events.list().order().chosen(by)),
        Change::ReverseOrder => {
            let order = state.events.list().order();
            order::choose(state, order.chosen(order.by));
        }
        Change::Mask => {
            state.look.masks = !state.look.masks;
            let text = if state.look.masks { "secrets are hidden" } else { "secrets are shown" };
            state.tell(text.to_owned(), ToastKind::Note);
            query::ask(state, effects);
        }
    }
}

/// What a layout is called.
pub(in super::super) fn layout_text(layout: Layout) -> &'static str {
    match layout {
        Layout::Auto => "side by side when there is room",
        Layout::Side => "side by side",
        Layout::Stacked => "above each other",
        Layout::Single => "one at a time",
    }
}

fn show(state: &mut State, view: View, effects: &mut Vec<Effect>) {
    state.view = Some(view);
    state.view_scroll = 0;
    if view == View::Log {
        state.failures = 0;
    }
    if view == View::Thread {
        state.thread = None;
        effects.extend(state.selected.map(Effect::LoadThread));
    }
    if view == View::Commands {
        state.asked_about = state.chosen();
        state.prompt = Some(Prompt { kind: PromptKind::Command, input: Input::default() });
    }
}

/// Opens the event that is chosen in a thread.
fn open_of_thread(state: &mut State) {
    let chosen =
        (state.view == Some(View::Thread)).then(|| thread::event_at(state, state.view_scroll)).flatten();
    let Some(id) = chosen else { return };
    match state.events.list().position(id) {
        Some(place) => {
            state.select(place);
            (state.view, state.pane, state.follows) = (None, Pane::Detail, false);
        }
        None => state.tell(
            "it is not in the list: the filter keeps it out, or it is too old".to_owned(),
            ToastKind::Note,
        ),
    }
}

fn replay(state: &mut State, signing: Signing, effects: &mut Vec<Effect>) {
    if let Some(id) = state.selected {
        state.tell(format!("replaying {}", short(id)), ToastKind::Note);
        state.replaying += 1;
        effects.push(Effect::Replay(id, signing));
    }
}

pub(super) fn show_tab(state: &mut State, tab: Tab) {
    if state.tab != tab {
        state.tab = tab;
        state.scroll = 0;
    }
}

fn step_tab(state: &mut State, step: usize) {
    let at = Tab::ALL.iter().position(|tab| *tab == state.tab).unwrap_or(0);
    show_tab(state, Tab::ALL[(at + step) % Tab::ALL.len()]);
}
fn type_key(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    if notes::type_key(state, key, effects) {
        return;
    }
    let Some(prompt) = &mut state.prompt else { return };
    let kind = prompt.kind;
    match (kind, key.code) {
        (PromptKind::Filter, KeyCode::Esc) => {
            state.prompt = None;
            let (text, selected) = std::mem::take(&mut state.filter_before);
            filter::set_filter(state, &text);
            if let Some(place) = selected.and_then(|id| state.events.list().position(id)) {
                let follows = state.follows;
                state.select(place);
                state.follows = follows;
            }
        }
        (PromptKind::Search | PromptKind::Hold | PromptKind::Pipe, KeyCode::Esc) => state.prompt = None,
        (PromptKind::Hold, KeyCode::Enter) => {
            let text = prompt.input.value().to_owned();
            holding::asked(state, &text, effects);
        }
        (PromptKind::Pipe, KeyCode::Enter) => {
            let text = prompt.input.value().to_owned();
            piping::asked(state, &text, effects);
        }
        (PromptKind::Pipe, KeyCode::Up) => piping::last(state),
        (PromptKind::Query, KeyCode::Esc) => query::clear(state, effects),
        (PromptKind::Query, KeyCode::Enter) => state.prompt = None,
        (PromptKind::Command, KeyCode::Esc) => (state.prompt, state.view) = (None, None),
        (PromptKind::Filter, KeyCode::Enter) => match &state.filter_error {
            // One that is wrong is typed on.
            Some(error) => state.tell(format!("no filter: {error}"), ToastKind::Bad),
            None => {
                state.prompt = None;
                state.remember_filter();
            }
        },
        (PromptKind::Search, KeyCode::Enter) => {
            state.search = prompt.input.value().to_owned();
            state.prompt = None;
            going::find(state, false);
        }
        (PromptKind::Command, KeyCode::Enter) => do_command(state, effects),
        (PromptKind::Command, KeyCode::Up) => state.view_scroll = state.view_scroll.saturating_sub(1),
        (PromptKind::Command, KeyCode::Down) => {
            let last = commands::found(state).len().saturating_sub(1);
            state.view_scroll = (state.view_scroll + 1).min(last);
        }
        _ => {
            prompt.input.handle_event(&TerminalEvent::Key(key));
            typed(state, effects);
        }
    }
}

/// Does the command that is typed or chosen; one that is none is typed on.
fn do_command(state: &mut State, effects: &mut Vec<Effect>) {
    let named = commands::named(state);
    let action = commands::found(state).get(state.view_scroll).map(|line| line.action);
    if named.is_none() && action.is_none() {
        return state.tell("nothing has this name".to_owned(), ToastKind::Note);
    }
    (state.prompt, state.view) = (None, None);
    if let Some(named) = named {
        named::act(state, named, effects);
    } else if let Some(action) = action {
        act(state, action, None, effects);
    }
}

/// The text of the prompt changed.
pub(super) fn typed(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(prompt) = &state.prompt else { return };
    match prompt.kind {
        PromptKind::Filter => {
            let text = prompt.input.value().to_owned();
            filter::set_filter(state, &text);
            notes::offer(state, false);
        }
        PromptKind::Command => state.view_scroll = 0,
        PromptKind::Query => {
            let text = prompt.input.value().to_owned();
            query::typed(state, &text, effects);
        }
        PromptKind::Search
        | PromptKind::Hold
        | PromptKind::Tags
        | PromptKind::Comment(_)
        | PromptKind::SaveFilter
        | PromptKind::Pipe => {}
    }
}

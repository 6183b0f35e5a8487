//! What becomes of the state when something happens: no I/O, no clock.

use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent};
use inhaul_core::{event::EventId, filter::Filter};
use tui_input::{Input, backend::crossterm::EventHandler};

use super::{
    keys::{Action, Way, action, is_interrupt},
    marks,
    message::{Effect, Message},
    state::{Pane, ROWS_MAX, State, Toast, ToastKind},
    view::detail,
};
use crate::{
    live::Live,
    output::attempt_text,
    pipeline::Signing,
    row::{Attempt, EventRow},
};

/// How many events are read at once to see whether they pass the filter: enough to be quick, and soon done when it changes.
const JUDGED_AT_ONCE: usize = 64;

/// Takes messages in, and says what is to be done. Many at once cost one refresh.
pub(super) fn update(state: &mut State, messages: Vec<Message>) -> Vec<Effect> {
    let mut effects = Vec::new();
    let before = state.detail.as_ref().map(|detail| detail.id);
    for message in messages {
        // A key means what is on the screen, so what came before it is put in place first.
        if matches!(message, Message::Key(_)) {
            state.refresh();
        }
        one(state, message, &mut effects);
    }
    state.refresh();
    let detail = state.detail.as_ref().map(|detail| detail.id);
    if let Some(id) = detail.filter(|_| detail != before) {
        effects.push(Effect::Load(id));
    }
    if !state.judging && !state.unjudged.is_empty() {
        state.judging = true;
        let some = state.unjudged.iter().copied().take(JUDGED_AT_ONCE).collect();
        effects.push(Effect::Judge(state.filter_number, state.filter.clone(), some));
    }
    let at_the_oldest = state.position().is_none_or(|position| position < state.pane_lines());
    if at_the_oldest && !state.whole && !state.loading {
        state.loading = true;
        effects.push(Effect::LoadRows(state.rows.front().map(|row| row.id)));
    }
    effects
}

fn one(state: &mut State, message: Message, effects: &mut Vec<Effect>) {
    match message {
        Message::Key(key) => press(state, key, effects),
        Message::Resize(width, height) => (state.width, state.height) = (width, height),
        Message::Live(live) => happened(state, live),
        Message::Rows { rows, whole } => {
            state.loading = false;
            state.whole = whole;
            for row in rows {
                if state.row(row.id).is_none() {
                    state.rows.push_front(row);
                }
            }
        }
        Message::Loaded(id, event) => {
            if let Some(detail) = state.detail.as_mut().filter(|detail| detail.id == id) {
                detail.event = Some(event);
            }
        }
        Message::Judged(number, verdicts) => {
            state.judging = false;
            if number == state.filter_number {
                state.judged.extend(verdicts);
            }
        }
        Message::Time(now) => state.now = now,
        Message::Replayed(result) => state.toast = Some(replayed(result)),
    }
}

fn happened(state: &mut State, live: Live) {
    match live {
        Live::Ready(ready) => state.ready = Some(*ready),
        Live::Event(row) | Live::Attempt(row, _) | Live::Changed(row) => put(state, *row),
        Live::Connection(connection) => state.connection = connection,
        Live::Notice(text) | Live::Told(text) => state.toast = Some(Toast { text, kind: ToastKind::Note }),
    }
}

/// Puts a row in its place: where it is, or at the end. The row of an event too old to be in memory is left out.
fn put(state: &mut State, row: EventRow) {
    // What its bytes told counted together with the row as it was.
    state.judged.remove(&row.id);
    if let Some(known) = state.rows.iter_mut().rev().find(|known| known.id == row.id) {
        *known = row;
        return;
    }
    if state.rows.back().is_some_and(|newest| row.stored_at < newest.stored_at) {
        return;
    }
    state.rows.push_back(row);
    if state.rows.len() > ROWS_MAX {
        state.rows.pop_front();
        state.whole = false;
    }
}

fn replayed(result: Result<Attempt, String>) -> Toast {
    match result {
        Ok(attempt) => {
            let kind = if attempt.outcome.is_success() { ToastKind::Good } else { ToastKind::Bad };
            Toast { text: format!("attempt {}: {}", attempt.number, attempt_text(&attempt)), kind }
        }
        Err(reason) => Toast { text: format!("not replayed: {reason}"), kind: ToastKind::Bad },
    }
}

fn press(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    if is_interrupt(key) {
        return effects.push(Effect::Quit);
    }
    state.toast = None;
    if state.typing.is_some() {
        return type_filter(state, key);
    }
    let Some(action) = action(key) else { return };
    if state.help {
        state.help = !matches!(action, Action::Help | Action::Back | Action::Quit);
        return;
    }
    match action {
        Action::Help => state.help = true,
        Action::Filter => state.typing = Some(Input::new(state.filter_text.clone())),
        Action::Follow => {
            state.follows = !state.follows;
        }
        Action::Replay => replay(state, Signing::AsReceived, effects),
        Action::ReplaySigned => replay(state, Signing::Anew, effects),
        Action::Mark => marks::toggle(state),
        Action::MarkAndGoDown => {
            marks::toggle(state);
            go(state, Way::Down);
        }
        Action::UnmarkAll => marks::clear(state),
        Action::Open => state.pane = if state.selected.is_some() { Pane::Detail } else { Pane::List },
        Action::OtherPane => {
            state.pane =
                if state.pane == Pane::List && state.selected.is_some() { Pane::Detail } else { Pane::List };
        }
        Action::Back if state.pane == Pane::Detail => state.pane = Pane::List,
        Action::Back => set_filter(state, ""),
        Action::Quit if state.pane == Pane::Detail => state.pane = Pane::List,
        Action::Quit => effects.push(Effect::Quit),
        Action::Go(way) => go(state, way),
    }
}

fn replay(state: &mut State, signing: Signing, effects: &mut Vec<Effect>) {
    if let Some(id) = state.selected {
        state.toast = Some(Toast { text: format!("replaying {}", short(id)), kind: ToastKind::Note });
        effects.push(Effect::Replay(id, signing));
    }
}

/// The beginning of an id that is enough for people.
fn short(id: EventId) -> String {
    id.to_string().chars().take(13).collect()
}

fn type_filter(state: &mut State, key: KeyEvent) {
    if key.code == KeyCode::Esc {
        state.typing = None;
        set_filter(state, "");
    } else if key.code == KeyCode::Enter {
        state.typing = None;
    } else if let Some(input) = state.typing.as_mut() {
        input.handle_event(&TerminalEvent::Key(key));
        let text = input.value().to_owned();
        set_filter(state, &text);
    }
}

fn set_filter(state: &mut State, text: &str) {
    text.clone_into(&mut state.filter_text);
    match Filter::parse(text) {
        Ok(filter) => {
            state.filter_error = None;
            if filter != state.filter {
                state.filter = filter;
                state.filter_number += 1;
                state.judged.clear();
            }
        }
        // The last good one stays on.
        Err(error) => state.filter_error = Some(error),
    }
}

fn go(state: &mut State, way: Way) {
    let page = state.pane_lines();
    let (at, last) = match state.pane {
        Pane::List => (state.position().unwrap_or(0), state.matching.len().saturating_sub(1)),
        Pane::Detail => (state.scroll, detail::line_count(state).saturating_sub(page)),
    };
    let to = match way {
        Way::Down => at.saturating_add(1),
        Way::Up => at.saturating_sub(1),
        Way::PageDown => at.saturating_add(page),
        Way::PageUp => at.saturating_sub(page),
        Way::First => 0,
        Way::Last => usize::MAX,
    };
    match state.pane {
        Pane::List => {
            state.select(to);
            // Moving down to the newest does not follow; asking for it does.
            state.follows = way == Way::Last;
        }
        Pane::Detail => state.scroll = to.min(last),
    }
}

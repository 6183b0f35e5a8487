//! The line of the filter: what is typed, or the filter that is on and how many events pass it.

use std::ops::Range;

use inhaul_core::visible::visible;
use ratatui::{
    Frame,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};
use tui_input::Input;
use unicode_width::UnicodeWidthStr;

use super::{
    super::{
        state::{Prompt, PromptKind, State},
        typing::Window,
    },
    list,
};
use crate::output::fit;

/// Draws it.
pub(super) fn draw(state: &State, frame: &mut Frame, area: Rect) {
    let width = usize::from(area.width);
    let (mut spans, cursor) = match &state.prompt {
        Some(prompt) => {
            let (spans, cursor) = typed(state, prompt, width);
            (spans, Some(cursor))
        }
        None => (at_rest(state, width), None),
    };
    let used: usize = spans.iter().map(Span::width).sum();
    let room = width.saturating_sub(used + 1);
    let whole = list::standing(state, width - width / 3);
    // While one types the text has all the room it needs.
    let right = if cursor.is_some() && whole.width() > room { String::new() } else { fit(&whole, 0, room) };
    let right_width = right.width();
    if right_width > 0 {
        spans.push(Span::raw(" ".repeat(width - used - right_width)));
        spans.push(Span::styled(right, state.theme().faint()));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
    if let Some(cursor) = cursor.filter(|_| area.width > 0) {
        let cursor = u16::try_from(cursor).unwrap_or(u16::MAX);
        frame.set_cursor_position((area.x + cursor.min(area.width - 1), area.y));
    }
}

/// What is typed, and the column of the cursor.
fn typed(state: &State, prompt: &Prompt, width: usize) -> (Vec<Span<'static>>, usize) {
    let prefix = prefix(prompt.kind);
    let before = prefix.chars().count();
    let window = Window::new(&prompt.input, width.saturating_sub(before));
    let wrong = wrong(state).filter(|_| prompt.kind == PromptKind::Filter);
    let mut spans = vec![Span::styled(prefix, state.theme().strong())];
    spans.extend(marked(state, &window, wrong, state.theme().strong()));
    (spans, before + window.cursor)
}

/// The filter that was typed last; one that does not fit is cut at its end.
fn at_rest(state: &State, width: usize) -> Vec<Span<'static>> {
    if state.filter_text.is_empty() {
        return vec![Span::styled("/ filter", state.theme().faint())];
    }
    let room =
        width.saturating_sub(list::standing(state, width - width / 3).chars().count() + 2).max(width / 3);
    let Some(wrong) = wrong(state) else {
        return vec![Span::raw(fit(&format!("/{}", state.filter_text), 0, room))];
    };
    let place = state.filter_text[..wrong.start].chars().count();
    let window =
        Window::new(&Input::new(state.filter_text.clone()).with_cursor(place), room.saturating_sub(1));
    let mut spans = vec![Span::raw("/")];
    spans.extend(marked(state, &window, Some(wrong), Style::new()));
    spans
}

/// The bytes of the filter that are wrong.
fn wrong(state: &State) -> Option<Range<usize>> {
    let span = state.filter_error.as_ref()?.span.clone();
    state.filter_text.get(span.clone()).map(|_| span)
}

/// The text with what is wrong underlined; where something is missing stands a sign.
fn marked(state: &State, window: &Window, wrong: Option<Range<usize>>, style: Style) -> Vec<Span<'static>> {
    let at_end = wrong.as_ref().is_some_and(Range::is_empty);
    let bad = state.theme().bad().add_modifier(Modifier::UNDERLINED);
    let parts = window.parts(&wrong.unwrap_or(0..0)).into_iter();
    let mut spans: Vec<Span> =
        parts.map(|(text, is_wrong)| Span::styled(text, if is_wrong { bad } else { style })).collect();
    spans.extend(at_end.then(|| Span::styled("^", bad)));
    spans
}

/// What is wrong with the filter, and which one is on still; nothing when it is right.
pub(super) fn error(state: &State) -> Option<String> {
    let error = state.filter_error.as_ref()?;
    let filter = state.events.list().filter();
    let still = if filter.is_empty() {
        "every event is shown still".to_owned()
    } else {
        format!("{} is on still", visible(&filter.to_string()))
    };
    Some(format!("{}; {still}", visible(&error.message)))
}

/// The column of the filter's text at which a byte of it stands while it is typed.
pub(super) fn column(state: &State, byte: usize, width: usize) -> usize {
    let Some(Prompt { kind, input }) = &state.prompt else { return 0 };
    let before = prefix(*kind).chars().count();
    before + Window::new(input, width.saturating_sub(before)).column(byte)
}

/// What stands before the text of a prompt.
fn prefix(kind: PromptKind) -> &'static str {
    match kind {
        PromptKind::Filter => "/",
        PromptKind::Search => "look for: ",
        PromptKind::Command => ":",
        PromptKind::Hold => "hold events that pass: ",
        PromptKind::Tags => "tags: ",
        PromptKind::Comment(_) => "comment: ",
        PromptKind::SaveFilter => "save the filter as @",
        PromptKind::Pipe => "pipe to: ",
        PromptKind::Query => "jq: ",
    }
}

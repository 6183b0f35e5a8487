//! The screen as a picture of the state.
//!
//! ```text
//!  status   one line: connection, where to post, where events go
//!  list     events, oldest first
//!  detail   one event
//!  help     every key
//! ```

use inhaul_core::visible::visible;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Style,
    text::{Line, Span},
    widgets::{Block, Paragraph},
};

use super::{
    keys::BINDINGS,
    state::{Pane, State, ToastKind},
};
use crate::output::fit;

pub(super) mod detail;
mod help;
mod list;
mod status;

/// Draws everything.
pub(super) fn view(state: &State, frame: &mut Frame) {
    let [status, filter, main, toast, hints] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(status::line(state, status.width), status);
    draw_filter(state, frame, filter);
    if state.help {
        help::draw(state, frame, main);
    } else if state.rows.is_empty() {
        list::draw_empty(state, frame, main);
    } else if state.is_split() {
        let [left, right] =
            Layout::horizontal([Constraint::Percentage(55), Constraint::Percentage(45)]).areas(main);
        list::draw(state, frame, left);
        detail::draw(state, frame, right);
    } else if state.pane == Pane::Detail {
        detail::draw(state, frame, main);
    } else {
        list::draw(state, frame, main);
    }
    draw_toast(state, frame, toast);
    frame.render_widget(hint_line(state, hints.width), hints);
}

/// A framed pane.
fn pane<'t>(state: &State, title: String, has_focus: bool) -> Block<'t> {
    Block::bordered()
        .border_style(state.theme.border(has_focus))
        .title(Span::styled(title, state.theme.strong()))
}

fn draw_filter(state: &State, frame: &mut Frame, area: Rect) {
    let count = if state.filter.is_empty() {
        format!("{} events", state.rows.len())
    } else {
        format!("{} of {} events", state.matching.len(), state.rows.len())
    };
    let follow = if state.follows { "follow on" } else { "follow off" };
    let right = match (&state.filter_error, state.unjudged.len()) {
        (Some(error), _) => format!("{} ", visible(&error.message)),
        (None, 0) => format!("{count} · oldest first · {follow} "),
        (None, left) => format!("{count} · {left} to be read · {follow} "),
    };
    let width = usize::from(area.width);
    // What is typed needs room before what is said of it.
    let left_width = width.saturating_sub(right.chars().count() + 1).max(width / 3);
    let text = match &state.typing {
        Some(input) => format!("/{}", input.value()),
        None if state.filter_text.is_empty() => "/ filter".to_owned(),
        None => format!("/{}", state.filter_text),
    };
    let style = match (&state.typing, state.filter_text.is_empty()) {
        (Some(_), _) => state.theme.strong(),
        (None, true) => state.theme.faint(),
        (None, false) => Style::new(),
    };
    let left = Span::styled(fit(&text, left_width, left_width), style);
    let right_style = if state.filter_error.is_some() { state.theme.bad() } else { state.theme.faint() };
    let right = Span::styled(fit(&right, 0, width.saturating_sub(left_width + 1)), right_style);
    frame.render_widget(Paragraph::new(Line::from(vec![left, Span::raw(" "), right])), area);
    if let Some(input) = &state.typing
        && area.width > 0
    {
        let cursor = u16::try_from(input.visual_cursor() + 1).unwrap_or(u16::MAX);
        frame.set_cursor_position((area.x + cursor.min(area.width - 1), area.y));
    }
}

fn draw_toast(state: &State, frame: &mut Frame, area: Rect) {
    let Some(toast) = &state.toast else { return };
    let (glyph, style) = match toast.kind {
        ToastKind::Good => ("✓", state.theme.good()),
        ToastKind::Bad => ("✗", state.theme.bad()),
        ToastKind::Note => ("»", state.theme.doubtful()),
    };
    let width = usize::from(area.width);
    let text = fit(&format!(" {glyph} {}", toast.text), 0, width);
    frame.render_widget(Paragraph::new(Span::styled(text, style)), area);
}

fn hint_line(state: &State, width: u16) -> Paragraph<'static> {
    let mut text = String::new();
    if state.typing.is_some() {
        text.push_str(" Enter keep  Esc clear");
    } else {
        for binding in &BINDINGS {
            if let Some(hint) = binding.hint {
                let key = binding.keys.split(' ').next().unwrap_or_default();
                text.push_str(&format!(" {key} {hint} "));
            }
        }
    }
    let width = usize::from(width);
    Paragraph::new(Span::styled(fit(&text, 0, width), state.theme.faint()))
}

//! What the application answered: below the attempts, and on a wide screen in a column of its own.

use inhaul_core::visible::{multiline, visible, visible_bytes};
use ratatui::{Frame, layout::Rect, style::Style, widgets::Paragraph};

use super::{Page, headers::HIDDEN, outcome_style, pane};
use crate::{
    output::{attempt_text, size_text},
    row::{Attempt, EventRow, Outcome},
    tui::{
        keys::{Action, Tab},
        state::State,
    },
};

/// Draws the last answer to the selected event.
pub(in super::super) fn draw(state: &State, frame: &mut Frame, area: Rect) {
    let block = pane(state, " Answer ".to_owned(), false);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inside.width).max(1);
    let mut page = Page::new(state, width);
    if let Some(row) = state.detail.as_ref().and_then(|detail| state.row(detail.id)) {
        put_last(&mut page, row);
    }
    let room = usize::from(inside.height);
    if page.lines.len() > room {
        page.lines.truncate(room.saturating_sub(1));
        let attempts = state.keymap.first(Action::Tab(Tab::Attempts));
        page.put(&format!("… {attempts} in the event has the rest"), page.theme.faint());
    }
    frame.render_widget(Paragraph::new(page.lines), inside);
}

/// How the last attempt stands, and the last answer there was.
fn put_last(page: &mut Page, row: &EventRow) {
    let Some(last) = row.attempts.last() else {
        return page.put("not forwarded so far", page.theme.faint());
    };
    let text = format!("attempt {}: {}", last.number, attempt_text(last, row.verdict.as_ref()));
    page.put(&text, outcome_style(page.theme, &last.outcome));
    page.put(&visible(&last.target).to_string(), page.theme.faint());
    let is_answered = |attempt: &&Attempt| matches!(attempt.outcome, Outcome::Answered { .. });
    if let Some(answered) = row.attempts.iter().rev().find(is_answered) {
        put(page, answered);
    }
}

/// The answer to one attempt, as far as it is kept.
pub(super) fn put(page: &mut Page, attempt: &Attempt) {
    let Outcome::Answered { status, headers, body_bytes, body_excerpt, .. } = &attempt.outcome else {
        return;
    };
    page.heading(&format!("Answer of attempt {}: {status}, {}", attempt.number, size_text(*body_bytes)));
    for (name, value) in headers {
        let value = if page.hides(name.as_bytes()) { HIDDEN } else { value };
        page.pair(&visible(name).to_string(), 20, &visible(value).to_string(), Style::new());
    }
    let content_type = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let content_type = content_type.map(|(_, value)| value.as_bytes());
    let masked = page.hides.and_then(|mask| mask.answer_body(body_excerpt, *body_bytes, content_type));
    let kept_bytes = body_excerpt.len() as u64;
    let body_excerpt = masked.as_ref().unwrap_or(body_excerpt);
    if body_excerpt.is_empty() {
        return;
    }
    match str::from_utf8(body_excerpt) {
        Ok(text) => {
            let text = multiline(text).to_string();
            text.lines().for_each(|line| page.put(line, Style::new()));
        }
        Err(_) => page.put(&visible_bytes(body_excerpt).to_string(), Style::new()),
    }
    if kept_bytes < *body_bytes {
        page.put(&format!("… the first {} are kept", size_text(kept_bytes)), page.theme.faint());
    }
}

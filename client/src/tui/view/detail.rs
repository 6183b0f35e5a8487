//! One event: request, verdict, attempts, body.

use inhaul_core::{
    event::Event,
    visible::{multiline, visible, visible_bytes},
};
use ratatui::{Frame, layout::Rect, style::Style, text::Line, widgets::Paragraph};
use unicode_width::UnicodeWidthChar;

use super::{
    super::state::{Pane, SPLIT_FROM, State},
    pane,
};
use crate::{
    output::{attempt_text, body, remark_texts, size_text, verdict_text},
    row::{EventRow, Outcome},
};

/// How much of a body is shown.
const BODY_MAX_BYTES: usize = 256 * 1024;

/// Draws the selected event.
pub(super) fn draw(state: &State, frame: &mut Frame, area: Rect) {
    let lines = lines(state, usize::from(area.width.saturating_sub(2)));
    let height = usize::from(area.height.saturating_sub(2));
    let scroll = state.scroll.min(lines.len().saturating_sub(height));
    let title = if lines.len() > height {
        format!(" Event, line {}/{} ", scroll + 1, lines.len())
    } else {
        " Event ".to_owned()
    };
    let block = pane(state, title, state.pane == Pane::Detail);
    let shown: Vec<Line> = lines.into_iter().skip(scroll).take(height).collect();
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

/// How many lines there are to scroll through.
pub(in super::super) fn line_count(state: &State) -> usize {
    let width = if state.width >= SPLIT_FROM {
        usize::from(state.width) * 45 / 100
    } else {
        usize::from(state.width)
    };
    lines(state, width.saturating_sub(2)).len()
}

/// The detail, wrapped.
fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    let mut page = Page { lines: Vec::new(), width: width.max(1) };
    let Some(detail) = &state.detail else { return page.lines };
    let row = state.row(detail.id);
    match &detail.event {
        None => page.put("reading …", state.theme.faint()),
        Some(Err(reason)) => page.put(&visible(reason).to_string(), state.theme.bad()),
        Some(Ok(event)) => {
            request(&mut page, state, event);
            if let Some(row) = row {
                facts(&mut page, state, row);
                attempts(&mut page, state, row);
            }
            show_body(&mut page, state, event);
        }
    }
    page.lines
}

struct Page {
    lines: Vec<Line<'static>>,
    width: usize,
}

impl Page {
    /// Adds a text that is harmless already, wrapped at the width.
    fn put(&mut self, text: &str, style: Style) {
        let mut line = String::new();
        let mut used = 0;
        for letter in text.chars() {
            let columns = letter.width().unwrap_or(0);
            if used + columns > self.width {
                self.lines.push(Line::styled(std::mem::take(&mut line), style));
                used = 0;
            }
            line.push(letter);
            used += columns;
        }
        self.lines.push(Line::styled(line, style));
    }

    fn gap(&mut self) {
        self.lines.push(Line::default());
    }
}

fn request(page: &mut Page, state: &State, event: &Event) {
    match event.parsed_head() {
        Ok(head) => {
            let line = format!(
                "{} {} {}",
                visible_bytes(&head.method),
                visible_bytes(&head.target),
                head.version.as_str()
            );
            page.put(&line, state.theme.strong());
            for header in &head.headers {
                let line = format!("{}: {}", visible_bytes(&header.name), visible_bytes(&header.value));
                page.put(&line, Style::new());
            }
        }
        Err(error) => page.put(&error.to_string(), state.theme.bad()),
    }
    page.gap();
}

fn facts(page: &mut Page, state: &State, row: &EventRow) {
    let theme = state.theme;
    page.put(&format!("event     {}", row.id), Style::new());
    page.put(&format!("received  {}", row.received_at), Style::new());
    if let Some(event_type) = &row.event_type {
        page.put(&format!("type      {}", visible(event_type)), Style::new());
    }
    if let Some(id) = &row.provider_event_id {
        page.put(&format!("their id  {}", visible(id)), Style::new());
    }
    let (text, style) = match &row.verdict {
        None => ("not checked yet".to_owned(), theme.faint()),
        Some(verdict) => {
            use inhaul_core::signature::Verdict;
            let (glyph, style) = match verdict {
                Verdict::Valid { .. } => ("✓", theme.good()),
                Verdict::Invalid { .. } | Verdict::Stale { .. } => ("✗", theme.bad()),
                Verdict::NoSecret { .. } => ("?", theme.doubtful()),
                Verdict::Unsigned => ("-", theme.faint()),
            };
            (format!("{glyph} {}", verdict_text(verdict)), style)
        }
    };
    page.put(&format!("verdict   {text}"), style);
    for (name, remark) in remark_texts(row) {
        page.put(&format!("{name:8}  {remark}"), theme.doubtful());
    }
    page.gap();
}

fn attempts(page: &mut Page, state: &State, row: &EventRow) {
    let theme = state.theme;
    for attempt in &row.attempts {
        let style = match &attempt.outcome {
            outcome if outcome.is_success() => theme.good(),
            Outcome::Begun | Outcome::Rejected => theme.doubtful(),
            Outcome::Answered { .. } | Outcome::Failed { .. } => theme.bad(),
        };
        let text = attempt_text(attempt);
        page.put(&format!("attempt {} {text}  {}", attempt.number, visible(&attempt.target)), style);
        if let Outcome::Answered { body_excerpt, .. } = &attempt.outcome
            && !body_excerpt.is_empty()
        {
            page.put(&format!("          {}", visible_bytes(body_excerpt)), theme.faint());
        }
    }
    if row.attempts.is_empty() {
        page.put("attempt   none", theme.faint());
    }
    page.gap();
}

fn show_body(page: &mut Page, state: &State, event: &Event) {
    let size = size_text(event.body.len() as u64);
    page.put(&format!("── body {size} ──"), state.theme.faint());
    let cut = event.body.len() > BODY_MAX_BYTES;
    let text = if cut {
        multiline(&String::from_utf8_lossy(&event.body[..BODY_MAX_BYTES])).to_string()
    } else {
        body::text(&event.body, true)
    };
    for line in text.lines().filter(|_| !event.body.is_empty()) {
        page.put(line, Style::new());
    }
    if cut {
        let rest = size_text((event.body.len() - BODY_MAX_BYTES) as u64);
        page.put(&format!("… and {rest} more; `inhaul show ID --raw` writes all"), state.theme.doubtful());
    }
}

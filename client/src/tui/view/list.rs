//! The list of events: only the rows that are on the screen are drawn.

use inhaul_core::signature::Verdict;
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Paragraph, Wrap},
};

use super::{
    super::state::{Pane, State},
    pane,
};
use crate::{
    output::fit,
    row::{EventRow, EventState, Outcome},
};

/// Width of everything but the column of the type.
const FIXED_COLUMNS: usize = 2 + 8 + 1 + 1 + 1 + 3 + 1 + PROVIDER + 1 + 1 + LATENCY + 1 + FLAGS;
const PROVIDER: usize = 11;
const LATENCY: usize = 7;
const FLAGS: usize = 6;

/// Draws the list, the selection in the middle when there is more than fits.
pub(super) fn draw(state: &State, frame: &mut Frame, area: Rect) {
    let position = state.position();
    let title = match position {
        Some(position) => format!(" Events {}/{} ", position + 1, state.matching.len()),
        None => " Events ".to_owned(),
    };
    let block = pane(state, title, state.pane == Pane::List);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let (width, height) = (usize::from(inside.width), usize::from(inside.height));
    if height == 0 {
        return;
    }
    let mut lines = vec![header(state, width)];
    let room = height - 1;
    let selected = position.unwrap_or(0);
    let first = selected.saturating_sub(room / 2).min(state.matching.len().saturating_sub(room));
    for (place, &index) in state.matching.iter().enumerate().skip(first).take(room) {
        lines.push(row_line(state, &state.rows[index], Some(place) == position, width));
    }
    if state.matching.is_empty() {
        lines.push(Line::from("no event passes the filter; Esc clears it"));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

/// What to do while there is nothing to show.
pub(super) fn draw_empty(state: &State, frame: &mut Frame, area: Rect) {
    let block = pane(state, " No events yet ".to_owned(), true);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let mut lines = vec![Line::default(), Line::from("Waiting for the first webhook."), Line::default()];
    if let Some(ready) = &state.ready {
        let url = &ready.endpoint_url;
        lines.push(Line::from("1  Give this URL to the sender, or send one yourself:"));
        lines.push(Line::default());
        lines.push(Line::styled(format!("   curl -d '{{\"id\":\"evt_1\"}}' {url}"), state.theme.strong()));
        lines.push(Line::default());
        lines.push(Line::from(if ready.targets.is_empty() {
            "2  Events are stored and shown. `inhaul listen 3000` also forwards them to your application."
                .to_owned()
        } else {
            format!("2  Events are stored, shown, and forwarded to {}.", ready.targets.join(", "))
        }));
        lines.push(Line::from("3  `inhaul demo` shows what it looks like with events."));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inside);
}

fn header(state: &State, width: usize) -> Line<'static> {
    let kind = width.saturating_sub(FIXED_COLUMNS);
    let text = format!(
        "  {:8} {:1} {:3} {:PROVIDER$} {} {:>LATENCY$} {}",
        "TIME UTC",
        "V",
        "ST",
        "PROVIDER",
        fit("TYPE", kind, kind),
        "MS",
        "FLAGS"
    );
    Line::styled(fit(&text, 0, width), state.theme.faint())
}

fn row_line(state: &State, row: &EventRow, selected: bool, width: usize) -> Line<'static> {
    let theme = state.theme;
    let (verdict, verdict_style) = match &row.verdict {
        Some(Verdict::Valid { .. }) => ("✓", theme.good()),
        Some(Verdict::Invalid { .. } | Verdict::Stale { .. }) => ("✗", theme.bad()),
        Some(Verdict::NoSecret { .. }) => ("?", theme.doubtful()),
        Some(Verdict::Unsigned) => ("-", theme.faint()),
        None => ("·", theme.faint()),
    };
    let (status, status_style, latency) = outcome(state, row);
    let kind_width = width.saturating_sub(FIXED_COLUMNS);
    let kind = match &row.event_type {
        Some(event_type) => event_type.clone(),
        None => format!("{} {}", row.method, row.target),
    };
    let flags = match row.attempts.len() {
        _ if row.missed => "missed".to_owned(),
        _ if row.given_up.is_some() => "dead".to_owned(),
        _ if row.state == EventState::Held => "held".to_owned(),
        0 | 1 if row.repeat.is_some() => "again".to_owned(),
        count @ 2.. => format!("x{count}"),
        _ => String::new(),
    };
    let mut spans = vec![
        Span::raw(if selected { "▸" } else { " " }),
        Span::styled(if state.marked.contains(&row.id) { "*" } else { " " }, theme.strong()),
        Span::raw(format!("{} ", time_of_day(row))),
        Span::styled(verdict, verdict_style),
        Span::styled(format!(" {status} "), status_style),
        Span::raw(fit(row.provider.as_deref().unwrap_or("-"), PROVIDER, PROVIDER) + " "),
        Span::raw(fit(&kind, kind_width, kind_width)),
        Span::styled(format!(" {latency:>LATENCY$} "), theme.faint()),
        Span::styled(fit(&flags, FLAGS, FLAGS), theme.doubtful()),
    ];
    let has_focus = state.pane == Pane::List || !state.is_split();
    if selected && has_focus {
        // Colours reversed one by one would be patches.
        spans.iter_mut().for_each(|span| span.style = Style::new());
        return Line::from(spans).patch_style(theme.selected());
    }
    Line::from(spans).patch_style(if selected { theme.strong() } else { Style::new() })
}

/// Status, its style and the latency of the last attempt.
fn outcome(state: &State, row: &EventRow) -> (String, Style, String) {
    let theme = state.theme;
    match row.attempts.last().map(|attempt| &attempt.outcome) {
        None => (" - ".to_owned(), theme.faint(), String::new()),
        Some(Outcome::Begun) => ("···".to_owned(), theme.doubtful(), String::new()),
        Some(outcome @ Outcome::Answered { status, latency_ms, .. }) => {
            let style = if outcome.is_success() { theme.good() } else { theme.bad() };
            (status.to_string(), style, format!("{latency_ms}ms"))
        }
        Some(Outcome::Failed { latency_ms, .. }) => {
            ("ERR".to_owned(), theme.bad(), format!("{latency_ms}ms"))
        }
        Some(Outcome::Rejected) => ("REJ".to_owned(), theme.doubtful(), String::new()),
    }
}

fn time_of_day(row: &EventRow) -> String {
    row.received_at.to_string().get(11..19).map_or_else(|| "        ".to_owned(), str::to_owned)
}

//! The first line: the connection as measured, what waits for a person, whether events are held, what came, where to post, and where events go.

use ratatui::{
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::super::{
    state::{Start, State},
    traffic::{Counted, bars_text},
    update::origin,
};
use crate::{
    connection::ConnectionState,
    output::{fit, round_trip_text},
};

/// Columns from which on the name and the round trip have room.
const WIDE_FROM: u16 = 100;

/// Bars of what came, a second each.
const BARS: usize = 10;

/// The line; on a narrow terminal the URL matters most, because it is what people copy.
pub(super) fn line(state: &State, width: u16) -> Paragraph<'static> {
    let theme = state.theme();
    let is_wide = width >= WIDE_FROM;
    let (glyph, text, style) = connection(state, is_wide);
    let name = if is_wide { " inhaul  " } else { " " };
    let mut spans = vec![Span::styled(name, theme.strong()), Span::styled(format!("{glyph} "), style)];
    let counts = counts(state);
    let counted: usize = counts.iter().map(|(text, _)| text.chars().count()).sum();
    let mut room = usize::from(width).saturating_sub(name.len() + 2);
    let mut put = |text: String, style| {
        room = room.saturating_sub(text.chars().count());
        spans.push(Span::styled(text, style));
        room
    };
    // What waits for a person is said also when there is much to say of the connection.
    let connection = usize::from(width).saturating_sub(name.len() + 2 + counted);
    let mut room = put(fit(&text, 0, connection), style);
    for (text, style) in counts {
        room = put(fit(&text, 0, room), style);
    }
    if state.hold.is_on {
        let what = if state.hold.filter.is_empty() { "every event" } else { &state.hold.filter };
        let text = if is_wide { format!("  holding {what}") } else { "  holding".to_owned() };
        room = put(fit(&text, 0, room), theme.doubtful());
    }
    if let Some(ready) = &state.ready {
        room = put(fit(&format!("  {}", ready.endpoint_url), 0, room), Style::new());
        if is_wide && room > BARS + 30 && state.traffic.events > 0 {
            let bars = bars_text(&state.traffic.bars(Counted::Event, BARS, 1));
            room = put(format!("  {bars} {:.1}/s", state.traffic.rate()), theme.faint());
        }
        let targets = ready.targets.join(", ");
        // What is sent elsewhere by hand says nothing of where events go.
        let refuses = |target: &String| state.targets.get(origin(target)) == Some(&false);
        let (targets, style) = match !ready.targets.iter().any(refuses) {
            _ if ready.targets.is_empty() => ("  forwarded nowhere".to_owned(), theme.faint()),
            true => (format!("  → {targets}"), theme.faint()),
            false => (format!("  ✗ {targets}"), theme.bad()),
        };
        if room > 12 {
            put(fit(&targets, 0, room), style);
        }
    }
    Paragraph::new(Line::from(spans))
}

/// What waits for a person: failures nobody has looked at, events that are held, marks.
fn counts(state: &State) -> Vec<(String, Style)> {
    let (theme, held, marked) = (state.theme(), state.events.list().held_count(), state.marked.len());
    let counts = [
        (state.failures, "failed", theme.bad()),
        (held, "held", theme.doubtful()),
        (marked, "marked", theme.strong()),
    ];
    let some = counts.into_iter().filter(|(count, _, _)| *count > 0);
    some.map(|(count, what, style)| (format!("  {count} {what}"), style)).collect()
}

/// The connection as measured: a sign, words, and their style.
fn connection(state: &State, is_wide: bool) -> (&'static str, String, Style) {
    let theme = state.theme();
    match &state.connection {
        _ if state.start == Some(Start::Opening) => ("◌", "opening the history".to_owned(), theme.doubtful()),
        _ if state.start.is_some() => ("✗", "cannot start".to_owned(), theme.bad()),
        ConnectionState::Connecting { attempt: 1 } => ("◌", "connecting".to_owned(), theme.doubtful()),
        ConnectionState::Connecting { attempt } => {
            ("◌", format!("connecting, try {attempt}"), theme.doubtful())
        }
        ConnectionState::Connected { round_trip, backlog_events, .. } => {
            let mut text = "connected".to_owned();
            if let Some(time) = round_trip.filter(|_| is_wide) {
                text.push_str(&format!(" {}", round_trip_text(time)));
            }
            if *backlog_events > 0 {
                text.push_str(&format!(", {backlog_events} waiting"));
            }
            ("●", text, theme.good())
        }
        ConnectionState::Waiting { reason, retry_in } => {
            let seconds = retry_in.as_secs_f64();
            ("○", format!("not connected, next try in {seconds:.1} s: {reason}"), theme.bad())
        }
        ConnectionState::Refused { reason } => ("✗", format!("refused: {reason}"), theme.bad()),
    }
}

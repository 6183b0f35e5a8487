//! The first line: the connection as measured, where to post, and where events go.

use ratatui::{
    text::{Line, Span},
    widgets::Paragraph,
};

use super::super::state::State;
use crate::{connection::ConnectionState, output::fit};

/// The line; on a narrow terminal the URL matters most, because it is what people copy.
pub(super) fn line(state: &State, width: u16) -> Paragraph<'static> {
    let theme = state.theme;
    let (glyph, text, style) = match &state.connection {
        ConnectionState::Connecting { attempt: 1 } => ("◌", "connecting".to_owned(), theme.doubtful()),
        ConnectionState::Connecting { attempt } => {
            ("◌", format!("connecting, try {attempt}"), theme.doubtful())
        }
        ConnectionState::Connected { round_trip, backlog_events } => {
            let mut text = "connected".to_owned();
            if let Some(time) = round_trip.filter(|_| state.is_split()) {
                text.push_str(&format!(" {:.1} ms", time.as_secs_f64() * 1000.0));
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
    };
    let name = if state.is_split() { " inhaul  " } else { " " };
    let mut spans = vec![Span::styled(name, theme.strong()), Span::styled(format!("{glyph} "), style)];
    let mut room = usize::from(width).saturating_sub(name.len() + 2);
    let state_text = fit(&text, 0, room);
    room = room.saturating_sub(state_text.chars().count());
    spans.push(Span::styled(state_text, style));
    if let Some(ready) = &state.ready {
        let url = fit(&format!("  {}", ready.endpoint_url), 0, room);
        room = room.saturating_sub(url.chars().count());
        spans.push(Span::raw(url));
        let targets = if ready.targets.is_empty() {
            "  forwarded nowhere".to_owned()
        } else {
            format!("  → {}", ready.targets.join(", "))
        };
        if room > 12 {
            spans.push(Span::styled(fit(&targets, 0, room), theme.faint()));
        }
    }
    Paragraph::new(Line::from(spans))
}

//! What a command printed that bodies were piped to.

use inhaul_core::visible::{multiline_bytes, visible};
use ratatui::text::{Line, Span};

use super::{
    super::{piping::Part, state::State},
    page::wrapped,
};
use crate::output::{count_text, fit};

/// The lines of the page.
pub(super) fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    let theme = state.theme();
    let Some(piped) = &state.piped else { return vec![Line::from(" no command was run so far")] };
    let under_way = if piped.is_running {
        let key = state.keymap.first(super::super::keys::Action::Back);
        format!(", running; {key} ends it")
    } else {
        String::new()
    };
    let events = count_text(piped.events as u64, "event");
    let title = format!(" {}: {events}{under_way}", visible(&piped.command));
    let mut lines = vec![Line::styled(fit(&title, 0, width), theme.strong())];
    for part in &piped.parts {
        lines.push(Line::default());
        lines.push(heading(state, part, width));
        let text = multiline_bytes(&part.output).to_string();
        for line in text.lines() {
            let parts = wrapped(line, width.saturating_sub(1).max(1)).into_iter();
            lines.extend(parts.map(|part| Line::from(format!(" {part}"))));
        }
    }
    lines
}

/// The event, and how the command ended with it.
fn heading(state: &State, part: &Part, width: usize) -> Line<'static> {
    let theme = state.theme();
    let kind = state.row(part.id).and_then(|row| row.event_type.as_deref()).unwrap_or_default();
    let (ending, style) = match &part.ending {
        None => ("running".to_owned(), theme.faint()),
        Some(ending) if ending.is_success() => (ending.to_string(), theme.good()),
        Some(ending) => (ending.to_string(), theme.bad()),
    };
    let event = fit(&format!(" {}  {}", part.id, visible(kind)), 0, width);
    let room = width.saturating_sub(event.chars().count() + 2);
    let ending = fit(&format!("{}", visible(&ending)), 0, room);
    Line::from(vec![Span::styled(event, theme.name()), Span::raw("  "), Span::styled(ending, style)])
}

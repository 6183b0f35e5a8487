//! What was told so far, the newest first.

use inhaul_core::visible::visible;
use ratatui::text::{Line, Span};

use super::{super::state::State, page::wrapped, toast_look};

/// The lines of the page: the date stands once, above what was told on it.
pub(super) fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    if state.log.is_empty() {
        return vec![Line::from(" nothing was told so far")];
    }
    let theme = state.theme();
    let (mut lines, mut last_date) = (Vec::new(), String::new());
    for (at, toast) in state.log.iter().rev() {
        let at = at.to_string();
        // A time no calendar reaches is a number.
        let (date, time) = (at.get(..10).unwrap_or(&at).to_owned(), at.get(11..19).unwrap_or_default());
        if date != last_date {
            lines.push(Line::styled(format!(" {date} UTC"), theme.faint()));
            last_date = date;
        }
        let (glyph, style) = toast_look(state, toast.kind);
        let begin = format!(" {time} {glyph} ");
        let indent = begin.chars().count();
        let text = visible(&toast.text).to_string();
        for (index, part) in wrapped(&text, width.saturating_sub(indent).max(1)).into_iter().enumerate() {
            let begin = if index == 0 { begin.clone() } else { " ".repeat(indent) };
            lines.push(Line::from(vec![Span::styled(begin, theme.faint()), Span::styled(part, style)]));
        }
    }
    lines
}

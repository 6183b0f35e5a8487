//! What may stand where a filter is being typed: a menu below it.

use inhaul_core::visible::visible;
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Clear, Paragraph},
};

use super::super::state::{Completing, State};
use crate::output::fit;

/// Most lines of the menu.
const LINES_MAX: usize = 10;

/// Most columns of a candidate.
const COLUMNS_MAX: usize = 48;

/// Draws the menu at the beginning of an area, with the chosen candidate in it.
pub(super) fn draw(state: &State, frame: &mut Frame, area: Rect) {
    let Some(Completing { completion, chosen, .. }) = &state.completing else { return };
    let height = completion.candidates.len().min(LINES_MAX).min(usize::from(area.height));
    let first = chosen.saturating_sub(height.saturating_sub(1));
    let shown: Vec<(String, String)> = completion
        .candidates
        .iter()
        .skip(first)
        .take(height)
        .map(|candidate| {
            let count = candidate.count.map_or_else(String::new, |count| count.to_string());
            (visible(&candidate.text).to_string(), count)
        })
        .collect();
    let widest = |of: fn(&(String, String)) -> &String| {
        shown.iter().map(|line| of(line).chars().count()).max().unwrap_or(0).min(COLUMNS_MAX)
    };
    let (text, count) = (widest(|line| &line.0), widest(|line| &line.1));
    let width = u16::try_from(text + count + 4).unwrap_or(u16::MAX).min(area.width);
    let theme = state.theme();
    let lines: Vec<Line> = shown
        .iter()
        .enumerate()
        .map(|(at, (name, number))| {
            let line = format!(" {}  {number:>count$} ", fit(name, text, text));
            let style = if first + at == *chosen { theme.selected() } else { Style::new() };
            Line::from(Span::styled(fit(&line, usize::from(width), usize::from(width)), style))
        })
        .collect();
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let area = Rect { width, height: height.min(area.height), ..area };
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines), area);
}

//! What may stand where a filter is being typed: a menu below it.

use inhaul_core::visible::visible;
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Clear, Paragraph},
};

use unicode_width::UnicodeWidthStr;

use super::{
    super::state::{Completing, State},
    filter,
};
use crate::output::fit;

/// Most candidates on the screen.
const LINES_MAX: usize = 8;

/// Most columns of a candidate.
const COLUMNS_MAX: usize = 48;

/// Draws the menu at the top of an area, below the word that is begun, with the chosen candidate in it.
pub(super) fn draw(state: &State, frame: &mut Frame, area: Rect) {
    let Some(Completing { completion, chosen }) = &state.completing else { return };
    let all = completion.candidates.len();
    let height = all.min(LINES_MAX).min(usize::from(area.height).saturating_sub(1));
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
    let more = (all > height).then(|| format!(" {} more ", all - height));
    let widest = |of: fn(&(String, String)) -> &String| {
        shown.iter().map(|line| of(line).width()).max().unwrap_or(0).min(COLUMNS_MAX)
    };
    let (text, count) = (widest(|line| &line.0), widest(|line| &line.1));
    let width = (text + count + 4).max(more.as_ref().map_or(0, String::len)).min(usize::from(area.width));
    let theme = state.theme();
    let mut lines: Vec<Line> = shown
        .iter()
        .enumerate()
        .map(|(at, (name, number))| {
            let line = format!(" {}  {number:>count$} ", fit(name, text, text));
            let style = if first + at == *chosen { theme.selected() } else { Style::new() };
            Line::from(Span::styled(fit(&line, width, width), style))
        })
        .collect();
    lines.extend(more.map(|more| Line::from(Span::styled(fit(&more, width, width), theme.faint()))));
    // The blank before a candidate is above the word's first letter but one, so that they stand below each other.
    let column = filter::column(state, completion.span.start, usize::from(area.width)).saturating_sub(1);
    let column = column.min(usize::from(area.width) - width);
    let [column, width, height] =
        [column, width, lines.len()].map(|size| u16::try_from(size).unwrap_or(u16::MAX));
    let area = Rect { x: area.x + column, width, height: height.min(area.height), ..area };
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines), area);
}

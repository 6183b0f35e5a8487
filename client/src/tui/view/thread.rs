//! The events of the same object as the selected one, in order, and what is missing between them.

use inhaul_core::{event::EventId, visible::visible};
use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::{super::state::State, page::Laid};
use crate::{
    output::{count_text, fit, time_text},
    thread::{Place, Step, outcome_word},
};

/// Columns of a type.
const TYPE: usize = 28;

/// Lines above the first step.
const ABOVE: usize = 2;

/// The page. One of its lines is chosen.
pub(super) fn laid(state: &State, width: usize) -> Laid {
    let theme = state.theme();
    let Some(thread) = &state.thread else { return Laid::of(vec![Line::from(" reading …")]) };
    let (object, steps) = match thread {
        Ok(thread) => thread,
        Err(reason) => return Laid::of(vec![Line::from(fit(&format!(" {reason}"), 0, width))]),
    };
    let events = steps.iter().filter(|step| matches!(step, Step::Event { .. })).count() as u64;
    let title = format!(" {}: {}", visible(object), count_text(events, "event"));
    let mut lines = vec![Line::styled(fit(&title, 0, width), theme.strong()), Line::default()];
    for step in steps {
        let (text, style) = match step {
            Step::Event { row, gap, place } => {
                let at = row.received_at.to_string();
                let at = at.get(11..19).unwrap_or_default().to_owned();
                let gap = gap.map_or_else(String::new, |gap| format!("+{}", time_text(gap)));
                let (remark, style) = match place {
                    Place::InOrder if row.has_failed() => ("", theme.bad()),
                    Place::InOrder => ("", Style::new()),
                    Place::OutOfOrder => ("  out of order", theme.doubtful()),
                    Place::Repeat => ("  repeat", theme.doubtful()),
                };
                let kind = fit(row.event_type.as_deref().unwrap_or("-"), TYPE, TYPE);
                (format!("{at} {gap:>12}  {kind} {}{remark}", outcome_word(row)), style)
            }
            Step::Missing(kind) => (format!("{:21}  {} missing", "", fit(kind, TYPE, TYPE)), theme.bad()),
            Step::Expected(kind) => {
                (format!("{:21}  {} not yet here", "", fit(kind, TYPE, TYPE)), theme.faint())
            }
        };
        let sign = if lines.len() == state.view_scroll { "▸ " } else { "  " };
        let is_this = matches!(step, Step::Event { row, .. } if Some(row.id) == state.selected);
        let line = Line::from(Span::styled(fit(&format!("{sign}{text}"), 0, width), style));
        lines.push(if is_this { line.patch_style(theme.strong()) } else { line });
    }
    let chosen = state.view_scroll.max(ABOVE);
    let mut laid = Laid::of(lines);
    laid.chosen = Some(chosen..chosen + 1);
    laid
}

/// The event on a line of the page.
pub(in super::super) fn event_at(state: &State, line: usize) -> Option<EventId> {
    let Some(Ok((_, steps))) = &state.thread else { return None };
    match steps.get(line.checked_sub(ABOVE)?)? {
        Step::Event { row, .. } => Some(row.id),
        Step::Missing(_) | Step::Expected(_) => None,
    }
}

/// The line of the page an event is on.
pub(in super::super) fn line_of(state: &State, id: EventId) -> Option<usize> {
    let Some(Ok((_, steps))) = &state.thread else { return None };
    let is_it = |step: &Step| matches!(step, Step::Event { row, .. } if row.id == id);
    steps.iter().position(is_it).map(|place| place + ABOVE)
}

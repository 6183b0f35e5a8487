//! Two events compared, in one column or in two.

use inhaul_core::visible::visible;
use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::super::state::State;
use crate::{
    diff::{Hunk, Row, Section, lines::mark},
    output::{count_text, fit},
    row::EventRow,
};

/// Equal lines around a difference.
const CONTEXT: usize = 3;

/// Columns below which there is one column, whatever is asked for.
const TWO_COLUMNS_FROM: usize = 60;

/// Most lines of a section that are drawn: more nobody reads, and `inhaul diff` has them all.
const LINES_MAX: usize = 2000;

/// A line, and whether a difference begins with it.
struct Shown {
    line: Line<'static>,
    begins: bool,
}

/// Every line of the page.
pub(super) fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    shown(state, width).into_iter().map(|shown| shown.line).collect()
}

/// The lines that differences begin with.
pub(in super::super) fn beginnings(state: &State, width: usize) -> Vec<usize> {
    let lines = shown(state, width).into_iter().enumerate();
    lines.filter(|(_, shown)| shown.begins).map(|(index, _)| index).collect()
}

fn shown(state: &State, width: usize) -> Vec<Shown> {
    let Some(comparison) = &state.comparison else { return Vec::new() };
    let theme = state.theme();
    let plain = |line: Line<'static>| Shown { line, begins: false };
    let event = |sign: &str, row: &EventRow, style: Style| {
        let text = format!(
            " {sign} {}  {} {}  {}",
            row.received_at,
            visible(&row.method),
            visible(row.event_type.as_deref().unwrap_or(&state.shown_target(row))),
            row.id
        );
        plain(Line::styled(fit(&text, 0, width), style))
    };
    let mut lines =
        vec![event("-", &comparison.left, theme.bad()), event("+", &comparison.right, theme.good())];
    for section in &comparison.diff(state.look.masks).sections {
        let part = section.part.as_str();
        let (text, style) = match section.differences() {
            0 => (format!(" {part}: no difference"), theme.faint()),
            count => (format!(" {part}: {}", count_text(count as u64, "difference")), theme.strong()),
        };
        lines.push(plain(Line::styled(fit(&text, 0, width), style)));
        if section.differences() > 0 {
            let before = lines.len();
            put_section(&mut lines, section, width, comparison.is_side_by_side, state);
            if lines.len() - before > LINES_MAX {
                lines.truncate(before + LINES_MAX);
                let text = fit(" … and more; `inhaul diff` prints all of it", 0, width);
                lines.push(plain(Line::styled(text, theme.faint())));
            }
        }
    }
    lines
}

fn put_section(lines: &mut Vec<Shown>, section: &Section, width: usize, side_by_side: bool, state: &State) {
    for hunk in section.hunks(CONTEXT) {
        if lines.len() > LINES_MAX * 2 {
            return;
        }
        match hunk {
            Hunk::Folded(count) => {
                let text = format!("   … {} without a difference", count_text(count as u64, "line"));
                let line = Line::styled(fit(&text, 0, width), state.theme().faint());
                lines.push(Shown { line, begins: false });
            }
            Hunk::Rows(rows) => {
                let rows = &rows[..rows.len().min(LINES_MAX)];
                for stretch in rows.chunk_by(|a, b| a.change.counts() == b.change.counts()) {
                    let begins = stretch[0].change.counts();
                    let new = if side_by_side && width >= TWO_COLUMNS_FROM {
                        stretch.iter().map(|row| two_columns(row, width, state)).collect()
                    } else {
                        one_column(stretch, width, state)
                    };
                    lines.extend(
                        new.into_iter()
                            .enumerate()
                            .map(|(index, line)| Shown { line, begins: begins && index == 0 }),
                    );
                }
            }
        }
    }
}

fn two_columns(row: &Row, width: usize, state: &State) -> Line<'static> {
    // A blank on either end, and three columns between the sides.
    let side = width.saturating_sub(5) / 2;
    let (left_style, right_style) =
        if row.change.counts() { (state.theme().bad(), state.theme().good()) } else { Default::default() };
    let text = |text: &Option<String>| fit(text.as_deref().unwrap_or_default(), side, side);
    Line::from(vec![
        Span::raw(" "),
        Span::styled(text(&row.left), left_style),
        Span::raw(format!(" {} ", mark(row.change))),
        Span::styled(text(&row.right), right_style),
    ])
}

/// Within a difference all lines of the left come before those of the right.
fn one_column(stretch: &[Row], width: usize, state: &State) -> Vec<Line<'static>> {
    let line =
        |sign: &str, text: &str, style: Style| Line::styled(fit(&format!(" {sign} {text}"), 0, width), style);
    if !stretch[0].change.counts() {
        let texts = stretch.iter().filter_map(|row| row.right.as_ref().or(row.left.as_ref()));
        return texts.map(|text| line(" ", text, Style::new())).collect();
    }
    let left = stretch.iter().filter_map(|row| row.left.as_ref());
    let right = stretch.iter().filter_map(|row| row.right.as_ref());
    left.map(|text| line("-", text, state.theme().bad()))
        .chain(right.map(|text| line("+", text, state.theme().good())))
        .collect()
}

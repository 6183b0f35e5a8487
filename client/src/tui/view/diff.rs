//! Two events compared, in one column or in two.

use inhaul_core::visible::visible;
use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::{
    super::state::State,
    page::{Laid, wrapped},
};
use crate::{
    diff::{Change, Hunk, Row, Section, lines::mark},
    output::{count_text, fit, size_text},
    row::EventRow,
};

/// Equal lines around a difference.
const CONTEXT: usize = 3;

/// Columns below which there is one column, whatever is asked for.
const TWO_COLUMNS_FROM: usize = 60;

/// Most lines of a section that are drawn: more nobody reads, and `inhaul diff` has them all.
const LINES_MAX: usize = 2000;

/// Most lines of one text; of a longer one, those around the first letter that differs.
const TEXT_LINES_MAX: usize = 12;

/// A line, and whether a difference begins with it.
struct Shown {
    line: Line<'static>,
    begins: bool,
}

/// The page, with the lines that differences begin with.
pub(super) fn laid(state: &State, width: usize) -> Laid {
    let shown = shown(state, width);
    let begins = shown.iter().enumerate().filter(|(_, shown)| shown.begins);
    let beginnings = begins.map(|(index, _)| index).collect();
    let mut laid = Laid::of(shown.into_iter().map(|shown| shown.line).collect());
    laid.beginnings = beginnings;
    laid
}

fn shown(state: &State, width: usize) -> Vec<Shown> {
    let Some(comparison) = &state.comparison else { return Vec::new() };
    let theme = state.theme();
    let plain = |line: Line<'static>| Shown { line, begins: false };
    let columns = Columns::new(state, width, comparison.is_side_by_side);
    let mut lines = columns.headings(&comparison.left, &comparison.right);
    for section in &comparison.diff(state.look.masks).sections {
        let part = section.part.as_str();
        let (text, style) = match section.differences() {
            0 => (format!(" {part}: no difference"), theme.faint()),
            count => (format!(" {part}: {}", count_text(count as u64, "difference")), theme.strong()),
        };
        lines.push(plain(Line::styled(fit(&text, 0, width), style)));
        if section.differences() > 0 {
            let before = lines.len();
            put_section(&mut lines, section, &columns);
            if lines.len() - before > LINES_MAX {
                lines.truncate(before + LINES_MAX);
                let text = fit(" … and more; `inhaul diff` prints all of it", 0, width);
                lines.push(plain(Line::styled(text, theme.faint())));
            }
        }
    }
    lines
}

fn put_section(lines: &mut Vec<Shown>, section: &Section, columns: &Columns) {
    let before = lines.len();
    for hunk in section.hunks(CONTEXT) {
        match hunk {
            Hunk::Folded(count) => {
                let text = format!("   … {} without a difference", count_text(count as u64, "line"));
                let line = Line::styled(fit(&text, 0, columns.width), columns.state.theme().faint());
                lines.push(Shown { line, begins: false });
            }
            Hunk::Rows(rows) => {
                for stretch in rows.chunk_by(|a, b| a.change.counts() == b.change.counts()) {
                    if lines.len() - before > LINES_MAX {
                        return;
                    }
                    let begins = stretch[0].change.counts();
                    let stretch = &stretch[..stretch.len().min(LINES_MAX)];
                    let new = columns.stretch(stretch).into_iter().enumerate();
                    lines.extend(new.map(|(index, line)| Shown { line, begins: begins && index == 0 }));
                }
            }
        }
    }
}

/// How rows are laid out.
struct Columns<'s> {
    state: &'s State,
    width: usize,
    /// Of one of two; nothing when there is one.
    side: Option<usize>,
}

impl<'s> Columns<'s> {
    fn new(state: &'s State, width: usize, is_side_by_side: bool) -> Self {
        // A blank on either end, and three columns between the sides.
        let side = (is_side_by_side && width >= TWO_COLUMNS_FROM).then(|| width.saturating_sub(5) / 2);
        Self { state, width, side }
    }

    /// Which event is on which side, and what the signs mean.
    fn headings(&self, left: &EventRow, right: &EventRow) -> Vec<Shown> {
        let theme = self.state.theme();
        let event = |row: &EventRow| {
            let at = row.received_at.to_string();
            let target = self.state.shown_target(row);
            let kind = row.event_type.as_deref().unwrap_or(&target);
            let time = at.get(..19).unwrap_or(&at).replace('T', " ");
            [format!("{time} {}", row.id), format!("{} {}", visible(&row.method), visible(kind))]
        };
        let (left, right) = (event(left), event(right));
        let mut lines = Vec::new();
        match self.side {
            Some(side) => {
                for (left, right) in left.iter().zip(&right) {
                    lines.push(Line::from(vec![
                        Span::styled(format!(" {}   ", fit(left, side, side)), theme.bad()),
                        Span::styled(fit(right, 0, side), theme.good()),
                    ]));
                }
                let legend = " | they differ   < only on the left   > only on the right   ~ ignored";
                lines.push(Line::styled(fit(legend, 0, self.width), theme.faint()));
            }
            None => {
                for ([at, kind], sign, style) in [(left, '-', theme.bad()), (right, '+', theme.good())] {
                    lines.push(Line::styled(fit(&format!(" {sign} {at}"), 0, self.width), style));
                    lines.push(Line::styled(fit(&format!("   {kind}"), 0, self.width), style));
                }
            }
        }
        lines.into_iter().map(|line| Shown { line, begins: false }).collect()
    }

    fn stretch(&self, rows: &[Row]) -> Vec<Line<'static>> {
        match self.side {
            Some(side) => rows.iter().flat_map(|row| self.two_columns(row, side)).collect(),
            None => self.one_column(rows),
        }
    }

    fn two_columns(&self, row: &Row, side: usize) -> Vec<Line<'static>> {
        let theme = self.state.theme();
        let (left_style, right_style) =
            if row.change.counts() { (theme.bad(), theme.good()) } else { Default::default() };
        let from = differs_from(row);
        let parts =
            |text: &Option<String>| text.as_deref().map(|text| parts(text, from, side)).unwrap_or_default();
        let (left, right) = (parts(&row.left), parts(&row.right));
        let line = |index: usize| {
            let sign = if index == 0 { mark(row.change) } else { ' ' };
            let text =
                |parts: &[String]| fit(parts.get(index).map(String::as_str).unwrap_or_default(), side, side);
            Line::from(vec![
                Span::raw(" "),
                Span::styled(text(&left), left_style),
                Span::raw(format!(" {sign} ")),
                Span::styled(text(&right), right_style),
            ])
        };
        (0..left.len().max(right.len()).max(1)).map(line).collect()
    }

    /// Within a difference all lines of the left come before those of the right.
    fn one_column(&self, rows: &[Row]) -> Vec<Line<'static>> {
        let theme = self.state.theme();
        let line = |row: &Row, sign: char, text: &str, style: Style| -> Vec<Line<'static>> {
            let parts = parts(text, differs_from(row), self.width.saturating_sub(3).max(1)).into_iter();
            let line = |(index, part)| {
                let sign = if index == 0 { sign } else { ' ' };
                Line::styled(format!(" {sign} {part}"), style)
            };
            parts.enumerate().map(line).collect()
        };
        if !rows[0].change.counts() {
            let text = |row: &Row| {
                let text = row.right.as_ref().or(row.left.as_ref())?;
                let sign = if row.change == Change::Ignored { mark(row.change) } else { ' ' };
                Some(line(row, sign, text, Style::new()))
            };
            return rows.iter().filter_map(text).flatten().collect();
        }
        let left = |row: &Row| row.left.as_ref().map(|text| line(row, '-', text, theme.bad()));
        let right = |row: &Row| row.right.as_ref().map(|text| line(row, '+', text, theme.good()));
        rows.iter().filter_map(left).chain(rows.iter().filter_map(right)).flatten().collect()
    }
}

/// Where the sides of a row begin to differ, in bytes; at the beginning where one has nothing.
fn differs_from(row: &Row) -> usize {
    match (&row.left, &row.right) {
        (Some(left), Some(right)) if left != right => {
            let same = left.char_indices().zip(right.chars()).take_while(|((_, a), b)| a == b);
            same.last().map_or(0, |((at, letter), _)| at + letter.len_utf8())
        }
        _ => 0,
    }
}

/// Where a letter begins, at a byte or before it.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// A text in lines of a width: all of it, or as much as can be shown with the byte that is looked for.
fn parts(text: &str, from: usize, width: usize) -> Vec<String> {
    let most = width.saturating_mul(TEXT_LINES_MAX);
    // It begins a line before that byte, when it does not fit otherwise.
    let fits = from + width < most;
    let start = if fits { 0 } else { boundary(text, from.saturating_sub(width)) };
    let end = boundary(text, start.saturating_add(most.max(4)));
    let before = if start > 0 { "…" } else { "" };
    let mut parts = wrapped(&format!("{before}{}", visible(&text[start..end])), width.max(2));
    parts.truncate(TEXT_LINES_MAX);
    if end < text.len() {
        parts.push(fit(&format!("… and {} more", size_text((text.len() - end) as u64)), 0, width));
    }
    parts
}

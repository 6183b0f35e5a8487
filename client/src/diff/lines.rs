//! A difference for a terminal, in one column as `diff -u` has it, or in two.

use std::fmt::Write;

use inhaul_core::visible::visible;

use super::{Change, Diff, Hunk, Row, Section};
use crate::output::{Color, Paint, count_text, fit};

/// How a difference is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Lines of the left marked `-`, of the right `+`.
    Unified,
    /// Both beside each other, in so many columns of a terminal.
    SideBySide(usize),
}

/// Every section: the rows around its differences, or that it is the same.
pub fn text(diff: &Diff, layout: Layout, context: usize, color: Color) -> String {
    let mut out = String::new();
    for section in &diff.sections {
        let part = section.part.as_str();
        match section.differences() {
            0 => drop(writeln!(out, "{}", color.paint(Paint::Faint, &format!("{part}: no difference")))),
            count => {
                let title = format!("{part}: {}", count_text(count as u64, "difference"));
                let _ = writeln!(out, "{}", color.paint(Paint::Strong, &title));
                write_section(&mut out, section, layout, context, color);
            }
        }
    }
    out
}

fn write_section(out: &mut String, section: &Section, layout: Layout, context: usize, color: Color) {
    for hunk in section.hunks(context) {
        match hunk {
            Hunk::Folded(count) => {
                let text = format!("  … {} without a difference", count_text(count as u64, "line"));
                let _ = writeln!(out, "{}", color.paint(Paint::Faint, &text));
            }
            Hunk::Rows(rows) => match layout {
                Layout::Unified => write_unified(out, rows, color),
                Layout::SideBySide(width) => {
                    for row in rows {
                        let _ = writeln!(out, "{}", side_by_side(row, width, color));
                    }
                }
            },
        }
    }
}

/// Within a difference all lines of the left come before those of the right.
fn write_unified(out: &mut String, rows: &[Row], color: Color) {
    for stretch in rows.chunk_by(|a, b| a.change.counts() == b.change.counts()) {
        if !stretch[0].change.counts() {
            for text in stretch.iter().filter_map(|row| row.right.as_ref().or(row.left.as_ref())) {
                let _ = writeln!(out, "  {}", visible(text));
            }
            continue;
        }
        for text in stretch.iter().filter_map(|row| row.left.as_ref()) {
            let _ = writeln!(out, "{}", color.paint(Paint::Bad, &format!("- {}", visible(text))));
        }
        for text in stretch.iter().filter_map(|row| row.right.as_ref()) {
            let _ = writeln!(out, "{}", color.paint(Paint::Good, &format!("+ {}", visible(text))));
        }
    }
}

fn side_by_side(row: &Row, width: usize, color: Color) -> String {
    // Three columns are between the sides.
    let side = (width.saturating_sub(3) / 2).max(1);
    let left = fit(row.left.as_deref().unwrap_or_default(), side, side);
    let right = fit(row.right.as_deref().unwrap_or_default(), 0, side);
    let (left_paint, right_paint) =
        if row.change.counts() { (Some(Paint::Bad), Some(Paint::Good)) } else { (None, None) };
    let painted =
        |text: String, paint: Option<Paint>| paint.map_or(text.clone(), |paint| color.paint(paint, &text));
    let line = format!("{} {} {}", painted(left, left_paint), mark(row.change), painted(right, right_paint));
    line.trim_end().to_owned()
}

/// What stands between the sides of a row.
pub fn mark(change: Change) -> char {
    match change {
        Change::Same => ' ',
        Change::Ignored => '~',
        Change::Changed => '|',
        Change::Removed => '<',
        Change::Added => '>',
    }
}

//! What `inhaul diff` prints for programs.

use inhaul_core::event::EventId;
use serde::Serialize;

use super::SCHEMA;
use crate::diff::{Change, Diff, Part};

/// `kind: diff`
#[derive(Serialize)]
pub struct DiffRecord<'a> {
    schema: u32,
    kind: &'static str,
    left: EventId,
    right: EventId,
    equal: bool,
    differences: Vec<DifferenceRecord<'a>>,
}

#[derive(Serialize)]
struct DifferenceRecord<'a> {
    part: Part,
    change: Change,
    path: Option<&'a str>,
    left: Option<&'a str>,
    right: Option<&'a str>,
}

/// What is printed of two events compared: every line that differs.
pub fn diff(left: EventId, right: EventId, diff: &Diff) -> DiffRecord<'_> {
    let rows = diff.sections.iter().flat_map(|section| section.rows.iter().map(|row| (section.part, row)));
    let counted = rows.filter(|(_, row)| row.change.counts());
    let differences = counted.map(|(part, row)| DifferenceRecord {
        part,
        change: row.change,
        path: row.path.as_deref(),
        left: row.left.as_deref(),
        right: row.right.as_deref(),
    });
    DiffRecord {
        schema: SCHEMA,
        kind: "diff",
        left,
        right,
        equal: diff.is_empty(),
        differences: differences.collect(),
    }
}

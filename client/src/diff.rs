//! Two events side by side: what differs between their requests, headers, bodies and answers.
//!
//! ```text
//!  headers  lines of which neither order nor place matters
//!  json     values, whatever the order of their names; items of lists by their `id`, or where they fit best
//!  text     lines of text, and bytes in rows
//!  lines    the result for a terminal: one column or two
//! ```
//! The result is plain data: sections of rows with a left and a right side. A row that is the same on both has the same text on both,
//! but for the comma that JSON may need.

use inhaul_core::{
    event::{Event, Head},
    filter::JsonPath,
    visible::visible_bytes,
};
use serde::Serialize;

mod headers;
mod json;
pub mod lines;
mod text;

use crate::row::{EventRow, Outcome};

/// What is not compared.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    /// Names of headers, whatever their letters' case.
    pub headers: Vec<String>,
    /// Values in JSON bodies, with everything in them.
    pub json: Vec<JsonPath>,
}

impl Ignore {
    fn header(&self, name: &str) -> bool {
        self.headers.iter().any(|ignored| ignored.eq_ignore_ascii_case(name))
    }
}

/// What differs between two events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// Part by part; parts neither has are left out.
    pub sections: Vec<Section>,
}

/// One part of two events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Which part.
    pub part: Part,
    /// All of it, in order.
    pub rows: Vec<Row>,
}

/// A part of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Method and target.
    Request,
    /// The request's headers.
    Headers,
    /// The request's body.
    Body,
    /// Status and headers of the last answer.
    Answer,
    /// The beginning of that answer's body.
    AnswerBody,
}

impl Part {
    /// What it is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Headers => "headers",
            Self::Body => "body",
            Self::Answer => "answer",
            Self::AnswerBody => "answer body",
        }
    }
}

/// A line of one side, of the other, or of both. The texts are as received: whoever shows them makes them harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub change: Change,
    /// The left event's line.
    pub left: Option<String>,
    /// The right event's line.
    pub right: Option<String>,
    /// Where in a JSON document the value that differs is, such as `$.data.amount`.
    pub path: Option<String>,
}

/// How the sides of a row stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// They are the same.
    Same,
    /// They differ where that does not count.
    Ignored,
    /// They differ.
    Changed,
    /// Only the left event has it.
    Removed,
    /// Only the right event has it.
    Added,
}

impl Change {
    /// Whether it makes the events different.
    pub fn counts(self) -> bool {
        match self {
            Self::Same | Self::Ignored => false,
            Self::Changed | Self::Removed | Self::Added => true,
        }
    }
}

impl Row {
    fn same(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { change: Change::Same, left: Some(text.clone()), right: Some(text), path: None }
    }

    fn both(change: Change, left: impl Into<String>, right: impl Into<String>) -> Self {
        Self { change, left: Some(left.into()), right: Some(right.into()), path: None }
    }

    fn removed(left: impl Into<String>) -> Self {
        Self { change: Change::Removed, left: Some(left.into()), right: None, path: None }
    }

    fn added(right: impl Into<String>) -> Self {
        Self { change: Change::Added, left: None, right: Some(right.into()), path: None }
    }
}

/// A stretch of rows as it is shown: those around a difference, or how many are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hunk<'d> {
    /// Rows to be shown.
    Rows(&'d [Row]),
    /// So many rows are the same and not shown.
    Folded(usize),
}

impl Section {
    /// Its rows, with all that are further from a difference than `context` folded.
    pub fn hunks(&self, context: usize) -> Vec<Hunk<'_>> {
        let rows = &self.rows;
        let mut near = vec![false; rows.len()];
        for (at, row) in rows.iter().enumerate() {
            if row.change.counts() {
                let end = (at + context + 1).min(rows.len());
                near[at.saturating_sub(context)..end].fill(true);
            }
        }
        let mut hunks = Vec::new();
        let mut start = 0;
        while start < rows.len() {
            let length = near[start..].iter().take_while(|is_near| **is_near == near[start]).count();
            // A fold takes a line itself.
            let shown = near[start] || length == 1;
            let stretch = &rows[start..start + length];
            hunks.push(if shown { Hunk::Rows(stretch) } else { Hunk::Folded(length) });
            start += length;
        }
        hunks
    }

    /// How many differences there are: rows next to each other are one.
    pub fn differences(&self) -> usize {
        let counts = |at: usize| self.rows[at].change.counts();
        (0..self.rows.len()).filter(|&at| counts(at) && (at == 0 || !counts(at - 1))).count()
    }
}

impl Diff {
    /// Whether nothing that counts differs.
    pub fn is_empty(&self) -> bool {
        self.sections.iter().flat_map(|section| &section.rows).all(|row| !row.change.counts())
    }

    /// How many differences there are.
    pub fn differences(&self) -> usize {
        self.sections.iter().map(Section::differences).sum()
    }
}

/// Compares two events.
pub fn events(left: (&Event, &EventRow), right: (&Event, &EventRow), ignore: &Ignore) -> Diff {
    let (left_head, right_head) = (left.0.parsed_head().ok(), right.0.parsed_head().ok());
    let request = |event: &Event, head: Option<&Head>| {
        head.map_or_else(String::new, |head| {
            let target = event.app_target(head);
            format!("{} {}", visible_bytes(&head.method), visible_bytes(&target))
        })
    };
    let headers = |head: Option<&Head>| -> Vec<(String, String)> {
        let all = head.into_iter().flat_map(|head| &head.headers);
        all.map(|header| {
            let text = |bytes: &[u8]| visible_bytes(bytes).to_string();
            (text(&header.name), text(&header.value))
        })
        .collect()
    };
    let (left_answer, right_answer) = (Answer::of(left.1), Answer::of(right.1));
    let answer = |answer: Option<&Answer<'_>>| answer.map_or(&[][..], |answer| answer.headers).to_vec();
    let status = |answer: Option<&Answer<'_>>| {
        answer.map_or_else(|| "no answer".to_owned(), |answer| answer.status.to_string())
    };
    let mut answers = vec![line(&status(left_answer.as_ref()), &status(right_answer.as_ref()))];
    answers.extend(headers::compare(&answer(left_answer.as_ref()), &answer(right_answer.as_ref()), ignore));
    let bodies = |answer: Option<&Answer<'_>>| answer.map_or(&[][..], |answer| answer.body).to_vec();
    let sections = [
        (
            Part::Request,
            vec![line(&request(left.0, left_head.as_ref()), &request(right.0, right_head.as_ref()))],
        ),
        (
            Part::Headers,
            headers::compare(&headers(left_head.as_ref()), &headers(right_head.as_ref()), ignore),
        ),
        (Part::Body, body(&left.0.body, &right.0.body, ignore)),
        (Part::Answer, answers),
        (Part::AnswerBody, body(&bodies(left_answer.as_ref()), &bodies(right_answer.as_ref()), ignore)),
    ];
    let has_answers = left_answer.is_some() || right_answer.is_some();
    let sections = sections
        .into_iter()
        .filter(|(part, rows)| !rows.is_empty() && (has_answers || *part != Part::Answer))
        .map(|(part, rows)| Section { part, rows });
    Diff { sections: sections.collect() }
}

/// Compares two bodies: as JSON when both are, else as text when both are, else as bytes.
pub fn body(left: &[u8], right: &[u8], ignore: &Ignore) -> Vec<Row> {
    match (std::str::from_utf8(left), std::str::from_utf8(right)) {
        (Ok(left), Ok(right)) if !left.contains('\0') && !right.contains('\0') => {
            json::compare(left, right, &ignore.json).unwrap_or_else(|| text::compare(left, right))
        }
        _ => text::compare_bytes(left, right),
    }
}

fn line(left: &str, right: &str) -> Row {
    if left == right { Row::same(left) } else { Row::both(Change::Changed, left, right) }
}

/// The last answer to an event.
struct Answer<'r> {
    status: u16,
    headers: &'r [(String, String)],
    body: &'r [u8],
}

impl<'r> Answer<'r> {
    fn of(row: &'r EventRow) -> Option<Self> {
        row.attempts.iter().rev().find_map(|attempt| match &attempt.outcome {
            Outcome::Answered { status, headers, body_excerpt, .. } => {
                Some(Self { status: *status, headers, body: body_excerpt })
            }
            Outcome::Begun | Outcome::Failed { .. } | Outcome::Rejected => None,
        })
    }
}

#[cfg(test)]
mod tests;

//! Lines of text, and bytes in rows of sixteen, by Myers' algorithm.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{Change, Row};

/// Most lines beyond equal beginnings and ends, on both sides together, that are compared one by one. More are one difference: the
/// search would take time that grows with the square.
const LINES_MAX: usize = 10_000;

/// Most bytes of a side that are shown in rows.
const BYTES_MAX: usize = 64 * 1024;

/// A step from one list to another.
pub(super) enum Step {
    /// So many items are equal, from these places on.
    Equal(usize, usize, usize),
    /// Items of the left, from and how many, stand where those of the right do.
    Replaced { left: (usize, usize), right: (usize, usize) },
}

/// How two lists differ.
pub(super) fn steps<T: std::hash::Hash + Ord>(left: &[T], right: &[T]) -> Vec<Step> {
    let begin = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    let (left_rest, right_rest) = (&left[begin..], &right[begin..]);
    let end =
        left_rest.iter().rev().zip(right_rest.iter().rev()).take_while(|(left, right)| left == right).count();
    let (left_rest, right_rest) =
        (&left_rest[..left_rest.len() - end], &right_rest[..right_rest.len() - end]);
    let mut steps = vec![Step::Equal(0, 0, begin)];
    if left_rest.len() + right_rest.len() > LINES_MAX {
        steps.push(Step::Replaced { left: (begin, left_rest.len()), right: (begin, right_rest.len()) });
    } else {
        let found = capture_diff_slices(Algorithm::Myers, left_rest, right_rest);
        steps.extend(found.into_iter().map(|step| match step {
            DiffOp::Equal { old_index, new_index, len } => {
                Step::Equal(begin + old_index, begin + new_index, len)
            }
            DiffOp::Delete { old_index, old_len, new_index } => {
                Step::Replaced { left: (begin + old_index, old_len), right: (begin + new_index, 0) }
            }
            DiffOp::Insert { old_index, new_index, new_len } => {
                Step::Replaced { left: (begin + old_index, 0), right: (begin + new_index, new_len) }
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                Step::Replaced { left: (begin + old_index, old_len), right: (begin + new_index, new_len) }
            }
        }));
    }
    steps.push(Step::Equal(left.len() - end, right.len() - end, end));
    steps
}

/// Compares line by line.
pub(super) fn compare(left: &str, right: &str) -> Vec<Row> {
    let lines = |text: &str| -> Vec<String> {
        if text.is_empty() { Vec::new() } else { text.split('\n').map(str::to_owned).collect() }
    };
    rows(&lines(left), &lines(right))
}

/// Compares bytes in rows of hex digits; beyond 64 KiB only whether they are equal, and from where on they are not.
pub(super) fn compare_bytes(left: &[u8], right: &[u8]) -> Vec<Row> {
    let shown = |bytes: &[u8]| -> Vec<String> {
        let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
        let digits = bytes.chunks(16).map(|row| {
            let row: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            row.join(" ")
        });
        digits.collect()
    };
    let mut rows = rows(&shown(left), &shown(right));
    let (left_rest, right_rest) =
        (left.get(BYTES_MAX..).unwrap_or_default(), right.get(BYTES_MAX..).unwrap_or_default());
    let text = |rest: &[u8]| format!("… and {} bytes more", rest.len());
    match (left_rest.is_empty() && right_rest.is_empty(), left_rest == right_rest) {
        (true, _) => {}
        (false, true) => rows.push(Row::same(text(left_rest))),
        (false, false) => {
            let equal = left_rest.iter().zip(right_rest).take_while(|(left, right)| left == right).count();
            let text = |rest| format!("{}, different from byte {} on", text(rest), BYTES_MAX + equal);
            rows.push(Row::both(Change::Changed, text(left_rest), text(right_rest)));
        }
    }
    rows
}

fn rows(left: &[String], right: &[String]) -> Vec<Row> {
    let mut rows = Vec::new();
    for step in steps(left, right) {
        match step {
            Step::Equal(from, _, count) => {
                rows.extend(left[from..from + count].iter().map(Row::same));
            }
            Step::Replaced { left: (from, count), right: (other_from, other_count) } => {
                for index in 0..count.max(other_count) {
                    let line = (index < count).then(|| left[from + index].clone());
                    let other = (index < other_count).then(|| right[other_from + index].clone());
                    rows.push(match (line, other) {
                        (Some(line), Some(other)) => Row::both(Change::Changed, line, other),
                        (Some(line), None) => Row::removed(line),
                        (None, Some(other)) => Row::added(other),
                        (None, None) => continue,
                    });
                }
            }
        }
    }
    rows
}

//! Header lines, compared as a multiset: neither order nor place matters, repeats do.

use super::{Change, Ignore, Row};

/// Compares `name: value` lines; names are the same whatever their letters' case.
pub(super) fn compare(left: &[(String, String)], right: &[(String, String)], ignore: &Ignore) -> Vec<Row> {
    let text = |(name, value): &(String, String)| format!("{name}: {value}");
    let same_name = |a: &(String, String), b: &(String, String)| a.0.eq_ignore_ascii_case(&b.0);
    let mut taken = vec![false; right.len()];
    // First what is equal, so that a changed line never takes the place of an equal one.
    let mut equal: Vec<Option<usize>> = left
        .iter()
        .map(|line| {
            let at = (0..right.len())
                .find(|&at| !taken[at] && same_name(line, &right[at]) && line.1 == right[at].1)?;
            taken[at] = true;
            Some(at)
        })
        .collect();
    let mut rows = Vec::new();
    for (line, equal) in left.iter().zip(&mut equal) {
        let ignored = ignore.header(&line.0);
        let partner =
            equal.or_else(|| (0..right.len()).find(|&at| !taken[at] && same_name(line, &right[at])));
        let Some(at) = partner else {
            let row = Row::removed(text(line));
            rows.push(if ignored { Row { change: Change::Ignored, ..row } } else { row });
            continue;
        };
        taken[at] = true;
        let change = match (equal.is_some(), ignored) {
            (true, _) => Change::Same,
            (false, true) => Change::Ignored,
            (false, false) => Change::Changed,
        };
        rows.push(Row::both(change, text(line), text(&right[at])));
    }
    for (line, _) in right.iter().zip(&taken).filter(|(_, taken)| !**taken) {
        let row = Row::added(text(line));
        let ignored = ignore.header(&line.0);
        rows.push(if ignored { Row { change: Change::Ignored, ..row } } else { row });
    }
    rows
}

//! What is printed of a replay of many requests: what it would send, and what came of it.

use std::fmt::Write;

use inhaul_core::visible::{multiline_bytes, visible};

use super::{count_text, size_text};
use crate::replay::{Preview, Tally};

/// Widest bar of the histogram.
const BAR: u64 = 30;

/// What a plan would send, for people.
pub fn preview_text(preview: &Preview) -> String {
    let Preview { requests, targets, changes, head, body_bytes, body_text, .. } = preview;
    let mut text =
        format!("would send {} to {}\n", count_text(*requests, "request"), visible(&targets.join(", ")));
    let changes = if changes.is_empty() { "nothing".to_owned() } else { changes.join(", ") };
    let _ = writeln!(text, "changed: {}\n", visible(&changes));
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        let _ = writeln!(text, "{}", visible(line));
    }
    let shown = body_text.as_deref().filter(|body| !body.is_empty());
    let _ = match shown {
        Some(body) if body.len() as u64 == *body_bytes => {
            writeln!(text, "\n{}", multiline_bytes(body.as_bytes()))
        }
        Some(body) => {
            writeln!(text, "\n{}\n… of {}", multiline_bytes(body.as_bytes()), size_text(*body_bytes))
        }
        None => writeln!(text, "\nbody: {}", size_text(*body_bytes)),
    };
    text
}

/// What came of a replay, for people: a histogram, the times, and how far it came when it was stopped.
pub fn tally_text(tally: &Tally, requests: u64, whole: bool) -> String {
    let mut text = if whole {
        format!("{}, {} answered 2xx\n", count_text(tally.done, "request"), tally.delivered())
    } else {
        format!("stopped after {} of {requests} requests, {} answered 2xx\n", tally.done, tally.delivered())
    };
    let statuses = tally.statuses.iter().map(|(status, count)| (status.to_string(), *count));
    let failures = tally.failures.iter().map(|(kind, count)| ((*kind).to_owned(), *count));
    for (name, count) in statuses.chain(failures) {
        let bar = "#".repeat(usize::try_from((count * BAR).div_ceil(tally.done.max(1))).unwrap_or(0));
        let _ = writeln!(text, "  {name:<17} {count:>6}  {bar}");
    }
    for (reason, count) in &tally.not_sent {
        let _ = writeln!(text, "  {:<17} {count:>6}  {}", "not sent", visible(reason));
    }
    if let (Some(half), Some(most), Some(all)) =
        (tally.latency_ms(50), tally.latency_ms(99), tally.latency_ms(100))
    {
        let _ = writeln!(text, "  p50 {half} ms, p99 {most} ms, longest {all} ms");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::answered;

    #[test]
    fn a_histogram_says_how_it_went() {
        let mut tally = Tally::default();
        (0..9).for_each(|number| tally.add(&Ok(answered(number, 200))));
        tally.add(&Ok(answered(9, 503)));
        tally.add(&Err("no \u{1b}[31msecret".to_owned()));
        let text = tally_text(&tally, 20, false);
        assert_eq!(
            text,
            "stopped after 11 of 20 requests, 9 answered 2xx\n\
             \x20 200                    9  #########################\n\
             \x20 503                    1  ###\n\
             \x20 not sent               1  no \\x1b[31msecret\n\
             \x20 p50 12 ms, p99 12 ms, longest 12 ms\n"
        );
        assert!(tally_text(&tally, 11, true).starts_with("11 requests, 9 answered 2xx\n"));
    }
}

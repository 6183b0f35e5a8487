//! Every attempt to deliver an event, on a common scale of time, and what was answered.

use std::time::Duration;

use inhaul_core::visible::visible;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{super::super::content::Opened, Page, answer, outcome_style};
use crate::{
    output::{attempt_text, remark_texts, time_text},
    row::{Attempt, AttemptCause, EventRow, Outcome},
};

/// Widest bar.
const BAR_MAX: u64 = 30;

/// Where bars begin.
const BAR_FROM: usize = 28;

/// The lines, the newest attempt first: that is what one looks for.
pub(super) fn put(page: &mut Page, opened: &Opened, row: &EventRow, next_try: Option<&str>) {
    let theme = page.theme;
    let slowest = row.attempts.iter().filter_map(latency).max().unwrap_or(0).max(1);
    if let Some(next) = next_try {
        page.put(&format!("  ·  {next}"), theme.doubtful());
    }
    if row.attempts.is_empty() {
        page.put("not forwarded so far", theme.faint());
    }
    for (place, attempt) in row.attempts.iter().rev().enumerate() {
        put_attempt(page, opened, attempt, slowest);
        if place == 0 {
            answer::put(page, attempt);
            if row.attempts.len() > 1 {
                page.heading("Earlier attempts");
            }
        }
    }
    for (name, remark) in remark_texts(row) {
        page.put(&format!("{name}: {remark}"), theme.doubtful());
    }
    way(page, opened, row);
    for attempt in row.attempts.iter().rev().skip(1) {
        answer::put(page, attempt);
    }
}

/// One attempt; the bar of one that took `slowest` milliseconds has the whole width.
fn put_attempt(page: &mut Page, opened: &Opened, attempt: &Attempt, slowest: u64) {
    let theme = page.theme;
    let style = outcome_style(theme, &attempt.outcome);
    let cause = match attempt.cause {
        AttemptCause::Arrival => "arrival",
        AttemptCause::Resume => "resume",
        AttemptCause::Retry => "retry",
        AttemptCause::Replay => "replay",
    };
    let status = match &attempt.outcome {
        Outcome::Begun => "···".to_owned(),
        Outcome::Answered { status, .. } => status.to_string(),
        Outcome::Failed { .. } => "ERR".to_owned(),
        Outcome::Rejected => "REJ".to_owned(),
    };
    let time = latency(attempt).map(|millis| format!("{millis}ms")).unwrap_or_default();
    let widest = BAR_MAX.min(page.width.saturating_sub(BAR_FROM) as u64);
    let length = latency(attempt).map_or(0, |millis| (millis * widest).div_ceil(slowest));
    let bar = "█".repeat(usize::try_from(length).unwrap_or(0));
    page.put(&format!("{:>3}  {cause:8} {status} {time:>8}  {bar}", attempt.number), style);
    let at = page.time(attempt.started_at);
    let target = visible(&attempt.target).to_string();
    if 7 + at.len() + target.width() <= page.width {
        page.put(&format!("     {at}  {target}"), theme.faint());
    } else {
        page.put(&format!("     {at}"), theme.faint());
        page.put(&format!("     {target}"), theme.faint());
    }
    if let Some(changed) = &attempt.changed {
        page.put(&format!("     changed: {}", visible(&changed.what)), theme.doubtful());
    }
    if let Outcome::Failed { .. } = attempt.outcome {
        page.put(&format!("     {}", attempt_text(attempt, None)), style);
    }
    let patience =
        opened.sender.as_ref().and_then(|sender| sender.timeout_seconds).map(|seconds| seconds * 1000);
    if let Some(late) = patience.zip(latency(attempt)).filter(|(patience, millis)| millis > patience) {
        let name = opened.sender.as_ref().map_or("the sender", |sender| &sender.name);
        let text =
            format!("     {} gives up after {}", visible(name), time_text(Duration::from_millis(late.0)));
        page.put(&text, theme.bad());
    }
}

/// When the event was where.
fn way(page: &mut Page, opened: &Opened, row: &EventRow) {
    page.heading("Timeline");
    let begin = row.received_at.0;
    let after = |at: u64| format!("+{}", time_text(Duration::from_millis(at.saturating_sub(begin))));
    page.pair("received", 14, &page.time(row.received_at), Style::new());
    page.pair("stored here", 14, &after(row.stored_at.0), Style::new());
    if let Some(first) = row.attempts.first() {
        page.pair("forwarded", 14, &after(first.started_at.0), Style::new());
    }
    if let Some(sender) = &opened.sender
        && let Some(seconds) = sender.timeout_seconds
    {
        let text = format!(
            "{} waits {} for an answer",
            visible(&sender.name),
            time_text(Duration::from_secs(seconds))
        );
        page.pair("sender timeout", 14, &text, Style::new());
    }
}

fn latency(attempt: &Attempt) -> Option<u64> {
    match attempt.outcome {
        Outcome::Answered { latency_ms, .. } | Outcome::Failed { latency_ms, .. } => Some(latency_ms),
        Outcome::Begun | Outcome::Rejected => None,
    }
}

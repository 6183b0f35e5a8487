//! What is printed for people: a line for each thing that happens, in columns, whole event ids at the end.

use std::{
    env,
    ffi::OsString,
    fmt::{self, Write},
    time::Duration,
};

use inhaul_core::{colors::wants_colors, event::UnixMillis, signature::Verdict, visible::visible};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{
    connection::ConnectionState,
    export::masked_target,
    output::Ready,
    row::{Attempt, AttemptCause, EventRow, EventState, Outcome, Repeat},
};

/// Widest a column from outside gets; the whole text is in `inhaul show`.
const COLUMN_MAX: usize = 60;

/// Narrowest columns of the target and of the type of event, so that lines below each other line up.
const TARGET_MIN: usize = 20;
const TYPE_MIN: usize = 24;
const VERDICT_MIN: usize = 11;

/// Width of `07:41:10Z` and the blanks behind it: lines that belong to the one above begin there.
const INDENT: &str = "           ";

/// Whether lines are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// With ANSI colours.
    On,
    /// Plain text.
    Off,
}

impl Color {
    /// Colours for what may be a terminal, as the environment of this program wants them.
    pub fn of_output(is_terminal: bool) -> Self {
        Self::wanted(is_terminal, &|name| env::var_os(name))
    }

    /// As [`wants_colors`] has it.
    pub(crate) fn wanted(is_terminal: bool, environment: &dyn Fn(&str) -> Option<OsString>) -> Self {
        if wants_colors(is_terminal, environment) { Self::On } else { Self::Off }
    }

    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Self::On => format!("\x1b[{}m{text}\x1b[0m", paint.code()),
            Self::Off => text.to_owned(),
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Paint {
    Good,
    Bad,
    Doubtful,
    Faint,
    Strong,
}

impl Paint {
    /// The parameters of `SGR` (ECMA-48 §8.3.117).
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Doubtful => "33",
            Self::Faint => "2",
            Self::Strong => "1",
        }
    }
}

pub(super) fn ready(ready: &Ready, color: Color) -> String {
    let url = visible(&ready.endpoint_url).to_string();
    let mut text = format!("Ready: post webhooks to {}\n", color.paint(Paint::Strong, &url));
    if let Some(ca_file) = &ready.ca_file {
        let _ = writeln!(text, "  its certificate authority is {} (curl: --cacert)", visible(ca_file));
    }
    match ready.targets.as_slice() {
        [] => text.push_str("  stored and shown, forwarded nowhere\n"),
        targets => {
            for target in targets {
                let _ = writeln!(text, "  forwarded to {}", visible(target));
            }
        }
    }
    let _ = writeln!(text, "  history in {}", visible(&ready.data_dir));
    text
}

pub(super) fn event(row: &EventRow, color: Color) -> String {
    let (paint, word) = verdict_word(row.verdict.as_ref());
    let mut text = format!(
        "{}  {} {}  {}  {}  {:>9}  {}\n",
        clock(row.received_at),
        color.paint(Paint::Strong, &column(&row.method, 6)),
        column(&masked_target(&row.target), TARGET_MIN),
        column(row.event_type.as_deref().unwrap_or("-"), TYPE_MIN),
        color.paint(paint, &column(word, VERDICT_MIN)),
        size_text(row.body_bytes),
        color.paint(Paint::Faint, &row.id.to_string()),
    );
    let needs_reason = match &row.verdict {
        Some(Verdict::Invalid { .. } | Verdict::Stale { .. } | Verdict::NoSecret { .. }) => true,
        Some(Verdict::Valid { .. } | Verdict::Unsigned) | None => false,
    };
    if let Some(verdict) = row.verdict.as_ref().filter(|_| needs_reason) {
        let _ = writeln!(text, "{INDENT}{}", color.paint(paint, &verdict_text(verdict)));
    }
    for (name, remark) in remark_texts(row) {
        let _ = writeln!(text, "{INDENT}{name}: {remark}");
    }
    text
}

/// What is out of the ordinary about an event: names, and a sentence each.
pub fn remark_texts(row: &EventRow) -> Vec<(&'static str, String)> {
    let mut remarks = Vec::new();
    if row.missed {
        remarks.push(("missed", "the sender was told to come again, so this is not forwarded".to_owned()));
    }
    if row.imported {
        remarks.push(("imported", "it came from a file, so this is not forwarded by itself".to_owned()));
    }
    if let Some(repeat) = &row.repeat {
        remarks.push(("repeat", repeat_text(row, repeat)));
    }
    if row.late {
        let waited = Duration::from_millis(row.stored_at.0.saturating_sub(row.received_at.0));
        let goes_nowhere = row.state == EventState::Settled && row.attempts.is_empty();
        let rest = if goes_nowhere { "; it is stored and not forwarded" } else { "" };
        remarks.push(("late", format!("it waited {} at the relay{rest}", time_text(waited))));
    }
    if row.state == EventState::Held {
        remarks.push(("held", format!("`inhaul release {}` forwards it", row.id)));
    }
    if let Some(dropped) = &row.dropped {
        let why = dropped.why.as_ref().map(|why| format!(": {}", visible(why))).unwrap_or_default();
        remarks.push(("dropped", format!("by {} ({}){why}", visible(&dropped.by), dropped.at)));
    }
    if row.forwarded_as.is_some() {
        remarks.push(("edited", "it was held, and is forwarded as somebody edited it".to_owned()));
    }
    if let Some(given_up) = &row.given_up {
        remarks.push(("given up", format!("{} ({})", visible(&given_up.reason), given_up.at)));
    }
    remarks
}

fn repeat_text(row: &EventRow, repeat: &Repeat) -> String {
    let Repeat { number, first, first_received_at, same_id, same_body, dropped } = repeat;
    let after = Duration::from_millis(row.received_at.0.saturating_sub(first_received_at.0));
    let what = match (same_id, same_body) {
        (true, true) => "of the same event, body identical",
        (true, false) => "of the same event, with another body",
        (false, _) => "with the same request and body",
    };
    let rest = if *dropped { "; not forwarded, because an earlier one was" } else { "" };
    format!("{} delivery {what}, {} after the first, {first}{rest}", ordinal(*number), time_text(after))
}

/// `2nd`, `3rd`, `11th`.
fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// The tags of an event, and behind them its comment; nothing when it has neither.
pub fn notes_text(row: &EventRow) -> String {
    let tags = row.tags.iter().map(|tag| format!("+{}", visible(tag)));
    let comment = row.comment.iter().map(|comment| format!("; {}", fit(comment, 0, COLUMN_MAX)));
    tags.chain(comment).collect::<Vec<_>>().join(" ")
}

/// An event of the history in one line, with what came of the last attempt.
pub fn listed_line(row: &EventRow, color: Color) -> String {
    let (paint, word) = verdict_word(row.verdict.as_ref());
    let last = row.attempts.last();
    let outcome = match last.map(|attempt| &attempt.outcome) {
        Some(_) if row.given_up.is_some() => "given up".to_owned(),
        Some(Outcome::Begun) => "begun".to_owned(),
        Some(Outcome::Answered { status, .. }) => status.to_string(),
        Some(Outcome::Failed { .. }) => "failed".to_owned(),
        Some(Outcome::Rejected) => "rejected".to_owned(),
        None if row.missed => "missed".to_owned(),
        None if row.imported => "imported".to_owned(),
        None if row.state == EventState::Held => "held".to_owned(),
        None if row.dropped.is_some() => "dropped".to_owned(),
        None if row.repeat.as_ref().is_some_and(|repeat| repeat.dropped) => "dropped".to_owned(),
        None => "-".to_owned(),
    };
    let outcome_paint = last.map_or(Paint::Faint, |attempt| outcome_paint(&attempt.outcome));
    let notes = notes_text(row);
    let notes = if notes.is_empty() { notes } else { format!("  {notes}") };
    format!(
        "{} {}  {} {}  {}  {}  {}  {}{notes}\n",
        row.received_at.to_string().get(..10).unwrap_or_default(),
        clock(row.received_at),
        color.paint(Paint::Strong, &column(&row.method, 6)),
        column(&masked_target(&row.target), TARGET_MIN),
        column(row.event_type.as_deref().unwrap_or("-"), TYPE_MIN),
        color.paint(paint, &column(word, VERDICT_MIN)),
        color.paint(outcome_paint, &column(&outcome, 8)),
        color.paint(Paint::Faint, &row.id.to_string()),
    )
}

pub(super) fn attempt(row: &EventRow, attempt: &Attempt, color: Color) -> String {
    let paint = outcome_paint(&attempt.outcome);
    format!(
        "{}  → {}  {}  {}\n",
        clock(attempt.started_at),
        color.paint(paint, &attempt_text(attempt, row.verdict.as_ref())),
        column(&attempt.target, 0),
        color.paint(Paint::Faint, &row.id.to_string()),
    )
}

pub(super) fn connection(state: &ConnectionState, now: UnixMillis, color: Color) -> String {
    let (paint, text) = match state {
        ConnectionState::Connecting { attempt: 1 } => (Paint::Doubtful, "connecting".to_owned()),
        ConnectionState::Connecting { attempt } => (Paint::Doubtful, format!("connecting, try {attempt}")),
        ConnectionState::Connected { round_trip, backlog_events, .. } => {
            let mut text = "connected".to_owned();
            if let Some(time) = round_trip {
                let _ = write!(text, ", {} to the relay and back", round_trip_text(*time));
            }
            if *backlog_events > 0 {
                let waiting = if *backlog_events == 1 { "event is" } else { "events are" };
                let _ = write!(text, ", {backlog_events} {waiting} waiting there");
            }
            (Paint::Good, text)
        }
        ConnectionState::Waiting { reason, retry_in } => (
            Paint::Bad,
            format!("not connected: {}; next try in {}", visible(reason), seconds_text(*retry_in)),
        ),
        ConnectionState::Refused { reason } => {
            (Paint::Bad, format!("refused by the relay: {}", visible(reason)))
        }
    };
    format!("{}  {}\n", clock(now), color.paint(paint, &text))
}

pub(super) fn told(text: &str, color: Color) -> String {
    format!("{}\n", color.paint(Paint::Strong, &format!("» {}", visible(text))))
}

pub(super) fn notice(text: &str, color: Color) -> String {
    format!("{} {}\n", color.paint(Paint::Doubtful, "note:"), visible(text))
}

/// What a check found, in one line, with its sign: `✓ valid: …`.
pub fn verdict_line(verdict: &Verdict, color: Color) -> String {
    let (paint, word) = verdict_word(Some(verdict));
    let sign = word.chars().next().unwrap_or_default();
    color.paint(paint, &format!("{sign} {}", verdict_text(verdict)))
}

/// What a check found, in one line.
pub fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Valid { scheme, secret } => {
            format!("valid: signed by {} with the secret {}", visible(scheme), visible(secret))
        }
        Verdict::Invalid { scheme, reason, .. } => {
            format!("invalid: {} ({})", visible(reason), visible(scheme))
        }
        Verdict::Stale { scheme, age_seconds, tolerance_seconds } => {
            let when = if *age_seconds < 0 { "after" } else { "before" };
            let age = age_seconds.unsigned_abs();
            format!(
                "stale: signed {age} s {when} it was received, {tolerance_seconds} s are tolerated ({})",
                visible(scheme)
            )
        }
        Verdict::NoSecret { provider } => {
            format!("no secret: looks signed by {}, and no secret is configured for it", visible(provider))
        }
        Verdict::Unsigned => "unsigned: no signature that any known provider makes".to_owned(),
    }
}

/// Why an event was kept from the application, by what is known of its signature.
pub fn rejected_text(verdict: Option<&Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Unsigned) => "it has no signature",
        Some(Verdict::NoSecret { .. }) => "no secret is configured to check its signature with",
        Some(Verdict::Valid { .. } | Verdict::Invalid { .. } | Verdict::Stale { .. }) | None => {
            "its signature is not valid"
        }
    }
}

/// What came of an attempt to deliver an event with this verdict, in one line.
pub fn attempt_text(attempt: &Attempt, verdict: Option<&Verdict>) -> String {
    let what = match &attempt.outcome {
        Outcome::Begun => "begun, no outcome yet".to_owned(),
        Outcome::Answered { status, latency_ms, .. } => format!("{status} in {latency_ms} ms"),
        Outcome::Failed { message, latency_ms, .. } => {
            format!("failed after {latency_ms} ms: {}", visible(message))
        }
        Outcome::Rejected => format!("not forwarded: {}", rejected_text(verdict)),
    };
    let what = match &attempt.changed {
        Some(changed) => format!("{what} [{}]", visible(&changed.what)),
        None => what,
    };
    match attempt.cause {
        AttemptCause::Arrival => what,
        AttemptCause::Resume => format!("{what} (resumed)"),
        AttemptCause::Replay => format!("{what} (replay)"),
        AttemptCause::Retry => format!("{what} (try {})", attempt.number),
    }
}

/// How long a message and its answer took, in milliseconds.
pub fn round_trip_text(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 0.05 { "under 0.1 ms".to_owned() } else { format!("{millis:.1} ms") }
}

/// A time for people, in its two largest units: `3 h 12 min`.
pub fn time_text(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |large: u64, name: &str, small: u64, small_name: &str| match small {
        0 => format!("{large} {name}"),
        _ => format!("{large} {name} {small} {small_name}"),
    };
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        86_400.. => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// `1 event`, `2 events`.
pub fn count_text(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// A number of bytes for people.
pub fn size_text(bytes: u64) -> String {
    const KIB: u64 = 1024;
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..0x10_0000 => format!("{} KiB", tenths(KIB)),
        0x10_0000.. => format!("{} MiB", tenths(KIB * KIB)),
    }
}

fn outcome_paint(outcome: &Outcome) -> Paint {
    match outcome {
        Outcome::Answered { .. } if outcome.is_success() => Paint::Good,
        Outcome::Answered { .. } | Outcome::Failed { .. } => Paint::Bad,
        Outcome::Begun | Outcome::Rejected => Paint::Doubtful,
    }
}

fn verdict_word(verdict: Option<&Verdict>) -> (Paint, &'static str) {
    match verdict {
        Some(Verdict::Valid { .. }) => (Paint::Good, "✓ valid"),
        Some(Verdict::Invalid { .. }) => (Paint::Bad, "✗ invalid"),
        Some(Verdict::Stale { .. }) => (Paint::Bad, "✗ stale"),
        Some(Verdict::NoSecret { .. }) => (Paint::Doubtful, "? no secret"),
        Some(Verdict::Unsigned) => (Paint::Doubtful, "- unsigned"),
        None => (Paint::Faint, "- unchecked"),
    }
}

/// The time of day in UTC: `07:41:10Z`.
fn clock(at: UnixMillis) -> String {
    let whole = at.to_string();
    match whole.get(11..19) {
        Some(time) if whole.ends_with('Z') => format!("{time}Z"),
        _ => whole,
    }
}

fn seconds_text(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// A column of `min` to [`COLUMN_MAX`] columns of a terminal.
fn column(text: &str, min: usize) -> String {
    fit(text, min, COLUMN_MAX)
}

/// Text from outside, made visible, cut when it is wider than `max` columns of a terminal, and filled up to `min`.
pub(crate) fn fit(text: &str, min: usize, max: usize) -> String {
    // Letters joined into one may be narrower than they are one by one, so some more are looked at.
    let mut beginning = Beginning { text: String::new(), room: max.saturating_mul(2).saturating_add(8) };
    let is_whole = write!(beginning, "{}", visible(text)).is_ok();
    let mut out = beginning.text;
    if !is_whole || out.width() > max {
        let ends = out.char_indices().map(|(at, _)| at).collect::<Vec<_>>();
        let fits = ends.partition_point(|&end| out[..end].width() <= max.saturating_sub(1));
        out.truncate(fits.checked_sub(1).map_or(0, |last| ends[last]));
        out.push_str(if max > 0 { "…" } else { "" });
    }
    let missing = min.saturating_sub(out.width());
    out + &" ".repeat(missing)
}

/// The beginning of a text: it takes as much as it has room for, so that nobody writes the rest.
struct Beginning {
    text: String,
    room: usize,
}

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            let columns = letter.width().unwrap_or(0);
            self.room = self.room.checked_sub(columns).ok_or(fmt::Error)?;
            self.text.push(letter);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_cut_and_filled_by_what_a_terminal_shows() {
        assert_eq!(column("ab", 4), "ab  ");
        assert_eq!(column("日本", 5), "日本 ");
        assert_eq!(column(&"x".repeat(60), 0), "x".repeat(60));
        assert_eq!(column(&"x".repeat(61), 0), format!("{}…", "x".repeat(59)));
        assert_eq!(column(&"日".repeat(31), 0).width(), 59);
        assert_eq!(
            (fit("abc", 0, 0), fit("abc", 0, 1), fit("", 2, 4)),
            (String::new(), "…".to_owned(), "  ".to_owned())
        );
    }

    #[test]
    fn no_more_of_a_long_text_is_looked_at_than_fits() {
        let mut beginning = Beginning { text: String::new(), room: 100 };
        let long = "\u{1b}é日".repeat(1_000_000);
        assert!(write!(beginning, "{}", visible(&long)).is_err());
        assert!(beginning.text.width() <= 100);
        let fitted = fit(&long, 0, 20);
        assert!(fitted.width() <= 20 && fitted.ends_with('…'), "{fitted}");
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (5_242_880, "5.0 MiB"),
            (u64::MAX, "17592186044415.9 MiB"),
        ] {
            assert_eq!(size_text(bytes), text);
        }
    }

    #[test]
    fn times_have_two_units_at_most() {
        for (seconds, text) in [
            (0, "0 ms"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (11_520, "3 h 12 min"),
            (86_399, "23 h 59 min"),
            (90_000, "1 d 1 h"),
            (864_000, "10 d"),
        ] {
            assert_eq!(time_text(Duration::from_secs(seconds)), text);
        }
        assert_eq!(time_text(Duration::from_millis(999)), "999 ms");
        let ordinals: Vec<String> = [2, 3, 4, 11, 12, 13, 21, 22, 23, 111].map(ordinal).to_vec();
        assert_eq!(ordinals.join(" "), "2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 111th");
    }

    #[test]
    fn colour_is_for_terminals_that_want_it() {
        for (set, on_a_terminal, elsewhere) in [
            (&[][..], Color::On, Color::Off),
            (&["NO_COLOR="], Color::On, Color::Off),
            (&["NO_COLOR=1"], Color::Off, Color::Off),
            (&["CLICOLOR=0"], Color::Off, Color::Off),
            (&["CLICOLOR=1"], Color::On, Color::Off),
            (&["TERM=dumb"], Color::Off, Color::Off),
            (&["TERM=xterm"], Color::On, Color::Off),
            (&["CLICOLOR_FORCE=1"], Color::On, Color::On),
            (&["CLICOLOR_FORCE=0"], Color::On, Color::Off),
            (&["CLICOLOR_FORCE=1", "CLICOLOR=0", "TERM=dumb"], Color::On, Color::On),
            (&["NO_COLOR=1", "CLICOLOR_FORCE=1"], Color::Off, Color::Off),
        ] {
            let environment = |name: &str| {
                let pairs = set.iter().filter_map(|pair| pair.split_once('='));
                pairs.into_iter().find(|(set, _)| *set == name).map(|(_, value)| value.into())
            };
            assert_eq!(Color::wanted(true, &environment), on_a_terminal, "{set:?}");
            assert_eq!(Color::wanted(false, &environment), elsewhere, "{set:?}");
        }
    }
}

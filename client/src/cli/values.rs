//! The words and numbers arguments are made of.

use std::time::Duration;

use clap::ValueEnum;
use inhaul_core::retry::Schedule;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use thiserror::Error;

/// Longest time an argument may name: a day, far beyond what any sender waits.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Who answers the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AnswerMode {
    /// The answer of your application is passed back
    #[default]
    App,
    /// The relay answers at once
    Relay,
}

/// What the sender hears when the application's answer is absent or late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OnAbsent {
    /// 202, and the event stays queued
    #[default]
    Accept,
    /// 502 or 504, so that the sender tries again
    Refuse,
}

/// What becomes of an event whose signature is not valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum VerifyMode {
    /// Marked, and forwarded all the same
    #[default]
    Mark,
    /// Stored and shown, never forwarded by itself
    Reject,
}

impl VerifyMode {
    /// The word for it in arguments and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mark => "mark",
            Self::Reject => "reject",
        }
    }
}

/// What becomes of a delivery of an event that was delivered before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Dedupe {
    /// Marked, and forwarded all the same
    #[default]
    Flag,
    /// Stored and shown; not forwarded, if an earlier delivery reached the application
    Drop,
}

impl Dedupe {
    /// The word for it in arguments and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Drop => "drop",
        }
    }
}

/// What becomes of events that came while the client was away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CatchUp {
    /// They are forwarded
    #[default]
    Deliver,
    /// They are stored and shown
    Store,
    /// They are held until `inhaul release` says what becomes of them
    Ask,
}

impl CatchUp {
    /// The word for it in arguments and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deliver => "deliver",
            Self::Store => "store",
            Self::Ask => "ask",
        }
    }
}

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputMode {
    /// The inspector, on the whole terminal
    Tui,
    /// A line for each event and attempt
    Lines,
    /// One JSON object a line
    Json,
    /// Nothing but errors
    Quiet,
}

impl OutputMode {
    /// What was asked for, or what suits stdout: the inspector on a terminal, lines elsewhere.
    pub fn or_by_terminal(asked: Option<Self>, stdout_is_terminal: bool) -> Self {
        match asked {
            Some(mode) => mode,
            None if stdout_is_terminal => Self::Tui,
            None => Self::Lines,
        }
    }
}

/// Why a text is not a time an argument can name.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DurationError {
    /// Not a number with a unit.
    #[error("a time is a number with its unit, such as `500ms`, `30s` or `2m`")]
    Form,
    /// Nothing, negative or more than a day.
    #[error("a time limit is more than nothing and at most 24h")]
    Range,
}

/// Reads a time such as `500ms`, `30s` or `1m 30s`.
///
/// # Errors
/// When there is no unit, or the time is nothing or longer than a day.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let signed: SignedDuration = text.parse().map_err(|_| DurationError::Form)?;
    let duration = Duration::try_from(signed).map_err(|_| DurationError::Range)?;
    if duration.is_zero() || duration > LONGEST {
        return Err(DurationError::Range);
    }
    Ok(duration)
}

/// A text that is no age.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("an age is a number with its unit, such as `12h`, `30d` or `8w`")]
pub struct AgeError;

/// Reads an age such as `12h`, `30d` or `8w`; a day has 24 hours.
///
/// # Errors
/// When there is no unit, or the age is negative.
pub fn parse_age(text: &str) -> Result<Duration, AgeError> {
    let span: Span = text.parse().map_err(|_| AgeError)?;
    let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| AgeError)?;
    Duration::try_from(signed).map_err(|_| AgeError)
}

/// A text that is no size.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("a size is a whole number with its unit, such as `500MiB` or `2GiB`")]
pub struct SizeError;

/// Reads a size such as `500MiB`: whole bytes, KiB, MiB, GiB or TiB.
///
/// # Errors
/// When there is no unit, or it is more than a number of 64 bits.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start() {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return Err(SizeError),
    };
    let number: u64 = number.parse().map_err(|_| SizeError)?;
    number.checked_mul(1 << shift).ok_or(SizeError)
}

/// Most waits of a schedule.
const WAITS_MAX: usize = 100;

/// Most events forwarded beside each other.
const CONCURRENCY_MAX: usize = 256;

/// Why a text is no schedule of tries.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ScheduleError {
    /// One of its waits is no time.
    #[error("{0:?} is no wait: {1}; a schedule is such as `1s,30s,5m`, or `none`")]
    Wait(String, DurationError),
    /// It is longer than anybody needs.
    #[error("a schedule has at most 100 waits")]
    TooMany,
}

/// Reads the waits between tries, such as `1s,30s,5m`; `none` is a single try.
///
/// # Errors
/// When a wait is no time, or there are more than 100.
pub fn parse_schedule(text: &str) -> Result<Schedule, ScheduleError> {
    if text == "none" {
        return Ok(Schedule::new(Vec::new()));
    }
    let wait = |text: &str| {
        parse_duration(text.trim()).map_err(|error| ScheduleError::Wait(text.trim().to_owned(), error))
    };
    let waits = text.split(',').map(wait).collect::<Result<Vec<_>, _>>()?;
    if waits.len() > WAITS_MAX { Err(ScheduleError::TooMany) } else { Ok(Schedule::new(waits)) }
}

/// A text that is no number of events beside each other.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no whole number from 1 to 256")]
pub struct ConcurrencyError(String);

/// Reads how many events are forwarded beside each other.
///
/// # Errors
/// When it is no number, or too high.
pub fn parse_concurrency(text: &str) -> Result<usize, ConcurrencyError> {
    let number = text.parse().ok().filter(|number| (1..=CONCURRENCY_MAX).contains(number));
    number.ok_or_else(|| ConcurrencyError(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_times_between_commas() {
        let seconds = |waits: &[u64]| Schedule::new(waits.iter().copied().map(Duration::from_secs).collect());
        assert_eq!(parse_schedule("1s,30s, 5m"), Ok(seconds(&[1, 30, 300])));
        assert_eq!(parse_schedule("none"), Ok(seconds(&[])));
        assert_eq!(parse_schedule("1s,,2s"), Err(ScheduleError::Wait(String::new(), DurationError::Form)));
        assert_eq!(parse_schedule("25h"), Err(ScheduleError::Wait("25h".to_owned(), DurationError::Range)));
        assert_eq!(parse_schedule(&vec!["1s"; 101].join(",")), Err(ScheduleError::TooMany));
        assert_eq!((parse_concurrency("256"), parse_concurrency("0").is_err()), (Ok(256), true));
        assert!(parse_concurrency("257").is_err() && parse_concurrency("many").is_err());
    }

    #[test]
    fn times_have_a_number_and_a_unit() {
        for (text, expected) in [
            ("500ms", Ok(500)),
            ("30s", Ok(30_000)),
            ("2m", Ok(120_000)),
            ("1m 30s", Ok(90_000)),
            ("24h", Ok(86_400_000)),
            ("30", Err(DurationError::Form)),
            ("", Err(DurationError::Form)),
            ("soon", Err(DurationError::Form)),
            ("0s", Err(DurationError::Range)),
            ("-1s", Err(DurationError::Range)),
            ("25h", Err(DurationError::Range)),
        ] {
            assert_eq!(parse_duration(text), expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn ages_and_sizes_have_units() {
        let hours = |hours: u64| Ok(Duration::from_secs(hours * 3600));
        for (text, age) in [("12h", hours(12)), ("30d", hours(720)), ("2w", hours(336)), ("1d 1h", hours(25))]
        {
            assert_eq!(parse_age(text), age, "{text}");
        }
        for text in ["", "30", "-1d", "soon", "1mo"] {
            assert_eq!(parse_age(text), Err(AgeError), "{text}");
        }
        for (text, size) in [("0B", 0), ("5KiB", 5120), ("500MiB", 500 << 20), ("2 GiB", 2 << 30)] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in ["", "5", "GiB", "1.5GiB", "-1MiB", "99999999999TiB", "5 MB"] {
            assert_eq!(parse_size(text), Err(SizeError), "{text}");
        }
    }

    #[test]
    fn the_inspector_is_for_terminals() {
        assert_eq!(OutputMode::or_by_terminal(None, true), OutputMode::Tui);
        assert_eq!(OutputMode::or_by_terminal(None, false), OutputMode::Lines);
        assert_eq!(OutputMode::or_by_terminal(Some(OutputMode::Json), true), OutputMode::Json);
    }

    #[test]
    fn words_of_configuration_are_words_of_arguments() {
        for mode in VerifyMode::value_variants() {
            assert_eq!(mode.to_possible_value().unwrap().get_name(), mode.as_str());
        }
        for dedupe in Dedupe::value_variants() {
            assert_eq!(dedupe.to_possible_value().unwrap().get_name(), dedupe.as_str());
        }
        for catch_up in CatchUp::value_variants() {
            assert_eq!(catch_up.to_possible_value().unwrap().get_name(), catch_up.as_str());
        }
    }
}

//! Times of day, days, moments, and how long ago.

use std::fmt;

use jiff::{Timestamp, civil, tz::TimeZone};

use super::number::Unit;
use crate::event::UnixMillis;

const DAY_MS: u64 = 86_400_000;

/// What a time may look like.
pub(super) const EXPECTED: &str = "a time such as 14:05, 2025-11-20, 2025-11-20T14:05:00Z or -10m";

/// A moment, most of them in relation to now. All of it is UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// So many milliseconds ago.
    Ago(u64),
    /// So many milliseconds after this day began.
    OfDay(u64),
    /// Then.
    At(UnixMillis),
}

impl Time {
    /// Reads a time.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(ago) = text.strip_prefix('-') {
            let millis =
                Unit::Time.number(ago).filter(|_| !ago.ends_with(|last: char| last.is_ascii_digit()))?;
            return millis_of(millis).map(Self::Ago);
        }
        if let Ok(date) = text.parse::<civil::Date>()
            && text.len() == "2025-11-20".len()
        {
            let midnight = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
            return u64::try_from(midnight.as_millisecond()).ok().map(|millis| Self::At(UnixMillis(millis)));
        }
        if let Ok(moment) = text.parse::<Timestamp>() {
            return u64::try_from(moment.as_millisecond()).ok().map(|millis| Self::At(UnixMillis(millis)));
        }
        let time: civil::Time = text.parse().ok().filter(|_| text.contains(':'))?;
        let seconds = [(time.hour(), 3600), (time.minute(), 60), (time.second(), 1)];
        let seconds: u64 = seconds.iter().map(|(count, of)| u64::from(count.unsigned_abs()) * of).sum();
        Some(Self::OfDay(seconds * 1000 + u64::from(time.millisecond().unsigned_abs())))
    }

    fn at(self, now: UnixMillis) -> u64 {
        match self {
            Self::Ago(millis) => now.0.saturating_sub(millis),
            Self::OfDay(millis) => now.0 - now.0 % DAY_MS + millis,
            Self::At(moment) => moment.0,
        }
    }
}

/// The moment that a text means now: `14:05`, `2025-11-20`, `2025-11-20T14:05:00Z` or `-10m`, all of it UTC. Nothing when it means none.
pub fn moment(text: &str, now: UnixMillis) -> Option<UnixMillis> {
    Time::parse(text).map(|time| UnixMillis(time.at(now)))
}

/// Whole milliseconds, if there are not more of them than a number holds.
fn millis_of(millis: f64) -> Option<u64> {
    // Beyond 2^53 a float no longer counts by one.
    let is_exact = (0.0..9_007_199_254_740_992.0).contains(&millis);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in the range")]
    is_exact.then_some(millis as u64)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ago(millis) => write!(f, "-{millis}ms"),
            Self::OfDay(millis) => {
                let (seconds, millis) = (millis / 1000, millis % 1000);
                write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
                if millis > 0 { write!(f, ".{millis:03}") } else { Ok(()) }
            }
            Self::At(moment) => write!(f, "{moment}"),
        }
    }
}

/// When an event must have been received: since the first, and before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) since: Option<Time>,
    pub(super) before: Option<Time>,
}

impl Times {
    pub(super) fn hold(&self, received_at: UnixMillis, now: UnixMillis) -> bool {
        self.since.is_none_or(|since| received_at.0 >= since.at(now))
            && self.before.is_none_or(|before| received_at.0 < before.at(now))
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.since, self.before) {
            (Some(since), Some(before)) => write!(f, "at:{since}..{before}"),
            (Some(since), None) => write!(f, "after:{since}"),
            (None, Some(before)) => write!(f, "before:{before}"),
            (None, None) => Ok(()),
        }
    }
}

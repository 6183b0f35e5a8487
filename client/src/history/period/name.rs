//! The name of a period's directory: `<date>.<number>`, as in `2026-11-24.17`.
//!
//! The date (UTC) is for people. The number counts periods and gives their order, whatever the clock did meanwhile.

use std::{fmt, str::FromStr};

use inhaul_core::event::UnixMillis;
use jiff::{Timestamp, tz::TimeZone};

/// The name of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct PeriodName {
    /// `YYYY-MM-DD`, the day its first event was stored.
    pub(in super::super) date: String,
    /// 1 for the first period of a data directory.
    pub(in super::super) number: u64,
}

/// The date in UTC; a time no calendar reaches has the last date there is.
pub(in super::super) fn date_of(time: UnixMillis) -> String {
    let time = i64::try_from(time.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    time.unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC).date().to_string()
}

impl fmt::Display for PeriodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.date, self.number)
    }
}

impl FromStr for PeriodName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (date, number) = text.split_once('.').ok_or(())?;
        let name = Self { date: date.to_owned(), number: number.parse().map_err(|_| ())? };
        let is_date = date.len() == 10 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if is_date && name.to_string() == text { Ok(name) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_utc_days() {
        for (millis, date) in [
            (0, "1970-01-01"),
            (86_399_999, "1970-01-01"),
            (86_400_000, "1970-01-02"),
            (1_763_970_070_118, "2025-11-24"),
            (u64::MAX, "9999-12-30"),
        ] {
            assert_eq!(date_of(UnixMillis(millis)), date);
        }
    }

    #[test]
    fn names_are_read_as_written_and_others_are_not_periods() {
        let name = PeriodName { date: "2026-11-24".into(), number: 17 };
        assert_eq!(name.to_string(), "2026-11-24.17");
        assert_eq!("2026-11-24.17".parse(), Ok(name));
        for other in ["format", "2026-11-24", "2026-11-24.", "2026-11-24.+1", "2026-11-24.01", "2026-11-2x.1"]
        {
            assert_eq!(other.parse::<PeriodName>(), Err(()), "{other}");
        }
    }
}

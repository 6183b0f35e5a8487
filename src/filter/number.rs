//! Numbers with units, and ranges of them.

use std::fmt;

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Other,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Comparison {
    pub(super) fn holds(self, number: f64, limit: f64) -> bool {
        match self {
            Self::Equal => number == limit,
            Self::Other => number != limit,
            Self::Less => number < limit,
            Self::AtMost => number <= limit,
            Self::More => number > limit,
            Self::AtLeast => number >= limit,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Other => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }
}

/// What a number's unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// None.
    Count,
    /// Milliseconds; `s`, `m`, `h` and `d` may be said.
    Time,
    /// Bytes; `k`, `KiB`, `M`, `MiB`, `G` and `GiB` may be said, all of them powers of 1024.
    Bytes,
}

impl Unit {
    fn factor(self, name: &str) -> Option<f64> {
        let factor = match (self, name) {
            (_, "") | (Self::Time, "ms") | (Self::Bytes, "B") => 1.0,
            (Self::Time, "s") => 1e3,
            (Self::Time, "m" | "min") => 60e3,
            (Self::Time, "h") => 3600e3,
            (Self::Time, "d") => 86_400e3,
            (Self::Bytes, "k" | "K" | "KiB") => 1024.0,
            (Self::Bytes, "M" | "MiB") => 1024.0 * 1024.0,
            (Self::Bytes, "G" | "GiB") => 1024.0 * 1024.0 * 1024.0,
            (Self::Count | Self::Time | Self::Bytes, _) => return None,
        };
        Some(factor)
    }

    /// What a number may look like.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Count => "a number",
            Self::Time => "a time such as 200, 10s or 5m",
            Self::Bytes => "a size such as 200, 64k or 2MiB",
        }
    }

    /// Reads a number of this unit.
    pub(super) fn number(self, text: &str) -> Option<f64> {
        let digits = text.len()
            - text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len();
        let (number, unit) = text.split_at(digits);
        let number: f64 = number.parse().ok()?;
        Some(number * self.factor(unit)?)
    }
}

/// Numbers that pass.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    /// Compared with one number.
    Compared(Comparison, f64),
    /// One of these ranges, both ends included.
    Ranges(Vec<(f64, f64)>),
}

impl Numbers {
    pub(super) fn hold(&self, number: f64) -> bool {
        match self {
            Self::Compared(comparison, limit) => comparison.holds(number, *limit),
            Self::Ranges(ranges) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&number)),
        }
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compared(comparison, limit) => write!(f, "{}{limit}", comparison.as_str()),
            Self::Ranges(ranges) => {
                for (at, (low, high)) in ranges.iter().enumerate() {
                    f.write_str(if at == 0 { ":" } else { "," })?;
                    if low == high { write!(f, "{low}")? } else { write!(f, "{low}..{high}")? }
                }
                Ok(())
            }
        }
    }
}

//! Numbers with units, and ranges of them.

use std::fmt;

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Comparison {
    /// Those of two signs first, for `<` is the beginning of `<=`.
    const ALL: [(&'static str, Self); 4] =
        [("<=", Self::AtMost), (">=", Self::AtLeast), ("<", Self::Less), (">", Self::More)];

    /// The one of an operator.
    pub(super) fn named(operator: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(sign, _)| *sign == operator).map(|(_, comparison)| comparison)
    }

    /// The one that a value begins with, and what stands behind it.
    fn begins(text: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|(sign, comparison)| Some((comparison, text.strip_prefix(sign)?)))
    }

    fn holds<N: PartialOrd>(self, number: &N, limit: &N) -> bool {
        match self {
            Self::Less => number < limit,
            Self::AtMost => number <= limit,
            Self::More => number > limit,
            Self::AtLeast => number >= limit,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        })
    }
}

/// What a number's unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// None.
    Count,
    /// Milliseconds; `s`, `m`, `h`, `d` and `w` may be said.
    Time,
    /// Bytes; `k`, `kb`, `KiB`, `M`, `MiB`, `G` and the like may be said in small and capital letters, all of them powers of 1024.
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
            (Self::Time, "w") => 7.0 * 86_400e3,
            (Self::Bytes, "b") => 1.0,
            (Self::Bytes, "k" | "K" | "kb" | "kB" | "KB" | "KiB") => 1024.0,
            (Self::Bytes, "m" | "M" | "mb" | "MB" | "MiB") => 1024.0 * 1024.0,
            (Self::Bytes, "g" | "G" | "gb" | "GB" | "GiB") => 1024.0 * 1024.0 * 1024.0,
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
pub(super) enum Numbers<N> {
    /// Those from the first to the second, both included.
    Between(N, N),
    /// Compared with one.
    Compared(Comparison, N),
}

impl<N: PartialOrd + Clone> Numbers<N> {
    /// Reads a value behind an operator: a number, and behind `:` and `=` also a range or a comparison. What is no number is given back.
    pub(super) fn parse<'t>(
        operator: &str,
        text: &'t str,
        number: impl Fn(&str) -> Option<N>,
    ) -> Result<Self, &'t str> {
        let number = |text: &'t str| number(text).ok_or(text);
        if let Some(comparison) = Comparison::named(operator) {
            return Ok(Self::Compared(comparison, number(text)?));
        }
        if let Some((comparison, limit)) = Comparison::begins(text) {
            return Ok(Self::Compared(comparison, number(limit)?));
        }
        Ok(match text.split_once("..") {
            Some((low, high)) => Self::Between(number(low)?, number(high)?),
            None => number(text).map(|number| Self::Between(number.clone(), number))?,
        })
    }

    pub(super) fn hold(&self, number: &N) -> bool {
        match self {
            Self::Between(low, high) => (low..=high).contains(&number),
            Self::Compared(comparison, limit) => comparison.holds(number, limit),
        }
    }
}

impl<N: PartialEq + fmt::Display> fmt::Display for Numbers<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(low, high) if low == high => write!(f, "{low}"),
            Self::Between(low, high) => write!(f, "{low}..{high}"),
            Self::Compared(comparison, limit) => write!(f, "{comparison}{limit}"),
        }
    }
}

/// Writes the operator and the values: one comparison is its own operator.
pub(super) fn write_all<T: fmt::Display>(f: &mut fmt::Formatter<'_>, all: &[T]) -> fmt::Result {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    match &all[..] {
        [one] if Comparison::begins(one).is_some() => f.write_str(one),
        all => write!(f, ":{}", all.join(",")),
    }
}

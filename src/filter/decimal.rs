//! Numbers of any length, compared by what they are worth and not by how near a float comes to them.

use std::{cmp::Ordering, fmt};

/// Most zeros that are written out rather than counted behind an `e`.
const ZEROS_MAX: i64 = 20;

/// A decimal number: 0.DIGITS times ten to the power of `exponent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Without zeros at either end; none at all is zero.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a number as JSON and people write it: `-12`, `1.870`, `.5`, `6e23`. Nothing when the text is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (written, power) = match text.split_once(['e', 'E']) {
            Some((written, power)) => (written, power.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = written.split_once('.').unwrap_or((written, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        if significant.is_empty() {
            return Some(Self { is_negative: false, digits: String::new(), exponent: 0 });
        }
        let zeros = all.len() - significant.len();
        let exponent = (i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()?).checked_add(power)?;
        Some(Self { is_negative, digits: significant.trim_end_matches('0').to_owned(), exponent })
    }

    /// How it compares with another without the signs.
    fn compare_size(&self, other: &Self) -> Ordering {
        // Zero has no exponent of its own.
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.compare_size(other),
            (true, true) => other.compare_size(self),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_negative, digits, exponent } = self;
        f.write_str(if *is_negative { "-" } else { "" })?;
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
        match *exponent {
            _ if digits.is_empty() => f.write_str("0"),
            exponent if (-ZEROS_MAX..=0).contains(&exponent) => {
                write!(f, "0.{}{digits}", zeros(-exponent))
            }
            exponent if exponent >= length && exponent - length <= ZEROS_MAX => {
                write!(f, "{digits}{}", zeros(exponent - length))
            }
            exponent if exponent > 0 && exponent < length => {
                let (whole, fraction) = digits.split_at(usize::try_from(exponent).unwrap_or(digits.len()));
                write!(f, "{whole}.{fraction}")
            }
            exponent => write!(f, ".{digits}e{exponent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_what_they_are_worth() {
        let number = |text: &str| Decimal::parse(text).unwrap();
        for (one, other) in
            [("1.870", "1.87"), ("150", "1.5e2"), ("0", "-0.0e9"), (".5", "0.50"), ("007", "7")]
        {
            assert_eq!(number(one), number(other), "{one} {other}");
        }
        let rising = [
            "-1e400",
            "-12.5",
            "-12",
            "-0.1",
            "0",
            "1e-400",
            "0.09",
            "0.1",
            "9",
            "10",
            "9007199254740992",
            "9007199254740993",
            "1e400",
            "1.1e400",
        ];
        assert!(rising.map(number).is_sorted_by(|one, other| one < other));
        for none in [
            "",
            "-",
            ".",
            "1e",
            "1e99999999999999999999",
            "+1",
            "1_0",
            "0x1",
            "inf",
            "NaN",
            " 1",
            "1.2.3",
            "--1",
        ] {
            assert_eq!(Decimal::parse(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_is_written(text in "-?[0-9]{0,3}(\\.[0-9]{0,4})?(e-?[0-9]{1,2})?") {
            if let Some(number) = Decimal::parse(&text) {
                let written = number.to_string();
                prop_assert_eq!(Decimal::parse(&written), Some(number), "{} became {}", text, written);
            }
        }

        #[test]
        fn small_ones_are_ordered_as_floats_are(one in -2000..2000_i32, other in -2000..2000_i32) {
            let (one, other) = (f64::from(one) / 16.0, f64::from(other) / 16.0);
            let read = |number: f64| Decimal::parse(&number.to_string()).unwrap();
            prop_assert_eq!(read(one).partial_cmp(&read(other)), one.partial_cmp(&other));
        }
    }
}

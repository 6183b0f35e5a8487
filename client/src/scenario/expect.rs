//! Which answers a step expects.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// Statuses that are expected; 2xx unless something is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect(Vec<Statuses>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statuses {
    One(u16),
    /// All that begin with this digit.
    Class(u16),
}

/// Why a text is no status that can be expected.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is no status: write one such as 200, or all of a kind such as \"2xx\"")]
pub struct ExpectError(String);

impl Default for Expect {
    fn default() -> Self {
        Self(vec![Statuses::Class(2)])
    }
}

impl Expect {
    /// Any of these; what is expected by itself when there are none.
    pub fn any(expected: impl IntoIterator<Item = Self>) -> Self {
        let statuses: Vec<Statuses> = expected.into_iter().flat_map(|expect| expect.0).collect();
        if statuses.is_empty() { Self::default() } else { Self(statuses) }
    }

    /// Whether this status is expected.
    pub fn takes(&self, status: u16) -> bool {
        self.0.iter().any(|statuses| match statuses {
            Statuses::One(one) => *one == status,
            Statuses::Class(class) => *class == status / 100,
        })
    }
}

impl FromStr for Expect {
    type Err = ExpectError;

    fn from_str(text: &str) -> Result<Self, ExpectError> {
        let error = || ExpectError(text.to_owned());
        let class = text.strip_suffix("xx").map(|digit| digit.parse().map(Statuses::Class));
        let statuses = class.unwrap_or_else(|| text.parse().map(Statuses::One)).map_err(|_| error())?;
        match statuses {
            Statuses::One(100..=599) | Statuses::Class(1..=5) => Ok(Self(vec![statuses])),
            Statuses::One(_) | Statuses::Class(_) => Err(error()),
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, statuses) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " or " })?;
            match statuses {
                Statuses::One(status) => write!(f, "{status}")?,
                Statuses::Class(class) => write!(f, "{class}xx")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_status_or_all_of_a_kind() {
        let expect = |text: &str| text.parse::<Expect>();
        assert!(expect("200").unwrap().takes(200));
        assert!(!expect("200").unwrap().takes(201));
        assert!(expect("4xx").unwrap().takes(422));
        assert!(Expect::default().takes(204) && !Expect::default().takes(302));
        let either = Expect::any([expect("200").unwrap(), expect("4xx").unwrap()]);
        assert_eq!(either.to_string(), "200 or 4xx");
        assert!(either.takes(404) && !either.takes(204));
        for text in ["", "99", "600", "6xx", "xx", "2x", "-1", "2XX", "ok"] {
            assert!(expect(text).is_err(), "{text}");
        }
    }
}

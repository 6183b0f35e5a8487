//! What is wrong with the configuration, and where it is said.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use inhaul_core::{
    event::EndpointNameError,
    filter::{Filter, FilterError, Saved},
    signature::{Catalogue, RowError},
    visible::visible,
};
use thiserror::Error;

use crate::{
    cli::{ConcurrencyError, ScheduleError},
    config::{RelayUrlError, RoutePathError},
    forward::TargetError,
    scenario::ScenarioProblem,
    tui::KeysError,
};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 for the file as a whole.
        line: usize,
        /// The key, such as `route[1].provider`; empty for the file as a whole.
        key: String,
    },
    /// An argument, such as `--provider`.
    Argument(&'static str),
    /// An environment variable.
    Environment(&'static str),
}

impl Origin {
    /// A file as a whole.
    pub(crate) fn whole(path: &Path) -> Self {
        Self::File { path: path.to_owned(), line: 0, key: String::new() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, key } => {
                write!(f, "{}", visible(&path.to_string_lossy()))?;
                if *line > 0 {
                    write!(f, ":{line}")?;
                }
                if key.is_empty() { Ok(()) } else { write!(f, ": {}", visible(key)) }
            }
            Self::Argument(name) | Self::Environment(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong, and where it is said.
#[derive(Debug, Error)]
#[error("{origin}: {problem}")]
pub struct ConfigError {
    /// Where.
    pub origin: Origin,
    /// What.
    pub problem: Problem,
}

/// What can be wrong.
#[derive(Debug, Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// The file is not TOML.
    #[error("{0}")]
    Syntax(String),
    /// There is no such key.
    #[error("unknown key {}", or_nearest(key, allowed))]
    UnknownKey {
        /// The key.
        key: String,
        /// Those there are.
        allowed: &'static [&'static str],
    },
    /// The value is of another type.
    #[error("must be {expected}, not {found}")]
    WrongType {
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// The value is none of a few words.
    #[error("unknown {what} {}", or_nearest(value, allowed))]
    UnknownWord {
        /// What the words are for.
        what: &'static str,
        /// The value.
        value: String,
        /// Those there are.
        allowed: &'static [&'static str],
    },
    /// There is no such provider; the text has the name, and the one it was probably meant to be.
    #[error("unknown provider {0}")]
    UnknownProvider(String),
    /// There is no such theme.
    #[error("{0}")]
    Theme(String),
    /// No order of the inspector's list.
    #[error("{0}")]
    Order(String),
    /// No clipboard.
    #[error("{0}")]
    Clipboard(String),
    /// The keys of the inspector are wrong.
    #[error(transparent)]
    Keys(Box<KeysError>),
    /// The table of a provider is wrong.
    #[error(transparent)]
    Row(#[from] RowError),
    /// A name that no filter can have.
    #[error("{0:?} is no name of a filter: letters, digits, - and _, at most 40")]
    FilterName(String),
    /// A key that must be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// Two routes have one path.
    #[error("{path:?} already has a route, on line {line}")]
    DuplicateRoute {
        /// The path.
        path: String,
        /// The line of the first.
        line: usize,
    },
    /// The value is no path of a route.
    #[error(transparent)]
    RoutePath(#[from] RoutePathError),
    /// The value leads nowhere in JSON.
    #[error("{0:?} is no path such as data.amount or items[*].id")]
    JsonPath(String),
    /// The value is no target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The target is on another machine.
    #[error("{0} is not on this machine")]
    ExternalTarget(String),
    /// The value is no URL of a relay.
    #[error(transparent)]
    RelayUrl(#[from] RelayUrlError),
    /// The value is no name of an endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointNameError),
    /// The value is none that the key can have.
    #[error("{0}")]
    Wrong(String),
    /// The text is no schedule of tries.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The text is no filter.
    #[error("{error}")]
    Filter {
        /// The text.
        text: String,
        /// What is wrong with it, and where.
        error: FilterError,
    },
    /// The number is not one of events beside each other.
    #[error(transparent)]
    Concurrency(#[from] ConcurrencyError),
    /// Something in the file of a scenario is wrong.
    #[error(transparent)]
    Scenario(Box<ScenarioProblem>),
    /// A variable that should hold a secret is not set.
    #[error("environment variable {0:?} is not set")]
    VariableMissing(String),
    /// A variable that should hold a secret is empty.
    #[error("environment variable {0:?} is empty")]
    VariableEmpty(String),
    /// A variable that should hold a secret is not UTF-8.
    #[error("environment variable {0:?} is not UTF-8")]
    VariableNotText(String),
    /// A file that should hold a secret cannot be read.
    #[error("{path:?}: {error}")]
    SecretUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file that should hold a secret is empty.
    #[error("{0:?} is empty")]
    SecretEmpty(PathBuf),
    /// A file that should hold a secret is not UTF-8.
    #[error("{0:?} is not UTF-8")]
    SecretNotText(PathBuf),
    /// What should be a token is something else.
    #[error("holds no token: a token is one line of letters, digits and signs")]
    TokenForm,
    /// A relay is named without what it takes to reach an endpoint on it.
    #[error("a relay is named, and no {0}")]
    RelayNeeds(&'static str),
    /// Something for the relay this program hosts, while another is named.
    #[error("is for the relay this program hosts, and {0} names another")]
    OnlyEmbedded(Origin),
    /// Something for a remote relay, while none is named.
    #[error("is for a remote relay, and none is named")]
    OnlyRemote,
}

impl ConfigError {
    pub(crate) fn new(origin: Origin, problem: impl Into<Problem>) -> Self {
        Self { origin, problem: problem.into() }
    }

    /// What a person can do about it, where the message does not say so by itself.
    pub fn hint(&self) -> Option<String> {
        match &self.problem {
            Problem::Unreadable(_) => Some("`--config FILE` names another file".to_owned()),
            Problem::UnknownProvider(_) => Some(
                "`inhaul providers` lists those there are; a table `[provider.NAME]` of `inhaul.toml` makes one of your own"
                    .to_owned(),
            ),
            Problem::UnknownKey { allowed, .. } => Some(format!("keys here are {}", allowed.join(", "))),
            Problem::ExternalTarget(_) => {
                Some("`--allow-external` forwards webhooks to other machines".to_owned())
            }
            Problem::VariableMissing(name) => {
                Some(format!("`export {}=…` before `inhaul`, or name a file with `--secret-file`", visible(name)))
            }
            Problem::TokenForm => Some(
                "`inhaul-relay endpoint add NAME` prints the token, once; put it alone into the file".to_owned(),
            ),
            Problem::RelayNeeds(_) => Some(
                "`--endpoint NAME --token-file FILE`, as `inhaul-relay endpoint add NAME` on the relay printed them"
                    .to_owned(),
            ),
            Problem::OnlyEmbedded(_) => Some(
                "on a remote relay its operator chooses: `inhaul-relay endpoint add NAME --answer … --on-absent …`"
                    .to_owned(),
            ),
            Problem::Filter { .. } => {
                Some("`inhaul filters` prints the language; a word with a sign in it stands in quotes".to_owned())
            }
            Problem::OnlyRemote => Some("`--relay URL` names the relay".to_owned()),
            Problem::Syntax(_)
            | Problem::WrongType { .. }
            | Problem::UnknownWord { .. }
            | Problem::FilterName(_)
            | Problem::Missing(_)
            | Problem::DuplicateRoute { .. }
            | Problem::RoutePath(_)
            | Problem::JsonPath(_)
            | Problem::Target(_)
            | Problem::RelayUrl(_)
            | Problem::Endpoint(_)
            | Problem::Schedule(_)
            | Problem::Concurrency(_)
            | Problem::VariableEmpty(_)
            | Problem::VariableNotText(_)
            | Problem::Row(_)
            | Problem::Theme(_)
            | Problem::Order(_)
            | Problem::Clipboard(_)
            | Problem::Keys(_)
            | Problem::Wrong(_)
            | Problem::Scenario(_)
            | Problem::SecretUnreadable { .. }
            | Problem::SecretEmpty(_)
            | Problem::SecretNotText(_) => None,
        }
    }
}

impl Problem {
    /// The filter that a text means, which may name saved ones.
    ///
    /// # Errors
    /// When it means none.
    pub(crate) fn or_filter(text: &str, saved: &Saved) -> Result<Filter, Self> {
        Filter::parse_deciding(text, saved).map_err(|error| Self::Filter { text: text.to_owned(), error })
    }

    /// There is no provider of that name.
    pub(crate) fn unknown_provider(name: &str, catalogue: &Catalogue) -> Self {
        let ids: Vec<&str> = catalogue.providers().map(|provider| provider.id()).collect();
        Self::UnknownProvider(or_nearest(name, &ids))
    }
}

/// The value, and the word it was probably meant to be, or all of them when there are few.
fn or_nearest(value: &str, allowed: &[&str]) -> String {
    let nearest = allowed
        .iter()
        .map(|word| (distance(value, word), word))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, word)| *distance <= 1 + word.chars().count() / 4);
    match nearest {
        Some((_, word)) => format!("{value:?}; did you mean {word:?}?"),
        None if allowed.len() <= 3 => {
            let words: Vec<String> = allowed.iter().map(|word| format!("{word:?}")).collect();
            format!("{value:?}; allowed: {}", words.join(", "))
        }
        None => format!("{value:?}"),
    }
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour to make one word of the other
/// (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows = vec![(0..=other.len()).collect::<Vec<usize>>()];
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut best = (rows[i][j + 1] + 1).min(row[j] + 1).min(rows[i][j] + usize::from(a != b));
            if i > 0 && j > 0 && a == &other[j - 1] && &one[i - 1] == b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        assert_eq!(distance("strpe", "stripe"), 1);
        assert_eq!(distance("stirpe", "stripe"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
        let words = ["stripe", "github", "slack", "shopify"];
        assert_eq!(or_nearest("githup", &words), r#""githup"; did you mean "github"?"#);
        assert_eq!(or_nearest("paypal", &words), r#""paypal""#);
        assert_eq!(or_nearest("off", &["mark", "reject"]), r#""off"; allowed: "mark", "reject""#);
    }
}

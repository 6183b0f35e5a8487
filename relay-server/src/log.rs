//! Log lines on stderr: what an operator can act on at `info`, details by `INHAUL_LOG`.

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use inhaul_core::{colors::wants_colors, visible::TALKATIVE};
use tracing::Level;
use tracing_subscriber::{EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

use crate::cli::LogFormat;

/// The variable that says what is logged, such as `debug` or `inhaul_relay::session=debug`.
pub const LOG_VARIABLE: &str = "INHAUL_LOG";

/// Starts logging. Bodies, header values and tokens are never logged.
pub fn init(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing_subscriber::filter::LevelFilter::INFO.into())
        .with_env_var(LOG_VARIABLE)
        .from_env_lossy();
    let has_colors = wants_colors(io::stderr().is_terminal(), &|name| env::var_os(name));
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(has_colors).with_writer(io::stderr);
    let harmless = filter_fn(|metadata| {
        *metadata.level() != Level::TRACE || !TALKATIVE.iter().any(|name| metadata.target().starts_with(name))
    });
    // A second call, as in tests, changes nothing.
    let _ = match format {
        LogFormat::Text => lines.finish().with(harmless).try_init(),
        LogFormat::Json => lines.json().finish().with(harmless).try_init(),
    };
}

/// How often a trouble that stays is logged.
const AGAIN: Duration = Duration::from_secs(60);

/// A trouble that may come with each request: it is logged when it is another one than before, and once in a while.
#[derive(Default)]
pub(crate) struct Troubles {
    last: Mutex<Option<(Instant, String)>>,
}

impl Troubles {
    /// Whether it is to be logged, which the caller then does.
    pub(crate) fn is_new(&self, error: &dyn Error, now: Instant) -> bool {
        let text = with_causes(error);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_some_and(|(at, known)| *known == text && now < *at + AGAIN) {
            return false;
        }
        *last = Some((now, text));
        true
    }
}

/// An error with what it comes from.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("not stored")]
    struct NotStored(#[source] io::Error);

    #[test]
    fn a_trouble_is_told_with_its_cause_when_it_is_new_and_each_minute() {
        let full = NotStored(io::Error::other("disk full"));
        let read_only = NotStored(io::Error::other("read-only"));
        assert_eq!(with_causes(&full), "not stored: disk full");
        let (troubles, now) = (Troubles::default(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        let told = [(&full, 0), (&full, 59), (&read_only, 59), (&read_only, 60), (&full, 61), (&full, 121)]
            .map(|(error, at)| troubles.is_new(error, later(at)));
        assert_eq!(told, [true, false, true, false, true, true]);
    }
}

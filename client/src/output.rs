//! What is printed without the inspector: lines for people, or JSON for programs, on stdout.
//!
//! docs/output-json.md describes the JSON. Everything that came from outside is made visible first, also in JSON: its
//! strings hold no character a terminal would act on.

use std::io::{self, Write};

use inhaul_core::event::{EndpointName, UnixMillis};
use thiserror::Error;

use crate::{
    cli::OutputMode,
    connection::ConnectionState,
    row::{Attempt, EventRow},
};

pub mod body;
pub mod json;
mod lines;
mod plays;
mod replays;
pub mod xml;

pub use lines::{
    Color, attempt_text, count_text, listed_line, notes_text, rejected_text, remark_texts, round_trip_text,
    size_text, time_text, verdict_line, verdict_text,
};
pub(crate) use lines::{Paint, fit};
pub use plays::{cue_text, play_text, played_text};
pub use replays::{preview_text, tally_text};

/// Why nothing more is printed.
#[derive(Debug, Error)]
pub enum PrintError {
    /// Whoever read stdout is gone, as `head` is after ten lines: an orderly end.
    #[error("nobody reads stdout any more")]
    ReaderGone,
    /// Stdout cannot be written to.
    #[error("stdout cannot be written to: {0}")]
    Io(io::Error),
}

impl From<io::Error> for PrintError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ReaderGone } else { Self::Io(error) }
    }
}

/// Writes to stdout, out at once.
///
/// # Errors
/// When it cannot be written.
pub fn write_stdout(bytes: &[u8]) -> Result<(), PrintError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

/// What is known when webhooks would arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Public URL of the relay.
    pub relay_url: String,
    /// The endpoint's name.
    pub endpoint: EndpointName,
    /// The URL senders post to.
    pub endpoint_url: String,
    /// The certificate authorities that senders are to trust, where the system's are not enough.
    pub ca_file: Option<String>,
    /// Where events are forwarded to.
    pub targets: Vec<String>,
    /// The directory everything is kept in.
    pub data_dir: String,
}

/// Prints what happens, each thing at once.
pub struct Printer {
    mode: OutputMode,
    color: Color,
    sink: Box<dyn Write + Send>,
    /// The backlog printed last, while connected.
    backlog_events: Option<u64>,
}

impl Printer {
    /// Prints to stdout. [`OutputMode::Quiet`] and [`OutputMode::Tui`] print nothing.
    pub fn new(mode: OutputMode, color: Color) -> Self {
        Self::to(mode, color, Box::new(io::stdout()))
    }

    /// Prints to anything.
    pub fn to(mode: OutputMode, color: Color, sink: Box<dyn Write + Send>) -> Self {
        Self { mode, color, sink, backlog_events: None }
    }

    /// Webhooks would arrive now.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn ready(&mut self, ready: &Ready) -> Result<(), PrintError> {
        match self.mode {
            OutputMode::Lines => self.write(&lines::ready(ready, self.color)),
            OutputMode::Json => self.write(&json::line(&json::ready(ready))),
            OutputMode::Tui | OutputMode::Quiet => Ok(()),
        }
    }

    /// An event is stored and its signature checked.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn event(&mut self, row: &EventRow) -> Result<(), PrintError> {
        match self.mode {
            OutputMode::Lines => self.write(&lines::event(row, self.color)),
            OutputMode::Json => self.write(&json::line(&json::event(row))),
            OutputMode::Tui | OutputMode::Quiet => Ok(()),
        }
    }

    /// An attempt has its outcome.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn attempt(&mut self, row: &EventRow, attempt: &Attempt) -> Result<(), PrintError> {
        match self.mode {
            OutputMode::Lines => self.write(&lines::attempt(row, attempt, self.color)),
            OutputMode::Json => self.write(&json::line(&json::attempt(row.id, attempt))),
            OutputMode::Tui | OutputMode::Quiet => Ok(()),
        }
    }

    /// The connection changed. While it stays connected, only a change of the backlog is printed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn connection(&mut self, state: &ConnectionState, now: UnixMillis) -> Result<(), PrintError> {
        let backlog = match state {
            ConnectionState::Connected { backlog_events, .. } => Some(*backlog_events),
            ConnectionState::Connecting { .. }
            | ConnectionState::Waiting { .. }
            | ConnectionState::Refused { .. } => None,
        };
        if backlog.is_some() && backlog == self.backlog_events {
            return Ok(());
        }
        self.backlog_events = backlog;
        match self.mode {
            OutputMode::Lines => self.write(&lines::connection(state, now, self.color)),
            OutputMode::Json => self.write(&json::line(&json::connection(state, now))),
            OutputMode::Tui | OutputMode::Quiet => Ok(()),
        }
    }

    /// Something a person should know, such as what was repaired at the start.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn notice(&mut self, text: &str) -> Result<(), PrintError> {
        match self.mode {
            OutputMode::Lines => self.write(&lines::notice(text, self.color)),
            OutputMode::Json => self.write(&json::line(&json::notice(text))),
            OutputMode::Tui | OutputMode::Quiet => Ok(()),
        }
    }

    /// What the demo tells about what happens: for people only.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn told(&mut self, text: &str) -> Result<(), PrintError> {
        match self.mode {
            OutputMode::Lines => self.write(&lines::told(text, self.color)),
            OutputMode::Json | OutputMode::Tui | OutputMode::Quiet => Ok(()),
        }
    }

    /// Whole lines in one go, so that lines of others do not get in between, and out at once.
    fn write(&mut self, lines: &str) -> Result<(), PrintError> {
        self.sink.write_all(lines.as_bytes())?;
        Ok(self.sink.flush()?)
    }
}

#[cfg(test)]
pub(crate) mod tests;

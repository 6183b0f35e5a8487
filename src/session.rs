//! Two state machines that speak the session protocol of `docs/protocol.md`: the relay's end and the client's end.
//!
//! Neither does I/O nor reads a clock: a driver hands in frames and times, and takes out frames to write and commands to
//! carry out. Control frames go before data, and the body of an event goes out one chunk at a time, so an end holds one
//! event however slow the other side reads.
//!
//! ```text
//!             handle_frame, handle_timeout, and the outcomes of commands
//!                                  │
//!  driver ─────────────────────▶  end  ─────────────────────▶ driver
//!                                      poll_command, poll_frame, poll_timeout
//! ```

use std::time::Duration;

use crate::wire::{ErrorCode, SessionError};

mod body;
mod client_end;
mod last_byte;
mod relay_end;

pub use client_end::{ClientCommand, ClientConfig, ClientEnd, Delivery};
pub use last_byte::LastByte;
pub use relay_end::{Admitted, AppAnswer, Lane, Outgoing, Read, RelayCommand, RelayConfig, RelayEnd};

/// The times a session keeps.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long the relay waits for HELLO and the client for WELCOME.
    pub hello: Duration,
    /// How often this end sends PING.
    pub ping: Duration,
    /// Silence after which this end gives up.
    pub dead: Duration,
}

impl Timing {
    /// The times of a relay that gives a session up after so much silence.
    pub fn with_silence(dead: Duration) -> Self {
        Self { hello: Duration::from_secs(10), ping: dead * 2 / 5, dead }
    }
}

impl Default for Timing {
    /// A dead link is noticed after two lost pings and a half: below the 30 s after which common proxies and NATs drop idle
    /// connections, above what a short loss of a mobile link takes.
    fn default() -> Self {
        Self::with_silence(Duration::from_secs(25))
    }
}

fn protocol_error(text: impl Into<String>) -> SessionError {
    SessionError { code: ErrorCode::Protocol, text: text.into(), retryable: true, retry_after_ms: Some(1000) }
}

fn silent_error(what: &str, after: Duration) -> SessionError {
    SessionError {
        code: ErrorCode::Silent,
        text: format!("{what} within {} s", after.as_secs_f32()),
        retryable: true,
        retry_after_ms: None,
    }
}

#[cfg(test)]
mod tests;

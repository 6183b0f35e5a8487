//! What is known of the connection to the relay, as measured.

use std::time::Duration;

/// The state of the session with the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Dialling, or waiting for the relay's welcome.
    Connecting {
        /// 1 for the first try since the last connection.
        attempt: u32,
    },
    /// Welcomed, and the relay answered the latest ping in time.
    Connected {
        /// Round trip through the session, once measured.
        round_trip: Option<Duration>,
        /// Events that waited at the relay when the session began and have not come yet.
        backlog_events: u64,
        /// How far the relay's clock was ahead of this machine's when the session began, in milliseconds; unknown for relays that do not say.
        clock_ahead_ms: Option<i64>,
    },
    /// Lost; the next try is due.
    Waiting {
        /// Why the last try ended.
        reason: String,
        /// When the next try starts, from the moment this state began.
        retry_in: Duration,
    },
    /// The relay refused for good.
    Refused {
        /// Why, in the relay's words.
        reason: String,
    },
}

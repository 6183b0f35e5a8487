//! Scenarios: requests in their order, with the pauses between them and the answers that are expected, in a file of their own.
//!
//! ```text
//!  expect   which answers are expected
//!  file     a scenario read from its file
//!  library  the directory of scenarios, and their names
//!  play     what is sent, and what came of it
//!  write    a scenario made of stored events
//! ```

use std::time::Duration;

use bytes::Bytes;
use inhaul_core::event::EventId;

use crate::{config::Origin, draft::Changes, forward::Target};

mod expect;
mod file;
mod library;
mod play;
mod write;

pub use expect::{Expect, ExpectError};
pub use file::{FORMAT_VERSION, ScenarioProblem};
pub use library::{DIRECTORY, Library, LibraryError};
pub use play::{Cue, PlayError, PlayOptions, Played, Player, Playing, Speed, SpeedError};
pub use write::{Recording, Written, write};

/// Longest file of a scenario, and longest file with a body of one.
pub const FILE_MAX_BYTES: u64 = 64 << 20;

/// Most bytes of the bodies of events that a scenario is made of.
pub const BODIES_MAX_BYTES: u64 = 256 << 20;

/// Most steps of one scenario.
pub const STEPS_MAX: usize = 1000;

/// Requests in their order.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called: its file's name without the ending.
    pub name: String,
    /// The requests; there is at least one.
    pub steps: Vec<Step>,
}

/// One request of a scenario.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it stands.
    pub origin: Origin,
    /// What it is called.
    pub name: String,
    /// The event it was made of.
    pub event: Option<EventId>,
    /// From the start of the step before it to its own.
    pub pause: Duration,
    /// Where it goes.
    pub to: Option<Target>,
    /// Request line and headers.
    pub head: Bytes,
    /// The body.
    pub body: Bytes,
    /// Who signs it.
    pub provider: Option<String>,
    /// Signature, id and mark.
    pub changes: Changes,
    /// The answers that are expected.
    pub expect: Expect,
    /// How long the answer may take.
    pub within: Option<Duration>,
}

#[cfg(test)]
mod tests;

//! jq programs over bodies, by jaq.
//!
//! ```text
//!  program  reads a program, and runs it
//!  worker   a process that does so, within its limits of memory and time
//!  process  asks that process, and ends it when it takes too long
//! ```
//! A program can ask for any amount of time and memory, in a single step too, and can nest so deep that a stack overflows. So it is run in a
//! process of its own, which can be ended; that process has no environment, and a program reads no files.

#[cfg(feature = "jq")]
mod process;
#[cfg(feature = "jq")]
mod program;
#[cfg(feature = "jq")]
pub(crate) mod worker;

#[cfg(not(feature = "jq"))]
mod absent;

use std::{ops::Range, time::Duration};

use thiserror::Error;

#[cfg(not(feature = "jq"))]
pub(crate) use absent::{Jq, check};
#[cfg(feature = "jq")]
pub(crate) use {process::Jq, program::check};

/// Longest program, in bytes.
#[cfg(feature = "jq")]
const PROGRAM_MAX_BYTES: usize = 4096;

/// Largest body that a program is run on.
#[cfg(feature = "jq")]
const BODY_MAX_BYTES: usize = 16 << 20;

/// Longest error that a program ends with; more of it is cut.
#[cfg(feature = "jq")]
const ERROR_MAX_BYTES: usize = 4096;

/// Why a text is no program.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub(crate) struct ProgramError {
    /// The bytes of the text that are wrong; empty at its end.
    pub(crate) span: Range<usize>,
    /// What is wrong with them.
    pub(crate) message: String,
}

/// How much a program may use.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "jq"), expect(dead_code, reason = "there are no programs to bound"))]
pub(crate) struct Bounds {
    /// From the question to the answer.
    pub(crate) time: Duration,
    /// Of what it returns, as text.
    pub(crate) output_bytes: u32,
}

impl Bounds {
    /// While somebody looks at the screen, and for each event that a filter asks about.
    pub(crate) const AT_ONCE: Self = Self { time: Duration::from_secs(2), output_bytes: 256 * 1024 };

    /// For a command.
    pub(crate) const COMMAND: Self = Self { time: Duration::from_secs(30), output_bytes: 64 << 20 };
}

/// What a program returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its results as JSON, each on lines of its own.
    pub(crate) output: Vec<u8>,
    /// There would have been more.
    pub(crate) is_cut: bool,
    /// One of the results is neither `false` nor `null`.
    pub(crate) is_true: bool,
    /// What went wrong behind the results.
    pub(crate) error: Option<String>,
}

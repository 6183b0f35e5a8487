//! Why the journal could not be opened, written or read.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::Location;

/// Why a journal was not opened. Nothing in it was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another handle of this one, has it open.
    #[error("{0} is in use by another process")]
    Locked(PathBuf),
    /// A later release wrote it.
    #[error("{file} was written by a later release of inhaul (format {found:?}); use that release")]
    Version {
        /// The segment.
        file: PathBuf,
        /// The mark of its format.
        found: String,
    },
    /// The operating system refused.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// Why a record was not stored. The journal goes on; records appended later may be stored.
#[derive(Clone, Debug, Error)]
pub enum AppendError {
    /// As much is queued as may be.
    #[error("the journal has as many records queued as it takes")]
    Full,
    /// The record is larger than a journal takes, or its tag longer than 255 bytes.
    #[error("the record is too large for the journal")]
    TooLarge,
    /// Writing or syncing failed, for example because the disk is full.
    #[error("the journal cannot be written: {0}")]
    Io(String),
    /// A record before it could not be written, and the journal keeps their order.
    #[error("a record before it could not be written")]
    Behind,
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

/// Why a record was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// There is no such segment: the record was released, or never written.
    #[error("there is no record at {0}")]
    Missing(Location),
    /// The bytes there are no record, or not the one that was written.
    #[error("the record at {0} is damaged")]
    Damaged(Location),
    /// The operating system refused.
    #[error("the record at {location} cannot be read")]
    Io {
        /// Where it is.
        location: Location,
        /// Why it failed.
        source: io::Error,
    },
}

//! The durable log under inhaul: an append-only journal in segments. Nothing here knows what a webhook is.
//!
//! - An append is acknowledged after `fdatasync`; whatever arrives during one sync shares the next.
//! - Every record carries checksums. Opening goes on past damage to the next whole record and reports what is missing.
//! - Records are released one by one; space comes back by whole segments, which are used again. Single records can be erased where they are.
//!
//! ```text
//!  append ─▶ queue ─▶ writer thread ─▶ segment 7  segment 8  segment 9 ◀─ read
//!                        │             side index side index (open)
//!                        └─ after the sync: `done` of each record, in order
//! ```
//!
//! `docs/journal-format.md` describes the bytes.

mod disk;
mod erase;
mod error;
mod frame;
mod journal;
mod queue;
mod recovery;
mod segment;
mod side_index;
mod space;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod writer;

pub use disk::{Disk, DiskFile, RealDisk};
pub use erase::Erasure;
pub use error::{AppendError, OpenError, ReadError};
pub use journal::{Journal, Moved, OnMoved, Options, Record, Stats, WorthWaiting};
pub use recovery::{Hole, Recovery};

use std::fmt;

/// Where a record is. Locations are ordered as the records were appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Number of the segment.
    pub segment: u64,
    /// Where its frame begins in the segment's file.
    pub offset: u64,
    /// Length of the payload.
    pub len: u32,
}

impl fmt::Display for Location {
    /// As a person finds it: a place in a file of the journal's directory.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {} of {:016x}.seg", self.offset, self.segment)
    }
}

impl Location {
    /// Bytes of [`Location::to_bytes`].
    pub const BYTES: usize = 20;

    /// As bytes that sort like the locations: three big-endian numbers.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[..8].copy_from_slice(&self.segment.to_be_bytes());
        out[8..16].copy_from_slice(&self.offset.to_be_bytes());
        out[16..].copy_from_slice(&self.len.to_be_bytes());
        out
    }

    /// Reads [`Location::to_bytes`]; `None` when there are not exactly as many bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (segment, rest) = bytes.split_first_chunk::<8>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let len: [u8; 4] = rest.try_into().ok()?;
        Some(Self {
            segment: u64::from_be_bytes(*segment),
            offset: u64::from_be_bytes(*offset),
            len: u32::from_be_bytes(len),
        })
    }
}

#[cfg(test)]
mod tests;

//! `summary.json` of a period that is over: which events it holds, so that most starts and look-ups need not open it.
//!
//! No event joins a period that is over, so the range of ids stays right for ever; the counts of events with something left to do do not.
//! Before anything is written to such a period the summary goes, until the period is closed. Without the file the period is opened once and the file written again.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use super::super::index::Extent;
use crate::data_dir::{read_small_file, sync_parent, write_private_file};

const NAME: &str = "summary.json";
const MAX_BYTES: u64 = 4096;
/// One of another version is made again.
const VERSION: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Summary {
    version: u32,
    /// Absent when the period holds no event.
    extent: Option<Extent>,
}

/// What the summary says; nothing when there is none that this release can read.
pub(in super::super) fn read_summary(period: &Path) -> Option<Option<Extent>> {
    let bytes = read_small_file(&period.join(NAME), MAX_BYTES).ok()?;
    let summary: Summary = serde_json::from_slice(&bytes).ok()?;
    (summary.version == VERSION).then_some(summary.extent)
}

/// Removes the summary, also when the power fails behind this.
pub(in super::super) fn remove_summary(period: &Path) {
    let path = period.join(NAME);
    if fs::remove_file(&path).is_ok()
        && let Err(error) = sync_parent(&path)
    {
        tracing::debug!(%error, "a summary of a period may come back");
    }
}

/// Writes the summary; one that cannot be written must not stay as it was.
pub(in super::super) fn write_summary(period: &Path, extent: Option<Extent>) {
    let json = serde_json::to_vec(&Summary { version: VERSION, extent }).expect("plain data has a JSON form");
    if let Err(error) = write_private_file(&period.join(NAME), &json) {
        tracing::debug!(%error, "no summary of a period");
        let _ = fs::remove_file(period.join(NAME));
    }
}

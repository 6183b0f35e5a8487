//! Segments made before they are needed, while nothing else is to be done.
//!
//! Appending to a file of zeros takes one write of the device; a new file has its size and its blocks noted as well, each time it is synced.

use std::{io, path::PathBuf, sync::Arc};

use super::{PREFILL_STEP, Writer};
use crate::disk::DiskFile;

/// A segment that is being made.
pub(super) struct Making {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    bytes: u64,
}

impl Writer {
    /// Whether fewer segments are ready than shall be.
    pub(super) fn is_unready(&self) -> bool {
        self.free.len() < self.options.ready && !self.is_disk_full
    }

    /// Makes a part of a segment that is to be ready. When there is no room for it, none is made until some is given back.
    pub(super) fn get_ready(&mut self) {
        if self.make_ready().is_err() {
            self.is_disk_full = true;
            self.stop_making();
        }
    }

    /// Gives up what is made of a segment.
    pub(super) fn stop_making(&mut self) {
        if let Some(Making { path, .. }) = self.making.take() {
            // One that stays is found at the next opening.
            let _ = self.disk.remove(&path);
        }
    }

    fn make_ready(&mut self) -> io::Result<()> {
        if self.making.is_none() {
            let names = (0..).map(|number: u64| self.shared.directory.join(format!("free-new-{number}")));
            let Some(path) = names.into_iter().find(|path| !self.free.contains(path)) else { return Ok(()) };
            let file = self.disk.make(&path)?;
            self.making = Some(Making { path, file, bytes: 0 });
        }
        let Some(Making { path, file, bytes }) = &mut self.making else { return Ok(()) };
        let until = (*bytes + PREFILL_STEP).min(self.options.segment_bytes);
        while *bytes < until {
            let len =
                usize::try_from(until - *bytes).map_or(self.zeros.len(), |left| left.min(self.zeros.len()));
            file.write_all_at(&self.zeros[..len], *bytes)?;
            *bytes += len as u64;
        }
        file.sync_data()?;
        if *bytes == self.options.segment_bytes {
            self.free.push(std::mem::take(path));
            self.making = None;
        }
        Ok(())
    }
}

//! How segments end: in order, on a full disk, and after a write that failed.

use std::io;

use super::{Current, Needs, RESERVED_SHARE, Writer};
use crate::{
    AppendError,
    journal::lock,
    segment::{self, FIRST_FRAME},
    side_index,
};

impl Writer {
    /// On a full disk: goes on in a segment that has its room already. False when there is none.
    pub(super) fn turn_to_ready(&mut self) -> bool {
        if self.free.is_empty() {
            return false;
        }
        self.abandon();
        self.current = self.begin(0).ok();
        self.current.is_some()
    }

    /// On a full disk: ends a segment whose space can only come back once it has ended, and keeps room for what gives space back.
    pub(super) fn relieve(&mut self) {
        let reserve = self.options.segment_bytes / RESERVED_SHARE;
        if self.current.as_ref().is_some_and(|current| current.end > FIRST_FRAME + reserve) {
            self.abandon();
            if let Ok(next) = self.begin(0) {
                self.current = Some(next);
                // As much as there is.
                let _ = self.reserve(Needs { frame: 0, may_use_reserve: false });
            }
        }
    }

    /// Ends the current segment, all of which is on the device, for good: its mark says so, and it gets a side index.
    pub(super) fn seal(&mut self) -> io::Result<()> {
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        let mark = current.mark.next(current.synced, true);
        mark.write(&*current.file, current.header.nonce)?;
        current.file.sync_data()?;
        let Some(current) = self.current.take() else { return Ok(()) };
        lock(&self.shared.space).seal(current.header.number, current.file_bytes);
        self.index(&current);
        Ok(())
    }

    fn index(&self, current: &Current) {
        let number = current.header.number;
        let bytes = side_index::encode(current.header, current.synced, &current.entries);
        // Without it the next opening scans the segment.
        let _ = side_index::write(&*self.disk, &segment::index_path(&self.shared.directory, number), &bytes);
    }

    /// After a failed write nothing is known of what is behind the last sync, so the segment is left as it was then.
    pub(super) fn abandon(&mut self) {
        self.buffer.clear();
        let Some(mut current) = self.current.take() else { return };
        let is_torn = current.synced < current.written.max(current.end);
        current.entries.truncate(current.synced_entries);
        current.file_bytes = current.synced;
        lock(&self.shared.space).seal(current.header.number, current.file_bytes);
        let left = Self::leave(&current);
        // It tells what failed from what was acknowledged. Otherwise the next opening makes one, when there is room for it.
        if is_torn {
            self.index(&current);
        }
        if left.is_err() {
            self.unfinished.push(current);
        }
    }

    /// Cuts off what failed, and says that the segment has ended. Until that is on the device, what failed may be found by an opening.
    fn leave(current: &Current) -> io::Result<()> {
        current.file.set_len(current.synced)?;
        let mark = current.mark.next(current.synced, true);
        mark.write(&*current.file, current.header.nonce)?;
        current.file.sync_data()
    }

    /// Tries again to leave segments whose device failed.
    pub(super) fn finish(&mut self) {
        self.unfinished.retain(|current| Self::leave(current).is_err());
    }

    pub(super) fn stop(&mut self) -> Result<(), AppendError> {
        self.finish();
        self.stop_making();
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        let mark = current.mark.next(current.synced, false);
        let marked = mark.write(&*current.file, current.header.nonce).and_then(|()| current.file.sync_data());
        marked.map_err(|error| AppendError::Io(error.to_string()))
    }
}

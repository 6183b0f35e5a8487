//! Gives space back: segments nobody needs go, and those that little keeps alive are emptied.

use std::io;

use super::{Needs, Writer};
use crate::{Location, Moved, ReadError, Record, frame::frame_bytes, journal::lock, segment};

/// Bytes of records moved in one go: what is appended meanwhile waits for them.
const MOVED_AT_ONCE: u64 = 1 << 20;

impl Writer {
    /// Gives back the files of segments without a live record.
    pub(super) fn give_back(&mut self) {
        let empty = lock(&self.shared.space).empty_segments();
        for number in empty {
            let path = segment::path(&self.shared.directory, number);
            self.unfinished.retain(|current| current.header.number != number);
            let file = lock(&self.shared.segments).remove(&number);
            let whole = file
                .and_then(|segment| segment.file.bytes().ok())
                .is_some_and(|bytes| bytes == self.options.segment_bytes);
            // A file that stays is found and released again at the next opening.
            let _ = self.disk.remove(&segment::index_path(&self.shared.directory, number));
            if whole && self.free.len() < self.options.keep_free.max(self.options.ready) {
                let free = self.shared.directory.join(format!("free-{number:016x}"));
                if self.disk.rename(&path, &free).is_ok() {
                    self.free.push(free);
                }
            } else {
                let _ = self.disk.remove(&path);
            }
            lock(&self.shared.space).forget(number);
            self.is_disk_full = false;
        }
    }

    /// Copies what little keeps a segment alive behind the newest records, and lets the segment go.
    pub(super) fn move_sparse(&mut self) {
        if self.options.on_moved.is_none() {
            return;
        }
        let Some(number) = lock(&self.shared.space).sparse_segment() else { return };
        let mut places = lock(&self.shared.space).live_records(number);
        let mut bytes = 0;
        places.truncate(
            1 + places
                .iter()
                .skip(1)
                .take_while(|place| {
                    bytes += u64::from(place.len);
                    bytes <= MOVED_AT_ONCE
                })
                .count(),
        );
        let records: Result<Vec<Record>, ReadError> =
            places.into_iter().map(|place| self.shared.read(place)).collect();
        let Ok(records) = records else {
            // A damaged record stays where it is, and what is around it with it.
            return lock(&self.shared.space).keep_in_place(number);
        };
        let frames = records.iter().map(|record| frame_bytes(record.tag.len(), record.location.len)).sum();
        if self.reserve(Needs { frame: frames, may_use_reserve: false }).is_err() {
            // They stay where they are; the next release tries again.
            return;
        }
        match self.copy_forward(&records) {
            Ok(places) => {
                for (Record { location: from, kind, tag, .. }, &to) in records.iter().zip(&places) {
                    lock(&self.shared.space).add(to);
                    let moved = Moved { from: *from, to, kind: *kind, tag };
                    let needed = self.options.on_moved.as_ref().is_some_and(|on_moved| on_moved(&moved));
                    if !needed {
                        self.shared.release(to);
                    }
                    self.shared.release(*from);
                }
                self.give_back();
                self.shared.queue.maintain();
            }
            // They stay where they are; the next release tries again.
            Err(_) => self.abandon(),
        }
    }

    /// Appends copies of these records; when this returns, they are on the device.
    fn copy_forward(&mut self, records: &[Record]) -> io::Result<Vec<Location>> {
        let mut places = Vec::with_capacity(records.len());
        for Record { location, kind, tag, payload } in records {
            let needs = Needs::of_record(tag.len(), location.len);
            self.make_room(needs)?;
            self.reserve(needs)?;
            places.push(self.put(*kind, tag.to_vec(), std::slice::from_ref(payload))?);
        }
        self.sync()?;
        Ok(places)
    }
}

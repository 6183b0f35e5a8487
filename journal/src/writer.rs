//! The one who writes, on a thread of its own: groups of records, one sync each, then segments given back.

mod ending;
mod ready;
mod reclaim;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use bytes::Bytes;

use self::ready::Making;
use crate::{
    AppendError, Location, Options,
    disk::{Disk, DiskFile},
    frame::{Erased, FrameHeader, HEADER_BYTES, Place, frame_bytes},
    journal::{SegmentFile, Shared, lock},
    queue::{Append, Done, Work},
    recovery::Found,
    segment::{self, FIRST_FRAME, Header, Mark},
    side_index::Entry,
};

/// The largest frame: offsets of frames are kept as 32-bit numbers of 8 bytes, and a length is a 32-bit number.
pub(crate) const MAX_FRAME_BYTES: u64 = 2 << 30;

/// How far ahead of the records zeros are written.
const PREFILL_STEP: u64 = 1 << 20;

/// From this share of a segment on, a batch is large: 32 KiB at the usual size. Room for it is allocated and no zeros are written, which would
/// double what the disk has to do; its sync has to note which of that room is in use, for which a small one would take twice as long.
const LARGE_SHARE: u64 = 512;

/// Least bytes of zeros that are tried on a disk with little room: a block of most file systems.
const SMALLEST_STEP: usize = 4096;

/// Of a segment, this share is kept for records without a payload, which say that others are not needed any more: on a full disk they
/// are what makes room. At the usual size it is 256 KiB, which is thousands of them.
const RESERVED_SHARE: u64 = 64;

/// Bytes gathered before they are written; a part this long is written by itself.
const BUFFER_BYTES: usize = 256 * 1024;

pub(crate) struct Writer {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    options: Options,
    current: Option<Current>,
    /// Segments whose end is not on the device, because that failed.
    unfinished: Vec<Current>,
    free: Vec<PathBuf>,
    making: Option<Making>,
    /// There was no room to make a segment, and none was given back since.
    is_disk_full: bool,
    next_number: u64,
    buffer: Vec<u8>,
    zeros: Vec<u8>,
    /// Bytes of the batch that is written, and of the one before: large and small ones take turns when many send.
    batches: [u64; 2],
}

/// The segment being written.
struct Current {
    header: Header,
    file: Arc<dyn DiskFile>,
    file_bytes: u64,
    /// Where the next frame goes.
    end: u64,
    /// Where `buffer` goes.
    written: u64,
    /// Every frame before this is on the device.
    synced: u64,
    synced_entries: usize,
    mark: Mark,
    entries: Vec<Entry>,
}

/// What a record takes.
#[derive(Clone, Copy)]
struct Needs {
    /// Bytes of its frame.
    frame: u64,
    /// It has no payload.
    may_use_reserve: bool,
}

impl Needs {
    fn of(append: &Append) -> Self {
        Self::of_record(append.tag.len(), append.payload_len)
    }

    fn of_record(tag_len: usize, payload_len: u32) -> Self {
        Self { frame: frame_bytes(tag_len, payload_len), may_use_reserve: payload_len == 0 }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Records of one sync.
#[derive(Default)]
struct Group {
    waiting: Vec<(Done, Location)>,
}

/// Where a record is that was not written.
const NOWHERE: Location = Location { segment: 0, offset: 0, len: 0 };

impl Group {
    /// One record, which is not written.
    fn of(append: Option<Append>) -> Self {
        Self { waiting: append.into_iter().map(|append| (append.done, NOWHERE)).collect() }
    }

    fn fail(self, error: &AppendError) {
        for (done, _) in self.waiting {
            done(Err(error.clone()));
        }
    }
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        options: Options,
        current: Option<Found>,
        free: Vec<PathBuf>,
        next_number: u64,
    ) -> Self {
        let current = current.map(|found| {
            // Bytes that were acknowledged and cannot be read stay where they are.
            let end = found.end.max(found.mark.acknowledged);
            Current {
                header: found.header,
                file: found.file,
                file_bytes: found.file_bytes,
                end,
                written: end,
                synced: end,
                synced_entries: found.entries.len(),
                mark: found.mark,
                entries: found.entries,
            }
        });
        let zeros = vec![0; BUFFER_BYTES];
        Self {
            shared,
            disk,
            options,
            current,
            unfinished: Vec::new(),
            free,
            making: None,
            is_disk_full: false,
            next_number,
            buffer: Vec::new(),
            zeros,
            batches: [0; 2],
        }
    }

    /// Works until the journal is closed.
    pub(crate) fn run(mut self) -> Result<(), AppendError> {
        loop {
            let work =
                if self.is_unready() { self.shared.queue.try_take() } else { Some(self.shared.queue.take()) };
            match work {
                Some(Work::Stop) => return self.stop(),
                Some(Work::Batch(batch)) => {
                    let batch = self.gather(batch);
                    self.carry_out(Work::Batch(batch));
                }
                Some(Work::Maintain) => self.carry_out(Work::Maintain),
                None => self.get_ready(),
            }
        }
    }

    /// These records, and those that come while it is worth waiting for them.
    fn gather(&self, mut batch: Vec<Append>) -> Vec<Append> {
        let wait =
            self.options.worth_waiting.as_ref().map_or(Duration::ZERO, |worth_waiting| worth_waiting());
        if wait > Duration::ZERO {
            thread::sleep(wait);
            // What else may be found, maintenance and the end, is come to after them.
            if let Some(Work::Batch(more)) = self.shared.queue.try_take() {
                batch.extend(more);
            }
        }
        batch
    }

    /// Does what there is to do now; false when there was nothing.
    pub(crate) fn step(&mut self) -> bool {
        match self.shared.queue.try_take() {
            Some(work) => self.carry_out(work),
            None if self.is_unready() => self.get_ready(),
            None => return false,
        }
        true
    }

    fn carry_out(&mut self, work: Work) {
        self.finish();
        if let Work::Batch(batch) = work {
            self.write(batch);
        }
        self.give_back();
        self.move_sparse();
    }

    fn write(&mut self, batch: Vec<Append>) {
        self.batches = [batch.iter().map(|append| Needs::of(append).frame).sum(), self.batches[0]];
        let mut batch = batch.into_iter().peekable();
        while let Some(first) = batch.peek() {
            let needs = Needs::of(first);
            if let Err(error) = self.make_room(needs).and_then(|()| self.reserve(needs)) {
                if is_full(&error) && self.turn_to_ready() {
                    continue;
                }
                self.relieve();
                let refused = Group::of(batch.next());
                let failed = AppendError::Io(error.to_string());
                if self.options.in_order {
                    return self.fail(refused, &failed, batch, &AppendError::Behind);
                }
                refused.fail(&failed);
                continue;
            }
            let mut group = Group::default();
            let mut result = Ok(());
            while let Some(append) = batch.next_if(|next| result.is_ok() && self.takes(Needs::of(next))) {
                let Append { kind, tag, parts, done, .. } = append;
                let put = self.put(kind, tag, &parts);
                let location = put.as_ref().copied().unwrap_or(NOWHERE);
                group.waiting.push((done, location));
                result = put.map(|_| ());
            }
            match result.and_then(|()| self.sync()) {
                Ok(()) => self.acknowledge(group),
                Err(error) => {
                    self.abandon();
                    let failed = AppendError::Io(error.to_string());
                    if self.options.in_order {
                        return self.fail(group, &failed, batch, &AppendError::Behind);
                    }
                    group.fail(&failed);
                }
            }
        }
    }

    /// A group failed, and what is behind it in its batch with it. Where order counts, so does everything that is queued now: nobody
    /// was told yet.
    fn fail(
        &self,
        group: Group,
        error: &AppendError,
        behind: impl Iterator<Item = Append>,
        for_those: &AppendError,
    ) {
        let queued = if self.options.in_order { self.shared.queue.refuse() } else { Vec::new() };
        group.fail(error);
        for append in behind {
            (append.done)(Err(for_those.clone()));
        }
        for append in queued {
            (append.done)(Err(AppendError::Behind));
        }
    }

    fn acknowledge(&mut self, group: Group) {
        self.shared.appends.fetch_add(group.waiting.len() as u64, Ordering::Relaxed);
        {
            let mut space = lock(&self.shared.space);
            for (_, location) in &group.waiting {
                space.add(*location);
            }
        }
        for (done, location) in group.waiting {
            done(Ok(location));
        }
    }

    /// Whether a record can be put behind the others of a group.
    fn takes(&mut self, needs: Needs) -> bool {
        self.has_room(needs) && self.reserve(needs).is_ok()
    }

    fn has_room(&self, needs: Needs) -> bool {
        self.current.as_ref().is_some_and(|current| {
            current.end + needs.frame + self.reserved(needs) <= self.options.segment_bytes
                || (current.end == FIRST_FRAME && current.entries.is_empty())
        })
    }

    /// What must be left behind a record.
    fn reserved(&self, needs: Needs) -> u64 {
        if needs.may_use_reserve { 0 } else { self.options.segment_bytes / RESERVED_SHARE }
    }

    /// Makes sure that the next frame has a segment to go to. What is in the one before is on the device first, and that one is not given
    /// up for one that cannot be made.
    fn make_room(&mut self, needs: Needs) -> io::Result<()> {
        if self.has_room(needs) {
            return Ok(());
        }
        if self.current.as_ref().is_some_and(|current| current.synced < current.end) {
            self.sync()?;
        }
        match self.begin(needs.frame) {
            Ok(next) => {
                if self.seal().is_err() {
                    self.abandon();
                }
                self.current = Some(next);
                Ok(())
            }
            Err(error) => {
                // What was made ahead of its records is room for the next try.
                self.abandon();
                Err(error)
            }
        }
    }

    fn begin(&mut self, frame: u64) -> io::Result<Current> {
        let number = self.next_number;
        let path = segment::path(&self.shared.directory, number);
        let reused = if FIRST_FRAME + frame <= self.options.segment_bytes { self.free.pop() } else { None };
        let header = Header { number, nonce: self.disk.nonce() };
        let made = self.make_file(&path, reused.as_deref(), header);
        if made.is_err() {
            // Nothing is known of what the device has of it. A later opening must not take it for a segment.
            for path in reused.iter().chain([&path]) {
                let _ = self.disk.remove(path);
            }
        }
        let (file, file_bytes) = made?;
        self.next_number += 1;
        let shown = SegmentFile { nonce: header.nonce, file: Arc::clone(&file) };
        lock(&self.shared.segments).insert(number, shown);
        lock(&self.shared.space).begin(number);
        Ok(Current {
            header,
            file,
            file_bytes,
            end: FIRST_FRAME,
            written: FIRST_FRAME,
            synced: FIRST_FRAME,
            synced_entries: 0,
            mark: Mark::default(),
            entries: Vec::new(),
        })
    }

    /// A segment's file with its header, durable: a new one, or one that is used again.
    fn make_file(
        &self,
        path: &Path,
        reused: Option<&Path>,
        header: Header,
    ) -> io::Result<(Arc<dyn DiskFile>, u64)> {
        if reused.is_some() {
            // After a power cut it must not have the name of the segment it was, with what is written to it from here on.
            self.disk.sync_directory(&self.shared.directory)?;
        }
        let file = self.disk.make(reused.unwrap_or(path))?;
        header.write(&*file)?;
        file.sync_data()?;
        if let Some(reused) = reused {
            self.disk.rename(reused, path)?;
        }
        self.disk.sync_directory(&self.shared.directory)?;
        let file_bytes = file.bytes()?;
        Ok((file, file_bytes))
    }

    /// Puts a frame behind the last one.
    fn put(&mut self, kind: u8, tag: Vec<u8>, parts: &[Bytes]) -> io::Result<Location> {
        let Some(current) = self.current.as_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        let payload: usize = parts.iter().map(Bytes::len).sum();
        let payload_len = u32::try_from(payload).map_err(|_| io::ErrorKind::InvalidInput)?;
        let tag_len = u8::try_from(tag.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let place = Place { nonce: current.header.nonce, offset: current.end };
        let body_crc = place.body_crc_of(&tag, parts);
        let header = FrameHeader { kind, tag_len, payload_len, body_crc, erased: Erased::No };
        let end = current.end + header.frame_bytes();
        let location = Location { segment: current.header.number, offset: current.end, len: payload_len };
        self.buffer.extend_from_slice(&header.encode(place));
        self.buffer.extend_from_slice(&tag);
        for part in parts {
            if part.len() >= BUFFER_BYTES {
                self.flush()?;
                self.write_through(part)?;
            } else {
                self.buffer.extend_from_slice(part);
            }
            if self.buffer.len() >= BUFFER_BYTES {
                self.flush()?;
            }
        }
        let filling = header.frame_bytes() - (HEADER_BYTES as u64 + header.body_bytes());
        self.buffer.extend(std::iter::repeat_n(0, usize::try_from(filling).unwrap_or(0)));
        if let Some(current) = self.current.as_mut() {
            current.end = end;
            let entry = Entry { offset: location.offset, payload_len, kind, tag };
            current.entries.push(entry);
        }
        Ok(location)
    }

    /// Makes room with zeros ahead, for the next record and what must be left behind it, unless the segment grows beyond its size for one
    /// large record.
    fn reserve(&mut self, needs: Needs) -> io::Result<()> {
        let reserved = self.reserved(needs);
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        let segment_bytes = self.options.segment_bytes;
        let end = current.end + needs.frame;
        let needed = (end + reserved).min(segment_bytes);
        if !self.options.prefill || end > segment_bytes || needed <= current.file_bytes {
            return Ok(());
        }
        if self.batches.iter().any(|bytes| bytes * LARGE_SHARE >= segment_bytes)
            && current.file.allocate(current.file_bytes, segment_bytes - current.file_bytes).is_ok()
        {
            current.file_bytes = segment_bytes;
            return Ok(());
        }
        let wanted = (needed + PREFILL_STEP).min(segment_bytes);
        let mut step = self.zeros.len();
        while current.file_bytes < wanted {
            let left = usize::try_from(wanted - current.file_bytes).unwrap_or(usize::MAX);
            let len = left.min(step);
            match current.file.write_all_at(&self.zeros[..len], current.file_bytes) {
                Ok(()) => current.file_bytes += len as u64,
                // As much as there is room for.
                Err(_) if len > SMALLEST_STEP => step = len / 2,
                Err(error) if current.file_bytes < needed => return Err(error),
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        let written = self.write_through(&buffer);
        self.buffer = buffer;
        self.buffer.clear();
        written
    }

    fn write_through(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        current.file.write_all_at(bytes, current.written)?;
        current.written += bytes.len() as u64;
        current.file_bytes = current.file_bytes.max(current.written);
        Ok(())
    }

    /// Puts everything on the device, together with the mark of what was there before.
    fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        let mark = current.mark.next(current.synced, false);
        mark.write(&*current.file, current.header.nonce)?;
        current.file.sync_data()?;
        self.shared.syncs.fetch_add(1, Ordering::Relaxed);
        current.mark = mark;
        current.synced = current.end;
        current.synced_entries = current.entries.len();
        Ok(())
    }
}

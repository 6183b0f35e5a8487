//! The one thread that writes: groups of records, one sync each, then segments given back.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;

use crate::{
    AppendError, Location, Moved, Options, ReadError, Record,
    disk::Disk,
    frame::{FrameHeader, HEADER_BYTES, Place, frame_bytes},
    journal::{SegmentFile, Shared, lock},
    queue::{Append, Done, Work},
    recovery::Found,
    segment::{self, FIRST_FRAME, Header, Mark},
    side_index::{self, Entry},
};

/// The largest frame: offsets of frames are kept as 32-bit numbers of 8 bytes, and a length is a 32-bit number.
pub(crate) const MAX_FRAME_BYTES: u64 = 2 << 30;

/// How far ahead of the records zeros are written.
const PREFILL_STEP: u64 = 1 << 20;

/// Least bytes of zeros that are tried on a disk with little room: a block of most file systems.
const SMALLEST_STEP: usize = 4096;

/// Of a segment, this share is kept for records without a payload, which say that others are not needed any more: on a full disk they
/// are what makes room. At the usual size it is a megabyte.
const RESERVED_SHARE: u64 = 64;

/// Bytes of records moved in one go: what is appended meanwhile waits for them.
const MOVED_AT_ONCE: u64 = 1 << 20;

/// Bytes gathered before they are written; a part this long is written by itself.
const BUFFER_BYTES: usize = 256 * 1024;

pub(crate) struct Writer {
    shared: Arc<Shared>,
    disk: Box<dyn Disk>,
    options: Options,
    current: Option<Current>,
    free: Vec<PathBuf>,
    next_number: u64,
    buffer: Vec<u8>,
    zeros: Vec<u8>,
}

/// The segment being written.
struct Current {
    header: Header,
    file: Arc<File>,
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

/// Records of one sync.
#[derive(Default)]
struct Group {
    waiting: Vec<(Done, Result<Location, AppendError>)>,
    /// There was no room for one.
    starved: bool,
}

impl Group {
    fn fail(self, error: &AppendError) {
        for (done, _) in self.waiting {
            done(Err(error.clone()));
        }
    }
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        disk: Box<dyn Disk>,
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
        Self { shared, disk, options, current, free, next_number, buffer: Vec::new(), zeros }
    }

    /// Works until the journal is closed.
    pub(crate) fn run(mut self) -> Result<(), AppendError> {
        loop {
            match self.shared.queue.take() {
                Work::Batch(batch) => self.write(batch),
                Work::Maintain => {}
                Work::Stop => return self.stop(),
            }
            self.give_back();
            self.move_sparse();
        }
    }

    fn write(&mut self, batch: Vec<Append>) {
        let mut batch = batch.into_iter().peekable();
        while let Some(first) = batch.peek() {
            if let Err(error) = self.make_room(Needs::of(first)) {
                if let Some(append) = batch.next() {
                    (append.done)(Err(AppendError::Io(error.to_string())));
                }
                continue;
            }
            let mut group = Group::default();
            let mut result = Ok(());
            while let Some(append) = batch.next_if(|next| result.is_ok() && self.has_room(Needs::of(next))) {
                result = self.add(append, &mut group);
            }
            let starved = group.starved;
            match result.and_then(|()| self.sync_new()) {
                Ok(()) => self.acknowledge(group),
                Err(error) => {
                    self.abandon();
                    group.fail(&AppendError::Io(error.to_string()));
                }
            }
            if starved {
                self.relieve();
            }
        }
    }

    /// Puts a record into a group; one there is no room for fails with the group's others unharmed.
    fn add(&mut self, append: Append, group: &mut Group) -> io::Result<()> {
        let needs = Needs::of(&append);
        let Append { kind, tag, parts, done, .. } = append;
        if let Err(error) = self.reserve(needs) {
            group.starved = true;
            group.waiting.push((done, Err(AppendError::Io(error.to_string()))));
            return Ok(());
        }
        let put = self.put(kind, &tag, &parts);
        let outcome = put.as_ref().map_or_else(|error| Err(AppendError::Io(error.to_string())), |at| Ok(*at));
        group.waiting.push((done, outcome));
        put.map(|_| ())
    }

    fn acknowledge(&mut self, group: Group) {
        let stored = group.waiting.iter().filter_map(|(_, outcome)| outcome.as_ref().ok());
        let mut count = 0;
        {
            let mut space = lock(&self.shared.space);
            for location in stored {
                count += 1;
                space.add(*location);
            }
        }
        self.shared.appends.fetch_add(count, Ordering::Relaxed);
        for (done, outcome) in group.waiting {
            done(outcome);
        }
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

    /// Makes sure that the next frame has a segment to go to. The one before is not given up for one that cannot be made.
    fn make_room(&mut self, needs: Needs) -> io::Result<()> {
        if self.has_room(needs) {
            return Ok(());
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
                // What is filled with zeros ahead of its records is room for the next try.
                self.abandon();
                Err(error)
            }
        }
    }

    /// On a full disk: ends a segment whose space can only come back once it has ended, and keeps room for what gives space back.
    fn relieve(&mut self) {
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

    fn begin(&mut self, frame: u64) -> io::Result<Current> {
        let number = self.next_number;
        let path = segment::path(&self.shared.directory, number);
        let fits = FIRST_FRAME + frame <= self.options.segment_bytes;
        let reused = self.free.last().filter(|_| fits).cloned();
        let file = self.disk.open(reused.as_deref().unwrap_or(&path))?;
        let header = Header::new(number);
        header.write(&*self.disk, &file)?;
        self.disk.sync_data(&file)?;
        if let Some(reused) = reused {
            self.disk.rename(&reused, &path)?;
            self.free.pop();
        }
        self.disk.sync_directory(&self.shared.directory)?;
        self.next_number += 1;
        let file_bytes = file.metadata()?.len();
        let file = Arc::new(file);
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

    /// Puts a frame behind the last one.
    fn put(&mut self, kind: u8, tag: &Bytes, parts: &[Bytes]) -> io::Result<Location> {
        let Some(current) = self.current.as_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        let payload: usize = parts.iter().map(Bytes::len).sum();
        let payload_len = u32::try_from(payload).map_err(|_| io::ErrorKind::InvalidInput)?;
        let tag_len = u8::try_from(tag.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let place = Place { nonce: current.header.nonce, offset: current.end };
        let header = FrameHeader { kind, tag_len, payload_len, body_crc: place.body_crc_of(tag, parts) };
        let end = current.end + header.frame_bytes();
        let location = Location { segment: current.header.number, offset: current.end, len: payload_len };
        self.buffer.extend_from_slice(&header.encode(place));
        self.buffer.extend_from_slice(tag);
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
            let entry = Entry { offset: location.offset, payload_len, kind, tag: tag.to_vec() };
            current.entries.push(entry);
        }
        Ok(location)
    }

    /// Writes zeros ahead, for the next record and what must be left behind it, unless the segment grows beyond its size for one large
    /// record.
    fn reserve(&mut self, needs: Needs) -> io::Result<()> {
        let reserved = self.reserved(needs);
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        let segment_bytes = self.options.segment_bytes;
        let end = current.end + needs.frame;
        let needed = (end + reserved).min(segment_bytes);
        if !self.options.prefill || end > segment_bytes || needed <= current.file_bytes {
            return Ok(());
        }
        let wanted = (needed + PREFILL_STEP).min(segment_bytes);
        let mut step = self.zeros.len();
        while current.file_bytes < wanted {
            let left = usize::try_from(wanted - current.file_bytes).unwrap_or(usize::MAX);
            let len = left.min(step);
            match self.disk.write_all_at(&current.file, &self.zeros[..len], current.file_bytes) {
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
        self.disk.write_all_at(&current.file, bytes, current.written)?;
        current.written += bytes.len() as u64;
        current.file_bytes = current.file_bytes.max(current.written);
        Ok(())
    }

    /// As [`Writer::sync`], if there is anything new.
    fn sync_new(&mut self) -> io::Result<()> {
        let new = self.current.as_ref().is_some_and(|current| current.synced < current.end);
        if new { self.sync() } else { Ok(()) }
    }

    /// Puts everything on the device, together with the mark of what was there before.
    fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        let mark = current.mark.next(current.synced, false);
        mark.write(&*self.disk, &current.file, current.header.nonce)?;
        self.disk.sync_data(&current.file)?;
        self.shared.syncs.fetch_add(1, Ordering::Relaxed);
        current.mark = mark;
        current.synced = current.end;
        current.synced_entries = current.entries.len();
        Ok(())
    }

    /// Ends the current segment for good: its mark says so, and it gets a side index.
    fn seal(&mut self) -> io::Result<()> {
        self.sync_new()?;
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        let mark = current.mark.next(current.synced, true);
        mark.write(&*self.disk, &current.file, current.header.nonce)?;
        self.disk.sync_data(&current.file)?;
        let Some(current) = self.current.take() else { return Ok(()) };
        let number = current.header.number;
        lock(&self.shared.space).seal(number, current.file_bytes);
        let bytes = side_index::encode(current.header, current.synced, &current.entries);
        // Without it the next opening scans the segment.
        let _ = side_index::write(&segment::index_path(&self.shared.directory, number), &bytes);
        Ok(())
    }

    /// After a failed write nothing is known of what is behind the last sync, so the segment is left as it was then.
    fn abandon(&mut self) {
        self.buffer.clear();
        let Some(mut current) = self.current.take() else { return };
        current.entries.truncate(current.synced_entries);
        // Each of these gives room back or leaves a clearer file; what fails here is found by the next opening.
        let _ = self.disk.set_len(&current.file, current.synced);
        current.file_bytes = current.synced;
        let mark = current.mark.next(current.synced, true);
        let _ = mark.write(&*self.disk, &current.file, current.header.nonce);
        let _ = self.disk.sync_data(&current.file);
        // It gets no side index, for which there may be no room; the next opening makes one.
        lock(&self.shared.space).seal(current.header.number, current.file_bytes);
    }

    /// Gives back the files of segments without a live record.
    fn give_back(&mut self) {
        let empty = lock(&self.shared.space).empty_segments();
        for number in empty {
            let path = segment::path(&self.shared.directory, number);
            let file = lock(&self.shared.segments).remove(&number);
            let whole = file
                .and_then(|segment| segment.file.metadata().ok())
                .is_some_and(|data| data.len() == self.options.segment_bytes);
            // A file that stays is found and released again at the next opening.
            let _ = self.disk.remove(&segment::index_path(&self.shared.directory, number));
            if whole && self.free.len() < self.options.keep_free {
                let free = self.shared.directory.join(format!("free-{number:016x}"));
                if self.disk.rename(&path, &free).is_ok() {
                    self.free.push(free);
                }
            } else {
                let _ = self.disk.remove(&path);
            }
            lock(&self.shared.space).forget(number);
        }
    }

    /// Copies what little keeps a segment alive behind the newest records, and lets the segment go.
    fn move_sparse(&mut self) {
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
            places.push(self.put(*kind, tag, std::slice::from_ref(payload))?);
        }
        self.sync()?;
        Ok(places)
    }

    fn stop(&mut self) -> Result<(), AppendError> {
        let Some(current) = self.current.as_mut() else { return Ok(()) };
        let mark = current.mark.next(current.synced, false);
        let marked = mark
            .write(&*self.disk, &current.file, current.header.nonce)
            .and_then(|()| self.disk.sync_data(&current.file));
        marked.map_err(|error| AppendError::Io(error.to_string()))
    }
}

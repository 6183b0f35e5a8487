//! The journal as its users see it.

use std::{
    collections::HashMap,
    io, mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};

use crate::{
    AppendError, Erasure, Location, OpenError, ReadError, Recovery,
    disk::{Disk, DiskFile, RealDisk},
    frame::{Erased, FrameHeader, HEADER_BYTES, Place, frame_bytes},
    queue::{Append, Queue},
    recovery::{self, Contents, Found},
    segment::{self, FIRST_FRAME, read_whole},
    side_index,
    space::Space,
    writer::{self, Writer},
};

/// A record that the journal has moved.
#[derive(Clone, Copy, Debug)]
pub struct Moved<'a> {
    /// Where it was.
    pub from: Location,
    /// Where it is now.
    pub to: Location,
    /// Its kind.
    pub kind: u8,
    /// Its tag.
    pub tag: &'a [u8],
}

/// Called when a record was moved; false when nobody needs the record any more.
pub type OnMoved = Box<dyn Fn(&Moved<'_>) -> bool + Send>;

/// Asked before a group of records is written: how long it is worth waiting for more of them.
pub type WorthWaiting = Box<dyn Fn() -> Duration + Send>;

/// How a journal is kept.
pub struct Options {
    /// Size at which a segment is full. A larger record gets a segment of its own.
    pub segment_bytes: u64,
    /// Most records waiting to be written.
    pub queue_records: usize,
    /// Most bytes of records waiting to be written.
    pub queue_bytes: usize,
    /// Write zeros ahead of the records, so that a sync seldom has to write the file's size too.
    pub prefill: bool,
    /// Released segments kept to be used again.
    pub keep_free: usize,
    /// Segments that are there before they are needed: they are made while nothing else is to be done, and kept when they are released.
    pub ready: usize,
    /// Move the records of segments that little keeps alive. Without it they stay where they are.
    pub on_moved: Option<OnMoved>,
    /// When a record could not be written, those behind it are not either, with [`AppendError::Behind`], until
    /// [`Journal::go_on`]: so what is in the journal is always in the order of the appends, without gaps.
    pub in_order: bool,
    /// How long the writer's thread waits for more records before it writes those it has. Without it, and in a journal that is stepped, it never does.
    pub worth_waiting: Option<WorthWaiting>,
    /// No thread writes: only [`Journal::step`], [`Journal::append_wait`] and closing do, on the thread of whoever calls them.
    /// So a simulation says what happens when.
    pub stepped: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // What is written and what is partly drained takes a segment each, whatever is live.
            segment_bytes: 16 << 20,
            queue_records: 4096,
            queue_bytes: 64 << 20,
            prefill: true,
            keep_free: 2,
            ready: 0,
            on_moved: None,
            in_order: false,
            worth_waiting: None,
            stepped: false,
        }
    }
}

/// A record as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub location: Location,
    /// The caller's own number for what it is.
    pub kind: u8,
    /// What the caller wants to know of it without reading it; at most 255 bytes.
    pub tag: Bytes,
    /// The bytes; none when they were [erased](Journal::erase).
    pub payload: Bytes,
}

/// How large a journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Segments in use.
    pub segments: u64,
    /// Records not released.
    pub live_records: u64,
    /// Their payloads.
    pub live_bytes: u64,
    /// All files of the journal.
    pub bytes_on_disk: u64,
    /// Syncs since it was opened.
    pub syncs: u64,
    /// Records appended since it was opened.
    pub appends: u64,
}

/// An open journal. A clone is another handle of the same one; dropping the last writes what is queued.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
    owner: Arc<Owner>,
}

pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) queue: Queue,
    pub(crate) space: Mutex<Space>,
    pub(crate) segments: Mutex<HashMap<u64, SegmentFile>>,
    pub(crate) syncs: AtomicU64,
    pub(crate) appends: AtomicU64,
    lock: Mutex<Option<Box<dyn Send>>>,
}

#[derive(Clone)]
pub(crate) struct SegmentFile {
    pub(crate) nonce: u64,
    pub(crate) file: Arc<dyn DiskFile>,
}

struct Owner {
    shared: Arc<Shared>,
    writer: Mutex<WriterAt>,
}

/// Where the writer is.
enum WriterAt {
    Thread(JoinHandle<Result<(), AppendError>>),
    /// Whoever steps it runs it.
    Here(Box<Writer>),
    Gone,
}

impl Journal {
    /// Opens the journal in a directory, or makes it. `on_record` is told of every whole record, oldest first, with its place,
    /// kind and tag; records moved by the journal come where they were moved to, and may come twice after a crash.
    ///
    /// # Errors
    /// When another process has it open, a later release wrote it, or the files cannot be read.
    pub fn open(
        directory: &Path,
        options: Options,
        on_record: &mut dyn FnMut(Location, u8, &[u8]),
    ) -> Result<(Self, Recovery), OpenError> {
        Self::open_on(Arc::new(RealDisk), directory, options, on_record)
    }

    /// [`Journal::open`] on another disk than that of the operating system.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        on_record: &mut dyn FnMut(Location, u8, &[u8]),
    ) -> Result<(Self, Recovery), OpenError> {
        let lock = take_lock(&*disk, directory)?;
        let mut recovery = Recovery::default();
        let Contents { segments, free, last_number } =
            recovery::read_directory(&*disk, directory, &mut recovery)?;
        let stepped = options.stepped;
        let shared = Arc::new(Shared {
            disk: Arc::clone(&disk),
            directory: directory.to_owned(),
            queue: Queue::new(options.queue_records, options.queue_bytes),
            space: Mutex::default(),
            segments: Mutex::default(),
            syncs: AtomicU64::new(0),
            appends: AtomicU64::new(0),
            lock: Mutex::new(Some(lock)),
        });
        let mut last = None;
        for found in segments {
            shared.take_in(&found, on_record);
            if let Some(before) = last.replace(found) {
                shared.seal_found(&before);
            }
        }
        let current = last.and_then(|found| {
            if found.mark.sealed || found.torn || found.file_bytes > options.segment_bytes {
                shared.seal_found(&found);
                None
            } else {
                Some(found)
            }
        });
        let free = usable(&*disk, free, &options);
        let writer = Writer::new(Arc::clone(&shared), disk, options, current, free, last_number + 1);
        let writer = if stepped { WriterAt::Here(Box::new(writer)) } else { on_thread(writer, &shared)? };
        let owner = Arc::new(Owner { shared: Arc::clone(&shared), writer: Mutex::new(writer) });
        shared.queue.maintain();
        Ok((Self { shared, owner }, recovery))
    }

    /// Queues a record of several parts. `done` is called on the writer's thread, in the order of the appends, once the record is
    /// on the device or could not be written.
    ///
    /// # Errors
    /// When the queue is full, the journal is closed, or the record is too large; `done` is then not called.
    pub fn append(
        &self,
        kind: u8,
        tag: impl Into<Vec<u8>>,
        parts: Vec<Bytes>,
        done: impl FnOnce(Result<Location, AppendError>) + Send + 'static,
    ) -> Result<(), AppendError> {
        let tag = tag.into();
        let payload: usize = parts.iter().map(Bytes::len).sum();
        let payload_len = u32::try_from(payload).map_err(|_| AppendError::TooLarge)?;
        if tag.len() > 255 || frame_bytes(tag.len(), payload_len) > writer::MAX_FRAME_BYTES {
            return Err(AppendError::TooLarge);
        }
        let append = Append { kind, tag, parts, payload_len, done: Box::new(done) };
        self.shared.queue.push(append).map_err(|(_, error)| error)
    }

    /// Appends a record and waits until it is on the device.
    ///
    /// # Errors
    /// As [`Journal::append`], and when writing fails.
    pub fn append_wait(&self, kind: u8, tag: &[u8], parts: Vec<Bytes>) -> Result<Location, AppendError> {
        let (done, outcome) = mpsc::sync_channel(1);
        self.append(kind, tag, parts, move |written| {
            // The receiver below waits for exactly this.
            let _ = done.send(written);
        })?;
        self.step();
        outcome.recv().map_err(|_| AppendError::Closed)?
    }

    /// Does what there is to do for the writer of a journal opened as [`Options::stepped`]; false when there was nothing, and
    /// always in one that has a thread.
    pub fn step(&self) -> bool {
        match &mut *lock(&self.owner.writer) {
            WriterAt::Here(writer) => writer.step(),
            WriterAt::Thread(_) | WriterAt::Gone => false,
        }
    }

    /// Whether it was opened as [`Options::stepped`].
    pub fn is_stepped(&self) -> bool {
        matches!(*lock(&self.owner.writer), WriterAt::Here(_))
    }

    /// Takes records again after a failure in a journal that is [`Options::in_order`]. To be called when what was appended before
    /// has failed, and everybody behind it knows.
    pub fn go_on(&self) {
        self.shared.queue.go_on();
    }

    /// Reads a record and checks it. Any thread may.
    ///
    /// # Errors
    /// When there is no such record, or it is damaged.
    pub fn read(&self, location: Location) -> Result<Record, ReadError> {
        self.shared.read(location)
    }

    /// This record is no longer needed. Space comes back once that is so for a whole segment.
    pub fn release(&self, location: Location) {
        self.shared.release(location);
    }

    /// Overwrites the payloads of records of the kinds that are `wanted`: they are gone from the device when this returns, the first of each tag
    /// last. The records stay, each with an empty payload when it is read. Blocks on the disk; any thread may, as long as nobody reads these
    /// records meanwhile. A journal that moves records ([`Options::on_moved`]) may have copies of them, of which this knows nothing.
    ///
    /// # Errors
    /// When the disk refuses. What was not erased then, or before the process or the power ended, is erased when this is done again; what was
    /// is left alone.
    pub fn erase(&self, erasures: &[Erasure], wanted: &dyn Fn(u8) -> bool) -> Result<(), ReadError> {
        self.shared.erase(erasures, wanted)
    }

    /// How large the journal is.
    pub fn stats(&self) -> Stats {
        let (segments, live_records, live_bytes) = lock(&self.shared.space).totals();
        let files = self.shared.disk.list(&self.shared.directory).unwrap_or_default();
        let bytes_on_disk = files.iter().map(|(_, bytes)| bytes).sum();
        Stats {
            segments,
            live_records,
            live_bytes,
            bytes_on_disk,
            syncs: self.shared.syncs.load(Ordering::Relaxed),
            appends: self.shared.appends.load(Ordering::Relaxed),
        }
    }

    /// Writes what is queued, closes the journal for every handle and gives its lock back.
    ///
    /// # Errors
    /// When the last of it could not be synced.
    pub fn close(self) -> Result<(), AppendError> {
        self.owner.stop()
    }
}

impl Owner {
    fn stop(&self) -> Result<(), AppendError> {
        self.shared.queue.close();
        let writer = mem::replace(&mut *lock(&self.writer), WriterAt::Gone);
        let ended = match writer {
            // The last handle may be dropped by a `done`, on the writer's own thread, which then ends by itself.
            WriterAt::Thread(writer) if writer.thread().id() != thread::current().id() => {
                writer.join().unwrap_or(Err(AppendError::Closed))
            }
            WriterAt::Here(writer) => writer.run(),
            WriterAt::Thread(_) | WriterAt::Gone => Ok(()),
        };
        lock(&self.shared.lock).take();
        ended
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Whoever wants to know how it ended calls `close`.
        let _ = self.stop();
    }
}

impl Shared {
    pub(crate) fn read(&self, location: Location) -> Result<Record, ReadError> {
        let segment = lock(&self.segments).get(&location.segment).cloned();
        let segment = segment.ok_or(ReadError::Missing(location))?;
        let io = |source: io::Error| ReadError::Io { location, source };
        let damaged = ReadError::Damaged(location);
        let place = Place { nonce: segment.nonce, offset: location.offset };
        let header = read_header(&*segment.file, place).map_err(io)?;
        let header = header.filter(|header| header.payload_len == location.len);
        let Some(header) = header else { return Err(damaged) };
        let file_bytes = segment.file.bytes().map_err(io)?;
        if location.offset.saturating_add(header.frame_bytes()) > file_bytes.next_multiple_of(8) {
            return Err(damaged);
        }
        let tag_len = usize::from(header.tag_len);
        let is_erased = header.erased != Erased::No;
        let payload_bytes = if is_erased { 0 } else { header.payload_len as usize };
        let mut body = BytesMut::zeroed(tag_len + payload_bytes);
        if !read_whole(&*segment.file, &mut body, location.offset + HEADER_BYTES as u64).map_err(io)? {
            return Err(damaged);
        }
        let crc = if is_erased {
            place.erased_body_crc(&body, header.payload_len)
        } else {
            let mut crc = place.body_crc();
            crc.add(&body);
            crc.0
        };
        if crc != header.body_crc {
            return Err(damaged);
        }
        let tag = body.split_to(tag_len).freeze();
        Ok(Record { location, kind: header.kind, tag, payload: body.freeze() })
    }

    pub(crate) fn release(&self, location: Location) {
        if lock(&self.space).release(location) {
            self.queue.maintain();
        }
    }

    fn take_in(&self, found: &Found, on_record: &mut dyn FnMut(Location, u8, &[u8])) {
        let number = found.header.number;
        let file = SegmentFile { nonce: found.header.nonce, file: Arc::clone(&found.file) };
        lock(&self.segments).insert(number, file);
        lock(&self.space).begin(number);
        for entry in &found.entries {
            let location = Location { segment: number, offset: entry.offset, len: entry.payload_len };
            lock(&self.space).add(location);
            on_record(location, entry.kind, &entry.tag);
        }
    }

    /// A segment that is not written any more: it gets its side index if it has none.
    fn seal_found(&self, found: &Found) {
        lock(&self.space).seal(found.header.number, found.file_bytes);
        if !found.indexed && found.mark.sealed && found.end >= FIRST_FRAME {
            let bytes = side_index::encode(found.header, found.end, &found.entries);
            // Without it the next opening scans the segment again.
            let path = segment::index_path(&self.directory, found.header.number);
            let _ = side_index::write(&*self.disk, &path, &bytes);
        }
    }
}

/// Free files that are used again. Where some are to be ready, those have all their room; one whose making was cut off is made anew.
fn usable(disk: &dyn Disk, free: Vec<(PathBuf, u64)>, options: &Options) -> Vec<PathBuf> {
    let is_usable = |(path, bytes): &(PathBuf, u64)| {
        let is_short = options.ready > 0 && *bytes < options.segment_bytes;
        // One that cannot be removed is used as far as it goes.
        !is_short || disk.remove(path).is_err()
    };
    free.into_iter().filter(is_usable).map(|(path, _)| path).collect()
}

fn read_header(file: &dyn DiskFile, place: Place) -> io::Result<Option<FrameHeader>> {
    let mut bytes = [0; HEADER_BYTES];
    if !read_whole(file, &mut bytes, place.offset)? {
        return Ok(None);
    }
    if let Some(header) = FrameHeader::decode(&bytes, place) {
        return Ok(Some(header));
    }
    let mut tag = vec![0; usize::from(FrameHeader::unchecked(&bytes).tag_len)];
    let is_there = read_whole(file, &mut tag, place.offset + HEADER_BYTES as u64)?;
    Ok(if is_there { FrameHeader::decode_torn(&bytes, place, &tag) } else { None })
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long to wait for a lock that is about to go: its holder is ending, or is starting a process that has a copy of every open
/// file until it becomes another program.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// Time between two tries.
const LOCK_TRY_INTERVAL: Duration = Duration::from_millis(5);

fn take_lock(disk: &dyn Disk, directory: &Path) -> Result<Box<dyn Send>, OpenError> {
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { what, path, source }
    };
    disk.make_directory(directory).map_err(io("make", directory))?;
    let path = directory.join("lock");
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match disk.try_lock(&path).map_err(io("lock", &path))? {
            Some(lock) => return Ok(lock),
            None if Instant::now() < deadline => thread::sleep(LOCK_TRY_INTERVAL),
            None => return Err(OpenError::Locked(directory.to_owned())),
        }
    }
}

fn on_thread(writer: Writer, shared: &Arc<Shared>) -> Result<WriterAt, OpenError> {
    let end = WriterEnd(Arc::clone(shared));
    let work = move || {
        let _end = end;
        writer.run()
    };
    let started = thread::Builder::new().name("journal".into()).spawn(work);
    let failed =
        |source| OpenError::Io { what: "start the writer of", path: shared.directory.clone(), source };
    started.map(WriterAt::Thread).map_err(failed)
}

/// Goes with the writer's thread, also when that panics, as in a `done`: then nobody waits for it in vain.
struct WriterEnd(Arc<Shared>);

impl Drop for WriterEnd {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}

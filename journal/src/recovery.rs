//! Finds every whole record of a journal again, going on past damage, and says what is missing.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    OpenError,
    disk::{Disk, DiskFile},
    frame::{ALIGN, Erased, FrameHeader, HEADER_BYTES, Place, SYNC},
    segment::{self, FIRST_FRAME, Header, HeaderFound, Mark, read_whole},
    side_index::{self, Entry},
};

/// How much of a file is looked at in one go.
const BLOCK: usize = 256 * 1024;

/// What opening a journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Whole records.
    pub records: u64,
    /// Stretches of a segment where records were and are not readable.
    pub holes: Vec<Hole>,
    /// Segments whose header is gone; kept under these names.
    pub set_aside: Vec<PathBuf>,
}

/// Bytes between whole records that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Number of the segment.
    pub segment: u64,
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// Whether records in it had been acknowledged: they are lost. Otherwise the writer was stopped before it could acknowledge.
    pub acknowledged: bool,
}

impl Recovery {
    /// One plain line for each loss; empty when nothing acknowledged is missing.
    pub fn problems(&self) -> Vec<String> {
        let holes = self.holes.iter().filter(|hole| hole.acknowledged).map(ToString::to_string);
        let aside = self
            .set_aside
            .iter()
            .map(|path| format!("a segment has no readable header; it is kept as {}", path.display()));
        holes.chain(aside).collect()
    }
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "segment {:016x} is damaged: {} bytes at {} hold no readable record",
            self.segment, self.bytes, self.offset
        )
    }
}

/// A segment as found.
pub(crate) struct Found {
    pub(crate) header: Header,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) file_bytes: u64,
    /// Behind the last whole record.
    pub(crate) end: u64,
    pub(crate) mark: Mark,
    pub(crate) entries: Vec<Entry>,
    /// Its side index is whole.
    pub(crate) indexed: bool,
    /// Not to be written to: records the writer was stopped in lie between whole ones, and a mark behind them would say that they were
    /// acknowledged; or its first page is not whole, as a power cut leaves it that comes before its first sync.
    pub(crate) torn: bool,
}

/// Everything in a journal's directory.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) segments: Vec<Found>,
    /// Files of released segments, to be used again, and their lengths.
    pub(crate) free: Vec<(PathBuf, u64)>,
    /// The highest number any file has.
    pub(crate) last_number: u64,
}

pub(crate) fn read_directory(
    disk: &dyn Disk,
    directory: &Path,
    recovery: &mut Recovery,
) -> Result<Contents, OpenError> {
    let mut contents = Contents::default();
    let mut numbers = Vec::new();
    let failed = |source| OpenError::Io { what: "read", path: directory.to_owned(), source };
    for (path, bytes) in disk.list(directory).map_err(failed)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if let Some(number) = segment::number_of(name) {
            numbers.push(number);
        } else if name.starts_with("free-") {
            contents.free.push((path, bytes));
        }
    }
    numbers.sort_unstable();
    contents.last_number = numbers.last().copied().unwrap_or(0);
    for number in numbers {
        let path = segment::path(directory, number);
        let read = read_segment(disk, directory, &path, number, recovery);
        match read.map_err(|source| OpenError::Io { what: "read", path: path.clone(), source })? {
            Segment::Whole(found) => contents.segments.push(*found),
            Segment::NeverUsed => remove(disk, &path)?,
            Segment::LaterVersion(version) => return Err(OpenError::Version { file: path, found: version }),
            Segment::Headless => {
                let aside = path.with_extension("seg.damaged");
                disk.rename(&path, &aside).map_err(|source| OpenError::Io {
                    what: "rename",
                    path: path.clone(),
                    source,
                })?;
                recovery.set_aside.push(aside);
            }
        }
    }
    make_durable(disk, directory, &contents.segments)?;
    recovery.records = contents.segments.iter().map(|segment| segment.entries.len() as u64).sum();
    Ok(contents)
}

/// Puts what was found on the device, and nothing that is no longer true beside it. A process that was killed may have left records and names of files that only the operating
/// system has; whoever is told of a record now must find it again after a power cut.
fn make_durable(disk: &dyn Disk, directory: &Path, segments: &[Found]) -> Result<(), OpenError> {
    let failed = |path: PathBuf| move |source| OpenError::Io { what: "sync", path, source };
    // What has a side index was synced before it got that.
    for found in segments.iter().filter(|found| !found.indexed) {
        let path = segment::path(directory, found.header.number);
        found.file.sync_data().map_err(failed(path))?;
        let index = segment::index_path(directory, found.header.number);
        if !found.mark.sealed && disk.open(&index).is_ok() {
            // Sealing it failed, and it may get more records. Later on this index would hide them.
            disk.remove(&index).map_err(failed(index))?;
        }
    }
    disk.sync_directory(directory).map_err(failed(directory.to_owned()))
}

fn remove(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    disk.remove(path).map_err(|source| OpenError::Io { what: "remove", path: path.to_owned(), source })
}

enum Segment {
    Whole(Box<Found>),
    /// Stopped before its header was on disk: nothing was ever in it.
    NeverUsed,
    Headless,
    LaterVersion(String),
}

fn read_segment(
    disk: &dyn Disk,
    directory: &Path,
    path: &Path,
    number: u64,
    recovery: &mut Recovery,
) -> io::Result<Segment> {
    let file = disk.open(path)?;
    let file_bytes = file.bytes()?;
    let index_path = segment::index_path(directory, number);
    let (header, both_copies) = match Header::read(&*file)? {
        HeaderFound::Header(header, both_copies) if header.number == number => (header, both_copies),
        HeaderFound::LaterVersion(version) => return Ok(Segment::LaterVersion(version)),
        // The page with the header is written as a whole, before anything else.
        HeaderFound::None if [0, FIRST_FRAME].contains(&file_bytes) && disk.open(&index_path).is_err() => {
            return Ok(Segment::NeverUsed);
        }
        HeaderFound::None | HeaderFound::Header(..) => return Ok(Segment::Headless),
    };
    let mark = Mark::read(&*file, header.nonce)?;
    // Where the first page is damaged, the mark may have said more than what is left of it.
    let in_doubt = mark.in_doubt || !both_copies;
    let index = side_index::read(disk, &index_path, header, file_bytes)
        .filter(|(end, _)| mark.sealed && *end <= file_bytes);
    let indexed = index.is_some();
    let mut torn = in_doubt;
    let (end, entries) = match index {
        Some(index) => index,
        None => {
            let scanned = scan(&*file, file_bytes, header.nonce)?;
            for (offset, bytes) in scanned.gaps {
                let acknowledged = in_doubt || offset < mark.acknowledged;
                torn |= !acknowledged;
                recovery.holes.push(Hole { segment: number, offset, bytes, acknowledged });
            }
            // A file that was cut within its first page has lost its mark too.
            let cut = if file_bytes < FIRST_FRAME {
                file_bytes..FIRST_FRAME
            } else {
                scanned.end..mark.acknowledged
            };
            if !cut.is_empty() {
                let bytes = cut.end - cut.start;
                recovery.holes.push(Hole { segment: number, offset: cut.start, bytes, acknowledged: true });
            }
            (scanned.end, scanned.entries)
        }
    };
    Ok(Segment::Whole(Box::new(Found { header, file, file_bytes, end, mark, entries, indexed, torn })))
}

/// What a scan of a segment's frames found.
pub(crate) struct Scanned {
    pub(crate) entries: Vec<Entry>,
    /// Offset and length of what lies between whole records.
    pub(crate) gaps: Vec<(u64, u64)>,
    pub(crate) end: u64,
}

/// Reads every whole frame of a segment.
pub(crate) fn scan(file: &dyn DiskFile, file_bytes: u64, nonce: u64) -> io::Result<Scanned> {
    let mut scanned = Scanned { entries: Vec::new(), gaps: Vec::new(), end: FIRST_FRAME };
    let block = Vec::new();
    let mut scanner =
        Scanner { file, file_bytes, nonce, block, block_at: FIRST_FRAME, torn_left: file_bytes };
    let mut offset = FIRST_FRAME;
    while let Some(found) = scanner.next_frame(offset)? {
        let (at, header, tag) = found;
        if at > offset {
            scanned.gaps.push((offset, at - offset));
        }
        let FrameHeader { payload_len, kind, .. } = header;
        scanned.entries.push(Entry { offset: at, payload_len, kind, tag });
        offset = at + header.frame_bytes();
        scanned.end = offset;
    }
    Ok(scanned)
}

struct Scanner<'a> {
    file: &'a dyn DiskFile,
    file_bytes: u64,
    nonce: u64,
    /// What is loaded of the file, and from where on. Bytes that look like frames may be many; what they are in is read once.
    block: Vec<u8>,
    block_at: u64,
    /// So many more bytes may headers speak of that are not whole.
    torn_left: u64,
}

impl Scanner<'_> {
    /// The first whole frame at or behind an offset, with its tag.
    fn next_frame(&mut self, offset: u64) -> io::Result<Option<(u64, FrameHeader, Vec<u8>)>> {
        let mut at = offset;
        loop {
            if let Some((header, tag)) = self.frame_at(at)? {
                return Ok(Some((at, header, tag)));
            }
            match self.next_sync(at + ALIGN)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
    }

    /// The bytes from an offset on, as far as they are loaded: as many as are wanted, at most a block, unless the file ends before.
    fn bytes_from(&mut self, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        let loaded = self.block_at..self.block_at + self.block.len() as u64;
        if offset < loaded.start || offset + wanted as u64 > loaded.end {
            let left = self.file_bytes.saturating_sub(offset);
            self.block.resize(usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK)), 0);
            self.block_at = offset;
            if !read_whole(self.file, &mut self.block, offset)? {
                self.block.clear();
            }
        }
        let skipped = usize::try_from(offset - self.block_at).unwrap_or(BLOCK);
        Ok(self.block.get(skipped..).unwrap_or_default())
    }

    /// The first place at or behind an offset where a frame could begin.
    fn next_sync(&mut self, mut from: u64) -> io::Result<Option<u64>> {
        loop {
            let bytes = self.bytes_from(from, HEADER_BYTES)?;
            if bytes.len() < HEADER_BYTES {
                return Ok(None);
            }
            let step = usize::try_from(ALIGN).unwrap_or(1);
            let places = (0..bytes.len() - HEADER_BYTES + 1).step_by(step);
            if let Some(at) = places.clone().find(|&at| bytes[at..].starts_with(&SYNC)) {
                return Ok(Some(from + at as u64));
            }
            from += (places.len() * step) as u64;
        }
    }

    fn frame_at(&mut self, offset: u64) -> io::Result<Option<(FrameHeader, Vec<u8>)>> {
        let place = Place { nonce: self.nonce, offset };
        let Some(&bytes) = self.bytes_from(offset, HEADER_BYTES)?.first_chunk() else { return Ok(None) };
        // Its checksum covers the lengths, the place and the nonce: nothing that is no frame of this segment has its body read.
        let whole = FrameHeader::decode(&bytes, place);
        let header = whole.unwrap_or_else(|| FrameHeader::unchecked(&bytes));
        let body_start = offset + HEADER_BYTES as u64;
        if body_start + header.body_bytes() > self.file_bytes
            || (whole.is_none() && !self.may_be_torn(&bytes, place))
        {
            return Ok(None);
        }
        let tag_len = usize::from(header.tag_len);
        let Some(tag) = self.bytes_from(body_start, tag_len)?.get(..tag_len).map(<[u8]>::to_vec) else {
            return Ok(None);
        };
        let Some(header) = whole.or_else(|| FrameHeader::decode_torn(&bytes, place, &tag)) else {
            return Ok(None);
        };
        let body_crc = if header.erased == Erased::No {
            self.body_crc(place, &tag, header.payload_len)?
        } else {
            Some(place.erased_body_crc(&tag, header.payload_len))
        };
        Ok((body_crc == Some(header.body_crc)).then_some((header, tag)))
    }

    /// Whether a header that is not whole is worth a look: of such, as many are as have the bytes of the file together.
    fn may_be_torn(&mut self, header: &[u8; HEADER_BYTES], place: Place) -> bool {
        let body_bytes = FrameHeader::unchecked(header).body_bytes();
        let left = self.torn_left.checked_sub(body_bytes).filter(|_| place.may_be_torn(header));
        self.torn_left = left.unwrap_or(self.torn_left);
        left.is_some()
    }

    fn body_crc(&mut self, place: Place, tag: &[u8], payload_len: u32) -> io::Result<Option<u32>> {
        let mut crc = place.body_crc();
        crc.add(tag);
        let mut at = place.offset + (HEADER_BYTES + tag.len()) as u64;
        let mut left = payload_len as usize;
        while left > 0 {
            let bytes = self.bytes_from(at, 1)?;
            let len = left.min(bytes.len());
            if len == 0 {
                return Ok(None);
            }
            crc.add(&bytes[..len]);
            at += len as u64;
            left -= len;
        }
        Ok(Some(crc.0))
    }
}

//! What is in a sealed segment, in one small checksummed file beside it, so that opening reads no payloads.
//!
//! `INHAULX1`, segment number, nonce and end (u64 each), count (u32); for each record offset (u64), payload length (u32), kind,
//! tag length (u8 each) and tag; CRC32C of all that. Numbers are big endian. A file that is missing or not whole is made again.

use std::{io, path::Path};

use bytes::{Buf, BufMut};

use crate::{disk::Disk, segment::Header};

const MAGIC: &[u8; 8] = b"INHAULX1";

/// One record in a side index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) payload_len: u32,
    pub(crate) kind: u8,
    pub(crate) tag: Vec<u8>,
}

pub(crate) fn encode(header: Header, end: u64, entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(40 + entries.len() * 64);
    out.put_slice(MAGIC);
    out.put_u64(header.number);
    out.put_u64(header.nonce);
    out.put_u64(end);
    out.put_u32(u32::try_from(entries.len()).unwrap_or(u32::MAX));
    for entry in entries {
        out.put_u64(entry.offset);
        out.put_u32(entry.payload_len);
        out.put_u8(entry.kind);
        out.put_u8(u8::try_from(entry.tag.len()).unwrap_or(u8::MAX));
        out.put_slice(&entry.tag);
    }
    let crc = crc32c::crc32c(&out);
    out.put_u32(crc);
    out
}

/// The end of the segment's frames and what they are; `None` when the bytes are not this segment's whole index.
pub(crate) fn decode(bytes: &[u8], header: Header) -> Option<(u64, Vec<Entry>)> {
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(content) != u32::from_be_bytes(*crc) {
        return None;
    }
    let mut rest = content.strip_prefix(MAGIC)?;
    if rest.try_get_u64().ok()? != header.number || rest.try_get_u64().ok()? != header.nonce {
        return None;
    }
    let end = rest.try_get_u64().ok()?;
    let count = rest.try_get_u32().ok()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let offset = rest.try_get_u64().ok()?;
        let payload_len = rest.try_get_u32().ok()?;
        let kind = rest.try_get_u8().ok()?;
        let tag_len = usize::from(rest.try_get_u8().ok()?);
        let tag = rest.get(..tag_len)?.to_vec();
        rest.advance(tag_len);
        entries.push(Entry { offset, payload_len, kind, tag });
    }
    rest.is_empty().then_some((end, entries))
}

/// Writes one.
pub(crate) fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = disk.make(path)?;
    file.set_len(0)?;
    // A part of it is of no use, and on a full disk it takes room.
    file.write_all_at(bytes, 0).inspect_err(|_| drop(disk.remove(path)))
}

/// Reads the index of a segment of that many bytes; `None` when it has to be made again.
pub(crate) fn read(
    disk: &dyn Disk,
    path: &Path,
    header: Header,
    segment_bytes: u64,
) -> Option<(u64, Vec<Entry>)> {
    let file = disk.open(path).ok()?;
    // What it says of a record is shorter than the record's frame, so a longer one is no index of this segment.
    let len = file.bytes().ok().filter(|&len| len <= segment_bytes)?;
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    decode(&bytes, header)
}

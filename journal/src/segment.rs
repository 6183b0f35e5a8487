//! A segment's file: its name, its header, and the mark of how far it was acknowledged.
//!
//! The first 4 KiB hold the header twice (at 0 and 2048) and the mark twice (at 512 and 1024, written in turn). A mark is
//! written together with the group behind the one it speaks of, so it costs no sync of its own and never claims too much.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::disk::DiskFile;

/// Where frames begin.
pub(crate) const FIRST_FRAME: u64 = 4096;

/// Begins every segment of this format; the last character is the version.
const MAGIC: &[u8; 8] = b"INHAULJ1";

const HEADER_COPIES: [u64; 2] = [0, 2048];
const MARK_COPIES: [u64; 2] = [512, 1024];
const HEADER_BYTES: usize = 32;
const MARK_BYTES: usize = 32;

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u64,
    /// Another one each time the file is used.
    pub(crate) nonce: u64,
}

/// How far a segment was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) acknowledged: u64,
    /// Nothing follows in this segment.
    pub(crate) sealed: bool,
    count: u64,
    /// A copy of it is damaged, and may have said more.
    pub(crate) in_doubt: bool,
}

/// What the first bytes of a segment's file are.
pub(crate) enum HeaderFound {
    /// The header, and whether both of its copies are whole.
    Header(Header, bool),
    LaterVersion(String),
    None,
}

pub(crate) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:016x}.seg"))
}

pub(crate) fn index_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:016x}.idx"))
}

/// The number in a segment's file name.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    if digits.len() == 16 { u64::from_str_radix(digits, 16).ok() } else { None }
}

impl Header {
    pub(crate) fn write(&self, file: &dyn DiskFile) -> io::Result<()> {
        let mut out = [0; HEADER_BYTES];
        out[..8].copy_from_slice(MAGIC);
        out[8..16].copy_from_slice(&self.number.to_be_bytes());
        out[16..24].copy_from_slice(&self.nonce.to_be_bytes());
        let crc = crc32c::crc32c(&out[..24]);
        out[24..28].copy_from_slice(&crc.to_be_bytes());
        let mut page = [0; FIRST_FRAME as usize];
        for copy in HEADER_COPIES {
            let at = usize::try_from(copy).expect("within the first page");
            page[at..at + HEADER_BYTES].copy_from_slice(&out);
        }
        file.write_all_at(&page, 0)
    }

    pub(crate) fn read(file: &dyn DiskFile) -> io::Result<HeaderFound> {
        let (mut later, mut copies) = (None, Vec::new());
        for copy in HEADER_COPIES {
            let mut bytes = [0; HEADER_BYTES];
            if !read_whole(file, &mut bytes, copy)? {
                continue;
            }
            let crc = u32::from_be_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
            if crc32c::crc32c(&bytes[..24]) != crc {
                continue;
            }
            if &bytes[..8] == MAGIC {
                copies.push(Self { number: number_at(&bytes, 8), nonce: number_at(&bytes, 16) });
            } else if bytes.starts_with(&MAGIC[..7]) {
                later = Some(String::from_utf8_lossy(&bytes[..8]).into_owned());
            }
        }
        Ok(match copies.first() {
            Some(header) => HeaderFound::Header(*header, copies.len() == HEADER_COPIES.len()),
            None => later.map_or(HeaderFound::None, HeaderFound::LaterVersion),
        })
    }
}

impl Mark {
    /// The mark behind this one.
    pub(crate) fn next(self, acknowledged: u64, sealed: bool) -> Self {
        Self { acknowledged, sealed, count: self.count + 1, in_doubt: false }
    }

    pub(crate) fn write(self, file: &dyn DiskFile, nonce: u64) -> io::Result<()> {
        let mut out = [0; MARK_BYTES];
        out[..8].copy_from_slice(&self.count.to_be_bytes());
        out[8..16].copy_from_slice(&self.acknowledged.to_be_bytes());
        out[16] = u8::from(self.sealed);
        let crc = mark_crc(&out, nonce);
        out[24..28].copy_from_slice(&crc.to_be_bytes());
        let copy = MARK_COPIES[usize::from(self.count % 2 == 1)];
        file.write_all_at(&out, copy)
    }

    /// The newest whole mark; the default when there is none.
    pub(crate) fn read(file: &dyn DiskFile, nonce: u64) -> io::Result<Self> {
        let (mut newest, mut in_doubt) = (Self::default(), false);
        for copy in MARK_COPIES {
            let mut bytes = [0; MARK_BYTES];
            if !read_whole(file, &mut bytes, copy)? {
                continue;
            }
            let crc = u32::from_be_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
            let mark = Self {
                count: number_at(&bytes, 0),
                acknowledged: number_at(&bytes, 8),
                sealed: bytes[16] != 0,
                in_doubt: false,
            };
            if crc != mark_crc(&bytes, nonce) {
                // One that was never written is all zeros.
                in_doubt |= bytes != [0; MARK_BYTES];
            } else if mark.count > newest.count {
                newest = mark;
            }
        }
        Ok(Self { in_doubt, ..newest })
    }
}

fn mark_crc(bytes: &[u8; MARK_BYTES], nonce: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&nonce.to_be_bytes()), &bytes[..24])
}

fn number_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from_be_bytes(*chunk))
}

/// Fills the buffer, or says that the file is shorter.
pub(crate) fn read_whole(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

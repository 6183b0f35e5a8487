//! How much of a segment is read to find its records, whatever is in it.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::{
    frame::SYNC,
    recovery::{Scanned, scan},
};

const SEGMENT_BYTES: usize = 16 << 20;

/// A file in memory that counts what is read of it.
struct Counted {
    bytes: Vec<u8>,
    read: AtomicU64,
}

impl DiskFile for Counted {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        let rest = usize::try_from(offset).ok().and_then(|offset| self.bytes.get(offset..));
        let part = rest.and_then(|rest| rest.get(..buffer.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(part);
        Ok(())
    }
    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A segment with records of these sizes, and behind them nothing but the word that begins a frame, as in a file that is used again for
/// what a hostile sender filled it with; and its nonce.
fn segment(payloads: &[usize]) -> (Vec<u8>, u64) {
    let directory = tempdir().unwrap();
    let options = Options { segment_bytes: SEGMENT_BYTES as u64, prefill: false, ..Options::default() };
    let (journal, ..) = open(directory.path(), options);
    for &bytes in payloads {
        let payload = SYNC.repeat(bytes / SYNC.len());
        journal.append_wait(1, b"tag", vec![payload.into()]).unwrap();
    }
    journal.close().unwrap();
    let mut bytes = fs::read(&segment_files(directory.path())[0]).unwrap();
    let missing = SEGMENT_BYTES - bytes.len();
    bytes.extend(SYNC.iter().cycle().take(missing));
    let nonce = u64::from_be_bytes(bytes[16..24].try_into().unwrap());
    (bytes, nonce)
}

/// Scans it; at most three times as much as it has is read.
fn scanned(bytes: Vec<u8>, nonce: u64) -> Scanned {
    let file = Counted { bytes, read: AtomicU64::new(0) };
    let scanned = scan(&file, SEGMENT_BYTES as u64, nonce).unwrap();
    let read = file.read.load(Ordering::Relaxed);
    assert!(read <= 3 * SEGMENT_BYTES as u64, "{read} bytes are read");
    scanned
}

const PAYLOADS: [usize; 9] = [0, 8, 5000, 262_116, 262_120, 262_144, 700_000, 3_000_000, 16];

#[test]
fn a_segment_full_of_what_could_begin_a_record_is_read_once() {
    let (bytes, nonce) = segment(&PAYLOADS);
    let scanned = scanned(bytes, nonce);
    let found: Vec<usize> = scanned.entries.iter().map(|entry| entry.payload_len as usize).collect();
    assert_eq!((found.as_slice(), scanned.gaps.as_slice()), (PAYLOADS.as_slice(), [].as_slice()));
    assert!(scanned.entries.iter().all(|entry| entry.tag == b"tag"));
}

#[test]
fn so_is_one_whose_records_are_damaged_and_what_is_behind_them_is_found() {
    let (mut bytes, nonce) = segment(&PAYLOADS);
    // The end of each payload but the last one's.
    let mut at = 4096;
    let ends: Vec<usize> = PAYLOADS
        .iter()
        .map(|&payload| {
            at += (24 + 3 + payload).next_multiple_of(8);
            at
        })
        .collect();
    for end in &ends[1..8] {
        bytes[end - 8] ^= 1;
    }
    let scanned = scanned(bytes, nonce);
    let found: Vec<usize> = scanned.entries.iter().map(|entry| entry.payload_len as usize).collect();
    assert_eq!(found, [0, 16]);
    assert_eq!(scanned.gaps, [(ends[0] as u64, (ends[7] - ends[0]) as u64)]);
}

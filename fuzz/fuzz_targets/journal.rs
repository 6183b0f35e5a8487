//! Any bytes as the files of a journal: it opens, reads what it lists, takes records, and has them after another opening. Nothing is
//! destroyed that could not be read.

#![no_main]

use std::{fs, path::Path};

use arbitrary::Arbitrary;
use inhaul_journal::{Journal, Location, OpenError, Options, Recovery};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    records: Vec<(u8, Vec<u8>)>,
    edits: Vec<Edit>,
    index: Index,
    sealed: bool,
}

/// What is done to the bytes of a segment.
#[derive(Arbitrary, Debug)]
enum Edit {
    Set { at: u16, byte: u8 },
    Put { at: u16, bytes: Vec<u8> },
    Cut { at: u16 },
    Move { from: u16, to: u16, count: u8 },
}

/// A side index beside it.
#[derive(Arbitrary, Debug)]
enum Index {
    None,
    Bytes(Vec<u8>),
    /// With a checksum and the segment's own numbers.
    Listing { end: u16, entries: Vec<(u16, u32, u8, Vec<u8>)> },
}

fn options() -> Options {
    Options { segment_bytes: 16 << 10, on_moved: Some(Box::new(|_| true)), stepped: true, ..Options::default() }
}

/// Opens it; what is listed is read or refused, and nothing more is read than is there.
fn open(directory: &Path) -> Option<(Journal, Recovery, Vec<Location>)> {
    let mut found = Vec::new();
    match Journal::open(directory, options(), &mut |location, _, _| found.push(location)) {
        Ok((journal, recovery)) => {
            for location in &found {
                if let Ok(record) = journal.read(*location) {
                    assert_eq!(record.payload.len(), location.len as usize);
                }
            }
            Some((journal, recovery, found))
        }
        Err(OpenError::Version { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn edit(bytes: &mut Vec<u8>, edit: &Edit) {
    let within = |at: u16, bytes: &[u8]| usize::from(at).min(bytes.len().saturating_sub(1));
    if bytes.is_empty() {
        return;
    }
    match edit {
        Edit::Set { at, byte } => {
            let at = within(*at, bytes);
            bytes[at] = *byte;
        }
        Edit::Put { at, bytes: put } => {
            let at = within(*at, bytes);
            let end = (at + put.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&put[..end - at]);
        }
        Edit::Cut { at } => bytes.truncate(within(*at, bytes)),
        Edit::Move { from, to, count } => {
            let (from, to) = (within(*from, bytes), within(*to, bytes));
            let count = usize::from(*count).min(bytes.len() - from.max(to));
            bytes.copy_within(from..from + count, to);
        }
    }
}

fn side_index(index: &Index, segment: &[u8]) -> Option<Vec<u8>> {
    match index {
        Index::None => None,
        Index::Bytes(bytes) => Some(bytes.clone()),
        Index::Listing { end, entries } => {
            let mut out = b"INHAULX1".to_vec();
            out.extend_from_slice(segment.get(8..24)?);
            out.extend_from_slice(&u64::from(*end).to_be_bytes());
            out.extend_from_slice(&u32::try_from(entries.len()).ok()?.to_be_bytes());
            for (offset, len, kind, tag) in entries {
                let tag = &tag[..tag.len().min(255)];
                out.extend_from_slice(&u64::from(*offset).to_be_bytes());
                out.extend_from_slice(&len.to_be_bytes());
                out.extend_from_slice(&[*kind, u8::try_from(tag.len()).ok()?]);
                out.extend_from_slice(tag);
            }
            let crc = crc32c::crc32c(&out);
            out.extend_from_slice(&crc.to_be_bytes());
            Some(out)
        }
    }
}

fuzz_target!(|input: Input| {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
    let path = directory.path();
    let (journal, ..) = open(path).expect("an empty journal opens");
    for (kind, payload) in input.records.iter().take(20) {
        journal.append_wait(*kind, &[*kind], vec![payload.clone().into()]).expect("it is stored");
    }
    if input.sealed {
        journal.append_wait(9, b"", vec![vec![7; 20_000].into()]).expect("it is stored");
    }
    journal.close().expect("it closes");
    let first = path.join("0000000000000001.seg");
    let mut bytes = fs::read(&first).unwrap_or_default();
    input.edits.iter().for_each(|change| edit(&mut bytes, change));
    if let Some(index) = side_index(&input.index, &bytes) {
        fs::write(first.with_extension("idx"), index).expect("it is written");
    }
    fs::write(&first, &bytes).expect("it is written");

    let Some((journal, _, found)) = open(path) else { return };
    let new = journal.append_wait(8, b"new", vec![vec![1; 100].into()]).expect("it takes records");
    for location in found {
        journal.release(location);
    }
    journal.step();
    let new_is_there = journal.read(new).is_ok();
    journal.close().expect("it closes");
    let (journal, _, found) = open(path).expect("it opens again");
    let again = found.iter().filter_map(|location| journal.read(*location).ok());
    assert!(!new_is_there || again.into_iter().any(|record| record.kind == 8), "the new record is gone");
});

//! Any bytes as the files of a journal: it opens, reads what it lists, takes records, and has them after another opening. Nothing is
//! destroyed that could not be read.

#[expect(dead_code, reason = "the simulation needs more of it")]
#[path = "../../tests/sim/disk.rs"]
mod disk;

use std::{path::Path, sync::Arc};

use arbitrary::{Arbitrary, Unstructured};
use disk::SimDisk;
use inhaul_journal::{Disk, Journal, Location, OpenError, Options};

/// Where the journal is, on a disk in memory.
const DIRECTORY: &str = "/journal";

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
    Listing {
        end: u16,
        entries: Vec<(u16, u32, u8, Vec<u8>)>,
    },
}

fn options() -> Options {
    Options {
        segment_bytes: 16 << 10,
        on_moved: Some(Box::new(|_| true)),
        stepped: true,
        ..Options::default()
    }
}

/// Opens it; what is listed is read or refused, and nothing more is read than is there.
fn open(disk: &SimDisk) -> Option<(Journal, Vec<Location>)> {
    let mut found = Vec::new();
    let opened =
        Journal::open_on(Arc::new(disk.clone()), Path::new(DIRECTORY), options(), &mut |location, _, _| {
            found.push(location);
        });
    match opened {
        Ok((journal, _)) => {
            for location in &found {
                if let Ok(record) = journal.read(*location) {
                    assert_eq!(record.payload.len(), location.len as usize);
                }
            }
            Some((journal, found))
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

fn write(disk: &SimDisk, path: &Path, bytes: &[u8]) {
    let file = disk.make(path).expect("it is made");
    file.set_len(0).and_then(|()| file.write_all_at(bytes, 0)).expect("it is written");
}

fn read(disk: &SimDisk, path: &Path) -> Vec<u8> {
    let Ok(file) = disk.open(path) else { return Vec::new() };
    let mut bytes = vec![0; usize::try_from(file.bytes().expect("it is there")).expect("it is small")];
    file.read_exact_at(&mut bytes, 0).expect("it is read");
    bytes
}

pub(crate) fn check(bytes: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let disk = SimDisk::new(0);
    let (journal, _) = open(&disk).expect("an empty journal opens");
    for (kind, payload) in input.records.iter().take(20) {
        journal.append_wait(*kind, &[*kind], vec![payload.clone().into()]).expect("it is stored");
    }
    if input.sealed {
        journal.append_wait(9, b"", vec![vec![7; 20_000].into()]).expect("it is stored");
    }
    journal.close().expect("it closes");
    let first = Path::new(DIRECTORY).join("0000000000000001.seg");
    let mut bytes = read(&disk, &first);
    input.edits.iter().for_each(|change| edit(&mut bytes, change));
    if let Some(index) = side_index(&input.index, &bytes) {
        write(&disk, &first.with_extension("idx"), &index);
    }
    write(&disk, &first, &bytes);

    let Some((journal, found)) = open(&disk) else { return };
    let new = journal.append_wait(8, b"new", vec![vec![1; 100].into()]).expect("it takes records");
    assert!(journal.read(new).is_ok(), "the new record is not read");
    found.iter().for_each(|location| journal.release(*location));
    // What is left in little-used segments moves.
    journal.step();
    journal.close().expect("it closes");
    let (journal, found) = open(&disk).expect("it opens again");
    let mut again = found.iter().filter_map(|location| journal.read(*location).ok());
    assert!(again.any(|record| record.kind == 8 && record.tag == "new"), "the new record is gone");
}

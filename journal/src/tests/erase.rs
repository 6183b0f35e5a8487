//! Records that were erased: gone from the files, and everything else as it was.

use std::os::unix::fs::MetadataExt;

use proptest::prelude::*;

use super::*;
use crate::frame::{Erased, FrameHeader, HEADER_BYTES, Place};

fn erasure(range: std::ops::RangeInclusive<Location>, tag: &[u8]) -> Erasure {
    Erasure { range, tag: Bytes::copy_from_slice(tag) }
}

/// Whether any file of a journal holds these bytes.
fn holds(directory: &Path, wanted: &[u8]) -> bool {
    let files = fs::read_dir(directory).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(wanted.len()).any(|window| window == wanted))
}

#[test]
fn an_erased_record_is_gone_and_the_others_stay_also_after_an_opening() {
    for segment_bytes in [64 * 1024, 1 << 20] {
        let dir = tempdir().unwrap();
        let options = || Options { segment_bytes, ..Options::default() };
        let (journal, ..) = open(dir.path(), options());
        let write = |kind, tag: &[u8], text: &str| {
            journal.append_wait(kind, tag, vec![Bytes::copy_from_slice(text.repeat(500).as_bytes())]).unwrap()
        };
        let first = write(1, b"one", "secret of one");
        let other = write(1, b"two", "secret of two");
        let padding: Vec<Location> = (0..9).map(|number| append(&journal, number, 9000)).collect();
        let last = write(2, b"one", "later secret of one");
        let kept = write(7, b"one", "no secret of one");
        let all = first..=kept;
        journal.erase(&[erasure(all.clone(), b"one")], &|kind| kind != 7).unwrap();
        journal.erase(&[erasure(all.clone(), b"one")], &|kind| kind != 7).unwrap();
        let is_right = |journal: &Journal| {
            for (location, kind) in [(first, 1), (last, 2)] {
                let record = journal.read(location).unwrap();
                assert_eq!(
                    (record.kind, &record.tag[..], &record.payload[..]),
                    (kind, &b"one"[..], &b""[..])
                );
            }
            assert_eq!(journal.read(other).unwrap().payload, "secret of two".repeat(500));
            assert_eq!(journal.read(kept).unwrap().payload, "no secret of one".repeat(500));
            padding.iter().for_each(|place| drop(journal.read(*place).unwrap()));
            assert!(!holds(dir.path(), b"et of oneset of one") && !holds(dir.path(), b"later secret"));
        };
        is_right(&journal);
        append(&journal, 10, 100);
        journal.close().unwrap();
        for _ in 0..2 {
            let (journal, recovery, found) = open(dir.path(), options());
            assert_eq!((recovery.problems(), found.len()), (vec![], 14));
            is_right(&journal);
            journal.close().unwrap();
            // Without side indexes every segment is read through.
            for entry in fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
                if entry.path().extension().is_some_and(|extension| extension == "idx") {
                    fs::remove_file(entry.path()).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_large_record_gives_its_blocks_back() {
    let dir = tempdir().unwrap();
    let (journal, ..) = open(dir.path(), Options { prefill: false, ..Options::default() });
    let blocks = || -> u64 {
        let entries = fs::read_dir(dir.path()).unwrap();
        entries.map(|entry| entry.unwrap().metadata().unwrap().blocks()).sum()
    };
    let location = append(&journal, 1, 4 << 20);
    let before = blocks();
    journal.erase(&[erasure(location..=location, &1_u64.to_be_bytes())], &|_| true).unwrap();
    // Where the file system has no holes it is overwritten, and as large as before.
    assert!(blocks() <= before);
    assert_eq!(journal.read(location).unwrap().payload, Bytes::new());
    journal.close().unwrap();
}

/// A kill between the first header and the payload: nothing reads the payload, and erasing again ends it.
#[test]
fn what_was_begun_is_ended_when_it_is_done_again() {
    let dir = tempdir().unwrap();
    let (journal, ..) = open(dir.path(), small());
    let location = journal.append_wait(1, b"one", vec![Bytes::from_static(b"a secret")]).unwrap();
    journal.close().unwrap();
    let path = crate::segment::path(dir.path(), location.segment);
    let mut bytes = fs::read(&path).unwrap();
    let nonce = u64::from_be_bytes(bytes[16..24].try_into().unwrap());
    let place = Place { nonce, offset: location.offset };
    let at = usize::try_from(location.offset).unwrap();
    let header = FrameHeader::decode(&bytes[at..], place).unwrap();
    let body_crc = place.erased_body_crc(b"one", header.payload_len);
    let begun = FrameHeader { erased: Erased::Begun, body_crc, ..header };
    bytes[at..at + HEADER_BYTES].copy_from_slice(&begun.encode(place));
    fs::write(&path, bytes).unwrap();
    let (journal, recovery, found) = open(dir.path(), small());
    assert_eq!((recovery.problems(), found.len()), (vec![], 1));
    assert_eq!(journal.read(location).unwrap().payload, Bytes::new());
    assert!(holds(dir.path(), b"a secret"));
    journal.erase(&[erasure(location..=location, b"one")], &|_| true).unwrap();
    assert!(!holds(dir.path(), b"a secret"));
    journal.close().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// A kill between the header and the payload leaves any part of the payload.
    #[test]
    fn what_is_left_of_a_payload_is_not_looked_at(len in 1..5000_usize, left in 0..5000_usize, salt in any::<u8>()) {
        let dir = tempdir().unwrap();
        let (journal, ..) = open(dir.path(), small());
        let location = append(&journal, 1, len);
        append(&journal, 2, 50);
        journal.erase(&[erasure(location..=location, &1_u64.to_be_bytes())], &|_| true).unwrap();
        journal.close().unwrap();
        let segment = crate::segment::path(dir.path(), location.segment);
        let file = OpenOptions::new().write(true).open(segment).unwrap();
        let rest = vec![salt; left.min(location.len as usize)];
        std::os::unix::fs::FileExt::write_all_at(&file, &rest, location.offset + 24 + 8).unwrap();
        let (journal, recovery, found) = open(dir.path(), small());
        prop_assert_eq!((recovery.problems(), found.len()), (vec![], 2));
        prop_assert_eq!(journal.read(location).unwrap().payload, Bytes::new());
        journal.close().unwrap();
    }
}

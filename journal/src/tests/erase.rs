//! Records that were erased: gone from the files, and everything else as it was.

use std::{collections::HashSet, os::unix::fs::MetadataExt, sync::atomic::AtomicU64};

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
        assert!(holds(dir.path(), b"secret of onesecret") && holds(dir.path(), b"later secret"));
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
            // What stays says "no secret of one", and never this.
            assert!(!holds(dir.path(), b"secret of onesecret") && !holds(dir.path(), b"later secret"));
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

/// Whether a file here can give blocks in its middle back.
fn has_holes(directory: &Path) -> bool {
    let path = directory.join("holes");
    fs::write(&path, vec![1; 1 << 20]).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.sync_all().unwrap();
    let before = file.metadata().unwrap().blocks();
    let has = punch(&file) && file.metadata().unwrap().blocks() < before;
    fs::remove_file(path).unwrap();
    has
}

#[cfg(target_os = "linux")]
fn punch(file: &fs::File) -> bool {
    use rustix::fs::{FallocateFlags, fallocate};
    fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, 1 << 19).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn punch(_: &fs::File) -> bool {
    false
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
    if has_holes(dir.path()) {
        assert!(blocks() + (4 << 20) / 512 <= before + 16, "{} blocks, {before} before", blocks());
    } else {
        println!("skipped: the file system has no holes");
    }
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

/// A journal's file with three records, the header of the second across two sectors, and where that is. Its nonce.
fn across_sectors(at: u64) -> (TempDir, PathBuf, Location, u64) {
    let dir = tempdir().unwrap();
    let (journal, ..) = open(dir.path(), small());
    let filling = usize::try_from(at).unwrap() - 2 * (24 + 8);
    append(&journal, 1, 512 - 24 - 8);
    append(&journal, 2, filling + 24 + 8);
    let location = append(&journal, 3, 1000);
    append(&journal, 4, 100);
    journal.close().unwrap();
    assert_eq!(location.offset % 512, at);
    let path = crate::segment::path(dir.path(), location.segment);
    let nonce = u64::from_be_bytes(fs::read(&path).unwrap()[16..24].try_into().unwrap());
    (dir, path, location, nonce)
}

/// The power goes while a header is rewritten that two sectors have: one of them is as before.
#[test]
fn a_header_that_a_power_cut_tore_is_read_and_its_record_is_erased_when_that_is_done_again() {
    for at in [496, 504] {
        for (from, to) in [(Erased::No, Erased::Begun), (Erased::Begun, Erased::Done)] {
            for first_is_new in [false, true] {
                let (dir, path, location, nonce) = across_sectors(at);
                let place = Place { nonce, offset: location.offset };
                let mut bytes = fs::read(&path).unwrap();
                let start = usize::try_from(location.offset).unwrap();
                let whole = FrameHeader::decode(&bytes[start..], place).unwrap();
                let body_crc = place.erased_body_crc(&3_u64.to_be_bytes(), location.len);
                let state = |erased| match erased {
                    Erased::No => whole.encode(place),
                    Erased::Begun | Erased::Done => FrameHeader { erased, body_crc, ..whole }.encode(place),
                };
                let (first, second) = if first_is_new { (to, from) } else { (from, to) };
                let border = 512 - usize::try_from(at).unwrap();
                bytes[start..start + border].copy_from_slice(&state(first)[..border]);
                bytes[start + border..start + HEADER_BYTES].copy_from_slice(&state(second)[border..]);
                if to == Erased::Done {
                    bytes[start + HEADER_BYTES + 8..start + HEADER_BYTES + 8 + 1000].fill(0);
                }
                fs::write(&path, bytes).unwrap();
                let (journal, recovery, found) = open(dir.path(), small());
                assert_eq!((recovery.problems(), found.len()), (vec![], 4), "{at} {from:?} {first_is_new}");
                let read = journal.read(location).unwrap().payload;
                assert!(read.is_empty() || (from == Erased::No && read == payload(3, 1000)));
                journal.erase(&[erasure(location..=location, &3_u64.to_be_bytes())], &|_| true).unwrap();
                assert_eq!(journal.read(location).unwrap().payload, Bytes::new());
                assert!(!holds(dir.path(), &[3; 20]));
                journal.close().unwrap();
                let (journal, recovery, _) = open(dir.path(), small());
                assert_eq!(recovery.problems(), Vec::<String>::new());
                assert_eq!(journal.read(location).unwrap().payload, Bytes::new());
            }
        }
    }
}

/// The place and the length are known, so what the header was to say is too.
#[test]
fn a_record_with_a_damaged_header_is_erased() {
    let dir = tempdir().unwrap();
    let (journal, ..) = open(dir.path(), small());
    let location = append(&journal, 3, 1000);
    let segment = crate::segment::path(dir.path(), location.segment);
    let file = OpenOptions::new().write(true).open(segment).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xff; 4], location.offset + 12).unwrap();
    assert!(matches!(journal.read(location), Err(ReadError::Damaged(_))));
    journal.erase(&[erasure(location..=location, &3_u64.to_be_bytes())], &|_| true).unwrap();
    assert!(!holds(dir.path(), &[3; 20]));
    assert_eq!(journal.read(location).unwrap().payload, Bytes::new());
}

/// A device that loses what was written. As the system does, each opening of a file there was then is told once, when it syncs next.
#[derive(Default)]
struct Losing {
    /// With the next write it loses what was written, and this is done.
    next_write: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// The last opening that did anything.
    last: AtomicU64,
    /// Openings up to this one are to be told.
    lost: Mutex<Option<u64>>,
    told: Mutex<HashSet<u64>>,
}

impl Losing {
    fn before(&self, act: &Act<'_>) -> io::Result<()> {
        let last = self.last.fetch_max(act.handle, Ordering::SeqCst).max(act.handle);
        match act.what {
            What::Read(_) | What::Allocate(_) => {}
            What::Write(_) => {
                let then = self.next_write.lock().unwrap().take();
                if let Some(then) = then {
                    *self.lost.lock().unwrap() = Some(last);
                    then();
                }
            }
            What::Sync => {
                let lost = self.lost.lock().unwrap().is_some_and(|last| act.handle <= last);
                if lost && self.told.lock().unwrap().insert(act.handle) {
                    return Err(io::Error::other("the device lost it"));
                }
            }
        }
        Ok(())
    }
}

#[test]
fn that_the_device_lost_something_is_told_to_whoever_erases_and_to_whoever_appends() {
    for append_is_first in [false, true] {
        let dir = tempdir().unwrap();
        let device = Arc::new(Losing::default());
        let asked = Arc::clone(&device);
        let disk = Arc::new(HookedDisk::new(move |act| asked.before(act)));
        let (journal, _) = Journal::open_on(disk, dir.path(), small(), &mut |_, _, _| ()).unwrap();
        let first = append(&journal, 1, 100);
        let to_append = journal.clone();
        let refused = move || {
            let appended = to_append.append_wait(1, &2_u64.to_be_bytes(), vec![payload(2, 100)]);
            assert!(matches!(appended, Err(AppendError::Io(_))), "{append_is_first}");
        };
        let erase = || journal.erase(&[erasure(first..=first, &1_u64.to_be_bytes())], &|_| true);
        if append_is_first {
            *device.next_write.lock().unwrap() = Some(Box::new(refused));
            assert!(matches!(erase(), Err(ReadError::Io { .. })));
        } else {
            *device.next_write.lock().unwrap() = Some(Box::new(|| ()));
            assert!(matches!(erase(), Err(ReadError::Io { .. })));
            refused();
        }
        append(&journal, 3, 100);
        erase().unwrap();
        journal.close().unwrap();
        let (journal, recovery, found) = open(dir.path(), small());
        assert_eq!((recovery.problems(), found.len()), (vec![], 2));
        assert_eq!(journal.read(first).unwrap().payload, Bytes::new());
    }
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

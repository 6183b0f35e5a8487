//! Tests of the journal as a whole.

mod damage;
mod erase;
mod moving;
mod ready;
mod scan;

use std::{
    fs::{self, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tempfile::{TempDir, tempdir};

use super::{
    testing::{Act, HookedDisk, What},
    *,
};

type Found = Vec<(Location, u8, Vec<u8>)>;

fn small() -> Options {
    Options { segment_bytes: 64 * 1024, ..Options::default() }
}

fn open(directory: &Path, options: Options) -> (Journal, Recovery, Found) {
    let mut found = Vec::new();
    let (journal, recovery) = Journal::open(directory, options, &mut |location, kind, tag| {
        found.push((location, kind, tag.to_vec()));
    })
    .unwrap();
    (journal, recovery, found)
}

fn payload(number: u64, len: usize) -> Bytes {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(len.max(8), u8::try_from(number % 251).unwrap());
    bytes.into()
}

fn append(journal: &Journal, number: u64, len: usize) -> Location {
    journal.append_wait(1, &number.to_be_bytes(), vec![payload(number, len)]).unwrap()
}

/// The numbers of the records found, each read and compared whole.
fn numbers(journal: &Journal, found: &Found) -> Vec<u64> {
    let check = |(location, kind, tag): &(Location, u8, Vec<u8>)| {
        let record = journal.read(*location).unwrap();
        assert_eq!((record.kind, record.tag.as_ref()), (*kind, tag.as_slice()));
        let number = u64::from_be_bytes(tag.as_slice().try_into().unwrap());
        assert_eq!(record.payload, payload(number, record.payload.len()));
        number
    };
    found.iter().map(check).collect()
}

fn segment_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    files.sort();
    files
}

#[test]
fn what_is_appended_is_read_now_and_after_reopening_in_order() {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), small());
    for number in 0..500 {
        let location = append(&journal, number, 700);
        assert_eq!(journal.read(location).unwrap().payload, payload(number, 700));
    }
    assert!(journal.stats().segments > 3);
    journal.close().unwrap();
    let (journal, recovery, found) = open(directory.path(), small());
    assert_eq!(recovery, Recovery { records: 500, ..Recovery::default() });
    assert_eq!(numbers(&journal, &found), (0..500).collect::<Vec<_>>());
    let mut locations: Vec<_> = found.iter().map(|record| record.0).collect();
    locations.sort();
    assert!(locations.iter().zip(&found).all(|(sorted, record)| *sorted == record.0));
    assert_eq!(
        append(&journal, 500, 10).segment,
        locations.last().unwrap().segment,
        "the open segment goes on"
    );
}

#[test]
fn a_record_larger_than_a_segment_has_one_of_its_own() {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), small());
    append(&journal, 1, 10);
    append(&journal, 2, 3_000_000);
    append(&journal, 3, 10);
    journal.close().unwrap();
    let (journal, _, found) = open(directory.path(), small());
    assert_eq!(numbers(&journal, &found), [1, 2, 3]);
}

/// As those of an earlier release are, which also kept empty ones for reuse.
#[test]
fn segments_that_are_larger_than_new_ones_are_read_and_go_when_nobody_needs_them() {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), Options { segment_bytes: 256 * 1024, ..Options::default() });
    for number in 0..1000 {
        let location = append(&journal, number, 700);
        if number < 400 {
            journal.release(location);
        }
    }
    journal.close().unwrap();
    let (journal, recovery, found) = open(directory.path(), small());
    let mut expected = numbers(&journal, &found);
    assert_eq!(recovery.problems(), Vec::<String>::new());
    assert_eq!(expected.last(), Some(&999));
    for number in 1000..1300 {
        append(&journal, number, 700);
        expected.push(number);
    }
    journal.close().unwrap();
    let (journal, recovery, found) = open(directory.path(), small());
    assert_eq!(recovery.problems(), Vec::<String>::new());
    assert_eq!(numbers(&journal, &found), expected);
    for (location, ..) in found {
        journal.release(location);
    }
    append(&journal, 1300, 10);
    let deadline = Instant::now() + Duration::from_secs(60);
    while journal.stats().bytes_on_disk > 6 * 64 * 1024 {
        assert!(Instant::now() < deadline, "{:?}", journal.stats());
        thread::yield_now();
    }
}

#[test]
fn many_threads_share_syncs_and_each_keeps_its_order() {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), Options::default());
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let journal = &journal;
            scope.spawn(move || {
                let (done, outcomes) = mpsc::channel();
                for number in 0..100 {
                    let done = done.clone();
                    let tag = (thread * 1000 + number).to_be_bytes();
                    let part = payload(thread * 1000 + number, 50);
                    journal.append(1, tag, vec![part], move |written| done.send(written).unwrap()).unwrap();
                }
                drop(done);
                assert_eq!(outcomes.iter().filter(Result::is_ok).count(), 100);
            });
        }
    });
    let stats = journal.stats();
    assert_eq!(stats.appends, 800);
    assert!(stats.syncs < stats.appends, "{} syncs", stats.syncs);
    journal.close().unwrap();
    let (journal, _, found) = open(directory.path(), Options::default());
    let found = numbers(&journal, &found);
    for thread in 0..8 {
        let own: Vec<_> = found.iter().copied().filter(|number| number / 1000 == thread).collect();
        assert_eq!(own, (thread * 1000..thread * 1000 + 100).collect::<Vec<_>>());
    }
}

#[test]
fn a_second_handle_is_refused_until_the_first_is_closed() {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), small());
    let second = Journal::open(directory.path(), small(), &mut |_, _, _| ());
    assert!(matches!(second, Err(OpenError::Locked(_))));
    let clone = journal.clone();
    journal.close().unwrap();
    assert!(matches!(clone.append_wait(1, b"", vec![]), Err(AppendError::Closed)));
    open(directory.path(), small());
}

#[test]
fn space_comes_back_and_nothing_live_is_lost() {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), small());
    let mut kept = Vec::new();
    for number in 0..2000 {
        let location = append(&journal, number, 700);
        if number % 500 == 0 {
            kept.push((number, location));
        } else {
            journal.release(location);
        }
    }
    let stats = journal.stats();
    assert_eq!(stats.live_records, kept.len() as u64);
    assert!(stats.bytes_on_disk < 10 * 64 * 1024, "{} bytes", stats.bytes_on_disk);
    for (number, location) in &kept {
        assert_eq!(journal.read(*location).unwrap().payload, payload(*number, 700));
    }
    journal.close().unwrap();
    let (journal, _, found) = open(directory.path(), small());
    let found = numbers(&journal, &found);
    assert!(kept.iter().all(|(number, _)| found.contains(number)));
}

#[test]
fn a_segment_kept_alive_by_little_is_moved_and_given_back() {
    let directory = tempdir().unwrap();
    let places = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&places);
    let options = Options {
        on_moved: Some(Box::new(move |moved| {
            let mut places: std::sync::MutexGuard<'_, Vec<(u64, Location)>> = seen.lock().unwrap();
            places
                .iter_mut()
                .filter(|(_, place)| *place == moved.from)
                .for_each(|(_, place)| *place = moved.to);
            true
        })),
        ..small()
    };
    let (journal, ..) = open(directory.path(), options);
    let first = append(&journal, 0, 700);
    places.lock().unwrap().push((0, first));
    for number in 1..1000 {
        let location = append(&journal, number, 700);
        journal.release(location);
    }
    append(&journal, 1000, 10);
    let place = places.lock().unwrap()[0].1;
    assert!(place > first, "{place:?}");
    assert_eq!(journal.read(place).unwrap().payload, payload(0, 700));
    assert!(matches!(journal.read(first), Err(ReadError::Missing(_))));
}

#[test]
fn what_is_spread_thin_over_the_segments_is_moved_without_further_appends() {
    let directory = tempdir().unwrap();
    let options = Options { on_moved: Some(Box::new(|_| true)), ..small() };
    let (journal, ..) = open(directory.path(), options);
    let locations: Vec<_> = (0..1000).map(|number| append(&journal, number, 700)).collect();
    let before = journal.stats().segments;
    // The last segment is still written and stays.
    let sealed = locations.iter().filter(|location| location.segment < locations[999].segment);
    for (_, location) in sealed.enumerate().filter(|(number, _)| number % 3 != 0) {
        journal.release(*location);
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while journal.stats().segments * 2 > before + 2 {
        assert!(Instant::now() < deadline, "{:?}, {before} segments before", journal.stats());
        thread::yield_now();
    }
}

#[test]
fn a_missing_or_damaged_side_index_is_made_again() {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), small());
    for number in 0..300 {
        append(&journal, number, 700);
    }
    journal.close().unwrap();
    let mut indexes: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    indexes.retain(|path| path.extension().is_some_and(|extension| extension == "idx"));
    assert!(indexes.len() >= 3);
    fs::remove_file(&indexes[0]).unwrap();
    let mut bytes = fs::read(&indexes[1]).unwrap();
    bytes[50] ^= 1;
    fs::write(&indexes[1], bytes).unwrap();
    let (journal, recovery, found) = open(directory.path(), small());
    assert!(recovery.problems().is_empty());
    assert_eq!(numbers(&journal, &found), (0..300).collect::<Vec<_>>());
    assert!(indexes[0].exists());
}

/// A journal of one open segment with 40 records, as files.
fn forty() -> (TempDir, Found) {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), small());
    for number in 0..40 {
        append(&journal, number, 100);
    }
    journal.close().unwrap();
    let (journal, _, found) = open(directory.path(), small());
    journal.close().unwrap();
    (directory, found)
}

#[test]
fn every_cut_of_the_file_keeps_what_is_before_it_and_is_reported() {
    let (directory, found) = forty();
    let file = segment_files(directory.path()).remove(0);
    let whole = fs::read(&file).unwrap();
    let last = found.last().unwrap().0.offset;
    for cut in (4096..last).step_by(37) {
        fs::write(&file, &whole[..usize::try_from(cut).unwrap()]).unwrap();
        let (journal, recovery, left) = open(directory.path(), small());
        let expected: Vec<u64> = (0..40)
            .filter(|number| {
                let index = usize::try_from(*number).unwrap();
                found[index].0.offset + 24 + 8 + 100 <= cut
            })
            .collect();
        assert_eq!(numbers(&journal, &left), expected, "cut at {cut}");
        assert_eq!(recovery.problems().len(), 1, "cut at {cut}: {recovery:?}");
        drop(journal);
    }
}

#[test]
fn every_flipped_bit_loses_at_most_its_own_record_and_is_reported() {
    let (directory, found) = forty();
    let file = segment_files(directory.path()).remove(0);
    let whole = fs::read(&file).unwrap();
    let end = usize::try_from(found.last().unwrap().0.offset).unwrap() + 136;
    for at in (4096..end).step_by(11) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&file, damaged).unwrap();
        let (journal, recovery, left) = open(directory.path(), small());
        let left = numbers(&journal, &left);
        assert!(left.len() >= 39, "bit at {at}: {} left", left.len());
        if left.len() == 39 {
            assert_eq!(recovery.problems().len(), 1, "bit at {at}: {recovery:?}");
        }
    }
}

#[test]
fn any_bytes_as_a_segment_are_no_panic_and_nothing_is_destroyed() {
    let directory = tempdir().unwrap();
    let mut state = 88_172_645_463_325_252_u64;
    for round in 0..30_usize {
        let bytes: Vec<u8> = (0..5000 + round * 100)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_be_bytes()[0]
            })
            .collect();
        let name = format!("{round:016x}.seg");
        fs::write(directory.path().join(&name), bytes).unwrap();
        let (_, recovery, found) = open(directory.path(), small());
        assert!(found.is_empty());
        assert_eq!(recovery.set_aside, [directory.path().join(format!("{name}.damaged"))]);
        assert!(recovery.set_aside[0].exists());
    }
}

#[test]
fn a_later_format_is_refused_and_left_alone() {
    let (directory, _) = forty();
    let path = segment_files(directory.path()).remove(0);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    for copy in [0, 2048] {
        let mut header = [0; 24];
        header[..8].copy_from_slice(b"INHAULJ2");
        file.write_all_at(&header, copy).unwrap();
        file.write_all_at(&crc32c::crc32c(&header).to_be_bytes(), copy + 24).unwrap();
    }
    let before = fs::read(&path).unwrap();
    let opened = Journal::open(directory.path(), small(), &mut |_, _, _| ());
    assert!(matches!(opened, Err(OpenError::Version { found, .. }) if found == "INHAULJ2"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// The bytes of format 1. They must stay readable for ever: never edit, only add a format.
#[test]
fn the_golden_segment_is_read() {
    let directory = tempdir().unwrap();
    if let Some(path) = std::env::var_os("INHAUL_WRITE_GOLDEN") {
        let (journal, ..) = open(directory.path(), Options { prefill: false, ..small() });
        for number in 7..10 {
            append(&journal, number, 20);
        }
        journal.close().unwrap();
        fs::copy(&segment_files(directory.path())[0], path).unwrap();
        return;
    }
    let golden = include_bytes!("../../assets/golden/journal-v1.seg");
    fs::write(directory.path().join("0000000000000001.seg"), golden).unwrap();
    let (journal, recovery, found) = open(directory.path(), small());
    assert!(recovery.problems().is_empty());
    assert_eq!(numbers(&journal, &found), [7, 8, 9]);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), Options { queue_records: 2, ..small() });
    let (hold, held) = mpsc::channel::<()>();
    let (started, start) = mpsc::channel();
    journal
        .append(1, b"", vec![], move |_| {
            started.send(()).unwrap();
            held.recv().unwrap();
        })
        .unwrap();
    start.recv().unwrap();
    for _ in 0..2 {
        journal.append(1, b"", vec![], |_| ()).unwrap();
    }
    assert!(matches!(journal.append(1, b"", vec![], |_| ()), Err(AppendError::Full)));
    hold.send(()).unwrap();
    assert!(matches!(journal.append(1, [0; 256], vec![], |_| ()), Err(AppendError::TooLarge)));
}

/// A disk that fails the next so many writes, or so many syncs after some that it makes, or has room for so many bytes of segments.
#[derive(Clone, Default)]
struct Failing {
    room: Option<u64>,
    allocated: Arc<AtomicU64>,
    writes: Arc<AtomicU32>,
    syncs_before: Arc<AtomicU32>,
    syncs: Arc<AtomicU32>,
}

/// Counts one down; false when there was none left.
fn count_down(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Failing {
    fn fails(counter: &AtomicU32) -> io::Result<()> {
        if count_down(counter) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn before(&self, act: &Act<'_>) -> io::Result<()> {
        match act.what {
            What::Read(_) => Ok(()),
            What::Write(end) | What::Allocate(end) => {
                Self::fails(&self.writes)?;
                if !self.has_room(act, end)? {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                if let What::Allocate(_) = act.what {
                    self.allocated.fetch_add(end - act.file.bytes()?, Ordering::SeqCst);
                }
                Ok(())
            }
            What::Sync if count_down(&self.syncs_before) => Ok(()),
            What::Sync => Self::fails(&self.syncs),
        }
    }

    /// Whether there is room for a file of so many bytes.
    fn has_room(&self, act: &Act<'_>, bytes: u64) -> io::Result<bool> {
        let Some(room) = self.room else { return Ok(true) };
        let segments = segment_files(act.path.parent().unwrap());
        let used: u64 = segments.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        Ok(used + bytes.saturating_sub(act.file.bytes()?) <= room)
    }

    fn disk(&self) -> Arc<HookedDisk> {
        let failing = self.clone();
        Arc::new(HookedDisk::new(move |act| failing.before(act)))
    }
}

#[test]
fn a_full_disk_is_an_error_and_the_journal_goes_on_when_there_is_room() {
    for (writes, syncs) in [(1, 0), (3, 0), (0, 1), (0, 3), (2, 2)] {
        let directory = tempdir().unwrap();
        let disk = Failing::default();
        let opened = Journal::open_on(disk.disk(), directory.path(), small(), &mut |_, _, _| ());
        let (journal, _) = opened.unwrap();
        append(&journal, 1, 100);
        disk.writes.store(writes, Ordering::SeqCst);
        disk.syncs.store(syncs, Ordering::SeqCst);
        let refused = journal.append_wait(1, &2_u64.to_be_bytes(), vec![payload(2, 100)]);
        assert!(matches!(refused, Err(AppendError::Io(_))), "{writes} {syncs}");
        disk.writes.store(0, Ordering::SeqCst);
        disk.syncs.store(0, Ordering::SeqCst);
        append(&journal, 3, 100);
        journal.close().unwrap();
        let (journal, recovery, found) = open(directory.path(), small());
        assert!(recovery.problems().is_empty(), "{recovery:?}");
        let found = numbers(&journal, &found);
        assert!(found == [1, 3] || found == [1, 2, 3], "{writes} {syncs}: {found:?}");
    }
}

/// Room for a large batch is allocated, for small ones it is filled with zeros; after a kill there is no telling which it was.
#[test]
#[cfg(target_os = "linux")]
fn room_for_a_large_batch_is_allocated_and_reads_as_zeros() {
    let directory = tempdir().unwrap();
    let options = || Options { segment_bytes: 1 << 20, ..Options::default() };
    let disk = Failing::default();
    let opened = Journal::open_on(disk.disk(), directory.path(), options(), &mut |_, _, _| ());
    let (journal, _) = opened.unwrap();
    append(&journal, 0, 100);
    assert_eq!(disk.allocated.load(Ordering::SeqCst), 0);
    for number in 1..400 {
        append(&journal, number, 3000);
    }
    let allocated = disk.allocated.load(Ordering::SeqCst);
    // The first segment was filled when its first record came.
    assert_eq!(
        allocated,
        (1 << 20) - crate::segment::FIRST_FRAME,
        "what is behind the first page of the second segment"
    );
    // As a kill leaves it: the mark is not that of a closed journal.
    let copy = tempdir().unwrap();
    for path in segment_files(directory.path()) {
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let (copied, recovery, found) = open(copy.path(), options());
    assert!(recovery.problems().is_empty(), "{recovery:?}");
    assert_eq!(numbers(&copied, &found), (0..400).collect::<Vec<_>>());
}

#[test]
fn on_a_full_disk_there_is_room_for_what_makes_room() {
    for payload_bytes in [3000, 30_000] {
        let directory = tempdir().unwrap();
        let options = || Options { segment_bytes: 1 << 20, ..Options::default() };
        // Three segments and a half.
        let disk = Failing { room: Some(7 << 19), ..Failing::default() };
        let opened = Journal::open_on(disk.disk(), directory.path(), options(), &mut |_, _, _| ());
        let (journal, _) = opened.unwrap();
        let append = |number: u64, payload_bytes: usize| {
            journal.append_wait(1, &number.to_be_bytes(), vec![payload(number, payload_bytes)])
        };
        for round in 0..3 {
            let (mut stored, mut refused) = (Vec::new(), 0);
            // The first refusals still make some room.
            while refused < 20 {
                match append(0, payload_bytes) {
                    Ok(location) => stored.push(location),
                    Err(_) => refused += 1,
                }
            }
            assert!(
                stored.len() * payload_bytes > 1 << 20,
                "round {round}: {} of {payload_bytes}",
                stored.len()
            );
            for number in 0..100_u64 {
                let mark = journal.append_wait(2, &number.to_be_bytes(), Vec::new()).unwrap();
                journal.release(mark);
            }
            stored.iter().for_each(|location| journal.release(*location));
            // Once the writer has given the space back.
            let deadline = Instant::now() + Duration::from_secs(60);
            while journal.stats().segments > 1 {
                assert!(Instant::now() < deadline, "round {round}: {:?}", journal.stats());
                thread::yield_now();
            }
        }
        journal.close().unwrap();
        let (_, recovery, _) = open(directory.path(), options());
        assert!(recovery.problems().is_empty(), "{recovery:?}");
    }
}

#[test]
fn nobody_waits_for_a_writer_that_panicked() {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), small());
    let ((started, start), (hold, held)) = (mpsc::channel(), mpsc::channel::<()>());
    let panics = move |_| {
        started.send(()).unwrap();
        held.recv().unwrap();
        panic!("as a test wants");
    };
    journal.append(1, b"", vec![], panics).unwrap();
    start.recv().unwrap();
    let (told, outcome) = mpsc::channel::<()>();
    journal.append(1, b"", vec![], move |_| drop(told)).unwrap();
    hold.send(()).unwrap();
    assert!(outcome.recv().is_err());
    assert!(matches!(journal.append_wait(1, b"", vec![]), Err(AppendError::Closed)));
}

#[test]
fn errors_name_the_file_and_the_place_in_it() {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), small());
    let location = append(&journal, 1, 100);
    let file = &segment_files(directory.path())[0];
    let missing = journal.read(Location { segment: location.segment + 1, ..location }).unwrap_err();
    assert_eq!(
        missing.to_string(),
        format!("there is no record at byte 4096 of {:016x}.seg", location.segment + 1)
    );
    assert!(location.to_string().ends_with(file.file_name().unwrap().to_str().unwrap()), "{location}");
}

/// Not a test: what `acknowledged_records_survive_kill_9` starts and kills.
#[test]
#[ignore = "run by acknowledged_records_survive_kill_9 in a process of its own"]
fn child_that_appends() {
    let Some(directory) = std::env::var_os("INHAUL_JOURNAL_TEST_DIRECTORY") else { return };
    let (journal, _, found) = open(Path::new(&directory), small());
    let mut out = io::stdout().lock();
    for number in found.len() as u64.. {
        append(&journal, number, 300 + usize::try_from(number % 7).unwrap() * 400);
        writeln!(out, "acknowledged {number}").unwrap();
    }
}

#[test]
fn acknowledged_records_survive_kill_9() {
    let directory = tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 1..=10_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::child_that_appends", "--ignored", "--nocapture"])
            .env("INHAUL_JOURNAL_TEST_DIRECTORY", directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let wanted = acknowledged + round * 13;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            if let Some((_, number)) = line.split_once("acknowledged ") {
                acknowledged = number.parse::<u64>().unwrap() + 1;
                if acknowledged >= wanted {
                    break;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let (journal, recovery, found) = open(directory.path(), small());
        assert!(recovery.problems().is_empty(), "{recovery:?}");
        let found = numbers(&journal, &found);
        assert!(found.len() as u64 >= acknowledged, "{} of {acknowledged}", found.len());
        assert_eq!(found, (0..found.len() as u64).collect::<Vec<_>>());
        journal.close().unwrap();
    }
    assert!(acknowledged > 100);
}

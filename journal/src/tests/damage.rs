//! Random damage to any file of a journal: what is whole is read, what is not is reported.

use std::{ops::Range, path::PathBuf, sync::mpsc, thread, time::Duration};

use super::*;

/// Far beyond what opening takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Numbers that look random and follow from a seed (Marsaglia's xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).unwrap()
    }
}

/// Every file of a journal of several segments, the last one open, and its records.
struct Sample {
    files: Vec<(PathBuf, Vec<u8>)>,
    records: Found,
    /// Its mark does not speak of the last record yet: see [`what_a_killed_writer_acknowledged_last_may_be_cut_off_unnoticed`].
    is_of_killed: bool,
}

fn sample(is_of_killed: bool) -> Sample {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), small());
    for number in 0..400 {
        append(&journal, number, 8 + usize::try_from(number * 37 % 1500).unwrap());
    }
    let killed = killed_now(directory.path());
    journal.close().unwrap();
    let (journal, _, records) = open(directory.path(), small());
    journal.close().unwrap();
    let directory = if is_of_killed { killed } else { directory };
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some());
    files.sort();
    let read = |path: PathBuf| (PathBuf::from(path.file_name().unwrap()), fs::read(&path).unwrap());
    Sample { files: files.into_iter().map(read).collect(), records, is_of_killed }
}

/// The files of an open journal, as a kill would leave them in this moment.
fn killed_now(directory: &Path) -> TempDir {
    let copy = tempdir().unwrap();
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

/// Damages bytes in one of the ways disks, copies and people do; where.
fn damage(bytes: &mut Vec<u8>, numbers: &mut Numbers) -> Range<usize> {
    let at = numbers.index(bytes.len());
    let before = bytes.len();
    match numbers.below(6) {
        0 | 1 => {
            bytes[at] ^= 1 << numbers.below(8);
            at..at + 1
        }
        2 => {
            bytes.truncate(at);
            at..before
        }
        3 => {
            let end = before.min(at + 1 + numbers.index(4096));
            bytes[at..end].fill(0);
            at..end
        }
        4 => {
            let end = before.min(at + 1 + numbers.index(4096));
            bytes[at..end].fill_with(|| u8::try_from(numbers.below(256)).unwrap());
            at..end
        }
        // A sector with what belongs elsewhere.
        _ => {
            let (from, to) = (at / 512 * 512, numbers.index(before) / 512 * 512);
            let len = 512.min(before - from.max(to));
            bytes.copy_within(from..from + len, to);
            to..to + len
        }
    }
}

/// Opens a journal on another thread, so that one that hangs is told from one that is slow.
fn open_in_time(directory: &Path) -> (Journal, Recovery, Found) {
    let (opened, outcome) = mpsc::channel();
    let directory = directory.to_owned();
    thread::spawn(move || opened.send(open(&directory, small())));
    outcome.recv_timeout(PATIENCE).expect("it opens, and does not hang")
}

fn one_round(sample: &Sample, numbers: &mut Numbers) {
    let directory = tempdir().unwrap();
    let target = numbers.index(sample.files.len());
    let mut damaged = Vec::new();
    for (index, (name, bytes)) in sample.files.iter().enumerate() {
        let mut bytes = bytes.clone();
        if index == target {
            let range = damage(&mut bytes, numbers);
            damaged.push((name.clone(), range));
        }
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    let (name, range) = &damaged[0];
    let (journal, recovery, found) = open_in_time(directory.path());
    let of_target = |location: &Location| *name == *format!("{:016x}.seg", location.segment);
    let set_aside = !recovery.set_aside.is_empty();
    let mut lost = 0;
    for (location, kind, tag) in &sample.records {
        let bytes = location.offset..location.offset + 24 + tag.len() as u64 + u64::from(location.len);
        let range = range.start as u64..range.end as u64;
        let touched = of_target(location) && bytes.start < range.end && range.start < bytes.end;
        let listed = found.iter().any(|record| record.0 == *location);
        let number = u64::from_be_bytes(tag.as_slice().try_into().unwrap());
        match journal.read(*location) {
            Ok(record) => {
                assert_eq!((record.kind, record.payload), (*kind, payload(number, location.len as usize)));
                assert!(listed, "{number} is there and was not listed");
            }
            Err(ReadError::Damaged(_)) if listed => assert!(touched, "{number} is whole: {damaged:?}"),
            Err(error) => {
                lost += u64::from(!sample.is_of_killed || number < 399);
                assert!(
                    !listed && (touched || (set_aside && of_target(location))),
                    "{number}: {error}; {damaged:?}"
                );
            }
        }
    }
    let problems = recovery.problems();
    assert!(lost == 0 || !problems.is_empty(), "{lost} are lost, and nothing is reported: {damaged:?}");
    // It goes on, and what was found and what is new is there the next time.
    let new = append(&journal, 1000, 300);
    journal.close().unwrap();
    let (journal, _, again) = open_in_time(directory.path());
    let mut expected: Vec<Location> = found.iter().map(|record| record.0).collect();
    expected.push(new);
    assert_eq!(again.iter().map(|record| record.0).collect::<Vec<_>>(), expected, "{damaged:?}");
    assert_eq!(journal.read(new).unwrap().payload, payload(1000, 300));
}

/// `INHAUL_DAMAGE_ROUNDS` says how often, `INHAUL_DAMAGE_SEED` with which numbers.
#[test]
fn any_damage_to_any_file_loses_what_it_touches_and_is_reported() {
    let variable =
        |name: &str, otherwise| std::env::var(name).map_or(otherwise, |value| value.parse().unwrap());
    let mut numbers = Numbers(variable("INHAUL_DAMAGE_SEED", 0x9e37_79b9_7f4a_7c15));
    let (closed, killed) = (sample(false), sample(true));
    for _ in 0..variable("INHAUL_DAMAGE_ROUNDS", 60) {
        one_round(&closed, &mut numbers);
        one_round(&killed, &mut numbers);
    }
}

/// The mark of a group is written with the next group: so after a kill nothing tells the last one that was acknowledged, when it is gone,
/// from one that never was.
#[test]
fn what_a_killed_writer_acknowledged_last_may_be_cut_off_unnoticed() {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), small());
    let places: Vec<Location> = (0..10).map(|number| append(&journal, number, 100)).collect();
    for (left, problems) in [(10, 0), (9, 0), (8, 1), (3, 1)] {
        let killed = killed_now(directory.path());
        let end = places.get(left).map_or(8192, |place| place.offset);
        let file = OpenOptions::new().write(true).open(&segment_files(killed.path())[0]).unwrap();
        file.set_len(end).unwrap();
        let (cut, recovery, found) = open(killed.path(), small());
        assert_eq!(numbers(&cut, &found), (0..left as u64).collect::<Vec<_>>());
        assert_eq!(recovery.problems().len(), problems, "{left} are left: {recovery:?}");
    }
}

#[test]
fn a_file_cut_within_its_first_page_is_reported() {
    for cut in [1, 30, 100, 600, 1100, 3000, 4095] {
        let (directory, _) = forty();
        let file = segment_files(directory.path()).remove(0);
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..cut]).unwrap();
        let (journal, recovery, found) = open(directory.path(), small());
        assert!(found.is_empty());
        assert_eq!(recovery.problems().len(), 1, "cut at {cut}: {recovery:?}");
        append(&journal, 1, 10);
    }
}

#[test]
fn damage_is_reported_though_it_took_the_mark_too() {
    let (directory, found) = forty();
    let file = segment_files(directory.path()).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    // Both marks, one copy of the header and the first records.
    bytes[500..5000].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let (journal, recovery, left) = open(directory.path(), small());
    let whole: Vec<u64> =
        (0..40).filter(|number| found[usize::try_from(*number).unwrap()].0.offset >= 5000).collect();
    assert_eq!(numbers(&journal, &left), whole);
    assert_eq!(recovery.problems().len(), 1, "{recovery:?}");
}

/// Such a segment once made the writer begin a new one for every group.
#[test]
fn a_damaged_record_in_a_segment_to_be_moved_stays_and_nothing_else_changes() {
    let directory = tempdir().unwrap();
    let (journal, ..) = open(directory.path(), small());
    for number in 0..300 {
        append(&journal, number, 700);
    }
    journal.close().unwrap();
    let first = segment_files(directory.path()).remove(0);
    let file = OpenOptions::new().write(true).open(&first).unwrap();
    file.write_all_at(b"damage", 4096 + 100).unwrap();
    let options = Options { on_moved: Some(Box::new(|_| true)), ..small() };
    let (journal, _, found) = open(directory.path(), options);
    // All but the damaged one are released.
    found[1..].iter().for_each(|(location, ..)| journal.release(*location));
    for number in 1000..1050 {
        append(&journal, number, 100);
    }
    assert!(matches!(journal.read(found[0].0), Err(ReadError::Damaged(_))));
    let segments = journal.stats().segments;
    assert!(segments <= 3, "{segments} segments");
}

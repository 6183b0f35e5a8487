//! What the journal takes on the disk when most of it is drained, and how long a spool with a million events takes to open.
//!
//! `cargo bench --bench journal`. It needs about 2 GB of disk below `target/tmp` while it runs.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use inhaul_journal::{Journal, Location, Moved, Options};
use inhaul_relay::spool::Spool;
use rustix::fs::{Advice, fadvise};
use tempfile::TempDir;

mod support {
    pub(crate) mod figures;
    pub(crate) mod pending;
    pub(crate) mod scratch;
}

use support::{
    figures::print,
    pending::{self, PENDING, fill_and_kill},
    scratch::scratch,
};

const ROUNDS: usize = 3;
const PAYLOAD_BYTES: usize = 1024;

/// Records of which nine in ten are drained.
const RECORDS: usize = 1_000_000;

/// Appends under way while a journal is filled.
const AT_ONCE: usize = 1024;

/// How long draining may take to show.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a record stays, by its number.
type Stays = fn(usize) -> bool;

/// Which records stay: one in ten, of their number among [`RECORDS`].
const PATTERNS: [(&str, Stays); 5] = [
    ("the newest stay", |number| number >= RECORDS / 10 * 9),
    ("the oldest stay", |number| number < RECORDS / 10),
    ("every tenth stays", |number| number % 10 == 0),
    ("a random tenth stays", |number| scattered(number).is_multiple_of(10)),
    ("three in twenty stay of two thirds, none of the others", |number| {
        number / 60_000 % 3 != 0 && scattered(number) % 20 < 3
    }),
];

/// Where the records are that nobody has released.
#[derive(Default)]
struct Wanted {
    places: Vec<Location>,
    by_place: HashMap<Location, usize>,
}

impl Wanted {
    fn moved(&mut self, record: &Moved<'_>) -> bool {
        let Some(number) = self.by_place.remove(&record.from) else { return false };
        self.by_place.insert(record.to, number);
        self.places[number] = record.to;
        true
    }
}

fn main() {
    if pending::fill_if_asked() {
        return;
    }
    println!("\ndisk after nine in ten of {RECORDS} records of {PAYLOAD_BYTES} bytes are released");
    println!(
        "(segments in use ÷ live payload; the at most two empty segments kept for reuse are named apart)"
    );
    for (name, stays) in PATTERNS {
        drain(name, stays);
    }
    reopen();
}

/// A number that looks random and is the same every time.
fn scattered(number: usize) -> usize {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) as usize >> 33
}

fn drain(name: &str, stays: fn(usize) -> bool) {
    let directory = scratch();
    let wanted: Arc<Mutex<Wanted>> = Arc::default();
    let moved = Arc::clone(&wanted);
    let options = Options {
        on_moved: Some(Box::new(move |record| moved.lock().expect("no panic").moved(record))),
        ..Options::default()
    };
    let (journal, _) = Journal::open(directory.path(), options, &mut |_, _, _| {}).expect("a journal");
    for (number, location) in fill(&journal).into_iter().enumerate() {
        wanted.lock().expect("no panic").by_place.insert(location, number);
        wanted.lock().expect("no panic").places.push(location);
    }
    for number in (0..RECORDS).filter(|number| !stays(*number)) {
        let mut wanted = wanted.lock().expect("no panic");
        let place = wanted.places[number];
        wanted.by_place.remove(&place);
        drop(wanted);
        // Should the journal move it in this moment, it is told that nobody wants it.
        journal.release(place);
    }
    let began = Instant::now();
    let (mut before, mut stats) = (None, journal.stats());
    while before != Some(stats) && began.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(300));
        before = Some(std::mem::replace(&mut stats, journal.stats()));
    }
    let spare: u64 = files(directory.path(), "free-").iter().map(|path| bytes_of(path)).sum();
    let ratio = (stats.bytes_on_disk - spare) as f64 / stats.live_bytes as f64;
    print(&format!("  {name}"), vec![ratio], "≤ 1.3");
    let mib = |bytes: u64| bytes >> 20;
    println!(
        "    {} records live, {} MiB of payload in {} MiB, and {} MiB kept for reuse",
        stats.live_records,
        mib(stats.live_bytes),
        mib(stats.bytes_on_disk - spare),
        mib(spare)
    );
    journal.close().expect("the journal closes");
}

/// Appends all records, many at a time.
fn fill(journal: &Journal) -> Vec<Location> {
    let payload = Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
    let (written, arrived) = mpsc::channel();
    let mut locations = Vec::with_capacity(RECORDS);
    for number in 0..RECORDS {
        if number >= AT_ONCE {
            locations.push(arrived.recv_timeout(PATIENCE).expect("records are written"));
        }
        let written = written.clone();
        let done = move |location: Result<Location, _>| {
            // The bench that ended early does not want to know.
            let _ = location.map(|location| written.send(location));
        };
        journal.append(1, number.to_be_bytes(), vec![payload.clone()], done).expect("the queue has room");
    }
    drop(written);
    locations.extend(arrived);
    assert_eq!(locations.len(), RECORDS, "every record is written");
    locations
}

fn reopen() {
    let directory = scratch();
    let began = Instant::now();
    fill_and_kill(directory.path());
    let filled = began.elapsed().as_secs_f64();
    println!("\nopening {PENDING} pending events after kill -9 (stored in {filled:.1} s)");
    let (mut cold, mut warm, mut journal, mut read) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut steps: [&mut dyn FnMut(); 2] =
            [&mut || read.push(read_all(&forgotten(&directory))), &mut || {
                forgotten(&directory);
                cold.push(open_spool(directory.path()));
                warm.push(open_spool(directory.path()));
                forgotten(&directory);
                journal.push(open_journal(directory.path()));
            }];
        steps.rotate_left(round % 2);
        for step in steps {
            step();
        }
    }
    let ratio = cold.iter().zip(&read).map(|(open, read)| open / read).collect();
    print("  reading every file once, cold: s", read, "");
    print("  opening the journal alone, cold: s", journal, "");
    print("  opening the spool, cold: s", cold, "≤ 2.0");
    print("  opening the spool, files in memory: s", warm, "≤ 0.5");
    print("  opening the spool ÷ reading its files, both cold", ratio, "");
}

/// Seconds until the spool is open.
fn open_spool(directory: &Path) -> f64 {
    let began = Instant::now();
    let (spool, recovery) = Spool::open(directory).expect("the spool opens");
    let took = began.elapsed();
    assert!(recovery.problems().is_empty() && spool.total().events == PENDING, "nothing is lost");
    spool.close().expect("it closes");
    took.as_secs_f64()
}

/// Seconds until the journal is open.
fn open_journal(directory: &Path) -> f64 {
    let mut records = 0;
    let began = Instant::now();
    let opened = Journal::open(directory, Options::default(), &mut |_, _, _| records += 1);
    let (journal, _) = opened.expect("the journal opens");
    let took = began.elapsed();
    assert!(records >= PENDING, "nothing is lost");
    journal.close().expect("it closes");
    took.as_secs_f64()
}

/// The spool's files, none of them in the page cache.
fn forgotten(directory: &TempDir) -> Vec<PathBuf> {
    let files = files(directory.path(), "");
    for path in &files {
        let file = File::open(path).expect("a file of the spool");
        file.sync_all().expect("only what is on the disk is dropped from memory");
        fadvise(&file, 0, None, Advice::DontNeed).expect("advice is taken");
    }
    files
}

/// Seconds for reading files from their beginning to their end.
fn read_all(files: &[PathBuf]) -> f64 {
    let began = Instant::now();
    let mut block = vec![0; 1 << 20];
    for path in files {
        let mut file = File::open(path).expect("a file of the spool");
        while file.read(&mut block).expect("it can be read") > 0 {}
    }
    began.elapsed().as_secs_f64()
}

fn files(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory").map(|entry| entry.expect("an entry"));
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect()
}

fn bytes_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

//! Segments made before they are needed, and records that wait for others.

use super::*;

/// The files no segment has, and their lengths.
fn free_files(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut files = RealDisk.list(directory).unwrap();
    files
        .retain(|(path, _)| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("free-")));
    files.sort();
    files
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come about");
        thread::yield_now();
    }
}

fn are_ready(directory: &Path, count: usize) -> bool {
    let files = free_files(directory);
    files.len() == count && files.iter().all(|(_, bytes)| *bytes == small().segment_bytes)
}

#[test]
fn segments_are_ready_before_they_are_needed_and_again_after_they_were_released() {
    let directory = tempdir().unwrap();
    let options = || Options { ready: 3, ..small() };
    let (journal, ..) = open(directory.path(), options());
    wait_until(|| are_ready(directory.path(), 3));
    let locations: Vec<_> = (0..500).map(|number| append(&journal, number, 700)).collect();
    for (number, location) in (0..).zip(&locations) {
        assert_eq!(journal.read(*location).unwrap().payload, payload(number, 700));
    }
    wait_until(|| are_ready(directory.path(), 3));
    locations.into_iter().for_each(|location| journal.release(location));
    wait_until(|| journal.stats().segments == 1);
    wait_until(|| are_ready(directory.path(), 3));
    append(&journal, 500, 700);
    journal.close().unwrap();
    let (journal, recovery, found) = open(directory.path(), options());
    assert!(recovery.problems().is_empty(), "{:?}", recovery.problems());
    assert!(numbers(&journal, &found).contains(&500));
    assert!(are_ready(directory.path(), 3));
}

#[test]
fn one_whose_making_was_cut_off_is_made_anew() {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join("free-new-1"), [0; 4096]).unwrap();
    let (journal, ..) = open(directory.path(), Options { ready: 1, ..small() });
    wait_until(|| are_ready(directory.path(), 1));
    journal.close().unwrap();
}

#[test]
fn without_room_for_more_none_is_made_until_some_is_given_back() {
    let directory = tempdir().unwrap();
    let is_full = Arc::new(AtomicU64::new(1));
    let refuses = Arc::clone(&is_full);
    let disk = HookedDisk::new(move |act| {
        let is_new = act.path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("free-new-"));
        match act.what {
            What::Write(until) if is_new && until > 32 * 1024 && refuses.load(Ordering::SeqCst) == 1 => {
                Err(io::ErrorKind::StorageFull.into())
            }
            What::Read(_) | What::Write(_) | What::Allocate(_) | What::Sync => Ok(()),
        }
    });
    let options = Options { ready: 2, keep_free: 0, ..small() };
    let (journal, _) =
        Journal::open_on(Arc::new(disk), directory.path(), options, &mut |_, _, _| {}).unwrap();
    let locations: Vec<_> = (0..200).map(|number| append(&journal, number, 700)).collect();
    assert_eq!(free_files(directory.path()), [], "what was begun is in nobody's way");
    is_full.store(0, Ordering::SeqCst);
    locations.into_iter().for_each(|location| journal.release(location));
    wait_until(|| are_ready(directory.path(), 2));
}

#[test]
fn records_wait_for_those_that_come_while_it_is_worth_it() {
    let directory = tempdir().unwrap();
    let (all_came, came) = mpsc::channel();
    // Asked when the writer has the first record; the others are here when it has its answer.
    let worth_waiting: WorthWaiting = Box::new(move || came.recv().unwrap());
    let (journal, ..) = open(directory.path(), Options { worth_waiting: Some(worth_waiting), ..small() });
    let (done, stored) = mpsc::channel();
    let append = |number: u64| {
        let done = done.clone();
        let tell = move |written: Result<Location, AppendError>| done.send(written).unwrap();
        journal.append(1, number.to_be_bytes(), vec![payload(number, 10)], tell).unwrap();
    };
    (0..5).for_each(append);
    all_came.send(Duration::from_millis(1)).unwrap();
    for _ in 0..5 {
        stored.recv().unwrap().unwrap();
    }
    assert_eq!(journal.stats().syncs, 1);
    append(5);
    all_came.send(Duration::ZERO).unwrap();
    stored.recv().unwrap().unwrap();
    assert_eq!(journal.stats().syncs, 2);
    journal.close().unwrap();
    let (journal, _, found) = open(directory.path(), small());
    assert_eq!(numbers(&journal, &found), [0, 1, 2, 3, 4, 5]);
}

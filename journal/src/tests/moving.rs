//! Records that are moved, on a device that fails meanwhile.

use std::collections::BTreeMap;

use super::*;

/// Where the owner of the records was told that they are, by number.
type Places = Arc<Mutex<BTreeMap<u64, Location>>>;

fn options(places: &Places) -> Options {
    let places = Arc::clone(places);
    let on_moved = move |moved: &Moved<'_>| {
        let number = u64::from_be_bytes(moved.tag.try_into().unwrap());
        places.lock().unwrap().insert(number, moved.to) == Some(moved.from)
    };
    Options { on_moved: Some(Box::new(on_moved)), stepped: true, ..small() }
}

/// Six records of the first segment do not fit behind those of the second, and one of the syncs fails: which, says the number. Whether
/// they were moved.
fn one_sync_fails(number: u32) -> bool {
    let directory = tempdir().unwrap();
    let (disk, places) = (Failing::default(), Places::default());
    let opened = Journal::open_on(disk.disk(), directory.path(), options(&places), &mut |_, _, _| ());
    let (journal, _) = opened.unwrap();
    let mut stored: BTreeMap<u64, Location> =
        (0..113).map(|number| (number, append(&journal, number, 1000))).collect();
    assert_eq!((stored[&57].segment, stored[&58].segment, stored[&112].segment), (1, 2, 2));
    for number in 6..58 {
        journal.release(stored.remove(&number).unwrap());
    }
    places.lock().unwrap().clone_from(&stored);
    disk.syncs_before.store(number, Ordering::SeqCst);
    disk.syncs.store(1, Ordering::SeqCst);
    journal.step();
    let moved = *places.lock().unwrap() != stored;
    for _ in 0..2 {
        for (number, place) in &*places.lock().unwrap() {
            assert_eq!(
                journal.read(*place).unwrap().payload,
                payload(*number, 1000),
                "{number} at {place:?}"
            );
        }
        disk.syncs_before.store(0, Ordering::SeqCst);
        disk.syncs.store(0, Ordering::SeqCst);
        append(&journal, 200, 10);
    }
    journal.close().unwrap();
    let (journal, recovery, found) = open(directory.path(), small());
    assert_eq!(recovery.problems(), Vec::<String>::new());
    let found = numbers(&journal, &found);
    assert!(stored.keys().all(|number| found.contains(number)), "{found:?}");
    moved
}

#[test]
fn nothing_is_lost_when_a_sync_fails_while_records_are_moved_into_two_segments() {
    let moved: Vec<bool> = (0..6).map(one_sync_fails).collect();
    // What they were copied to; the file of the next segment; the mark of the one before, without which it is left as it is; the rest.
    assert_eq!(moved, [false, false, true, false, true, true]);
}

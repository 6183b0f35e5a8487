//! Files that are gone, cut or changed: the journal says what is true, and the user is told in a line.

use super::*;
use crate::history::index::panic_is_contained;

/// Numbers that look random and are the same every time (Marsaglia's xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A closed history with some of everything in it, and what it says.
async fn closed_world() -> (World, (Vec<EventRow>, Vec<EventId>)) {
    let world = World::new();
    let history = world.open_well();
    busy_history(&history, 0..150).await;
    let expected = everything(&history).await;
    history.close().await.unwrap();
    (world, expected)
}

fn index_of(world: &World) -> PathBuf {
    world.periods()[0].join("index.sled")
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

#[tokio::test]
async fn an_index_made_again_is_the_same() {
    let (world, expected) = closed_world().await;
    fs::remove_dir_all(index_of(&world)).unwrap();
    let history = world.open_well();
    assert_eq!(everything(&history).await, expected);
    busy_history(&history, 150..160).await;
    let expected = everything(&history).await;
    let killed = world.killed_now();
    fs::remove_dir_all(index_of(&killed)).unwrap();
    assert_eq!(everything(&killed.open_well()).await, expected);
}

#[tokio::test]
async fn an_index_that_is_behind_is_caught_up() {
    let (world, _) = closed_world().await;
    let old_index = world.killed_now();
    let history = world.open_well();
    busy_history(&history, 150..180).await;
    history.settle(sample_event(0, b"").id).await.unwrap();
    let expected = everything(&history).await;
    history.close().await.unwrap();
    fs::remove_dir_all(index_of(&world)).unwrap();
    copy_directory(&index_of(&old_index), &index_of(&world));
    assert_eq!(everything(&world.open_well()).await, expected);
}

#[tokio::test]
async fn an_index_of_more_than_the_journal_holds_is_set_aside() {
    let (world, expected) = closed_world().await;
    let longer = world.killed_now();
    let history = longer.open_well();
    busy_history(&history, 150..160).await;
    history.close().await.unwrap();
    fs::remove_dir_all(index_of(&world)).unwrap();
    copy_directory(&index_of(&longer), &index_of(&world));
    let opened = world.open();
    assert_eq!(opened.notes.len(), 1);
    assert!(opened.notes[0].contains("index.sled.damaged-20251124T074110118Z"), "{:?}", opened.notes);
    assert_eq!(everything(&opened.history).await, expected);
    assert!(world.periods()[0].join("index.sled.damaged-20251124T074110118Z/db").exists());
}

#[tokio::test]
async fn no_damage_to_an_index_reaches_the_user() {
    let (world, expected) = closed_world().await;
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut set_aside = 0;
    for round in 0..30 {
        let broken = world.killed_now();
        let files = files_in(&index_of(&broken));
        let file = if round % 4 == 0 {
            &files[usize::try_from(numbers.below(files.len() as u64)).unwrap()]
        } else {
            files.iter().find(|path| path.ends_with("db")).unwrap()
        };
        let mut bytes = fs::read(file).unwrap();
        // sled fills its file up with zeros; damage to these is no test.
        let used = bytes.iter().rposition(|&byte| byte != 0).unwrap_or(0) as u64 + 1;
        let at = usize::try_from(numbers.below(used)).unwrap();
        match round % 3 {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes.truncate(at),
            _ => {
                let end = bytes.len().min(at + 4096);
                bytes[at..end].fill_with(|| u8::try_from(numbers.below(256)).unwrap());
            }
        }
        fs::write(file, bytes).unwrap();
        let opened = broken.open();
        assert_eq!(everything(&opened.history).await, expected, "round {round}: {}", file.display());
        store_all(&opened.history, [200]).await;
        let notes = opened.history.notes();
        assert!(notes.len() <= 1, "{notes:?}");
        assert!(
            notes.iter().all(|note| note.contains("is made again from the journal") && !note.contains('\n'))
        );
        set_aside += notes.len();
        let expected = everything(&opened.history).await;
        opened.history.close().await.unwrap();
        assert_eq!(everything(&broken.open_well()).await, expected, "round {round} again");
    }
    assert!(set_aside > 0, "the damage did nothing");
}

#[tokio::test]
async fn an_index_that_is_no_directory_is_set_aside() {
    let (world, expected) = closed_world().await;
    fs::remove_dir_all(index_of(&world)).unwrap();
    fs::write(index_of(&world), "not a database").unwrap();
    let opened = world.open();
    assert_eq!(everything(&opened.history).await, expected);
    assert_eq!(opened.notes.len(), 1);
}

#[tokio::test]
async fn a_start_that_died_while_opening_the_index_is_not_repeated() {
    let (world, expected) = closed_world().await;
    fs::write(world.periods()[0].join("index.opening"), "").unwrap();
    let opened = world.open();
    assert_eq!(everything(&opened.history).await, expected);
    assert!(opened.notes[0].contains("a start before this one did not get past it"), "{:?}", opened.notes);
    opened.history.close().await.unwrap();
    assert_eq!(everything(&world.open_well()).await, expected);
}

#[tokio::test]
async fn only_the_latest_damaged_index_is_kept() {
    let (world, expected) = closed_world().await;
    for day in 0..3 {
        fs::write(world.periods()[0].join("index.opening"), "").unwrap();
        world.clock.store(NOW + day * 1000, Ordering::Relaxed);
        let opened = world.open();
        assert_eq!(everything(&opened.history).await, expected);
        opened.history.close().await.unwrap();
    }
    let aside = fs::read_dir(&world.periods()[0]).unwrap().filter(|entry| {
        entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("index.sled.damaged-")
    });
    assert_eq!(aside.count(), 1);
}

#[tokio::test]
async fn a_journal_that_was_cut_loses_its_tail_and_nothing_else() {
    let (world, expected) = closed_world().await;
    let history = world.open_well();
    history.store(sample_event(500, &[b'x'; 5000]), forwarded()).await.unwrap();
    history.close().await.unwrap();
    let journal = files_in(&world.periods()[0].join("journal"));
    let holds_it = |path: &&PathBuf| fs::read(path).unwrap().windows(100).any(|window| window == [b'x'; 100]);
    let file = journal.iter().find(holds_it).unwrap();
    let bytes = fs::read(file).unwrap();
    let at = bytes.windows(100).position(|window| window == [b'x'; 100]).unwrap();
    fs::write(file, &bytes[..at + 1000]).unwrap();
    let opened = world.open();
    assert!(opened.notes[0].contains("hold no readable record"), "{:?}", opened.notes);
    assert_eq!(everything(&opened.history).await, expected);
    // The relay still has it and sends it again.
    let stored = opened.history.store(sample_event(500, &[b'x'; 5000]), forwarded()).await.unwrap();
    assert!(matches!(stored, Stored::New(_)));
}

#[test]
fn a_panic_of_our_own_is_no_contained_one() {
    assert!(!panic_is_contained());
    let on_its_thread = std::thread::Builder::new().name("sled-io-1".into()).spawn(panic_is_contained);
    assert!(on_its_thread.unwrap().join().unwrap());
}

/// Changes a byte in the middle of the body of 5000 `x` that the journal holds.
fn damage_the_body(world: &World) {
    for file in files_in(&world.periods()[0].join("journal")) {
        let mut bytes = fs::read(&file).unwrap();
        if let Some(at) = bytes.windows(100).position(|window| window == [b'x'; 100]) {
            bytes[at + 2000] = b'y';
            fs::write(&file, bytes).unwrap();
        }
    }
}

#[tokio::test]
async fn an_event_damaged_on_disk_is_missing_and_can_come_again() {
    let (world, _) = closed_world().await;
    let history = world.open_well();
    store_all(&history, [400]).await;
    let (mut rows, _) = everything(&history).await;
    history.store(sample_event(500, &[b'x'; 5000]), forwarded()).await.unwrap();
    store_all(&history, [600, 601]).await;
    rows.extend(everything(&history).await.0[rows.len() + 1..].iter().cloned());
    history.close().await.unwrap();
    damage_the_body(&world);
    let opened = world.open();
    assert!(opened.notes[0].contains("hold no readable record"), "{:?}", opened.notes);
    assert_eq!(everything(&opened.history).await.0, rows);
    let stored = opened.history.store(sample_event(500, &[b'x'; 5000]), forwarded()).await.unwrap();
    assert!(matches!(stored, Stored::New(_)));
}

/// A segment that is full is not read through at every start, so the damage shows when the event is wanted.
#[tokio::test]
async fn an_event_damaged_in_a_full_segment_is_said_to_be_damaged() {
    let world = World::new();
    let options = || Options { segment_bytes: 64 << 10, ..world.options() };
    let open = || History::open_with(&world.path(), options()).unwrap();
    let history = open().history;
    let damaged = sample_event(500, &[b'x'; 5000]);
    history.store(damaged.clone(), forwarded()).await.unwrap();
    busy_history(&history, 0..400).await;
    let (mut rows, _) = everything(&history).await;
    history.close().await.unwrap();
    damage_the_body(&world);

    let Opened { history, notes } = open();
    assert_eq!((everything(&history).await.0, notes), (rows.clone(), vec![]));
    let error = history.event(damaged.id).await.unwrap_err();
    assert!(matches!(error, HistoryError::Damaged { id, .. } if id == damaged.id), "{error}");
    history.close().await.unwrap();

    fs::remove_dir_all(index_of(&world)).unwrap();
    rows.remove(0);
    for expected_notes in [1, 0] {
        let Opened { history, notes } = open();
        assert_eq!(everything(&history).await.0, rows);
        assert_eq!(notes.len(), expected_notes, "{notes:?}");
        history.close().await.unwrap();
    }
}

/// Damages one of the files in a period's directory: a bit, a cut, or up to a page of zeros or of anything.
fn damage_a_file(world: &World, numbers: &mut Numbers) -> PathBuf {
    let mut files = files_in(&world.periods()[0]);
    files.retain(|path| fs::metadata(path).unwrap().len() > 0);
    let file = files.swap_remove(usize::try_from(numbers.below(files.len() as u64)).unwrap());
    let mut bytes = fs::read(&file).unwrap();
    let used = bytes.iter().rposition(|&byte| byte != 0).unwrap_or(0) as u64 + 1;
    let at = usize::try_from(numbers.below(used)).unwrap();
    let end = bytes.len().min(at + 1 + usize::try_from(numbers.below(4096)).unwrap());
    match numbers.below(4) {
        0 => bytes[at] ^= 1 << numbers.below(8),
        1 => bytes.truncate(at),
        2 => bytes[at..end].fill(0),
        _ => bytes[at..end].fill_with(|| u8::try_from(numbers.below(256)).unwrap()),
    }
    fs::write(&file, bytes).unwrap();
    file
}

/// `INHAUL_DAMAGE_ROUNDS` says how often, `INHAUL_DAMAGE_SEED` with which numbers.
#[tokio::test]
async fn any_damage_to_any_file_of_a_period_is_survived_and_what_is_missing_is_said() {
    let variable =
        |name: &str, otherwise| std::env::var(name).map_or(otherwise, |value| value.parse().unwrap());
    let mut numbers = Numbers(variable("INHAUL_DAMAGE_SEED", 0x2545_f491_4f6c_dd1d));
    // Segments so small that there are full ones, with side indexes, and an open one.
    let options = |world: &World| Options { segment_bytes: 64 << 10, ..world.options() };
    let sample = World::new();
    let history = History::open_with(&sample.path(), options(&sample)).unwrap().history;
    busy_history(&history, 0..300).await;
    let (expected, _) = everything(&history).await;
    history.close().await.unwrap();
    for round in 0..variable("INHAUL_DAMAGE_ROUNDS", 25) {
        let world = sample.killed_now();
        let file = damage_a_file(&world, &mut numbers);
        let case = format!("round {round}: {}", file.display());
        let history = History::open_with(&world.path(), options(&world)).unwrap().history;
        let (rows, _) = everything(&history).await;
        let mut unsaid = 0;
        for row in &expected {
            match history.event(row.id).await {
                Ok(Some((event, found))) => {
                    assert_eq!(Event::digest(&event.body), event.body_sha256, "{case}");
                    assert!(rows.contains(&found), "{case}");
                    unsaid += u64::from(found != *row);
                }
                Ok(None) => unsaid += 1,
                Err(HistoryError::Damaged { .. }) => {}
                Err(error) => panic!("{case}: {error}"),
            }
        }
        let notes = history.notes();
        assert!(unsaid == 0 || !notes.is_empty(), "{case}: {unsaid} events are not as they were");
        let untouched = !file.starts_with(world.periods()[0].join("journal"));
        assert!(!untouched || rows == expected, "{case}: the journal is whole, so everything is there");
        store_all(&history, [1000]).await;
        let all = everything(&history).await;
        history.close().await.unwrap();
        let again = History::open_with(&world.path(), options(&world)).unwrap().history;
        assert_eq!(everything(&again).await, all, "{case}, opened again");
        again.close().await.unwrap();
    }
}

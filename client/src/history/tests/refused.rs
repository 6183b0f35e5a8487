//! Records that the disk refuses to read while an index catches up: their events are left out for now, and come back.

use std::collections::HashSet;

use inhaul_journal::{
    Journal,
    testing::{HookedDisk, What},
};

use super::*;
use crate::{
    draft::Draft,
    history::period::{Role, journal_options},
};

/// Where the body of a frame is, behind its beginning.
const FRAME_HEAD_BYTES: u64 = 24;

/// The records of a period that nobody has open: their places, kinds and events.
fn records_of(world: &World, period: usize) -> Vec<(Location, u8, EventId)> {
    let mut records = Vec::new();
    let options = journal_options(&world.options(), Role::Old);
    let directory = world.periods()[period].join("journal");
    let (journal, _) = Journal::open(&directory, options, &mut |location, kind, tag| {
        records.push((location, kind, EventId(Uuid::from_slice(tag).unwrap())));
    })
    .unwrap();
    journal.close().unwrap();
    records
}

/// The place of the record of that kind of an event.
fn place(world: &World, period: usize, number: u64, kind: u8) -> Location {
    let id = sample_event(number, b"").id;
    let of_it = |record: &&(Location, u8, EventId)| (record.1, record.2) == (kind, id);
    records_of(world, period).iter().find(of_it).unwrap().0
}

/// Opens the history on a disk that refuses to read these records.
fn open_refused(world: &World, places: &[Location]) -> Opened {
    let name = |place: &Location| format!("{:016x}.seg", place.segment);
    let bodies = places.iter().map(|place| (name(place), place.offset + FRAME_HEAD_BYTES));
    let refused: HashSet<(String, u64)> = bodies.collect();
    let is_refused = move |path: &Path, offset| {
        refused.contains(&(path.file_name().unwrap().to_str().unwrap().to_owned(), offset))
    };
    let disk = HookedDisk::new(move |act| match act.what {
        What::Read(offset) if is_refused(act.path, offset) => Err(rustix::io::Errno::IO.into()),
        What::Read(_) | What::Write(_) | What::Allocate(_) | What::Sync => Ok(()),
    });
    History::open_with(&world.path(), Options { disk: Arc::new(disk), ..world.options() }).unwrap()
}

/// Gives a history the index it had in another world.
fn put_index_back(world: &World, from: &World, period: usize) {
    let index = |world: &World| world.periods()[period].join("index.sled");
    fs::remove_dir_all(index(world)).unwrap();
    copy_directory(&index(from), &index(world));
}

/// Which events a history has, without one.
fn without((rows, pending): &(Vec<EventRow>, Vec<EventId>), number: u64) -> (Vec<EventRow>, Vec<EventId>) {
    let id = sample_event(number, b"").id;
    let rows = rows.iter().filter(|row| row.id != id).cloned().collect();
    (rows, pending.iter().copied().filter(|pending| *pending != id).collect())
}

const ARRIVAL: u8 = 1;
const EDITED: u8 = 9;

/// In the middle, and the last one, whose number the next event must not get; whether the client is closed or killed behind it.
#[tokio::test]
async fn an_event_whose_record_is_refused_comes_back_when_it_can_be_read() {
    let world = World::new();
    let history = world.open_well();
    busy_history(&history, 0..10).await;
    history.close().await.unwrap();
    let before = world.killed_now();
    let history = world.open_well();
    busy_history(&history, 10..20).await;
    let expected = everything(&history).await;
    history.close().await.unwrap();
    put_index_back(&world, &before, 0);
    for (number, killed) in [(13, false), (19, false), (13, true), (19, true)] {
        let world = world.killed_now();
        let refused = place(&world, 0, number, ARRIVAL);
        let Opened { history, notes } = open_refused(&world, &[refused]);
        let left_out = "1 record cannot be read now and is left out until a start can read it; ";
        assert!(notes.len() == 1 && notes[0].contains(left_out), "{number}: {notes:?}");
        let without_it = without(&expected, number);
        assert_eq!(everything(&history).await, without_it, "{number}");
        // The relay may offer it again.
        let again = history.store(sample_event(number, &body(number)), forwarded()).await;
        assert!(matches!(again, Err(HistoryError::Unreadable { .. })), "{number}: {again:?}");
        store_all(&history, [30, 31]).await;
        let later = everything(&history).await.0.split_off(without_it.0.len());
        assert_eq!(
            later.iter().map(|row| row.id).collect::<Vec<_>>(),
            [30, 31].map(|at| sample_event(at, b"").id)
        );
        let world = if killed { world.killed_now() } else { world };
        history.close().await.unwrap();
        for _ in 0..2 {
            let history = world.open_well();
            let mut all = expected.clone();
            all.0.extend(later.clone());
            all.1.extend(later.iter().map(|row| row.id));
            assert_eq!(everything(&history).await, all, "{number} {killed}");
            history.close().await.unwrap();
        }
    }
}

/// What comes behind the record is in the index already, and would mean something else without it.
#[tokio::test]
async fn an_event_is_put_together_anew_when_a_record_in_its_middle_was_refused() {
    let world = World::new();
    let history = world.open_well();
    let event = sample_event(1, b"as it came");
    let held = Facts { held: true, ..forwarded() };
    history.store(event.clone(), held).await.unwrap();
    history.close().await.unwrap();
    let before = world.killed_now();
    let history = world.open_well();
    let draft = Draft { body: Some(Bytes::from_static(b"edited")), ..Draft::default() };
    history.decide(event.id, Ruling::Forward(draft)).await.unwrap();
    history.settle(event.id).await.unwrap();
    store_all(&history, [2]).await;
    let expected = everything(&history).await;
    assert!(expected.0[0].forwarded_as.is_some());
    history.close().await.unwrap();
    put_index_back(&world, &before, 0);
    let Opened { history, notes } = open_refused(&world, &[place(&world, 0, 1, EDITED)]);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(everything(&history).await.0[0].forwarded_as, None);
    history.close().await.unwrap();
    assert_eq!(everything(&world.open_well()).await, expected);
}

/// The damage is in a segment that has a side index, so it is found when the record is read.
#[tokio::test]
async fn what_is_damaged_is_left_out_for_good_and_what_is_refused_for_now() {
    let world = World::new();
    let options = Options { segment_bytes: 64 << 10, ..world.options() };
    let history = History::open_with(&world.path(), options).unwrap().history;
    for number in 0..12 {
        history.store(sample_event(number, &[1; 20_000]), forwarded()).await.unwrap();
    }
    let expected = everything(&history).await;
    history.close().await.unwrap();
    fs::remove_dir_all(world.periods()[0].join("index.sled")).unwrap();
    let (damaged, refused) = (place(&world, 0, 1, ARRIVAL), place(&world, 0, 9, ARRIVAL));
    let segment = world.periods()[0].join("journal").join(format!("{:016x}.seg", damaged.segment));
    let file = fs::OpenOptions::new().write(true).open(&segment).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xff; 8], damaged.offset + 10_000).unwrap();
    let Opened { history, notes } = open_refused(&world, &[refused]);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].ends_with(": 1 record is damaged and left out for good"), "{notes:?}");
    assert!(
        notes[1].contains(": 1 record cannot be read now and is left out until a start can read it; "),
        "{notes:?}"
    );
    let without_one = without(&expected, 1);
    assert_eq!(everything(&history).await, without(&without_one, 9));
    history.close().await.unwrap();
    let Opened { history, notes } = world.open();
    assert!(!notes.iter().any(|note| note.contains("until a start")), "{notes:?}");
    assert_eq!(everything(&history).await, without_one);
}

/// What is written down of a period that is over would say for ever that the event is not in it.
#[tokio::test]
async fn an_event_of_a_period_that_is_over_comes_back_too() {
    let world = World::new();
    let history = world.open_well();
    busy_history(&history, 0..6).await;
    world.advance(DAY);
    store_all(&history, [40]).await;
    let expected = everything(&history).await;
    history.close().await.unwrap();
    let old = world.periods()[0].clone();
    fs::remove_dir_all(old.join("index.sled")).unwrap();
    fs::remove_file(old.join("summary.json")).unwrap();
    let Opened { history, notes } = open_refused(&world, &[place(&world, 0, 5, ARRIVAL)]);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(everything(&history).await, without(&expected, 5));
    let again = history.store(sample_event(5, &body(5)), forwarded()).await;
    assert!(matches!(again, Err(HistoryError::Unreadable { .. })), "{again:?}");
    history.close().await.unwrap();
    let history = world.open_well();
    assert_eq!(everything(&history).await, expected);
    assert_eq!(history.status().await.unwrap().events, 7);
}

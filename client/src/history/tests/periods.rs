//! Days that go by: several periods, and one history.

use super::*;

fn id(number: u64) -> EventId {
    sample_event(number, b"").id
}

fn names(world: &World) -> Vec<String> {
    world.periods().iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Five days with ten events each.
async fn five_days(world: &World, history: &History) {
    for day in 0..5 {
        busy_history(history, day * 10..day * 10 + 10).await;
        world.advance(DAY);
    }
}

#[tokio::test]
async fn a_day_is_a_period_and_all_are_one_history() {
    let world = World::new();
    let history = world.open_well();
    five_days(&world, &history).await;
    assert_eq!(
        names(&world),
        ["2025-11-24.1", "2025-11-25.2", "2025-11-26.3", "2025-11-27.4", "2025-11-28.5"]
    );
    let (rows, pending) = everything(&history).await;
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), (0..50).map(id).collect::<Vec<_>>());
    assert_eq!(rows[15].stored_at, UnixMillis(NOW + DAY));
    let unsettled = (0..50).filter(|number| number % 5 == 0 || number % 3 != 0).map(id);
    assert_eq!(pending, unsettled.collect::<Vec<_>>());

    let mut paged = Vec::new();
    while let page = history.rows(paged.last().map(|row: &EventRow| row.id), 7).await.unwrap()
        && !page.is_empty()
    {
        paged.extend(page);
    }
    paged.reverse();
    assert_eq!(paged, rows);
    for number in [0, 17, 49] {
        let (event, row) = history.event(id(number)).await.unwrap().unwrap();
        assert_eq!(event, sample_event(number, &body(number)));
        assert_eq!(history.find(&id(number).to_string()).await.unwrap(), Found::One(id(number)));
        assert_eq!(row, rows[usize::try_from(number).unwrap()]);
    }
    let status = history.status().await.unwrap();
    assert_eq!((status.events, status.pending, status.periods), (50, pending.len() as u64, 5));

    for reopened in [world.killed_now(), {
        history.close().await.unwrap();
        world
    }] {
        let history = reopened.open_well();
        assert_eq!(everything(&history).await, (rows.clone(), pending.clone()));
    }
}

#[tokio::test]
async fn an_event_of_days_ago_is_known_and_can_be_changed() {
    let world = World::new();
    let history = world.open_well();
    five_days(&world, &history).await;
    // In an order that opens and closes old periods all the time.
    for number in [3, 41, 13, 22, 36, 4, 14] {
        let again = history.store(sample_event(number, &body(number)), forwarded()).await.unwrap();
        assert!(matches!(again, Stored::Duplicate(row) if row.id == id(number)));
        let begun = history.begin_attempt(id(number), "http://b/", AttemptCause::Replay).await.unwrap();
        assert_eq!(begun.number, 2);
        history.finish_attempt(id(number), Attempt { outcome: Outcome::Rejected, ..begun }).await.unwrap();
        history.settle(id(number)).await.unwrap();
    }
    // Of several periods at once, more than are kept open.
    let all = [2, 12, 22, 32, 42].map(|number| history.set_verdict(id(number), Verdict::Unsigned));
    for changed in futures_util::future::join_all(all).await {
        assert_eq!(changed.unwrap().verdict, Some(Verdict::Unsigned));
    }
    let expected = everything(&history).await;
    assert_eq!(expected.0.len(), 50);
    assert_eq!(expected.0[13].attempts[1].outcome, Outcome::Rejected);
    assert!(!expected.1.contains(&id(4)));
    let killed = world.killed_now();
    assert_eq!(everything(&killed.open_well()).await, expected);
    history.close().await.unwrap();
    assert_eq!(everything(&world.open_well()).await, expected);
}

#[tokio::test]
async fn a_period_is_full_at_its_size() {
    let world = World::new();
    let options = Options { period_bytes: 30_000, ..world.options() };
    let history = History::open_with(&world.path(), options.clone()).unwrap().history;
    let stores = (0..10).map(|number| history.store(sample_event(number, &[7; 10_000]), forwarded()));
    for stored in futures_util::future::join_all(stores).await {
        stored.unwrap();
    }
    assert_eq!(names(&world), ["2025-11-24.1", "2025-11-24.2", "2025-11-24.3", "2025-11-24.4"]);
    let expected = everything(&history).await;
    assert_eq!(expected.0.iter().map(|row| row.id).collect::<Vec<_>>(), (0..10).map(id).collect::<Vec<_>>());
    history.close().await.unwrap();
    let history = History::open_with(&world.path(), options).unwrap().history;
    assert_eq!(everything(&history).await, expected);
    for (number, periods) in [(10, 4), (11, 4), (12, 5)] {
        history.store(sample_event(number, &[7; 10_000]), forwarded()).await.unwrap();
        assert_eq!(names(&world).len(), periods);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_leaves_the_order_of_storing() {
    let world = World::new();
    let history = world.open_well();
    for (number, now) in [(5, NOW), (1, NOW + 4000 * DAY), (9, NOW - 3 * DAY), (2, u64::MAX), (7, NOW)] {
        world.clock.store(now, Ordering::Relaxed);
        store_all(&history, [number]).await;
    }
    let expected = everything(&history).await;
    assert_eq!(expected.0.iter().map(|row| row.id).collect::<Vec<_>>(), [5, 1, 9, 2, 7].map(id));
    let duplicate = history.store(sample_event(1, b""), forwarded()).await.unwrap();
    assert!(matches!(duplicate, Stored::Duplicate(_)));
    history.close().await.unwrap();
    let history = world.open_well();
    assert_eq!(everything(&history).await, expected);
    store_all(&history, [8]).await;
    assert_eq!(history.rows(None, 1).await.unwrap()[0].id, id(8));
}

#[tokio::test]
async fn summaries_are_made_again_when_they_are_gone_or_nonsense() {
    let world = World::new();
    let history = world.open_well();
    five_days(&world, &history).await;
    let expected = everything(&history).await;
    history.close().await.unwrap();
    let summaries: Vec<PathBuf> = world.periods().iter().map(|period| period.join("summary.json")).collect();
    assert!(summaries[..4].iter().all(|path| path.exists()) && !summaries[4].exists());
    let written = fs::read(&summaries[1]).unwrap();
    fs::remove_file(&summaries[1]).unwrap();
    fs::write(&summaries[2], "{").unwrap();
    let history = world.open_well();
    assert_eq!(everything(&history).await, expected);
    assert_eq!(fs::read(&summaries[1]).unwrap(), written);
}

#[tokio::test]
async fn an_old_period_that_cannot_be_opened_does_not_stop_the_others() {
    let world = World::new();
    let history = world.open_well();
    five_days(&world, &history).await;
    let (rows, _) = everything(&history).await;
    history.close().await.unwrap();
    let journal = world.periods()[1].join("journal");
    fs::rename(&journal, world.temp.path().join("journal")).unwrap();
    fs::write(&journal, "in the way").unwrap();

    let history = world.open_well();
    let (left, _) = everything(&history).await;
    assert_eq!(left, [&rows[..10], &rows[20..]].concat());
    let notes = history.notes();
    assert!(notes[0].starts_with("the events of 2025-11-25 are left out: "), "{notes:?}");
    assert_eq!(notes.len(), 1);
    store_all(&history, [60]).await;
    history.close().await.unwrap();

    fs::remove_file(&journal).unwrap();
    fs::rename(world.temp.path().join("journal"), &journal).unwrap();
    assert_eq!(world.open_well().rows(None, 100).await.unwrap().len(), 51);
}

/// Three days of which the second cannot be opened any more.
async fn unreadable_second_day(world: &World, imported: Option<u64>) -> History {
    let history = world.open_well();
    busy_history(&history, 0..10).await;
    world.advance(DAY);
    store_all(&history, [DAY + 1, DAY + 3]).await;
    if let Some(number) = imported {
        let imported = Facts { imported: true, ..Facts::default() };
        history.store(sample_event(number, b"from a file"), imported).await.unwrap();
    }
    world.advance(DAY);
    busy_history(&history, 20..30).await;
    history.close().await.unwrap();
    let journal = world.periods()[1].join("journal");
    fs::remove_dir_all(&journal).unwrap();
    fs::write(&journal, "in the way").unwrap();
    world.open_well()
}

#[tokio::test]
async fn an_event_that_may_be_in_an_unreadable_period_holds_up_no_other() {
    let world = World::new();
    let history = unreadable_second_day(&world, None).await;
    for number in [DAY + 1, DAY + 2] {
        let error = history.store(sample_event(number, b"x"), forwarded()).await.unwrap_err();
        let named = matches!(&error, HistoryError::Unreadable { id: unread, path, .. }
            if *unread == id(number) && *path == world.periods()[1]);
        assert!(named, "{error}");
    }
    let next = history.store(sample_event(2 * DAY + 2, b"x"), forwarded()).await.unwrap();
    assert!(matches!(next, Stored::New(_)));
}

#[tokio::test]
async fn an_imported_event_of_the_future_keeps_nothing_away_from_an_unreadable_period() {
    let world = World::new();
    let history = unreadable_second_day(&world, Some(30 * DAY)).await;
    let stored = history.store(sample_event(3 * DAY, b"x"), forwarded()).await.unwrap();
    assert!(matches!(stored, Stored::New(_)), "it is from more than a day later");
}

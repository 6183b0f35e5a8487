//! One process, one day: what is stored is there, once, in order.

use std::{future::Future, os::unix::fs::PermissionsExt, pin::pin, task::Poll};

use super::*;

#[tokio::test]
async fn what_is_stored_comes_back_whole_and_in_order() {
    let world = World::new();
    let history = world.open_well();
    let facts = Facts { provider: Some("stripe".into()), ..forwarded() };
    let mut ids = Vec::new();
    for number in [3, 1, 2, 9, 4] {
        let event = sample_event(number, &body(number));
        let Stored::New(row) = history.store(event.clone(), facts.clone()).await.unwrap() else { panic!() };
        assert_eq!((row.provider.as_deref(), row.stored_at), (Some("stripe"), UnixMillis(NOW)));
        assert_eq!(history.event(event.id).await.unwrap(), Some((event, row.clone())));
        ids.push(row.id);
    }
    let (rows, pending) = everything(&history).await;
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
    assert_eq!(pending, ids);

    let newest_two = history.rows(None, 2).await.unwrap();
    assert_eq!(newest_two, [rows[4].clone(), rows[3].clone()]);
    let next_two = history.rows(Some(ids[3]), 2).await.unwrap();
    assert_eq!(next_two, [rows[2].clone(), rows[1].clone()]);
    assert_eq!(history.rows(Some(ids[0]), 2).await.unwrap(), []);
    assert_eq!(history.rows(None, 0).await.unwrap(), []);

    history.close().await.unwrap();
    let history = world.open_well();
    assert_eq!(everything(&history).await, (rows, ids));
    assert_eq!(history.status().await.unwrap().events, 5);
}

#[tokio::test]
async fn an_event_is_stored_once() {
    let world = World::new();
    let history = world.open_well();
    let event = sample_event(1, b"first");
    let first = history.store(event.clone(), forwarded());
    let second = history.store(event.clone(), forwarded());
    let third = history.store(sample_event(1, b"another body"), Facts::default());
    let (first, second, third) = tokio::join!(first, second, third);
    let Stored::New(row) = first.unwrap() else { panic!() };
    assert_eq!(second.unwrap(), Stored::Duplicate(row.clone()));
    assert_eq!(third.unwrap(), Stored::Duplicate(row.clone()));
    history.settle(event.id).await.unwrap();
    let verdict = history.set_verdict(event.id, Verdict::Unsigned).await.unwrap();
    assert_eq!(history.store(event.clone(), forwarded()).await.unwrap(), Stored::Duplicate(verdict.clone()));
    assert_eq!(everything(&history).await, (vec![verdict.clone()], vec![]));

    history.close().await.unwrap();
    let history = world.open_well();
    assert_eq!(history.store(event.clone(), forwarded()).await.unwrap(), Stored::Duplicate(verdict.clone()));
    assert_eq!(history.event(event.id).await.unwrap(), Some((event, verdict)));
}

#[tokio::test]
async fn many_at_once_keep_the_order_of_calls_and_are_on_disk() {
    let world = World::new();
    let history = world.open_well();
    let stores = (0..600).map(|number| history.store(sample_event(number, &body(number)), forwarded()));
    for stored in futures_util::future::join_all(stores).await {
        assert!(matches!(stored.unwrap(), Stored::New(_)));
    }
    let killed = world.killed_now();
    for history in [history, killed.open_well()] {
        let (rows, pending) = everything(&history).await;
        let ids: Vec<EventId> = (0..600).map(|number| sample_event(number, b"").id).collect();
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
        assert_eq!(pending, ids);
        let number = 577;
        let (event, _) = history.event(ids[number]).await.unwrap().unwrap();
        assert_eq!(event, sample_event(number as u64, &body(number as u64)));
    }
}

/// One record says both, so a kill leaves both or neither.
#[tokio::test]
async fn the_last_outcome_settles_an_event_with_the_same_write() {
    let world = World::new();
    let history = world.open_well();
    store_all(&history, [1, 2]).await;
    let id = sample_event(1, b"").id;
    let begun = history.begin_attempt(id, "http://a/", AttemptCause::Arrival).await.unwrap();
    let ended = Attempt { outcome: Outcome::Rejected, ..begun };
    let row = history.finish_last_attempt(id, ended.clone()).await.unwrap();
    assert_eq!((row.state, &row.attempts[..]), (EventState::Settled, &[ended][..]));
    let killed = world.killed_now().open_well();
    assert_eq!(everything(&killed).await, everything(&history).await);
    assert_eq!(killed.pending().await.unwrap().len(), 1);
    let unknown = history.finish_last_attempt(sample_event(9, b"").id, row.attempts[0].clone()).await;
    assert!(matches!(unknown, Err(HistoryError::Unknown(_))));
}

#[tokio::test]
async fn attempts_are_counted_over_targets_and_never_overwritten() {
    let world = World::new();
    let history = world.open_well();
    store_all(&history, [1, 2]).await;
    let id = sample_event(1, b"").id;
    let begin = |target| history.begin_attempt(id, target, AttemptCause::Arrival);
    let (a, b, c) = tokio::join!(begin("http://a/"), begin("http://b/"), begin("http://c/"));
    let (a, mut b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
    assert_eq!((a.number, b.number, c.number), (1, 2, 3));
    assert_eq!(a.outcome, Outcome::Begun);
    b.outcome = Outcome::Rejected;
    let row = history.finish_attempt(id, b.clone()).await.unwrap();
    assert_eq!(row.attempts, [a.clone(), b.clone(), c.clone()]);
    // Finished again, as by a caller that does not know: still the same attempt.
    let row = history.finish_attempt(id, b.clone()).await.unwrap();
    assert_eq!(row.attempts.len(), 3);

    let killed = world.killed_now();
    let history = killed.open_well();
    let again = history.begin_attempt(id, "http://a/", AttemptCause::Replay).await.unwrap();
    assert_eq!(again.number, 4);
    let (_, row) = history.event(id).await.unwrap().unwrap();
    assert_eq!(row.attempts, [a, b, c, again]);
    history.settle(id).await.unwrap();
    let (_, pending) = everything(&history).await;
    assert_eq!(pending, [sample_event(2, b"").id]);
}

#[tokio::test]
async fn what_is_not_forwarded_is_not_pending() {
    let world = World::new();
    let history = world.open_well();
    let missed = Facts { missed: true, ..Facts::default() };
    let Stored::New(row) = history.store(sample_event(1, b""), missed).await.unwrap() else { panic!() };
    assert!(row.missed);
    assert_eq!(history.pending().await.unwrap(), []);
}

#[tokio::test]
async fn events_not_stored_are_said_to_be_unknown() {
    let world = World::new();
    let history = world.open_well();
    let id = sample_event(1, b"").id;
    let unknown = |error: HistoryError| assert!(matches!(error, HistoryError::Unknown(other) if other == id));
    assert_eq!(history.event(id).await.unwrap(), None);
    unknown(history.rows(Some(id), 1).await.unwrap_err());
    unknown(history.set_verdict(id, Verdict::Unsigned).await.unwrap_err());
    unknown(history.settle(id).await.unwrap_err());
    unknown(history.begin_attempt(id, "http://a/", AttemptCause::Replay).await.unwrap_err());
    store_all(&history, [2]).await;
    unknown(history.finish_attempt(id, sample_attempt(1, Outcome::Rejected)).await.unwrap_err());
}

#[tokio::test]
async fn ids_may_be_shortened() {
    let world = World::new();
    let history = world.open_well();
    assert_eq!(history.find("0").await.unwrap(), Found::None);
    store_all(&history, [1, 2, 300_000]).await;
    let id = |number| sample_event(number, b"").id;
    let text = id(300_000).to_string();
    assert_eq!(history.find(&text).await.unwrap(), Found::One(id(300_000)));
    assert_eq!(history.find(&text[..13]).await.unwrap(), Found::One(id(300_000)));
    assert_eq!(
        history.find(&text.replace('-', "").to_uppercase()[..12]).await.unwrap(),
        Found::One(id(300_000))
    );
    assert_eq!(history.find(&id(1).to_string()[..10]).await.unwrap(), Found::Many(vec![id(1), id(2)]));
    assert_eq!(history.find("ff").await.unwrap(), Found::None);
    assert_eq!(history.find("no id").await.unwrap(), Found::None);
}

#[tokio::test]
async fn a_caller_that_stops_waiting_changes_nothing() {
    let world = World::new();
    let history = world.open_well();
    {
        let mut store = pin!(history.store(sample_event(1, b""), forwarded()));
        let polled = std::future::poll_fn(|context| Poll::Ready(store.as_mut().poll(context))).await;
        assert!(polled.is_pending());
    }
    store_all(&history, [2]).await;
    let (rows, _) = everything(&history).await;
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn a_closed_history_says_so() {
    let world = World::new();
    let history = world.open_well();
    let other = history.clone();
    store_all(&history, [1]).await;
    history.close().await.unwrap();
    assert!(matches!(other.rows(None, 1).await, Err(HistoryError::Closed)));
    assert!(matches!(other.store(sample_event(2, b""), forwarded()).await, Err(HistoryError::Closed)));
    assert!(other.holder().is_err());
    // The directory is free again although a handle is left.
    let again = world.open_well();
    assert_eq!(again.rows(None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_handle_that_is_only_dropped_leaves_everything_behind() {
    let world = World::new();
    let history = world.open_well();
    store_all(&history, 0..20).await;
    drop(history);
    let (rows, pending) = everything(&world.open_well()).await;
    assert_eq!((rows.len(), pending.len()), (20, 20));
}

#[tokio::test]
async fn every_file_is_for_this_user_only() {
    fn check(path: &Path) {
        let metadata = fs::metadata(path).unwrap();
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, expected, "{}", path.display());
        if metadata.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| check(&entry.unwrap().path()));
        }
    }
    let world = World::new();
    let history = world.open_well();
    store_all(&history, [1, 2]).await;
    check(&world.path());
    history.close().await.unwrap();
    check(&world.path());
    let history = world.open_well();
    world.advance(DAY);
    store_all(&history, [3]).await;
    check(&world.path());
}

#[tokio::test]
async fn the_second_one_is_told_who_holds_it() {
    let world = World::new();
    let history = world.open_well();
    let options = Options { lock_wait: Duration::ZERO, ..world.options() };
    let Err(error) = History::open_with(&world.path(), options) else { panic!() };
    let expected = format!(
        "the data directory {} is in use by `inhaul listen 3000` (pid {}) since 2025-11-24T07:41:10.118Z",
        world.path().display(),
        std::process::id()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(history.holder().unwrap().command, "inhaul listen 3000");
}

#[test]
fn what_cannot_be_opened_is_named_and_left_alone() {
    let world = World::new();
    fs::write(world.path(), "a file").unwrap();
    let Err(error) = History::open(&world.path()) else { panic!() };
    assert!(error.to_string().starts_with(&world.path().display().to_string()), "{error}");
    assert!(error.hint().unwrap().contains("--data"));
    assert_eq!(fs::read(world.path()).unwrap(), b"a file");

    let world = World::new();
    fs::create_dir(world.path()).unwrap();
    fs::write(world.path().join("history"), "a file").unwrap();
    let Err(error) = History::open(&world.path()) else { panic!() };
    assert!(
        matches!(&error, HistoryError::Io { path, .. } if *path == world.path().join("history")),
        "{error}"
    );
    assert_eq!(fs::read(world.path().join("history")).unwrap(), b"a file");
}

#[tokio::test]
async fn the_history_of_a_later_release_is_left_alone() {
    let world = World::new();
    let history = world.open_well();
    store_all(&history, [1]).await;
    history.close().await.unwrap();
    let format = world.path().join("history/format");
    for later in ["2\n".to_owned(), "x".repeat(5000)] {
        fs::write(&format, &later).unwrap();
        let Err(error) = History::open_with(&world.path(), world.options()) else { panic!() };
        assert!(error.to_string().ends_with("/history/format was written by a later release of inhaul"));
        assert!(error.hint().unwrap().contains("nothing was changed"));
        assert_eq!(fs::read_to_string(&format).unwrap(), later);
    }
    fs::write(&format, "1\n").unwrap();
    assert_eq!(world.open_well().rows(None, 9).await.unwrap().len(), 1);
}

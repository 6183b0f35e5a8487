//! Deleted events: nobody sees them, they stay away when they come again, and their bytes go.

use super::*;
use crate::{
    annotation::{Annotation, Comment},
    draft::Draft,
    row::EventState,
};

fn id(number: u64) -> EventId {
    sample_event(number, b"").id
}

fn secret(number: u64) -> Vec<u8> {
    format!("secret-{number}-").repeat(700).into_bytes()
}

fn undo_time() -> u64 {
    u64::try_from(UNDO_TIME.as_millis()).unwrap()
}

/// Events whose bodies are secrets, each with an attempt that is over, a comment and an edited body.
async fn store(history: &History, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let facts = Facts { provider_event_id: Some(format!("evt_{number}")), ..Facts::default() };
        history.store(sample_event(number, &secret(number)), facts).await.unwrap();
        let mut attempt =
            history.begin_attempt(id(number), "http://localhost/", AttemptCause::Replay).await.unwrap();
        attempt.outcome = Outcome::Answered {
            status: 200,
            headers: Vec::new(),
            body_bytes: 9,
            body_excerpt: secret(number)[..20].to_vec(),
            latency_ms: 1,
        };
        history.finish_attempt(id(number), attempt).await.unwrap();
        let comment = Comment::new(&format!("secret-{number}-comment")).unwrap();
        history.annotate(id(number), Annotation::Comment(comment)).await.unwrap();
        let body = Some(Bytes::from(secret(number)));
        history.record_draft(id(number), Draft { body, ..Draft::default() }).await.unwrap();
    }
}

/// Whether a journal of any period holds something of an event.
fn journals_hold(world: &World, number: u64) -> bool {
    let wanted = format!("secret-{number}-").into_bytes();
    let journals =
        world.periods().into_iter().flat_map(|period| fs::read_dir(period.join("journal")).unwrap());
    let mut files = journals.map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.any(|bytes| bytes.windows(wanted.len()).any(|window| window == wanted))
}

/// Waits until nothing of an event is in a journal.
async fn erased(world: &World, history: &History, number: u64) {
    let begun = std::time::Instant::now();
    while journals_hold(world, number) {
        assert!(begun.elapsed() < Duration::from_secs(60), "its bytes stay");
        history.status().await.unwrap();
    }
}

/// Nobody sees the second of four events, and it does not come back.
async fn is_deleted(history: &History) {
    let (rows, _) = everything(history).await;
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [id(0), id(1), id(3)]);
    assert_eq!(history.event(id(2)).await.unwrap(), None);
    assert_eq!(history.find(&id(2).to_string()).await.unwrap(), Found::None);
    assert_eq!(history.rows_of(vec![id(2), id(3)]).await.unwrap().len(), 1);
    assert_eq!(history.status().await.unwrap().events, 3);
    let before = history.rows(Some(id(2)), 9).await.unwrap();
    assert_eq!(before.iter().map(|row| row.id).collect::<Vec<_>>(), [id(1), id(0)], "its place is known");
    assert!(matches!(
        history.annotate(id(2), Annotation::Comment(Comment::default())).await,
        Err(HistoryError::Unknown(_))
    ));
    assert!(matches!(history.delete(id(2)).await, Err(HistoryError::Unknown(_))));
    let again = history.store(sample_event(2, &secret(2)), forwarded()).await.unwrap();
    assert!(matches!(again, Stored::Duplicate(row) if row.state == EventState::Settled));
    let (rows, pending) = everything(history).await;
    assert_eq!((rows.len(), pending.len()), (3, 0));
}

#[tokio::test]
async fn a_deleted_event_is_gone_and_its_bytes_go_when_nobody_can_take_it_back() {
    let world = World::new();
    let history = world.open_well();
    store(&history, 0..4).await;
    let row = history.delete(id(2)).await.unwrap();
    assert_eq!((row.id, row.comment.as_deref()), (id(2), Some("secret-2-comment")));
    is_deleted(&history).await;
    world.advance(undo_time() - 1);
    // This looks at the time on the way.
    history.delete(id(3)).await.unwrap();
    assert!(journals_hold(&world, 2));
    world.advance(1);
    erased(&world, &history, 2).await;
    assert!(journals_hold(&world, 1) && journals_hold(&world, 3));
    history.restore(id(3)).await.unwrap();
    is_deleted(&history).await;
    assert!(matches!(history.restore(id(2)).await, Err(HistoryError::Unknown(_))), "it is too late");
    // A delivery of the same event is another event.
    let again = sample_event(9, &secret(2));
    let facts = Facts { provider_event_id: Some("evt_2".to_owned()), ..Facts::default() };
    let Stored::New(row) = history.store(again, facts).await.unwrap() else { panic!("it is new") };
    assert_eq!(row.repeat, None);
    history.close().await.unwrap();
    for path in [world.periods()[0].join("index.sled"), world.path().join("history/none")] {
        let _ = fs::remove_dir_all(path);
        let history = world.open_well();
        assert_eq!(history.rows(None, 9).await.unwrap().len(), 4);
        assert!(matches!(
            history.store(sample_event(2, b""), forwarded()).await.unwrap(),
            Stored::Duplicate(_)
        ));
        history.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_deletion_that_is_taken_back_leaves_everything_as_it_was() {
    let world = World::new();
    let history = world.open_well();
    store(&history, 0..4).await;
    let before = everything(&history).await;
    assert!(matches!(history.restore(id(2)).await, Err(HistoryError::Unknown(_))), "it is not deleted");
    let row = history.delete(id(2)).await.unwrap();
    assert_eq!(history.restore(id(2)).await.unwrap(), row);
    assert_eq!(everything(&history).await, before);
    // Another one is erased after it would have been.
    history.delete(id(3)).await.unwrap();
    world.advance(2 * undo_time());
    erased(&world, &history, 3).await;
    let (event, _) = history.event(id(2)).await.unwrap().unwrap();
    assert_eq!(event.body, secret(2));
    history.close().await.unwrap();
    let (mut rows, pending) = before;
    rows.pop();
    assert_eq!(everything(&world.open_well()).await, (rows, pending));
}

#[tokio::test]
async fn a_second_deletion_can_be_taken_back_for_as_long_as_the_first() {
    let world = World::new();
    let history = world.open_well();
    store(&history, 0..4).await;
    history.delete(id(2)).await.unwrap();
    history.restore(id(2)).await.unwrap();
    world.advance(undo_time() - 1);
    history.delete(id(2)).await.unwrap();
    world.advance(1);
    // Erased with whatever is due then: the first deletion of this one would be.
    history.delete(id(3)).await.unwrap();
    history.status().await.unwrap();
    let row = history.restore(id(2)).await.unwrap();
    assert_eq!(row.id, id(2));
    let (event, _) = history.event(id(2)).await.unwrap().unwrap();
    assert_eq!(event.body, secret(2));
    history.delete(id(2)).await.unwrap();
    world.advance(undo_time());
    erased(&world, &history, 2).await;
}

#[tokio::test]
async fn what_is_still_to_be_done_keeps_an_event() {
    let world = World::new();
    let history = world.open_well();
    let reason = async |number| match history.delete(id(number)).await {
        Err(HistoryError::NotDeletable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    history.store(sample_event(1, b"x"), forwarded()).await.unwrap();
    assert_eq!(reason(1).await, "it is still to be forwarded");
    history.store(sample_event(2, b"y"), Facts { held: true, ..forwarded() }).await.unwrap();
    assert_eq!(reason(2).await, "it is held; release it or drop it first");
    history.settle(id(1)).await.unwrap();
    let attempt = history.begin_attempt(id(1), "http://localhost/", AttemptCause::Replay).await.unwrap();
    assert_eq!(reason(1).await, "it is just being sent");
    assert!(matches!(history.delete(id(7)).await, Err(HistoryError::Unknown(_))));
    history.finish_attempt(id(1), Attempt { outcome: Outcome::Rejected, ..attempt }).await.unwrap();
    history.begin_attempt(id(1), "http://localhost/", AttemptCause::Replay).await.unwrap();
    // The process that began it is gone.
    let killed = world.killed_now();
    killed.advance(1);
    killed.open_well().delete(id(1)).await.unwrap();
}

/// A kill at any moment leaves the event as it was, or deleted for good.
#[tokio::test]
async fn a_kill_leaves_a_deletion_as_it_was_said() {
    let world = World::new();
    let history = world.open_well();
    store(&history, 0..4).await;
    history.delete(id(2)).await.unwrap();
    let killed = world.killed_now();
    let opened = killed.open_well();
    is_deleted(&opened).await;
    assert!(!journals_hold(&killed, 2), "nobody can take it back any more");
    world.advance(undo_time());
    erased(&world, &history, 2).await;
    let killed = world.killed_now();
    is_deleted(&killed.open_well()).await;
    drop(history);
}

#[tokio::test]
async fn an_event_of_another_day_is_deleted_in_its_period() {
    let world = World::new();
    let history = world.open_well();
    store(&history, 0..4).await;
    world.advance(DAY);
    history.store(sample_event(5, b"today"), Facts::default()).await.unwrap();
    history.delete(id(2)).await.unwrap();
    let killed = world.killed_now();
    let opened = killed.open_well();
    assert!(!journals_hold(&killed, 2), "its summary says that something is to be overwritten");
    assert_eq!(opened.status().await.unwrap().events, 4);
    assert_eq!(history.status().await.unwrap().events, 4);
    history.close().await.unwrap();
    assert!(!journals_hold(&world, 2), "the end is the end of the time to take it back");
    let history = world.open_well();
    assert!(matches!(history.store(sample_event(2, b""), forwarded()).await.unwrap(), Stored::Duplicate(_)));
    assert_eq!(history.status().await.unwrap().events, 4);
}

#[tokio::test]
async fn a_history_of_nothing_but_deleted_events_goes_on() {
    let world = World::new();
    let history = world.open_well();
    store(&history, 0..3).await;
    for number in 0..3 {
        history.delete(id(number)).await.unwrap();
    }
    history.close().await.unwrap();
    let mut checked = Vec::new();
    History::repair(&world.path(), &world.options(), &mut |period| checked.push(period)).unwrap();
    assert_eq!((checked[0].events, &checked[0].problems), (0, &Vec::<String>::new()));
    let history = world.open_well();
    assert_eq!((history.status().await.unwrap().events, everything(&history).await.0.len()), (0, 0));
    store(&history, 4..6).await;
    assert_eq!(everything(&history).await.0.len(), 2);
}

#[tokio::test]
async fn an_index_that_was_set_aside_goes_with_the_bytes_of_a_deleted_event() {
    let world = World::new();
    let history = world.open_well();
    store(&history, 0..4).await;
    let set_aside = world.periods()[0].join("index.sled.damaged-20261128T090000Z");
    fs::create_dir(&set_aside).unwrap();
    fs::write(set_aside.join("db"), secret(2)).unwrap();
    history.delete(id(2)).await.unwrap();
    assert!(set_aside.exists(), "it can still be taken back");
    world.advance(undo_time() + 1);
    erased(&world, &history, 2).await;
    history.close().await.unwrap();
    assert!(!set_aside.exists());
    assert!(world.periods()[0].join("index.sled").exists());
}

/// What a repair writes again of an erased record is empty, and means the same.
#[tokio::test]
async fn a_repair_leaves_deleted_events_deleted() {
    let world = World::new();
    let history = world.open_well();
    store(&history, 0..4).await;
    history.delete(id(2)).await.unwrap();
    history.close().await.unwrap();
    for path in fs::read_dir(world.periods()[0].join("journal")).unwrap().map(|entry| entry.unwrap().path()) {
        let mut bytes = fs::read(&path).unwrap();
        let wanted = b"secret-3-secret-3-";
        if let Some(at) = bytes.windows(wanted.len()).position(|window| window == wanted) {
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
    History::repair(&world.path(), &world.options(), &mut |_| {}).unwrap();
    let replaced = replaced_journals(&DataDir::open(Some(&world.path())).unwrap());
    assert!(replaced.len() == 1 && replaced[0].starts_with(&world.periods()[0]), "{replaced:?}");
    let history = world.open_well();
    let ids: Vec<EventId> = everything(&history).await.0.iter().map(|row| row.id).collect();
    assert_eq!(ids, [id(0), id(1)]);
    assert!(matches!(history.store(sample_event(2, b""), forwarded()).await.unwrap(), Stored::Duplicate(_)));
}

//! What changes in a period that is over, and what a history says of it meanwhile and after a kill.

use super::*;
use crate::{
    annotation::Comment,
    draft::{Changes, Draft, Sign},
    row::FailureKind,
};

fn id(number: u64) -> EventId {
    sample_event(number, b"").id
}

fn ids(rows: &[EventRow]) -> Vec<EventId> {
    rows.iter().map(|row| row.id).collect()
}

/// A day with three held events and one that is to be forwarded, which is over, and a day with nothing left to do.
async fn a_day_that_is_over(world: &World) -> History {
    let history = world.open_well();
    for number in 0..3 {
        history.store(sample_event(number, b"held"), Facts { held: true, ..forwarded() }).await.unwrap();
    }
    store_all(&history, [3]).await;
    world.advance(DAY);
    store_all(&history, [4]).await;
    history.settle(id(4)).await.unwrap();
    assert!(world.periods()[0].join("summary.json").exists());
    history
}

#[tokio::test]
async fn what_is_decided_on_an_older_period_outlives_a_kill() {
    let world = World::new();
    let history = a_day_that_is_over(&world).await;
    let edited = Draft { changes: Changes { sign: Sign::Fresh, ..Changes::default() }, ..Draft::default() };
    history.settle(id(3)).await.unwrap();
    // As at the start of a client that finds nothing to forward there.
    history.close().await.unwrap();
    let history = world.open_well();
    assert_eq!(history.pending().await.unwrap(), []);
    for (number, draft) in [(0, Draft::default()), (1, edited)] {
        history.decide(id(number), Ruling::Forward(draft)).await.unwrap();
        let killed = world.killed_now();
        let pending = killed.open_well().pending().await.unwrap();
        assert_eq!(ids(&pending), (0..=number).map(id).collect::<Vec<_>>());
    }
    history.give_up(id(0), "it was refused".into()).await.unwrap();
    let killed = world.killed_now().open_well();
    assert_eq!(ids(&killed.in_state(EventState::GivenUp, None, 9).await.unwrap()), [id(0)]);
    assert_eq!(killed.status().await.unwrap().given_up, 1);
}

/// Where changes are on their way to the disk when the period is closed, too.
#[tokio::test]
async fn a_summary_is_not_written_while_a_change_is_on_its_way() {
    let world = World::new();
    let history = world.open_well();
    for day in 0..6 {
        history.store(sample_event(day, b"x"), Facts { held: true, ..forwarded() }).await.unwrap();
        world.advance(DAY);
    }
    // All at once, and more periods than are kept open.
    let released = (0..5).map(|number| history.decide(id(number), Ruling::Forward(Draft::default())));
    for released in futures_util::future::join_all(released).await {
        released.unwrap();
    }
    let killed = world.killed_now();
    assert_eq!(ids(&killed.open_well().pending().await.unwrap()), (0..5).map(id).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_running_history_knows_what_has_changed_in_an_older_period() {
    let world = World::new();
    let history = a_day_that_is_over(&world).await;
    history.give_up(id(3), "it was refused".into()).await.unwrap();
    assert_eq!(ids(&history.in_state(EventState::GivenUp, None, 9).await.unwrap()), [id(3)]);
    assert_eq!(history.status().await.unwrap().given_up, 1);
    history.decide(id(0), Ruling::Forward(Draft::default())).await.unwrap();
    assert_eq!(ids(&history.pending().await.unwrap()), [id(0)]);
}

/// Nothing behind an event from a file waits for it, and it waits for nothing.
#[tokio::test]
async fn an_import_that_fails_keeps_nothing_away() {
    let world = World::new();
    let history = world.open_well();
    store_all(&history, [1]).await;
    world.advance(DAY);
    let next = world.path().join("history/2025-11-25.2");
    fs::write(&next, "in the way").unwrap();
    let imported = || Facts { imported: true, ..Facts::default() };
    let import = |number| history.store(sample_event(number, b"from a file"), imported());
    import(2).await.unwrap_err();
    fs::remove_file(&next).unwrap();
    assert!(matches!(import(3).await, Ok(Stored::New(_))), "another one is stored");
    store_all(&history, [4]).await;
}

/// A replay that was under way when the process was killed is over, though nothing says how it ended.
#[tokio::test]
async fn an_attempt_of_a_killed_process_is_stopped() {
    let world = World::new();
    let history = world.open_well();
    store_all(&history, [1]).await;
    history.settle(id(1)).await.unwrap();
    history.begin_attempt(id(1), "http://localhost:3000/", AttemptCause::Replay).await.unwrap();
    let begun = history.event(id(1)).await.unwrap().unwrap().1;
    assert_eq!(begun.attempts[0].outcome, Outcome::Begun, "it is under way");
    let killed = world.killed_now();
    killed.advance(1);
    let history = killed.open_well();
    let tagged = || history.annotate(id(1), Annotation::Comment(Comment::new("why?").unwrap()));
    for row in [
        history.rows(None, 1).await.unwrap().remove(0),
        history.rows_of(vec![id(1)]).await.unwrap().remove(0),
        history.event(id(1)).await.unwrap().unwrap().1,
        tagged().await.unwrap(),
    ] {
        let outcome = &row.attempts[0].outcome;
        assert!(matches!(outcome, Outcome::Failed { kind: FailureKind::Stopped, .. }), "{outcome:?}");
    }
}

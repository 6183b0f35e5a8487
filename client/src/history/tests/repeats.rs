//! Deliveries of the same event know each other, and what a person decides on is held.

use futures_util::{FutureExt, future::join_all};

use super::*;
use crate::{
    draft::{Changes, Draft, Sign},
    row::{EventState, Repeat},
};

/// It is forwarded as it was received.
fn release() -> Ruling {
    Ruling::Forward(Draft::default())
}

/// An event of a provider, by its id.
fn delivery(id: &str) -> Facts {
    Facts { provider: Some("stripe".into()), provider_event_id: Some(id.into()), ..forwarded() }
}

fn dropping(id: &str) -> Facts {
    Facts { drop_repeats: true, ..delivery(id) }
}

async fn store(history: &History, number: u64, body: &[u8], facts: Facts) -> EventRow {
    match history.store(sample_event(number, body), facts).await.unwrap() {
        Stored::New(row) => row,
        Stored::Duplicate(_) => panic!("{number} was stored before"),
    }
}

async fn deliver(history: &History, id: EventId, status: u16) {
    let begun = history.begin_attempt(id, "http://localhost:3000/", AttemptCause::Arrival).await.unwrap();
    let outcome = Outcome::Answered {
        status,
        headers: Vec::new(),
        body_bytes: 0,
        body_excerpt: Vec::new(),
        latency_ms: 1,
    };
    history.finish_attempt(id, Attempt { outcome, ..begun }).await.unwrap();
    history.settle(id).await.unwrap();
}

#[tokio::test]
async fn a_delivery_knows_the_first_one_of_the_same_event() {
    let world = World::new();
    let history = world.open_well();
    let first = store(&history, 1, b"body", delivery("evt_1")).await;
    assert_eq!(first.repeat, None);
    assert_eq!(store(&history, 2, b"body", delivery("evt_2")).await.repeat, None);
    let repeat = Repeat {
        number: 2,
        first: first.id,
        first_received_at: first.received_at,
        same_id: true,
        same_body: true,
        dropped: false,
    };
    let second = store(&history, 3, b"body", delivery("evt_1")).await;
    assert_eq!((second.repeat.as_ref(), second.state), (Some(&repeat), EventState::Pending));
    let third = store(&history, 4, b"another", delivery("evt_1")).await;
    assert_eq!(third.repeat, Some(Repeat { number: 3, same_body: false, ..repeat.clone() }));

    // All of it is on record, and in an index that is made again.
    let (rows, pending) = everything(&history).await;
    history.close().await.unwrap();
    fs::remove_dir_all(world.periods()[0].join("index.sled")).unwrap();
    let history = world.open_well();
    assert_eq!(everything(&history).await, (rows, pending));
    let fourth = store(&history, 5, b"body", delivery("evt_1")).await;
    assert_eq!(fourth.repeat, Some(Repeat { number: 4, ..repeat }));
}

#[tokio::test]
async fn deliveries_that_arrive_together_are_told_apart_in_their_order() {
    let world = World::new();
    let history = world.open_well();
    let stores = (1..=20).map(|number| history.store(sample_event(number, b"x"), delivery("evt_1")));
    let numbers: Vec<u32> = join_all(stores)
        .await
        .into_iter()
        .map(|stored| match stored.unwrap() {
            Stored::New(row) => row.repeat.map_or(1, |repeat| repeat.number),
            Stored::Duplicate(_) => panic!("each is another event"),
        })
        .collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
}

/// As under load, where many of the same share one sync: none waits until those before it are on the disk.
#[tokio::test]
async fn deliveries_on_their_way_to_the_disk_know_each_other() {
    let world = World::new();
    let (opened, mut by_hand) =
        ByHand::open(&world.path(), Options { simulated: true, ..world.options() }).unwrap();
    let history = &opened.history;
    let facts = || Facts { verdict: Some(Box::new(Verdict::Unsigned)), ..dropping("evt_1") };
    let bodies: [&[u8]; 4] = [b"one", b"one", b"another", b"one"];
    let store = |(number, body)| Box::pin(history.store(sample_event(number, body), facts()));
    let mut stores: Vec<_> = (1..).zip(bodies).map(store).collect();
    assert!(!stores.iter_mut().any(|store| store.as_mut().now_or_never().is_some()));
    while by_hand.step() {}
    assert!(
        !stores.iter_mut().any(|store| store.as_mut().now_or_never().is_some()),
        "nothing was written to the disk yet"
    );
    while by_hand.write() || by_hand.step() {}
    let stored = join_all(stores).await;
    let rows: Vec<EventRow> = stored
        .into_iter()
        .map(|stored| match stored.unwrap() {
            Stored::New(row) => row,
            Stored::Duplicate(_) => panic!("each is another event"),
        })
        .collect();
    assert_eq!((rows[0].repeat.as_ref(), rows[0].state), (None, EventState::Pending));
    for (number, row) in (2..).zip(&rows[1..]) {
        let repeat = Repeat {
            number,
            first: rows[0].id,
            first_received_at: rows[0].received_at,
            same_id: true,
            same_body: number != 3,
            dropped: true,
        };
        assert_eq!((row.repeat.as_ref(), row.state), (Some(&repeat), EventState::Settled));
    }
}

#[tokio::test]
async fn without_an_id_the_same_request_is_flagged_and_never_dropped() {
    let world = World::new();
    let history = world.open_well();
    let event = |id: u64| Event { id: sample_event(id, b"").id, ..sample_event(1, b"ping") };
    let facts = || Facts { drop_repeats: true, ..forwarded() };
    let Stored::New(first) = history.store(event(1), facts()).await.unwrap() else { panic!() };
    history.set_verdict(first.id, Verdict::Unsigned).await.unwrap();
    deliver(&history, first.id, 200).await;
    let Stored::New(second) = history.store(event(2), facts()).await.unwrap() else { panic!() };
    let repeat = second.repeat.unwrap();
    assert_eq!((repeat.number, repeat.same_id, repeat.same_body, repeat.dropped), (2, false, true, false));
    assert_eq!(second.state, EventState::Pending);
}

#[tokio::test]
async fn a_repeat_is_dropped_only_when_an_earlier_one_reaches_its_target() {
    let valid = || Verdict::Valid { scheme: "stripe".into(), secret: "S".into() };
    let forged =
        || Verdict::Invalid { scheme: "stripe".into(), code: "mismatch".into(), reason: "forged".into() };
    let world = World::new();
    let history = world.open_well();
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    for (case, verdict, status, sender_waits, dropped) in [
        ("delivered", Some(valid()), Some(200), true, true),
        ("failed", Some(valid()), Some(500), true, false),
        ("to be tried again", Some(valid()), None, false, true),
        ("its sender was told how it went", Some(valid()), None, true, false),
        ("a forgery that was delivered", Some(forged()), Some(200), true, false),
        ("never checked", None, Some(200), true, false),
    ] {
        let first = store(&history, next(), b"x", Facts { sender_waits, ..delivery(case) }).await;
        if let Some(verdict) = verdict {
            history.set_verdict(first.id, verdict).await.unwrap();
        }
        if let Some(status) = status {
            deliver(&history, first.id, status).await;
        }
        let second = store(&history, next(), b"x", dropping(case)).await;
        assert_eq!(second.repeat.unwrap().dropped, dropped, "{case}");
        let state = if dropped { EventState::Settled } else { EventState::Pending };
        assert_eq!(second.state, state, "{case}");
        let third = store(&history, next(), b"x", delivery(case)).await;
        assert!(!third.repeat.unwrap().dropped, "nobody asked for it: {case}");
    }
}

#[tokio::test]
async fn a_delivery_is_known_behind_many_that_were_dropped() {
    let world = World::new();
    let history = world.open_well();
    let first = store(&history, 1, b"x", dropping("evt_1")).await;
    history.set_verdict(first.id, Verdict::Unsigned).await.unwrap();
    deliver(&history, first.id, 200).await;
    for number in 2..40 {
        let row = store(&history, number, b"x", dropping("evt_1")).await;
        history.set_verdict(row.id, Verdict::Unsigned).await.unwrap();
        let repeat = row.repeat.unwrap();
        assert_eq!((u64::from(repeat.number), repeat.dropped), (number, true));
    }
}

#[tokio::test]
async fn an_event_that_was_given_up_is_forwarded_when_it_comes_again() {
    let world = World::new();
    let history = world.open_well();
    let first = store(&history, 1, b"x", dropping("evt_1")).await;
    history.set_verdict(first.id, Verdict::Unsigned).await.unwrap();
    for number in 2..5 {
        let waiting = store(&history, number, b"x", dropping("evt_1")).await;
        assert!(waiting.repeat.unwrap().dropped, "the first is tried again");
        history.set_verdict(waiting.id, Verdict::Unsigned).await.unwrap();
    }
    history.give_up(first.id, "it answered 500".to_owned()).await.unwrap();
    let again = store(&history, 5, b"x", dropping("evt_1")).await;
    assert_eq!((again.repeat.unwrap().dropped, again.state), (false, EventState::Pending));
}

#[tokio::test]
async fn deliveries_are_known_over_days_and_for_a_week() {
    let world = World::new();
    let history = world.open_well();
    let first = store(&history, 1, b"x", delivery("evt_1")).await;
    for day in 1..=5 {
        world.advance(DAY);
        store(&history, 100 + day, b"between", delivery(&format!("other {day}"))).await;
    }
    let second = store(&history, 2, b"x", delivery("evt_1")).await;
    assert_eq!(second.repeat.map(|repeat| (repeat.number, repeat.first)), Some((2, first.id)));
    history.close().await.unwrap();

    // The keys of each period that is over are in a file, and are made again when that is damaged.
    let keys: Vec<PathBuf> = world.periods().iter().map(|period| period.join("same.keys")).collect();
    assert_eq!(keys.iter().filter(|path| path.exists()).count(), 5);
    fs::write(&keys[0], b"nonsense").unwrap();
    fs::remove_file(&keys[1]).unwrap();
    let history = world.open_well();
    let again = store(&history, 3, b"between", delivery("other 1")).await;
    assert_eq!(again.repeat.map(|repeat| repeat.number), Some(2));

    world.advance(8 * DAY);
    store(&history, 4, b"x", delivery("new day")).await;
    let forgotten = store(&history, 5, b"x", delivery("evt_1")).await;
    assert_eq!(forgotten.repeat, None);
}

#[tokio::test]
async fn what_is_held_waits_for_a_person() {
    let world = World::new();
    let history = world.open_well();
    let held = Facts { held: true, late: true, ..forwarded() };
    for number in 1..=3 {
        let row = store(&history, number, &body(number), held.clone()).await;
        assert_eq!((row.state, row.late), (EventState::Held, true));
    }
    let ids: Vec<EventId> = (1..=3).map(|number| sample_event(number, b"").id).collect();
    assert_eq!(history.pending().await.unwrap(), []);
    assert_eq!(history.decide(ids[0], release()).await.unwrap().state, EventState::Pending);
    let dropped = history.decide(ids[1], Ruling::Drop { by: "ada".into(), why: None }).await.unwrap();
    assert_eq!(
        (dropped.state, dropped.dropped.map(|dropped| dropped.by)),
        (EventState::Settled, Some("ada".into()))
    );
    for id in &ids[..2] {
        assert!(
            matches!(history.decide(*id, release()).await, Err(HistoryError::NotHeld(_))),
            "that was decided"
        );
    }

    history.close().await.unwrap();
    let history = world.open_well();
    let in_state = async |state| {
        let rows = history.in_state(state, None, 9).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(in_state(EventState::Pending).await, [ids[0]]);
    assert_eq!(in_state(EventState::Held).await, [ids[2]]);
    let status = history.status().await.unwrap();
    assert_eq!((status.events, status.pending, status.held, status.given_up), (3, 1, 1, 0));
}

/// Closed, killed, and with an index that is made again.
#[tokio::test]
async fn what_was_let_go_is_to_be_forwarded_in_that_order() {
    let world = World::new();
    let history = world.open_well();
    let held = Facts { held: true, ..forwarded() };
    let id = |number| sample_event(number, b"").id;
    for number in 1..=4 {
        store(&history, number, b"x", held.clone()).await;
    }
    store(&history, 5, b"x", forwarded()).await;
    history.decide(id(3), release()).await.unwrap();
    store(&history, 6, b"x", forwarded()).await;
    let edited = Draft { body: Some(Bytes::from_static(b"edited")), ..Draft::default() };
    history.decide(id(1), Ruling::Forward(edited)).await.unwrap();
    history.decide(id(2), release()).await.unwrap();
    let expected = [5, 3, 6, 1, 2].map(id).to_vec();
    assert_eq!(everything(&history).await.1, expected);
    let killed = world.killed_now();
    assert_eq!(everything(&killed.open_well()).await.1, expected);
    history.close().await.unwrap();
    let history = world.open_well();
    assert_eq!(everything(&history).await.1, expected);
    history.close().await.unwrap();
    fs::remove_dir_all(world.periods()[0].join("index.sled")).unwrap();
    assert_eq!(everything(&world.open_well()).await.1, expected);
}

#[tokio::test]
async fn a_draft_is_on_record_once_and_the_event_stays_as_it_was() {
    let world = World::new();
    let history = world.open_well();
    let (for_replay, for_release) = (sample_event(1, b"as received"), sample_event(2, b"held"));
    let held = Facts { held: true, ..forwarded() };
    store(&history, 1, b"as received", forwarded()).await;
    store(&history, 2, b"held", held).await;
    let draft = |body: &'static [u8]| {
        let changes = Changes { sign: Sign::Fresh, ..Changes::default() };
        Draft { body: Some(body.into()), changes }
    };
    let (first, again) = tokio::join!(
        history.record_draft(for_replay.id, draft(b"one")),
        history.record_draft(for_replay.id, draft(b"one")),
    );
    assert_eq!(first.unwrap(), again.unwrap());
    for number in 0..30_u8 {
        let draft = Draft { body: Some(vec![number].into()), ..Draft::default() };
        history.record_draft(for_replay.id, draft).await.unwrap();
    }
    let released = history.decide(for_release.id, Ruling::Forward(draft(b"edited"))).await.unwrap();
    assert_eq!((released.state, released.forwarded_as), (EventState::Pending, Some(draft(b"edited").id())));
    for number in 0..30_u8 {
        let draft = Draft { body: Some(vec![number].into()), ..Draft::default() };
        history.record_draft(for_release.id, draft).await.unwrap();
    }

    history.close().await.unwrap();
    let history = world.open_well();
    assert_eq!(history.event(for_replay.id).await.unwrap().unwrap().0, for_replay);
    let found = |id, draft: Draft| history.draft(id, draft.id());
    assert_eq!(found(for_replay.id, draft(b"one")).await.unwrap(), None, "only the latest are kept at hand");
    let latest = Draft { body: Some(vec![29].into()), ..Draft::default() };
    assert_eq!(found(for_replay.id, latest.clone()).await.unwrap().unwrap().draft, latest);
    let edit = found(for_release.id, draft(b"edited")).await.unwrap().unwrap();
    assert_eq!((edit.forward, edit.draft), (true, draft(b"edited")), "the one that is forwarded stays");
    let unknown = history.record_draft(sample_event(9, b"").id, latest).await;
    assert!(matches!(unknown, Err(HistoryError::Unknown(_))));
}

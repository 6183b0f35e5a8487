//! Senders that wait: how many at once, until when, and what becomes of their events at a stop, at a restart and when they cannot be read.

use std::sync::atomic::AtomicUsize;

use inhaul_core::retry::Schedule;

use super::*;
use crate::history::{Facts, Ruling};

/// Bytes of which it is known whether somebody still has them.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn bytes(alive: &Arc<AtomicUsize>) -> Bytes {
        alive.fetch_add(1, Ordering::SeqCst);
        Bytes::from_owner(Self(Arc::clone(alive)))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        b"body"
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) async fn listen() -> (TcpListener, Target) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    (listener, target)
}

async fn connections(listener: &TcpListener, count: usize) -> Vec<TcpStream> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.push(listener.accept().await.unwrap().0);
    }
    taken
}

fn route(targets: &[Target]) -> Route {
    let retry = Schedule::new(vec![Duration::from_millis(1)]);
    Route { targets: targets.to_vec(), retry, ..Route::catch_all() }
}

impl World {
    /// The next row that passes.
    async fn row(&mut self, passes: impl Fn(&EventRow) -> bool) -> EventRow {
        loop {
            if let Live::Event(row) | Live::Changed(row) | Live::Attempt(row, _) =
                self.live.recv().await.unwrap()
                && passes(&row)
            {
                return *row;
            }
        }
    }

    /// Stores an event as an earlier run has.
    async fn stored(&mut self, facts: Facts) -> EventId {
        self.next += 1;
        let event = sample_event(self.next, b"body");
        let id = event.id;
        self.history.store(event, Facts { forward: true, ..facts }).await.unwrap();
        id
    }
}

fn a_minute() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(60))
}

/// Forwards that take long must not keep the bodies of all that wait behind them in memory.
#[tokio::test]
async fn events_that_wait_for_room_wait_without_their_bytes() {
    let (listener, target) = listen().await;
    let mut world = World::new(&[target]);
    let alive = Arc::new(AtomicUsize::new(0));
    for _ in 0..40 {
        world.give_body(a_minute(), false, Counted::bytes(&alive)).await;
        world.row(|row| row.attempts.is_empty()).await;
    }
    let busy = connections(&listener, CONCURRENT_FORWARDS).await;
    let until = Instant::now() + Duration::from_secs(30);
    while alive.load(Ordering::SeqCst) > CONCURRENT_FORWARDS {
        assert!(Instant::now() < until, "{} bodies are kept", alive.load(Ordering::SeqCst));
        tokio::task::yield_now().await;
    }
    for stream in busy {
        answer(stream).await;
    }
    // They have the bytes they came with.
    for _ in CONCURRENT_FORWARDS..40 {
        answer(listener.accept().await.unwrap().0).await;
    }
    for _ in 0..40 {
        world.row(|row| row.state == EventState::Settled).await;
    }
}

#[tokio::test]
async fn what_waits_for_room_does_not_begin_after_the_stop() {
    let (listener, target) = listen().await;
    let mut world = World::idle(route(&[target]), Options::default());
    let mut running = world.run();
    for _ in 0..20 {
        world.give(true).await;
        world.row(|row| row.attempts.is_empty()).await;
    }
    let busy = connections(&listener, CONCURRENT_FORWARDS).await;
    world.stop.cancel();
    for stream in busy {
        answer(stream).await;
    }
    tokio::select! {
        ended = &mut running => ended.unwrap().unwrap(),
        _ = listener.accept() => panic!("another one has begun"),
    }
    assert_eq!(world.history.pending().await.unwrap().len(), 20 - CONCURRENT_FORWARDS);
}

/// An application that takes longer than the client has at its end.
#[tokio::test]
async fn what_is_being_sent_at_the_stop_has_its_grace_and_no_more() {
    for (sender_waits, state) in [(true, EventState::Settled), (false, EventState::Pending)] {
        let (listener, target) = listen().await;
        let mut world = World::idle(route(&[target]), Options::default());
        let running = world.run();
        let id = world.give(sender_waits).await;
        let _busy = listener.accept().await.unwrap();
        world.stop.cancel();
        tokio::time::pause();
        running.await.unwrap().unwrap();
        tokio::time::resume();
        let row = world.history.event(id).await.unwrap().unwrap().1;
        let outcome = &row.attempts[0].outcome;
        let Outcome::Failed { kind: FailureKind::Stopped, latency_ms, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert!(u128::from(*latency_ms) >= STOP_GRACE.as_millis(), "{latency_ms}");
        assert_eq!(row.state, state);
        if sender_waits {
            assert!(matches!(world.answered().await.kind, ResultKind::Unreachable { .. }));
        }
    }
}

#[tokio::test]
async fn an_event_whose_sender_was_told_to_come_again_is_missed() {
    let (listener, target) = listen().await;
    let mut world = World::new(&[target]);
    let id = world.give_body(Some(Instant::now()), false, Bytes::from_static(b"body")).await;
    let row = world.row(|row| row.state != EventState::Pending).await;
    assert_eq!((row.id, row.state, row.missed), (id, EventState::Settled, true));
    assert_eq!(row.attempts, []);
    // Its sender was told that it is taken.
    let taken = world.give_body(Some(Instant::now()), true, Bytes::from_static(b"body")).await;
    answer(listener.accept().await.unwrap().0).await;
    let row = world.row(|row| row.state == EventState::Settled).await;
    assert_eq!((row.id, row.missed, is_ended(&row)), (taken, false, 1));
}

#[tokio::test]
async fn an_event_of_an_earlier_run_whose_sender_came_again_is_missed() {
    let (listener, target) = listen().await;
    let mut world = World::idle(route(std::slice::from_ref(&target)), Options::default());
    let target = target.to_string();
    let waits = Facts { sender_waits: true, ..Facts::default() };
    // It was being sent.
    let begun = world.stored(waits.clone()).await;
    world.history.begin_attempt(begun, &target, AttemptCause::Arrival).await.unwrap();
    let missed = world.stored(waits.clone()).await;
    let taken = world.stored(Facts { taken_when_late: true, ..waits.clone() }).await;
    let released = world.stored(Facts { held: true, ..waits.clone() }).await;
    world.history.decide(released, Ruling::Forward(crate::draft::Draft::default())).await.unwrap();
    drop(world.run());
    let row = world.row(|row| row.state == EventState::Settled).await;
    assert_eq!((row.id, row.missed, row.attempts.len()), (missed, true, 0));
    for forwarded in [taken, released] {
        answer(listener.accept().await.unwrap().0).await;
        let row = world.row(|row| row.state == EventState::Settled).await;
        assert_eq!((row.id, row.missed, is_ended(&row)), (forwarded, false, 1));
    }
    let row = world.history.event(begun).await.unwrap().unwrap().1;
    assert_eq!((row.state, row.missed, row.attempts.len()), (EventState::Settled, false, 1));
    assert!(row.attempts[0].outcome.is_stopped());
}

/// The first target took it, so the sender does not come again for the second.
#[tokio::test]
async fn a_second_target_that_fails_is_tried_again() {
    let ((first, a), (second, b)) = (listen().await, listen().await);
    let mut world = World::idle(route(&[a, b.clone()]), Options::default());
    drop(world.run());
    world.give(true).await;
    answer(first.accept().await.unwrap().0).await;
    answer_with(second.accept().await.unwrap().0, "503 Service Unavailable").await;
    let row = world.row(|row| is_ended(row) == 2).await;
    assert_eq!(row.state, EventState::Pending);
    assert!(matches!(world.answered().await.kind, ResultKind::Answered { status: 204, .. }));
    answer(second.accept().await.unwrap().0).await;
    let row = world.row(|row| is_ended(row) == 3).await;
    assert_eq!((row.state, &row.attempts[2].target), (EventState::Settled, &b.to_string()));
    // What fails at the first as well is over: its sender comes again.
    world.give(true).await;
    for listener in [&first, &second] {
        answer_with(listener.accept().await.unwrap().0, "503 Service Unavailable").await;
    }
    assert_eq!(world.row(|row| is_ended(row) == 2).await.state, EventState::Settled);
}

/// Changes the first byte of what is like this in the journals.
fn damage(world: &World, what: &[u8]) {
    let periods = std::fs::read_dir(world.temp.path().join("data/history")).unwrap();
    let journals = periods.map(|entry| entry.unwrap().path().join("journal")).filter(|path| path.is_dir());
    for segment in journals.flat_map(|path| std::fs::read_dir(path).unwrap()) {
        let path = segment.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(what.len()).position(|bytes| bytes == what) {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, b"?", at as u64).unwrap();
        }
    }
}

/// A filter says which route takes it, so it must be read to know.
#[tokio::test]
async fn an_event_that_cannot_be_read_is_not_taken_for_one_without_a_route() {
    for (is_damaged, state) in [(false, EventState::Pending), (true, EventState::GivenUp)] {
        let (_listener, target) = listen().await;
        let when = Some("endpoint:orders".parse().unwrap());
        let mut world = World::idle(Route { when, ..route(&[target]) }, Options::default());
        let id = world.stored(Facts::default()).await;
        if is_damaged {
            damage(&world, b"body");
        } else {
            world.refuses_reads.store(true, Ordering::SeqCst);
        }
        let Some((pipeline, ..)) = world.idle.take() else { panic!("it does not run") };
        let (lane, _events) = mpsc::channel(1);
        pipeline.resume(&Lanes(vec![lane])).await.unwrap();
        let row = world.history.rows_of(vec![id]).await.unwrap().remove(0);
        assert_eq!(row.state, state, "{:?}", row.given_up);
        world.shown_notice(&id.to_string()).await;
    }
}

impl World {
    /// Waits for a notice that says this.
    async fn shown_notice(&mut self, text: &str) {
        loop {
            if let Live::Notice(notice) = self.live.recv().await.unwrap()
                && notice.contains(text)
            {
                return;
            }
        }
    }
}

/// It is read again when there is room for it, and its sender is told that it cannot be.
#[tokio::test]
async fn the_sender_of_an_event_that_is_damaged_meanwhile_hears_of_it() {
    let (listener, target) = listen().await;
    let mut world = World::new(&[target]);
    for _ in 0..CONCURRENT_FORWARDS {
        world.give(true).await;
        world.row(|row| row.attempts.is_empty()).await;
    }
    let damaged = world.give_body(a_minute(), false, Bytes::from_static(b"unlike")).await;
    world.row(|row| row.id == damaged).await;
    damage(&world, b"unlike");
    let mut busy = connections(&listener, CONCURRENT_FORWARDS).await;
    answer(busy.remove(0)).await;
    let row = world.row(|row| row.id == damaged).await;
    assert_eq!(row.state, EventState::GivenUp);
    loop {
        let ResultHeader { id, kind, .. } = world.answered().await;
        if id == damaged {
            assert!(matches!(kind, ResultKind::Unreachable { .. }), "{kind:?}");
            break;
        }
    }
}

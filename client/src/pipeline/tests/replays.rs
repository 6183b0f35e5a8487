//! Replays that a running client is asked for, one by one.

use tokio::sync::{mpsc::error::TrySendError, oneshot};

use super::{senders::listen, *};
use crate::{
    control::{Ordered, Orders, ReplayRequest},
    history::Facts,
    listen::replays::{REPLAYS_AT_ONCE, replay},
};

/// Many are asked for, and the application answers none.
#[tokio::test]
async fn replays_beyond_so_many_wait_and_then_are_refused() {
    let (listener, target) = listen().await;
    let mut world = World::idle(Route { targets: vec![target], ..Route::catch_all() }, Options::default());
    let event = sample_event(1, b"body");
    let id = event.id;
    world.history.store(event, Facts::default()).await.unwrap();
    let Some((pipeline, ..)) = world.idle.take() else { panic!("it does not run") };
    let (orders, Ordered { replays, plans, .. }) =
        Orders::new(Hold::default(), Verifier::without_secrets(&world.history));
    let stop = CancellationToken::new();
    let running = tokio::spawn(replay(pipeline, replays, plans, stop.clone()));
    let mut asked = Vec::new();
    let busy = loop {
        let (answer, answered) = oneshot::channel();
        let request = ReplayRequest { id, to: None, signing: Signing::AsReceived, answer };
        match orders.replays.try_send(request) {
            Ok(()) => asked.push(answered),
            Err(TrySendError::Full(_)) if asked.len() > REPLAYS_AT_ONCE => break asked.len(),
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Closed(_)) => panic!("it ended"),
        }
        assert!(asked.len() < 1000, "each of them is begun at once");
        tokio::task::yield_now().await;
    };
    assert!(busy <= 2 * REPLAYS_AT_ONCE + 1, "{busy}");
    // All of them have their turns.
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    let mut shown = std::mem::replace(&mut world.live, mpsc::channel(1).1);
    tokio::spawn(async move { while shown.recv().await.is_some() {} });
    for answered in asked {
        let attempt = answered.await.unwrap().unwrap();
        assert!(attempt.outcome.is_success(), "{attempt:?}");
    }
    stop.cancel();
    running.await.unwrap();
}

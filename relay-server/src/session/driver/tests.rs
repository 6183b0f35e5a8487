//! A session without its socket, and what it tells its client.

use inhaul_core::{
    event::{Event, EventId, Peer, PeerSource, UnixMillis},
    wire::Credit,
};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::{
    hub::{Hub, Wait},
    limits::Limits,
    metrics::Metrics,
    registry::{AnswerMode, Registry},
    relay::session_config,
    spool::{BacklogLimits, Spool},
};

const ROOMY: BacklogLimits = BacklogLimits { events: 1000, bytes: 1 << 30 };

fn orders() -> EndpointName {
    "orders".parse().unwrap()
}

fn event() -> Event {
    Event {
        id: EventId(Uuid::from_u128(7)),
        endpoint: orders(),
        received_at: UnixMillis(1),
        peer: Peer { address: "203.0.113.9:1".into(), source: PeerSource::Socket },
        prefix_bytes: 5,
        head: Bytes::from_static(b"POST /in/o HTTP/1.1\r\nHost: a\r\n\r\n"),
        body: Bytes::new(),
        body_sha256: Event::digest(b""),
    }
}

#[test]
fn a_line_of_the_log_names_some_of_the_endpoints_and_counts_the_rest() {
    let names: Vec<EndpointName> = (0..11).map(|number| format!("b{number}").parse().unwrap()).collect();
    assert_eq!(listed(&names[..2]), "b0, b1");
    assert_eq!(listed(&names), "b0, b1, b2, b3, b4, b5, b6, b7 and 3 more");
    assert_eq!(ErrorCode::EndpointBusy.to_string(), "endpoint_busy");
}

/// A session that is open, and has room for events.
fn open(now: Instant) -> (Driver, Arc<SessionContext>, TempDir) {
    let data = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(&data.path().join("spool")).unwrap();
    let registry = Registry::open(data.path()).unwrap();
    let (_, token) = registry.add(&orders(), AnswerMode::App, OnAbsent::Refuse).unwrap();
    let context = Arc::new(SessionContext {
        registry,
        spool,
        hub: Hub::default(),
        metrics: Arc::new(Metrics::new()),
        public_url: "http://relay.example".into(),
        config: Arc::new(session_config(&Limits::default())),
    });
    let mut driver = Driver::new(Arc::clone(&context), now);
    let endpoint =
        HelloEndpoint { name: orders(), token: token.reveal().into(), resume: None, sharing: None };
    let hello = Hello {
        versions: vec![1],
        software: "test".into(),
        client_id: Uuid::from_u128(1),
        endpoints: vec![endpoint],
    };
    for frame in [Frame::Hello(hello), Frame::Credit(Credit { events: 10, bytes: 1 << 20 })] {
        driver.handle_message(frame.encode(), now);
        assert!(driver.work(now).is_continue());
    }
    (driver, context, data)
}

/// What EVENT says of the sender, when something happens while the event is read, and the deadline is over then.
async fn told(happens: impl AsyncFnOnce(&Spool, Wait, u64) -> Option<Wait>) -> (Option<u64>, bool) {
    let now = Instant::now();
    let (mut driver, context, _data) = open(now);
    let event = event();
    let wait = context.hub.wait(event.id, &orders(), now + Duration::from_secs(8), OnAbsent::Refuse);
    let seq = context.spool.append(&event, false, ROOMY).await.unwrap();
    let read = driver.waits().doing.unwrap().await;
    let wait = happens(&context.spool, wait, seq).await;
    let late = now + Duration::from_secs(9);
    driver.handle_done(read, late);
    drop(wait);
    loop {
        match driver.waits().end.poll_frame(late) {
            Some(Frame::Event(header, _)) => return (header.deadline_ms, header.missed),
            Some(_) => {}
            None => panic!("EVENT is due"),
        }
    }
}

#[tokio::test]
async fn an_event_whose_sender_was_told_to_come_again_while_it_was_read_is_missed() {
    // The sender is about to be told.
    assert_eq!(told(async |_, wait, _| Some(wait)).await, (None, true));
    // It has been told.
    let marked = told(async |spool, _, seq| {
        spool.mark_missed(&orders(), seq).await;
        None
    });
    assert_eq!(marked.await, (None, true));
    // It has gone, and nobody told it anything.
    assert_eq!(told(async |_, _, _| None).await, (None, false));
}

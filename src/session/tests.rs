//! Conversations of the two ends with time moved by hand, and random histories against a reference model.

use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::{
    event::{EndpointName, Event, EventId, EventMeta, Peer, PeerSource, UnixMillis},
    wire::*,
};

mod any_frames;
mod conversation;
mod model;

const SPOOL: Uuid = Uuid::from_u128(77);

fn orders() -> EndpointName {
    "orders".parse().unwrap()
}

fn event(number: u64, body: Vec<u8>) -> Event {
    Event {
        id: EventId(Uuid::from_u128(u128::from(number))),
        endpoint: orders(),
        received_at: UnixMillis(number),
        peer: Peer { address: "203.0.113.9:40001".into(), source: PeerSource::Socket },
        prefix_bytes: 5,
        head: Bytes::from_static(b"POST /in/o HTTP/1.1\r\nHost: a\r\n\r\n"),
        body_sha256: Event::digest(&body),
        body: body.into(),
    }
}

fn outgoing(seq: u64, body: Vec<u8>) -> Read {
    Read::Event(Box::new(Outgoing { event: event(seq, body), seq, deadline: None, missed: false }))
}

fn client(now: Instant, window: Credit, resume: Option<Cursor>) -> ClientEnd {
    let endpoint = HelloEndpoint { name: orders(), token: "ih_t".into(), resume, sharing: None };
    client_of(now, window, vec![endpoint])
}

fn client_of(now: Instant, window: Credit, endpoints: Vec<HelloEndpoint>) -> ClientEnd {
    let config = ClientConfig {
        client_id: Uuid::from_u128(1),
        software: "test".into(),
        endpoints,
        window,
        max_event_bytes: 1 << 20,
        timing: Timing::default(),
    };
    ClientEnd::new(config, now)
}

fn relay(now: Instant) -> RelayEnd {
    let config = RelayConfig {
        timing: Timing::default(),
        software: "test".into(),
        max_answer_bytes: 1 << 20,
        max_unfinished_bytes: 1 << 20,
    };
    RelayEnd::new(config, now)
}

fn admitted(cursor: u64) -> Admitted {
    let welcome = WelcomeEndpoint {
        name: orders(),
        url: "https://relay.example/in/o".into(),
        spool: SPOOL,
        backlog_events: 0,
        backlog_bytes: 0,
        sharing: None,
        expired: None,
        taken_when_late: false,
    };
    Admitted { generation: 1, lanes: vec![Lane { welcome, cursor }], time: UnixMillis(1_763_970_070_118) }
}

const WINDOW: Credit = Credit { events: 8, bytes: 1 << 16 };

fn after(now: Instant, seconds: u64) -> Instant {
    now + Duration::from_secs(seconds)
}

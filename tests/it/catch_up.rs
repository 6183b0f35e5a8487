//! Events that came while the client was away for long, and what becomes of them.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use inhaul_core::event::{Event, EventId, Peer, PeerSource, UnixMillis};
use inhaul_relay::spool::{BacklogLimits, Spool};
use uuid::Builder;

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{Client, Relay, World},
};

const ROOMY: BacklogLimits = BacklogLimits { events: 100, bytes: 1 << 20 };

/// A relay's spool with events of some hours ago, the oldest first, and an event of this moment at the relay. The client starts with
/// the arguments; what it says first is next.
fn after_hours(args: &[&str]) -> (World, Relay, Handler, Client) {
    let world = World::new();
    let url = world.endpoint(&["--answer", "relay"]);
    fill(&world, &[3, 2, 1]);
    let relay = world.relay(&["--tls", "off"]);
    let path = url.split_once("/in/").unwrap().1;
    Sender::new(&format!("{}/in/{path}", relay.public_url), None).post(b"now");
    let handler = Handler::start(Reply::ok());
    let target = handler.target();
    let client = world.listen_at(&relay, &[args, &[&target]].concat());
    (world, relay, handler, client)
}

fn fill(world: &World, hours: &[u64]) {
    let (spool, _) = Spool::open(&world.path("relay").join("spool")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for &hours in hours {
        let at = SystemTime::now() - Duration::from_secs(hours * 3600);
        let millis = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let millis = u64::try_from(millis).unwrap();
        let body = format!("{hours} h ago");
        let event = Event {
            id: EventId(Builder::from_unix_timestamp_millis(millis, &[1; 10]).into_uuid()),
            endpoint: "orders".parse().unwrap(),
            received_at: UnixMillis(millis),
            peer: Peer { address: "203.0.113.9:40001".to_owned(), source: PeerSource::Socket },
            prefix_bytes: 0,
            head: Bytes::from_static(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"),
            body_sha256: Event::digest(body.as_bytes()),
            body: body.into(),
        };
        runtime.block_on(spool.append(&event, false, ROOMY)).unwrap();
    }
    spool.close().unwrap();
}

fn notice(client: &mut Client) -> String {
    loop {
        let notice = client.notice();
        if notice.contains("while this client was away") {
            return notice;
        }
    }
}

fn bodies(handler: &Handler, count: usize) -> Vec<String> {
    (0..count).map(|_| String::from_utf8(handler.next().body).unwrap()).collect()
}

#[test]
fn late_events_are_delivered_and_marked() {
    let (_world, _relay, handler, mut client) = after_hours(&[]);
    let told = notice(&mut client);
    assert!(told.contains("4 events came while this client was away, the first 3 h"), "{told}");
    let late: Vec<_> = (0..4).map(|_| client.event()["late"].as_bool().unwrap()).collect();
    assert_eq!(late, [true, true, true, false]);
    assert_eq!(bodies(&handler, 4), ["3 h ago", "2 h ago", "1 h ago", "now"]);
}

#[test]
fn late_events_are_only_stored_when_asked() {
    let (world, _relay, handler, mut client) = after_hours(&["--catch-up", "store"]);
    assert!(notice(&mut client).contains("they are stored and not forwarded"));
    assert_eq!(bodies(&handler, 1), ["now"]);
    let events = world.events();
    assert!(events.iter().all(|event| event["state"] != "held"), "{events:?}");
    assert_eq!(events.iter().filter(|event| event["attempts"] == serde_json::json!([])).count(), 3);
    world.stdout(&["replay", events[1]["id"].as_str().unwrap()]);
    assert_eq!(bodies(&handler, 1), ["2 h ago"]);
}

#[test]
fn late_events_are_held_until_a_person_decides() {
    let (world, _relay, handler, mut client) = after_hours(&["--catch-up", "ask"]);
    assert!(notice(&mut client).contains("`inhaul release --all`"));
    assert_eq!(bodies(&handler, 1), ["now"]);
    let held = world.json(&["events", "--held", "--json"]);
    let id = |at: usize| held[at]["id"].as_str().unwrap();
    assert_eq!(held.len(), 3);
    world.stdout(&["release", "--drop", id(0)]);
    let (code, said) = world.fails(&["release", id(0)]);
    assert!(code == 2 && said.contains("is not held"), "{code}: {said}");
    world.stdout(&["release", id(1)]);
    assert_eq!(bodies(&handler, 1), ["2 h ago"]);
    // Without a running client it is on record, and the next one forwards it.
    assert!(client.program.stop().success());
    world.stdout(&["release", "--all"]);
    assert!(world.json(&["events", "--held", "--json"]).is_empty());
    assert!(handler.rest().is_empty());
    let next = world.listen(&["--port", "0", &handler.target()]);
    assert_eq!(bodies(&handler, 1), ["3 h ago"]);
    drop(next);
    assert!(handler.rest().is_empty());
}

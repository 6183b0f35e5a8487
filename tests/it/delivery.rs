//! Events whose senders do not wait: tried again, waited with, given up and sent again; those whose senders wait are tried once.

use std::{
    net::{Ipv4Addr, TcpListener},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use inhaul::history::{Facts, History};
use inhaul_core::event::{Event, EventId, Peer, PeerSource, UnixMillis};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{Client, Relay, World, text},
};

/// A client of an endpoint where the relay answers, and a sender to it.
fn listening(world: &World, relay: &Relay, url: &str, args: &[&str]) -> (Client, Sender) {
    (world.listen_at(relay, args), Sender::new(url, None))
}

fn bodies(handler: &Handler, count: usize) -> Vec<String> {
    (0..count).map(|_| String::from_utf8(handler.next().body).unwrap()).collect()
}

fn attempts(world: &World, id: &str) -> Vec<(String, String)> {
    let shown = &world.json(&["show", id, "--json"])[0];
    let attempts = shown["attempts"].as_array().unwrap().iter();
    let word = |attempt: &Value, name: &str| attempt[name].as_str().unwrap().to_owned();
    attempts.map(|attempt| (word(attempt, "cause"), word(attempt, "result"))).collect()
}

#[test]
fn a_failing_event_is_tried_again_and_others_go_on() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", "relay"]);
    let handler = Handler::start(Reply::text("503 Service Unavailable", "busy"));
    let (mut client, sender) = listening(&world, &relay, &url, &["--retry", "1s", &handler.target()]);
    let failing = sender.post(b"first").event_id();
    assert_eq!(client.attempt()["status"], 503);
    handler.reply_with(Reply::ok());
    let other = sender.post(b"second").event_id();
    assert_eq!(client.attempt()["event_id"], *other);
    let retried = client.attempt();
    assert_eq!((&retried["event_id"], &retried["status"]), (&Value::from(failing), &Value::from(200)));
    assert_eq!((&retried["cause"], &retried["number"]), (&Value::from("retry"), &Value::from(2)));
    assert_eq!(bodies(&handler, 3), ["first", "second", "first"]);
}

#[test]
fn in_strict_order_the_next_waits() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", "relay"]);
    let handler = Handler::start(Reply::text("500 Internal Server Error", "no"));
    let args = ["--strict-order", "--retry", "100ms,100ms,100ms,100ms", &handler.target()];
    let (mut client, sender) = listening(&world, &relay, &url, &args);
    sender.post(b"first");
    sender.post(b"second");
    for _ in 0..2 {
        assert_eq!(client.attempt()["status"], 500);
    }
    handler.reply_with(Reply::ok());
    let mut got = Vec::new();
    while got.last().is_none_or(|last| last != "second") {
        got.extend(bodies(&handler, 1));
    }
    assert!(got.len() >= 4 && got[..got.len() - 1].iter().all(|body| body == "first"), "{got:?}");
}

#[test]
fn an_application_that_is_away_is_waited_for() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", "relay"]);
    // An address that nothing else uses, so that it stays free meanwhile.
    let address = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 77), 0)).unwrap().local_addr().unwrap();
    // Without a single wait, and still nothing is given up.
    let (mut client, sender) = listening(&world, &relay, &url, &["--retry", "none", &address.to_string()]);
    let ids: Vec<String> =
        ["1", "2", "3"].iter().map(|body| sender.post(body.as_bytes()).event_id()).collect();
    assert_eq!(client.attempt()["result"], "failed");
    while !client.notice().contains("takes no connections") {}
    let handler = Handler::start_at(address, Reply::ok());
    assert_eq!(bodies(&handler, 3), ["1", "2", "3"], "in order");
    for id in &ids {
        while client.attempt()["event_id"] != **id {}
    }
    let answered = ("arrival".to_owned(), "answered".to_owned());
    assert_eq!(attempts(&world, &ids[1]), [answered], "nothing was tried in vain");
    assert!(handler.rest().is_empty());
}

#[test]
fn what_is_given_up_is_listed_and_sent_again() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", "relay"]);
    let handler = Handler::start(Reply::text("404 Not Found", "where?"));
    let (mut client, sender) = listening(&world, &relay, &url, &["--retry", "1ms", &handler.target()]);
    let refused = sender.post(b"refused").event_id();
    assert_eq!(client.attempt()["status"], 404);
    handler.reply_with(Reply::text("500 Internal Server Error", "no"));
    let failing = sender.post(b"failing").event_id();
    assert_eq!(
        (&client.attempt()["number"], &client.attempt()["number"]),
        (&Value::from(1), &Value::from(2))
    );
    while !client.notice().contains("the last of 2 tries") {}
    let listed = world.json(&["events", "--given-up", "--json"]);
    let ids: Vec<&str> = listed.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&failing, &refused]);
    let reason = |event: &Value| event["given_up"]["reason"].as_str().unwrap().to_owned();
    assert!(reason(&listed[0]).contains("answered 500, at the last of 2 tries"), "{}", reason(&listed[0]));
    assert!(
        reason(&listed[1]).contains("answered 404, which another try would not change"),
        "{}",
        reason(&listed[1])
    );
    handler.rest();
    assert_eq!(world.run(&["replay", "--given-up"]).status.code(), Some(1), "still not taken");
    assert_eq!(bodies(&handler, 2), ["refused", "failing"]);
    handler.reply_with(Reply::ok());
    assert!(client.program.stop().success());
    assert_eq!(world.run(&["replay", "--given-up", "--to", &handler.target()]).status.code(), Some(0));
    assert_eq!(bodies(&handler, 2), ["refused", "failing"], "the oldest first");
    assert!(world.json(&["events", "--given-up", "--json"]).is_empty());
}

#[test]
fn a_killed_client_goes_on_with_the_tries_on_record() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", "relay"]);
    let handler = Handler::start(Reply::text("500 Internal Server Error", "no"));
    let (mut client, sender) = listening(&world, &relay, &url, &["--retry", "1h", &handler.target()]);
    let id = sender.post(b"{}").event_id();
    assert_eq!(client.attempt()["status"], 500);
    client.program.kill();
    let mut client = world.listen_at(&relay, &["--retry", "1ms", &handler.target()]);
    // It goes first, so it is settled when the next one has its first attempt.
    let next = sender.post(b"{}").event_id();
    while client.attempt()["event_id"] != *next {}
    let given_up = world.json(&["events", "--given-up", "--json"]);
    let event = given_up.iter().find(|event| event["id"] == *id).unwrap();
    assert!(event["given_up"]["reason"].as_str().unwrap().contains("the last of 2 tries"), "{event}");
    assert_eq!(event["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn an_event_that_was_stored_and_not_verified_is_verified_before_it_goes_on() {
    let world = World::new();
    let secret = world.write("secret", "s3cret");
    let signed = |body: &str| {
        let file = world.write("body", body);
        let args =
            ["sign", "--provider", "github", "--secret-file", text(&secret), "--body-file", text(&file)];
        String::from_utf8(world.stdout(&args)).unwrap().lines().collect::<Vec<_>>().join("\r\n")
    };
    // What a client leaves that is killed between the two.
    let history = History::open(&world.path("client")).unwrap().history;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (number, head_of) in [(1, "valid"), (2, "another")] {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let head = format!("POST /in/local-1/ HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", signed(head_of));
        let event = Event {
            id: EventId(Uuid::from_u128(number)),
            endpoint: "local".parse().unwrap(),
            received_at: UnixMillis(u64::try_from(now.as_millis()).unwrap()),
            peer: Peer { address: "127.0.0.1:1".to_owned(), source: PeerSource::Socket },
            prefix_bytes: 11,
            head: head.into(),
            body_sha256: Event::digest(b"valid"),
            body: Bytes::from_static(b"valid"),
        };
        let facts = Facts { forward: true, ..Facts::default() };
        runtime.block_on(history.store(event, facts)).unwrap();
    }
    runtime.block_on(history.close()).unwrap();
    let handler = Handler::start(Reply::ok());
    let args = ["--provider", "github", "--secret-file", text(&secret), "--verify", "reject"];
    let mut client = world.listen(&[&args[..], &["--port", "0", &handler.target()]].concat());
    let results: Vec<Value> = (0..2).map(|_| client.attempt()["result"].clone()).collect();
    assert_eq!(results, ["answered", "rejected"]);
    let verdicts: Vec<Value> = world.events().iter().map(|event| event["verdict"]["state"].clone()).collect();
    assert_eq!(verdicts, ["valid", "invalid"]);
    assert_eq!(bodies(&handler, 1), ["valid"]);
}

#[test]
fn what_its_sender_was_told_is_taken_is_tried_again() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off", "--answer-deadline-ms", "1000"]);
    let url = world.endpoint(&["--answer", "app"]);
    let handler = Handler::start(Reply::Silence);
    let args = ["--timeout", "1500ms", "--retry", "100ms", &handler.target()];
    let (mut client, sender) = listening(&world, &relay, &url, &args);
    assert_eq!(sender.post(b"slow").status, 202, "the answer is late");
    handler.reply_with(Reply::ok());
    assert_eq!(client.attempt()["error"]["kind"], "timeout");
    let again = client.attempt();
    assert_eq!((&again["cause"], &again["status"]), (&Value::from("retry"), &Value::from(200)));
    assert_eq!(bodies(&handler, 2), ["slow", "slow"]);
}

#[test]
fn what_its_sender_waits_for_is_tried_once() {
    let world = World::new();
    let handler = Handler::start(Reply::text("500 Internal Server Error", "no"));
    let args = ["--port", "0", "--retry", "1ms", &handler.target()];
    let mut client = world.listen(&args);
    let sender = Sender::new(client.endpoint_url(), None);
    assert_eq!(sender.post(b"{}").status, 500, "the sender hears it, and sends again itself");
    assert_eq!(client.attempt()["status"], 500);
    assert!(client.program.stop().success());
    let mut client = world.listen(&args);
    let sender = Sender::new(client.endpoint_url(), None);
    let other = sender.post(b"{}").event_id();
    assert_eq!(client.attempt()["event_id"], *other);
    assert_eq!(handler.rest().len(), 2);
    assert!(world.json(&["events", "--given-up", "--json"]).is_empty());
}

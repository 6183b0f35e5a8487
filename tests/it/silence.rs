//! Connections that are open and carry nothing, and clients that stand still: noticed, said, and got over without a loss.

use std::{
    net::{Ipv4Addr, TcpListener},
    thread,
    time::Duration,
};

use inhaul_core::wire::{ErrorCode, Frame, SUB_PROTOCOL, SessionError};
use tokio_tungstenite::tungstenite::{
    self, Message,
    handshake::server::{Request, Response},
};

use crate::{
    handler::{Handler, Reply},
    middleman::{Middleman, Way},
    sender::Sender,
    world::{Client, Relay, World, until},
};

/// A silence that tests can wait for.
const SHORT_SILENCE: [&str; 4] = ["--tls", "off", "--session-silence-ms", "3000"];

const CLIENTS: &str = "inhaul_relay_clients_connected";

/// A relay, a client that reaches it through a middleman, and what is posted and delivered.
struct Link {
    world: World,
    relay: Relay,
    middleman: Middleman,
    client: Client,
    sender: Sender,
    handler: Handler,
}

impl Link {
    fn new() -> Self {
        let world = World::new();
        let relay = world.relay(&SHORT_SILENCE);
        let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
        let handler = Handler::start(Reply::ok());
        let middleman = Middleman::start(relay.address().parse().unwrap());
        let client = world.client(world.client_of(&middleman.url, &[&handler.target()]));
        let mut link = Self { world, relay, middleman, client, sender, handler };
        link.post_and_get("before");
        link
    }

    fn post_and_get(&mut self, body: &str) {
        let id = self.post(body);
        while self.client.attempt()["event_id"] != *id {}
        assert_eq!(self.handler.next().body, body.as_bytes());
    }

    fn post(&self, body: &str) -> String {
        let answer = self.sender.post(body.as_bytes());
        assert_eq!(answer.status, 200);
        answer.event_id()
    }

    /// Breaks the connection in some way; the reason the client gives for not being connected any more. Then all is well again.
    fn broken(&mut self, to_relay: Way, to_client: Way) -> String {
        self.middleman.break_off(to_relay, to_client);
        let waiting = self.client.connection("waiting");
        // The client is not let in, so the relay has noticed by itself.
        until("the relay gives the session up", || self.relay.figure(CLIENTS) == 0);
        let ids = ["1", "2", "3"].map(|body| self.post(body));
        self.middleman.let_in();
        self.client.connection("connected");
        for id in ids {
            assert_eq!(self.client.attempt()["event_id"], *id, "in order, each once");
        }
        let bodies: Vec<_> = self.handler.rest().into_iter().map(|got| got.body).collect();
        assert_eq!(bodies, [b"1", b"2", b"3"]);
        self.post_and_get("after");
        assert_eq!(self.world.events().len(), 5);
        waiting["reason"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_peer_that_vanished_is_noticed_by_both_ends_and_nothing_is_lost() {
    let reason = Link::new().broken(Way::Hold, Way::Hold);
    assert_eq!(reason, "nothing was heard from the relay within 3 s");
}

#[test]
fn connected_is_not_said_for_long_when_nothing_comes_from_the_relay_any_more() {
    let reason = Link::new().broken(Way::Pass, Way::Lose);
    assert_eq!(reason, "nothing was heard from the relay within 3 s");
}

#[test]
fn connected_is_not_said_for_long_when_nothing_reaches_the_relay_any_more() {
    let reason = Link::new().broken(Way::Lose, Way::Pass);
    assert_eq!(reason, "nothing was heard from the client within 3 s");
}

#[test]
fn a_client_that_stands_still_costs_the_relay_little_and_nobody_else_anything() {
    const EVENTS: usize = 64;
    const MIB: u64 = 1 << 20;
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let stalled = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen_at(&relay, &[&handler.target()]);
    let (other_url, other_token) = world.endpoint_named("other", &["--answer", "app"]);
    let other_handler = Handler::start(Reply::text("201 Created", "other"));
    let mut other = world.inhaul_in("other-client", &["listen", "--output", "json", "--endpoint", "other"]);
    other.args(["--relay", &relay.public_url, &other_handler.target()]).env("INHAUL_TOKEN", other_token);
    let _other = world.client(other);
    let unheard = Sender::new(&world.endpoint_named("unheard", &[]).0, None);
    let body = vec![b'x'; usize::try_from(MIB).unwrap()];
    // As many events for nobody, so that what taking them costs does not count.
    for _ in 0..EVENTS {
        assert_eq!(unheard.post(&body).status, 200);
    }
    let before = relay.program.resident();
    client.program.freeze();
    for _ in 0..EVENTS {
        assert_eq!(stalled.post(&body).status, 200);
    }
    assert_eq!(Sender::new(&other_url, None).post(b"meanwhile").status, 201);
    let grown = relay.program.resident().saturating_sub(before);
    assert!(grown < 16 * MIB, "{} MiB more, while {EVENTS} MiB wait", grown / MIB);
    client.program.thaw();
    for _ in 0..EVENTS {
        assert_eq!(client.attempt()["result"], "answered");
    }
    assert_eq!(handler.rest().len(), EVENTS);
}

#[test]
fn a_client_that_slept_comes_back_at_once_and_gets_what_it_missed() {
    let world = World::new();
    let relay = world.relay(&SHORT_SILENCE);
    let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen_at(&relay, &[&handler.target()]);
    client.program.freeze();
    until("the relay gives the session up", || relay.figure(CLIENTS) == 0);
    let ids = ["1", "2", "3"].map(|body| sender.post(body.as_bytes()).event_id());
    client.program.thaw();
    let waiting = client.connection("waiting");
    assert!(waiting["retry_in_ms"].as_u64().unwrap() <= 250, "as after a first failure: {waiting}");
    client.connection("connected");
    for id in ids {
        assert_eq!(client.attempt()["event_id"], *id, "in order, each once");
    }
    assert_eq!(handler.rest().len(), 3);
}

/// A relay that sends every client away, for an hour; its URL.
#[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
fn relay_that_sends_away() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let speak_inhaul = |_: &Request, mut response: Response| {
                let protocol = SUB_PROTOCOL.parse().unwrap();
                response.headers_mut().insert("sec-websocket-protocol", protocol);
                Ok(response)
            };
            let mut socket = tungstenite::accept_hdr(stream.unwrap(), speak_inhaul).unwrap();
            let away = Frame::Error(SessionError {
                code: ErrorCode::ShuttingDown,
                text: "come back in an hour".to_owned(),
                retryable: true,
                retry_after_ms: Some(3_600_000),
            });
            socket.send(Message::Binary(away.encode())).unwrap();
            // Until the client has gone.
            while socket.read().is_ok() {}
        }
    });
    url
}

#[test]
fn a_client_that_slept_does_not_wait_for_its_next_try() {
    let world = World::new();
    world.write("token", "ih_any");
    let command = world.client_of(&relay_that_sends_away(), &["3000"]);
    let mut client = world.start(command);
    let said = |state: &'static str| move |line: &str| line.contains(state).then(|| line.to_owned());
    let waiting = client.line(said(r#""state":"waiting""#));
    assert!(waiting.contains("come back in an hour") && waiting.contains(r#""retry_in_ms":36"#), "{waiting}");
    client.freeze();
    // What counts as sleep is a time and nothing else.
    thread::sleep(Duration::from_secs(6));
    client.thaw();
    client.line(said(r#""state":"connecting""#));
}

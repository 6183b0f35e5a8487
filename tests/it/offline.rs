//! The client is away; the relay keeps what comes.

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::World,
};

fn ten_events_while_the_client_is_away(answer: &str, status: u16) {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", answer]);
    let sender = Sender::new(&url, None);
    let handler = Handler::start(Reply::ok());
    let client = world.listen_at(&relay, &[&handler.target()]);
    client.program.kill();
    for number in 0..10 {
        assert_eq!(sender.post(number.to_string().as_bytes()).status, status);
    }
    let mut client = world.listen_at(&relay, &[&handler.target()]);
    for _ in 0..10 {
        assert_eq!(client.attempt()["result"], "answered");
    }
    let bodies: Vec<String> =
        handler.rest().into_iter().map(|got| String::from_utf8(got.body).unwrap()).collect();
    assert_eq!(bodies, (0..10).map(|number| number.to_string()).collect::<Vec<_>>(), "in order, once");
    assert_eq!(world.events().len(), 10);
}

#[test]
fn ten_events_arrive_in_order_and_once() {
    ten_events_while_the_client_is_away("relay", 200);
}

#[test]
fn ten_events_nobody_could_answer_arrive_in_order_and_once() {
    ten_events_while_the_client_is_away("app", 202);
}

#[test]
fn what_was_refused_is_kept_as_missed_and_not_forwarded_by_itself() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", "app", "--on-absent", "refuse"]);
    let sender = Sender::new(&url, None);
    let handler = Handler::start(Reply::ok());
    let answer = sender.post(b"missed");
    assert_eq!(answer.status, 502);
    let mut client = world.listen_at(&relay, &[&handler.target()]);
    let event = client.event();
    assert_eq!((event["id"].as_str().unwrap(), &event["missed"]), (answer.event_id().as_str(), &true.into()));
    assert_eq!(sender.post(b"now").status, 200);
    client.attempt();
    assert_eq!(handler.next().body, b"now");
    assert!(handler.rest().is_empty());
    world.stdout(&["replay", &answer.event_id()]);
    assert_eq!(handler.next().body, b"missed");
}

#[test]
fn a_client_comes_back_when_its_relay_does() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", "app"]);
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen_at(&relay, &[&handler.target()]);
    let address = relay.public_url.strip_prefix("http://").unwrap().to_owned();
    relay.program.kill();
    client.program.line(|line| line.contains(r#""state":"waiting""#).then_some(()));
    let _relay = world.relay(&["--tls", "off", "--listen", &address]);
    client.program.line(|line| line.contains(r#""state":"connected""#).then_some(()));
    assert_eq!(Sender::new(&url, None).post(b"again").status, 200);
    assert_eq!(handler.next().body, b"again");
}

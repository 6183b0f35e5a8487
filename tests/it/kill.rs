//! `kill -9` at the worst moments: nothing is lost, and nothing is forwarded again that was answered.

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::World,
};

const EVENTS: usize = 20;

#[test]
fn what_a_relay_has_answered_survives_its_death() {
    let world = World::new();
    let mut relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", "relay"]);
    let address = relay.public_url.strip_prefix("http://").unwrap().to_owned();
    let mut ids = Vec::new();
    for round in 0..4 {
        let sender = Sender::new(&url, None);
        for number in 0..EVENTS / 4 {
            let answer = sender.post(format!("{round}-{number}").as_bytes());
            assert_eq!(answer.status, 200);
            ids.push(answer.event_id());
        }
        // Right after the last 200.
        relay.program.kill();
        relay = world.relay(&["--tls", "off", "--listen", &address]);
    }
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen_at(&relay, &[&handler.target()]);
    for _ in 0..EVENTS {
        client.attempt();
    }
    let bodies: Vec<String> = (0..EVENTS).map(|_| String::from_utf8(handler.next().body).unwrap()).collect();
    let expected: Vec<String> =
        (0..4).flat_map(|round| (0..EVENTS / 4).map(move |number| format!("{round}-{number}"))).collect();
    assert_eq!(bodies, expected, "in order, each once");
    let stored: Vec<String> =
        world.events().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(stored, ids);
    assert!(handler.rest().is_empty());
}

#[test]
fn a_client_killed_after_an_event_was_shown_has_it_and_sends_nothing_answered_again() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", "relay"]);
    let sender = Sender::new(&url, None);
    let handler = Handler::start(Reply::ok());
    let mut ids = Vec::new();
    for round in 0..6 {
        let mut client = world.listen_at(&relay, &[&handler.target()]);
        let answer = sender.post(format!("round {round}").as_bytes());
        assert_eq!(answer.status, 200);
        ids.push(answer.event_id());
        if round % 2 == 0 {
            // Shown, and not yet known to be answered.
            while client.event()["id"] != *answer.event_id() {}
        } else {
            while client.attempt()["event_id"] != *answer.event_id() {}
        }
        client.program.kill();
    }
    let mut client = world.listen_at(&relay, &[&handler.target()]);
    // One more, behind everything that is left of before.
    ids.push(sender.post(b"last").event_id());
    while client.attempt()["event_id"] != *ids.last().unwrap() {}
    let events = world.events();
    let stored: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(stored, ids, "nothing is lost, nothing is there twice");
    let got = handler.rest();
    for (round, event) in events.iter().enumerate() {
        let id = event["id"].as_str().unwrap();
        let attempts = event["attempts"].as_array().unwrap();
        let answered = attempts.iter().filter(|attempt| attempt["result"] == "answered").count();
        assert_eq!(answered, 1, "{id}: {attempts:?}");
        assert_eq!(attempts.last().unwrap()["result"], "answered", "what was answered is not sent again");
        let sent = got.iter().filter(|got| got.header("x-inhaul-event-id") == Some(id)).count();
        assert!((1..=attempts.len()).contains(&sent), "{id}: sent {sent} times in {attempts:?}");
        if round % 2 == 1 {
            assert_eq!(sent, 1, "{id} was answered before the client died");
        }
    }
}

#[test]
fn answered_events_stay_answered_when_the_client_dies_again_and_again() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let mut first_url = None;
    for round in 0..4 {
        let mut client = world.listen(&["--port", "0", &handler.target()]);
        let path = client.endpoint_url().rsplit_once("/in/").unwrap().1.to_owned();
        assert_eq!(first_url.get_or_insert(path.clone()), &path, "the endpoint stays the same");
        let answer = Sender::new(client.endpoint_url(), None).post(b"{}");
        assert_eq!(answer.status, 200);
        while client.attempt()["event_id"] != *answer.event_id() {}
        client.program.kill();
        assert_eq!(handler.rest().len(), 1, "round {round}: each event was forwarded once");
    }
    assert_eq!(world.events().len(), 4);
}

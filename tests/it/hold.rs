//! Events that wait for a person: held, released as they are or edited, dropped, and what their senders hear.

use std::thread;

use serde_json::{Value, json};

use crate::{
    handler::{Handler, Reply},
    sender::{Answer, Sender},
    world::{Client, Relay, World, text, until},
};

const BODY: &str = r#"{"id":"evt_1","object":"event","type":"charge.failed","data":{"amount":1}}"#;

/// A client that holds charges, with a secret of Stripe's in the file `secret`.
fn holding(world: &World, handler: &Handler, more: &[&str]) -> Client {
    let secret = world.write("secret", "whsec_test");
    let args =
        ["--port", "0", "--provider", "stripe", "--secret-file", text(&secret), "--hold", "type:charge.*"];
    world.listen(&[&args[..], more, &[&handler.target()]].concat())
}

fn held(world: &World) -> Vec<String> {
    let mut held = world.json(&["events", "--held", "--json"]);
    held.reverse();
    held.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_held_event_is_released_with_edited_bytes_and_a_fresh_signature() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let mut client = holding(&world, &handler, &["--answer", "relay"]);
    let sender = Sender::new(client.endpoint_url(), None);
    let id = sender
        .send("POST", "?a=1", &["Stripe-Signature: t=1763970070,v1=00", "X-Kept: 1"], BODY.as_bytes())
        .event_id();
    sender.post(br#"{"type":"other"}"#);
    assert_eq!(client.event()["state"], "held");
    assert_eq!(handler.next().body, br#"{"type":"other"}"#, "what does not pass the filter is not held");
    assert_eq!(held(&world), [id.as_str()]);

    let (code, said) = world.fails(&["release", &id, "--set", "no.such.place=1"]);
    assert!(code == 2 && said.contains("no.such.place") && handler.rest().is_empty(), "{said}");
    world.stdout(&[
        "release",
        &id,
        "--set",
        "data.amount=250",
        "--set-header",
        "X-Mode: test",
        "--set-query",
        "b=2",
        "--sign",
        "fresh",
    ]);
    let got = handler.next();
    assert_eq!(got.request_line(), "POST /?a=1&b=2 HTTP/1.1");
    assert_eq!(String::from_utf8_lossy(&got.body), BODY.replace(":1}", ":250}"));
    assert_eq!((got.header("x-mode"), got.header("x-kept")), (Some("test"), Some("1")));
    assert_eq!(world.verdict(&got)["state"], "valid");

    until("the attempt is on record", || world.events()[0]["attempts"][0]["result"] == "answered");
    let event = &world.events()[0];
    let changed = &event["attempts"][0]["changed"];
    let what = changed["what"].as_str().unwrap();
    assert!(
        ["data.amount", "x-mode", "signed anew"].iter().all(|word| what.to_lowercase().contains(word)),
        "{what}"
    );
    assert_eq!(changed["body_bytes"], got.body.len());
    let raw = world.stdout(&["show", &id, "--raw"]);
    assert!(raw.ends_with(BODY.as_bytes()), "what was received stays as it was");
    let edited: Value = serde_json::from_slice(&world.stdout(&["show", &id, "--edited", "1"])).unwrap();
    assert_eq!(edited["set_values"], json!(["data.amount=250"]));
}

#[test]
fn of_several_that_are_not_released_each_says_why() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let client = holding(&world, &handler, &["--answer", "relay"]);
    let sender = Sender::new(client.endpoint_url(), None);
    let ids: Vec<String> = (0..2).map(|_| sender.post(BODY.as_bytes()).event_id()).collect();
    until("both are held", || held(&world) == ids);
    let (code, said) = world.fails(&["release", &ids[0], &ids[1], "--set", "no.such.place=1"]);
    assert_eq!((code, said.matches("no.such.place").count()), (1, 2), "{said}");
    assert!(ids.iter().all(|id| said.contains(id.as_str())), "{said}");
    assert_eq!(held(&world), ids);
}

#[test]
fn a_dropped_event_goes_nowhere_and_who_dropped_it_is_on_record() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let client = holding(&world, &handler, &["--answer", "relay"]);
    let sender = Sender::new(client.endpoint_url(), None);
    let ids: Vec<String> = (0..3).map(|_| sender.post(BODY.as_bytes()).event_id()).collect();
    until("all are held", || held(&world) == ids);
    let mut drop_it = world.inhaul(&["release", "--drop", "--reason", "a test of theirs", &ids[1]]);
    assert!(drop_it.env("USER", "ada").output().unwrap().status.success());
    world.stdout(&["release", "--all"]);
    let order: Vec<String> =
        (0..2).map(|_| handler.next().header("x-inhaul-event-id").unwrap().to_owned()).collect();
    assert_eq!(order, [ids[0].as_str(), &ids[2]], "those that are released go in their order");
    let (code, said) = world.fails(&["release", &ids[1]]);
    assert!(code == 2 && said.contains("is not held"), "{said}");
    assert!(client.program.stop().success());
    let dropped = &world.events()[1];
    assert_eq!((&dropped["state"], &dropped["attempts"]), (&json!("settled"), &json!([])));
    assert_eq!(
        (&dropped["dropped"]["by"], &dropped["dropped"]["why"]),
        (&json!("ada"), &json!("a test of theirs"))
    );
    assert_eq!(world.json(&["events", "is:dropped", "--json"]).len(), 1);
    let _next = holding(&world, &handler, &[]);
    assert!(handler.rest().is_empty());
}

#[test]
fn what_is_held_survives_a_kill_and_so_does_an_edited_release() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let client = holding(&world, &handler, &["--answer", "relay"]);
    let sender = Sender::new(client.endpoint_url(), None);
    let ids: Vec<String> = (0..2).map(|_| sender.post(BODY.as_bytes()).event_id()).collect();
    until("both are held", || held(&world) == ids);
    client.program.kill();
    assert_eq!(held(&world), ids);
    // Without a running client the decision is on record, and the next one carries it out.
    let body = world.write("edited.json", r#"{"edited":true}"#);
    world.stdout(&["release", &ids[0], "--body", text(&body), "--sign", "fresh"]);
    let client = holding(&world, &handler, &["--answer", "relay"]);
    let got = handler.next();
    assert_eq!(
        (got.body.as_slice(), &world.verdict(&got)["state"]),
        (&br#"{"edited":true}"#[..], &json!("valid"))
    );
    assert_eq!(held(&world), [ids[1].as_str()]);
    until("it is on record", || world.events()[0]["state"] == "settled");
    assert_eq!(world.stdout(&["show", &ids[0], "--edited", "1"]), br#"{"edited":true}"#);
    client.program.kill();
    let _next = holding(&world, &handler, &[]);
    assert!(handler.rest().is_empty() && held(&world) == [ids[1].as_str()]);
}

/// The first of them has an application that does not answer when the client is killed, so the others still wait for it.
#[test]
fn what_was_released_goes_in_the_order_of_its_release_also_after_a_kill() {
    let world = World::new();
    let handler = Handler::start(Reply::Silence);
    let client = world.listen(&["--port", "0", "--answer", "relay", "--hold", "$.held=1", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let ids: Vec<String> = (0..4).map(|_| sender.post(br#"{"held":1}"#).event_id()).collect();
    until("they are held", || held(&world) == ids);
    world.stdout(&["release", &ids[2]]);
    handler.next();
    let comes = sender.post(br#"{"held":0}"#).event_id();
    until("it is stored", || world.events().len() == 5);
    world.stdout(&["release", &ids[3]]);
    let body = world.write("edited.json", r#"{"edited":true}"#);
    world.stdout(&["release", &ids[0], "--body", text(&body)]);
    client.program.kill();
    world.stdout(&["release", &ids[1]]);
    handler.reply_with(Reply::ok());
    let _client = world.listen(&["--port", "0", "--answer", "relay", &handler.target()]);
    let order: Vec<String> =
        (0..5).map(|_| handler.next().header("x-inhaul-event-id").unwrap().to_owned()).collect();
    assert_eq!(order, [&ids[2], &comes, &ids[3], &ids[0], &ids[1]].map(String::as_str));
}

#[test]
fn all_that_is_held_is_released_beside_a_running_client_and_without_one() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let said = |args: &[&str]| {
        let output = world.run(args);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let client = holding(&world, &handler, &["--answer", "relay"]);
    let sender = Sender::new(client.endpoint_url(), None);
    let post = || sender.post(BODY.as_bytes()).event_id();
    let ids = [post(), post()];
    until("both are held", || held(&world) == ids);
    assert_eq!(said(&["release", "--all"]), "events on their way: 2\n");
    let next = || handler.next().header("x-inhaul-event-id").unwrap().to_owned();
    assert_eq!([next(), next()], ids);
    assert_eq!(said(&["release", "--all"]), "events on their way: 0\n");
    let last = post();
    until("it is held", || held(&world) == [last.as_str()]);
    assert!(client.program.stop().success());
    let forwarded = "events forwarded when `inhaul listen` runs next";
    for released in [1, 0] {
        assert_eq!(said(&["release", "--all"]), format!("{forwarded}: {released}\n"));
    }
    assert!(held(&world).is_empty() && handler.rest().is_empty());
    let _next = holding(&world, &handler, &[]);
    assert_eq!(next(), last);
}

#[test]
fn what_is_held_is_changed_while_the_client_runs() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let (code, said) = world.fails(&["hold"]);
    assert!(code == 2 && said.contains("--hold FILTER"), "{said}");
    let client = world.listen(&["--port", "0", "--answer", "relay", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let said = |args: &[&str]| String::from_utf8(world.stdout(&[&["hold"], args].concat())).unwrap();
    assert_eq!(said(&[]), "no event is held; waiting: 0\n");
    assert!(said(&["$.n>4"]).starts_with("events are held that pass $.n>4; waiting: 0"));
    sender.post(br#"{"n":5}"#);
    sender.post(br#"{"n":4}"#);
    assert_eq!(handler.next().body, br#"{"n":4}"#);
    assert_eq!(said(&[]), "events are held that pass $.n>4; waiting: 1\n");
    let (code, mistake) = world.fails(&["hold", "$.n>4 ("]);
    assert!(code == 2 && mistake.contains("$.n>4 (\n"), "{mistake}");
    said(&["off"]);
    sender.post(br#"{"n":6}"#);
    assert_eq!(handler.next().body, br#"{"n":6}"#);
    said(&["on"]);
    sender.post(br#"{"n":7}"#);
    until("two are held", || held(&world).len() == 2);
}

/// A relay whose senders wait, for so long, and a client that holds everything.
fn with_waiting_senders(world: &World, deadline_ms: &str, handler: &Handler) -> (Relay, Client, Sender) {
    let url = world.endpoint(&["--answer", "app"]);
    let relay = world.relay(&["--tls", "off", "--answer-deadline-ms", deadline_ms]);
    let client = world.listen_at(&relay, &["--hold", "", &handler.target()]);
    let path = url.split_once("/in/").unwrap().1;
    let sender = Sender::new(&format!("{}/in/{path}", relay.public_url), None);
    (relay, client, sender)
}

#[test]
fn a_sender_that_waits_gets_the_answer_to_what_is_released_and_200_for_what_is_dropped() {
    let world = World::new();
    let handler = Handler::start(Reply::text("418 Teapot", "short and stout"));
    let (_relay, _client, sender) = with_waiting_senders(&world, "60000", &handler);
    let decided = |args: &[&str]| -> Answer {
        thread::scope(|scope| {
            let posting = scope.spawn(|| sender.post(BODY.as_bytes()));
            until("it is held", || held(&world).len() == 1);
            world.stdout(&[&["release", "--all"], args].concat());
            posting.join().unwrap()
        })
    };
    let answer = decided(&["--set", "data.amount=2"]);
    assert_eq!((answer.status, answer.body.as_slice()), (418, &b"short and stout"[..]));
    assert_eq!(String::from_utf8(handler.next().body).unwrap(), BODY.replace(":1}", ":2}"));
    assert_eq!(decided(&["--drop"]).status, 200);
    assert!(handler.rest().is_empty());
}

#[test]
fn a_sender_waits_for_a_held_event_to_its_deadline_and_no_longer() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let (_relay, _client, sender) = with_waiting_senders(&world, "300", &handler);
    let id = sender.post(BODY.as_bytes());
    assert_eq!(id.status, 202, "the relay has it");
    assert_eq!(held(&world), [id.event_id()]);
    // Nobody waits any more: it is forwarded like an event whose sender does not, and tried again.
    handler.reply_with(Reply::text("503 Service Unavailable", ""));
    world.stdout(&["release", "--all"]);
    handler.next();
    handler.reply_with(Reply::ok());
    handler.next();
    until("it is delivered", || world.events()[0]["state"] == "settled");
}

//! Events that are delivered more than once, and what becomes of the later deliveries.

use serde_json::Value;

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::World,
};

/// What Stripe puts where the provider is recognised, with a signature that nobody checks.
const STRIPE: &str = "Stripe-Signature: t=1763970070,v1=00";

fn post(sender: &Sender, id: &str, more: &str) -> (u16, String) {
    let body = format!(r#"{{"id":"{id}","object":"event","type":"charge.failed"{more}}}"#);
    let answer = sender.send("POST", "", &[STRIPE], body.as_bytes());
    (answer.status, answer.event_id())
}

#[test]
fn a_repeated_delivery_is_flagged_and_forwarded() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen(&["--port", "0", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let (_, first) = post(&sender, "evt_1", "");
    assert_eq!(client.event()["repeat"], Value::Null);
    post(&sender, "evt_1", "");
    let repeat = &client.event()["repeat"];
    assert_eq!((&repeat["number"], &repeat["first"]), (&Value::from(2), &Value::from(first.as_str())));
    assert_eq!((&repeat["same_id"], &repeat["same_body"]), (&Value::from(true), &Value::from(true)));
    let (_, third) = post(&sender, "evt_1", r#","tries":3"#);
    let repeat = &client.event()["repeat"];
    assert_eq!((&repeat["number"], &repeat["same_body"]), (&Value::from(3), &Value::from(false)));
    let shown = String::from_utf8(world.stdout(&["show", &third])).unwrap();
    assert!(shown.contains("3rd delivery of the same event, with another body"), "{shown}");
    assert!(shown.contains(&first), "{shown}");
    assert_eq!(handler.rest().len(), 3);
}

#[test]
fn a_repeated_delivery_is_dropped_when_asked_once_one_was_delivered() {
    let world = World::new();
    let handler = Handler::start(Reply::text("500 Internal Server Error", "no"));
    let mut client = world.listen(&["--port", "0", "--dedupe", "drop", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    assert_eq!(post(&sender, "evt_1", "").0, 500, "the application failed, so the sender comes again");
    handler.reply_with(Reply::ok());
    assert_eq!(post(&sender, "evt_1", "").0, 200);
    assert_eq!(client.event()["repeat"], Value::Null);
    assert_eq!(client.event()["repeat"]["dropped"], Value::from(false));
    assert_eq!(handler.rest().len(), 2);
    // From now on it was delivered, also for a client that was killed meanwhile.
    client.program.kill();
    let mut client = world.listen(&["--port", "0", "--dedupe", "drop", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let (status, third) = post(&sender, "evt_1", "");
    assert_eq!(status, 200, "its sender need not come again");
    let event = client.event();
    assert_eq!((&event["repeat"]["dropped"], &event["state"]), (&Value::from(true), &Value::from("settled")));
    let (_, other) = post(&sender, "evt_2", "");
    assert_eq!(client.attempt()["event_id"], *other);
    assert_eq!(handler.rest().len(), 1);
    world.stdout(&["replay", &third]);
    assert_eq!(handler.rest().len(), 1, "by hand it can still be sent");
}

//! Events that wait longer than the relay keeps them are dropped, and everybody is told.

use std::fs;

use serde_json::Value;

use crate::{
    sender::Sender,
    world::{Relay, World},
};

/// How many events the relay's log says have expired at the endpoint, until there are so many.
fn until_expired(relay: &mut Relay, count: u64) {
    let mut expired = 0;
    while expired < count {
        expired += relay.program.line(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let fields = &line["fields"];
            let is_meant = line["level"] == "WARN" && fields["endpoint"] == "orders";
            is_meant.then(|| fields["events"].as_u64()).flatten()
        });
    }
    assert_eq!(expired, count);
}

#[test]
fn what_waited_too_long_is_dropped_and_told_to_the_operator_and_to_the_client() {
    let world = World::new();
    let mut relay = world.relay(&["--tls", "off", "--retention", "1s", "--log-format", "json"]);
    let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    for number in 0..3 {
        assert_eq!(sender.post(number.to_string().as_bytes()).status, 200);
    }
    until_expired(&mut relay, 3);
    let ready: Value = serde_json::from_slice(&fs::read(world.path("relay-ready.json")).unwrap()).unwrap();
    let metrics = Sender::new(&format!("{}/metrics", ready["admin_url"].as_str().unwrap()), None);
    let metrics = String::from_utf8(metrics.send("GET", "", &[], b"").body).unwrap();
    assert!(metrics.contains("inhaul_relay_events_expired_total{endpoint=\"orders\"} 3"), "{metrics}");

    let mut client = world.listen_at(&relay, &[]);
    let notice = client.notice();
    assert!(notice.starts_with("3 events were dropped by the relay"), "{notice}");
    let answer = sender.post(b"in time");
    assert_eq!(client.event()["id"], *answer.event_id(), "nothing of what expired comes");
    client.program.kill();
    let mut client = world.listen_at(&relay, &[]);
    let answer = sender.post(b"again");
    client.program.line(|line| {
        assert!(!line.contains("dropped by the relay"), "it is told once");
        line.contains(&answer.event_id()).then_some(())
    });
    assert_eq!(world.events().len(), 2);
}

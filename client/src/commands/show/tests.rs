//! The page and the record of one event.

use bytes::Bytes;
use inhaul_core::event::{Event, Peer};
use serde_json::Value;

use super::*;
use crate::output::tests::{answered, row};

fn event(head: &'static [u8], body: &'static [u8]) -> Event {
    let row = row();
    Event {
        id: row.id,
        endpoint: row.endpoint,
        received_at: row.received_at,
        peer: Peer { address: "203.0.113.7:4242".to_owned(), source: PeerSource::Socket },
        prefix_bytes: "/in/orders-0f".len(),
        head: Bytes::from_static(head),
        body: Bytes::from_static(body),
        body_sha256: Event::digest(body),
    }
}

const HEAD: &[u8] =
    b"POST /in/orders-0f/stripe?a=%2F HTTP/1.1\r\nHost: relay.example\r\nX-A: 1\r\nx-a: \xff\x1b[2J\r\n\r\n";

#[test]
fn the_page_tells_everything() {
    let event = event(HEAD, br#"{"id":"evt_1","amount":1.10}"#);
    let head = event.parsed_head().unwrap();
    let mut row = row();
    row.attempts = vec![answered(1, 500), answered(2, 200)];
    row.object_id = Some("ch_1".to_owned());
    row.tags = vec!["bug/12".to_owned(), "slow".to_owned()];
    row.comment = Some("who sent \u{1b}[2Jthis?".to_owned());
    let other = EventRow { id: "0193586a-1b2c-7def-8123-000000000000".parse().unwrap(), ..row.clone() };
    let deliveries = [row.clone(), other];
    insta::assert_snapshot!(page(&event, &head, &row, &deliveries, true, Color::Off));
}

#[test]
fn the_record_has_every_byte() {
    let event = event(HEAD, b"\xfe");
    let head = event.parsed_head().unwrap();
    let line = json::line(&json::whole_event(&row(), request(&event, &head)));
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["raw_target"], "/in/orders-0f/stripe?a=%2F");
    assert_eq!(value["headers"][1]["name"], "X-A");
    assert_eq!(value["headers"][2]["value"]["base64"], "/xtbMko=");
    assert_eq!(value["body"]["base64"], "/g==");
    assert_eq!(value["attempts"], Value::Array(Vec::new()));
}

//! Any text as a filter: one or an error within it; its normal form reads back as the same filter; at some places there is a completion
//! within the text, or none; and every event passes it or not, the row alone never otherwise than the whole event.

use std::sync::LazyLock;

use inhaul::{
    filtering::Filtered,
    history::{Facts, arriving_row},
    row::{Attempt, EventRow},
};
use inhaul_core::{
    event::{Event, EventId, Peer, PeerSource, UnixMillis},
    filter::{Filter, Saved, Seen, complete},
};
use uuid::Uuid;

/// The same values for every field.
struct Account;

impl Seen for Account {
    fn values(&self, _field: &str) -> Vec<(String, u64)> {
        ["charge.failed", "two words", "4xx", "\"", "\\"].map(|value| (value.to_owned(), 1)).into()
    }
}

/// Events that filters are tried on: JSON with much in it that was answered twice, and bytes that were not.
static EVENTS: LazyLock<[(Event, EventRow); 2]> = LazyLock::new(|| {
    let json = br#"{"amount": 12.50, "amount": 1e400, "id": "\\ud800", "data": {"object": [{"a": null}, [], "\u2028x"]}, "": -0}"#;
    let facts = Facts {
        provider: Some("stripe".to_owned()),
        event_type: Some("charge.failed".to_owned()),
        object_id: Some("ch_1".to_owned()),
        ..Facts::default()
    };
    let (event, row) =
        event(1, "POST /in/o/hook?a=%2F&b HTTP/1.1\r\nX-A: 1\r\nX-A: \u{fc}\r\n\r\n", json, &facts);
    let attempts = serde_json::json!([
        {"number": 1, "target": "http://localhost:3000", "cause": "arrival", "started_at": 1_763_970_070_001_u64,
         "outcome": {"result": "failed", "kind": "connect", "message": "no connection", "latency_ms": 3}},
        {"number": 2, "target": "http://localhost:3000", "cause": "replay", "started_at": 1_763_970_080_001_u64,
         "outcome": {"result": "answered", "status": 503, "headers": [["A", "b"]], "body_bytes": 2, "body_excerpt": "b2s=", "latency_ms": 700}},
    ]);
    let attempts: Vec<Attempt> = serde_json::from_value(attempts).expect("they are attempts");
    let row = EventRow {
        attempts,
        tags: vec!["slow".to_owned(), "two words".to_owned()],
        comment: Some("look \u{202e} here".to_owned()),
        ..row
    };
    let plain = self::event(2, "GET / HTTP/1.0\r\n\r\n", b"\xff\0", &Facts::default());
    [(event, row), plain]
});

fn event(number: u128, head: &str, body: &[u8], facts: &Facts) -> (Event, EventRow) {
    let event = Event {
        id: EventId(Uuid::from_u128(number)),
        endpoint: "orders".parse().expect("it is a name"),
        received_at: UnixMillis(1_763_970_070_000),
        peer: Peer { address: "127.0.0.1:1".to_owned(), source: PeerSource::Socket },
        prefix_bytes: 0,
        head: head.to_owned().into(),
        body_sha256: Event::digest(body),
        body: body.to_vec().into(),
    };
    let row = arriving_row(&event, facts, UnixMillis(1_763_970_070_100));
    (event, row)
}

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut saved = Saved::default();
    for (name, text) in
        [("slow", "ms>500"), ("bad", "status:5xx OR -@slow"), ("circle", "@circle"), ("wrong", "ms>")]
    {
        saved.insert(name, text);
    }
    match Filter::parse_with(text, &saved) {
        Ok(filter) => {
            let normal = filter.to_string();
            let again = Filter::parse_with(&normal, &Saved::default());
            assert_eq!(again.as_ref(), Ok(&filter), "{text:?} became {normal:?}");
            assert_eq!(again.map(|again| again.to_string()), Ok(normal));
            for (event, row) in &*EVENTS {
                let now = UnixMillis(1_763_970_170_000);
                let whole = filter.test(&Filtered::whole(row, event, now));
                assert!(whole.is_some() || !filter.jq_programs().is_empty(), "{text:?} does not decide");
                let listed = filter.test(&Filtered::listed(row, now));
                assert!(
                    listed.is_none() || whole.is_none() || listed == whole,
                    "{text:?}: {listed:?}, then {whole:?}"
                );
            }
        }
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{error} points to {:?} of {text:?}", error.span);
        }
    }
    let places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let step = text.chars().count() / 8 + 1;
    for at in places.rev().step_by(step) {
        let Some(completion) = complete(text, at, &saved, &Account) else { continue };
        assert!(completion.span.end == at && text.get(completion.span.clone()).is_some(), "{completion:?}");
        assert!(!completion.candidates.is_empty());
    }
}

//! Any value set at any place of any JSON body, and any header and parameter: refused, or an event whose head is one and whose body is JSON as it
//! was. The parts of the input are parted by zero bytes: head, body, a change of each kind.

use inhaul::draft::{Changes, Draft, Signer, apply};
use inhaul_core::event::{Event, EventId, Peer, PeerSource, UnixMillis};
use serde::de::IgnoredAny;
use uuid::Uuid;

fn pair(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(|line| line.split_once('=')).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

pub(crate) fn check(bytes: &[u8]) {
    let mut parts = bytes.splitn(6, |&byte| byte == 0);
    let [head, body, values, query, headers, gone] = [(); 6].map(|()| parts.next().unwrap_or_default());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines = |bytes: &[u8]| -> Vec<String> { text(bytes).lines().map(str::to_owned).collect() };
    let event = Event {
        id: EventId(Uuid::from_u128(1)),
        endpoint: "orders".parse().expect("it is a name"),
        received_at: UnixMillis(0),
        peer: Peer { address: "127.0.0.1:1".to_owned(), source: PeerSource::Socket },
        prefix_bytes: 0,
        head: head.to_vec().into(),
        body_sha256: Event::digest(body),
        body: body.to_vec().into(),
    };
    let changes = Changes {
        set_values: lines(values),
        set_query: pair(&text(query)),
        set_headers: pair(&text(headers)),
        remove_headers: lines(gone),
        remove_query: lines(gone),
        ..Changes::default()
    };
    let draft = Draft { body: None, changes };
    let Ok(sent) = apply(&event, &draft, &Signer::default(), UnixMillis(1)) else { return };
    if draft.is_empty() {
        assert_eq!(sent, event);
    }
    let (was, is) = (event.parsed_head().expect("it was read"), sent.parsed_head().expect("it is a head"));
    assert_eq!(is.method, was.method);
    assert_eq!(sent.body_sha256, Event::digest(&sent.body));
    if draft.changes.set_values.is_empty() {
        assert_eq!(sent.body, event.body);
    } else {
        assert!(is_json(&sent.body), "{:?}", sent.body);
    }
    for (name, _) in &draft.changes.set_headers {
        assert!(is.header(name).is_some(), "{name:?} is not there");
    }
}

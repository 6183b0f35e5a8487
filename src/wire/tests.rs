//! Every frame against its golden bytes, and damage of every kind.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::event::{Event, Peer, PeerSource};

fn id() -> EventId {
    EventId(Uuid::from_u128(0x0193_5b1e_7c00_7000_8000_0000_0000_0001))
}

/// One of each frame, with every optional member of the first release set.
#[expect(clippy::too_many_lines, reason = "a table")]
fn samples() -> Vec<Frame> {
    let endpoint: EndpointName = "orders".parse().unwrap();
    let spool = Uuid::from_u128(7);
    let event = Event {
        id: id(),
        endpoint: endpoint.clone(),
        received_at: UnixMillis(1_763_970_070_118),
        peer: Peer { address: "203.0.113.9:40001".into(), source: PeerSource::Socket },
        prefix_bytes: 12,
        head: Bytes::from_static(b"POST /in/orders-1/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        body: Bytes::from_static(b"{}"),
        body_sha256: Event::digest(b"{}"),
    };
    let welcome = Welcome {
        version: 1,
        software: "inhaul-relay/0.1.0".into(),
        generation: 3,
        endpoints: vec![WelcomeEndpoint {
            name: endpoint.clone(),
            url: "https://relay.example/in/orders-1".into(),
            spool,
            backlog_events: 2,
            backlog_bytes: 2048,
            sharing: None,
            expired: None,
            taken_when_late: false,
        }],
        ping_interval_ms: 10_000,
        dead_after_ms: 25_000,
        max_answer_bytes: 10_485_760,
        time_ms: None,
    };
    vec![
        Frame::Hello(Hello {
            versions: vec![1],
            software: "inhaul/0.1.0".into(),
            client_id: Uuid::from_u128(9),
            endpoints: vec![HelloEndpoint {
                name: endpoint.clone(),
                token: "ih_example".into(),
                resume: Some(Cursor { spool, up_to: 41 }),
                sharing: None,
            }],
        }),
        Frame::Welcome(welcome.clone()),
        Frame::Credit(Credit { events: 256, bytes: 16_777_216 }),
        Frame::Event(
            EventHeader { meta: EventMeta::of(&event), seq: 42, deadline_ms: Some(7_900), missed: true },
            event.head,
        ),
        Frame::Chunk(Chunk { id: id(), offset: 0 }, event.body),
        Frame::Stored(Stored { endpoint, up_to: 42, plus: vec![44] }),
        Frame::Result(
            ResultHeader {
                id: id(),
                kind: ResultKind::Answered { status: 200, body_bytes: 2 },
                latency_ms: 12,
            },
            Bytes::from_static(b"content-type: application/json\r\n\r\n"),
        ),
        Frame::Ping(Echo { time: 5 }),
        Frame::Pong(Echo { time: 5 }),
        Frame::Drain(Drain { after_ms: 2_000 }),
        Frame::Error(SessionError {
            code: ErrorCode::Unauthorized,
            text: "no endpoint orders with this token".into(),
            retryable: false,
            retry_after_ms: Some(1),
        }),
        Frame::Welcome(Welcome { time_ms: Some(UnixMillis(1_763_970_070_118)), ..welcome }),
    ]
}

/// Frames with members that came later.
fn samples_of_sharing() -> Vec<Frame> {
    let sharing = Some(Sharing::Share);
    let expired = Some(Expired { events: 12, since_ms: UnixMillis(1_763_710_870_118) });
    let mut samples = samples().into_iter();
    let (Some(Frame::Hello(mut hello)), Some(Frame::Welcome(mut welcome))) = (samples.next(), samples.next())
    else {
        panic!("a session begins with these");
    };
    hello.endpoints[0].sharing = sharing;
    (welcome.endpoints[0].sharing, welcome.endpoints[0].expired) = (sharing, expired);
    vec![Frame::Hello(hello), Frame::Welcome(welcome)]
}

/// The frames of version 1, each as its type, JSON and the length of its raw part. They must stay readable for ever
/// (promise 9): never edit, only add.
const GOLDEN: &str = include_str!("../../assets/golden/frames-v1.txt");

const GOLDEN_OF_SHARING: &str = include_str!("../../assets/golden/frames-v1-sharing.txt");

#[test]
fn golden_frames_are_written_and_read_the_same() {
    are_golden(samples(), GOLDEN, "frames-v1.txt");
    are_golden(samples_of_sharing(), GOLDEN_OF_SHARING, "frames-v1-sharing.txt");
}

fn are_golden(frames: Vec<Frame>, golden: &str, name: &str) {
    let mut text = String::new();
    for frame in frames {
        let bytes = frame.encode();
        let json_len = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
        let json = std::str::from_utf8(&bytes[5..5 + json_len]).unwrap();
        writeln!(text, "{:#04x} {} {} {json}", bytes[0], frame.name(), bytes.len() - 5 - json_len).unwrap();
        assert_eq!(Frame::decode(bytes).unwrap(), Some(frame));
    }
    if std::env::var_os("INHAUL_WRITE_GOLDEN").is_some() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/golden");
        std::fs::write(std::path::Path::new(directory).join(name), &text).unwrap();
        return;
    }
    assert_eq!(text, golden);
}

#[test]
fn a_way_to_share_of_a_later_release_is_told_from_none() {
    let text = r#"{"name":"orders","token":"t","sharing":"by_halves"}"#;
    let endpoint: HelloEndpoint = serde_json::from_str(text).unwrap();
    assert_eq!(endpoint.sharing, Some(Sharing::Other));
    for (sharing, word) in [(Sharing::Share, "share"), (Sharing::Balance, "balance")] {
        assert_eq!(serde_json::to_value(sharing).unwrap(), word);
        assert_eq!(sharing.as_str(), word);
    }
}

#[test]
fn the_protocol_page_names_every_frame_and_member() {
    let page = include_str!("../../docs/protocol.md");
    for frame in samples() {
        assert!(
            page.contains(&format!("| {:#04x} | {} |", frame.type_byte(), frame.name())),
            "{}",
            frame.name()
        );
        let bytes = frame.encode();
        let json_len = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
        let json: serde_json::Value = serde_json::from_slice(&bytes[5..5 + json_len]).unwrap();
        for member in json.as_object().unwrap().keys() {
            assert!(page.contains(&format!("`{member}`")), "{} {member}", frame.name());
        }
    }
}

#[test]
fn damage_is_an_error_and_later_frames_are_ignored_only_when_they_say_so() {
    for frame in samples() {
        let bytes = frame.encode();
        let json_len = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
        for cut in 0..5 + json_len {
            assert!(Frame::decode(bytes.slice(..cut)).is_err(), "{} cut at {cut}", frame.name());
        }
    }
    assert!(matches!(
        Frame::decode(Bytes::from_static(b"\x0c\0\0\0\x02{}")),
        Err(WireError::UnknownType(0x0c))
    ));
    assert!(matches!(Frame::decode(Bytes::from_static(b"\x8c\0\0\0\x02{}raw")), Ok(None)));
    assert!(matches!(
        Frame::decode(Bytes::from_static(b"\x08\0\0\0\x0a{\"time\":1}x")),
        Err(WireError::UnwantedRaw("PING"))
    ));
    let huge = Bytes::from_static(b"\x01\xff\xff\xff\xff");
    assert!(matches!(Frame::decode(huge), Err(WireError::TooLong { part: "JSON", .. })));
}

#[test]
fn a_token_never_shows_in_debug_output() {
    let shown = format!("{:?}", samples());
    assert!(!shown.contains("ih_example"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(
        kind in 0u8..16,
        json in "[{}\":,a-z0-9\\[\\]]{0,40}",
        raw in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&u32::try_from(json.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(json.as_bytes());
        bytes.extend_from_slice(&raw);
        let _ = Frame::decode(bytes.into());
        let _ = Frame::decode(raw.into());
    }
}

#[test]
fn why_an_event_is_kept_back_may_be_missing_or_of_a_later_release() {
    let rejected = |reason| ResultKind::Rejected { reason };
    for (json, expected) in [
        (r#"{"result":"rejected"}"#, Rejection::Invalid),
        (r#"{"result":"rejected","reason":"unsigned"}"#, Rejection::Unsigned),
        (r#"{"result":"rejected","reason":"unchecked"}"#, Rejection::Unchecked),
        (r#"{"result":"rejected","reason":"of a later release"}"#, Rejection::Invalid),
    ] {
        assert_eq!(serde_json::from_str::<ResultKind>(json).unwrap(), rejected(expected), "{json}");
    }
    assert_eq!(serde_json::to_string(&rejected(Rejection::Invalid)).unwrap(), r#"{"result":"rejected"}"#);
}

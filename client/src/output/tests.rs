//! Every kind of line, as text and as JSON, and the page that describes the JSON.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use inhaul_core::{event::PeerSource, signature::Verdict};
use serde_json::Value;

use super::*;
use crate::row::{AttemptCause, EventState, FailureKind, Outcome, Repeat};

const PAGE: &str = include_str!("../../../docs/output-json.md");

/// What was written, still there after the printer has it.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn row() -> EventRow {
    EventRow {
        id: "0193586a-1b2c-7def-8123-456789abcdef".parse().unwrap(),
        endpoint: "orders".parse().unwrap(),
        received_at: UnixMillis(1_763_970_070_118),
        stored_at: UnixMillis(1_763_970_070_121),
        method: "POST".to_owned(),
        target: "/stripe?a=%2F".to_owned(),
        body_bytes: 2048,
        content_type: Some("application/json".to_owned()),
        provider: Some("stripe".to_owned()),
        event_type: Some("charge.succeeded".to_owned()),
        provider_event_id: Some("evt_1".to_owned()),
        object_id: None,
        tags: Vec::new(),
        comment: None,
        missed: false,
        sender_waited: false,
        taken_when_late: false,
        imported: false,
        late: false,
        state: EventState::Settled,
        repeat: None,
        given_up: None,
        dropped: None,
        released: false,
        forwarded_as: None,
        verdict: Some(Verdict::Valid { scheme: "stripe/v1".to_owned(), secret: "STRIPE_SECRET".to_owned() }),
        attempts: Vec::new(),
    }
}

pub(crate) fn answered(number: u32, status: u16) -> Attempt {
    attempt_with(
        number,
        Outcome::Answered {
            status,
            headers: Vec::new(),
            body_bytes: 2,
            body_excerpt: b"ok".to_vec(),
            latency_ms: 12,
        },
    )
}

fn attempt_with(number: u32, outcome: Outcome) -> Attempt {
    Attempt {
        number,
        target: "http://localhost:3000".to_owned(),
        cause: if number == 1 { AttemptCause::Arrival } else { AttemptCause::Replay },
        started_at: UnixMillis(1_763_970_070_125),
        changed: None,
        outcome,
    }
}

fn verdicts() -> Vec<Option<Verdict>> {
    let scheme = || "stripe/v1".to_owned();
    vec![
        Some(Verdict::Valid { scheme: scheme(), secret: "STRIPE_SECRET".to_owned() }),
        Some(Verdict::Invalid {
            scheme: scheme(),
            code: "signature_mismatch".to_owned(),
            reason: "no secret makes this signature".to_owned(),
        }),
        Some(Verdict::Stale { scheme: scheme(), age_seconds: 400, tolerance_seconds: 300 }),
        Some(Verdict::NoSecret { provider: "stripe".to_owned() }),
        Some(Verdict::Unsigned),
        None,
    ]
}

fn outcomes() -> Vec<Attempt> {
    let failed = Outcome::Failed {
        kind: FailureKind::Connect,
        message: "nothing listens on localhost:3000".to_owned(),
        latency_ms: 1,
    };
    let others = [failed, Outcome::Rejected, Outcome::Begun];
    let mut attempts = vec![answered(1, 200), answered(2, 500)];
    attempts.extend(others.into_iter().zip(3..).map(|(outcome, number)| attempt_with(number, outcome)));
    attempts
}

fn states() -> Vec<ConnectionState> {
    vec![
        ConnectionState::Connecting { attempt: 1 },
        ConnectionState::Connecting { attempt: 3 },
        ConnectionState::Connected {
            round_trip: Some(Duration::from_micros(1534)),
            backlog_events: 7,
            clock_ahead_ms: None,
        },
        ConnectionState::Connected { round_trip: None, backlog_events: 0, clock_ahead_ms: None },
        ConnectionState::Waiting {
            reason: "connection refused".to_owned(),
            retry_in: Duration::from_millis(250),
        },
        ConnectionState::Refused { reason: "the token is not this endpoint's".to_owned() },
    ]
}

/// Events out of the ordinary.
fn remarkable() -> Vec<EventRow> {
    let repeat = Repeat {
        number: 3,
        first: "0193586a-1b2c-7def-8123-000000000001".parse().unwrap(),
        first_received_at: UnixMillis(1_763_969_950_118),
        same_id: true,
        same_body: true,
        dropped: false,
    };
    let dropped = Repeat { number: 4, same_body: false, dropped: true, ..repeat.clone() };
    let equal = Repeat { number: 2, same_id: false, ..repeat.clone() };
    let long_ago = UnixMillis(1_763_958_550_121);
    vec![
        EventRow { repeat: Some(repeat), ..row() },
        EventRow { repeat: Some(dropped), ..row() },
        EventRow { repeat: Some(equal), ..row() },
        EventRow { late: true, received_at: long_ago, ..row() },
        EventRow { late: true, received_at: long_ago, state: EventState::Held, ..row() },
    ]
}

/// One of everything, as printed in a mode.
fn printed(mode: OutputMode, color: Color) -> String {
    let sink = Sink::default();
    let mut printer = Printer::to(mode, color, Box::new(sink.clone()));
    printer
        .ready(&Ready {
            relay_url: "https://127.0.0.1:8780".to_owned(),
            endpoint: "orders".parse().unwrap(),
            endpoint_url: "https://127.0.0.1:8780/in/orders-0f".to_owned(),
            ca_file: Some("/home/me/.local/share/inhaul/relay/tls/ca.pem".to_owned()),
            targets: vec!["http://localhost:3000".to_owned()],
            data_dir: "/home/me/.local/share/inhaul".to_owned(),
        })
        .unwrap();
    for verdict in verdicts() {
        let missed = verdict.is_none();
        printer.event(&EventRow { verdict, missed, ..row() }).unwrap();
    }
    for row in remarkable() {
        printer.event(&row).unwrap();
    }
    for attempt in outcomes() {
        printer.attempt(&row(), &attempt).unwrap();
    }
    for state in states() {
        printer.connection(&state, UnixMillis(1_763_970_070_000)).unwrap();
    }
    printer.notice("2 events were found in a damaged file").unwrap();
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn lines_are_for_people() {
    insta::assert_snapshot!(printed(OutputMode::Lines, Color::Off));
}

#[test]
fn lines_say_the_same_in_colour() {
    let coloured = printed(OutputMode::Lines, Color::On);
    assert!(coloured.contains("\x1b[32m"));
    let mut plain = String::new();
    for (index, part) in coloured.split("\x1b[").enumerate() {
        plain.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(plain, printed(OutputMode::Lines, Color::Off));
}

#[test]
fn json_is_for_programs() {
    insta::assert_snapshot!(printed(OutputMode::Json, Color::On));
}

#[test]
fn quiet_and_the_inspector_print_nothing() {
    assert_eq!(printed(OutputMode::Quiet, Color::Off), "");
    assert_eq!(printed(OutputMode::Tui, Color::Off), "");
}

#[test]
fn an_event_of_the_history_is_one_line() {
    let mut of_history = row();
    insta::assert_snapshot!(listed_line(&of_history, Color::Off), @"2025-11-24 07:41:10Z  POST   /stripe?a=%2F         charge.succeeded          ✓ valid      -         0193586a-1b2c-7def-8123-456789abcdef");
    of_history.attempts = vec![answered(1, 503)];
    assert!(listed_line(&of_history, Color::Off).contains("✓ valid      503       0193"));
}

#[test]
fn text_from_outside_is_harmless_in_both() {
    let mut hostile = row();
    hostile.target = "/\u{1b}]0;owned\u{7}\u{202e}".to_owned();
    hostile.event_type = Some("a\nb".to_owned());
    hostile.verdict = Some(Verdict::Invalid {
        scheme: "s\u{9b}".to_owned(),
        code: "c".to_owned(),
        reason: "r\u{1b}[2J".to_owned(),
    });
    for mode in [OutputMode::Lines, OutputMode::Json] {
        let sink = Sink::default();
        let mut printer = Printer::to(mode, Color::Off, Box::new(sink.clone()));
        printer.event(&hostile).unwrap();
        printer.attempt(&hostile, &answered(1, 200)).unwrap();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let acting = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
        assert!(!text.contains(acting), "{text:?}");
    }
}

#[test]
fn a_reader_that_left_is_an_orderly_end() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut printer = Printer::to(OutputMode::Lines, Color::Off, Box::new(Gone));
    assert!(matches!(printer.event(&row()), Err(PrintError::ReaderGone)));
}

/// The fields in the table below a heading of the page.
fn documented(kind: &str) -> BTreeSet<String> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(&format!("`{kind}`"))).unwrap();
    let table = section.split("\n### ").next().unwrap();
    table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(field, _)| field.to_owned())
        .collect()
}

fn fields(value: &Value) -> BTreeSet<String> {
    value
        .as_object()
        .unwrap()
        .keys()
        .filter(|key| !matches!(key.as_str(), "schema" | "kind"))
        .cloned()
        .collect()
}

#[test]
fn the_page_has_every_field_and_no_other() {
    let mut seen = BTreeSet::new();
    for line in printed(OutputMode::Json, Color::Off).lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["schema"], json::SCHEMA);
        let kind = value["kind"].as_str().unwrap();
        assert_eq!(fields(&value), documented(kind), "{kind}");
        seen.insert(kind.to_owned());
    }
    assert_eq!(seen.len(), 5);

    let mut of_history = row();
    of_history.attempts = outcomes();
    let request = json::RequestRecord {
        raw_target: json::Text::new(b"/in/orders-0f/stripe"),
        prefix_bytes: 13,
        http_version: "HTTP/1.1",
        peer: "127.0.0.1:4000".to_owned(),
        peer_source: PeerSource::Socket,
        headers: vec![json::HeaderRecord { name: json::Text::new(b"a"), value: json::Text::new(b"\xff") }],
        body_sha256: "00".to_owned(),
        body: json::Text::new(b"{}"),
        deliveries: vec![row().id],
    };
    let whole = json::line(&json::whole_event(&of_history, request));
    let whole: Value = serde_json::from_str(&whole).unwrap();
    let more: BTreeSet<String> = fields(&whole).difference(&documented("event")).cloned().collect();
    assert_eq!(more, documented("show"));
    assert_eq!(whole["headers"][0]["value"]["base64"], "/w==");
}

#[test]
fn the_page_has_every_word() {
    for line in printed(OutputMode::Json, Color::Off).lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let words = [&value["state"], &value["result"], &value["cause"], &value["verdict"]["state"]];
        for word in words.into_iter().filter_map(Value::as_str) {
            assert!(PAGE.contains(&format!("`{word}`")), "{word}");
        }
    }
}

#[test]
fn a_round_trip_that_takes_hardly_any_time_is_not_told_as_none() {
    let texts = [30, 50, 1_549].map(|micros| round_trip_text(Duration::from_micros(micros)));
    assert_eq!(texts, ["under 0.1 ms", "0.1 ms", "1.5 ms"]);
}

//! Text from outside that would drive a terminal, in every place where it is shown.

use bytes::Bytes;
use inhaul_core::signature::{Verdict, catalogue};

use super::{Stage, answered, event, id, mask, row};
use crate::{
    config::Setting,
    connection::ConnectionState,
    live::Live,
    row::{EventRow, FailureKind, GivenUp, Outcome},
    tui::{content::Opened, message::Message},
};

/// C0, C1, OSC 52 and 8, DCS, bidirectional overrides and isolates, zero width, combining marks in heaps, tags, a lone surrogate's bytes,
/// wide and ambiguous letters, and what looks like an escape of our own.
const HOSTILE: [&[u8]; 14] = [
    b"\x00\x07\x08\x1b[2J\x1b[31m\x7f",
    "\u{9b}31m\u{90}q\u{9c}".as_bytes(),
    b"\x1b]52;c;ZXZpbA==\x07",
    b"\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    b"\x1bP+q544e\x1b\\",
    "\u{202e}gnp.exe\u{2066}\u{2069}".as_bytes(),
    "a\u{200b}b\u{feff}c\u{2060}".as_bytes(),
    "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}".as_bytes(),
    "\u{e0041}\u{e0042}".as_bytes(),
    b"\xed\xa0\x80\xff\xfe\xc0\xaf",
    "日本語ｱ\u{1f468}\u{200d}\u{1f469}".as_bytes(),
    b"\r\n\r\nHTTP/1.1 200 OK\r\n",
    br"\x1b[2J \u{202e}",
    "\u{2028}\u{2029}\u{85}".as_bytes(),
];

fn assert_harmless(screen: &str, what: &str) {
    for letter in screen.chars() {
        let harmful = (letter.is_control() && letter != '\n')
            || matches!(u32::from(letter), 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe0000..=0xe007f);
        assert!(!harmful, "{what}: {letter:?} in {screen:?}");
    }
}

/// An event that says the same everywhere.
fn hostile_row(bytes: &[u8], text: &str) -> EventRow {
    let failed = Outcome::Failed { kind: FailureKind::BadAnswer, message: text.to_owned(), latency_ms: 1 };
    let mut answer = answered(2, 200);
    if let Outcome::Answered { headers, body_excerpt, .. } = &mut answer.outcome {
        *headers = vec![(text.to_owned(), text.to_owned())];
        *body_excerpt = bytes.to_vec();
    }
    EventRow {
        method: text.to_owned(),
        target: text.to_owned(),
        content_type: Some(text.to_owned()),
        provider: Some(text.to_owned()),
        event_type: Some(text.to_owned()),
        provider_event_id: Some(text.to_owned()),
        given_up: Some(GivenUp { at: row(1).stored_at, reason: text.to_owned() }),
        verdict: Some(Verdict::Invalid {
            scheme: text.to_owned(),
            code: text.to_owned(),
            reason: text.to_owned(),
        }),
        attempts: vec![super::attempt(1, failed), crate::row::Attempt { target: text.to_owned(), ..answer }],
        ..row(1)
    }
}

#[test]
fn hostile_text_is_shown_and_does_nothing_wherever_it_stands() {
    for bytes in HOSTILE {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut stage = Stage::new(120, 40);
        let hostile = hostile_row(bytes, &text);
        stage.tell(Message::Live(Live::Event(Box::new(hostile))));
        stage.tell(Message::Live(Live::Notice(text.clone())));
        let waiting = ConnectionState::Refused { reason: text.clone() };
        stage.tell(Message::Live(Live::Connection(waiting)));
        let setting = Setting { name: text.clone(), value: text.clone(), source: text.clone() };
        stage.state.options = vec![setting];
        assert_harmless(&stage.screen(), "list");
        stage.keys("<enter>");
        let json = serde_json::to_vec(&serde_json::json!({ &*text: [text, { "a": text }] })).unwrap();
        for body in [bytes.to_vec(), json, [b"a=", bytes].concat()] {
            let mut event = event(1, b"");
            let head = [
                &b"POST /"[..],
                b" HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nX-Evil: ",
                &on_one_line(bytes),
                b"\r\n\r\n",
            ]
            .concat();
            event.head = head.into();
            event.body = Bytes::from(body);
            event.peer.address = String::from_utf8_lossy(bytes).into_owned();
            stage.tell(Message::Loaded(id(1), Ok(Box::new(Opened::new(event, None, catalogue(), &mask())))));
            for tab in ["1", "2", "3", "4", "5"] {
                assert_harmless(&stage.keys(tab).screen(), tab);
            }
        }
        stage.keys("<esc>");
        for page in ["C", "O", "E", "?"] {
            assert_harmless(&stage.keys(page).screen(), page);
            stage.keys("<esc>");
        }
        stage.keys("/");
        stage.tell(Message::Paste(String::from_utf8_lossy(bytes).into_owned()));
        assert_harmless(&stage.screen(), "the filter");
        stage.keys("<enter>");
        stage.tell(Message::Replayed(Err(String::from_utf8_lossy(bytes).into_owned())));
        assert_harmless(&stage.screen(), "what is told");
    }
}

/// A header line cannot hold line ends.
fn on_one_line(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect()
}

//! One secret in every place where an event has secrets: it is on no screen until it is asked for.

use inhaul_core::{event::Event, signature::catalogue};

use super::{Stage, answered, event, id, mask, row};
use crate::{
    diff::Ignore,
    live::Live,
    row::{Attempt, EventRow, Outcome},
    tui::{
        content::Opened,
        exchange::Comparison,
        message::{Effect, Message},
    },
};

/// The secret.
const SECRET: &str = "geheim";

/// An event that holds the secret in its query, in headers, in its body and in the answer.
fn secretive(number: u8, secret: &str) -> (Event, EventRow) {
    let mut event = event(number, b"");
    event.body = format!(r#"{{"id":1,"card":{{"number":"{secret}","type":"x"}}}}"#).into();
    event.body_sha256 = Event::digest(&event.body);
    event.head = format!(
        "POST /hook?token={secret}&a=seen HTTP/1.1\r\nContent-Type: application/json\r\nAuthorization: Bearer {secret}\r\nX-Gitlab-Token: {secret}\r\nX-Own-Secret: {secret}\r\nX-Other: seen\r\n\r\n"
    )
    .into();
    let outcome = Outcome::Answered {
        status: 200,
        headers: vec![("Set-Cookie".to_owned(), format!("session={secret}"))],
        body_bytes: 6,
        body_excerpt: format!(r#"{{"card":{{"number":"{secret}"}}}}"#).into_bytes(),
        latency_ms: 12,
    };
    let row = EventRow {
        event_type: None,
        provider: Some("gitlab".to_owned()),
        target: format!("/hook?token={secret}&a=seen"),
        attempts: vec![Attempt { outcome, ..answered(1, 200) }],
        ..row(number)
    };
    (event, row)
}

fn stage() -> Stage {
    let mut stage = Stage::new(180, 45);
    let (event, row) = secretive(1, SECRET);
    stage.tell(Message::Live(Live::Event(Box::new(row))));
    let opened = Opened::new(event, Some("gitlab"), catalogue(), &mask());
    stage.tell(Message::Loaded(id(1), Ok(Box::new(opened))));
    stage
}

#[test]
fn a_secret_is_nowhere_until_it_is_asked_for() {
    for keys in ["", "<enter>1", "<enter>1t", "<enter>2", "<enter>3", "<enter>4", "<enter>5", "="] {
        let mut stage = stage();
        if keys == "=" {
            let compared =
                Comparison::new(secretive(1, SECRET), secretive(2, "other"), &mask(), &Ignore::default());
            stage.tell(Message::Compared(compared.map(Box::new)));
        } else {
            stage.keys(keys);
        }
        let hidden = stage.screen();
        assert!(!hidden.contains(SECRET) && hidden.contains("seen"), "{keys}: {hidden}");
        let shown = stage.keys("S").screen();
        assert!(shown.contains(SECRET), "{keys}: {shown}");
        assert!(!stage.keys("S").screen().contains(SECRET), "{keys}");
    }
}

#[test]
fn secrets_that_differ_are_told_apart_in_a_comparison_and_equal_ones_are_not() {
    let compared = |left, right| {
        let compared = Comparison::new(secretive(1, left), secretive(2, right), &mask(), &Ignore::default());
        compared.unwrap().diff(true).differences()
    };
    assert_eq!(compared(SECRET, SECRET), 0);
    assert!(compared(SECRET, "other") >= 4);
}

#[test]
fn programs_and_pagers_get_what_is_on_the_screen() {
    let mut stage = stage();
    stage.keys("v");
    assert!(matches!(stage.effects.pop(), Some(Effect::Page(_, _, true))), "{:?}", stage.effects);
    stage.keys("S");
    stage.effects.clear();
    stage.keys("v");
    assert!(matches!(stage.effects.pop(), Some(Effect::Page(_, _, false))), "{:?}", stage.effects);
}

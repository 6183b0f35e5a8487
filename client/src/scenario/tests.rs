//! What is written is read back the same, what is wrong is told with its line, and what would be played is what the file says.

use std::{fs, path::Path, sync::Arc};

use inhaul_core::{
    event::{Event, Header, UnixMillis},
    signature::{Secret, catalogue},
};
use proptest::prelude::*;

use super::{file::STEP_KEYS, *};
use crate::{
    config::{Route, Routes},
    draft::{Changes, Draft, IdChange, Sign},
    export::{INLINE_MAX_BYTES, Mask},
    forward::{ForwardOptions, Forwarder},
    history::tests::sample_attempt,
    output::tests::row,
    row::{EventRow, Outcome},
};

const PREFIX: &str = "/in/orders-0f0f";

fn event(number: u64, target: &str, headers: &[(&str, &[u8])], body: &[u8]) -> (Event, EventRow) {
    let mut head = format!("POST {PREFIX}{target} HTTP/1.1\r\nHost: relay.example\r\n").into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    head.extend_from_slice(b"\r\n");
    let received_at = UnixMillis(1_763_970_070_118 + 1500 * number);
    let event = Event {
        prefix_bytes: PREFIX.len(),
        received_at,
        head: head.into(),
        body: Bytes::copy_from_slice(body),
        body_sha256: Event::digest(body),
        ..crate::history::tests::sample_event(number, b"")
    };
    let attempt = sample_attempt(1, Outcome::Rejected);
    let row =
        EventRow { id: event.id, received_at, attempts: vec![attempt], target: target.to_owned(), ..row() };
    (event, row)
}

fn stripe(number: u64) -> (Event, EventRow) {
    let headers: [(&str, &[u8]); 3] = [
        ("Content-Type", b"application/json"),
        ("Stripe-Signature", b"t=1,v1=5257a869"),
        ("Authorization", b"Bearer s3cret"),
    ];
    let body = br#"{"id":"evt_1", "type":"charge.failed","note":"it's"}"#;
    event(number, "/stripe?token=abc&mode=live", &headers, body)
}

fn recording(mask: bool) -> Recording {
    let mask = mask.then(|| Mask::new(catalogue(), &[], &[]));
    Recording { name: "orders".to_owned(), mask, ..Recording::default() }
}

fn parse(text: &str) -> Result<Scenario, String> {
    Scenario::parse(Path::new("orders.toml"), text.as_bytes()).map_err(|error| error.to_string())
}

fn player(secrets: Vec<Secret>) -> Player {
    let route = Route { secrets: secrets.into(), ..Route::catch_all() };
    Player {
        forwarder: Forwarder::new(ForwardOptions::default()),
        routes: Arc::new(Routes::new(route, Vec::new())),
    }
}

#[test]
fn a_scenario_is_written_for_people() {
    let changes = Changes { mark: true, ..Changes::default() };
    let draft = Draft { body: None, changes };
    let other = event(1, "/hook", &[("X-Odd", b"\xff")], b"line one\nline two\n");
    let bytes = event(2, "", &[], b"\xff\x00");
    let recording = Recording { draft, ..recording(true) };
    let written = write(vec![stripe(0), other, bytes], &recording, catalogue()).unwrap();
    for secret in ["s3cret", "5257a869", "token=abc", "orders-0f0f"] {
        assert!(!written.text.contains(secret), "{secret} is in {}", written.text);
    }
    assert!(written.masked && written.files.is_empty());
    insta::assert_snapshot!(written.text);
    let scenario = parse(&written.text).unwrap();
    assert_eq!(scenario.steps[0].changes.sign, Sign::Fresh);
    assert_eq!(scenario.steps[1].pause, Duration::from_millis(1500));
    assert_eq!(scenario.steps[2].to.as_ref().unwrap().to_string(), "http://localhost:3000");
}

#[test]
fn what_was_changed_is_in_it_and_signatures_stay_when_nothing_is_masked() {
    let changes = Changes {
        set_values: vec!["note=1".to_owned()],
        set_headers: vec![("X-New".to_owned(), "n".to_owned())],
        id: IdChange::New,
        sign: Sign::BreakTime,
        ..Changes::default()
    };
    let draft = Draft { body: None, changes };
    let recording = Recording { draft, delay: Some(Duration::from_secs(2)), ..recording(false) };
    let written = write(vec![stripe(0), stripe(1)], &recording, catalogue()).unwrap();
    let [first, second] = &parse(&written.text).unwrap().steps[..] else { panic!("{}", written.text) };
    assert_eq!(first.body, r#"{"id":"evt_1", "type":"charge.failed","note":1}"#);
    assert!(String::from_utf8_lossy(&first.head).contains("X-New: n\r\n"));
    assert!(String::from_utf8_lossy(&first.head).contains("Stripe-Signature: t=1,v1=5257a869\r\n"));
    assert_eq!((first.changes.sign, first.changes.id), (Sign::BreakTime, IdChange::New));
    assert_eq!((first.pause, second.pause), (Duration::ZERO, Duration::from_secs(2)));
}

#[test]
fn a_long_body_has_a_file_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let library = Library::beside(Some(&directory.path().join("inhaul.toml")));
    let body = vec![b'x'; INLINE_MAX_BYTES + 1];
    let written = write(vec![event(0, "/", &[], &body)], &recording(true), catalogue()).unwrap();
    let path = library.save("orders", &written, false).unwrap();
    assert_eq!(path, directory.path().join("inhaul.d/orders.toml"));
    assert!(matches!(library.save("orders", &written, false), Err(LibraryError::Exists(_))));
    library.save("orders", &written, true).unwrap();
    assert_eq!(library.read("orders").unwrap().steps[0].body, body);
    assert_eq!(library.read(path.to_str().unwrap()).unwrap().name, "orders");
    let many = (0..=STEPS_MAX as u64).map(|number| event(number, "/", &[], b"")).collect();
    assert!(write(many, &recording(true), catalogue()).unwrap_err().contains("1000 are the most"));
    let long = vec![b'x'; usize::try_from(FILE_MAX_BYTES).unwrap() + 1];
    let error = write(vec![event(0, "/", &[], &long)], &recording(true), catalogue()).unwrap_err();
    assert!(error.contains("larger than 64 MiB"), "{error}");
    fs::write(directory.path().join("inhaul.d/other.toml"), "").unwrap();
    assert_eq!(library.names().unwrap(), ["orders", "other"]);
    assert!(matches!(library.read("nothing"), Err(LibraryError::Missing(_))));
    assert!(matches!(library.save("../x", &written, true), Err(LibraryError::Name(_))));
    fs::remove_file(directory.path().join("inhaul.d/orders.1.txt")).unwrap();
    let error = library.read("orders").unwrap_err().to_string();
    assert!(
        error.contains("orders.toml:") && error.contains("step[0].body_file: \"orders.1.txt\": "),
        "{error}"
    );
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, expected) in [
        ("", "orders.toml: there is no [[step]] in it"),
        ("version = 2\n[[step]]", "orders.toml:1: version: version 2 is of a later release"),
        ("to = \"nowhere\"\n[[step]]", "orders.toml:1: to: \"nowhere\" is no target"),
        ("[[step]]\n\nboby = \"\"", "orders.toml:3: step[0]: unknown key \"boby\"; did you mean \"body\"?"),
        (
            "[[step]]\n[[step]]\npause = \"2\"",
            "orders.toml:3: step[1].pause: a time is a number with its unit",
        ),
        ("[[step]]\npause = \"2h\"", "orders.toml:2: step[0].pause: a pause is at most an hour"),
        ("[[step]]\nexpect = 999", "orders.toml:2: step[0].expect: \"999\" is no status"),
        ("[[step]]\nexpect = [200, \"7xx\"]", "orders.toml:2: step[0].expect[1]: \"7xx\" is no status"),
        ("[[step]]\nevent = \"1\"", "orders.toml:2: step[0].event: \"1\" is no id of an event"),
        (
            "[[step]]\nheaders = [\n \"X: 1\",\n \"novalue\",\n]",
            "orders.toml:4: step[0].headers: \"novalue\" is no header",
        ),
        ("[[step]]\nheaders = [1]", "orders.toml:2: step[0].headers: must be text such as"),
        ("[[step]]\nheaders = [{ name = \"X\" }]", "orders.toml:2: step[0].headers: `base64` is missing"),
        ("[[step]]\nbody_base64 = \"*\"", "orders.toml:2: step[0].body_base64: no base64: "),
        (
            "[[step]]\nbody = \"\"\nbody_file = \"a\"",
            "of body, body_base64 and body_file only one can be there",
        ),
        ("[[step]]\nbody_file = \"../secret\"", "is no path of a file beside the scenario or below"),
        ("[[step]]\nbody_file = \"/etc/passwd\"", "is no path of a file beside the scenario or below"),
        ("[[step]]\nmethod = \"PO ST\"", "orders.toml:1: step[0]: \"PO ST\" is no method"),
        ("[[step]]\nsign = \"anew\"", "orders.toml:2: step[0].sign: unknown way to sign \"anew\""),
        ("[[step]]\nbody = '''\nunended", "orders.toml:"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    let error = Scenario::parse(Path::new("a.toml"), b"\xff").unwrap_err().to_string();
    assert_eq!(error, "a.toml: not UTF-8");
    let many = "[[step]]\n".repeat(STEPS_MAX + 1);
    assert!(parse(&many).unwrap_err().contains("it has 1001 steps"));
}

#[test]
fn what_cannot_be_played_is_said_before_anything_is_sent() {
    let refused = |text: &str, options: &PlayOptions| {
        player(Vec::new()).prepare(parse(text).unwrap(), options).err().unwrap().to_string()
    };
    let usual = PlayOptions::default();
    assert!(refused("[[step]]", &usual).starts_with("orders.toml:1: step[0]: it does not say where it goes"));
    let signed = "to = 3000\n[[step]]\nprovider = \"stripe\"\nsign = \"fresh\"";
    assert!(refused(signed, &usual).contains("no secret of Stripe is configured"));
    let unknown = "to = 3000\n[[step]]\nprovider = \"strip\"\nsign = \"fresh\"";
    assert!(refused(unknown, &usual).contains("there is no provider \"strip\""));
    let headers = vec![("Host".to_owned(), "x".to_owned())];
    let of_request = PlayOptions { headers, ..PlayOptions::default() };
    assert!(refused("to = 3000\n[[step]]", &of_request).contains("is made for each request"));
    let much = PlayOptions { times: 10_001, ..PlayOptions::default() };
    assert!(refused("to = 3000\n[[step]]", &much).contains("10001 requests cannot be sent"));
}

#[test]
fn a_signed_step_is_signed_with_the_secret_of_its_route() {
    let text = "to = 3000\n[[step]]\nheaders = [\"Authorization: ***\"]\npath = \"/?token=***\"\nbody = '{\"a\":\"***\"}'\nprovider = \"stripe\"\nsign = \"fresh\"";
    let playing = player(vec![Secret::new("s", "whsec_test")]);
    let playing = playing.prepare(parse(text).unwrap(), &PlayOptions::default()).unwrap();
    assert_eq!(playing.cues()[0].masked(), ["Authorization", "the query", "the body"]);
    assert_eq!((playing.requests(), playing.external().len()), (1, 0));
}

#[test]
fn an_answer_is_expected_by_its_status_and_its_time() {
    let text = "to = 3000\n[[step]]\nexpect = [\"2xx\", 409]\nwithin = \"500ms\"";
    let playing = player(Vec::new()).prepare(parse(text).unwrap(), &PlayOptions::default()).unwrap();
    let unexpected = |status, latency_ms| {
        let (headers, body_excerpt) = (Vec::new(), Vec::new());
        let outcome = Outcome::Answered { status, headers, body_bytes: 0, body_excerpt, latency_ms };
        playing.cues()[0].unexpected(&Ok(outcome))
    };
    assert_eq!((unexpected(204, 500), unexpected(409, 0)), (None, None));
    assert_eq!(unexpected(204, 501).unwrap(), "expected within 500 ms");
    assert_eq!(unexpected(500, 1).unwrap(), "expected 2xx or 409");
    assert_eq!(playing.cues()[0].unexpected(&Err("no".to_owned())).unwrap(), "expected 2xx or 409");
}

#[test]
fn speeds() {
    let speed = |text: &str| text.parse::<Speed>();
    assert_eq!(speed("10").unwrap().pause(Duration::from_secs(5)), Duration::from_millis(500));
    assert_eq!(speed("0.5").unwrap().pause(Duration::from_secs(5)), Duration::from_secs(10));
    assert_eq!(speed("max").unwrap().pause(Duration::from_secs(5)), Duration::ZERO);
    for text in ["0", "-1", "NaN", "0.001", "fast", ""] {
        assert_eq!(speed(text), Err(SpeedError), "{text}");
    }
}

#[test]
fn every_key_is_documented_and_the_example_is_one() {
    let documentation = include_str!("../../../docs/scenarios.md");
    let example = documentation.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(parse(example).unwrap().steps.len(), 2);
    for key in STEP_KEYS.iter().chain(&["version"]) {
        assert!(documentation.contains(&format!("| `{key}`")), "{key}");
    }
}

proptest! {
    #[test]
    fn a_damaged_scenario_is_another_one_or_an_error_with_its_line(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = include_bytes!("../../../fuzz/seeds/import/scenario").to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Err(error) = Scenario::parse(Path::new("orders.toml"), &bytes) {
            let said = error.to_string();
            prop_assert!(said.starts_with("orders.toml:"), "{}", said);
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            any::<String>().prop_map(String::into_bytes),
            "[ -~\n\r\t'\"\\\\]{0,80}".prop_map(String::into_bytes),
        ],
        value in "[ -~\t\u{80}-\u{2fff}]{0,40}",
        target in "(/[!-~]{0,10}){1,2}",
        name in any::<String>(),
    ) {
        let (event, row) = event(0, &target, &[("X-Value", value.as_bytes())], &body);
        let row = EventRow { event_type: Some(name.clone()), ..row };
        let head = event.parsed_head().unwrap();
        let app_target = event.app_target(&head);
        let written = write(vec![(event, row)], &recording(false), catalogue()).unwrap();
        let scenario = parse(&written.text).map_err(|error| TestCaseError::fail(format!("{error}\n{}", written.text)))?;
        let step = &scenario.steps[0];
        prop_assert_eq!(&step.body[..], &body[..]);
        prop_assert_eq!(&step.name, &name);
        let read = inhaul_core::event::Head::parse(&step.head).unwrap();
        prop_assert_eq!(read.target, app_target);
        let kept: Vec<Header> = head.headers.into_iter().filter(|header| !header.is("host")).collect();
        prop_assert_eq!(read.headers, kept);
        // Nothing in it does anything to a terminal or hides from an editor.
        prop_assert_eq!(inhaul_core::visible::multiline(&written.text).to_string(), written.text);
    }
}

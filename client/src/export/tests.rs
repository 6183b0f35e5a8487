//! What is exported makes the same request, and is read back the same.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
};

use inhaul_core::{
    event::{EventId, Peer, PeerSource, UnixMillis},
    filter::JsonPath,
    signature::catalogue,
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use uuid::Builder;

use super::{curl::BodyPlace, *};
use crate::{
    import,
    output::tests::{answered, row},
    row::Outcome,
};

mod edited;

const PREFIX: &str = "/in/orders-0f0f";

/// Headers that speak of one connection, or that curl has to set.
const LEFT_OUT: [&str; 8] =
    ["connection", "content-length", "expect", "host", "keep-alive", "te", "transfer-encoding", "upgrade"];

fn exported_of(method: &str, target: &str, headers: &[(Vec<u8>, Vec<u8>)], body: &[u8]) -> Exported {
    let mut head = format!("{method} {PREFIX}{target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(&[&name[..], b": ", &value[..], b"\r\n"].concat());
    }
    head.extend_from_slice(b"\r\n");
    let event = Event {
        id: row().id,
        endpoint: "orders".parse().unwrap(),
        received_at: UnixMillis(1_763_970_070_118),
        peer: Peer { address: "203.0.113.7:4242".to_owned(), source: PeerSource::TrustedProxy },
        prefix_bytes: PREFIX.len(),
        head: head.into(),
        body: Bytes::copy_from_slice(body),
        body_sha256: Event::digest(body),
    };
    let mut row = EventRow { attempts: Vec::new(), method: method.to_owned(), ..row() };
    row.target = String::from_utf8_lossy(&event.app_target(&event.parsed_head().unwrap())).into_owned();
    Exported::whole(event, row).unwrap()
}

/// Names and values as senders may write them (a value of nothing but a form feed, which HTTP does not allow, is none curl sends), some of those curl would set by itself among them.
fn any_header() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let name = prop_oneof![
        3 => "[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,12}",
        1 => "User-Agent|accept|Accept-Encoding|CONTENT-TYPE|Cookie|Authorization|Referer|Range|Date",
    ];
    let name = name.prop_filter("one curl sets", |name| {
        !LEFT_OUT.contains(&name.to_ascii_lowercase().as_str())
            && !name.to_ascii_lowercase().starts_with("proxy-")
    });
    let byte = prop_oneof![
        4 => 0x20..=0x7eu8,
        2 => prop::sample::select(b"'\"$`\\ %;@=&|<>()!#*?~\t".to_vec()),
        1 => prop_oneof![1..=9u8, 11..=12u8, 14..=0x1fu8, 0x7f..=0xffu8],
    ];
    let value = prop::collection::vec(byte, 0..24).prop_map(|value| {
        let text = value.iter().position(|byte| !b" \t\x0b\x0c".contains(byte));
        let end = value.iter().rposition(|byte| !b" \t\x0b\x0c".contains(byte));
        text.zip(end).map_or(Vec::new(), |(from, to)| value[from..=to].to_vec())
    });
    (name.prop_map(String::into_bytes), value)
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => Just(Vec::new()),
        3 => prop::collection::vec(any::<u8>(), 1..300),
        1 => Just((0..=255u8).collect::<Vec<u8>>()),
        3 => "[ -~\n]{1,200}".prop_map(String::into_bytes),
        1 => r#"@[a-z]{1,5}|'[$]HOME'|-X|\{"a": "b\\\\'"\}"#.prop_map(String::into_bytes),
        2 => any::<String>().prop_map(String::into_bytes),
    ]
}

fn any_exported() -> impl Strategy<Value = Exported> {
    let method =
        prop_oneof![4 => Just("POST".to_owned()), 1 => "PUT|GET|DELETE|PATCH|M-SEARCH|post|X'Y|OPTIONS"];
    let target = prop_oneof![
        2 => "/[a-z/]{0,8}",
        2 => r#"(/[!-~]{0,6}){1,3}(\?[!-~]{0,20})?"#,
        1 => r#"/(\.\./|%2e%2E/|\./|\{a,b\}|\[1-9\]|#x|'|"|\$x|\\){1,4}\?[a-z=&%+'#]{0,9}"#,
        1 => Just("?only=query".to_owned()),
    ];
    (method, target, prop::collection::vec(any_header(), 0..8), any_body(), any::<bool>()).prop_map(
        |(method, target, mut headers, body, announced)| {
            if !body.is_empty() || announced {
                headers.push((b"Content-Length".to_vec(), body.len().to_string().into_bytes()));
            }
            headers.insert(0, (b"Host".to_vec(), b"relay.example".to_vec()));
            exported_of(&method, &target, &headers, &body)
        },
    )
}

/// The same on every run, so that a failure can be looked at again.
fn samples(count: usize) -> Vec<Exported> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count).map(|_| any_exported().new_tree(&mut runner).unwrap().current()).collect()
}

/// A request as it came over a socket.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    request_line: Vec<u8>,
    headers: Vec<Vec<u8>>,
    body: Vec<u8>,
}

/// Reads requests until there are so many, one on each connection, and answers each.
fn receive(listener: &TcpListener, count: usize) -> Vec<Got> {
    let read = |stream: TcpStream| {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line).unwrap();
            let line = line.strip_suffix(b"\r\n").expect("lines end with CRLF").to_vec();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let length = lines.iter().find_map(|line| {
            let line = String::from_utf8_lossy(line).to_ascii_lowercase();
            line.strip_prefix("content-length: ")?.parse().ok()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        reader.into_inner().write_all(answer).unwrap();
        Got { request_line: lines.remove(0), headers: lines, body }
    };
    (0..count).map(|_| read(listener.accept().unwrap().0)).collect()
}

/// The request a tool has to make: curl begins with `Host`, and counts the body behind the sender's headers.
fn expected(exported: &Exported, application: &Target) -> Got {
    let target = application.path_for(&exported.target());
    let mut headers = vec![format!("Host: {}", application.authority()).into_bytes()];
    let of_sender =
        exported.head.headers.iter().filter(|header| !LEFT_OUT.iter().any(|name| header.is(name)));
    headers.extend(of_sender.map(|header| [&header.name[..], b": ", &header.value[..]].concat()));
    if exported.has_body() {
        headers.push(format!("Content-Length: {}", exported.event.body.len()).into_bytes());
    }
    Got {
        request_line: [&exported.head.method[..], b" ", &target, b" HTTP/1.1"].concat(),
        headers,
        body: exported.event.body.to_vec(),
    }
}

/// curl writes nothing behind the colon of an empty header.
fn without_blanks_at_the_end(mut got: Got) -> Got {
    for line in &mut got.headers {
        line.truncate(line.trim_ascii_end().len());
    }
    got
}

/// Runs the curl commands of these events, one after the other, and compares what comes with what has to come.
fn check_batch(batch: &[Exported], at: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let application: Target =
        format!("http://127.0.0.1:{}{at}", listener.local_addr().unwrap().port()).parse().unwrap();
    let directory = tempfile::tempdir().unwrap();
    // The user's own settings are none of the test's.
    let mut script =
        "curl() { command curl --disable --silent --show-error --max-time 60 \"$@\" || exit 9; }\n"
            .to_owned();
    for (index, exported) in batch.iter().enumerate() {
        let name = format!("{index}.body");
        let in_file = index % 2 == 0 && curl::wants_file(exported);
        if in_file {
            fs::write(directory.path().join(&name), &exported.event.body).unwrap();
        }
        let place = if in_file { BodyPlace::File(&name) } else { BodyPlace::Piped };
        script += &curl::command(exported, &application, place);
    }
    let mut shell = Command::new("sh");
    shell.arg("-s").current_dir(directory.path()).env_remove("http_proxy").env_remove("HTTP_PROXY");
    let mut shell = shell.env("NO_PROXY", "*").stdin(Stdio::piped()).spawn().unwrap();
    let count = batch.len();
    let receiving = thread::spawn(move || receive(&listener, count));
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let status = shell.wait().unwrap();
    assert!(status.success(), "{status}");
    for (got, exported) in receiving.join().unwrap().into_iter().zip(batch) {
        let expected = without_blanks_at_the_end(expected(exported, &application));
        let command = curl::command(exported, &application, BodyPlace::Piped);
        assert_eq!(without_blanks_at_the_end(got), expected, "{command}");
    }
}

#[test]
fn curl_commands_run_by_a_shell_make_the_exact_requests() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no curl");
        return;
    }
    let samples = samples(1000);
    thread::scope(|scope| {
        for (number, batch) in samples.chunks(250).enumerate() {
            scope.spawn(move || check_batch(batch, if number % 2 == 0 { "" } else { "/base" }));
        }
    });
}

#[test]
fn nothing_in_a_command_is_acted_on_by_a_terminal() {
    for exported in samples(200) {
        let application: Target = "3000".parse().unwrap();
        for text in [
            curl::command(&exported, &application, BodyPlace::Piped),
            httpie::command(&exported, &application, BodyPlace::File("body")),
            fetch::script(&exported, &application),
        ] {
            assert_eq!(inhaul_core::visible::multiline(&text).to_string(), text);
        }
    }
}

#[test]
fn a_raw_request_is_the_one_curl_makes() {
    let application: Target = "http://localhost:3000/base".parse().unwrap();
    for exported in samples(200) {
        let raw = raw::request(&exported, &application);
        let Got { request_line, headers, body } = expected(&exported, &application);
        let mut written = [&request_line[..], b"\r\n"].concat();
        for line in headers {
            written.extend_from_slice(&[&line[..], b"\r\n"].concat());
        }
        assert_eq!(raw, [&written[..], b"\r\n", &body].concat());
    }
}

fn sample() -> Exported {
    let headers = [
        ("Host", "relay.example"),
        ("Authorization", "Bearer s3cret"),
        ("X-Twice", "1"),
        ("X-Twice", "it's"),
        ("X-Internal", "inside"),
        ("Stripe-Signature", "t=1,v1=5257a869"),
        ("Content-Type", "application/json"),
        ("Content-Length", "99"),
        ("Connection", "close"),
    ];
    let headers = headers.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let body = br#"{"id":"evt_1", "card":{"number":"4242 4242","name":"O'Hara"},"n":1.10}"#;
    let mut exported = exported_of("POST", "/stripe?token=abc&mode=live", &headers, body);
    exported.row.attempts = vec![answered(1, 503), answered(2, 200)];
    for attempt in &mut exported.row.attempts {
        attempt.target = "http://localhost:3000/hooks".to_owned();
    }
    exported
}

#[test]
fn the_token_that_a_question_carries_is_a_secret() {
    let target = "/in/orders-1/meta?hub.mode=subscribe&hub.verify_token=s3cret&hub.challenge=1";
    let expected = "/in/orders-1/meta?hub.mode=subscribe&hub.verify_token=***&hub.challenge=1";
    assert_eq!(mask::masked_target(target).replace(MASKED, "***"), expected);
}

fn masked(exported: Exported) -> Exported {
    let json = [JsonPath::parse("card.number").unwrap()];
    let mask = Mask::new(catalogue(), &["x-internal".to_owned()], &json);
    mask.apply(exported.event, exported.row).unwrap()
}

#[test]
fn the_application_is_where_the_event_last_was() {
    assert_eq!(sample().application().unwrap().to_string(), "http://localhost:3000/hooks");
    let mut bare = exported_of("POST", "", &[], b"");
    assert_eq!(bare.application(), None);
    bare.row.attempts = vec![answered(1, 200)];
    assert_eq!(bare.application().unwrap().to_string(), "http://localhost:3000");
}

#[test]
fn commands_look_like_this() {
    let application: Target = "http://localhost:3000/hooks".parse().unwrap();
    let masked = masked(sample());
    let all = [
        curl::command(&sample(), &application, BodyPlace::Piped),
        curl::command(&masked, &application, BodyPlace::Piped),
        httpie::command(&sample(), &application, BodyPlace::Piped),
        fetch::script(&sample(), &application),
        fetch::script(&exported_of("PUT", "/b", &[], b"\xff\x00"), &application),
        httpie::command(
            &exported_of("PUT", "/b", &[(b"X".to_vec(), Vec::new())], b"\xff"),
            &application,
            BodyPlace::Piped,
        ),
        httpie::command(
            &exported_of("POST", "/", &[(b"Y".to_vec(), b"=a\\=".to_vec())], b"-dash"),
            &application,
            BodyPlace::Piped,
        ),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn secrets_are_masked_everywhere_and_nothing_else_is() {
    let masked = masked(sample());
    assert!(masked.masked);
    let har = serde_json::to_string(&har::entries(&masked)).unwrap();
    let fixture = fixture::fixture(&masked);
    let files: Vec<u8> = fixture.files.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
    let application = masked.application().unwrap();
    for text in [
        curl::command(&masked, &application, BodyPlace::Piped),
        masked.json_line(),
        String::from_utf8(files).unwrap(),
        String::from_utf8(raw::request(&masked, &application)).unwrap(),
        har,
    ] {
        for secret in ["s3cret", "inside", "5257a869", "4242 4242", "token=abc", "orders-0f0f"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
        assert!(text.contains("O'Hara") || text.contains("O'\\''Hara"), "{text}");
        assert!(text.contains("mode=live"), "{text}");
    }
    let body = std::str::from_utf8(&masked.event.body).unwrap();
    assert_eq!(body, r#"{"id":"evt_1", "card":{"number":"***","name":"O'Hara"},"n":1.10}"#);
    assert!(curl::command(&masked, &application, BodyPlace::Piped).starts_with("# Secrets are masked"));
}

#[test]
fn answers_and_forms_are_masked_too() {
    let form = (b"Content-Type".to_vec(), b"application/x-www-form-urlencoded".to_vec());
    let mut exported = exported_of("POST", "/", &[form], b"a=1&token=s3cret&%74oken=s3cret&b=%20");
    let mut attempt = answered(1, 200);
    let Outcome::Answered { headers, body_excerpt, .. } = &mut attempt.outcome else { panic!() };
    headers.push(("Set-Cookie".to_owned(), "id=s3cret".to_owned()));
    *body_excerpt = br#"{"card":{"number":"s3cret"}}"#.to_vec();
    exported.row.attempts = vec![attempt];
    let masked = masked(exported);
    assert_eq!(masked.event.body, "a=1&token=***&%74oken=***&b=%20");
    assert!(!serde_json::to_string(&har::entries(&masked)).unwrap().contains("s3cret"));
}

#[test]
fn json_that_is_not_one_document_is_masked_line_by_line_or_as_a_whole() {
    let masked_body = |content_type: &str, body: &str| {
        let header = (b"Content-Type".to_vec(), content_type.as_bytes().to_vec());
        masked(exported_of("POST", "/", &[header], body.as_bytes())).event.body
    };
    let one = r#"{"card":{"number":"s3cret"}}"#;
    let masked_one = r#"{"card":{"number":"***"}}"#;
    for (content_type, body, expected) in [
        ("text/plain", format!("\u{feff}{one}"), format!("\u{feff}{masked_one}")),
        ("text/plain", format!("{one}\r\n\n {one}"), format!("{masked_one}\r\n\n {masked_one}")),
        ("application/x-ndjson", format!("{one}\n{one}\n"), format!("{masked_one}\n{masked_one}\n")),
        ("application/json; charset=utf-8", format!("{one},"), "\"***\"".to_owned()),
        ("Application/Problem+JSON", format!("{one}\n{{"), "\"***\"".to_owned()),
        ("application/json", String::new(), String::new()),
        ("text/plain", "the card's number\n".to_owned(), "the card's number\n".to_owned()),
    ] {
        assert_eq!(masked_body(content_type, &body), expected, "{content_type}: {body}");
    }
}

#[test]
fn an_event_without_secrets_is_left_as_it_is_but_for_its_endpoint() {
    let exported = exported_of("POST", "/a?b=1", &[(b"X-A".to_vec(), b"1".to_vec())], b"text");
    let masked = masked(exported.clone());
    assert_eq!(masked.target(), exported.target());
    assert_eq!(masked.head.headers, exported.head.headers);
    assert_eq!(masked.event.body, exported.event.body);
    let line = masked.json_line();
    assert!(!line.contains(PREFIX), "{line}");
    // So nothing says that secrets are masked, and it keeps its id.
    assert!(!masked.masked && line.contains(r#""masked":false"#), "{line}");
    let application: Target = "3000".parse().unwrap();
    let command = curl::command(&masked, &application, BodyPlace::Piped);
    assert_eq!(command, curl::command(&exported, &application, BodyPlace::Piped));
    let read = import::ndjson::read(line.as_bytes(), &"imported".parse().unwrap()).unwrap();
    assert_eq!(read[0].event.id, exported.event.id);
}

#[test]
fn a_har_has_an_entry_for_each_attempt_and_is_read_back_as_one_event() {
    let events: Vec<Exported> = samples(300)
        .into_iter()
        .chain([sample()])
        .enumerate()
        .map(|(index, mut exported)| {
            let random = [u8::try_from(index % 256).unwrap(); 10];
            let millis = 1_763_970_070_118 + index as u64;
            exported.event.id = EventId(Builder::from_unix_timestamp_millis(millis, &random).into_uuid());
            exported
        })
        .collect();
    let entries: Vec<String> =
        events.iter().flat_map(har::entries).map(|entry| serde_json::to_string(&entry).unwrap()).collect();
    assert_eq!(entries.len(), 302, "one has two attempts");
    let (begin, end) = har::frame();
    let archive = format!("{begin}{}{end}", entries.join(",\n"));
    assert_eq!(import::kind_of(archive.as_bytes()), import::FileKind::Har);
    let read = import::har::read(archive.as_bytes(), &"imported".parse().unwrap()).unwrap();
    let read: Vec<Event> = read.into_iter().map(|imported| imported.event).collect();
    assert_eq!(read, events.into_iter().map(|exported| exported.event).collect::<Vec<_>>());
    let ids: BTreeSet<EventId> = read.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 301);
    let last: serde_json::Value = serde_json::from_str(&entries[301]).unwrap();
    assert_eq!((&last["response"]["status"], &last["time"]), (&200.into(), &12.0.into()));
    assert_eq!(last["request"]["queryString"][1]["value"], "live");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_fixture_is_read_back_byte_for_byte(exported in any_exported()) {
        let files = fixture::fixture(&exported).files;
        let file = |name: &str| {
            let found = files.iter().find(|(known, _)| known == name);
            found.map(|(_, bytes)| bytes.to_vec()).ok_or_else(|| "it is missing".to_owned())
        };
        let read = import::fixture::read(file, &"imported".parse().unwrap()).unwrap();
        prop_assert_eq!(read.event, exported.event);
        prop_assert!(read.facts.imported && !read.facts.forward);
        prop_assert_eq!(read.facts.provider_event_id, exported.row.provider_event_id);
    }

    #[test]
    fn ndjson_is_read_back_the_same(exported in any_exported()) {
        let line = exported.json_line();
        let read = import::ndjson::read(line.as_bytes(), &"imported".parse().unwrap()).unwrap();
        // The samples have no blanks around values, so that a head written anew is the same.
        prop_assert_eq!(&read[0].event, &exported.event);
    }
}

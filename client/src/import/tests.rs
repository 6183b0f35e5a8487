//! Files of other tools and of a person's own making.

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::*;

fn endpoint() -> EndpointName {
    "imported".parse().unwrap()
}

const OTHER_TOOL: &str = r#"{"log":{"version":"1.2","creator":{"name":"Browser","version":"1"},"pages":[],"entries":[
  {"startedDateTime":"2026-11-24T08:41:10.5+01:00","time":1,"request":{"method":"POST","url":"https://shop.example:8443/hook?a=%2F#top",
   "httpVersion":"h2","cookies":[],"headers":[{"name":":method","value":"POST"},{"name":"X-A","value":"ü"},{"name":"content-length","value":"7"}],
   "queryString":[],"postData":{"mimeType":"text/plain","text":"grün"},"headersSize":-1,"bodySize":7},
   "response":{"status":200,"statusText":"","httpVersion":"h2","headers":[],"cookies":[],"content":{"size":0,"mimeType":""},"redirectURL":"","headersSize":-1,"bodySize":0},
   "cache":{},"timings":{"send":0,"wait":1,"receive":0}},
  {"startedDateTime":"2026-11-24T07:41:11Z","request":{"method":"GET","url":"http://shop.example"}},
  {"startedDateTime":"2026-11-24T07:41:11Z","request":{"method":"GET","url":"http://shop.example"}}]}}"#;

#[test]
fn an_archive_of_any_tool_becomes_events() {
    let read = har::read(OTHER_TOOL.as_bytes(), &endpoint()).unwrap();
    assert_eq!(read.len(), 3);
    let first = &read[0].event;
    assert_eq!(first.received_at.to_string(), "2026-11-24T07:41:10.500Z");
    let head = "POST /hook?a=%2F HTTP/2\r\nHost: shop.example:8443\r\nX-A: ü\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(first.head, head);
    assert_eq!(first.body, "grün");
    assert_eq!(first.endpoint, endpoint());
    assert_eq!(read[1].event.head, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    assert_ne!(read[1].event.id, read[2].event.id, "equal requests are two events");
    assert_eq!(read[0].event.id.0.get_version_num(), 7);
    assert!(read.iter().all(|imported| imported.facts.imported && !imported.facts.forward));
}

#[test]
fn a_byte_order_mark_before_an_archive_is_taken_for_nothing_else() {
    for (text, kind) in [
        ("{\"log\":{}}", FileKind::Har),
        ("\u{feff}{\"log\":{}}", FileKind::Har),
        ("\u{feff} {\n\"log\" : {}}", FileKind::Har),
        ("\u{feff}{\"schema\":1}", FileKind::Ndjson),
        ("{\"lo", FileKind::Ndjson),
    ] {
        assert_eq!(kind_of(text.as_bytes()), kind, "{text}");
    }
}

#[test]
fn the_object_of_an_event_is_recognised() {
    let line = r#"{"schema":1,"kind":"event","id":"0193586a-1b2c-7def-8123-456789abcdef","endpoint":"orders","received_at":"2026-11-24T07:41:10Z","method":"POST","raw_target":"/","headers":[{"name":"X-GitHub-Event","value":"issues"},{"name":"X-Hub-Signature-256","value":"sha256=00"}],"body":{"base64":"eyJpc3N1ZSI6eyJodG1sX3VybCI6Imh0dHBzOi8vZy5leGFtcGxlLzEifX0="},"masked":true}"#;
    let mut read = ndjson::read(line.as_bytes(), &endpoint()).unwrap();
    recognise(&mut read[0], inhaul_core::signature::catalogue());
    assert_eq!(read[0].facts.object_id.as_deref(), Some("https://g.example/1"));
}

#[test]
fn the_same_file_gives_the_same_ids() {
    let read = || har::read(OTHER_TOOL.as_bytes(), &endpoint()).unwrap();
    assert_eq!(read(), read());
}

#[test]
fn where_a_request_stands_in_a_file_does_not_change_its_id() {
    let mut archive: serde_json::Value = serde_json::from_str(OTHER_TOOL).unwrap();
    let ids = |archive: &serde_json::Value| -> Vec<EventId> {
        let read = har::read(archive.to_string().as_bytes(), &endpoint()).unwrap();
        read.into_iter().map(|imported| imported.event.id).collect()
    };
    let all = ids(&archive);
    let entries = archive["log"]["entries"].as_array_mut().unwrap();
    entries.rotate_left(1);
    assert_eq!(ids(&archive), [all[1], all[2], all[0]]);
    archive["log"]["entries"].as_array_mut().unwrap().truncate(1);
    assert_eq!(ids(&archive), [all[1]]);
}

#[test]
fn a_masked_event_has_one_id_in_every_format_and_at_every_place() {
    let masked = |id: &str| {
        let described = format!(
            r#"{{"schema":1,"kind":"event","id":"{id}","endpoint":"orders","received_at":"2026-11-24T07:41:10Z","method":"POST","raw_target":"/?token=***","headers":[],"body":"x","body_file":"body.txt","masked":true}}"#
        );
        let own = format!(
            r#"{{"event_id":"{id}","endpoint":"orders","received_at":"2026-11-24T07:41:10Z","peer":"unknown","peer_source":"socket","prefix_bytes":0,"head":"{}","masked":true,"provider":null,"event_type":null,"provider_event_id":null,"attempt":null}}"#,
            STANDARD.encode(HEAD)
        );
        let entry = format!(
            r#"{{"startedDateTime":"2026-11-24T07:41:10Z","request":{{"method":"POST","url":"http://a/","postData":{{"text":"x"}}}},"_inhaul":{own}}}"#
        );
        (described, entry)
    };
    const HEAD: &str = "POST /?token=*** HTTP/1.1\r\n\r\n";
    let (first, second) =
        (masked("0193586a-1b2c-7def-8123-456789abcdef"), masked("0193586a-1b2c-7def-8123-456789abcdee"));
    let ids = |read: Vec<Imported>| read.into_iter().map(|imported| imported.event.id).collect::<Vec<_>>();
    let of_lines = |lines: &str| ids(ndjson::read(lines.as_bytes(), &endpoint()).unwrap());
    let of_entries = |entries: &str| {
        let archive = format!(r#"{{"log":{{"version":"1.2","creator":{{}},"entries":[{entries}]}}}}"#);
        ids(har::read(archive.as_bytes(), &endpoint()).unwrap())
    };
    let both = of_lines(&format!("{}\n{}\n", first.0, second.0));
    assert_ne!(both[0], both[1], "equal bytes, and two events");
    assert_eq!(of_lines(&second.0), both[1..]);
    assert_eq!(of_lines(&format!("\n{}\n{}", second.0, first.0)), [both[1], both[0]]);
    assert_eq!(of_entries(&format!("{},{}", first.1, second.1)), both);
    assert_eq!(of_entries(&second.1), both[1..]);
    let file = |name: &str| match name {
        "event.json" => Ok(second.0.clone().into_bytes()),
        "head.http" => Ok(HEAD.into()),
        _ => Ok(b"x".to_vec()),
    };
    assert_eq!(ids(vec![fixture::read(file, &endpoint()).unwrap()]), both[1..]);
}

#[test]
fn who_sent_it_is_recognised() {
    let line = r#"{"schema":1,"kind":"event","id":"0193586a-1b2c-7def-8123-456789abcdef","endpoint":"orders","received_at":"2026-11-24T07:41:10Z","method":"POST","raw_target":"/","headers":[{"name":"X-GitHub-Event","value":"push"},{"name":"X-Hub-Signature-256","value":"sha256=00"},{"name":"X-GitHub-Delivery","value":"d-1"}],"body":{"base64":"e30="},"masked":true}"#;
    let mut read = ndjson::read(line.as_bytes(), &endpoint()).unwrap();
    assert_ne!(read[0].event.id.to_string(), "0193586a-1b2c-7def-8123-456789abcdef", "masked: other bytes");
    recognise(&mut read[0], inhaul_core::signature::catalogue());
    let facts = &read[0].facts;
    assert_eq!(facts.provider.as_deref(), Some("github"));
    assert_eq!(facts.event_type.as_deref(), Some("push"));
    assert_eq!(facts.provider_event_id.as_deref(), Some("d-1"));
    assert_eq!(read[0].event.body, "{}");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let har = |text: &str| har::read(text.as_bytes(), &endpoint()).unwrap_err().to_string();
    let ndjson = |text: &str| ndjson::read(text.as_bytes(), &endpoint()).unwrap_err().to_string();
    assert!(har("{\"log\":\n {\"entries\":3}}").starts_with("line 2: not HAR: "));
    let with = |request: &str| {
        format!(
            r#"{{"log":{{"version":"1.2","creator":{{}},"entries":[{{"startedDateTime":"2026-11-24T07:41:11Z","request":{request}}}]}}}}"#
        )
    };
    for (request, said) in [
        (r#"{"method":"GET","url":"ftp://a/"}"#, r#"entry 1: "ftp://a/" is no URL of HTTP"#),
        (r#"{"method":"G T","url":"http://a/"}"#, r#"entry 1: "G T" is no method"#),
        (r#"{"method":"GET","url":"http://a/b c"}"#, r#"entry 1: "/b c" is no path and query"#),
        (
            r#"{"method":"GET","url":"http://a/","headers":[{"name":"a b","value":""}]}"#,
            r#"entry 1: "a b" is no name of a header"#,
        ),
        (
            r#"{"method":"GET","url":"http://a/","headers":[{"name":"a","value":"1\r\nb: 2"}]}"#,
            r#"entry 1: the header "a" holds the end of a line"#,
        ),
        (
            r#"{"method":"GET","url":"http://a/","postData":{"text":"%","encoding":"base64"}}"#,
            "entry 1: `postData.text`: Invalid symbol 37, offset 0.",
        ),
    ] {
        assert_eq!(har(&with(request)), said);
    }
    assert!(ndjson("\n\n{\"schema\":1}").starts_with("line 3: missing field `kind`"), "{}", ndjson("\n\n{}"));
    let listed = r#"{"schema":1,"kind":"event","id":"0193586a-1b2c-7def-8123-456789abcdef","endpoint":"orders","received_at":"2026-11-24T07:41:10Z","method":"POST"}"#;
    assert!(ndjson(listed).contains("line 1: it has no request"), "{}", ndjson(listed));
    let other =
        listed.replace("\"POST\"", r#""POST","raw_target":"/","headers":[],"body":"a","body_sha256":"00""#);
    assert!(ndjson(&other).contains("the body is not the one"), "{}", ndjson(&other));
    assert!(ndjson(&other.replace("\"schema\":1", "\"schema\":2")).contains("it has schema 2"));
}

#[test]
fn a_fixture_reads_only_files_beside_it() {
    let described = r#"{"schema":1,"kind":"event","id":"0193586a-1b2c-7def-8123-456789abcdef","endpoint":"orders","received_at":"2026-11-24T07:41:10Z","method":"POST","body_file":"../../secret"}"#;
    let file = |name: &str| match name {
        "event.json" => Ok(described.as_bytes().to_vec()),
        other => panic!("{other} is read"),
    };
    let error = fixture::read(file, &endpoint()).unwrap_err();
    assert!(error.to_string().contains("no name of a file in the same directory"), "{error}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
        for bytes in [&bytes[..], text.as_bytes()] {
            let _ = har::read(bytes, &endpoint());
            let _ = ndjson::read(bytes, &endpoint());
            let _ = fixture::read(|_| Ok(bytes.to_vec()), &endpoint());
            let _ = kind_of(bytes);
        }
    }

    /// Whatever a file becomes by accident or on purpose: what is read has a head that can be sent, and its own digest.
    #[test]
    fn an_edited_archive_is_refused_or_whole(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = OTHER_TOOL.as_bytes().to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for imported in har::read(&bytes, &endpoint()).unwrap_or_default() {
            prop_assert!(parts::check(&imported.event).is_ok());
            prop_assert_eq!(imported.event.body_sha256, Event::digest(&imported.event.body));
        }
    }
}

/// Beginnings of the fuzz target.
const SEEDS: [&[u8]; 2] =
    [include_bytes!("../../../fuzz/seeds/import/har"), include_bytes!("../../../fuzz/seeds/import/ndjson")];

proptest! {
    #[test]
    fn a_damaged_file_is_an_error_or_has_events_that_can_be_stored(
        seed in prop::sample::select(SEEDS.to_vec()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        keeps in any::<prop::sample::Index>(),
    ) {
        let mut bytes = seed.to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        // Now and then it breaks off.
        bytes.truncate(keeps.index(2 * bytes.len()) + 1);
        let read = match kind_of(&bytes) {
            FileKind::Har => har::read(&bytes, &endpoint()),
            FileKind::Ndjson => ndjson::read(&bytes, &endpoint()),
        };
        for Imported { event, .. } in read.into_iter().flatten() {
            prop_assert!(event.parsed_head().is_ok());
            let record = [&event.record_prefix()[..], &event.body].concat();
            prop_assert_eq!(Event::from_record(record.into()).unwrap(), event);
        }
    }
}

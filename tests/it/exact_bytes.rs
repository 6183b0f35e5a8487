//! Over TLS, through a relay and a client in processes of their own: the application gets exactly what was sent.

use aws_lc_rs::rand;

use crate::{
    handler::{Got, Handler, Reply},
    sender::Sender,
    world::World,
};

const FIVE_MIB: usize = 5 << 20;

struct Case {
    method: &'static str,
    rest: &'static str,
    headers: &'static [&'static str],
    body: Vec<u8>,
}

/// Every byte value, then random ones.
fn every_byte(length: usize) -> Vec<u8> {
    let mut body: Vec<u8> = (0..=255).collect();
    let mut random = vec![0; length - body.len()];
    rand::fill(&mut random).unwrap();
    body.extend(random);
    body
}

fn cases() -> Vec<Case> {
    let odd_query = "/a%2Fb//c;d=e/?a=%2F&a=b+c&&=";
    let duplicates: &[&str] =
        &["X-Twice: one", "x-twice: two", "X-Odd:  spaced value ", "Content-Type: application/octet-stream"];
    vec![
        Case { method: "POST", rest: odd_query, headers: duplicates, body: every_byte(4096) },
        Case { method: "PUT", rest: "/put?x", headers: &["X-Empty: "], body: b"put".to_vec() },
        Case { method: "DELETE", rest: "", headers: &[], body: Vec::new() },
        Case { method: "POST", rest: "/empty", headers: &["Content-Type: text/plain"], body: Vec::new() },
        Case { method: "PATCH", rest: "?only=query", headers: &[], body: b"{}".to_vec() },
        Case { method: "POST", rest: "/large", headers: &[], body: every_byte(FIVE_MIB) },
    ]
}

#[test]
fn the_application_and_show_raw_get_exactly_what_was_sent() {
    let world = World::new();
    let relay = world.relay(&[]);
    let url = world.endpoint(&["--answer", "app"]);
    let handler = Handler::start(Reply::ok());
    let sender = Sender::new(&url, relay.ca_file.as_deref());
    let client = world.listen_at(&relay, &[&handler.target()]);
    assert!(client.endpoint_url().starts_with("https://127.0.0.1:"), "{}", client.endpoint_url());
    for Case { method, rest, headers, body } in cases() {
        let request = sender.request(method, rest, headers, &body);
        let answer = sender.exchange(&request);
        assert_eq!(answer.status, 200, "{method} {rest}");
        assert_eq!(answer.body, b"done");
        let got = handler.next();
        assert!(got.body == body, "{method} {rest}: the body differs");
        let path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        assert_eq!(got.request_line(), format!("{method} {path} HTTP/1.1"));
        assert_eq!(
            got.lines(),
            expected_lines(&sender, &handler, headers, &body, &answer.event_id()),
            "{rest}"
        );
        let raw = world.stdout(&["show", &answer.event_id(), "--raw"]);
        assert!(raw == request, "{method} {rest}: `show --raw` differs");
    }
    assert!(client.program.stop().success());
    // Without a running client it reads the history itself.
    for event in world.events() {
        assert!(!world.stdout(&["show", event["id"].as_str().unwrap(), "--raw"]).is_empty());
    }
}

/// The sender's lines as they were, but for `Host` and `Connection`, and those that are added.
fn expected_lines(
    sender: &Sender,
    handler: &Handler,
    headers: &[&str],
    body: &[u8],
    event_id: &str,
) -> Vec<String> {
    let mut lines = vec![format!("Host: localhost:{}", handler.port)];
    // Blanks around a value do not belong to it (RFC 9110 §5.5).
    lines.extend(headers.iter().map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        format!("{name}: {}", value.trim())
    }));
    lines.push(format!("Content-Length: {}", body.len()));
    lines.push(format!("X-Forwarded-Host: {}", sender.authority));
    lines.push(format!("X-Inhaul-Event-Id: {event_id}"));
    lines.push("Connection: close".to_owned());
    lines
}

#[test]
fn a_body_in_chunks_arrives_whole() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", "app"]);
    let handler = Handler::start(Reply::ok());
    let sender = Sender::new(&url, None);
    let _client = world.listen_at(&relay, &[&handler.target()]);
    let request = format!(
        "POST {}/chunks HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
        sender.path, sender.authority
    );
    let answer = sender.exchange(request.as_bytes());
    assert_eq!(answer.status, 200);
    let Got { body, .. } = handler.next();
    assert_eq!(body, b"hello, world");
}

//! In `app` mode, what the application answers reaches the sender: status, every header, body.

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::World,
};

/// Headers of an answer that belong to the application; hop-by-hop ones and those of the relay do not.
fn of_app(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    headers
        .iter()
        .filter(|(name, _)| {
            !["connection", "content-length", "transfer-encoding", "date"].contains(&name.as_str())
                && !name.starts_with("x-inhaul-")
        })
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

#[test]
fn every_status_header_and_body_reaches_the_sender() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let client = world.listen(&["--port", "0", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let body: Vec<u8> = (0..=255).collect();
    for status in [
        "200 OK",
        "201 Created",
        "302 Found",
        "400 Bad Request",
        "404 Not Found",
        "410 Gone",
        "418 Teapot",
        "429 Slow Down",
        "500 Oh",
        "503 Later",
        "599 Odd",
    ] {
        let mut reply = format!(
            "HTTP/1.1 {status}\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-App: Ein Wert\r\nRetry-After: 7\r\n\
             Location: /elsewhere\r\nContent-Type: application/x-thing\r\nContent-Length: 256\r\nConnection: close\r\n\r\n"
        )
        .into_bytes();
        reply.extend(&body);
        handler.reply_with(Reply::Bytes(reply));
        let answer = sender.post(b"{}");
        assert_eq!(answer.status.to_string(), status[..3]);
        assert!(answer.body == body, "{status}");
        let expected = [
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("x-app", "Ein Wert"),
            ("retry-after", "7"),
            ("location", "/elsewhere"),
            ("content-type", "application/x-thing"),
        ];
        assert_eq!(of_app(&answer.headers), expected, "{status}");
        assert_eq!(answer.header("x-inhaul-source"), Some("app"));
        assert_eq!(handler.rest().len(), 1, "a redirect is not followed, and nothing is sent twice");
    }
}

#[test]
fn answers_without_body_and_in_chunks_are_passed_on() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let client = world.listen(&["--port", "0", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    for (reply, status, body) in [
        ("HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", 204, &b""[..]),
        ("HTTP/1.1 304 Not Modified\r\nX-A: 1\r\n\r\n", 304, b""),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            200,
            b"abcde",
        ),
        ("HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nuntil the end", 200, b"until the end"),
        ("HTTP/1.0 200 OK\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
    ] {
        handler.reply_with(Reply::Bytes(reply.as_bytes().to_vec()));
        let answer = sender.post(b"{}");
        assert_eq!(answer.status, status, "{reply}");
        assert_eq!(answer.body, body, "{reply}");
        assert_eq!(answer.header("x-a"), Some("1"), "{reply}");
    }
}

#[test]
fn in_relay_mode_the_relay_answers_at_once() {
    let world = World::new();
    let handler = Handler::start(Reply::Silence);
    let client = world.listen(&["--port", "0", "--answer", "relay", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let answer = sender.post(b"{}");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-inhaul-source"), Some("relay"));
    handler.next();
}

//! What a target gets, and what becomes of every kind of answer.

use inhaul_core::event::{EventId, Peer, PeerSource, UnixMillis};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use uuid::Uuid;

use super::*;

fn event(head: &[u8], prefix_bytes: usize, body: Vec<u8>) -> Event {
    Event {
        id: EventId(Uuid::from_u128(7)),
        endpoint: "orders".parse().unwrap(),
        received_at: UnixMillis(1),
        peer: Peer { address: "203.0.113.9:1".into(), source: PeerSource::Socket },
        prefix_bytes,
        head: Bytes::copy_from_slice(head),
        body_sha256: Event::digest(&body),
        body: body.into(),
    }
}

fn post(body: &[u8]) -> Event {
    let head = format!("POST /in/o HTTP/1.1\r\nHost: relay\r\nContent-Length: {}\r\n\r\n", body.len());
    event(head.as_bytes(), 5, body.to_vec())
}

/// A target that reads a request of known length and answers with these bytes.
async fn target(request_bytes: usize, answer: Vec<u8>) -> (Target, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().to_string().parse().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; request_bytes];
        stream.read_exact(&mut request).await.unwrap();
        // The forwarder may have seen enough already.
        let _ = stream.write_all(&answer).await;
        request
    });
    (target, served)
}

fn forwarder() -> Forwarder {
    Forwarder::new(ForwardOptions { max_answer_bytes: 1000, ..ForwardOptions::default() })
}

async fn send(event: &Event, answer: &[u8]) -> Forwarded {
    let any: Target = "1".parse().unwrap();
    let bytes = head::request_head(event, &event.parsed_head().unwrap(), &any).len();
    // Any request is longer than its head with a host of another length.
    let (target, served) = target(bytes.min(20), answer.to_vec()).await;
    let forwarded = forwarder().send(event, &target).await;
    served.await.unwrap();
    forwarded
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn a_target_gets_the_senders_own_bytes() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let head = [
        b"PUT /in/o-1/x?a=%2F&a=b+c&&= HTTP/1.1\r\nX-b: 1\r\nhOsT: relay.example\r\nx-inhaul-event-id: forged\r\nx-a:  \xff\x80 \r\nX-B: 2\r\n".as_slice(),
        b"Connection: keep-alive, x-hop\r\nX-Hop: 1\r\nExpect: 100-continue\r\ncontent-length: 256\r\n\r\n",
    ]
    .concat();
    let event = event(&head, 7, every_byte.clone());
    let expected = |authority: &str| {
        let head = [
            b"PUT /base/x?a=%2F&a=b+c&&= HTTP/1.1\r\nX-b: 1\r\nhOsT: ".as_slice(),
            authority.as_bytes(),
            b"\r\nx-a: \xff\x80\r\nX-B: 2\r\ncontent-length: 256\r\nX-Forwarded-Host: relay.example\r\n",
            b"X-Inhaul-Event-Id: 00000000-0000-0000-0000-000000000007\r\nConnection: close\r\n\r\n",
        ];
        [head.concat(), every_byte.clone()].concat()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let wanted = expected(&authority);
    let length = wanted.len();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; length];
        stream.read_exact(&mut request).await.unwrap();
        stream.write_all(OK).await.unwrap();
        request
    });
    let forwarded = forwarder().send(&event, &format!("http://{authority}/base").parse().unwrap()).await;
    assert!(forwarded.outcome.is_success(), "{:?}", forwarded.outcome);
    assert_eq!(served.await.unwrap(), wanted);
}

#[tokio::test]
async fn a_body_that_came_in_chunks_gets_a_length_and_an_empty_one_none() {
    let chunked =
        event(b"POST /in/o HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\n\r\n", 5, b"abc".to_vec());
    let empty = event(b"DELETE /in/o HTTP/1.1\r\nHost: r\r\n\r\n", 5, Vec::new());
    let target: Target = "3000".parse().unwrap();
    let text = |event: &Event| {
        let head = head::request_head(event, &event.parsed_head().unwrap(), &target);
        String::from_utf8(head.to_vec()).unwrap()
    };
    assert!(text(&chunked).contains("\r\nContent-Length: 3\r\n"));
    assert!(!text(&chunked).contains("Transfer-Encoding"));
    assert!(text(&empty).starts_with("DELETE / HTTP/1.1\r\nHost: localhost:3000\r\n"));
    assert!(!text(&empty).contains("Content-Length"));
}

#[tokio::test]
async fn five_mebibytes_arrive_whole() {
    let body: Vec<u8> = (0..5_u32 << 20).map(|n| u8::try_from(n % 253).unwrap()).collect();
    let event = post(&body);
    let (target, served) = target(body.len() + 100, OK.to_vec()).await;
    let forwarded = forwarder().send(&event, &target).await;
    assert!(forwarded.outcome.is_success(), "{:?}", forwarded.outcome);
    assert!(served.await.unwrap().windows(1000).any(|window| window == &body[..1000]));
}

#[tokio::test]
async fn an_answer_is_kept_to_the_byte_and_redirects_are_not_followed() {
    let answer = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 302 Found\r\nSet-Cookie: a=1\r\nX-ODD: \xff\r\nset-cookie: b=2\r\nLocation: /elsewhere\r\nContent-Length: 3\r\nConnection: close\r\n\r\n\0\r\n";
    let forwarded = send(&post(b"x"), answer).await;
    let answer = forwarded.answer.unwrap();
    assert_eq!((answer.status, answer.body.as_ref()), (302, b"\0\r\n".as_slice()));
    let lines = inhaul_core::event::Head::write_headers(&answer.headers);
    assert_eq!(
        lines,
        b"Set-Cookie: a=1\r\nX-ODD: \xff\r\nset-cookie: b=2\r\nLocation: /elsewhere\r\nContent-Length: 3\r\n\r\n"
    );
}

#[tokio::test]
async fn a_head_request_has_no_body_in_its_answer() {
    let head = event(b"HEAD /in/o HTTP/1.1\r\nHost: r\r\n\r\n", 5, Vec::new());
    let forwarded = send(&head, b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n").await;
    assert_eq!(forwarded.answer.unwrap().body, "");
}

#[tokio::test]
async fn chunked_answers_are_put_together() {
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let answer = send(&post(b"x"), answer).await.answer.unwrap();
    assert_eq!((answer.body.as_ref(), answer.headers.len()), (b"abc".as_slice(), 0));
}

#[tokio::test]
async fn what_is_no_answer_is_a_recorded_failure() {
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n{}", "x".repeat(2000));
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(2000));
    for (answer, kind) in [
        ("nonsense\r\n\r\n", FailureKind::BadAnswer),
        ("", FailureKind::BadAnswer),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", FailureKind::BadAnswer),
        (&large, FailureKind::TooLarge),
        (&endless, FailureKind::TooLarge),
    ] {
        let forwarded = send(&post(b"x"), answer.as_bytes()).await;
        match forwarded.outcome {
            Outcome::Failed { kind: found, .. } => assert_eq!(found, kind, "{answer:.60}"),
            Outcome::Begun | Outcome::Answered { .. } | Outcome::Rejected => panic!("{answer:.60}"),
        }
        assert!(forwarded.answer.is_none());
    }
}

#[tokio::test]
async fn no_listener_and_no_answer_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = listener.local_addr().unwrap().to_string().parse().unwrap();
    let options = ForwardOptions { timeout: Duration::from_millis(30), ..ForwardOptions::default() };
    let slow = Forwarder::new(options).send(&post(b"x"), &target).await;
    assert!(matches!(slow.outcome, Outcome::Failed { kind: FailureKind::Timeout, .. }), "{:?}", slow.outcome);
    drop(listener);
    let refused = forwarder().send(&post(b"x"), &target).await;
    assert!(
        matches!(refused.outcome, Outcome::Failed { kind: FailureKind::Connect, .. }),
        "{:?}",
        refused.outcome
    );
}

#[tokio::test]
async fn localhost_is_found_on_ipv6_alone() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
    let target: Target = listener.local_addr().unwrap().port().to_string().parse().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 20]).await.unwrap();
        stream.write_all(OK).await.unwrap();
    });
    assert!(forwarder().send(&post(b"x"), &target).await.outcome.is_success());
    served.await.unwrap();
}

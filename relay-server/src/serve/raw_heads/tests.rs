//! Heads as senders really write them, whole and in pieces, and those that are refused.

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

const LIMITS: RawHeadLimits = RawHeadLimits {
    max_head_bytes: 4096,
    max_headers: 20,
    max_target_bytes: 500,
    head_timeout: Duration::from_secs(3600),
    idle_timeout: Duration::from_secs(3600),
    refused_timeout: Duration::from_secs(2),
};

type Seen = Arc<Mutex<Vec<(Tapped, Bytes)>>>;

/// Serves one connection with hyper; what each request was is put into `seen`, and answered with 200 or the refusal.
fn serve(server: DuplexStream, seen: Seen) -> tokio::task::JoinHandle<()> {
    let (stream, tap) = RawHeads::new(server, LIMITS);
    let service = service_fn(move |request: Request<Incoming>| {
        let tapped = tap.take().unwrap();
        let seen = Arc::clone(&seen);
        async move {
            let mut response = Response::new(Full::new(Bytes::new()));
            if let Tapped::Refused(refusal) = &tapped {
                *response.status_mut() = refusal.status;
                *response.body_mut() = Full::new(Bytes::from_static(refusal.text.as_bytes()));
            }
            let by_hyper = request.into_body().collect().await.unwrap().to_bytes();
            let body = match &tapped {
                Tapped::Head(head) => head.body.clone().unwrap_or(by_hyper),
                Tapped::Refused(_) => by_hyper,
            };
            seen.lock().unwrap().push((tapped, body));
            Ok::<_, Infallible>(response)
        }
    });
    tokio::spawn(async move {
        let connection = hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .max_buf_size(16 * 1024)
            .serve_connection(TokioIo::new(stream), service);
        // Some tests end in the middle of a message.
        let _ = connection.await;
    })
}

/// Sends pieces one by one; returns what the service saw and the whole answer.
async fn send(pieces: &[&[u8]]) -> (Vec<(Tapped, Bytes)>, String) {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let seen = Seen::default();
    let served = serve(server, Arc::clone(&seen));
    for piece in pieces {
        // A refused request's connection is closed while it is still being written.
        if client.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    served.await.unwrap();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (seen, String::from_utf8_lossy(&answer).into_owned())
}

fn heads(seen: &[(Tapped, Bytes)]) -> Vec<(&[u8], &[u8])> {
    let parts = seen.iter().map(|(tapped, body)| match tapped {
        Tapped::Head(head) => (head.bytes.as_ref(), body.as_ref()),
        Tapped::Refused(refusal) => panic!("{refusal:?}"),
    });
    parts.collect()
}

#[tokio::test]
async fn heads_are_kept_to_the_byte_even_when_they_come_one_byte_at_a_time() {
    let head = b"PUT /in/a?a=%2F&a=b+c&&= HTTP/1.1\r\nhOsT: a\r\nX-B: 1\r\nX-A:  \xff\x80 \r\nx-b: 2\r\nContent-Length: 3\r\n\r\n";
    let whole = [head.as_slice(), b"\0\r\n"].concat();
    let bytes: Vec<&[u8]> = whole.chunks(1).collect();
    for pieces in [vec![whole.as_slice()], bytes] {
        let (seen, answer) = send(&pieces).await;
        assert_eq!(heads(&seen), [(head.as_slice(), b"\0\r\n".as_slice())]);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[test]
fn hyper_gets_what_the_connection_needs_and_frames_a_body_and_no_more() {
    let head = b"POST /in/a?b HTTP/1.1\r\nhOsT:  a\r\nCookie: c\r\nConnection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\nX-A: 1\r\n\r\n";
    let checked = check(&Bytes::from_static(head), &LIMITS).ok().unwrap();
    let Checked { parsed, framing } = checked;
    assert_eq!(framing, Framing::Length(2));
    let head = Bytes::from_static(head);
    assert_eq!(
        for_hyper(&head, &parsed, framing, false),
        "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    );
    // The service has the body already.
    assert_eq!(for_hyper(&head, &parsed, framing, true), "POST / HTTP/1.1\r\nConnection: close\r\n\r\n");
}

#[tokio::test]
async fn a_body_that_comes_with_its_head_does_not_pass_through_hyper() {
    let head = b"POST /in/\xff HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let none = b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunked =
        b"POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    for (pieces, came_with_it) in [
        (vec![[head.as_slice(), b"hello"].concat()], true),
        (vec![[head.as_slice(), b"hello", none].concat()], true),
        (vec![none.to_vec()], true),
        (vec![[head.as_slice(), b"hell"].concat(), b"o".to_vec()], false),
        (vec![chunked.to_vec()], false),
    ] {
        let (seen, answer) = send(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>()).await;
        let Tapped::Head(first) = &seen[0].0 else { panic!("{seen:?}") };
        assert_eq!(first.body.is_some(), came_with_it, "{first:?}");
        assert_eq!(
            seen[0].1,
            if came_with_it && first.bytes == none[..] {
                ""
            } else if first.bytes == head[..] {
                "hello"
            } else {
                "x"
            }
        );
        assert_eq!(answer.contains("100 Continue"), !came_with_it && first.bytes == head[..], "{answer}");
        assert!(answer.contains("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn pipelined_requests_keep_their_own_heads() {
    let first = b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = b"3;ext=1\r\nabc\r\n0\r\nTrailer: x\r\n\r\n";
    let second = b"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n";
    let third = b"GET /3 HTTP/1.1\r\nHost: a\r\n\r\n";
    let all = [first.as_slice(), chunks, b"\r\n", second, b"hi", third].concat();
    let (seen, answer) = send(&[&all]).await;
    let expected: [(&[u8], &[u8]); 3] = [(first, b"abc"), (second, b"hi"), (third, b"")];
    assert_eq!(heads(&seen), expected);
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 3);
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused() {
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(600));
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(5000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(20));
    for (head, status, words) in [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "both",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            400,
            "two Content-Length",
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400, "not a number"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "chunked"),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 501, "chunked"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "two Host"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "no Host"),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "carriage return"),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400, "folded"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", 400, "name"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400, "control"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400, "control"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501, "CONNECT"),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "another host"),
        ("GET / HTTP/2\r\nHost: a\r\n\r\n", 505, "version"),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 400, "request line"),
        (&long_target, 414, "longer"),
        (&large, 431, "larger"),
        (&many, 431, "more headers"),
    ] {
        let (_, answer) = send(&[head.as_bytes()]).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(words),
            "{head}\n{answer}"
        );
    }
}

#[tokio::test]
async fn an_absolute_target_for_this_host_is_let_through() {
    let head = b"GET http://A/in/x HTTP/1.1\r\nHost: a\r\n\r\n";
    let (seen, _) = send(&[head]).await;
    assert_eq!(heads(&seen), [(head.as_slice(), b"".as_slice())]);
}

#[tokio::test]
async fn after_a_client_attached_the_bytes_pass_unchanged() {
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let (mut wrapped, tap) = RawHeads::new(server, LIMITS);
    let head = b"GET /_inhaul/attach HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
    let frames = b"\x81\x05\n\n\r\nGET / HTTP/1.1\n\n\0";
    client.write_all(&[head.as_slice(), frames].concat()).await.unwrap();
    client.write_all(b"more").await.unwrap();
    client.shutdown().await.unwrap();
    let mut read = Vec::new();
    wrapped.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, [head.as_slice(), frames, b"more"].concat());
    let Some(Tapped::Head(tapped)) = tap.take() else { panic!("a head was let through") };
    assert_eq!(tapped.bytes, head[..]);
    assert_eq!(tap.take(), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0..300_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let cut = cut.min(bytes.len());
        runtime.block_on(send(&[&bytes[..cut], &bytes[cut..]]));
    }
}

//! Any bytes as a request: what the relay lets through, another parser (httparse) reads as the same request, with the same length of
//! body; and the event made of it has a head that is taken apart the same.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use inhaul_core::event::Head;
use inhaul_relay::serve::raw_heads::{RawHeadLimits, RawHeads, RequestHead, Tapped};
use tokio::io::AsyncReadExt;

const LIMITS: RawHeadLimits = RawHeadLimits {
    max_head_bytes: 4096,
    max_headers: 20,
    max_target_bytes: 500,
    head_timeout: Duration::from_secs(3600),
    idle_timeout: Duration::from_secs(3600),
    refused_timeout: Duration::from_secs(2),
};

/// Reads everything that is handed on to hyper.
fn handed_on(input: &[u8]) -> (Vec<u8>, Vec<Tapped>) {
    let (mut heads, tap) = RawHeads::new(input, LIMITS);
    let mut out = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut reading = pin!(heads.read_to_end(&mut out));
        let Poll::Ready(read) = reading.as_mut().poll(&mut context) else {
            panic!("it waits for what is there")
        };
        read.expect("a slice is read without error");
    }
    (out, std::iter::from_fn(|| tap.take()).collect())
}

/// The request another parser finds in a head.
fn compare(RequestHead { bytes: head, parsed: ours, .. }: &RequestHead) {
    assert_eq!(Head::parse(head).as_ref(), Ok(ours), "it is kept as something else");
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) => assert_eq!(length, head.len(), "another end of the head"),
        // It refuses more than we do, and hyper with it: nothing is read in two ways.
        Ok(httparse::Status::Partial) => panic!("another parser waits for more of {head:?}"),
        Err(_) => return,
    }
    assert_eq!(request.method.map(str::as_bytes), Some(&ours.method[..]));
    assert_eq!(request.path.map(str::as_bytes), Some(&ours.target[..]));
    assert_eq!(request.headers.len(), ours.headers.len());
    for (theirs, ours) in request.headers.iter().zip(&ours.headers) {
        assert_eq!(theirs.name.as_bytes(), &ours.name[..]);
        assert_eq!(theirs.value, &ours.value[..]);
    }
}

pub(crate) fn check(input: &[u8]) {
    let (out, tapped) = handed_on(input);
    let mut refused = false;
    for one in &tapped {
        assert!(!refused, "something comes after a refusal");
        match one {
            Tapped::Head(head) => compare(head),
            Tapped::Refused(_) => refused = true,
        }
    }
    // What hyper is given is what was tapped: as many requests, in order.
    let mut rest = &out[..];
    for one in &tapped {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let Ok(httparse::Status::Complete(length)) = request.parse(rest) else { return };
        let value = |name: &str| {
            request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name))
                .map(|header| header.value)
        };
        if let Tapped::Head(head) = one {
            let ours = &head.parsed;
            let upgrade = ours.header("upgrade").is_some();
            if upgrade || value("transfer-encoding").is_some() {
                return;
            }
            assert_eq!(request.path, Some("/"));
            match &head.body {
                Some(body) => {
                    assert_eq!(value("content-length"), None, "there is no other body");
                    let length =
                        ours.header("content-length").map(|value| String::from_utf8_lossy(value).parse());
                    assert_eq!(length.unwrap_or(Ok(0)), Ok(body.len()));
                }
                None => {
                    assert_eq!(
                        value("content-length"),
                        ours.header("content-length").map(|value| &value[..])
                    );
                }
            }
        }
        let body =
            value("content-length").and_then(|value| std::str::from_utf8(value).ok()?.parse::<usize>().ok());
        rest = &rest[length..];
        let Some(behind) = rest.get(body.unwrap_or(0)..) else { return };
        rest = behind;
    }
    assert!(rest.is_empty(), "{} bytes belong to no request", rest.len());
}

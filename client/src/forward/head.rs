//! The head of the request a target gets: the sender's own lines, with as few changes as HTTP demands.
//!
//! | changed | why |
//! |---|---|
//! | hop-by-hop headers are left out | they speak of the sender's connection (RFC 9110 §7.6.1) |
//! | `Host` is the target's; the sender's is in `X-Forwarded-Host` | apps route by it |
//! | `Content-Length` is the body's when the body came in chunks | the body is whole now |
//! | `Expect` is left out | the body follows at once |
//! | `X-Inhaul-Event-Id` and `Connection: close` are added at the end | to find the event again; one connection an attempt |
//! | the sender's own `X-Inhaul-Event-Id` is left out | a forger could name another event by it |
//!
//! The sender's `X-Forwarded-…` stay, as it or a proxy before the relay wrote them. They say what they say; behind them comes ours.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use inhaul_core::event::{Event, Head, Header};

use super::Target;

/// Which event a request is.
const EVENT_ID: &str = "X-Inhaul-Event-Id";

/// Request line and header lines, with the empty line.
pub(super) fn request_head(event: &Event, parsed: &Head, target: &Target) -> Bytes {
    let mut out = BytesMut::with_capacity(event.head.len() + 256);
    out.put_slice(&parsed.method);
    out.put_u8(b' ');
    out.put_slice(&target.path_for(&event.app_target(parsed)));
    out.put_slice(b" HTTP/1.1\r\n");
    let authority = target.authority();
    let (mut host_written, mut length_written) = (false, false);
    for header in parsed.end_to_end() {
        if header.is("host") {
            put_line(&mut out, &header.name, authority.as_bytes());
            host_written = true;
        } else if header.is("content-length") {
            // The relay let one through at most, and counted.
            put_line(&mut out, &header.name, event.body.len().to_string().as_bytes());
            length_written = true;
        } else if !header.is("expect") && !header.is(EVENT_ID) {
            put_line(&mut out, &header.name, &header.value);
        }
    }
    if !host_written {
        put_line(&mut out, b"Host", authority.as_bytes());
    }
    if !length_written && (!event.body.is_empty() || parsed.header("transfer-encoding").is_some()) {
        put_line(&mut out, b"Content-Length", event.body.len().to_string().as_bytes());
    }
    if let Some(original) = parsed.header("host") {
        put_line(&mut out, b"X-Forwarded-Host", original);
    }
    put_line(&mut out, EVENT_ID.as_bytes(), event.id.to_string().as_bytes());
    put_line(&mut out, b"Connection", b"close");
    out.put_slice(b"\r\n");
    out.freeze()
}

fn put_line(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// An answer's headers as hyper has them, for an answer whose lines do not end as they should.
pub(super) fn headers_of(headers: &HeaderMap) -> Vec<Header> {
    let copy = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    headers
        .iter()
        .map(|(name, value)| Header { name: copy(name.as_str().as_bytes()), value: copy(value.as_bytes()) })
        .collect()
}

//! Which heads are let through, and where their message ends (RFC 9112). What two servers could read differently is refused.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use inhaul_core::{
    event::{Head, HttpVersion},
    wire::ATTACH_PATH,
};

use super::{RawHeadLimits, Refusal, bad_request};

/// Where the message of a head ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// With the head.
    None,
    /// So many bytes behind it.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// A client attaches: what follows is a WebSocket.
    Attach,
}

/// A head that is let through.
pub(super) struct Checked {
    pub(super) framing: Framing,
    /// What hyper is given in its place. The service has the whole head, so hyper gets what it needs to find the body and to keep
    /// or close the connection; it would only copy the rest.
    pub(super) for_hyper: Bytes,
}

/// The headers hyper needs.
const FOR_HYPER: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "expect"];

/// Checks a whole head.
pub(super) fn check(head: &Bytes, limits: &RawHeadLimits) -> Result<Checked, Refusal> {
    check_lines(head)?;
    let parsed =
        Head::parse(head).map_err(|_| bad_request("the request line is not METHOD TARGET VERSION"))?;
    check_sizes(&parsed, limits)?;
    check_request_line(&parsed)?;
    check_host(&parsed)?;
    let framing = framing(&parsed)?;
    let attaches = parsed.target.split(|byte| *byte == b'?').next() == Some(ATTACH_PATH.as_bytes())
        && parsed.header("upgrade").is_some();
    match framing {
        Framing::None if attaches => Ok(Checked { framing: Framing::Attach, for_hyper: head.clone() }),
        Framing::None | Framing::Length(_) | Framing::Chunked | Framing::Attach => {
            Ok(Checked { framing, for_hyper: for_hyper(&parsed, head.len()) })
        }
    }
}

/// The request line and [`FOR_HYPER`].
fn for_hyper(head: &Head, head_bytes: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(head_bytes);
    for part in [&head.method[..], b" ", &head.target, b" ", head.version.as_str().as_bytes(), b"\r\n"] {
        out.extend_from_slice(part);
    }
    for header in head.headers.iter().filter(|header| FOR_HYPER.iter().any(|name| header.is(name))) {
        for part in [&header.name[..], b": ", &header.value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
    out.freeze()
}

/// No control bytes, no folded lines, no space around a name.
fn check_lines(head: &Bytes) -> Result<(), Refusal> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let request_line = lines.next().unwrap_or_default();
    if request_line.iter().any(|&byte| byte < 0x20 || byte == 0x7f) {
        return Err(bad_request("the request line has a control character"));
    }
    for line in lines.filter(|line| !line.is_empty()) {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(bad_request("a header is folded over two lines"));
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            return Err(bad_request("a header line has no colon"));
        };
        if colon == 0 || !line[..colon].iter().all(|&byte| is_token(byte)) {
            return Err(bad_request("a header name has a character that is not allowed in names"));
        }
        if line[colon + 1..].iter().any(|&byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
            return Err(bad_request("a header value has a control character"));
        }
    }
    Ok(())
}

/// `tchar` (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn check_sizes(head: &Head, limits: &RawHeadLimits) -> Result<(), Refusal> {
    if head.target.len() > limits.max_target_bytes {
        return Err(Refusal {
            status: StatusCode::URI_TOO_LONG,
            text: "the request target is longer than this relay takes (max_target_bytes)",
        });
    }
    if head.headers.len() > limits.max_headers {
        return Err(Refusal {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            text: "the request has more headers than this relay takes (max_headers)",
        });
    }
    Ok(())
}

fn check_request_line(head: &Head) -> Result<(), Refusal> {
    match head.version {
        HttpVersion::Http10 | HttpVersion::Http11 => {}
        HttpVersion::Http2 => {
            return Err(Refusal {
                status: StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                text: "the version of the request is not HTTP/1.1",
            });
        }
    }
    if !head.method.iter().all(|&byte| is_token(byte)) {
        return Err(bad_request("the method has a character that is not allowed"));
    }
    if head.method.eq_ignore_ascii_case(b"CONNECT") {
        return Err(Refusal { status: StatusCode::NOT_IMPLEMENTED, text: "CONNECT is for proxies" });
    }
    if head.target.contains(&b' ') {
        return Err(bad_request("the request target has a space"));
    }
    Ok(())
}

/// One `Host` (RFC 9112 §3.2); an absolute target names the same.
fn check_host(head: &Head) -> Result<(), Refusal> {
    let mut hosts = head.headers.iter().filter(|header| header.is("host")).map(|header| &header.value);
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(bad_request("the request has two Host headers"));
    }
    if host.is_none() && head.version == HttpVersion::Http11 {
        return Err(bad_request("the request has no Host header"));
    }
    if head.target.first() == Some(&b'/') || head.target == "*" {
        return Ok(());
    }
    let rest = ["http://", "https://"].iter().find_map(|scheme| head.target.strip_prefix(scheme.as_bytes()));
    let authority = rest.and_then(|rest| rest.split(|byte| matches!(byte, b'/' | b'?')).next());
    match (authority, host) {
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(bad_request("the request target is for another host")),
    }
}

/// Where the message ends: never two answers (RFC 9112 §6.3).
fn framing(head: &Head) -> Result<Framing, Refusal> {
    let values = |name: &'static str| {
        head.headers.iter().filter(move |header| header.is(name)).map(|header| header.value.as_ref())
    };
    let codings: Vec<&[u8]> = values("transfer-encoding").collect();
    let lengths: Vec<&[u8]> = values("content-length").collect();
    match (codings.as_slice(), lengths.as_slice()) {
        ([], []) => Ok(Framing::None),
        ([], [length]) => content_length(length),
        ([], _) => Err(bad_request("the request has two Content-Length headers")),
        ([coding], []) if coding.eq_ignore_ascii_case(b"chunked") && head.version == HttpVersion::Http11 => {
            Ok(Framing::Chunked)
        }
        (_, []) => Err(Refusal {
            status: StatusCode::NOT_IMPLEMENTED,
            text: "the only transfer coding taken is chunked",
        }),
        (_, _) => Err(bad_request("the request has both Content-Length and Transfer-Encoding")),
    }
}

fn content_length(value: &[u8]) -> Result<Framing, Refusal> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    match length {
        Some(0) => Ok(Framing::None),
        Some(length) => Ok(Framing::Length(length)),
        None => Err(bad_request("the Content-Length is not a number")),
    }
}

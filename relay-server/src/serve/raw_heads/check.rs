//! Which heads are let through, and where their message ends (RFC 9112). What two servers could read differently is refused.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use inhaul_core::{
    event::{Head, HeadError, Header, HttpVersion},
    wire::ATTACH_PATH,
};

use super::{RawHeadLimits, Refusal, bad_request, too_large};

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
    pub(super) parsed: Head,
    pub(super) framing: Framing,
}

/// The headers hyper needs to keep or close the connection.
const FOR_THE_CONNECTION: [&str; 1] = ["connection"];

/// The headers it needs to find the body as well.
const FOR_THE_BODY: [&str; 4] = ["connection", "content-length", "transfer-encoding", "expect"];

/// Checks a whole head.
pub(super) fn check(head: &Bytes, limits: &RawHeadLimits) -> Result<Checked, Refusal> {
    let parsed = Head::parse(head).map_err(|error| unreadable(head, &error))?;
    check_sizes(&parsed, limits)?;
    check_request_line(&parsed)?;
    check_headers(&parsed.headers)?;
    check_host(&parsed)?;
    let framing = framing(&parsed)?;
    let attaches = parsed.target.split(|byte| *byte == b'?').next() == Some(ATTACH_PATH.as_bytes())
        && parsed.header("upgrade").is_some();
    let framing = if framing == Framing::None && attaches { Framing::Attach } else { framing };
    Ok(Checked { parsed, framing })
}

/// Checks a head that was written from the fields of HTTP/2, where `:authority` and `host` are the same (RFC 9113 §8.3.1).
pub(super) fn check_h2(
    head: &Bytes,
    authority: Option<&str>,
    limits: &RawHeadLimits,
) -> Result<Head, Refusal> {
    if head.len() > limits.max_head_bytes {
        return Err(too_large());
    }
    let parsed = Head::parse(head).map_err(|error| unreadable(head, &error))?;
    check_sizes(&parsed, limits)?;
    check_no_connect(&parsed)?;
    let host = one_host(&parsed)?.ok_or_else(|| bad_request("the request names no host"))?;
    match authority {
        Some(authority) if !host.eq_ignore_ascii_case(authority.as_bytes()) => {
            Err(bad_request("the request is for another host than its Host header says"))
        }
        Some(_) | None => Ok(parsed),
    }
}

/// What hyper is given in place of a head. The service has the whole head, and often the body too, so hyper gets what it needs for the
/// connection, and to find a body that the service has not yet. It would only copy the rest, and refuse a target that is no UTF-8.
pub(super) fn for_hyper(whole: &Bytes, head: &Head, framing: Framing, has_body: bool) -> Bytes {
    if framing == Framing::Attach {
        return whole.clone();
    }
    let wanted = if has_body { &FOR_THE_CONNECTION[..] } else { &FOR_THE_BODY };
    let needed = |header: &&Header| wanted.iter().any(|name| header.is(name));
    if head.method == "POST"
        && head.version == HttpVersion::Http11
        && !head.headers.iter().any(|header| needed(&header))
    {
        return Bytes::from_static(b"POST / HTTP/1.1\r\n\r\n");
    }
    let mut out = BytesMut::with_capacity(128);
    for part in [&head.method[..], b" / ", head.version.as_str().as_bytes(), b"\r\n"] {
        out.extend_from_slice(part);
    }
    for header in head.headers.iter().filter(needed) {
        for part in [&header.name[..], b": ", &header.value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
    out.freeze()
}

/// Why a head cannot be taken apart.
fn unreadable(head: &[u8], error: &HeadError) -> Refusal {
    match error {
        HeadError::HeaderLine(number) => match head.split(|&byte| byte == b'\n').nth(*number) {
            Some([b' ' | b'\t', ..]) => folded(),
            Some([b':', ..]) => bad_request("a header line has no name"),
            _ => bad_request("a header line has no colon"),
        },
        HeadError::RequestLine | HeadError::Unfinished => {
            bad_request("the request line is not METHOD TARGET VERSION")
        }
    }
}

fn folded() -> Refusal {
    bad_request("a header is folded over two lines")
}

/// No control bytes, no folded lines, no space around a name.
fn check_headers(headers: &[Header]) -> Result<(), Refusal> {
    for Header { name, value } in headers {
        if matches!(name.first(), Some(b' ' | b'\t')) {
            return Err(folded());
        }
        if !is_token(name) {
            return Err(bad_request("a header name has a character that is not allowed in names"));
        }
        if any(value, |byte| is_control(byte) && byte != b'\t') {
            return Err(bad_request("a header value has a control character"));
        }
    }
    Ok(())
}

/// Whether a byte is of a kind. It goes over all of them, which is faster than to stop: hardly ever is one.
fn any(bytes: &[u8], is_of_kind: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |found, &byte| found | is_of_kind(byte))
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// `token` (RFC 9110 §5.6.2).
fn is_token(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| TOKEN_CHARACTERS[usize::from(byte)])
}

/// Which bytes are `tchar` (RFC 9110 §5.6.2).
const TOKEN_CHARACTERS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

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
    if !is_token(&head.method) {
        return Err(bad_request("the method has a character that is not allowed"));
    }
    if any(&head.target, is_control) {
        return Err(bad_request("the request line has a control character"));
    }
    check_no_connect(head)
}

fn check_no_connect(head: &Head) -> Result<(), Refusal> {
    if head.method.eq_ignore_ascii_case(b"CONNECT") {
        return Err(Refusal { status: StatusCode::NOT_IMPLEMENTED, text: "CONNECT is for proxies" });
    }
    Ok(())
}

/// What the one `Host` says, if there is one.
fn one_host(head: &Head) -> Result<Option<&Bytes>, Refusal> {
    let mut hosts = head.headers.iter().filter(|header| header.is("host")).map(|header| &header.value);
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Err(bad_request("the request has two Host headers")),
        (host, None) => Ok(host),
    }
}

/// One `Host` (RFC 9112 §3.2); an absolute target names the same.
fn check_host(head: &Head) -> Result<(), Refusal> {
    let host = one_host(head)?;
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
    let (mut codings, mut lengths) = (values("transfer-encoding"), values("content-length"));
    match (codings.next(), lengths.next()) {
        (None, None) => Ok(Framing::None),
        (None, Some(_)) if lengths.next().is_some() => {
            Err(bad_request("the request has two Content-Length headers"))
        }
        (None, Some(length)) => content_length(length),
        (Some(_), Some(_)) => Err(bad_request("the request has both Content-Length and Transfer-Encoding")),
        (Some(coding), None)
            if coding.eq_ignore_ascii_case(b"chunked")
                && codings.next().is_none()
                && head.version == HttpVersion::Http11 =>
        {
            Ok(Framing::Chunked)
        }
        (Some(_), None) => Err(Refusal {
            status: StatusCode::NOT_IMPLEMENTED,
            text: "the only transfer coding taken is chunked",
        }),
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

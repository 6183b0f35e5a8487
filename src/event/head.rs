//! The head of an HTTP request or answer as bytes: taken apart without changing a byte.

use bytes::Bytes;
use memchr::{memchr, memchr_iter};
use thiserror::Error;

/// Header names that belong to one connection and are not passed on (RFC 9110 §7.6.1, RFC 9112 §6.1).
///
/// Names listed in a `Connection` header join them.
pub const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Header lines that most heads do not exceed.
const USUAL_HEADERS: usize = 16;

/// The version in a request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
}

impl HttpVersion {
    /// As written in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// One header line: name and value as received, without the white space around the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name in the sender's own spelling.
    pub name: Bytes,
    /// The value; any bytes but CR, LF and NUL.
    pub value: Bytes,
}

impl Header {
    /// Whether this header has that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// A request's head taken apart; every part is a slice of the bytes received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The method, in the sender's own spelling.
    pub method: Bytes,
    /// The request target: path and query, unchanged.
    pub target: Bytes,
    /// The version in the request line.
    pub version: HttpVersion,
    /// Every header in the order received, duplicates included.
    pub headers: Vec<Header>,
}

/// Why bytes are not a head.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum HeadError {
    /// There is no empty line at the end.
    #[error("the head does not end with an empty line")]
    Unfinished,
    /// The request line is not `METHOD target VERSION`.
    #[error("the request line is not `METHOD target VERSION`")]
    RequestLine,
    /// A header line has no name before a colon.
    #[error("header line {0} has no name before a colon")]
    HeaderLine(usize),
}

impl Head {
    /// Takes a stored head apart. Lines end with CRLF; a value loses the spaces and tabs around it (RFC 9112 §5).
    ///
    /// # Errors
    /// When the bytes are not a request line, header lines and an empty line.
    pub fn parse(bytes: &Bytes) -> Result<Self, HeadError> {
        let mut lines = Lines { bytes, start: 0 };
        let request_line = lines.next().ok_or(HeadError::Unfinished)?;
        let mut parts = request_line.splitn(3, |&byte| byte == b' ');
        let (Some(method), Some(target), Some(version)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(HeadError::RequestLine);
        };
        let version = match version {
            b"HTTP/1.0" => HttpVersion::Http10,
            b"HTTP/1.1" => HttpVersion::Http11,
            b"HTTP/2" => HttpVersion::Http2,
            _ => return Err(HeadError::RequestLine),
        };
        if method.is_empty() || target.is_empty() {
            return Err(HeadError::RequestLine);
        }
        Ok(Self {
            method: bytes.slice_ref(method),
            target: bytes.slice_ref(target),
            version,
            headers: parse_header_lines(&mut lines)?,
        })
    }

    /// Takes header lines apart that end with an empty line, as in the head of an answer without its status line.
    ///
    /// # Errors
    /// When a line has no name, or the empty line is missing.
    pub fn parse_headers(bytes: &Bytes) -> Result<Vec<Header>, HeadError> {
        parse_header_lines(&mut Lines { bytes, start: 0 })
    }

    /// Writes header lines and the empty line behind them.
    pub fn write_headers(headers: &[Header]) -> Vec<u8> {
        let mut out = Vec::new();
        for header in headers {
            out.extend_from_slice(&header.name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(&header.value);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// The value of the first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        self.headers.iter().find(|header| header.is(name)).map(|header| &header.value)
    }

    /// The headers that go on to the next hop; see [`end_to_end`].
    pub fn end_to_end(&self) -> impl Iterator<Item = &Header> {
        end_to_end(&self.headers)
    }
}

/// The headers that go on to the next hop: all but [`HOP_BY_HOP`] and those a `Connection` header names.
pub fn end_to_end(headers: &[Header]) -> impl Iterator<Item = &Header> {
    let listed: Vec<Vec<u8>> = headers
        .iter()
        .filter(|header| header.is("connection"))
        .flat_map(|header| header.value.split(|&byte| byte == b','))
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .collect();
    headers.iter().filter(move |header| {
        let name = header.name.to_ascii_lowercase();
        !HOP_BY_HOP.iter().any(|hop| hop.as_bytes() == name) && !listed.contains(&name)
    })
}

/// The CRLF-ended lines of a head, without their ends.
struct Lines<'a> {
    bytes: &'a Bytes,
    start: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.start..];
        let end = memchr_iter(b'\r', rest).find(|&at| rest.get(at + 1) == Some(&b'\n'))?;
        self.start += end + 2;
        Some(&rest[..end])
    }
}

fn parse_header_lines(lines: &mut Lines<'_>) -> Result<Vec<Header>, HeadError> {
    let mut headers = Vec::with_capacity(USUAL_HEADERS);
    loop {
        let line = lines.next().ok_or(HeadError::Unfinished)?;
        if line.is_empty() {
            return Ok(headers);
        }
        let Some(colon) = memchr(b':', line).filter(|&colon| colon > 0) else {
            return Err(HeadError::HeaderLine(headers.len() + 1));
        };
        let value = trim_blanks(&line[colon + 1..]);
        headers.push(Header {
            name: lines.bytes.slice_ref(&line[..colon]),
            value: lines.bytes.slice_ref(value),
        });
    }
}

/// Without the spaces and tabs around it (`OWS`, RFC 9110 §5.6.3), and nothing else.
fn trim_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_byte_and_its_order_survive() {
        let bytes = Bytes::from_static(
            b"PUT /in/a?a=%2F&a=b+c&&= HTTP/1.1\r\nX-A: 1\r\nx-b:  \xff\x80 \r\nX-A: 2\r\nempty:\r\n\r\n",
        );
        let head = Head::parse(&bytes).unwrap();
        assert_eq!(head.method, "PUT");
        assert_eq!(head.target, "/in/a?a=%2F&a=b+c&&=");
        assert_eq!(head.version, HttpVersion::Http11);
        let pairs: Vec<(&[u8], &[u8])> =
            head.headers.iter().map(|header| (&header.name[..], &header.value[..])).collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"X-A", b"1"), (b"x-b", b"\xff\x80"), (b"X-A", b"2"), (b"empty", b"")];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn hop_by_hop_headers_stay_behind() {
        let bytes = Bytes::from_static(
            b"POST / HTTP/1.1\r\nConnection: close, X-Once\r\nTransfer-Encoding: chunked\r\nx-once: 1\r\nX-Kept: 1\r\n\r\n",
        );
        let head = Head::parse(&bytes).unwrap();
        let kept: Vec<&[u8]> = head.end_to_end().map(|header| &header.name[..]).collect();
        assert_eq!(kept, [b"X-Kept"]);
    }

    #[test]
    fn what_is_no_head_is_an_error() {
        for (bytes, error) in [
            ("", HeadError::Unfinished),
            ("POST / HTTP/1.1\r\n", HeadError::Unfinished),
            ("POST /\r\n\r\n", HeadError::RequestLine),
            ("POST / HTTP/3\r\n\r\n", HeadError::RequestLine),
            ("POST / HTTP/1.1\r\nx: 1\r\n: 1\r\n\r\n", HeadError::HeaderLine(2)),
        ] {
            assert_eq!(Head::parse(&Bytes::from_static(bytes.as_bytes())).unwrap_err(), error);
        }
    }

    proptest! {
        #[test]
        fn headers_written_are_headers_read(
            pairs in prop::collection::vec(("[!-9;-~]{1,20}", "[!-~\u{80}-\u{ff}]{0,30}"), 0..10)
        ) {
            let headers: Vec<Header> = pairs
                .into_iter()
                .map(|(name, value)| Header { name: name.into(), value: value.into() })
                .collect();
            let written = Bytes::from(Head::write_headers(&headers));
            prop_assert_eq!(Head::parse_headers(&written).unwrap(), headers);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Head::parse(&Bytes::from(bytes));
        }
    }
}

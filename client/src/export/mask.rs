//! What leaves the machine without being asked for: secrets in headers, in the query, in forms and in configured members of JSON.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use inhaul_core::{
    event::{Event, Head, HeadError, Header},
    filter::JsonPath,
    signature::{Catalogue, token_parameters},
};

use super::{Exported, MASKED};
use crate::{
    json_text::{self, Unread},
    row::{EventRow, Outcome},
};

/// Headers by which somebody acts as somebody else, whoever sends them, in small letters.
const CREDENTIALS: [&str; 10] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-webhook-secret",
];

/// Headers that hold signatures, besides those of the catalogue.
const SIGNATURES: [&str; 2] = ["signature", "x-signature"];

/// Parameters of queries and fields of forms that hold secrets, in small letters, besides the tokens of providers' questions.
const FIELDS: [&str; 10] = [
    "access_token",
    "api_key",
    "apikey",
    "client_secret",
    "key",
    "password",
    "secret",
    "sig",
    "signature",
    "token",
];

/// What stands before some texts, and belongs to no JSON (RFC 8259 section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is masked.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// Names in small letters.
    headers: Vec<String>,
    /// Those among them that are more than signatures.
    credentials: Vec<String>,
    json: Vec<JsonPath>,
}

impl Mask {
    /// What is always masked, every provider's signature among it, and what the configuration names.
    pub fn new(catalogue: &Catalogue, headers: &[String], json: &[JsonPath]) -> Self {
        let of_providers = catalogue.providers().flat_map(|provider| provider.signature_headers());
        let tokens = catalogue.providers().flat_map(|provider| provider.token_headers());
        let own = headers.iter().map(String::as_str);
        let credentials: Vec<String> =
            CREDENTIALS.into_iter().chain(tokens).chain(own).map(str::to_ascii_lowercase).collect();
        let signatures = SIGNATURES.into_iter().chain(of_providers).map(str::to_ascii_lowercase);
        let headers = credentials.iter().cloned().chain(signatures).collect();
        Self { headers, credentials, json: json.to_vec() }
    }

    /// Whether a header's value lets somebody act as somebody else, or is to be hidden by the configuration.
    pub fn is_credential(&self, name: &[u8]) -> bool {
        is_one_of(&self.credentials, name)
    }

    /// The event without its secrets, and without the address of its endpoint, to which whoever knows it can post.
    ///
    /// # Errors
    /// When its head cannot be read, which the relay never stores.
    pub fn apply(&self, event: Event, row: EventRow) -> Result<Exported, HeadError> {
        self.covered(event, row, &self.headers, &mut Cover::default())
    }

    /// Two events without what lets somebody act as somebody else, for a comparison: what was the same stands as the same text, and what
    /// was not, as another one. Signatures stay.
    ///
    /// # Errors
    /// When a head cannot be read, which the relay never stores.
    pub fn apply_to_both(
        &self,
        left: (Event, EventRow),
        right: (Event, EventRow),
    ) -> Result<[(Event, EventRow); 2], HeadError> {
        let mut cover = Cover { tells_apart: true, ..Cover::default() };
        let mut shown = |(event, row)| {
            let covered = self.covered(event, row, &self.credentials, &mut cover)?;
            Ok((covered.event, covered.row))
        };
        Ok([shown(left)?, shown(right)?])
    }

    /// The body with the values of secrets replaced; nothing when it has none.
    pub fn body_of(&self, event: &Event, head: Option<&Head>) -> Option<Bytes> {
        self.body(&event.body, head.and_then(content_type), &mut Cover::default()).map(Bytes::from)
    }

    /// What is kept of an answer's body, with the values of secrets replaced; nothing when it has none.
    pub fn answer_body(
        &self,
        excerpt: &[u8],
        body_bytes: u64,
        content_type: Option<&[u8]>,
    ) -> Option<Vec<u8>> {
        self.excerpt(excerpt, body_bytes, content_type, &mut Cover::default())
    }

    fn covered(
        &self,
        event: Event,
        row: EventRow,
        names: &[String],
        cover: &mut Cover,
    ) -> Result<Exported, HeadError> {
        let head = event.parsed_head()?;
        let target = covered_query(&event.app_target(&head), cover);
        let headers: Vec<Header> =
            head.headers.iter().map(|header| covered_header(header, names, cover)).collect();
        let body = self.body(&event.body, content_type(&head), cover);
        let mut line =
            [&head.method[..], b" ", &target, b" ", head.version.as_str().as_bytes(), b"\r\n"].concat();
        let same_words = headers == head.headers && target == event.app_target(&head);
        // The address of the endpoint is left out, which is no secret of the event's: it is the same request to the application.
        let masked = !same_words || body.is_some();
        line.extend_from_slice(&Head::write_headers(&headers));
        let body = body.map_or(event.body, Bytes::from);
        let body_sha256 = Event::digest(&body);
        let event = Event { head: line.into(), prefix_bytes: 0, body, body_sha256, ..event };
        let head = event.parsed_head()?;
        let row = self.row(row, &head, &event, names, cover);
        Ok(Exported { event, head, row, masked, edits: Vec::new() })
    }

    /// The body with the values replaced; nothing when there are none. What says that it is JSON and cannot be read as such is replaced as
    /// a whole.
    fn body(&self, body: &[u8], content_type: Option<&[u8]>, cover: &mut Cover) -> Option<Vec<u8>> {
        let content_type = content_type.map(<[u8]>::to_ascii_lowercase).unwrap_or_default();
        if content_type.starts_with(b"application/x-www-form-urlencoded") {
            let masked = covered_fields(body, cover);
            return (masked != body).then(|| masked.into_owned());
        }
        if self.json.is_empty() {
            return None;
        }
        match self.spans(body) {
            Ok(spans) if spans.is_empty() => None,
            Ok(spans) => Some(without(body, &spans, cover)),
            Err(Unread::NotJson) if !is_json(&content_type) => None,
            Err(Unread::NotJson | Unread::TooLarge) => Some(covered_value(body, cover)),
        }
    }

    /// Where the values to replace are in a JSON document, or in one on each line, behind a byte order mark if there is one.
    fn spans(&self, body: &[u8]) -> Result<Vec<Range<usize>>, Unread> {
        let json = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
        let text = std::str::from_utf8(json).map_err(|_| Unread::NotJson)?;
        let mut at = body.len() - json.len();
        let mut spans = Vec::new();
        let mut find = |text: &str, at: usize| -> Result<(), Unread> {
            let document = json_text::parse(text)?;
            document.visit(&self.json, &mut |found| spans.push(found.span.start + at..found.span.end + at));
            Ok(())
        };
        match find(text, at) {
            Err(Unread::NotJson) => {}
            read => return read.map(|()| spans),
        }
        for line in text.split_inclusive('\n') {
            if !line.trim().is_empty() {
                find(line, at)?;
            }
            at += line.len();
        }
        Ok(spans)
    }

    fn excerpt(
        &self,
        excerpt: &[u8],
        body_bytes: u64,
        content_type: Option<&[u8]>,
        cover: &mut Cover,
    ) -> Option<Vec<u8>> {
        if !self.json.is_empty() && (excerpt.len() as u64) < body_bytes {
            // The beginning of a document cannot be taken apart.
            return Some(cover.of(excerpt).into_bytes());
        }
        self.body(excerpt, content_type, cover)
    }

    fn row(
        &self,
        mut row: EventRow,
        head: &Head,
        event: &Event,
        names: &[String],
        cover: &mut Cover,
    ) -> EventRow {
        row.target = String::from_utf8_lossy(&event.app_target(head)).into_owned();
        row.body_bytes = event.body.len() as u64;
        for attempt in &mut row.attempts {
            let Outcome::Answered { headers, body_excerpt, body_bytes, .. } = &mut attempt.outcome else {
                continue;
            };
            let content_type = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            let content_type = content_type.map(|(_, value)| value.clone().into_bytes());
            for (name, value) in headers {
                if is_one_of(names, name.as_bytes()) {
                    *value = cover.of(value.as_bytes());
                }
            }
            if let Some(masked) = self.excerpt(body_excerpt, *body_bytes, content_type.as_deref(), cover) {
                *body_excerpt = masked;
            }
        }
        row
    }
}

/// Whether a content type, in small letters, says JSON: `application/json`, `application/problem+json`, `application/x-ndjson` and the like.
fn is_json(content_type: &[u8]) -> bool {
    let kind = content_type.split(|&byte| byte == b';').next().unwrap_or_default();
    String::from_utf8_lossy(kind).contains("json")
}

/// A body with covers in place of some values.
fn without(body: &[u8], spans: &[Range<usize>], cover: &mut Cover) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut copied = 0;
    for span in spans {
        out.extend_from_slice(&body[copied..span.start]);
        out.extend_from_slice(&covered_value(&body[span.clone()], cover));
        copied = span.end;
    }
    out.extend_from_slice(&body[copied..]);
    out
}

/// The cover of a secret as a value of JSON.
fn covered_value(secret: &[u8], cover: &mut Cover) -> Vec<u8> {
    format!("\"{}\"", cover.of(secret)).into_bytes()
}

/// What stands in place of secrets.
#[derive(Default)]
struct Cover {
    /// Different secrets have different covers.
    tells_apart: bool,
    /// Those that were covered, each once.
    seen: Vec<Vec<u8>>,
}

impl Cover {
    /// The cover of a secret.
    fn of(&mut self, secret: &[u8]) -> String {
        if !self.tells_apart {
            return MASKED.to_owned();
        }
        let at = self.seen.iter().position(|seen| seen == secret).unwrap_or_else(|| {
            self.seen.push(secret.to_vec());
            self.seen.len() - 1
        });
        format!("{MASKED}{}", at + 1)
    }
}

fn is_one_of(names: &[String], name: &[u8]) -> bool {
    names.iter().any(|secret| secret.as_bytes().eq_ignore_ascii_case(name))
}

fn covered_header(header: &Header, names: &[String], cover: &mut Cover) -> Header {
    let is_secret = is_one_of(names, &header.name);
    let value = if is_secret { cover.of(&header.value).into() } else { header.value.clone() };
    Header { name: header.name.clone(), value }
}

fn content_type(head: &Head) -> Option<&[u8]> {
    head.header("content-type").map(AsRef::as_ref)
}

/// A request's target as it is shown where nobody asked for its secrets: in lists and lines.
pub fn masked_target(target: &str) -> Cow<'_, str> {
    match covered_query(target.as_bytes(), &mut Cover::default()) {
        same if same == target.as_bytes() => Cow::Borrowed(target),
        masked => Cow::Owned(String::from_utf8_lossy(&masked).into_owned()),
    }
}

/// The same of the bytes of a target, or of a line that holds one.
pub fn masked_target_bytes(target: &[u8]) -> Bytes {
    covered_query(target, &mut Cover::default())
}

/// A request target or URL with the secrets of its query replaced.
fn covered_query(target: &[u8], cover: &mut Cover) -> Bytes {
    match target.iter().position(|&byte| byte == b'?') {
        Some(mark) => {
            let (path, query) = target.split_at(mark + 1);
            [path, &covered_fields(query, cover)].concat().into()
        }
        None => Bytes::copy_from_slice(target),
    }
}

/// `name=value` between `&`, the values of secrets replaced; everything else stays as it is written.
fn covered_fields<'f>(fields: &'f [u8], cover: &mut Cover) -> Cow<'f, [u8]> {
    let is_secret = |name: &[u8]| {
        let read = form_urlencoded::parse(name).next();
        let mut secrets = FIELDS.into_iter().chain(token_parameters());
        read.is_some_and(|(name, _)| secrets.any(|secret| secret.eq_ignore_ascii_case(&name)))
    };
    let mut out: Vec<Cow<'_, [u8]>> = Vec::new();
    let mut masked = false;
    for field in fields.split(|&byte| byte == b'&') {
        let equals = field.iter().position(|&byte| byte == b'=');
        match equals.map(|at| field.split_at(at + 1)) {
            Some((name, value)) if !value.is_empty() && is_secret(&name[..name.len() - 1]) => {
                masked = true;
                out.push([name, cover.of(value).as_bytes()].concat().into());
            }
            Some(_) | None => out.push(field.into()),
        }
    }
    if masked { out.join(&b'&').into() } else { fields.into() }
}

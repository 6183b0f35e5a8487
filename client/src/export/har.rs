//! HTTP Archive 1.2 (w3c.github.io/web-performance/specs/HAR/Overview.html): an entry for each attempt to deliver an event, or one
//! without an answer when there was none.
//!
//! What HAR has no place for stands in `_inhaul`, as the specification provides for: with it, `inhaul import` reads an event back byte for
//! byte.

use base64::{Engine, engine::general_purpose::STANDARD};
use inhaul_core::event::{Event, EventId, Head, PeerSource};
use serde::{Deserialize, Serialize};

use super::{
    Exported,
    edited::{Fidelity, Sent},
    has_body,
};
use crate::{
    forward::Target,
    output::{json::Text, rejected_text},
    pipeline::sender_url,
    row::{Attempt, Changed, Outcome},
};

/// A whole archive.
#[derive(Debug, Serialize, Deserialize)]
pub struct Archive {
    /// Its only member.
    pub log: Log,
}

/// What an archive holds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Log {
    /// `1.2`
    pub version: String,
    /// Who wrote it.
    pub creator: Creator,
    /// Every exchange.
    pub entries: Vec<Entry>,
}

/// A program that writes archives.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Creator {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
}

/// One exchange.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// RFC 3339.
    pub started_date_time: String,
    /// Milliseconds in all.
    #[serde(default)]
    pub time: f64,
    /// What was asked.
    pub request: Request,
    /// What was answered.
    #[serde(default)]
    pub response: Response,
    /// Nothing is known of caches.
    #[serde(default)]
    pub cache: serde_json::Map<String, serde_json::Value>,
    /// How the time was spent.
    #[serde(default)]
    pub timings: Timings,
    /// Why there is no answer, and how the request differs from the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What only inhaul has.
    #[serde(rename = "_inhaul", default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Own>,
}

/// A request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Its method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Such as `HTTP/1.1`.
    #[serde(default)]
    pub http_version: String,
    /// Every header in order.
    #[serde(default)]
    pub headers: Vec<Pair>,
    /// The query taken apart.
    #[serde(default)]
    pub query_string: Vec<Pair>,
    /// Cookies are headers here.
    #[serde(default)]
    pub cookies: Vec<serde_json::Value>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_data: Option<PostData>,
    /// Bytes of the head.
    #[serde(default)]
    pub headers_size: i64,
    /// Bytes of the body.
    #[serde(default)]
    pub body_size: i64,
}

/// A name and a value.
#[derive(Debug, Serialize, Deserialize)]
pub struct Pair {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// The body of a request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostData {
    /// Its `Content-Type`.
    #[serde(default)]
    pub mime_type: String,
    /// The body.
    #[serde(default)]
    pub text: String,
    /// `base64`, when the body is no text. HAR has such a word for answers only.
    #[serde(rename = "_encoding", alias = "encoding", default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
}

/// An answer.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// 0 when there was none.
    #[serde(default)]
    pub status: i64,
    /// Not kept.
    #[serde(default)]
    pub status_text: String,
    /// `HTTP/1.1`
    #[serde(default)]
    pub http_version: String,
    /// Every header in order.
    #[serde(default)]
    pub headers: Vec<Pair>,
    /// Cookies are headers here.
    #[serde(default)]
    pub cookies: Vec<serde_json::Value>,
    /// The body.
    #[serde(default)]
    pub content: Content,
    /// Where it leads.
    #[serde(rename = "redirectURL", default)]
    pub redirect_url: String,
    /// Not known.
    #[serde(default)]
    pub headers_size: i64,
    /// Bytes of the body.
    #[serde(default)]
    pub body_size: i64,
}

/// The body of an answer.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// Its length.
    #[serde(default)]
    pub size: i64,
    /// Its `Content-Type`.
    #[serde(default)]
    pub mime_type: String,
    /// As much of it as is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `base64`, when it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// What is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// How the time was spent, in milliseconds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Timings {
    /// Not measured apart.
    #[serde(default)]
    pub send: f64,
    /// Until the whole answer was there.
    #[serde(default)]
    pub wait: f64,
    /// Not measured apart.
    #[serde(default)]
    pub receive: f64,
}

/// What HAR has no place for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Own {
    /// The relay's id of the event.
    pub event_id: EventId,
    /// Its endpoint.
    pub endpoint: String,
    /// When the relay received it, RFC 3339.
    pub received_at: String,
    /// Whom the relay saw.
    pub peer: String,
    /// Where that is from.
    pub peer_source: PeerSource,
    /// How many bytes of the request target name the endpoint.
    pub prefix_bytes: usize,
    /// The head exactly as received, in base64.
    pub head: String,
    /// Something in it was replaced.
    pub masked: bool,
    /// Who sent it.
    pub provider: Option<String>,
    /// The provider's name for what happened.
    pub event_type: Option<String>,
    /// The provider's own id.
    pub provider_event_id: Option<String>,
    /// The number of the attempt; none when there was no attempt.
    pub attempt: Option<u32>,
    /// The body exactly as received, in base64, when the request has another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How what was sent differs from what was received; none when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<OwnChange>,
}

/// How what was sent differs from what was received.
#[derive(Debug, Serialize, Deserialize)]
pub struct OwnChange {
    /// In a few words, such as `body edited (12 B), signed anew`.
    pub what: String,
    /// Length of the body that was sent.
    pub body_bytes: u64,
    /// What the request of the entry is: `sent`, `partly` (without what was made for the attempt alone: a signature, an id), or `received`.
    pub request: String,
}

/// An archive without entries; they come between its two halves as they are written.
pub fn frame() -> (String, &'static str) {
    let creator = serde_json::json!({"name": "inhaul", "version": env!("CARGO_PKG_VERSION")});
    (format!("{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"entries\":[\n"), "\n]}}\n")
}

/// The entries of one event.
pub fn entries(exported: &Exported) -> Vec<Entry> {
    match exported.row.attempts.as_slice() {
        [] => vec![entry(exported, None)],
        attempts => attempts.iter().map(|attempt| entry(exported, Some(attempt))).collect(),
    }
}

fn entry(exported: &Exported, attempt: Option<&Attempt>) -> Entry {
    let Exported { event, head, row, masked, .. } = exported;
    let changed = attempt.and_then(|attempt| Some((attempt, attempt.changed.as_ref()?)));
    let edited = changed.map(|(attempt, changed)| (changed, exported.sent_by(attempt, changed)));
    let (sent, sent_head) = edited.as_ref().map_or((event, head), |(_, sent)| (&sent.event, &sent.head));
    let target = sent.app_target(sent_head);
    let application = attempt.and_then(|attempt| attempt.target.parse::<Target>().ok());
    let url = match application {
        Some(application) => application.url_for(&target),
        None => sender_url(sent, sent_head)
            .unwrap_or_else(|| format!("http://localhost{}", String::from_utf8_lossy(&target))),
    };
    let (response, time, failure) = match attempt.map(|attempt| &attempt.outcome) {
        Some(Outcome::Answered { status, headers, body_bytes, body_excerpt, latency_ms }) => {
            (answer(*status, headers, *body_bytes, body_excerpt), *latency_ms, None)
        }
        Some(Outcome::Failed { message, latency_ms, .. }) => {
            (Response::default(), *latency_ms, Some(message.clone()))
        }
        Some(Outcome::Rejected) => {
            (Response::default(), 0, Some(format!("not sent: {}", rejected_text(row.verdict.as_ref()))))
        }
        Some(Outcome::Begun) => (Response::default(), 0, Some("its end is not on record".to_owned())),
        None => (Response::default(), 0, Some("it was not sent to an application".to_owned())),
    };
    let difference = edited.as_ref().map(|(changed, sent)| difference(changed, sent.fidelity));
    let comments: Vec<String> = failure.into_iter().chain(difference).collect();
    #[expect(clippy::cast_precision_loss, reason = "no attempt takes 2^53 ms")]
    let time = time as f64;
    let started = attempt.map_or(event.received_at, |attempt| attempt.started_at);
    Entry {
        started_date_time: started.to_string(),
        time,
        request: request(sent, sent_head, url),
        response,
        cache: serde_json::Map::new(),
        timings: Timings { send: 0.0, wait: time, receive: 0.0 },
        comment: (!comments.is_empty()).then(|| comments.join("; ")),
        own: Some(Own {
            event_id: event.id,
            endpoint: event.endpoint.to_string(),
            received_at: event.received_at.to_string(),
            peer: event.peer.address.clone(),
            peer_source: event.peer.source,
            prefix_bytes: event.prefix_bytes,
            head: STANDARD.encode(&event.head),
            masked: *masked,
            provider: row.provider.clone(),
            event_type: row.event_type.clone(),
            provider_event_id: row.provider_event_id.clone(),
            attempt: attempt.map(|attempt| attempt.number),
            body: (sent.body != event.body).then(|| STANDARD.encode(&event.body)),
            changed: edited.as_ref().map(|(changed, sent)| own_change(changed, sent)),
        }),
    }
}

fn own_change(changed: &Changed, sent: &Sent) -> OwnChange {
    let request = match sent.fidelity {
        Fidelity::Sent => "sent",
        Fidelity::Partly => "partly",
        Fidelity::Received => "received",
    };
    OwnChange { what: changed.what.clone(), body_bytes: changed.body_bytes, request: request.to_owned() }
}

/// What a person who reads the entry has to know of its request.
fn difference(changed: &Changed, fidelity: Fidelity) -> String {
    let what = &changed.what;
    match (fidelity, changed.edit) {
        (Fidelity::Sent, _) => format!("sent changed: {what}"),
        (Fidelity::Partly, _) => {
            format!("sent changed: {what}; the signature and the id made for it are not on record")
        }
        (Fidelity::Received, Some(_)) => {
            format!("sent changed: {what}; how is not on record any more, so this is what was received")
        }
        (Fidelity::Received, None) => {
            format!(
                "sent changed: {what}; what was made for it is not on record, so this is what was received"
            )
        }
    }
}

fn request(event: &Event, head: &Head, url: String) -> Request {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = form_urlencoded::parse(query.as_bytes());
    let pair = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| Pair {
        name: name.into_owned(),
        value: value.into_owned(),
    };
    let post_data = has_body(event, head).then(|| {
        let (text, encoding) = encoded(&event.body);
        let mime_type = head.header("content-type").map(|value| String::from_utf8_lossy(value).into_owned());
        PostData { mime_type: mime_type.unwrap_or_default(), text, encoding }
    });
    Request {
        method: text(&head.method),
        http_version: head.version.as_str().to_owned(),
        headers: head
            .headers
            .iter()
            .map(|header| Pair { name: text(&header.name), value: text(&header.value) })
            .collect(),
        query_string: query.map(pair).collect(),
        url,
        cookies: Vec::new(),
        post_data,
        headers_size: length(event.head.len() as u64),
        body_size: length(event.body.len() as u64),
    }
}

fn answer(status: u16, headers: &[(String, String)], body_bytes: u64, excerpt: &[u8]) -> Response {
    let named = |wanted: &str| {
        let mut named = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.next().map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (text, encoding) = encoded(excerpt);
    let is_cut = (excerpt.len() as u64) < body_bytes;
    Response {
        status: status.into(),
        status_text: String::new(),
        http_version: "HTTP/1.1".to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| Pair { name: name.clone(), value: value.clone() })
            .collect(),
        cookies: Vec::new(),
        content: Content {
            size: length(body_bytes),
            mime_type: named("content-type"),
            text: Some(text),
            encoding,
            comment: is_cut.then(|| format!("the first {} of {body_bytes} bytes", excerpt.len())),
        },
        redirect_url: named("location"),
        headers_size: -1,
        body_size: length(body_bytes),
    }
}

/// Text as it is, anything else in base64.
fn encoded(bytes: &[u8]) -> (String, Option<String>) {
    match Text::new(bytes) {
        Text::Utf8(text) => (text, None),
        Text::Base64 { base64 } => (base64, Some("base64".to_owned())),
    }
}

fn length(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

//! What is printed for programs: one JSON object a line, as docs/output-json.md describes.
//!
//! A field is added without a new `schema`; one that goes away or changes its meaning makes a new one.

use std::{collections::BTreeMap, io};

use inhaul_core::{
    event::{EventId, PeerSource, UnixMillis},
    signature::Verdict,
    visible::visible,
};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::{
    connection::ConnectionState,
    history::{PeriodInfo, Status},
    output::Ready,
    replay::{Preview, Tally},
    row::{Attempt, AttemptCause, EventRow, EventState, FailureKind, Outcome},
};

mod differences;
mod plays;
mod settings;

pub use differences::{DiffRecord, diff};
pub use plays::{CueRecord, PlayRecord, PlayedRecord, ScenarioRecord, cue, listed_scenario, play, played};
pub use settings::{SettingRecord, setting};

/// The version of these objects.
pub const SCHEMA: u32 = 1;

/// `kind: ready`
#[derive(Serialize)]
pub struct ReadyRecord<'a> {
    schema: u32,
    kind: &'static str,
    relay_url: &'a str,
    endpoint: &'a str,
    endpoint_url: &'a str,
    ca_file: Option<&'a str>,
    targets: &'a [String],
    data_dir: &'a str,
}

/// `kind: event`
#[derive(Serialize)]
pub struct EventRecord<'a> {
    schema: u32,
    kind: &'static str,
    id: EventId,
    endpoint: &'a str,
    received_at: String,
    stored_at: String,
    method: &'a str,
    target: &'a str,
    content_type: Option<&'a str>,
    body_bytes: u64,
    provider: Option<&'a str>,
    event_type: Option<&'a str>,
    provider_event_id: Option<&'a str>,
    object_id: Option<&'a str>,
    missed: bool,
    late: bool,
    imported: bool,
    state: EventState,
    repeat: Option<RepeatRecord>,
    given_up: Option<GivenUpRecord<'a>>,
    dropped: Option<DroppedRecord<'a>>,
    tags: &'a [String],
    comment: Option<&'a str>,
    verdict: Option<&'a Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<AttemptRecord<'a>>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    request: Option<RequestRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    masked: Option<bool>,
}

/// Which delivery of the same event it is.
#[derive(Serialize)]
pub struct RepeatRecord {
    number: u32,
    first: EventId,
    first_received_at: String,
    same_id: bool,
    same_body: bool,
    dropped: bool,
}

/// When and why an event is no longer tried.
#[derive(Serialize)]
pub struct GivenUpRecord<'a> {
    at: String,
    reason: &'a str,
}

/// When, by whom and why a held event was dropped.
#[derive(Serialize)]
pub struct DroppedRecord<'a> {
    at: String,
    by: &'a str,
    why: Option<&'a str>,
}

/// The parts of an event that only `show` prints.
#[derive(Serialize)]
pub struct RequestRecord {
    /// The whole request target, as posted.
    pub raw_target: Text,
    /// How many bytes of it name the endpoint.
    pub prefix_bytes: usize,
    /// `HTTP/1.1` and the like.
    pub http_version: &'static str,
    /// Whom the relay saw.
    pub peer: String,
    /// Where that is from.
    pub peer_source: PeerSource,
    /// Every header in order.
    pub headers: Vec<HeaderRecord>,
    /// SHA-256 of the body in hex.
    pub body_sha256: String,
    /// The body.
    pub body: Text,
    /// The deliveries of the same event, this one among them, the one stored first first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<EventId>,
}

/// One header.
#[derive(Serialize)]
pub struct HeaderRecord {
    /// Its name, as written.
    pub name: Text,
    /// Its value.
    pub value: Text,
}

/// Bytes: text when they are UTF-8, base64 otherwise.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Text {
    /// UTF-8.
    Utf8(String),
    /// Anything else.
    Base64 {
        /// The bytes.
        base64: String,
    },
}

/// `kind: attempt`
#[derive(Serialize)]
pub struct AttemptRecord<'a> {
    schema: u32,
    kind: &'static str,
    event_id: EventId,
    number: u32,
    target: &'a str,
    cause: AttemptCause,
    started_at: String,
    result: &'static str,
    status: Option<u16>,
    latency_ms: Option<u64>,
    error: Option<AttemptError<'a>>,
    changed: Option<ChangedRecord<'a>>,
}

#[derive(Serialize)]
struct ChangedRecord<'a> {
    what: &'a str,
    body_bytes: u64,
    body_sha256: String,
}

/// `kind: replay`
#[derive(Serialize)]
pub struct ReplayRecord<'a> {
    schema: u32,
    kind: &'static str,
    requests: u64,
    done: u64,
    whole: bool,
    delivered: u64,
    statuses: &'a BTreeMap<u16, u64>,
    failures: &'a BTreeMap<&'static str, u64>,
    not_sent: &'a BTreeMap<String, u64>,
    p50_ms: Option<u64>,
    p99_ms: Option<u64>,
    longest_ms: Option<u64>,
}

/// `kind: preview`
#[derive(Serialize)]
pub struct PreviewRecord<'a> {
    schema: u32,
    kind: &'static str,
    #[serde(flatten)]
    preview: &'a Preview,
}

#[derive(Serialize)]
struct AttemptError<'a> {
    kind: FailureKind,
    message: &'a str,
}

/// `kind: connection`
#[derive(Serialize)]
pub struct ConnectionRecord<'a> {
    schema: u32,
    kind: &'static str,
    at: String,
    state: &'static str,
    attempt: Option<u32>,
    reason: Option<&'a str>,
    retry_in_ms: Option<u64>,
    round_trip_ms: Option<f64>,
    backlog_events: Option<u64>,
}

/// `kind: notice`
#[derive(Serialize)]
pub struct NoticeRecord<'a> {
    schema: u32,
    kind: &'static str,
    text: &'a str,
}

impl Text {
    /// Bytes as text, if they are UTF-8.
    pub fn new(bytes: &[u8]) -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Utf8(text.to_owned()),
            Err(_) => Self::Base64 { base64: STANDARD.encode(bytes) },
        }
    }
}

/// What is printed when webhooks would arrive.
pub fn ready(ready: &Ready) -> ReadyRecord<'_> {
    ReadyRecord {
        schema: SCHEMA,
        kind: "ready",
        relay_url: &ready.relay_url,
        endpoint: ready.endpoint.as_str(),
        endpoint_url: &ready.endpoint_url,
        ca_file: ready.ca_file.as_deref(),
        targets: &ready.targets,
        data_dir: &ready.data_dir,
    }
}

/// What is printed of an event that arrived.
pub fn event(row: &EventRow) -> EventRecord<'_> {
    EventRecord {
        schema: SCHEMA,
        kind: "event",
        id: row.id,
        endpoint: row.endpoint.as_str(),
        received_at: row.received_at.to_string(),
        stored_at: row.stored_at.to_string(),
        method: &row.method,
        target: &row.target,
        content_type: row.content_type.as_deref(),
        body_bytes: row.body_bytes,
        provider: row.provider.as_deref(),
        event_type: row.event_type.as_deref(),
        provider_event_id: row.provider_event_id.as_deref(),
        object_id: row.object_id.as_deref(),
        missed: row.missed,
        late: row.late,
        imported: row.imported,
        state: row.state,
        repeat: row.repeat.as_ref().map(|repeat| RepeatRecord {
            number: repeat.number,
            first: repeat.first,
            first_received_at: repeat.first_received_at.to_string(),
            same_id: repeat.same_id,
            same_body: repeat.same_body,
            dropped: repeat.dropped,
        }),
        given_up: row
            .given_up
            .as_ref()
            .map(|given_up| GivenUpRecord { at: given_up.at.to_string(), reason: &given_up.reason }),
        dropped: row.dropped.as_ref().map(|dropped| DroppedRecord {
            at: dropped.at.to_string(),
            by: &dropped.by,
            why: dropped.why.as_deref(),
        }),
        tags: &row.tags,
        comment: row.comment.as_deref(),
        verdict: row.verdict.as_ref(),
        attempts: None,
        request: None,
        masked: None,
    }
}

/// What is printed of an event in the history: with its attempts.
pub fn stored_event(row: &EventRow) -> EventRecord<'_> {
    let attempts = row.attempts.iter().map(|of_row| attempt(row.id, of_row)).collect();
    EventRecord { attempts: Some(attempts), ..event(row) }
}

/// What is printed of one whole event.
pub fn whole_event(row: &EventRow, request: RequestRecord) -> EventRecord<'_> {
    EventRecord { request: Some(request), ..stored_event(row) }
}

/// What is written of an event that leaves the history: it says whether something in it was masked.
pub fn exported_event(event: EventRecord<'_>, masked: bool) -> EventRecord<'_> {
    EventRecord { masked: Some(masked), ..event }
}

/// What is printed of an attempt.
pub fn attempt(event_id: EventId, attempt: &Attempt) -> AttemptRecord<'_> {
    let (result, status, latency_ms, error) = match &attempt.outcome {
        Outcome::Begun => ("begun", None, None, None),
        Outcome::Answered { status, latency_ms, .. } => ("answered", Some(*status), Some(*latency_ms), None),
        Outcome::Failed { kind, message, latency_ms } => {
            ("failed", None, Some(*latency_ms), Some(AttemptError { kind: *kind, message }))
        }
        Outcome::Rejected => ("rejected", None, None, None),
    };
    AttemptRecord {
        schema: SCHEMA,
        kind: "attempt",
        event_id,
        number: attempt.number,
        target: &attempt.target,
        cause: attempt.cause,
        started_at: attempt.started_at.to_string(),
        result,
        status,
        latency_ms,
        error,
        changed: attempt.changed.as_ref().map(|changed| ChangedRecord {
            what: &changed.what,
            body_bytes: changed.body_bytes,
            body_sha256: hex::encode(changed.body_sha256),
        }),
    }
}

/// What is printed of a replay of many requests.
pub fn replay(tally: &Tally, requests: u64, whole: bool) -> ReplayRecord<'_> {
    ReplayRecord {
        schema: SCHEMA,
        kind: "replay",
        requests,
        done: tally.done,
        whole,
        delivered: tally.delivered(),
        statuses: &tally.statuses,
        failures: &tally.failures,
        not_sent: &tally.not_sent,
        p50_ms: tally.latency_ms(50),
        p99_ms: tally.latency_ms(99),
        longest_ms: tally.latency_ms(100),
    }
}

/// What is printed of what a replay would send.
pub fn preview(preview: &Preview) -> PreviewRecord<'_> {
    PreviewRecord { schema: SCHEMA, kind: "preview", preview }
}

/// What is printed of the connection.
pub fn connection(state: &ConnectionState, now: UnixMillis) -> ConnectionRecord<'_> {
    let blank = ConnectionRecord {
        schema: SCHEMA,
        kind: "connection",
        at: now.to_string(),
        state: "",
        attempt: None,
        reason: None,
        retry_in_ms: None,
        round_trip_ms: None,
        backlog_events: None,
    };
    match state {
        ConnectionState::Connecting { attempt } => {
            ConnectionRecord { state: "connecting", attempt: Some(*attempt), ..blank }
        }
        ConnectionState::Connected { round_trip, backlog_events, .. } => ConnectionRecord {
            state: "connected",
            round_trip_ms: round_trip.map(|time| (time.as_secs_f64() * 1_000_000.0).round() / 1000.0),
            backlog_events: Some(*backlog_events),
            ..blank
        },
        ConnectionState::Waiting { reason, retry_in } => ConnectionRecord {
            state: "waiting",
            reason: Some(reason),
            retry_in_ms: Some(u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX)),
            ..blank
        },
        ConnectionState::Refused { reason } => {
            ConnectionRecord { state: "refused", reason: Some(reason), ..blank }
        }
    }
}

/// `kind: history`
#[derive(Serialize)]
pub struct HistoryRecord<'a> {
    schema: u32,
    kind: &'static str,
    events: u64,
    pending: u64,
    held: u64,
    given_up: u64,
    bytes: u64,
    periods: &'a [PeriodInfo],
}

/// What is printed of the history as a whole.
pub fn history<'a>(status: &Status, periods: &'a [PeriodInfo]) -> HistoryRecord<'a> {
    let Status { events, pending, held, given_up, .. } = *status;
    let bytes = periods.iter().map(|period| period.bytes).sum();
    HistoryRecord { schema: SCHEMA, kind: "history", events, pending, held, given_up, bytes, periods }
}

/// What is printed for a person to know.
pub fn notice(text: &str) -> NoticeRecord<'_> {
    NoticeRecord { schema: SCHEMA, kind: "notice", text }
}

/// A record as a line of JSON, ended by a line feed.
pub fn line(record: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, VisibleFormatter);
    record.serialize(&mut serializer).expect("a record has text for keys and a vector takes every byte");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// Compact JSON with `\u` escapes also for what JSON itself allows and a terminal acts on or hides: DEL, C1 controls,
/// bidi and zero-width characters. It reads back as the same text.
struct VisibleFormatter;

impl Formatter for VisibleFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain_from = 0;
        for (position, letter) in fragment.char_indices() {
            if is_printable(letter) {
                continue;
            }
            writer.write_all(&fragment.as_bytes()[plain_from..position])?;
            for unit in letter.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain_from = position + letter.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain_from..])
    }
}

fn is_printable(letter: char) -> bool {
    if letter.is_ascii() {
        return !letter.is_ascii_control();
    }
    let mut buffer = [0; 4];
    let text: &str = letter.encode_utf8(&mut buffer);
    visible(text).to_string() == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_nothing_a_terminal_acts_on_and_reads_back_the_same() {
        let text = "ü✓ a\u{1b}[31m\u{7f}\u{9b}\u{202e}\u{200b}\u{2028}\n\"\\ \u{10ffff}";
        let written = line(&notice(text));
        for letter in written.trim_end_matches('\n').chars() {
            assert!(is_printable(letter), "{letter:?} in {written}");
        }
        assert!(written.contains("ü✓ a\\u001b[31m\\u007f\\u009b\\u202e\\u200b"), "{written}");
        let read: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read["text"], text);
    }

    #[test]
    fn bytes_are_text_or_base64() {
        assert_eq!(Text::new(b"caf\xc3\xa9"), Text::Utf8("café".to_owned()));
        assert_eq!(Text::new(b"\xff\x00"), Text::Base64 { base64: "/wA=".to_owned() });
    }
}

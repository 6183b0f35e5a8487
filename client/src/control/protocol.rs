//! The lines of the control socket.

use std::io;

use inhaul_core::event::EventId;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use super::Running;
use crate::{
    annotation::Annotation,
    history::{Found, PeriodInfo, Prune, Relation},
    pipeline::Signing,
    row::{Attempt, EventRow, EventState},
};

/// Longest line of a request; the longest thing in one is a URL.
pub(super) const REQUEST_MAX_BYTES: u64 = 64 * 1024;
/// Largest record of an event on its way over the socket, far above what any relay takes in.
pub(super) const RECORD_MAX_BYTES: u64 = 1 << 30;
/// Longest line of an answer: as many rows as may be asked for, with room for many attempts in each.
pub(super) const ANSWER_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What can be asked.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(super) enum Request {
    Rows {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<EventState>,
        before: Option<EventId>,
        limit: usize,
    },
    Find {
        prefix: String,
    },
    Event {
        id: EventId,
    },
    Decide {
        id: EventId,
        forward: bool,
    },
    Annotate {
        id: EventId,
        annotation: Annotation,
    },
    Related {
        id: EventId,
        relation: Relation,
        limit: usize,
    },
    Replay {
        id: EventId,
        to: Option<String>,
        signing: Signing,
    },
    /// The event's record follows the line.
    Import {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider_event_id: Option<String>,
        /// How many bytes follow the line.
        record_bytes: u64,
    },
    Status,
    Periods,
    Prune(Prune),
}

/// What is answered.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Answer {
    Rows {
        rows: Vec<EventRow>,
    },
    Found {
        found: Found,
    },
    Event {
        row: Option<Box<EventRow>>,
        /// How many bytes of the event's record follow the line.
        record_bytes: u64,
    },
    Row {
        row: Box<EventRow>,
    },
    Imported {
        row: Box<EventRow>,
        /// It was not in the history before.
        is_new: bool,
    },
    Attempt {
        attempt: Attempt,
    },
    Status {
        running: Running,
    },
    Periods {
        periods: Vec<PeriodInfo>,
    },
    Error {
        message: String,
    },
}

impl Answer {
    pub(super) fn error(message: &str) -> Self {
        Self::Error { message: message.to_owned() }
    }

    pub(super) fn to_line(&self) -> Vec<u8> {
        to_line(self)
    }
}

/// The JSON of a request or an answer, and the end of the line.
pub(super) fn to_line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("plain data has a JSON form");
    line.push(b'\n');
    line
}

/// Reads a line without its end; nothing when the other side is done.
///
/// # Errors
/// When the line is longer than `max_bytes` or breaks off.
pub(super) async fn read_line(
    reading: &mut (impl AsyncBufRead + Unpin),
    max_bytes: u64,
) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reading.take(max_bytes + 1).read_until(b'\n', &mut line).await?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 >= max_bytes => {
            let message = format!("a line is longer than {max_bytes} bytes");
            Err(io::Error::new(io::ErrorKind::InvalidData, message))
        }
        Some(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a line breaks off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_documentation_says() {
        let id: EventId = "01935b1e-7c00-7000-8000-000000000001".parse().unwrap();
        for (request, line) in [
            (
                Request::Rows { state: None, before: None, limit: 20 },
                r#"{"request":"rows","before":null,"limit":20}"#,
            ),
            (
                Request::Rows { state: Some(EventState::GivenUp), before: None, limit: 20 },
                r#"{"request":"rows","state":"given_up","before":null,"limit":20}"#,
            ),
            (
                Request::Decide { id, forward: true },
                r#"{"request":"decide","id":"01935b1e-7c00-7000-8000-000000000001","forward":true}"#,
            ),
            (Request::Find { prefix: "01935b1e".into() }, r#"{"request":"find","prefix":"01935b1e"}"#),
            (Request::Event { id }, r#"{"request":"event","id":"01935b1e-7c00-7000-8000-000000000001"}"#),
            (
                Request::Replay { id, to: Some("http://localhost:3000/".into()), signing: Signing::Anew },
                r#"{"request":"replay","id":"01935b1e-7c00-7000-8000-000000000001","to":"http://localhost:3000/","signing":"anew"}"#,
            ),
            (
                Request::Import {
                    provider: Some("stripe".into()),
                    event_type: None,
                    provider_event_id: None,
                    record_bytes: 9,
                },
                r#"{"request":"import","provider":"stripe","record_bytes":9}"#,
            ),
            (Request::Status, r#"{"request":"status"}"#),
            (Request::Periods, r#"{"request":"periods"}"#),
            (
                Request::Prune(Prune { before: None, keep_bytes: Some(9), dry_run: true }),
                r#"{"request":"prune","before":null,"keep_bytes":9,"dry_run":true}"#,
            ),
        ] {
            assert_eq!(String::from_utf8(to_line(&request)).unwrap(), format!("{line}\n"));
            assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
            let documentation = include_str!("../../../docs/history.md");
            let name = line.split('"').nth(3).unwrap();
            assert!(documentation.contains(&format!(r#""request":"{name}""#)), "{name}");
        }
    }

    #[tokio::test]
    async fn lines_are_bounded() {
        async fn read(mut bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
            read_line(&mut bytes, 4).await
        }
        assert_eq!(read(b"").await.unwrap(), None);
        assert_eq!(read(b"\n").await.unwrap(), Some(vec![]));
        assert_eq!(read(b"1234\n5").await.unwrap(), Some(b"1234".to_vec()));
        assert_eq!(read(b"123").await.unwrap_err().to_string(), "a line breaks off");
        assert_eq!(read(b"12345\n").await.unwrap_err().to_string(), "a line is longer than 4 bytes");
    }
}

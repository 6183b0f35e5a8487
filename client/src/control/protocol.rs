//! The lines of the control socket.

use std::io;

use bytes::Bytes;
use inhaul_core::event::{EventId, UnixMillis};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use super::Running;
use crate::{
    annotation::Annotation,
    draft::{Changes, Draft, EditId},
    forward::Target,
    history::{Deletions, Found, PeriodInfo, Prune, Relation},
    hold::{HoldChange, HoldState},
    pipeline::Signing,
    replay::{Pace, Plan, Preview},
    row::{Attempt, EventRow, EventState},
};

/// Longest line of a request; the longest thing in one are the ids of as many events as may be replayed together.
pub(super) const REQUEST_MAX_BYTES: u64 = 1024 * 1024;
/// Longest body that follows a request.
pub(super) const BODY_MAX_BYTES: u64 = 128 * 1024 * 1024;
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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
        #[serde(default, skip_serializing_if = "is_none")]
        changes: Changes,
        /// How many bytes of an edited body follow the line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body_bytes: Option<u64>,
    },
    /// Events that are sent again; or only what would be sent.
    Plan {
        ids: Vec<EventId>,
        to: Option<String>,
        #[serde(default, skip_serializing_if = "is_none")]
        changes: Changes,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body_bytes: Option<u64>,
        pace: Pace,
        dry_run: bool,
    },
    Hold {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change: Option<HoldChange>,
    },
    Draft {
        id: EventId,
        edit: EditId,
    },
    Annotate {
        id: EventId,
        annotation: Annotation,
    },
    Delete {
        ids: Vec<EventId>,
    },
    /// An event's signature is checked anew, with the secrets read anew.
    Verify {
        id: EventId,
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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        object_id: Option<String>,
        /// How many bytes follow the line.
        record_bytes: u64,
    },
    /// A sample event is signed with the client's own secrets; its body follows the line.
    Sign {
        #[serde(flatten)]
        sample: ToSign,
        body_bytes: u64,
    },
    Status,
    Periods,
    Prune(Prune),
}

/// What is to be signed, besides the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToSign {
    /// Who signs.
    pub provider: String,
    /// Where it goes, behind the endpoint: the secrets are those of the route that takes it.
    pub path: String,
    /// The whole URL it is sent to.
    pub url: String,
    /// The event's id, for providers that sign it or send it in a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its type, for providers that send it in a header.
    pub event_type: String,
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
    Deleted(Deletions),
    Imported {
        row: Box<EventRow>,
        /// It was not in the history before.
        is_new: bool,
    },
    Attempt {
        attempt: Attempt,
    },
    Preview {
        preview: Preview,
    },
    /// One request of a plan is done.
    Sent {
        id: EventId,
        attempt: Option<Attempt>,
        error: Option<String>,
    },
    /// All requests of a plan are.
    Done,
    Hold {
        hold: HoldState,
        /// How many events are held.
        held: u64,
    },
    Draft {
        edit: Option<DraftLine>,
    },
    /// The header lines that sign an event.
    Signed {
        headers: Vec<(String, String)>,
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

/// A draft on record; its body follows the line.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DraftLine {
    pub(super) at: UnixMillis,
    pub(super) forward: bool,
    pub(super) changes: Changes,
    pub(super) body_bytes: Option<u64>,
}

fn is_none(changes: &Changes) -> bool {
    *changes == Changes::default()
}

/// The plan that a request describes.
pub(super) fn plan_of(ids: Vec<EventId>, to: Option<&str>, draft: Draft, pace: Pace) -> Result<Plan, String> {
    let to = to.map(|to| to.parse::<Target>().map_err(|error| error.to_string())).transpose()?;
    let plan = Plan { ids, to, draft, pace };
    plan.check().map_err(|error| error.to_string())?;
    Ok(plan)
}

impl Request {
    fn body_bytes(&self) -> Option<u64> {
        match self {
            Self::Decide { body_bytes, .. } | Self::Plan { body_bytes, .. } => *body_bytes,
            Self::Import { record_bytes, .. } => Some(*record_bytes),
            Self::Sign { body_bytes, .. } => Some(*body_bytes),
            Self::Rows { .. }
            | Self::Find { .. }
            | Self::Event { .. }
            | Self::Replay { .. }
            | Self::Hold { .. }
            | Self::Draft { .. }
            | Self::Annotate { .. }
            | Self::Delete { .. }
            | Self::Verify { .. }
            | Self::Related { .. }
            | Self::Status
            | Self::Periods
            | Self::Prune(_) => None,
        }
    }

    /// The body that follows the line, if one is announced.
    ///
    /// # Errors
    /// When it is too long or breaks off.
    pub(super) async fn read_body(
        &self,
        reading: &mut (impl AsyncBufRead + Unpin),
    ) -> io::Result<Option<Bytes>> {
        let Some(announced) = self.body_bytes() else { return Ok(None) };
        let (most, what) = if matches!(self, Self::Import { .. }) {
            (RECORD_MAX_BYTES, "the event is too large")
        } else {
            (BODY_MAX_BYTES, "the body is too long")
        };
        if announced > most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let mut body = Vec::new();
        reading.take(announced).read_to_end(&mut body).await?;
        if (body.len() as u64) < announced {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(body.into()))
    }

    /// What is to be sent, if that is asked for.
    pub(super) fn plan(&self, body: Option<Bytes>) -> Option<Result<Plan, String>> {
        if let Self::Plan { ids, to, changes, pace, dry_run: false, .. } = self {
            let draft = Draft { body, changes: changes.clone() };
            Some(plan_of(ids.clone(), to.as_deref(), draft, *pace))
        } else {
            None
        }
    }
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
    use crate::draft::Sign;

    fn id() -> EventId {
        "01935b1e-7c00-7000-8000-000000000001".parse().unwrap()
    }

    fn are_documented(requests: impl IntoIterator<Item = (Request, &'static str)>) {
        for (request, line) in requests {
            assert_eq!(String::from_utf8(to_line(&request)).unwrap(), format!("{line}\n"));
            assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
            let documentation = include_str!("../../../docs/history.md");
            let name = line.split('"').nth(3).unwrap();
            assert!(documentation.contains(&format!(r#""request":"{name}""#)), "{name}");
        }
    }

    #[test]
    fn requests_are_what_the_documentation_says() {
        let id = id();
        are_documented([
            (
                Request::Rows { state: None, before: None, limit: 20 },
                r#"{"request":"rows","before":null,"limit":20}"#,
            ),
            (
                Request::Rows { state: Some(EventState::GivenUp), before: None, limit: 20 },
                r#"{"request":"rows","state":"given_up","before":null,"limit":20}"#,
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
                    object_id: Some("o-1".into()),
                    record_bytes: 9,
                },
                r#"{"request":"import","provider":"stripe","object_id":"o-1","record_bytes":9}"#,
            ),
            (
                Request::Delete { ids: vec![id] },
                r#"{"request":"delete","ids":["01935b1e-7c00-7000-8000-000000000001"]}"#,
            ),
            (Request::Verify { id }, r#"{"request":"verify","id":"01935b1e-7c00-7000-8000-000000000001"}"#),
            (
                Request::Sign {
                    sample: ToSign {
                        provider: "stripe".into(),
                        path: "/".into(),
                        url: "https://relay.example/in/orders-1".into(),
                        id: None,
                        event_type: "charge.refunded".into(),
                    },
                    body_bytes: 9,
                },
                r#"{"request":"sign","provider":"stripe","path":"/","url":"https://relay.example/in/orders-1","event_type":"charge.refunded","body_bytes":9}"#,
            ),
            (Request::Status, r#"{"request":"status"}"#),
            (Request::Periods, r#"{"request":"periods"}"#),
            (
                Request::Prune(Prune { before: None, keep_bytes: Some(9), dry_run: true }),
                r#"{"request":"prune","before":null,"keep_bytes":9,"dry_run":true}"#,
            ),
        ]);
    }

    #[test]
    fn what_a_person_wishes_is_asked_as_the_documentation_says() {
        let id = id();
        are_documented([
            (
                Request::Decide {
                    id,
                    forward: true,
                    by: None,
                    why: None,
                    changes: Changes::default(),
                    body_bytes: None,
                },
                r#"{"request":"decide","id":"01935b1e-7c00-7000-8000-000000000001","forward":true}"#,
            ),
            (
                Request::Decide {
                    id,
                    forward: true,
                    by: None,
                    why: None,
                    changes: Changes { sign: Sign::Fresh, ..Changes::default() },
                    body_bytes: Some(12),
                },
                r#"{"request":"decide","id":"01935b1e-7c00-7000-8000-000000000001","forward":true,"changes":{"sign":"fresh"},"body_bytes":12}"#,
            ),
            (
                Request::Plan {
                    ids: vec![id],
                    to: None,
                    changes: Changes::default(),
                    body_bytes: None,
                    pace: Pace { times: 5, ..Pace::default() },
                    dry_run: false,
                },
                r#"{"request":"plan","ids":["01935b1e-7c00-7000-8000-000000000001"],"to":null,"pace":{"times":5,"delay_ms":0,"jitter_percent":0,"concurrency":1,"shuffle":false},"dry_run":false}"#,
            ),
            (
                Request::Hold { change: Some(HoldChange::Filter("type:charge.*".into())) },
                r#"{"request":"hold","change":{"filter":"type:charge.*"}}"#,
            ),
            (
                Request::Hold { change: Some(HoldChange::Turn(false)) },
                r#"{"request":"hold","change":{"turn":false}}"#,
            ),
            (Request::Hold { change: None }, r#"{"request":"hold"}"#),
            (
                Request::Draft { id, edit: EditId([7; 32]) },
                r#"{"request":"draft","id":"01935b1e-7c00-7000-8000-000000000001","edit":"0707070707070707070707070707070707070707070707070707070707070707"}"#,
            ),
        ]);
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

//! The asking side of the control socket.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use inhaul_core::event::{Event, EventId, RecordError};
use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::timeout,
};

use super::{
    Running,
    protocol::{ANSWER_MAX_BYTES, Answer, RECORD_MAX_BYTES, Request, ToSign, read_line, to_line},
};
use crate::{
    annotation::Annotation,
    draft::{Draft, Edit, EditId},
    history::{Deletions, Facts, Found, PeriodInfo, Prune, Relation, Ruling, Stored},
    hold::{HoldChange, HoldState},
    pipeline::Signing,
    replay::{Plan, Preview, Sent},
    row::{Attempt, EventRow, EventState},
};

/// How long the running process may take for what it has on disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How many events one request deletes.
const DELETED_AT_ONCE: usize = 1000;

/// A running `inhaul`, asked over its socket.
#[derive(Clone, Debug)]
pub struct Remote {
    socket: PathBuf,
}

/// Why the running process gave no answer, or not the one that was asked for.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// Nobody answers on the socket, or not in time.
    #[error("the running `inhaul` does not answer on {}: {error}", socket.display())]
    Silent {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It answered that it cannot do it.
    #[error("{0}")]
    Refused(String),
    /// What it said is no answer to what was asked.
    #[error("the running `inhaul` answers in a way this release does not know")]
    OtherRelease,
    /// The event it sent cannot be read.
    #[error("the event it sent: {0}")]
    Event(#[from] RecordError),
}

impl Remote {
    /// The process behind a socket, if one takes connections there.
    ///
    /// # Errors
    /// When none does.
    pub async fn connect(socket: &Path) -> Result<Self, RemoteError> {
        let remote = Self { socket: socket.to_owned() };
        let connected = timeout(ANSWER_TIMEOUT, UnixStream::connect(socket)).await;
        connected
            .map_err(io::Error::from)
            .and_then(|connected| connected)
            .map_err(|error| remote.silent(error))?;
        Ok(remote)
    }

    /// As [`History::rows`](crate::history::History::rows), of events in a state if one is named, in as many requests as it takes.
    ///
    /// # Errors
    /// When it does not answer or cannot do it.
    pub async fn rows(
        &self,
        state: Option<EventState>,
        mut before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<EventRow>, RemoteError> {
        let mut rows: Vec<EventRow> = Vec::new();
        while rows.len() < limit {
            let page = match self.ask(&Request::Rows { state, before, limit: limit - rows.len() }).await? {
                (Answer::Rows { rows }, _) => rows,
                other => return Err(unexpected(other.0)),
            };
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            rows.extend(page);
        }
        Ok(rows)
    }

    /// As [`History::find`](crate::history::History::find).
    ///
    /// # Errors
    /// When it does not answer or cannot do it.
    pub async fn find(&self, prefix: &str) -> Result<Found, RemoteError> {
        match self.ask(&Request::Find { prefix: prefix.to_owned() }).await? {
            (Answer::Found { found }, _) => Ok(found),
            other => Err(unexpected(other.0)),
        }
    }

    /// As [`History::event`](crate::history::History::event).
    ///
    /// # Errors
    /// When it does not answer or cannot do it.
    pub async fn event(&self, id: EventId) -> Result<Option<(Event, EventRow)>, RemoteError> {
        match self.ask(&Request::Event { id }).await? {
            (Answer::Event { row: None, .. }, _) => Ok(None),
            (Answer::Event { row: Some(row), .. }, record) => Ok(Some((Event::from_record(record)?, *row))),
            other => Err(unexpected(other.0)),
        }
    }

    /// Has a held event forwarded, or dropped.
    ///
    /// # Errors
    /// When it does not answer, or the event is not held.
    pub async fn decide(&self, id: EventId, ruling: Ruling) -> Result<EventRow, RemoteError> {
        let (forward, Draft { body, changes }, by, why) = match ruling {
            Ruling::Forward(draft) => (true, draft, None, None),
            Ruling::Drop { by, why } => (false, Draft::default(), Some(by), why),
        };
        let body_bytes = body.as_ref().map(|body| body.len() as u64);
        let request = Request::Decide { id, forward, by, why, changes, body_bytes };
        match self.ask_with(&request, &body.into_iter().collect::<Vec<_>>()).await? {
            (Answer::Row { row }, _) => Ok(*row),
            other => Err(unexpected(other.0)),
        }
    }

    /// What is held now, once it is changed, and how many events are.
    ///
    /// # Errors
    /// When it does not answer, or a text is no filter.
    pub async fn hold(&self, change: Option<HoldChange>) -> Result<(HoldState, u64), RemoteError> {
        match self.ask(&Request::Hold { change }).await? {
            (Answer::Hold { hold, held }, _) => Ok((hold, held)),
            other => Err(unexpected(other.0)),
        }
    }

    /// Notes something on an event.
    ///
    /// # Errors
    /// When it does not answer, or cannot do it.
    pub async fn annotate(&self, id: EventId, annotation: Annotation) -> Result<EventRow, RemoteError> {
        match self.ask(&Request::Annotate { id, annotation }).await? {
            (Answer::Row { row }, _) => Ok(*row),
            other => Err(unexpected(other.0)),
        }
    }

    /// Has an event's signature checked anew, with the secrets it has read anew.
    ///
    /// # Errors
    /// When it does not answer, or cannot do it.
    pub async fn verify(&self, id: EventId) -> Result<EventRow, RemoteError> {
        match self.ask(&Request::Verify { id }).await? {
            (Answer::Row { row }, _) => Ok(*row),
            other => Err(unexpected(other.0)),
        }
    }

    /// As [`History::delete_all`](crate::history::History::delete_all).
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn delete_all(&self, ids: &[EventId]) -> Result<Deletions, RemoteError> {
        let mut all = Deletions::default();
        for ids in ids.chunks(DELETED_AT_ONCE) {
            match self.ask(&Request::Delete { ids: ids.to_vec() }).await? {
                (Answer::Deleted(Deletions { deleted, kept }), _) => {
                    all.deleted.extend(deleted);
                    all.kept.extend(kept);
                }
                other => return Err(unexpected(other.0)),
            }
        }
        Ok(all)
    }

    /// As [`History::draft`](crate::history::History::draft).
    ///
    /// # Errors
    /// When it does not answer or cannot do it.
    pub async fn draft(&self, id: EventId, edit: EditId) -> Result<Option<Edit>, RemoteError> {
        match self.ask(&Request::Draft { id, edit }).await? {
            (Answer::Draft { edit }, body) => Ok(edit.map(|line| {
                let body = line.body_bytes.map(|_| body);
                Edit { at: line.at, forward: line.forward, draft: Draft { body, changes: line.changes } }
            })),
            other => Err(unexpected(other.0)),
        }
    }

    /// As [`History::related`](crate::history::History::related).
    ///
    /// # Errors
    /// When it does not answer, or cannot do it.
    pub async fn related(
        &self,
        id: EventId,
        relation: Relation,
        limit: usize,
    ) -> Result<Vec<EventRow>, RemoteError> {
        match self.ask(&Request::Related { id, relation, limit }).await? {
            (Answer::Rows { rows }, _) => Ok(rows),
            other => Err(unexpected(other.0)),
        }
    }

    /// What a plan would send.
    ///
    /// # Errors
    /// When it does not answer, or the plan cannot be carried out.
    pub async fn preview(&self, plan: &Plan) -> Result<Preview, RemoteError> {
        let body: Vec<Bytes> = plan.draft.body.iter().cloned().collect();
        match self.ask_with(&plan_request(plan, true), &body).await? {
            (Answer::Preview { preview }, _) => Ok(preview),
            other => Err(unexpected(other.0)),
        }
    }

    /// Has a plan carried out, and hands on what comes of each request. When this is dropped, no more is sent.
    ///
    /// # Errors
    /// When it does not answer, or the plan cannot be carried out.
    pub async fn carry_out(&self, plan: &Plan, mut each: impl FnMut(Sent)) -> Result<(), RemoteError> {
        let silent = |error| self.silent(error);
        let mut stream = UnixStream::connect(&self.socket).await.map_err(silent)?;
        stream.write_all(&to_line(&plan_request(plan, false))).await.map_err(silent)?;
        stream.write_all(&plan.draft.body.clone().unwrap_or_default()).await.map_err(silent)?;
        let mut reading = BufReader::new(stream);
        loop {
            // It takes as long as the targets take, and as the plan says.
            let line = read_line(&mut reading, ANSWER_MAX_BYTES).await.map_err(silent)?;
            let line = line.ok_or_else(|| self.silent(io::ErrorKind::UnexpectedEof.into()))?;
            match serde_json::from_slice(&line).map_err(|_| RemoteError::OtherRelease)? {
                Answer::Sent { id, attempt, error } => {
                    let result = attempt.ok_or_else(|| error.unwrap_or_else(|| "for no reason".to_owned()));
                    each(Sent { id, result });
                }
                Answer::Done => return Ok(()),
                other @ (Answer::Error { .. }
                | Answer::Rows { .. }
                | Answer::Found { .. }
                | Answer::Row { .. }
                | Answer::Event { .. }
                | Answer::Deleted(_)
                | Answer::Imported { .. }
                | Answer::Attempt { .. }
                | Answer::Preview { .. }
                | Answer::Hold { .. }
                | Answer::Draft { .. }
                | Answer::Signed { .. }
                | Answer::Status { .. }
                | Answer::Periods { .. }) => return Err(unexpected(other)),
            }
        }
    }

    /// Has an event sent again, and waits for what comes of it.
    ///
    /// # Errors
    /// When it does not answer, or no attempt was made.
    pub async fn replay(
        &self,
        id: EventId,
        to: Option<&str>,
        signing: Signing,
    ) -> Result<Attempt, RemoteError> {
        match self.ask(&Request::Replay { id, to: to.map(str::to_owned), signing }).await? {
            (Answer::Attempt { attempt }, _) => Ok(attempt),
            other => Err(unexpected(other.0)),
        }
    }

    /// The header lines that sign a sample event with the secrets of the running client.
    ///
    /// # Errors
    /// When it does not answer, or cannot sign it.
    pub async fn sign(&self, sample: ToSign, body: Bytes) -> Result<Vec<(String, String)>, RemoteError> {
        let request = Request::Sign { sample, body_bytes: body.len() as u64 };
        match self.ask_with(&request, &[body]).await? {
            (Answer::Signed { headers }, _) => Ok(headers),
            other => Err(unexpected(other.0)),
        }
    }

    /// Has an event from a file stored; see [`History::store`](crate::history::History::store).
    ///
    /// # Errors
    /// When it does not answer, or the event could not be stored.
    pub async fn import(&self, event: &Event, facts: &Facts) -> Result<Stored, RemoteError> {
        let parts = [event.record_prefix(), event.body.clone()];
        let request = Request::Import {
            provider: facts.provider.clone(),
            event_type: facts.event_type.clone(),
            provider_event_id: facts.provider_event_id.clone(),
            object_id: facts.object_id.clone(),
            record_bytes: parts.iter().map(|part| part.len() as u64).sum(),
        };
        match self.ask_with(&request, &parts).await? {
            (Answer::Imported { row, is_new: true }, _) => Ok(Stored::New(*row)),
            (Answer::Imported { row, is_new: false }, _) => Ok(Stored::Duplicate(*row)),
            other => Err(unexpected(other.0)),
        }
    }

    /// Who it is, and its history in numbers.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self) -> Result<Running, RemoteError> {
        match self.ask(&Request::Status).await? {
            (Answer::Status { running }, _) => Ok(running),
            other => Err(unexpected(other.0)),
        }
    }

    /// As [`History::periods`](crate::history::History::periods).
    ///
    /// # Errors
    /// When it does not answer or cannot do it.
    pub async fn periods(&self) -> Result<Vec<PeriodInfo>, RemoteError> {
        match self.ask(&Request::Periods).await? {
            (Answer::Periods { periods }, _) => Ok(periods),
            other => Err(unexpected(other.0)),
        }
    }

    /// As [`History::prune`](crate::history::History::prune).
    ///
    /// # Errors
    /// When it does not answer or cannot do it.
    pub async fn prune(&self, prune: Prune) -> Result<Vec<PeriodInfo>, RemoteError> {
        match self.ask(&Request::Prune(prune)).await? {
            (Answer::Periods { periods }, _) => Ok(periods),
            other => Err(unexpected(other.0)),
        }
    }

    async fn ask(&self, request: &Request) -> Result<(Answer, Bytes), RemoteError> {
        self.ask_with(request, &[]).await
    }

    async fn ask_with(&self, request: &Request, parts: &[Bytes]) -> Result<(Answer, Bytes), RemoteError> {
        let exchange = self.exchange(request, parts);
        let exchanged = match request {
            // It takes as long as the target takes, or as there are periods to remove, and the running process sees to the end of that.
            Request::Replay { .. } | Request::Prune(_) => exchange.await,
            Request::Rows { .. }
            | Request::Find { .. }
            | Request::Event { .. }
            | Request::Decide { .. }
            | Request::Plan { .. }
            | Request::Hold { .. }
            | Request::Draft { .. }
            | Request::Annotate { .. }
            | Request::Delete { .. }
            | Request::Verify { .. }
            | Request::Related { .. }
            | Request::Import { .. }
            | Request::Sign { .. }
            | Request::Periods
            | Request::Status => {
                timeout(ANSWER_TIMEOUT, exchange).await.unwrap_or_else(|late| Err(late.into()))
            }
        };
        let (line, record) = exchanged.map_err(|error| self.silent(error))?;
        let answer = serde_json::from_slice(&line).map_err(|_| RemoteError::OtherRelease)?;
        Ok((answer, record))
    }

    /// The line of the answer, and the bytes behind it.
    async fn exchange(&self, request: &Request, parts: &[Bytes]) -> io::Result<(Vec<u8>, Bytes)> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(&to_line(request)).await?;
        for part in parts {
            stream.write_all(part).await?;
        }
        let mut reading = BufReader::new(stream);
        let line = read_line(&mut reading, ANSWER_MAX_BYTES).await?;
        let line = line.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let announced = match serde_json::from_slice(&line) {
            Ok(Answer::Event { record_bytes, .. }) => record_bytes,
            Ok(Answer::Draft { edit: Some(edit) }) => edit.body_bytes.unwrap_or(0),
            Ok(_) | Err(_) => 0,
        };
        if announced > RECORD_MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the event is too large"));
        }
        let mut record = Vec::new();
        reading.take(announced).read_to_end(&mut record).await?;
        if (record.len() as u64) < announced {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((line, record.into()))
    }

    fn silent(&self, error: io::Error) -> RemoteError {
        RemoteError::Silent { socket: self.socket.clone(), error }
    }
}

fn plan_request(plan: &Plan, dry_run: bool) -> Request {
    Request::Plan {
        ids: plan.ids.clone(),
        to: plan.to.as_ref().map(ToString::to_string),
        changes: plan.draft.changes.clone(),
        body_bytes: plan.draft.body.as_ref().map(|body| body.len() as u64),
        pace: plan.pace,
        dry_run,
    }
}

fn unexpected(answer: Answer) -> RemoteError {
    match answer {
        Answer::Error { message } => RemoteError::Refused(message),
        Answer::Rows { .. }
        | Answer::Found { .. }
        | Answer::Event { .. }
        | Answer::Row { .. }
        | Answer::Deleted(_)
        | Answer::Imported { .. }
        | Answer::Periods { .. }
        | Answer::Attempt { .. }
        | Answer::Preview { .. }
        | Answer::Sent { .. }
        | Answer::Done
        | Answer::Hold { .. }
        | Answer::Draft { .. }
        | Answer::Signed { .. }
        | Answer::Status { .. } => RemoteError::OtherRelease,
    }
}

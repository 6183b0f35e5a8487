//! One connection of another command: its requests, and what is answered.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use inhaul_core::event::{Event, EventId};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    IDLE_TIMEOUT, Orders, ROWS_MAX, Reach, ReplayRequest, Running,
    protocol::{Answer, DraftLine, REQUEST_MAX_BYTES, Request, ToSign, plan_of, read_line},
};
use crate::{
    annotation::Annotation,
    clock,
    draft::{Draft, Edit},
    history::{Facts, History, HistoryError, Prune, Pruned, Ruling, Stored},
    hold::HoldChange,
    live::Live,
    pipeline::Signing,
    replay::{Plan, Sent},
};

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) history: History,
    pub(super) orders: Orders,
    pub(super) reach: Arc<OnceLock<Reach>>,
    /// Where others see what was changed here.
    pub(super) live: mpsc::Sender<Live>,
}

impl Desk {
    pub(super) async fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        let (reading, mut writing) = stream.split();
        let mut reading = BufReader::new(reading);
        loop {
            let line = timeout(IDLE_TIMEOUT, read_line(&mut reading, REQUEST_MAX_BYTES)).await?;
            let (answer, parts) = match line {
                Ok(None) => return Ok(()),
                Ok(Some(line)) => match serde_json::from_slice::<Request>(&line) {
                    Ok(request) => {
                        let body = match timeout(IDLE_TIMEOUT, request.read_body(&mut reading)).await? {
                            Ok(body) => body,
                            // What is too long is not read, so nothing more of this connection can be.
                            Err(error) => return refuse(&mut writing, &error.to_string()).await,
                        };
                        match request.plan(body.clone()) {
                            Some(Ok(plan)) => {
                                self.carry_out(plan, &mut reading, &mut writing).await?;
                                continue;
                            }
                            Some(Err(reason)) => (Answer::error(&reason), Vec::new()),
                            None => self.answer(request, body).await,
                        }
                    }
                    Err(error) => (Answer::error(&format!("not a request: {error}")), Vec::new()),
                },
                Err(error) => return refuse(&mut writing, &error.to_string()).await,
            };
            timeout(IDLE_TIMEOUT, writing.write_all(&answer.to_line())).await??;
            for part in parts {
                for piece in part.chunks(64 * 1024) {
                    timeout(IDLE_TIMEOUT, writing.write_all(piece)).await??;
                }
            }
        }
    }

    /// The answer, and the bytes to be sent behind it.
    async fn answer(&self, request: Request, body: Option<Bytes>) -> (Answer, Vec<Bytes>) {
        let answered = match request {
            Request::Rows { state, before, limit } => {
                let limit = limit.min(ROWS_MAX);
                let rows = match state {
                    None => self.history.rows(before, limit).await,
                    Some(state) => self.history.in_state(state, before, limit).await,
                };
                rows.map(|rows| Answer::Rows { rows })
            }
            Request::Decide { id, forward, by, why, changes, .. } => {
                let ruling = match forward {
                    true => Ruling::Forward(Draft { body, changes }),
                    false => Ruling::Drop { by: by.unwrap_or_default(), why },
                };
                Ok(match self.orders.decide(id, ruling).await {
                    Ok(row) => Answer::Row { row: Box::new(row) },
                    Err(reason) => Answer::error(&reason),
                })
            }
            Request::Hold { change } => self.hold(change).await,
            Request::Draft { id, edit } => match self.history.draft(id, edit).await {
                Ok(edit) => return draft_answer(edit),
                Err(error) => Err(error),
            },
            Request::Plan { ids, to, changes, pace, .. } => {
                let plan = plan_of(ids, to.as_deref(), Draft { body, changes }, pace);
                Ok(self.preview(plan).await.unwrap_or_else(|reason| Answer::error(&reason)))
            }
            Request::Annotate { id, annotation } => self.annotate(id, annotation).await,
            Request::Verify { id } => Ok(self.verify(id).await),
            Request::Delete { ids } => Ok(self.delete(ids).await),
            Request::Related { id, relation, limit } => {
                let related = self.history.related(id, relation, limit.min(ROWS_MAX)).await;
                related.map(|rows| Answer::Rows { rows })
            }
            Request::Find { prefix } => self.history.find(&prefix).await.map(|found| Answer::Found { found }),
            Request::Event { id } => match self.history.event(id).await {
                Ok(Some((event, row))) => {
                    let parts = vec![event.record_prefix(), event.body];
                    let record_bytes = parts.iter().map(|part| part.len() as u64).sum();
                    return (Answer::Event { row: Some(Box::new(row)), record_bytes }, parts);
                }
                Ok(None) => Ok(Answer::Event { row: None, record_bytes: 0 }),
                Err(error) => Err(error),
            },
            Request::Replay { id, to, signing } => Ok(self.replay(id, to, signing).await),
            Request::Periods => self.history.periods().await.map(|periods| Answer::Periods { periods }),
            Request::Prune(prune) => self.prune(prune).await,
            Request::Sign { sample, .. } => Ok(self.sign(&sample, &body.unwrap_or_default())),
            Request::Status => self.status().await.map(|running| Answer::Status { running }),
            Request::Import { provider, event_type, provider_event_id, object_id, .. } => {
                let names = Facts { provider, event_type, provider_event_id, object_id, ..Facts::default() };
                Ok(self.import(body.unwrap_or_default(), Facts { imported: true, ..names }).await)
            }
        };
        (answered.unwrap_or_else(|error| Answer::error(&error.to_string())), Vec::new())
    }

    /// Notes something on an event, and tells whoever watches.
    async fn annotate(&self, id: EventId, annotation: Annotation) -> Result<Answer, HistoryError> {
        let row = Box::new(self.history.annotate(id, annotation).await?);
        // Nobody may watch; it is on record.
        let _ = self.live.send(Live::Changed(row.clone())).await;
        Ok(Answer::Row { row })
    }

    /// Checks an event anew, and tells whoever watches.
    async fn verify(&self, id: EventId) -> Answer {
        let verifier = &self.orders.verifier;
        let verified = match verifier.reread().await {
            Ok(()) => verifier.verify(id).await,
            Err(reason) => Err(reason),
        };
        match verified {
            Ok(row) => {
                let row = Box::new(row);
                // Nobody may watch; it is on record.
                let _ = self.live.send(Live::Changed(row.clone())).await;
                Answer::Row { row }
            }
            Err(reason) => Answer::error(&reason),
        }
    }

    fn sign(&self, sample: &ToSign, body: &[u8]) -> Answer {
        match self.orders.verifier.sign(sample, body, clock::now()) {
            Ok(headers) => Answer::Signed { headers },
            Err(reason) => Answer::error(&reason),
        }
    }

    /// Deletes events, and tells whoever watches.
    async fn delete(&self, ids: Vec<EventId>) -> Answer {
        let deletions = self.history.delete_all(ids).await;
        self.tell_gone(deletions.deleted.clone()).await;
        Answer::Deleted(deletions)
    }

    async fn prune(&self, prune: Prune) -> Result<Answer, HistoryError> {
        let Pruned { periods, events } = self.history.prune(prune).await?;
        self.tell_gone(events).await;
        Ok(Answer::Periods { periods })
    }

    async fn tell_gone(&self, ids: Vec<EventId>) {
        if !ids.is_empty() {
            // Nobody may watch; they are gone all the same.
            let _ = self.live.send(Live::Gone(ids)).await;
        }
    }

    async fn import(&self, record: Bytes, facts: Facts) -> Answer {
        let event = match Event::from_record(record) {
            Ok(event) => event,
            Err(error) => return Answer::error(&error.to_string()),
        };
        match self.history.store(event, facts).await {
            Ok(Stored::New(row)) => {
                // Nobody shows anything any more when it is stopping.
                let _ = self.live.send(Live::Event(Box::new(row.clone()))).await;
                Answer::Imported { row: Box::new(row), is_new: true }
            }
            Ok(Stored::Duplicate(row)) => Answer::Imported { row: Box::new(row), is_new: false },
            Err(error) => Answer::error(&error.to_string()),
        }
    }

    async fn preview(&self, plan: Result<Plan, String>) -> Result<Answer, String> {
        Ok(Answer::Preview { preview: self.orders.preview(plan?).await? })
    }

    async fn hold(&self, change: Option<HoldChange>) -> Result<Answer, HistoryError> {
        if let Some(change) = &change {
            match self.orders.hold.change(change) {
                // Nobody watches any more; it is changed all the same.
                Ok(state) => drop(self.live.send(Live::Hold(state)).await),
                Err(error) => return Ok(Answer::error(&error.to_string())),
            }
        }
        Ok(Answer::Hold { hold: self.orders.hold.state(), held: self.history.status().await?.held })
    }

    /// Passes on what comes of each request of a plan; when the other side goes, no more is sent.
    async fn carry_out(
        &self,
        plan: Plan,
        reading: &mut (impl AsyncBufRead + Unpin),
        writing: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut done = match self.orders.carry_out(plan, CancellationToken::new()).await {
            Ok(done) => done,
            Err(reason) => {
                let answer = Answer::error(&reason).to_line();
                return timeout(IDLE_TIMEOUT, writing.write_all(&answer)).await?;
            }
        };
        let mut other_side_speaks = false;
        loop {
            let answer = tokio::select! {
                sent = done.recv() => match sent {
                    Some(Sent { id, result: Ok(attempt) }) => Answer::Sent { id, attempt: Some(attempt), error: None },
                    Some(Sent { id, result: Err(error) }) => Answer::Sent { id, attempt: None, error: Some(error) },
                    None => return timeout(IDLE_TIMEOUT, writing.write_all(&Answer::Done.to_line())).await?,
                },
                said = reading.fill_buf(), if !other_side_speaks => {
                    if said?.is_empty() {
                        return Ok(());
                    }
                    other_side_speaks = true;
                    continue;
                }
            };
            timeout(IDLE_TIMEOUT, writing.write_all(&answer.to_line())).await??;
        }
    }

    async fn replay(&self, id: EventId, to: Option<String>, signing: Signing) -> Answer {
        let (answer, answered) = oneshot::channel();
        match self.orders.replays.try_send(ReplayRequest { id, to, signing, answer }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Answer::error("too many replays are waiting; try again later");
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Answer::error("it is stopping"),
        }
        match answered.await {
            Ok(Ok(attempt)) => Answer::Attempt { attempt },
            Ok(Err(reason)) => Answer::error(&reason),
            Err(_) => Answer::error("it stopped before the replay ended"),
        }
    }

    async fn status(&self) -> Result<Running, HistoryError> {
        Ok(Running {
            holder: self.history.holder()?,
            history: self.history.status().await?,
            reach: self.reach.get().cloned(),
        })
    }
}

/// The last answer of a connection.
async fn refuse(writing: &mut (impl AsyncWrite + Unpin), reason: &str) -> io::Result<()> {
    timeout(IDLE_TIMEOUT, writing.write_all(&Answer::error(reason).to_line())).await?
}

/// A draft, and behind it its body.
fn draft_answer(edit: Option<Edit>) -> (Answer, Vec<Bytes>) {
    let Some(Edit { at, forward, draft: Draft { body, changes } }) = edit else {
        return (Answer::Draft { edit: None }, Vec::new());
    };
    let body_bytes = body.as_ref().map(|body| body.len() as u64);
    let edit = Some(DraftLine { at, forward, changes, body_bytes });
    (Answer::Draft { edit }, body.into_iter().collect())
}

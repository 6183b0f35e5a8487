//! How other `inhaul` commands ask the running one: a unix domain socket in the data directory, for this user only.
//!
//! One process has the history open. The others send one line of JSON each time and get one line back, and behind that
//! line the bytes it announces. `docs/history.md` has the requests and answers.

mod protocol;
mod remote;

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use inhaul_core::event::{Event, EventId};
use thiserror::Error;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use self::protocol::{Answer, DraftLine, RECORD_MAX_BYTES, REQUEST_MAX_BYTES, Request, plan_of, read_line};
pub use self::remote::{Remote, RemoteError};
use crate::{
    annotation::Annotation,
    data_dir::create_private_dir,
    draft::{Draft, Edit},
    history::{Facts, History, HistoryError, Holder, Ruling, Status, Stored},
    hold::{Hold, HoldChange},
    live::Live,
    pipeline::Signing,
    replay::{Plan, Preview, Sent},
    row::{Attempt, EventRow},
};

/// Most connections served at once; further ones wait until one ends.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may say nothing, or take nothing of an answer, before it is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most rows in one answer; who wants more asks again.
const ROWS_MAX: usize = 200;
/// Replays asked for and not begun.
const REPLAYS: usize = 64;
/// Decisions that are not on record yet.
const DECISIONS: usize = 64;
/// Plans that are not looked at yet, and outcomes of one that are not passed on yet.
const PLANS: usize = 16;

/// Somebody wants an event sent again.
#[derive(Debug)]
pub struct ReplayRequest {
    /// Which event.
    pub id: EventId,
    /// Where to, if not to the targets the client has.
    pub to: Option<String>,
    /// How it is signed.
    pub signing: Signing,
    /// Where the finished attempt goes, or the reason why there is none.
    pub answer: oneshot::Sender<Result<Attempt, String>>,
}

/// Somebody wants to know what a plan would send, or to have it sent.
#[derive(Debug)]
pub struct PlanRequest {
    /// What is to be sent.
    pub plan: Plan,
    /// What is wanted.
    pub wanted: Wanted,
}

/// What is wanted of a plan.
#[derive(Debug)]
pub enum Wanted {
    /// To know what it would send.
    Preview(oneshot::Sender<Result<Preview, String>>),
    /// To have it sent; each request that is done goes here. When the other end goes, no more is sent.
    Sent(mpsc::Sender<Sent>),
}

/// Somebody decided on a held event.
#[derive(Debug)]
pub struct Decision {
    /// Which event.
    pub id: EventId,
    /// It is forwarded, or goes nowhere.
    pub ruling: Ruling,
    /// Where the event's row goes once that is on record, or the reason why it is not.
    pub answer: oneshot::Sender<Result<EventRow, String>>,
}

/// Where a person's wishes go.
#[derive(Clone, Debug)]
pub struct Orders {
    /// What is to be sent again.
    pub replays: mpsc::Sender<ReplayRequest>,
    /// Many of them, with a plan.
    pub plans: mpsc::Sender<PlanRequest>,
    /// What becomes of held events.
    pub decisions: mpsc::Sender<Decision>,
    /// Which events are held.
    pub hold: Hold,
}

/// Where a person's wishes come out.
#[derive(Debug)]
pub struct Ordered {
    /// What is to be sent again.
    pub replays: mpsc::Receiver<ReplayRequest>,
    /// Many of them, with a plan.
    pub plans: mpsc::Receiver<PlanRequest>,
    /// What becomes of held events.
    pub decisions: mpsc::Receiver<Decision>,
}

impl Orders {
    /// Both ends of the queues, with what is held.
    pub fn new(hold: Hold) -> (Self, Ordered) {
        let ((replays, asked), (decisions, decided)) = (mpsc::channel(REPLAYS), mpsc::channel(DECISIONS));
        let (plans, planned) = mpsc::channel(PLANS);
        let ordered = Ordered { replays: asked, plans: planned, decisions: decided };
        (Self { replays, plans, decisions, hold }, ordered)
    }

    /// Has it decided what becomes of a held event, and waits until that is on record.
    ///
    /// # Errors
    /// With a sentence for a person.
    pub async fn decide(&self, id: EventId, ruling: Ruling) -> Result<EventRow, String> {
        let (answer, answered) = oneshot::channel();
        // When its queue is full, it takes a moment longer.
        let asked = self.decisions.send(Decision { id, ruling, answer }).await;
        asked.map_err(|_| "it is stopping".to_owned())?;
        answered.await.unwrap_or_else(|_| Err("it stopped before the decision was on record".to_owned()))
    }

    /// What a plan would send.
    ///
    /// # Errors
    /// With a sentence for a person.
    pub async fn preview(&self, plan: Plan) -> Result<Preview, String> {
        let (answer, answered) = oneshot::channel();
        let asked = self.plans.send(PlanRequest { plan, wanted: Wanted::Preview(answer) }).await;
        asked.map_err(|_| "it is stopping".to_owned())?;
        answered.await.unwrap_or_else(|_| Err("it is stopping".to_owned()))
    }

    /// Has a plan carried out; what comes of each request is received. No more is sent when nobody receives any more.
    ///
    /// # Errors
    /// When it is stopping.
    pub async fn carry_out(&self, plan: Plan) -> Result<mpsc::Receiver<Sent>, String> {
        let (sent, done) = mpsc::channel(PLANS);
        let asked = self.plans.send(PlanRequest { plan, wanted: Wanted::Sent(sent) }).await;
        asked.map(|()| done).map_err(|_| "it is stopping".to_owned())
    }
}

/// Where webhooks reach the running process.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reach {
    /// The endpoint's public URL.
    pub endpoint_url: String,
    /// Certificate authorities to trust for it instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// The running process, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Running {
    /// Who holds the data directory.
    pub holder: Holder,
    /// Its history in numbers.
    pub history: Status,
    /// Where webhooks reach it; nowhere before the relay has said so.
    pub reach: Option<Reach>,
}

/// Why nothing could be served on a socket.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The socket could not be made.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Something that is no socket has its name.
    #[error("{} is in the way of the control socket", path.display())]
    InTheWay {
        /// What.
        path: PathBuf,
    },
    /// The directory of the socket, outside the data directory, is not this user's alone.
    #[error("{} belongs to another user, or is open to others", path.display())]
    NotPrivate {
        /// The directory.
        path: PathBuf,
    },
    /// The history could not say where the socket is.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// Serves other commands until it is dropped.
#[derive(Debug)]
pub struct ControlServer {
    task: JoinHandle<()>,
    _socket: Socket,
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves the history on a socket, inside a tokio runtime. Replays are passed on; when their queue is full, whoever
/// wants one more is told so. Imported events, and what others note on events, are told on `live`; when that is full, whoever imports waits.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve(
    path: &Path,
    history: History,
    orders: Orders,
    reach: Arc<OnceLock<Reach>>,
    live: mpsc::Sender<Live>,
) -> Result<ControlServer, ControlError> {
    let listener = listen(path, history.data_dir().path())?;
    let socket = Socket { path: path.to_owned(), history: history.clone() };
    history.announce(Some(path))?;
    let task = tokio::spawn(accept(listener, Desk { history, orders, reach, live }));
    Ok(ControlServer { task, _socket: socket })
}

/// The file of the socket; it goes with the server.
#[derive(Debug)]
struct Socket {
    path: PathBuf,
    history: History,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A closed history has given the lock back, and nobody looks for the socket.
        let _ = self.history.announce(None);
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket could not be removed");
        }
    }
}

/// Binds the socket. This process has the data directory, so a socket found there is a dead one's.
fn listen(path: &Path, data_dir: &Path) -> Result<UnixListener, ControlError> {
    let io_error = |error| ControlError::Io { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(io_error)?,
        Ok(_) => return Err(ControlError::InTheWay { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_error(error)),
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    create_private_dir(directory).map_err(io_error)?;
    let listener = UnixListener::bind(path).map_err(io_error)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io_error)?;
    if directory != data_dir {
        // Its name can be guessed, and somebody else may have made it.
        let own = fs::metadata(path).map_err(io_error)?;
        let around = fs::symlink_metadata(directory).map_err(io_error)?;
        if own.uid() != around.uid() || around.mode() & 0o077 != 0 {
            fs::remove_file(path).map_err(io_error)?;
            return Err(ControlError::NotPrivate { path: directory.to_owned() });
        }
    }
    Ok(listener)
}

async fn accept(listener: UnixListener, desk: Desk) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = desk.clone();
                connections.spawn(async move {
                    if let Err(error) = desk.serve(stream).await {
                        tracing::debug!(%error, "a control connection ended");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket accepts nothing for a second");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Desk {
    history: History,
    orders: Orders,
    reach: Arc<OnceLock<Reach>>,
    /// Where others see what was changed here.
    live: mpsc::Sender<Live>,
}

impl Desk {
    async fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        let (reading, mut writing) = stream.split();
        let mut reading = BufReader::new(reading);
        loop {
            let line = timeout(IDLE_TIMEOUT, read_line(&mut reading, REQUEST_MAX_BYTES)).await?;
            let (answer, parts) = match line {
                Ok(None) => return Ok(()),
                Ok(Some(line)) => match serde_json::from_slice::<Request>(&line) {
                    Ok(Request::Import { record_bytes, .. }) if record_bytes > RECORD_MAX_BYTES => {
                        let answer = Answer::error("the event is too large");
                        return timeout(IDLE_TIMEOUT, writing.write_all(&answer.to_line())).await?;
                    }
                    Ok(Request::Import { provider, event_type, provider_event_id, record_bytes }) => {
                        let record = read_record(&mut reading, record_bytes).await?;
                        let facts = Facts {
                            provider,
                            event_type,
                            provider_event_id,
                            imported: true,
                            ..Facts::default()
                        };
                        (self.import(record, facts).await, Vec::new())
                    }
                    Ok(request) => {
                        let body = timeout(IDLE_TIMEOUT, request.read_body(&mut reading)).await??;
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
                Err(error) => {
                    let answer = Answer::error(&error.to_string());
                    return timeout(IDLE_TIMEOUT, writing.write_all(&answer.to_line())).await?;
                }
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
            Request::Prune(prune) => {
                self.history.prune(prune).await.map(|periods| Answer::Periods { periods })
            }
            Request::Status => self.status().await.map(|running| Answer::Status { running }),
            Request::Import { .. } => Ok(Answer::error("the event is missing")),
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
        let mut done = match self.orders.carry_out(plan).await {
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

/// A draft, and behind it its body.
fn draft_answer(edit: Option<Edit>) -> (Answer, Vec<Bytes>) {
    let Some(Edit { at, forward, draft: Draft { body, changes } }) = edit else {
        return (Answer::Draft { edit: None }, Vec::new());
    };
    let body_bytes = body.as_ref().map(|body| body.len() as u64);
    let edit = Some(DraftLine { at, forward, changes, body_bytes });
    (Answer::Draft { edit }, body.into_iter().collect())
}

/// The bytes behind the line of a request, as long as some keep coming.
async fn read_record(reading: &mut (impl AsyncBufRead + Unpin), record_bytes: u64) -> io::Result<Bytes> {
    let mut record = Vec::new();
    let mut rest = reading.take(record_bytes);
    while timeout(IDLE_TIMEOUT, rest.read_buf(&mut record)).await?? > 0 {}
    if (record.len() as u64) < record_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(record.into())
}

#[cfg(test)]
mod tests;

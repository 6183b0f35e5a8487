//! A client: the real history, pipeline and end of the session. What drives them here is what the client's `session` and `listen` do.

use std::{
    collections::VecDeque,
    future::Future,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use inhaul::{
    cli::CatchUp,
    config::{Route, Routes},
    control::Decision,
    forward::{Application, ForwardOptions, Forwarder},
    history::{ByHand, Clock, History, HistoryError, Options},
    hold::Hold,
    live::Live,
    pipeline::{Disk, Pipeline},
    session::{Arrival, Report},
};
use inhaul_core::{
    event::{EndpointName, EventId, UnixMillis},
    retry::Schedule,
    session::{ClientCommand, ClientConfig, ClientEnd, Delivery, Timing},
    wire::{Credit, ErrorCode, Frame, HelloEndpoint, ResultHeader, ResultKind, SessionError, Welcome},
};
use tokio::{runtime::Runtime, sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    app::{App, Happened},
    disk::SimDisk,
    kind::Mutation,
    model::Model,
    network::Link,
    relay::now,
    seeds::Outcome,
    world::SEGMENT_BYTES,
};

/// How much may be on its way at one time.
const WINDOW: Credit = Credit { events: 6, bytes: 12_000 };

/// A period of the history begins anew after so many bytes.
const PERIOD_BYTES: u64 = 40_000;

/// Far more rounds than a client needs to stop.
const ROUNDS_TO_STOP: u32 = 1000;

/// What stays of a client from one run to the next.
pub struct Installation<'i> {
    pub id: Uuid,
    pub disk: &'i SimDisk,
    pub directory: &'i Path,
    pub app: &'i App,
    pub endpoints: &'i [HelloEndpoint],
}

pub struct Client {
    id: Uuid,
    /// Where its tasks run, and its time: the tasks end with it.
    runtime: Runtime,
    by_hand: ByHand,
    history: History,
    app: App,
    pipeline: JoinHandle<Result<(), HistoryError>>,
    stop: CancellationToken,
    arrivals: mpsc::Sender<Arrival>,
    reports: mpsc::Receiver<Report>,
    live: mpsc::Receiver<Live>,
    /// Kept open, though nobody decides anything.
    _decisions: mpsc::Sender<Decision>,
    pub session: Option<Session>,
    sessions: u64,
    endpoints: Vec<HelloEndpoint>,
    /// Given to the pipeline, in the order of arrival, and not reported as stored.
    storing: VecDeque<Storing>,
    /// Reported, and not told to the session yet.
    told: VecDeque<Report>,
    mutation: Option<Mutation>,
}

pub struct Session {
    pub link: u64,
    number: u64,
    end: ClientEnd,
    welcome: Option<Welcome>,
}

struct Storing {
    session: u64,
    endpoint: EndpointName,
    seq: u64,
    id: EventId,
    bytes: u64,
}

/// A runtime with a clock of its own, which stands still but for [`pass`].
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// The time of a runtime's clock.
pub fn time_of(runtime: &Runtime) -> Instant {
    let _entered = runtime.enter();
    tokio::time::Instant::now().into_std()
}

/// Moves a runtime's clock.
pub fn pass(runtime: &Runtime, time: Duration) {
    runtime.block_on(tokio::time::advance(time));
}

impl Client {
    /// Starts a client and checks what its disk has kept; `None` when its run ended on the way.
    pub fn start(
        installation: &Installation<'_>,
        clock: &Arc<AtomicU64>,
        model: &mut Model,
        mutation: Option<Mutation>,
    ) -> anyhow::Result<Option<Self>> {
        let Installation { id, app, endpoints, .. } = *installation;
        let clock = Arc::clone(clock);
        let clock: Clock = Arc::new(move || UnixMillis(clock.load(Ordering::Relaxed)));
        let Some((history, by_hand)) = open(installation, Arc::clone(&clock), model)? else {
            return Ok(None);
        };
        let route = Route {
            targets: vec!["http://localhost:3000".parse()?],
            retry: Schedule::new([1, 2, 5].map(Duration::from_secs).to_vec()),
            ..Route::catch_all()
        };
        // As the program has it.
        let (arrivals, arrived) = mpsc::channel(usize::try_from(WINDOW.events)? + 1);
        let (reports, reported) = mpsc::channel(1024);
        let (live, shown) = mpsc::channel(1024);
        let (decisions, decided) = mpsc::channel(1);
        let (stop, random) = (CancellationToken::new(), || 500);
        let simulated: Option<Arc<dyn Application>> = Some(Arc::new(app.clone()));
        let pipeline = Pipeline {
            history: history.clone(),
            disk: Disk::new(live.clone(), stop.clone(), random),
            routes: Arc::new(Routes::new(route, Vec::new())),
            catch_up: CatchUp::default(),
            hold: Hold::default(),
            forwarder: Forwarder::new(ForwardOptions { simulated, ..ForwardOptions::default() }),
            reports,
            live,
            clock,
            random,
            stop: stop.clone(),
        };
        let runtime = runtime();
        let pipeline = runtime.spawn(pipeline.run(arrived, decided));
        Ok(Some(Self {
            id,
            runtime,
            by_hand,
            history,
            app: app.clone(),
            pipeline,
            stop,
            arrivals,
            reports: reported,
            live: shown,
            _decisions: decisions,
            session: None,
            sessions: 0,
            endpoints: endpoints.to_vec(),
            storing: VecDeque::new(),
            told: VecDeque::new(),
            mutation,
        }))
    }

    /// Its clock.
    pub fn time(&self) -> Instant {
        time_of(&self.runtime)
    }

    /// Time passes for it, and its tasks go on.
    pub fn pass(&mut self, time: Duration, model: &mut Model) -> Outcome {
        pass(&self.runtime, time);
        self.tell(model)
    }

    /// Whether the pipeline has room for all that a session can bring before anything of it is stored: without it, none begins.
    pub fn has_room(&self) -> bool {
        self.arrivals.capacity() as u64 >= WINDOW.events
    }

    /// Begins a session.
    pub fn connect(&mut self, link: u64) {
        self.sessions += 1;
        let config = ClientConfig {
            client_id: self.id,
            software: "sim".into(),
            endpoints: self.endpoints.clone(),
            window: WINDOW,
            max_event_bytes: 1 << 20,
            timing: Timing::default(),
        };
        let end = ClientEnd::new(config, self.time());
        self.session = Some(Session { link, number: self.sessions, end, welcome: None });
    }

    /// The session is over; the next begins where it got to.
    pub fn disconnect(&mut self) {
        if let Some(session) = self.session.take() {
            self.endpoints = session.end.resume();
        }
    }

    /// The client stops in order: what is being forwarded is finished, and what it was asked to store is stored.
    pub fn close(mut self, model: &mut Model) -> Outcome {
        self.stop.cancel();
        for _ in 0..ROUNDS_TO_STOP {
            if self.pipeline.is_finished() {
                // The history has its handles closed with the pipeline.
                self.by_hand.close();
                return Ok(());
            }
            self.turn(model)?;
            while self.by_hand.step() || self.by_hand.write() {}
            while self.reports.try_recv().is_ok() {}
            self.pass(Duration::from_millis(100), model)?;
        }
        anyhow::bail!("a client does not stop")
    }

    /// Whether it cannot go on.
    pub fn has_failed(&self) -> bool {
        self.pipeline.is_finished()
    }

    /// The events on their way to the disk.
    pub fn being_stored(&self) -> impl Iterator<Item = EventId> {
        self.storing.iter().map(|storing| storing.id)
    }

    /// What is left to do, in words.
    pub fn state(&self) -> String {
        let Self { storing, told, session, .. } = self;
        let session = session.as_ref().map(|session| session.number);
        format!("a client stores {}, tells {}, has the session {session:?}", storing.len(), told.len())
    }

    /// Whether nothing is left to do.
    pub fn is_idle(&mut self) -> anyhow::Result<bool> {
        let history = self.history.clone();
        Ok(self.storing.is_empty()
            && self.told.is_empty()
            && ask(&mut self.by_hand, history.pending())?.is_ok_and(|pending| pending.is_empty()))
    }

    /// Checks what it holds when nothing is left to do.
    pub fn check_rest(&mut self, model: &Model) -> Outcome {
        let history = self.history.clone();
        model.check_rest(&ask(&mut self.by_hand, history.rows(None, usize::MAX))??)
    }

    /// The history takes a request.
    pub fn step(&mut self) -> bool {
        self.by_hand.step()
    }

    /// The history's journals write.
    pub fn write(&mut self) -> bool {
        self.by_hand.write()
    }

    /// Its tasks go on as far as they can, once.
    pub fn turn(&mut self, model: &mut Model) -> Outcome {
        self.runtime.block_on(tokio::task::yield_now());
        self.tell(model)
    }

    /// Tells the model what was asked, and what is on record. Between the two of one event the journal writes, so they never come together.
    fn tell(&mut self, model: &mut Model) -> Outcome {
        for happened in self.app.what_happened() {
            match happened {
                Happened::Asked(id) => model.asked(self.id, id)?,
                Happened::Answered { id, status, text } => {
                    self.answer_before_record(id, status, &text);
                    model.answered(self.id, id, status, text);
                }
            }
        }
        while let Ok(live) = self.live.try_recv() {
            if let Live::Attempt(row, attempt) = live {
                model.recorded(self.id, &row, attempt.outcome.is_success());
            }
        }
        Ok(())
    }

    fn answer_before_record(&mut self, id: EventId, status: u16, text: &str) {
        let early = self.mutation == Some(Mutation::AnswerBeforeRecord);
        if let Some(session) = self.session.as_mut().filter(|_| early) {
            let kind = ResultKind::Answered { status, body_bytes: text.len() as u64 };
            let header = ResultHeader { id, kind, latency_ms: 0 };
            session.end.handle_result(header, Bytes::from_static(b"\r\n"), text.to_owned().into());
        }
    }

    /// Tells the session and the model what the pipeline reports: the oldest of it, or as the protocol allows another one.
    pub fn report(&mut self, model: &mut Model, which: usize) {
        while let Ok(report) = self.reports.try_recv() {
            if let Report::Stored { session, endpoint, seq } | Report::NotStored { session, endpoint, seq } =
                &report
            {
                let is_it =
                    |one: &Storing| (one.session, &one.endpoint, one.seq) == (*session, endpoint, *seq);
                if let Some(at) = self.storing.iter().position(is_it)
                    && let Some(one) = self.storing.remove(at)
                    && matches!(report, Report::Stored { .. })
                {
                    model.stored(self.id, one.id);
                }
            }
            self.told.push_back(report);
        }
        let which = which.min(self.told.len().saturating_sub(1));
        let (Some(report), Some(open)) = (self.told.remove(which), &mut self.session) else { return };
        match report {
            Report::Stored { session, endpoint, seq } if session == open.number => {
                open.end.handle_stored(&endpoint, seq);
            }
            Report::NotStored { session, endpoint, seq } if session == open.number => {
                open.end.handle_not_stored(&endpoint, seq);
            }
            Report::Result { session, header, headers, body } if session == open.number => {
                if self.mutation != Some(Mutation::AnswerBeforeRecord) {
                    open.end.handle_result(header, headers, body);
                }
            }
            Report::Again { session } if session == open.number => {
                let text = "the client asks for what it left".to_owned();
                let code = ErrorCode::Silent;
                open.end.close(SessionError { code, text, retryable: true, retry_after_ms: None });
            }
            // An earlier session's.
            Report::Stored { .. }
            | Report::NotStored { .. }
            | Report::Again { .. }
            | Report::Result { .. } => {}
        }
    }

    /// Carries out what the end of the session wants, and puts its frames on the connection.
    pub fn drive(&mut self, link: &mut Link, arrives: Instant) -> Outcome {
        let time = self.time();
        while let Some(command) = self.session.as_mut().and_then(|session| session.end.poll_command()) {
            match command {
                ClientCommand::Store(delivery) => self.store(delivery)?,
                ClientCommand::Close(_) => {
                    link.to_relay.end();
                    self.disconnect();
                }
                ClientCommand::Opened(welcome) => {
                    self.session.iter_mut().for_each(|session| session.welcome = Some(welcome.clone()));
                }
                ClientCommand::RoundTrip(_) | ClientCommand::Draining(_) => {}
            }
        }
        self.check_window()?;
        let Some(session) = &mut self.session else { return Ok(()) };
        while link.to_relay.has_room() {
            let Some(frame) = session.end.poll_frame() else { break };
            link.to_relay.send(frame.encode(), arrives);
        }
        if session.end.poll_timeout().is_some_and(|due| time >= due) {
            session.end.handle_timeout(time);
        }
        if session.end.is_ending() && !link.to_relay.has_room() {
            // A relay that does not read the reason gets no more time.
            link.to_relay.cut(false);
            self.disconnect();
        }
        Ok(())
    }

    /// What one session has given the pipeline and is not stored is within the window, but for one event larger than that.
    fn check_window(&self) -> Outcome {
        let Some(session) = &self.session else { return Ok(()) };
        let mine = self.storing.iter().filter(|storing| storing.session == session.number);
        let (events, bytes) = mine.fold((0, 0), |(events, bytes), one| (events + 1, bytes + one.bytes));
        let within = events <= WINDOW.events && bytes <= WINDOW.bytes;
        ensure!(events <= 1 || within, "{events} events of {bytes} bytes are on their way to the disk");
        Ok(())
    }

    fn store(&mut self, mut delivery: Box<Delivery>) -> Outcome {
        let Some(session) = &mut self.session else { return Ok(()) };
        let (id, endpoint, seq) = (delivery.event.id, delivery.event.endpoint.clone(), delivery.seq);
        let bytes = (delivery.event.head.len() + delivery.event.body.len()) as u64;
        match self.mutation {
            Some(Mutation::StoredBeforeFlush) => session.end.handle_stored(&endpoint, seq),
            Some(Mutation::ForwardMissed) => delivery.missed = false,
            _ => {}
        }
        let given = session.welcome.iter().flat_map(|welcome| &welcome.endpoints);
        let given = given.into_iter().find(|given| given.name == endpoint).context("it was not asked for")?;
        let arrival = Arrival {
            session: session.number,
            taken_when_late: given.taken_when_late && delivery.deadline.is_some(),
            delivery,
            endpoint_url: given.url.as_str().into(),
            late: false,
        };
        self.storing.push_back(Storing { session: session.number, endpoint, seq, id, bytes });
        // A pipeline that cannot go on takes nothing.
        let sent = self.arrivals.try_send(arrival);
        ensure!(sent.is_ok() || self.pipeline.is_finished(), "more than a window comes");
        Ok(())
    }

    /// A frame came.
    pub fn receive(&mut self, bytes: Bytes) {
        let time = self.time();
        let Some(session) = &mut self.session else { return };
        match Frame::decode(bytes) {
            Ok(Some(frame)) => session.end.handle_frame(frame, time),
            Ok(None) => {}
            Err(error) => session.end.handle_bad_frame(&error.to_string()),
        }
    }
}

/// Opens the history and checks what it holds; nothing when its run ended on the way.
fn open(
    installation: &Installation<'_>,
    clock: Clock,
    model: &mut Model,
) -> anyhow::Result<Option<(History, ByHand)>> {
    let Installation { id, disk, directory, .. } = *installation;
    let options = Options {
        period_bytes: PERIOD_BYTES,
        segment_bytes: SEGMENT_BYTES,
        clock,
        disk: Arc::new(disk.clone()),
        simulated: true,
        ..Options::default()
    };
    let failing = disk.is_failing();
    let (opened, mut by_hand) = match ByHand::open(directory, options) {
        Ok(opened) => opened,
        Err(_) if failing || disk.is_over() => return Ok(None),
        Err(error) => return Err(error).context("the history does not open"),
    };
    if (failing || disk.is_over()) && !opened.notes.is_empty() {
        // What could not be opened or read is left out, and a note says so.
        return Ok(None);
    }
    let checked = check(&mut by_hand, &opened.history, id, model);
    if disk.is_over() {
        // What it said while its machine went down is nobody's to hear.
        return Ok(None);
    }
    Ok(checked?.then_some((opened.history, by_hand)))
}

/// Asks a history, and does what it takes to have its answer.
fn ask<T>(by_hand: &mut ByHand, asked: impl Future<Output = T>) -> anyhow::Result<T> {
    let mut asked = std::pin::pin!(asked);
    for _ in 0..10_000 {
        if let Poll::Ready(answer) = now(asked.as_mut()) {
            return Ok(answer);
        }
        if !by_hand.step() {
            by_hand.write();
        }
    }
    anyhow::bail!("the history does not answer")
}

/// Compares a history with what it must hold; false when it cannot be asked now.
fn check(by_hand: &mut ByHand, history: &History, client: Uuid, model: &mut Model) -> anyhow::Result<bool> {
    ensure!(history.notes().is_empty(), "the history says {:?}", history.notes());
    let (Ok(mut rows), Ok(pending)) =
        (ask(by_hand, history.rows(None, usize::MAX))?, ask(by_hand, history.pending())?)
    else {
        return Ok(false);
    };
    rows.reverse();
    model.check_history(client, &rows, &pending)?;
    for row in rows.iter().rev().take(3) {
        if let Ok(found) = ask(by_hand, history.event(row.id))? {
            let (event, _) = found.with_context(|| format!("{} has a row and no bytes", row.id))?;
            model.is_as_posted(&event)?;
        }
    }
    Ok(true)
}

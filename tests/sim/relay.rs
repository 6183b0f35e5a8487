//! A relay: the real spool, hub and ends of sessions. What drives them here is what `ingest` and `session` of the relay do.

use std::{
    collections::BTreeSet,
    future::Future,
    path::Path,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use inhaul_core::{
    event::{EndpointName, Event, EventId, UnixMillis},
    session::{Admitted, Lane, Outgoing, Read, RelayCommand, RelayConfig, RelayEnd, Timing},
    wire::{Credit, Frame, Hello, SessionError, WelcomeEndpoint},
};
use inhaul_journal::Options;
use inhaul_relay::{
    hub::{Hub, Seat, SessionOrder},
    spool::{BacklogLimits, Next, Reader, Spool, SpoolError},
};
use uuid::Uuid;

use crate::{
    disk::SimDisk,
    model::Model,
    network::Link,
    seeds::Outcome,
    world::{Mutation, SEGMENT_BYTES},
};

const LIMITS: BacklogLimits = BacklogLimits { events: 30, bytes: 200_000 };

/// How long a session that ends may take to say so.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

type Appending = Pin<Box<dyn Future<Output = Result<u64, SpoolError>>>>;

pub struct Relay {
    spool: Spool,
    hub: Hub,
    pub sessions: Vec<Session>,
    posts: Vec<(Event, Appending)>,
    mutation: Option<Mutation>,
}

pub struct Session {
    pub link: u64,
    end: RelayEnd,
    seat: Option<Seat>,
    reading: Option<(EndpointName, u64, u64)>,
    closing_since: Option<Instant>,
    credit: CreditWatch,
}

/// What was granted and what was sent, as the frames say.
#[derive(Default)]
struct CreditWatch {
    granted: Credit,
    sent: Credit,
    in_flight: BTreeSet<(EndpointName, u64)>,
}

impl CreditWatch {
    fn came(&mut self, frame: &Frame) {
        if let Frame::Credit(credit) = frame {
            self.granted.events = self.granted.events.max(credit.events);
            self.granted.bytes = self.granted.bytes.max(credit.bytes);
        }
        if let Frame::Stored(stored) = frame {
            self.in_flight.retain(|(endpoint, seq)| {
                *endpoint != stored.endpoint || (*seq > stored.up_to && !stored.plus.contains(seq))
            });
        }
    }

    fn goes(&mut self, frame: &Frame) -> Outcome {
        let Frame::Event(header, _) = frame else { return Ok(()) };
        self.sent.events += 1;
        self.sent.bytes += (header.meta.head_bytes + header.meta.body_bytes) as u64;
        let within = self.sent.events <= self.granted.events && self.sent.bytes <= self.granted.bytes;
        ensure!(within || self.in_flight.is_empty(), "{:?} are sent, {:?} granted", self.sent, self.granted);
        self.in_flight.insert((header.meta.endpoint.clone(), header.seq));
        Ok(())
    }
}

/// Asks a future that needs nobody else.
pub fn now<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

impl Relay {
    /// Starts a relay and checks what its disk has kept; `None` when its run ended on the way.
    pub fn start(
        disk: &SimDisk,
        endpoints: &[EndpointName],
        model: &mut Model,
        mutation: Option<Mutation>,
    ) -> anyhow::Result<Option<Self>> {
        let options = Options { segment_bytes: SEGMENT_BYTES, stepped: true, ..Options::default() };
        let failing = disk.is_failing();
        let (spool, recovery) = match Spool::open_on(Arc::new(disk.clone()), Path::new("/spool"), options) {
            Ok(opened) => opened,
            Err(_) if failing || disk.is_over() => return Ok(None),
            Err(error) => return Err(error).context("the spool does not open"),
        };
        ensure!(recovery.problems().is_empty(), "the spool says {:?}", recovery.problems());
        let relay = Self { spool, hub: Hub::default(), sessions: Vec::new(), posts: Vec::new(), mutation };
        let mut waiting = BTreeSet::new();
        for endpoint in endpoints {
            let ids = relay.waiting(endpoint, |_| true, model)?;
            let counted = relay.spool.backlog(endpoint).events;
            ensure!(
                counted == ids.len() as u64,
                "{counted} events wait by count, and {} are there",
                ids.len()
            );
            waiting.extend(ids);
        }
        if !disk.is_over() {
            model.check_spool(relay.spool.id(), &waiting)?;
        }
        Ok(Some(relay))
    }

    /// The events that wait for an endpoint's client, of these numbers.
    fn waiting(
        &self,
        endpoint: &EndpointName,
        wanted: impl Fn(u64) -> bool,
        model: &Model,
    ) -> anyhow::Result<Vec<EventId>> {
        let (mut ids, mut after) = (Vec::new(), 0);
        let reader = self.reader(endpoint)?;
        while let Poll::Ready(Next::Event(spooled)) = now(reader.next(after, u64::MAX)) {
            ensure!(spooled.seq > after, "number {} comes after {after}", spooled.seq);
            after = spooled.seq;
            if wanted(after) {
                model.is_as_posted(&spooled.event)?;
                ids.push(spooled.event.id);
            }
        }
        Ok(ids)
    }

    /// A sender posts an event.
    pub fn post(&mut self, event: Event, model: &mut Model) {
        model.posted(&event);
        let (spool, stored) = (self.spool.clone(), event.clone());
        let mut append: Appending = Box::pin(async move { spool.append(&stored, false, LIMITS).await });
        // Asked once, it has its number and is queued.
        if now(append.as_mut()).is_pending() {
            if self.mutation == Some(Mutation::AnswerBeforeSync) {
                model.acknowledged(event.id);
            }
            self.posts.push((event, append));
        }
    }

    /// The journal writes what it has been given, and senders are answered.
    pub fn write(&mut self, model: &mut Model) -> bool {
        let busy = self.spool.step();
        let mut news = BTreeSet::new();
        self.posts.retain_mut(|(event, append)| match now(append.as_mut()) {
            Poll::Pending => true,
            Poll::Ready(stored) => {
                if stored.is_ok() {
                    model.acknowledged(event.id);
                    news.insert(event.endpoint.clone());
                } else {
                    model.refused(event.id);
                }
                false
            }
        });
        for session in self.sessions.iter_mut().filter(|session| session.seat.is_some()) {
            news.iter().for_each(|endpoint| session.end.handle_news(endpoint));
        }
        busy
    }

    /// A client's connection.
    pub fn accept(&mut self, link: u64, time: Instant) {
        let config = RelayConfig {
            timing: Timing::default(),
            software: "sim".into(),
            max_answer_bytes: 1 << 20,
            max_unfinished_bytes: 1 << 20,
        };
        self.sessions.push(Session {
            link,
            end: RelayEnd::new(config, time),
            seat: None,
            reading: None,
            closing_since: None,
            credit: CreditWatch::default(),
        });
    }

    /// The relay goes down in order: it writes what it has been given.
    pub fn close(mut self, model: &mut Model) {
        self.sessions.clear();
        while self.write(model) {}
        // What could not be written was not acknowledged either.
        let _ = self.spool.close();
    }

    /// What is left to do, in words.
    pub fn state(&self) -> String {
        let Self { posts, sessions, spool, .. } = self;
        format!("the relay has {} posts, {} sessions and {:?}", posts.len(), sessions.len(), spool.total())
    }

    /// Nothing waits, for anybody.
    pub fn is_idle(&self) -> bool {
        self.posts.is_empty() && self.spool.total().events == 0
    }

    /// Carries out what the end of a session wants, and puts its frames on the connection; false when nothing happened.
    pub fn drive(
        &mut self,
        at: usize,
        link: &mut Link,
        time: Instant,
        arrives: Instant,
        model: &Model,
    ) -> anyhow::Result<bool> {
        self.take_orders(at, time);
        let mut busy = false;
        while let Some(command) = self.sessions[at].end.poll_command() {
            busy = true;
            if !self.carry_out(at, command, time, model)? {
                link.to_client.end();
                self.sessions.remove(at);
                return Ok(true);
            }
        }
        let session = &mut self.sessions[at];
        while link.to_client.has_room() {
            let Some(frame) = session.end.poll_frame() else { break };
            session.credit.goes(&frame)?;
            link.to_client.send(frame.encode(), arrives);
            busy = true;
        }
        if session.end.poll_timeout().is_some_and(|due| time >= due) {
            session.end.handle_timeout(time);
            busy = true;
        }
        if session.end.is_ending() && time >= *session.closing_since.get_or_insert(time) + CLOSE_GRACE {
            link.to_client.cut(true);
            self.sessions.remove(at);
            busy = true;
        }
        Ok(busy)
    }

    /// A frame came.
    pub fn receive(&mut self, at: usize, bytes: Bytes, time: Instant) {
        let session = &mut self.sessions[at];
        match Frame::decode(bytes) {
            Ok(Some(frame)) => {
                session.credit.came(&frame);
                session.end.handle_frame(frame, time);
            }
            Ok(None) => {}
            Err(error) => session.end.handle_bad_frame(&error.to_string()),
        }
    }

    fn take_orders(&mut self, at: usize, time: Instant) {
        let session = &mut self.sessions[at];
        match session.seat.as_ref().and_then(|seat| seat.calls.take_order()) {
            Some(SessionOrder::Close(error)) => {
                session.end.close(*error);
                session.closing_since.get_or_insert(time);
            }
            Some(SessionOrder::Drain(after)) => session.end.drain(after),
            None => {}
        }
    }

    /// False when the socket is to be closed.
    fn carry_out(
        &mut self,
        at: usize,
        command: RelayCommand,
        time: Instant,
        model: &Model,
    ) -> anyhow::Result<bool> {
        match command {
            RelayCommand::Admit(hello) => match self.seated(&hello, model)? {
                Ok((seat, admitted)) => {
                    self.sessions[at].seat = Some(seat);
                    self.sessions[at].end.handle_admitted(admitted);
                }
                Err(error) => {
                    self.sessions[at].end.close(error);
                    self.sessions[at].closing_since.get_or_insert(time);
                }
            },
            RelayCommand::ReadNext { endpoint, after, max_bytes } => {
                self.sessions[at].reading = Some((endpoint, after, max_bytes));
            }
            RelayCommand::Forget(stored) => {
                self.forget(&stored.endpoint, stored.up_to, &stored.plus, model)?;
            }
            RelayCommand::Answer { .. } => bail!("an answer, and no sender waits"),
            RelayCommand::Close => return Ok(false),
        }
        Ok(true)
    }

    /// The spool reads what a session asked for; false when none did.
    pub fn read(&mut self, at: usize) -> bool {
        let Some((endpoint, after, max_bytes)) = self.sessions[at].reading.take() else { return false };
        let Ok(reader) = self.reader(&endpoint) else { return false };
        let Poll::Ready(next) = now(reader.next(after, max_bytes)) else { return false };
        let read = match next {
            Next::Event(spooled) => {
                if self.mutation == Some(Mutation::ForgetOnSending) {
                    reader.stored(spooled.seq, &[]);
                }
                Read::Event(Box::new(Outgoing {
                    deadline: None,
                    seq: spooled.seq,
                    missed: spooled.missed,
                    event: spooled.event,
                }))
            }
            Next::Empty => Read::Empty,
            Next::TooLarge => Read::TooLarge,
        };
        self.sessions[at].end.handle_read(&endpoint, read);
        true
    }

    fn forget(&self, endpoint: &EndpointName, up_to: u64, plus: &[u64], model: &Model) -> Outcome {
        for id in self.waiting(endpoint, |seq| seq <= up_to || plus.contains(&seq), model)? {
            model.may_be_forgotten(id)?;
        }
        self.reader(endpoint)?.stored(up_to, plus);
        Ok(())
    }

    /// An endpoint's events, as a client that does not share it has them.
    fn reader(&self, endpoint: &EndpointName) -> anyhow::Result<Reader> {
        Ok(self.spool.join(endpoint, Uuid::nil(), None, None)?)
    }

    fn seated(&self, hello: &Hello, model: &Model) -> anyhow::Result<Result<(Seat, Admitted), SessionError>> {
        let mut lanes = Vec::new();
        for asked in &hello.endpoints {
            if let Some(resume) = asked.resume.filter(|resume| resume.spool == self.spool.id()) {
                for id in self.waiting(&asked.name, |seq| seq <= resume.up_to, model)? {
                    model.may_be_forgotten(id)?;
                }
            }
            let reader = self.spool.join(&asked.name, hello.client_id, None, asked.resume)?;
            let backlog = reader.backlog();
            let welcome = WelcomeEndpoint {
                url: format!("https://relay.example/in/{}", asked.name),
                name: asked.name.clone(),
                spool: self.spool.id(),
                backlog_events: backlog.events,
                backlog_bytes: backlog.bytes,
                sharing: None,
                expired: None,
                taken_when_late: false,
            };
            lanes.push(Lane { welcome, cursor: reader.start() });
        }
        let names = lanes.iter().map(|lane| (lane.welcome.name.clone(), None)).collect();
        Ok(self.hub.seat(hello.client_id, names).map(|seat| {
            let generation = seat.generation;
            (seat, Admitted { generation, lanes, time: UnixMillis(0) })
        }))
    }
}

//! A relay: the real intake, spool, hub and sessions. What drives them here is what moves bytes in the relay.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    ops::ControlFlow,
    path::Path,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Method, Response};
use http_body_util::{BodyExt, Full};
use inhaul_core::{
    event::{EndpointName, Event, EventId},
    session::{RelayConfig, Timing},
    wire::{Credit, Frame, Sharing},
};
use inhaul_journal::Options;
use inhaul_relay::{
    hub::{Calls, Hub},
    ingest::{EVENT_ID_HEADER, Ingest, SOURCE_HEADER},
    limits::Limits,
    metrics::Metrics,
    registry::Registry,
    session::{Done, Driver, SessionContext, Waits},
    spool::{Next, Reader, Spool},
};
use uuid::Uuid;

use crate::{
    disk::SimDisk,
    kind::Mutation,
    model::{Heard, Model},
    network::{Link, Way},
    seeds::Outcome,
    world::SEGMENT_BYTES,
};

fn limits() -> Limits {
    Limits { backlog_events: 30, backlog_bytes: 200_000, ..Limits::default() }
}

type Hearing = Pin<Box<dyn Future<Output = Response<Full<Bytes>>>>>;

pub struct Relay {
    disk: SimDisk,
    context: Arc<SessionContext>,
    ingest: Arc<Ingest>,
    pub sessions: Vec<Session>,
    posts: Vec<(EventId, Hearing)>,
    /// What clients have said in this run that they have: after another start it may be sent again.
    said_stored: BTreeSet<EventId>,
    mutation: Option<Mutation>,
}

pub struct Session {
    pub link: u64,
    driver: Driver,
    client: Option<Uuid>,
    sent: Sent,
}

/// What was granted and what was sent, as the frames say.
#[derive(Default)]
struct Sent {
    granted: Credit,
    used: Credit,
    in_flight: BTreeMap<(EndpointName, u64), EventId>,
}

impl Sent {
    /// The events that the client says it has now.
    fn came(&mut self, frame: &Frame) -> Vec<EventId> {
        if let Frame::Credit(credit) = frame {
            self.granted.events = self.granted.events.max(credit.events);
            self.granted.bytes = self.granted.bytes.max(credit.bytes);
        }
        let Frame::Stored(stored) = frame else { return Vec::new() };
        let mut said = Vec::new();
        self.in_flight.retain(|(endpoint, seq), id| {
            let is_said = *endpoint == stored.endpoint && (*seq <= stored.up_to || stored.plus.contains(seq));
            if is_said {
                said.push(*id);
            }
            !is_said
        });
        said
    }

    /// The event that goes, if one does.
    fn goes(&mut self, frame: &Frame) -> anyhow::Result<Option<EventId>> {
        let Frame::Event(header, _) = frame else { return Ok(None) };
        self.used.events += 1;
        self.used.bytes += (header.meta.head_bytes + header.meta.body_bytes) as u64;
        let within = self.used.events <= self.granted.events && self.used.bytes <= self.granted.bytes;
        ensure!(within || self.in_flight.is_empty(), "{:?} are sent, {:?} granted", self.used, self.granted);
        self.in_flight.insert((header.meta.endpoint.clone(), header.seq), header.meta.id);
        Ok(Some(header.meta.id))
    }
}

/// Asks a future that needs nobody else.
pub fn now<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// What a sender heard, in the words of the model.
fn heard(response: Response<Full<Bytes>>) -> anyhow::Result<Heard> {
    let is_from = |who: &str| response.headers().get(SOURCE_HEADER).is_some_and(|source| source == who);
    let (status, by_app) = (response.status().as_u16(), is_from("app"));
    ensure!(by_app || is_from("relay"), "an answer of nobody");
    let is_stored = response.headers().contains_key(EVENT_ID_HEADER);
    let Poll::Ready(Ok(body)) = now(response.into_body().collect()) else {
        anyhow::bail!("a body breaks off")
    };
    let text = String::from_utf8(body.to_bytes().to_vec())?;
    Ok(match (status, by_app) {
        (_, true) => Heard::App { status, text },
        (200..=299, false) => Heard::Taken,
        (502, false) if text.starts_with("the app could not be asked") => Heard::NotAsked,
        (502 | 504, false) => Heard::ComeAgain,
        _ => {
            ensure!(!is_stored, "{status} of an event that is stored");
            Heard::Refused
        }
    })
}

impl Relay {
    /// Starts a relay and checks what its disk has kept; `None` when its run ended on the way.
    pub fn start(
        disk: &SimDisk,
        registry: &Registry,
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
        let config = RelayConfig {
            timing: Timing::default(),
            software: "sim".into(),
            max_answer_bytes: 1 << 20,
            max_unfinished_bytes: 1 << 20,
        };
        let context = Arc::new(SessionContext {
            registry: registry.clone(),
            spool,
            hub: Hub::default(),
            metrics: Arc::new(Metrics::new()),
            public_url: "https://relay.example".into(),
            config: Arc::new(config),
        });
        let ingest = Arc::new(Ingest::new(&context, limits()));
        let (sessions, posts, said_stored) = (Vec::new(), Vec::new(), BTreeSet::new());
        let disk = disk.clone();
        let relay = Self { disk, context, ingest, sessions, posts, said_stored, mutation };
        relay.check(model)?;
        Ok(Some(relay))
    }

    /// What waits is what was posted, and nothing is missing.
    fn check(&self, model: &mut Model) -> Outcome {
        let spool = &self.context.spool;
        let holders = spool.shared_clients();
        let mut waiting = BTreeMap::new();
        for endpoint in self.context.registry.list().into_iter().map(|endpoint| endpoint.name.clone()) {
            let mut sharing = holders.iter().filter(|holder| holder.endpoint == endpoint).peekable();
            if sharing.peek().is_none() {
                let reader = spool.join(&endpoint, Uuid::nil(), None, None)?;
                let ids = events_of(&reader, model)?;
                if self.disk.is_over() {
                    // Nothing is read any more; the next start is looked at.
                    return Ok(());
                }
                let counted = spool.backlog(&endpoint).events;
                let there = ids.len();
                ensure!(counted == there as u64, "{counted} events wait by count, and {there} are there");
                waiting.entry(None).or_insert_with(BTreeSet::new).extend(ids);
            }
            for holder in sharing {
                let reader = spool.join(&endpoint, holder.client, Some(Sharing::Share), None)?;
                let ids = events_of(&reader, model)?;
                waiting.entry(Some(holder.client)).or_default().extend(ids);
            }
        }
        if self.disk.is_over() { Ok(()) } else { model.check_spool(spool.id(), &waiting) }
    }

    /// A sender posts an event.
    pub fn post(&mut self, event: Event, time: Instant, model: &mut Model) -> Outcome {
        let endpoint = self.context.registry.list().into_iter().find(|known| known.name == event.endpoint);
        let endpoint = endpoint.context("the endpoint is gone")?;
        model.posted(&event);
        let (ingest, id, head) = (Arc::clone(&self.ingest), event.id, event.parsed_head()?);
        let mut hearing: Hearing =
            Box::pin(async move { ingest.take_event(&endpoint, &event, &head, &Method::POST, time).await });
        // Asked once, the event has its number and is queued.
        match now(hearing.as_mut()) {
            Poll::Ready(response) => model.heard(id, heard(response)?)?,
            Poll::Pending => {
                if self.mutation == Some(Mutation::AnswerBeforeSync) {
                    model.acknowledged(id);
                }
                self.posts.push((id, hearing));
            }
        }
        Ok(())
    }

    /// The journal writes what it has been given.
    pub fn write(&mut self) -> bool {
        self.context.spool.step()
    }

    /// Senders hear what there is to hear.
    pub fn answer(&mut self, model: &mut Model) -> Outcome {
        let mut answered = Vec::new();
        self.posts.retain_mut(|(id, hearing)| match now(hearing.as_mut()) {
            Poll::Pending => true,
            Poll::Ready(response) => {
                answered.push((*id, response));
                false
            }
        });
        for (id, response) in answered {
            let heard = heard(response)?;
            if heard == Heard::ComeAgain && self.disk.is_troubled() {
                model.may_lose_mark(id)?;
            }
            model.heard(id, heard)?;
        }
        Ok(())
    }

    /// A client's connection.
    pub fn accept(&mut self, link: u64, time: Instant) {
        let driver = Driver::new(Arc::clone(&self.context), time);
        self.sessions.push(Session { link, driver, client: None, sent: Sent::default() });
    }

    /// A session is over for the relay: what it had sent and not heard of may go to another client.
    pub fn leave(&mut self, at: usize, model: &mut Model) {
        let session = self.sessions.remove(at);
        model.may_be_twice(session.sent.in_flight.values().copied());
        if self.mutation == Some(Mutation::HolderKeeps) {
            std::mem::forget(session);
        }
    }

    /// Its process has ended: what it wrote last may be lost.
    pub fn gone(&self, model: &mut Model) {
        model.may_be_twice(self.said_stored.iter().copied());
        model.may_be_twice(self.sessions.iter().flat_map(|session| session.sent.in_flight.values().copied()));
    }

    /// The relay goes down in order: it writes what it has been given.
    pub fn close(mut self, model: &mut Model) -> Outcome {
        self.gone(model);
        self.sessions.clear();
        while self.write() {}
        self.answer(model)?;
        self.posts.clear();
        // What could not be written was not acknowledged either.
        let _ = self.context.spool.clone().close();
        Ok(())
    }

    /// What is left to do, in words.
    pub fn state(&self) -> String {
        let (posts, sessions, waiting) = (self.posts.len(), self.sessions.len(), self.context.spool.total());
        format!("the relay has {posts} posts, {sessions} sessions and {waiting:?}")
    }

    /// Nothing waits, for anybody.
    pub fn is_idle(&self) -> bool {
        self.posts.is_empty() && self.context.spool.total().events == 0
    }

    /// Which session has a connection.
    pub fn session_of(&self, link: u64) -> Option<usize> {
        self.sessions.iter().position(|session| session.link == link)
    }

    /// Carries out what a session wants, and puts its frames on the connection.
    pub fn drive(
        &mut self,
        at: usize,
        link: &mut Link,
        time: Instant,
        arrives: Instant,
        model: &mut Model,
    ) -> Outcome {
        self.wake(at, time);
        if self.work(at, &mut link.to_client, time, model).is_break() {
            return Ok(());
        }
        self.send(at, &mut link.to_client, (time, arrives), model)?;
        let driver = &mut self.sessions[at].driver;
        if driver.timeout().is_some_and(|due| time >= due) && driver.handle_timeout(time).is_break() {
            link.to_client.cut(true);
            self.leave(at, model);
        }
        Ok(())
    }

    /// A session does what is to be done before it waits; it is over when this breaks.
    fn work(&mut self, at: usize, way: &mut Way, time: Instant, model: &mut Model) -> ControlFlow<()> {
        let worked = self.sessions[at].driver.work(time);
        if worked.is_break() {
            way.end();
            self.leave(at, model);
        } else if self.is_ending(at) {
            // What was sent is nobody's again, before the client is told why the session ends.
            let given_back = std::mem::take(&mut self.sessions[at].sent.in_flight);
            model.may_be_twice(given_back.into_values());
        }
        worked
    }

    /// Tells a session what it waits for, besides frames and time.
    fn wake(&mut self, at: usize, time: Instant) {
        let driver = &mut self.sessions[at].driver;
        if let Some(order) = driver.waits().calls.and_then(Calls::take_order) {
            driver.handle_order(order, time);
        }
        if driver.waits().calls.is_some_and(|calls| now(calls.news()).is_ready()) {
            driver.handle_news();
        }
    }

    fn send(
        &mut self,
        at: usize,
        way: &mut Way,
        (time, arrives): (Instant, Instant),
        model: &mut Model,
    ) -> Outcome {
        while way.has_room() {
            let Some(mut frame) = self.sessions[at].driver.waits().end.poll_frame(time) else { break };
            if let (Frame::Event(header, _), Some(Mutation::HideMissed)) = (&mut frame, self.mutation) {
                header.missed = false;
            }
            self.goes(at, &frame, model)?;
            way.send(frame.encode(), arrives);
        }
        Ok(())
    }

    fn goes(&mut self, at: usize, frame: &Frame, model: &mut Model) -> Outcome {
        let session = &mut self.sessions[at];
        let client = session.client.unwrap_or_default();
        if let Frame::Welcome(welcome) = frame {
            let joined = welcome.endpoints.iter().filter(|_| !self.disk.is_troubled());
            joined.for_each(|given| model.joined(client, &given.name));
        }
        let Some(id) = session.sent.goes(frame)? else { return Ok(()) };
        if let Frame::Event(header, _) = frame {
            model.sent(id, header.missed)?;
            if self.mutation == Some(Mutation::ForgetOnSending) {
                let spool = &self.context.spool;
                spool.join(&header.meta.endpoint, Uuid::nil(), None, None)?.stored(header.seq, &[]);
            }
        }
        let holds = |session: &&Session| session.sent.in_flight.values().filter(|held| **held == id).count();
        let holders = self.sessions.iter().map(|session| holds(&session)).sum::<usize>();
        model.goes_to_one(id, holders, self.said_stored.contains(&id))
    }

    /// A frame came.
    pub fn receive(
        &mut self,
        at: usize,
        bytes: Bytes,
        way: &mut Way,
        time: Instant,
        model: &mut Model,
    ) -> Outcome {
        let decoded = Frame::decode(bytes.clone()).ok().flatten();
        let session = &mut self.sessions[at];
        if let Some(Frame::Hello(hello)) = &decoded {
            session.client = Some(hello.client_id);
        }
        let client = session.client.unwrap_or_default();
        if !self.is_ending(at) {
            let stored = decoded.as_ref().map(|frame| self.sessions[at].sent.came(frame));
            for id in stored.unwrap_or_default() {
                model.may_be_forgotten(client, id)?;
                self.said_stored.insert(id);
            }
        }
        match (decoded, self.mutation) {
            (Some(Frame::Stored(_)), Some(Mutation::StoredUnheard)) => {}
            (Some(Frame::Stored(stored)), Some(Mutation::StoredForAll)) => {
                for other in self.sessions.iter().filter_map(|session| session.client) {
                    let spool = &self.context.spool;
                    let reader = spool.join(&stored.endpoint, other, Some(Sharing::Share), None)?;
                    reader.stored(stored.up_to, &stored.plus);
                }
                self.sessions[at].driver.handle_message(bytes, time);
            }
            (Some(Frame::Result(mut header, headers)), Some(Mutation::AnswerAnother)) => {
                header.id = self.another(header.id);
                self.sessions[at].driver.handle_message(Frame::Result(header, headers).encode(), time);
            }
            (Some(Frame::Chunk(mut chunk, data)), Some(Mutation::AnswerAnother)) => {
                chunk.id = self.another(chunk.id);
                self.sessions[at].driver.handle_message(Frame::Chunk(chunk, data).encode(), time);
            }
            _ => self.sessions[at].driver.handle_message(bytes, time),
        }
        let _ = self.work(at, way, time, model);
        Ok(())
    }

    /// The event of another sender that waits.
    fn another(&self, id: EventId) -> EventId {
        let mut waiting = self.posts.iter().map(|(waiting, _)| *waiting);
        waiting.find(|waiting| *waiting != id).unwrap_or(id)
    }

    fn is_ending(&mut self, at: usize) -> bool {
        self.sessions[at].driver.waits().end.is_ending()
    }

    /// The spool reads what a session asked for, if it did.
    pub fn read(&mut self, at: usize, time: Instant, model: &mut Model) -> Outcome {
        let driver = &mut self.sessions[at].driver;
        let Waits { doing, .. } = driver.waits();
        let Some(Poll::Ready(done)) = doing.map(|doing| now(doing.as_mut())) else { return Ok(()) };
        if let Done::Read(_, Next::Event(spooled)) = &done {
            model.read(spooled.event.id, spooled.missed)?;
        }
        driver.handle_done(done, time);
        Ok(())
    }
}

/// What waits for a reader.
fn events_of(reader: &Reader, model: &Model) -> anyhow::Result<Vec<EventId>> {
    let (mut ids, mut after) = (Vec::new(), reader.start());
    while let Poll::Ready(Next::Event(spooled)) = now(reader.next(after, u64::MAX)) {
        ensure!(spooled.seq > after, "number {} comes after {after}", spooled.seq);
        after = spooled.seq;
        model.is_as_posted(&spooled.event)?;
        ids.push(spooled.event.id);
    }
    Ok(ids)
}

//! A client: the real history and end of the session. What drives them here is what `session` and `pipeline` of the client do.

use std::{
    collections::VecDeque,
    future::Future,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Instant,
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use inhaul::{
    history::{ByHand, Facts, History, HistoryError, Options, Stored},
    row::{Attempt, AttemptCause, Outcome as AttemptOutcome},
};
use inhaul_core::{
    event::{EndpointName, EventId, UnixMillis},
    session::{ClientCommand, ClientConfig, ClientEnd, Timing},
    wire::{Credit, Frame, HelloEndpoint},
};
use uuid::Uuid;

use crate::{
    disk::SimDisk,
    model::Model,
    network::Link,
    relay::now,
    seeds::Outcome,
    world::{Mutation, SEGMENT_BYTES},
};

/// How much may be on its way at one time.
const WINDOW: Credit = Credit { events: 6, bytes: 12_000 };

/// A period of the history begins anew after so many bytes.
const PERIOD_BYTES: u64 = 40_000;

type Asked<T> = Pin<Box<dyn Future<Output = Result<T, HistoryError>>>>;

pub struct Client {
    by_hand: ByHand,
    history: History,
    pub session: Option<Session>,
    sessions: u64,
    endpoints: Vec<HelloEndpoint>,
    /// In the order of arrival.
    storing: VecDeque<Storing>,
    settling: Vec<(EventId, Asked<()>)>,
    mutation: Option<Mutation>,
}

pub struct Session {
    pub link: u64,
    number: u64,
    end: ClientEnd,
}

struct Storing {
    session: u64,
    endpoint: EndpointName,
    seq: u64,
    id: EventId,
    bytes: u64,
    stored: Asked<Stored>,
}

fn rejected() -> Attempt {
    Attempt {
        number: 1,
        target: "http://localhost:3000".into(),
        cause: AttemptCause::Arrival,
        started_at: UnixMillis(0),
        outcome: AttemptOutcome::Rejected,
    }
}

/// What became of a step of the client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    Idle,
    Busy,
    /// Its history refused an event, so it acknowledges nothing more and ends.
    Refused,
}

impl Stepped {
    fn busy(busy: bool) -> Self {
        if busy { Self::Busy } else { Self::Idle }
    }
}

impl Client {
    /// Starts a client and checks what its disk has kept; `None` when its run ended on the way.
    pub fn start(
        disk: &SimDisk,
        directory: &Path,
        clock: &Arc<AtomicU64>,
        endpoints: &[EndpointName],
        model: &mut Model,
        mutation: Option<Mutation>,
    ) -> anyhow::Result<Option<Self>> {
        let clock = Arc::clone(clock);
        let options = Options {
            period_bytes: PERIOD_BYTES,
            segment_bytes: SEGMENT_BYTES,
            clock: Arc::new(move || UnixMillis(clock.load(Ordering::Relaxed))),
            simulated: Some(Arc::new(disk.clone())),
            ..Options::default()
        };
        let failing = disk.is_failing();
        let (opened, by_hand) = match ByHand::open(directory, options) {
            Ok(opened) => opened,
            Err(_) if failing || disk.is_over() => return Ok(None),
            Err(error) => return Err(error).context("the history does not open"),
        };
        if failing && !opened.notes.is_empty() {
            // A period that could not be opened is left out, and a note says so.
            return Ok(None);
        }
        let endpoint = |name: &EndpointName| HelloEndpoint {
            name: name.clone(),
            token: String::new(),
            resume: None,
            sharing: None,
        };
        let mut client = Self {
            by_hand,
            history: opened.history,
            session: None,
            sessions: 0,
            endpoints: endpoints.iter().map(endpoint).collect(),
            storing: VecDeque::new(),
            settling: Vec::new(),
            mutation,
        };
        if client.check(model)? || disk.is_over() { Ok(Some(client)) } else { Ok(None) }
    }

    /// Compares the history with what it must hold; false when it cannot be asked now.
    pub fn check(&mut self, model: &mut Model) -> anyhow::Result<bool> {
        ensure!(self.history.notes().is_empty(), "the history says {:?}", self.history.notes());
        let history = self.history.clone();
        let (Ok(mut rows), Ok(pending)) =
            (self.ask(history.rows(None, usize::MAX))?, self.ask(history.pending())?)
        else {
            return Ok(false);
        };
        rows.reverse();
        model.check_history(&rows, &pending)?;
        for row in rows.iter().rev().take(3) {
            if let Ok(found) = self.ask(history.event(row.id))? {
                let (event, _) = found.with_context(|| format!("{} has a row and no bytes", row.id))?;
                model.is_as_posted(&event)?;
            }
        }
        Ok(true)
    }

    fn ask<T>(&mut self, asked: impl Future<Output = T>) -> anyhow::Result<T> {
        let mut asked = std::pin::pin!(asked);
        for _ in 0..10_000 {
            if let Poll::Ready(answer) = now(asked.as_mut()) {
                return Ok(answer);
            }
            if !self.by_hand.step() {
                self.by_hand.write();
            }
        }
        anyhow::bail!("the history does not answer")
    }

    /// Begins a session.
    pub fn connect(&mut self, link: u64, time: Instant) {
        self.sessions += 1;
        let config = ClientConfig {
            client_id: Uuid::from_u128(7),
            software: "sim".into(),
            endpoints: self.endpoints.clone(),
            window: WINDOW,
            max_event_bytes: 1 << 20,
            timing: Timing::default(),
        };
        self.session = Some(Session { link, number: self.sessions, end: ClientEnd::new(config, time) });
    }

    /// The session is over; the next begins where it got to.
    pub fn disconnect(&mut self) {
        if let Some(session) = self.session.take() {
            self.endpoints = session.end.resume();
        }
    }

    /// The client ends in order: what it was asked to store is stored.
    pub fn close(self) {
        drop(self.storing);
        self.by_hand.close();
    }

    /// The events on their way to the disk.
    pub fn being_stored(&self) -> impl Iterator<Item = EventId> {
        self.storing.iter().map(|storing| storing.id)
    }

    /// What is left to do, in words.
    pub fn state(&self) -> String {
        let Self { storing, settling, session, .. } = self;
        let session = session.as_ref().map(|session| session.number);
        format!(
            "the client stores {}, settles {}, has the session {session:?}",
            storing.len(),
            settling.len()
        )
    }

    pub fn is_idle(&self) -> bool {
        self.storing.is_empty() && self.settling.is_empty()
    }

    pub fn step(&mut self) -> bool {
        self.by_hand.step()
    }

    pub fn write(&mut self) -> bool {
        self.by_hand.write()
    }

    /// Tells the session and the model what is stored: the oldest that waits, or as the protocol allows another one.
    pub fn report(&mut self, model: &mut Model, settles: bool, which: usize) -> Stepped {
        self.settling.retain_mut(|(id, settled)| match now(settled.as_mut()) {
            Poll::Pending => true,
            Poll::Ready(settled) => {
                if settled.is_ok() {
                    model.settled(*id);
                }
                false
            }
        });
        let which = which.min(self.storing.len().saturating_sub(1));
        let Some(one) = self.storing.get_mut(which) else { return Stepped::Idle };
        let Poll::Ready(stored) = now(one.stored.as_mut()) else { return Stepped::Idle };
        let Some(Storing { session, endpoint, seq, id, .. }) = self.storing.remove(which) else {
            return Stepped::Idle;
        };
        let Ok(stored) = stored else { return Stepped::Refused };
        model.stored(id);
        if let Some(open) = self.session.as_mut().filter(|open| open.number == session) {
            open.end.handle_stored(&endpoint, seq);
        }
        if settles && matches!(stored, Stored::New(_)) {
            let history = self.history.clone();
            // By itself, or with an outcome.
            let mut settled: Asked<()> = match id.0.as_u128() % 2 {
                0 => Box::pin(async move { history.settle(id).await }),
                _ => Box::pin(async move { history.finish_last_attempt(id, rejected()).await.map(drop) }),
            };
            if now(settled.as_mut()).is_pending() {
                self.settling.push((id, settled));
            }
        }
        Stepped::Busy
    }

    /// Carries out what the end of the session wants, and puts its frames on the connection.
    pub fn drive(&mut self, link: &mut Link, time: Instant, arrives: Instant) -> anyhow::Result<Stepped> {
        let mut busy = false;
        while let Some(command) = self.session.as_mut().and_then(|session| session.end.poll_command()) {
            busy = true;
            match command {
                ClientCommand::Store(delivery) => self.store(*delivery),
                ClientCommand::Close(_) => {
                    link.to_relay.end();
                    self.disconnect();
                }
                ClientCommand::Opened(_) | ClientCommand::RoundTrip(_) | ClientCommand::Draining(_) => {}
            }
        }
        self.check_window()?;
        let Some(session) = &mut self.session else { return Ok(Stepped::busy(busy)) };
        while link.to_relay.has_room() {
            let Some(frame) = session.end.poll_frame() else { break };
            link.to_relay.send(frame.encode(), arrives);
            busy = true;
        }
        if session.end.poll_timeout().is_some_and(|due| time >= due) {
            session.end.handle_timeout(time);
            busy = true;
        }
        if session.end.is_ending() && !link.to_relay.has_room() {
            // A relay that does not read the reason gets no more time.
            link.to_relay.cut(false);
            self.disconnect();
        }
        Ok(Stepped::busy(busy))
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

    fn store(&mut self, delivery: inhaul_core::session::Delivery) {
        let Some(session) = &mut self.session else { return };
        let event = delivery.event;
        let (id, endpoint, seq) = (event.id, event.endpoint.clone(), delivery.seq);
        let bytes = (event.head.len() + event.body.len()) as u64;
        let (history, facts) = (self.history.clone(), Facts { forward: true, ..Facts::default() });
        let mut stored: Asked<Stored> = Box::pin(async move { history.store(event, facts).await });
        // Asked once, it is on its way: requests are taken in the order in which they were first asked. An answer comes later.
        if now(stored.as_mut()).is_pending() {
            if self.mutation == Some(Mutation::StoredBeforeFlush) {
                session.end.handle_stored(&endpoint, seq);
            }
            self.storing.push_back(Storing { session: session.number, endpoint, seq, id, bytes, stored });
        }
    }

    /// A frame came.
    pub fn receive(&mut self, bytes: Bytes, time: Instant) {
        let Some(session) = &mut self.session else { return };
        match Frame::decode(bytes) {
            Ok(Some(frame)) => session.end.handle_frame(frame, time),
            Ok(None) => {}
            Err(error) => session.end.handle_bad_frame(&error.to_string()),
        }
    }
}

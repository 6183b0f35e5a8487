//! The client's end: grants credit, puts events together, and says STORED only for what its driver has on disk.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use bytes::Bytes;
use uuid::Uuid;

use super::{
    Timing,
    body::{Receiving, Sending},
    protocol_error, silent_error,
};
use crate::{
    event::{EndpointName, Event, EventId, Head},
    wire::{
        Chunk, Credit, Cursor, Echo, ErrorCode, EventHeader, Frame, Hello, HelloEndpoint, PROTOCOL_VERSION,
        ResultHeader, ResultKind, SessionError, Stored, Welcome,
    },
};

/// What a client brings to a session.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Made once for each data directory.
    pub client_id: Uuid,
    /// Name and version of the client program.
    pub software: String,
    /// What it wants to receive.
    pub endpoints: Vec<HelloEndpoint>,
    /// How much may be on its way at one time.
    pub window: Credit,
    /// Largest event it takes, head and body.
    pub max_event_bytes: u64,
    /// The times it keeps.
    pub timing: Timing,
}

/// What the driver is to do.
#[derive(Debug)]
pub enum ClientCommand {
    /// The session is open.
    Opened(Welcome),
    /// Store this event, then call [`ClientEnd::handle_stored`].
    Store(Box<Delivery>),
    /// A PONG came back after this time.
    RoundTrip(Duration),
    /// The relay goes down and asks to come back after this time.
    Draining(Duration),
    /// Close the socket; the session ended for this reason.
    Close(SessionError),
}

/// An event as it arrived.
#[derive(Debug)]
pub struct Delivery {
    /// The event; its body is what its digest says.
    pub event: Event,
    /// Its number in the spool of its endpoint.
    pub seq: u64,
    /// Until when its sender waits for the app's answer.
    pub deadline: Option<Instant>,
    /// The sender was told to come again.
    pub missed: bool,
}

/// Bounds of the silence a relay may ask its clients to bear: below the first a slow link would be taken for a lost one, beyond the
/// second a lost one would count as connected.
const SILENCE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Welcome,
    Open,
    Ending,
    Closed,
}

/// What is known of one endpoint's events in this session.
#[derive(Default)]
struct Ledger {
    spool: Option<Uuid>,
    last_received: u64,
    unstored: BTreeSet<u64>,
    stored_beyond: BTreeSet<u64>,
    changed: bool,
    resume: Option<Cursor>,
}

struct Partial {
    header: EventHeader,
    head: Bytes,
    body: Receiving,
    deadline: Option<Instant>,
}

/// The client's end of one session.
pub struct ClientEnd {
    config: ClientConfig,
    phase: Phase,
    opened: Instant,
    last_heard: Instant,
    next_ping: Instant,
    control: VecDeque<Frame>,
    pong: Option<Echo>,
    ping: Option<Echo>,
    commands: VecDeque<ClientCommand>,
    ledgers: HashMap<EndpointName, Ledger>,
    partial: HashMap<EventId, Partial>,
    announced: Credit,
    received: Credit,
    finished: Credit,
    sizes: HashMap<(EndpointName, u64), u64>,
    results: VecDeque<Sending>,
    ending: Option<SessionError>,
}

impl ClientEnd {
    /// An end that says HELLO.
    pub fn new(config: ClientConfig, now: Instant) -> Self {
        let hello = Hello {
            versions: vec![PROTOCOL_VERSION],
            software: config.software.clone(),
            client_id: config.client_id,
            endpoints: config.endpoints.clone(),
        };
        let ledger = |endpoint: &HelloEndpoint| {
            (endpoint.name.clone(), Ledger { resume: endpoint.resume, ..Ledger::default() })
        };
        Self {
            phase: Phase::Welcome,
            opened: now,
            last_heard: now,
            next_ping: now,
            control: VecDeque::from([Frame::Hello(hello)]),
            pong: None,
            ping: None,
            commands: VecDeque::new(),
            ledgers: config.endpoints.iter().map(ledger).collect(),
            partial: HashMap::new(),
            announced: Credit::default(),
            received: Credit::default(),
            finished: Credit::default(),
            sizes: HashMap::new(),
            results: VecDeque::new(),
            ending: None,
            config,
        }
    }

    /// A frame came.
    pub fn handle_frame(&mut self, frame: Frame, now: Instant) {
        self.last_heard = now;
        match (self.phase, frame) {
            (Phase::Ending | Phase::Closed, _) => {}
            (_, Frame::Ping(echo)) => self.pong = Some(echo),
            (_, Frame::Pong(echo)) => self.pong_came(echo, now),
            (_, Frame::Error(error)) => self.end(error),
            (Phase::Welcome, Frame::Welcome(welcome)) => self.welcome(welcome),
            (Phase::Open, Frame::Event(header, head)) => self.event(header, head, now),
            (Phase::Open, Frame::Chunk(chunk, data)) => self.chunk(chunk, &data),
            (Phase::Open, Frame::Drain(drain)) => {
                self.commands.push_back(ClientCommand::Draining(Duration::from_millis(drain.after_ms)));
            }
            (
                _,
                frame @ (Frame::Hello(_)
                | Frame::Welcome(_)
                | Frame::Credit(_)
                | Frame::Event(..)
                | Frame::Chunk(..)
                | Frame::Stored(_)
                | Frame::Result(..)
                | Frame::Drain(_)),
            ) => self.close(protocol_error(format!("{} was not expected now", frame.name()))),
        }
    }

    /// Bytes came then, though perhaps no whole frame: on a slow link one takes longer than the silence after which a session ends.
    pub fn handle_heard(&mut self, at: Instant) {
        self.last_heard = self.last_heard.max(at);
    }

    /// Bytes came that are no frame.
    pub fn handle_bad_frame(&mut self, reason: &str) {
        self.close(protocol_error(reason));
    }

    /// Time has passed; call it when [`ClientEnd::poll_timeout`] is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let timing = self.config.timing;
        match self.phase {
            Phase::Welcome if now >= self.opened + timing.hello => {
                self.close(silent_error("no WELCOME", timing.hello));
            }
            Phase::Open if now >= self.last_heard + timing.dead => {
                self.close(silent_error("nothing was heard from the relay", timing.dead));
            }
            Phase::Open if now >= self.next_ping => {
                self.ping = Some(Echo { time: self.micros(now) });
                self.next_ping = now + timing.ping;
            }
            Phase::Welcome | Phase::Open | Phase::Ending | Phase::Closed => {}
        }
    }

    /// The machine may have slept, so that what was heard before says nothing of the connection: asks at once, and gives up when
    /// nothing is heard for one more ping interval.
    pub fn handle_wake(&mut self, now: Instant) {
        let Timing { ping, dead, .. } = self.config.timing;
        if self.phase == Phase::Open {
            self.next_ping = now;
            let credited = now.checked_sub(dead.saturating_sub(ping)).unwrap_or(self.last_heard);
            self.last_heard = self.last_heard.min(credited);
        }
    }

    /// The event is on this client's disk.
    pub fn handle_stored(&mut self, endpoint: &EndpointName, seq: u64) {
        let Some(ledger) = self.ledgers.get_mut(endpoint) else { return };
        if !ledger.unstored.remove(&seq) {
            return;
        }
        ledger.stored_beyond.insert(seq);
        ledger.changed = true;
        self.make_room(endpoint, seq);
    }

    /// The event cannot be put on this client's disk now, and those behind it can: the relay keeps it for a later session, and another
    /// one may come in its place.
    pub fn handle_not_stored(&mut self, endpoint: &EndpointName, seq: u64) {
        self.make_room(endpoint, seq);
    }

    fn make_room(&mut self, endpoint: &EndpointName, seq: u64) {
        if let Some(bytes) = self.sizes.remove(&(endpoint.clone(), seq)) {
            self.finished.events += 1;
            self.finished.bytes += bytes;
        }
    }

    /// What came of an event with a deadline: the app's header lines and body, both empty when it gave none.
    pub fn handle_result(&mut self, header: ResultHeader, headers: Bytes, body: Bytes) {
        if self.phase == Phase::Open {
            let id = header.id;
            let body = if matches!(header.kind, ResultKind::Answered { .. }) { body } else { Bytes::new() };
            self.results.push_back(Sending::new(Frame::Result(header, headers), id, body));
        }
    }

    /// Ends the session with a reason the relay is told.
    pub fn close(&mut self, error: SessionError) {
        if !matches!(self.phase, Phase::Ending | Phase::Closed) {
            self.end(error.clone());
            self.control.push_back(Frame::Error(error));
        }
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<ClientCommand> {
        if let Some(command) = self.commands.pop_front() {
            return Some(command);
        }
        if self.phase == Phase::Ending && self.control.is_empty() {
            self.phase = Phase::Closed;
            return self.ending.take().map(ClientCommand::Close);
        }
        None
    }

    /// The next frame to write; ask when the socket can take one.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        if let Some(frame) = self.control.pop_front() {
            return Some(frame);
        }
        if self.phase != Phase::Open {
            return None;
        }
        if let Some(echo) = self.pong.take() {
            return Some(Frame::Pong(echo));
        }
        if let Some(echo) = self.ping.take() {
            return Some(Frame::Ping(echo));
        }
        if let Some(stored) = self.next_stored() {
            return Some(Frame::Stored(stored));
        }
        if let Some(credit) = self.next_credit() {
            return Some(Frame::Credit(credit));
        }
        let (frame, last) = self.results.front_mut()?.next();
        if last {
            self.results.pop_front();
        }
        Some(frame)
    }

    /// When [`ClientEnd::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Welcome => Some(self.opened + self.config.timing.hello),
            Phase::Open => Some(self.next_ping.min(self.last_heard + self.config.timing.dead)),
            Phase::Ending | Phase::Closed => None,
        }
    }

    /// Whether the session has ended, but for its last frames.
    pub fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending | Phase::Closed)
    }

    /// What the next session's HELLO should ask for: the same endpoints, each from where this one got to.
    pub fn resume(&self) -> Vec<HelloEndpoint> {
        let resumed = |endpoint: &HelloEndpoint| {
            let ledger = self.ledgers.get(&endpoint.name);
            HelloEndpoint { resume: ledger.and_then(Ledger::cursor), ..endpoint.clone() }
        };
        self.config.endpoints.iter().map(resumed).collect()
    }

    fn micros(&self, now: Instant) -> u64 {
        u64::try_from(now.duration_since(self.opened).as_micros()).unwrap_or(u64::MAX)
    }

    fn pong_came(&mut self, echo: Echo, now: Instant) {
        if let Some(micros) = self.micros(now).checked_sub(echo.time) {
            self.commands.push_back(ClientCommand::RoundTrip(Duration::from_micros(micros)));
        }
    }

    fn welcome(&mut self, welcome: Welcome) {
        let asked = self.config.endpoints.iter().map(|endpoint| &endpoint.name);
        if welcome.version != PROTOCOL_VERSION || !asked.eq(welcome.endpoints.iter().map(|given| &given.name))
        {
            self.close(protocol_error("WELCOME does not answer the HELLO"));
            return;
        }
        let unshared = self
            .config
            .endpoints
            .iter()
            .zip(&welcome.endpoints)
            .find_map(|(asked, given)| asked.sharing.filter(|sharing| given.sharing != Some(*sharing)));
        if let Some(sharing) = unshared {
            self.close(SessionError {
                code: ErrorCode::UnsupportedVersion,
                text: format!(
                    "this relay ({}) does not know `--{}` and would give the endpoint to one client alone: upgrade it with `cargo install inhaul`, or go without",
                    welcome.software,
                    sharing.as_str()
                ),
                retryable: false,
                retry_after_ms: None,
            });
            return;
        }
        for given in &welcome.endpoints {
            if let Some(ledger) = self.ledgers.get_mut(&given.name) {
                ledger.spool = Some(given.spool);
            }
        }
        let silence = Duration::from_millis(welcome.dead_after_ms);
        let timing = &mut self.config.timing;
        timing.dead = silence.clamp(*SILENCE.start(), *SILENCE.end());
        timing.ping = timing.ping.min(timing.dead / 5);
        self.phase = Phase::Open;
        self.commands.push_back(ClientCommand::Opened(welcome));
    }

    fn event(&mut self, header: EventHeader, head: Bytes, now: Instant) {
        if let Err(text) = self.take_event(&header, &head) {
            self.close(protocol_error(text));
            return;
        }
        let deadline = header.deadline_ms.and_then(|left| now.checked_add(Duration::from_millis(left)));
        let id = header.meta.id;
        let body = Receiving::new(header.meta.body_bytes as u64);
        self.partial.insert(id, Partial { header, head, body, deadline });
        self.store_when_whole(id);
    }

    /// Checks an event's header against what was granted, and counts it.
    fn take_event(&mut self, header: &EventHeader, head: &Bytes) -> Result<(), String> {
        let meta = &header.meta;
        if head.len() != meta.head_bytes {
            return Err(format!(
                "EVENT with a head of {} bytes announced as {}",
                head.len(),
                meta.head_bytes
            ));
        }
        let parsed = Head::parse(head).map_err(|error| format!("EVENT {}: {error}", meta.id))?;
        if meta.prefix_bytes > parsed.target.len() {
            return Err(format!("EVENT {}: the endpoint is longer than the request target", meta.id));
        }
        let bytes = (meta.head_bytes as u64).saturating_add(meta.body_bytes as u64);
        if bytes > self.config.max_event_bytes {
            let limit = self.config.max_event_bytes;
            return Err(format!("EVENT {} has {bytes} bytes; this client takes {limit}", meta.id));
        }
        let nothing_in_flight = self.received.events == self.finished.events;
        let within = self.received.events < self.announced.events
            && self.received.bytes.saturating_add(bytes) <= self.announced.bytes;
        if !nothing_in_flight && !within {
            return Err(format!("EVENT {} goes beyond the credit", meta.id));
        }
        let ledger = self.ledgers.get_mut(&meta.endpoint);
        let ledger = ledger.ok_or_else(|| format!("EVENT for {}, which was not asked for", meta.endpoint))?;
        if header.seq <= ledger.last_received {
            return Err(format!("EVENT number {} after {}", header.seq, ledger.last_received));
        }
        if self.partial.contains_key(&meta.id) {
            return Err(format!("EVENT {} twice", meta.id));
        }
        ledger.last_received = header.seq;
        ledger.unstored.insert(header.seq);
        self.sizes.insert((meta.endpoint.clone(), header.seq), bytes);
        self.received.events += 1;
        self.received.bytes += bytes;
        Ok(())
    }

    fn chunk(&mut self, chunk: Chunk, data: &Bytes) {
        let taken = match self.partial.get_mut(&chunk.id) {
            Some(partial) => partial.body.take(chunk, data),
            None => Err(format!("CHUNK of {}, which has no EVENT", chunk.id)),
        };
        match taken {
            Ok(()) => self.store_when_whole(chunk.id),
            Err(text) => self.close(protocol_error(text)),
        }
    }

    fn store_when_whole(&mut self, id: EventId) {
        if !self.partial.get(&id).is_some_and(|partial| partial.body.is_whole()) {
            return;
        }
        let Some(Partial { header, head, body, deadline }) = self.partial.remove(&id) else { return };
        let EventHeader { meta, seq, missed, .. } = header;
        let event = meta.into_event(head, body.finish());
        if Event::digest(&event.body) == event.body_sha256 {
            let delivery = Delivery { event, seq, deadline, missed };
            self.commands.push_back(ClientCommand::Store(Box::new(delivery)));
        } else {
            self.close(protocol_error(format!("the body of {id} is not what its digest says")));
        }
    }

    fn next_stored(&mut self) -> Option<Stored> {
        let (endpoint, ledger) = self.ledgers.iter_mut().find(|(_, ledger)| ledger.changed)?;
        let up_to = ledger.up_to();
        ledger.stored_beyond.retain(|&seq| seq > up_to);
        // Each is told once. A frame has room for about 3,000 numbers; the rest goes into the next one.
        let told = ledger.stored_beyond.len().min(1000);
        let plus = std::iter::from_fn(|| ledger.stored_beyond.pop_first()).take(told).collect();
        ledger.changed = !ledger.stored_beyond.is_empty();
        Some(Stored { endpoint: endpoint.clone(), up_to, plus })
    }

    /// Grants again when half the window is used up, so credit costs one frame for many events.
    fn next_credit(&mut self) -> Option<Credit> {
        let window = self.config.window;
        let grant = Credit {
            events: self.finished.events + window.events,
            bytes: self.finished.bytes + window.bytes,
        };
        let due = grant.events - self.announced.events >= window.events.div_ceil(2)
            || grant.bytes - self.announced.bytes >= window.bytes.div_ceil(2);
        if due {
            self.announced = grant;
        }
        due.then_some(grant)
    }

    fn end(&mut self, error: SessionError) {
        self.phase = Phase::Ending;
        self.control.clear();
        self.results.clear();
        self.partial.clear();
        self.ending = Some(error);
    }
}

impl Ledger {
    /// Every event of the session up to this number is stored: the relay sends in growing order, so all before the first
    /// that is not stored are.
    fn up_to(&self) -> u64 {
        self.unstored.first().map_or(self.last_received, |first| first - 1)
    }

    fn cursor(&self) -> Option<Cursor> {
        let spool = self.spool?;
        if self.last_received == 0 {
            return self.resume.filter(|resume| resume.spool == spool);
        }
        Some(Cursor { spool, up_to: self.up_to() })
    }
}

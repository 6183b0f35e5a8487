//! The relay's end: admits a client, reads its spool only when there is credit, and forgets only what is stored.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Timing,
    body::{Receiving, Sending},
    protocol_error, silent_error,
};
use crate::{
    event::{EndpointName, EventId, EventMeta},
    wire::{
        Chunk, Credit, Drain, Echo, ErrorCode, EventHeader, Frame, Hello, PROTOCOL_VERSION, ResultHeader,
        ResultKind, SessionError, Stored, Welcome,
    },
};

mod talk;

pub use talk::{Admitted, AppAnswer, Lane, Outgoing, Read, RelayCommand};

/// What a relay fixes for all its sessions.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// The times it keeps.
    pub timing: Timing,
    /// Name and version of the relay program.
    pub software: String,
    /// Largest body of an app's answer; a larger one counts as unreachable.
    pub max_answer_bytes: u64,
    /// Most bytes of unfinished answers at one time.
    pub max_unfinished_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Hello,
    Admitting,
    Open,
    Ending,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LaneState {
    Ready,
    /// `again`: what was asked for is no longer all that there may be, or that may be sent.
    Reading {
        again: bool,
    },
    Empty,
    TooLarge,
}

struct LaneAt {
    name: EndpointName,
    read_up_to: u64,
    state: LaneState,
}

struct Answering {
    status: u16,
    headers: Bytes,
    body: Receiving,
    announced: u64,
}

/// The relay's end of one session.
pub struct RelayEnd {
    config: Arc<RelayConfig>,
    phase: Phase,
    opened: Instant,
    last_heard: Instant,
    next_ping: Instant,
    control: VecDeque<Frame>,
    pong: Option<Echo>,
    ping: Option<Echo>,
    commands: VecDeque<RelayCommand>,
    lanes: Vec<LaneAt>,
    draining: bool,
    turn: usize,
    credit: Credit,
    sent: Credit,
    in_flight: BTreeMap<(usize, u64), EventId>,
    sending: Option<Sending>,
    /// Until when the sender of that event waits; the client is told what is left when the frame goes.
    deadline: Option<Instant>,
    /// Events whose senders wait for an answer, and until when.
    awaited: HashMap<EventId, Instant>,
    answering: HashMap<EventId, Answering>,
}

impl RelayEnd {
    /// An end that waits for HELLO.
    pub fn new(config: impl Into<Arc<RelayConfig>>, now: Instant) -> Self {
        let config = config.into();
        Self {
            phase: Phase::Hello,
            opened: now,
            last_heard: now,
            next_ping: now + config.timing.ping,
            config,
            control: VecDeque::new(),
            pong: None,
            ping: None,
            commands: VecDeque::new(),
            lanes: Vec::new(),
            draining: false,
            turn: 0,
            credit: Credit::default(),
            sent: Credit::default(),
            in_flight: BTreeMap::new(),
            sending: None,
            deadline: None,
            awaited: HashMap::new(),
            answering: HashMap::new(),
        }
    }

    /// A frame came.
    pub fn handle_frame(&mut self, frame: Frame, now: Instant) {
        self.last_heard = now;
        match (self.phase, frame) {
            (Phase::Ending | Phase::Closed, _) => {}
            (_, Frame::Ping(echo)) => self.pong = Some(echo),
            (_, Frame::Pong(_)) => {}
            (_, Frame::Error(_)) => self.abandon(),
            (Phase::Hello, Frame::Hello(hello)) => self.hello(hello),
            (Phase::Open, Frame::Credit(credit)) => self.granted(credit),
            (Phase::Open, Frame::Stored(stored)) => self.stored(stored),
            (Phase::Open, Frame::Result(header, headers)) => self.result(header, headers),
            (Phase::Open, Frame::Chunk(chunk, data)) => self.chunk(chunk, &data),
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

    /// Time has passed; call it when [`RelayEnd::poll_timeout`] is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let timing = self.config.timing;
        match self.phase {
            Phase::Hello if now >= self.opened + timing.hello => {
                self.close(silent_error("no HELLO", timing.hello));
            }
            Phase::Hello | Phase::Admitting | Phase::Open if now >= self.last_heard + timing.dead => {
                self.close(silent_error("nothing was heard from the client", timing.dead));
            }
            Phase::Open if now >= self.next_ping => {
                let time = now.duration_since(self.opened).as_millis();
                self.ping = Some(Echo { time: u64::try_from(time).unwrap_or(u64::MAX) });
                self.next_ping = now + timing.ping;
                self.forget_answered(now);
            }
            Phase::Hello | Phase::Admitting | Phase::Open | Phase::Ending | Phase::Closed => {}
        }
    }

    /// The client may have what it asked for.
    pub fn handle_admitted(&mut self, admitted: Admitted) {
        if self.phase != Phase::Admitting {
            return;
        }
        let timing = self.config.timing;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.control.push_back(Frame::Welcome(Welcome {
            version: PROTOCOL_VERSION,
            software: self.config.software.clone(),
            generation: admitted.generation,
            endpoints: admitted.lanes.iter().map(|lane| lane.welcome.clone()).collect(),
            ping_interval_ms: millis(timing.ping),
            dead_after_ms: millis(timing.dead),
            max_answer_bytes: self.config.max_answer_bytes,
            time_ms: Some(admitted.time),
        }));
        let start =
            |lane: Lane| LaneAt { name: lane.welcome.name, read_up_to: lane.cursor, state: LaneState::Ready };
        self.lanes = admitted.lanes.into_iter().map(start).collect();
        self.lanes.shrink_to_fit();
        // HELLO is the largest of them, and comes once.
        self.commands.shrink_to_fit();
        self.phase = Phase::Open;
    }

    /// The outcome of a [`RelayCommand::ReadNext`].
    pub fn handle_read(&mut self, endpoint: &EndpointName, read: Read) {
        let Some(index) = self.lanes.iter().position(|lane| lane.name == *endpoint) else { return };
        if self.phase != Phase::Open {
            return;
        }
        let again = self.lanes[index].state == LaneState::Reading { again: true };
        self.lanes[index].state = match read {
            Read::Event(outgoing) => {
                self.send_event(index, *outgoing);
                LaneState::Ready
            }
            Read::Empty | Read::TooLarge if again => LaneState::Ready,
            Read::Empty => LaneState::Empty,
            Read::TooLarge => LaneState::TooLarge,
        };
    }

    /// There may be new events for an endpoint of this session.
    pub fn handle_news(&mut self, endpoint: &EndpointName) {
        for lane in self.lanes.iter_mut().filter(|lane| lane.name == *endpoint) {
            lane.state = match lane.state {
                LaneState::Reading { .. } => LaneState::Reading { again: true },
                LaneState::Ready | LaneState::Empty => LaneState::Ready,
                LaneState::TooLarge => LaneState::TooLarge,
            };
        }
    }

    /// The relay goes down: the client is told, and gets no new events.
    pub fn drain(&mut self, after: Duration) {
        if self.phase == Phase::Open {
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            self.control.push_back(Frame::Drain(Drain { after_ms }));
            self.draining = true;
        }
    }

    /// Whether the session has ended, but for its last frames.
    pub fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending | Phase::Closed)
    }

    /// Whether every event sent is stored and every awaited answer given.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.awaited.is_empty()
    }

    /// Ends the session with a reason.
    pub fn close(&mut self, error: SessionError) {
        if !matches!(self.phase, Phase::Ending | Phase::Closed) {
            self.abandon();
            self.control.push_back(Frame::Error(error));
        }
    }

    /// The next thing to do.
    pub fn poll_command(&mut self) -> Option<RelayCommand> {
        if let Some(command) = self.commands.pop_front() {
            return Some(command);
        }
        match self.phase {
            Phase::Ending if self.control.is_empty() => {
                self.phase = Phase::Closed;
                Some(RelayCommand::Close)
            }
            Phase::Open if self.sending.is_none() && !self.draining => self.next_read(),
            Phase::Hello | Phase::Admitting | Phase::Open | Phase::Ending | Phase::Closed => None,
        }
    }

    /// The next frame to write; ask when the socket can take one.
    pub fn poll_frame(&mut self, now: Instant) -> Option<Frame> {
        if let Some(frame) = self.control.pop_front() {
            // There are few of these in a session, and an idle one is to be small.
            self.control.shrink_to_fit();
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
        let (mut frame, last) = self.sending.as_mut()?.next();
        if last {
            self.sending = None;
        }
        if let Frame::Event(header, _) = &mut frame {
            let left = self.deadline.take().map(|deadline| deadline.saturating_duration_since(now));
            header.deadline_ms = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        }
        Some(frame)
    }

    /// When [`RelayEnd::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let dead = self.last_heard + self.config.timing.dead;
        match self.phase {
            Phase::Hello => Some(dead.min(self.opened + self.config.timing.hello)),
            Phase::Admitting => Some(dead),
            Phase::Open => Some(dead.min(self.next_ping)),
            Phase::Ending | Phase::Closed => None,
        }
    }

    fn hello(&mut self, hello: Hello) {
        if !hello.versions.contains(&PROTOCOL_VERSION) {
            self.close(SessionError {
                code: ErrorCode::UnsupportedVersion,
                text: format!(
                    "this relay ({}) speaks version {PROTOCOL_VERSION} of the protocol, the client {:?}: upgrade the older with `cargo install inhaul`",
                    self.config.software, hello.versions
                ),
                retryable: false,
                retry_after_ms: None,
            });
        } else if hello.endpoints.is_empty() || hello.endpoints.len() > 16 {
            self.close(protocol_error("HELLO must name 1 to 16 endpoints"));
        } else {
            self.phase = Phase::Admitting;
            self.commands.push_back(RelayCommand::Admit(hello));
        }
    }

    fn granted(&mut self, credit: Credit) {
        self.credit.events = self.credit.events.max(credit.events);
        self.credit.bytes = self.credit.bytes.max(credit.bytes);
        self.retry_large();
    }

    /// Events that were too large are tried again: there is more credit, or nothing is in flight.
    fn retry_large(&mut self) {
        for lane in &mut self.lanes {
            lane.state = match lane.state {
                LaneState::TooLarge | LaneState::Ready => LaneState::Ready,
                LaneState::Reading { .. } => LaneState::Reading { again: true },
                LaneState::Empty => LaneState::Empty,
            };
        }
    }

    fn stored(&mut self, stored: Stored) {
        let Some(index) = self.lanes.iter().position(|lane| lane.name == stored.endpoint) else {
            let text = format!("STORED for {}, which is not in this session", stored.endpoint);
            self.close(protocol_error(text));
            return;
        };
        let sent_up_to = self.lanes[index].read_up_to;
        let highest = stored.plus.iter().copied().max().unwrap_or(0).max(stored.up_to);
        if highest > sent_up_to {
            let text = format!("STORED says {highest} where {sent_up_to} is the last event sent");
            self.close(protocol_error(text));
            return;
        }
        self.in_flight
            .retain(|&(lane, seq), _| lane != index || (seq > stored.up_to && !stored.plus.contains(&seq)));
        if self.in_flight.is_empty() {
            self.retry_large();
        }
        self.commands.push_back(RelayCommand::Forget(stored));
    }

    fn result(&mut self, header: ResultHeader, headers: Bytes) {
        let id = header.id;
        if !self.awaited.contains_key(&id) || self.answering.contains_key(&id) {
            return;
        }
        let answer = match header.kind {
            ResultKind::Answered { status, body_bytes } => {
                let unfinished: u64 = self.answering.values().map(|answer| answer.announced).sum();
                let room = self.config.max_unfinished_bytes.saturating_sub(unfinished);
                if body_bytes <= self.config.max_answer_bytes.min(room) {
                    let body = Receiving::new(body_bytes);
                    self.answering.insert(id, Answering { status, headers, body, announced: body_bytes });
                    self.answer_when_whole(id);
                    return;
                }
                AppAnswer::Unreachable {
                    reason: format!(
                        "the app's answer has {body_bytes} bytes, more than this relay takes ({})",
                        self.config.max_answer_bytes
                    ),
                }
            }
            ResultKind::Unreachable { reason } => AppAnswer::Unreachable { reason },
            ResultKind::TimedOut => AppAnswer::TimedOut,
            ResultKind::Rejected { reason } => AppAnswer::Rejected(reason),
            ResultKind::NoApp => AppAnswer::NoApp,
        };
        self.answer(id, answer);
    }

    fn chunk(&mut self, chunk: Chunk, data: &Bytes) {
        let Some(answering) = self.answering.get_mut(&chunk.id) else { return };
        match answering.body.take(chunk, data) {
            Ok(()) => self.answer_when_whole(chunk.id),
            Err(text) => self.close(protocol_error(text)),
        }
    }

    /// Nobody waits for these any more, and a client need not answer.
    fn forget_answered(&mut self, now: Instant) {
        self.awaited.retain(|_, deadline| *deadline > now);
        self.answering.retain(|id, _| self.awaited.contains_key(id));
    }

    fn answer_when_whole(&mut self, id: EventId) {
        if self.answering.get(&id).is_some_and(|answering| answering.body.is_whole()) {
            let Some(Answering { status, headers, body, .. }) = self.answering.remove(&id) else { return };
            self.answer(id, AppAnswer::Answered { status, headers, body: body.finish() });
        }
    }

    fn answer(&mut self, id: EventId, answer: AppAnswer) {
        self.awaited.remove(&id);
        self.commands.push_back(RelayCommand::Answer { id, answer });
    }

    fn send_event(&mut self, index: usize, outgoing: Outgoing) {
        let Outgoing { event, seq, deadline, missed } = outgoing;
        let lane = &mut self.lanes[index];
        debug_assert!(seq > lane.read_up_to, "the spool is read forward");
        lane.read_up_to = seq;
        self.in_flight.insert((index, seq), event.id);
        self.sent.events += 1;
        self.sent.bytes += (event.head.len() + event.body.len()) as u64;
        if let Some(deadline) = deadline {
            self.awaited.insert(event.id, deadline);
        }
        self.deadline = deadline;
        let header = EventHeader { meta: EventMeta::of(&event), seq, deadline_ms: None, missed };
        self.sending = Some(Sending::new(Frame::Event(header, event.head), event.id, event.body));
    }

    fn next_read(&mut self) -> Option<RelayCommand> {
        let max_bytes = if self.in_flight.is_empty() {
            u64::MAX
        } else if self.sent.events < self.credit.events && self.sent.bytes < self.credit.bytes {
            self.credit.bytes - self.sent.bytes
        } else {
            return None;
        };
        if self.lanes.iter().any(|lane| matches!(lane.state, LaneState::Reading { .. })) {
            return None;
        }
        let count = self.lanes.len();
        let index = (0..count)
            .map(|step| (self.turn + step) % count)
            .find(|&index| self.lanes[index].state == LaneState::Ready)?;
        self.turn = index + 1;
        let lane = &mut self.lanes[index];
        lane.state = LaneState::Reading { again: false };
        Some(RelayCommand::ReadNext { endpoint: lane.name.clone(), after: lane.read_up_to, max_bytes })
    }

    fn abandon(&mut self) {
        self.phase = Phase::Ending;
        self.control.clear();
        self.sending = None;
        self.lanes.clear();
        self.answering.clear();
        self.awaited.clear();
    }
}

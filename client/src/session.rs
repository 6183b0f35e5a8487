//! Keeps a session with the relay: dials, drives the client's end of the protocol, and comes back after every loss but a definite
//! refusal. What to say is decided in `inhaul_core::session`.

use std::{
    collections::HashMap,
    future::poll_fn,
    ops::ControlFlow::{self, Break, Continue},
    sync::Arc,
    task::{Poll, ready},
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use inhaul_core::{
    event::{EventId, UnixMillis},
    retry::Backoff,
    session::{ClientCommand, ClientConfig, ClientEnd, Delivery, LastByte, Timing},
    wire::{Credit, Expired, Frame, HelloEndpoint, SessionError, Welcome},
};
use tokio::sync::mpsc;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message},
};

use crate::{clock, connection::ConnectionState, random::random};

mod dial;
mod proxy;
mod talk;
mod wake;

pub use dial::{DialError, Relay};
use dial::{Dialled, Stream};
pub use talk::{Arrival, Report, SessionConfig, SessionNews, SessionPorts, SessionRefused};
use wake::Wakes;

/// How much may be on its way at one time. Many small events, or two of the largest a relay takes by default.
pub const WINDOW: Credit = Credit { events: 256, bytes: 20 << 20 };

/// The largest event this client takes from a relay.
pub const MAX_EVENT_BYTES: u64 = 512 << 20;

/// How often the client measures the connection: a state that is older is not shown as connected for long.
const PING_INTERVAL: Duration = Duration::from_secs(5);

const BACKOFF: Backoff = Backoff { first: Duration::from_millis(250), longest: Duration::from_secs(30) };

/// A session that lasted this long was a good one: the next loss counts as the first again.
const STABLE: Duration = Duration::from_secs(60);

/// An event that waited at the relay this long, when the session began, came while the client was away: not in a moment without
/// connection.
pub const LATE: Duration = Duration::from_secs(60);

/// How long a session that ends may take to say why.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// How long a session that another one is to follow stays for senders that wait for an answer: as long as most of them wait.
const ANSWERS_GRACE: Duration = Duration::from_secs(30);

/// Why one session ended.
struct Ended {
    error: SessionError,
    /// Another one is to begin now.
    at_once: bool,
}

/// Keeps a session until the relay refuses for good or the pipeline goes.
///
/// # Errors
/// Always: with the reason there will be no more sessions.
pub async fn run(mut config: SessionConfig, ports: SessionPorts) -> Result<(), SessionRefused> {
    let SessionPorts { arrivals, mut reports, news, reconnect } = ports;
    let (mut failures, mut number, mut ever_connected) = (0, 0, false);
    // Since the last session; the pauses between them count more.
    let mut tries = 0;
    let mut wakes = Wakes::new(reconnect);
    loop {
        room_for_a_window(&arrivals, &mut reports).await?;
        let attempt = tries + 1;
        tell(&news, SessionNews::State(ConnectionState::Connecting { attempt })).await?;
        let began = Instant::now();
        let dialled = tokio::select! {
            dialled = dial::dial(&config.relay) => dialled,
            stopping = until_stopping(&mut reports) => return Err(stopping),
            // What was begun before belongs to a network that may be another one now.
            () = wakes.woken() => continue,
        };
        tries = attempt;
        let reason = match dialled {
            Ok(dialled) => {
                number += 1;
                let mut session = Session::new(&config, number, &arrivals, &news);
                let ended = session.drive(dialled, &mut reports, &mut wakes).await?;
                config.endpoint = session.resume().unwrap_or(config.endpoint);
                ever_connected |= session.opened;
                if session.opened {
                    tries = 0;
                }
                if !ended.error.retryable {
                    let reason = ended.error.text.clone();
                    tell(&news, SessionNews::State(ConnectionState::Refused { reason })).await?;
                    return Err(SessionRefused::ByRelay(ended.error));
                }
                if ended.at_once {
                    failures = 0;
                    continue;
                }
                Waiting {
                    reason: ended.error.text,
                    at_least: ended.error.retry_after_ms.map(Duration::from_millis),
                }
            }
            Err(error) if !ever_connected && error.is_definite() => {
                let reason = error.to_string();
                tell(&news, SessionNews::State(ConnectionState::Refused { reason })).await?;
                return Err(SessionRefused::Dial(error));
            }
            Err(error) => Waiting { reason: error.to_string(), at_least: None },
        };
        failures = if began.elapsed() >= STABLE { 1 } else { failures + 1 };
        let retry_in = BACKOFF.delay(failures, random()) + reason.at_least.unwrap_or_default();
        let state = ConnectionState::Waiting { reason: reason.reason, retry_in };
        tell(&news, SessionNews::State(state)).await?;
        tokio::select! {
            over = wait(retry_in, &mut reports) => over?,
            // The wait was for a relay or a network as they were before.
            () = wakes.woken() => (failures, tries) = (0, 0),
        }
    }
}

/// Done when the pipeline goes. What it reports meanwhile belongs to sessions that are over.
async fn until_stopping(reports: &mut mpsc::Receiver<Report>) -> SessionRefused {
    while reports.recv().await.is_some() {}
    SessionRefused::Stopping
}

struct Waiting {
    reason: String,
    at_least: Option<Duration>,
}

async fn tell(to: &mpsc::Sender<SessionNews>, news: SessionNews) -> Result<(), SessionRefused> {
    to.send(news).await.map_err(|_| SessionRefused::Stopping)
}

/// Waits until the pipeline has taken what earlier sessions brought: a session may bring a whole window.
async fn room_for_a_window(
    arrivals: &mpsc::Sender<Arrival>,
    reports: &mut mpsc::Receiver<Report>,
) -> Result<(), SessionRefused> {
    let window = usize::try_from(WINDOW.events).unwrap_or(usize::MAX);
    tokio::select! {
        permits = arrivals.reserve_many(window) => permits.map(drop).map_err(|_| SessionRefused::Stopping),
        stopping = until_stopping(reports) => Err(stopping),
    }
}

/// Waits, unless the pipeline goes.
async fn wait(time: Duration, reports: &mut mpsc::Receiver<Report>) -> Result<(), SessionRefused> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        stopping = until_stopping(reports) => Err(stopping),
    }
}

/// One session.
struct Session<'a> {
    number: u64,
    arrivals: &'a mpsc::Sender<Arrival>,
    news_to: &'a mpsc::Sender<SessionNews>,
    end: ClientEnd,
    endpoint_url: Arc<str>,
    taken_when_late: bool,
    backlog_events: u64,
    /// When it began, by the relay's clock.
    began_at: UnixMillis,
    told_of_late: bool,
    round_trip: Option<Duration>,
    clock_ahead_ms: Option<i64>,
    opened: bool,
    closing_since: Option<Instant>,
    /// Until when the senders of events that came wait for an answer, which only this session can give.
    awaited: HashMap<EventId, Instant>,
    /// When it was asked for what was not stored, which another session is to bring.
    again_since: Option<Instant>,
    news: Vec<SessionNews>,
}

type Sink = SplitSink<WebSocketStream<Stream>, Message>;

impl<'a> Session<'a> {
    fn new(
        config: &SessionConfig,
        number: u64,
        arrivals: &'a mpsc::Sender<Arrival>,
        news_to: &'a mpsc::Sender<SessionNews>,
    ) -> Self {
        let client = ClientConfig {
            client_id: config.client_id,
            software: concat!("inhaul/", env!("CARGO_PKG_VERSION")).to_owned(),
            endpoints: vec![config.endpoint.clone()],
            window: WINDOW,
            max_event_bytes: MAX_EVENT_BYTES,
            timing: Timing { ping: PING_INTERVAL, ..Timing::default() },
        };
        Self {
            number,
            arrivals,
            news_to,
            end: ClientEnd::new(client, Instant::now()),
            endpoint_url: "".into(),
            taken_when_late: false,
            backlog_events: 0,
            began_at: clock::now(),
            told_of_late: false,
            round_trip: None,
            clock_ahead_ms: None,
            opened: false,
            closing_since: None,
            awaited: HashMap::new(),
            again_since: None,
            news: Vec::new(),
        }
    }

    fn resume(&self) -> Option<HelloEndpoint> {
        self.end.resume().into_iter().next()
    }
}

/// What woke the driver.
enum Woken {
    Message(Option<Result<Message, tungstenite::Error>>),
    Report(Option<Report>),
    Wrote(Result<(), tungstenite::Error>),
    Woke,
    Timer,
}

impl Session<'_> {
    /// Moves frames until the session is over.
    async fn drive(
        &mut self,
        Dialled { socket, last_byte }: Dialled,
        reports: &mut mpsc::Receiver<Report>,
        wakes: &mut Wakes,
    ) -> Result<Ended, SessionRefused> {
        let (mut sink, mut stream) = socket.split();
        loop {
            while let Some(command) = self.end.poll_command() {
                if let Break(ended) = self.carry_out(command)? {
                    self.flush_news().await?;
                    // The reason has been said as ERROR; a relay that does not read it gets no more time.
                    let _ = tokio::time::timeout(CLOSE_GRACE, sink.close()).await;
                    return Ok(ended);
                }
            }
            self.flush_news().await?;
            if self.is_to_begin_anew(Instant::now()) {
                self.leave(&mut sink).await;
                return Ok(Ended { at_once: true, ..lost("the client asks for what it left".to_owned()) });
            }
            let timeout = self.timeout();
            let woken = tokio::select! {
                biased;
                // STORED and RESULT make room at the relay, so they go before what comes.
                report = reports.recv() => Woken::Report(report),
                message = stream.next() => Woken::Message(message),
                wrote = write_next(&mut sink, &mut self.end) => Woken::Wrote(wrote),
                () = wakes.woken() => Woken::Woke,
                () = tokio::time::sleep_until(timeout.into()) => Woken::Timer,
            };
            if matches!(woken, Woken::Report(None)) {
                self.leave(&mut sink).await;
                return Err(SessionRefused::Stopping);
            }
            if let Break(ended) = self.handle(woken, &last_byte) {
                return Ok(ended);
            }
        }
    }

    fn timeout(&self) -> Instant {
        let closing = self.closing_since.map(|since| since + CLOSE_GRACE);
        let again = self.again_since.map(|since| {
            let answered = self.awaited.values().max().copied().unwrap_or(since);
            answered.min(since + ANSWERS_GRACE)
        });
        let all = closing.into_iter().chain(again).chain(self.end.poll_timeout());
        all.min().unwrap_or_else(|| Instant::now() + CLOSE_GRACE)
    }

    /// Whether another session is to bring what this one left, and nobody waits for an answer that only this one can give; but that is not
    /// waited for without end.
    fn is_to_begin_anew(&mut self, now: Instant) -> bool {
        let Some(since) = self.again_since else { return false };
        self.awaited.retain(|_, deadline| *deadline > now);
        self.awaited.is_empty() || now >= since + ANSWERS_GRACE
    }

    /// The session is over for this side: what was reported last still goes out.
    async fn leave(&mut self, sink: &mut Sink) {
        let last_words = async {
            while let Some(frame) = self.end.poll_frame() {
                sink.feed(Message::Binary(frame.encode())).await?;
            }
            sink.close().await
        };
        // A relay that does not take them sends the events again, which is safe.
        let _ = tokio::time::timeout(CLOSE_GRACE, last_words).await;
    }

    fn handle(&mut self, woken: Woken, last_byte: &LastByte) -> ControlFlow<Ended> {
        let now = Instant::now();
        match woken {
            Woken::Message(Some(Ok(message))) => return self.message(message, now),
            Woken::Message(Some(Err(error))) | Woken::Wrote(Err(error)) => {
                return Break(lost(error.to_string()));
            }
            Woken::Message(None) => return Break(lost("the relay closed the connection".to_owned())),
            Woken::Report(Some(report)) => self.report(report),
            Woken::Report(None) | Woken::Wrote(Ok(())) => {}
            Woken::Woke => {
                // What came before says nothing of the connection now.
                let _ = last_byte.take();
                self.end.handle_wake(now);
            }
            Woken::Timer if self.closing_since.is_some_and(|since| now >= since + CLOSE_GRACE) => {
                return Break(lost("the relay did not take the reason of the end".to_owned()));
            }
            Woken::Timer => {
                if let Some(at) = last_byte.take() {
                    self.end.handle_heard(at);
                }
                self.end.handle_timeout(now);
                self.note_ending(now);
            }
        }
        Continue(())
    }

    fn message(&mut self, message: Message, now: Instant) -> ControlFlow<Ended> {
        match message {
            Message::Binary(bytes) => match Frame::decode(bytes) {
                Ok(Some(frame)) => self.end.handle_frame(frame, now),
                Ok(None) => {}
                Err(error) => self.end.handle_bad_frame(&error.to_string()),
            },
            Message::Text(_) => self.end.handle_bad_frame("a text message; frames are binary"),
            Message::Close(_) => return Break(lost("the relay closed the connection".to_owned())),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        self.note_ending(now);
        Continue(())
    }

    fn note_ending(&mut self, now: Instant) {
        if self.end.is_ending() {
            self.closing_since.get_or_insert(now);
        }
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Stored { session, endpoint, seq } if session == self.number => {
                self.end.handle_stored(&endpoint, seq);
            }
            Report::NotStored { session, endpoint, seq } if session == self.number => {
                self.end.handle_not_stored(&endpoint, seq);
            }
            Report::Again { session } if session == self.number => {
                self.again_since.get_or_insert_with(Instant::now);
            }
            Report::Result { session, header, headers, body } if session == self.number => {
                self.awaited.remove(&header.id);
                self.end.handle_result(header, headers, body);
            }
            // The relay sends what was not acknowledged again; an answer to an earlier session comes too late.
            Report::Stored { .. }
            | Report::NotStored { .. }
            | Report::Again { .. }
            | Report::Result { .. } => {}
        }
    }

    fn carry_out(&mut self, command: ClientCommand) -> Result<ControlFlow<Ended>, SessionRefused> {
        match command {
            ClientCommand::Opened(welcome) => self.open(welcome),
            ClientCommand::Store(delivery) => {
                let was = self.backlog_events;
                self.backlog_events = was.saturating_sub(1);
                let endpoint_url = Arc::clone(&self.endpoint_url);
                let late = self.is_late(&delivery);
                self.awaited.extend(delivery.deadline.map(|deadline| (delivery.event.id, deadline)));
                let taken_when_late = self.taken_when_late && delivery.deadline.is_some();
                let session = self.number;
                let arrival = Arrival { session, delivery, endpoint_url, taken_when_late, late };
                // The channel holds a whole window; full means that the relay sent more, which the protocol's end prevents.
                self.arrivals.try_send(arrival).map_err(|_| SessionRefused::Stopping)?;
                if was == 1 {
                    self.say_connected();
                }
            }
            ClientCommand::RoundTrip(time) => {
                self.round_trip = Some(time);
                let now = Instant::now();
                self.awaited.retain(|_, deadline| *deadline > now);
                self.say_connected();
            }
            ClientCommand::Draining(after) => {
                let seconds = after.as_secs_f32();
                self.news.push(SessionNews::Notice(format!(
                    "the relay is going down; the client comes back after {seconds} s"
                )));
            }
            ClientCommand::Close(error) => return Ok(Break(Ended { error, at_once: false })),
        }
        Ok(Continue(()))
    }

    /// Whether an event came while the client was away; a person is told of the first.
    fn is_late(&mut self, delivery: &Delivery) -> bool {
        let waited = Duration::from_millis(self.began_at.0.saturating_sub(delivery.event.received_at.0));
        // A sender that is told to come again, or still waits, is served in its own way.
        let late = waited >= LATE && delivery.deadline.is_none() && !delivery.missed;
        if late && !self.told_of_late {
            self.told_of_late = true;
            let events = self.backlog_events.saturating_add(1);
            self.news.push(SessionNews::Late { events, oldest: waited });
        }
        late
    }

    fn open(&mut self, welcome: Welcome) {
        self.opened = true;
        let mut expired = None;
        self.began_at = welcome.time_ms.unwrap_or(self.began_at);
        let here = clock::now();
        self.clock_ahead_ms = welcome.time_ms.map(|there| there.0.wrapping_sub(here.0).cast_signed());
        if let Some(endpoint) = welcome.endpoints.first() {
            self.endpoint_url = endpoint.url.as_str().into();
            self.taken_when_late = endpoint.taken_when_late;
            self.backlog_events = endpoint.backlog_events;
            expired = endpoint.expired;
        }
        self.say_connected();
        self.news.push(SessionNews::Opened(Box::new(welcome)));
        self.news.extend(expired.map(|expired| SessionNews::Notice(expired_text(expired))));
    }

    fn say_connected(&mut self) {
        let Self { round_trip, backlog_events, clock_ahead_ms, .. } = *self;
        let connected = ConnectionState::Connected { round_trip, backlog_events, clock_ahead_ms };
        self.news.push(SessionNews::State(connected));
    }

    async fn flush_news(&mut self) -> Result<(), SessionRefused> {
        for news in self.news.drain(..) {
            self.news_to.send(news).await.map_err(|_| SessionRefused::Stopping)?;
        }
        Ok(())
    }
}

/// Tells a person what the relay could not keep until the client came.
fn expired_text(Expired { events, since_ms }: Expired) -> String {
    let (events, were, oldest) = match events {
        1 => ("1 event".to_owned(), "was", "it"),
        more => (format!("{more} events"), "were", "the oldest"),
    };
    format!(
        "{events} {were} dropped by the relay while no client took them, because it keeps events only so long; {oldest} was received at {since_ms}"
    )
}

/// The end of a session whose connection was lost.
fn lost(text: String) -> Ended {
    let code = inhaul_core::wire::ErrorCode::Silent;
    Ended { error: SessionError { code, text, retryable: true, retry_after_ms: None }, at_once: false }
}

/// Puts the next frame on the socket. Ready once one is taken or writing failed; while there is nothing to say, it flushes and
/// waits. A frame is taken only when the socket can have it, so dropping this future loses nothing.
async fn write_next(sink: &mut Sink, end: &mut ClientEnd) -> Result<(), tungstenite::Error> {
    poll_fn(|context| {
        ready!(sink.poll_ready_unpin(context))?;
        match end.poll_frame() {
            Some(frame) => Poll::Ready(sink.start_send_unpin(Message::Binary(frame.encode()))),
            None => {
                ready!(sink.poll_flush_unpin(context))?;
                Poll::Pending
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests;

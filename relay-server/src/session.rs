//! Drives the relay's end of one session over a WebSocket. It moves frames and carries out commands; what to do is decided in
//! `inhaul_core::session`.

use std::{
    future::{Future, poll_fn},
    ops::ControlFlow::{self, Break, Continue},
    pin::Pin,
    sync::Arc,
    task::{Poll, ready},
    time::{Duration, Instant},
};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use inhaul_core::{
    event::EndpointName,
    session::{Admitted, Lane, Outgoing, Read, RelayCommand, RelayConfig, RelayEnd},
    wire::{
        ErrorCode, Expired, FRAME_MAX_BYTES, Frame, Hello, HelloEndpoint, SessionError, Sharing,
        WelcomeEndpoint,
    },
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};

use crate::{
    hub::{self, Calls, Hub, Seat, SessionOrder},
    ingest::now_millis,
    metrics::Metrics,
    registry::{OnAbsent, Registry},
    spool::{JoinError, Next, Reader, Spool},
};

/// How long a closing session may take to send its last frames.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// What every session of a relay shares.
pub struct SessionContext {
    /// The endpoints and their tokens.
    pub registry: Registry,
    /// The events.
    pub spool: Spool,
    /// The other sessions, and the senders that wait.
    pub hub: Hub,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The relay's own address, without a slash at the end.
    pub public_url: Arc<str>,
    /// What the protocol fixes.
    pub config: Arc<RelayConfig>,
}

/// The WebSocket limits of both ends. tungstenite keeps 128 KiB for each connection and writes without bound unless told
/// otherwise; a frame and a half is enough.
pub fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(FRAME_MAX_BYTES + FRAME_MAX_BYTES / 2)
        .max_message_size(Some(FRAME_MAX_BYTES))
        .max_frame_size(Some(FRAME_MAX_BYTES))
}

type ReadResult = (EndpointName, Next);
type Reading = Pin<Box<dyn Future<Output = ReadResult> + Send>>;

struct Driver {
    context: Arc<SessionContext>,
    end: RelayEnd,
    seat: Option<Seat>,
    /// Its places in the events of its endpoints, until it ends.
    readers: Vec<Reader>,
    reading: Option<Reading>,
    closing_since: Option<Instant>,
}

/// What woke the driver.
enum Woken {
    Message(Option<Result<Message, tungstenite::Error>>),
    Order(SessionOrder),
    News,
    Read(ReadResult),
    Wrote(Result<(), tungstenite::Error>),
    Timer,
}

/// Serves one client until its session ends.
pub fn run<IO>(
    socket: WebSocketStream<IO>,
    context: Arc<SessionContext>,
) -> impl Future<Output = ()> + use<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let driver = Box::new(Driver::new(context));
    let (sink, stream) = socket.split();
    // What a future is given it keeps beside what it makes of it, so it is given what is made already.
    drive(driver, sink, stream)
}

async fn drive<IO>(
    mut driver: Box<Driver>,
    mut sink: SplitSink<WebSocketStream<IO>, Message>,
    mut stream: SplitStream<WebSocketStream<IO>>,
) where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        while let Some(command) = driver.end.poll_command() {
            if driver.carry_out(command).is_break() {
                // The endpoints are free while the client is being said goodbye to.
                drop(driver);
                close(&mut sink).await;
                return;
            }
        }
        if driver.end.is_ending() {
            driver.give_back();
        }
        let timeout = driver.timeout();
        let Driver { end, seat, reading, .. } = &mut *driver;
        let calls = seat.as_ref().map(|seat| &*seat.calls);
        let woken = tokio::select! {
            biased;
            // Being told to end goes before everything else.
            order = maybe(calls.map(Calls::ordered)) => Woken::Order(order),
            // What the client says comes before what it is sent: STORED and CREDIT make room.
            message = stream.next() => Woken::Message(message),
            read = maybe(reading.as_mut()) => Woken::Read(read),
            () = maybe(calls.map(Calls::news)) => Woken::News,
            wrote = write_next(&mut sink, end) => Woken::Wrote(wrote),
            () = tokio::time::sleep_until(timeout.into()) => Woken::Timer,
        };
        if driver.handle(woken).is_break() {
            return;
        }
    }
}

/// The future's output, or never.
async fn maybe<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Puts the next frame on the socket. Ready once one is taken or writing failed; while there is nothing to say, it flushes and
/// waits. A frame is taken only when the socket can have it, so dropping this future loses nothing.
async fn write_next<IO>(
    sink: &mut SplitSink<WebSocketStream<IO>, Message>,
    end: &mut RelayEnd,
) -> Result<(), tungstenite::Error>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
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

/// Says goodbye in the WebSocket's own way, as long as the other side reads.
async fn close<IO>(sink: &mut SplitSink<WebSocketStream<IO>, Message>)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    // The reason has been sent as ERROR; a client that does not read it any more gets no more time.
    let _ = tokio::time::timeout(CLOSE_GRACE, sink.close()).await;
}

impl Driver {
    fn new(context: Arc<SessionContext>) -> Self {
        let end = RelayEnd::new(Arc::clone(&context.config), Instant::now());
        Self { context, end, seat: None, readers: Vec::new(), reading: None, closing_since: None }
    }

    fn timeout(&self) -> Instant {
        let closing = self.closing_since.map(|since| since + CLOSE_GRACE);
        let end = self.end.poll_timeout();
        closing.into_iter().chain(end).min().unwrap_or_else(|| Instant::now() + CLOSE_GRACE)
    }

    fn handle(&mut self, woken: Woken) -> ControlFlow<()> {
        let now = Instant::now();
        match woken {
            Woken::Message(Some(Ok(message))) => return self.message(message, now),
            Woken::Message(Some(Err(error))) => {
                tracing::debug!(%error, "a session's socket failed");
                return Break(());
            }
            Woken::Message(None) => return Break(()),
            Woken::Order(SessionOrder::Close(error)) => self.close(*error, now),
            Woken::Order(SessionOrder::Drain(after)) => self.end.drain(after),
            Woken::News => {
                for endpoint in self.endpoints() {
                    self.end.handle_news(&endpoint);
                }
            }
            Woken::Read((endpoint, next)) => self.read(&endpoint, next, now),
            Woken::Wrote(Ok(())) => {}
            Woken::Wrote(Err(error)) => {
                tracing::debug!(%error, "a session's socket failed");
                return Break(());
            }
            Woken::Timer => {
                if self.closing_since.is_some_and(|since| now >= since + CLOSE_GRACE) {
                    return Break(());
                }
                self.end.handle_timeout(now);
                if self.end.is_ending() {
                    self.closing_since.get_or_insert(now);
                }
            }
        }
        Continue(())
    }

    fn message(&mut self, message: Message, now: Instant) -> ControlFlow<()> {
        match message {
            Message::Binary(bytes) => match Frame::decode(bytes) {
                Ok(Some(frame)) => {
                    if matches!(frame, Frame::Credit(_)) {
                        self.welcome_is_read();
                    }
                    self.end.handle_frame(frame, now);
                }
                Ok(None) => {}
                Err(error) => self.end.handle_bad_frame(&error.to_string()),
            },
            Message::Text(_) => self.end.handle_bad_frame("a text message; frames are binary"),
            Message::Close(_) => return Break(()),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        if self.end.is_ending() {
            self.closing_since.get_or_insert(now);
        }
        Continue(())
    }

    fn close(&mut self, error: SessionError, now: Instant) {
        self.end.close(error);
        self.closing_since.get_or_insert(now);
    }

    fn read(&mut self, endpoint: &EndpointName, next: Next, now: Instant) {
        self.reading = None;
        let read = match next {
            Next::Event(spooled) => {
                let deadline = self.context.hub.remaining(spooled.event.id, now);
                Read::Event(Box::new(Outgoing {
                    deadline,
                    seq: spooled.seq,
                    missed: spooled.missed,
                    event: spooled.event,
                }))
            }
            Next::Empty => Read::Empty,
            Next::TooLarge => Read::TooLarge,
        };
        self.end.handle_read(endpoint, read);
    }

    fn carry_out(&mut self, command: RelayCommand) -> ControlFlow<()> {
        match command {
            RelayCommand::Admit(hello) => self.admit(&hello),
            RelayCommand::ReadNext { endpoint, after, max_bytes } => {
                let next = self.reader(&endpoint).map(|reader| reader.next(after, max_bytes));
                self.reading = next.map(|next| {
                    let read: Reading = Box::pin(async move { (endpoint, next.await) });
                    read
                });
            }
            RelayCommand::Forget(stored) => {
                if let Some(reader) = self.reader(&stored.endpoint) {
                    reader.stored(stored.up_to, &stored.plus);
                }
            }
            RelayCommand::Answer { id, answer } => self.context.hub.answer(id, answer),
            RelayCommand::Close => return Break(()),
        }
        Continue(())
    }

    fn admit(&mut self, hello: &Hello) {
        match self.seated(hello) {
            Ok((seat, readers, admitted)) => {
                tracing::info!(client = %hello.client_id, generation = admitted.generation, endpoints = ?admitted.names(), "a client is connected");
                self.context.metrics.client_connected();
                self.seat = Some(seat);
                self.readers = readers;
                self.end.handle_admitted(admitted);
            }
            Err(error) => {
                tracing::info!(client = %hello.client_id, code = ?error.code, "a client was refused");
                self.close(error, Instant::now());
            }
        }
    }

    fn seated(&self, hello: &Hello) -> Result<(Seat, Vec<Reader>, Admitted), SessionError> {
        let SessionContext { registry, spool, hub, public_url, .. } = &*self.context;
        let client = hello.client_id;
        let mut endpoints = Vec::new();
        for HelloEndpoint { name, token, sharing, .. } in &hello.endpoints {
            let endpoint = registry.authenticate(name.as_str(), token).map_err(|_| unauthorized(name))?;
            if *sharing == Some(Sharing::Other) {
                return Err(unknown_sharing(name));
            }
            let may_join = spool.may_join(&endpoint.name, client, *sharing);
            may_join.map_err(|error| cannot_join(&endpoint.name, error))?;
            endpoints.push(endpoint);
        }
        let asked = hello.endpoints.iter().map(|asked| asked.sharing);
        let names = endpoints.iter().map(|endpoint| endpoint.name.clone()).zip(asked).collect();
        let seat = hub.seat(client, names)?;
        let (mut readers, mut lanes) =
            (Vec::with_capacity(endpoints.len()), Vec::with_capacity(endpoints.len()));
        for (endpoint, asked) in endpoints.iter().zip(&hello.endpoints) {
            let reader = spool.join(&endpoint.name, client, asked.sharing, asked.resume);
            let reader = reader.map_err(|error| cannot_join(&endpoint.name, error))?;
            let backlog = reader.backlog();
            let welcome = WelcomeEndpoint {
                url: format!("{public_url}/in/{}", endpoint.part),
                name: endpoint.name.clone(),
                spool: reader.numbers_of(),
                backlog_events: backlog.events,
                backlog_bytes: backlog.bytes,
                sharing: asked.sharing,
                taken_when_late: endpoint.on_absent == OnAbsent::Accept,
                expired: reader
                    .expired()
                    .map(|expired| Expired { events: expired.events, since_ms: expired.since }),
            };
            lanes.push(Lane { welcome, cursor: reader.start() });
            readers.push(reader);
        }
        let generation = seat.generation;
        Ok((seat, readers, Admitted { generation, lanes, time: now_millis() }))
    }

    fn reader(&self, endpoint: &EndpointName) -> Option<&Reader> {
        self.readers.iter().find(|reader| reader.endpoint() == endpoint)
    }

    /// The client grants credit, so it has read what WELCOME told it.
    fn welcome_is_read(&self) {
        for reader in &self.readers {
            reader.told();
        }
    }

    /// What the client has not stored goes to other sessions, if there are any that balance.
    fn give_back(&mut self) {
        for reader in self.readers.drain(..) {
            if reader.leave() {
                self.context.hub.announce(reader.endpoint());
            }
        }
    }

    fn endpoints(&self) -> Vec<EndpointName> {
        self.seat.as_ref().map(|seat| seat.endpoints().to_vec()).unwrap_or_default()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.give_back();
        if self.seat.is_some() {
            self.context.metrics.client_disconnected();
        }
    }
}

fn unauthorized(name: &EndpointName) -> SessionError {
    SessionError {
        code: ErrorCode::Unauthorized,
        text: format!(
            "this relay has no endpoint {name} with this token; `inhaul relay endpoint list` on the relay shows its endpoints, `endpoint rotate-token {name}` makes a new token"
        ),
        retryable: false,
        retry_after_ms: None,
    }
}

fn cannot_join(name: &EndpointName, error: JoinError) -> SessionError {
    hub::busy(match error {
        JoinError::Shared { others } => format!(
            "the relay keeps events of {name} for clients that share it with `--share` ({others} besides this one); start this one with `--share` too, or have the operator remove them: `inhaul relay endpoint clients` lists them"
        ),
        JoinError::Full => format!(
            "{name} has as many clients that share it as an endpoint may have; the operator can remove some: `inhaul relay endpoint clients` lists them"
        ),
    })
}

/// The client asks for a way to share of a later release.
fn unknown_sharing(name: &EndpointName) -> SessionError {
    SessionError {
        code: ErrorCode::UnsupportedVersion,
        text: format!(
            "this relay does not know how this client wants to share {name}; bring client and relay to the same release"
        ),
        retryable: false,
        retry_after_ms: None,
    }
}

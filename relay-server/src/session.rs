//! Serves one client over a WebSocket: moves frames, and wakes the [`Driver`]. What to do is decided in `inhaul_core::session`.

use std::{
    future::{Future, poll_fn},
    ops::ControlFlow::{self, Break, Continue},
    sync::Arc,
    task::{Poll, ready},
    time::Instant,
};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use inhaul_core::{
    session::{LastByte, RelayConfig, RelayEnd},
    wire::FRAME_MAX_BYTES,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};

use crate::{
    hub::{Calls, Hub, SessionOrder},
    metrics::Metrics,
    registry::Registry,
    spool::Spool,
};

mod driver;

use driver::CLOSE_GRACE;
pub use driver::{Doing, Done, Driver, Waits};

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

/// What woke the driver.
enum Woken {
    Message(Option<Result<Message, tungstenite::Error>>),
    Order(SessionOrder),
    News,
    Done(Done),
    Wrote(Result<(), tungstenite::Error>),
    Timer,
}

/// Serves one client until its session ends. `last_byte` says when bytes came from it.
pub fn run<IO>(
    socket: WebSocketStream<IO>,
    last_byte: LastByte,
    context: Arc<SessionContext>,
) -> impl Future<Output = ()> + use<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let driver = Box::new(Driver::new(context, Instant::now()));
    let (sink, stream) = socket.split();
    // What a future is given it keeps beside what it makes of it, so it is given what is made already.
    drive(driver, sink, stream, last_byte)
}

async fn drive<IO>(
    mut driver: Box<Driver>,
    mut sink: SplitSink<WebSocketStream<IO>, Message>,
    mut stream: SplitStream<WebSocketStream<IO>>,
    last_byte: LastByte,
) where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        if driver.work(Instant::now()).is_break() {
            // The endpoints are free while the client is being said goodbye to.
            drop(driver);
            close(&mut sink).await;
            return;
        }
        let timeout = driver.timeout().unwrap_or_else(|| Instant::now() + CLOSE_GRACE);
        let Waits { end, calls, doing } = driver.waits();
        let woken = tokio::select! {
            biased;
            // Being told to end goes before everything else.
            order = maybe(calls.map(Calls::ordered)) => Woken::Order(order),
            // What the client says comes before what it is sent: STORED and CREDIT make room.
            message = stream.next() => Woken::Message(message),
            done = maybe(doing) => Woken::Done(done),
            () = maybe(calls.map(Calls::news)) => Woken::News,
            wrote = write_next(&mut sink, end) => Woken::Wrote(wrote),
            () = tokio::time::sleep_until(timeout.into()) => Woken::Timer,
        };
        if let Woken::Timer = woken
            && let Some(at) = last_byte.take()
        {
            driver.handle_heard(at);
        }
        if handle(&mut driver, woken, Instant::now()).is_break() {
            return;
        }
    }
}

fn handle(driver: &mut Driver, woken: Woken, now: Instant) -> ControlFlow<()> {
    match woken {
        Woken::Message(Some(Ok(message))) => match message {
            Message::Binary(bytes) => driver.handle_message(bytes, now),
            Message::Text(_) => driver.handle_bad_message("a text message; frames are binary", now),
            Message::Close(_) => return Break(()),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        },
        Woken::Message(None) => return Break(()),
        Woken::Message(Some(Err(error))) | Woken::Wrote(Err(error)) => {
            tracing::debug!(%error, "a session's socket failed");
            return Break(());
        }
        Woken::Order(order) => driver.handle_order(order, now),
        Woken::News => driver.handle_news(),
        Woken::Done(done) => driver.handle_done(done, now),
        Woken::Wrote(Ok(())) => {}
        Woken::Timer => return driver.handle_timeout(now),
    }
    Continue(())
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
        match end.poll_frame(Instant::now()) {
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

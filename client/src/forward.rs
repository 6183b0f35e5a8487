//! Hands an event to a target on this machine and says what came of it: one connection, one request, one answer, no redirects.
//!
//! The request's head is written by us, because it must be the sender's own bytes; hyper does the rest, and reads the answer.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use inhaul_core::event::{Event, HeadError, Header};
use rustls::ClientConfig;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::row::{BODY_EXCERPT_BYTES, FailureKind, Outcome};

mod exact;
mod head;
mod target;

use exact::{AnswerHead, Exact};
pub use target::{Target, TargetError};

/// How events are forwarded.
#[derive(Clone)]
pub struct ForwardOptions {
    /// From the first connection to the last byte of the answer.
    pub timeout: Duration,
    /// Largest body of an answer.
    pub max_answer_bytes: usize,
    /// For `https` targets.
    pub tls: Option<Arc<ClientConfig>>,
    /// The application of a simulation, which stands where every target is.
    pub simulated: Option<Arc<dyn Application>>,
}

/// An application that is asked without a connection.
pub trait Application: Send + Sync {
    /// Its answer, or why it takes no connection.
    fn ask(&self, event: &Event, target: &Target) -> Asking;

    /// Whether it takes connections now.
    fn takes_connections(&self) -> bool;
}

/// An application that was asked, and answers in its time.
pub type Asking = Pin<Box<dyn Future<Output = io::Result<Answer>> + Send>>;

impl Default for ForwardOptions {
    /// 30 s is what most providers wait at most; 10 MiB is what the relay takes.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), max_answer_bytes: 10 << 20, tls: None, simulated: None }
    }
}

/// Forwards events.
#[derive(Clone)]
pub struct Forwarder {
    options: ForwardOptions,
}

/// What came of forwarding an event.
#[derive(Debug)]
pub struct Forwarded {
    /// For the record.
    pub outcome: Outcome,
    /// For the sender, when there is one.
    pub answer: Option<Answer>,
}

/// What a target answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The end-to-end headers in order, in the target's spelling.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Bytes,
}

#[derive(Debug, Error)]
enum Failure {
    #[error("no connection to {target}: {error}")]
    Connect { target: String, error: io::Error },
    #[error("{0} needs TLS, which is not set up")]
    NoTls(String),
    #[error("TLS with {target}: {error}")]
    Tls { target: String, error: io::Error },
    #[error("{0}")]
    BadAnswer(String),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("no whole answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
}

impl Failure {
    fn kind(&self) -> FailureKind {
        match self {
            Self::Connect { .. } | Self::NoTls(_) | Self::Tls { .. } => FailureKind::Connect,
            Self::BadAnswer(_) => FailureKind::BadAnswer,
            Self::TooLarge(_) => FailureKind::TooLarge,
            Self::Timeout(_) => FailureKind::Timeout,
        }
    }
}

/// The head of the request that a target gets for an event.
///
/// # Errors
/// When the event's own head cannot be read.
pub(crate) fn request_head(event: &Event, target: &Target) -> Result<Bytes, HeadError> {
    Ok(head::request_head(event, &event.parsed_head()?, target))
}

impl Forwarder {
    /// A forwarder with these options.
    pub fn new(options: ForwardOptions) -> Self {
        Self { options }
    }

    /// Sends an event to a target. Never fails: what went wrong is the outcome. Dropping the future ends the connection.
    pub async fn send(&self, event: &Event, target: &Target) -> Forwarded {
        let began = tokio::time::Instant::now();
        let limit = self.options.timeout;
        let answered = match tokio::time::timeout(limit, self.exchange(event, target)).await {
            Ok(answered) => answered,
            Err(_) => Err(Failure::Timeout(limit)),
        };
        let latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match answered {
            Ok(answer) => Forwarded { outcome: outcome_of(&answer, latency_ms), answer: Some(answer) },
            Err(failure) => Forwarded {
                outcome: Outcome::Failed { kind: failure.kind(), message: failure.to_string(), latency_ms },
                answer: None,
            },
        }
    }

    /// Whether a target takes connections now.
    pub(crate) async fn reaches(&self, target: &Target) -> bool {
        match &self.options.simulated {
            Some(application) => application.takes_connections(),
            None => connect(target).await.is_ok(),
        }
    }

    async fn exchange(&self, event: &Event, target: &Target) -> Result<Answer, Failure> {
        let no_connection = |error| Failure::Connect { target: target.to_string(), error };
        if let Some(application) = &self.options.simulated {
            return application.ask(event, target).await.map_err(no_connection);
        }
        let bad = |error: inhaul_core::event::HeadError| Failure::BadAnswer(error.to_string());
        let parsed = event.parsed_head().map_err(bad)?;
        let method = Method::from_bytes(&parsed.method)
            .map_err(|_| Failure::BadAnswer("the event's method is not one HTTP allows".to_owned()))?;
        let head = head::request_head(event, &parsed, target);
        let stream = connect(target).await.map_err(no_connection)?;
        if !target.is_https() {
            return self.exchange_on(stream, head, method, event.body.clone()).await;
        }
        let config = self.options.tls.clone().ok_or_else(|| Failure::NoTls(target.to_string()))?;
        let failed = |error: io::Error| Failure::Tls { target: target.to_string(), error };
        let name = target.host().to_owned().try_into().map_err(|error| failed(io::Error::other(error)))?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(failed)?;
        self.exchange_on(stream, head, method, event.body.clone()).await
    }

    async fn exchange_on<IO>(
        &self,
        stream: IO,
        head: Bytes,
        method: Method,
        body: Bytes,
    ) -> Result<Answer, Failure>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let bad = |error: hyper::Error| Failure::BadAnswer(explain(&error));
        let (stream, answer_head) = Exact::new(stream, head);
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_headers(1000)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(bad)?;
        let mut connection = std::pin::pin!(connection);
        let exchange = async {
            // Method and framing are what hyper needs to know; the head it writes is replaced.
            let mut request = Request::new(Full::new(body));
            *request.method_mut() = method;
            let response = sender.send_request(request).await.map_err(bad)?;
            self.read_answer(response, &answer_head).await
        };
        let mut exchange = std::pin::pin!(exchange);
        let mut connected = true;
        loop {
            tokio::select! {
                biased;
                answer = &mut exchange => return answer,
                // Its errors reach the exchange too.
                _ = &mut connection, if connected => connected = false,
            }
        }
    }

    async fn read_answer(
        &self,
        response: http::Response<Incoming>,
        answer_head: &AnswerHead,
    ) -> Result<Answer, Failure> {
        let limit = self.options.max_answer_bytes;
        let status = response.status().as_u16();
        let headers = answer_head.headers().unwrap_or_else(|| head::headers_of(response.headers()));
        let mut body = response.into_body();
        if body.size_hint().lower() > limit as u64 {
            return Err(Failure::TooLarge(limit));
        }
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::BadAnswer(explain(&error)))?;
            if let Ok(data) = frame.into_data() {
                if whole.len() + data.len() > limit {
                    return Err(Failure::TooLarge(limit));
                }
                whole.extend_from_slice(&data);
            }
        }
        let headers = inhaul_core::event::end_to_end(&headers).cloned().collect();
        Ok(Answer { status, headers, body: whole.freeze() })
    }
}

/// What hyper says, with its causes.
fn explain(error: &hyper::Error) -> String {
    let mut text = if error.is_incomplete_message() {
        "the connection was closed before the answer was whole".to_owned()
    } else if error.is_parse() {
        format!("the answer is no HTTP: {error}")
    } else {
        error.to_string()
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The first address that takes a connection; `localhost` is 127.0.0.1, then ::1.
pub(crate) async fn connect(target: &Target) -> io::Result<TcpStream> {
    let stream = match target.loopback_addresses() {
        Some(addresses) => TcpStream::connect(addresses.as_slice()).await?,
        None => TcpStream::connect((target.host(), target.port())).await?,
    };
    // A port nobody listens on may be the one the system gives to this very connection.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    // A request is written whole: waiting to fill a packet would only delay it.
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn outcome_of(answer: &Answer, latency_ms: u64) -> Outcome {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let headers = answer.headers.iter().map(|header| (text(&header.name), text(&header.value))).collect();
    Outcome::Answered {
        status: answer.status,
        headers,
        body_bytes: answer.body.len() as u64,
        body_excerpt: answer.body[..answer.body.len().min(BODY_EXCERPT_BYTES)].to_vec(),
        latency_ms,
    }
}

#[cfg(test)]
mod tests;

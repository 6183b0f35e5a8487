//! Opens a WebSocket to a relay.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use http::{Request, StatusCode, header};
use inhaul_core::{
    session::LastByte,
    wire::{ATTACH_PATH, FRAME_MAX_BYTES, SUB_PROTOCOL},
};
use rustls::ClientConfig;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, handshake::client::generate_key, protocol::WebSocketConfig},
};
use tokio_util::io::InspectReader;

use super::proxy;
use crate::config::RelayUrl;

/// Time for connection, TLS and handshake together.
const DIAL_TIMEOUT: Duration = Duration::from_secs(15);

/// What a TLS server that is spoken to in plain text answers: the record of an alert (RFC 8446 section 5.1).
const TLS_ALERT: u8 = 21;

/// What a server of plain HTTP that is spoken to in TLS answers, if anything: `HTTP/1.1 400 …`.
const HTTP_ANSWER: u8 = b'H';

/// A relay and how to trust it.
#[derive(Clone)]
pub struct Relay {
    /// Its public URL.
    pub url: RelayUrl,
    /// For `https`.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Anything frames can go over.
pub(super) type Stream = Box<dyn Duplex>;

/// Reads and writes.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Why a relay was not reached.
#[derive(Debug, Error)]
pub enum DialError {
    /// No connection.
    #[error("cannot connect to {relay}: {error}")]
    Connect {
        /// The relay.
        relay: String,
        /// Why.
        error: io::Error,
    },
    /// No TLS.
    #[error("cannot speak TLS with {relay}: {error}")]
    Tls {
        /// The relay.
        relay: String,
        /// Why.
        error: io::Error,
    },
    /// The URL says nothing of TLS, and the other side speaks it.
    #[error("{relay} speaks TLS: use https://{authority}")]
    SpeaksTls {
        /// The URL.
        relay: String,
        /// Its host and port.
        authority: String,
    },
    /// The URL says TLS, and the other side speaks plain HTTP.
    #[error("{relay} speaks no TLS: {}", if *here {
        format!("use http://{authority}")
    } else {
        "a relay on another machine must".to_owned()
    })]
    SpeaksNoTls {
        /// The URL.
        relay: String,
        /// Its host and port.
        authority: String,
        /// It is on this machine.
        here: bool,
    },
    /// Something answered that is no relay, or is not ready.
    #[error("{relay} answered {status} where a relay would open a session")]
    Answer {
        /// The URL.
        relay: String,
        /// The status.
        status: StatusCode,
    },
    /// The handshake failed.
    #[error("{relay} did not open a session: {error}")]
    Handshake {
        /// The relay.
        relay: String,
        /// Why.
        error: Box<tungstenite::Error>,
    },
    /// It took too long.
    #[error("{0} did not open a session within {seconds} s", seconds = DIAL_TIMEOUT.as_secs())]
    TimedOut(String),
}

impl DialError {
    /// Whether waiting does not help: it is no relay, or not one to be trusted.
    pub fn is_definite(&self) -> bool {
        match self {
            Self::Tls { error, .. } => is_certificate(error),
            Self::Answer { status, .. } => {
                status.is_client_error() && *status != StatusCode::TOO_MANY_REQUESTS
            }
            Self::SpeaksTls { .. } | Self::SpeaksNoTls { .. } => true,
            Self::Connect { .. } | Self::Handshake { .. } | Self::TimedOut(_) => false,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Tls { .. } => Some(
                "a relay with its own authority needs `--cacert FILE`; `inhaul relay serve` says which file",
            ),
            Self::Answer { .. } => {
                Some("`--relay` takes the relay's public URL, such as https://relay.example")
            }
            Self::SpeaksNoTls { here: false, .. } => {
                Some("name the port on which it does; behind a proxy that speaks TLS, name the proxy")
            }
            Self::Connect { .. }
            | Self::SpeaksTls { .. }
            | Self::SpeaksNoTls { .. }
            | Self::Handshake { .. }
            | Self::TimedOut(_) => None,
        }
    }
}

/// Whether the other side's certificate is the trouble.
fn is_certificate(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

/// A socket that is open.
pub(super) struct Dialled {
    pub(super) socket: WebSocketStream<Stream>,
    /// When bytes came from the relay, whatever they are.
    pub(super) last_byte: LastByte,
}

/// Opens a socket: addresses looked up anew, a proxy if there is one, TLS, WebSocket.
pub(super) async fn dial(relay: &Relay) -> Result<Dialled, DialError> {
    let dialled = tokio::time::timeout(DIAL_TIMEOUT, open(relay)).await;
    dialled.unwrap_or_else(|_| Err(DialError::TimedOut(relay.url.to_string())))
}

async fn open(relay: &Relay) -> Result<Dialled, DialError> {
    let url = &relay.url;
    let shown = || url.to_string();
    let failed = |error| DialError::Connect { relay: shown(), error };
    // Below TLS, whose records take their time too.
    let last_byte = LastByte::new(Instant::now());
    let noted = last_byte.clone();
    let first_byte = Arc::new(OnceLock::new());
    let begun = Arc::clone(&first_byte);
    let note = move |bytes: &[u8]| {
        if let Some(first) = bytes.first() {
            begun.get_or_init(|| *first);
            noted.note(Instant::now());
        }
    };
    let stream = InspectReader::new(proxy::connect(url).await.map_err(failed)?, note);
    let stream: Stream = match &relay.tls {
        Some(config) if url.is_tls() => {
            let failed = |error| match first_byte.get() {
                Some(&HTTP_ANSWER) => DialError::SpeaksNoTls {
                    relay: shown(),
                    authority: url.authority().to_owned(),
                    here: url.is_loopback(),
                },
                Some(_) | None => DialError::Tls { relay: shown(), error },
            };
            let name = url.host().to_owned().try_into().map_err(|error| failed(io::Error::other(error)))?;
            Box::new(TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(failed)?)
        }
        Some(_) | None => Box::new(stream),
    };
    let (socket, _) =
        client_async_with_config(handshake(url), stream, Some(socket_config())).await.map_err(|error| {
            match first_byte.get() {
                Some(&TLS_ALERT) if !url.is_tls() => {
                    DialError::SpeaksTls { relay: shown(), authority: url.authority().to_owned() }
                }
                Some(_) | None => refused(url, error),
            }
        })?;
    Ok(Dialled { socket, last_byte })
}

fn refused(url: &RelayUrl, error: tungstenite::Error) -> DialError {
    let relay = url.to_string();
    if let tungstenite::Error::Http(response) = &error {
        return DialError::Answer { relay, status: response.status() };
    }
    DialError::Handshake { relay, error: Box::new(error) }
}

fn handshake(url: &RelayUrl) -> Request<()> {
    let scheme = if url.is_tls() { "wss" } else { "ws" };
    Request::builder()
        .uri(format!("{scheme}://{}{ATTACH_PATH}", url.authority()))
        .header(header::HOST, url.authority())
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key())
        .header(header::SEC_WEBSOCKET_PROTOCOL, SUB_PROTOCOL)
        .body(())
        .expect("every part is well-formed: the URL was parsed")
}

/// A frame and a half is the most either side ever needs; tungstenite writes without bound unless told otherwise.
fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(FRAME_MAX_BYTES + FRAME_MAX_BYTES / 2)
        .max_message_size(Some(FRAME_MAX_BYTES))
        .max_frame_size(Some(FRAME_MAX_BYTES))
}

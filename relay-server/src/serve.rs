//! Accepts connections: TCP, TLS, HTTP/1.1 or HTTP/2, and sends each request where its path says.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use inhaul_core::{
    event::{Peer, PeerSource},
    wire::ATTACH_PATH,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    arriving::Arriving,
    attach::attach,
    ingest::{INGEST_PREFIX, Ingest, path, relay_answer},
    limits::Limits,
    session::SessionContext,
};

pub mod forwarded;
mod http2;
pub mod raw_heads;
mod unread;

use forwarded::TrustedProxies;
use http2::http2;
use raw_heads::{HeadTap, RawHeadLimits, RawHeads, RequestHead, Tapped};
use unread::WriteLimit;

/// How long a connection may take for its TLS handshake.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait after `accept` failed, for example because there are no file descriptors left.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The relay's public server.
pub struct Server {
    /// Takes webhooks.
    pub ingest: Ingest,
    /// What sessions share.
    pub sessions: Arc<SessionContext>,
    /// Proxies that are believed whom a request is from.
    pub trusted_proxies: TrustedProxies,
    /// TLS, unless plain HTTP was asked for.
    pub tls: Option<TlsAcceptor>,
    /// Who is about to send something.
    pub arriving: Arc<Arriving>,
    /// No new connections and requests once cancelled.
    pub stop_accepting: CancellationToken,
    /// Everything ends at once when cancelled.
    pub stop_now: CancellationToken,
    /// Every connection, until its last request is answered or it becomes a session.
    pub connections: TaskTracker,
    /// Every session.
    pub clients: TaskTracker,
}

/// A connection's place among those there may be at one time. It is given back with the last clone: a session keeps it beyond the request that
/// began it.
pub type Place = Arc<OwnedSemaphorePermit>;

/// Accepts connections until told to stop.
pub async fn run(server: Arc<Server>, listener: TcpListener) {
    let room = Arc::new(Semaphore::new(server.ingest.limits.max_connections));
    loop {
        // With no room left, new connections wait in the kernel's queue.
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            biased;
            () = server.stop_accepting.cancelled() => return,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                let served = Arc::clone(&server);
                server.connections.spawn(async move {
                    tokio::select! {
                        () = connection(&served, stream, peer, Arc::new(place)) => {}
                        () = served.stop_now.cancelled() => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(server: &Arc<Server>, stream: TcpStream, peer: SocketAddr, place: Place) {
    // Answers are small: waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let write_limit = server.ingest.limits.write_limit();
    let Some(acceptor) = &server.tls else {
        return http1(server, WriteLimit::new(stream, write_limit), peer, place).await;
    };
    let shaking = async {
        // Who says nothing is not about to bring anything.
        stream.peek(&mut [0]).await?;
        let _under_way = server.arriving.handshake();
        acceptor.accept(WriteLimit::new(stream, write_limit)).await
    };
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(TLS_TIMEOUT, shaking) => shaken,
        // There is no request yet that could be finished.
        () = server.stop_accepting.cancelled() => return,
    };
    match shaken {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            http2(server, stream, peer).await;
        }
        Ok(Ok(stream)) => http1(server, stream, peer, place).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

async fn http1<IO>(server: &Arc<Server>, stream: IO, peer: SocketAddr, place: Place)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &server.ingest.limits;
    let (stream, tap) = RawHeads::new(stream, head_limits(limits));
    let served = Arc::new((Arc::clone(server), tap, on_socket(server, peer), place));
    let service = service_fn(move |request| {
        let served = Arc::clone(&served);
        async move {
            let (server, tap, peer, place) = &*served;
            Ok::<_, Infallible>(request_over_http1(server, request, tap, peer, place).await)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        // The wrapper keeps the time: it can tell a slow head from a connection that is kept for the next request.
        .header_read_timeout(None)
        .max_buf_size(limits.max_head_bytes.max(8192) + 8192)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = server.stop_accepting.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection failed");
    }
}

async fn request_over_http1(
    server: &Arc<Server>,
    mut request: Request<Incoming>,
    tap: &HeadTap,
    peer: &OnSocket,
    place: &Place,
) -> Response<Full<Bytes>> {
    match tap.take() {
        Some(Tapped::Head(head)) if path(&head.parsed.target) == ATTACH_PATH.as_bytes() => {
            let context = Arc::clone(&server.sessions);
            attach(request, context, &server.clients, server.stop_now.clone(), Arc::clone(place))
        }
        Some(Tapped::Head(head)) => route(server, &mut request, *head, peer).await,
        Some(Tapped::Refused(refusal)) => malformed(server, refusal.status, refusal.text),
        None => relay_answer(StatusCode::BAD_REQUEST, "the request could not be read as it was sent\n"),
    }
}

fn malformed(server: &Server, status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    server.ingest.metrics.refused("malformed", status.as_u16());
    relay_answer(status, format!("{text}\n"))
}

fn head_limits(limits: &Limits) -> RawHeadLimits {
    RawHeadLimits {
        max_head_bytes: limits.max_head_bytes,
        max_headers: limits.max_headers,
        max_target_bytes: limits.max_target_bytes,
        head_timeout: limits.head_timeout,
        idle_timeout: limits.idle_timeout,
        refused_timeout: limits.refused_timeout,
    }
}

/// Whom a connection is from.
struct OnSocket {
    peer: Peer,
    /// It is a proxy that is believed whom it brings.
    is_trusted: bool,
}

fn on_socket(server: &Server, peer: SocketAddr) -> OnSocket {
    OnSocket {
        peer: Peer { address: peer.to_string(), source: PeerSource::Socket },
        is_trusted: server.trusted_proxies.trusts(peer.ip()),
    }
}

/// Sends a request where its path says. Everything but `/in/` is the relay's own, below `/_inhaul/`.
async fn route(
    server: &Arc<Server>,
    request: &mut Request<Incoming>,
    head: RequestHead,
    connected: &OnSocket,
) -> Response<Full<Bytes>> {
    let path = path(&head.parsed.target);
    if path.starts_with(INGEST_PREFIX) {
        let OnSocket { peer, is_trusted } = connected;
        let brought = if *is_trusted { server.trusted_proxies.sender(&head.parsed) } else { None };
        return server.ingest.take(request, head, brought.as_ref().unwrap_or(peer)).await;
    }
    if path == ATTACH_PATH.as_bytes() {
        return relay_answer(StatusCode::BAD_REQUEST, "clients attach over HTTP/1.1\n");
    }
    match path {
        b"/" | b"/_inhaul" | b"/_inhaul/" => relay_answer(
            StatusCode::OK,
            "This is an inhaul relay. Webhooks are posted to /in/<endpoint>; clients attach with `inhaul listen --relay URL`.\n",
        ),
        _ => relay_answer(
            StatusCode::NOT_FOUND,
            "there is nothing here; webhooks are posted to /in/<endpoint>\n",
        ),
    }
}

#[cfg(test)]
mod tests;

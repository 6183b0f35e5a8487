//! A connection that speaks HTTP/2. It ends when it had no request for too long: pings alone keep nothing open.

use std::{convert::Infallible, future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, header::CONTENT_LENGTH};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::timeout,
};

use super::{Server, head_limits, malformed, on_socket, raw_heads::RequestHead, route};

mod rest;

use rest::read_rest;

/// How long the other side may take to end a connection it was asked to end.
const GOODBYE: Duration = Duration::from_secs(10);

/// Requests of one connection that are not answered yet.
#[derive(Clone)]
struct Open {
    count: watch::Sender<usize>,
}

/// One of them.
struct OpenRequest(Open);

impl Open {
    fn new() -> Self {
        Self { count: watch::Sender::new(0) }
    }

    fn begin(&self) -> OpenRequest {
        self.count.send_modify(|count| *count += 1);
        OpenRequest(self.clone())
    }

    /// Returns when no request came for the first time, or none was open for the second.
    async fn idle(&self, first: Duration, later: Duration) {
        let mut count = self.count.subscribe();
        if timeout(first, count.changed()).await.is_ok() {
            self.none_for(later).await;
        }
    }

    async fn none_for(&self, time: Duration) {
        let mut count = self.count.subscribe();
        loop {
            // It is not closed: this is its sender.
            let _ = count.wait_for(|open| *open == 0).await;
            if timeout(time, count.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.count.send_modify(|count| *count -= 1);
    }
}

/// Runs each request as a task of the relay's own.
#[derive(Clone)]
struct OwnTasks(Arc<Server>);

impl<F> hyper::rt::Executor<F> for OwnTasks
where
    F: Future + Send + 'static,
{
    fn execute(&self, request: F) {
        let stop_now = self.0.stop_now.clone();
        self.0.connections.spawn(async move {
            tokio::select! {
                _ = request => {}
                () = stop_now.cancelled() => {}
            }
        });
    }
}

pub(super) async fn http2<IO>(server: &Arc<Server>, stream: IO, peer: SocketAddr)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &server.ingest.limits;
    let open = Open::new();
    let served = Arc::new((Arc::clone(server), on_socket(server, peer)));
    let counted = open.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (served, open) = (Arc::clone(&served), counted.begin());
        async move {
            let (server, peer) = &*served;
            let (parts, body) = request.into_parts();
            let is_head = parts.method == Method::HEAD;
            let head = RequestHead::of_h2(&parts, &head_limits(&server.ingest.limits));
            let mut request = Request::from_parts(parts, body);
            let mut answer = match head {
                Ok(head) => route(server, &mut request, head, peer).await,
                Err(refusal) => malformed(server, refusal.status, refusal.text),
            };
            if !request.body().is_end_stream() {
                read_rest(server, request.into_body()).await;
            }
            if is_head {
                leave_out_body(&mut answer);
            }
            drop(open);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = hyper::server::conn::http2::Builder::new(OwnTasks(Arc::clone(server)));
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(100)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = server.stop_accepting.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = open.idle(limits.head_timeout, limits.idle_timeout) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = &mut connection => ended,
                () = open.none_for(GOODBYE.min(limits.idle_timeout)) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection failed");
    }
}

/// The answer to HEAD: hyper leaves the body out over HTTP/1.1 only.
fn leave_out_body(answer: &mut Response<Full<Bytes>>) {
    let length = answer.body().size_hint().exact().filter(|length| *length > 0);
    if let Some(length) = length {
        answer.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
    }
    *answer.body_mut() = Full::default();
}

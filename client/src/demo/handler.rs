//! The application of the demo: a webhook handler as the providers' guides ask for.

use std::{
    collections::HashSet,
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use inhaul_core::{
    event::Header,
    signature::{Delivery, Provider, Secret, Verdict},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
};

use crate::clock;

/// Work that may wait. When as much waits, the sender is asked to come again.
const QUEUE_EVENTS: usize = 64;

/// How long to wait for work that is under way.
const DONE_WAIT: Duration = Duration::from_secs(5);

/// A running handler; dropping it stops it.
pub struct Handler {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

struct Shared {
    provider: Arc<Provider>,
    secret: Secret,
    /// Ids of events that were taken on: an event that comes again is not done again.
    taken: Mutex<HashSet<String>>,
    queue: mpsc::Sender<String>,
    done: watch::Sender<Vec<String>>,
}

impl Handler {
    /// Starts on a free port of the loopback interface.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(provider: Arc<Provider>, secret: Secret) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (queue, queued) = mpsc::channel(QUEUE_EVENTS);
        let shared = Arc::new(Shared {
            provider,
            secret,
            taken: Mutex::default(),
            queue,
            done: watch::Sender::default(),
        });
        let tasks = [
            tokio::spawn(serve(listener, Arc::clone(&shared))),
            tokio::spawn(work(queued, Arc::clone(&shared))),
        ];
        Ok(Self { address, shared, tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The types of the events it did, in order; waits a moment for `count` of them.
    pub async fn done(&self, count: usize) -> Vec<String> {
        let mut done = self.shared.done.subscribe();
        // What is not done by then is missing from the answer.
        let _ = tokio::time::timeout(DONE_WAIT, done.wait_for(|done| done.len() >= count)).await;
        self.shared.done.borrow().clone()
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&shared)));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection of the demo's handler ended");
            }
        });
    }
}

/// The work itself happens here, behind the answer.
async fn work(mut queued: mpsc::Receiver<String>, shared: Arc<Shared>) {
    while let Some(event_type) = queued.recv().await {
        shared.done.send_modify(|done| done.push(event_type));
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let (status, text) = match body.collect().await {
        Ok(body) => shared.handle(&parts, &body.to_bytes()),
        Err(_) => (StatusCode::BAD_REQUEST, "the body did not arrive"),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}

impl Shared {
    fn handle(&self, parts: &http::request::Parts, body: &[u8]) -> (StatusCode, &'static str) {
        let headers: Vec<Header> = parts
            .headers
            .iter()
            .map(|(name, value)| Header {
                name: Bytes::copy_from_slice(name.as_ref()),
                value: Bytes::copy_from_slice(value.as_bytes()),
            })
            .collect();
        let method = parts.method.as_str().as_bytes();
        let delivery = Delivery { method, url: None, headers: &headers, body, received_at: clock::now() };
        let verdict = self.provider.verify(&delivery, std::slice::from_ref(&self.secret));
        if !matches!(verdict, Verdict::Valid { .. }) {
            return (StatusCode::UNAUTHORIZED, "the signature is wrong");
        }
        let names = self.provider.event_names(&headers, body);
        let (Some(id), Some(event_type)) = (names.event_id, names.event_type) else {
            return (StatusCode::BAD_REQUEST, "no id or no type");
        };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.contains(&id) {
            return (StatusCode::OK, "known already, not done again");
        }
        match self.queue.try_send(event_type) {
            Ok(()) => {
                taken.insert(id);
                (StatusCode::OK, "queued")
            }
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "too much to do, come again"),
        }
    }
}

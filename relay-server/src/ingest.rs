//! Takes one webhook in: looks up its endpoint, reads it within its limits, stores it, and answers.
//!
//! Storing is the same for every endpoint. Waiting for the app's answer is a view over the stored event, not another path.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use inhaul_core::{
    event::{EndpointName, Event, EventId, Head, Peer, UnixMillis},
    session::AppAnswer,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    hub::{Hub, Wait},
    limits::{ByteBudget, Limits, Permit, RateLimiter},
    log::{Troubles, with_causes},
    metrics::Metrics,
    registry::{AnswerMode, Endpoint, OnAbsent, Registry},
    serve::raw_heads::RequestHead,
    session::SessionContext,
    spool::{BacklogLimits, Spool, SpoolError},
};

mod answer;
mod question;

use question::Question;

/// Names the event an answer is about.
pub const EVENT_ID_HEADER: HeaderName = HeaderName::from_static("x-inhaul-event-id");

/// Says who made an answer: `relay` or `app`.
pub const SOURCE_HEADER: HeaderName = HeaderName::from_static("x-inhaul-source");

/// Where senders post, below the relay's public URL.
pub const INGEST_PREFIX: &[u8] = b"/in/";

/// What a sender is asked to wait after a refusal that time alone heals.
const RETRY_SOON: Duration = Duration::from_secs(5);

/// A body that comes with its head as a rule: a refused one is read to its end, and the connection is kept.
const SHORT_BYTES: u64 = 4 * 1024;

/// How much of what a sender announces is believed before it has come.
const BELIEVED_BYTES: u64 = 64 * 1024;

/// Everything ingest needs.
pub struct Ingest {
    /// The endpoints.
    pub registry: Registry,
    /// The store.
    pub spool: Spool,
    /// Sessions and waiting senders.
    pub hub: Hub,
    /// What is allowed.
    pub limits: Limits,
    /// Requests a second, per endpoint.
    pub rate: RateLimiter,
    /// Bytes of bodies in memory, in all.
    pub budget: ByteBudget,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Why events are not stored.
    troubles: Troubles,
}

/// A request the relay does not take, and the words for its sender.
struct Refusal {
    status: StatusCode,
    reason: &'static str,
    text: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn new(status: StatusCode, reason: &'static str, text: impl Into<String>) -> Self {
        Self { status, reason, text: text.into(), retry_after: None }
    }

    fn retry_after(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }
}

/// Where the body of a request is.
enum Coming<'r> {
    /// It came with the head.
    Here(Bytes),
    /// It is still to be read.
    Later(&'r mut Incoming),
}

impl Coming<'_> {
    /// Whether more of it may be to come than is read before an answer.
    fn is_long(&self) -> bool {
        match self {
            Self::Here(_) => false,
            Self::Later(body) => body.size_hint().exact().is_none_or(|declared| declared > SHORT_BYTES),
        }
    }
}

fn too_large(limit: u64) -> Refusal {
    let text = format!("the body is larger than this relay takes ({limit} bytes, max_body_bytes)");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", text)
}

fn unknown_endpoint() -> Refusal {
    let text = "there is no such endpoint on this relay; `inhaul relay endpoint list` shows the URLs";
    Refusal::new(StatusCode::NOT_FOUND, "unknown_endpoint", text)
}

fn busy() -> Refusal {
    let text = "this relay has as many bytes in flight as it takes; come again";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "in_flight", text).retry_after(RETRY_SOON)
}

/// An answer of the relay's own: a line of text.
pub fn relay_answer(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer_of_type(status, text.into(), HeaderValue::from_static("text/plain; charset=utf-8"))
}

fn answer_of_type(status: StatusCode, text: Bytes, media_type: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // These, and the event's id.
    headers.reserve(3);
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(SOURCE_HEADER, HeaderValue::from_static("relay"));
    response
}

impl Ingest {
    /// Ingest beside the sessions of the same relay.
    pub fn new(sessions: &SessionContext, limits: Limits) -> Self {
        Self {
            registry: sessions.registry.clone(),
            spool: sessions.spool.clone(),
            hub: sessions.hub.clone(),
            rate: RateLimiter::new(&limits),
            budget: ByteBudget::new(limits.in_flight_bytes),
            metrics: Arc::clone(&sessions.metrics),
            limits,
            troubles: Troubles::default(),
        }
    }

    /// Takes one request whose target begins with [`INGEST_PREFIX`]. The body of one that is refused may be left unread.
    pub async fn take(
        &self,
        request: &mut Request<Incoming>,
        head: RequestHead,
        peer: &Peer,
    ) -> Response<Full<Bytes>> {
        let arrived = Instant::now();
        let (method, version) = (request.method().clone(), request.version());
        let RequestHead { bytes, parsed, body } = head;
        let body = body.map_or_else(|| Coming::Later(request.body_mut()), Coming::Here);
        let says_close = version != Version::HTTP_2 && body.is_long();
        match self.read(body, bytes, &parsed, peer).await {
            Ok((endpoint, event, _permit)) => {
                self.take_event(&endpoint, &event, &parsed, &method, arrived).await
            }
            Err(refusal) => {
                let mut response = self.refused(&refusal);
                if says_close {
                    // The rest of the body is in the way of the next request.
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
        }
    }

    /// Stores an event of an endpoint, and says what its sender hears; `head` is the event's own. An application that is asked has until its
    /// deadline, counted from when the request arrived.
    pub async fn take_event(
        &self,
        endpoint: &Endpoint,
        event: &Event,
        head: &Head,
        method: &Method,
        arrived: Instant,
    ) -> Response<Full<Bytes>> {
        match self.store_and_answer(endpoint, event, head, method, arrived).await {
            Ok(response) => response,
            Err(refusal) => self.refused(&refusal),
        }
    }

    fn refused(&self, refusal: &Refusal) -> Response<Full<Bytes>> {
        self.metrics.refused(refusal.reason, refusal.status.as_u16());
        let mut response = relay_answer(refusal.status, format!("{}\n", refusal.text));
        if let Some(after) = refusal.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }

    /// Reads a request within its limits; the permit is for the bytes of its event.
    async fn read(
        &self,
        body: Coming<'_>,
        head: Bytes,
        parsed: &Head,
        peer: &Peer,
    ) -> Result<(Arc<Endpoint>, Event, Permit), Refusal> {
        let received_at = now_millis();
        let (endpoint, prefix_bytes) = self.endpoint_of(parsed)?;
        self.rate.check(&endpoint.name).map_err(|after| {
            let text = "too many requests for this endpoint; its limit is requests_per_second";
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate", text).retry_after(after)
        })?;
        let (body, body_sha256, permit) = match body {
            Coming::Here(body) => self.whole_body(body, &head)?,
            Coming::Later(body) => self.read_body(body, &head).await?,
        };
        let event = Event {
            id: EventId(Uuid::now_v7()),
            endpoint: endpoint.name.clone(),
            received_at,
            peer: peer.clone(),
            prefix_bytes,
            head,
            body,
            body_sha256,
        };
        Ok((endpoint, event, permit))
    }

    async fn store_and_answer(
        &self,
        endpoint: &Endpoint,
        event: &Event,
        head: &Head,
        method: &Method,
        arrived: Instant,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        self.metrics.received(&endpoint.name, (event.head.len() + event.body.len()) as u64);
        let question = Question::in_event(event, head);
        let is_held = || self.hub.is_held(&endpoint.name);
        let mut response = match (endpoint.answer, &question) {
            // The client has the secrets that the answer takes.
            (AnswerMode::Relay, Some(Question::ForClient)) if is_held() => {
                self.ask_the_app(endpoint, event, arrived, method).await?
            }
            (AnswerMode::App, _) if is_held() => self.ask_the_app(endpoint, event, arrived, method).await?,
            (_, Some(Question::Answered(answer))) => {
                self.store(endpoint, event, false).await?;
                self.challenge_answer(answer, method)
            }
            (AnswerMode::Relay, _) => {
                self.store(endpoint, event, false).await?;
                self.accepted(StatusCode::OK, event.id)
            }
            (AnswerMode::App, _) => self.without_client(endpoint, event).await?,
        };
        let mut id_text = Uuid::encode_buffer();
        if let Ok(id) = HeaderValue::from_str(event.id.0.as_hyphenated().encode_lower(&mut id_text)) {
            response.headers_mut().insert(EVENT_ID_HEADER, id);
        }
        Ok(response)
    }

    /// The endpoint a request is for, and how many bytes of its target name it.
    fn endpoint_of(&self, head: &Head) -> Result<(Arc<Endpoint>, usize), Refusal> {
        let target = &head.target;
        let path_start = path_start(target);
        let rest = target[path_start..].strip_prefix(INGEST_PREFIX).ok_or_else(unknown_endpoint)?;
        let part_len = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let part = std::str::from_utf8(&rest[..part_len]).map_err(|_| unknown_endpoint())?;
        let endpoint = self.registry.by_part(part).ok_or_else(unknown_endpoint)?;
        Ok((endpoint, path_start + INGEST_PREFIX.len() + part_len))
    }

    /// A body that is here.
    fn whole_body(&self, body: Bytes, head: &Bytes) -> Result<(Bytes, [u8; 32], Permit), Refusal> {
        let limit = self.limits.max_body_bytes;
        if body.len() as u64 > limit {
            return Err(too_large(limit));
        }
        let permit = self.budget.take((head.len() + body.len()) as u64).ok_or_else(busy)?;
        let digest = Event::digest(&body);
        Ok((body, digest, permit))
    }

    async fn read_body(
        &self,
        body: &mut Incoming,
        head: &Bytes,
    ) -> Result<(Bytes, [u8; 32], Permit), Refusal> {
        let limit = self.limits.max_body_bytes;
        let declared = body.size_hint().exact().unwrap_or(0);
        if declared > limit {
            return Err(too_large(limit));
        }
        let at_once = head.len() as u64 + declared.min(BELIEVED_BYTES);
        let mut permit = self.budget.take(at_once).ok_or_else(busy)?;
        let whole = collect(body, declared, |held| {
            if held > limit {
                return Err(too_large(limit));
            }
            let more = (head.len() as u64 + held).saturating_sub(permit.bytes());
            if more > 0 && !permit.grow(more) { Err(busy()) } else { Ok(()) }
        });
        let late = |_| {
            let text = format!(
                "the body did not arrive within {} s (body_timeout)",
                self.limits.body_timeout.as_secs_f32()
            );
            Refusal::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", text)
        };
        let (body, digest) = tokio::time::timeout(self.limits.body_timeout, whole).await.map_err(late)??;
        Ok((body, digest, permit))
    }

    /// Stores an event and tells the client; returns its number. An endpoint may be removed while its event comes, and another may have its name
    /// then: that one must not get it.
    async fn store(&self, endpoint: &Endpoint, event: &Event, missed: bool) -> Result<u64, Refusal> {
        loop {
            let removals = self.spool.removals();
            if self.registry.by_part(&endpoint.part).is_none() {
                return Err(unknown_endpoint());
            }
            match self.append(event, missed, removals).await {
                // Perhaps it was another endpoint.
                Err(SpoolError::Removal) => {}
                stored => return stored.map_err(|error| self.not_stored(event, &error)),
            }
        }
    }

    async fn append(&self, event: &Event, missed: bool, removals: u64) -> Result<u64, SpoolError> {
        let limits = BacklogLimits { events: self.limits.backlog_events, bytes: self.limits.backlog_bytes };
        let began = Instant::now();
        let (metrics, hub) = (Arc::clone(&self.metrics), self.hub.clone());
        // Not here: the sender may go before it has its answer, and this with it.
        let then = move |endpoint: &EndpointName| {
            metrics.stored(began.elapsed());
            hub.announce(endpoint);
        };
        self.spool.append_then(event, missed, limits, removals, then).await
    }

    fn not_stored(&self, event: &Event, error: &SpoolError) -> Refusal {
        let refusal = match error {
            SpoolError::Backlog { .. } => {
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "backlog", error.to_string())
            }
            SpoolError::Journal(_) | SpoolError::Closed | SpoolError::Removal => {
                if self.troubles.is_new(error, Instant::now()) {
                    let error = with_causes(error);
                    tracing::error!(error, endpoint = %event.endpoint, "an event was not stored");
                }
                let text = "the event was not stored; send it again";
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "store", text)
            }
        };
        refusal.retry_after(RETRY_SOON)
    }

    async fn ask_the_app(
        &self,
        endpoint: &Endpoint,
        event: &Event,
        arrived: Instant,
        method: &Method,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let deadline = arrived + self.limits.answer_deadline;
        let mut wait = self.hub.wait(event.id, &event.endpoint, deadline, endpoint.on_absent);
        let seq = self.store(endpoint, event, false).await?;
        let answer = tokio::time::timeout_at(deadline.into(), wait_for_answer(&mut wait)).await;
        let response = match answer {
            Ok(answer) => self.app_answer(answer, event.id, method),
            Err(_) => match endpoint.on_absent {
                OnAbsent::Accept => self.accepted(StatusCode::ACCEPTED, event.id),
                // The wait ends behind the mark: a session that reads the event finds the one or the other.
                OnAbsent::Refuse => {
                    self.spool.mark_missed(&event.endpoint, seq).await;
                    self.come_again(StatusCode::GATEWAY_TIMEOUT, "the app gave no answer in time\n")
                }
            },
        };
        drop(wait);
        Ok(response)
    }

    async fn without_client(
        &self,
        endpoint: &Endpoint,
        event: &Event,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        Ok(match endpoint.on_absent {
            OnAbsent::Accept => {
                self.store(endpoint, event, false).await?;
                self.accepted(StatusCode::ACCEPTED, event.id)
            }
            OnAbsent::Refuse => {
                self.store(endpoint, event, true).await?;
                self.come_again(StatusCode::BAD_GATEWAY, "no client is connected for this endpoint\n")
            }
        })
    }
}

/// The answer, or never: the session may end and another bring the answer, until the deadline.
async fn wait_for_answer(wait: &mut Wait) -> AppAnswer {
    match wait.answer().await {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

/// Reads a body whole; `check` is told how many bytes there are before they are kept.
async fn collect(
    body: &mut Incoming,
    declared: u64,
    mut check: impl FnMut(u64) -> Result<(), Refusal>,
) -> Result<(Bytes, [u8; 32]), Refusal> {
    let mut whole = BytesMut::with_capacity(usize::try_from(declared.min(BELIEVED_BYTES)).unwrap_or(0));
    let mut digest = Sha256::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Refusal::new(StatusCode::BAD_REQUEST, "body", format!("the body could not be read: {error}"))
        })?;
        if let Ok(data) = frame.into_data() {
            check((whole.len() + data.len()) as u64)?;
            digest.update(&data);
            if whole.is_empty() && data.len() as u64 == declared {
                // Most bodies come in one piece.
                return Ok((data, digest.finalize().into()));
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok((whole.freeze(), digest.finalize().into()))
}

/// The path of a request, without its query.
pub(crate) fn path(target: &[u8]) -> &[u8] {
    let path = &target[path_start(target)..];
    path.iter().position(|&byte| byte == b'?').map_or(path, |query| &path[..query])
}

/// Where the path begins: 0, or behind the authority of an absolute-form target (RFC 9112 §3.2.2).
fn path_start(target: &[u8]) -> usize {
    if target.first() == Some(&b'/') {
        return 0;
    }
    let Some(scheme_end) = target.windows(3).position(|window| window == b"://") else { return 0 };
    let authority = scheme_end + 3;
    target[authority..].iter().position(|&byte| byte == b'/').map_or(target.len(), |slash| authority + slash)
}

/// The time of day.
pub(crate) fn now_millis() -> UnixMillis {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_found_in_every_form_of_target() {
        for (target, start) in
            [("/in/a-1/x", 0), ("http://relay.example/in/a-1", 20), ("https://relay.example", 21), ("*", 0)]
        {
            assert_eq!(path_start(target.as_bytes()), start, "{target}");
        }
    }
}

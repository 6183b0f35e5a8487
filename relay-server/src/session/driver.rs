//! One session without its socket: the relay's end of the protocol, its seat in the hub and its places in the spool. What comes is told
//! with the time it came; nothing here waits.

use std::{
    future::Future,
    ops::ControlFlow::{self, Break, Continue},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use inhaul_core::{
    event::EndpointName,
    session::{Admitted, Lane, Outgoing, Read, RelayCommand, RelayEnd},
    wire::{ErrorCode, Expired, Frame, Hello, HelloEndpoint, SessionError, Sharing, WelcomeEndpoint},
};

use super::SessionContext;
use crate::{
    hub::{self, Asked, Calls, Patience, Seat, SessionOrder},
    ingest::now_millis,
    registry::OnAbsent,
    spool::{JoinError, Next, Reader, Spooled},
};

/// How long a closing session may take to send its last frames.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// How many endpoints of a client a line of the log names.
const MOST_NAMES: usize = 8;

/// What the spool did for the session.
pub enum Done {
    /// The client has its places.
    Joined(Box<Admitted>),
    /// What comes next at an endpoint.
    Read(EndpointName, Next),
}

/// What the spool is doing for the session.
pub type Doing = Pin<Box<dyn Future<Output = Done> + Send>>;

/// One session.
pub struct Driver {
    context: Arc<SessionContext>,
    end: RelayEnd,
    seat: Option<Seat>,
    /// Its places in the events of its endpoints, until it ends.
    readers: Vec<Reader>,
    doing: Option<Doing>,
    closing_since: Option<Instant>,
}

/// What a session waits for, besides its socket and time.
pub struct Waits<'d> {
    /// Takes the next frame to write.
    pub end: &'d mut RelayEnd,
    /// Orders, and word of new events.
    pub calls: Option<&'d Calls>,
    /// The spool.
    pub doing: Option<&'d mut Doing>,
}

impl Driver {
    /// A session whose client has just connected.
    pub fn new(context: Arc<SessionContext>, now: Instant) -> Self {
        let end = RelayEnd::new(Arc::clone(&context.config), now);
        Self { context, end, seat: None, readers: Vec::new(), doing: None, closing_since: None }
    }

    /// Does what is to be done before it waits; it is over when this breaks.
    pub fn work(&mut self, now: Instant) -> ControlFlow<()> {
        while let Some(command) = self.end.poll_command() {
            self.carry_out(command, now)?;
        }
        if self.end.is_ending() {
            self.give_back();
        }
        Continue(())
    }

    /// What it waits for.
    pub fn waits(&mut self) -> Waits<'_> {
        let calls = self.seat.as_ref().map(|seat| &*seat.calls);
        Waits { end: &mut self.end, calls, doing: self.doing.as_mut() }
    }

    /// When [`Driver::handle_timeout`] is due.
    pub fn timeout(&self) -> Option<Instant> {
        let closing = self.closing_since.map(|since| since + CLOSE_GRACE);
        closing.into_iter().chain(self.end.poll_timeout()).min()
    }

    /// Time has passed; the session is over when this breaks.
    pub fn handle_timeout(&mut self, now: Instant) -> ControlFlow<()> {
        if self.closing_since.is_some_and(|since| now >= since + CLOSE_GRACE) {
            return Break(());
        }
        self.end.handle_timeout(now);
        self.note_ending(now);
        Continue(())
    }

    /// Bytes came then, perhaps of a message that is not whole yet.
    pub fn handle_heard(&mut self, at: Instant) {
        self.end.handle_heard(at);
    }

    /// A binary message came.
    pub fn handle_message(&mut self, bytes: Bytes, now: Instant) {
        match Frame::decode(bytes) {
            Ok(Some(frame)) => {
                if matches!(frame, Frame::Credit(_)) {
                    self.welcome_is_read();
                }
                self.end.handle_frame(frame, now);
            }
            Ok(None) => {}
            Err(error) => self.end.handle_bad_frame(&error.to_string()),
        }
        self.note_ending(now);
    }

    /// A message came that is none of the protocol's.
    pub fn handle_bad_message(&mut self, reason: &str, now: Instant) {
        self.end.handle_bad_frame(reason);
        self.note_ending(now);
    }

    /// The hub gave an order.
    pub fn handle_order(&mut self, order: SessionOrder, now: Instant) {
        match order {
            SessionOrder::Close(error) => self.close(*error, now),
            SessionOrder::Drain(after) => self.end.drain(after),
        }
    }

    /// There may be new events.
    pub fn handle_news(&mut self) {
        for endpoint in self.seat.iter().flat_map(Seat::endpoints) {
            self.end.handle_news(endpoint);
        }
    }

    /// The spool has done it.
    pub fn handle_done(&mut self, done: Done, now: Instant) {
        self.doing = None;
        match done {
            Done::Joined(admitted) => self.end.handle_admitted(*admitted),
            Done::Read(endpoint, next) => self.read(&endpoint, next, now),
        }
    }

    fn read(&mut self, endpoint: &EndpointName, next: Next, now: Instant) {
        let read = match next {
            Next::Event(spooled) => {
                let Spooled { event, seq, missed } = *spooled;
                let (deadline, missed) = match self.context.hub.patience(event.id, now) {
                    Patience::Until(deadline) => (Some(deadline), missed),
                    Patience::Over(on_absent) => (None, missed || on_absent == OnAbsent::Refuse),
                    // Its sender may have been told to come again while it was read.
                    Patience::Nobody => {
                        let reader = self.reader(endpoint);
                        (None, missed || reader.is_some_and(|reader| reader.is_missed(seq)))
                    }
                };
                Read::Event(Box::new(Outgoing { event, seq, deadline, missed }))
            }
            Next::Empty => Read::Empty,
            Next::TooLarge => Read::TooLarge,
        };
        self.end.handle_read(endpoint, read);
    }

    fn note_ending(&mut self, now: Instant) {
        if self.end.is_ending() {
            self.closing_since.get_or_insert(now);
        }
    }

    fn close(&mut self, error: SessionError, now: Instant) {
        self.end.close(error);
        self.closing_since.get_or_insert(now);
    }

    fn carry_out(&mut self, command: RelayCommand, now: Instant) -> ControlFlow<()> {
        match command {
            RelayCommand::Admit(hello) => self.admit(&hello, now),
            RelayCommand::ReadNext { endpoint, after, max_bytes } => {
                let next = self.reader(&endpoint).map(|reader| reader.next(after, max_bytes));
                self.doing = next.map(|next| {
                    let read: Doing = Box::pin(async move { Done::Read(endpoint, next.await) });
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

    fn admit(&mut self, hello: &Hello, now: Instant) {
        match self.seated(hello) {
            Ok((seat, readers, admitted)) => {
                tracing::info!(client = %hello.client_id, generation = admitted.generation, endpoints = listed(admitted.names()), "a client is connected");
                self.context.metrics.client_connected();
                self.seat = Some(seat);
                self.readers = readers;
                self.welcome(admitted);
            }
            Err(error) => {
                let asked = hello.endpoints.iter().map(|asked| &asked.name);
                tracing::info!(client = %hello.client_id, endpoints = listed(asked), code = %error.code, "a client was refused");
                self.close(error, now);
            }
        }
    }

    /// Lets the client in, when the places it has not had before are on the disk.
    fn welcome(&mut self, admitted: Admitted) {
        let joining: Vec<_> = self.readers.iter_mut().filter_map(Reader::joined).collect();
        if joining.is_empty() {
            return self.end.handle_admitted(admitted);
        }
        let admitted = Box::new(admitted);
        self.doing = Some(Box::pin(async move {
            futures_util::future::join_all(joining).await;
            Done::Joined(admitted)
        }));
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
        let asked = endpoints.iter().zip(&hello.endpoints).map(|(endpoint, asked)| Asked {
            name: endpoint.name.clone(),
            token: endpoint.token_digest(),
            sharing: asked.sharing,
        });
        let seat = hub.seat(client, asked.collect())?;
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
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.give_back();
        if self.seat.is_some() {
            self.context.metrics.client_disconnected();
        }
    }
}

/// Names for the log. A client asks for as many as it likes.
fn listed<'n>(names: impl IntoIterator<Item = &'n EndpointName>) -> String {
    let mut names = names.into_iter();
    let mut text = names.by_ref().take(MOST_NAMES).map(EndpointName::as_str).collect::<Vec<_>>().join(", ");
    let more = names.count();
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
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

#[cfg(test)]
mod tests;

//! What the relay's end tells its driver, and what the driver tells it.

use std::time::Instant;

use bytes::Bytes;

use crate::{
    event::{EndpointName, Event, EventId, UnixMillis},
    wire::{Hello, Rejection, Stored, WelcomeEndpoint},
};

/// What the driver is to do.
#[derive(Debug)]
pub enum RelayCommand {
    /// Decide whether this client may have what it asks for, then call [`RelayEnd::handle_admitted`](super::RelayEnd::handle_admitted) or
    /// [`RelayEnd::close`](super::RelayEnd::close).
    Admit(Hello),
    /// Read the first event behind a number if it is not larger than a limit, then call [`RelayEnd::handle_read`](super::RelayEnd::handle_read).
    ReadNext {
        /// The endpoint.
        endpoint: EndpointName,
        /// The number the session has read up to.
        after: u64,
        /// Most bytes of head and body.
        max_bytes: u64,
    },
    /// The client has these on its own disk.
    Forget(Stored),
    /// Hand the app's answer to the sender that waits for it.
    Answer {
        /// The event.
        id: EventId,
        /// What came of it.
        answer: AppAnswer,
    },
    /// Close the socket; every frame has been taken.
    Close,
}

/// What the client says of an event whose sender waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppAnswer {
    /// The app answered.
    Answered {
        /// The status code.
        status: u16,
        /// Header lines and the empty line, as the app wrote them.
        headers: Bytes,
        /// The body.
        body: Bytes,
    },
    /// No connection to the app, or no usable answer.
    Unreachable {
        /// Why.
        reason: String,
    },
    /// No whole answer in time.
    TimedOut,
    /// Kept from the app because its signature is not known to be valid.
    Rejected(Rejection),
    /// Stored by the client, and meant for no app.
    NoApp,
}

/// An admitted client's share of the relay.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The session's generation.
    pub generation: u64,
    /// One for each endpoint of the HELLO, in its order.
    pub lanes: Vec<Lane>,
    /// The relay's clock.
    pub time: UnixMillis,
}

impl Admitted {
    /// The endpoints' names.
    pub fn names(&self) -> Vec<&EndpointName> {
        self.lanes.iter().map(|lane| &lane.welcome.name).collect()
    }
}

/// One endpoint of a session.
#[derive(Clone, Debug)]
pub struct Lane {
    /// What WELCOME says of it.
    pub welcome: WelcomeEndpoint,
    /// The client has everything up to this number.
    pub cursor: u64,
}

/// What a read of the spool gave.
#[derive(Debug)]
pub enum Read {
    /// The next event.
    Event(Box<Outgoing>),
    /// There is none now.
    Empty,
    /// The next is larger than asked for.
    TooLarge,
}

/// An event on its way to the client.
#[derive(Debug)]
pub struct Outgoing {
    /// The event.
    pub event: Event,
    /// Its number in the spool of its endpoint.
    pub seq: u64,
    /// The sender waits until then.
    pub deadline: Option<Instant>,
    /// The sender was told to come again.
    pub missed: bool,
}

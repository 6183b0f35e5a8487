//! What a session is told, and what it tells: its configuration, its channels, and what goes through them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use inhaul_core::{
    event::EndpointName,
    session::Delivery,
    wire::{HelloEndpoint, ResultHeader, SessionError, Welcome},
};
use thiserror::Error;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::{DialError, Relay};
use crate::connection::ConnectionState;

/// What a session needs.
pub struct SessionConfig {
    /// The relay.
    pub relay: Relay,
    /// Made once for each data directory.
    pub client_id: Uuid,
    /// The endpoint and its token.
    pub endpoint: HelloEndpoint,
}

/// An event, and the session it came by.
#[derive(Debug)]
pub struct Arrival {
    /// Which of this run's sessions it was.
    pub session: u64,
    /// The event.
    pub delivery: Box<Delivery>,
    /// The endpoint's public URL: signatures may be over it.
    pub endpoint_url: Arc<str>,
    /// If its sender waits and has no answer at the deadline, it is told that the event is taken, and does not come again.
    pub taken_when_late: bool,
    /// It had waited at the relay for at least [`LATE`](super::LATE) when the session began.
    pub late: bool,
}

/// What the pipeline has to say to the relay.
#[derive(Debug)]
pub enum Report {
    /// An event is on this client's disk.
    Stored {
        /// The session it came by.
        session: u64,
        /// Its endpoint.
        endpoint: EndpointName,
        /// Its number.
        seq: u64,
    },
    /// An event cannot be stored now, and those behind it can. The relay keeps it.
    NotStored {
        /// The session it came by.
        session: u64,
        /// Its endpoint.
        endpoint: EndpointName,
        /// Its number.
        seq: u64,
    },
    /// Events that were not stored can be now: the relay is to give them again.
    Again {
        /// The last session by which any of them came.
        session: u64,
    },
    /// What the app answered to an event whose sender waits.
    Result {
        /// The session it came by.
        session: u64,
        /// Status and length, or why there is none.
        header: ResultHeader,
        /// Header lines with the empty line.
        headers: Bytes,
        /// The body.
        body: Bytes,
    },
}

/// What the session tells whoever shows it.
#[derive(Debug)]
pub enum SessionNews {
    /// The connection changed.
    State(ConnectionState),
    /// The relay welcomed the client.
    Opened(Box<Welcome>),
    /// Events waited at the relay while no client was there.
    Late {
        /// How many wait in all, those included that did not wait long.
        events: u64,
        /// How long the first of them has waited.
        oldest: Duration,
    },
    /// Something a person should know.
    Notice(String),
}

/// Why there will be no more sessions.
#[derive(Debug, Error)]
pub enum SessionRefused {
    /// The relay refused, and coming back cannot help.
    #[error("the relay refused this client: {}", .0.text)]
    ByRelay(SessionError),
    /// The first connection failed in a way that waiting does not heal.
    #[error(transparent)]
    Dial(DialError),
    /// The pipeline is gone.
    #[error("the client is stopping")]
    Stopping,
}

/// The channels of a session.
pub struct SessionPorts {
    /// Events for the pipeline. As large as the window, so an event the relay may send always fits.
    pub arrivals: mpsc::Sender<Arrival>,
    /// What the pipeline reports.
    pub reports: mpsc::Receiver<Report>,
    /// What is shown. When it is full, whoever shows things holds the session up, not the memory.
    pub news: mpsc::Sender<SessionNews>,
    /// A person wants a connection now: nothing is waited for, and one that is there is asked whether it lives.
    pub reconnect: Arc<Notify>,
}

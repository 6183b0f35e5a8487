//! What happens while a client listens, as it is told to whoever shows it: the inspector, or what prints lines and JSON.

use inhaul_core::event::{EventId, UnixMillis};

use crate::{
    connection::ConnectionState,
    hold::HoldState,
    output::Ready,
    row::{Attempt, EventRow},
};

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Live {
    /// Webhooks would arrive now.
    Ready(Box<Ready>),
    /// An event is stored and its signature checked.
    Event(Box<EventRow>),
    /// An attempt has its outcome; the row has it already.
    Attempt(Box<EventRow>, Attempt),
    /// An event that was not delivered is tried again then.
    NextTry(EventId, NextTry),
    /// Something else about an event on record changed, such as its tags or its comment.
    Changed(Box<EventRow>),
    /// Events that are no longer in the history: they were deleted, or went with their period.
    Gone(Vec<EventId>),
    /// What is held from now on is another.
    Hold(HoldState),
    /// The connection to the relay changed.
    Connection(ConnectionState),
    /// Something a person should know.
    Notice(String),
    /// What the demo tells about what happens.
    Told(String),
}

/// When an event is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextTry {
    /// At this time, or a moment later.
    At(UnixMillis),
    /// As soon as this target takes connections.
    When(String),
}

//! What a history is told of events, and what it tells.

use inhaul_core::{event::EventId, signature::Verdict};
use serde::{Deserialize, Serialize};

use crate::{draft::Draft, row::EventRow};

/// What the caller knows of an event when it stores it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The sender was told to come again.
    pub missed: bool,
    /// The provider that signed it, as configured or recognised.
    pub provider: Option<String>,
    /// The provider's name for what happened.
    pub event_type: Option<String>,
    /// The provider's own id of the event.
    pub provider_event_id: Option<String>,
    /// The provider's id of the object it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,
    /// It has at least one target: it is pending until it is settled.
    pub forward: bool,
    /// The sender waits for the application's answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sender_waits: bool,
    /// That sender is told that the event is taken when no answer comes in time, and does not come again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_when_late: bool,
    /// It waited at the relay for more than a minute.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// A person says whether it is forwarded: it is held until it is released or settled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// What the signature check found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Box<Verdict>>,
    /// It came from a file, not from a relay. It is no delivery, so no other one is a repeat of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// Not to be forwarded when an earlier delivery of the same event was or is. A wish; what came of it is on record.
    #[serde(skip)]
    pub drop_repeats: bool,
}

/// What became of an event that was to be stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// It is on disk now.
    New(EventRow),
    /// It was on disk already; this is its row as it stands.
    Duplicate(EventRow),
}

/// What a person decides on a held event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It is forwarded, as the draft says.
    Forward(Draft),
    /// It goes nowhere.
    Drop {
        /// Who decided, as their system calls them.
        by: String,
        /// Why, where they said so.
        why: Option<String>,
    },
}

/// What became of events that were to be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletions {
    /// Those that are.
    pub deleted: Vec<EventId>,
    /// Those that are not.
    pub kept: Vec<Kept>,
}

/// An event that was not deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Which event.
    pub id: EventId,
    /// Why, in a sentence.
    pub reason: String,
}

/// What the beginning of an id leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// One event.
    One(EventId),
    /// No event, or no beginning of an id.
    None,
    /// Several, of which these are some.
    Many(Vec<EventId>),
}

/// What events may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// They are deliveries of the same event.
    SameEvent,
    /// Their provider says that they are about the same object.
    SameObject,
}

/// The history in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Events stored.
    pub events: u64,
    /// Events that are to be forwarded.
    pub pending: u64,
    /// Events of which a person says whether they are forwarded.
    #[serde(default)]
    pub held: u64,
    /// Events that were not delivered and are not tried again by themselves.
    #[serde(default)]
    pub given_up: u64,
    /// Periods they are kept in.
    pub periods: u64,
    /// What was found wrong and put right since this process opened the history.
    pub notes: Vec<String>,
}

//! What kinds of worlds there are, and what can be broken in them on purpose.

use inhaul_core::wire::Sharing;
use inhaul_relay::registry::{AnswerMode, OnAbsent};

/// What kind of world it is.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub clients: usize,
    pub sharing: Option<Sharing>,
    /// How the two endpoints answer senders.
    pub answers: [(AnswerMode, OnAbsent); 2],
    /// How many things may be done between two that come from outside. An answer takes dozens of them within its deadline.
    pub at_once: u32,
}

/// What is broken on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The relay answers 2xx when the event is queued, not when it is on its disk.
    AnswerBeforeSync,
    /// The client says STORED when the event is queued, not when it is on its disk.
    StoredBeforeFlush,
    /// The relay forgets an event when it sends it.
    ForgetOnSending,
    /// The relay's disk says that it synced, and did not.
    RelayDiskLies,
    /// The clients' disks say that they synced, and did not.
    ClientDiskLies,
    /// The client sends RESULT when the application answers, not when that is on record.
    AnswerBeforeRecord,
    /// The relay hands an answer to the sender of another event.
    AnswerAnother,
    /// The relay does not say that a sender was told to come again.
    HideMissed,
    /// The client forwards what was missed.
    ForwardMissed,
    /// What one client says it has counts for those it shares the endpoint with.
    StoredForAll,
    /// The relay does not hear what clients say they have.
    StoredUnheard,
    /// What was sent in a session stays taken when that ends.
    HolderKeeps,
}

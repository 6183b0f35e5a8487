//! What the thread of the history is sent, and what it answers.

use inhaul_core::{
    event::{Event, EventId},
    signature::Verdict,
};
use inhaul_journal::{AppendError, Location};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::super::{Facts, Found, HistoryError, PeriodInfo, Prune, Pruned, Relation, Ruling, Status, Stored};
use crate::{
    annotation::Annotation,
    draft::{Draft, Edit, EditId},
    row::{Attempt, AttemptCause, Changed, EventRow, EventState},
};

/// Where an answer goes; nobody may be waiting for it any more.
pub(in super::super) type Answer<T> = oneshot::Sender<Result<T, HistoryError>>;

/// What the thread is sent. Requests carry the room they take; of the rest there is at most one per request.
pub(in super::super) enum Message {
    /// Somebody wants something.
    Request(Box<Request>, OwnedSemaphorePermit),
    /// The journal is done with a record.
    Done { ticket: u64, result: Result<Location, AppendError> },
    /// Nobody wants anything any more.
    Close(Option<oneshot::Sender<()>>),
}

/// What can be asked of the history.
pub(in super::super) enum Request {
    /// `again` says that everybody who stored behind a refused event has been told, so that order begins anew.
    Store {
        event: Event,
        facts: Facts,
        again: bool,
        answer: Answer<Stored>,
    },
    SetVerdict {
        id: EventId,
        verdict: Verdict,
        answer: Answer<EventRow>,
    },
    BeginAttempt {
        id: EventId,
        target: String,
        cause: AttemptCause,
        changed: Option<Changed>,
        answer: Answer<Attempt>,
    },
    FinishAttempt {
        id: EventId,
        attempt: Attempt,
        answer: Answer<EventRow>,
    },
    FinishLastAttempt {
        id: EventId,
        attempt: Attempt,
        answer: Answer<EventRow>,
    },
    Settle {
        id: EventId,
        answer: Answer<()>,
    },
    GiveUp {
        id: EventId,
        reason: String,
        answer: Answer<EventRow>,
    },
    Miss {
        id: EventId,
        answer: Answer<EventRow>,
    },
    Decide {
        id: EventId,
        ruling: Ruling,
        answer: Answer<EventRow>,
    },
    Edit {
        id: EventId,
        draft: Draft,
        answer: Answer<EditId>,
    },
    Edited {
        id: EventId,
        edit: EditId,
        answer: Answer<Option<Edit>>,
    },
    Annotate {
        id: EventId,
        annotation: Annotation,
        answer: Answer<EventRow>,
    },
    Delete {
        id: EventId,
        answer: Answer<EventRow>,
    },
    /// A deletion is taken back.
    Restore {
        id: EventId,
        answer: Answer<EventRow>,
    },
    /// Events that have something in common with this one.
    Related {
        id: EventId,
        relation: Relation,
        limit: usize,
        answer: Answer<Vec<EventRow>>,
    },
    Event {
        id: EventId,
        answer: Answer<Option<(Event, EventRow)>>,
    },
    Pending {
        answer: Answer<Vec<EventRow>>,
    },
    Rows {
        state: Option<EventState>,
        before: Option<EventId>,
        limit: usize,
        answer: Answer<Vec<EventRow>>,
    },
    RowsOf {
        ids: Vec<EventId>,
        answer: Answer<Vec<EventRow>>,
    },
    Find {
        prefix: String,
        answer: Answer<Found>,
    },
    Status {
        answer: Answer<Status>,
    },
    Periods {
        answer: Answer<Vec<PeriodInfo>>,
    },
    Prune {
        prune: Prune,
        answer: Answer<Pruned>,
    },
}

/// What to answer once a change is on disk.
pub(super) enum Reply {
    Stored(Answer<Stored>),
    Row(Answer<EventRow>),
    Attempt(Answer<Attempt>, Attempt),
    Edit(Answer<EditId>, EditId),
    Nothing(Answer<()>),
}

impl Reply {
    pub(super) fn send(self, result: Result<EventRow, HistoryError>) {
        // A caller that stopped waiting loses the answer, not the change.
        match self {
            Self::Stored(answer) => drop(answer.send(result.map(Stored::New))),
            Self::Row(answer) => drop(answer.send(result)),
            Self::Attempt(answer, attempt) => drop(answer.send(result.map(|_| attempt))),
            Self::Edit(answer, edit) => drop(answer.send(result.map(|_| edit))),
            Self::Nothing(answer) => drop(answer.send(result.map(|_| ()))),
        }
    }
}

//! The one thread that owns journals and indexes: requests come in, records go to the journal, answers go out when they
//! are on disk.
//!
//! It never waits for a flush unless it has to: while one runs, the next records gather. Three moments have to: a new
//! period, a full journal, and the end.

mod arrival;
mod delete;
mod note;
mod periods;
mod prune;
mod read;
mod request;
mod stopped;

use std::{
    collections::{BTreeMap, HashMap, VecDeque, hash_map::Entry},
    path::PathBuf,
    sync::{PoisonError, mpsc},
    time::Duration,
};

use inhaul_core::event::{Event, EventId, UnixMillis};
use inhaul_journal::{AppendError, Location};
use tokio::sync::OwnedSemaphorePermit;

use self::{arrival::Prepared, delete::Erasure, periods::Periods, request::Reply};
pub(super) use self::{
    periods::{check_format, period_names},
    request::{Answer, Message, Request},
};
use super::{
    Facts, HistoryError, Options, Ruling, SharedLock, Status, Stored,
    deletion::Deletion,
    notes::Notes,
    record::{Arrived, Change, Missed},
    same::SameKey,
};
use crate::{
    draft::{Draft, Edit, EditId},
    row::{Attempt, Dropped, EventRow, EventState, GivenUp, Outcome},
};

/// After how many records a busy thread notes how far the index is; an idle one does so at once.
const MARKER_INTERVAL: u64 = 512;

/// How often it is looked whether bytes are to be overwritten, when some will be: the clock may be set meanwhile.
const ERASURE_LOOK: Duration = Duration::from_secs(1);

/// A change the journal has been given and has not reported yet.
struct UnderWay {
    period: u64,
    id: EventId,
    change: Change,
    reply: Reply,
    _room: OwnedSemaphorePermit,
}

/// Someone who stores an event that is being stored already.
type Waiting = (Answer<Stored>, OwnedSemaphorePermit);

/// An event that the journal has been given.
struct Storing {
    waiting: Vec<Waiting>,
    same: Option<SameKey>,
}

/// Attempts of one event that have begun and are not on disk yet.
struct Beginning {
    last_number: u32,
    under_way: u32,
}

/// The thread's state.
pub(super) struct Worker {
    options: Options,
    notes: Notes,
    periods: Periods,
    sender: mpsc::Sender<Message>,
    inbox: mpsc::Receiver<Message>,
    /// What came while waiting for the journal.
    backlog: VecDeque<Message>,
    under_way: BTreeMap<u64, UnderWay>,
    next_ticket: u64,
    /// A record could not be written, and some behind it are under way.
    failed: bool,
    next_arrival: u64,
    /// Why an event was not stored. None is stored any more then: whoever stores them in order may have asked for the next ones
    /// before it is told, and these would be before it once it is stored. Events from files are in no such order.
    refused: Option<String>,
    storing: HashMap<EventId, Storing>,
    /// Deliveries of the same thing among those under way, by ticket, in their order.
    storing_same: HashMap<SameKey, Vec<u64>>,
    beginning: HashMap<EventId, Beginning>,
    /// In the order in which they are due.
    erasures: VecDeque<Erasure>,
    opened_at: UnixMillis,
}

impl Worker {
    /// A worker for the history in a directory; not open yet.
    pub(super) fn new(
        root: PathBuf,
        options: Options,
        notes: Notes,
        (sender, inbox): (mpsc::Sender<Message>, mpsc::Receiver<Message>),
    ) -> Self {
        Self {
            periods: Periods::new(root, options.clone(), notes.clone()),
            opened_at: (options.clock)(),
            options,
            notes,
            sender,
            inbox,
            backlog: VecDeque::new(),
            under_way: BTreeMap::new(),
            next_ticket: 0,
            failed: false,
            next_arrival: 1,
            refused: None,
            storing: HashMap::new(),
            storing_same: HashMap::new(),
            beginning: HashMap::new(),
            erasures: VecDeque::new(),
        }
    }

    /// Opens what is there.
    pub(super) fn open(&mut self) -> Result<(), HistoryError> {
        self.next_arrival = self.periods.open_all()? + 1;
        self.periods.erase_leftovers();
        Ok(())
    }

    /// Works until it is told to close, or nobody is left to tell it.
    pub(super) fn run(mut self, lock: &SharedLock) {
        let mut answer = None;
        while let Some(message) = self.next_message() {
            match message {
                Message::Request(request, room) => self.handle(*request, room),
                Message::Done { ticket, result } => self.done(ticket, result),
                Message::Close(closed) => {
                    answer = closed;
                    break;
                }
            }
        }
        while !self.under_way.is_empty() && self.wait_for_journal() {}
        self.erase_all();
        self.periods.close_all();
        drop(lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(answer) = answer {
            let _ = answer.send(());
        }
    }

    /// Takes the next message without waiting for one; false when there is none.
    pub(super) fn step(&mut self) -> bool {
        let message = self.backlog.pop_front().or_else(|| self.inbox.try_recv().ok());
        let busy = message.is_some();
        match message {
            Some(Message::Request(request, room)) => self.handle(*request, room),
            Some(Message::Done { ticket, result }) => self.done(ticket, result),
            Some(Message::Close(_)) | None => self.periods.write_markers(),
        }
        busy || self.erase_due()
    }

    /// Lets journals without a thread write; false when there is nothing to write.
    pub(super) fn write(&mut self) -> bool {
        self.periods.write()
    }

    fn next_message(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.backlog.pop_front().or_else(|| self.inbox.try_recv().ok()) {
                return Some(message);
            }
            // Who asks for something comes first.
            if self.erase_due() {
                continue;
            }
            self.periods.write_markers();
            let received = match self.next_erasure() {
                Some(wait) => self.inbox.recv_timeout(wait.min(ERASURE_LOOK)),
                None => self.inbox.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            };
            match received {
                Ok(message) => return Some(message),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Waits until the journal is done with one more record; everything else has to wait meanwhile.
    fn wait_for_journal(&mut self) -> bool {
        self.periods.write();
        while let Ok(message) = self.inbox.recv() {
            match message {
                Message::Done { ticket, result } => {
                    self.done(ticket, result);
                    return true;
                }
                Message::Request(..) | Message::Close(_) => self.backlog.push_back(message),
            }
        }
        false
    }

    fn handle(&mut self, request: Request, room: OwnedSemaphorePermit) {
        match request {
            Request::Store { event, facts, again, answer } => {
                if again {
                    self.refused = None;
                }
                self.store(event, facts, answer, room);
            }
            Request::SetVerdict { id, verdict, answer } => {
                self.change(id, Change::Verdict(verdict), Reply::Row(answer), room);
            }
            Request::BeginAttempt { id, target, cause, changed, answer } => {
                let started_at = (self.options.clock)();
                let attempt =
                    Attempt { number: 0, target, cause, started_at, changed, outcome: Outcome::Begun };
                self.begin_attempt(id, attempt, answer, room);
            }
            Request::FinishAttempt { id, attempt, answer } => {
                self.change(id, Change::Attempt(attempt), Reply::Row(answer), room);
            }
            Request::FinishLastAttempt { id, attempt, answer } => {
                self.change(id, Change::LastAttempt(attempt), Reply::Row(answer), room);
            }
            Request::Settle { id, answer } => {
                self.change(id, Change::Settled, Reply::Nothing(answer), room);
            }
            Request::GiveUp { id, reason, answer } => {
                let given_up = GivenUp { at: (self.options.clock)(), reason };
                self.change(id, Change::GivenUp(given_up), Reply::Row(answer), room);
            }
            Request::Miss { id, answer } => self.miss(id, answer, room),
            Request::Decide { id, ruling, answer } => self.decide(id, ruling, answer, room),
            Request::Edit { id, draft, answer } => self.edit(id, draft, answer, room),
            Request::Edited { id, edit, answer } => drop(answer.send(self.periods.edited(id, edit))),
            Request::Annotate { id, annotation, answer } => self.annotate(id, annotation, answer, room),
            Request::Delete { id, answer } => self.delete(id, answer, room),
            Request::Restore { id, answer } => self.restore(id, answer, room),
            Request::Related { id, relation, limit, answer } => {
                drop(answer.send(self.related(id, relation, limit)));
            }
            Request::Event { id, answer } => drop(answer.send(self.event(id))),
            Request::Pending { answer } => drop(answer.send(self.pending())),
            Request::Rows { state, before, limit, answer } => {
                drop(answer.send(self.rows(state, before, limit)));
            }
            Request::RowsOf { ids, answer } => drop(answer.send(self.rows_of(&ids))),
            Request::Find { prefix, answer } => drop(answer.send(self.periods.find(&prefix))),
            Request::Periods { answer } => drop(answer.send(self.periods.list())),
            Request::Prune { prune, answer } => {
                // Nothing of a period that goes is still on its way to the disk.
                while !self.under_way.is_empty() && self.wait_for_journal() {}
                drop(answer.send(self.periods.prune(&prune)));
            }
            Request::Status { answer } => {
                let status =
                    self.periods.status().map(|status| Status { notes: self.notes.lines(), ..status });
                drop(answer.send(status));
            }
        }
    }

    fn store(&mut self, event: Event, mut facts: Facts, answer: Answer<Stored>, room: OwnedSemaphorePermit) {
        let (id, is_imported) = (event.id, facts.imported);
        if let Some(storing) = self.storing.get_mut(&id) {
            storing.waiting.push((answer, room));
            return;
        }
        match self.prepare(&event, &mut facts) {
            Ok(Prepared::Known(row)) => drop(answer.send(Ok(Stored::Duplicate(self.as_it_stands(*row))))),
            Ok(Prepared::New { period, now, same, repeat }) => {
                let repeat = repeat.map(Box::new);
                let arrived = Arrived { arrival: self.next_arrival, stored_at_ms: now, facts, repeat };
                self.next_arrival += 1;
                self.storing.insert(id, Storing { waiting: Vec::new(), same });
                if let Some(same) = same {
                    self.storing_same.entry(same).or_default().push(self.next_ticket);
                }
                self.append(period, id, Change::Arrived(arrived, event), Reply::Stored(answer), room);
            }
            Err(error) => {
                // That one may be stored already; those behind it do not wait for it.
                if !is_imported && !matches!(error, HistoryError::Unreadable { .. }) {
                    self.refused.get_or_insert_with(|| error.to_string());
                }
                drop(answer.send(Err(error)));
            }
        }
    }

    fn begin_attempt(
        &mut self,
        id: EventId,
        attempt: Attempt,
        answer: Answer<Attempt>,
        room: OwnedSemaphorePermit,
    ) {
        let (period, entry) = match self.periods.locate(id) {
            Ok(Some(found)) => found,
            Ok(None) => return drop(answer.send(Err(HistoryError::Unknown(id)))),
            Err(error) => return drop(answer.send(Err(error))),
        };
        let on_disk = entry.row.attempts.last().map_or(0, |attempt| attempt.number);
        let beginning = self.beginning.entry(id).or_insert(Beginning { last_number: 0, under_way: 0 });
        beginning.last_number = beginning.last_number.max(on_disk) + 1;
        beginning.under_way += 1;
        let attempt = Attempt { number: beginning.last_number, ..attempt };
        self.append(period, id, Change::Attempt(attempt.clone()), Reply::Attempt(answer, attempt), room);
    }

    fn decide(&mut self, id: EventId, ruling: Ruling, answer: Answer<EventRow>, room: OwnedSemaphorePermit) {
        match self.periods.locate(id) {
            Ok(Some((period, entry))) if entry.row.state == EventState::Held => {
                let at = (self.options.clock)();
                let change = match ruling {
                    Ruling::Forward(draft) if draft.is_empty() => Change::Released,
                    Ruling::Forward(draft) => Change::Edited(Edit { at, forward: true, draft }),
                    Ruling::Drop { by, why } => Change::Dropped(Dropped { at, by, why }),
                };
                self.append(period, id, change, Reply::Row(answer), room);
            }
            Ok(Some(_)) => drop(answer.send(Err(HistoryError::NotHeld(id)))),
            Ok(None) => drop(answer.send(Err(HistoryError::Unknown(id)))),
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    fn miss(&mut self, id: EventId, answer: Answer<EventRow>, room: OwnedSemaphorePermit) {
        let missed = Missed { at: (self.options.clock)() };
        self.change(id, Change::Missed(missed), Reply::Row(answer), room);
    }

    /// Records a draft, unless it is on record already.
    fn edit(&mut self, id: EventId, draft: Draft, answer: Answer<EditId>, room: OwnedSemaphorePermit) {
        let edit = draft.id();
        match self.periods.locate(id) {
            Ok(Some((_, entry))) if entry.edits.iter().any(|known| known.id == edit) => {
                drop(answer.send(Ok(edit)));
            }
            Ok(Some((period, _))) => {
                let change = Change::Edited(Edit { at: (self.options.clock)(), forward: false, draft });
                self.append(period, id, change, Reply::Edit(answer, edit), room);
            }
            Ok(None) => drop(answer.send(Err(HistoryError::Unknown(id)))),
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// Records a change of an event on record.
    fn change(&mut self, id: EventId, change: Change, reply: Reply, room: OwnedSemaphorePermit) {
        match self.periods.locate(id) {
            Ok(Some((period, _))) => self.append(period, id, change, reply, room),
            Ok(None) => reply.send(Err(HistoryError::Unknown(id))),
            Err(error) => reply.send(Err(error)),
        }
    }

    /// Gives a record to the journal of a period.
    fn append(&mut self, period: u64, id: EventId, change: Change, reply: Reply, room: OwnedSemaphorePermit) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let (kind, parts) = change.to_record();
        self.under_way.insert(ticket, UnderWay { period, id, change, reply, _room: room });
        loop {
            let sender = self.sender.clone();
            let done = move |result| {
                // The thread is gone only when nobody waits for this any more.
                let _ = sender.send(Message::Done { ticket, result });
            };
            match self.periods.append(period, kind, id, parts.clone(), done) {
                Ok(()) => return,
                // Its own record is among those under way.
                Err(periods::Refused::Full) if self.under_way.len() > 1 => {
                    if !self.wait_for_journal() {
                        return;
                    }
                }
                Err(periods::Refused::Full) => {
                    let reason = "the record is larger than the journal takes".to_owned();
                    return self.finish(ticket, Err(HistoryError::NotStored { reason }));
                }
                Err(periods::Refused::Error(error)) => return self.finish(ticket, Err(error)),
            }
        }
    }

    fn done(&mut self, ticket: u64, result: Result<Location, AppendError>) {
        if let Some(reported) = self.under_way.get(&ticket) {
            self.periods.reported(reported.period);
        }
        self.failed |= result.is_err();
        self.finish(ticket, result.map_err(|error| HistoryError::NotStored { reason: error.to_string() }));
        // Events stay in order: whoever stores one behind a failed one has been told when nothing is under way any more.
        if self.failed && self.under_way.is_empty() {
            self.failed = false;
            self.periods.go_on();
        }
    }

    /// Brings a durable change into the index and answers whoever waits for it, or tells them that it failed.
    fn finish(&mut self, ticket: u64, result: Result<Location, HistoryError>) {
        let Some(done) = self.under_way.remove(&ticket) else { return };
        let UnderWay { period, id, change, reply, _room } = done;
        let is_imported = matches!(&change, Change::Arrived(arrived, _) if arrived.facts.imported);
        let row = result.and_then(|location| {
            let entry = self.periods.apply(period, location, id, &change)?;
            entry.map(|entry| entry.row).ok_or(HistoryError::Unknown(id))
        });
        if let (Ok(_), Change::Deletion(Deletion::Deleted(deleted))) = (&row, &change) {
            self.deleted(period, id, deleted.at);
        }
        match &reply {
            Reply::Stored(_) => {
                if let Err(error) = &row
                    && !is_imported
                {
                    self.refused.get_or_insert_with(|| error.to_string());
                }
                for (answer, _room) in self.stored(ticket, id) {
                    let _ = answer.send(row.clone().map(Stored::Duplicate));
                }
            }
            Reply::Attempt(..) => self.began(id),
            Reply::Row(_) | Reply::Edit(..) | Reply::Nothing(_) => {}
        }
        reply.send(row.map(|row| self.as_it_stands(row)));
        if ticket.is_multiple_of(MARKER_INTERVAL) {
            self.periods.write_markers();
        }
    }

    /// Those who wait for an event the journal is done with.
    fn stored(&mut self, ticket: u64, id: EventId) -> Vec<Waiting> {
        let Some(Storing { waiting, same }) = self.storing.remove(&id) else { return Vec::new() };
        if let Some(same) = same
            && let Entry::Occupied(mut deliveries) = self.storing_same.entry(same)
        {
            deliveries.get_mut().retain(|&other| other != ticket);
            if deliveries.get().is_empty() {
                deliveries.remove();
            }
        }
        waiting
    }

    fn began(&mut self, id: EventId) {
        if let Some(beginning) = self.beginning.get_mut(&id) {
            beginning.under_way -= 1;
            if beginning.under_way == 0 {
                self.beginning.remove(&id);
            }
        }
    }
}

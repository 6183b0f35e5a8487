//! What must hold: an account of what senders were told, of what clients said they have, and of what their applications were asked, kept
//! beside the real stores.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, ensure};
use inhaul::row::{EventRow, EventState};
use inhaul_core::{
    event::{EndpointName, Event, EventId},
    wire::Sharing,
};
use uuid::Uuid;

use crate::seeds::Outcome;

/// What a sender hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The relay's own 2xx: its event is stored.
    Taken,
    /// The application's answer.
    App { status: u16, text: String },
    /// That the application could not be asked. It is to come again; its event is stored, and was tried.
    NotAsked,
    /// It is to come again; its event is stored as missed.
    ComeAgain,
    /// Its event is not stored.
    Refused,
}

/// An event that was posted.
struct Posted {
    endpoint: EndpointName,
    body_sha256: [u8; 32],
    /// Its sender heard that it is stored.
    acknowledged: bool,
    /// Its sender heard that it was not stored, though it may be on the disk.
    refused: bool,
    heard: Option<Heard>,
    /// A client was given it as one that goes to its application.
    may_be_asked: bool,
    /// It need not be known as missed after another start: the disk failed.
    may_lose_mark: bool,
    /// More than one of several clients may have it, though it goes to one.
    may_be_twice: bool,
}

/// What one client says, and what its application is asked.
#[derive(Default)]
struct Account {
    /// On its disk, by its own word.
    stored: BTreeSet<EventId>,
    settled: BTreeSet<EventId>,
    /// On their way to its disk when its power went: of what is written together, each may be there or not.
    torn: BTreeSet<EventId>,
    /// Its application answered 2xx, and that is on record.
    delivered: BTreeSet<EventId>,
    /// The outcome of an attempt is on record.
    recorded: BTreeSet<EventId>,
    /// What its application answered.
    answers: BTreeMap<EventId, Vec<(u16, String)>>,
    /// How many events of an endpoint there were when it joined.
    joined: BTreeMap<EndpointName, usize>,
}

pub struct Model {
    sharing: Option<Sharing>,
    /// Endpoints whose senders are told that an event is taken when its answer is late.
    takes_late: BTreeSet<EndpointName>,
    /// In the order in which the relay numbered them.
    posted: Vec<EventId>,
    events: BTreeMap<EventId, Posted>,
    clients: BTreeMap<Uuid, Account>,
    spool: Option<Uuid>,
}

impl Model {
    pub fn new(sharing: Option<Sharing>, takes_late: BTreeSet<EndpointName>) -> Self {
        let (posted, events, clients) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { sharing, takes_late, posted, events, clients, spool: None }
    }

    pub fn posted(&mut self, event: &Event) {
        let (endpoint, body_sha256) = (event.endpoint.clone(), event.body_sha256);
        let posted = Posted {
            endpoint,
            body_sha256,
            acknowledged: false,
            refused: false,
            heard: None,
            may_be_asked: false,
            may_lose_mark: false,
            may_be_twice: false,
        };
        self.posted.push(event.id);
        self.events.insert(event.id, posted);
    }

    fn event(&mut self, id: EventId) -> anyhow::Result<&mut Posted> {
        self.events.get_mut(&id).with_context(|| format!("{id} was never posted"))
    }

    fn client(&mut self, client: Uuid) -> &mut Account {
        self.clients.entry(client).or_default()
    }

    /// The sender of an event has its answer. What the application answered reaches the sender of that very event, and is on record then.
    pub fn heard(&mut self, id: EventId, heard: Heard) -> Outcome {
        if let Heard::App { status, text } = &heard {
            let answer = (*status, text.clone());
            let gave =
                |account: &Account| account.answers.get(&id).is_some_and(|gave| gave.contains(&answer));
            let given = self.clients.values().find(|account| gave(account));
            let is_recorded = given.map(|account| account.recorded.contains(&id));
            ensure!(
                is_recorded.is_some(),
                "the sender of {id} hears {answer:?}, which no application gave it"
            );
            ensure!(is_recorded == Some(true), "the sender of {id} hears {answer:?}, which is not on record");
        }
        let event = self.event(id)?;
        ensure!(event.heard.is_none(), "the sender of {id} hears {heard:?} after {:?}", event.heard);
        match heard {
            Heard::Refused => event.refused = true,
            Heard::Taken | Heard::App { .. } | Heard::NotAsked | Heard::ComeAgain => {
                event.acknowledged = true;
            }
        }
        event.heard = Some(heard);
        Ok(())
    }

    /// As if the sender had heard that its event is stored.
    pub fn acknowledged(&mut self, id: EventId) {
        if let Some(posted) = self.events.get_mut(&id) {
            posted.acknowledged = true;
        }
    }

    pub fn torn(&mut self, client: Uuid, ids: impl IntoIterator<Item = EventId>) {
        self.client(client).torn.extend(ids);
    }

    pub fn acknowledged_count(&self) -> usize {
        self.events.values().filter(|posted| posted.acknowledged).count()
    }

    pub fn answered_count(&self) -> usize {
        self.events.values().filter(|posted| matches!(posted.heard, Some(Heard::App { .. }))).count()
    }

    pub fn stored(&mut self, client: Uuid, id: EventId) {
        self.client(client).stored.insert(id);
    }

    /// The outcome of an attempt is on the client's disk.
    pub fn recorded(&mut self, client: Uuid, row: &EventRow, is_success: bool) {
        let account = self.client(client);
        account.recorded.insert(row.id);
        if row.state == EventState::Settled {
            account.settled.insert(row.id);
        }
        if is_success {
            account.delivered.insert(row.id);
        }
    }

    /// An event goes from one place to the next as it was posted.
    pub fn is_as_posted(&self, event: &Event) -> Outcome {
        let posted = self.events.get(&event.id).with_context(|| format!("{} was never posted", event.id))?;
        let same = posted.body_sha256 == Event::digest(&event.body) && posted.endpoint == event.endpoint;
        ensure!(same, "{} is another event than was posted", event.id);
        Ok(())
    }

    /// The relay reads an event to send it: as missed, when its sender was told to come again.
    pub fn read(&mut self, id: EventId, missed: bool) -> Outcome {
        let event = self.event(id)?;
        let comes_again = event.heard == Some(Heard::ComeAgain);
        let is_marked = missed || event.may_lose_mark;
        ensure!(is_marked || !comes_again, "the sender of {id} was told to come again, and it is not missed");
        event.may_be_asked |= !missed;
        Ok(())
    }

    /// The disk may not take it that the sender of an event is to come again.
    pub fn may_lose_mark(&mut self, id: EventId) -> Outcome {
        self.event(id)?.may_lose_mark = true;
        Ok(())
    }

    /// The relay sends an event as it read it.
    pub fn sent(&mut self, id: EventId, missed: bool) -> Outcome {
        ensure!(missed || self.event(id)?.may_be_asked, "{id} is missed, and is not sent as such");
        Ok(())
    }

    /// A client's application is asked about an event. It is not asked about a missed one; nor once more after its answer is with the sender,
    /// or after it has taken the event. Only whether a failure came too late, and the sender was told that the event is taken, may be unknown
    /// to a client that has just started.
    pub fn asked(&mut self, client: Uuid, id: EventId) -> Outcome {
        let event = self.event(id)?;
        ensure!(event.may_be_asked, "{id} was missed, and its application is asked about it");
        let (heard, endpoint) = (event.heard.clone(), event.endpoint.clone());
        let may_be_late = self.takes_late.contains(&endpoint);
        let account = self.client(client);
        ensure!(!account.delivered.contains(&id), "an application is asked about {id}, which it has taken");
        if let Some(Heard::App { status, text }) = heard {
            let gave = account.answers.get(&id).is_some_and(|gave| gave.contains(&(status, text)));
            ensure!(
                !gave || may_be_late && !(200..300).contains(&status),
                "an application is asked about {id} again, and its answer is with the sender"
            );
        }
        Ok(())
    }

    pub fn answered(&mut self, client: Uuid, id: EventId, status: u16, text: String) {
        self.client(client).answers.entry(id).or_default().push((status, text));
    }

    /// A client says that it has an event, so that the relay may forget it. What a sender was refused may come back with a restart, and is
    /// passed over when the client has later ones.
    pub fn may_be_forgotten(&mut self, client: Uuid, id: EventId) -> Outcome {
        let refused = self.event(id)?.refused;
        let stored = self.client(client).stored.contains(&id);
        ensure!(refused || stored, "{id} is forgotten by the relay, and not on the client's disk");
        Ok(())
    }

    /// A client has been welcomed: what is numbered from now on is kept for it.
    pub fn joined(&mut self, client: Uuid, endpoint: &EndpointName) {
        let numbered = self.posted.len();
        self.client(client).joined.entry(endpoint.clone()).or_insert(numbered);
    }

    /// Whoever held these may have them, and may not have been heard.
    pub fn may_be_twice(&mut self, ids: impl Iterator<Item = EventId>) {
        for id in ids {
            if let Some(event) = self.events.get_mut(&id) {
                event.may_be_twice = true;
            }
        }
    }

    /// An event that is sent has so many sessions that hold it now, and a client has said that it has it, or not.
    pub fn goes_to_one(&self, id: EventId, holders: usize, said_stored: bool) -> Outcome {
        let balanced = self.sharing == Some(Sharing::Balance);
        ensure!(!balanced || holders == 1, "{id} is with {holders} clients at one time");
        ensure!(!balanced || !said_stored, "{id} is sent, and a client has said that it has it");
        Ok(())
    }

    /// Whether it is this client that must get an event.
    fn is_owed(&self, number: usize, posted: &Posted, account: &Account) -> bool {
        let joined = account.joined.get(&posted.endpoint);
        posted.acknowledged && joined.is_some_and(|joined| number >= *joined)
    }

    /// What a relay that has just started holds: for each client when they share, else for whichever comes.
    pub fn check_spool(
        &mut self,
        spool: Uuid,
        waiting: &BTreeMap<Option<Uuid>, BTreeSet<EventId>>,
    ) -> Outcome {
        let before = *self.spool.get_or_insert(spool);
        ensure!(before == spool, "the spool has become another one");
        for (number, id) in self.posted.iter().enumerate() {
            let posted = &self.events[id];
            let waits = |client: Option<Uuid>| waiting.get(&client).is_some_and(|ids| ids.contains(id));
            let anywhere = waiting.values().any(|ids| ids.contains(id))
                || self.clients.values().any(|account| account.stored.contains(id));
            ensure!(
                !posted.acknowledged || anywhere,
                "{id} was acknowledged to its sender, and is neither in the spool nor on a client's disk"
            );
            if self.sharing != Some(Sharing::Share) {
                continue;
            }
            for (client, account) in &self.clients {
                let has = account.stored.contains(id) || waits(Some(*client)) || waits(None);
                ensure!(has || !self.is_owed(number, posted, account), "{id} is no longer kept for {client}");
            }
        }
        Ok(())
    }

    /// What a client that has just started holds, oldest first, and which of it is pending.
    pub fn check_history(&mut self, client: Uuid, rows: &[EventRow], pending: &[EventRow]) -> Outcome {
        let ids: BTreeSet<EventId> = rows.iter().map(|row| row.id).collect();
        ensure!(ids.len() == rows.len(), "an event is in the history twice");
        let asked = rows.iter().find(|row| row.missed && !row.attempts.is_empty());
        ensure!(asked.is_none(), "{asked:?} was missed, and is forwarded");
        self.client(client);
        let account = &self.clients[&client];
        let lost = account.stored.difference(&ids).next();
        ensure!(lost.is_none(), "the client said that it has {lost:?}, and has not");
        let undone = pending.iter().find(|row| account.settled.contains(&row.id));
        ensure!(undone.is_none(), "{undone:?} was settled, and is pending");
        let has_succeeded = |row: &EventRow| row.attempts.iter().any(|attempt| attempt.outcome.is_success());
        let forgotten = rows.iter().find(|row| account.delivered.contains(&row.id) && !has_succeeded(row));
        ensure!(forgotten.is_none(), "{forgotten:?} was delivered, and that is not on record");
        if self.sharing != Some(Sharing::Balance) {
            // Of balanced events, one that another client gave back comes behind later ones.
            self.check_order(account, rows)?;
        }
        self.client(client).stored.extend(ids);
        Ok(())
    }

    /// Of each endpoint, what was acknowledged is in the order in which the relay numbered it, but for what a power cut tore.
    fn check_order(&self, account: &Account, rows: &[EventRow]) -> Outcome {
        let order: HashMap<EventId, usize> = self.posted.iter().copied().zip(0..).collect();
        let mut last: BTreeMap<&EndpointName, (usize, EventId)> = BTreeMap::new();
        for row in rows {
            let counts = self.events.get(&row.id).is_some_and(|posted| posted.acknowledged);
            if !counts || account.torn.contains(&row.id) {
                continue;
            }
            let number = order[&row.id];
            if let Some((before, id)) = last.insert(&row.endpoint, (number, row.id)) {
                ensure!(before < number, "{id} is stored before {}, and came after it", row.id);
            }
        }
        Ok(())
    }

    /// In the end clients have everything that was acknowledged to a sender: each of those that share everything since it joined, and of
    /// those among which events are balanced one.
    pub fn check_all_arrived(&self) -> Outcome {
        for (number, id) in self.posted.iter().enumerate() {
            let posted = &self.events[id];
            let have = self.clients.values().filter(|account| account.stored.contains(id)).count();
            ensure!(
                have > 0 || !posted.acknowledged,
                "{id} of {} was acknowledged to its sender, and never arrived",
                posted.endpoint
            );
            match self.sharing {
                Some(Sharing::Share) => {
                    let lacks = |account: &Account| {
                        self.is_owed(number, posted, account) && !account.stored.contains(id)
                    };
                    let lacking = self.clients.iter().find(|(_, account)| lacks(account));
                    ensure!(
                        lacking.is_none(),
                        "{id} never arrived at {:?}",
                        lacking.map(|(client, _)| client)
                    );
                }
                Some(Sharing::Balance) => {
                    ensure!(have <= 1 || posted.may_be_twice, "{id} is at {have} clients, and none lost it");
                }
                Some(Sharing::Other) | None => {}
            }
        }
        Ok(())
    }

    /// What a client at rest holds: nothing is left to do, and what went to its application is delivered or given up.
    pub fn check_rest(&self, rows: &[EventRow]) -> Outcome {
        for row in rows {
            let is_done = matches!(row.state, EventState::Settled | EventState::GivenUp);
            ensure!(is_done, "{} is {:?}, and the client at rest", row.id, row.state);
            let tried = row.missed || !row.attempts.is_empty() || row.given_up.is_some();
            ensure!(tried, "{} is settled, and nobody was asked", row.id);
        }
        Ok(())
    }
}

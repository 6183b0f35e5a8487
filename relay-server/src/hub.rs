//! Who is connected, and who waits: the sessions that hold endpoints, and the senders that wait for an app's answer.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use inhaul_core::{
    event::{EndpointName, EventId},
    session::AppAnswer,
    wire::{ErrorCode, SessionError, Sharing},
};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::registry::{Endpoint, OnAbsent};

mod calls;

pub use calls::Calls;

/// What a session is told from outside.
#[derive(Debug)]
pub enum SessionOrder {
    /// End, for this reason. Boxed, because every session has room for an order and seldom gets one.
    Close(Box<SessionError>),
    /// The relay goes down; come back after this time.
    Drain(Duration),
}

/// A session's place in the hub. Dropping it gives the endpoints back.
pub struct Seat {
    hub: Hub,
    endpoints: Vec<EndpointName>,
    /// Grows with each session; of one client's, the highest holds an endpoint.
    pub generation: u64,
    /// Where it hears orders, and of new events for any of its endpoints.
    pub calls: Arc<Calls>,
}

/// An endpoint that a client asks for.
pub struct Asked {
    /// Its name.
    pub name: EndpointName,
    /// The digest of the token the client has for it.
    pub token: [u8; 32],
    /// How the client shares it; not at all when absent.
    pub sharing: Option<Sharing>,
}

/// How it stands with the sender of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It waits until then.
    Until(Instant),
    /// Its time is over, and it is told so in this moment.
    Over(OnAbsent),
    /// Nobody waits: it has been told, or has gone.
    Nobody,
}

/// A sender's wait for the app's answer. Dropping it ends the wait.
pub struct Wait {
    hub: Hub,
    id: EventId,
    answer: oneshot::Receiver<AppAnswer>,
}

/// The hub. A clone is another handle of the same one.
#[derive(Clone, Default)]
pub struct Hub {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    generation: AtomicU64,
    holders: Mutex<HashMap<EndpointName, Held>>,
    waits: Mutex<HashMap<EventId, Waiting>>,
}

/// An endpoint that sessions hold: one alone, or several that share it in the same way.
struct Held {
    sharing: Option<Sharing>,
    holders: Vec<Holder>,
}

struct Holder {
    client_id: Uuid,
    generation: u64,
    token: [u8; 32],
    calls: Arc<Calls>,
}

struct Waiting {
    deadline: Instant,
    on_absent: OnAbsent,
    answer: oneshot::Sender<AppAnswer>,
    /// Clients that get the event and have not said what came of it.
    to_say: usize,
}

/// A session connected now, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The endpoint.
    pub endpoint: EndpointName,
    /// The client.
    pub client: Uuid,
    /// How it shares the endpoint; not at all when absent.
    pub sharing: Option<Sharing>,
}

impl Hub {
    /// Gives a client its endpoints, to hold alone or to share with others. An older session of the same client is told to end;
    /// sessions of other clients stay.
    ///
    /// # Errors
    /// When another client holds one of the endpoints, and the two do not share it in the same way.
    pub fn seat(&self, client_id: Uuid, endpoints: Vec<Asked>) -> Result<Seat, SessionError> {
        let mut held = self.held_now();
        for Asked { name, sharing, .. } in &endpoints {
            if let Some(held) = held.get(name) {
                held.admits(client_id, name, *sharing)?;
            }
        }
        let generation = self.shared.generation.fetch_add(1, Ordering::Relaxed) + 1;
        let calls = Arc::new(Calls::default());
        let mut names = Vec::with_capacity(endpoints.len());
        for Asked { name, token, sharing } in endpoints {
            let held = held.entry(name.clone()).or_insert(Held { sharing, holders: Vec::with_capacity(1) });
            held.sharing = sharing;
            for older in held.holders.extract_if(.., |holder| holder.client_id == client_id) {
                older.calls.give(SessionOrder::Close(Box::new(superseded(&name))));
            }
            held.holders.push(Holder { client_id, generation, token, calls: Arc::clone(&calls) });
            names.push(name);
        }
        Ok(Seat { hub: self.clone(), endpoints: names, generation, calls })
    }

    /// Whether a client holds the endpoint now.
    pub fn is_held(&self, endpoint: &EndpointName) -> bool {
        self.held_now().contains_key(endpoint)
    }

    /// Every endpoint a client holds now.
    pub fn held(&self) -> Vec<EndpointName> {
        self.held_now().keys().cloned().collect()
    }

    /// Every session, once for each of its endpoints.
    pub fn connected(&self) -> Vec<Connected> {
        let held = self.held_now();
        let of_one = |(endpoint, held): (&EndpointName, &Held)| {
            let of_holder = |holder: &Holder| Connected {
                endpoint: endpoint.clone(),
                client: holder.client_id,
                sharing: held.sharing,
            };
            held.holders.iter().map(of_holder).collect::<Vec<_>>()
        };
        held.iter().flat_map(of_one).collect()
    }

    /// There is a new event for the endpoint, or one that another session gave back.
    pub fn announce(&self, endpoint: &EndpointName) {
        for holder in self.held_now().get(endpoint).into_iter().flat_map(|held| &held.holders) {
            holder.calls.tell_news();
        }
    }

    /// Tells the sessions that hold an endpoint to end.
    pub fn close(&self, endpoint: &EndpointName, reason: &SessionError) {
        for holder in self.held_now().get(endpoint).into_iter().flat_map(|held| &held.holders) {
            holder.calls.give(SessionOrder::Close(Box::new(reason.clone())));
        }
    }

    /// Tells the sessions to end whose endpoint was removed, or whose token is no more the endpoint's.
    pub fn revoke(&self, endpoints: &[Arc<Endpoint>]) {
        let tokens: HashMap<_, _> =
            endpoints.iter().map(|endpoint| (&endpoint.name, endpoint.token_digest())).collect();
        for (name, held) in &*self.held_now() {
            let token = tokens.get(name);
            for holder in held.holders.iter().filter(|holder| Some(&holder.token) != token) {
                let reason = revoked(name, token.is_none());
                holder.calls.give(SessionOrder::Close(Box::new(reason)));
            }
        }
    }

    /// Tells every session that the relay goes down.
    pub fn drain(&self, after: Duration) {
        for holder in self.held_now().values().flat_map(|held| &held.holders) {
            holder.calls.give(SessionOrder::Drain(after));
        }
    }

    /// A sender begins to wait for the apps behind an endpoint. To be called before the event can reach a client.
    /// `on_absent` is what the sender is told when there is no answer until the deadline.
    pub fn wait(&self, id: EventId, endpoint: &EndpointName, deadline: Instant, on_absent: OnAbsent) -> Wait {
        let (answer_in, answer) = oneshot::channel();
        let to_say = self.held_now().get(endpoint).map_or(1, |held| match held.sharing {
            Some(Sharing::Share) => held.holders.len(),
            Some(Sharing::Balance | Sharing::Other) | None => 1,
        });
        self.waits().insert(id, Waiting { deadline, on_absent, answer: answer_in, to_say });
        Wait { hub: self.clone(), id, answer }
    }

    /// How it stands with the sender of an event.
    pub fn patience(&self, id: EventId, now: Instant) -> Patience {
        match self.waits().get(&id) {
            Some(waiting) if waiting.deadline > now => Patience::Until(waiting.deadline),
            Some(waiting) => Patience::Over(waiting.on_absent),
            None => Patience::Nobody,
        }
    }

    /// Hands an app's answer to the sender that waits; at most once, and too late is nothing. Where clients share the endpoint,
    /// the first application that answers is heard; that there is no answer is said when the last client says so.
    pub fn answer(&self, id: EventId, answer: AppAnswer) {
        let mut waits = self.waits();
        let Some(waiting) = waits.get_mut(&id) else { return };
        waiting.to_say = waiting.to_say.saturating_sub(1);
        let is_heard = waiting.to_say == 0 || matches!(answer, AppAnswer::Answered { .. });
        if is_heard && let Some(waiting) = waits.remove(&id) {
            // The sender went away in this moment.
            let _ = waiting.answer.send(answer);
        }
    }

    /// Waits of senders in all.
    pub fn waits_count(&self) -> usize {
        self.waits().len()
    }

    fn held_now(&self) -> MutexGuard<'_, HashMap<EndpointName, Held>> {
        self.shared.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waits(&self) -> MutexGuard<'_, HashMap<EventId, Waiting>> {
        self.shared.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Whether a client may hold the endpoint as it asks, beside those that hold it.
    fn admits(
        &self,
        client_id: Uuid,
        name: &EndpointName,
        asked: Option<Sharing>,
    ) -> Result<(), SessionError> {
        let others = self.holders.iter().filter(|holder| holder.client_id != client_id).count();
        if others == 0 || (asked.is_some() && asked == self.sharing) {
            return Ok(());
        }
        let text = match (self.sharing, asked) {
            (None, None) => format!(
                "another client receives the events of {name}; stop it first, or start both with `--share` (each gets every event) or with `--balance` (each event goes to one of them)"
            ),
            (None, Some(asked)) => format!(
                "another client receives the events of {name} alone; stop it, and start it with `--{}` too",
                asked.as_str()
            ),
            (Some(held), None) => {
                let held = held.as_str();
                format!(
                    "other clients have {name} together, with `--{held}`; start this one with `--{held}` too"
                )
            }
            (Some(held), Some(asked)) => format!(
                "other clients have {name} together with `--{}`, and this one asks for `--{}`: all must ask for the same",
                held.as_str(),
                asked.as_str()
            ),
        };
        Err(busy(text))
    }
}

impl Seat {
    /// What it holds.
    pub fn endpoints(&self) -> &[EndpointName] {
        &self.endpoints
    }
}

impl Wait {
    /// The app's answer, or `None` when the session that had the event ended without one.
    pub async fn answer(&mut self) -> Option<AppAnswer> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.hub.waits().remove(&self.id);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.hub.held_now();
        for name in &self.endpoints {
            let Some(of_name) = held.get_mut(name) else { continue };
            of_name.holders.retain(|holder| holder.generation != self.generation);
            if of_name.holders.is_empty() {
                held.remove(name);
            }
        }
    }
}

/// Why a client may not have an endpoint that others have.
pub(crate) fn busy(text: String) -> SessionError {
    SessionError { code: ErrorCode::EndpointBusy, text, retryable: false, retry_after_ms: None }
}

fn revoked(name: &EndpointName, removed: bool) -> SessionError {
    let text = if removed {
        format!("the endpoint {name} was removed from the relay")
    } else {
        format!("the token of {name} was changed; its new one is needed")
    };
    SessionError { code: ErrorCode::Revoked, text, retryable: false, retry_after_ms: None }
}

fn superseded(name: &EndpointName) -> SessionError {
    SessionError {
        code: ErrorCode::Superseded,
        text: format!("a newer session of this client receives the events of {name}"),
        retryable: false,
        retry_after_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use inhaul_core::wire::Rejection;

    use super::*;
    use crate::registry::{AnswerMode, Registry};

    fn orders() -> EndpointName {
        "orders".parse().unwrap()
    }

    fn seat(hub: &Hub, client: u128, sharing: Option<Sharing>) -> Result<Seat, SessionError> {
        hub.seat(Uuid::from_u128(client), vec![Asked { name: orders(), token: [0; 32], sharing }])
    }

    fn is_superseded(seat: &Seat) -> bool {
        matches!(seat.calls.take_order(), Some(SessionOrder::Close(error)) if error.code == ErrorCode::Superseded)
    }

    #[test]
    fn a_newer_session_of_the_same_client_takes_over_and_another_client_is_refused() {
        for sharing in [None, Some(Sharing::Share), Some(Sharing::Balance)] {
            let hub = Hub::default();
            let first = seat(&hub, 1, sharing).ok().unwrap();
            let second = seat(&hub, 1, sharing).ok().unwrap();
            assert!(is_superseded(&first), "the older is told");
            drop(first);
            assert!(hub.is_held(&orders()), "the older gives nothing back that is not its own");
            let refused = seat(&hub, 2, None).err().unwrap();
            assert_eq!(refused.code, ErrorCode::EndpointBusy);
            drop(second);
            assert!(!hub.is_held(&orders()));
            assert!(seat(&hub, 2, None).is_ok());
        }
    }

    #[test]
    fn a_session_ends_when_its_endpoint_is_removed_or_has_another_token() {
        let data = tempfile::tempdir().unwrap();
        let registry = Registry::open(data.path()).unwrap();
        let hub = Hub::default();
        let seat = |name: &EndpointName| {
            let endpoints = registry.list();
            let endpoint = endpoints.iter().find(|endpoint| endpoint.name == *name).unwrap();
            let token = endpoint.token_digest();
            hub.seat(Uuid::from_u128(1), vec![Asked { name: name.clone(), token, sharing: None }])
                .ok()
                .unwrap()
        };
        let told = |seat: &Seat| match seat.calls.take_order() {
            Some(SessionOrder::Close(error)) => {
                assert_eq!((error.code, error.retryable), (ErrorCode::Revoked, false));
                Some(error.text)
            }
            Some(SessionOrder::Drain(_)) | None => None,
        };
        let add = |name: &EndpointName| registry.add(name, AnswerMode::App, OnAbsent::Accept).unwrap();
        let (stays, changes) = (orders(), "other".parse().unwrap());
        add(&stays);
        add(&changes);
        let (kept, first) = (seat(&stays), seat(&changes));
        hub.revoke(&registry.list());
        assert_eq!((told(&kept), told(&first)), (None, None));
        registry.rotate_token(&changes).unwrap();
        hub.revoke(&registry.list());
        assert!(told(&first).unwrap().contains("token"));
        let second = seat(&changes);
        registry.remove(&changes).unwrap();
        add(&changes);
        hub.revoke(&registry.list());
        assert!(told(&second).is_some(), "another endpoint has its name");
        let third = seat(&changes);
        registry.remove(&changes).unwrap();
        hub.revoke(&registry.list());
        assert!(told(&third).unwrap().contains("removed"));
        assert_eq!(told(&kept), None);
    }

    #[test]
    fn clients_that_share_in_the_same_way_are_there_together_and_all_hear_news() {
        for way in [Sharing::Share, Sharing::Balance] {
            let hub = Hub::default();
            let first = seat(&hub, 1, Some(way)).ok().unwrap();
            let second = seat(&hub, 2, Some(way)).ok().unwrap();
            assert!(first.calls.take_order().is_none(), "nobody is told to end");
            assert_eq!(hub.connected().len(), 2);
            hub.announce(&orders());
            for seat in [&first, &second] {
                assert!(seat.calls.news().now_or_never().is_some());
            }
            drop(first);
            assert!(hub.is_held(&orders()));
            drop(second);
            assert!(!hub.is_held(&orders()));
        }
    }

    #[test]
    fn mixed_ways_to_share_are_refused_with_what_to_do() {
        let (share, balance) = (Some(Sharing::Share), Some(Sharing::Balance));
        for (held, asked, words) in [
            (None, None, &["stop it first", "`--share`", "`--balance`"][..]),
            (None, share, &["alone", "start it with `--share`"]),
            (share, None, &["start this one with `--share`"]),
            (balance, None, &["start this one with `--balance`"]),
            (share, balance, &["with `--share`", "asks for `--balance`"]),
        ] {
            let hub = Hub::default();
            let _held = seat(&hub, 1, held).ok().unwrap();
            let refused = seat(&hub, 2, asked).err().unwrap();
            assert!(!refused.retryable);
            assert_eq!(refused.code, ErrorCode::EndpointBusy);
            for word in words {
                assert!(refused.text.contains(word), "{word} is not in {}", refused.text);
            }
            // Who is alone there may change its mind.
            assert!(seat(&hub, 1, asked).is_ok());
        }
    }

    #[tokio::test]
    async fn the_first_application_that_answers_is_heard_and_no_answer_is_said_last() {
        let hub = Hub::default();
        let id = EventId(Uuid::from_u128(9));
        let _seats = [1, 2, 3].map(|client| seat(&hub, client, Some(Sharing::Share)).ok().unwrap());
        let deadline = Instant::now() + Duration::from_secs(8);
        let answered =
            |status| AppAnswer::Answered { status, headers: bytes::Bytes::new(), body: bytes::Bytes::new() };
        let mut wait = hub.wait(id, &orders(), deadline, OnAbsent::Accept);
        hub.answer(id, AppAnswer::NoApp);
        hub.answer(id, answered(201));
        hub.answer(id, answered(202));
        assert_eq!(wait.answer().await, Some(answered(201)));
        drop(wait);
        let mut wait = hub.wait(id, &orders(), deadline, OnAbsent::Accept);
        for answer in [AppAnswer::TimedOut, AppAnswer::Rejected(Rejection::Invalid), AppAnswer::NoApp] {
            hub.answer(id, answer);
        }
        assert_eq!(wait.answer().await, Some(AppAnswer::NoApp));
    }

    #[tokio::test]
    async fn an_answer_reaches_its_sender_at_most_once() {
        let hub = Hub::default();
        let id = EventId(Uuid::from_u128(9));
        let now = Instant::now();
        let deadline = now + Duration::from_secs(8);
        let mut wait = hub.wait(id, &orders(), deadline, OnAbsent::Refuse);
        assert_eq!(hub.patience(id, now), Patience::Until(deadline));
        assert_eq!(hub.patience(id, deadline), Patience::Over(OnAbsent::Refuse));
        hub.answer(id, AppAnswer::TimedOut);
        hub.answer(id, AppAnswer::Rejected(Rejection::Invalid));
        assert_eq!(wait.answer().await, Some(AppAnswer::TimedOut));
        drop(wait);
        let wait = hub.wait(id, &orders(), now, OnAbsent::Accept);
        drop(wait);
        assert_eq!(hub.patience(id, now), Patience::Nobody);
        assert_eq!(hub.waits_count(), 0);
    }
}

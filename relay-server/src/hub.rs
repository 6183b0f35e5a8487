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
    wire::{ErrorCode, SessionError},
};
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

/// What a session is told from outside.
#[derive(Debug)]
pub enum SessionOrder {
    /// End, for this reason. Boxed, because a session's channel has room for many orders and seldom gets one.
    Close(Box<SessionError>),
    /// The relay goes down; come back after this time.
    Drain(Duration),
}

/// A session's place in the hub. Dropping it gives the endpoints back.
pub struct Seat {
    hub: Hub,
    endpoints: Vec<EndpointName>,
    /// Grows with each session; the highest holds an endpoint.
    pub generation: u64,
    /// Orders from outside. A channel of a few: an order that finds it full is one of many of the same kind.
    pub orders: mpsc::Receiver<SessionOrder>,
    /// Notified when there may be new events for any endpoint of the session.
    pub news: Arc<Notify>,
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
    holders: Mutex<HashMap<EndpointName, Holder>>,
    waits: Mutex<HashMap<EventId, Waiting>>,
}

struct Holder {
    client_id: Uuid,
    generation: u64,
    orders: mpsc::Sender<SessionOrder>,
    news: Arc<Notify>,
}

struct Waiting {
    deadline: Instant,
    answer: oneshot::Sender<AppAnswer>,
}

impl Hub {
    /// Gives a client its endpoints. An older session of the same client is told to end; another client's stays.
    ///
    /// # Errors
    /// When another client holds one of the endpoints.
    pub fn seat(&self, client_id: Uuid, endpoints: Vec<EndpointName>) -> Result<Seat, SessionError> {
        let mut holders = self.holders();
        let taken =
            endpoints.iter().find(|name| holders.get(*name).is_some_and(|held| held.client_id != client_id));
        if let Some(name) = taken {
            return Err(SessionError {
                code: ErrorCode::EndpointBusy,
                text: format!(
                    "another client receives the events of {name}; stop it first, or add an endpoint of your own with `inhaul relay endpoint add`"
                ),
                retryable: false,
                retry_after_ms: None,
            });
        }
        let generation = self.shared.generation.fetch_add(1, Ordering::Relaxed) + 1;
        let (orders_in, orders) = mpsc::channel(4);
        let news = Arc::new(Notify::new());
        for name in &endpoints {
            let holder = Holder { client_id, generation, orders: orders_in.clone(), news: Arc::clone(&news) };
            if let Some(older) = holders.insert(name.clone(), holder) {
                // Full means that it has been told to end already.
                let _ = older.orders.try_send(SessionOrder::Close(Box::new(superseded(name))));
            }
        }
        Ok(Seat { hub: self.clone(), endpoints, generation, orders, news })
    }

    /// Whether a client holds the endpoint now.
    pub fn is_held(&self, endpoint: &EndpointName) -> bool {
        self.holders().contains_key(endpoint)
    }

    /// Every endpoint a client holds now.
    pub fn held(&self) -> Vec<EndpointName> {
        self.holders().keys().cloned().collect()
    }

    /// There is a new event for the endpoint.
    pub fn announce(&self, endpoint: &EndpointName) {
        if let Some(holder) = self.holders().get(endpoint) {
            holder.news.notify_one();
        }
    }

    /// Tells the session that holds an endpoint to end.
    pub fn close(&self, endpoint: &EndpointName, reason: SessionError) {
        if let Some(holder) = self.holders().get(endpoint) {
            // Full means that it has been told to end already.
            let _ = holder.orders.try_send(SessionOrder::Close(Box::new(reason)));
        }
    }

    /// Tells every session that the relay goes down.
    pub fn drain(&self, after: Duration) {
        for holder in self.holders().values() {
            // Full means that it is ending already.
            let _ = holder.orders.try_send(SessionOrder::Drain(after));
        }
    }

    /// A sender begins to wait. To be called before the event can reach a client.
    pub fn wait(&self, id: EventId, deadline: Instant) -> Wait {
        let (answer_in, answer) = oneshot::channel();
        self.waits().insert(id, Waiting { deadline, answer: answer_in });
        Wait { hub: self.clone(), id, answer }
    }

    /// How long the sender of an event still waits; `None` when nobody does.
    pub fn remaining(&self, id: EventId, now: Instant) -> Option<Duration> {
        let left = self.waits().get(&id)?.deadline.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Hands an app's answer to the sender that waits; at most once, and too late is nothing.
    pub fn answer(&self, id: EventId, answer: AppAnswer) {
        if let Some(waiting) = self.waits().remove(&id) {
            // The sender went away in this moment.
            let _ = waiting.answer.send(answer);
        }
    }

    /// Waits of senders in all.
    pub fn waits_count(&self) -> usize {
        self.waits().len()
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<EndpointName, Holder>> {
        self.shared.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waits(&self) -> MutexGuard<'_, HashMap<EventId, Waiting>> {
        self.shared.waits.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut holders = self.hub.holders();
        for name in &self.endpoints {
            if holders.get(name).is_some_and(|held| held.generation == self.generation) {
                holders.remove(name);
            }
        }
    }
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
    use super::*;

    fn orders() -> EndpointName {
        "orders".parse().unwrap()
    }

    #[test]
    fn a_newer_session_of_the_same_client_takes_over_and_another_client_is_refused() {
        let hub = Hub::default();
        let (me, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut first = hub.seat(me, vec![orders()]).ok().unwrap();
        assert_eq!(hub.seat(other, vec![orders()]).err().unwrap().code, ErrorCode::EndpointBusy);
        let second = hub.seat(me, vec![orders()]).ok().unwrap();
        let Ok(SessionOrder::Close(error)) = first.orders.try_recv() else { panic!("the older is told") };
        assert_eq!(error.code, ErrorCode::Superseded);
        drop(first);
        assert!(hub.is_held(&orders()), "the older gives nothing back that is not its own");
        drop(second);
        assert!(!hub.is_held(&orders()));
        assert!(hub.seat(other, vec![orders()]).is_ok());
    }

    #[tokio::test]
    async fn an_answer_reaches_its_sender_at_most_once() {
        let hub = Hub::default();
        let id = EventId(Uuid::from_u128(9));
        let now = Instant::now();
        let mut wait = hub.wait(id, now + Duration::from_secs(8));
        assert_eq!(hub.remaining(id, now), Some(Duration::from_secs(8)));
        assert_eq!(hub.remaining(id, now + Duration::from_secs(9)), None);
        hub.answer(id, AppAnswer::TimedOut);
        hub.answer(id, AppAnswer::Rejected);
        assert_eq!(wait.answer().await, Some(AppAnswer::TimedOut));
        drop(wait);
        let wait = hub.wait(id, now);
        drop(wait);
        assert_eq!(hub.waits_count(), 0);
    }
}

//! How a session hears of what happens elsewhere in the relay. Each idle client costs one of these, so it is small: a channel has room
//! for many messages from the beginning.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::SessionOrder;

/// What a session is called for.
#[derive(Default)]
pub struct Calls {
    news: Notify,
    ordered: Notify,
    order: Mutex<Option<SessionOrder>>,
}

impl Calls {
    /// There may be new events for an endpoint of the session.
    pub(super) fn tell_news(&self) {
        self.news.notify_one();
    }

    /// Gives an order. The first one to end stays; it goes before any other.
    pub(super) fn give(&self, order: SessionOrder) {
        {
            let mut given = self.order();
            if matches!(*given, Some(SessionOrder::Close(_))) {
                return;
            }
            *given = Some(order);
        }
        self.ordered.notify_one();
    }

    /// Waits until there may be new events. What was told before this call, and after the one before, counts.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Waits for an order. Dropping this future loses none.
    pub async fn ordered(&self) -> SessionOrder {
        loop {
            if let Some(order) = self.take_order() {
                return order;
            }
            self.ordered.notified().await;
        }
    }

    /// The order that was given, if there is one.
    pub fn take_order(&self) -> Option<SessionOrder> {
        self.order().take()
    }

    fn order(&self) -> MutexGuard<'_, Option<SessionOrder>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use inhaul_core::wire::{ErrorCode, SessionError};

    use super::*;

    fn end(code: ErrorCode) -> SessionOrder {
        SessionOrder::Close(Box::new(SessionError {
            code,
            text: String::new(),
            retryable: false,
            retry_after_ms: None,
        }))
    }

    #[tokio::test]
    async fn an_order_is_heard_once_and_the_first_to_end_before_all_others() {
        let calls = Calls::default();
        calls.give(SessionOrder::Drain(Duration::from_secs(1)));
        assert!(matches!(calls.ordered().await, SessionOrder::Drain(_)));
        assert!(calls.take_order().is_none());
        calls.give(SessionOrder::Drain(Duration::from_secs(1)));
        calls.give(end(ErrorCode::Superseded));
        calls.give(end(ErrorCode::Internal));
        calls.give(SessionOrder::Drain(Duration::from_secs(2)));
        let order = calls.ordered().await;
        assert!(matches!(order, SessionOrder::Close(error) if error.code == ErrorCode::Superseded));
        assert!(futures_util::poll!(pin!(calls.ordered())).is_pending());
    }

    #[tokio::test]
    async fn an_order_given_while_nobody_waits_or_after_waiting_was_given_up_is_heard() {
        let calls = Calls::default();
        {
            let mut waiting = pin!(calls.ordered());
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
            calls.give(end(ErrorCode::Superseded));
        }
        assert!(matches!(calls.ordered().await, SessionOrder::Close(_)));
    }
}

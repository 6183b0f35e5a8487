//! How an event that arrives is verified and stored, and what its sender hears when it goes nowhere.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use inhaul_core::{
    event::Head,
    session::Delivery,
    wire::{Rejection, ResultHeader, ResultKind},
};

use super::{Came, Pipeline, place::place, verify::Recognised};
use crate::{
    cli::{CatchUp, Dedupe},
    history::{Facts, HistoryError, Stored},
    session::{Arrival, Report},
};

impl Pipeline {
    /// What is on its way to the disk when the client stops is acknowledged, so that the relay need not give it to anybody else. It stays
    /// pending, and the next start goes on with it.
    pub(super) async fn acknowledge_all(
        &self,
        mut storing: impl Stream<Item = (Came, Result<Stored, HistoryError>)> + Unpin,
    ) -> Result<(), HistoryError> {
        while let Some((came, stored)) = storing.next().await {
            match stored {
                Ok(_) => {}
                Err(HistoryError::Unreadable { .. }) => continue,
                Err(error) => return Err(error),
            }
            self.report(Report::Stored { session: came.session, endpoint: came.endpoint, seq: came.seq })
                .await;
        }
        Ok(())
    }

    pub(super) async fn store(&self, arrival: Arrival) -> (Came, Result<Stored, HistoryError>) {
        let Arrival { session, delivery, endpoint_url, taken_when_late, late } = arrival;
        let Delivery { event, seq, deadline, missed } = *delivery;
        let facts = Facts {
            missed,
            late,
            sender_waits: deadline.is_some(),
            taken_when_late,
            forward: true,
            ..Facts::default()
        };
        let (facts, recognised, lane) = match event.parsed_head() {
            Ok(head) => {
                let placed = place(&event, &head, &self.routes, &endpoint_url, &facts, (self.clock)());
                let has_target = placed.lane.is_some() && !placed.route.targets.is_empty();
                let forward = has_target && !missed && !(late && self.catch_up == CatchUp::Store);
                let asks = late && self.catch_up == CatchUp::Ask;
                let held = forward && (asks || self.is_held(&event, &facts, &placed));
                let drop_repeats = placed.route.dedupe == Dedupe::Drop;
                (Facts { forward, held, drop_repeats, ..facts }, placed.recognised, placed.lane)
            }
            // The relay sends none such; it is stored and shown as it is.
            Err(_) => (Facts { forward: false, ..facts }, Recognised::nothing(), None),
        };
        let facts = Facts {
            provider: recognised.provider.clone(),
            event_type: recognised.event_type.clone(),
            provider_event_id: recognised.provider_event_id.clone(),
            object_id: recognised.object_id.clone(),
            verdict: recognised.verdict.clone().map(Box::new),
            ..facts
        };
        let stored = self.disk.store(&self.history, &event, &facts).await;
        let endpoint = event.endpoint.clone();
        let came =
            Came { session, endpoint, seq, missed, deadline, taken_when_late, event, recognised, lane };
        (came, stored)
    }

    /// Step 7 for an event that goes nowhere: its sender need not wait, and gets the answer to its question, if it asked one.
    pub(super) async fn answer_for_no_app(&self, came: &Came, rejected: Option<Rejection>) {
        if came.deadline.is_none() {
            return;
        }
        let (kind, headers, body) = match (rejected, &came.recognised.answer) {
            (Some(reason), _) => (ResultKind::Rejected { reason }, Bytes::new(), Bytes::new()),
            (None, None) => (ResultKind::NoApp, Bytes::new(), Bytes::new()),
            (None, Some(answer)) => {
                let body_bytes = answer.body.len() as u64;
                let kind = ResultKind::Answered { status: answer.status, body_bytes };
                (kind, Head::write_headers(&answer.headers).into(), answer.body.clone().into())
            }
        };
        let header = ResultHeader { id: came.event.id, kind, latency_ms: 0 };
        self.report(Report::Result { session: came.session, header, headers, body }).await;
    }
}

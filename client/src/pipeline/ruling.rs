//! Held events: who waits for their answers, and what a person decides on them.

use std::collections::HashMap;

use bytes::Bytes;
use inhaul_core::{
    event::{Event, EventId},
    wire::{ResultHeader, ResultKind},
};
use tokio::time::Instant;

use super::{AtOnce, Came, Lanes, Pipeline, Ready, place::row_with, resign::signer};
use crate::{
    control::Decision,
    draft::{self, Draft, EditId},
    history::{Facts, HistoryError, Ruling},
    live::Live,
    row::{Changed, EventRow},
};

/// Senders that wait for the answer to an event that is held. Each waits until its deadline, at which the relay answers it.
#[derive(Default)]
pub(super) struct Senders(HashMap<EventId, Sender>);

struct Sender {
    session: u64,
    deadline: Instant,
    taken_when_late: bool,
}

/// An event as it is sent, and what is noted of that; or why it cannot be sent so.
pub(super) type Edited = Result<(Event, Option<Changed>), String>;

impl Senders {
    /// Notes that the sender of a held event waits.
    pub(super) fn note(&mut self, came: &Came) {
        let now = Instant::now();
        self.0.retain(|_, sender| sender.deadline > now);
        if let Some(deadline) = came.deadline {
            let Came { session, taken_when_late, .. } = *came;
            self.0.insert(came.event.id, Sender { session, deadline: deadline.into(), taken_when_late });
        }
    }

    fn take(&mut self, id: EventId) -> Option<Sender> {
        self.0.remove(&id).filter(|sender| sender.deadline > Instant::now())
    }
}

impl Pipeline {
    /// Whether an event that arrives is held, by what is known of it.
    pub(super) fn is_held(&self, event: &Event, facts: &Facts, placed: &super::place::Placed<'_>) -> bool {
        if !self.hold.is_on() {
            return false;
        }
        let now = (self.clock)();
        let row = row_with(event, facts, &placed.recognised, now);
        // What its route keeps back need not be held.
        placed.recognised.rejection().is_none() && self.hold.holds(event, &row, now)
    }

    /// A person decided on a held event: it goes on its way, as they edited it, or no further. A sender that still waits gets the
    /// application's answer, or when it is dropped the one for an event that goes nowhere.
    pub(super) async fn decide(
        &self,
        decision: Decision,
        senders: &mut Senders,
        lanes: &Lanes,
        at_once: &AtOnce<'_>,
    ) {
        let Decision { id, ruling, answer } = decision;
        let forwards = matches!(ruling, Ruling::Forward(_));
        let decided = self.on_record(id, ruling).await;
        if let Ok(row) = &decided {
            self.show(Live::Changed(Box::new(row.clone()))).await;
            match senders.take(id) {
                sender if forwards => self.let_go(row, sender, lanes, at_once).await,
                Some(Sender { session, .. }) => {
                    let header = ResultHeader { id, kind: ResultKind::NoApp, latency_ms: 0 };
                    let (headers, body) = (Bytes::new(), Bytes::new());
                    self.report(super::Report::Result { session, header, headers, body }).await;
                }
                None => {}
            }
        }
        // Whoever decided may have gone; it is on record.
        let _ = answer.send(decided);
    }

    async fn on_record(&self, id: EventId, ruling: Ruling) -> Result<EventRow, String> {
        if let Ruling::Forward(draft) = &ruling
            && !draft.is_empty()
        {
            let found = self.history.event(id).await.map_err(|error| error.to_string())?;
            let (event, row) = found.ok_or_else(|| format!("there is no event {id}"))?;
            // Better now than when its turn comes.
            self.with_draft(&event, &row, draft)?;
        }
        self.history.decide(id, ruling).await.map_err(|error| error.to_string())
    }

    async fn let_go(&self, row: &EventRow, sender: Option<Sender>, lanes: &Lanes, at_once: &AtOnce<'_>) {
        let lane = match self.lane_again(row).await {
            Ok(Some(lane)) => lane,
            unplaced => {
                let left = match unplaced {
                    Err(error) => self.leave_unplaced(row.id, error).await,
                    Ok(_) => self.leave_unrouted(row.id).await,
                };
                if let Err(error) = left {
                    self.show(Live::Notice(format!("{} is not settled: {error}", row.id))).await;
                }
                return;
            }
        };
        let ready = self.ready_again(row, lane);
        match (sender, self.history.event(row.id).await) {
            (Some(Sender { session, deadline, taken_when_late }), Ok(Some((event, _)))) => {
                let ready = Ready {
                    session,
                    deadline: Some(deadline.into_std()),
                    taken_when_late,
                    event: Some(event),
                    tries: false,
                    not_before: None,
                    ..ready
                };
                at_once.go(self, ready, lanes).await;
            }
            // They end before this only when the client stops; the event stays pending then.
            _ => drop(lanes.0[lane].send(ready).await),
        }
    }

    /// The event as the draft on record wants it, and what is noted of that; itself without one.
    ///
    /// # Errors
    /// When the draft cannot be read now, and perhaps later.
    pub(super) async fn as_edited(
        &self,
        event: &Event,
        row: &EventRow,
        edit: Option<EditId>,
    ) -> Result<Edited, HistoryError> {
        let Some(edit) = edit else { return Ok(Ok((event.clone(), None))) };
        Ok(match self.history.draft(row.id, edit).await {
            Ok(Some(edit)) => self.with_draft(event, row, &edit.draft),
            Ok(None) => Err("its edited form is not on record".to_owned()),
            Err(error @ HistoryError::Damaged { .. }) => Err(error.to_string()),
            Err(error) => return Err(error),
        })
    }

    /// The event as a draft wants it, and what is noted of that.
    pub(super) fn with_draft(&self, event: &Event, row: &EventRow, draft: &Draft) -> Edited {
        if draft.is_empty() {
            return Ok((event.clone(), None));
        }
        draft.check().map_err(|error| error.to_string())?;
        let signer = signer(row, self.place_again(event, row).route, self.routes.catalogue());
        let sent = draft::apply(event, draft, &signer, (self.clock)()).map_err(|error| error.to_string())?;
        let renews_id = draft::renews_id(&sent, draft.changes.id, signer.provider.as_deref());
        let changed = Changed {
            what: draft.words(renews_id).join(", "),
            edit: (!draft.keeps_content()).then(|| draft.id()),
            body_bytes: sent.body.len() as u64,
            body_sha256: sent.body_sha256,
        };
        Ok((sent, Some(changed)))
    }
}

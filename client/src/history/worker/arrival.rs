//! What is known of an event when it is to be stored: whether it is stored already, where it goes, and whether the same was delivered before.

use inhaul_core::{
    event::{Event, EventId, UnixMillis},
    signature::Verdict,
};

use super::{
    super::{
        Facts, HistoryError,
        fold::arrived_row,
        record::{Arrived, Change},
        same::SameKey,
    },
    Worker,
};
use crate::row::{EventRow, EventState, Repeat};

/// How many earlier deliveries are looked at for one that reaches its target. Whoever repeats an event for ever must not make each repeat
/// slower than the one before; beyond these, one is forwarded again.
const DELIVERIES_LOOKED_AT: usize = 256;

/// An event that is to be stored, as it stands.
pub(super) enum Prepared {
    /// It is stored already.
    Known(Box<EventRow>),
    /// It goes into this period.
    New { period: u64, now: UnixMillis, same: Option<SameKey>, repeat: Option<Repeat> },
}

impl Worker {
    /// Looks up what there is of an event, and the period it belongs to.
    pub(super) fn prepare(&mut self, event: &Event, facts: &mut Facts) -> Result<Prepared, HistoryError> {
        // One that was deleted is not to come back.
        if let Some((_, entry)) = self.periods.locate_any(event.id)? {
            return Ok(Prepared::Known(Box::new(entry.row)));
        }
        let same = SameKey::of(event, facts);
        let now = (self.options.clock)();
        if self.periods.is_over(now) {
            // The periods stay in the order of storing: nothing of the old one is under way when the new one begins.
            while !self.under_way.is_empty() && self.wait_for_journal() {}
        }
        // Also what was waited for just now may not have been stored.
        if let Some(reason) = self.refused.as_ref().filter(|_| !facts.imported) {
            let reason = format!("an event before it was not stored: {reason}");
            return Err(HistoryError::NotStored { reason });
        }
        let repeat = match same {
            Some(same) => self.repeat(same, event, facts)?,
            None => None,
        };
        Ok(Prepared::New { period: self.periods.current(now)?, now, same, repeat })
    }

    /// Which delivery of the same thing an event is. One that is to be dropped goes nowhere, if the same is delivered already or surely
    /// will be.
    fn repeat(
        &mut self,
        same: SameKey,
        event: &Event,
        facts: &mut Facts,
    ) -> Result<Option<Repeat>, HistoryError> {
        let same_id = facts.provider_event_id.is_some();
        let may_drop = facts.drop_repeats && facts.forward && same_id;
        // The last of them knows what the ones before it were.
        let limit = if may_drop { DELIVERIES_LOOKED_AT } else { 1 };
        let mut earlier: Vec<EventRow> = self
            .storing(same)
            .rev()
            .take(limit)
            .map(|(arrived, event)| arrived_row(arrived, event))
            .collect();
        if earlier.len() < limit {
            earlier.extend(self.periods.deliveries(same, limit - earlier.len())?);
        }
        let Some(last) = earlier.first() else { return Ok(None) };
        let (number, first, first_received_at) = match &last.repeat {
            Some(repeat) => (repeat.number.saturating_add(1), repeat.first, repeat.first_received_at),
            None => (2, last.id, last.received_at),
        };
        let same_body = !same_id || self.body_of(same, first) == Some(event.body_sha256);
        let dropped = may_drop && earlier.iter().any(reaches_its_target);
        if dropped {
            (facts.forward, facts.held) = (false, false);
        }
        Ok(Some(Repeat { number, first, first_received_at, same_id, same_body, dropped }))
    }

    /// Deliveries of the same thing that are on their way to the disk, in their order. The journal keeps that order, and stores none of
    /// them when it could not store one before.
    fn storing(&self, same: SameKey) -> impl DoubleEndedIterator<Item = (&Arrived, &Event)> {
        let tickets = self.storing_same.get(&same).into_iter().flatten();
        tickets.filter_map(|ticket| {
            let Change::Arrived(arrived, event) = &self.under_way.get(ticket)?.change else { return None };
            Some((arrived, event))
        })
    }

    /// The SHA-256 of the body of an earlier delivery, as far as it can be read.
    fn body_of(&mut self, same: SameKey, id: EventId) -> Option<[u8; 32]> {
        let storing =
            self.storing(same).find(|(_, event)| event.id == id).map(|(_, event)| event.body_sha256);
        storing.or_else(|| Some(self.periods.event(id).ok()??.0.body_sha256))
    }
}

/// Whether this delivery reached its target, or is still tried: then another one of the same event need not. One that was dropped says
/// nothing, because the one it was dropped for may have been given up since. One whose signature is wrong does not count, or whoever
/// guesses an id could keep the true event away.
fn reaches_its_target(row: &EventRow) -> bool {
    let is_believed = match &row.verdict {
        None | Some(Verdict::Invalid { .. }) => false,
        Some(
            Verdict::Valid { .. } | Verdict::Stale { .. } | Verdict::NoSecret { .. } | Verdict::Unsigned,
        ) => true,
    };
    let was_delivered = row.attempts.iter().any(|attempt| attempt.outcome.is_success());
    let is_tried_again = row.state == EventState::Pending && !row.sender_waited;
    is_believed && (was_delivered || is_tried_again)
}

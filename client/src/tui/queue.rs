//! The order in which held events are released, where a person has changed it.

use std::collections::HashMap;

use inhaul_core::event::EventId;

use super::state::{State, ToastKind};

/// Held events in the order in which they are released. Without one, that is the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ids: Vec<EventId>,
    /// The place of each, from 0.
    places: HashMap<EventId, usize>,
}

impl Queue {
    fn new(ids: Vec<EventId>) -> Self {
        Self { places: places(&ids), ids }
    }

    /// Where an event is in it, from 1; nothing when nobody has changed the order.
    pub(super) fn place(&self, id: EventId) -> Option<usize> {
        self.places.get(&id).map(|place| place + 1)
    }

    /// The order that a person made.
    pub(super) fn ids(&self) -> &[EventId] {
        &self.ids
    }

    /// Brings events into the order of their release.
    pub(super) fn sort(&self, ids: &mut [EventId]) {
        // Those that came later are behind it.
        ids.sort_by_key(|id| self.place(*id).unwrap_or(usize::MAX));
    }
}

fn places(ids: &[EventId]) -> HashMap<EventId, usize> {
    ids.iter().enumerate().map(|(place, id)| (*id, place)).collect()
}

/// Every held event in the order of its release: those not in the queue are where they arrived, before all of it or behind.
pub(super) fn in_order(by_arrival: impl Iterator<Item = EventId>, queue: &[EventId]) -> Vec<EventId> {
    let queued = places(queue);
    let (mut before, mut held, mut behind) = (Vec::new(), Vec::new(), Vec::new());
    for id in by_arrival {
        match queued.get(&id) {
            Some(place) => held.push((*place, id)),
            None if held.is_empty() => before.push(id),
            None => behind.push(id),
        }
    }
    held.sort_unstable();
    before.into_iter().chain(held.into_iter().map(|(_, id)| id)).chain(behind).collect()
}

/// Forgets the places of events that are held no longer.
pub(super) fn tidy(state: &mut State) {
    let list = state.events.list();
    if !state.queue.ids.is_empty() && state.queue.ids.iter().any(|id| !list.is_held(*id)) {
        let still = state.queue.ids.iter().copied().filter(|id| list.is_held(*id)).collect();
        state.queue = Queue::new(still);
    }
}

/// Moves the selected event within the held ones, so many places towards the first or away from it.
pub(super) fn move_selected(state: &mut State, earlier: bool, places: usize) {
    let list = state.events.list();
    let mut held = in_order(list.held(), &state.queue.ids);
    let at = state.selected.and_then(|id| held.iter().position(|held| *held == id));
    let Some(at) = at else { return state.tell("it is not held".to_owned(), ToastKind::Note) };
    let to = if earlier { at.saturating_sub(places) } else { at.saturating_add(places).min(held.len() - 1) };
    if earlier {
        held[to..=at].rotate_right(1);
    } else {
        held[at..=to].rotate_left(1);
    }
    let (count, all) = (held.len(), state.keymap.written("release_all"));
    state.queue = Queue::new(held);
    state.tell(format!("{} of {count} when {all} releases them", to + 1), ToastKind::Note);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> EventId {
        format!("0193586a-1b2c-7def-8123-4567890000{number:02x}").parse().unwrap()
    }

    #[test]
    fn events_that_nobody_moved_stay_where_they_arrived() {
        let order = |held: &[u8], queue: &[u8]| {
            let queue: Vec<EventId> = queue.iter().map(|number| id(*number)).collect();
            let ordered = in_order(held.iter().map(|number| id(*number)), &queue);
            ordered.into_iter().map(|id| id.0.as_bytes()[15]).collect::<Vec<_>>()
        };
        assert_eq!(order(&[1, 2, 3], &[]), [1, 2, 3]);
        assert_eq!(order(&[1, 2, 3], &[3, 1, 2]), [3, 1, 2]);
        // 2 was released, 5 came later, 0 was read from the history later.
        assert_eq!(order(&[0, 1, 3, 5], &[3, 2, 1]), [0, 3, 1, 5]);
    }
}

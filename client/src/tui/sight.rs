//! What part of the list is on the screen. It moves only when the selection would leave it, so that an event stays where one saw it.

use inhaul_core::event::EventId;

use super::state::State;

/// Events that stay on the screen above and below the selection while keys move it.
pub(super) const MARGIN: usize = 2;

/// The part of the list that is on the screen.
#[derive(Default)]
pub(super) struct Sight {
    /// The place of the first event.
    top: usize,
    /// The selected event, and how many events were above it.
    line: Option<(EventId, usize)>,
    /// The newest event that was there, or could have been.
    seen: Option<EventId>,
}

impl Sight {
    /// The place of the first event on the screen.
    pub(super) fn top(&self) -> usize {
        self.top
    }
}

/// Moves it as far as the selection needs, with so many events above and below.
pub(super) fn keep(state: &mut State, margin: usize) {
    let areas = state.areas();
    let (room, shown, list) = (areas.rows_shown(), state.events.shown(), state.events.list());
    // What comes and goes above the selection does not move it.
    let line = state.sight.line.and_then(|(id, line)| Some(list.position(id)?.saturating_sub(line)));
    let mut top = line.unwrap_or(state.sight.top);
    let position = state.position();
    if let Some(at) = position {
        let margin = margin.min(room.saturating_sub(1) / 2);
        let (least, most) = ((at + margin + 1).saturating_sub(room), at.saturating_sub(margin));
        let is_far = top > most + room || top + room < least;
        top = if is_far { at.saturating_sub(room / 2) } else { top.clamp(least, most) };
    }
    top = top.min(shown.saturating_sub(room));
    let newest = if list.order().is_reversed { top == 0 } else { top + room >= shown };
    if state.follows || (areas.list.is_some() && newest) || state.sight.seen.is_none() {
        state.sight.seen = list.newest();
    }
    state.sight.top = top;
    state.sight.line = state.selected.zip(position.map(|at| at.saturating_sub(top)));
}

/// How many events came since the newest was on the screen, as far as they are in the list.
pub(super) fn unseen(state: &State) -> usize {
    let list = state.events.list();
    let Some(seen) = state.sight.seen.filter(|_| list.order().is_of_arrival()) else { return 0 };
    let from = list.position_from(seen).unwrap_or(0);
    if list.order().is_reversed {
        return from;
    }
    let is_there = usize::from(list.position(seen).is_some());
    state.events.shown().saturating_sub(from + is_there)
}

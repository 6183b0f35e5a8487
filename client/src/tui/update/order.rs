//! The order of the list, and whether the selection follows the newest event in it.

use super::super::{
    keys::Way,
    state::{Pane, State, ToastKind},
};
use crate::listing::Order;

/// Orders the list otherwise. The selected event stays selected; only by arrival is there an end to follow.
pub(super) fn choose(state: &mut State, order: Order) {
    state.events.set_order(order);
    state.follows &= order.is_of_arrival();
    state.tell(format!("order: {order}"), ToastKind::Note);
}

/// Follows the newest event, or stays.
pub(super) fn follow(state: &mut State) {
    if state.events.list().order().is_of_arrival() {
        state.follows = !state.follows;
        if state.follows {
            // Only in the list another event may take the place of the one that is there.
            state.pane = Pane::List;
        }
    } else {
        let keys = state.keymap.written("order_arrival");
        state.tell(format!("only an order by arrival can be followed; {keys} chooses it"), ToastKind::Note);
    }
}

/// Which end of the list has the newest event; none when it is not ordered by arrival.
pub(super) fn newest_is(state: &State) -> Option<Way> {
    let order = state.events.list().order();
    order.is_of_arrival().then_some(if order.is_reversed { Way::First } else { Way::Last })
}

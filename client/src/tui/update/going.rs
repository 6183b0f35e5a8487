//! Where keys lead: by lines and pages, to events that failed, and to what is looked for.

use super::{
    super::{
        keys::{Scope, Way},
        state::{State, ToastKind},
        view::{detail, page},
    },
    folding, order,
};
use crate::listing::Entry;

/// Goes so many times where a key leads, or to the line of that number.
pub(super) fn go(state: &mut State, way: Way, count: Option<usize>) {
    let areas = state.areas();
    let (at, last, page) = match state.scope() {
        Scope::View => {
            let (_, lines) = page::room(state);
            // A difference that is gone to may stand below the last line a page begins with.
            let last = page::last(state);
            (state.view_scroll.min(last), last, lines)
        }
        Scope::Event => {
            let lines = detail::lines_shown(state);
            match folding::shown(state) {
                Some(tree) => (tree.cursor(), tree.len().saturating_sub(1), lines),
                None => (state.scroll, state.last_scroll(), lines),
            }
        }
        Scope::List | Scope::Everywhere => {
            let last = state.events.shown().saturating_sub(1);
            (state.position().unwrap_or(0), last, areas.rows_shown())
        }
    };
    let (page, times) = (page.max(1), count.unwrap_or(1));
    let half = page.div_ceil(2);
    let to = match way {
        Way::Down => at.saturating_add(times),
        Way::Up => at.saturating_sub(times),
        Way::HalfDown => at.saturating_add(half.saturating_mul(times)),
        Way::HalfUp => at.saturating_sub(half.saturating_mul(times)),
        Way::PageDown => at.saturating_add(page.saturating_mul(times)),
        Way::PageUp => at.saturating_sub(page.saturating_mul(times)),
        Way::First | Way::Last => count.map_or(if way == Way::First { 0 } else { last }, |count| count - 1),
    }
    .min(last);
    match state.scope() {
        Scope::View => state.view_scroll = to,
        Scope::Event => match folding::shown(state) {
            Some(tree) => tree.go(to),
            None => state.scroll = to,
        },
        Scope::List | Scope::Everywhere => {
            state.select(to);
            // Moving down to the newest does not follow; asking for it does.
            state.follows = count.is_none() && order::newest_is(state) == Some(way);
        }
    }
}

/// Goes to an event that failed.
pub(super) fn failure(state: &mut State, backwards: bool, times: usize) {
    let last = state.events.shown();
    let failed = |place: &usize| state.events.at(*place).is_some_and(Entry::has_failed);
    let found = match (state.position(), backwards) {
        (Some(at), false) => (at + 1..last).filter(failed).take(times).last(),
        (Some(at), true) => (0..at).rev().filter(failed).take(times).last(),
        (None, _) => (0..last).filter(failed).take(times).last(),
    };
    match found {
        Some(place) => {
            state.select(place);
            (state.follows, state.failures) = (false, 0);
        }
        None => state.tell("no other event failed in this direction".to_owned(), ToastKind::Note),
    }
}

/// Goes to the next place of what is looked for.
pub(super) fn find(state: &mut State, backwards: bool) {
    if state.search.is_empty() {
        return;
    }
    let search = state.search.clone();
    let found = if state.view.is_some() {
        let from = state.view_scroll;
        let found = state.page.find(&search, from, backwards);
        state.view_scroll = found.unwrap_or(from);
        found.is_some()
    } else if let Some(tree) = folding::shown(state) {
        tree.find(&search, backwards)
    } else {
        let found = detail::find(state, &search, state.scroll, backwards);
        state.scroll = found.unwrap_or(state.scroll);
        found.is_some()
    };
    if !found {
        state.tell(format!("{search:?} is not in it"), ToastKind::Note);
    }
}

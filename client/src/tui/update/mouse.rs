//! What becomes of the state when the mouse is used: a click selects, a second one opens or folds, the wheel scrolls what is under it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{
    super::{
        keys::Way,
        state::{Pane, State},
        view::{
            detail::{self, At},
            dialog, list,
        },
    },
    folding, going, press,
};

/// Lines a turn of the wheel goes.
const WHEEL_LINES: usize = 3;

pub(super) fn mouse(state: &mut State, event: MouseEvent) {
    let at = Position { x: event.column, y: event.row };
    if let Some(dialog) = &state.dialog {
        let field = dialog::field_at(state, dialog, at);
        if let (MouseEventKind::Down(MouseButton::Left), Some(field), Some(dialog)) =
            (event.kind, field, &mut state.dialog)
        {
            dialog.go_to(field);
        }
        return;
    }
    let areas = state.areas();
    let on_list = state.view.is_none() && areas.list.is_some_and(|area| area.contains(at));
    let on_event = state.view.is_none() && areas.event.is_some_and(|area| area.contains(at));
    if event.kind == MouseEventKind::Down(MouseButton::Left) {
        if on_list {
            click(state, event.row);
        } else if on_event {
            let is_open = state.pane == Pane::Detail;
            press::open(state);
            match detail::at(state, at) {
                Some(At::Tab(tab)) => press::show_tab(state, tab),
                // The first click beside the list opens the event.
                Some(At::Line(line)) if is_open => folding::click(state, line),
                Some(At::Line(_)) | None => {}
            }
        }
    }
    let ways = [(MouseEventKind::ScrollDown, Way::Down), (MouseEventKind::ScrollUp, Way::Up)];
    let Some((_, way)) = ways.into_iter().find(|(kind, _)| *kind == event.kind) else { return };
    let before = state.pane;
    if on_list {
        state.pane = Pane::List;
    } else if on_event {
        state.pane = Pane::Detail;
    }
    going::go(state, way, Some(WHEEL_LINES));
    state.pane = before;
}

/// Selects the event of a line; the one that is selected is opened.
fn click(state: &mut State, line: u16) {
    let Some(place) = list::place_at(state, line) else { return };
    if state.pane == Pane::List && state.position() == Some(place) {
        return press::open(state);
    }
    state.pane = Pane::List;
    state.select(place);
    state.follows = false;
}

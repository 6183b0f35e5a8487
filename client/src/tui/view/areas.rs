//! Where everything is on the screen: the same for what is drawn, for scrolling, and for the mouse.

use ratatui::layout::{Constraint, Layout as Split, Rect};

use super::super::state::{Layout, Pane, State};

/// The smallest screen that something can be read on.
pub(in super::super) const COLUMNS_MIN: u16 = 40;
pub(in super::super) const LINES_MIN: u16 = 10;

/// Columns from which on list and event stand side by side.
const SPLIT_FROM: u16 = 100;

/// Lines from which on they may stand above each other.
const STACK_FROM: u16 = 24;

/// Columns below which an event of the list takes two lines.
const TWO_LINES_BELOW: u16 = 60;

/// Parts of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Areas {
    pub(in super::super) status: Rect,
    pub(in super::super) filter: Rect,
    /// List and event, or what covers them.
    pub(in super::super) main: Rect,
    /// With its frame.
    pub(in super::super) list: Option<Rect>,
    /// With its frame.
    pub(in super::super) event: Option<Rect>,
    pub(in super::super) toast: Rect,
    pub(in super::super) hints: Option<Rect>,
}

impl Areas {
    /// Lines of one event in the list.
    pub(in super::super) fn row_lines(&self) -> usize {
        if self.list.is_some_and(|list| list.width < TWO_LINES_BELOW) { 2 } else { 1 }
    }

    /// Events of the list that are on the screen.
    pub(in super::super) fn rows_shown(&self) -> usize {
        let lines = self.list.map_or(self.main.height, |list| list.height).saturating_sub(3);
        (usize::from(lines) / self.row_lines()).max(1)
    }
}

/// Where everything is now.
pub(in super::super) fn areas(state: &State) -> Areas {
    let screen = Rect::new(0, 0, state.width, state.height);
    let hint_lines = u16::from(state.look.hints && screen.height > LINES_MIN);
    let [status, filter, main, toast, hints] = Split::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(hint_lines),
    ])
    .areas(screen);
    let (list, event) = panes(state, main);
    Areas { status, filter, main, list, event, toast, hints: (hint_lines > 0).then_some(hints) }
}

fn panes(state: &State, main: Rect) -> (Option<Rect>, Option<Rect>) {
    if state.view.is_some() || state.events.list().is_empty() {
        return (None, None);
    }
    let one = match state.pane {
        Pane::List => (Some(main), None),
        Pane::Detail => (None, Some(main)),
    };
    let percent = state.look.list_percent;
    let split = [Constraint::Percentage(percent), Constraint::Fill(1)];
    let stacks = main.height >= STACK_FROM;
    let both = match state.look.layout {
        Layout::Side if main.width >= COLUMNS_MIN * 2 => Some(Split::horizontal(split)),
        Layout::Auto if main.width >= SPLIT_FROM => Some(Split::horizontal(split)),
        Layout::Stacked if stacks => Some(Split::vertical([Constraint::Percentage(50), Constraint::Fill(1)])),
        Layout::Auto | Layout::Side | Layout::Stacked | Layout::Single => None,
    };
    match both {
        Some(both) => {
            let [list, event] = both.areas(main);
            (Some(list), Some(event))
        }
        None => one,
    }
}

//! Where everything is on the screen: the same for what is drawn, for scrolling, and for the mouse.

use ratatui::layout::{Constraint, Layout as Split, Rect};

use super::super::state::{Layout, Pane, State};

/// The smallest screen that something can be read on.
pub(in super::super) const COLUMNS_MIN: u16 = 40;
pub(in super::super) const LINES_MIN: u16 = 10;

/// Columns from which on list and event stand side by side.
const SPLIT_FROM: u16 = 100;

/// Columns from which on the answer to the event stands beside them.
const ANSWER_FROM: u16 = 160;

/// Lines from which on they may stand above each other.
const STACK_FROM: u16 = 24;

/// Columns of the list below which an event beside it says the provider.
const WHOLE_LINE_FROM: u16 = 68;

/// Columns of the list alone below which an event has no room for everything in one line.
const WHOLE_ALONE_FROM: u16 = 60;

/// Columns of the list below which an event takes two lines in any case.
const ONE_LINE_FROM: u16 = 50;

/// How an event stands in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum RowShape {
    /// In one line.
    Whole,
    /// In one line without its provider, which is said beside the list.
    WithoutProvider,
    TwoLines,
}

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
    /// With its frame.
    pub(in super::super) answer: Option<Rect>,
    pub(in super::super) toast: Rect,
    pub(in super::super) hints: Option<Rect>,
}

impl Areas {
    /// Lines of one event in the list.
    pub(in super::super) fn row_lines(&self) -> usize {
        if self.row_shape() == RowShape::TwoLines { 2 } else { 1 }
    }

    /// How an event stands in the list.
    pub(in super::super) fn row_shape(&self) -> RowShape {
        let width = self.list.map_or(self.main.width, |list| list.width);
        let has_event_beside = self.list.zip(self.event).is_some_and(|(list, event)| list.y == event.y);
        match width {
            WHOLE_LINE_FROM.. => RowShape::Whole,
            WHOLE_ALONE_FROM.. if !has_event_beside => RowShape::Whole,
            ONE_LINE_FROM.. if has_event_beside => RowShape::WithoutProvider,
            _ => RowShape::TwoLines,
        }
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
    let Panes { list, event, answer } = panes(state, main);
    Areas { status, filter, main, list, event, answer, toast, hints: (hint_lines > 0).then_some(hints) }
}

/// What is in place of a view.
#[derive(Default)]
struct Panes {
    list: Option<Rect>,
    event: Option<Rect>,
    answer: Option<Rect>,
}

fn panes(state: &State, main: Rect) -> Panes {
    if state.view.is_some() || state.events.list().is_empty() {
        return Panes::default();
    }
    let percent = state.look.list_percent;
    if state.look.layout == Layout::Auto && main.width >= ANSWER_FROM {
        // Of three, each has less than of two.
        let list = (u32::from(main.width) * u32::from(percent) * 3 / 400).try_into().unwrap_or(main.width);
        let list = Constraint::Length(WHOLE_LINE_FROM.max(list));
        let [list, event, answer] =
            Split::horizontal([list, Constraint::Fill(3), Constraint::Fill(2)]).areas(main);
        return Panes { list: Some(list), event: Some(event), answer: Some(answer) };
    }
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
            Panes { list: Some(list), event: Some(event), answer: None }
        }
        None if state.pane == Pane::List => Panes { list: Some(main), ..Panes::default() },
        None => Panes { event: Some(main), ..Panes::default() },
    }
}

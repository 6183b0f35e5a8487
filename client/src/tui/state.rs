//! Everything the screen shows.

use std::collections::{BTreeSet, HashMap, VecDeque};

use inhaul_core::{
    event::{Event, EventId, UnixMillis},
    filter::{Filter, FilterError},
};
use tui_input::Input;

use super::theme::Theme;
use crate::{connection::ConnectionState, filtering::Filtered, output::Ready, row::EventRow};

/// Rows kept in memory; older ones are read from the history again.
pub(super) const ROWS_MAX: usize = 10_000;

/// Columns from which on list and detail stand side by side.
pub(super) const SPLIT_FROM: u16 = 100;

/// The state of the inspector.
pub(super) struct State {
    /// Oldest first.
    pub(super) rows: VecDeque<EventRow>,
    /// The history has nothing older than the first row.
    pub(super) whole: bool,
    /// Older rows are on their way.
    pub(super) loading: bool,
    /// Indexes of the rows that pass the filter.
    pub(super) matching: Vec<usize>,
    /// The last that was right.
    pub(super) filter: Filter,
    /// What is wrong with the text.
    pub(super) filter_error: Option<FilterError>,
    /// Counts the filters, so that what was found for another one is told apart.
    pub(super) filter_number: u64,
    /// Of events whose rows do not tell whether they pass: what their bytes told.
    pub(super) judged: HashMap<EventId, bool>,
    /// Events whose bytes are being read for the filter.
    pub(super) judging: bool,
    /// Events whose rows do not tell, and whose bytes have not been read; the newest first.
    pub(super) unjudged: Vec<EventId>,
    /// The text of the filter while it is being typed.
    pub(super) typing: Option<Input>,
    pub(super) filter_text: String,
    pub(super) selected: Option<EventId>,
    /// Events that were marked, to do something with all of them.
    pub(super) marked: BTreeSet<EventId>,
    /// The selection is the newest event.
    pub(super) follows: bool,
    pub(super) pane: Pane,
    pub(super) help: bool,
    pub(super) detail: Option<Detail>,
    /// Of the detail, in lines.
    pub(super) scroll: usize,
    pub(super) connection: ConnectionState,
    pub(super) ready: Option<Ready>,
    pub(super) toast: Option<Toast>,
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) theme: Theme,
    /// The time, as the last message told it.
    pub(super) now: UnixMillis,
}

/// Where keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    List,
    Detail,
}

/// The event shown in the detail.
pub(super) struct Detail {
    pub(super) id: EventId,
    /// `None` while it is being read.
    pub(super) event: Option<Result<Box<Event>, String>>,
}

/// A line that stays until the next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Toast {
    pub(super) text: String,
    pub(super) kind: ToastKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToastKind {
    Good,
    Bad,
    Note,
}

impl State {
    pub(super) fn new(width: u16, height: u16, theme: Theme) -> Self {
        Self {
            rows: VecDeque::new(),
            whole: false,
            loading: true,
            matching: Vec::new(),
            filter: Filter::default(),
            filter_error: None,
            filter_number: 0,
            judged: HashMap::new(),
            judging: false,
            unjudged: Vec::new(),
            now: UnixMillis(0),
            typing: None,
            filter_text: String::new(),
            selected: None,
            marked: BTreeSet::new(),
            follows: true,
            pane: Pane::List,
            help: false,
            detail: None,
            scroll: 0,
            connection: ConnectionState::Connecting { attempt: 1 },
            ready: None,
            toast: None,
            width,
            height,
            theme,
        }
    }

    /// Whether list and detail stand side by side.
    pub(super) fn is_split(&self) -> bool {
        self.width >= SPLIT_FROM
    }

    /// Lines of a pane, without its frame.
    pub(super) fn pane_lines(&self) -> usize {
        usize::from(self.height.saturating_sub(6)).max(1)
    }

    /// The row of an event.
    pub(super) fn row(&self, id: EventId) -> Option<&EventRow> {
        self.rows.iter().rev().find(|row| row.id == id)
    }

    /// The selected event's place among those that pass the filter.
    pub(super) fn position(&self) -> Option<usize> {
        let selected = self.selected?;
        self.matching.iter().rposition(|&index| self.rows[index].id == selected)
    }

    /// Selects by place; beyond the last is the last.
    pub(super) fn select(&mut self, position: usize) {
        let last = self.matching.len().saturating_sub(1);
        self.selected = self.matching.get(position.min(last)).map(|&index| self.rows[index].id);
        self.follows = position >= last;
    }

    /// Puts the selection and the places right after rows or filter changed.
    pub(super) fn refresh(&mut self) {
        self.matching.clear();
        self.unjudged.clear();
        for (index, row) in self.rows.iter().enumerate() {
            let told = self.filter.test(&Filtered::listed(row, self.now));
            match told.or_else(|| self.judged.get(&row.id).copied()) {
                Some(true) => self.matching.push(index),
                Some(false) => {}
                None => self.unjudged.push(row.id),
            }
        }
        self.unjudged.reverse();
        if self.follows || self.position().is_none() {
            let followed = self.follows;
            self.select(usize::MAX);
            self.follows = followed;
        }
        let shown = self.detail.as_ref().map(|detail| detail.id);
        if shown != self.selected {
            self.detail = self.selected.map(|id| Detail { id, event: None });
            self.scroll = 0;
        }
    }
}

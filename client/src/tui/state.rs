//! Everything the screen shows.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use inhaul_core::{
    event::{EventId, UnixMillis},
    filter::{Completion, FilterError, Saved},
    signature::Digests,
};
use jiff::tz::TimeZone;
use tui_input::Input;

use super::{
    content::Opened,
    deleting::Undo,
    dialog::Dialog,
    events::Events,
    exchange::Comparison,
    keys::{Action, Key, Keymap, Scope, Tab, View},
    next_try::NextTries,
    piping::Piped,
    query::Query,
    queue::Queue,
    scenario::Play,
    sight::Sight,
    theme::Theme,
    traffic::Traffic,
    tree::Tree,
    used::UsedFilters,
    view::{
        areas::{Areas, areas},
        detail::{self, Laid},
        page,
    },
};
use crate::{
    config::Setting,
    connection::ConnectionState,
    export::{Mask, masked_target},
    hold::HoldState,
    output::Ready,
    row::EventRow,
    thread::Step,
};

/// Lines of the log that are kept.
const LOG_MAX: usize = 1000;

/// The state of the inspector.
pub(super) struct State {
    pub(super) events: Events,
    /// What is wrong with the text.
    pub(super) filter_error: Option<FilterError>,
    pub(super) filter_text: String,
    /// The filter that was on before one is being typed, and what was selected.
    pub(super) filter_before: (String, Option<EventId>),
    /// What is being typed.
    pub(super) prompt: Option<Prompt>,
    pub(super) completing: Option<Completing>,
    /// Filters that have a name.
    pub(super) saved: Saved,
    /// Filters that were used before.
    pub(super) used: UsedFilters,
    /// The thread that is shown.
    pub(super) thread: Option<Thread>,
    /// What was looked for last, in an event or a view.
    pub(super) search: String,
    pub(super) selected: Option<EventId>,
    /// Events that are replayed, released or dropped together.
    pub(super) marked: BTreeSet<EventId>,
    /// Where a range of marks begins, while its end is looked for.
    pub(super) range_from: Option<EventId>,
    /// What the line that is being typed is about, as it was when it was asked for.
    pub(super) asked_about: Vec<EventId>,
    /// What a person was warned of: asked for once more, it is done.
    pub(super) warned: Option<Action>,
    /// What part of the list is on the screen.
    pub(super) sight: Sight,
    /// Replays by a key that are under way.
    pub(super) replaying: usize,
    /// What can be taken back, the last deletion last.
    pub(super) deleted: Vec<Undo>,
    /// When events are tried again.
    pub(super) next_tries: NextTries,
    /// The order of held events, where it was changed.
    pub(super) queue: Queue,
    /// What is held from now on.
    pub(super) hold: HoldState,
    /// A replay that is being put together.
    pub(super) dialog: Option<Dialog>,
    /// The scenario played last.
    pub(super) play: Option<Play>,
    /// Counts replays by the dialog and plays of scenarios, so that what comes of an earlier one is told apart.
    pub(super) runs: u64,
    /// A jq program over the body.
    pub(super) query: Option<Query>,
    /// The command that bodies were piped to last.
    pub(super) piped: Option<Piped>,
    /// Who decides here, as the system calls them.
    pub(super) person: String,
    /// The selection is the newest event.
    pub(super) follows: bool,
    pub(super) pane: Pane,
    /// What covers list and event.
    pub(super) view: Option<View>,
    /// Of the view, in lines; in the commands and in a thread, the chosen one.
    pub(super) view_scroll: usize,
    /// The two events compared last.
    pub(super) comparison: Option<Comparison>,
    /// Counts them.
    pub(super) comparisons: u64,
    pub(super) tab: Tab,
    pub(super) detail: Option<Detail>,
    /// Of the event, in lines.
    pub(super) scroll: usize,
    /// What is shown of the event, laid out for its room.
    pub(super) laid: Laid,
    /// The page that is open, laid out for its room.
    pub(super) page: page::Laid,
    /// What it waits for before there is anything to show; nothing once the client is started.
    pub(super) start: Option<Start>,
    pub(super) connection: ConnectionState,
    /// When it is tried next, while it waits for that.
    pub(super) retry_at: UnixMillis,
    pub(super) traffic: Traffic,
    /// Whether each target took what it was sent last.
    pub(super) targets: BTreeMap<String, bool>,
    pub(super) ready: Option<Ready>,
    pub(super) toast: Option<Toast>,
    /// Deliveries that failed since somebody looked at failures last.
    pub(super) failures: usize,
    /// What was told so far, the newest last.
    pub(super) log: VecDeque<(UnixMillis, Toast)>,
    /// Counts what was told.
    pub(super) notes: u64,
    pub(super) look: Look,
    /// What is hidden while secrets are.
    pub(super) mask: Mask,
    pub(super) keymap: Keymap,
    /// The keys of a sequence that is not complete.
    pub(super) pressed: Vec<Key>,
    /// The number typed before a key.
    pub(super) count: Option<usize>,
    pub(super) width: u16,
    pub(super) height: u16,
    /// The options in effect.
    pub(super) options: Vec<Setting>,
    /// The time, as the last message told it.
    pub(super) now: UnixMillis,
}

/// What is shown while the client starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// The history is being opened.
    Opening,
    /// It cannot start: why, and what a person can do about it.
    Failed(Vec<String>),
}

/// How things are shown.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) theme: Theme,
    pub(super) times: Times,
    /// The time zone of times that are not UTC.
    pub(super) zone: TimeZone,
    pub(super) layout: Layout,
    /// Of the width, for the list.
    pub(super) list_percent: u16,
    pub(super) hints: bool,
    pub(super) mouse: bool,
    /// Bodies are shown as they were sent, not laid out.
    pub(super) as_sent: bool,
    /// Secrets are not shown.
    pub(super) masks: bool,
}

/// How times are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Utc,
    Local,
    Age,
    /// Since the event before.
    Gap,
}

/// Where list and event are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Beside each other when there is room, else one at a time.
    Auto,
    Side,
    Stacked,
    Single,
}

/// Where keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    List,
    Detail,
}

/// A line that is being typed.
#[derive(Clone, Debug)]
pub(super) struct Prompt {
    pub(super) kind: PromptKind,
    pub(super) input: Input,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PromptKind {
    Filter,
    Search,
    Command,
    /// Which events are held.
    Hold,
    /// Tags of what is marked or selected.
    Tags,
    /// The comment of an event.
    Comment(EventId),
    /// The name the filter is saved under.
    SaveFilter,
    /// The command that bodies are piped to.
    Pipe,
    /// The jq program over the body.
    Query,
}

/// What may stand where a filter is being typed.
pub(super) struct Completing {
    pub(super) completion: Completion,
    /// The place of the candidate that is taken next.
    pub(super) chosen: usize,
}

/// An object and the events about it, or why there are none.
pub(super) type Thread = Result<(String, Vec<Step>), String>;

/// The event shown in the detail.
pub(super) struct Detail {
    pub(super) id: EventId,
    /// `None` while it is being read.
    pub(super) opened: Option<Result<Box<Opened>, String>>,
    /// Its signature beside what would be right, when it is not.
    pub(super) digests: Option<Digests>,
}

impl Detail {
    pub(super) fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()?.as_ref().ok().map(|opened| &**opened)
    }

    pub(super) fn tree_mut(&mut self, masks: bool) -> Option<&mut Tree> {
        self.opened.as_mut()?.as_mut().ok()?.tree_mut(masks)
    }
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
    pub(super) fn new(width: u16, height: u16, look: Look, keymap: Keymap) -> Self {
        Self {
            events: Events::new(),
            filter_error: None,
            filter_text: String::new(),
            filter_before: (String::new(), None),
            prompt: None,
            completing: None,
            saved: Saved::default(),
            used: UsedFilters::default(),
            thread: None,
            search: String::new(),
            selected: None,
            marked: BTreeSet::new(),
            range_from: None,
            asked_about: Vec::new(),
            warned: None,
            sight: Sight::default(),
            replaying: 0,
            deleted: Vec::new(),
            next_tries: NextTries::new(),
            queue: Queue::default(),
            hold: HoldState::default(),
            dialog: None,
            play: None,
            runs: 0,
            query: None,
            piped: None,
            person: String::new(),
            follows: true,
            pane: Pane::List,
            view: None,
            view_scroll: 0,
            comparison: None,
            comparisons: 0,
            tab: Tab::default(),
            detail: None,
            scroll: 0,
            laid: Laid::default(),
            page: page::Laid::default(),
            start: None,
            connection: ConnectionState::Connecting { attempt: 1 },
            retry_at: UnixMillis(0),
            traffic: Traffic::default(),
            targets: BTreeMap::new(),
            ready: None,
            toast: None,
            failures: 0,
            log: VecDeque::new(),
            notes: 0,
            look,
            mask: Mask::default(),
            keymap,
            pressed: Vec::new(),
            count: None,
            width,
            height,
            options: Vec::new(),
            now: UnixMillis(0),
        }
    }

    /// What is hidden now; nothing when secrets are shown.
    pub(super) fn hides(&self) -> Option<&Mask> {
        Some(&self.mask).filter(|_| self.look.masks)
    }

    /// The request's target of an event, as it is shown now.
    pub(super) fn shown_target<'r>(&self, row: &'r EventRow) -> Cow<'r, str> {
        if self.look.masks { masked_target(&row.target) } else { Cow::Borrowed(&row.target) }
    }

    pub(super) fn theme(&self) -> Theme {
        self.look.theme
    }

    /// Where keys count.
    pub(super) fn scope(&self) -> Scope {
        match (self.view, self.pane) {
            (Some(_), _) => Scope::View,
            (None, Pane::Detail) => Scope::Event,
            (None, Pane::List) => Scope::List,
        }
    }

    /// The tree of the body that is shown.
    pub(super) fn tree(&self) -> Option<&Tree> {
        self.detail.as_ref()?.opened()?.tree(self.look.masks)
    }

    /// Where everything is on the screen.
    pub(super) fn areas(&self) -> Areas {
        areas(self)
    }

    /// The row of an event, when it is at hand.
    pub(super) fn row(&self, id: EventId) -> Option<&EventRow> {
        self.events.row(id)
    }

    /// The selected event's place among those that pass the filter.
    pub(super) fn position(&self) -> Option<usize> {
        self.events.list().position(self.selected?)
    }

    /// Selects by place; beyond the last is the last.
    pub(super) fn select(&mut self, position: usize) {
        let last = self.events.shown().saturating_sub(1);
        self.selected = self.events.at(position.min(last)).map(|entry| entry.id);
        self.follows = self.newest_place() == Some(position.min(last));
    }

    /// Where the newest event is among those shown; nothing when they are not ordered by arrival.
    fn newest_place(&self) -> Option<usize> {
        let order = self.events.list().order();
        let place = if order.is_reversed { 0 } else { self.events.shown().saturating_sub(1) };
        order.is_of_arrival().then_some(place)
    }

    /// Remembers the filter as one that was used.
    pub(super) fn remember_filter(&mut self) {
        self.used.remember(&self.filter_text, &self.saved);
    }

    /// Tells a person something, now and in the log. An error stays until a key is pressed, or another one comes.
    pub(super) fn tell(&mut self, text: String, kind: ToastKind) {
        let toast = Toast { text, kind };
        self.note(toast.clone());
        let is_error = |toast: &Toast| toast.kind == ToastKind::Bad;
        if is_error(&toast) || !self.toast.as_ref().is_some_and(is_error) {
            self.toast = Some(toast);
        }
    }

    /// Tells of something that went wrong while nobody asked for anything: what answers a key is more important.
    pub(super) fn tell_failure(&mut self, text: String) {
        self.failures += 1;
        let toast = Toast { text, kind: ToastKind::Bad };
        // The same again, as when an application is down, would leave nothing else in the log.
        if self.log.back().is_none_or(|(_, last)| *last != toast) {
            self.note(toast.clone());
        }
        self.toast.get_or_insert(toast);
    }

    /// Writes something into the log.
    pub(super) fn note(&mut self, toast: Toast) {
        if self.log.len() == LOG_MAX {
            self.log.pop_front();
        }
        self.log.push_back((self.now, toast));
        self.notes += 1;
    }

    /// Whether nobody is reading an event, or is about to do something with it: another must not take its place then.
    fn may_follow(&self) -> bool {
        let is_begun = !self.pressed.is_empty() || self.count.is_some() || self.range_from.is_some();
        let is_asked = self.prompt.is_some() || self.dialog.is_some() || self.view.is_some();
        self.pane == Pane::List && !is_begun && !is_asked
    }

    /// Whether the selected event is open and in the history: it stays then, also when it passes the filter no more, as after a replay.
    fn is_read(&self) -> bool {
        self.pane == Pane::Detail && self.selected.is_some_and(|id| self.events.list().entry(id).is_some())
    }

    /// Puts the selection right after events or filter changed. An event that is no longer shown gives way to the next one.
    pub(super) fn refresh(&mut self) {
        let followed = self.follows;
        let follows = followed && (self.may_follow() || self.selected.is_none());
        if follows || (self.position().is_none() && !self.is_read()) {
            let next = self.selected.and_then(|id| self.events.list().position_from(id));
            let newest = self.newest_place().filter(|_| follows);
            self.select(newest.or(next).unwrap_or(usize::MAX));
            self.follows = followed;
        }
        if self.selected.is_none() {
            self.pane = Pane::List;
        }
        let shown = self.detail.as_ref().map(|detail| detail.id);
        if shown != self.selected {
            // The first keys of a sequence were meant for the event that is gone.
            self.pressed.clear();
            self.detail = self.selected.map(|id| Detail { id, opened: None, digests: None });
            self.scroll = 0;
            // Its row may still have to be read.
            self.laid = Laid::default();
        }
    }

    /// Lays out what is shown of the event and the page that is open, if that is not what is laid out already.
    pub(super) fn lay_out(&mut self) {
        if let Some(laid) = page::lay_out(self) {
            self.page = laid;
        }
        if self.view.is_some_and(|view| view != View::Commands) {
            self.view_scroll = self.view_scroll.min(self.page.len().saturating_sub(1));
        }
        if let Some(laid) = detail::lay_out(self) {
            self.laid = laid;
        }
        self.scroll = self.scroll.min(self.last_scroll());
    }

    /// The last line an event can begin with.
    pub(super) fn last_scroll(&self) -> usize {
        detail::line_count(self).saturating_sub(detail::lines_shown(self))
    }
}

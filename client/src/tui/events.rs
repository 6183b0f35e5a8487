//! The events of the inspector: a small entry for each, and whole rows for those on the screen and some around them.

use std::{
    collections::{BTreeSet, HashSet},
    num::NonZeroUsize,
};

use inhaul_core::{
    event::{EventId, UnixMillis},
    filter::Filter,
};
use lru::LruCache;

use crate::{
    filtering::Filtered,
    listing::{Entry, LISTED_MAX, Listing, Order},
    row::EventRow,
};

/// Whole rows in memory: a few screens.
pub(super) const ROWS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

/// How often a filter about the time is tried anew.
const ABOUT_NOW_MS: u64 = 5000;

/// Events, and the filter that says which are shown.
pub(super) struct Events {
    listing: Listing,
    rows: LruCache<EventId, EventRow>,
    /// Rows that were asked for and are not there, as after a prune.
    gone: HashSet<EventId>,
    /// Rows are on their way.
    fetching: bool,
    /// Older events are on their way.
    loading: bool,
    /// Events that went meanwhile.
    gone_meanwhile: HashSet<EventId>,
    /// Events are being read for the filter of this number.
    judging: Option<u64>,
    /// Counts the filters, so that what was found for another one is told apart.
    filter_number: u64,
    filtered_at: UnixMillis,
}

impl Events {
    pub(super) fn new() -> Self {
        Self {
            listing: Listing::new(LISTED_MAX),
            rows: LruCache::new(ROWS_MAX),
            gone: HashSet::new(),
            fetching: false,
            loading: true,
            gone_meanwhile: HashSet::new(),
            judging: None,
            filter_number: 0,
            filtered_at: UnixMillis(0),
        }
    }

    /// The list.
    pub(super) fn list(&self) -> &Listing {
        &self.listing
    }

    /// The row of an event, when it is at hand.
    pub(super) fn row(&self, id: EventId) -> Option<&EventRow> {
        self.rows.peek(&id)
    }

    /// The last event before one that is like it. Of events without a type, those whose rows are at hand are compared.
    pub(super) fn like_before(&self, id: EventId) -> Option<EventId> {
        let row = self.row(id)?;
        let is_like = |other: EventId| self.row(other).is_some_and(|other| other.is_like(row));
        let mut earlier = self.listing.like_before(id);
        earlier.find(|entry| row.event_type.is_some() || is_like(entry.id)).map(|entry| entry.id)
    }

    /// The entry at a place among those that are shown.
    pub(super) fn at(&self, position: usize) -> Option<&Entry> {
        self.listing.at(position)
    }

    /// How many are shown.
    pub(super) fn shown(&self) -> usize {
        self.listing.matching()
    }

    /// An event is new or has changed.
    pub(super) fn put(&mut self, row: EventRow, now: UnixMillis) {
        self.listing.put(&row, now);
        self.rows.put(row.id, row);
    }

    /// Events are no longer in the history.
    pub(super) fn remove(&mut self, ids: &[EventId]) {
        self.listing.remove(ids);
        if self.loading {
            self.gone_meanwhile.extend(ids);
        }
        for id in ids {
            self.rows.pop(id);
        }
    }

    /// Older events came from the history.
    pub(super) fn put_older(&mut self, mut rows: Vec<EventRow>, is_whole: bool, now: UnixMillis) {
        self.loading = false;
        let gone = std::mem::take(&mut self.gone_meanwhile);
        rows.retain(|row| !gone.contains(&row.id));
        self.listing.put_older(&rows, is_whole, now);
        let room = ROWS_MAX.get() - self.rows.len();
        for row in rows.into_iter().take(room) {
            self.keep(row);
        }
    }

    /// Rows that were asked for came, and some may be gone.
    pub(super) fn put_rows(&mut self, asked: Vec<EventId>, rows: Vec<EventRow>) {
        self.fetching = false;
        for row in rows {
            self.keep(row);
        }
        if self.gone.len() > ROWS_MAX.get() {
            self.gone.clear();
        }
        self.gone.extend(asked.into_iter().filter(|id| !self.rows.contains(id)));
    }

    /// A row that is at hand already is newer: changes come by themselves.
    fn keep(&mut self, row: EventRow) {
        if !self.rows.contains(&row.id) {
            self.rows.put(row.id, row);
        }
    }

    /// Where to read on, when older events are to be read.
    pub(super) fn wanted_older(&mut self) -> Option<Option<EventId>> {
        let is_wanted = !self.loading && self.listing.lacks_older();
        self.loading |= is_wanted;
        is_wanted.then(|| self.listing.oldest())
    }

    /// Which rows are to be read so that these can be shown.
    pub(super) fn wanted_rows(&mut self, shown: impl Iterator<Item = EventId>) -> Vec<EventId> {
        if self.fetching {
            return Vec::new();
        }
        let mut wanted = Vec::new();
        for id in shown {
            // Those that are shown are the last ones to go.
            if self.rows.get(&id).is_none() && !self.gone.contains(&id) && !wanted.contains(&id) {
                wanted.push(id);
            }
        }
        self.fetching = !wanted.is_empty();
        wanted
    }

    /// Which events are to be read for the filter, each with whether it is marked, and the number of the filter.
    pub(super) fn wanted_judged(&mut self, most: usize) -> Option<(u64, Vec<(EventId, bool)>)> {
        let open = if self.judging.is_some() { Vec::new() } else { self.listing.open(most) };
        self.judging = self.judging.or((!open.is_empty()).then_some(self.filter_number));
        let open = open.into_iter().map(|id| (id, self.listing.is_marked(id)));
        let open: Vec<(EventId, bool)> = open.collect();
        (!open.is_empty()).then_some((self.filter_number, open))
    }

    /// Whether events are being read for a filter that is no longer on; nobody waits for what comes of it.
    pub(super) fn stops_judging(&mut self) -> bool {
        let is_old = self.judging.is_some_and(|number| number != self.filter_number);
        self.judging = self.judging.filter(|_| !is_old);
        is_old
    }

    /// What came of reading events for the filter of that number.
    pub(super) fn judged(&mut self, number: u64, verdicts: &[(EventId, bool)]) {
        self.judging = self.judging.filter(|judging| *judging != number);
        if number == self.filter_number {
            self.listing.close(verdicts);
        }
    }

    /// Sets the filter, if it is another one.
    pub(super) fn set_filter(&mut self, filter: Filter, now: UnixMillis) {
        if filter != *self.listing.filter() {
            self.filter_number += 1;
            self.filtered_at = now;
            self.listing.set_filter(filter, now);
            self.ask_rows(now);
        }
    }

    /// Rows that are at hand tell more than entries.
    fn ask_rows(&mut self, now: UnixMillis) {
        let filter = self.listing.filter();
        let known = self.rows.iter().filter(|(id, _)| self.listing.is_open(**id));
        let subject = |row| Filtered::listed(row, now).marked(self.listing.is_marked(row.id));
        let told = known.filter_map(|(id, row)| Some((*id, filter.test(&subject(row))?)));
        let told: Vec<(EventId, bool)> = told.collect();
        self.listing.close(&told);
    }

    /// Orders those that are shown.
    pub(super) fn set_order(&mut self, order: Order) {
        self.listing.set_order(order);
    }

    /// Events are marked from now on, or no longer.
    pub(super) fn mark(&mut self, ids: &[EventId], is_marked: bool, now: UnixMillis) {
        self.listing.mark(ids, is_marked, now);
    }

    /// Shows no events but these, or all that pass the filter.
    pub(super) fn only(&mut self, marked: Option<&BTreeSet<EventId>>, now: UnixMillis) {
        self.filter_number += 1;
        self.listing.set_only(marked.cloned(), now);
        self.ask_rows(now);
    }

    /// The time goes on; a filter about it may mean other events.
    pub(super) fn tick(&mut self, now: UnixMillis) {
        let is_time = now.0.saturating_sub(self.filtered_at.0) >= ABOUT_NOW_MS;
        let filter = self.listing.filter();
        // What was read for it is not read again every few seconds.
        if is_time && filter.is_about_now() && !self.listing.reads_events() {
            self.filtered_at = now;
            self.listing.set_filter(filter.clone(), now);
            self.ask_rows(now);
        }
    }
}

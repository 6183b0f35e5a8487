//! The list of events in memory: a small entry for each, whole rows for none. Which of them pass a filter is kept as they come and change,
//! so that neither a frame nor an event costs more when there are many.
//!
//! ```text
//!  entry   what is kept of each event, and how filters see it
//!  marks   which of them a person marked, and whether no others are shown
//!  order   by what those that pass are ordered
//!  seen    which values events have, for completion
//!  words   texts that many events have, each kept once
//! ```
//! Entries have numbers that stay theirs when older ones are put before them.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, VecDeque},
    hash::BuildHasher,
    hash::RandomState,
};

use hashbrown::HashTable;
use inhaul_core::{
    event::{EventId, UnixMillis},
    filter::{Filter, Flag, TextField},
};

use self::entry::Known;
pub use self::{
    entry::{Entry, FieldWords, Last},
    order::{By, Order},
};
use crate::{filtering::Filtered, row::EventRow};

mod entry;
mod marks;
mod order;
mod seen;
mod words;

/// Most events in a list. Older ones are left to `inhaul events`.
pub const LISTED_MAX: usize = 1_000_000;

/// The number of an entry.
type Number = i64;

/// Events in the order of storing, and those that pass a filter.
pub struct Listing {
    entries: VecDeque<Entry>,
    /// The number of the first of them.
    first: Number,
    /// The number of each, by its id.
    places: HashTable<Number>,
    hasher: RandomState,
    words: FieldWords,
    /// How many of the entries are no longer in the history.
    gone: usize,
    /// How many of them are held.
    held: usize,
    most: usize,
    /// The history has nothing older.
    is_whole: bool,
    filter: Filter,
    /// No others are shown.
    only: Option<BTreeSet<EventId>>,
    order: Order,
    /// In that order.
    matching: VecDeque<Number>,
    /// Those of which neither the entry nor the row tells, in the order of storing. Older ones are put before them.
    open: VecDeque<Number>,
    /// How many of them there were since the filter was set.
    opened: usize,
}

impl Listing {
    /// An empty list of at most so many events.
    pub fn new(most: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            places: HashTable::new(),
            hasher: RandomState::new(),
            words: FieldWords::default(),
            gone: 0,
            held: 0,
            most,
            is_whole: false,
            filter: Filter::default(),
            only: None,
            order: Order::default(),
            matching: VecDeque::new(),
            open: VecDeque::new(),
            opened: 0,
        }
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.entries.len() - self.gone
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The oldest one.
    pub fn oldest(&self) -> Option<EventId> {
        self.present().next().map(|entry| entry.id)
    }

    /// The newest one.
    pub fn newest(&self) -> Option<EventId> {
        self.entries.iter().rev().find(|entry| !entry.is_gone()).map(|entry| entry.id)
    }

    /// The entries of events that are in the history, the one stored first first.
    fn present(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.is_gone())
    }

    /// Whether the history may have older ones that have room here.
    pub fn lacks_older(&self) -> bool {
        !self.is_whole && self.entries.len() < self.most
    }

    /// Whether older ones have no room here.
    pub fn is_cut(&self) -> bool {
        !self.is_whole && self.entries.len() >= self.most
    }

    /// Puts a row in its place: where it is, or at the end. The oldest one goes when there are too many.
    pub fn put(&mut self, row: &EventRow, now: UnixMillis) {
        let mut entry = Entry::new(row, &mut self.words);
        let number = match self.number(row.id) {
            Some(number) => {
                entry.set_marked(self.is_marked(row.id));
                self.replace(number, entry);
                number
            }
            None => {
                let number = self.first + number_of(self.entries.len());
                self.held += usize::from(entry.is_held());
                self.entries.push_back(entry);
                self.remember(number, row.id);
                number
            }
        };
        let told = self.told(row, now);
        self.decide(number, told);
        if self.entries.len() > self.most {
            self.forget_oldest();
        }
    }

    /// Takes events out that are no longer in the history. One that comes back has its place again.
    pub fn remove(&mut self, ids: &[EventId]) {
        for number in ids.iter().filter_map(|id| self.number(*id)).collect::<Vec<_>>() {
            self.decide(number, Some(false));
            if let Some(entry) = self.entry_mut(number).filter(|entry| !entry.is_gone()) {
                let held = usize::from(entry.is_held());
                entry.set_gone();
                self.gone += 1;
                self.held -= held;
            }
        }
    }

    /// Puts rows before the others, the one stored last first. The history has none older than the last when it `is_whole`.
    pub fn put_older(&mut self, rows: &[EventRow], is_whole: bool, now: UnixMillis) {
        self.is_whole = is_whole;
        let mut passing = Vec::new();
        for row in rows {
            if self.entries.len() >= self.most {
                self.is_whole = false;
                break;
            }
            if self.number(row.id).is_some() {
                continue;
            }
            let entry = Entry::new(row, &mut self.words);
            self.first -= 1;
            self.held += usize::from(entry.is_held());
            self.entries.push_front(entry);
            self.remember(self.first, row.id);
            match self.told(row, now) {
                Some(true) => passing.push(self.first),
                told => self.decide(self.first, told),
            }
        }
        self.merge(passing);
    }

    /// The entry of an event.
    pub fn entry(&self, id: EventId) -> Option<&Entry> {
        self.numbered(self.number(id)?).filter(|entry| !entry.is_gone())
    }

    /// The entry of the event that was stored before one.
    pub fn before(&self, id: EventId) -> Option<&Entry> {
        let at = index(self.number(id)?, self.first)?;
        self.entries.range(..at).rev().find(|entry| !entry.is_gone())
    }

    /// The events of the same sender, endpoint and type before one, the newest first.
    pub fn like_before(&self, id: EventId) -> impl Iterator<Item = &Entry> {
        let at = self.number(id).and_then(|number| index(number, self.first)).unwrap_or(0);
        let entry = self.entries.get(at);
        self.entries
            .range(..at)
            .rev()
            .filter(move |earlier| !earlier.is_gone() && entry.is_some_and(|entry| earlier.is_like(entry)))
    }

    /// How many letters the longest name of a provider has, of all that were seen.
    pub fn widest_provider(&self) -> usize {
        self.words.widest_provider()
    }

    /// Whether there are none, and were some.
    pub fn is_emptied(&self) -> bool {
        self.is_empty() && self.gone > 0
    }

    /// The text of an entry's field: of its type, provider, endpoint, method or tags.
    pub fn text(&self, entry: &Entry, field: &TextField) -> Option<&str> {
        self.words.text(entry, field)
    }

    /// The events that are held, the one stored first first.
    pub fn held(&self) -> impl Iterator<Item = EventId> {
        self.present().filter(|entry| entry.has(Flag::Held)).map(|entry| entry.id)
    }

    /// How many events are held.
    pub fn held_count(&self) -> usize {
        self.held
    }

    /// Whether an event is held.
    pub fn is_held(&self, id: EventId) -> bool {
        self.entry(id).is_some_and(|entry| entry.has(Flag::Held))
    }

    /// How many events pass the filter.
    pub fn matching(&self) -> usize {
        self.matching.len()
    }

    /// The event at a place among those that pass the filter.
    pub fn at(&self, position: usize) -> Option<&Entry> {
        self.numbered(*self.matching.get(position)?)
    }

    /// The place of an event among those that pass the filter.
    pub fn position(&self, id: EventId) -> Option<usize> {
        self.place(self.number(id)?).ok()
    }

    /// The place of the first that passes the filter and is not before an event in the order.
    pub fn position_from(&self, id: EventId) -> Option<usize> {
        Some(self.place(self.number(id)?).unwrap_or_else(|place| place))
    }

    /// The order of those that pass.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Orders them otherwise.
    pub fn set_order(&mut self, order: Order) {
        self.order = order;
        self.sort();
    }

    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Sets a filter, and finds at once what passes by what is in memory. The rest is open.
    pub fn set_filter(&mut self, filter: Filter, now: UnixMillis) {
        self.filter = filter;
        self.open.clear();
        let prepared = self.filter.prepared(&self.words);
        let (mut matching, mut number) = (Vec::new(), self.first);
        // From within, so that going over both halves of the entries costs nothing for each.
        self.entries.iter().for_each(|entry| {
            let is_meant = !entry.is_gone() && self.only.as_ref().is_none_or(|only| only.contains(&entry.id));
            let told =
                if is_meant { prepared.test(&Known { entry, words: &self.words, now }) } else { Some(false) };
            match told {
                Some(true) => matching.push(number),
                Some(false) => {}
                None => self.open.push_back(number),
            }
            number += 1;
        });
        self.opened = self.open.len();
        self.matching = matching.into();
        self.sort();
    }

    /// Whether a row passes, as far as it tells.
    fn told(&self, row: &EventRow, now: UnixMillis) -> Option<bool> {
        if self.only.as_ref().is_some_and(|only| !only.contains(&row.id)) {
            return Some(false);
        }
        self.filter.test(&Filtered::listed(row, now).marked(self.is_marked(row.id)))
    }

    /// The newest of those of which it is not known whether they pass.
    pub fn open(&self, most: usize) -> Vec<EventId> {
        let newest = self.open.iter().rev().take(most);
        newest.filter_map(|number| Some(self.numbered(*number)?.id)).collect()
    }

    /// Whether it is not known of an event.
    pub fn is_open(&self, id: EventId) -> bool {
        self.number(id).is_some_and(|number| self.open.binary_search(&number).is_ok())
    }

    /// Notes which of them pass. What was decided meanwhile, or has left the history, stays as it is.
    pub fn close(&mut self, verdicts: &[(EventId, bool)]) {
        for (id, passes) in verdicts {
            let open = self.number(*id).filter(|number| self.open.binary_search(number).is_ok());
            if let Some(number) = open {
                self.decide(number, Some(*passes));
            }
        }
    }

    /// Whether the filter asked for more than is in memory.
    pub fn reads_events(&self) -> bool {
        self.opened > 0
    }

    /// How many per cent of those that were not known at first are known now; nothing when all are.
    pub fn scanned_percent(&self) -> Option<usize> {
        let left = self.open.len();
        (left > 0).then(|| (self.opened.max(left) - left) * 100 / self.opened.max(left))
    }

    fn numbered(&self, number: Number) -> Option<&Entry> {
        self.entries.get(index(number, self.first)?)
    }

    fn entry_mut(&mut self, number: Number) -> Option<&mut Entry> {
        self.entries.get_mut(index(number, self.first)?)
    }

    fn number(&self, id: EventId) -> Option<Number> {
        let is_it = |number: &Number| self.numbered(*number).is_some_and(|entry| entry.id == id);
        self.places.find(self.hasher.hash_one(id), is_it).copied()
    }

    fn remember(&mut self, number: Number, id: EventId) {
        let (hasher, entries, first) = (&self.hasher, &self.entries, self.first);
        let hash = |number: &Number| {
            index(*number, first)
                .and_then(|index| entries.get(index))
                .map_or(0, |entry| hasher.hash_one(entry.id))
        };
        self.places.insert_unique(hasher.hash_one(id), number, hash);
    }

    fn forget_oldest(&mut self) {
        let number = self.first;
        // Its place among the others is found by its entry.
        self.decide(number, Some(false));
        if let Some(entry) = self.entries.pop_front() {
            self.gone -= usize::from(entry.is_gone());
            self.held -= usize::from(entry.is_held());
            if let Ok(place) =
                self.places.find_entry(self.hasher.hash_one(entry.id), |known| *known == number)
            {
                place.remove();
            }
            self.first += 1;
            self.is_whole = false;
        }
    }

    /// Puts an event among those that pass, those that do not, or those that are open. One that is open stays where it was: it would leave
    /// the list, and come back, with every change.
    fn decide(&mut self, number: Number, told: Option<bool>) {
        let (matching, open) = (self.place(number), self.open.binary_search(&number));
        match (told.unwrap_or(matching.is_ok()), matching) {
            (true, Err(at)) => self.matching.insert(at, number),
            (false, Ok(at)) => drop(self.matching.remove(at)),
            (true, Ok(_)) | (false, Err(_)) => {}
        }
        match (told.is_none(), open) {
            (true, Err(at)) => {
                self.open.insert(at, number);
                self.opened += 1;
            }
            (false, Ok(at)) => drop(self.open.remove(at)),
            (true, Ok(_)) | (false, Err(_)) => {}
        }
    }

    /// What is known of an event is something else now; where it is among those that pass may be too.
    fn replace(&mut self, number: Number, entry: Entry) {
        let Some(known) = self.numbered(number).copied() else { return };
        let is_moved = self.order.compare(&known, &entry, &self.words) != Ordering::Equal;
        let shown = self.place(number).ok().filter(|_| is_moved);
        if let Some(place) = shown {
            self.matching.remove(place);
        }
        self.gone -= usize::from(known.is_gone());
        self.held -= usize::from(known.is_held());
        self.held += usize::from(entry.is_held());
        if let Some(known) = self.entry_mut(number) {
            *known = entry;
        }
        if shown.is_some()
            && let Err(place) = self.place(number)
        {
            self.matching.insert(place, number);
        }
    }

    /// Where an event is among those that pass, or would be.
    fn place(&self, number: Number) -> Result<usize, usize> {
        self.matching.binary_search_by(|other| self.compare(*other, number))
    }

    fn compare(&self, one: Number, other: Number) -> Ordering {
        let by_entry = match (self.numbered(one), self.numbered(other)) {
            (Some(one), Some(other)) => self.order.compare(one, other, &self.words),
            _ => Ordering::Equal,
        };
        by_entry.then_with(|| if self.order.is_reversed { other.cmp(&one) } else { one.cmp(&other) })
    }

    /// Brings those that pass into the order.
    fn sort(&mut self) {
        let Order { by, is_reversed } = self.order;
        let mut matching: Vec<Number> = std::mem::take(&mut self.matching).into();
        if !matching.is_sorted() {
            matching.sort_unstable();
        }
        if is_reversed {
            matching.reverse();
        }
        if by != By::Arrival {
            let types = self.words.type_ranks();
            let rank =
                |number: Number| self.numbered(number).map_or(0, |entry| self.order.rank(entry, &types));
            let ranked = matching.iter().map(|&number| (rank(number), number)).collect();
            matching = order::by_rank(ranked).into_iter().map(|(_, number)| number).collect();
        }
        self.matching = matching.into();
    }

    /// Adds events to those that pass, at once: one after the other, each would move those behind it.
    fn merge(&mut self, mut numbers: Vec<Number>) {
        if self.order == Order::default() {
            // They are older than the others, the oldest last.
            return numbers.into_iter().for_each(|number| self.matching.push_front(number));
        }
        numbers.sort_unstable_by(|one, other| self.compare(*one, *other));
        let mut merged = VecDeque::with_capacity(self.matching.len() + numbers.len());
        let mut from = 0;
        for number in numbers {
            let to = self.place(number).unwrap_or_else(|place| place);
            merged.extend(self.matching.range(from..to.max(from)).copied());
            merged.push_back(number);
            from = to.max(from);
        }
        merged.extend(self.matching.range(from..).copied());
        self.matching = merged;
    }
}

/// The place of a number among the entries.
fn index(number: Number, first: Number) -> Option<usize> {
    usize::try_from(number - first).ok()
}

/// So many entries are far fewer than there are numbers.
fn number_of(index: usize) -> Number {
    Number::try_from(index).unwrap_or(Number::MAX)
}

#[cfg(test)]
mod tests;

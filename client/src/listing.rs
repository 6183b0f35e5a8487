//! The list of events in memory: a small entry for each, whole rows for none. Which of them pass a filter is kept as they come and change,
//! so that neither a frame nor an event costs more when there are many.
//!
//! ```text
//!  entry   what is kept of each event, and how filters see it
//!  words   texts that many events have, each kept once
//! ```
//! Entries have numbers that stay theirs when older ones are put before them.

use std::{
    collections::{BTreeSet, VecDeque},
    hash::BuildHasher,
    hash::RandomState,
};

use hashbrown::HashTable;
use inhaul_core::{
    event::{EventId, UnixMillis},
    filter::{Filter, Seen, TextField},
};

use self::entry::Known;
pub use self::entry::{Entry, FieldWords, Last};
use crate::{filtering::Filtered, row::EventRow};

mod entry;
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
    most: usize,
    /// The history has nothing older.
    is_whole: bool,
    filter: Filter,
    /// No others are shown.
    only: Option<BTreeSet<EventId>>,
    /// In order.
    matching: VecDeque<Number>,
    /// Those of which neither the entry nor the row tells, in order.
    open: Vec<Number>,
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
            most,
            is_whole: false,
            filter: Filter::default(),
            only: None,
            matching: VecDeque::new(),
            open: Vec::new(),
            opened: 0,
        }
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The oldest one.
    pub fn oldest(&self) -> Option<EventId> {
        self.entries.front().map(|entry| entry.id)
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
        let entry = Entry::new(row, &mut self.words);
        let number = match self.number(row.id) {
            Some(number) => {
                if let Some(known) = self.entry_mut(number) {
                    *known = entry;
                }
                number
            }
            None => {
                let number = self.first + number_of(self.entries.len());
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

    /// Puts rows before the others, the one stored last first. The history has none older than the last when it `is_whole`.
    pub fn put_older(&mut self, rows: &[EventRow], is_whole: bool, now: UnixMillis) {
        self.is_whole = is_whole;
        for row in rows {
            if self.entries.len() >= self.most {
                self.is_whole = false;
                return;
            }
            if self.number(row.id).is_some() {
                continue;
            }
            let entry = Entry::new(row, &mut self.words);
            self.first -= 1;
            self.entries.push_front(entry);
            self.remember(self.first, row.id);
            let told = self.told(row, now);
            self.decide(self.first, told);
        }
    }

    /// The entry of an event.
    pub fn entry(&self, id: EventId) -> Option<&Entry> {
        self.entries.get(index(self.number(id)?, self.first)?)
    }

    /// The events of the same sender, endpoint and type before one, the newest first.
    pub fn like_before(&self, id: EventId) -> impl Iterator<Item = &Entry> {
        let at = self.number(id).and_then(|number| index(number, self.first)).unwrap_or(0);
        let entry = self.entries.get(at);
        self.entries
            .range(..at)
            .rev()
            .filter(move |earlier| entry.is_some_and(|entry| earlier.is_like(entry)))
    }

    /// The text of an entry's field: of its type, provider, endpoint, method or tags.
    pub fn text(&self, entry: &Entry, field: &TextField) -> Option<&str> {
        self.words.text(entry, field)
    }

    /// How many events pass the filter.
    pub fn matching(&self) -> usize {
        self.matching.len()
    }

    /// The event at a place among those that pass the filter.
    pub fn at(&self, position: usize) -> Option<&Entry> {
        let number = *self.matching.get(position)?;
        self.entries.get(index(number, self.first)?)
    }

    /// The place of an event among those that pass the filter.
    pub fn position(&self, id: EventId) -> Option<usize> {
        self.matching.binary_search(&self.number(id)?).ok()
    }

    /// The place of the first that passes the filter and is not older than an event.
    pub fn position_from(&self, id: EventId) -> Option<usize> {
        let number = self.number(id)?;
        Some(self.matching.partition_point(|known| *known < number))
    }

    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Sets a filter, and finds at once what passes by what is in memory. The rest is open.
    pub fn set_filter(&mut self, filter: Filter, now: UnixMillis) {
        self.filter = filter;
        self.matching.clear();
        self.open.clear();
        let prepared = self.filter.prepared(&self.words);
        for (number, entry) in (self.first..).zip(&self.entries) {
            if self.only.as_ref().is_some_and(|only| !only.contains(&entry.id)) {
                continue;
            }
            match prepared.test(&Known { entry, words: &self.words, now }) {
                Some(true) => self.matching.push_back(number),
                Some(false) => {}
                None => self.open.push(number),
            }
        }
        self.opened = self.open.len();
    }

    /// The events that are shown if they pass, when not all are.
    pub fn only(&self) -> Option<&BTreeSet<EventId>> {
        self.only.as_ref()
    }

    /// Shows no events but these, or all that pass.
    pub fn set_only(&mut self, only: Option<BTreeSet<EventId>>, now: UnixMillis) {
        self.only = only;
        self.set_filter(self.filter.clone(), now);
    }

    /// Whether a row passes, as far as it tells.
    fn told(&self, row: &EventRow, now: UnixMillis) -> Option<bool> {
        if self.only.as_ref().is_some_and(|only| !only.contains(&row.id)) {
            return Some(false);
        }
        self.filter.test(&Filtered::listed(row, now))
    }

    /// The newest of those of which it is not known whether they pass.
    pub fn open(&self, most: usize) -> Vec<EventId> {
        let newest = self.open.iter().rev().take(most);
        newest.filter_map(|number| Some(self.entries.get(index(*number, self.first)?)?.id)).collect()
    }

    /// Whether it is not known of an event.
    pub fn is_open(&self, id: EventId) -> bool {
        self.number(id).is_some_and(|number| self.open.binary_search(&number).is_ok())
    }

    /// Notes which of them pass.
    pub fn close(&mut self, verdicts: &[(EventId, bool)]) {
        for (id, passes) in verdicts {
            if let Some(number) = self.number(*id) {
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

    fn entry_mut(&mut self, number: Number) -> Option<&mut Entry> {
        self.entries.get_mut(index(number, self.first)?)
    }

    fn number(&self, id: EventId) -> Option<Number> {
        let is_it = |number: &Number| {
            index(*number, self.first)
                .and_then(|index| self.entries.get(index))
                .is_some_and(|entry| entry.id == id)
        };
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
        if let Some(entry) = self.entries.pop_front() {
            if let Ok(place) =
                self.places.find_entry(self.hasher.hash_one(entry.id), |known| *known == number)
            {
                place.remove();
            }
            self.decide(number, Some(false));
            self.first += 1;
            self.is_whole = false;
        }
    }

    /// Puts an event among those that pass, those that do not, or those that are open.
    fn decide(&mut self, number: Number, told: Option<bool>) {
        let (matching, open) = (self.matching.binary_search(&number), self.open.binary_search(&number));
        match (told == Some(true), matching) {
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
}

/// The place of a number among the entries.
fn index(number: Number, first: Number) -> Option<usize> {
    usize::try_from(number - first).ok()
}

/// So many entries are far fewer than there are numbers.
fn number_of(index: usize) -> Number {
    Number::try_from(index).unwrap_or(Number::MAX)
}

/// Values with how many events of the whole list have each.
impl Seen for Listing {
    fn values(&self, field: &str) -> Vec<(String, u64)> {
        let counted = |field: &TextField| self.words.counted(field, self.entries.iter());
        let owned = |(text, count): (&str, u64)| (text.to_owned(), count);
        match field {
            "type" => counted(&TextField::Type).into_iter().map(owned).collect(),
            "provider" => counted(&TextField::Provider).into_iter().map(owned).collect(),
            "endpoint" => counted(&TextField::Endpoint).into_iter().map(owned).collect(),
            "method" => counted(&TextField::Method).into_iter().map(owned).collect(),
            "tag" => {
                let mut tags = std::collections::BTreeMap::new();
                for (together, count) in counted(&TextField::Tag) {
                    for tag in together.split(' ') {
                        *tags.entry(tag.to_owned()).or_insert(0) += count;
                    }
                }
                tags.into_iter().collect()
            }
            "status" => {
                let mut counts = std::collections::BTreeMap::new();
                for (last, status, _) in self.entries.iter().map(Entry::last) {
                    if last == Last::Answered {
                        *counts.entry(status).or_insert(0) += 1;
                    }
                }
                counts.into_iter().map(|(status, count)| (status.to_string(), count)).collect()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;

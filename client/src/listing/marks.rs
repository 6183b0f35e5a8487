//! Which events a person marked, and whether no others are shown.

use std::collections::BTreeSet;

use inhaul_core::{
    event::{EventId, UnixMillis},
    filter::Flag,
};

use super::{Listing, Number, entry::Known};

impl Listing {
    /// Events are marked from now on, or no longer.
    pub fn mark(&mut self, ids: &[EventId], is_marked: bool, now: UnixMillis) {
        let numbers: Vec<Number> = ids.iter().filter_map(|id| self.number(*id)).collect();
        for number in &numbers {
            if let Some(entry) = self.entry_mut(*number) {
                entry.set_marked(is_marked);
            }
        }
        if self.filter.asks_for(Flag::Marked) {
            let filter = self.filter.prepared(&self.words);
            let present = numbers.into_iter().filter_map(|number| {
                let entry = self.numbered(number).filter(|entry| !entry.is_gone())?;
                Some((number, filter.test(&Known { entry, words: &self.words, now })))
            });
            for (number, told) in present.collect::<Vec<_>>() {
                self.decide(number, told);
            }
        }
    }

    /// Whether an event is marked.
    pub fn is_marked(&self, id: EventId) -> bool {
        self.entry(id).is_some_and(|entry| entry.has(Flag::Marked))
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
}

//! Which events wait for a person before they are forwarded. It can be changed while the client runs.

use std::sync::{Arc, PoisonError, RwLock};

use inhaul_core::{
    event::{Event, UnixMillis},
    filter::{Filter, FilterError, Saved},
};
use serde::{Deserialize, Serialize};

use crate::{filtering::Filtered, row::EventRow};

/// What is held now, shared by all who ask and by who changes it. A clone is another handle of the same.
#[derive(Clone, Debug, Default)]
pub struct Hold(Arc<RwLock<Held>>);

#[derive(Debug, Default)]
struct Held {
    filter: Filter,
    text: String,
    is_on: bool,
}

/// What is held now, as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldState {
    /// Whether anything is.
    pub is_on: bool,
    /// The filter, which stays while nothing is held; the empty one means every event.
    pub filter: String,
}

/// What is to be held from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldChange {
    /// Events that pass this filter.
    Filter(String),
    /// Those of the filter there is, or nothing.
    Turn(bool),
}

impl Hold {
    /// Holds events that pass the filter; none without one.
    pub fn new(filter: Option<Filter>) -> Self {
        let is_on = filter.is_some();
        let filter = filter.unwrap_or_default();
        Self(Arc::new(RwLock::new(Held { text: filter.to_string(), filter, is_on })))
    }

    /// What is held now.
    pub fn state(&self) -> HoldState {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        HoldState { is_on: held.is_on, filter: held.text.clone() }
    }

    /// Changes what is held; events that are held already stay so.
    ///
    /// # Errors
    /// When a text is no filter; everything stays as it was.
    pub fn change(&self, change: &HoldChange) -> Result<HoldState, FilterError> {
        let filter = match change {
            HoldChange::Filter(text) => Some((Filter::parse_deciding(text, &Saved::default())?, text)),
            HoldChange::Turn(_) => None,
        };
        {
            let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
            match (filter, change) {
                (Some((filter, text)), _) => *held = Held { filter, text: text.clone(), is_on: true },
                (None, HoldChange::Turn(is_on)) => held.is_on = *is_on,
                (None, HoldChange::Filter(_)) => {}
            }
        }
        Ok(self.state())
    }

    /// Whether anything is held at all.
    pub(crate) fn is_on(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_on
    }

    /// Whether an event is held that arrives now.
    pub(crate) fn holds(&self, event: &Event, row: &EventRow, now: UnixMillis) -> bool {
        let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.is_on && held.filter.test(&Filtered::whole(row, event, now)).unwrap_or(false)
    }
}

impl HoldState {
    /// In a sentence.
    pub fn words(&self) -> String {
        match (self.is_on, self.filter.as_str()) {
            (false, "") => "no event is held".to_owned(),
            (false, filter) => format!("no event is held; the filter is {filter}"),
            (true, "") => "every event is held".to_owned(),
            (true, filter) => format!("events are held that pass {filter}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::tests::sample_event, output::tests::row};

    #[test]
    fn what_is_held_changes_while_it_is_asked() {
        let (event, row) = (sample_event(1, br#"{"n":5}"#), row());
        let hold = Hold::default();
        let holds = |hold: &Hold| hold.holds(&event, &row, row.received_at);
        assert!(!holds(&hold));
        for (change, is_held, words) in [
            (HoldChange::Filter("$.n>4".to_owned()), true, "events are held that pass $.n>4"),
            (HoldChange::Turn(false), false, "no event is held; the filter is $.n>4"),
            (HoldChange::Turn(true), true, "events are held that pass $.n>4"),
            (HoldChange::Filter("$.n>5".to_owned()), false, "events are held that pass $.n>5"),
            (HoldChange::Filter(String::new()), true, "every event is held"),
        ] {
            assert_eq!(hold.change(&change).unwrap().words(), words);
            assert_eq!(holds(&hold.clone()), is_held, "{change:?}");
        }
        assert!(hold.change(&HoldChange::Filter("(".to_owned())).is_err());
        assert!(holds(&hold), "it is as it was");
    }
}

//! Threads: the events of one object in their order, such as of a call that is created, started, ended and charged; what is missing
//! between them, and what came out of order.

use std::time::Duration;

use crate::row::{EventRow, Outcome};

/// Most events of a thread that are looked at: the newest ones.
pub const THREAD_EVENTS_MAX: usize = 200;

/// One line of a thread.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// An event.
    Event {
        /// It.
        row: Box<EventRow>,
        /// Since the event before it was received; nothing for the first.
        gap: Option<Duration>,
        /// How it stands in the order of its provider.
        place: Place,
    },
    /// The type of an event that should have come before the next one, and did not.
    Missing(String),
    /// The type of an event that comes next, when all goes well.
    Expected(String),
}

/// How an event stands in the order of its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// As it should, or its provider says nothing of its type.
    InOrder,
    /// One that happens after it was received before it.
    OutOfOrder,
    /// It was delivered before.
    Repeat,
}

impl Place {
    /// A word for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::InOrder => "in_order",
            Self::OutOfOrder => "out_of_order",
            Self::Repeat => "repeat",
        }
    }
}

/// The events of one object as a thread, by when they were received. `stages` are the types that its events have, in the order in which
/// they happen; without them nothing can be missing.
pub fn thread(mut rows: Vec<EventRow>, stages: &[String]) -> Vec<Step> {
    rows.sort_by_key(|row| (row.received_at, row.id));
    let stage = |row: &EventRow| {
        let event_type = row.event_type.as_ref()?;
        stages.iter().position(|stage| stage == event_type)
    };
    let reached: Vec<usize> = rows.iter().filter_map(stage).collect();
    let mut steps = Vec::new();
    let (mut furthest, mut before) = (None, None);
    for row in rows {
        let at = stage(&row);
        let place = match (at, furthest) {
            _ if row.repeat.is_some() => Place::Repeat,
            (Some(at), Some(furthest)) if at < furthest => Place::OutOfOrder,
            _ => Place::InOrder,
        };
        if let Some(at) = at {
            let next = furthest.map_or(0, |furthest| furthest + 1);
            let missing = (next..at).filter(|stage| !reached.contains(stage));
            steps.extend(missing.map(|stage| Step::Missing(stages[stage].clone())));
            furthest = furthest.max(Some(at));
        }
        let gap = before.map(|before| Duration::from_millis(row.received_at.0.saturating_sub(before)));
        before = Some(row.received_at.0);
        steps.push(Step::Event { row: Box::new(row), gap, place });
    }
    if let Some(furthest) = furthest {
        steps.extend(stages.get(furthest + 1).map(|stage| Step::Expected(stage.clone())));
    }
    steps
}

/// What came of the last attempt, in a word.
pub fn outcome_word(row: &EventRow) -> String {
    match row.attempts.last().map(|attempt| &attempt.outcome) {
        Some(Outcome::Answered { status, .. }) => status.to_string(),
        Some(Outcome::Failed { .. }) => "failed".to_owned(),
        Some(Outcome::Rejected) => "rejected".to_owned(),
        Some(Outcome::Begun) => "begun".to_owned(),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use inhaul_core::event::UnixMillis;

    use super::*;
    use crate::output::tests::row;

    fn call(events: &[(&str, u64)]) -> Vec<String> {
        let rows = events.iter().map(|(event_type, second)| EventRow {
            event_type: Some(format!("call.{event_type}")),
            received_at: UnixMillis(second * 1000),
            ..row()
        });
        let stages = ["created", "started", "ended", "charged"].map(|stage| format!("call.{stage}"));
        let steps = thread(rows.collect(), &stages).into_iter();
        steps
            .map(|step| match step {
                Step::Event { row, gap, place } => {
                    let gap = gap.map_or("first".to_owned(), |gap| gap.as_secs().to_string());
                    format!("{} {gap} {}", row.event_type.unwrap(), place.word())
                }
                Step::Missing(stage) => format!("{stage} missing"),
                Step::Expected(stage) => format!("{stage} expected"),
            })
            .collect()
    }

    #[test]
    fn a_thread_has_its_gaps_and_what_comes_next() {
        assert_eq!(
            call(&[("started", 7), ("created", 2)]),
            ["call.created first in_order", "call.started 5 in_order", "call.ended expected"]
        );
        assert_eq!(call(&[]), Vec::<String>::new());
        assert_eq!(call(&[("note", 1)]), ["call.note first in_order"], "nothing is known of its order");
    }

    #[test]
    fn what_should_have_come_before_is_missing() {
        assert_eq!(
            call(&[("created", 1), ("note", 2), ("charged", 9)]),
            [
                "call.created first in_order",
                "call.note 1 in_order",
                "call.started missing",
                "call.ended missing",
                "call.charged 7 in_order"
            ]
        );
    }

    #[test]
    fn what_came_late_is_out_of_order_and_not_missing() {
        assert_eq!(
            call(&[("created", 1), ("ended", 3), ("started", 4), ("charged", 5)]),
            [
                "call.created first in_order",
                "call.ended 2 in_order",
                "call.started 1 out_of_order",
                "call.charged 1 in_order"
            ]
        );
    }
}

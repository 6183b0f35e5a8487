//! The list against a plain one that tries the filter on every row, each time.

use inhaul_core::filter::{Saved, Seen};
use proptest::prelude::*;

use super::*;
use crate::{
    output::tests::{answered, row as sample_row},
    row::EventState,
};

const NOW: UnixMillis = UnixMillis(1_763_970_100_000);

fn id(number: u16) -> EventId {
    format!("0193586a-1b2c-7def-8123-45678900{number:04x}").parse().unwrap()
}

/// One of a few kinds.
fn row(number: u16, kind: u8) -> EventRow {
    let status = [200, 404, 503][usize::from(kind % 3)];
    EventRow {
        id: id(number),
        method: if kind.is_multiple_of(2) { "POST" } else { "PUT" }.to_owned(),
        target: format!("/hook/{number}"),
        body_bytes: u64::from(kind % 4) * 100,
        event_type: (!kind.is_multiple_of(5)).then(|| format!("charge.{}", kind % 4)),
        provider: kind.is_multiple_of(3).then(|| "stripe".to_owned()),
        provider_event_id: Some(format!("evt_{number}")),
        state: if kind == 7 { EventState::Held } else { EventState::Settled },
        tags: (0..kind % 3).map(|tag| format!("tag-{tag}")).collect(),
        comment: (kind == 4).then(|| "why?".to_owned()),
        verdict: if kind.is_multiple_of(2) { sample_row().verdict } else { None },
        attempts: (0..kind % 3).map(|attempt| answered(u32::from(attempt) + 1, status)).collect(),
        ..sample_row()
    }
}

#[test]
fn an_entry_is_small() {
    assert_eq!(size_of::<Entry>(), 64);
    let flags = inhaul_core::filter::Flag::all().map(|flag| flag as u32);
    assert!(flags.max().unwrap() < 31, "the last bit is no flag's");
}

const FILTERS: [&str; 22] = [
    "",
    "type:charge.*",
    "type:charge.1 status:5xx",
    "-provider:stripe",
    "provider!=stripe",
    "status:none OR is:held",
    "stripe",
    "hook",
    "charge.2 -tag-1",
    "404 OR sig:valid",
    "tag:tag-1,other",
    "comment:why",
    "is:failed attempts>1",
    "ms>10 size:2k age<1h",
    "method=PUT endpoint:orders",
    "id:0193586a",
    "key:evt_3",
    "repeats:0193586a-1b2c-7def-8123-456789000003",
    "body:x is:held",
    "-is:failed path:/hook",
    "is:marked",
    "-is:marked (stripe OR path:/hook)",
];

#[derive(Clone, Debug)]
enum Step {
    Put(u16, u8),
    Older(Vec<(u16, u8)>, bool),
    Filter(usize),
    Order(usize),
    Mark(u16, bool),
    Remove(Vec<u16>),
    Close,
}

fn any_step() -> impl Strategy<Value = Step> {
    let event = || (0..60_u16, 0..9_u8);
    prop_oneof![
        6 => event().prop_map(|(number, kind)| Step::Put(number, kind)),
        2 => (prop::collection::vec(event(), 0..8), any::<bool>()).prop_map(|(rows, whole)| Step::Older(rows, whole)),
        3 => (0..FILTERS.len()).prop_map(Step::Filter),
        2 => (0..Order::all().count()).prop_map(Step::Order),
        2 => (0..60_u16, any::<bool>()).prop_map(|(number, marked)| Step::Mark(number, marked)),
        1 => prop::collection::vec(0..60_u16, 0..4).prop_map(Step::Remove),
        2 => Just(Step::Close),
    ]
}

/// A plain list.
#[derive(Default)]
struct Plain {
    rows: VecDeque<EventRow>,
    filter: Filter,
    order: Order,
    marked: BTreeSet<EventId>,
    /// Those removed, which keep their places.
    gone: BTreeSet<EventId>,
}

impl Plain {
    fn has(&self, id: EventId) -> bool {
        self.rows.iter().any(|row| row.id == id)
    }

    fn put(&mut self, row: EventRow, most: usize) {
        match self.rows.iter_mut().find(|known| known.id == row.id) {
            Some(known) => *known = row,
            None => self.rows.push_back(row),
        }
        if self.rows.len() > most
            && let Some(oldest) = self.rows.pop_front()
        {
            self.gone.remove(&oldest.id);
            self.marked.remove(&oldest.id);
        }
    }

    fn subject<'r>(&self, row: &'r EventRow) -> Filtered<'r> {
        Filtered::listed(row, NOW).marked(self.marked.contains(&row.id))
    }

    fn present(&self) -> impl Iterator<Item = &EventRow> {
        self.rows.iter().filter(|row| !self.gone.contains(&row.id))
    }

    /// Whether a row passes; those that rows do not tell of do when their numbers are even.
    fn passes(&self, row: &EventRow) -> bool {
        self.filter.test(&self.subject(row)).unwrap_or_else(|| row.id.0.as_bytes()[15].is_multiple_of(2))
    }

    /// Those that pass, in order.
    fn shown(&self) -> Vec<EventId> {
        let mut rows: Vec<&EventRow> = self.present().filter(|row| self.passes(row)).collect();
        let answer = |row: &EventRow| match row.attempts.last().map(|last| &last.outcome) {
            Some(crate::row::Outcome::Answered { status, latency_ms, .. }) => Some((*status, *latency_ms)),
            _ => None,
        };
        match self.order.by {
            By::Arrival => {}
            By::Status => rows.sort_by_key(|row| std::cmp::Reverse(answer(row).map(|(status, _)| status))),
            By::Duration => rows.sort_by_key(|row| std::cmp::Reverse(answer(row).map(|(_, millis)| millis))),
            By::Size => rows.sort_by_key(|row| std::cmp::Reverse(row.body_bytes)),
            By::Type => rows.sort_by_key(|row| (row.event_type.is_none(), row.event_type.clone())),
        }
        if self.order.is_reversed {
            rows.reverse();
        }
        rows.into_iter().map(|row| row.id).collect()
    }
}

proptest! {
    #[test]
    fn what_passes_is_what_a_plain_list_finds(steps in prop::collection::vec(any_step(), 1..60)) {
        const MOST: usize = 24;
        let (mut list, mut plain) = (Listing::new(MOST), Plain::default());
        for step in steps {
            match step {
                Step::Put(number, kind) => {
                    list.put(&row(number, kind), NOW);
                    if plain.gone.remove(&id(number)) {
                        plain.marked.remove(&id(number));
                    }
                    plain.put(row(number, kind), MOST);
                }
                Step::Order(number) => {
                    plain.order = Order::all().nth(number).unwrap();
                    list.set_order(plain.order);
                }
                Step::Mark(number, marked) => {
                    list.mark(&[id(number)], marked, NOW);
                    if plain.present().any(|row| row.id == id(number)) {
                        if marked { plain.marked.insert(id(number)) } else { plain.marked.remove(&id(number)) };
                    }
                }
                Step::Remove(numbers) => {
                    let ids: Vec<EventId> = numbers.into_iter().map(id).collect();
                    list.remove(&ids);
                    plain.gone.extend(ids.into_iter().filter(|id| plain.rows.iter().any(|row| row.id == *id)));
                }
                Step::Older(events, whole) => {
                    let rows: Vec<EventRow> = events.into_iter().map(|(number, kind)| row(number, kind)).collect();
                    list.put_older(&rows, whole, NOW);
                    for row in rows {
                        if plain.rows.len() < MOST && !plain.has(row.id) {
                            plain.rows.push_front(row);
                        }
                    }
                }
                Step::Filter(number) => {
                    plain.filter = Filter::parse_for_list(FILTERS[number], &Saved::default()).unwrap();
                    list.set_filter(plain.filter.clone(), NOW);
                }
                Step::Close => {
                    while let [first, ..] = list.open(3)[..] {
                        let row = plain.rows.iter().find(|row| row.id == first).unwrap();
                        list.close(&[(first, plain.passes(row))]);
                    }
                    let found: Vec<EventId> = (0..list.matching()).map(|at| list.at(at).unwrap().id).collect();
                    prop_assert_eq!(&found, &plain.shown(), "{} {}", plain.filter, plain.order);
                    for (place, id) in found.iter().enumerate() {
                        prop_assert_eq!(list.position(*id), Some(place));
                    }
                    prop_assert_eq!(list.scanned_percent(), None);
                }
            }
            prop_assert_eq!(list.len(), plain.present().count());
            let open = list.open(usize::MAX);
            prop_assert!(plain.gone.iter().all(|id| list.entry(*id).is_none() && list.position(*id).is_none()));
            for (place, row) in plain.present().enumerate() {
                prop_assert!(list.entry(row.id).is_some());
                let told = plain.filter.test(&plain.subject(row));
                let is_open = open.contains(&row.id);
                if let (Some(told), false) = (told, is_open) {
                    prop_assert_eq!(list.position(row.id).is_some(), told, "{} of {}", place, plain.filter);
                }
            }
            let held = plain.present().filter(|row| row.state == EventState::Held).count();
            prop_assert_eq!((list.held_count(), list.held().count()), (held, held));
        }
    }
}

#[test]
fn numbers_stay_when_older_ones_come_before_and_the_oldest_go() {
    let mut list = Listing::new(4);
    assert!(list.lacks_older());
    list.put(&row(5, 1), NOW);
    list.put_older(&[row(4, 1), row(3, 1)], false, NOW);
    assert_eq!((list.position(id(5)), list.oldest()), (Some(2), Some(id(3))));
    list.put_older(&[row(2, 1), row(1, 1)], true, NOW);
    assert!(list.is_cut() && !list.lacks_older(), "there is no room for the last one");
    list.put(&row(6, 1), NOW);
    assert_eq!((list.len(), list.oldest(), list.position(id(6))), (4, Some(id(3)), Some(3)));
    assert_eq!(list.entry(id(2)), None);
    assert_eq!(list.position_from(id(4)), Some(1));
}

#[test]
fn values_are_counted_over_all_events() {
    let mut list = Listing::new(100);
    for number in 0..9 {
        list.put(&row(number, u8::try_from(number).unwrap()), NOW);
    }
    list.set_filter("is:held".parse().unwrap(), NOW);
    assert_eq!(list.matching(), 1);
    let counted = |field: &str| {
        let mut values = list.values(field);
        values.sort();
        values
    };
    assert_eq!(counted("provider"), [("stripe".to_owned(), 3)]);
    assert_eq!(counted("tag"), [("tag-0".to_owned(), 6), ("tag-1".to_owned(), 3)]);
    assert_eq!(counted("status"), [("404".to_owned(), 3), ("503".to_owned(), 3)]);
    assert!(counted("body").is_empty());
}

/// What is not known of an event that changes is found out later; until then it stays where it is.
#[test]
fn an_event_that_changes_stays_until_it_is_known_not_to_pass() {
    let mut list = Listing::new(10);
    for number in 1..=3 {
        list.put(&row(number, 1), NOW);
    }
    list.set_order(Order { by: By::Status, is_reversed: false });
    list.set_filter("body:x".parse().unwrap(), NOW);
    assert_eq!(list.matching(), 0, "nothing was read so far");
    list.close(&[1, 2, 3].map(|number| (id(number), true)));
    list.put(&row(2, 2), NOW);
    assert_eq!((list.matching(), list.open(9)), (3, vec![id(2)]), "its bytes are read again");
    assert_eq!(list.position(id(2)), Some(0), "where its other status puts it");
    list.close(&[(id(2), false)]);
    assert_eq!((list.position(id(2)), list.matching()), (None, 2));
}

#[test]
fn what_is_found_out_too_late_counts_no_more() {
    let mut list = Listing::new(10);
    for number in 1..=3 {
        list.put(&row(number, 1), NOW);
    }
    list.set_filter("body:x OR is:held".parse().unwrap(), NOW);
    assert_eq!(list.open(9), [3, 2, 1].map(id));
    list.remove(&[id(1)]);
    list.put(&row(2, 7), NOW);
    list.close(&[(id(1), true), (id(2), false), (id(3), true)]);
    assert_eq!(list.position(id(1)), None, "it is gone");
    assert_eq!(list.position(id(2)), Some(0), "it is held meanwhile");
    assert_eq!(list.matching(), 2);
}

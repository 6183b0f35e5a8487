//! Marks: of several events at once, shown alone, hidden by a filter; what is done with them.

use super::*;
use crate::{draft::Draft, history::Ruling, row::EventState};

fn marked(stage: &Stage) -> Vec<EventId> {
    stage.state.marked.iter().copied().collect()
}

#[test]
fn several_events_are_marked_at_once() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("gg3 ");
    assert_eq!((marked(&stage), stage.state.selected), ([1, 2, 3].map(id).to_vec(), Some(id(4))));
    stage.keys("gg2 ");
    assert_eq!(marked(&stage), [id(3)], "the first one says whether marks are given or taken");
    stage.keys("U2ggV");
    assert!(stage.screen().contains("V marks everything between"), "{}", stage.screen());
    stage.keys("jj");
    assert_eq!(stage.screen().matches("+07:41").count(), 3, "{}", stage.screen());
    stage.tell(Message::Live(Live::Event(Box::new(row(6)))));
    stage.keys("V");
    assert_eq!(marked(&stage), [2, 3, 4].map(id));
    stage.keys("UGV<esc>gg");
    assert!(marked(&stage).is_empty() && stage.state.range_from.is_none());
    stage.keys("4ggVggV");
    assert_eq!(marked(&stage), [1, 2, 3, 4].map(id), "upwards too");
}

#[test]
fn what_a_filter_finds_is_marked_by_one_key() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("/type:call<enter>gm");
    assert_eq!(marked(&stage), [1, 2, 4].map(id));
    assert!(stage.screen().contains("3 events marked"), "{}", stage.screen());
    stage.keys("<esc>/-is:marked<enter>");
    assert_eq!(stage.shown(), [id(3), id(5)]);
    stage.keys("gm");
    assert!(stage.shown().is_empty());
}

#[test]
fn marks_are_seen_wherever_one_is() {
    for (width, height) in [(120, 24), (80, 24), (48, 16)] {
        let mut stage = Stage::with_events(width, height);
        assert!(!stage.screen().contains("marked"));
        stage.keys("gg2 j");
        assert!(stage.screen().contains("2 marked"), "{}", stage.screen());
        stage.keys("<enter>");
        assert!(stage.screen().contains("2 marked"), "{}", stage.screen());
    }
}

#[test]
fn where_only_marked_events_are_shown_there_is_a_way_back() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("gg2 M");
    assert!(stage.screen().contains("marked only") && stage.shown().len() == 2, "{}", stage.screen());
    stage.keys("<esc>");
    assert!(!stage.screen().contains("marked only") && stage.shown().len() == 5);
    assert_eq!(stage.state.marked.len(), 2, "they stay marked");
    // Without marks all events are there again, whatever took the marks away.
    stage.keys("Mgg  ");
    assert_eq!((marked(&stage).len(), stage.shown().len()), (0, 5));
    stage.keys("ggmM");
    assert_eq!(stage.shown(), [id(1)]);
    stage.tell(Message::Live(Live::Gone(vec![id(1)])));
    assert_eq!(stage.shown(), [2, 3, 4, 5].map(id));
    stage.keys("ggmMU");
    assert_eq!(stage.shown().len(), 4);
}

#[test]
fn an_unmarked_event_leaves_and_the_next_one_is_selected() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("ggVGVM2gg ");
    assert_eq!((stage.shown().len(), stage.state.selected), (4, Some(id(3))));
}

#[test]
fn marked_events_that_are_not_seen_are_not_deleted_or_dropped_without_a_word() {
    let mut stage = Stage::with_events(120, 24);
    let held = EventRow { state: EventState::Held, attempts: Vec::new(), ..row(6) };
    stage.tell(Message::Live(Live::Event(Box::new(held))));
    stage.keys("ggVGV/status:5xx<enter>");
    stage.effects.clear();
    stage.keys("dd");
    assert!(stage.effects.is_empty(), "{:?}", stage.effects);
    let told = "6 events marked, 5 of them not in the list; d d again deletes all";
    assert!(stage.screen().contains(told), "{}", stage.screen());
    stage.keys("X");
    assert!(stage.effects.is_empty() && stage.screen().contains("X again drops all"), "{}", stage.screen());
    stage.keys("X");
    let ruling = Ruling::Drop { by: String::new(), why: None };
    assert_eq!(stage.effects.pop(), Some(Effect::Decide(vec![id(6)], ruling)));
    stage.keys("dddd");
    assert_eq!(stage.effects.pop(), Some(Effect::Delete([1, 2, 3, 4, 5].map(id).to_vec())));
}

/// Rows of a long list are not all at hand.
#[test]
fn held_events_are_released_that_were_not_on_the_screen_for_long() {
    let number_id = |number: u32| {
        EventId(Builder::from_unix_timestamp_millis(AT + u64::from(number), &[7; 10]).into_uuid())
    };
    let mut stage = Stage::new(120, 24);
    let held =
        |number| EventRow { id: number_id(number), state: EventState::Held, attempts: Vec::new(), ..row(1) };
    stage.tell(Message::Live(Live::Event(Box::new(held(0)))));
    stage.keys("m");
    for number in 1..1500 {
        let row = EventRow { id: number_id(number), ..row(1) };
        stage.tell(Message::Live(Live::Event(Box::new(row))));
    }
    stage.keys("Gm");
    stage.effects.clear();
    stage.keys("a");
    let release = Ruling::Forward(Draft::default());
    assert!(stage.effects.contains(&Effect::Decide(vec![number_id(0)], release)), "{:?}", stage.effects);
    assert_eq!(marked(&stage), [number_id(1499)], "what nothing was done with stays marked");
}

#[test]
fn two_marked_events_are_compared() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("gg mGm");
    stage.keys("Ugg j ggjj");
    stage.effects.clear();
    stage.keys("=");
    assert_eq!(stage.effects, [Effect::Compare(id(1), id(3))]);
}

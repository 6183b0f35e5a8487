//! The order of the list, and what is selected and followed in it; marks as a filter.

use super::*;
use crate::tui::state::ToastKind;

/// Events whose answers took longer the older they are.
fn stage() -> Stage {
    let mut stage = Stage::new(120, 24);
    for number in 1..=4 {
        stage.tell(Message::Live(Live::Event(Box::new(timed(number, 100 - u64::from(number))))));
    }
    stage
}

fn timed(number: u8, latency_ms: u64) -> EventRow {
    let mut attempt = answered(1, 200);
    if let Outcome::Answered { latency_ms: latency, .. } = &mut attempt.outcome {
        *latency = latency_ms;
    }
    EventRow { attempts: vec![attempt], ..row(number) }
}

#[test]
fn the_order_is_chosen_turned_round_and_named() {
    let mut stage = stage();
    assert!(stage.screen().contains("oldest first · follow on"), "{}", stage.screen());
    stage.keys("o");
    for hint in ["a arrival", "d duration", "z size", "o reverse"] {
        assert!(stage.screen().contains(hint), "{hint}: {}", stage.screen());
    }
    stage.keys("d");
    assert_eq!(stage.shown(), [id(1), id(2), id(3), id(4)]);
    let screen = stage.screen();
    assert!(screen.contains(" Events 4/4 · slowest first ") && screen.contains("follow off"), "{screen}");
    stage.keys("od");
    assert_eq!(stage.shown(), [id(4), id(3), id(2), id(1)]);
    assert!(stage.screen().contains("fastest first"));
    stage.keys("oaoo");
    assert_eq!(stage.shown(), [id(4), id(3), id(2), id(1)]);
    assert!(stage.screen().contains("newest first"));
}

#[test]
fn the_selected_event_stays_selected_whatever_the_order_and_what_comes() {
    let mut stage = stage();
    stage.keys("2ggod");
    assert_eq!((stage.state.selected, stage.state.position()), (Some(id(2)), Some(1)));
    stage.tell(Message::Live(Live::Event(Box::new(timed(5, 500)))));
    assert_eq!((stage.state.selected, stage.state.position()), (Some(id(2)), Some(2)));
    // A change of the event itself moves it.
    stage.tell(Message::Live(Live::Attempt(Box::new(timed(2, 900)), answered(1, 200))));
    assert_eq!((stage.state.selected, stage.state.position()), (Some(id(2)), Some(0)));
    stage.keys("G");
    assert_eq!((stage.state.selected, stage.state.follows), (Some(id(4)), false));
    stage.keys("F");
    assert!(!stage.state.follows);
    assert!(
        matches!(&stage.state.toast, Some(toast) if toast.kind == ToastKind::Note && toast.text.contains("o a"))
    );
}

#[test]
fn the_newest_is_followed_where_it_is() {
    let mut stage = stage();
    stage.keys("oo");
    assert!(stage.state.follows, "{}", stage.screen());
    stage.tell(Message::Live(Live::Event(Box::new(row(7)))));
    assert_eq!((stage.state.selected, stage.state.position()), (Some(id(7)), Some(0)));
    stage.keys("G");
    assert_eq!((stage.state.selected, stage.state.follows), (Some(id(1)), false));
    stage.tell(Message::Live(Live::Event(Box::new(row(8)))));
    assert_eq!(stage.state.selected, Some(id(1)));
    stage.keys("gg");
    assert_eq!((stage.state.selected, stage.state.follows), (Some(id(8)), true));
}

#[test]
fn marks_are_a_filter_that_counts_at_once() {
    let mut stage = stage();
    stage.keys("gg j ");
    stage.keys("/is:marked<enter>");
    assert_eq!(stage.shown(), [id(1), id(3)]);
    stage.tell(Message::Live(Live::Event(Box::new(timed(3, 1)))));
    assert_eq!(stage.shown(), [id(1), id(3)], "a change takes no mark away");
    stage.keys("ggm");
    assert_eq!(stage.shown(), [id(3)]);
    stage.keys("U");
    assert!(stage.shown().is_empty());
    stage.keys("<esc>gg m/-~marked<enter>");
    assert_eq!(stage.shown(), [id(3), id(4)]);
}

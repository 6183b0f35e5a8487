//! Events that are deleted, here or by another process, and come back.

use super::*;
use crate::history::{Deletions, Kept};

fn deleted(numbers: &[u8]) -> Deletions {
    Deletions { deleted: numbers.iter().map(|number| id(*number)).collect(), kept: Vec::new() }
}

#[test]
fn a_deleted_event_leaves_the_list_and_comes_back_to_its_place() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("3gg");
    stage.effects.clear();
    stage.keys("d");
    assert!(stage.screen().contains("d delete"), "{}", stage.screen());
    stage.keys("d");
    assert!(stage.effects.contains(&Effect::Delete(vec![id(3)])), "{:?}", stage.effects);
    assert_eq!(stage.shown().len(), 5, "not before it is on record");
    stage.tell(Message::Deleted(deleted(&[3])));
    assert!(stage.screen().contains("1 event deleted; u takes it back for 30 s"), "{}", stage.screen());
    assert_eq!(stage.shown(), [id(1), id(2), id(4), id(5)]);
    assert_eq!(stage.state.selected, Some(id(4)), "the next one");
    stage.keys("u");
    assert!(stage.effects.contains(&Effect::Restore(vec![id(3)])), "{:?}", stage.effects);
    let row = one_of_each().remove(2);
    stage.tell(Message::Restored(vec![row], None));
    assert_eq!(stage.shown(), [1, 2, 3, 4, 5].map(id));
    assert_eq!(stage.state.selected, Some(id(3)));
    stage.keys("u");
    assert!(stage.screen().contains("nothing was deleted here in the last 30 s"));
}

#[test]
fn marked_events_are_deleted_together_and_what_stays_says_why() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("gg   ");
    stage.effects.clear();
    stage.keys("dd");
    assert!(stage.effects.contains(&Effect::Delete([1, 2, 3].map(id).to_vec())), "{:?}", stage.effects);
    let reason = "the event 2 cannot be deleted: it is held".to_owned();
    stage.tell(Message::Deleted(Deletions { kept: vec![Kept { id: id(2), reason }], ..deleted(&[1, 3]) }));
    assert!(stage.screen().contains("not deleted: the event 2 cannot be deleted: it is held"));
    assert_eq!(stage.state.marked.iter().copied().collect::<Vec<_>>(), [id(2)]);
    stage.effects.clear();
    stage.keys("u");
    assert!(stage.effects.contains(&Effect::Restore(vec![id(1), id(3)])), "{:?}", stage.effects);
}

#[test]
fn after_its_time_nothing_is_taken_back() {
    let mut stage = Stage::with_events(120, 24);
    stage.tell(Message::Time(UnixMillis(AT)));
    stage.tell(Message::Deleted(deleted(&[1])));
    stage.tell(Message::Time(UnixMillis(AT + 30_000)));
    stage.effects.clear();
    stage.keys("u");
    assert!(stage.effects.is_empty() && stage.screen().contains("nothing was deleted here"));
}

#[test]
fn what_another_process_removes_leaves_the_list() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("/type:call<enter>gg ");
    stage.tell(Message::Live(Live::Gone(vec![id(1), id(2), id(77)])));
    assert!(!stage.shown().contains(&id(2)) && stage.state.marked.is_empty(), "{}", stage.screen());
    stage.keys("<esc>");
    assert_eq!(stage.shown(), [id(3), id(4), id(5)]);
    assert!(stage.screen().contains("3 events"), "{}", stage.screen());
    stage.tell(Message::Live(Live::Gone([3, 4, 5].map(id).to_vec())));
    assert!(stage.shown().is_empty() && stage.screen().contains("No event is left"), "{}", stage.screen());
}

/// A page that was read before its events were deleted does not bring them back.
#[test]
fn what_goes_while_it_is_being_read_stays_away() {
    let mut stage = Stage::beginning(120, 24);
    stage.tell(Message::Live(Live::Gone(vec![id(2)])));
    stage.tell(Message::Rows { rows: [3, 2, 1].map(row).to_vec(), whole: true });
    assert_eq!(stage.shown(), [id(1), id(3)]);
}

//! What comes while somebody reads, types or looks around; which part of the list is seen; leaving.

use super::*;
use crate::{
    annotation::{Annotation, TagChange},
    history::Deletions,
    row::EventState,
    tui::state::Pane,
};

fn comes(stage: &mut Stage, number: u8) {
    stage.tell(Message::Live(Live::Event(Box::new(row(number)))));
}

fn hundred() -> Stage {
    let mut stage = Stage::new(120, 30);
    (1..=100).for_each(|number| comes(&mut stage, number));
    stage
}

/// The line of the screen on which an event of the list is.
fn line_of(stage: &Stage, number: u8) -> Option<usize> {
    let at = UnixMillis(AT + 1000 * u64::from(number)).to_string();
    stage.screen().lines().position(|line| line.chars().take(20).collect::<String>().contains(&at[11..19]))
}

#[test]
fn another_event_does_not_take_the_place_of_the_one_that_is_read() {
    for keys in ["<enter>", "<tab>"] {
        let mut stage = Stage::with_events(80, 24);
        stage.keys(keys);
        comes(&mut stage, 6);
        assert_eq!(stage.state.selected, Some(id(5)));
        stage.keys("<esc>");
        assert_eq!(stage.state.selected, Some(id(5)), "nor in the list, right after");
        stage.keys("G");
        assert_eq!(stage.state.selected, Some(id(6)));
    }
}

#[test]
fn a_mark_stops_following() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("m");
    comes(&mut stage, 6);
    assert_eq!(stage.state.selected, Some(id(5)));
}

#[test]
fn following_from_an_event_goes_to_the_list() {
    let mut stage = Stage::with_events(80, 24);
    stage.keys("gg<enter>F");
    assert_eq!((stage.state.pane, stage.state.selected), (Pane::List, Some(id(5))));
}

#[test]
fn what_is_typed_is_about_the_event_that_was_selected_when_it_was_begun() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("Tslow");
    comes(&mut stage, 6);
    stage.keys("<enter>");
    let change = TagChange::parse(["slow"]).unwrap();
    assert!(stage.effects.contains(&Effect::Annotate(vec![id(5)], Annotation::Tags(change))));
    assert_eq!(stage.state.selected, Some(id(6)), "then it follows again");
    stage.keys("|cat");
    comes(&mut stage, 7);
    // Even when the event is gone by then.
    stage.tell(Message::Live(Live::Gone(vec![id(6)])));
    stage.keys("<enter>");
    assert!(stage.effects.contains(&Effect::Pipe(1, vec![id(6)], "cat".to_owned())), "{:?}", stage.effects);
    stage.tell(Message::Piped(1, crate::tui::piping::News::Done));
    stage.keys("<esc>G:save orders");
    comes(&mut stage, 8);
    stage.keys("<enter>");
    let saved = |effect: &Effect| {
        if let Effect::SaveScenario(saving) = effect { Some(saving.ids.clone()) } else { None }
    };
    assert_eq!(stage.effects.iter().find_map(saved), Some(vec![id(7)]));
}

#[test]
fn a_sequence_of_keys_is_about_one_event() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("d");
    comes(&mut stage, 6);
    stage.keys("d");
    assert!(stage.effects.contains(&Effect::Delete(vec![id(5)])), "{:?}", stage.effects);
    stage.effects.clear();
    stage.keys("d");
    stage.tell(Message::Live(Live::Gone(vec![id(6)])));
    stage.keys("d");
    assert!(!stage.effects.iter().any(|effect| matches!(effect, Effect::Delete(_))), "it is gone");
}

/// Its bytes are read again after each attempt; meanwhile it stays, so that the next key means the same event.
#[test]
fn a_replayed_event_stays_selected_under_a_filter_about_bodies() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("/body:x<enter>");
    for _ in 0..20 {
        let Some(at) = stage.effects.iter().rposition(|effect| matches!(effect, Effect::Judge(..))) else {
            break;
        };
        let Effect::Judge(number, _, events) = stage.effects.remove(at) else { unreachable!() };
        stage.tell(Message::Judged(number, events.into_iter().map(|(id, _)| (id, true)).collect()));
    }
    assert_eq!(stage.shown().len(), 5);
    stage.keys("3ggr");
    let changed = stage.state.row(id(3)).unwrap().clone();
    stage.tell(Message::Live(Live::Attempt(Box::new(changed), answered(3, 200))));
    assert_eq!(stage.shown().len(), 5);
    stage.effects.clear();
    stage.keys("r");
    assert!(stage.effects.contains(&Effect::Replay(id(3), Signing::AsReceived)), "{:?}", stage.effects);
}

#[test]
fn the_list_moves_only_when_the_selection_would_leave_it() {
    let mut stage = hundred();
    stage.keys("50gg");
    let line = line_of(&stage, 50).unwrap();
    stage.keys("jj");
    assert_eq!(line_of(&stage, 50), Some(line), "the selection moves, and not the list");
    assert_eq!(line_of(&stage, 52), Some(line + 2));
    // What is before it is read meanwhile.
    let older = (101..=110).map(|number| EventRow { id: id(number), ..row(number) }).collect();
    stage.tell(Message::Rows { rows: older, whole: true });
    comes(&mut stage, 111);
    assert_eq!(line_of(&stage, 52), Some(line + 2));
    stage.keys("99j99k");
    assert!(line_of(&stage, 1).is_some() || stage.state.position() == Some(0));
}

#[test]
fn a_second_click_opens_wherever_the_first_one_was() {
    use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
    for line in 4..25 {
        let mut stage = hundred();
        stage.keys("50gg");
        let click = MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: 5,
            row: line,
            modifiers: KeyModifiers::NONE,
        };
        stage.tell(Message::Mouse(click));
        let selected = stage.state.selected;
        if selected == Some(id(50)) {
            continue;
        }
        comes(&mut stage, 101);
        stage.tell(Message::Mouse(click));
        assert_eq!((stage.state.pane, stage.state.selected), (Pane::Detail, selected), "on line {line}");
    }
}

#[test]
fn what_comes_below_is_counted_until_it_is_seen() {
    let mut stage = hundred();
    stage.keys("gg");
    assert!(stage.screen().contains("follow off"), "{}", stage.screen());
    comes(&mut stage, 101);
    comes(&mut stage, 102);
    assert!(stage.screen().contains(" 2 new below, G shows them "), "{}", stage.screen());
    stage.keys("/id:evt_102<enter>");
    assert!(!stage.screen().contains("new below"), "it is on the screen: {}", stage.screen());
    stage.keys("<esc>gg");
    comes(&mut stage, 103);
    assert!(stage.screen().contains(" 1 new below"), "{}", stage.screen());
    stage.keys("G");
    assert!(!stage.screen().contains("new below"));
    stage.keys("ooG");
    comes(&mut stage, 104);
    assert!(stage.screen().contains(" 1 new above, g g shows them "), "{}", stage.screen());
}

#[test]
fn keys_take_the_number_before_them_and_digits_of_tabs_are_none() {
    let mut stage = Stage::with_events(120, 24);
    assert_eq!(stage.keys("gg2}").state.selected, Some(id(3)), "the second that failed");
    stage.keys("<enter>12j");
    assert_eq!(stage.state.tab, crate::tui::keys::Tab::Headers);
    assert_eq!(stage.state.count, None);
    assert!(stage.keys("7").screen().contains("7 does nothing here"), "{}", stage.screen());
    stage.keys("<esc>");
    assert_eq!(stage.keys("gg3j").state.selected, Some(id(4)));
}

#[test]
fn the_next_event_takes_the_place_of_the_one_that_is_open() {
    let mut stage = Stage::with_events(80, 24);
    stage.keys("3gg<enter> ");
    assert_eq!((stage.state.selected, stage.state.pane), (Some(id(4)), Pane::Detail));
    stage.keys("pp");
    assert_eq!(stage.state.selected, Some(id(2)));
    stage.keys("p");
    assert!(stage.keys("p").screen().contains("no other event is in the list"), "{}", stage.screen());
    assert_eq!(stage.state.selected, Some(id(1)));
    stage.keys("    ");
    comes(&mut stage, 6);
    assert_eq!(stage.state.selected, Some(id(5)), "the last one is not followed");
}

#[test]
fn a_filter_that_is_given_up_leaves_the_one_before() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("/status:5xx<enter>/ nothing has this<esc>");
    assert_eq!((stage.state.filter_text.as_str(), stage.shown()), ("status:5xx", vec![id(3)]));
    stage.keys("<esc>");
    assert_eq!(stage.shown().len(), 5, "in the list it is taken away");
    stage.keys("2gg/nothing has this<esc>");
    assert_eq!(stage.state.selected, Some(id(2)), "and what was selected is so again");
}

#[test]
fn the_url_is_copied_before_there_is_an_event() {
    let mut stage = Stage::new(80, 24);
    stage.keys("yu");
    let copied = |effect: &Effect| matches!(effect, Effect::Copy { id: None, text: Some(_), .. });
    assert!(stage.effects.iter().any(copied), "{:?}", stage.effects);
    stage.effects.clear();
    assert!(stage.keys("yy").screen().contains("there is no event to copy"), "{}", stage.screen());
    assert!(stage.effects.is_empty());
}

#[test]
fn quitting_asks_once_while_events_are_held_or_sent() {
    let quits = |stage: &Stage| stage.effects.contains(&Effect::Quit { keep: false });
    let mut stage = Stage::with_events(120, 24);
    let held = EventRow { state: EventState::Held, attempts: Vec::new(), ..row(6) };
    stage.tell(Message::Live(Live::Event(Box::new(held))));
    stage.keys("q");
    assert!(stage.screen().contains("1 event is held and stays so; q again quits"), "{}", stage.screen());
    stage.keys("kq");
    assert!(!quits(&stage), "something else was done meanwhile");
    stage.keys("q");
    assert!(quits(&stage));
    let mut stage = Stage::with_events(120, 24);
    stage.keys("rq");
    assert!(!quits(&stage) && stage.screen().contains("a replay is under way"), "{}", stage.screen());
    stage.tell(Message::Replayed(Ok(answered(2, 200))));
    stage.keys("jq");
    assert!(quits(&stage));
}

#[test]
fn after_the_last_event_is_deleted_nothing_says_that_none_came() {
    let mut stage = Stage::new(80, 24);
    comes(&mut stage, 1);
    stage.tell(Message::Deleted(Deletions { deleted: vec![id(1)], kept: Vec::new() }));
    let screen = stage.screen();
    assert!(!screen.contains("the first webhook") && screen.contains("No event is left"), "{screen}");
}

#[test]
fn an_event_that_is_read_stays_when_it_passes_the_filter_no_more() {
    let mut stage = Stage::with_events(80, 24);
    let failed = EventRow { attempts: vec![answered(1, 500)], ..row(6) };
    stage.tell(Message::Live(Live::Event(Box::new(failed))));
    stage.keys("/status:500<enter>gg");
    assert_eq!(stage.shown(), [id(3), id(6)]);
    stage.keys("<enter>r");
    let replayed = EventRow { attempts: vec![answered(1, 500), answered(2, 200)], ..row(3) };
    stage.tell(Message::Live(Live::Attempt(Box::new(replayed), answered(2, 200))));
    assert_eq!((stage.state.selected, stage.shown()), (Some(id(3)), vec![id(6)]));
    assert!(stage.screen().contains("#2 200 in"), "its answer is read: {}", stage.screen());
    stage.keys("m");
    assert_eq!(stage.state.marked, [id(3)].into());
    stage.keys(" ");
    assert_eq!(stage.state.selected, Some(id(6)));
    stage.keys("p");
    assert_eq!(stage.state.selected, Some(id(6)), "the list has no other");
}

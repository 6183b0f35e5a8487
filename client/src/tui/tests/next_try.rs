//! When an event is tried again, as time goes.

use inhaul_core::event::UnixMillis;

use super::{AT, Stage, answered, attempt, id, opened, row};
use crate::{
    live::{Live, NextTry},
    row::{Attempt, AttemptCause, EventRow, EventState, FailureKind, GivenUp, Outcome},
    tui::message::Message,
};

/// An event that was answered 500 and waits for its next try, at its attempts.
fn stage() -> Stage {
    let mut stage = Stage::new(120, 30);
    stage.tell(Message::Time(UnixMillis(AT)));
    stage.tell(Message::Live(Live::Event(Box::new(failed()))));
    stage.tell(Message::Live(Live::NextTry(id(1), NextTry::At(UnixMillis(AT + 12_000)))));
    stage.keys("<enter>4");
    stage.tell(Message::Loaded(id(1), Ok(opened(1, b"{}"))));
    stage
}

fn failed() -> EventRow {
    EventRow { state: EventState::Pending, attempts: vec![answered(1, 500)], ..row(1) }
}

fn at(stage: &mut Stage, millis: u64) -> String {
    stage.tell(Message::Time(UnixMillis(AT + millis)));
    stage.screen()
}

#[test]
fn the_time_of_the_next_try_is_told_and_goes_down() {
    let mut stage = stage();
    let screen = stage.screen();
    // Above the tab, in the tab and in the list.
    assert_eq!(screen.matches("next try in 12 s, at 07:41:22 UTC").count(), 2, "{screen}");
    assert!(screen.contains(" +12s"), "{screen}");
    let later = at(&mut stage, 10_500);
    assert_eq!(later.matches("next try in 2 s, at 07:41:22 UTC").count(), 2, "{later}");
    assert!(later.contains(" +2s"), "{later}");
    let due = at(&mut stage, 12_000);
    assert_eq!(due.matches("it is tried again now").count(), 2, "{due}");
}

#[test]
fn the_next_try_is_gone_with_its_attempt_and_not_with_a_replay() {
    let again = |cause, status| Attempt { cause, ..answered(2, status) };
    for (cause, status, stays) in [
        (AttemptCause::Retry, 500, false),
        (AttemptCause::Retry, 200, false),
        (AttemptCause::Replay, 500, true),
        (AttemptCause::Replay, 200, false),
    ] {
        let mut stage = stage();
        let made = again(cause, status);
        let row = EventRow { attempts: vec![answered(1, 500), made.clone()], ..failed() };
        stage.tell(Message::Live(Live::Attempt(Box::new(row), made)));
        assert_eq!(stage.screen().contains("next try in"), stays, "{cause:?} {status}: {}", stage.screen());
    }
}

#[test]
fn an_event_that_is_given_up_or_gone_waits_for_nothing() {
    let mut first = stage();
    let given_up = Some(GivenUp { at: UnixMillis(AT), reason: "enough".to_owned() });
    let row = EventRow { state: EventState::GivenUp, given_up, ..failed() };
    first.tell(Message::Live(Live::Changed(Box::new(row))));
    let screen = first.screen();
    assert!(!screen.contains("next try") && screen.contains("given up: enough"), "{screen}");
    let mut second = stage();
    // Something else of it changed.
    second.tell(Message::Live(Live::Changed(Box::new(EventRow { tags: vec!["a".to_owned()], ..failed() }))));
    assert!(second.screen().contains("next try in 12 s"), "{}", second.screen());
    second.tell(Message::Live(Live::Gone(vec![id(1)])));
    assert!(second.state.next_tries.is_empty());
}

#[test]
fn without_an_application_it_waits_for_one() {
    let mut stage = stage();
    let failed =
        Outcome::Failed { kind: FailureKind::Connect, message: "no connection".to_owned(), latency_ms: 1 };
    let made = Attempt { cause: AttemptCause::Retry, ..attempt(2, failed) };
    let row = EventRow { state: EventState::Pending, attempts: vec![made.clone()], ..row(1) };
    stage.tell(Message::Live(Live::Attempt(Box::new(row), made)));
    let next = NextTry::When("http://localhost:3000/\u{1b}[2J".to_owned());
    stage.tell(Message::Live(Live::NextTry(id(1), next)));
    let screen = stage.screen();
    assert!(screen.contains("next try when localhost:3000/\\x1b[2J takes"), "{screen}");
}

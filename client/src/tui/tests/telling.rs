//! What is told without being asked for: failures, counts, why nothing is shown, and which keys matter here.

use super::*;
use crate::{row::EventState, tui::state::ToastKind};

/// The application does not take an event.
fn fails(stage: &mut Stage, number: u8, cause: AttemptCause) {
    let attempt = Attempt { cause, ..answered(1, 503) };
    let row = EventRow { attempts: vec![attempt.clone()], ..row(number) };
    stage.tell(Message::Live(Live::Attempt(Box::new(row), attempt)));
}

#[test]
fn deliveries_that_fail_are_told_and_counted_until_somebody_looks() {
    let mut stage = Stage::with_events(120, 24);
    fails(&mut stage, 6, AttemptCause::Arrival);
    let told = "✗ call.created: 503 from http://localhost:3000";
    assert!(stage.screen().contains(told) && stage.screen().contains("  1 failed"), "{}", stage.screen());
    stage.tell(Message::Live(Live::Notice("something else".to_owned())));
    assert!(stage.screen().contains(told), "an error stays until a key is pressed: {}", stage.screen());
    fails(&mut stage, 7, AttemptCause::Retry);
    fails(&mut stage, 8, AttemptCause::Arrival);
    fails(&mut stage, 8, AttemptCause::Replay);
    assert!(stage.keys("j").screen().contains("  3 failed"), "{}", stage.screen());
    let in_log = stage.state.log.iter().filter(|(_, toast)| toast.kind == ToastKind::Bad).count();
    assert_eq!(in_log, 2, "the same again has no line of its own");
    assert!(!stage.keys("E").screen().contains("3 failed"), "{}", stage.screen());
    stage.keys("q");
    fails(&mut stage, 9, AttemptCause::Arrival);
    assert!(!stage.keys("gg}").screen().contains("1 failed"), "{}", stage.screen());
}

#[test]
fn a_failure_does_not_take_the_place_of_an_answer() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("r");
    fails(&mut stage, 6, AttemptCause::Arrival);
    stage.tell(Message::Replayed(Ok(answered(2, 200))));
    assert!(stage.screen().contains("✓ attempt 2: 200"), "{}", stage.screen());
}

#[test]
fn held_events_are_counted_in_the_first_line() {
    let mut stage = Stage::with_events(80, 24);
    let held = |number| EventRow { state: EventState::Held, attempts: Vec::new(), ..row(number) };
    for number in [6, 7] {
        stage.tell(Message::Live(Live::Event(Box::new(held(number)))));
    }
    assert!(stage.screen().lines().next().unwrap().contains("  2 held"), "{}", stage.screen());
    let reason = "a long reason that needs every column of the line that there is".to_owned();
    let retry_in = Duration::from_secs(1);
    stage.tell(Message::Live(Live::Connection(ConnectionState::Waiting { reason, retry_in })));
    assert!(stage.screen().lines().next().unwrap().contains("  2 held"), "{}", stage.screen());
    stage.tell(Message::Live(Live::Gone(vec![id(6)])));
    stage.tell(Message::Live(Live::Changed(Box::new(row(7)))));
    assert!(!stage.screen().lines().next().unwrap().contains("held"), "{}", stage.screen());
}

#[test]
fn an_empty_list_names_the_filter_and_the_key_that_clears_it() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("/is:held");
    let screen = stage.screen();
    assert!(screen.contains("No event passes the filter is:held"), "{screen}");
    assert!(screen.contains("5 events hidden; esc brings the filter back that was on before."), "{screen}");
    stage.keys("<enter>");
    assert!(stage.screen().contains("5 events hidden; esc clears the filter."), "{}", stage.screen());
    stage.keys("<esc>ggmM/is:held<enter>");
    let screen = stage.screen();
    assert!(screen.contains("No marked event passes") && screen.contains("esc shows those"), "{screen}");
}

#[test]
fn the_keys_that_are_named_are_those_of_the_place() {
    let mut stage = Stage::new(120, 24);
    let hints = |stage: &Stage| stage.screen().lines().last().unwrap().to_owned();
    assert_eq!(hints(&stage), " y u copy the URL  C relay  ? help  q quit");
    stage.tell(Message::Live(Live::Event(Box::new(row(1)))));
    assert!(stage.screen().contains(" 1 event · "), "{}", stage.screen());
    assert!(hints(&stage).contains("enter open") && hints(&stage).contains("q quit"), "{}", hints(&stage));
    stage.keys("<enter>");
    assert!(hints(&stage).contains("enter fold") && hints(&stage).contains("q back"), "{}", hints(&stage));
    stage.keys("<esc>");
    stage.tell(Message::Resize(48, 16));
    assert!(hints(&stage).ends_with("? help  q quit"), "{}", hints(&stage));
}

#[test]
fn the_title_says_which_event_it_is() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("gg");
    assert!(stage.screen().contains("┌ call.created  evt_1  07:41:11  1/5 ─"), "{}", stage.screen());
    assert!(!stage.screen().contains("││call.created"), "once is enough: {}", stage.screen());
    let long =
        EventRow { event_type: Some("customer.subscription.pending_update_applied".to_owned()), ..row(6) };
    stage.tell(Message::Live(Live::Event(Box::new(long))));
    let screen = stage.keys("G").screen();
    assert!(screen.contains("07:41:16  6/6 ─"), "place and time have room: {screen}");
    assert!(
        screen.contains("customer.subscription.pending_update_applied"),
        "and the type is below: {screen}"
    );
}

#[test]
fn an_old_signature_has_a_sign_of_its_own() {
    let mut stage = Stage::new(120, 24);
    let scheme = "callpaymin/hex".to_owned();
    let verdict = Verdict::Stale { scheme, age_seconds: 900, tolerance_seconds: 300 };
    let stale = EventRow { verdict: Some(verdict), ..row(1) };
    stage.tell(Message::Live(Live::Event(Box::new(stale))));
    assert!(stage.screen().contains("07:41:11  ~  200"), "{}", stage.screen());
    assert!(stage.screen().contains("│~ stale"), "{}", stage.screen());
}

#[test]
fn a_replay_elsewhere_says_nothing_of_the_application() {
    let mut stage = Stage::with_events(120, 24);
    let status = |stage: &Stage| stage.screen().lines().next().unwrap().to_owned();
    let elsewhere = Attempt {
        target: "http://localhost:4000/hook".to_owned(),
        cause: AttemptCause::Replay,
        ..answered(2, 500)
    };
    stage.tell(Message::Live(Live::Attempt(Box::new(row(1)), elsewhere)));
    assert!(status(&stage).contains("→ http://localhost:3000"), "{}", status(&stage));
    let failed = Attempt { target: "http://localhost:3000/hook".to_owned(), ..answered(2, 500) };
    stage.tell(Message::Live(Live::Attempt(Box::new(row(1)), failed)));
    assert!(status(&stage).contains("✗ http://localhost:3000"), "{}", status(&stage));
}

#[test]
fn the_newest_attempt_is_first_and_all_are_counted() {
    let mut stage = Stage::new(80, 24);
    let replays = (2..=60).map(|number| Attempt { cause: AttemptCause::Replay, ..answered(number, 503) });
    let attempts = replays.chain([Attempt { cause: AttemptCause::Replay, ..answered(1001, 418) }]).collect();
    stage.tell(Message::Live(Live::Event(Box::new(EventRow { attempts, ..row(1) }))));
    stage.tell(Message::Loaded(id(1), Ok(opened(1, b"{}"))));
    let screen = stage.keys("<enter>4").screen();
    let line = |text: &str| screen.lines().position(|line| line.contains(text));
    assert!(screen.contains("Tries 1001") || screen.contains("Attempts 1001"), "{screen}");
    let (newest, answer, earlier) = (line("1001  "), line("queued"), line(" 60  replay"));
    assert!(newest.is_some() && newest < answer && answer < earlier, "{screen}");
}

//! What keys do with held and marked events, and the replay dialog.

use bytes::Bytes;

use super::{Stage, answered, id, row};
use crate::{
    draft::{Changes, Draft, IdChange, Sign},
    history::Ruling,
    hold::{HoldChange, HoldState},
    live::Live,
    replay::{Pace, Plan, Preview, Sent},
    row::{EventRow, EventState},
    tui::message::{Effect, Message},
};

fn held(number: u8) -> EventRow {
    EventRow { state: EventState::Held, attempts: Vec::new(), ..row(number) }
}

/// Five events, of which the second and the fourth are held.
fn five() -> Stage {
    let mut stage = Stage::new(120, 36);
    for number in 1..=5 {
        let row = if number % 2 == 0 { held(number) } else { row(number) };
        stage.tell(Message::Live(Live::Event(Box::new(row))));
    }
    stage.effects.clear();
    stage
}

/// What is to be done since the last time, but for the reading of events.
fn done(stage: &mut Stage) -> Vec<Effect> {
    let effects = std::mem::take(&mut stage.effects);
    let asked = stage.state.dialog.as_ref().and_then(|dialog| dialog.asked);
    let counts = |effect: &Effect| {
        // Where it would go is asked when the dialog opens.
        let is_asked = matches!(effect, Effect::Preview(number, _) if Some(*number) == asked);
        !is_asked && !matches!(effect, Effect::Load(_) | Effect::LoadRows(_))
    };
    effects.into_iter().filter(counts).collect()
}

fn preview(external: &[&str]) -> Result<Preview, String> {
    Ok(Preview {
        requests: 1,
        targets: vec!["http://localhost:3000".to_owned()],
        external: external.iter().map(|&target| target.to_owned()).collect(),
        changes: Vec::new(),
        signature_is_old: false,
        head: String::new(),
        body_bytes: 0,
        body_text: None,
    })
}

#[test]
fn that_events_are_held_is_seen_all_the_time() {
    let mut stage = five();
    assert!(!stage.screen().contains("holding"));
    stage.tell(Message::Live(Live::Hold(HoldState { is_on: true, filter: "type:call.*".to_owned() })));
    assert!(stage.keys("j").screen().contains("  holding type:call.*  http://"), "{}", stage.screen());
    stage.tell(Message::Resize(80, 24));
    assert!(stage.screen().contains("  holding  http://"), "{}", stage.screen());
    stage.tell(Message::Live(Live::Hold(HoldState { is_on: false, filter: "type:call.*".to_owned() })));
    assert!(!stage.keys("j").screen().contains("holding"));
}

#[test]
fn held_events_are_seen_released_and_dropped() {
    let mut stage = five();
    assert_eq!(stage.screen().matches("HLD").count(), 2, "{}", stage.screen());
    stage.state.person = "ada".to_owned();
    stage.keys("2gga");
    let release = Ruling::Forward(Draft::default());
    assert_eq!(done(&mut stage), [Effect::Decide(vec![id(2)], release.clone())]);
    stage.tell(Message::Live(Live::Changed(Box::new(EventRow { state: EventState::Pending, ..held(2) }))));
    stage.tell(Message::Decided("released", Ok(1)));
    assert!(stage.screen().contains("released: 1 event"), "{}", stage.screen());
    assert_eq!(stage.screen().matches("HLD").count(), 1);
    stage.keys("a");
    assert!(done(&mut stage).is_empty() && stage.screen().contains("it is not held"));
    // Of those marked, the held ones.
    stage.keys("gg     X");
    let drop = Ruling::Drop { by: "ada".to_owned(), why: None };
    assert_eq!(done(&mut stage), [Effect::Decide(vec![id(4)], drop)]);
    stage.keys("A");
    assert_eq!(done(&mut stage), [Effect::ReleaseAll(Vec::new())]);
}

#[test]
fn held_events_are_released_in_the_order_they_are_given() {
    let mut stage = Stage::new(120, 36);
    for number in 1..=4 {
        stage.tell(Message::Live(Live::Event(Box::new(held(number)))));
    }
    stage.keys("4gg<C-up>");
    assert!(stage.screen().contains("3 of 4 when A releases them"), "{}", stage.screen());
    for place in ["held 1", "held 2", "held 3", "held 4"] {
        assert!(stage.screen().contains(place), "{}", stage.screen());
    }
    stage.keys("gg2<C-down><C-up>");
    done(&mut stage);
    stage.keys("A");
    assert_eq!(done(&mut stage), [Effect::ReleaseAll([2, 1, 4, 3].map(id).to_vec())]);
    // Those marked go in that order too, and what is no longer held has no place.
    stage.tell(Message::Live(Live::Changed(Box::new(EventRow { state: EventState::Pending, ..held(1) }))));
    stage.keys("gg    a");
    let release = Ruling::Forward(Draft::default());
    assert_eq!(done(&mut stage), [Effect::Decide([2, 4, 3].map(id).to_vec(), release)]);
    stage.keys("gg<C-up>");
    assert!(stage.screen().contains("it is not held"), "{}", stage.screen());
}

#[test]
fn what_is_held_is_asked_for_and_a_mistake_is_typed_on() {
    let mut stage = five();
    stage.keys("itype:charge.* (<enter>");
    assert!(stage.screen().contains("no filter: expected a word"), "{}", stage.screen());
    assert!(done(&mut stage).is_empty() && stage.screen().contains("hold events that pass: type:charge.* ("));
    stage.keys("<C-u>type:charge.*<enter>");
    assert_eq!(done(&mut stage), [Effect::Hold(HoldChange::Filter("type:charge.*".to_owned()))]);
    let hold = HoldState { is_on: true, filter: "type:charge.*".to_owned() };
    stage.tell(Message::Hold(Ok(hold)));
    assert!(stage.screen().contains("events are held that pass type:charge.*"));
    stage.keys("I");
    assert_eq!(done(&mut stage), [Effect::Hold(HoldChange::Turn(false))]);
    stage.tell(Message::Live(Live::Hold(HoldState { is_on: false, filter: "type:charge.*".to_owned() })));
    stage.keys("I");
    assert_eq!(done(&mut stage), [Effect::Hold(HoldChange::Turn(true))]);
    stage.keys("i<esc>");
    assert!(done(&mut stage).is_empty());
}

#[test]
fn the_dialog_makes_a_plan_and_shows_what_came_of_it() {
    let mut stage = five();
    stage.keys("gg  jR3001<tab><tab>n=2<enter>a.b=\"x; y\"<tab>X-A: 1; b<enter>-X-B<tab>q=1<enter>-r<tab> <tab> <tab> <tab>");
    stage.keys("<C-u>2<tab>200ms<tab><C-u>20%<tab><C-u>4<tab> <f5>");
    let pair = |name: &str| (name.to_owned(), "1".to_owned());
    let plan = Plan {
        ids: vec![id(1), id(2)],
        to: Some("3001".parse().unwrap()),
        draft: Draft {
            body: None,
            changes: Changes {
                set_values: vec!["n=2".to_owned(), "a.b=\"x; y\"".to_owned()],
                remove_query: vec!["r".to_owned()],
                set_query: vec![pair("q")],
                remove_headers: vec!["X-B".to_owned()],
                set_headers: vec![("X-A".to_owned(), "1; b".to_owned())],
                id: IdChange::New,
                sign: Sign::Fresh,
                mark: true,
            },
        },
        pace: Pace { times: 2, delay_ms: 200, jitter_percent: 20, concurrency: 4, shuffle: true },
    };
    assert_eq!(done(&mut stage), [Effect::Preview(2, Box::new(plan.clone()))]);
    stage.tell(Message::Previewed(2, preview(&[])));
    assert_eq!(done(&mut stage), [Effect::CarryOut(2, Box::new(plan))]);
    for status in [200, 200, 503] {
        stage.tell(Message::Sent(2, Some(Sent { id: id(1), result: Ok(answered(2, status)) })));
    }
    assert!(stage.screen().contains("sending 3 of 4"), "{}", stage.screen());
    stage.keys("<f5>");
    assert!(done(&mut stage).is_empty(), "one at a time");
    stage.keys("<esc>");
    assert_eq!(done(&mut stage), [Effect::Stop(2)]);
    stage.tell(Message::Sent(2, None));
    assert!(stage.screen().contains("stopped after 3 of 4 requests, 2 answered 2xx"), "{}", stage.screen());
    stage.tell(Message::Sent(7, Some(Sent { id: id(1), result: Err("of another".to_owned()) })));
    insta::assert_snapshot!("dialog_stopped_120x36", stage.screen());
    stage.keys("<esc>");
    assert!(stage.state.dialog.is_none() && stage.state.marked.len() == 2);
    assert_eq!(stage.state.events.list().len(), 5, "the stored events are as they were");
}

#[test]
fn a_target_elsewhere_needs_a_second_word_and_a_mistake_is_told() {
    let mut stage = five();
    stage.keys("Rhttps://staging.example<f5>");
    assert!(matches!(done(&mut stage)[..], [Effect::Preview(2, _)]));
    stage.tell(Message::Previewed(2, preview(&["https://staging.example"])));
    assert!(
        done(&mut stage).is_empty() && stage.screen().contains("f5 again sends it there"),
        "{}",
        stage.screen()
    );
    stage.keys("<f5>");
    stage.tell(Message::Previewed(3, preview(&["https://staging.example"])));
    assert!(matches!(done(&mut stage)[..], [Effect::Preview(3, _), Effect::CarryOut(3, _)]));
    stage.tell(Message::Sent(3, None));
    stage.keys("<esc>Rno target<f5>");
    assert!(done(&mut stage).is_empty() && stage.screen().contains("is no target"), "{}", stage.screen());
    stage.keys("<esc><esc>R<f5>");
    stage.tell(Message::Previewed(6, Err("no secret of Stripe is configured".to_owned())));
    assert!(stage.screen().contains("not sent: no secret of Stripe"), "{}", stage.screen());
    stage.keys("<esc>R<tab><tab><tab><tab><tab><tab><tab><tab>10001");
    assert!(stage.screen().contains("10000 are the most"), "{}", stage.screen());
}

#[test]
fn an_edited_body_opens_the_dialog_and_a_held_event_is_released_like_that() {
    let mut stage = five();
    stage.keys("4gge");
    assert_eq!(done(&mut stage), [Effect::Edit(id(4), None)]);
    stage.tell(Message::Edited(id(4), Err("there is no editor \"x\"".to_owned())));
    assert!(stage.state.dialog.is_none() && stage.screen().contains("there is no editor"));
    let body = Bytes::from_static(b"edited");
    stage.tell(Message::Edited(id(4), Ok(Some(body.clone()))));
    assert!(
        stage.screen().contains("edited, 6 B") && stage.screen().contains("f6 releases it"),
        "{}",
        stage.screen()
    );
    stage.keys("<tab>e");
    assert_eq!(done(&mut stage), [Effect::Edit(id(4), Some(body.clone()))]);
    stage.tell(Message::Edited(id(4), Ok(None)));
    stage.keys("<f6>");
    let changes = Changes { sign: Sign::Fresh, ..Changes::default() };
    let draft = Draft { body: Some(body), changes };
    assert_eq!(done(&mut stage), [Effect::Decide(vec![id(4)], Ruling::Forward(draft))]);
    assert!(stage.state.dialog.is_none());
    stage.keys("ggR<f6>");
    assert!(done(&mut stage).is_empty() && stage.screen().contains("it is not held"));
}

#[test]
fn the_dialog_fits_where_the_inspector_does() {
    for (width, height) in [(120, 36), (80, 24), (48, 16), (40, 10)] {
        let mut stage = Stage::with_events(width, height);
        stage.keys("ggR<tab>");
        stage.tell(Message::Paste("not into the body".to_owned()));
        stage.keys("<tab>");
        stage.tell(Message::Paste("a=1\u{1b}".to_owned()));
        assert!(stage.screen().contains("▸ Set") && stage.screen().contains("a=1"), "{}", stage.screen());
        insta::assert_snapshot!(format!("dialog_{width}x{height}"), stage.screen());
    }
}

#[test]
fn the_dialog_says_where_it_sends() {
    let mut stage = five();
    stage.keys("ggR");
    assert!(stage.screen().contains("where it belongs"), "{}", stage.screen());
    stage.tell(Message::Previewed(1, preview(&[])));
    let screen = stage.screen();
    assert!(screen.contains("http://localhost:3000; or a port"), "{screen}");
    assert!(screen.contains("f5 sends 1 request to http://localhost:3000 "), "{screen}");
    let screen = stage.keys("3001").screen();
    assert!(screen.contains("f5 sends 1 request to http://localhost:3001 "), "{screen}");
}

#[test]
fn what_was_edited_is_dropped_only_after_a_second_word() {
    let mut stage = five();
    stage.tell(Message::Edited(id(1), Ok(Some(Bytes::from_static(b"edited")))));
    assert!(stage.keys("<esc>").screen().contains("esc again drops it"), "{}", stage.screen());
    stage.keys("<tab><esc>");
    assert!(stage.state.dialog.is_some(), "another key takes it back");
    stage.keys("<esc>");
    assert!(stage.state.dialog.is_none());
    stage.keys("ggR<esc>");
    assert!(stage.state.dialog.is_none(), "nothing is lost");
}

#[test]
fn every_held_event_of_the_dialog_is_released_as_it_says() {
    let mut stage = five();
    stage.keys("ggm4ggm2ggmR<tab><tab><tab>X-Env: staging");
    assert!(stage.screen().contains("f6 releases 2 held events like this"), "{}", stage.screen());
    done(&mut stage);
    stage.keys("<f6>");
    let changes =
        Changes { set_headers: vec![("X-Env".to_owned(), "staging".to_owned())], ..Changes::default() };
    let draft = Draft { body: None, changes };
    assert_eq!(done(&mut stage), [Effect::Decide(vec![id(2), id(4)], Ruling::Forward(draft))]);
    assert!(stage.state.dialog.is_none());
    assert_eq!(stage.state.marked, [id(1)].into(), "what was decided has no mark");
}

#[test]
fn the_dialog_takes_what_is_typed_after_a_run_where_it_is_seen() {
    let mut stage = five();
    stage.keys("ggR<f5>");
    stage.tell(Message::Previewed(2, preview(&[])));
    stage.keys("<tab>7");
    let screen = stage.screen();
    assert!(
        !screen.contains("▸ Body") && !screen.contains("▸ Target"),
        "while it is sent nothing changes: {screen}"
    );
    stage.tell(Message::Sent(2, Some(Sent { id: id(1), result: Ok(answered(2, 200)) })));
    stage.tell(Message::Sent(2, None));
    assert!(stage.screen().contains("f5 sends it again"), "{}", stage.screen());
    stage.keys("<tab><tab>a=1");
    let screen = stage.screen();
    assert!(screen.contains("▸ Set           a=1") && screen.contains("f5 sends 1 request"), "{screen}");
}

#[test]
fn what_waits_for_its_last_answers_can_be_left() {
    let mut stage = five();
    stage.keys("ggR<f5>");
    stage.tell(Message::Previewed(2, preview(&[])));
    done(&mut stage);
    stage.keys("<esc>");
    assert_eq!(done(&mut stage), [Effect::Stop(2)]);
    assert!(stage.screen().contains("stopping after 0 of 1"), "{}", stage.screen());
    stage.keys("<esc>");
    assert!(stage.state.dialog.is_none() && done(&mut stage).is_empty());
}

#[test]
fn what_becomes_of_an_event_does_not_decide_whether_it_is_held() {
    let mut stage = five();
    stage.keys("i<C-u>status:500<enter>");
    assert!(done(&mut stage).is_empty() && stage.screen().contains("status:500 is not known then"));
    assert!(stage.state.prompt.is_some(), "it is typed on");
}

#[test]
fn what_is_typed_into_the_dialog_is_what_is_meant_and_is_not_lost() {
    let mut stage = five();
    stage.keys("ggR<tab><tab><tab>X-A: 1<tab><tab><tab><tab><tab>5");
    assert!(stage.screen().contains("f5 sends 5 requests"), "{}", stage.screen());
    stage.keys("<enter>200ms<enter>");
    assert!(stage.screen().contains("▸ Jitter"), "{}", stage.screen());
    assert!(stage.keys("<esc>").screen().contains("what you changed was not sent; esc again drops it"));
    assert!(stage.state.dialog.is_some());
    stage.keys("<f5>");
    let Some(Effect::Preview(_, plan)) = done(&mut stage).pop() else {
        panic!("it is asked what it would send")
    };
    assert_eq!((plan.pace.times, plan.pace.delay_ms, plan.pace.concurrency), (5, 200, 1));
    assert_eq!(plan.draft.changes.set_headers, [("X-A".to_owned(), "1".to_owned())]);
}

#[test]
fn a_signature_that_stays_while_the_content_changes_is_said() {
    let mut stage = five();
    let said = "its signature is that of what was received";
    stage.keys("ggR<tab><tab>");
    assert!(!stage.screen().contains(said), "{}", stage.screen());
    stage.keys("a=1");
    assert!(stage.screen().contains(said), "{}", stage.screen());
    stage.keys("<tab><tab><tab> ");
    assert!(!stage.screen().contains(said), "{}", stage.screen());
}

#[test]
fn a_held_event_names_the_keys_that_decide() {
    let mut stage = five();
    let screen = stage.keys("4gg").screen();
    assert!(screen.contains("held: a forwards it, X drops it"), "{screen}");
    assert!(!screen.contains("inhaul release"), "{screen}");
}

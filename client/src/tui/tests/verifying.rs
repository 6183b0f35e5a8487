//! Signatures checked anew, and a wrong one beside what would be right.

use inhaul_core::signature::{Digests, Expected, Verdict};

use super::{Stage, id, opened, row};
use crate::{
    live::Live,
    row::EventRow,
    tui::{
        message::{Effect, Message},
        verifying::Verified,
    },
};

const RECEIVED: &str = "5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd";
const EXPECTED: &str = "5257a8cc9b1f1d3a0b4c7e6f2a918d70f1b2c3d4e5f60718293a4b5c6d7e8f90";

fn invalid() -> EventRow {
    let verdict = Verdict::Invalid {
        scheme: "callpaymin/hex".to_owned(),
        code: "mismatch".to_owned(),
        reason: "the signature belongs to another body or was made with another secret".to_owned(),
    };
    EventRow { verdict: Some(verdict), ..row(1) }
}

fn digests() -> Digests {
    let expected = Expected { secret: "CALLPAYMIN_SECRET".to_owned(), digest: EXPECTED.to_owned() };
    Digests {
        scheme: "callpaymin/hex".to_owned(),
        received: vec!["none".to_owned(), RECEIVED.to_owned()],
        expected: vec![expected],
    }
}

/// An event whose signature is wrong, at what the check found.
fn stage(width: u16, height: u16) -> Stage {
    let mut stage = Stage::new(width, height);
    stage.tell(Message::Live(Live::Event(Box::new(invalid()))));
    stage.keys("<enter>3");
    stage.tell(Message::Loaded(id(1), Ok(opened(1, b"{}"))));
    assert!(stage.effects.contains(&Effect::LoadDigests(id(1))), "{:?}", stage.effects);
    stage.tell(Message::Digests(id(1), Some(digests())));
    stage
}

#[test]
fn what_came_stands_above_what_would_be_right_which_is_hidden_until_it_is_asked_for() {
    let mut stage = stage(80, 36);
    let hidden = stage.screen();
    assert!(hidden.contains(RECEIVED) && hidden.contains("expected     (hidden; S shows it)"), "{hidden}");
    assert!(!hidden.contains(&EXPECTED[6..]), "{hidden}");
    insta::assert_snapshot!(stage.keys("S").screen());
    assert!(!stage.keys("S").screen().contains(EXPECTED));
}

#[test]
fn a_secret_that_was_mended_meanwhile_is_told_by_digests_that_are_the_same() {
    let mut stage = stage(80, 36);
    assert!(!stage.screen().contains("they are the same now"));
    let mut same = digests();
    same.expected[0].digest = RECEIVED.to_owned();
    stage.tell(Message::Digests(id(1), Some(same)));
    assert!(stage.screen().contains("they are the same now; `g v` verifies it again"), "{}", stage.screen());
}

#[test]
fn where_there_is_little_room_each_line_stands_above_its_other() {
    let mut stage = stage(48, 40);
    let screen = stage.keys("S").screen();
    let at = |text: &str| screen.lines().position(|line| line.contains(text));
    let room = 48 - 2 - 13;
    assert_eq!(at(&RECEIVED[..room]).map(|at| at + 1), at(&EXPECTED[..room]), "{screen}");
    assert_eq!(at(&RECEIVED[room..]).map(|at| at + 1), at(&EXPECTED[room..]), "{screen}");
    let mark = screen.lines().nth(at(&EXPECTED[..room]).unwrap() + 1).unwrap();
    assert_eq!(mark.chars().position(|letter| letter == '^'), Some(1 + 13 + 6), "{screen}");
}

#[test]
fn a_signature_is_verified_again_and_the_list_says_what_came_of_it() {
    let mut stage = stage(120, 36);
    stage.effects.clear();
    stage.keys("gv");
    assert_eq!(stage.effects, [Effect::Verify(vec![id(1)])]);
    let valid = row(1);
    let verdict = valid.verdict.clone().unwrap();
    stage.tell(Message::Live(Live::Changed(Box::new(valid))));
    let verified: Verified = (vec![verdict], None);
    stage.tell(Message::Verified(verified));
    let screen = stage.screen();
    assert!(screen.contains("verified again: valid: signed by callpaymin/hex"), "{screen}");
    assert!(!screen.contains("Received and expected"), "{screen}");
    stage.keys("<esc>/sig:valid<enter>");
    assert_eq!(stage.shown(), [id(1)]);
}

#[test]
fn of_marked_events_all_are_verified_and_what_keeps_one_from_it_is_told() {
    let mut stage = Stage::with_events(120, 36);
    stage.keys("ggmjm");
    stage.effects.clear();
    stage.keys("gv");
    assert_eq!(stage.effects, [Effect::Verify(vec![id(1), id(2)])]);
    let [valid, invalid] = [row(1), invalid()].map(|row| row.verdict.unwrap());
    stage.tell(Message::Verified((vec![valid, invalid], None)));
    assert!(stage.screen().contains("2 events verified again: 1 valid"), "{}", stage.screen());
    stage.tell(Message::Verified((Vec::new(), Some("no secret of stripe is configured".to_owned()))));
    assert!(stage.screen().contains("not verified: no secret of stripe is configured"), "{}", stage.screen());
}

#[test]
fn after_another_look_at_a_wrong_signature_what_would_be_right_is_asked_for_anew() {
    let mut stage = stage(120, 36);
    stage.effects.clear();
    stage.tell(Message::Live(Live::Changed(Box::new(invalid()))));
    assert_eq!(stage.effects, [Effect::LoadDigests(id(1))]);
    stage.effects.clear();
    stage.tell(Message::Live(Live::Changed(Box::new(row(2)))));
    assert!(!stage.effects.iter().any(|effect| matches!(effect, Effect::LoadDigests(_))));
}

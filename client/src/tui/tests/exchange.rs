//! Copying, saving and comparing.

use proptest::prelude::*;

use super::{Stage, answered, event, id, mask, row};
use crate::{
    diff::Ignore,
    row::EventRow,
    tui::{
        clipboard::{HandedOn, Way},
        exchange::{Comparison, Copied},
        keys::Copy,
        message::{Effect, Message},
    },
};

/// Two events as they are compared, the bodies given.
fn comparison(left: &'static [u8], right: &'static [u8]) -> Box<Comparison> {
    let (left, right) = (
        (event(1, left), row(1)),
        (event(2, right), EventRow { attempts: vec![answered(1, 500)], ..row(2) }),
    );
    Box::new(Comparison::new(left, right, &mask(), &Ignore::default()).unwrap())
}

#[test]
fn copying_shows_what_can_follow_and_says_where_it_went() {
    let mut stage = Stage::with_events(120, 16);
    stage.effects.clear();
    stage.keys("ggy");
    assert!(
        stage.screen().contains("y body  c curl  h httpie  f fetch  r raw  s signed"),
        "{}",
        stage.screen()
    );
    stage.keys("c");
    let copy = Effect::Copy { id: Some(id(1)), what: Copy::Curl, masks: true, text: None };
    assert!(stage.effects.contains(&copy), "{:?}", stage.effects);
    let copied = |masked, bytes, way| Message::Copied(Ok(Copied { what: Copy::Curl, bytes, masked, way }));
    for (way, told) in [
        (Way::Native("xclip"), "curl command, 4 B: copied to the clipboard (by xclip)"),
        (Way::Tmux(HandedOn::Yes), "copied to tmux's buffer, and handed to its terminal's clipboard"),
        (Way::Tmux(HandedOn::IsOff), "copied to tmux's buffer only: its set-clipboard is off"),
        (Way::File("/data/copies/1.sh".into()), "curl command, 4 B: written to /data/copies/1.sh"),
    ] {
        stage.tell(copied(false, 4, way));
        assert!(stage.screen().contains(told), "{}", stage.screen());
    }
    stage.tell(copied(true, 4, Way::Terminal(b"curl".to_vec())));
    assert_eq!(stage.effects.pop(), Some(Effect::Clipboard(b"curl".to_vec())));
    let screen = stage.screen();
    assert!(
        screen.contains(
            "✓ curl command, 4 B: given to the terminal's clipboard (OSC 52); secrets are masked, S shows"
        ),
        "{screen}"
    );
    stage.tell(copied(false, 56_001, Way::File("/data/copies/1.sh".into())));
    assert!(stage.screen().contains("too long for the clipboard, written to /data/copies/1.sh"));
    stage.tell(Message::Copied(Err("nobody is known to have signed it".to_owned())));
    assert!(stage.screen().contains("✗ not copied: nobody is known to have signed it"));
    stage.keys("b");
    assert_eq!(stage.effects.pop(), Some(Effect::SaveBody(id(1))));
    stage.tell(Message::Saved(Ok(("/data/copies/1.json".into(), 2048))));
    assert!(stage.screen().contains("✓ body, 2.0 KiB: saved to /data/copies/1.json"), "{}", stage.screen());
}

#[test]
fn an_event_is_compared_with_the_one_before_it_of_its_kind() {
    let mut stage = Stage::with_events(120, 16);
    stage.keys("ggj");
    stage.effects.clear();
    stage.keys("=");
    assert_eq!(stage.effects, [Effect::Compare(id(1), id(2))]);
    stage.effects.clear();
    stage.keys("gg=");
    assert!(!stage.effects.iter().any(|effect| matches!(effect, Effect::Compare(..))));
    assert!(stage.screen().contains("no event of the same endpoint and type is before it"));
    stage.tell(Message::Compared(Err("event is gone".to_owned())));
    assert!(stage.screen().contains("✗ not compared: event is gone"));
}

#[test]
fn differences_are_shown_in_two_columns_or_one_and_found_one_by_one() {
    let left = br#"{"id":"evt_1","list":[1,2,3,4,5,6,7,8,9],"amount":1.10,"a\u001b[2J":0}"#;
    let right = br#"{"amount":1.1,"list":[1,2,3,4,5,6,7,8,9],"id":"evt_2","a\u001b[2J":0,"new":"\u202e"}"#;
    let mut stage = Stage::with_events(120, 30);
    stage.tell(Message::Compared(Ok(comparison(left, right))));
    insta::assert_snapshot!(stage.screen());
    insta::assert_snapshot!(stage.keys("s").screen());
    let mut stage = Stage::with_events(60, 12);
    stage.tell(Message::Compared(Ok(comparison(left, right))));
    let mut places = Vec::new();
    for _ in 0..4 {
        places.push(stage.keys("n").state.view_scroll);
    }
    assert!(places.is_sorted() && places[0] > 0 && places[3] > places[0], "{places:?}");
    stage.keys("N");
    assert_eq!(stage.state.view_scroll, places[2]);
    stage.keys("q");
    assert!(stage.screen().contains("Events"), "{}", stage.screen());
    stage.tell(Message::Compared(Ok(comparison(left, left))));
    assert!(stage.keys("G").screen().contains("answer: 1 difference"), "{}", stage.screen());
}

proptest! {
    #[test]
    fn a_comparison_fits_every_screen(width in 0..140u16, height in 0..40u16, keys in "[nNsjkG/q]{0,8}") {
        let mut stage = Stage::with_events(width, height);
        stage.tell(Message::Compared(Ok(comparison(b"{\"a\":1}", b"\xff\x00"))));
        stage.keys(&keys).buffer();
        stage.tell(Message::Resize(height, width));
        stage.buffer();
    }
}

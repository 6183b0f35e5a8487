//! What keys, the mouse and pasted text do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;

use super::{Stage, id, opened, row};
use crate::{
    live::Live,
    tui::{
        keys::Tab,
        message::{Effect, Message},
        state::Pane,
    },
};

fn hundred() -> Stage {
    let mut stage = Stage::new(120, 30);
    for number in 1..=100 {
        stage.tell(Message::Live(Live::Event(Box::new(row(number)))));
    }
    stage
}

fn mouse(kind: MouseEventKind, column: u16, line: u16) -> Message {
    Message::Mouse(MouseEvent { kind, column, row: line, modifiers: KeyModifiers::NONE })
}

#[test]
fn numbers_before_keys_repeat_them_and_name_places() {
    let mut stage = hundred();
    assert_eq!(stage.keys("gg5j").state.selected, Some(id(6)));
    assert_eq!(stage.keys("2k").state.selected, Some(id(4)));
    assert_eq!(stage.keys("50G").state.selected, Some(id(50)));
    assert!(!stage.state.follows, "it was asked for a place, not for the newest");
    assert_eq!(stage.keys("999j").state.selected, Some(id(100)));
    assert_eq!(stage.keys("10gg").state.selected, Some(id(10)));
    assert!(stage.keys("3").screen().contains(" 3 "), "what is typed so far is seen");
    assert!(stage.keys("z").screen().contains("z does nothing here"), "{}", stage.screen());
    assert_eq!(stage.keys("j").state.selected, Some(id(11)), "a key that does nothing ends the number");
}

#[test]
fn keys_mean_what_the_place_says() {
    let mut stage = hundred();
    stage.keys("gg<enter>");
    stage.tell(Message::Loaded(id(1), Ok(opened(1, br#"{"a":{"b":[1,2]},"c":3}"#))));
    assert_eq!(stage.keys("2").state.tab, Tab::Headers);
    assert_eq!(stage.keys("]]").state.tab, Tab::Attempts);
    assert_eq!(stage.keys("1").state.tab, Tab::Body);
    assert!(stage.keys("j<enter>").screen().contains("▸ a"), "{}", stage.screen());
    assert!(stage.keys("l").screen().contains("▾ a"));
    stage.keys("zM");
    assert!(!stage.screen().contains("b  []"), "{}", stage.screen());
    stage.keys("zRG");
    assert!(stage.screen().contains(" .c "), "where one is, is told: {}", stage.screen());
    stage.keys("ggh");
    assert_eq!(stage.state.pane, Pane::Detail, "the outermost is folded first");
    stage.keys("h");
    assert_eq!(stage.state.pane, Pane::List);
    assert_eq!(stage.keys("2j").state.selected, Some(id(3)), "in the list a digit is a number");
}

#[test]
fn text_is_looked_for_in_trees_tabs_and_pages() {
    let mut stage = hundred();
    stage.keys("gg<enter>");
    stage.tell(Message::Loaded(id(1), Ok(opened(1, br#"{"a":{"b":{"c":{"d":{"needle":1}}}},"z":2}"#))));
    assert!(stage.keys("/needle<enter>").screen().contains(" .a.b.c.d.needle "), "{}", stage.screen());
    assert!(stage.keys("/nowhere<enter>").screen().contains("\"nowhere\" is not in it"));
    stage.keys("2/x-evil<enter>");
    let buffer = stage.buffer();
    let underlined =
        buffer.content.iter().filter(|cell| cell.modifier.contains(ratatui::style::Modifier::UNDERLINED));
    let text: String = underlined.map(ratatui::buffer::Cell::symbol).collect();
    assert!(text.contains("X-Evil"), "{text:?}");
    stage.keys("q?/quit<enter>");
    assert!(stage.state.view_scroll > 0);
}

#[test]
fn everything_can_be_done_by_its_name() {
    let mut stage = hundred();
    stage.keys(":relay<enter>");
    assert!(stage.screen().contains("round trip"), "{}", stage.screen());
    stage.keys("q:half d<enter>");
    assert!(stage.state.view.is_none());
    stage.keys(":no such thing");
    assert!(stage.screen().contains("nothing has this name"));
    stage.keys("<enter>");
    assert!(stage.state.view.is_some() && stage.state.prompt.is_some(), "it is typed on");
    stage.keys("<esc>");
    assert!(stage.state.view.is_none() && stage.state.prompt.is_none());
}

#[test]
fn the_kind_of_an_event_narrows_the_filter() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("gg*");
    assert_eq!(stage.state.filter_text, "type=call.created");
    assert_eq!(stage.state.events.shown(), 3);
    stage.keys("<esc>gg!");
    assert_eq!((stage.state.filter_text.as_str(), stage.state.events.shown()), ("-type=call.created", 2));
    stage.keys("/<C-u>status:200 OR status:5xx<enter>gg*");
    assert_eq!(stage.state.filter_text, "(status:200 OR status:5xx) type=call.created");
    assert_eq!(stage.state.events.shown(), 1);
    stage.keys("<esc>3gg!");
    assert!(
        stage.state.filter_text.starts_with("-path=\"") && stage.state.filter_error.is_none(),
        "{}",
        stage.state.filter_text
    );
    assert_eq!(stage.state.events.shown(), 4);
}

#[test]
fn failures_are_found_in_both_directions() {
    let mut stage = Stage::with_events(120, 24);
    assert_eq!(stage.keys("gg}").state.selected, Some(id(2)), "its signature is not valid");
    assert_eq!(stage.keys("}").state.selected, Some(id(3)), "it was answered 500");
    assert!(stage.keys("}").screen().contains("no other event failed"));
    assert_eq!(stage.keys("{").state.selected, Some(id(2)));
}

#[test]
fn the_mouse_selects_opens_and_scrolls() {
    let mut stage = hundred();
    stage.keys("gg");
    stage.tell(mouse(MouseEventKind::Down(MouseButton::Left), 5, 6));
    assert_eq!(
        stage.state.selected,
        Some(id(3)),
        "the third line below the frame and the names of the columns"
    );
    stage.tell(mouse(MouseEventKind::Down(MouseButton::Left), 5, 6));
    assert_eq!(stage.state.pane, Pane::Detail);
    stage.tell(mouse(MouseEventKind::ScrollDown, 5, 6));
    assert_eq!(stage.state.selected, Some(id(6)), "the wheel is for what is under it");
    stage.tell(mouse(MouseEventKind::Down(MouseButton::Left), 5, 200));
    assert_eq!(stage.state.selected, Some(id(6)));
    stage.effects.clear();
    stage.keys("%");
    assert_eq!(stage.effects, [Effect::TakeMouse(false)]);
}

#[test]
fn pasted_text_goes_where_one_types() {
    let mut stage = hundred();
    stage.tell(Message::Paste("q".to_owned()));
    assert!(stage.effects.iter().all(|effect| *effect != Effect::Quit { keep: false }), "it is no key");
    stage.keys("/");
    stage.tell(Message::Paste("id:\u{7}evt_7\r\n".to_owned()));
    assert_eq!(stage.state.filter_text, "id:evt_7");
}

fn key() -> impl Strategy<Value = KeyEvent> {
    let letters =
        prop::sample::select("jkhlgGrRfF?/qnN12345zMRtS%-<>{}[]:COEH e\u{e9}0".chars().collect::<Vec<_>>());
    let codes = prop_oneof![
        8 => letters.prop_map(KeyCode::Char),
        1 => prop::sample::select(vec![KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::Up, KeyCode::Down, KeyCode::Backspace, KeyCode::Home]),
    ];
    let modifiers = prop_oneof![9 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL)];
    (codes, modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

proptest! {
    #[test]
    fn no_keys_clicks_and_sizes_make_it_fail(
        steps in prop::collection::vec((key(), 0..300_u16, 0..100_u16, 0..12_u8), 0..40),
    ) {
        let mut stage = Stage::with_events(100, 30);
        for (key, width, height, what) in steps {
            match what {
                0 => stage.tell(Message::Resize(width, height)),
                1 => stage.tell(mouse(MouseEventKind::Down(MouseButton::Left), width, height)),
                2 => stage.tell(mouse(MouseEventKind::ScrollDown, width, height)),
                _ => stage.tell(Message::Key(key)),
            }
            if let Some(id) = stage.state.selected {
                stage.tell(Message::Loaded(id, Ok(opened(5, br#"{"a":[1,{"b":"x"}],"c":{}}"#))));
            }
            stage.buffer();
        }
    }
}

#[test]
fn a_click_on_a_tab_or_a_line_of_a_tree_goes_there() {
    let mut stage = Stage::with_events(80, 24);
    stage.tell(Message::Loaded(id(5), Ok(opened(5, br#"{"a":1,"b":{"c":2}}"#))));
    stage.keys("<enter>");
    let place = |stage: &Stage, text: &str| {
        let screen = stage.screen();
        let (line, column) = screen
            .lines()
            .enumerate()
            .find_map(|(line, content)| {
                Some((line, content.find(text).map(|at| content[..at].chars().count())?))
            })
            .unwrap_or_else(|| panic!("{text}: {screen}"));
        (u16::try_from(column).unwrap(), u16::try_from(line).unwrap())
    };
    let click = |stage: &mut Stage, text: &str| {
        let (column, line) = place(stage, text);
        stage.tell(mouse(MouseEventKind::Down(MouseButton::Left), column, line));
    };
    click(&mut stage, "c  2");
    assert_eq!(stage.state.tree().unwrap().path(), ".b.c");
    click(&mut stage, "b  {}");
    click(&mut stage, "b  {}");
    assert_eq!(stage.state.tree().unwrap().len(), 3, "a second click folds");
    click(&mut stage, "Headers");
    assert_eq!(stage.state.tab, Tab::Headers);
    click(&mut stage, "Raw");
    assert_eq!(stage.state.tab, Tab::Raw);
    click(&mut stage, "Body");
    assert_eq!(stage.state.tab, Tab::Body);
}

#[test]
fn a_click_on_a_field_of_the_dialog_goes_there() {
    for (width, height) in [(120, 36), (60, 14)] {
        let mut stage = Stage::with_events(width, height);
        stage.keys("R");
        let screen = stage.screen();
        let line = screen.lines().position(|line| line.contains(" Query ")).unwrap();
        stage.tell(mouse(MouseEventKind::Down(MouseButton::Left), width / 2, u16::try_from(line).unwrap()));
        stage.keys("a=1");
        assert!(stage.screen().contains("▸ Query         a=1"), "{}", stage.screen());
        stage.tell(mouse(MouseEventKind::Down(MouseButton::Left), 0, 0));
        assert!(stage.screen().contains("▸ Query"), "{}", stage.screen());
    }
}

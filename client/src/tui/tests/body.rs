//! What one can do with a body: read it in a pager, pipe it to a command, see it as it was sent.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

use super::{Stage, event, id, mask, row};
use crate::{
    output::body::Form,
    row::EventRow,
    tui::{
        content::Opened,
        keys::Copy,
        message::{Effect, Message},
        piping::News,
        shell::Ending,
    },
};
use inhaul_core::signature::catalogue;

#[cfg(feature = "jq")]
use crate::jq::Answer;

/// The newest event with this body, opened alone.
fn with_body(width: u16, height: u16, kind: &'static str, body: &'static [u8]) -> Stage {
    let mut stage = Stage::with_events(width, height);
    let mut event = event(5, body);
    event.head = format!("POST /hook HTTP/1.1\r\nContent-Type: {kind}\r\n\r\n").into();
    let opened = Opened::new(event, None, catalogue(), &mask());
    stage.tell(Message::Loaded(id(5), Ok(Box::new(opened))));
    stage.keys("<enter>");
    stage.effects.clear();
    stage
}

#[test]
fn a_body_goes_to_the_pager_if_there_is_one() {
    let mut stage = Stage::with_events(120, 16);
    stage.keys("ggv");
    assert_eq!(stage.effects.pop(), Some(Effect::Page(id(1), Form::Readable, true)));
    stage.keys("<enter>V");
    assert_eq!(stage.effects.pop(), Some(Effect::Page(id(1), Form::AsSent, true)));
    stage.tell(Message::Failed("there is no pager \"x\": set PAGER".to_owned()));
    assert!(stage.screen().contains("✗ there is no pager"), "{}", stage.screen());
    let mut stage = Stage::new(120, 16);
    let row = EventRow { body_bytes: 0, ..row(1) };
    stage.tell(Message::Live(crate::live::Live::Event(Box::new(row))));
    stage.effects.clear();
    stage.keys("v");
    assert_eq!(stage.effects, []);
    assert!(stage.screen().contains("it has no body"), "{}", stage.screen());
}

#[test]
fn xml_is_laid_out_and_shown_as_sent() {
    let xml = b"<call id=\"1\"><state>&amp; ended\x1b</state><legs><leg/></legs></call>";
    let mut stage = with_body(80, 20, "application/xml", xml);
    insta::assert_snapshot!(stage.screen());
    insta::assert_snapshot!(stage.keys("t").screen());
    stage.keys("t");
    assert!(stage.screen().contains("    <leg/>"), "{}", stage.screen());
    let stage = with_body(80, 20, "application/xml", b"<call>\n<state></call>");
    let screen = stage.screen();
    assert!(screen.contains("no well-formed XML, line 2, column 8"), "{screen}");
    assert!(screen.contains("<state></call>"), "{screen}");
}

#[test]
fn an_event_is_opened_off_screen_too() {
    let mut screen = crate::tui::OffScreen::new(80, 20);
    screen.open(event(5, br#"{"a":{"b":1},"card":{"number":"4242"}}"#), &mask());
    let drawn = |screen: &mut crate::tui::OffScreen| -> String {
        screen.draw().content().iter().map(|cell| cell.symbol().to_owned()).collect()
    };
    let shown = drawn(&mut screen);
    assert!(shown.contains("b  1") && shown.contains("***"), "{shown}");
    screen.type_keys("S");
    assert!(drawn(&mut screen).contains("4242"));
    screen.type_keys("zM");
    assert!(!drawn(&mut screen).contains("b  1"));
}

#[test]
fn json_is_shown_as_sent_and_its_tree_comes_back() {
    let mut stage = with_body(80, 20, "application/json", b"{ \"a\" :1.10,\n\"b\":\"\xe2\x80\xae\"}");
    stage.keys("jt");
    let screen = stage.screen();
    assert!(screen.contains(r#"{ "a" :1.10,"#) && screen.contains(r#""b":"\u{202e}"}"#), "{screen}");
    stage.keys("2t");
    assert!(stage.screen().contains("a  1.10"), "from another tab it is the body again: {}", stage.screen());
    stage.keys("<esc>t<enter>");
    assert!(stage.screen().contains("a  1.10"), "in the list the key is for times");
}

/// The effect that asks for a program, which was typed last.
#[cfg(feature = "jq")]
fn asked(stage: &mut Stage) -> (u64, String) {
    match stage.effects.pop() {
        Some(Effect::Query(number, _, program, _)) => (number, program),
        other => panic!("{other:?}"),
    }
}

#[cfg(feature = "jq")]
#[test]
fn a_program_is_run_as_it_is_typed_and_the_last_result_stays() {
    let mut stage = with_body(80, 20, "application/json", b"{\"a\":{\"b\":1}}");
    stage.keys("J.a");
    let (first, program) = asked(&mut stage);
    assert_eq!(program, ".a");
    let answer = Answer { output: b"{\n  \"b\": \"\x1b\"\n}\n".to_vec(), is_true: true, ..Answer::default() };
    stage.tell(Message::Queried(first - 1, id(5), Err("of an earlier one".to_owned())));
    stage.tell(Message::Queried(first, id(5), Ok(answer)));
    stage.keys(" | ");
    insta::assert_snapshot!(stage.screen());
    stage.tell(Message::Queried(
        first + 1,
        id(5),
        Ok(Answer { output: b"late\n".to_vec(), ..Answer::default() }),
    ));
    let screen = stage.screen();
    assert!(
        screen.contains("column 6: expected term") && screen.contains("late"),
        "what comes late says nothing of what is typed now: {screen}"
    );
    stage.keys(".b<enter>");
    let (second, program) = asked(&mut stage);
    assert_eq!(program, ".a | .b");
    stage.tell(Message::Queried(second, id(5), Err("it was ended after 2 s".to_owned())));
    let screen = stage.screen();
    assert!(screen.contains("it was ended after 2 s") && screen.contains("late"), "{screen}");
    // It is asked of the next event too, and stays until it is cleared.
    stage.effects.clear();
    stage.keys("<esc>");
    assert_eq!(stage.effects, [Effect::Stop(second)]);
    assert!(stage.screen().contains("▾ {} 1 member"), "the tree is back: {}", stage.screen());
    stage.keys("J.<enter>qgg<enter>");
    stage.effects.clear();
    stage.tell(Message::Loaded(id(1), Ok(super::opened(1, b"[1]"))));
    assert!(
        matches!(stage.effects[..], [Effect::Stop(_), Effect::Query(_, of, _, _)] if of == id(1)),
        "{:?}",
        stage.effects
    );
    let (third, _) = asked(&mut stage);
    assert!(stage.screen().contains("running …"), "{}", stage.screen());
    let answer = Answer { is_cut: true, error: Some("cannot index".to_owned()), ..Answer::default() };
    stage.tell(Message::Queried(third, id(1), Ok(answer)));
    assert!(stage.screen().contains("cannot index"), "{}", stage.screen());
}

#[test]
fn where_one_is_in_the_body_is_copied_for_jq() {
    let mut stage = with_body(80, 20, "application/json", br#"[{"odd name":[1,2]}]"#);
    stage.keys("jjjyq");
    let text = Some(r#".[0]["odd name"][0]"#.to_owned());
    let copy = Effect::Copy { id: Some(id(5)), what: Copy::JqPath, masks: true, text };
    assert_eq!(stage.effects.pop(), Some(copy));
}

#[test]
fn bodies_are_piped_one_after_another_and_the_output_is_a_page() {
    let mut stage = Stage::with_events(100, 18);
    stage.keys("gg  |");
    assert!(stage.screen().contains("pipe to: "), "{}", stage.screen());
    stage.effects.clear();
    stage.keys("jq .<enter>");
    let Some(Effect::Pipe(number, ids, command)) = stage.effects.pop() else { panic!("{:?}", stage.effects) };
    assert_eq!((ids, command.as_str()), (vec![id(1), id(2)], "jq ."));
    let told = |stage: &mut Stage, news| stage.tell(Message::Piped(number, news));
    told(&mut stage, News::Begun(id(1)));
    told(&mut stage, News::Printed(b"{\n  \"a\": \x1b[2J".to_vec()));
    told(&mut stage, News::Printed(b"1\n}\n\xff".to_vec()));
    told(&mut stage, News::Ended(Ending::Exited(ExitStatus::from_raw(0))));
    told(&mut stage, News::Begun(id(2)));
    insta::assert_snapshot!(stage.screen());
    // What is running is ended first, and the page stays.
    stage.effects.clear();
    stage.keys("q");
    assert_eq!(stage.effects, [Effect::Stop(number)]);
    told(&mut stage, News::Ended(Ending::Stopped));
    told(&mut stage, News::Done);
    stage.tell(Message::Piped(number + 1, News::Printed(b"of another".to_vec())));
    insta::assert_snapshot!(stage.screen());
    stage.keys("q");
    assert!(stage.screen().contains("Events 3/5"), "{}", stage.screen());
    stage.effects.clear();
    stage.keys("|<up>");
    assert!(stage.screen().contains("pipe to: jq ."), "{}", stage.screen());
    stage.keys("<esc>|<enter>");
    assert!(
        !stage.effects.iter().any(|effect| matches!(effect, Effect::Pipe(..))),
        "no command, nothing run"
    );
}

#[test]
fn a_command_that_ends_while_its_page_is_closed_is_told() {
    let mut stage = Stage::with_events(100, 18);
    stage.keys("gg|true<enter>");
    stage.keys("?");
    stage.tell(Message::Piped(1, News::Begun(id(1))));
    stage.tell(Message::Piped(1, News::Ended(Ending::Exited(ExitStatus::from_raw(256)))));
    stage.tell(Message::Piped(1, News::Done));
    assert!(stage.screen().contains("the command has ended"), "{}", stage.screen());
}

#[test]
fn names_and_values_of_a_tree_have_room_beside_each_other() {
    let json: &'static str = "{\"a_name_that_is_longer_than_half_of_the_pane_has_room_for\":\"value\",\"w\":\"日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語\",\"created\":1763970070}";
    let stage = with_body(48, 20, "application/json", json.as_bytes());
    let screen = stage.screen();
    assert!(screen.contains("…  \"value\""), "{screen}");
    let wide = screen.lines().find(|line| line.contains("日")).unwrap();
    assert!(wide.trim_end_matches(['│', ' ']).ends_with('…'), "{screen}");
    let stage = with_body(44, 20, "application/json", b"{\"x\":1763970070}");
    assert!(stage.screen().contains("1763970070  ≈ 2025-11-24T07:41:10Z"), "{}", stage.screen());
    assert!(
        with_body(120, 24, "application/json", b"{\"created\":1763970070}").screen().contains("≈ 2025-11-24")
    );
}

#[test]
fn a_long_text_in_a_tree_is_unfolded_and_folded() {
    let json = r#"{"a":1,"text":"the beginning of a text that has no room in one line, and goes on, and its end","b":2}"#;
    let mut stage = with_body(40, 20, "application/json", json.as_bytes());
    assert!(stage.screen().contains("▸ text  \"the beginning"), "{}", stage.screen());
    assert!(!stage.screen().contains("its end"), "{}", stage.screen());
    stage.keys("jj<enter>");
    let screen = stage.screen();
    assert!(screen.contains("its end\"") && screen.contains("▾ text"), "{screen}");
    stage.keys("jj");
    assert!(stage.screen().contains(" .text "), "its lines are at the same place: {}", stage.screen());
    stage.keys("<enter>");
    assert!(!stage.screen().contains("its end"), "{}", stage.screen());
    assert_eq!(stage.state.tree().unwrap().cursor(), 2);
    stage.keys("<enter>h");
    assert!(!stage.screen().contains("its end"), "{}", stage.screen());
    // A short one stays a line.
    stage.keys("k<enter>");
    assert_eq!(stage.state.tree().unwrap().len(), 4);
    stage.keys("/its end<enter>");
    assert_eq!(stage.state.tree().unwrap().path(), ".text");
}

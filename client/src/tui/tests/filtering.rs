//! The line of the filter: what is on the screen while one types, mistakes, pastes, and other ways to a filter or an event.

use inhaul_core::event::UnixMillis;
use ratatui::{buffer::Cell, style::Modifier};

use super::{AT, Stage, id, opened, row};
use crate::{
    hold::HoldChange,
    live::Live,
    output::Color,
    row::EventRow,
    tui::{
        message::{Effect, Message},
        theme::{Palette, Theme},
    },
};

/// The line of the filter.
fn line(stage: &Stage) -> String {
    stage.screen().lines().nth(1).unwrap().to_owned()
}

/// The letters of that line that are underlined.
fn underlined(stage: &Stage) -> String {
    let buffer = stage.buffer();
    let cells = (0..buffer.area.width).map(|x| &buffer[(x, 1)]);
    cells.filter(|cell| cell.modifier.contains(Modifier::UNDERLINED)).map(Cell::symbol).collect()
}

#[test]
fn the_end_of_a_long_filter_is_seen_while_it_is_typed() {
    let mut stage = Stage::with_events(60, 16);
    stage.keys("/stripe");
    assert!(line(&stage).starts_with("/stripe ") && line(&stage).contains("of 5 events"), "{}", line(&stage));
    stage.keys(&" provider:callpaymin".repeat(4));
    stage.keys(" end");
    assert!(line(&stage).ends_with("callpaymin end") && line(&stage).starts_with('/'), "{}", line(&stage));
    stage.keys(&"<left>".repeat(75));
    assert!(
        !line(&stage).contains("end") && line(&stage).contains("provider:callpaymin"),
        "{}",
        line(&stage)
    );
    stage.keys("<enter>");
    assert!(line(&stage).starts_with("/stripe") && line(&stage).contains(" events · "), "{}", line(&stage));
}

#[test]
fn what_is_wrong_is_marked_in_the_line_and_what_is_on_still_is_said() {
    for (palette, ascii) in [(Palette::Dark, false), (Palette::Mono, false), (Palette::Mono, true)] {
        let mut stage = Stage::looking(120, 16, Theme::new(palette, Color::On, ascii));
        for number in 1..=3 {
            stage.tell(Message::Live(Live::Event(Box::new(row(number)))));
        }
        stage.keys("/id:evt_2<enter>/ ms>soon");
        assert_eq!(underlined(&stage), "soon");
        let screen = stage.screen();
        assert!(
            screen.contains("expected a time such as 200") && screen.contains("1 of 3 events"),
            "{screen}"
        );
        assert!(screen.contains("; id:evt_2 is on still"), "{screen}");
        stage.keys("<C-u>status:");
        assert_eq!((underlined(&stage).as_str(), &line(&stage)[..9]), ("^", "/status:^"));
        stage.keys("200");
        assert_eq!(underlined(&stage), "");
        assert!(!stage.screen().contains("still"));
    }
}

#[test]
fn a_paste_is_put_in_once_and_what_is_too_long_is_cut_and_said() {
    let mut stage = Stage::with_events(120, 16);
    stage.keys("/");
    stage.tell(Message::Paste("provider:stripe\r\ninvoice\n".to_owned()));
    assert_eq!(stage.state.filter_text, "provider:stripe invoice");
    assert_eq!(stage.shown(), [id(5)]);
    stage.tell(Message::Paste("x".repeat(1 << 20)));
    assert!(stage.screen().contains("a line has at most 4096 bytes"), "{}", stage.screen());
    assert_eq!(stage.state.filter_text.len(), 4096);
}

#[test]
fn what_may_stand_there_is_shown_below_the_word_with_how_many_more_there_are() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("/callpaymin is:");
    let screen = stage.screen();
    let menu: Vec<&str> = screen.lines().skip(2).take(9).collect();
    let column = "/callpaymin is:".len();
    let at = |line: &str| line.char_indices().position(|(at, _)| line[at..].starts_with("pending"));
    assert_eq!(at(menu[0]), Some(column), "{screen}");
    assert!(menu[8].contains(" more "), "{screen}");
    stage.keys("gi");
    assert!(stage.screen().contains(" given-up "));
    stage.keys("<tab>");
    assert_eq!(stage.state.filter_text, "callpaymin is:given-up");
    assert!(stage.state.completing.is_none());
    stage.keys("<enter>/<C-u>");
    assert!(stage.state.completing.is_none(), "nothing is begun");
    stage.keys("<tab>");
    assert!(stage.screen().contains(" status: "), "{}", stage.screen());
    assert_eq!(stage.state.filter_text, "");
}

#[test]
fn events_with_the_same_value_are_found_from_the_tree() {
    let mut stage = Stage::with_events(120, 24);
    stage.tell(Message::Loaded(id(5), Ok(opened(5, br#"{"call":{"id":"15"}}"#))));
    stage.keys("<enter>jjgc");
    assert_eq!(stage.state.filter_text, r#"$.call.id="15""#);
    assert!(stage.effects.iter().any(|effect| matches!(effect, Effect::Judge(..))), "{:?}", stage.effects);
    let mut stage = Stage::with_events(120, 24);
    stage.keys("<enter>gc");
    assert!(stage.screen().contains("no value of a JSON body"), "{}", stage.screen());
}

#[test]
fn commands_take_a_filter_an_id_or_a_time() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys(":filter provider:callpaymin -late<enter>");
    assert_eq!(stage.state.filter_text, "provider:callpaymin -late");
    stage.keys("<esc>");
    stage.keys(&format!(":goto {}<enter>", &id(2).to_string()[..18]));
    assert_eq!(stage.state.selected, Some(id(2)));
    stage.tell(Message::Time(UnixMillis(AT + 60_000)));
    stage.keys(":no such thing<enter>");
    assert!(stage.screen().contains("nothing has this name") && stage.state.prompt.is_some());
    stage.keys("<esc>gegone<enter>");
    assert!(stage.screen().contains("has the id gone"), "{}", stage.screen());
    // The third was received three seconds after the beginning of the minute before.
    stage.keys(":goto -57s<enter>");
    assert_eq!((stage.state.selected, stage.state.follows), (Some(id(3)), false));
    stage.keys(":goto 2025-11-24T07:41:14Z<enter>");
    assert_eq!(stage.state.selected, Some(id(4)));
    stage.keys(":goto 2099-01-01<enter>");
    assert!(stage.screen().contains("no event that is shown was received since 2099"), "{}", stage.screen());
}

#[test]
fn a_saved_filter_says_what_is_held() {
    let mut stage = Stage::with_events(120, 24);
    stage.state.saved.insert("broken", "sig:invalid OR is:late");
    stage.effects.clear();
    stage.keys("i@broken<enter>");
    let meant = HoldChange::Filter("sig:invalid OR is:late".to_owned());
    assert!(stage.effects.contains(&Effect::Hold(meant)), "{:?}", stage.effects);
    stage.keys("i<C-u>@other<enter>");
    assert!(stage.screen().contains("no filter is saved as"), "{}", stage.screen());
}

#[test]
fn marks_that_are_taken_away_leave_a_scan_as_far_as_it_is() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("/body:x<enter>gg ");
    let Some(Effect::Judge(number, _, events)) =
        stage.effects.iter().rev().find(|effect| matches!(effect, Effect::Judge(..)))
    else {
        panic!("{:?}", stage.effects)
    };
    let (number, events) = (*number, events.clone());
    stage.effects.clear();
    stage.keys("U");
    assert!(!stage.effects.contains(&Effect::StopJudging), "{:?}", stage.effects);
    stage.tell(Message::Judged(number, events.iter().map(|(id, _)| (*id, true)).collect()));
    assert_eq!(stage.shown().len(), 5, "what was found for it counts");
}

#[test]
fn words_of_the_list_are_found() {
    let mut stage = Stage::with_events(120, 24);
    let imported = EventRow { imported: true, attempts: Vec::new(), ..row(6) };
    stage.tell(Message::Live(Live::Event(Box::new(imported))));
    for (filter, expected) in [("missed", id(4)), ("file", id(6)), ("is:file", id(6))] {
        stage.keys(&format!("/<C-u>{filter}<enter>"));
        assert_eq!(stage.shown(), [expected], "{filter}");
    }
}

#[test]
fn what_is_half_typed_is_no_filter_and_is_not_taken_for_one() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("/status:2xx<enter>");
    let before = stage.shown();
    assert_eq!(before.len(), 1);
    stage.keys("/<C-u>stripe OR");
    assert_eq!(stage.shown(), before, "the one from before is on, and not a half of this one");
    stage.keys("<enter>");
    assert!(stage.state.prompt.is_some(), "it is typed on");
    assert!(stage.screen().contains("something must follow OR"), "{}", stage.screen());
    stage.keys(" evt_1<enter>");
    assert!(stage.state.prompt.is_none());
    assert_eq!(stage.shown(), [id(1), id(5)]);
    stage.keys("/<C-u>status:");
    assert_eq!(stage.shown(), [id(1), id(5)]);
    assert!(!stage.screen().contains("No event passes"), "{}", stage.screen());
    stage.keys("<esc>");
    assert_eq!((stage.state.filter_text.as_str(), stage.shown().len()), ("stripe OR evt_1", 2));
}

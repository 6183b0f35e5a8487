//! Pages over the list: laid out once, readable to the end, and what can be done on them.

use std::time::Duration;

use inhaul_core::{event::UnixMillis, filter::JsonPath};

use super::{AT, Stage, event, id, mask, row};
use crate::{
    connection::ConnectionState,
    diff::Ignore,
    live::Live,
    thread::{Place, Step},
    tui::{
        exchange::Comparison,
        keys::{BINDINGS, Copy, View},
        message::{Effect, Message},
    },
};

fn compared(stage: &mut Stage, left: &'static [u8], right: &'static [u8], ignored: &str) {
    let ignore = Ignore { headers: Vec::new(), json: JsonPath::parse(ignored).into_iter().collect() };
    let compared = Comparison::new((event(1, left), row(1)), (event(2, right), row(2)), &mask(), &ignore);
    stage.tell(Message::Compared(compared.map(Box::new)));
}

#[test]
fn the_end_of_a_page_with_long_lines_is_reached() {
    for (width, height) in [(80, 24), (48, 16)] {
        let mut stage = Stage::with_events(width, height);
        stage.tell(Message::Live(Live::Notice("the very first".to_owned())));
        for number in 0..30 {
            let text = format!("{number} {}", "x".repeat(usize::from(width) - 12));
            stage.tell(Message::Live(Live::Notice(text)));
        }
        stage.keys("EG");
        assert!(stage.screen().contains("the very first"), "{}", stage.screen());
        stage.keys("gg/very first<enter>");
        assert!(stage.screen().contains("the very first"), "{}", stage.screen());
        stage.keys("k");
        assert!(stage.screen().contains("0 xxx"), "one line up: {}", stage.screen());
    }
}

#[test]
fn a_long_page_is_laid_out_once() {
    let mut stage = Stage::with_events(100, 20);
    compared(&mut stage, b"{\"a\":1}", b"{\"a\":2}", "none");
    let laid = |stage: &Stage| std::ptr::from_ref(&stage.state.page.beginnings[0]);
    let before = laid(&stage);
    stage.keys("jjnG");
    stage.tell(Message::Time(UnixMillis(AT)));
    assert_eq!(laid(&stage), before);
    stage.keys("s");
    assert_ne!(laid(&stage), before, "it is another layout");
    stage.keys("S");
    let whole = stage.screen();
    stage.keys("q");
    compared(&mut stage, b"{\"a\":1}", b"{\"a\":3}", "none");
    assert_ne!(stage.screen(), whole, "it is another comparison");
}

#[test]
fn a_difference_far_into_a_line_is_seen() {
    for length in [200, 20_000] {
        let body = |last: &str| -> &'static [u8] {
            format!("{{\"text\":\"{}{last}\"}}", "x".repeat(length)).into_bytes().leak()
        };
        for keys in ["", "s"] {
            let mut stage = Stage::with_events(120, 40);
            compared(&mut stage, body("ONE"), body("TWO"), "none");
            let screen = stage.keys(keys).screen();
            assert!(screen.contains("ONE") && screen.contains("TWO"), "{length} {keys}: {screen}");
        }
    }
}

#[test]
fn what_is_ignored_is_marked_in_one_column_and_in_two() {
    let mut stage = Stage::with_events(120, 40);
    compared(&mut stage, b"{\"a\":1,\"b\":1}", b"{\"a\":2,\"b\":2}", "a");
    assert!(stage.screen().contains(" ~ "), "{}", stage.screen());
    assert!(stage.keys("s").screen().contains("│ ~ "), "{}", stage.screen());
}

#[test]
fn in_a_comparison_text_is_found_and_until_then_differences() {
    let mut stage = Stage::with_events(60, 12);
    stage.keys("<enter>/old<enter><esc>");
    let left = br#"{"a":1,"l":[1,2,3,4,5,6,7,8,9,10,11,12],"z":1}"#;
    compared(&mut stage, left, br#"{"a":2,"l":[1,2,3,4,5,6,7,8,9,10,11,12],"z":2}"#, "none");
    let first = stage.keys("n").state.view_scroll;
    let second = stage.keys("n").state.view_scroll;
    assert!(second > first && first > 0);
    assert!(stage.screen().contains("next, last difference"), "{}", stage.screen());
    stage.keys("/call.created<enter>");
    let found = stage.state.view_scroll;
    assert!(found < 4, "in the lines above: {found}");
    assert_ne!(stage.keys("n").state.view_scroll, first, "not the next difference");
    assert!(stage.state.view_scroll < 4);
}

#[test]
fn an_event_of_a_thread_is_opened() {
    let mut stage = Stage::with_events(100, 24);
    stage.keys("2ggg");
    stage.keys("t");
    assert_eq!(stage.state.view, Some(View::Thread));
    let step = |number| Step::Event { row: Box::new(row(number)), gap: None, place: Place::InOrder };
    let steps = vec![step(1), Step::Missing("call.started".to_owned()), step(2)];
    stage.tell(Message::Thread(id(2), Ok(("call_1".to_owned(), steps))));
    assert!(stage.screen().contains("enter open the event"), "{}", stage.screen());
    stage.keys("k<enter>");
    assert_eq!(stage.state.view, Some(View::Thread), "nothing is there to open");
    stage.keys("k<enter>");
    assert_eq!((stage.state.view, stage.state.selected), (None, Some(id(1))));
}

#[test]
fn the_url_is_copied_before_there_is_an_event() {
    let mut stage = Stage::new(100, 24);
    stage.keys("Cyu");
    let text = Some("http://127.0.0.1:8780/in/orders-5f0c".to_owned());
    let copy = Effect::Copy { id: None, what: Copy::Url, masks: true, text };
    assert!(stage.effects.contains(&copy), "{:?}", stage.effects);
}

#[test]
fn the_wait_for_the_next_try_counts_down() {
    let mut stage = Stage::with_events(120, 24);
    stage.tell(Message::Time(UnixMillis(AT)));
    let (reason, retry_in) = ("the relay is away".to_owned(), Duration::from_secs(30));
    stage.tell(Message::Live(Live::Connection(ConnectionState::Waiting { reason, retry_in })));
    assert!(stage.keys("C").screen().contains("next try in 30 s"), "{}", stage.screen());
    stage.tell(Message::Time(UnixMillis(AT + 12_000)));
    assert!(stage.screen().contains("next try in 18 s"), "{}", stage.screen());
    stage.tell(Message::Time(UnixMillis(AT + 60_000)));
    assert!(stage.screen().contains("next try in 0 "), "{}", stage.screen());
}

#[test]
fn the_help_has_everything_on_a_small_screen_too_and_saved_filters_once() {
    for (width, height) in [(120, 36), (48, 16)] {
        let mut stage = Stage::with_events(width, height);
        stage.keys("?");
        let whole = |stage: &Stage| -> String {
            let lines = stage.state.page.text().into_iter();
            lines.flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
        };
        let help = whole(&stage);
        for line in BINDINGS.iter().filter(|line| !line.name.starts_with("filter_")) {
            let text: String = line.text.split_whitespace().collect();
            assert!(help.contains(&text), "{}: {help}", line.text);
        }
        assert_eq!(help.matches("thesavedones").count(), 1);
        let first = |stage: &mut Stage, text: &str| stage.state.page.find(text, 0, false);
        let (fold, filter) =
            (first(&mut stage, "fold the whole body"), first(&mut stage, "add to the filter"));
        assert!(filter < fold, "what counts in the list is first");
        stage.keys("q<enter>?");
        let (fold, filter) =
            (first(&mut stage, "fold the whole body"), first(&mut stage, "add to the filter"));
        assert!(fold < filter, "what counts in an event is first");
    }
}

#[test]
fn commands_that_count_where_one_is_come_first_and_the_chosen_one_is_whole() {
    let mut stage = Stage::with_events(48, 24);
    stage.keys(":fold");
    let names = |stage: &Stage| -> Vec<String> {
        let lines = stage.state.page.text().into_iter();
        lines.filter_map(|line| line.get(1..).map(|line| line.trim_start().to_owned())).collect()
    };
    stage.keys("<esc><enter>:o");
    let lines = names(&stage);
    let place = |name: &str| lines.iter().position(|line| line.starts_with(name));
    assert!(place("fold") < place("only kind"), "{lines:?}");
    stage.keys("<esc>:replay signed");
    let screen = stage.screen();
    let words: String = screen.split_whitespace().collect();
    assert!(screen.contains("replay signed") && words.contains("freshid"), "{screen}");
}

#[test]
fn a_connection_is_asked_for_by_a_key_from_anywhere() {
    let mut stage = Stage::new(80, 24);
    for keys in ["gr", "Cgr", ":reconnect<enter>"] {
        stage.effects.clear();
        stage.keys(keys);
        assert!(stage.effects.contains(&Effect::Reconnect), "{keys}: {:?}", stage.effects);
    }
}

#[test]
fn the_filter_language_is_in_the_help() {
    let mut stage = Stage::with_events(120, 30);
    let screen = stage.keys("?G").screen();
    assert!(screen.contains("$.amount>100") && screen.contains("a value of a JSON body"), "{screen}");
    assert!(screen.contains("is:failed") && screen.contains("given-up"), "{screen}");
}

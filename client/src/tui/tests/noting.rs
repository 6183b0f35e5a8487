//! Marks, tags, comments, completion and saved filters, threads, and a list that is larger than the screen.

use super::*;
use crate::{
    annotation::{Annotation, Comment, TagChange},
    thread::thread,
};

fn typed(stage: &Stage) -> String {
    stage.state.prompt.as_ref().map(|prompt| prompt.input.value().to_owned()).unwrap_or_default()
}

#[test]
fn marked_events_are_tagged_together_and_shown_alone() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("gg jm");
    stage.effects.clear();
    stage.keys("T+slow -fine<enter>");
    let change = TagChange::parse(["+slow", "-fine"]).unwrap();
    let expected = Effect::Annotate(vec![id(1), id(3)], Annotation::Tags(change));
    assert!(stage.effects.contains(&expected), "{:?}", stage.effects);
    stage.tell(Message::Annotated(2, None));
    assert!(stage.screen().contains("✓ noted on 2 events"), "{}", stage.screen());
    stage.keys("M");
    assert_eq!(stage.shown(), [id(1), id(3)]);
    stage.tell(Message::Live(Live::Event(Box::new(row(9)))));
    assert_eq!(stage.shown(), [id(1), id(3)], "what comes is not marked");
    stage.keys("M");
    assert_eq!(stage.shown().len(), 6);
    stage.keys("U");
    assert!(stage.screen().contains("2 marks taken away"));
    stage.effects.clear();
    stage.keys("T<esc>");
    assert!(stage.effects.is_empty());
}

#[test]
fn a_tag_that_is_none_is_refused_and_can_be_put_right() {
    let mut stage = Stage::with_events(120, 24);
    stage.effects.clear();
    stage.keys("Tslow,fine<enter>");
    assert!(stage.screen().contains("is no tag"), "{}", stage.screen());
    assert_eq!(typed(&stage), "slow,fine");
    stage.keys("<esc>");
    assert!(stage.state.prompt.is_none() && stage.effects.is_empty());
}

#[test]
fn a_comment_begins_with_the_one_there_is() {
    let mut stage = Stage::new(120, 24);
    let commented = EventRow { comment: Some("who sent \u{1b}[2Jthis".to_owned()), ..row(1) };
    stage.tell(Message::Live(Live::Event(Box::new(commented))));
    assert!(!stage.keys(";").screen().contains('\u{1b}'));
    stage.keys("?<enter>");
    let comment = Annotation::Comment(Comment::new("who sent \u{1b}[2Jthis?").unwrap());
    assert!(stage.effects.contains(&Effect::Annotate(vec![id(1)], comment)), "{:?}", stage.effects);
}

#[test]
fn what_is_begun_is_completed_from_what_was_seen() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("/prov<tab>");
    assert_eq!(typed(&stage), "provider:");
    let screen = stage.screen();
    let below: String = screen.lines().nth(2).unwrap().chars().skip("/provider:".len()).collect();
    assert!(below.starts_with("callpaymin  3 "), "below the word, with its count: {screen}");
    stage.keys("c<tab>");
    assert_eq!(typed(&stage), "provider:callpaymin");
    stage.keys(" status:");
    let begun = typed(&stage);
    stage.keys("<down><up><down><S-tab>");
    assert_eq!(typed(&stage), begun, "nothing is taken yet");
    stage.keys("<tab>");
    let first = typed(&stage);
    stage.keys("<C-u>provider:callpaymin status:<down><tab>");
    assert!(typed(&stage) != first && typed(&stage) != begun, "the second one");
    stage.keys("<C-u>provider:callpaymin status:<tab><enter>/");
    assert!(stage.state.completing.is_none());
    stage.keys("<C-u>late<enter>/<C-u><up>");
    assert_eq!(typed(&stage), "late");
    stage.keys("<up>");
    assert_eq!(typed(&stage), first, "the one before");
    stage.keys("<down>");
    assert_eq!(typed(&stage), "late");
}

#[test]
fn filters_that_are_used_are_kept_and_mistakes_are_not() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("/late<enter>/(<enter>/<C-u>is:held<enter>");
    let kept: Vec<&Effect> =
        stage.effects.iter().filter(|effect| matches!(effect, Effect::SaveUsed(..))).collect();
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let expected = [Effect::SaveUsed(1, texts(&["late"])), Effect::SaveUsed(2, texts(&["late", "is:held"]))];
    assert_eq!(kept, expected.iter().collect::<Vec<_>>());
}

#[test]
fn a_filter_is_saved_under_a_name_and_put_on_by_a_key() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("<f2>");
    assert!(stage.screen().contains("no filter is saved there"));
    stage.keys("/status:5xx<C-s>bro ken<enter>");
    assert!(stage.screen().contains("a name has letters"), "{}", stage.screen());
    stage.keys("<C-u>broken<enter>");
    let saved = Effect::SaveFilter("broken".to_owned(), "status:5xx".to_owned());
    assert!(stage.effects.contains(&saved), "{:?}", stage.effects);
    stage.keys("<esc>");
    assert_eq!(stage.shown().len(), 5);
    stage.keys("<f2>");
    assert_eq!(stage.state.filter_text, "@broken");
    assert_eq!(stage.shown(), [id(3)]);
    stage.keys("/ OR @oth");
    assert!(stage.screen().contains("no filter is saved as"), "{}", stage.screen());
}

#[test]
fn a_thread_has_what_is_missing() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("gggt");
    assert!(stage.effects.contains(&Effect::LoadThread(id(1))), "{:?}", stage.effects);
    assert!(stage.screen().contains("reading"));
    let of = |number: u8, kind: &str| EventRow { event_type: Some(kind.to_owned()), ..row(number) };
    let stages = ["call.created", "call.started", "call.ended"].map(str::to_owned);
    let steps = thread(vec![of(1, "call.created"), of(4, "call.ended")], &stages);
    stage.tell(Message::Thread(id(2), Err("of another".to_owned())));
    stage.tell(Message::Thread(id(1), Ok(("call_220".to_owned(), steps))));
    let screen = stage.screen();
    for text in ["call_220: 2 events", "▸ 07:41:11", "call.started                 missing", "+3 s"] {
        assert!(screen.contains(text), "{text}: {screen}");
    }
    stage.keys("q");
    assert!(stage.screen().contains("Events 1/5"));
}

/// What is asked for, and so read and drawn, depends on the screen and not on the list.
#[test]
fn a_frame_of_a_long_list_needs_only_the_rows_on_the_screen() {
    let long = |number: u32| EventRow {
        id: EventId(Builder::from_unix_timestamp_millis(AT + u64::from(number), &[7; 10]).into_uuid()),
        event_type: None,
        target: format!("/hook/{number}"),
        ..row(1)
    };
    let mut stage = Stage::beginning(120, 24);
    for page in (0..20_u32).rev() {
        let rows = (page * 1000..(page + 1) * 1000).rev().map(long).collect();
        stage.tell(Message::Rows { rows, whole: page == 0 });
    }
    assert_eq!(stage.state.events.list().len(), 20_000);
    stage.effects.clear();
    stage.keys("gg");
    let asked: Vec<EventId> = stage
        .effects
        .iter()
        .filter_map(|effect| if let Effect::LoadRowsOf(ids) = effect { Some(ids.clone()) } else { None })
        .flatten()
        .collect();
    assert!((1..=24).contains(&asked.len()), "{}", asked.len());
    assert_eq!(asked[0], long(0).id);
    assert!(!stage.screen().contains("/hook/0"), "its row is not there yet");
    stage.tell(Message::RowsOf(asked.clone(), (0..24).map(long).collect()));
    assert!(stage.screen().contains("POST /hook/0 "), "{}", stage.screen());
    stage.effects.clear();
    // Rows that are gone are not asked for again and again.
    stage.keys("50j");
    let Some(Effect::LoadRowsOf(ids)) = stage.effects.pop() else { panic!("{:?}", stage.effects) };
    stage.effects.clear();
    stage.tell(Message::RowsOf(ids, Vec::new()));
    stage.tell(Message::Time(UnixMillis(AT)));
    assert!(
        !stage.effects.iter().any(|effect| matches!(effect, Effect::LoadRowsOf(_))),
        "{:?}",
        stage.effects
    );
}

#[test]
fn tags_and_comments_are_seen_in_the_list_and_in_the_event() {
    let mut stage = Stage::new(120, 24);
    let noted = EventRow {
        tags: vec!["fine".to_owned(), "slow".to_owned()],
        comment: Some("who sent \u{1b}[2Jthis".to_owned()),
        ..row(1)
    };
    stage.tell(Message::Live(Live::Event(Box::new(noted.clone()))));
    let screen = stage.screen();
    assert!(screen.contains("tags: fine, slow") && screen.contains("comment: who sent"), "{screen}");
    assert!(screen.contains("ms tc ") && !screen.contains('\u{1b}'), "{screen}");
    // What else is out of the ordinary is said beside it, as far as there is room.
    let first = crate::row::Repeat {
        number: 2,
        first: id(1),
        first_received_at: UnixMillis(AT),
        same_id: true,
        same_body: true,
        dropped: false,
    };
    let attempts = (1..=3).map(|number| answered(number, 200)).collect();
    let repeated = EventRow { repeat: Some(first), attempts, ..row(2) };
    stage.tell(Message::Live(Live::Event(Box::new(repeated.clone()))));
    assert!(stage.screen().contains("ms x3 repeat"), "{}", stage.screen());
    let given_up = Some(GivenUp { at: UnixMillis(0), reason: "no answer".to_owned() });
    let all = EventRow { given_up, tags: noted.tags, ..repeated };
    stage.tell(Message::Live(Live::Changed(Box::new(all))));
    assert!(stage.screen().contains("ms dead x3"), "{}", stage.screen());
}

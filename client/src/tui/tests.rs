//! Keys typed into the state, and the screens that come of them.

use std::{fmt::Write, time::Duration};

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use inhaul_core::{
    event::{Event, EventId, Peer, PeerSource, UnixMillis},
    filter::JsonPath,
    signature::{Verdict, catalogue},
};
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};
use uuid::Builder;

use super::{
    content::Opened,
    keys::Keymap,
    message::{Effect, Message},
    state::{Layout, Look, State, Times},
    theme::{Palette, Theme},
    update::update,
    view::view,
};
use crate::{
    connection::ConnectionState,
    export::Mask,
    live::Live,
    output::{Color, Ready},
    pipeline::Signing,
    row::{Attempt, AttemptCause, EventRow, FailureKind, GivenUp, Outcome},
};

mod body;
mod deleting;
mod exchange;
mod filtering;
mod following;
mod holding;
mod hostile;
mod keys_typed;
mod marking;
mod masking;
mod next_try;
mod noting;
mod order;
mod pages;
mod picture;
mod scenarios;
mod screens;
mod telling;
mod verifying;

const AT: u64 = 1_763_970_070_118;

fn id(number: u8) -> EventId {
    EventId(Builder::from_unix_timestamp_millis(AT + u64::from(number), &[number; 10]).into_uuid())
}

fn row(number: u8) -> EventRow {
    let at = UnixMillis(AT + 1000 * u64::from(number));
    EventRow {
        id: id(number),
        endpoint: "orders".parse().unwrap(),
        received_at: at,
        stored_at: at,
        method: "POST".to_owned(),
        target: "/hook".to_owned(),
        body_bytes: 40,
        content_type: Some("application/json".to_owned()),
        provider: Some("callpaymin".to_owned()),
        event_type: Some("call.created".to_owned()),
        provider_event_id: Some(format!("evt_{number}")),
        object_id: None,
        tags: Vec::new(),
        comment: None,
        missed: false,
        sender_waited: false,
        taken_when_late: false,
        imported: false,
        late: false,
        state: crate::row::EventState::Settled,
        repeat: None,
        given_up: None,
        dropped: None,
        released: false,
        forwarded_as: None,
        verdict: Some(Verdict::Valid { scheme: "callpaymin/hex".to_owned(), secret: "SECRET".to_owned() }),
        attempts: vec![answered(1, 200)],
    }
}

fn answered(number: u32, status: u16) -> Attempt {
    let outcome = Outcome::Answered {
        status,
        headers: Vec::new(),
        body_bytes: 6,
        body_excerpt: b"queued".to_vec(),
        latency_ms: 12,
    };
    attempt(number, outcome)
}

fn attempt(number: u32, outcome: Outcome) -> Attempt {
    Attempt {
        number,
        target: "http://localhost:3000".to_owned(),
        cause: AttemptCause::Arrival,
        started_at: UnixMillis(AT),
        changed: None,
        outcome,
    }
}

fn event(number: u8, body: &'static [u8]) -> Event {
    Event {
        id: id(number),
        endpoint: "orders".parse().unwrap(),
        received_at: UnixMillis(AT),
        peer: Peer { address: "127.0.0.1:1".to_owned(), source: PeerSource::Socket },
        prefix_bytes: 0,
        head: Bytes::from_static(b"POST /hook HTTP/1.1\r\nHost: relay.example\r\nX-Evil: \x1b[2J\r\n\r\n"),
        body: Bytes::from_static(body),
        body_sha256: Event::digest(body),
    }
}

fn mask() -> Mask {
    Mask::new(catalogue(), &["X-Own-Secret".to_owned()], &[JsonPath::parse("card.number").unwrap()])
}

fn opened(number: u8, body: &'static [u8]) -> Box<Opened> {
    Box::new(Opened::new(event(number, body), Some("callpaymin"), catalogue(), &mask()))
}

/// One event of every kind.
fn one_of_each() -> Vec<EventRow> {
    let failed = Outcome::Failed {
        kind: FailureKind::Connect,
        message: "no connection to http://localhost:3000".to_owned(),
        latency_ms: 1,
    };
    vec![
        row(1),
        EventRow {
            verdict: Some(Verdict::Invalid {
                scheme: "callpaymin/hex".to_owned(),
                code: "mismatch".to_owned(),
                reason: "the signature belongs to another body".to_owned(),
            }),
            attempts: vec![attempt(1, Outcome::Rejected)],
            ..row(2)
        },
        EventRow {
            provider: None,
            event_type: None,
            target: "/evil\u{202e}\x1b[2J日本".to_owned(),
            verdict: Some(Verdict::Unsigned),
            attempts: vec![attempt(1, failed), answered(2, 500)],
            ..row(3)
        },
        EventRow { missed: true, attempts: Vec::new(), ..row(4) },
        EventRow {
            verdict: Some(Verdict::NoSecret { provider: "stripe".to_owned() }),
            provider: Some("stripe".to_owned()),
            event_type: Some("invoice.payment_succeeded".to_owned()),
            attempts: vec![attempt(1, Outcome::Begun)],
            ..row(5)
        },
    ]
}

/// An inspector without a terminal.
struct Stage {
    state: State,
    effects: Vec<Effect>,
}

impl Stage {
    fn new(width: u16, height: u16) -> Self {
        Self::looking(width, height, Theme::new(Palette::Dark, Color::Off, false))
    }

    fn looking(width: u16, height: u16, theme: Theme) -> Self {
        let mut stage = Self::begun(width, height, theme);
        stage.tell(Message::Rows { rows: Vec::new(), whole: true });
        stage.effects.clear();
        stage
    }

    /// Before anything of the history was read.
    fn beginning(width: u16, height: u16) -> Self {
        Self::begun(width, height, Theme::new(Palette::Dark, Color::Off, false))
    }

    fn begun(width: u16, height: u16, theme: Theme) -> Self {
        let look = Look {
            theme,
            times: Times::Utc,
            zone: TimeZone::UTC,
            layout: Layout::Auto,
            list_percent: 59,
            hints: true,
            mouse: true,
            as_sent: false,
            masks: true,
        };
        let state = State { mask: mask(), ..State::new(width, height, look, Keymap::default()) };
        let mut stage = Self { state, effects: Vec::new() };
        let ready = Ready {
            relay_url: "http://127.0.0.1:8780".to_owned(),
            endpoint: "orders".parse().unwrap(),
            endpoint_url: "http://127.0.0.1:8780/in/orders-5f0c".to_owned(),
            ca_file: None,
            targets: vec!["http://localhost:3000".to_owned()],
            data_dir: "/data".to_owned(),
        };
        stage.tell(Message::Live(Live::Ready(Box::new(ready))));
        let round_trip = Some(Duration::from_micros(1534));
        stage.tell(Message::Live(Live::Connection(ConnectionState::Connected {
            round_trip,
            backlog_events: 0,
            clock_ahead_ms: Some(40),
        })));
        stage.effects.clear();
        stage
    }

    fn with_events(width: u16, height: u16) -> Self {
        let mut stage = Self::new(width, height);
        for row in one_of_each() {
            stage.tell(Message::Live(Live::Event(Box::new(row))));
        }
        stage
    }

    fn tell(&mut self, message: Message) {
        let effects = update(&mut self.state, vec![message]);
        self.effects.extend(effects);
    }

    /// Letters are typed; `<…>` names another key.
    fn keys(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(letter) = rest.chars().next() {
            let (code, modifiers, length) = match rest.split_once('>') {
                Some((name, _)) if letter == '<' => {
                    let (code, modifiers) = named(&name[1..]);
                    (code, modifiers, name.len() + 1)
                }
                _ => (KeyCode::Char(letter), KeyModifiers::NONE, letter.len_utf8()),
            };
            self.tell(Message::Key(KeyEvent::new(code, modifiers)));
            rest = &rest[length..];
        }
        self
    }

    /// The events that pass the filter.
    fn shown(&self) -> Vec<EventId> {
        let events = &self.state.events;
        (0..events.shown()).filter_map(|place| events.at(place)).map(|entry| entry.id).collect()
    }

    fn buffer(&self) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(self.state.width, self.state.height)).unwrap();
        terminal.draw(|frame| view(&self.state, frame)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn screen(&self) -> String {
        let buffer = self.buffer();
        let mut text = String::new();
        for y in 0..buffer.area.height {
            let line: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

fn named(name: &str) -> (KeyCode, KeyModifiers) {
    match name {
        "enter" => (KeyCode::Enter, KeyModifiers::NONE),
        "esc" => (KeyCode::Esc, KeyModifiers::NONE),
        "tab" => (KeyCode::Tab, KeyModifiers::NONE),
        "f5" => (KeyCode::F(5), KeyModifiers::NONE),
        "f6" => (KeyCode::F(6), KeyModifiers::NONE),
        "f7" => (KeyCode::F(7), KeyModifiers::NONE),
        "S-tab" => (KeyCode::BackTab, KeyModifiers::NONE),
        "up" => (KeyCode::Up, KeyModifiers::NONE),
        "down" => (KeyCode::Down, KeyModifiers::NONE),
        "f2" => (KeyCode::F(2), KeyModifiers::NONE),
        "C-up" => (KeyCode::Up, KeyModifiers::CONTROL),
        "C-down" => (KeyCode::Down, KeyModifiers::CONTROL),
        "left" => (KeyCode::Left, KeyModifiers::NONE),
        "C-s" => (KeyCode::Char('s'), KeyModifiers::CONTROL),
        "C-r" => (KeyCode::Char('r'), KeyModifiers::CONTROL),
        "C-u" => (KeyCode::Char('u'), KeyModifiers::CONTROL),
        "C-c" => (KeyCode::Char('c'), KeyModifiers::CONTROL),
        other => panic!("{other}"),
    }
}

#[test]
fn before_the_first_event_it_says_what_to_do() {
    insta::assert_snapshot!(Stage::new(100, 16).screen());
    let mut stage = Stage::new(80, 12);
    stage.tell(Message::Live(Live::Connection(ConnectionState::Waiting {
        reason: "the relay closed the connection".to_owned(),
        retry_in: Duration::from_millis(1500),
    })));
    insta::assert_snapshot!(stage.screen());
}

#[test]
fn every_kind_of_event_side_by_side_with_the_newest() {
    let mut stage = Stage::with_events(120, 24);
    let newest = stage.state.selected.unwrap();
    assert_eq!(newest, id(5), "it follows");
    stage.tell(Message::Loaded(newest, Ok(opened(5, br#"{"b":1.10,"a":[]}"#))));
    insta::assert_snapshot!(stage.screen());
}

#[test]
fn on_a_narrow_terminal_list_and_detail_take_turns() {
    let mut stage = Stage::with_events(80, 24);
    insta::assert_snapshot!(stage.keys("kk").screen());
    assert_eq!(stage.state.selected, Some(id(3)));
    stage.tell(Message::Loaded(id(3), Ok(opened(3, b"\xff\x00 no text"))));
    insta::assert_snapshot!(stage.keys("<enter>").screen());
    stage.keys("<esc>");
    assert!(stage.screen().contains("Events 3/5"));
}

#[test]
fn what_is_given_up_is_marked_and_told_why() {
    let mut stage = Stage::new(120, 24);
    let reason = "http://localhost:3000 answered 404, \u{1b}[2Jwhich another try would not change".to_owned();
    let given_up = Some(GivenUp { at: UnixMillis(0), reason });
    let row = EventRow { given_up, attempts: vec![answered(1, 404)], ..row(1) };
    stage.tell(Message::Live(Live::Event(Box::new(row))));
    stage.tell(Message::Loaded(id(1), Ok(opened(1, b"{}"))));
    let screen = stage.screen();
    assert!(screen.contains(" dead "), "{screen}");
    assert!(screen.contains("given up: http://localhost:3000 answered 404"), "{screen}");
    assert!(!screen.contains('\u{1b}'), "{screen}");
    stage.keys("/given up<enter>");
    assert!(stage.screen().contains("Events 1/1"), "{}", stage.screen());
}

#[test]
fn it_follows_until_somebody_looks_around() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("k");
    stage.tell(Message::Live(Live::Event(Box::new(row(6)))));
    assert_eq!(stage.state.selected, Some(id(4)), "the selection stays");
    stage.keys("G");
    stage.tell(Message::Live(Live::Event(Box::new(row(7)))));
    assert_eq!(stage.state.selected, Some(id(7)));
    stage.keys("gg");
    assert_eq!(stage.state.selected, Some(id(1)));
    stage.keys("F");
    assert_eq!(stage.state.selected, Some(id(7)));
}

#[test]
fn marks_stay_with_their_events() {
    let mut stage = Stage::with_events(120, 24);
    stage.keys("ggm");
    stage.tell(Message::Live(Live::Event(Box::new(row(6)))));
    stage.keys("j ");
    assert_eq!(stage.state.selected, Some(id(3)), "the space went on to the next one");
    assert_eq!(stage.state.marked, [id(1), id(2)].into());
    stage.keys("ggm");
    assert_eq!(stage.state.marked, [id(2)].into());
    assert!(stage.keys("U").screen().contains("1 mark taken away"));
    assert!(stage.state.marked.is_empty());
}

#[test]
fn a_filter_narrows_the_list_while_it_is_typed() {
    let mut stage = Stage::with_events(120, 16);
    stage.keys("/valid -inv");
    assert_eq!(stage.shown(), [id(1), id(4)]);
    insta::assert_snapshot!(stage.screen());
    stage.keys("<C-u>500<enter>");
    assert_eq!(stage.state.selected, Some(id(3)));
    stage.keys("/<C-u>nothing has this");
    assert!(stage.screen().contains("No event passes the filter nothing has this"));
    stage.keys("<esc>");
    assert_eq!(stage.shown(), [id(3)], "the one before is on again");
    stage.keys("<esc>");
    assert_eq!(stage.shown().len(), 5);
}

#[test]
fn a_filter_that_is_wrong_says_so_and_leaves_the_last_one_on() {
    let mut stage = Stage::with_events(120, 16);
    stage.keys("/sig:valid<enter>");
    let matching = stage.shown();
    assert_eq!(matching.len(), 2);
    stage.keys("/ (");
    assert_eq!(stage.shown(), matching);
    assert!(
        stage.screen().contains("expected a word or NAME:VALUE, found nothing more"),
        "{}",
        stage.screen()
    );
    stage.keys("<C-u>is:held");
    assert!(stage.screen().contains("No event passes the filter is:held"), "{}", stage.screen());
    stage.keys("<enter>/ (");
    assert!(
        stage.screen().contains("No event passes the filter is:held  "),
        "it is that one still: {}",
        stage.screen()
    );
    stage.keys("<C-u>status:5xx<enter>");
    assert_eq!(stage.state.selected, Some(id(3)));
}

#[test]
fn bodies_are_read_for_a_filter_that_asks_for_them() {
    let mut stage = Stage::with_events(120, 16);
    stage.effects.clear();
    stage.keys("/-status:5xx body:xy<enter>");
    let judged = |stage: &Stage| {
        stage.effects.iter().find_map(|effect| {
            let Effect::Judge(number, filter, events) = effect else { return None };
            let ids = events.iter().map(|(id, _)| *id).collect::<Vec<_>>();
            filter.to_string().ends_with("body:xy").then_some((*number, ids))
        })
    };
    assert!(stage.screen().contains("0 of 5 events · scan 0%"), "{}", stage.screen());
    let (number, ids) = judged(&stage).unwrap();
    // What is read for the filters that were typed on the way is stopped, and what came of it counts no more.
    assert!(stage.effects.contains(&Effect::StopJudging), "{:?}", stage.effects);
    stage.tell(Message::Judged(number - 1, ids.iter().map(|id| (*id, true)).collect()));
    assert_eq!(stage.shown(), []);
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert!(ids.is_sorted_by(|a, b| a > b), "the newest first");
    stage.tell(Message::Judged(number, ids.iter().map(|&id| (id, id == ids[1])).collect()));
    assert_eq!(stage.state.selected, Some(ids[1]));
    assert!(stage.screen().contains("1 of 5 events"), "{}", stage.screen());
    // A row that changes is judged anew.
    stage.effects.clear();
    let changed = stage.state.row(ids[0]).unwrap().clone();
    stage.tell(Message::Live(Live::Attempt(Box::new(changed), answered(2, 200))));
    assert_eq!(judged(&stage), Some((number, vec![ids[0]])));
}

#[test]
fn a_replay_is_asked_for_and_its_outcome_told() {
    let mut stage = Stage::with_events(120, 16);
    stage.keys("ggr");
    assert!(stage.effects.contains(&Effect::Replay(id(1), Signing::AsReceived)), "{:?}", stage.effects);
    let replayed = Attempt { cause: AttemptCause::Replay, ..answered(2, 503) };
    let mut after = row(1);
    after.attempts.push(replayed.clone());
    stage.tell(Message::Live(Live::Attempt(Box::new(after), replayed.clone())));
    stage.tell(Message::Replayed(Ok(replayed)));
    let screen = stage.screen();
    assert!(screen.contains("✗ attempt 2: 503 in 12 ms (replay)"), "{screen}");
    assert!(screen.contains(" ✓  503  callpaymin"), "{screen}");
    assert!(screen.contains("x2"), "{screen}");
    stage.tell(Message::Replayed(Err("the client is stopping".to_owned())));
    assert!(stage.screen().contains("✗ not replayed: the client is stopping"));
    assert!(!stage.keys("j").screen().contains("not replayed"), "it stays until the next key");
}

#[test]
fn the_help_lists_every_key_and_back_leads_out() {
    let mut stage = Stage::with_events(120, 30);
    insta::assert_snapshot!(stage.keys("?").screen());
    stage.keys("q<enter>");
    stage.effects.clear();
    stage.keys("q");
    assert!(stage.effects.is_empty(), "out of the detail first");
    stage.keys("q");
    assert_eq!(stage.effects, [Effect::Quit { keep: false }]);
    stage.effects.clear();
    stage.keys("/text<C-c>");
    assert!(stage.effects.contains(&Effect::Quit { keep: false }), "wherever one is");
    stage.effects.clear();
    let held = EventRow { state: crate::row::EventState::Held, attempts: Vec::new(), ..row(9) };
    stage.tell(Message::Live(Live::Event(Box::new(held))));
    stage.keys("<C-c>");
    assert!(
        stage.screen().contains("1 event is held and stays so; ctrl-c again quits"),
        "{}",
        stage.screen()
    );
    stage.keys("a<C-c>");
    assert!(!stage.effects.iter().any(|effect| matches!(effect, Effect::Quit { .. })), "it is asked anew");
    stage.keys("<C-c>");
    assert!(stage.effects.contains(&Effect::Quit { keep: false }));
}

#[test]
fn older_events_are_read_page_by_page_until_all_are_there() {
    let mut stage = Stage::beginning(120, 16);
    stage.tell(Message::Rows { rows: (20..=60).rev().map(row).collect(), whole: false });
    assert!(stage.effects.contains(&Effect::LoadRows(Some(id(20)))), "{:?}", stage.effects);
    stage.effects.clear();
    stage.keys("gg");
    assert!(!stage.effects.iter().any(|effect| matches!(effect, Effect::LoadRows(_))), "one at a time");
    stage.tell(Message::Rows { rows: (1..20).rev().map(row).collect(), whole: true });
    assert_eq!(stage.state.selected, Some(id(20)), "the selection stays");
    assert_eq!(stage.state.events.list().len(), 60);
    stage.effects.clear();
    stage.keys("gg");
    assert!(!stage.effects.iter().any(|effect| matches!(effect, Effect::LoadRows(_))));
}

#[test]
fn a_long_detail_scrolls_to_its_end_and_no_further() {
    let mut stage = Stage::with_events(120, 16);
    let body: &[u8] = b"{\"list\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]}";
    stage.tell(Message::Loaded(id(5), Ok(opened(5, body.to_vec().leak()))));
    stage.keys("<tab>G");
    let end = stage.screen();
    assert!(end.contains('}'), "{end}");
    assert_eq!(stage.keys("jjj").screen(), end);
    assert_ne!(stage.keys("k").screen(), end);
}

#[test]
fn nothing_from_outside_reaches_the_terminal_as_it_is() {
    let mut stage = Stage::with_events(120, 30);
    stage.keys("kk");
    let evil = "{\"a\":\"\u{202e}\u{200b}\u{9b}31m\"}\x07".as_bytes();
    stage.tell(Message::Loaded(id(3), Ok(opened(3, evil))));
    stage.tell(Message::Live(Live::Notice("\x1b]0;title\x07".to_owned())));
    let screen = stage.screen();
    let harmful =
        |letter: char| (letter.is_control() && letter != '\n') || "\u{202e}\u{200b}".contains(letter);
    assert!(!screen.contains(harmful), "{screen:?}");
    for visible in [r"\x1b[2J", r"\u{202e}", r"\u{200b}", r"\x1b]0;title"] {
        assert!(screen.contains(visible), "{visible} in {screen}");
    }
}

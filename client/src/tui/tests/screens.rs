//! Whole screens, with their styles: at each size a layout is made for, and in each theme.

use std::{fmt::Write, time::Duration};

use inhaul_core::signature::Verdict;
use ratatui::{
    buffer::Buffer,
    style::{Color as Paint, Modifier},
};

use super::{Stage, event, id, mask, opened, row};
use crate::{
    config::Setting,
    connection::ConnectionState,
    live::Live,
    output::Color,
    row::EventRow,
    tui::{
        content::Opened,
        message::Message,
        theme::{Palette, Theme},
    },
};

/// The text of a screen, and below it the look of every run of cells that is not plain: line, columns, look.
fn with_styles(buffer: &Buffer) -> String {
    let mut out = String::new();
    let width = usize::from(buffer.area.width);
    for line in buffer.content.chunks(width) {
        let line: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
        let _ = writeln!(out, "{}", line.trim_end());
    }
    for (number, line) in buffer.content.chunks(width).enumerate() {
        let mut column = 0;
        for run in
            line.chunk_by(|one, other| (one.fg, one.bg, one.modifier) == (other.fg, other.bg, other.modifier))
        {
            let (look, from) = (&run[0], column);
            column += run.len();
            let is_plain = look.fg == Paint::Reset && look.bg == Paint::Reset && look.modifier.is_empty();
            if !is_plain {
                let modifier =
                    if look.modifier.is_empty() { String::new() } else { format!(" {:?}", look.modifier) };
                let _ = writeln!(out, "{number:2}:{from}-{} {}{modifier}", column - 1, look.fg);
            }
        }
    }
    out
}

/// Events of every kind, one of them open.
fn story(width: u16, height: u16, theme: Theme) -> Stage {
    let mut stage = Stage::looking(width, height, theme);
    for row in super::one_of_each() {
        stage.tell(Message::Live(Live::Event(Box::new(row))));
    }
    stage.keys("gg");
    let body = br#"{"id":"evt_1","type":"call.created","created":1763970070,"data":{"call_id":"call_220","amount":{"value":1.870,"currency":"USD"},"tags":["eu","recorded"],"live":false}}"#;
    stage.tell(Message::Loaded(id(1), Ok(opened(1, body))));
    stage
}

#[test]
fn screens_of_each_size() {
    for (width, height) in [(160, 45), (120, 36), (100, 30), (80, 24), (48, 16), (40, 10)] {
        let theme = Theme::new(Palette::Dark, Color::Off, false);
        let mut stage = story(width, height, theme);
        insta::assert_snapshot!(format!("list_{width}x{height}"), stage.screen());
        stage.keys("<enter>");
        stage.tell(Message::Loaded(id(1), Ok(opened(1, br#"{"a":[1,{"b":null}],"at":1763970070}"#))));
        insta::assert_snapshot!(format!("event_{width}x{height}"), stage.screen());
    }
}

#[test]
fn screens_in_each_theme() {
    for palette in Palette::ALL {
        let buffer = story(100, 20, Theme::new(palette, Color::On, false)).buffer();
        insta::assert_snapshot!(format!("theme_{palette}"), with_styles(&buffer));
        let colored = buffer.content.iter().any(|cell| cell.fg != Paint::Reset || cell.bg != Paint::Reset);
        assert_eq!(colored, palette != Palette::Mono, "{palette}");
    }
}

#[test]
fn without_colours_every_theme_is_the_same() {
    for palette in Palette::ALL {
        let buffer = story(100, 20, Theme::new(palette, Color::Off, false)).buffer();
        assert!(
            buffer.content.iter().all(|cell| cell.fg == Paint::Reset && cell.bg == Paint::Reset),
            "{palette}"
        );
        assert!(
            buffer.content.iter().any(|cell| cell.modifier.contains(Modifier::REVERSED)),
            "the selection is seen"
        );
    }
}

#[test]
fn in_ascii_nothing_else_is_drawn() {
    for keys in [
        "",
        "<enter>",
        "?",
        "C",
        "O",
        "E",
        ":",
        "<enter>3",
        "<enter>4",
        "<enter>5",
        "R<tab><tab>a=1<enter>b=2",
        "gt",
        "|",
    ] {
        let mut stage = story(100, 30, Theme::new(Palette::Dark, Color::Off, true));
        stage.tell(Message::Live(Live::Notice("日本 é".to_owned())));
        stage.keys(keys);
        let screen = stage.screen();
        assert!(screen.is_ascii(), "{screen}");
        assert!(screen.contains('+') && screen.contains('|'), "{screen}");
    }
}

#[test]
fn every_tab_of_an_event() {
    let mut stage = story(100, 40, Theme::new(Palette::Dark, Color::Off, false));
    stage.tell(Message::Resize(80, 40));
    stage.keys("<enter>");
    for (key, name) in [("2", "headers"), ("3", "signature"), ("4", "attempts"), ("5", "raw")] {
        insta::assert_snapshot!(format!("tab_{name}"), stage.keys(key).screen());
    }
}

#[test]
fn every_page_over_the_list() {
    let mut stage = story(100, 30, Theme::new(Palette::Dark, Color::Off, false));
    let reason = "the relay closed the connection".to_owned();
    let retry_in = Duration::from_millis(1500);
    stage.tell(Message::Live(Live::Connection(ConnectionState::Waiting { reason, retry_in })));
    let setting = |name: &str, value: &str, source: &str| Setting {
        name: name.to_owned(),
        value: value.to_owned(),
        source: source.to_owned(),
    };
    stage.state.options = vec![
        setting("relay", "hosted by this program", "default"),
        setting("route / target", "http://localhost:3000", "inhaul.toml:12"),
    ];
    for (key, name) in [("C", "relay"), ("O", "options"), ("E", "log"), (":replay", "commands")] {
        insta::assert_snapshot!(format!("page_{name}"), stage.keys(key).screen());
        stage.keys("<esc>");
    }
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    for (width, height) in [(1, 1), (39, 30), (100, 9), (0, 0)] {
        let mut stage = story(100, 30, Theme::new(Palette::Dark, Color::Off, false));
        stage.tell(Message::Resize(width, height));
        stage.buffer();
    }
    let mut stage = story(100, 30, Theme::new(Palette::Dark, Color::Off, false));
    stage.tell(Message::Resize(39, 9));
    assert!(stage.screen().starts_with("inhaul goes on; the inspector needs"), "{}", stage.screen());
}

#[test]
fn credentials_are_hidden_until_they_are_asked_for() {
    let mut stage = story(120, 30, Theme::new(Palette::Dark, Color::Off, false));
    let mut event = event(1, b"");
    event.head = (&b"POST / HTTP/1.1\r\nAuthorization: Bearer geheim\r\ncookie: a=geheim\r\nx-own-secret: geheim\r\nX-Other: seen\r\n\r\n"[..]).into();
    for tab in ["<enter>2", "5"] {
        let catalogue = inhaul_core::signature::catalogue();
        stage
            .tell(Message::Loaded(id(1), Ok(Box::new(Opened::new(event.clone(), None, catalogue, &mask())))));
        let screen = stage.keys(tab).screen();
        assert!(
            !screen.contains("geheim") && screen.contains("(hidden; S shows it)") && screen.contains("seen"),
            "{screen}"
        );
        let screen = stage.keys("S").screen();
        assert!(screen.contains("Bearer geheim") && screen.contains("a=geheim"), "{screen}");
        stage.keys("S");
    }
}

#[test]
fn an_event_from_a_file_says_so_until_it_is_sent() {
    let mut stage = Stage::new(120, 30);
    let mut imported = row(1);
    (imported.imported, imported.attempts) = (true, Vec::new());
    stage.tell(Message::Live(Live::Event(Box::new(imported.clone()))));
    assert!(stage.screen().contains(" file "), "{}", stage.screen());
    imported.attempts = row(1).attempts;
    stage.tell(Message::Live(Live::Changed(Box::new(imported))));
    assert!(!stage.screen().contains(" file "), "{}", stage.screen());
}

#[test]
fn what_is_unknown_to_a_provider_is_said() {
    let mut stage = Stage::new(120, 30);
    let mut unsigned = row(1);
    unsigned.provider = None;
    stage.tell(Message::Live(Live::Event(Box::new(unsigned))));
    let opened = Opened::new(event(1, b"{}"), None, inhaul_core::signature::catalogue(), &mask());
    stage.tell(Message::Loaded(id(1), Ok(Box::new(opened))));
    let screen = stage.keys("<enter>3").screen();
    assert!(screen.contains("Unknown sender"), "{screen}");
}

#[test]
fn a_wrong_signature_is_told_with_what_was_tried_and_what_it_is_over() {
    let mut stage = Stage::new(98, 45);
    let code = "mismatch".to_owned();
    let verdict =
        Verdict::Invalid { scheme: "callpaymin/hex".to_owned(), code, reason: "no match".to_owned() };
    stage.tell(Message::Live(Live::Event(Box::new(EventRow { verdict: Some(verdict), ..row(1) }))));
    let mut event = event(1, b"{\"a\":1}");
    event.head = (&b"POST /hook HTTP/1.1\r\nX-CallPayMin-Signature: 00ff\r\n\r\n"[..]).into();
    let opened = Opened::new(event, Some("callpaymin"), inhaul_core::signature::catalogue(), &mask());
    assert!(opened.signed.is_some());
    stage.tell(Message::Loaded(id(1), Ok(Box::new(opened))));
    let screen = stage.keys("<enter>3").screen();
    assert!(screen.contains(&format!("inhaul verify {} --secret-env", id(1))), "{screen}");
    for shown in
        ["Tried, and none of it matches", "other hashes", "Signed bytes (callpaymin/hex), 7 B", "7b 22 61 22"]
    {
        assert!(screen.contains(shown), "{shown}: {screen}");
    }
}

#[test]
fn what_is_cut_says_how_to_read_all_of_it() {
    let mut stage = story(120, 30, Theme::new(Palette::Dark, Color::Off, false));
    stage.tell(Message::Loaded(id(1), Ok(opened(1, "x\n".repeat(200_000).into_bytes().leak()))));
    let screen = stage.keys("<enter>G").screen();
    assert!(screen.contains("more; v reads all, b saves it"), "{screen}");
}

#[test]
fn a_url_is_one_word_of_the_command_that_posts_to_it() {
    let mut stage = Stage::new(120, 30);
    let mut ready = stage.state.ready.clone().unwrap();
    ready.endpoint_url = "http://relay.example/in/a?b=1&c='2'\x1b[2J".to_owned();
    stage.tell(Message::Live(Live::Ready(Box::new(ready))));
    let screen = stage.screen();
    assert!(screen.contains(r"'http://relay.example/in/a?b=1&c='\''2'\''\x1b[2J'"), "{screen}");
}

#[test]
fn times_are_told_with_date_and_zone_of_here_when_those_are_asked_for() {
    let mut stage = story(100, 40, Theme::new(Palette::Dark, Color::Off, false));
    stage.tell(Message::Resize(80, 40));
    stage.state.look.zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(-3));
    for (key, times) in [("2", 3), ("4", 3)] {
        let screen = stage.keys("<enter>").keys(key).screen();
        assert_eq!(screen.matches("2025-11-24T07:41:1").count(), times, "{screen}");
        assert!(screen.contains("07:41:11.118Z"), "{screen}");
        let screen = stage.keys("<esc>t<enter>").screen();
        assert_eq!(screen.matches("2025-11-24T04:41:1").count(), times, "{screen}");
        assert!(screen.contains("04:41:11.118-03:00"), "{screen}");
        stage.keys("<esc>ttt");
    }
}

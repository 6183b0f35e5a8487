//! The inspector on a real terminal.

use std::fs;

use crate::{
    handler::{Handler, Reply},
    picture,
    sender::Sender,
    terminal::Terminal,
    world::{World, terminate},
};

/// A listening client on a terminal, and a sender to it.
fn listen(world: &World, columns: u16, lines: u16, target: &str) -> (Terminal, Sender) {
    let command = world.inhaul(&["listen", "--port", "0", "--ready-file", "ready.json", target]);
    let terminal = Terminal::start(&command, columns, lines);
    terminal.until_text("Waiting for the first webhook.");
    terminal.until_text("● connected");
    // The URL as a person would copy it.
    let url = terminal.until("the URL", |screen| {
        let text = screen.contents();
        let url = text.split_whitespace().find(|word| word.starts_with("http://127.0.0.1"))?;
        Some(url.to_owned())
    });
    (terminal, Sender::new(&url, None))
}

fn webhook_is_seen_replayed_and_filtered(columns: u16, lines: u16) {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let (mut terminal, sender) = listen(&world, columns, lines, &handler.target());
    let answer = sender.send("POST", "/first", &[], br#"{"amount":1.10}"#);
    assert_eq!(answer.status, 200);
    terminal.until_text("POST /first");
    terminal.until_text("200");
    terminal.type_keys("\r");
    terminal.until_text("amount  1.10");
    for (key, text) in [
        ("2", "host"),
        ("3", "the same bytes as the relay received"),
        ("4", "Its way"),
        ("5", "00000000  7b 22"),
    ] {
        terminal.type_keys(key);
        terminal.until_text(text);
    }
    terminal.type_keys("qr");
    terminal.until_text("attempt 2: 200");
    handler.reply_with(Reply::text("503 Later", ""));
    terminal.type_keys("r");
    terminal.until_text("attempt 3: 503");
    assert_eq!(handler.rest().len(), 3);
    sender.send("PUT", "/second", &[], b"");
    terminal.until_text("PUT /second");
    terminal.type_keys("/first\r");
    terminal.until_text("1 of 2 events");
    terminal.until("no second", |screen| (!screen.contents().contains("/second")).then_some(()));
    terminal.type_keys("?");
    terminal.until_text("Help");
    terminal.type_keys("qq");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_webhook_is_seen_replayed_and_filtered_on_a_wide_terminal() {
    webhook_is_seen_replayed_and_filtered(120, 36);
}

#[test]
fn a_webhook_is_seen_replayed_and_filtered_on_a_narrow_terminal() {
    webhook_is_seen_replayed_and_filtered(80, 24);
}

#[test]
fn what_is_noted_in_the_inspector_and_beside_it_is_on_record() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let (mut terminal, sender) = listen(&world, 120, 36, &handler.target());
    let ids: Vec<String> = ["/first", "/second"]
        .map(|path| {
            let id = sender.send("POST", path, &[], b"{}").event_id();
            terminal.until_text(&format!("POST {path}"));
            id
        })
        .into();
    terminal.type_keys("gg mTslow\r");
    terminal.until_text("noted on 2 events");
    terminal.type_keys("U;who sent this?\r");
    terminal.until_text("noted on 1 event");
    // What another command notes is on the screen at once.
    world.stdout(&["tag", &ids[0], "+other"]);
    terminal.type_keys("/tag:o\t");
    terminal.until_text("tag:other");
    terminal.until_text("1 of 2 events");
    terminal.type_keys("\u{13}mine\r");
    terminal.until_text("the filter is saved as @mine");
    terminal.type_keys("q");
    assert_eq!(terminal.end(), 0);
    let found = |filter: &str| world.json(&["events", "--json", filter]).len();
    assert_eq!((found("tag:slow"), found("comment:who"), found("@mine")), (2, 1, 1));
}

#[test]
fn a_killed_inspector_gives_the_terminal_back() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let (terminal, _) = listen(&world, 80, 24, &handler.target());
    terminate(terminal.pid());
    assert_eq!(terminal.end(), 0);
}

/// Makes the picture of the README again: `cargo test --test it picture -- --ignored`.
#[test]
#[ignore = "writes assets/pictures/inspector.svg"]
fn picture_of_the_demo() {
    let world = World::new();
    let mut terminal = Terminal::start(&world.inhaul(&["demo"]), 120, 36);
    terminal.until_text("Your turn");
    terminal.type_keys("kk");
    let svg = terminal.until("the forged event", |screen| {
        let text = screen.contents();
        text.contains("✗ invalid").then(|| picture::svg(screen))
    });
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/pictures/inspector.svg");
    fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
    fs::write(path, svg).unwrap();
    terminal.type_keys("q");
    assert_eq!(terminal.end(), 0);
}

//! The inspector on a real terminal.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    terminal::Terminal,
    world::{World, terminate, text, until},
};

/// A listening client on a terminal, and a sender to it.
pub fn listen(world: &World, columns: u16, lines: u16, target: &str) -> (Terminal, Sender) {
    on_terminal(&world.inhaul(&["listen", "--port", "0", target]), columns, lines)
}

pub fn on_terminal(command: &Command, columns: u16, lines: u16) -> (Terminal, Sender) {
    let terminal = Terminal::start(command, columns, lines);
    terminal.until_text("Waiting for the first webhook.");
    terminal.until_text("● connected");
    let sender = sender_to(&terminal);
    (terminal, sender)
}

/// Waits until the screen shows a text no more.
pub fn until_gone(terminal: &Terminal, text: &str) {
    terminal.until("it goes", |screen| (!screen.contents().contains(text)).then_some(()));
}

/// A sender to the URL on the screen, as a person would copy it.
fn sender_to(terminal: &Terminal) -> Sender {
    let url = terminal.until("the URL", |screen| {
        let text = screen.contents();
        let url = text.split_whitespace().find(|word| word.starts_with("http://127.0.0.1"))?;
        Some(url.to_owned())
    });
    Sender::new(&url, None)
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
    for (key, text) in
        [("2", "host"), ("3", "the same bytes as the relay"), ("4", "Timeline"), ("5", "00000000  7b 22")]
    {
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
fn an_event_is_held_edited_released_and_replayed_many_times() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    // It says that it is there, and puts what is typed into the file.
    let editor = world.write("editor", "printf 'the editor'\nread line\nprintf '%s' \"$line\" > \"$1\"\n");
    let mut command = world.inhaul(&["listen", "--port", "0", "--answer", "relay", &handler.target()]);
    command.env("EDITOR", format!("sh {}", editor.display())).env("PATH", "/usr/bin:/bin");
    let (mut terminal, sender) = on_terminal(&command, 120, 36);
    terminal.type_keys("imethod:PUT\r");
    terminal.until_text("events are held that pass method:PUT");
    sender.send("PUT", "/held", &[], b"as received");
    terminal.until_text("HLD");
    terminal.type_keys("e");
    terminal.until_text("the editor");
    // What happens meanwhile goes on.
    sender.send("POST", "/other", &[], b"not held");
    assert_eq!(handler.next().body, b"not held");
    terminal.type_keys("as edited\r");
    terminal.until_text("Replay one event");
    terminal.until_text("edited, 9 B");
    // Nobody signed it, so it is not signed anew.
    terminal.type_keys("\x1b[B\x1b[B\x1b[B\x1b[B\x1b[B    ");
    terminal.until_text("as received   1 of 5");
    terminal.type_keys("\x1b[17~");
    terminal.until_text("released: 1 event");
    assert_eq!(handler.next().body, b"as edited");
    terminal.type_keys("ggR");
    terminal.until_text("Replay one event");
    terminal.type_keys(&"\t".repeat(8));
    terminal.type_keys("12\x1b[15~");
    terminal.until_text("12 requests, 12 answered 2xx");
    (0..12).for_each(|_| assert_eq!(handler.next().body, b"as received"));
    terminal.type_keys("\x1b");
    terminal.until("the dialog is gone", |screen| (!screen.contents().contains("Replay one")).then_some(()));
    terminal.type_keys("q");
    assert_eq!(terminal.end(), 0);
    let events = world.events();
    assert_eq!(events[0]["attempts"].as_array().unwrap().len(), 13);
    assert_eq!(events[0]["attempts"][0]["changed"]["what"], "body edited (9 B)");
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

#[test]
fn a_request_is_copied_to_tmux_and_to_the_terminal_and_events_are_compared() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    // In place of tmux, a script that keeps what it is given.
    let tmux = world.write("tmux", "#!/bin/sh\n[ \"$*\" = \"load-buffer -w -\" ] && exec cat > copied\n");
    fs::set_permissions(&tmux, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = world.inhaul(&["listen", "--port", "0", &handler.target()]);
    let path = format!("{}:/usr/bin:/bin", text(tmux.parent().unwrap()));
    command.env("TMUX", "/tmp/tmux,1,0").env("PATH", path);
    let mut terminal = Terminal::start(&command, 120, 36);
    let url = terminal.until("the URL", |screen| {
        let text = screen.contents();
        let url = text.split_whitespace().find(|word| word.starts_with("http://127.0.0.1"))?;
        Some(url.to_owned())
    });
    let sender = Sender::new(&url, None);
    let first = sender.send("POST", "/a?token=abc", &["X-A: it's"], br#"{"amount":1.10}"#).event_id();
    let second = sender.send("POST", "/a?token=abc", &["X-A: it's"], br#"{"amount":2}"#).event_id();
    terminal.until_text("2/2");
    terminal.type_keys("yc");
    terminal.until_text("copied to tmux's buffer, and handed to its terminal's clipboard");
    let copied = fs::read_to_string(world.path("copied")).unwrap();
    let expected = format!("curl 'http://localhost:{}/a?token=***'", handler.port);
    assert!(copied.contains(&expected) && copied.contains(r#"--data-raw '{"amount":2}'"#), "{copied}");
    // A tmux that does not take it.
    fs::remove_file(&tmux).unwrap();
    terminal.type_keys("yi");
    terminal.until_text("id, 36 B: given to the terminal's clipboard (OSC 52)");
    terminal.type_keys("b");
    terminal.until_text("saved to");
    let saved = fs::read(world.path("client/copies").join(format!("{second}.json"))).unwrap();
    assert_eq!(saved, br#"{"amount":2}"#);
    terminal.type_keys("=");
    terminal.until_text(&first);
    terminal.until_text(r#""amount": 1.10"#);
    terminal.type_keys("qq");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_terminal_that_takes_nothing_holds_up_no_event_and_not_the_end() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let (terminal, sender) = listen(&world, 120, 36, &handler.target());
    terminal.stop_taking();
    // More than may wait to be shown, and more pictures than a terminal's buffer holds.
    for number in 0..700 {
        // So many in a second are refused, and taken a moment later.
        until("the event is taken", || {
            let status = sender.send("POST", &format!("/{number}"), &[], b"{}").status;
            assert!(matches!(status, 200 | 429), "{status}");
            status == 200
        });
    }
    assert_eq!(handler.rest().len(), 700);
    terminate(terminal.pid());
    assert_eq!(terminal.ended(), 0);
    assert_eq!(world.events().len(), 700);
}

#[test]
fn a_window_may_change_its_size_at_any_time() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let (mut terminal, sender) = listen(&world, 120, 36, &handler.target());
    sender.send("POST", "/first", &[], br#"{"a":{"b":1}}"#);
    terminal.until_text("1 Body 2 Head");
    for (columns, lines) in [(80, 24), (48, 16), (20, 5), (160, 45)] {
        terminal.resize(columns, lines);
        match columns {
            20 => terminal.until_text("inspector needs"),
            160 => terminal.until_text("1 Body 2 Head"),
            _ => terminal.until("the list alone", |screen| {
                let text = screen.contents();
                (text.contains("Events 1/1") && !text.contains("1 Body")).then_some(())
            }),
        }
    }
    terminal.type_keys("q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_terminal_without_colours_and_utf_8_gets_neither() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let mut command = world.inhaul(&["listen", "--port", "0", &handler.target()]);
    command.env("LC_ALL", "C").env("NO_COLOR", "1");
    let mut terminal = Terminal::start(&command, 100, 30);
    terminal.until_text("Waiting for the first webhook.");
    terminal.until_text("* connected");
    terminal.until("plain cells", |screen| {
        let plain = |line, column| {
            let cell = screen.cell(line, column);
            cell.is_none_or(|cell| cell.contents().is_ascii() && cell.fgcolor() == vt100::Color::Default)
        };
        (0..30).all(|line| (0..100).all(|column| plain(line, column))).then_some(())
    });
    terminal.type_keys("q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_stopped_inspector_leaves_the_terminal_to_the_shell_and_comes_back() {
    let world = World::new();
    let inhaul = world.inhaul(&["listen", "--port", "0"]);
    let mut shell = Command::new("/bin/bash");
    shell.args(["--norc", "--noprofile", "-i"]).current_dir(inhaul.get_current_dir().unwrap());
    shell.envs(inhaul.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut terminal = Terminal::start(&shell, 100, 30);
    let args: Vec<_> = inhaul.get_args().map(|arg| arg.to_string_lossy()).collect();
    terminal.type_keys(&format!("{} {}\r", inhaul.get_program().to_string_lossy(), args.join(" ")));
    terminal.until_text("● connected");
    let sender = sender_to(&terminal);
    terminal.type_keys("\u{1a}");
    terminal.until_text("Stopped");
    terminal.type_keys("echo 4$((1+1))\r");
    terminal.until_text("42");
    terminal.type_keys("fg\r");
    sender.send("POST", "/after", &[], b"{}");
    terminal.until_text("POST /after");
    // The key counts without the end of a line: the terminal is the inspector's again.
    terminal.type_keys("?");
    terminal.until_text("Help");
    terminal.type_keys("qq");
    terminal.until("the shell", |screen| (!screen.alternate_screen()).then_some(()));
    terminal.type_keys("exit\r");
    assert_eq!(terminal.end(), 0);
}

//! The inspector from its first picture on: it is there before the history is, and explains what keeps it from starting.

use std::fs::{self, File};

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    terminal::Terminal,
    world::{World, until},
};

/// The data directory, held as by a process that is about to give it away.
fn held(world: &World) -> File {
    fs::create_dir_all(world.path("client")).unwrap();
    let lock = File::options().create(true).append(true).open(world.path("client/lock")).unwrap();
    lock.lock().unwrap();
    lock
}

/// An inspector that waits for the data directory.
fn waiting(world: &World, target: &str) -> Terminal {
    let terminal = Terminal::start(&world.inhaul(&["listen", "--port", "0", target]), 100, 30);
    terminal.until_text("Opening the history.");
    terminal
}

#[test]
fn keys_work_while_the_history_is_opened() {
    let world = World::new();
    let _lock = held(&world);
    let mut terminal = waiting(&world, "3000");
    terminal.type_keys("?");
    terminal.until_text("Help");
    terminal.type_keys("qO");
    terminal.until_text("catch_up");
    terminal.type_keys("qq");
    // The wait for the directory may have come to its end as well.
    assert!(matches!(terminal.end(), 0 | 2));
}

#[test]
fn what_was_typed_before_the_history_was_open_counts_when_it_is() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let client = world.listen(&["--port", "0", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    for path in ["/one", "/two", "/three"] {
        sender.send("POST", path, &[], b"{}");
    }
    assert!(client.program.stop().success());
    world.write("client/filters.used", "is:late\n");
    let lock = held(&world);
    let mut terminal = waiting(&world, &handler.target());
    terminal.type_keys("/path:/two\r");
    terminal.until_text("/path:/two");
    lock.unlock().unwrap();
    terminal.until_text("1 of 3 events");
    // It is one of those that were used, behind those of earlier runs.
    until("the filters used are written", || {
        fs::read_to_string(world.path("client/filters.used")).unwrap() == "is:late\npath:/two\n"
    });
    terminal.type_keys("q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_history_that_is_in_use_is_explained_until_somebody_has_read_it() {
    let world = World::new();
    let client = world.listen(&["--port", "0"]);
    let mut terminal = Terminal::start(&world.inhaul(&["listen", "--port", "0"]), 100, 30);
    terminal.until_text("cannot start");
    terminal.until_text("is in use by `inhaul");
    terminal.until_text(&format!("stop that process (pid {})", client.program.pid()));
    terminal.type_keys("?");
    terminal.until_text("Help");
    terminal.type_keys("qq");
    terminal.until("what went wrong, for the shell", |screen| {
        (!screen.alternate_screen() && screen.contents().contains("is in use by")).then_some(())
    });
    assert_eq!(terminal.end(), 2);
}

#[test]
fn a_history_that_cannot_be_opened_is_explained_and_left_as_it_is() {
    let world = World::new();
    fs::create_dir(world.path("client")).unwrap();
    world.write("client/history", "no directory");
    let mut terminal = Terminal::start(&world.inhaul(&["listen", "--port", "0"]), 60, 16);
    terminal.until_text("cannot start");
    terminal.until_text("hint: ");
    terminal.until_text("q ends it.");
    terminal.type_keys("q");
    assert_eq!(terminal.end(), 2);
    assert_eq!(fs::read(world.path("client/history")).unwrap(), b"no directory");
}

#[test]
fn without_a_terminal_the_inspector_writes_nothing_and_says_so_once() {
    let world = World::new();
    let output = world.run(&["listen", "--port", "0", "--output", "tui"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said, "error: the terminal cannot be used (`--output lines` needs none): stdout is none\n");
    assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
}

//! What one can do with a body in the inspector, on a real terminal: pagers, editors and commands of a person's own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    handler::{Handler, Reply},
    inspector::on_terminal,
    sender::Sender,
    terminal::Terminal,
    world::{World, signal, terminate},
};

/// An inspector with one event, with a pager and an editor of the test's.
fn with_event(world: &World, handler: &Handler, program: &Path, body: &[u8]) -> (Terminal, Sender) {
    let mut command = world.inhaul(&["listen", "--port", "0", "--answer", "relay", &handler.target()]);
    let program = format!("sh {}", program.display());
    command.env("PAGER", &program).env("EDITOR", program).env("PATH", "/usr/bin:/bin");
    let (terminal, sender) = on_terminal(&command, 120, 36);
    sender.send("POST", "/first", &[], body);
    terminal.until_text("POST /first");
    terminal.until_text("200");
    assert_eq!(handler.next().body, body);
    (terminal, sender)
}

/// Keeps what it is given, says that it is there for the first time, or which it is, and ends with a line from the terminal.
fn pager(world: &World) -> PathBuf {
    let program = "cat > paged\ntime=$(($(cat times 2>/dev/null || echo 0) + 1))\necho $time > times\n\
                   printf \"the pager, time $time\"\nread line </dev/tty\n";
    world.write("pager", program)
}

#[test]
fn a_pager_gets_a_harmless_body_and_a_key_typed_as_it_ends_is_not_lost() {
    let (world, handler) = (World::new(), Handler::start(Reply::ok()));
    let body = b"{\"a\":1.10,\"b\":\"\xe2\x80\xae\"}\x20";
    let (mut terminal, sender) = with_event(&world, &handler, &pager(&world), body);
    terminal.type_keys("v");
    terminal.until_text("the pager, time 1");
    sender.send("POST", "/meanwhile", &[], b"not held up");
    assert_eq!(handler.next().body, b"not held up");
    // The end of the line ends the pager; the key behind it is the inspector's.
    terminal.type_keys("\r?");
    terminal.until_text("Help");
    let paged = fs::read_to_string(world.path("paged")).unwrap();
    assert_eq!(paged, "{\n  \"a\": 1.10,\n  \"b\": \"\\u{202e}\"\n}\n");
    terminal.type_keys("qgg\rV");
    terminal.until_text("the pager, time 2");
    terminal.type_keys("\r?");
    terminal.until_text("Help");
    let paged = fs::read_to_string(world.path("paged")).unwrap();
    assert_eq!(paged, "{\"a\":1.10,\"b\":\"\\u{202e}\"} \n");
    terminal.type_keys("qqq");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn ctrl_c_is_the_pagers_while_it_has_the_terminal() {
    let (world, handler) = (World::new(), Handler::start(Reply::ok()));
    // A shell heeds at once in `wait`, and nowhere else, what it was sent just before.
    let program = "cat >/dev/null\ntrap 'printf interrupted' INT\nhead -n 1 </dev/tty >/dev/null &\n\
                   printf 'the pager'\nuntil wait; do :; done\n";
    let program = world.write("pager", program);
    let (mut terminal, _) = with_event(&world, &handler, &program, b"{}");
    terminal.type_keys("v");
    terminal.until_text("the pager");
    terminal.type_keys("\u{3}");
    terminal.until_text("interrupted");
    terminal.type_keys("\r");
    terminal.until_text("POST /first");
    terminal.type_keys("?");
    terminal.until_text("Help");
    // In the inspector it is a key that quits.
    terminal.type_keys("\u{3}");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_ctrl_c_that_the_terminal_made_a_signal_of_is_not_the_inspectors_however_late_it_comes() {
    let (world, handler) = (World::new(), Handler::start(Reply::ok()));
    let (mut terminal, sender) = with_event(&world, &handler, &pager(&world), b"{}");
    terminal.make_signals(true);
    terminal.type_keys("\u{3}");
    terminal.until_text("^C");
    terminal.make_signals(false);
    sender.send("POST", "/second", &[], b"{}");
    terminal.until_text("POST /second");
    terminal.type_keys("?");
    terminal.until_text("Help");
    // One that somebody sends is an order.
    signal(terminal.pid(), "INT");
    assert_eq!(terminal.end(), 0);
}

/// Ends the program while `key` has given the terminal to a program that does not listen to the terminal.
fn is_ended_beside_a_program(key: &str, listens: bool) {
    let (world, handler) = (World::new(), Handler::start(Reply::ok()));
    let deaf = if listens { "" } else { "trap '' TERM\n" };
    // The alternate screen and no echo, as editors and pagers have; the fifo's other end is closed when it is gone.
    let script = format!(
        "{deaf}mkfifo alive\nexec 5<>alive\nprintf '\\033[?1049h\\033[?25l'\nstty -echo -icanon </dev/tty\n\
         printf 'it is open'\nread line </dev/tty\n"
    );
    let program = world.write("program", script);
    let (mut terminal, sender) = with_event(&world, &handler, &program, b"{}");
    terminal.type_keys(key);
    terminal.until_text("it is open");
    sender.send("POST", "/meanwhile", &[], b"not held up");
    assert_eq!(handler.next().body, b"not held up");
    terminate(terminal.pid());
    assert!(terminal.echoes_at_its_end(), "the terminal is as it was");
    // Nobody has the other end of the fifo open any more, so nothing can be written without waiting.
    let written = rustix::fs::open(
        world.path("alive"),
        rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK,
        rustix::fs::Mode::empty(),
    );
    assert_eq!(written.unwrap_err(), rustix::io::Errno::NXIO, "the program is gone");
    assert_eq!(world.events().len(), 2);
}

#[test]
fn the_end_comes_while_an_editor_is_open() {
    is_ended_beside_a_program("e", true);
}

#[test]
fn the_end_comes_while_a_pager_is_open_that_does_not_listen() {
    is_ended_beside_a_program("v", false);
}

#[test]
fn bodies_are_piped_to_a_command_and_what_runs_is_ended() {
    let (world, handler) = (World::new(), Handler::start(Reply::ok()));
    let (mut terminal, sender) = with_event(&world, &handler, &pager(&world), b"one");
    let second = sender.send("POST", "/second", &[], b"two\x1b").event_id();
    terminal.until_text("POST /second");
    handler.next();
    terminal.type_keys("gg  |tr a-z A-Z; echo; echo $INHAUL_EVENT_ID on $INHAUL_ENDPOINT; exit 3\r");
    terminal.until_text("ONE");
    terminal.until_text("TWO\\x1b");
    terminal.until_text(&format!("{second} on"));
    terminal.until("it is done", |screen| {
        let text = screen.contents();
        (text.matches("exit status: 3").count() == 2 && !text.contains("running;")).then_some(())
    });
    // One that would run for ever holds nothing up, and ends with the program.
    terminal.type_keys("q|mkfifo alive; exec 5<>alive; echo it r''uns; sleep 100000\r");
    terminal.until_text("it runs");
    sender.send("POST", "/meanwhile", &[], b"not held up");
    assert_eq!(handler.next().body, b"not held up");
    terminal.type_keys("q");
    terminal.until_text("ended by you");
    terminal.type_keys("qq");
    assert_eq!(terminal.end(), 0);
}

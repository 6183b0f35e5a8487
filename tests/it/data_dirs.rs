//! Data directories that cannot be used: by somebody else already, or read-only, from the start or from some moment on.

use std::{
    fs::{Permissions, set_permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
};

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{World, run, through, until},
};

/// Directories that are read-only until this is dropped, so that the test's own can be removed.
struct ReadOnly<'a>(Vec<&'a Path>);

impl<'a> ReadOnly<'a> {
    fn new(directories: &[&'a Path]) -> Self {
        directories.iter().for_each(|path| set_permissions(path, Permissions::from_mode(0o500)).unwrap());
        Self(directories.to_vec())
    }
}

impl Drop for ReadOnly<'_> {
    fn drop(&mut self) {
        for path in &self.0 {
            set_permissions(path, Permissions::from_mode(0o700)).unwrap();
        }
    }
}

/// Takes from a command what lets root write everywhere; the modes of files count for everybody else anyhow. `None`, and a word about
/// it, where that is not possible.
fn bound_by_modes(command: Command) -> Option<Command> {
    if run("id", &["-u"]).unwrap().trim() != "0" {
        return Some(command);
    }
    let setpriv = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"];
    match run(setpriv[0], &[setpriv[1], setpriv[2], "true"]) {
        Ok(_) => Some(through(&setpriv, &command)),
        Err(reason) => {
            eprintln!("skipped: root writes everywhere, and `setpriv` cannot change that here: {reason}");
            None
        }
    }
}

/// What a command says that must fail with status 2.
fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("error: ") && said.contains("\nhint: "), "{said}");
    said
}

#[test]
fn a_second_process_is_told_who_uses_the_directory_and_the_first_goes_on() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", "app"]);
    let said = refused(world.relay_command(&["--tls", "off"]));
    assert!(said.contains("/relay/spool is in use by another process"), "{said}");
    assert!(said.contains("is another relay running on this `--data` directory?"), "{said}");
    let handler = Handler::start(Reply::ok());
    let client = world.listen_at(&relay, &[&handler.target()]);
    let said = refused(world.client_command(&relay, &["3000"]));
    let pid = client.program.pid();
    assert!(said.contains("/client is in use by `inhaul ") && said.contains(&format!("pid {pid}")), "{said}");
    assert_eq!(Sender::new(&url, None).post(b"{}").status, 200);
    assert_eq!(handler.next().body, b"{}");
    assert!(client.program.stop().success());
}

#[test]
fn a_directory_that_cannot_be_written_is_named_at_the_start_and_nothing_in_it_is_changed() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let url = world.endpoint(&["--answer", "relay"]);
    assert_eq!(Sender::new(&url, None).post(b"kept").status, 200);
    assert!(relay.program.stop().success());
    let (data, spool) = (world.path("relay"), world.path("relay/spool"));
    std::fs::remove_file(spool.join("lock")).unwrap();
    let read_only = ReadOnly::new(&[&data, &spool]);
    let Some(command) = bound_by_modes(world.relay_command(&["--tls", "off"])) else { return };
    let said = refused(command);
    assert!(said.contains("/relay/spool/lock: Permission denied"), "{said}");
    assert!(said.contains("must be able to read and write its data"), "{said}");
    drop(read_only);
    let relay = world.relay(&["--tls", "off"]);
    std::fs::create_dir(world.path("client")).unwrap();
    let data = world.path("client");
    let read_only = ReadOnly::new(&[&data]);
    let Some(command) = bound_by_modes(world.client_command(&relay, &["3000"])) else { return };
    let said = refused(command);
    assert!(said.contains("/client/lock: Permission denied"), "{said}");
    assert!(said.contains("must be readable and writable for you; nothing was changed"), "{said}");
    drop(read_only);
    let handler = Handler::start(Reply::ok());
    let _client = world.listen_at(&relay, &[&handler.target()]);
    assert_eq!(handler.next().body, b"kept");
}

/// Nine bodies of these fill a segment of a journal, so that it needs a new file.
const BODY_BYTES: usize = 2 << 20;

#[test]
fn a_relay_whose_directory_becomes_read_only_refuses_what_it_cannot_store_and_goes_on_later() {
    let world = World::new();
    let Some(command) = bound_by_modes(world.relay_command(&["--tls", "off"])) else { return };
    let relay = world.start_relay(command);
    let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    let spool = world.path("relay/spool");
    let read_only = ReadOnly::new(&[&spool]);
    let body = vec![b'x'; BODY_BYTES];
    let answers: Vec<_> = (0..9).map(|_| sender.post(&body)).collect();
    let taken = answers.iter().take_while(|answer| answer.status == 200).count();
    assert!(taken >= 6, "the file that is open takes what has room in it: {taken}");
    for answer in &answers[taken..] {
        assert_eq!(answer.status, 503);
        assert!(answer.header("retry-after").is_some());
    }
    assert!(taken < answers.len());
    drop(read_only);
    assert_eq!(sender.post(b"after").status, 200);
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen_at(&relay, &[&handler.target()]);
    for _ in 0..=taken {
        client.attempt();
    }
    let sizes: Vec<usize> = handler.rest().iter().map(|got| got.body.len()).collect();
    assert_eq!(sizes, [vec![BODY_BYTES; taken], vec![5]].concat());
}

#[test]
fn a_client_whose_directory_becomes_read_only_waits_and_goes_on_later() {
    const EVENTS: usize = 9;
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    let handler = Handler::start(Reply::ok());
    let command = world.client_command(&relay, &[&handler.target()]);
    let Some(command) = bound_by_modes(command) else { return };
    let mut client = world.client(command);
    assert_eq!(sender.post(b"before").status, 200);
    client.attempt();
    let period = period_of(&world);
    let journal = period.join("journal");
    let read_only = ReadOnly::new(&[&period, &journal]);
    let body = vec![b'x'; BODY_BYTES];
    for _ in 0..EVENTS {
        assert_eq!(sender.post(&body).status, 200);
    }
    while !client.notice().contains("the history cannot be written; events wait until it can") {}
    until("the relay keeps what is not stored", || relay.figure("inhaul_relay_backlog_events") > 0);
    drop(read_only);
    until("everything is stored", || relay.figure("inhaul_relay_backlog_events") == 0);
    for _ in 0..=EVENTS {
        handler.next();
    }
    assert_eq!(relay.figure("inhaul_relay_sessions_total"), 1, "the session was kept");
    assert!(client.program.stop().success());
    assert_eq!(world.events().len(), 1 + EVENTS);
}

/// The only period of the client's history.
fn period_of(world: &World) -> std::path::PathBuf {
    let entries = std::fs::read_dir(world.path("client/history")).unwrap();
    let mut periods = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    periods.next().unwrap()
}

//! Disks that are full: nothing is acknowledged that is not stored, and all goes on when there is room.
//!
//! A small file system is mounted for a test, which takes root and Linux. Everywhere else a limit on the size of files has to do: with
//! `ulimit -f`, and the signal that comes with it ignored, writing beyond the limit fails as writing to a full disk does.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
};

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{World, run, text, through, until},
};

const BODY_BYTES: usize = 512 * 1024;

/// A file system in memory; unmounted when dropped.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many megabytes in the test's directory; `None`, and a word about it, where that is not possible.
    fn new(world: &World, name: &str, mib: u32) -> Option<Self> {
        let at = world.path(name);
        fs::create_dir(&at).unwrap();
        let options = format!("size={mib}m,mode=700");
        match run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", text(&at)]) {
            Ok(_) => Some(Self { at }),
            Err(reason) => {
                eprintln!("skipped: no file system can be mounted here (it takes root and Linux): {reason}");
                None
            }
        }
    }

    fn resize(&self, mib: u32) {
        run("mount", &["-o", &format!("remount,size={mib}m"), text(&self.at)]).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Detached at once, and gone when the last program on it has ended.
        let _ = run("umount", &["--lazy", text(&self.at)]);
    }
}

/// Posts until the relay refuses; how many events it took before.
fn fill(sender: &Sender, body: &[u8]) -> usize {
    for taken in 0..1000 {
        let answer = sender.post(body);
        if answer.status == 503 {
            assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
            assert_eq!(answer.body, b"the event was not stored; send it again\n");
            return taken;
        }
        assert_eq!(answer.status, 200);
    }
    panic!("the disk is never full");
}

#[test]
fn a_relay_with_a_full_disk_refuses_and_goes_on_when_its_client_has_made_room() {
    let world = World::new();
    let Some(_disk) = SmallDisk::new(&world, "relay", 12) else { return };
    let relay = world.relay(&["--tls", "off"]);
    let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    let handler = Handler::start(Reply::ok());
    let body = vec![b'x'; BODY_BYTES];
    for round in 1..=3 {
        let taken = fill(&sender, &body);
        assert!(taken > 5, "round {round}: {taken}");
        assert_eq!(sender.post(&body).status, 503, "still");
        let mut client = world.listen_at(&relay, &[&handler.target()]);
        for _ in 0..taken {
            assert_eq!(client.attempt()["result"], "answered");
        }
        assert_eq!(handler.rest().len(), taken, "round {round}");
        assert!(client.program.stop().success());
    }
}

#[test]
fn what_a_relay_took_of_the_disk_in_advance_is_there_when_another_program_has_filled_it() {
    const RESERVED: u64 = 32 << 20;
    let world = World::new();
    let Some(disk) = SmallDisk::new(&world, "relay", 48) else { return };
    let relay = world.relay(&["--tls", "off", "--spool-reserve-bytes", &RESERVED.to_string()]);
    let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    until("the reserve is there", || {
        let files = fs::read_dir(disk.at.join("spool")).unwrap().map(|file| file.unwrap());
        let free = files.filter(|file| file.file_name().to_string_lossy().starts_with("free-"));
        free.filter_map(|file| Some(file.metadata().ok()?.len())).sum::<u64>() == RESERVED
    });
    let mut other = File::create(disk.at.join("other")).unwrap();
    while other.write_all(&[b'o'; 4096]).is_ok() {}
    let body = vec![b'x'; BODY_BYTES];
    let taken = fill(&sender, &body);
    // What is kept for records that make room, and what does not fit at the end of a segment, is no room for events.
    assert!((taken * BODY_BYTES) as u64 > RESERVED * 9 / 10, "{taken}");
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen_at(&relay, &[&handler.target()]);
    for _ in 0..taken {
        assert_eq!(client.attempt()["result"], "answered");
    }
    assert_eq!(handler.rest().len(), taken);
}

#[test]
fn a_relay_with_a_full_disk_goes_on_when_somebody_else_makes_room_and_has_lost_nothing() {
    let world = World::new();
    let Some(disk) = SmallDisk::new(&world, "relay", 8) else { return };
    let relay = world.relay(&["--tls", "off"]);
    let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    let body = vec![b'x'; BODY_BYTES];
    let taken = fill(&sender, &body);
    disk.resize(16);
    assert_eq!(sender.post(&body).status, 200);
    relay.program.kill();
    let relay = world.relay(&["--tls", "off"]);
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen_at(&relay, &[&handler.target()]);
    for _ in 0..=taken {
        assert_eq!(client.attempt()["result"], "answered");
    }
    assert_eq!(handler.rest().len(), taken + 1);
}

#[test]
fn a_client_with_a_full_disk_keeps_its_session_and_goes_on_when_there_is_room() {
    const EVENTS: usize = 40;
    let world = World::new();
    let Some(disk) = SmallDisk::new(&world, "client", 12) else { return };
    let relay = world.relay(&["--tls", "off"]);
    let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen_at(&relay, &[&handler.target()]);
    let ids: Vec<String> =
        (0..EVENTS).map(|number| sender.post(&vec![b'x'; BODY_BYTES + number]).event_id()).collect();
    while !client.notice().contains("the history cannot be written; events wait until it can") {}
    until("the relay keeps what is not stored", || relay.figure("inhaul_relay_backlog_events") > 0);
    disk.resize(64);
    while !client.notice().contains("the history can be written again") {}
    let sizes: Vec<usize> = (0..EVENTS).map(|_| handler.next().body.len()).collect();
    assert_eq!(sizes, (0..EVENTS).map(|number| BODY_BYTES + number).collect::<Vec<_>>(), "in order, once");
    assert_eq!(relay.figure("inhaul_relay_sessions_total"), 1, "the session was kept");
    assert!(client.program.stop().success());
    let stored: Vec<String> =
        world.events().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(stored, ids);
}

#[test]
fn a_relay_that_cannot_write_an_event_refuses_it_and_takes_the_next() {
    let world = World::new();
    let command = world.relay_command(&["--tls", "off"]);
    let limited = through(&["sh", "-c", "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\""], &command);
    let relay = world.start_relay(limited);
    let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    let too_large = vec![b'x'; 8 << 20];
    for _ in 0..3 {
        assert_eq!(sender.post(b"before").status, 200);
        let answer = sender.post(&too_large);
        assert_eq!(answer.status, 503);
        assert!(answer.header("retry-after").is_some());
        assert_eq!(sender.post(b"after").status, 200);
    }
    relay.program.kill();
    let relay = world.relay(&["--tls", "off"]);
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen_at(&relay, &[&handler.target()]);
    for _ in 0..6 {
        client.attempt();
    }
    let bodies: Vec<_> = handler.rest().into_iter().map(|got| got.body).collect();
    assert_eq!(bodies, [&b"before"[..], b"after", b"before", b"after", b"before", b"after"]);
}

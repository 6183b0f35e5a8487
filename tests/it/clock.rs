//! A wall clock that jumps by hours while programs run, and between their runs: nothing is lost, nothing changes its order, and every wait
//! stays as long as it was.
//!
//! The programs are told another time by a library that is loaded before the system's. It is made by the C compiler that builds the
//! project's dependencies, and works on Linux. Times that only grow (`CLOCK_MONOTONIC`) stay the system's, as when somebody sets the clock.

use std::{path::PathBuf, process::Command};

use serde_json::Value;

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{Client, World, run, text},
};

const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && clock == CLOCK_REALTIME) {
        long seconds = 0;
        FILE *file = fopen(getenv("CLOCK_JUMP"), "r");
        if (file) {
            if (fscanf(file, "%ld", &seconds) == 1) now->tv_sec += seconds;
            fclose(file);
        }
    }
    return result;
}
"#;

const HOUR: i64 = 3600;

/// The wall clock of one test's programs.
struct WallClock {
    preloaded: PathBuf,
    jump: PathBuf,
}

impl WallClock {
    /// The system's time at first; `None`, and a word about it, where programs cannot be told another.
    fn new(world: &World) -> Option<Self> {
        let source = world.write("clock.c", LIBRARY);
        let clock = Self { preloaded: world.path("clock.so"), jump: world.path("clock.jump") };
        clock.set(0);
        let made = run("cc", &["-shared", "-fPIC", "-o", text(&clock.preloaded), text(&source)]);
        let told = made.and_then(|_| {
            clock.set(100 * HOUR);
            let mut date = Command::new("date");
            let output = clock.tell(date.arg("+%s")).output().map_err(|error| error.to_string())?;
            clock.set(0);
            let now = run("date", &["+%s"])?.trim().parse::<i64>().map_err(|error| error.to_string())?;
            let then = String::from_utf8_lossy(&output.stdout).trim().parse::<i64>();
            let jumped = then.is_ok_and(|then| then - now > 99 * HOUR);
            if jumped { Ok(()) } else { Err("`date` was told the system's time".to_owned()) }
        });
        match told {
            Ok(()) => Some(clock),
            Err(reason) => {
                eprintln!(
                    "skipped: programs cannot be told another time here (it takes Linux and a C compiler): {reason}"
                );
                None
            }
        }
    }

    /// So many seconds after the system's time, from now on.
    fn set(&self, seconds: i64) {
        let new = self.jump.with_extension("new");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(new, &self.jump).unwrap();
    }

    fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("LD_PRELOAD", &self.preloaded).env("CLOCK_JUMP", &self.jump)
    }
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["id"].as_str().unwrap()).collect()
}

/// Waits for an attempt of an event, and returns the attempts of others before it.
fn until_attempted(client: &mut Client, id: &str) -> Vec<Value> {
    let mut others = Vec::new();
    loop {
        let attempt = client.attempt();
        if attempt["event_id"] == *id {
            return others;
        }
        others.push(attempt);
    }
}

#[test]
fn jumps_while_relay_and_client_run_change_no_order_and_no_wait() {
    let world = World::new();
    let Some(clock) = WallClock::new(&world) else { return };
    let mut command = world.relay_command(&["--tls", "off"]);
    clock.tell(&mut command);
    let relay = world.start_relay(command);
    let sender = Sender::new(&world.endpoint(&["--answer", "app"]), None);
    let handler = Handler::start(Reply::ok());
    let mut command = world.client_command(&relay, &[&handler.target()]);
    clock.tell(&mut command);
    let mut client = world.client(command);
    let mut posted = Vec::new();
    for jump in [0, 26, -26, 5, -5, 0] {
        clock.set(jump * HOUR);
        // The sender is held for the application's answer, so no deadline is over before its time.
        for _ in 0..3 {
            let answer = sender.post(b"{}");
            assert_eq!((answer.status, answer.body.as_slice()), (200, &b"done"[..]), "after {jump} h");
            posted.push(answer.event_id());
            until_attempted(&mut client, posted.last().unwrap());
        }
    }
    assert_eq!(relay.figure("inhaul_relay_sessions_total"), 1, "the session was kept");
    assert!(client.program.stop().success());
    let events = world.events();
    assert_eq!(ids(&events), posted, "in the order of arrival, each once");
    let mut of_relay = posted.clone();
    of_relay.sort_unstable();
    assert_eq!(of_relay, posted, "the relay's ids grow whatever the clock says");
    let periods = std::fs::read_dir(world.path("client/history")).unwrap();
    let periods = periods.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert!(periods >= 3, "a day that comes back is a period of its own: {periods}");
    assert!(relay.program.stop().success());
}

#[test]
fn a_clock_set_back_or_forward_between_runs_loses_nothing_and_puts_no_retry_off() {
    let world = World::new();
    let Some(clock) = WallClock::new(&world) else { return };
    let handler = Handler::start(Reply::text("503 Service Unavailable", "later"));
    let mut posted = Vec::new();
    for jump in [0, -30, 30] {
        clock.set(jump * HOUR);
        let mut command = world.relay_command(&["--tls", "off"]);
        clock.tell(&mut command);
        let relay = world.start_relay(command);
        if posted.is_empty() {
            world.endpoint(&["--answer", "relay"]);
        }
        let listed = std::fs::read(world.path("relay/endpoints.json")).unwrap();
        let listed: Value = serde_json::from_slice(&listed).unwrap();
        let part = listed["endpoints"][0]["part"].as_str().unwrap();
        let sender = Sender::new(&format!("{}/in/{part}", relay.public_url), None);
        // Before the client comes, so that it waits in the spool.
        posted.push(sender.post(b"{}").event_id());
        let mut command = world.client_command(&relay, &["--retry", "24h", &handler.target()]);
        clock.tell(&mut command);
        let mut client = world.client(command);
        let others = until_attempted(&mut client, posted.last().unwrap());
        let retried: Vec<&str> = others.iter().map(|other| other["event_id"].as_str().unwrap()).collect();
        match jump {
            // A day has passed by this clock since every earlier try, so those are due.
            30 => assert_eq!(retried, posted[..posted.len() - 1]),
            _ => assert!(retried.is_empty(), "after {jump} h: {retried:?}"),
        }
        assert!(client.program.stop().success());
        assert!(relay.program.stop().success());
    }
    assert_eq!(ids(&world.events()), posted, "in the order of arrival, each once");
}

#[test]
fn a_relay_whose_clock_is_wrong_makes_signatures_stale_and_the_verdict_says_by_how_much() {
    let world = World::new();
    let Some(clock) = WallClock::new(&world) else { return };
    let secret = world.write("secret", "whsec_c2VjcmV0");
    let mut command = world.relay_command(&["--tls", "off"]);
    clock.tell(&mut command);
    let relay = world.start_relay(command);
    let sender = Sender::new(&world.endpoint(&["--answer", "app"]), None);
    let handler = Handler::start(Reply::ok());
    let args = ["--provider", "standard-webhooks", "--secret-file", text(&secret), &handler.target()];
    let mut client = world.listen_at(&relay, &args);
    let body = world.write("body.json", r#"{"id":"evt_1"}"#);
    let sign = [
        "sign",
        "--id",
        "msg_1",
        "--provider",
        "standard-webhooks",
        "--secret-file",
        text(&secret),
        "--body-file",
        text(&body),
    ];
    for (jump, state) in [(0, "valid"), (2, "stale"), (-2, "stale"), (0, "valid")] {
        clock.set(jump * HOUR);
        let signed = String::from_utf8(world.stdout(&sign)).unwrap();
        let headers: Vec<&str> = signed.lines().collect();
        let answer = sender.send("POST", "", &headers, br#"{"id":"evt_1"}"#);
        assert_eq!(answer.status, 200, "it is forwarded all the same");
        let event = client.event();
        let verdict = &event["verdict"];
        assert_eq!(verdict["state"], state, "after {jump} h: {event}");
        if state == "stale" {
            let off = verdict["age_seconds"].as_i64().unwrap() - jump * HOUR;
            assert!(off.abs() < HOUR, "{verdict}");
        }
    }
}

//! The inspector while events come as fast as 16 senders post them, and somebody types all the time: every key counts, and no event is lost.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    terminal::Terminal,
    traffic::{Figures, RELAY, Traffic, number_from},
    world::World,
};

/// What is typed in one round: mark the event and go to the next one, one further down, and back up.
const ROUND: &str = " jk";

/// Rounds that are typed without a look at the screen.
const BLIND_ROUNDS: u64 = 20;

/// Events that wait for the application at most; the senders wait then.
const WINDOW: u64 = 500;

/// What somebody typed.
struct Typed {
    rounds: u64,
    /// From the last key of some rounds to the picture with what all of them did.
    seen_after: Vec<Duration>,
}

/// Waits until the selected event is the one at this place of the list.
fn until_at(terminal: &Terminal, place: u64) {
    let title = format!("Events {place}/");
    terminal.until_text(&title);
}

/// Types from the oldest event on, until told to stop.
fn type_rounds(terminal: &mut Terminal, over: &AtomicBool) -> Typed {
    let mut typed = Typed { rounds: 0, seen_after: Vec::new() };
    // The first marks need events to go to.
    terminal.until("events to mark", |screen| {
        let contents = screen.contents();
        let (_, title) = contents.split_once("Events ")?;
        let events = title.split_once('/')?.1.split(' ').next()?.parse::<u64>().ok()?;
        (events > 2 * BLIND_ROUNDS).then_some(())
    });
    terminal.type_keys("gg");
    until_at(terminal, 1);
    while !over.load(Ordering::Relaxed) {
        for _ in 0..BLIND_ROUNDS {
            terminal.type_keys(ROUND);
        }
        typed.rounds += BLIND_ROUNDS;
        let last_key = Instant::now();
        until_at(terminal, typed.rounds + 1);
        typed.seen_after.push(last_key.elapsed());
    }
    typed
}

/// Posts while somebody types, until `enough`, and compares what is on the screen and in the history with what was typed and posted.
fn busy(mut enough: impl FnMut(&mut Traffic)) -> (Figures, Typed) {
    let world = World::new();
    let relay = world.relay(&RELAY);
    let mut traffic = Traffic::start(&world.endpoint(&["--answer", "app"]), WINDOW);
    let command = world.inhaul(&[
        "listen",
        "--relay",
        &relay.public_url,
        "--endpoint",
        "orders",
        "--token-file",
        "token",
        &traffic.target,
    ]);
    let mut terminal = Terminal::start(&command, 120, 36);
    terminal.until_text("● connected");
    let over = AtomicBool::new(false);
    let typed = thread::scope(|scope| {
        let typing = scope.spawn(|| type_rounds(&mut terminal, &over));
        traffic.relay_is_there();
        enough(&mut traffic);
        traffic.end();
        over.store(true, Ordering::Relaxed);
        typing.join().unwrap()
    });
    // Every event is in the list, every move and every mark was made.
    terminal.until_text(&format!("Events {}/{} ", typed.rounds + 1, traffic.acknowledged()));
    terminal.type_keys("R");
    terminal.until_text(&format!("Replay {} marked events", typed.rounds));
    terminal.type_keys("\x1b");
    terminal.until("the dialog is gone", |screen| (!screen.contents().contains("Replay ")).then_some(()));
    terminal.type_keys("q");
    assert_eq!(terminal.end(), 0);
    (traffic.compare(&world), typed)
}

#[test]
fn every_key_counts_while_events_come_as_fast_as_they_can() {
    let (figures, typed) = busy(|traffic| traffic.until_acknowledged(600));
    assert!(figures.acknowledged >= 600 && typed.rounds >= BLIND_ROUNDS);
    assert_eq!(figures.repeated, 0);
}

#[test]
#[ignore = "long; INHAUL_BUSY_SECONDS says how long"]
fn every_key_counts_for_a_long_time_while_events_come_as_fast_as_they_can() {
    let seconds = number_from("INHAUL_BUSY_SECONDS", 60);
    let ends = Instant::now() + Duration::from_secs(seconds);
    let (figures, mut typed) = busy(|traffic| {
        while Instant::now() < ends {
            let more = traffic.acknowledged() + 100;
            traffic.until_acknowledged(more);
        }
    });
    typed.seen_after.sort_unstable();
    let at = |percent: usize| typed.seen_after[(typed.seen_after.len() - 1) * percent / 100].as_millis();
    eprintln!("{figures}");
    eprintln!(
        "{} keys; on the screen after: half of them {} ms, 99 % {} ms, longest {} ms",
        typed.rounds * ROUND.len() as u64,
        at(50),
        at(99),
        at(100)
    );
    assert_eq!(figures.repeated, 0);
}

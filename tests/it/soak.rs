//! `kill -9` of relay and client at random moments while many senders post: nothing is lost, doubled or out of order.

use crate::{
    handler::Reply,
    traffic::{Figures, Numbers, RELAY, RESERVE, Traffic, number_from},
    world::World,
};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Relay,
    Client,
}

/// What keeps the client from sending an event before the one before it was taken, and has it try again soon.
const STRICT: [&str; 3] = ["--strict-order", "--retry", "5ms,5ms,5ms,5ms,5ms,5ms,5ms,5ms"];

/// In strict order, the application fails at one request of so many.
const FAILS: u64 = 20;

/// Posts that many events, of which no more than a window are on their way at once, and kills each of the two that often.
fn soak(events: u64, kills: u64, window: u64, in_strict_order: bool) -> Figures {
    let (mut numbers, seed) = Numbers::from_environment("INHAUL_SOAK_SEED");
    eprintln!("INHAUL_SOAK_SEED={seed}");
    let world = World::new();
    let mut relay = world.relay(&RELAY);
    let reply = if in_strict_order { Reply::Unsteady(FAILS) } else { Reply::ok() };
    let mut traffic = Traffic::start_with(reply, &world.endpoint(&["--answer", "relay"]), window);
    let target = traffic.target.clone();
    let order: &[&str] = if in_strict_order { &STRICT } else { &[] };
    let client_args = [&[&*target], order].concat();
    let address = relay.public_url.strip_prefix("http://").unwrap().to_owned();
    let relay_again = [&RELAY[..], &["--listen", &address]].concat();
    let mut deaths = 0;
    let mut client = world.listen_at(&relay, &client_args);
    client.program.ignore_lines();
    relay.program.ignore_lines();
    traffic.relay_is_there();
    let mut moments: Vec<(u64, Victim)> = [Victim::Relay, Victim::Client]
        .into_iter()
        .flat_map(|victim| (0..kills).map(move |_| victim))
        .map(|victim| (numbers.below(events), victim))
        .collect();
    moments.sort_unstable();
    for (at, victim) in moments {
        match victim {
            Victim::Relay => {
                traffic.until_acknowledged(at);
                relay.program.kill();
                traffic.relay_died();
                deaths += 1;
                let reserve = if deaths % 2 == 1 { &RESERVE[..] } else { &[] };
                relay = world.relay(&[&relay_again, reserve].concat());
                relay.program.ignore_lines();
                traffic.relay_is_there();
            }
            Victim::Client => {
                traffic.until_delivered(at);
                client.program.kill();
                traffic.client_died();
                client = world.listen_at(&relay, &client_args);
                client.program.ignore_lines();
            }
        }
    }
    traffic.until_acknowledged(events);
    traffic.end();
    assert!(client.program.stop().success());
    let figures = traffic.compare(&world);
    eprintln!("{figures}");
    figures
}

#[test]
fn a_short_soak_loses_nothing() {
    let figures = soak(1000, 3, 300, false);
    assert_eq!((figures.relay_deaths, figures.client_deaths), (3, 3));
    assert!(figures.repeated <= figures.client_deaths, "{}", figures.repeated);
}

#[test]
fn a_short_soak_in_strict_order_keeps_the_order_though_the_application_fails_at_times() {
    let figures = soak(400, 2, 100, true);
    assert_eq!((figures.relay_deaths, figures.client_deaths), (2, 2));
    assert!(figures.repeated >= 400 / FAILS, "{}", figures.repeated);
}

#[test]
#[ignore = "long; INHAUL_SOAK_EVENTS and INHAUL_SOAK_KILLS say how long"]
fn a_long_soak_loses_nothing() {
    let kills = number_from("INHAUL_SOAK_KILLS", 100);
    let figures = soak(number_from("INHAUL_SOAK_EVENTS", 1_000_000), kills, 5000, false);
    assert_eq!((figures.relay_deaths, figures.client_deaths), (kills, kills));
    assert!(figures.repeated <= kills, "{}", figures.repeated);
}

#[test]
#[ignore = "long; INHAUL_SOAK_EVENTS and INHAUL_SOAK_KILLS say how long"]
fn a_long_soak_in_strict_order_loses_nothing() {
    let kills = number_from("INHAUL_SOAK_KILLS", 100);
    let figures = soak(number_from("INHAUL_SOAK_EVENTS", 1_000_000), kills, 5000, true);
    assert_eq!((figures.relay_deaths, figures.client_deaths), (kills, kills));
}

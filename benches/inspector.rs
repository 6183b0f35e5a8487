//! What the inspector costs at 1,000 and at 1,000,000 events, side by side: a frame, a filter on what is in memory, the first frame, and memory.
//!
//! `cargo bench --bench inspector`. The events are made up in this process and put into the list as pages of a history would be.

use std::{env, hint::black_box, process, process::Command, time::Instant};

use inhaul::{
    listing::{By, LISTED_MAX, Order},
    row::{Attempt, AttemptCause, EventRow, EventState, Outcome},
    tui::OffScreen,
};
use inhaul_core::{
    event::{EventId, UnixMillis},
    signature::Verdict,
};
use uuid::Uuid;

mod support {
    pub(crate) mod figures;
    pub(crate) mod resident;
}

use support::{figures::print, resident::resident};

/// How many rows come at once.
const PAGE: usize = 1000;
const ROUNDS: usize = 5;
/// The time of the newest event.
const NOW: u64 = 1_763_970_070_118;
/// The variable that tells this program, run by itself, how many events to measure the memory of.
const EVENTS: &str = "INHAUL_BENCH_EVENTS";

const FILTERS: [&str; 4] = [
    "status:5xx",
    "type:charge.* status:5xx -is:replayed",
    "provider:stripe ms>400 tag:slow",
    "stripe OR sig:invalid",
];

fn main() {
    if let Ok(events) = env::var(EVENTS) {
        let screen = filled(events.parse().expect("a number"));
        println!("{}", resident(process::id()));
        drop(black_box(screen));
        return;
    }
    for events in [1000, LISTED_MAX] {
        println!("\n{events} events");
        first_frame();
        let mut screen = filled(events);
        frames(&mut screen, events);
        filters(&mut screen);
        orders(&mut screen, events);
        drop(screen);
        memory(events);
    }
}

/// Before anything is read of the history.
fn first_frame() {
    let rounds = (0..ROUNDS).map(|_| {
        let begun = Instant::now();
        black_box(OffScreen::new(120, 36).draw());
        millis(begun)
    });
    print("first frame, ms", rounds.collect(), "≤ 100");
}

fn frames(screen: &mut OffScreen, events: usize) {
    let (mut view, mut keys) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        screen.type_keys("gg");
        screen.type_keys(&format!("{}j", events / (round + 2)));
        let begun = Instant::now();
        for _ in 0..100 {
            black_box(screen.draw());
        }
        view.push(millis(begun) / 100.0);
        let begun = Instant::now();
        for _ in 0..100 {
            screen.type_keys("j");
        }
        keys.push(millis(begun) / 100.0);
    }
    print("a frame of 120x36, ms", view, "≤ 1");
    print("a key, ms", keys, "");
}

fn filters(screen: &mut OffScreen) {
    for filter in FILTERS {
        let rounds = (0..ROUNDS).map(|_| {
            screen.set_filter("");
            let begun = Instant::now();
            screen.set_filter(filter);
            millis(begun)
        });
        let rounds = rounds.collect();
        print(&format!("{filter}, ms"), rounds, "≤ 50");
    }
    screen.set_filter("");
}

/// Another order, and an event that changes its place in it.
fn orders(screen: &mut OffScreen, events: usize) {
    for order in Order::all() {
        let rounds = (0..ROUNDS).map(|_| {
            screen.set_order(Order::default());
            let begun = Instant::now();
            screen.set_order(order);
            millis(begun)
        });
        print(&format!("order {}, ms", order.name()), rounds.collect(), "≤ 500");
    }
    screen.set_order(Order { by: By::Size, is_reversed: false });
    let changes = (0..ROUNDS).map(|round| {
        let begun = Instant::now();
        for number in 0..100 {
            let changed = row((number * 7919 + round) % events);
            screen.put(EventRow { body_bytes: 100 + (number as u64 * 523) % 9000, ..changed });
        }
        millis(begun) / 100.0
    });
    print("a change of place in an order, ms", changes.collect(), "≤ 5");
    screen.set_order(Order::default());
}

/// In a process of its own, less what an empty inspector takes.
fn memory(events: usize) {
    let of = |events: usize| {
        let output = Command::new(env::current_exe().expect("this program"))
            .env(EVENTS, events.to_string())
            .output()
            .expect("this program runs again");
        let bytes: u32 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number");
        f64::from(bytes) / f64::from(1 << 20)
    };
    let rounds = (0..3).map(|_| of(events) - of(0)).collect();
    print("resident memory beyond an empty start, MiB", rounds, "≤ 150");
}

fn filled(events: usize) -> OffScreen {
    let mut screen = OffScreen::new(120, 36);
    let pages = events / PAGE;
    for page in 0..pages {
        let rows = (0..PAGE).map(|index| row(page * PAGE + index)).collect();
        screen.put_older(rows, page + 1 == pages);
    }
    screen
}

fn millis(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}

/// The event that is so many before the newest.
fn row(age: usize) -> EventRow {
    let number = age as u64;
    let at = UnixMillis(NOW - number * 100);
    let statuses = [200, 200, 200, 204, 404, 500, 503];
    let types = ["charge.succeeded", "charge.failed", "invoice.paid", "call.created", "call.ended", "ping"];
    let of = |scale: u64, count: usize| usize::try_from(number / scale % count as u64).expect("it is small");
    let outcome = Outcome::Answered {
        status: statuses[of(1, statuses.len())],
        headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
        body_bytes: 2,
        body_excerpt: b"ok".to_vec(),
        latency_ms: number % 977,
    };
    let attempt = Attempt {
        number: 1,
        target: "http://localhost:3000/hook".to_owned(),
        cause: AttemptCause::Arrival,
        started_at: at,
        outcome,
        changed: None,
    };
    EventRow {
        id: EventId(Uuid::from_u128(
            (u128::from(at.0) << 80) | 0x7000_8000_0000_0000_0000 | u128::from(number),
        )),
        endpoint: "orders".parse().expect("a name"),
        received_at: at,
        stored_at: at,
        method: "POST".to_owned(),
        target: format!("/hook?n={number}"),
        body_bytes: 512 + number % 4096,
        content_type: Some("application/json".to_owned()),
        provider: Some(if number.is_multiple_of(3) { "stripe" } else { "callpaymin" }.to_owned()),
        event_type: Some(types[of(2, types.len())].to_owned()),
        provider_event_id: Some(format!("evt_{number}")),
        object_id: Some(format!("obj_{}", number / 4)),
        missed: false,
        late: false,
        imported: false,
        sender_waited: true,
        taken_when_late: false,
        state: EventState::Settled,
        repeat: None,
        given_up: None,
        dropped: None,
        released: false,
        forwarded_as: None,
        tags: if number.is_multiple_of(50) { vec!["slow".to_owned()] } else { Vec::new() },
        comment: None,
        verdict: Some(if number.is_multiple_of(20) {
            Verdict::Unsigned
        } else {
            Verdict::Valid { scheme: "stripe/v1".to_owned(), secret: "STRIPE".to_owned() }
        }),
        attempts: vec![attempt],
    }
}

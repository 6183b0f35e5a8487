//! What storing costs: webhooks through the relay, each on disk before it is answered, beside the same requests to a bare server.
//!
//! `cargo bench --bench ingest`. Both servers are processes of their own and take turns in going first.

use std::{fs, net::SocketAddr, path::Path, process::Command, thread, time::Duration};

use inhaul_relay::registry::AnswerMode;

mod support {
    pub(crate) mod bare;
    pub(crate) mod cpu;
    pub(crate) mod disk;
    pub(crate) mod figures;
    pub(crate) mod load;
    pub(crate) mod relay;
    pub(crate) mod scratch;
    pub(crate) mod trusting;
}

use support::{
    bare::{self, Bare},
    cpu::cpu_time,
    disk::sync_time,
    figures::print,
    load::{Figures, Load, webhook},
    relay::{Relay, add_endpoint},
    scratch::scratch,
    trusting::trusting,
};

const ROUNDS: usize = 3;
const BODY_BYTES: usize = 1024;

/// More than is sent in one measurement: as when clients fetch what comes, no event goes to a new file.
const RESERVE_BYTES: u64 = 512 << 20;

/// One way of sending, and what is expected of it.
struct Case {
    name: &'static str,
    connections: usize,
    tls: bool,
    connect_each: bool,
    rate: &'static str,
    p99: &'static str,
}

const fn kept(
    name: &'static str,
    connections: usize,
    tls: bool,
    rate: &'static str,
    p99: &'static str,
) -> Case {
    Case { name, connections, tls, connect_each: false, rate, p99 }
}

const CASES: [Case; 5] = [
    kept("64 connections", 64, false, "≥ 0.60", "≤ 1.00"),
    kept("256 connections", 256, false, "≥ 0.70", "≤ 1.00"),
    kept("64 connections over TLS", 64, true, "≥ 0.55", ""),
    kept("256 connections over TLS", 256, true, "≥ 0.55", ""),
    Case {
        name: "a TLS connection for each request, 64 at once",
        connections: 64,
        tls: true,
        connect_each: true,
        rate: "≥ 0.95",
        p99: "",
    },
];

const RATE: &str = "answers/s";
const P99: &str = "p99 µs";

/// One number of a measurement.
type Figure = fn(&Measured) -> f64;

/// What is printed of a measurement.
const FIGURES: [(&str, Figure); 4] = [
    (RATE, |measured| measured.figures.per_second),
    ("p50 µs", |measured| measured.figures.p50),
    (P99, |measured| measured.figures.p99),
    ("processor µs an answer", |measured| measured.cpu),
];

/// A measurement with the processor time the server used for each answer, in microseconds.
struct Measured {
    figures: Figures,
    cpu: f64,
}

fn main() {
    if bare::serve_if_asked() {
        return;
    }
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    for case in CASES.iter().filter(|case| only.as_ref().is_none_or(|only| case.name.contains(only.as_str())))
    {
        run(case);
    }
}

fn run(case: &Case) {
    println!("\n{}, bodies of {BODY_BYTES} bytes", case.name);
    let (mut bare, mut relay, mut reserving, mut disk) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        disk.push(sync_time(scratch().path()).as_secs_f64() * 1e6);
        if round % 2 == 0 {
            bare.push(bare_server(case));
            reserving.push(durable_relay(case, RESERVE_BYTES));
            relay.push(durable_relay(case, 0));
        } else {
            relay.push(durable_relay(case, 0));
            reserving.push(durable_relay(case, RESERVE_BYTES));
            bare.push(bare_server(case));
        }
    }
    print("  the disk alone: µs for 16 KiB and its sync", disk, "");
    for (figure, of) in FIGURES {
        let goal = match figure {
            RATE => case.rate,
            P99 => case.p99,
            _ => "",
        };
        print(&format!("  bare server: {figure}"), bare.iter().map(of).collect(), "");
        for (name, relay, goal) in [("relay with a reserve", &reserving, goal), ("relay", &relay, "")] {
            print(&format!("  {name}: {figure}"), relay.iter().map(of).collect(), "");
            let ratios = relay.iter().zip(&bare).map(|(relay, bare)| of(relay) / of(bare));
            print(&format!("  {name} ÷ bare: {figure}"), ratios.collect(), goal);
        }
    }
}

fn bare_server(case: &Case) -> Measured {
    let directory = scratch();
    let server = Bare::start(case.tls.then_some(directory.path()));
    let ca_file = directory.path().join("tls/ca.pem");
    measure(case, server.address, case.tls.then_some(&ca_file), "/", server.pid())
}

fn durable_relay(case: &Case, reserve_bytes: u64) -> Measured {
    let directory = scratch();
    let (path, _) = add_endpoint(directory.path(), AnswerMode::Relay);
    let relay = if reserve_bytes == 0 {
        Relay::start(program(), directory.path(), case.tls)
    } else {
        reserving_relay(directory.path(), case.tls, reserve_bytes)
    };
    measure(case, relay.address, relay.ca_file.as_deref(), &path, relay.pid())
}

/// A relay that has taken its reserve.
fn reserving_relay(data: &Path, tls: bool, reserve_bytes: u64) -> Relay {
    let reserve = reserve_bytes.to_string();
    let options = ["--listen", "127.0.0.1:0", "--spool-reserve-bytes", &reserve];
    let relay = Relay::start_with(program(), data, tls, &options);
    while spool_bytes(data) < reserve_bytes {
        thread::sleep(Duration::from_millis(5));
    }
    relay
}

/// What the files of a relay's spool take.
fn spool_bytes(data: &Path) -> u64 {
    let files = fs::read_dir(data.join("spool")).expect("the spool's directory");
    files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum()
}

fn measure(case: &Case, address: SocketAddr, ca_file: Option<&Path>, path: &str, pid: u32) -> Measured {
    let load = Load {
        address,
        request: webhook(path, address, BODY_BYTES),
        connections: case.connections,
        connect_each: case.connect_each,
        tls: ca_file.map(trusting),
    };
    let before = cpu_time(pid);
    let figures = load.measure();
    let cpu = (cpu_time(pid) - before).as_secs_f64() * 1e6 / figures.answers as f64;
    Measured { figures, cpu }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_inhaul-relay"))
}

//! What storing costs: webhooks through the relay, each on disk before it is answered, beside the same requests to a bare server.
//!
//! `cargo bench --bench ingest`. Both servers are processes of their own and take turns in going first.

use std::{net::SocketAddr, path::Path, process::Command};

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
const BODY_BYTES: usize = 2048;

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
    let (mut bare, mut relay, mut disk) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        disk.push(sync_time(scratch().path()).as_secs_f64() * 1e6);
        if round % 2 == 0 {
            bare.push(bare_server(case));
            relay.push(durable_relay(case));
        } else {
            relay.push(durable_relay(case));
            bare.push(bare_server(case));
        }
    }
    print("  the disk alone: µs for 16 KiB and its sync", disk, "");
    for (figure, of) in FIGURES {
        print(&format!("  bare server: {figure}"), bare.iter().map(of).collect(), "");
        print(&format!("  relay:       {figure}"), relay.iter().map(of).collect(), "");
        let goal = match figure {
            RATE => case.rate,
            P99 => case.p99,
            _ => "",
        };
        let ratios = relay.iter().zip(&bare).map(|(relay, bare)| of(relay) / of(bare));
        print(&format!("  relay ÷ bare: {figure}"), ratios.collect(), goal);
    }
}

fn bare_server(case: &Case) -> Measured {
    let directory = scratch();
    let server = Bare::start(case.tls.then_some(directory.path()));
    let ca_file = directory.path().join("tls/ca.pem");
    measure(case, server.address, case.tls.then_some(&ca_file), "/", server.pid())
}

fn durable_relay(case: &Case) -> Measured {
    let directory = scratch();
    let (path, _) = add_endpoint(directory.path(), AnswerMode::Relay);
    let relay = Relay::start(program(), directory.path(), case.tls);
    measure(case, relay.address, relay.ca_file.as_deref(), &path, relay.pid())
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

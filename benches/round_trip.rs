//! What a tunnel adds to an answer: requests through relay and client to an application, beside the same requests to it directly.
//!
//! `cargo bench --bench round_trip`. The relay stores each event and the client stores it again before the application has it; relay,
//! client and application are processes of their own.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use inhaul_relay::registry::AnswerMode;

#[expect(dead_code, reason = "the other benches use the rest")]
mod support {
    pub(crate) mod bare;
    pub(crate) mod figures;
    pub(crate) mod load;
    pub(crate) mod relay;
    pub(crate) mod scratch;
}

use support::{
    bare::{self, Bare},
    figures::print,
    load::{Figures, Load, webhook},
    relay::{Relay, add_endpoint},
    scratch::scratch,
};

const ROUNDS: usize = 3;
const BODY_BYTES: usize = 2048;

/// How long the client may take to connect.
const PATIENCE: Duration = Duration::from_secs(60);

/// One number of a measurement.
type Figure = fn(&Figures) -> f64;

/// What is printed of a measurement.
const FIGURES: [(&str, Figure); 3] = [
    ("answers/s", |figures| figures.per_second),
    ("p50 µs", |figures| figures.p50),
    ("p99 µs", |figures| figures.p99),
];

/// A listening client; it goes when this is dropped.
struct Client(Child);

fn main() {
    if bare::serve_if_asked() {
        return;
    }
    let application = Bare::start(None);
    let directory = scratch();
    let (path, token) = add_endpoint(directory.path(), AnswerMode::App);
    let mut program = Command::new(env!("CARGO_BIN_EXE_inhaul"));
    program.arg("relay");
    let relay = Relay::start(program, directory.path(), false);
    let _client = Client::start(directory.path(), relay.address, &token, application.address);
    for connections in [1, 16] {
        println!("\n{connections} at once, bodies of {BODY_BYTES} bytes");
        let (mut direct, mut tunnel) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            if round % 2 == 0 {
                direct.push(measure(application.address, "/", connections));
                tunnel.push(measure(relay.address, &path, connections));
            } else {
                tunnel.push(measure(relay.address, &path, connections));
                direct.push(measure(application.address, "/", connections));
            }
        }
        for (figure, of) in FIGURES {
            print(&format!("  direct: {figure}"), direct.iter().map(of).collect(), "");
            print(&format!("  tunnel: {figure}"), tunnel.iter().map(of).collect(), "");
            let ratios = tunnel.iter().zip(&direct).map(|(tunnel, direct)| of(tunnel) / of(direct));
            print(&format!("  tunnel ÷ direct: {figure}"), ratios.collect(), "");
        }
    }
}

fn measure(address: SocketAddr, path: &str, connections: usize) -> Figures {
    let request = webhook(path, address, BODY_BYTES);
    Load { address, request, connections, connect_each: false, tls: None }.measure()
}

impl Client {
    /// Starts one and waits until the application's answers would come back.
    fn start(directory: &Path, relay: SocketAddr, token: &str, application: SocketAddr) -> Self {
        let (token_file, ready_file) = (directory.join("token"), directory.join("client.json"));
        fs::write(&token_file, token).expect("the token's file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_inhaul"));
        command.env_clear().env("HOME", directory).current_dir(directory);
        command.arg("--data").arg(directory.join("client"));
        command.args(["listen", &application.to_string(), "--endpoint", "orders", "--output", "quiet"]);
        command.args(["--relay", &format!("http://{relay}")]);
        command.arg("--token-file").arg(token_file).arg("--ready-file").arg(&ready_file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut client = Self(command.spawn().expect("a client"));
        let began = Instant::now();
        while !ready_file.exists() {
            let ended = client.0.try_wait().expect("its state");
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "the client did not connect");
            thread::sleep(Duration::from_millis(5));
        }
        client
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! How soon a relay with a million undelivered events works again after it was killed: until it answers a sender, and until its client has
//! the next event.
//!
//! `cargo bench --bench recovery`. It needs about 2 GB of disk below `target/tmp` while it runs.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use inhaul_relay::{registry::AnswerMode, spool::Spool};

#[expect(dead_code, reason = "the other benches use the rest")]
mod support {
    pub(crate) mod figures;
    pub(crate) mod pending;
    pub(crate) mod relay;
    pub(crate) mod scratch;
}

use support::{
    figures::print,
    pending::{self, PENDING, fill_and_kill},
    relay::{Relay, add_endpoint},
    scratch::scratch,
};

const ROUNDS: usize = 3;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that prints what arrives; it goes when this is dropped.
struct Client {
    child: Child,
    events: Receiver<Instant>,
}

fn main() {
    if pending::fill_if_asked() {
        return;
    }
    let directory = scratch();
    let (path, token) = add_endpoint(directory.path(), AnswerMode::Relay);
    fs::write(directory.path().join("token"), token).expect("the token's file");
    let spool = directory.path().join("spool");
    fill_and_kill(&spool);
    println!("\na relay that was killed with {PENDING} undelivered events");
    let (mut open, mut answers, mut delivers) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        open.push(seconds_to_open(&spool));
        let relay = Relay::start(program(), directory.path(), false);
        let address = relay.address;
        let data = directory.path().join(format!("client-{round}"));
        let client = Client::start(directory.path(), &data, address);
        client.next_event();
        // With `kill -9`, and the client goes into its back-off.
        drop(relay);
        client.nothing_more();
        let (data, listen) = (directory.path().to_owned(), address.to_string());
        let began = Instant::now();
        let starting =
            thread::spawn(move || Relay::start_with(program(), &data, false, &["--listen", &listen]));
        answers.push((first_answer(address, &path) - began).as_secs_f64());
        delivers.push((client.next_event() - began).as_secs_f64());
        drop(starting.join().expect("the relay starts"));
    }
    let ratio = answers.iter().zip(&open).map(|(answer, open)| answer / open).collect();
    print("  opening its spool and nothing else: s", open, "");
    print("  from its start to its first 200: s", answers, "≤ 2.0");
    print("  its first 200 ÷ opening its spool", ratio, "");
    print("  from its start to the next event at its client: s", delivers, "≤ 2.0");
}

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_inhaul"));
    program.arg("relay");
    program
}

fn seconds_to_open(spool: &Path) -> f64 {
    let began = Instant::now();
    let (spool, recovery) = Spool::open(spool).expect("the spool opens");
    let took = began.elapsed();
    assert!(recovery.problems().is_empty(), "nothing is lost");
    assert!(spool.total().events > PENDING / 2, "most of them are undelivered still");
    spool.close().expect("it closes");
    took.as_secs_f64()
}

/// When the relay answers 200 for the first time.
fn first_answer(address: SocketAddr, path: &str) -> Instant {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    );
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Ok(mut stream) = TcpStream::connect(address) {
            let mut answer = String::new();
            let exchanged =
                stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
            if exchanged.is_ok() && answer.starts_with("HTTP/1.1 200") {
                return Instant::now();
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("the relay did not answer within {PATIENCE:?}");
}

impl Client {
    fn start(directory: &Path, data: &Path, relay: SocketAddr) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inhaul"));
        command.env_clear().env("HOME", directory).current_dir(directory);
        command.arg("--data").arg(data).args(["listen", "--endpoint", "orders", "--output", "json"]);
        command
            .args(["--relay", &format!("http://{relay}")])
            .arg("--token-file")
            .arg(directory.join("token"));
        // Nobody listens there: what arrives is stored and shown.
        command.arg("1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("a client");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let (sender, events) = channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // The bench may be over.
                if line.contains(r#""kind":"event""#) && sender.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
        Self { child, events }
    }

    fn next_event(&self) -> Instant {
        self.events.recv_timeout(PATIENCE).expect("an event arrives")
    }

    /// Takes what was on its way, until nothing comes.
    fn nothing_more(&self) {
        while self.events.recv_timeout(Duration::from_millis(300)).is_ok() {}
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

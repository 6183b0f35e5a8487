//! The relay program in a process of its own, with one data directory, told to refuse nothing.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use inhaul_relay::{
    ready::Ready,
    registry::{AnswerMode, OnAbsent, Registry},
};

/// How long a relay may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A relay; it goes when this is dropped.
pub(crate) struct Relay {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Whom to trust, when it speaks TLS.
    pub(crate) ca_file: Option<PathBuf>,
}

impl Relay {
    /// Starts one on a directory; `program` is a command that `serve` and its options are added to.
    pub(crate) fn start(program: Command, data: &Path, tls: bool) -> Self {
        Self::start_with(program, data, tls, &["--listen", "127.0.0.1:0"])
    }

    /// As [`Relay::start`], with these options too, of which one says where it listens.
    pub(crate) fn start_with(mut program: Command, data: &Path, tls: bool, options: &[&str]) -> Self {
        let ready_file = data.join("ready.json");
        // One of an earlier relay on this directory.
        let _ = fs::remove_file(&ready_file);
        let command = program.env_clear().env("RUST_LOG", "error").arg("serve").args(options);
        command.args(["--tls", if tls { "self-signed" } else { "off" }]);
        command.arg("--data").arg(data).arg("--ready-file").arg(&ready_file);
        for limit in ["--requests-per-second", "--burst"] {
            command.args([limit, "1000000000"]);
        }
        for limit in ["--backlog-events", "--backlog-bytes"] {
            command.args([limit, "1000000000000"]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a relay");
        let began = Instant::now();
        while !ready_file.exists() {
            let ended = child.try_wait().expect("its state");
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "the relay did not start");
            thread::sleep(Duration::from_millis(5));
        }
        let text = fs::read(&ready_file).expect("its ready file");
        let ready: Ready = serde_json::from_slice(&text).expect("its ready file is JSON");
        let authority = ready.public_url.split_once("://").map_or("", |(_, authority)| authority);
        let address = authority.parse().expect("its address");
        Self { child, address, ca_file: ready.ca_file.map(PathBuf::from) }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes the endpoint `orders` in a relay's directory; its path and its token.
pub(crate) fn add_endpoint(data: &Path, answer: AnswerMode) -> (String, String) {
    let registry = Registry::open(data).expect("a directory for a relay");
    let name = "orders".parse().expect("a name");
    let (endpoint, token) = registry.add(&name, answer, OnAbsent::Accept).expect("an endpoint");
    (format!("/in/{}", endpoint.part), token.reveal().to_owned())
}

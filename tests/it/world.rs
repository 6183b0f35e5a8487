//! Relays and clients as processes of their own, with data in a directory that goes with the test.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// How long a test waits for what must happen; far beyond what it takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The directory of one test.
pub struct World {
    dir: TempDir,
}

impl World {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The client program, with data in `client`.
    pub fn inhaul(&self, args: &[&str]) -> Command {
        self.inhaul_in("client", args)
    }

    /// The client program, with an environment of its own and nothing of the user's.
    pub fn inhaul_in(&self, data: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inhaul"));
        command.env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path());
        command.arg("--data").arg(self.path(data)).args(args);
        command
    }

    /// Runs the client program to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        output(self.inhaul(args))
    }

    /// What a command that must succeed prints.
    pub fn stdout(&self, args: &[&str]) -> Vec<u8> {
        self.stdout_in("client", args)
    }

    fn stdout_in(&self, data: &str, args: &[&str]) -> Vec<u8> {
        let output = output(self.inhaul_in(data, args));
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// JSON lines a command prints.
    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        self.json_in("client", args)
    }

    fn json_in(&self, data: &str, args: &[&str]) -> Vec<Value> {
        let stdout = self.stdout_in(data, args);
        stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    }

    /// A command that must fail: its exit code and what it says.
    pub fn fails(&self, args: &[&str]) -> (i32, String) {
        self.fails_in("client", args)
    }

    /// As [`World::fails`], with data elsewhere.
    pub fn fails_in(&self, data: &str, args: &[&str]) -> (i32, String) {
        failure(self.inhaul_in(data, args))
    }

    /// The events of the history, oldest first.
    pub fn events(&self) -> Vec<Value> {
        self.events_in("client")
    }

    /// As [`World::events`], with data elsewhere.
    pub fn events_in(&self, data: &str) -> Vec<Value> {
        let mut events = self.json_in(data, &["events", "--json", "--limit", "1000"]);
        events.reverse();
        events
    }

    /// Hands on every event of the history, newest first, however many there are.
    pub fn each_event(&self, each: impl FnMut(Value)) {
        let mut command = self.inhaul(&["events", "--json", "--limit", "1000000000"]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.errors("events.err"))
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).for_each(each);
        assert!(child.wait().unwrap().success());
    }
}

/// Runs a command to its end, which must come.
fn output(mut command: Command) -> Output {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = read_all(child.stdout.take().unwrap());
    let stderr = read_all(child.stderr.take().unwrap());
    let Ok(stdout) = stdout.recv_timeout(PATIENCE) else {
        child.kill().unwrap();
        let said = String::from_utf8_lossy(&stderr.recv().unwrap()).into_owned();
        panic!("{command:?} did not end; it said: {said}");
    };
    Output { status: child.wait().unwrap(), stdout, stderr: stderr.recv().unwrap() }
}

/// Runs a command that must fail: its exit code and what it says.
pub fn failure(command: Command) -> (i32, String) {
    let shown = format!("{command:?}");
    let output = output(command);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{shown} succeeded; {said}");
    (output.status.code().unwrap(), said)
}

/// Asks a process to end. `kill` is a part of every shell, and not a program everywhere.
pub fn terminate(pid: u32) {
    signal(pid, "TERM");
}

/// Sends a process a signal, by its name.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(status.success());
}

/// Everything a stream says, once it has ended.
fn read_all(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, read) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let _ = sender.send(bytes);
    });
    read
}

/// A process that goes when it is dropped.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    /// Starts it; lines of the stream that tells what happens are read.
    fn start(mut command: Command, errors: File, stream: Stream) -> Self {
        command.stdin(Stdio::null());
        match stream {
            Stream::Stdout => command.stdout(Stdio::piped()).stderr(errors),
            Stream::Stderr => command.stdout(errors).stderr(Stdio::piped()),
        };
        let mut child = command.spawn().unwrap();
        let source: Box<dyn Read + Send> = match stream {
            Stream::Stdout => Box::new(child.stdout.take().unwrap()),
            Stream::Stderr => Box::new(child.stderr.take().unwrap()),
        };
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(source).lines() {
                let Ok(line) = line else { return };
                // Read on when nobody wants them, or the process would wait for room.
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// The first line from now on that is meant; those before it are gone.
    pub fn line<T>(&mut self, meant: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = String::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(found) = meant(&line) {
                        return found;
                    }
                    seen += &line;
                    seen.push('\n');
                }
                Err(RecvTimeoutError::Timeout) => panic!("not said within {PATIENCE:?}; it said:\n{seen}"),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended; it said:\n{seen}"),
            }
        }
    }

    /// From now on nobody wants to know what it says.
    pub fn ignore_lines(&mut self) {
        self.lines = channel().1;
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, with `SIGKILL`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        terminate(self.child.id());
        self.wait()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        // The end of what it prints is the end of the process.
        let deadline = Instant::now() + PATIENCE;
        while self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {}
        assert!(Instant::now() < deadline, "it did not end within {PATIENCE:?}");
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

/// A relay, in a process of its own unless it is embedded.
pub struct Relay {
    pub program: Program,
    pub public_url: String,
    pub ca_file: Option<PathBuf>,
}

impl World {
    fn errors(&self, name: &str) -> File {
        File::options().create(true).append(true).open(self.path(name)).unwrap()
    }

    /// Starts a relay with data in `relay`.
    pub fn relay(&self, args: &[&str]) -> Relay {
        let ready_file = self.path("relay-ready.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_inhaul"));
        command.env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path());
        command.args(["relay", "serve", "--data"]).arg(self.path("relay"));
        command.arg("--ready-file").arg(&ready_file).args(args);
        if !args.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut program = Program::start(command, self.errors("relay.out"), Stream::Stderr);
        program.line(|line| line.starts_with("relay ").then_some(()));
        let ready: Value = serde_json::from_slice(&std::fs::read(ready_file).unwrap()).unwrap();
        Relay {
            program,
            public_url: ready["public_url"].as_str().unwrap().to_owned(),
            ca_file: ready["ca_file"].as_str().map(PathBuf::from),
        }
    }

    /// Adds an endpoint named `orders` to the relay in `relay`; its URL, and its token in `token`.
    pub fn endpoint(&self, args: &[&str]) -> String {
        let output = output(self.relay_endpoint(&[&["add", "orders", "--json"], args].concat()));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let added: Value = serde_json::from_slice(&output.stdout).unwrap();
        self.write("token", added["token"].as_str().unwrap());
        added["url"].as_str().unwrap().to_owned()
    }
}

impl World {
    /// `inhaul relay endpoint …` beside the relay in `relay`.
    pub fn relay_endpoint(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inhaul"));
        command.env_clear().env("HOME", self.dir.path());
        command.args(["relay", "endpoint"]).args(args).arg("--data").arg(self.path("relay"));
        command
    }

    /// The clients of `orders`, as the relay's operator sees them, once they are as they should be.
    pub fn clients_when(&self, meant: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listed = output(self.relay_endpoint(&["clients", "orders", "--json"]));
            assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
            let lines = listed.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap());
            let clients: Vec<Value> = lines.collect();
            if meant(&clients) {
                return clients;
            }
            assert!(Instant::now() < deadline, "{clients:#?}");
        }
    }
}

/// A listening client.
pub struct Client {
    pub program: Program,
    pub ready: Value,
}

impl World {
    /// Starts a client and waits until webhooks would arrive.
    pub fn listen(&self, args: &[&str]) -> Client {
        self.client(self.inhaul(&[&["listen", "--output", "json"], args].concat()))
    }

    /// Starts a client of the relay.
    pub fn listen_at(&self, relay: &Relay, args: &[&str]) -> Client {
        self.listen_at_in("client", relay, args)
    }

    /// As [`World::listen_at`], with data elsewhere.
    pub fn listen_at_in(&self, data: &str, relay: &Relay, args: &[&str]) -> Client {
        self.client(self.inhaul_at(data, relay, args))
    }

    /// A client of the relay that prints JSON.
    pub fn inhaul_at(&self, data: &str, relay: &Relay, args: &[&str]) -> Command {
        let token_file = self.path("token");
        let mut command = self.inhaul_in(data, &["listen", "--output", "json"]);
        command.args(["--relay", &relay.public_url, "--endpoint", "orders", "--token-file"]).arg(token_file);
        if let Some(ca_file) = &relay.ca_file {
            command.arg("--cacert").arg(ca_file);
        }
        command.args(args);
        command
    }

    /// Starts a client that prints JSON.
    pub fn start(&self, command: Command) -> Program {
        Program::start(command, self.errors("client.err"), Stream::Stdout)
    }

    /// Starts a client that prints JSON, and waits until webhooks would arrive.
    pub fn client(&self, command: Command) -> Client {
        let mut program = self.start(command);
        let ready = program.line(of_kind("ready"));
        Client { program, ready }
    }
}

impl Client {
    pub fn endpoint_url(&self) -> &str {
        self.ready["endpoint_url"].as_str().unwrap()
    }

    /// The next event shown.
    pub fn event(&mut self) -> Value {
        self.program.line(of_kind("event"))
    }

    /// What a person is told next.
    pub fn notice(&mut self) -> String {
        self.program.line(of_kind("notice"))["text"].as_str().unwrap().to_owned()
    }

    /// The next outcome of an attempt shown.
    pub fn attempt(&mut self) -> Value {
        self.program.line(of_kind("attempt"))
    }
}

fn of_kind(kind: &str) -> impl Fn(&str) -> Option<Value> + use<'_> {
    move |line| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        (value["kind"] == kind).then_some(value)
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

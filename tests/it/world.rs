//! Relays and clients as processes of their own, with data in a directory that goes with the test.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{handler::Got, sender::Sender};

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
    /// The verdict of `inhaul verify`, now, about a request the application got; it is signed by Stripe's scheme with what the file `secret` holds.
    pub fn verdict(&self, got: &Got) -> Value {
        let body = self.write("got.json", &got.body);
        let secret = self.path("secret");
        let mut args = vec!["verify", "--provider", "stripe", "--json", "--secret-file", text(&secret)];
        args.extend(["--body-file", text(&body)]);
        for line in got.lines() {
            args.extend(["--header", line]);
        }
        serde_json::from_slice::<Value>(&self.run(&args).stdout).unwrap()["verdict"].clone()
    }

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

/// The same command, run by another program that takes a command as its last arguments.
pub fn through(program: &[&str], command: &Command) -> Command {
    let mut wrapped = Command::new(program[0]);
    wrapped.args(&program[1..]).arg(command.get_program()).args(command.get_args());
    wrapped.env_clear().current_dir(command.get_current_dir().unwrap());
    wrapped.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    wrapped
}

/// Runs a program of the system to its end; what it prints, or why it failed.
pub fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{program}: {}", said.trim()))
    }
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
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
    /// The latest of them, for a test that fails.
    latest: Arc<Mutex<VecDeque<String>>>,
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
        let latest: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let kept = Arc::clone(&latest);
        thread::spawn(move || {
            for line in BufReader::new(source).lines() {
                let Ok(line) = line else { return };
                {
                    let mut kept = kept.lock().unwrap();
                    kept.push_back(line.clone());
                    if kept.len() > LATEST_LINES {
                        kept.pop_front();
                    }
                }
                // Read on when nobody wants them, or the process would wait for room.
                let _ = sender.send(line);
            }
        });
        Self { child, lines, latest }
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

    /// Stops every thread of it; what a thread does in the kernel comes to its end before.
    pub fn freeze(&self) {
        let pid = self.pid();
        run("sh", &["-c", &format!("kill -STOP {pid}")]).unwrap();
        until("every thread is stopped", || is_stopped(pid));
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        run("sh", &["-c", &format!("kill -CONT {}", self.pid())]).unwrap();
    }

    /// How much memory it has, in bytes.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
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

fn is_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task")).unwrap();
    threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap()).all(|stat| {
        // The state stands behind the name, which is in parentheses.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

/// Lines of a program or of its log that a failed test shows.
const LATEST_LINES: usize = 20;

impl Drop for World {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = std::fs::read_to_string(self.path("client.err")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let latest = lines.len().saturating_sub(LATEST_LINES);
            eprintln!("--- the end of the client's log ---\n{}", lines[latest..].join("\n"));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if thread::panicking() {
            let (pid, state) = (self.pid(), self.child.try_wait());
            let latest: Vec<String> = self.latest.lock().unwrap().iter().cloned().collect();
            eprintln!("--- what process {pid} said last; its end: {state:?} ---\n{}", latest.join("\n"));
        }
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
    admin_url: String,
}

impl Relay {
    /// Where it listens.
    pub fn address(&self) -> &str {
        self.public_url.split_once("://").unwrap().1
    }

    /// One of its figures, by the name and labels it has in the metrics.
    pub fn figure(&self, name: &str) -> u64 {
        let answer = Sender::new(&format!("{}/metrics", self.admin_url), None).send("GET", "", &[], b"");
        let text = String::from_utf8(answer.body).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }
}

impl World {
    fn errors(&self, name: &str) -> File {
        File::options().create(true).append(true).open(self.path(name)).unwrap()
    }

    /// Starts a relay with data in `relay`.
    pub fn relay(&self, args: &[&str]) -> Relay {
        self.start_relay(self.relay_command(args))
    }

    /// What starts a relay with data in `relay`.
    pub fn relay_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inhaul"));
        command.env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path());
        command.args(["relay", "serve", "--data"]).arg(self.path("relay"));
        command.arg("--ready-file").arg(self.path("relay-ready.json")).args(args);
        if !args.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command
    }

    /// Starts a relay and waits until it takes webhooks.
    pub fn start_relay(&self, command: Command) -> Relay {
        let mut program = Program::start(command, self.errors("relay.out"), Stream::Stderr);
        program.line(|line| line.starts_with("relay ").then_some(()));
        let ready = std::fs::read(self.path("relay-ready.json")).unwrap();
        let ready: Value = serde_json::from_slice(&ready).unwrap();
        let word = |name: &str| ready[name].as_str().unwrap().to_owned();
        Relay {
            program,
            public_url: word("public_url"),
            admin_url: word("admin_url"),
            ca_file: ready["ca_file"].as_str().map(PathBuf::from),
        }
    }

    /// Adds an endpoint named `orders` to the relay in `relay`; its URL, and its token in `token`.
    pub fn endpoint(&self, args: &[&str]) -> String {
        let (url, token) = self.endpoint_named("orders", args);
        self.write("token", token);
        url
    }

    /// Adds an endpoint to the relay in `relay`; its URL and its token.
    pub fn endpoint_named(&self, name: &str, args: &[&str]) -> (String, String) {
        let output = output(self.relay_endpoint(&[&["add", name, "--json"], args].concat()));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let added: Value = serde_json::from_slice(&output.stdout).unwrap();
        let word = |name: &str| added[name].as_str().unwrap().to_owned();
        (word("url"), word("token"))
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

    /// What starts a client of the relay.
    pub fn client_command(&self, relay: &Relay, args: &[&str]) -> Command {
        self.inhaul_at("client", relay, args)
    }

    /// As [`World::client_command`], with data elsewhere.
    pub fn inhaul_at(&self, data: &str, relay: &Relay, args: &[&str]) -> Command {
        let mut command = self.client_in(data, &relay.public_url, args);
        if let Some(ca_file) = &relay.ca_file {
            command.arg("--cacert").arg(ca_file);
        }
        command
    }

    /// What starts a client of the relay at a URL.
    pub fn client_of(&self, relay_url: &str, args: &[&str]) -> Command {
        self.client_in("client", relay_url, args)
    }

    fn client_in(&self, data: &str, relay_url: &str, args: &[&str]) -> Command {
        let mut command = self.inhaul_in(data, &["listen", "--output", "json", "--relay", relay_url]);
        command.args(["--endpoint", "orders", "--token-file"]).arg(self.path("token")).args(args);
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

    /// Waits until the connection has a state; the line that says so.
    pub fn connection(&mut self, state: &str) -> Value {
        self.program.line(|line| of_kind("connection")(line).filter(|value| value["state"] == state))
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

//! A person's own command with the body of an event on its standard input. It has no terminal, and ends when it takes too long, prints
//! too much, or is told to.

use std::{
    fmt, io,
    os::fd::OwnedFd,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use inhaul_core::event::Event;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe,
    process::{Child, Command},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{output::time_text, row::EventRow};

/// How long a command may take with one event.
pub(super) const TIME_MAX: Duration = Duration::from_secs(60);

/// How much a command may print, for all events together.
pub(super) const OUTPUT_MAX_BYTES: usize = 256 * 1024;

/// How long a command that is told to end may take before it is killed.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Most bytes of output that are handed on at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By itself.
    Exited(ExitStatus),
    /// It took longer than it may.
    TimedOut(Duration),
    /// It printed more than it may.
    TooMuch,
    /// A person ended it.
    Stopped,
    /// It could not be run.
    Failed(String),
}

impl Ending {
    /// Whether the command did what it was to do, by its own word.
    pub(super) fn is_success(&self) -> bool {
        matches!(self, Self::Exited(status) if status.success())
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "{status}"),
            Self::TimedOut(time) => write!(f, "ended after {}", time_text(*time)),
            Self::TooMuch => write!(f, "ended, because it printed more than {} KiB", OUTPUT_MAX_BYTES / 1024),
            Self::Stopped => f.write_str("ended by you"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

/// What a command may use.
pub(super) struct Bounds<'a> {
    pub(super) time: Duration,
    /// What it may still print.
    pub(super) output_bytes: &'a mut usize,
    pub(super) stop: &'a CancellationToken,
}

/// Runs a command for one event, and hands on what it prints, to either output, as it comes.
pub(super) async fn run<P: Future<Output = ()>>(
    script: &str,
    event: &Event,
    row: &EventRow,
    bounds: Bounds<'_>,
    print: impl Fn(Vec<u8>) -> P,
) -> Ending {
    let (child, output) = match start(script, event, row) {
        Ok(started) => started,
        Err(error) => return Ending::Failed(format!("it cannot be run: {error}")),
    };
    let mut running = Running::new(child);
    let (to, body) = (running.child.stdin.take(), event.body.clone());
    let feeding = tokio::spawn(async move {
        if let Some(mut to) = to {
            // It need not take everything.
            let _ = to.write_all(&body).await;
        }
    });
    let ending = running.ended(output, bounds, print).await;
    feeding.abort();
    ending
}

fn start(script: &str, event: &Event, row: &EventRow) -> io::Result<(Child, pipe::Receiver)> {
    let (output, from) = io::pipe()?;
    // A variable can hold anything but this.
    let variable = |text: &str| text.replace('\0', "");
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .env("INHAUL_EVENT_ID", event.id.to_string())
        .env("INHAUL_EVENT_TYPE", variable(row.event_type.as_deref().unwrap_or_default()))
        .env("INHAUL_ENDPOINT", event.endpoint.as_str())
        .stdin(Stdio::piped())
        .stdout(from.try_clone()?)
        .stderr(from)
        .process_group(0)
        .kill_on_drop(true);
    Ok((command.spawn()?, pipe::Receiver::from_owned_fd(OwnedFd::from(output))?))
}

/// A command with all it has started; dropping it ends them.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    fn new(child: Child) -> Self {
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Self { child, group }
    }

    /// Waits for the end of its output and its own, or ends it.
    async fn ended<P: Future<Output = ()>>(
        &mut self,
        mut output: pipe::Receiver,
        bounds: Bounds<'_>,
        print: impl Fn(Vec<u8>) -> P,
    ) -> Ending {
        let deadline = Instant::now() + bounds.time;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = tokio::select! {
                () = bounds.stop.cancelled() => return self.end(Ending::Stopped).await,
                () = sleep_until(deadline) => return self.end(Ending::TimedOut(bounds.time)).await,
                count = output.read(&mut chunk) => count.unwrap_or(0),
            };
            if count == 0 {
                break;
            }
            let taken = count.min(*bounds.output_bytes);
            *bounds.output_bytes -= taken;
            print(chunk[..taken].to_vec()).await;
            if taken < count {
                return self.end(Ending::TooMuch).await;
            }
        }
        tokio::select! {
            () = bounds.stop.cancelled() => self.end(Ending::Stopped).await,
            () = sleep_until(deadline) => self.end(Ending::TimedOut(bounds.time)).await,
            status = self.child.wait() => {
                self.group = None;
                status.map_or_else(|error| Ending::Failed(error.to_string()), Ending::Exited)
            }
        }
    }

    async fn end(&mut self, ending: Ending) -> Ending {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
        if timeout(ENDS_WITHIN, self.child.wait()).await.is_err() {
            self.signal(Signal::KILL);
            let _ = self.child.wait().await;
        }
        ending
    }

    /// What it has started may be gone already.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::ready, sync::Mutex};

    use super::*;
    use crate::{history::tests::sample_event, output::tests::row};

    async fn run_with(script: &str, time: Duration, stop: &CancellationToken) -> (Ending, String) {
        let printed = Mutex::new(Vec::new());
        let mut left = OUTPUT_MAX_BYTES;
        let bounds = Bounds { time, output_bytes: &mut left, stop };
        let print = |bytes: Vec<u8>| {
            printed.lock().unwrap().extend(bytes);
            ready(())
        };
        let ending = run(script, &sample_event(1, b"{\"a\":1}"), &row(), bounds, print).await;
        (ending, String::from_utf8(printed.into_inner().unwrap()).unwrap())
    }

    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn a_command_gets_the_body_and_knows_the_event() {
        let script = "cat; echo; echo \"$INHAUL_EVENT_ID $INHAUL_EVENT_TYPE $INHAUL_ENDPOINT\" >&2; exit 3";
        let (ending, printed) = run_with(script, LONG, &CancellationToken::new()).await;
        let (event, row) = (sample_event(1, b""), row());
        let kind = row.event_type.unwrap();
        assert_eq!(printed, format!("{{\"a\":1}}\n{} {kind} {}\n", event.id, event.endpoint));
        assert_eq!(ending.to_string(), "exit status: 3");
        assert!(!ending.is_success());
        let (ending, _) = run_with("exit 0", LONG, &CancellationToken::new()).await;
        assert!(ending.is_success(), "it need not read");
    }

    #[tokio::test]
    async fn what_takes_too_long_prints_too_much_or_is_told_to_is_ended() {
        let stop = CancellationToken::new();
        let (ending, _) = run_with("sleep 1000 & sleep 1000", Duration::ZERO, &stop).await;
        assert_eq!(ending.to_string(), "ended after 0 ms");
        let (ending, printed) = run_with("yes", LONG, &stop).await;
        assert_eq!((ending, printed.len()), (Ending::TooMuch, OUTPUT_MAX_BYTES));
        stop.cancel();
        let (ending, _) = run_with("trap '' TERM; kill -STOP $$; sleep 1000", LONG, &stop).await;
        assert_eq!(ending, Ending::Stopped);
    }

    #[tokio::test]
    async fn nothing_that_a_command_started_stays() {
        // The output stays open as long as anything of it runs.
        let (mut alive, ours) = io::pipe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & sleep 1000"]).stdout(ours).process_group(0);
        let running = Running::new(command.spawn().unwrap());
        drop((running, command));
        let read = tokio::task::spawn_blocking(move || io::copy(&mut alive, &mut io::sink()));
        assert_eq!(read.await.unwrap().unwrap(), 0);
    }
}

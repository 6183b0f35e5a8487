//! A program that has the terminal in place of the inspector: an editor or a pager.
//!
//! It is in the process group of the inspector, so that `ctrl-z` stops both and `fg` brings both back.

use std::{io, process::ExitStatus, time::Duration};

use rustix::{
    process::{Pid, Signal, kill_process},
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// How long a program that is told to end may take before it is killed.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// Runs a program on the terminal until it ends, with `input` on its standard input if there is any. When `stop` is cancelled it is told
/// to end. However it ends, the terminal's mode is the one from before.
///
/// # Errors
/// When it cannot be started, or not be waited for.
pub(super) async fn run(
    mut command: Command,
    input: Option<Vec<u8>>,
    stop: &CancellationToken,
) -> io::Result<ExitStatus> {
    let _mode = Mode::kept();
    let mut child = command.kill_on_drop(true).spawn()?;
    let feeding = child.stdin.take().zip(input).map(|(mut to, input)| {
        // It need not take everything.
        tokio::spawn(async move { to.write_all(&input).await })
    });
    let status = tokio::select! {
        status = child.wait() => status,
        () = stop.cancelled() => end(&mut child).await,
    };
    if let Some(feeding) = feeding {
        feeding.abort();
    }
    status
}

/// Ends a program, also one that is stopped or does not listen.
async fn end(child: &mut Child) -> io::Result<ExitStatus> {
    if let Some(id) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        // It may have ended by itself meanwhile.
        let _ = kill_process(id, Signal::TERM).and_then(|()| kill_process(id, Signal::CONT));
    }
    if let Ok(status) = timeout(ENDS_WITHIN, child.wait()).await {
        return status;
    }
    child.kill().await?;
    child.wait().await
}

/// The terminal's mode, put back when it is dropped: a program that was killed leaves its own.
struct Mode(Option<Termios>);

impl Mode {
    fn kept() -> Self {
        Self(tcgetattr(io::stdout()).ok())
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        if let Some(mode) = &self.0 {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdout(), OptionalActions::Now, mode);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped());
        command
    }

    #[tokio::test]
    async fn a_program_gets_its_input_and_need_not_read_it() {
        let stop = CancellationToken::new();
        let input = vec![b'x'; 1 << 20];
        let status = run(shell("[ $(wc -c) -eq 1048576 ]"), Some(input.clone()), &stop).await.unwrap();
        assert!(status.success());
        let status = run(shell("exit 3"), Some(input), &stop).await.unwrap();
        assert_eq!(status.code(), Some(3));
    }

    #[tokio::test]
    async fn a_program_that_does_not_listen_is_killed_at_the_end() {
        let stop = CancellationToken::new();
        stop.cancel();
        // It says nothing and waits for input that does not come, whatever it is told.
        let mut deaf = Command::new("sh");
        deaf.args(["-c", "trap '' TERM; kill -STOP $$; read line"]).stdin(Stdio::piped());
        let status = run(deaf, None, &stop).await.unwrap();
        assert!(!status.success());
    }
}

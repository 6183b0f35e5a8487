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

/// Words of a shell's own, which are no programs.
const OF_THE_SHELL: [&str; 4] = [".", "command", "eval", "exec"];

/// What a shell runs for a person's own program with `arguments`. Where the text names one program and nothing else, the shell becomes that
/// program: not every shell does so by itself, and one that stays would be told to end in the program's place.
pub(super) fn script(named: &str, arguments: &str) -> String {
    let first = named.split_whitespace().next().unwrap_or_default();
    let is_one_program = !named.contains([';', '&', '|', '(', ')', '{', '}', '!', '`', '\n'])
        && !first.contains('=')
        && !OF_THE_SHELL.contains(&first);
    let exec = if is_one_program { "exec " } else { "" };
    format!("{exec}{named} {arguments}")
}

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

    #[test]
    fn a_shell_becomes_the_program_where_there_is_only_one() {
        for (named, becomes_it) in [
            ("less -R", true),
            (" vim -c 'set nonu'", true),
            ("code --wait 2>/dev/null", true),
            ("emacsclient -t || vi", false),
            ("col -b | less", false),
            ("LESS=R less", false),
            ("command vi", false),
            (". ./editor", false),
            ("{ vi; }", false),
        ] {
            assert_eq!(script(named, "\"$1\"").starts_with("exec "), becomes_it, "{named:?}");
        }
        assert_eq!(script("vi", "\"$1\""), "exec vi \"$1\"");
    }

    #[tokio::test]
    async fn the_program_is_ended_and_not_a_shell_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name).display().to_string();
        let (program, says) = (path("program"), path("says"));
        // The fifo has a reader for as long as it lives.
        let text = format!(
            "trap '' TERM\nmkfifo {says}\nexec 5<>{says}\nmv {program} {program}.runs\nread line <&5\n"
        );
        std::fs::write(&program, text).unwrap();
        let stop = CancellationToken::new();
        let command = shell(&script(&format!("sh {program}"), ""));
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { run(command, None, &stop).await }
        });
        let runs = std::path::PathBuf::from(format!("{program}.runs"));
        while !runs.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
        assert!(!running.await.unwrap().unwrap().success());
        let written = rustix::fs::open(
            &*says,
            rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK,
            rustix::fs::Mode::empty(),
        );
        assert_eq!(written.unwrap_err(), rustix::io::Errno::NXIO);
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

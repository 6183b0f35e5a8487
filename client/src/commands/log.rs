//! Where this program's own log goes: to stderr, or into a file while the inspector has the terminal.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, IsTerminal},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Mutex,
};

use inhaul_core::visible::TALKATIVE;
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    filter::{LevelFilter, filter_fn},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::{
    cli::{Cli, Command, OutputMode},
    commands::Failure,
    data_dir::{DataDir, DataDirError},
    output::Color,
};

/// Name of the log in the data directory.
const FILE_NAME: &str = "inhaul.log";

/// Length at which a start begins the log anew.
const FILE_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// What logs the reason for which a certificate is not trusted before whoever asked says it in words of its own.
const SAYS_IT_TWICE: &str = "rustls_platform_verifier";

/// Starts the log: warnings and errors, or what `INHAUL_LOG` says; for a hosted relay, as the relay's program does.
///
/// # Errors
/// When the inspector will have the terminal and the file cannot be opened.
pub fn start(cli: &Cli) -> Result<(), Failure> {
    #[cfg(feature = "relay")]
    if let Command::Relay(command) = &cli.command {
        start_for_relay(command);
        return Ok(());
    }
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .parse_lossy(env::var("INHAUL_LOG").unwrap_or_default());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    if uses_inspector(&cli.command, io::stdout().is_terminal()) {
        if matches!(cli.command, Command::Demo(_)) && cli.data.is_none() {
            // Its data goes with it, and nothing of it belongs to the user's own.
            begin(subscriber.with_writer(io::sink).finish());
            return Ok(());
        }
        let data = DataDir::open(cli.data.as_deref())?;
        let path = data.path().join(FILE_NAME);
        let file = open(&path).map_err(|error| DataDirError::Io { path, error })?;
        begin(subscriber.with_ansi(false).with_writer(Mutex::new(file)).finish());
    } else {
        let color = Color::of_output(io::stderr().is_terminal());
        begin(subscriber.with_ansi(color == Color::On).with_writer(io::stderr).finish());
    }
    Ok(())
}

/// Logs from now on, without what would give tokens and bodies away or be said twice.
fn begin(lines: impl Subscriber + for<'span> LookupSpan<'span> + Send + Sync + 'static) {
    let harmless = filter_fn(|metadata| {
        let is_of = |name: &&str| metadata.target().starts_with(*name);
        !is_of(&SAYS_IT_TWICE) && (*metadata.level() != Level::TRACE || !TALKATIVE.iter().any(is_of))
    });
    lines.with(harmless).init();
}

/// The relay's own log: what an operator wants to read.
#[cfg(feature = "relay")]
fn start_for_relay(command: &inhaul_relay::cli::RelayCommand) {
    use inhaul_relay::cli::{LogFormat, RelayCommand};
    inhaul_relay::log::init(match command {
        RelayCommand::Serve(args) => args.log_format,
        RelayCommand::Endpoint(_) => LogFormat::Text,
    });
}

fn uses_inspector(command: &Command, stdout_is_terminal: bool) -> bool {
    let asked = match command {
        Command::Listen(args) => args.output.output,
        Command::Demo(args) => args.output_mode(),
        Command::Events(_)
        | Command::Show(_)
        | Command::Export(_)
        | Command::Import(_)
        | Command::Diff(_)
        | Command::Replay(_)
        | Command::Play(_)
        | Command::Hold(_)
        | Command::Release(_)
        | Command::Tag(_)
        | Command::Comment(_)
        | Command::Delete(_)
        | Command::Thread(_)
        | Command::History(_)
        | Command::Verify(_)
        | Command::Sign(_)
        | Command::Trigger(_)
        | Command::Config(_)
        | Command::Filters
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Keys(_)
        | Command::Providers(_) => return false,
        #[cfg(feature = "jq")]
        Command::JqWorker => return false,
        #[cfg(feature = "relay")]
        Command::Relay(_) => return false,
    };
    OutputMode::or_by_terminal(asked, stdout_is_terminal) == OutputMode::Tui
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    let file = options.open(path)?;
    if file.metadata()?.len() > FILE_MAX_BYTES {
        file.set_len(0)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, os::unix::fs::PermissionsExt};

    use clap::Parser;

    use super::*;

    #[test]
    fn the_log_leaves_the_terminal_to_the_inspector() {
        for (args, on_terminal, elsewhere) in [
            ("listen", true, false),
            ("listen --output tui", true, true),
            ("listen --output lines", false, false),
            ("demo", true, false),
            ("demo --once", false, false),
            ("events", false, false),
            ("show 01", false, false),
        ] {
            let cli = Cli::try_parse_from(["inhaul"].into_iter().chain(args.split(' '))).unwrap();
            assert_eq!(uses_inspector(&cli.command, true), on_terminal, "{args}");
            assert_eq!(uses_inspector(&cli.command, false), elsewhere, "{args}");
        }
    }

    #[test]
    fn the_log_is_for_this_user_and_does_not_grow_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        open(&path).unwrap().write_all(b"one\n").unwrap();
        open(&path).unwrap().write_all(b"two\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(FILE_MAX_BYTES + 1).unwrap();
        open(&path).unwrap().write_all(b"new\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
    }
}

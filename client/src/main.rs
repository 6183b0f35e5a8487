//! The `inhaul` program.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use inhaul::{
    cli::Cli,
    commands::{self, failure::report},
};

/// How long the end waits for what nobody waits for any more, such as a history that was still being opened: it may be broken off at any
/// time, as a kill does.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            let (text, code) = report(&error);
            // With nobody on stderr either, there is nobody to tell.
            let _ = io::stderr().write_all(text.as_bytes());
            code
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    // First of all, so that no library picks a provider of its own. It fails only when one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = Cli::of(std::env::args_os()).unwrap_or_else(|error| error.exit());
    commands::log::start(&cli)?;
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    let ended = runtime.block_on(commands::run(cli));
    runtime.shutdown_timeout(ENDS_WITHIN);
    ended
}

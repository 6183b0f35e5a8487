//! The `inhaul-relay` program.

use std::process::ExitCode;

use clap::Parser;
use inhaul_relay::{
    cli::{self, LogFormat, RelayCommand},
    log,
};

/// The public side of inhaul: takes webhooks, stores them, streams them to clients
#[derive(Parser)]
#[command(name = "inhaul-relay", version, propagate_version = true)]
struct Program {
    #[command(subcommand)]
    command: RelayCommand,
}

fn main() -> ExitCode {
    let Program { command } = Program::parse();
    log::init(match &command {
        RelayCommand::Serve(args) => args.log_format,
        RelayCommand::Endpoint(_) => LogFormat::Text,
    });
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli::run(command)),
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            ExitCode::from(2)
        }
    }
}

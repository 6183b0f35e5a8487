//! The commands, one file each, and what is the same for all of them: how they end and how they say what went wrong.

use std::process::ExitCode;

use crate::cli::{Cli, Command};

pub mod comment;
pub mod config;
pub mod delete;
pub mod demo;
pub mod diff;
pub mod events;
pub mod export;
pub mod failure;
pub mod filters;
pub mod history;
pub mod hold;
pub mod import;
pub mod keys;
pub mod listen;
pub mod log;
pub mod lookup;
pub mod play;
pub mod providers;
pub mod release;
pub mod replay;
pub mod shell;
pub mod show;
pub mod sign;
pub mod tag;
pub mod thread;
pub mod trigger;
pub mod verify;

pub use failure::Failure;

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or the answer is yes: status 0.
    Success,
    /// The answer is no: status 1.
    No,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::No => Self::from(1),
        }
    }
}

/// Does what the arguments say.
///
/// # Errors
/// When it could not be done; a [`Failure`] in the chain says what a person can do about it.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let data = cli.data.as_deref();
    let exit = match cli.command {
        Command::Listen(args) => listen::run(data, &args).await?,
        Command::Events(args) => events::run(data, &args).await?,
        Command::Show(args) => show::run(data, &args).await?,
        Command::History(command) => history::run(data, &command).await?,
        Command::Replay(args) => replay::run(data, &args).await?,
        Command::Play(args) => play::run(&args).await?,
        Command::Hold(args) => hold::run(data, &args).await?,
        Command::Release(args) => release::run(data, &args).await?,
        Command::Tag(args) => tag::run(data, &args).await?,
        Command::Comment(args) => comment::run(data, &args).await?,
        Command::Delete(args) => delete::run(data, &args).await?,
        Command::Thread(args) => thread::run(data, &args).await?,
        Command::Verify(args) => verify::run(data, &args).await?,
        Command::Sign(args) => sign::run(&args)?,
        Command::Trigger(args) => trigger::run(data, &args).await?,
        Command::Providers(args) => providers::run(&args)?,
        Command::Export(args) => export::run(data, &args).await?,
        Command::Import(args) => import::run(data, &args).await?,
        Command::Diff(args) => diff::run(data, &args).await?,
        Command::Config(args) => config::run(&args)?,
        Command::Filters => filters::run()?,
        Command::Keys(args) => keys::run(args.config.as_deref())?,
        Command::Completions(args) => shell::completions(&args)?,
        Command::Man(args) => shell::man(&args)?,
        Command::Demo(args) => demo::run(data, &args).await?,
        #[cfg(feature = "jq")]
        Command::JqWorker => crate::jq::worker::serve().map(|()| Exit::Success)?,
        #[cfg(feature = "relay")]
        Command::Relay(command) => return Ok(inhaul_relay::cli::run(command).await),
    };
    Ok(exit.into())
}

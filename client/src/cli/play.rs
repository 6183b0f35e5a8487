//! Arguments of `inhaul play`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::{OutputMode, SignatureArgs, parse_header};
use crate::{
    draft::Sign,
    forward::Target,
    scenario::{PlayOptions, Speed},
};

/// How `play` ends.
pub(super) const PLAY_STATUS: &str = "\
Exit status:
  0  every answer was as expected
  1  some were not, or it was stopped before all were sent
  2  it could not be done: bad arguments, a scenario that cannot be read, or a secret that is missing";

/// Arguments of `inhaul play`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").args(["scenario", "list"]).required(true))]
pub struct PlayArgs {
    /// A name, for inhaul.d/NAME.toml beside inhaul.toml, or a file
    #[arg(value_name = "NAME|FILE")]
    pub scenario: Option<String>,
    /// List the scenarios there are
    #[arg(long)]
    pub list: bool,
    /// Send it to this port, host:port or URL [default: what it says]
    #[arg(long, value_name = "TARGET")]
    pub to: Option<Target>,
    /// How often it is played, at most 10000 requests in all
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub times: u32,
    /// How many times as fast, such as 10; max leaves every pause out
    #[arg(long, value_name = "X|max", default_value = "1")]
    pub speed: Speed,
    /// Set a header of every request; repeatable
    #[arg(long, value_name = "NAME: VALUE", value_parser = parse_header)]
    pub set_header: Vec<(String, String)>,
    /// Every signature: kept, made anew, or wrong [default: what it says]
    #[arg(
        long,
        value_name = "keep|fresh|break-digest|break-time|break-missing",
        hide_possible_values = true
    )]
    pub sign: Option<Sign>,
    /// Say in a header, X-Inhaul-Replay, that it is a replay, and which
    #[arg(long)]
    pub mark: bool,
    /// Environment variable that holds a signing secret; repeatable
    #[arg(long, value_name = "NAME")]
    pub secret_env: Vec<String>,
    /// File that holds a signing secret; repeatable
    #[arg(long, value_name = "FILE")]
    pub secret_file: Vec<PathBuf>,
    /// Read this file [default: ./inhaul.toml, then ~/.config/inhaul/inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Allow a target that is not on this machine
    #[arg(long, visible_alias = "allow-external")]
    pub yes: bool,
    /// Say what would be sent, and send nothing
    #[arg(long, conflicts_with = "list")]
    pub dry_run: bool,
    /// How to say what came of it [default: lines]
    #[arg(long, value_name = "lines|json|quiet", hide_possible_values = true)]
    pub output: Option<OutputMode>,
    /// The same as --output json
    #[arg(long, conflicts_with = "output")]
    pub json: bool,
}

impl PlayArgs {
    /// How it is played.
    pub fn options(&self) -> PlayOptions {
        PlayOptions {
            to: self.to.clone(),
            times: self.times,
            speed: self.speed,
            headers: self.set_header.clone(),
            sign: self.sign,
            mark: self.mark,
        }
    }

    /// What names the secrets.
    pub(crate) fn signatures(&self) -> SignatureArgs {
        SignatureArgs {
            secret_env: self.secret_env.clone(),
            secret_file: self.secret_file.clone(),
            ..SignatureArgs::default()
        }
    }
}

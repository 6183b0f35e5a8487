//! Arguments of `inhaul history`.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};

use super::{parse_age, parse_size};

/// What `--help` of `check` says about how it ends.
const CHECK_STATUS: &str = "\
Exit status:
  0  everything can be read
  1  something cannot, or was put right; each is named
  2  it could not be checked";

/// What to do with the history.
#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// Say how large it is and what is left to do
    ///
    /// For each period: events, those with something left to do, and what they take on the disk. Works while `inhaul listen` is running.
    Stats {
        /// One JSON object, as docs/output-json.md describes
        #[arg(long)]
        json: bool,
    },
    /// Read every record, and name each that cannot be read
    ///
    /// An index that is not as the journal says is made again, as at any start. Needs the history for itself.
    #[command(after_long_help = CHECK_STATUS)]
    Check,
    /// Replace damaged journals by what can be read of them
    ///
    /// The damaged one is kept beside it and may be deleted. Needs the history for itself.
    #[command(after_long_help = CHECK_STATUS)]
    Repair,
    /// Remove the oldest events for good, a whole period at a time
    ///
    /// Example: `inhaul history prune --older-than 30d`. A period with events that are to be forwarded or decided on stays, and so does
    /// the current one. Works while `inhaul listen` is running.
    Prune(PruneArgs),
}

/// Arguments of `inhaul history prune`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("limit").required(true).multiple(true).args(["older_than", "keep"])))]
pub struct PruneArgs {
    /// Periods whose day is that long ago, such as 30d
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub older_than: Option<Duration>,
    /// As many as it takes to keep no more than this, such as 2GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub keep: Option<u64>,
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
}

//! Arguments of `inhaul tag`, `comment`, `delete` and `thread`.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::hyphen::filter_word;

/// How `delete` ends.
pub(super) const DELETE_STATUS: &str = "\
Exit status:
  0  done, or you did not want it
  1  there is no such event, or some could not be deleted; each is named
  2  it could not be done";

/// How `tag` and `comment` end.
pub(super) const NOTES_STATUS: &str = "\
Exit status:
  0  done
  1  there is no such event
  2  it could not be done";

/// Arguments of `inhaul tag`.
#[derive(Debug, Args)]
pub struct TagArgs {
    /// Ids of events or their beginnings, and words with + or - in front of them
    #[arg(value_name = "ID|+TAG|-TAG", required = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Arguments of `inhaul comment`.
#[derive(Debug, Args)]
pub struct CommentArgs {
    /// The event's id, or its beginning
    pub id: String,
    /// What to write, in place of the one before; '' takes it away
    #[arg(value_name = "TEXT")]
    pub text: Vec<String>,
}

/// Arguments of `inhaul delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Ids of events or their beginnings; or a filter, such as 'type:ping'
    #[arg(value_name = "ID|FILTER", required = true, value_parser = filter_word)]
    pub events: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Read this file [default: ./inhaul.toml, then ~/.config/inhaul/inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `inhaul thread`.
#[derive(Debug, Args)]
pub struct ThreadArgs {
    /// The id of any of its events, or its beginning
    pub id: String,
    /// Read this file [default: ./inhaul.toml, then ~/.config/inhaul/inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One JSON object, as docs/output-json.md describes
    #[arg(long)]
    pub json: bool,
}

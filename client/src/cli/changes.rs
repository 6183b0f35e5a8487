//! Arguments that change an event before it is sent, and those of the commands that send stored events.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{ArgGroup, Args};
use thiserror::Error;

use super::{OutputMode, SignatureArgs, hyphen::filter_word, parse_duration};
use crate::{
    draft::{Changes, Draft, IdChange, Sign},
    forward::Target,
    pipeline::Signing,
    replay::{CONCURRENCY_MAX, Pace},
};

/// How `release` ends.
pub(super) const RELEASE_STATUS: &str = "\
Exit status:
  0  done
  1  there is no such event, or some of several are not held; each is named
  2  it could not be done: the one event is not held, or the changes do not fit it";

/// Longest body that is read for an event to be sent.
const BODY_MAX_BYTES: u64 = 128 << 20;

/// Arguments that say what is sent in place of what was received.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Changes")]
pub struct ChangeArgs {
    /// Send the bytes of this file as the body; - is stdin
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// Set one value of a JSON body, such as data.amount=500; repeatable
    #[arg(long, value_name = "PATH=JSON")]
    pub set: Vec<String>,
    /// Set a header; repeatable
    #[arg(long, value_name = "NAME: VALUE", value_parser = parse_header)]
    pub set_header: Vec<(String, String)>,
    /// Leave a header out; repeatable
    #[arg(long, value_name = "NAME")]
    pub remove_header: Vec<String>,
    /// Set a parameter of the query; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    pub set_query: Vec<(String, String)>,
    /// Leave a parameter of the query out; repeatable
    #[arg(long, value_name = "NAME")]
    pub remove_query: Vec<String>,
    /// The signature: kept, made anew, or wrong on purpose [default: keep]
    #[arg(
        long,
        group = "signs",
        value_name = "keep|fresh|break-digest|break-time|break-missing",
        hide_possible_values = true
    )]
    pub sign: Option<Sign>,
    /// Give each copy a new id of the provider's, and sign it anew
    #[arg(long, group = "signs")]
    pub new_id: bool,
}

/// A body that cannot be read.
#[derive(Debug, Error)]
#[error("{path}: {error}")]
pub struct BodyError {
    path: String,
    error: io::Error,
}

impl ChangeArgs {
    /// What is different, with the body read.
    ///
    /// # Errors
    /// When the body cannot be read.
    pub fn draft(&self) -> Result<Draft, BodyError> {
        let sign = self.sign.unwrap_or(if self.new_id { Sign::Fresh } else { Sign::Keep });
        let changes = Changes {
            set_values: self.set.clone(),
            remove_query: self.remove_query.clone(),
            set_query: self.set_query.clone(),
            remove_headers: self.remove_header.clone(),
            set_headers: self.set_header.clone(),
            id: if self.new_id { IdChange::New } else { IdChange::Keep },
            sign,
            mark: false,
        };
        let body = self.body.as_deref().map(read_body).transpose()?;
        Ok(Draft { body: body.map(Into::into), changes })
    }
}

fn read_body(path: &Path) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(BODY_MAX_BYTES + 1).read_to_end(&mut body)
    } else {
        fs::File::open(path).and_then(|file| file.take(BODY_MAX_BYTES + 1).read_to_end(&mut body))
    };
    let read = match read {
        Ok(bytes) if bytes as u64 > BODY_MAX_BYTES => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "it is larger than 128 MiB"))
        }
        read => read,
    };
    read.map(|_| body).map_err(|error| BodyError { path: path.display().to_string(), error })
}

/// Reads a header such as `Name: value`.
///
/// # Errors
/// When there is no colon in it.
pub fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as `name=value`")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn concurrency(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=CONCURRENCY_MAX).contains(number));
    number.ok_or_else(|| format!("a whole number from 1 to {CONCURRENCY_MAX}"))
}

fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok().filter(|number| *number <= 100);
    number.ok_or_else(|| "a share from 0% to 100%".to_owned())
}

/// Arguments of `inhaul replay`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["ids", "filter", "given_up"]).required(true))]
#[command(group = ArgGroup::new("signs").multiple(true))]
pub struct ReplayArgs {
    /// Ids of events, or their beginnings
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// Every event that passes this filter, oldest first, in place of IDs
    #[arg(long, value_name = "FILTER", value_parser = filter_word)]
    pub filter: Option<String>,
    /// Every event that was given up, oldest first, in place of IDs
    #[arg(long)]
    pub given_up: bool,
    /// Send it to this port, host:port or URL [default: where it belongs]
    #[arg(long, value_name = "TARGET")]
    pub to: Option<Target>,
    /// Sign it anew, with a new id where the provider sends it in a header
    #[arg(long, group = "signs", conflicts_with_all = ["sign", "new_id"])]
    pub resign: bool,
    /// Keep the event's id where the provider sends it in a header
    #[arg(long, requires = "resign")]
    pub keep_id: bool,
    /// Say in a header, X-Inhaul-Replay, that it is a replay, and which
    #[arg(long)]
    pub mark: bool,
    /// Environment variable that holds the secret, when no client is running
    #[arg(long, value_name = "NAME", requires = "signs")]
    pub secret_env: Option<String>,
    /// File that holds the secret, when no client is running
    #[arg(long, value_name = "FILE", requires = "signs")]
    pub secret_file: Option<PathBuf>,
    /// Read this file [default: ./inhaul.toml, then ~/.config/inhaul/inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Allow a target that is not on this machine, without a question
    #[arg(long, visible_alias = "allow-external")]
    pub yes: bool,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How to say what came of it [default: lines]
    #[arg(long, value_name = "lines|json", hide_possible_values = true)]
    pub output: Option<OutputMode>,
    /// The same as --output json
    #[arg(long, conflicts_with = "output")]
    pub json: bool,
    /// What changes.
    #[command(flatten)]
    pub changes: ChangeArgs,
    /// How often and how fast.
    #[command(flatten)]
    pub pace: PaceArgs,
}

/// Arguments that say how often, in which order and how fast.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Many times")]
pub struct PaceArgs {
    /// How often each event is sent, at most 10000 requests in all
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub times: u32,
    /// From the start of one request to that of the next, such as 200ms
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub delay: Option<Duration>,
    /// By how much that is more or less, such as 20%
    #[arg(long, value_name = "PERCENT", value_parser = percent, requires = "delay")]
    pub jitter: Option<u8>,
    /// How many requests are under way at once, at most 64
    #[arg(long, value_name = "N", value_parser = concurrency, default_value = "1")]
    pub concurrency: usize,
    /// In any order
    #[arg(long)]
    pub shuffle: bool,
}

impl ReplayArgs {
    /// What is different, with the body read.
    ///
    /// # Errors
    /// When the body cannot be read.
    pub fn draft(&self) -> Result<Draft, BodyError> {
        let mut draft = self.changes.draft()?;
        draft.changes.mark = self.mark;
        let signed = Draft::from(match (self.resign, self.keep_id) {
            (false, _) => return Ok(draft),
            (true, false) => Signing::Anew,
            (true, true) => Signing::AnewWithSameId,
        });
        let Changes { sign, id, .. } = signed.changes;
        Ok(Draft { changes: Changes { sign, id, ..draft.changes }, ..draft })
    }

    /// How often, in which order and how fast.
    pub fn pace(&self) -> Pace {
        let PaceArgs { times, delay, jitter, concurrency, shuffle } = self.pace;
        Pace {
            times,
            delay_ms: delay.map_or(0, |delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
            jitter_percent: jitter.unwrap_or(0),
            concurrency,
            shuffle,
        }
    }

    /// What names the secret.
    pub(crate) fn signatures(&self) -> SignatureArgs {
        SignatureArgs {
            secret_env: self.secret_env.iter().cloned().collect(),
            secret_file: self.secret_file.iter().cloned().collect(),
            ..SignatureArgs::default()
        }
    }
}

/// Arguments of `inhaul release`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("signs").multiple(true))]
pub struct ReleaseArgs {
    /// Ids of events, or their beginnings
    #[arg(value_name = "ID", required_unless_present = "all")]
    pub ids: Vec<String>,
    /// Every event that is held, oldest first
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    /// Keep them in the history and do not forward them
    #[arg(
        long,
        conflicts_with_all =
            ["body", "set", "set_header", "remove_header", "set_query", "remove_query", "sign", "new_id"]
    )]
    pub drop: bool,
    /// Why they are dropped, for the record
    #[arg(long, value_name = "TEXT", requires = "drop")]
    pub reason: Option<String>,
    /// What changes.
    #[command(flatten)]
    pub changes: ChangeArgs,
}

/// Arguments of `inhaul hold`.
#[derive(Debug, Args)]
pub struct HoldArgs {
    /// Hold events that pass this filter; off and on keep the one there is
    #[arg(value_name = "FILTER|off|on", value_parser = filter_word)]
    pub filter: Option<String>,
    /// One JSON object, as docs/output-json.md describes
    #[arg(long)]
    pub json: bool,
}

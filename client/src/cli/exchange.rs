//! Arguments of `inhaul export`, `import` and `diff`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::hyphen::filter_word;
use inhaul_core::{event::EndpointName, filter::JsonPath};

use crate::forward::Target;

/// How `export` ends.
pub(super) const EXPORT_STATUS: &str = "\
Exit status:
  0  done
  1  some events could not be read; each is named
  2  it could not be done";

/// How `import` ends.
pub(super) const IMPORT_STATUS: &str = "\
Exit status:
  0  done
  2  something is wrong with a file, and nothing of any is imported; or not all could be stored";

/// How `diff` ends.
pub(super) const DIFF_STATUS: &str = "\
Exit status:
  0  nothing differs but what is ignored
  1  something differs
  2  they could not be compared";

/// Arguments of `inhaul export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Only events that pass this filter, such as an id's beginning
    #[arg(value_name = "FILTER", value_parser = filter_word)]
    pub filter: Vec<String>,
    /// What to write
    #[arg(long, value_name = "FORMAT")]
    pub format: ExportFormat,
    /// Write to this file, or to files in this directory [default: stdout]
    #[arg(long, value_name = "PATH", required_if_eq("format", "fixture"))]
    pub to: Option<PathBuf>,
    /// How many events at most, the newest ones [default: all]
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Leave secrets in: signatures, tokens, cookies, what `mask` names
    #[arg(long)]
    pub unmasked: bool,
    /// Your application, in commands [default: where the event last was sent]
    #[arg(long, value_name = "TARGET")]
    pub app: Option<Target>,
    /// Read this file [default: ./inhaul.toml, then ~/.config/inhaul/inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What events are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Commands that make the same requests
    Curl,
    /// Commands for HTTPie
    Httpie,
    /// JavaScript for `fetch`
    Fetch,
    /// Requests as they go over the wire
    Raw,
    /// HTTP Archive 1.2, an entry for each attempt
    Har,
    /// One JSON object a line, as docs/output-json.md describes
    Ndjson,
    /// A directory for each event, for tests
    Fixture,
}

/// Arguments of `inhaul import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// HAR, NDJSON of `inhaul export`, or a directory with fixtures
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Endpoint of events whose file names none
    #[arg(long, value_name = "NAME", default_value = "imported")]
    pub endpoint: EndpointName,
    /// Read this file [default: ./inhaul.toml, then ~/.config/inhaul/inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `inhaul diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// An event's id, or its beginning
    pub a: String,
    /// Another one [default: the one before A of the same endpoint and type]
    pub b: Option<String>,
    /// One column, lines marked - and + [default: below 100 columns]
    #[arg(long, conflicts_with = "side_by_side")]
    pub unified: bool,
    /// Two columns [default: on a terminal of 100 columns or more]
    #[arg(long)]
    pub side_by_side: bool,
    /// Equal lines shown around a difference
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub context: usize,
    /// Do not compare this header; repeatable
    #[arg(long, value_name = "NAME")]
    pub ignore_header: Vec<String>,
    /// Do not compare this value, such as data.created; repeatable
    #[arg(long, value_name = "PATH", value_parser = json_path)]
    pub ignore_json: Vec<JsonPath>,
    /// One JSON object, as docs/output-json.md describes
    #[arg(long, conflicts_with_all = ["unified", "side_by_side"])]
    pub json: bool,
    /// Read this file [default: ./inhaul.toml, then ~/.config/inhaul/inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

fn json_path(text: &str) -> Result<JsonPath, String> {
    JsonPath::parse(text).ok_or_else(|| "write a path such as data.amount or items[*].id".to_owned())
}

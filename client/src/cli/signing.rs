//! Arguments of the commands about signatures: `verify`, `sign`, `trigger` and `providers`.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args};

use super::{SignatureArgs, parse_duration};
use crate::{
    config::{RoutePath, RoutePathError},
    forward::Target,
};

/// What `--help` of `trigger` says about how it ends.
pub(super) const TRIGGER_STATUS: &str = "\
Examples:
  inhaul trigger github push
  inhaul trigger github push --secret-env GITHUB_WEBHOOK_SECRET
  inhaul trigger stripe charge.refunded --to 3000 --set data.object.amount=500 --secret-file secret
  inhaul trigger github push --body-file push.json --dry-run --unsigned

Exit status:
  0  sent, and each answered 2xx
  1  one was answered otherwise
  2  it could not be sent";

/// What `--help` of `verify` says about how it ends.
pub(super) const VERIFY_STATUS: &str = "\
Examples:
  inhaul verify 0197a2c4 --secret-env STRIPE_WEBHOOK_SECRET
  inhaul verify 0197a2c4 --again
  inhaul verify --provider github --secret-file secret --header 'X-Hub-Signature-256: sha256=…' --body-file body.json

Exit status:
  0  valid
  1  not valid
  2  it could not be checked";

/// Arguments of `inhaul verify`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["ids", "body_file"])))]
pub struct VerifyArgs {
    /// A stored event's id, or its beginning; or give a request by --body-file
    #[arg(value_name = "ID", conflicts_with = "header")]
    pub ids: Vec<String>,
    /// Take the secrets of the running client, read anew, and keep the verdict
    #[arg(
        long,
        conflicts_with_all =
            ["provider", "secret_env", "secret_file", "method", "url", "body_file", "at", "header", "tolerance"]
    )]
    pub again: bool,
    /// Who signed [default: recognised by the headers]
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,
    /// With what.
    #[command(flatten)]
    pub secrets: SecretArgs,
    /// The request.
    #[command(flatten)]
    pub message: MessageArgs,
    /// A header of the request, such as 'X-Signature: abc'; repeatable
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// Tolerate this age in place of the provider's own, such as 5m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub tolerance: Option<Duration>,
    /// One JSON object, as docs/output-json.md describes
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `inhaul sign`.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// Who signs, such as github
    #[arg(long, value_name = "PROVIDER")]
    pub provider: String,
    /// With what.
    #[command(flatten)]
    pub secrets: SecretArgs,
    /// The request.
    #[command(flatten)]
    pub message: MessageArgs,
    /// The event's type, for providers that send it in a header
    #[arg(long, value_name = "TYPE")]
    pub event_type: Option<String>,
    /// The event's id, for providers that sign it or send it in a header
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
}

/// Where secrets are. Other users of a machine can see the arguments of a command, so a secret is none.
#[derive(Debug, Default, Args)]
pub struct SecretArgs {
    /// Providers of your own [default: ./inhaul.toml, ~/.config/inhaul/inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Environment variable that holds a secret; repeatable
    #[arg(long, value_name = "NAME")]
    pub secret_env: Vec<String>,
    /// File that holds a secret; repeatable
    #[arg(long, value_name = "FILE")]
    pub secret_file: Vec<PathBuf>,
}

impl SecretArgs {
    /// Those that name where a secret is.
    pub(crate) fn named(&self) -> SignatureArgs {
        SignatureArgs {
            secret_env: self.secret_env.clone(),
            secret_file: self.secret_file.clone(),
            ..SignatureArgs::default()
        }
    }
}

/// A request.
#[derive(Debug, Args)]
pub struct MessageArgs {
    /// Its method [default: POST, or the event's]
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,
    /// Its whole URL, for providers that sign it
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// File with its exact body; - is stdin
    #[arg(long, value_name = "FILE")]
    pub body_file: Option<PathBuf>,
    /// Its time in seconds since 1970 [default: now, or when the event was received]
    #[arg(long, value_name = "SECONDS")]
    pub at: Option<u64>,
}

/// Arguments of `inhaul providers`.
#[derive(Debug, Args)]
pub struct ProvidersArgs {
    /// Providers of your own [default: ./inhaul.toml, ~/.config/inhaul/inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Tell about this one
    pub name: Option<String>,
    /// One JSON object a line, as docs/output-json.md describes
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `inhaul trigger`.
#[derive(Debug, Args)]
pub struct TriggerArgs {
    /// Whose event, such as stripe
    pub provider: Option<String>,
    /// Which event, such as invoice.paid
    pub event: Option<String>,
    /// Send it to this port, host:port or URL instead of the endpoint
    #[arg(long, value_name = "TARGET", conflicts_with = "path")]
    pub to: Option<Target>,
    /// Path behind the endpoint's URL [default: that of the provider's route]
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub path: Option<String>,
    /// Set a value of the body, such as data.object.amount=500; repeatable
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Send this body in place of a sample; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    pub body_file: Option<PathBuf>,
    /// The event's id, for providers that send it in a header [default: a fresh one]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// How many events, one after the other
    #[arg(long, value_name = "N", default_value = "1")]
    pub count: NonZeroU32,
    /// Environment variable with the secret [default: its route's or the client's]
    #[arg(long, value_name = "NAME")]
    pub secret_env: Option<String>,
    /// File that holds the secret
    #[arg(long, value_name = "FILE", conflicts_with = "secret_env")]
    pub secret_file: Option<PathBuf>,
    /// Send it without a signature
    #[arg(long, conflicts_with_all = ["secret_env", "secret_file"])]
    pub unsigned: bool,
    /// Print the request and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Allow a target that is not on this machine
    #[arg(long)]
    pub allow_external: bool,
    /// Read this file [default: ./inhaul.toml, then ~/.config/inhaul/inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One JSON object a line, as docs/output-json.md describes
    #[arg(long, conflicts_with = "dry_run")]
    pub json: bool,
}

impl TriggerArgs {
    /// What names the secret.
    pub(crate) fn signatures(&self) -> SignatureArgs {
        SignatureArgs {
            secret_env: self.secret_env.iter().cloned().collect(),
            secret_file: self.secret_file.iter().cloned().collect(),
            ..SignatureArgs::default()
        }
    }
}

fn path(text: &str) -> Result<String, RoutePathError> {
    text.parse::<RoutePath>().map(|path| path.as_str().to_owned())
}

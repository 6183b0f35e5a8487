//! The command line: every command, argument and word of help.
//!
//! Nothing is decided here; [`crate::config`] lays these arguments over the environment and the configuration file.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use inhaul_core::{event::EndpointName, retry::Schedule, wire::Sharing};

use crate::{config::RelayUrl, export::one::Format, forward::Target, listing::Order, tui::Palette};

mod changes;
mod exchange;
mod history;
mod hyphen;
mod notes;
mod play;
mod signing;
mod values;

pub use changes::{BodyError, ChangeArgs, HoldArgs, PaceArgs, ReleaseArgs, ReplayArgs, parse_header};
pub use exchange::{DiffArgs, ExportArgs, ExportFormat, ImportArgs};
pub use history::{HistoryCommand, PruneArgs};
pub use notes::{CommentArgs, DeleteArgs, TagArgs, ThreadArgs};
pub use play::PlayArgs;
pub use signing::{MessageArgs, ProvidersArgs, SecretArgs, SignArgs, TriggerArgs, VerifyArgs};
pub use values::{
    AnswerMode, CatchUp, ConcurrencyError, Dedupe, DurationError, OnAbsent, OutputMode, ScheduleError,
    VerifyMode, parse_age, parse_concurrency, parse_duration, parse_schedule, parse_size,
};

/// What `--help` says about how the program ends; the same for every command.
const EXIT_STATUS: &str = "\
Exit status:
  0  done; for `replay`, every request was answered 2xx
  1  the answer is no: `replay` got something else, `show` found no such event
  2  it could not be done: bad arguments or configuration, refused by the relay";

/// Where `--help` of `listen` names what it reads besides its arguments.
const LISTEN_NOTES: &str = "\
Environment:
  INHAUL_RELAY     the relay's URL, when there is no --relay
  INHAUL_ENDPOINT  the endpoint's name, when there is no --endpoint
  INHAUL_TOKEN     the endpoint's token, when there is no --token-file
  INHAUL_LOG       what to log on stderr, such as `info` or `inhaul=debug`
  NO_COLOR         no colour; neither with CLICOLOR=0 or TERM=dumb
  CLICOLOR_FORCE   colour in lines also where they go to no terminal

Examples:
  inhaul listen 3000
  inhaul listen 3000 --provider stripe --secret-env STRIPE_WEBHOOK_SECRET
  inhaul listen 3000 --relay https://relay.example --endpoint orders --token-file token
  inhaul listen 3000 --relay https://relay.example --endpoint orders --token-file token --share

Exit status:
  0  ended by you
  2  it could not be done: bad arguments or configuration, refused by the relay";

/// Webhooks on your own machine: receive, verify, see, forward and replay them.
///
/// Example: `inhaul listen 3000` prints a URL, and whatever is posted to it reaches http://localhost:3000.
#[derive(Debug, Parser)]
#[command(name = "inhaul", version, max_term_width = 100, after_long_help = EXIT_STATUS)]
#[command(arg_required_else_help = true)]
pub struct Cli {
    /// Keep data in this directory [default: ~/.local/share/inhaul or inhaul-relay]
    ///
    /// `inhaul relay` keeps it in ~/.local/share/inhaul-relay, all other commands in ~/.local/share/inhaul; below $XDG_DATA_HOME when that is
    /// set.
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Receive webhooks, show them and forward them to your application
    ///
    /// Without --relay it hosts a relay of its own on this machine. Each event is stored before anything else, so nothing
    /// is lost while your application, this program or the network is down.
    #[command(after_long_help = LISTEN_NOTES)]
    Listen(Box<ListenArgs>),
    /// List stored events, newest first
    ///
    /// Example: `inhaul events 'provider:stripe is:failed data.object.amount>100'`; `inhaul filters` has the language. Works while
    /// `inhaul listen` is running.
    Events(EventsArgs),
    /// Show one stored event: request, verdict, attempts and body
    ///
    /// Example: `inhaul show 0197a2c4 --as curl`, or `--jq '.data | {id, amount}'`. Works while `inhaul listen` is running.
    #[command(after_long_help = notes::NOTES_STATUS)]
    Show(ShowArgs),
    /// Send stored events to your application again, as they were or changed
    ///
    /// Example: `inhaul replay 0197a2c4 --set data.amount=0 --sign fresh --times 50 --concurrency 4`. Each request is a new attempt on the
    /// event's record; what was received stays as it is. Ctrl-C stops it and says how far it came.
    #[command(after_long_help = EXIT_STATUS)]
    Replay(Box<ReplayArgs>),
    /// Send the requests of a scenario, and check the answers
    ///
    /// Example: `inhaul play orders --to 3000 --speed max`. A scenario is a file, inhaul.d/orders.toml, which the inspector saves from its
    /// replay dialog (F7) or as `:save orders`; docs/scenarios.md describes it. It needs neither a history nor a relay, so it can be a test
    /// of your handler.
    #[command(after_long_help = play::PLAY_STATUS)]
    Play(Box<PlayArgs>),
    /// Hold events before they are forwarded, or say which are held
    ///
    /// Example: `inhaul hold 'type:charge.*'` has the running `inhaul listen` hold such events from now on, `inhaul hold off` none. `inhaul
    /// events --held` lists those that wait, and `inhaul release` frees or drops them.
    Hold(HoldArgs),
    /// Decide on events that are held: forward them, edited or not, or drop them
    ///
    /// Example: `inhaul release --all`. `inhaul listen --hold FILTER`, `inhaul hold` and `--catch-up ask` hold events, and `inhaul events
    /// --held` lists them.
    #[command(after_long_help = changes::RELEASE_STATUS)]
    Release(Box<ReleaseArgs>),
    /// Give stored events tags, words to find them by, or take them away
    ///
    /// Example: `inhaul tag 0197a2c4 0197a2d0 +slow -fine`, and then `inhaul events tag:slow`. Prints the tags they have then. Works
    /// while `inhaul listen` is running.
    #[command(after_long_help = notes::NOTES_STATUS, disable_help_flag = true)]
    Tag(TagArgs),
    /// Write a comment about a stored event; an empty one removes it
    ///
    /// Example: `inhaul comment 0197a2c4 'who sent this?'`, and then `inhaul events comment:who`. Without a text it prints the comment.
    /// Works while `inhaul listen` is running.
    #[command(after_long_help = notes::NOTES_STATUS)]
    Comment(CommentArgs),
    /// Delete stored events for good
    ///
    /// Example: `inhaul delete 0197a2c4`, `inhaul delete 'type:ping age>7d' --yes`. Asks first. An event that is still to be forwarded, or is
    /// held, stays. A deleted one does not come back when the relay sends it again. Works while `inhaul listen` is running.
    #[command(after_long_help = notes::DELETE_STATUS)]
    Delete(DeleteArgs),
    /// Show the events of the same object in order, such as those of a call
    ///
    /// Example: `inhaul thread 0197a2c4`. Says what is missing between them, what came out of order, and the time between one and the next,
    /// over the last seven days. Works while `inhaul listen` is running.
    #[command(after_long_help = notes::NOTES_STATUS)]
    Thread(ThreadArgs),
    /// Look after the history: its size, whether it is whole, what of it may go
    #[command(subcommand)]
    History(HistoryCommand),
    /// Check a signature: of a stored event, or of a request you have
    ///
    /// Example: `inhaul verify 0197a2c4 --secret-env STRIPE_WEBHOOK_SECRET`
    #[command(after_long_help = signing::VERIFY_STATUS)]
    Verify(Box<VerifyArgs>),
    /// Sign a request as a provider would, and print its headers
    ///
    /// Example: `inhaul sign --provider github --secret-env SECRET --body-file body.json`
    Sign(Box<SignArgs>),
    /// Send a sample event, signed as its provider signs
    ///
    /// Example: `inhaul trigger stripe invoice.payment_failed --secret-env STRIPE_WEBHOOK_SECRET`. It goes to the running `inhaul
    /// listen`, as if the provider had sent it. Without EVENT it lists the provider's samples, without PROVIDER all of them.
    #[command(after_long_help = signing::TRIGGER_STATUS)]
    Trigger(Box<TriggerArgs>),
    /// List the providers whose signatures are known, or tell about one
    Providers(ProvidersArgs),
    /// Write events for other tools: curl, HTTPie, fetch, HAR, tests
    ///
    /// Example: `inhaul export 0197a2c4 --format curl`, `inhaul export 'provider:stripe is:failed' --format fixture --to fixtures`. Secrets
    /// are masked. docs/export.md has the formats. Works while `inhaul listen` is running.
    #[command(after_long_help = exchange::EXPORT_STATUS)]
    Export(ExportArgs),
    /// Take events from HAR, NDJSON or fixtures into the history
    ///
    /// Example: `inhaul import requests.har`, then `inhaul replay ID`. They are marked as imported and not forwarded by themselves; a file
    /// that is imported twice is stored once. Works while `inhaul listen` is running.
    #[command(after_long_help = exchange::IMPORT_STATUS)]
    Import(ImportArgs),
    /// Compare two events: headers, bodies and answers
    ///
    /// Example: `inhaul diff 0197a2c4 0197a2c5`. With one event it is compared with the one before it of the same endpoint and type. Works
    /// while `inhaul listen` is running.
    #[command(after_long_help = exchange::DIFF_STATUS)]
    Diff(DiffArgs),
    /// Say which settings are in effect, and what says each
    ///
    /// Example: `inhaul config 3000 --timeout 5s` prints what `inhaul listen` would do with these arguments: each setting, and the argument,
    /// variable or line of inhaul.toml that says it. Secrets are named and not shown.
    Config(Box<ConfigArgs>),
    /// Print what can be written in a filter
    ///
    /// Filters say which events are meant: in `inhaul events`, in the inspector, in routes and in what is held.
    Filters,
    /// Print the inspector's keys as configuration, with what each does
    ///
    /// What it prints can stand in inhaul.toml, changed. Where the file's own keys clash, it says so.
    Keys(KeysArgs),
    /// Print what makes a shell complete commands, options and providers
    ///
    /// Example: `inhaul completions bash > ~/.local/share/bash-completion/completions/inhaul`, `inhaul completions zsh > ~/.zfunc/_inhaul`,
    /// `inhaul completions fish > ~/.config/fish/completions/inhaul.fish`.
    Completions(CompletionsArgs),
    /// Write manual pages, one for each command
    ///
    /// Example: `inhaul man ~/.local/share/man/man1`, and then `man inhaul-listen`.
    Man(ManArgs),
    /// See it all work in a minute: a relay, a handler and signed events
    ///
    /// Example: `inhaul demo --once` plays the events, prints what happens and ends by itself.
    Demo(DemoArgs),
    /// Run jq programs for the process that starts it
    #[cfg(feature = "jq")]
    #[command(hide = true)]
    JqWorker,
    /// Host a relay for others, or look after its endpoints
    ///
    /// Example: `inhaul relay serve --listen 127.0.0.1:8443`. The same as the program `inhaul-relay`; both keep their data in
    /// ~/.local/share/inhaul-relay.
    #[cfg(feature = "relay")]
    #[command(subcommand)]
    Relay(inhaul_relay::cli::RelayCommand),
}

/// Arguments of `inhaul completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: Shell,
}

/// Arguments of `inhaul man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where they go; made when it is not there
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// Arguments of `inhaul listen`.
#[derive(Debug, Default, Args)]
pub struct ListenArgs {
    /// Forward to this port, host:port or URL, such as 3000; repeatable
    #[arg(value_name = "TARGET")]
    pub targets: Vec<Target>,
    /// Read this file [default: ./inhaul.toml, then ~/.config/inhaul/inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Give up on a target after this time, such as 30s [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Waits between tries, as 1s,30s,5m, or none [default: 11, from 1s to 18h]
    #[arg(long, value_name = "TIMES", value_parser = parse_schedule)]
    pub retry: Option<Schedule>,
    /// Events forwarded beside each other, if no sender waits [default: 1]
    #[arg(long, value_name = "N", value_parser = parse_concurrency)]
    pub concurrency: Option<usize>,
    /// Forward none before the one before it is delivered or given up
    #[arg(long)]
    pub strict_order: bool,
    /// An event delivered before: drop is not to forward it [default: flag]
    #[arg(long, value_name = "flag|drop", hide_possible_values = true)]
    pub dedupe: Option<Dedupe>,
    /// Events that came while this client was away [default: deliver]
    #[arg(long, value_name = "deliver|store|ask", hide_possible_values = true)]
    pub catch_up: Option<CatchUp>,
    /// Forward only events that pass this filter, such as 'type:charge.*'
    #[arg(long, value_name = "FILTER", value_parser = hyphen::filter_word)]
    pub when: Option<String>,
    /// Hold events that pass this filter until `inhaul release` frees them
    #[arg(long, value_name = "FILTER", value_parser = hyphen::filter_word)]
    pub hold: Option<String>,
    /// Allow targets that are not on this machine
    #[arg(long)]
    pub allow_external: bool,
    /// The relay and how to reach it.
    #[command(flatten)]
    pub relay: RelayArgs,
    /// The relay hosted by this program.
    #[command(flatten)]
    pub embedded: EmbeddedArgs,
    /// How signatures are checked.
    #[command(flatten)]
    pub signatures: SignatureArgs,
    /// What is printed.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments that name a remote relay.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Remote relay")]
pub struct RelayArgs {
    /// Its public URL.
    #[arg(
        long,
        value_name = "URL",
        help = "Its public URL, such as https://relay.example [env: INHAUL_RELAY]"
    )]
    pub relay: Option<RelayUrl>,
    /// Name of the endpoint on it, such as orders [env: INHAUL_ENDPOINT]
    #[arg(long, value_name = "NAME")]
    pub endpoint: Option<EndpointName>,
    /// File with the endpoint's token; never an argument [env: INHAUL_TOKEN]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Trust the authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Have the endpoint with other clients: each gets every event
    #[arg(long, conflicts_with = "balance")]
    pub share: bool,
    /// Have the endpoint with other clients: each event goes to one of them
    #[arg(long)]
    pub balance: bool,
}

impl RelayArgs {
    /// How the endpoint is shared, where the arguments say.
    pub(crate) fn sharing(&self) -> Option<Sharing> {
        match (self.share, self.balance) {
            (true, _) => Some(Sharing::Share),
            (false, true) => Some(Sharing::Balance),
            (false, false) => None,
        }
    }
}

/// Arguments of the relay this program hosts when none is named.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Embedded relay")]
pub struct EmbeddedArgs {
    /// Port on 127.0.0.1; 0 takes any free one [default: 8780]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Speak HTTPS, with a certificate made on the first start
    #[arg(long)]
    pub tls: bool,
    /// Who answers the sender: your app, or the relay at once [default: app]
    #[arg(long, value_name = "app|relay", hide_possible_values = true)]
    pub answer: Option<AnswerMode>,
    /// What the sender hears when no answer comes in time [default: accept]
    #[arg(long, value_name = "accept|refuse", hide_possible_values = true)]
    pub on_absent: Option<OnAbsent>,
}

/// Arguments that say how signatures are checked.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Signatures")]
pub struct SignatureArgs {
    /// Who signs, such as stripe [default: recognised by the headers]
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,
    /// Environment variable that holds a signing secret; repeatable
    #[arg(long, value_name = "NAME")]
    pub secret_env: Vec<String>,
    /// File that holds a signing secret; repeatable
    #[arg(long, value_name = "FILE")]
    pub secret_file: Vec<PathBuf>,
    /// What to do with a bad signature: reject is not to forward [default: mark]
    #[arg(long, value_name = "mark|reject", hide_possible_values = true)]
    pub verify: Option<VerifyMode>,
}

/// Arguments that say what is printed.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// How to show events [default: tui on a terminal, lines elsewhere]
    #[arg(long, value_name = "tui|lines|json|quiet", hide_possible_values = true)]
    pub output: Option<OutputMode>,
    /// Write every address in use to this file once webhooks would arrive
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// How the inspector looks.
    #[command(flatten)]
    pub ui: UiArgs,
}

/// Arguments of `inhaul config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Those of `inhaul listen`.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// One JSON object for each setting, as docs/output-json.md describes
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `inhaul keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// Read this file [default: ./inhaul.toml, then ~/.config/inhaul/inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of the inspector.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct UiArgs {
    /// The inspector's colours [default: dark]
    #[arg(long, value_name = "dark|light|high-contrast|color-blind|mono")]
    pub theme: Option<Palette>,
    /// Draw nothing but ASCII [default: if the locale has no UTF-8]
    #[arg(long)]
    pub ascii: bool,
    /// The order of the inspector's list, such as newest [default: oldest]
    #[arg(long, value_name = "ORDER")]
    pub order: Option<Order>,
}

/// Arguments of `inhaul events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Only events that pass this filter, such as 'type:charge.* status:5xx'
    #[arg(value_name = "FILTER", value_parser = hyphen::filter_word)]
    pub filter: Vec<String>,
    /// How many events at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Only events that could not be delivered and are not tried again
    #[arg(long)]
    pub given_up: bool,
    /// Read filters that are named as @NAME from this file [default: ./inhaul.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only events that are held until `inhaul release` decides on them
    #[arg(long, conflicts_with = "given_up")]
    pub held: bool,
    /// One JSON object a line, as docs/output-json.md describes
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `inhaul show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The event's id, or its beginning
    pub id: String,
    /// Write exactly the bytes the relay received, head and body
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// Write the edited body that this attempt sent, or say what it changed
    #[arg(long, value_name = "ATTEMPT", conflicts_with_all = ["json", "raw"])]
    pub edited: Option<u32>,
    /// One JSON object, as docs/output-json.md describes
    #[arg(long)]
    pub json: bool,
    /// What it is written as.
    #[arg(
        long = "as",
        value_name = "FORMAT",
        hide_possible_values = true,
        conflicts_with_all = ["json", "raw", "edited"],
        help = "Write it for other programs: body|curl|httpie|fetch|raw|har|ndjson|signed"
    )]
    pub format: Option<Format>,
    /// Leave secrets in what --as writes
    #[arg(long, requires = "format")]
    pub unmasked: bool,
    /// Read what is secret from this file [default: ./inhaul.toml]
    #[arg(long, value_name = "FILE", requires = "format")]
    pub config: Option<PathBuf>,
    /// Write what this jq program makes of the body, such as '.data.id'
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["json", "raw", "edited", "format"])]
    pub jq: Option<String>,
}

/// Arguments of `inhaul demo`.
#[derive(Debug, Default, Args)]
pub struct DemoArgs {
    /// Play the events once, print what happens and end
    #[arg(long)]
    pub once: bool,
    /// How to show events [default: tui on a terminal, lines elsewhere]
    #[arg(long, value_name = "tui|lines|json|quiet", hide_possible_values = true)]
    pub output: Option<OutputMode>,
    /// How the inspector looks.
    #[command(flatten)]
    pub ui: UiArgs,
}

impl DemoArgs {
    /// How events are shown, where the arguments say: playing once is for reading, not for the inspector.
    pub fn output_mode(&self) -> Option<OutputMode> {
        match self.output {
            Some(mode) => Some(mode),
            None if self.once => Some(OutputMode::Lines),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests;

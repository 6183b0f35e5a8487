//! The relay's command line: `inhaul-relay …`, and `inhaul relay …` in the client program.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand, ValueEnum, builder::RangedU64ValueParser, value_parser};
use inhaul_core::event::EndpointName;
use ipnet::IpNet;
use jiff::SignedDuration;
use uuid::Uuid;

use crate::{
    limits::Limits,
    log::with_causes,
    registry::{AnswerMode, OnAbsent},
    relay::RelayConfig,
    serve::forwarded::TrustedProxies,
    tls::TlsMode,
};

mod address;
mod endpoint;
mod serve;

use address::parse_public_url;

/// Exit code when the answer is no.
pub(crate) const EXIT_NO: u8 = 1;

/// Exit code when it could not be done.
pub(crate) const EXIT_FAILED: u8 = 2;

/// What the relay's program can do.
#[derive(Debug, Subcommand)]
pub enum RelayCommand {
    /// Run a relay until it is stopped
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<ServeArgs>),
    /// Add, list and remove endpoints, while the relay runs or not
    #[command(subcommand, after_help = ENDPOINT_STATUS)]
    Endpoint(EndpointCommand),
}

const SERVE_EXAMPLES: &str = "Examples:
  inhaul relay serve --listen 127.0.0.1:8443
  inhaul relay serve --listen 0.0.0.0:443 --tls files --cert fullchain.pem --key privkey.pem \\
      --public-url https://hooks.example.com";

/// How `endpoint` ends.
const ENDPOINT_STATUS: &str = "\
Exit status:
  0  done
  1  there is no such endpoint or client, one of that name already, or the client is connected
  2  it could not be done: bad arguments, or a data directory that cannot be used";

/// How a relay runs.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443", value_parser = parse_address)]
    pub listen: SocketAddr,
    #[command(flatten)]
    data: DataArgs,
    /// Where certificates come from
    #[arg(long, value_enum, default_value_t = TlsArg::SelfSigned)]
    tls: TlsArg,
    /// Certificate chain in PEM, for --tls files
    #[arg(long, value_name = "FILE", required_if_eq("tls", "files"))]
    cert: Option<PathBuf>,
    /// Private key in PEM, for --tls files
    #[arg(long, value_name = "FILE", required_if_eq("tls", "files"))]
    key: Option<PathBuf>,
    /// The relay's address as senders and clients see it
    #[arg(long, value_name = "URL", value_parser = parse_public_url)]
    public_url: Option<String>,
    /// Allow plain HTTP on any address: a proxy in front speaks TLS
    #[arg(long)]
    behind_proxy: bool,
    /// Address or network of a proxy that says in X-Forwarded-For whom a request is from; may be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = parse_network)]
    trusted_proxy: Vec<IpNet>,
    /// Where health and metrics are served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = parse_address)]
    admin_listen: SocketAddr,
    /// Write a JSON file with every address once webhooks are taken
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// How log lines are written to stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Where a relay keeps its data.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// Keep all data in this directory [default: ~/.local/share/inhaul-relay]
    ///
    /// Endpoints, certificates and stored events; below $XDG_DATA_HOME when that is set.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What a relay allows.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Largest body of a webhook in bytes
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_body_bytes, value_parser = value_parser!(u64).range(1..))]
    max_body_bytes: u64,
    /// Requests a second an endpoint takes in the long run
    #[arg(long, value_name = "N", default_value_t = Limits::default().requests_per_second)]
    requests_per_second: NonZeroU32,
    /// Requests an endpoint takes at once
    #[arg(long, value_name = "N", default_value_t = Limits::default().burst)]
    burst: NonZeroU32,
    /// Events that may wait for the client of an endpoint
    #[arg(long, value_name = "N", default_value_t = Limits::default().backlog_events, value_parser = value_parser!(u64).range(1..))]
    backlog_events: u64,
    /// Bytes that may wait for the client of an endpoint
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().backlog_bytes, value_parser = value_parser!(u64).range(1..))]
    backlog_bytes: u64,
    /// Time an event waits for a client before it is dropped, or off
    #[arg(long, value_name = "TIME", default_value = "72h", value_parser = parse_retention)]
    retention: Retention,
    /// Bytes of disk taken in advance for events to come: no other program can fill them, and bursts are stored sooner
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().spool_reserve_bytes)]
    spool_reserve_bytes: u64,
    /// Bytes of requests in memory, over all endpoints
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().in_flight_bytes, value_parser = value_parser!(u64).range(1..))]
    in_flight_bytes: u64,
    /// Open connections of senders and clients
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_connections, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_connections: usize,
    /// Milliseconds a sender is held for the app's answer
    #[arg(long, value_name = "MS", default_value_t = 8000)]
    answer_deadline_ms: u64,
    /// Milliseconds for a request's body to arrive
    #[arg(long, value_name = "MS", default_value_t = 60_000, value_parser = value_parser!(u64).range(1..))]
    body_timeout_ms: u64,
    /// Milliseconds of silence after which a client's session counts as lost
    #[arg(long, value_name = "MS", default_value_t = 25_000, value_parser = value_parser!(u64).range(1000..=120_000))]
    session_silence_ms: u64,
}

/// Reads where to listen.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let form = "must be an IP address and a port up to 65535, such as `127.0.0.1:8443` or `[::]:443`";
    text.parse().map_err(|_| form.to_owned())
}

/// Reads a client's id.
fn parse_client(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "must be the whole id of a client, as `endpoint clients` shows it".to_owned())
}

/// Reads an address, such as `10.0.0.7`, or a network, such as `10.0.0.0/8`.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(address);
    network.ok_or_else(|| "must be an address or a network, such as `10.0.0.7` or `10.0.0.0/8`".to_owned())
}

/// How long events are kept; for ever when there is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Retention(Option<Duration>);

/// Longest retention that can be asked for: about ten years.
const RETENTION_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Reads how long events are kept, such as `72h` or `30m`; `off` keeps them until a client takes them.
fn parse_retention(text: &str) -> Result<Retention, String> {
    if text == "off" {
        return Ok(Retention(None));
    }
    let parsed = text.parse::<SignedDuration>().ok().and_then(|signed| Duration::try_from(signed).ok());
    match parsed {
        Some(time) if (Duration::from_secs(1)..=RETENTION_MAX).contains(&time) => Ok(Retention(Some(time))),
        Some(_) => {
            Err("must be from 1s to ten years; `off` keeps events until a client takes them".to_owned())
        }
        None => Err("must be a number with its unit, such as `72h` or `30m`, or `off`".to_owned()),
    }
}

/// Where certificates come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TlsArg {
    /// An authority of the relay's own, for development
    SelfSigned,
    /// Plain HTTP, on loopback only
    Off,
    /// PEM files: --cert and --key
    Files,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// What can be done with endpoints.
#[derive(Debug, Subcommand)]
pub enum EndpointCommand {
    /// Make an endpoint; its URL and token are printed once
    #[command(after_help = with_status("Example:\n  inhaul relay endpoint add orders --answer app"))]
    Add(AddArgs),
    /// List endpoints with their URLs
    #[command(after_help = ENDPOINT_STATUS)]
    List(ListArgs),
    /// Remove an endpoint and what waits at it: its URL is unknown from now on
    #[command(after_help = ENDPOINT_STATUS)]
    Remove(NameArgs),
    /// Make a new token; the old one, and whoever is connected with it, is refused
    #[command(after_help = ENDPOINT_STATUS)]
    RotateToken(NameArgs),
    /// List clients, connected or away, and what waits for them
    #[command(after_help = ENDPOINT_STATUS)]
    Clients(ClientsArgs),
    /// Keep no events any more for a client that shares an endpoint
    #[command(after_help = with_status(
        "Example:\n  inhaul relay endpoint remove-client orders 019ad5c6-7b5e-7c10-8d53-2d41c0a2f7aa"
    ))]
    RemoveClient(RemoveClientArgs),
}

fn with_status(example: &str) -> String {
    format!("{example}\n\n{ENDPOINT_STATUS}")
}

/// A new endpoint.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// A label of a-z, 0-9 and '-', at most 30 characters
    name: EndpointName,
    #[command(flatten)]
    data: DataArgs,
    /// Who answers senders: the relay once stored, or your app
    #[arg(long, value_enum, default_value_t = AnswerMode::Relay)]
    answer: AnswerMode,
    /// When your app cannot answer: accept with 202, or refuse with 502
    #[arg(long, value_enum, default_value_t = OnAbsent::Accept)]
    on_absent: OnAbsent,
    /// The relay's public URL; kept for the other commands when it has not run yet
    #[arg(long, value_name = "URL", value_parser = parse_public_url)]
    public_url: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A list of endpoints.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// The clients of endpoints.
#[derive(Debug, Args)]
pub struct ClientsArgs {
    /// Only those of this endpoint
    name: Option<EndpointName>,
    #[command(flatten)]
    data: DataArgs,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// A client of an endpoint.
#[derive(Debug, Args)]
pub struct RemoveClientArgs {
    /// The endpoint's name
    name: EndpointName,
    /// The client's id, as `endpoint clients` shows it
    #[arg(value_parser = parse_client)]
    client: Uuid,
    #[command(flatten)]
    data: DataArgs,
}

/// One endpoint.
#[derive(Debug, Args)]
pub struct NameArgs {
    /// Its name
    name: EndpointName,
    #[command(flatten)]
    data: DataArgs,
}

/// Carries out a command; what it prints is data on stdout and the rest on stderr.
pub async fn run(command: RelayCommand) -> ExitCode {
    match command {
        RelayCommand::Serve(args) => serve::run(*args).await,
        RelayCommand::Endpoint(command) => endpoint::run(command),
    }
}

impl DataArgs {
    /// The directory asked for, or the user's own for relays.
    fn directory(&self) -> Result<PathBuf, String> {
        if let Some(data) = &self.data {
            return Ok(data.clone());
        }
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        variable("XDG_DATA_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
            .map(|base| base.join("inhaul-relay"))
            .ok_or_else(|| {
                "no data directory: neither HOME nor XDG_DATA_HOME is set; use --data DIR".to_owned()
            })
    }
}

impl ServeArgs {
    fn config(&self, data: PathBuf) -> RelayConfig {
        let files = self.cert.clone().zip(self.key.clone());
        let tls = match (self.tls, files) {
            (TlsArg::Off, _) => TlsMode::Off,
            (TlsArg::Files, Some((cert, key))) => TlsMode::Files { cert, key },
            (TlsArg::SelfSigned | TlsArg::Files, _) => TlsMode::SelfSigned,
        };
        RelayConfig {
            listen: self.listen,
            data,
            tls,
            public_url: self.public_url.clone(),
            admin_listen: Some(self.admin_listen),
            limits: self.limits.limits(),
            behind_proxy: self.behind_proxy,
            trusted_proxies: TrustedProxies::new(self.trusted_proxy.clone()),
        }
    }
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        Limits {
            max_body_bytes: self.max_body_bytes,
            requests_per_second: self.requests_per_second,
            burst: self.burst,
            backlog_events: self.backlog_events,
            backlog_bytes: self.backlog_bytes,
            retention: self.retention.0,
            spool_reserve_bytes: self.spool_reserve_bytes,
            in_flight_bytes: self.in_flight_bytes,
            max_connections: self.max_connections,
            answer_deadline: Duration::from_millis(self.answer_deadline_ms),
            body_timeout: Duration::from_millis(self.body_timeout_ms),
            session_silence: Duration::from_millis(self.session_silence_ms),
            ..Limits::default()
        }
    }
}

/// Prints an error for a person.
fn print_error(error: &dyn std::error::Error, hint: Option<&str>) {
    print_failure(&with_causes(error), hint);
}

fn print_failure(text: &str, hint: Option<&str>) {
    eprintln!("error: {text}");
    if let Some(hint) = hint {
        eprintln!("\nhint: {hint}");
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(subcommand)]
        command: RelayCommand,
    }

    fn limits_of(args: &[&str]) -> Limits {
        let program = Program::try_parse_from([&["inhaul-relay", "serve"], args].concat()).unwrap();
        match program.command {
            RelayCommand::Serve(args) => args.config(PathBuf::new()).limits,
            RelayCommand::Endpoint(_) => panic!("serve was asked for"),
        }
    }

    #[test]
    fn the_command_line_is_well_formed_and_its_defaults_are_the_limits() {
        Program::command().debug_assert();
        assert_eq!(limits_of(&[]), Limits::default());
        assert_eq!(limits_of(&["--max-body-bytes", "7"]).max_body_bytes, 7);
    }

    #[test]
    fn how_long_events_are_kept_is_a_time_or_off() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        for (text, expected) in [("72h", hours(72)), ("180m", hours(3)), ("off", None)] {
            assert_eq!(limits_of(&["--retention", text]).retention, expected, "{text}");
        }
        for (text, words) in [
            ("0", "with its unit"),
            ("0s", "`off` keeps"),
            ("-1h", "with its unit"),
            ("500ms", "from 1s"),
            ("900000h", "ten years"),
            ("never", "or `off`"),
        ] {
            let told = parse_retention(text).unwrap_err();
            assert!(told.contains(words), "{text}: {told}");
        }
    }

    #[test]
    fn the_directory_it_is_by_default_is_in_every_help() {
        fn check(command: &mut clap::Command) -> usize {
            let own = command.get_arguments().any(|argument| argument.get_id() == "data");
            let help = command.render_help().to_string();
            let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(!own || help.contains("[default: ~/.local/share/inhaul-relay]"), "{help}");
            usize::from(own) + command.get_subcommands_mut().map(check).sum::<usize>()
        }
        assert_eq!(check(&mut Program::command()), 7);
    }

    #[test]
    fn every_command_of_endpoints_says_how_it_ends() {
        let mut program = Program::command();
        program.build();
        let endpoint = program.find_subcommand_mut("endpoint").unwrap();
        assert!(endpoint.render_help().to_string().contains(ENDPOINT_STATUS));
        for command in endpoint.get_subcommands_mut().filter(|command| command.get_name() != "help") {
            let help = command.render_help().to_string();
            assert!(help.contains(ENDPOINT_STATUS), "{help}");
        }
    }

    #[test]
    fn values_that_cannot_be_are_refused_with_what_they_must_be() {
        let refused = |args: &[&str]| {
            let error = Program::try_parse_from([&["inhaul-relay"], args].concat()).err().unwrap();
            error.to_string()
        };
        for (args, words) in [
            (&["serve", "--listen", "127.0.0.1:99999"][..], "such as `127.0.0.1:8443`"),
            (&["serve", "--admin-listen", "localhost"], "such as `127.0.0.1:8443`"),
            (&["serve", "--trusted-proxy", "proxy"], "such as `10.0.0.7`"),
            (&["endpoint", "remove-client", "orders", "abc"], "as `endpoint clients` shows it"),
        ] {
            let told = refused(args);
            assert!(told.contains(words), "{told}");
        }
        for limit in [
            "max-body-bytes",
            "requests-per-second",
            "burst",
            "backlog-events",
            "backlog-bytes",
            "in-flight-bytes",
            "max-connections",
            "body-timeout-ms",
        ] {
            let told = refused(&["serve", &format!("--{limit}"), "0"]);
            assert!(told.contains("'0'") && told.contains(limit), "{told}");
        }
    }

    #[test]
    fn certificate_files_come_in_pairs() {
        let parse =
            |args: &[&str]| Program::try_parse_from([&["x", "serve", "--tls", "files"], args].concat());
        assert!(parse(&["--cert", "c", "--key", "k"]).is_ok());
        assert!(parse(&["--cert", "c"]).is_err());
    }
}

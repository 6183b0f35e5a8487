//! `inhaul relay endpoint …`.

use std::{path::Path, process::ExitCode};

use inhaul_core::{event::UnixMillis, shell, wire::Sharing};
use serde_json::{Value, json};

use super::{
    AddArgs, ClientsArgs, DataArgs, EXIT_FAILED, EXIT_NO, EndpointCommand, ListArgs, NameArgs,
    RemoveClientArgs, address::Address, print_error, print_failure,
};
use crate::{
    clients::{ClientRow, Clients},
    ingest::now_millis,
    registry::{AnswerMode, Endpoint, Registry, RegistryError},
};

/// The version of docs/output-json.md.
const SCHEMA: u32 = 1;

pub(super) fn run(command: EndpointCommand) -> ExitCode {
    let done = match command {
        EndpointCommand::Add(args) => add(&args),
        EndpointCommand::List(args) => list(&args),
        EndpointCommand::Remove(args) => remove(&args),
        EndpointCommand::RotateToken(args) => rotate_token(&args),
        EndpointCommand::Clients(args) => clients(&args),
        EndpointCommand::RemoveClient(args) => remove_client(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Data(text)) => {
            print_failure(&text, None);
            ExitCode::from(EXIT_FAILED)
        }
        Err(Failure::Absent(text)) => {
            let hint = "`--data DIR` names another directory; `endpoint add NAME` and `serve` make one";
            print_failure(&text, Some(hint));
            ExitCode::from(EXIT_FAILED)
        }
        Err(Failure::Client(text)) => {
            print_failure(&text, Some("`inhaul relay endpoint clients` shows who there is"));
            ExitCode::from(EXIT_NO)
        }
        Err(Failure::Registry(error @ (RegistryError::Exists(_) | RegistryError::Unknown(_)))) => {
            print_error(&error, Some("`inhaul relay endpoint list` shows what there is"));
            ExitCode::from(EXIT_NO)
        }
        Err(Failure::Registry(error)) => {
            print_error(&error, None);
            ExitCode::from(EXIT_FAILED)
        }
    }
}

enum Failure {
    Data(String),
    /// The directory is not there.
    Absent(String),
    /// The client cannot be removed.
    Client(String),
    Registry(RegistryError),
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

fn open(data: &DataArgs) -> Result<(Registry, std::path::PathBuf), Failure> {
    let directory = data.directory().map_err(Failure::Data)?;
    Ok((Registry::open(&directory)?, directory))
}

/// What [`open`] opens, when it is there: only an endpoint that is added makes a directory.
fn open_existing(data: &DataArgs) -> Result<(Registry, std::path::PathBuf), Failure> {
    let directory = data.directory().map_err(Failure::Data)?;
    if !directory.is_dir() {
        return Err(Failure::Absent(format!("there is no relay in {}", directory.display())));
    }
    Ok((Registry::open(&directory)?, directory))
}

fn add(args: &AddArgs) -> Result<(), Failure> {
    let (registry, directory) = open(&args.data)?;
    let known = Address::known(&directory);
    let asked = args.public_url.clone().map(|public_url| {
        // What it is trusted by is only known of the address it has.
        let is_known = known.as_ref().is_some_and(|known| known.public_url == public_url);
        let ca_file = known.as_ref().filter(|_| is_known).and_then(|known| known.ca_file.clone());
        Address { public_url, ca_file }
    });
    if let (Some(asked), None) = (&asked, &known) {
        let stored = asked.store(&directory);
        stored.map_err(|error| Failure::Data(format!("cannot write the public URL: {error}")))?;
    }
    let (endpoint, token) = registry.add(&args.name, args.answer, args.on_absent)?;
    let address = asked.or(known).unwrap_or_else(|| {
        eprintln!("note: this relay has not run yet; the URL is for its default address, `--public-url URL` says another");
        Address::usual(&directory)
    });
    if args.json {
        println!("{}", endpoint_object(&endpoint, &address, Some(token.reveal())));
        return Ok(());
    }
    println!("endpoint  {}", endpoint.name);
    println!("url       {}", url_of(&endpoint, &address));
    println!("token     {}", token.reveal());
    eprintln!("\nThe token is not shown again. Put it into a file and connect with");
    let trusted =
        address.ca_file.as_ref().map(|path| format!(" --cacert {}", shell::quoted(&path.to_string_lossy())));
    eprintln!(
        "  inhaul listen 3000 --relay {} --endpoint {} --token-file FILE{}",
        address.public_url,
        endpoint.name,
        trusted.unwrap_or_default()
    );
    Ok(())
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let (registry, directory) = open_existing(&args.data)?;
    let endpoints = registry.list();
    let address = Address::known(&directory).unwrap_or_else(|| {
        if !endpoints.is_empty() {
            eprintln!("note: this relay has not run yet; the URLs are for its default address, `serve --public-url URL` says another");
        }
        Address::usual(&directory)
    });
    for endpoint in endpoints {
        if args.json {
            println!("{}", endpoint_object(&endpoint, &address, None));
        } else {
            let answer = match endpoint.answer {
                AnswerMode::App => "app",
                AnswerMode::Relay => "relay",
            };
            println!("{:<30}  {answer:<5}  {}", endpoint.name.as_str(), url_of(&endpoint, &address));
        }
    }
    Ok(())
}

fn remove(args: &NameArgs) -> Result<(), Failure> {
    let (registry, _) = open_existing(&args.data)?;
    registry.remove(&args.name)?;
    registry.wait_until_known();
    eprintln!(
        "removed {}; the relay drops what waits at it within a second, or when it starts, and logs how much",
        args.name
    );
    Ok(())
}

fn rotate_token(args: &NameArgs) -> Result<(), Failure> {
    let (registry, _) = open_existing(&args.data)?;
    let token = registry.rotate_token(&args.name)?;
    registry.wait_until_known();
    println!("{}", token.reveal());
    Ok(())
}

fn read_clients(directory: &Path) -> Result<Option<Clients>, Failure> {
    Clients::read(directory)
        .map_err(|error| Failure::Data(format!("{}: {error}", directory.join("clients.json").display())))
}

fn clients(args: &ClientsArgs) -> Result<(), Failure> {
    let (registry, directory) = open_existing(&args.data)?;
    if let Some(name) = &args.name
        && !registry.list().iter().any(|endpoint| endpoint.name == *name)
    {
        return Err(RegistryError::Unknown(name.clone()).into());
    }
    let Some(known) = read_clients(&directory)? else { return Ok(()) };
    if known.is_stale(now_millis()) {
        eprintln!("note: the relay does not run; this is how it was at {}", known.written_at_ms);
    }
    let is_meant = |row: &&ClientRow| args.name.as_ref().is_none_or(|name| *name == row.endpoint);
    for row in known.clients.iter().filter(is_meant) {
        if args.json {
            println!("{}", client_object(row));
            continue;
        }
        let sharing = row.sharing.map_or("alone", Sharing::as_str);
        let here =
            if row.connected { "connected".to_owned() } else { format!("away since {}", row.seen_at_ms) };
        let ClientRow { endpoint, client, backlog_events, .. } = row;
        println!("{:<30}  {client}  {sharing:<7}  {backlog_events:>9} waiting  {here}", endpoint.as_str());
    }
    Ok(())
}

fn remove_client(args: &RemoveClientArgs) -> Result<(), Failure> {
    let RemoveClientArgs { name, client, .. } = args;
    let (registry, directory) = open_existing(&args.data)?;
    let known = read_clients(&directory)?;
    let is_running = known.as_ref().is_some_and(|known| !known.is_stale(now_millis()));
    let rows = known.map(|known| known.clients).unwrap_or_default();
    match rows.into_iter().find(|row| row.endpoint == *name && row.client == *client) {
        Some(row) if row.connected && is_running => {
            return Err(Failure::Client(format!(
                "{client} is connected; stop it, or it would be back at once"
            )));
        }
        Some(row) if row.sharing == Some(Sharing::Share) => {}
        Some(_) | None => {
            return Err(Failure::Client(format!("no events of {name} are kept for a client {client}")));
        }
    }
    registry.remove_client(name, *client)?;
    eprintln!(
        "the relay removes {client} from {name} within a second, or when it starts, and logs what it drops"
    );
    Ok(())
}

/// An object of the kind `endpoint`; its token is only known when it is made.
fn endpoint_object(endpoint: &Endpoint, address: &Address, token: Option<&str>) -> Value {
    let mut object = json!({
        "schema": SCHEMA,
        "kind": "endpoint",
        "endpoint": endpoint.name,
        "url": url_of(endpoint, address),
        "answer": endpoint.answer,
        "on_absent": endpoint.on_absent,
        "created_at": UnixMillis(endpoint.created_at_ms).to_string(),
        "ca_file": address.ca_file,
    });
    if let Some(token) = token {
        object["token"] = token.into();
    }
    object
}

/// An object of the kind `client`.
fn client_object(row: &ClientRow) -> Value {
    let ClientRow { endpoint, client, sharing, connected, backlog_events, backlog_bytes, seen_at_ms } = row;
    json!({
        "schema": SCHEMA,
        "kind": "client",
        "endpoint": endpoint,
        "client": client,
        "sharing": sharing,
        "connected": connected,
        "backlog_events": backlog_events,
        "backlog_bytes": backlog_bytes,
        "seen_at": seen_at_ms.to_string(),
    })
}

/// Where senders post to: below the relay's URL.
fn url_of(endpoint: &Endpoint, address: &Address) -> String {
    format!("{}/in/{}", address.public_url.trim_end_matches('/'), endpoint.part)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::registry::OnAbsent;

    const PAGE: &str = include_str!("../../../docs/output-json.md");

    #[test]
    fn the_page_has_every_field_of_the_objects() {
        let data = tempfile::tempdir().unwrap();
        let registry = Registry::open(data.path()).unwrap();
        let name = "orders".parse().unwrap();
        let (endpoint, token) = registry.add(&name, AnswerMode::App, OnAbsent::Refuse).unwrap();
        let client = ClientRow {
            endpoint: name,
            client: Uuid::nil(),
            sharing: Some(Sharing::Share),
            connected: true,
            backlog_events: 1,
            backlog_bytes: 2,
            seen_at_ms: UnixMillis(1_792_000_000_000),
        };
        let client = client_object(&client);
        assert_eq!(client["seen_at"], "2026-10-14T17:46:40.000Z");
        assert!(PAGE.contains(&format!("**This page is schema {SCHEMA}.**")));
        let section =
            PAGE.split("\n## ").find(|section| section.starts_with("`endpoint` and `client`")).unwrap();
        for object in [client, endpoint_object(&endpoint, &Address::usual(data.path()), Some(token.reveal()))]
        {
            let object = object.as_object().unwrap();
            assert_eq!((&object["schema"], object.keys().nth(1).unwrap().as_str()), (&SCHEMA.into(), "kind"));
            for field in object.keys().skip(2) {
                assert!(section.contains(&format!("`{field}`")), "the page has no {field}");
            }
        }
    }
}

//! `inhaul relay endpoint …`.

use std::{fs, path::Path, process::ExitCode};

use serde_json::json;

use super::{
    AddArgs, DataArgs, EXIT_FAILED, EXIT_NO, EndpointCommand, ListArgs, NameArgs, print_error, print_failure,
    url_file,
};
use crate::registry::{AnswerMode, Endpoint, Registry, RegistryError};

/// What a relay that was started with no options is reached at.
const DEFAULT_URL: &str = "https://127.0.0.1:8443";

pub(super) fn run(command: EndpointCommand) -> ExitCode {
    let done = match command {
        EndpointCommand::Add(args) => add(&args),
        EndpointCommand::List(args) => list(&args),
        EndpointCommand::Remove(args) => remove(&args),
        EndpointCommand::RotateToken(args) => rotate_token(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Data(text)) => {
            print_failure(&text, None);
            ExitCode::from(EXIT_FAILED)
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

fn add(args: &AddArgs) -> Result<(), Failure> {
    let (registry, directory) = open(&args.data)?;
    let (endpoint, token) = registry.add(&args.name, args.answer, args.on_absent)?;
    let url = url_of(&endpoint, &directory, args.public_url.as_deref());
    if args.json {
        println!("{}", json!({ "endpoint": endpoint.name, "url": url, "token": token.reveal() }));
        return Ok(());
    }
    println!("endpoint  {}", endpoint.name);
    println!("url       {url}");
    println!("token     {}", token.reveal());
    eprintln!("\nThe token is not shown again. Put it into a file and connect with");
    eprintln!(
        "  inhaul listen 3000 --relay {} --endpoint {} --token-file FILE",
        base_of(&url),
        endpoint.name
    );
    Ok(())
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let (registry, directory) = open(&args.data)?;
    for endpoint in registry.list() {
        let url = url_of(&endpoint, &directory, None);
        if args.json {
            println!(
                "{}",
                json!({
                    "endpoint": endpoint.name,
                    "url": url,
                    "answer": endpoint.answer,
                    "on_absent": endpoint.on_absent,
                    "created_at_ms": endpoint.created_at_ms,
                })
            );
        } else {
            let answer = match endpoint.answer {
                AnswerMode::App => "app",
                AnswerMode::Relay => "relay",
            };
            println!("{:<30}  {answer:<5}  {url}", endpoint.name.as_str());
        }
    }
    Ok(())
}

fn remove(args: &NameArgs) -> Result<(), Failure> {
    let (registry, _) = open(&args.data)?;
    registry.remove(&args.name)?;
    eprintln!("removed {}", args.name);
    Ok(())
}

fn rotate_token(args: &NameArgs) -> Result<(), Failure> {
    let (registry, _) = open(&args.data)?;
    println!("{}", registry.rotate_token(&args.name)?.reveal());
    Ok(())
}

/// Where senders post to: below the URL asked for, or the one the relay last ran with.
fn url_of(endpoint: &Endpoint, data: &Path, asked: Option<&str>) -> String {
    let known = fs::read_to_string(url_file(data)).ok();
    let base = asked.or(known.as_deref()).unwrap_or_else(|| {
        eprintln!("note: this relay has not run yet; the URL below is for its default address, `--public-url` says another");
        DEFAULT_URL
    });
    format!("{}/in/{}", base.trim_end_matches('/'), endpoint.part)
}

fn base_of(url: &str) -> &str {
    url.split_once("/in/").map_or(url, |(base, _)| base)
}

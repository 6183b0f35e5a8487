//! `inhaul providers`: whose signatures are known.

use std::{fmt::Write, sync::Arc};

use inhaul_core::signature::Provider;
use serde_json::{Value, json};

use crate::{
    cli::ProvidersArgs,
    commands::{Exit, Failure},
    config::{load_catalogue, provider_named},
    output::{json::line, write_stdout},
    sample::Samples,
};

/// Lists providers, or tells about one.
///
/// # Errors
/// When there is none of that name, or nothing can be printed.
pub fn run(args: &ProvidersArgs) -> anyhow::Result<Exit> {
    let catalogue = load_catalogue(args.config.as_deref()).map_err(Failure::from)?;
    let chosen: Vec<Arc<Provider>> = match &args.name {
        Some(name) => vec![provider_named(name, "NAME", &catalogue).map_err(Failure::from)?],
        None => catalogue.providers().cloned().collect(),
    };
    let text: String = match (&args.name, args.json) {
        (_, true) => chosen.iter().map(|provider| line(&record(provider))).collect(),
        (Some(_), false) => chosen.iter().map(|provider| page(provider)).collect(),
        (None, false) => {
            chosen.iter().map(|provider| format!("{:22} {}\n", provider.id(), provider.name())).collect()
        }
    };
    write_stdout(text.as_bytes())?;
    Ok(Exit::Success)
}

/// Names of the headers a signature is read from, each once.
fn headers(provider: &Provider) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in provider.headers_read() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// As verdicts name them.
fn schemes(provider: &Provider) -> Vec<String> {
    provider.schemes().map(|scheme| format!("{}/{scheme}", provider.id())).collect()
}

fn record(provider: &Provider) -> Value {
    json!({
        "schema": 1,
        "kind": "provider",
        "id": provider.id(),
        "name": provider.name(),
        "docs": provider.docs(),
        "schemes": schemes(provider),
        "headers": headers(provider),
        "sender_timeout_seconds": provider.sender_timeout().map(|timeout| timeout.as_secs()),
        "success": provider.success(),
        "retries": provider.retries(),
        "notes": provider.notes(),
        "samples": Samples::of(provider.id()).iter().flat_map(Samples::names).collect::<Vec<_>>(),
    })
}

fn page(provider: &Provider) -> String {
    let headers = headers(provider);
    let headers = if headers.is_empty() { "none: it is in the body".to_owned() } else { headers.join(", ") };
    let schemes = schemes(provider);
    let mut text = String::new();
    for (name, value) in [
        ("provider", format!("{} ({})", provider.name(), provider.id())),
        (
            "docs",
            Some(provider.docs())
                .filter(|docs| !docs.is_empty())
                .unwrap_or("a provider of your own")
                .to_owned(),
        ),
        ("schemes", schemes.join(", ")),
        ("headers", headers),
        (
            "waits",
            provider.sender_timeout().map_or("not stated".to_owned(), |time| format!("{} s", time.as_secs())),
        ),
        ("success", provider.success().to_owned()),
        ("retries", provider.retries().unwrap_or("not stated").to_owned()),
        ("use", format!("inhaul listen 3000 --provider {} --secret-env NAME", provider.id())),
    ] {
        let _ = writeln!(text, "{name:9} {value}");
    }
    let samples = Samples::of(provider.id());
    let samples: Vec<&str> = samples.iter().flat_map(Samples::names).collect();
    if let Some(first) = samples.first() {
        let _ = writeln!(text, "{:9} inhaul trigger {} {first} --secret-env NAME", "try", provider.id());
        let _ = writeln!(text, "{:9} {}", "samples", samples.join(", "));
    }
    for note in provider.notes() {
        let _ = writeln!(text, "{:9} {note}", "note");
    }
    text
}

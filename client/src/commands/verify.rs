//! `inhaul verify`: the verdict about stored events, or about a request given by options.

use std::{io, io::IsTerminal, path::Path, sync::Arc};

use inhaul_core::{
    event::{Header, UnixMillis},
    signature::{Catalogue, Delivery, Provider, Secret, Verdict, verify_any},
};
use serde_json::json;

use crate::{
    cli::VerifyArgs,
    clock,
    commands::{Exit, Failure, lookup, sign},
    config::{load_catalogue, provider_named},
    output::{Color, json::line, verdict_line, write_stdout},
    pipeline::sender_url,
};

mod again;

/// What is said of a valid request that a common mistake in handlers would refuse.
const RAW_BODY_NOTE: &str = "\
note: check the raw bytes in your handler too: this JSON, parsed and written anew (`JSON.stringify(req.body)`), would not match\n";

/// A request to check.
struct Request {
    method: Vec<u8>,
    url: Option<String>,
    headers: Vec<Header>,
    body: Vec<u8>,
    at: UnixMillis,
}

/// Verifies.
///
/// # Errors
/// When there is nothing to check, or nothing to check it with.
pub async fn run(data: Option<&Path>, args: &VerifyArgs) -> anyhow::Result<Exit> {
    if args.again {
        return again::run(data, args).await;
    }
    let catalogue = load_catalogue(args.secrets.config.as_deref()).map_err(Failure::from)?;
    let named = |name| provider_named(name, "--provider", &catalogue).map_err(Failure::from);
    let provider = args.provider.as_deref().map(named).transpose()?;
    let secrets = sign::secrets(&args.secrets)?;
    let request = match args.ids.as_slice() {
        [] => given(args)?,
        [id] => stored(data, id, args).await?,
        [..] => {
            return Err(Failure::new("several events are named")
                .hint("`--again` verifies them with the secrets that are configured")
                .into());
        }
    };
    if secrets.is_empty() {
        return Err(Failure::new("no secret is given")
            .hint("name it with `--secret-env NAME` or `--secret-file FILE`, or take those that are configured with `--again`")
            .into());
    }
    let tolerance = args.tolerance.map(|time| time.as_secs());
    let (provider, verdict) = check(&request, provider, &catalogue, &secrets, tolerance);
    let is_valid = matches!(verdict, Verdict::Valid { .. });
    let needs_raw_body =
        is_valid && provider.as_ref().is_some_and(|provider| provider.needs_raw_body(&request.body));
    let text = if args.json {
        line(&json!({
            "schema": 1,
            "kind": "verdict",
            "provider": provider.as_ref().map(|provider| provider.id()),
            "verdict": verdict,
            "needs_raw_body": needs_raw_body,
        }))
    } else {
        let color = Color::of_output(io::stdout().is_terminal());
        let note = if needs_raw_body { RAW_BODY_NOTE } else { "" };
        format!("{}\n{note}", verdict_line(&verdict, color))
    };
    write_stdout(text.as_bytes())?;
    Ok(if is_valid { Exit::Success } else { Exit::No })
}

/// The verdict of the provider named, or of the first of those recognised that finds the request valid.
fn check(
    request: &Request,
    provider: Option<Arc<Provider>>,
    catalogue: &Catalogue,
    secrets: &[Secret],
    tolerance: Option<u64>,
) -> (Option<Arc<Provider>>, Verdict) {
    let delivery = Delivery {
        method: &request.method,
        url: request.url.as_deref(),
        headers: &request.headers,
        body: &request.body,
        received_at: request.at,
    };
    let candidates =
        provider.map_or_else(|| catalogue.candidates(&request.headers), |provider| vec![provider]);
    verify_any(candidates, &delivery, secrets, tolerance)
}

fn given(args: &VerifyArgs) -> Result<Request, Failure> {
    let headers = args.header.iter().map(|text| match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => {
            Ok(Header { name: name.trim().to_owned().into(), value: value.trim().to_owned().into() })
        }
        _ => Err(Failure::new(format!("{text:?} is no header")).hint("write it as `Name: value`")),
    });
    Ok(Request {
        method: args.message.method.clone().unwrap_or_else(|| "POST".to_owned()).into_bytes(),
        url: args.message.url.clone(),
        headers: headers.collect::<Result<_, _>>()?,
        body: sign::body(&args.message)?,
        at: args.message.at.map_or_else(clock::now, |seconds| UnixMillis(seconds.saturating_mul(1000))),
    })
}

async fn stored(data: Option<&Path>, id: &str, args: &VerifyArgs) -> Result<Request, Failure> {
    let access = lookup::open(data).await?;
    let id = lookup::event_id(&access, id).await?;
    let found = access.event(id).await?;
    access.close().await?;
    let (event, _) = found.ok_or_else(|| Failure::new(format!("the event {id} is gone")).as_answer())?;
    let head = event.parsed_head().map_err(Failure::new)?;
    Ok(Request {
        method: args.message.method.clone().map_or_else(|| head.method.to_vec(), String::into_bytes),
        url: args.message.url.clone().or_else(|| sender_url(&event, &head)),
        at: args.message.at.map_or(event.received_at, |seconds| UnixMillis(seconds.saturating_mul(1000))),
        headers: head.headers,
        body: event.body.to_vec(),
    })
}

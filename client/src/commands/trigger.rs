//! `inhaul trigger`: sends a sample event, signed as its provider signs.

use std::{fmt::Write, path::Path, sync::Arc, time::Instant};

use bytes::Bytes;
use inhaul_core::{
    event::{Head, Header},
    signature::{Provider, Secret, SignRequest, catalogue},
    visible::visible,
};
use serde_json::json;

use crate::{
    access::Access,
    cli::TriggerArgs,
    clock,
    commands::{Exit, Failure, lookup, sign},
    config::{self, RouteOfProvider, provider_named},
    control::Reach,
    forward::Target,
    output::{json::line, write_stdout},
    sample::{self, Sample, Samples},
    sender::Sender,
    tls,
};

/// Where events go, and how it is reached.
struct Destination {
    target: Target,
    sender: Sender,
}

/// One event, signed.
struct Signed {
    url: String,
    id: Option<String>,
    headers: Vec<Header>,
    body: Bytes,
}

/// Sends sample events, or lists those there are.
///
/// # Errors
/// When there is no such event, nothing to sign it with, or nobody to send it to.
pub async fn run(data: Option<&Path>, args: &TriggerArgs) -> anyhow::Result<Exit> {
    let Some(name) = &args.provider else { return Ok(list_providers()?) };
    let file = config::load_file(args.config.as_deref()).map_err(Failure::from)?;
    let known = file.as_ref().map_or_else(|| catalogue().clone(), |file| file.catalogue.clone());
    let provider = provider_named(name, "PROVIDER", &known).map_err(Failure::from)?;
    let samples = Samples::of(provider.id());
    let Some(event) = &args.event else { return Ok(list_events(&provider, samples.as_ref())?) };
    let route = match &file {
        Some(file) => config::route_of_provider(file, provider.id()).map_err(Failure::from)?,
        None => RouteOfProvider::default(),
    };
    let secret = secret(args, &provider, route.secrets)?;
    let path = args.path.as_deref().unwrap_or(&route.path);
    let destination = destination(data, args, file.as_ref(), path).await?;
    // Once: stdin can be read no second time.
    let own_body = args.body_file.as_deref().map(sign::read_body).transpose()?;
    let mut all_accepted = true;
    for _ in 0..args.count.get() {
        let sample = match &own_body {
            Some(body) => Sample::of_body(event, body.clone()),
            None => sample(args, &provider, samples.as_ref(), event)?,
        };
        let signed = signed(&sample, args, &provider, secret.as_ref(), &destination.target)?;
        if args.dry_run {
            write_stdout(&request_bytes(&destination.target, &signed))?;
        } else {
            all_accepted &= send(&destination, args, &provider, event, signed).await?;
        }
    }
    Ok(if all_accepted { Exit::Success } else { Exit::No })
}

fn list_providers() -> Result<Exit, Failure> {
    let mut text = String::new();
    for id in sample::providers() {
        let names: Vec<String> = Samples::of(id).iter().flat_map(Samples::names).map(str::to_owned).collect();
        let _ = writeln!(text, "{id:18} {}", names.join(", "));
    }
    write_stdout(text.as_bytes()).map_err(Failure::new)?;
    Ok(Exit::Success)
}

fn list_events(provider: &Provider, samples: Option<&Samples>) -> Result<Exit, Failure> {
    let samples = samples.ok_or_else(|| no_samples(provider))?;
    let text: String = samples.names().map(|name| format!("{name}\n")).collect();
    write_stdout(text.as_bytes()).map_err(Failure::new)?;
    Ok(Exit::Success)
}

fn no_samples(provider: &Provider) -> Failure {
    Failure::new(format!("there are no sample events of {}", provider.id())).hint(
        "`--body-file FILE` sends a body of your own; `inhaul trigger` lists the providers with samples",
    )
}

/// The secret to sign with: the one that is named, else the first of the provider's route.
fn secret(args: &TriggerArgs, provider: &Provider, of_route: Vec<Secret>) -> Result<Option<Secret>, Failure> {
    if args.unsigned {
        return Ok(None);
    }
    let named = config::load_secrets(&args.signatures()).map_err(Failure::from)?;
    match named.into_iter().chain(of_route).next() {
        Some(secret) => Ok(Some(secret)),
        None => Err(Failure::new(format!("nothing says what to sign {}'s events with", provider.name())).hint(
            "name the secret with `--secret-env NAME` or `--secret-file FILE`, in a route of `inhaul.toml`, or send it with `--unsigned`",
        )),
    }
}

/// The target named, else the endpoint of the running `inhaul listen`.
async fn destination(
    data: Option<&Path>,
    args: &TriggerArgs,
    file: Option<&config::ConfigFile>,
    path: &str,
) -> Result<Destination, Failure> {
    if let Some(to) = &args.to {
        if !to.is_loopback() && !args.allow_external {
            return Err(Failure::new(format!("{to} is not on this machine"))
                .hint("`--allow-external` sends sample events to other machines too"));
        }
        return reached(to.clone(), file.and_then(config::ConfigFile::cacert).as_deref());
    }
    let running = match lookup::open_or_make(data).await? {
        Access::Remote(remote) => remote.status().await.map_err(crate::access::AccessError::from)?.reach,
        Access::Direct(history) => {
            history.close().await.map_err(crate::access::AccessError::from)?;
            None
        }
    };
    match running {
        Some(Reach { endpoint_url, ca_file }) => reached(endpoint(&endpoint_url, path)?, ca_file.as_deref()),
        None if args.dry_run => reached(endpoint("http://localhost", path)?, None),
        None => Err(Failure::new("no `inhaul listen` is running that would take it").hint(
            "start `inhaul listen 3000` in another terminal, or name your application with `--to 3000`",
        )),
    }
}

fn endpoint(url: &str, path: &str) -> Result<Target, Failure> {
    format!("{url}{}", path.trim_end_matches('/')).parse().map_err(Failure::new)
}

fn reached(target: Target, cacert: Option<&Path>) -> Result<Destination, Failure> {
    let tls = if target.is_https() { Some(tls::client_config(cacert)?) } else { None };
    Ok(Destination { target, sender: Sender { tls } })
}

/// A fresh event: the provider's sample.
fn sample(
    args: &TriggerArgs,
    provider: &Provider,
    samples: Option<&Samples>,
    event: &str,
) -> Result<Sample, Failure> {
    let now = clock::now();
    let samples = samples.ok_or_else(|| no_samples(provider))?;
    let mut sample = samples.event(event, now).ok_or_else(|| {
        let names: Vec<&str> = samples.names().collect();
        Failure::new(format!("{} has no sample event {event:?}", provider.name()))
            .hint(format!("there are {}", names.join(", ")))
    })?;
    for setting in &args.set {
        sample.set(setting).map_err(Failure::new)?;
    }
    Ok(sample)
}

fn signed(
    sample: &Sample,
    args: &TriggerArgs,
    provider: &Arc<Provider>,
    secret: Option<&Secret>,
    target: &Target,
) -> Result<Signed, Failure> {
    let url = target.url_for(b"/");
    let body = sample.body();
    let id = args.id.clone().or_else(|| sample.id.clone());
    let mut headers = sample.headers.clone();
    if let Some(secret) = secret {
        let request = SignRequest {
            method: b"POST",
            url: Some(&url),
            body: &body,
            at: clock::now(),
            id: id.as_deref(),
            event_type: Some(&sample.event_type),
        };
        headers.extend(provider.sign(&request, secret).map_err(Failure::new)?);
    }
    let names = provider.event_names(&headers, &body);
    Ok(Signed { url, id: names.event_id.or(id), headers, body: body.into() })
}

/// The request as it would be sent.
fn request_bytes(target: &Target, signed: &Signed) -> Vec<u8> {
    let path = target.path_for(b"/");
    let mut bytes = format!("POST {} HTTP/1.1\r\n", String::from_utf8_lossy(&path)).into_bytes();
    let mut headers = vec![Header { name: "Host".into(), value: target.authority().into() }];
    headers.extend_from_slice(&signed.headers);
    headers.push(Header { name: "Content-Length".into(), value: signed.body.len().to_string().into() });
    bytes.extend(Head::write_headers(&headers));
    bytes.extend_from_slice(&signed.body);
    bytes.push(b'\n');
    bytes
}

/// Sends an event and tells what was answered; whether it was accepted.
async fn send(
    destination: &Destination,
    args: &TriggerArgs,
    provider: &Provider,
    event: &str,
    signed: Signed,
) -> Result<bool, Failure> {
    let began = Instant::now();
    let Signed { url, id, headers, body } = signed;
    let answer = destination.sender.post(&destination.target, &headers, body).await.map_err(Failure::new)?;
    let (status, latency) = (answer.status(), began.elapsed().as_millis());
    let text = if args.json {
        line(&json!({
            "schema": 1,
            "kind": "trigger",
            "provider": provider.id(),
            "event": event,
            "id": id,
            "url": url,
            "status": status.as_u16(),
            "latency_ms": u64::try_from(latency).unwrap_or(u64::MAX),
        }))
    } else {
        let mark = if status.is_success() { '✓' } else { '✗' };
        let id = id.map(|id| format!(" {}", visible(&id))).unwrap_or_default();
        format!("{mark} {} {event}{id} → {url}: {} in {latency} ms\n", provider.id(), status.as_u16())
    };
    write_stdout(text.as_bytes()).map_err(Failure::new)?;
    Ok(status.is_success())
}

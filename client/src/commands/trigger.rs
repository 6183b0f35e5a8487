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
    access::{Access, AccessError},
    cli::TriggerArgs,
    clock,
    commands::{Exit, Failure, lookup, sign},
    config::{self, RouteOfProvider, provider_named},
    control::{Reach, Remote, RemoteError, ToSign},
    forward::Target,
    output::{json::line, write_stdout},
    sample::{self, Sample, Samples},
    sender::Sender,
    tls,
};

/// What to do when nothing can sign.
const NAME_A_SECRET: &str = "name the secret with `--secret-env NAME` or `--secret-file FILE`, in a route of `inhaul.toml`, or start \
     `inhaul listen` with it; `--unsigned` sends the event without a signature";

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

/// What signs events.
enum Signer {
    /// Nothing: they are sent without a signature.
    Nobody,
    /// A secret of this command.
    Secret(Secret),
    /// The running client, with a secret of its own.
    Client(Remote),
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
    if args.body_file.is_none() {
        // A slip in its name is said before anything else is asked for.
        sample(args, &provider, samples.as_ref(), event)?;
    }
    let path = args.path.as_deref().unwrap_or(&route.path);
    let signer = signer(data, args, &provider, route.secrets).await?;
    let destination = destination(data, args, file.as_ref(), path).await?;
    // Once: stdin can be read no second time.
    let own_body = args.body_file.as_deref().map(sign::read_body).transpose()?;
    let mut all_accepted = true;
    for _ in 0..args.count.get() {
        let sample = match &own_body {
            Some(body) => Sample::of_body(event, body.clone()),
            None => sample(args, &provider, samples.as_ref(), event)?,
        };
        let signed = signed(&sample, args, &provider, (&signer, path), &destination.target).await?;
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

/// What signs: the secret that is named, else the first of the provider's route, else the running client.
async fn signer(
    data: Option<&Path>,
    args: &TriggerArgs,
    provider: &Provider,
    of_route: Vec<Secret>,
) -> Result<Signer, Failure> {
    if args.unsigned {
        return Ok(Signer::Nobody);
    }
    let named = config::load_secrets(&args.signatures()).map_err(Failure::from)?;
    if let Some(secret) = named.into_iter().chain(of_route).next() {
        return Ok(Signer::Secret(secret));
    }
    match running(data).await? {
        Some(remote) => Ok(Signer::Client(remote)),
        None => {
            let name = provider.name();
            Err(Failure::new(format!("nothing says what to sign {name}'s events with")).hint(NAME_A_SECRET))
        }
    }
}

/// The running `inhaul listen`, if there is one.
async fn running(data: Option<&Path>) -> Result<Option<Remote>, Failure> {
    if data.is_some_and(|path| !path.exists()) {
        return Ok(None);
    }
    match lookup::open_or_make(data).await? {
        Access::Remote(remote) => Ok(Some(remote)),
        Access::Direct(history) => {
            history.close().await.map_err(AccessError::from)?;
            Ok(None)
        }
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
    let reach = match running(data).await? {
        Some(remote) => remote.status().await.map_err(AccessError::from)?.reach,
        None => None,
    };
    match reach {
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

async fn signed(
    sample: &Sample,
    args: &TriggerArgs,
    provider: &Arc<Provider>,
    (signer, path): (&Signer, &str),
    target: &Target,
) -> Result<Signed, Failure> {
    let url = target.url_for(b"/");
    let body = Bytes::from(sample.body());
    let id = args.id.clone().or_else(|| sample.id.clone());
    let mut headers = sample.headers.clone();
    match signer {
        Signer::Nobody => {}
        Signer::Secret(secret) => {
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
        Signer::Client(remote) => {
            let to_sign = ToSign {
                provider: provider.id().to_owned(),
                path: path.to_owned(),
                url: url.clone(),
                id: id.clone(),
                event_type: sample.event_type.clone(),
            };
            let made = remote.sign(to_sign, body.clone()).await;
            let made = made.map_err(|error| match error {
                RemoteError::Refused(reason) => Failure::new(reason).hint(NAME_A_SECRET),
                other @ (RemoteError::Silent { .. } | RemoteError::OtherRelease | RemoteError::Event(_)) => {
                    Failure::from(AccessError::from(other))
                }
            })?;
            headers.extend(
                made.into_iter().map(|(name, value)| Header { name: name.into(), value: value.into() }),
            );
        }
    }
    let names = provider.event_names(&headers, &body);
    Ok(Signed { url, id: names.event_id.or(id), headers, body })
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

//! The relay this program hosts on the loopback interface when none is named.

use std::{io, net::Ipv4Addr};

use inhaul_core::{
    event::EndpointName,
    wire::{HelloEndpoint, Sharing},
};
use inhaul_relay::{
    limits::Limits,
    registry::{self, Registry},
    relay::{Relay, RelayConfig, RelayHandle, SpawnError},
    serve::forwarded::TrustedProxies,
    tls::TlsMode,
};

use super::Source;
use crate::{
    cli::{AnswerMode, OnAbsent},
    commands::Failure,
    config::EmbeddedSettings,
    data_dir::{DataDir, read_small_file, write_private_file},
};

/// Longest file that is taken for the token.
const TOKEN_MAX_BYTES: u64 = 512;

/// Starts the relay and makes its endpoint, the same at every start.
pub(super) async fn start(
    settings: &EmbeddedSettings,
    sharing: Option<Sharing>,
    data: &DataDir,
) -> Result<Source, Failure> {
    let config = RelayConfig {
        listen: (Ipv4Addr::LOCALHOST, settings.port).into(),
        data: data.relay(),
        tls: if settings.tls { TlsMode::SelfSigned } else { TlsMode::Off },
        public_url: None,
        admin_listen: None,
        limits: Limits::default(),
        behind_proxy: false,
        trusted_proxies: TrustedProxies::default(),
    };
    let relay = Relay::spawn(config).await.map_err(spawn_failure)?;
    for problem in relay.recovered() {
        tracing::warn!("the relay's spool: {problem}");
    }
    let token = token(&relay, settings, data)?;
    Ok(Source {
        url: relay.public_url().parse().map_err(Failure::new)?,
        cacert: relay.ca_file().map(Into::into),
        endpoint: HelloEndpoint { name: settings.endpoint.clone(), token, resume: None, sharing },
        relay: Some(relay),
    })
}

/// The endpoint's token. The endpoint is made at the first start; senders keep its URL ever after.
fn token(relay: &RelayHandle, settings: &EmbeddedSettings, data: &DataDir) -> Result<String, Failure> {
    let registry = relay.registry();
    let name = &settings.endpoint;
    let (answer, on_absent) = modes(settings);
    let known = registry.list().into_iter().find(|endpoint| endpoint.name == *name);
    let made = match known {
        None => registry.add(name, answer, on_absent).map_err(Failure::new)?.1,
        Some(endpoint) => {
            if (endpoint.answer, endpoint.on_absent) != (answer, on_absent) {
                registry.set_answer(name, answer, on_absent).map_err(Failure::new)?;
            }
            if let Some(token) = stored_token(registry, name, data)? {
                return Ok(token);
            }
            registry.rotate_token(name).map_err(Failure::new)?
        }
    };
    let token = made.reveal().to_owned();
    let path = data.embedded_token();
    write_private_file(&path, token.as_bytes())
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    Ok(token)
}

/// The token in its file, when it is this endpoint's.
fn stored_token(registry: &Registry, name: &EndpointName, data: &DataDir) -> Result<Option<String>, Failure> {
    let path = data.embedded_token();
    let bytes = match read_small_file(&path, TOKEN_MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let hint = format!("`rm {}` has a new token made", path.display());
            return Err(Failure::new(format!("{}: {error}", path.display())).hint(hint));
        }
    };
    let token = String::from_utf8(bytes).unwrap_or_default();
    Ok(registry.authenticate(name.as_str(), &token).is_ok().then_some(token))
}

fn modes(settings: &EmbeddedSettings) -> (registry::AnswerMode, registry::OnAbsent) {
    let answer = match settings.answer {
        AnswerMode::App => registry::AnswerMode::App,
        AnswerMode::Relay => registry::AnswerMode::Relay,
    };
    let on_absent = match settings.on_absent {
        OnAbsent::Accept => registry::OnAbsent::Accept,
        OnAbsent::Refuse => registry::OnAbsent::Refuse,
    };
    (answer, on_absent)
}

fn spawn_failure(error: SpawnError) -> Failure {
    let hint = match &error {
        SpawnError::Listen { .. } => "is another `inhaul` running? `--port 0` takes any free port",
        SpawnError::Spool { .. } => {
            "nothing was changed; use another directory with `--data DIR`, or move that one elsewhere"
        }
        SpawnError::PlainHttp(_) | SpawnError::Registry(_) | SpawnError::Tls(_) | SpawnError::Interrupted => {
            return Failure::new(error);
        }
    };
    Failure::new(error).hint(hint)
}

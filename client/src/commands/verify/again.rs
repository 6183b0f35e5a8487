//! `inhaul verify ID... --again`: stored events checked with the secrets that are configured now, with the verdicts put on record.

use std::{
    io::{self, IsTerminal},
    path::Path,
    sync::Arc,
};

use inhaul_core::{event::EventId, signature::Verdict};
use serde_json::json;

use crate::{
    access::{Access, AccessError},
    cli::{SignatureArgs, VerifyArgs},
    commands::{Exit, Failure, lookup},
    config::{SecretSource, load_routes},
    control::Remote,
    output::{Color, json::line, verdict_line, write_stdout},
    pipeline::Verifier,
    row::EventRow,
};

/// What verifies.
enum Engine {
    /// The running client, with its secrets.
    Running(Remote),
    /// This process, with those of the configuration file.
    Own(Verifier),
}

/// Verifies: by the running `listen`, if there is one, else by itself.
///
/// # Errors
/// When there is no such event, no secret, or nothing could be written.
pub(super) async fn run(data: Option<&Path>, args: &VerifyArgs) -> anyhow::Result<Exit> {
    let access = lookup::open(data).await?;
    let ended = verify(&access, args).await;
    access.close().await.map_err(Failure::from)?;
    ended
}

async fn verify(access: &Access, args: &VerifyArgs) -> anyhow::Result<Exit> {
    let mut ids = Vec::new();
    for beginning in &args.ids {
        ids.push(lookup::event_id(access, beginning).await?);
    }
    let engine = Engine::of(access, args)?;
    let color = Color::of_output(io::stdout().is_terminal());
    let mut exit = Exit::Success;
    for id in ids {
        let row = engine.verify(id).await?;
        let Some(verdict) = &row.verdict else { continue };
        if !matches!(verdict, Verdict::Valid { .. }) {
            exit = Exit::No;
        }
        let text = if args.json {
            let provider = &row.provider;
            line(
                &json!({ "schema": 1, "kind": "verdict", "id": id, "provider": provider, "verdict": verdict }),
            )
        } else if args.ids.len() == 1 {
            format!("{}\n", verdict_line(verdict, color))
        } else {
            format!("{id}  {}\n", verdict_line(verdict, color))
        };
        write_stdout(text.as_bytes())?;
    }
    Ok(exit)
}

impl Engine {
    fn of(access: &Access, args: &VerifyArgs) -> Result<Self, Failure> {
        Ok(match access {
            Access::Remote(remote) => Self::Running(remote.clone()),
            Access::Direct(history) => Self::Own(Verifier {
                history: history.clone(),
                routes: Arc::new(load_routes(args.secrets.config.as_deref(), &SignatureArgs::default())?),
                // They were read just now.
                secret_source: SecretSource::default(),
                reach: Arc::default(),
            }),
        })
    }

    async fn verify(&self, id: EventId) -> Result<EventRow, Failure> {
        match self {
            Self::Running(remote) => Ok(remote.verify(id).await.map_err(AccessError::from)?),
            Self::Own(verifier) => verifier.verify(id).await.map_err(Failure::new),
        }
    }
}

//! `inhaul replay ID`: sends a stored event once more.

use std::{path::Path, sync::Arc};

use inhaul_core::event::EventId;
use tokio::sync::mpsc;

use crate::{
    access::Access,
    cli::{CatchUp, OutputMode, ReplayArgs},
    commands::{Exit, Failure, listen::Screen, lookup},
    config::{Route, Routes, load_routes},
    forward::{ForwardOptions, Forwarder, Target},
    history::History,
    output::Printer,
    pipeline::{Disk, Pipeline, Signing},
    row::{Attempt, EventState},
    tls,
};

/// Replays an event, or all that were given up: by the running `listen`, if there is one, else by itself.
///
/// # Errors
/// When there is no such event, or no attempt was made.
pub async fn run(data: Option<&Path>, args: &ReplayArgs) -> anyhow::Result<Exit> {
    if let Some(target) = args.to.as_ref().filter(|target| !target.is_loopback() && !args.allow_external) {
        return Err(Failure::new(format!("{target} is not on this machine"))
            .hint("`--allow-external` sends stored events to other machines too")
            .into());
    }
    let access = lookup::open(data).await?;
    let ids = match &args.id {
        Some(id) => vec![lookup::event_id(&access, id).await?],
        None => lookup::ids_in_state(&access, EventState::GivenUp).await?,
    };
    let mut delivered = true;
    for id in ids {
        delivered &= replay_one(&access, id, args).await?;
    }
    access.close().await.map_err(Failure::from)?;
    Ok(if delivered { Exit::Success } else { Exit::No })
}

/// Whether the target answered 2xx.
async fn replay_one(access: &Access, id: EventId, args: &ReplayArgs) -> anyhow::Result<bool> {
    let attempt = match access {
        Access::Direct(history) => replay_here(history, id, args).await?,
        Access::Remote(_) => {
            if args.secret_env.is_some() || args.secret_file.is_some() || args.config.is_some() {
                return Err(Failure::new("the running `inhaul listen` signs with its own secrets")
                    .hint("leave `--secret-env`, `--secret-file` and `--config` out, or stop it first")
                    .into());
            }
            let to = args.to.as_ref().map(ToString::to_string);
            access.replay(id, to.as_deref(), args.signing()).await.map_err(Failure::from)?
        }
    };
    let found = access.event(id).await.map_err(Failure::from)?;
    let (_, row) = found.ok_or_else(|| Failure::new(format!("the event {id} is gone")))?;
    let Screen { color, .. } = Screen::new(Some(OutputMode::Lines));
    let mode = if args.json { OutputMode::Json } else { OutputMode::Lines };
    Printer::new(mode, color).attempt(&row, &attempt)?;
    Ok(attempt.outcome.is_success())
}

async fn replay_here(history: &History, id: EventId, args: &ReplayArgs) -> Result<Attempt, Failure> {
    let to = args.to.clone();
    let signing = args.signing();
    let routes = if signing == Signing::AsReceived {
        Routes::new(Route::catch_all(), Vec::new())
    } else {
        load_routes(args.config.as_deref(), &args.signatures())?
    };
    let https = to.as_ref().is_some_and(Target::is_https);
    let tls = if https { Some(tls::client_config(None)?) } else { None };
    // Nobody is connected and nobody watches.
    let ((reports, _), (live, _)) = (mpsc::channel(1), mpsc::channel(1));
    let pipeline = Pipeline {
        history: history.clone(),
        disk: Disk::impatient(live.clone()),
        routes: Arc::new(routes),
        catch_up: CatchUp::default(),
        forwarder: Forwarder::new(ForwardOptions { tls, ..ForwardOptions::default() }),
        reports,
        live,
    };
    pipeline.replay(id, to, signing).await.map_err(Failure::new)
}

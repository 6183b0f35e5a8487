//! `inhaul replay`: sends stored events again, once or many times, as they were or changed.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
    sync::Arc,
};

use inhaul_core::{event::EventId, filter::Filter};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    access::Access,
    cli::{CatchUp, OutputMode, ReplayArgs},
    clock,
    commands::{
        Exit, Failure, events,
        listen::{Screen, Signals},
        lookup,
    },
    config::{Route, Routes, load_file, load_routes, load_targets},
    control::Remote,
    draft::Draft,
    forward::{ForwardOptions, Forwarder},
    history::History,
    hold::Hold,
    output::{Printer, json, preview_text, tally_text, write_stdout},
    pipeline::{Disk, Pipeline},
    random::random,
    replay::{Plan, PlanError, Preview, REQUESTS_MAX, Sent, Tally},
    row::EventState,
    tls,
};

/// Replays events: by the running `listen`, if there is one, else by itself.
///
/// # Errors
/// When there is no such event, or nothing could be sent.
pub async fn run(data: Option<&Path>, args: &ReplayArgs) -> anyhow::Result<Exit> {
    let draft = args.draft()?;
    let filter =
        args.filter.as_deref().map(|text| events::filter(text, data, args.config.as_deref())).transpose()?;
    let access = lookup::open(data).await?;
    let ids = ids(&access, args, filter.as_ref()).await?;
    if ids.is_empty() && (args.given_up || filter.is_some()) {
        access.close().await.map_err(Failure::from)?;
        let nothing = if args.given_up { "no event is given up" } else { "no event passes the filter" };
        let _ = writeln!(io::stderr(), "{nothing}");
        return Ok(Exit::Success);
    }
    let plan = Plan { ids, to: args.to.clone(), draft, pace: args.pace() };
    plan.check().map_err(Failure::new)?;
    let engine = Engine::of(&access, args, &plan)?;
    let preview = engine.preview(&plan).await?;
    let output = if args.json { OutputMode::Json } else { args.output.unwrap_or(OutputMode::Lines) };
    if preview.signature_is_old && !args.json {
        let _ = writeln!(
            io::stderr(),
            "note: what is sent is changed and its signature is as received; `--sign fresh` makes it anew"
        );
    }
    let ended = if args.dry_run {
        let text = match output {
            OutputMode::Json => json::line(&json::preview(&preview)),
            OutputMode::Tui | OutputMode::Lines | OutputMode::Quiet => preview_text(&preview),
        };
        write_stdout(text.as_bytes())?;
        Ok(Exit::Success)
    } else if is_allowed(&preview, args.yes)? {
        let mut screen = Screen::new(Some(OutputMode::Lines));
        screen.mode = output;
        send(&engine, &access, &plan, screen).await
    } else {
        Ok(Exit::No)
    };
    drop(engine);
    access.close().await.map_err(Failure::from)?;
    ended
}

/// The events that are meant, each once.
async fn ids(access: &Access, args: &ReplayArgs, filter: Option<&Filter>) -> Result<Vec<EventId>, Failure> {
    if args.given_up {
        return lookup::ids_in_state(access, EventState::GivenUp).await;
    }
    if let Some(filter) = filter {
        let most = usize::try_from(REQUESTS_MAX).unwrap_or(usize::MAX);
        let mut ids = events::ids(access, filter, most + 1).await?;
        if ids.len() > most {
            return Err(Failure::new(PlanError::Requests(ids.len() as u64)).hint("narrow the filter down"));
        }
        ids.reverse();
        return Ok(ids);
    }
    let mut ids = Vec::new();
    for beginning in &args.ids {
        let id = lookup::event_id(access, beginning).await?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Whether it may be sent where it goes. Who is not at a terminal says so beforehand.
fn is_allowed(preview: &Preview, yes: bool) -> Result<bool, Failure> {
    if preview.external.is_empty() || yes {
        return Ok(true);
    }
    let targets = preview.external.join(", ");
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::new(format!("{targets} is not on this machine"))
            .hint("`--yes`, or `--allow-external`, sends stored events to other machines too"));
    }
    let requests = preview.requests;
    let _ =
        write!(io::stderr(), "send {requests} requests to {targets}, which is not on this machine? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Who sends: this process, or the one that has the history.
enum Engine {
    Here(Box<Pipeline>),
    There(Remote),
}

impl Engine {
    fn of(access: &Access, args: &ReplayArgs, plan: &Plan) -> Result<Self, Failure> {
        match access {
            Access::Direct(history) => Ok(Self::Here(Box::new(pipeline(history, args, plan)?))),
            Access::Remote(_)
                if args.secret_env.is_some()
                    || args.secret_file.is_some()
                    || (args.config.is_some() && args.filter.is_none()) =>
            {
                Err(Failure::new("the running `inhaul listen` signs with its own secrets")
                    .hint("leave `--secret-env`, `--secret-file` and `--config` out, or stop it first"))
            }
            Access::Remote(remote) => Ok(Self::There(remote.clone())),
        }
    }

    async fn preview(&self, plan: &Plan) -> Result<Preview, Failure> {
        match self {
            Self::Here(pipeline) => pipeline.preview(plan).await.map_err(Failure::new),
            Self::There(remote) => remote.preview(plan).await.map_err(Failure::new),
        }
    }

    /// Sends, and hands on what came of each request, until all are done or a signal comes; true when all are.
    async fn send(
        &self,
        plan: &Plan,
        signals: &mut Signals,
        mut each: impl FnMut(Sent),
    ) -> Result<bool, Failure> {
        match self {
            Self::Here(pipeline) => {
                let (sender, mut done) = mpsc::channel(1);
                let stop = CancellationToken::new();
                let sending = async {
                    pipeline.replay_all(plan.clone(), &sender, &stop).await;
                    drop(sender);
                };
                let telling = async {
                    while let Some(sent) = done.recv().await {
                        each(sent);
                    }
                };
                let interrupting = async {
                    signals.next().await;
                    // What is under way comes to its end, unless there is a second signal.
                    stop.cancel();
                    signals.next().await;
                };
                tokio::select! {
                    ((), ()) = async { tokio::join!(sending, telling) } => Ok(!stop.is_cancelled()),
                    () = interrupting => Ok(false),
                }
            }
            Self::There(remote) => tokio::select! {
                sent = remote.carry_out(plan, each) => sent.map(|()| true).map_err(Failure::new),
                // The other process finishes what is under way.
                () = signals.next() => Ok(false),
            },
        }
    }
}

fn pipeline(history: &History, args: &ReplayArgs, plan: &Plan) -> Result<Pipeline, Failure> {
    let signs = plan.draft.changes != Draft::default().changes
        && (args.resign || args.changes.sign.is_some() || args.changes.new_id);
    let config = args.config.as_deref();
    let routes = match &args.to {
        _ if signs => load_routes(config, &args.signatures())?,
        // Nothing of the file decides anything then.
        Some(_) => Routes::new(Route::catch_all(), Vec::new()),
        None => load_targets(config)?,
    };
    let cacert = || Ok::<_, Failure>(load_file(config)?.and_then(|file| file.cacert()));
    let tls = match &args.to {
        Some(target) if !target.is_https() => None,
        Some(_) => Some(tls::client_config(cacert()?.as_deref())?),
        // Where it went before may need it.
        None => tls::client_config(cacert()?.as_deref()).ok(),
    };
    // Nobody is connected and nobody watches.
    let ((reports, _), (live, _)) = (mpsc::channel(1), mpsc::channel(1));
    Ok(Pipeline {
        history: history.clone(),
        disk: Disk::impatient(live.clone()),
        routes: Arc::new(routes),
        catch_up: CatchUp::default(),
        hold: Hold::default(),
        forwarder: Forwarder::new(ForwardOptions { tls, ..ForwardOptions::default() }),
        reports,
        live,
        clock: Arc::new(clock::now),
        random,
        stop: CancellationToken::new(),
    })
}

/// Sends, prints each outcome of a few requests or what came of many, and says how far it came when it was interrupted.
async fn send(engine: &Engine, access: &Access, plan: &Plan, screen: Screen) -> anyhow::Result<Exit> {
    let mut signals = Signals::new()?;
    let mut tally = Tally::default();
    let mut printer = Printer::new(screen.mode, screen.color);
    let single = plan.requests() == 1;
    let mut kept = Vec::new();
    let mut failed_print = None;
    let whole = engine
        .send(plan, &mut signals, |sent| {
            tally.add(&sent.result);
            if single {
                kept.push(sent);
            } else if screen.mode == OutputMode::Json
                && failed_print.is_none()
                && let Ok(attempt) = &sent.result
            {
                failed_print = write_stdout(json::line(&json::attempt(sent.id, attempt)).as_bytes()).err();
            }
        })
        .await?;
    if let Some(error) = failed_print {
        return Err(error.into());
    }
    for Sent { id, result } in kept {
        let attempt = result.map_err(Failure::new)?;
        let found = access.event(id).await.map_err(Failure::from)?;
        let (_, row) = found.ok_or_else(|| Failure::new(format!("the event {id} is gone")))?;
        printer.attempt(&row, &attempt)?;
    }
    if !single || !whole {
        let text = match screen.mode {
            OutputMode::Json => json::line(&json::replay(&tally, plan.requests(), whole)),
            OutputMode::Tui | OutputMode::Lines => tally_text(&tally, plan.requests(), whole),
            OutputMode::Quiet => String::new(),
        };
        write_stdout(text.as_bytes())?;
    }
    Ok(if whole && tally.delivered() == plan.requests() { Exit::Success } else { Exit::No })
}

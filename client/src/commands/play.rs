//! `inhaul play`: sends the requests of a scenario, and says whether the answers are as expected.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Instant,
};

use inhaul_core::visible::visible;

use crate::{
    cli::{OutputMode, PlayArgs},
    commands::{Exit, Failure, listen::Signals},
    config::{Route, Routes, config_path, load_file, load_routes},
    draft::{IdChange, Sign},
    forward::{ForwardOptions, Forwarder, Target},
    output::{count_text, cue_text, json, play_text, played_text, write_stdout},
    scenario::{Library, LibraryError, PlayError, Played, Player, Playing, Scenario},
    tls,
};

/// Plays a scenario, or lists those there are.
///
/// # Errors
/// When it cannot be read or cannot be sent.
pub async fn run(args: &PlayArgs) -> anyhow::Result<Exit> {
    let library = Library::beside(config_path(args.config.as_deref()).as_deref());
    let Some(name) = &args.scenario else { return list(&library, args.json) };
    let scenario = library.read(name).map_err(Failure::from)?;
    let playing = player(&scenario, args)?.prepare(scenario, &args.options()).map_err(Failure::from)?;
    let output = if args.json { OutputMode::Json } else { args.output.unwrap_or(OutputMode::Lines) };
    for (index, cue) in playing.cues().iter().enumerate() {
        let masked = cue.masked();
        if !masked.is_empty() {
            let names = masked.join(", ");
            let _ = writeln!(
                io::stderr(),
                "note: step {} sends `***` for what is masked in it: {}; edit it, or use `--set-header`",
                index + 1,
                visible(&names)
            );
        }
    }
    if args.dry_run {
        return dry_run(&playing, output);
    }
    let external = playing.external();
    if !external.is_empty() && !args.yes {
        return Err(Failure::new(format!("{} is not on this machine", external.join(", ")))
            .hint("`--yes`, or `--allow-external`, sends a scenario to other machines too")
            .into());
    }
    play(playing, output).await
}

fn list(library: &Library, as_json: bool) -> anyhow::Result<Exit> {
    let names = library.names().map_err(Failure::from)?;
    if names.is_empty() && !as_json {
        let _ = writeln!(
            io::stderr(),
            "no scenario in {}; F7 in the inspector's replay dialog saves one",
            library.directory().display()
        );
    }
    for name in &names {
        let read = library.read(name);
        let line = match read {
            _ if as_json => json::line(&json::listed_scenario(name, read.as_ref())),
            Ok(scenario) => format!("{name:<40}  {}\n", count_text(scenario.steps.len() as u64, "step")),
            Err(error) => format!("{name:<40}  {}\n", visible(&error.to_string())),
        };
        write_stdout(line.as_bytes())?;
    }
    Ok(Exit::Success)
}

/// What sends it. Secrets are read only when something is to be signed with them.
fn player(scenario: &Scenario, args: &PlayArgs) -> Result<Player, Failure> {
    let signs = scenario.steps.iter().any(|step| {
        args.sign.unwrap_or(step.changes.sign) != Sign::Keep || step.changes.id != IdChange::Keep
    });
    let routes = match signs {
        true => load_routes(args.config.as_deref(), &args.signatures())?,
        false => Routes::new(Route::catch_all(), Vec::new()),
    };
    let mut targets = args.to.iter().chain(scenario.steps.iter().filter_map(|step| step.to.as_ref()));
    let tls = if targets.any(Target::is_https) {
        let cacert = load_file(args.config.as_deref())?.and_then(|file| file.cacert());
        Some(tls::client_config(cacert.as_deref())?)
    } else {
        None
    };
    let forwarder = Forwarder::new(ForwardOptions { tls, ..ForwardOptions::default() });
    Ok(Player { forwarder, routes: Arc::new(routes) })
}

fn dry_run(playing: &Playing, output: OutputMode) -> anyhow::Result<Exit> {
    for (index, cue) in playing.cues().iter().enumerate() {
        let line = match output {
            OutputMode::Json => json::line(&json::cue(index + 1, cue)),
            OutputMode::Tui | OutputMode::Lines | OutputMode::Quiet => {
                format!("{}\n", cue_text(index + 1, cue))
            }
        };
        write_stdout(line.as_bytes())?;
    }
    Ok(Exit::Success)
}

async fn play(mut playing: Playing, output: OutputMode) -> anyhow::Result<Exit> {
    let mut signals = Signals::new()?;
    let began = Instant::now();
    let (mut done, mut expected) = (0, 0);
    let whole = loop {
        let played = tokio::select! {
            played = playing.next() => played,
            () = signals.next() => break false,
        };
        let Some(played) = played else { break true };
        done += 1;
        expected += u64::from(played.unexpected.is_none());
        tell(&playing, &played, output)?;
    };
    let requests = playing.requests();
    let summary = match output {
        OutputMode::Json => json::line(&json::play(requests, done, expected)),
        OutputMode::Tui | OutputMode::Lines => {
            format!("{}\n", play_text(expected, done, requests, began.elapsed()))
        }
        OutputMode::Quiet => String::new(),
    };
    write_stdout(summary.as_bytes())?;
    Ok(if whole && expected == requests { Exit::Success } else { Exit::No })
}

fn tell(playing: &Playing, played: &Played, output: OutputMode) -> anyhow::Result<()> {
    let cue = &playing.cues()[played.step];
    let text = match output {
        OutputMode::Json => json::line(&json::played(cue, played)),
        OutputMode::Tui | OutputMode::Lines => format!("{}\n", played_text(cue, played)),
        OutputMode::Quiet => return Ok(()),
    };
    Ok(write_stdout(text.as_bytes())?)
}

impl From<LibraryError> for Failure {
    fn from(error: LibraryError) -> Self {
        let hint = error.hint();
        let failure = Self::new(error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<PlayError> for Failure {
    fn from(error: PlayError) -> Self {
        Self::new(error)
    }
}

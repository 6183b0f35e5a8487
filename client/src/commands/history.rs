//! `inhaul history`: how large it is, whether it is whole, what of it may go.

use std::{fmt::Write, path::Path};

use inhaul_core::{event::UnixMillis, visible::visible};
use tokio::sync::mpsc;

use crate::{
    cli::{HistoryCommand, PruneArgs},
    clock,
    commands::{Exit, Failure, lookup},
    data_dir::DataDir,
    history::{Checked, History, HistoryError, Options, PeriodInfo, Prune, Status},
    output::{count_text, json, size_text, write_stdout},
};

/// Looks after the history.
///
/// # Errors
/// When the history cannot be read or written, or nothing can be printed.
pub async fn run(data: Option<&Path>, command: &HistoryCommand) -> anyhow::Result<Exit> {
    match command {
        HistoryCommand::Stats { json } => stats(data, *json).await,
        HistoryCommand::Check => look_after(data, false).await,
        HistoryCommand::Repair => look_after(data, true).await,
        HistoryCommand::Prune(args) => prune(data, args).await,
    }
}

async fn stats(data: Option<&Path>, as_json: bool) -> anyhow::Result<Exit> {
    let access = lookup::open(data).await?;
    let (status, periods) = access.stats().await.map_err(Failure::from)?;
    access.close().await.map_err(Failure::from)?;
    let text = if as_json { json::line(&json::history(&status, &periods)) } else { table(&status, &periods) };
    write_stdout(text.as_bytes())?;
    Ok(Exit::Success)
}

fn table(status: &Status, periods: &[PeriodInfo]) -> String {
    let Status { events, pending, held, given_up, .. } = status;
    let bytes = periods.iter().map(|period| period.bytes).sum();
    let mut text = format!(
        "{} in {}, {} on the disk\n{pending} to be forwarded, {held} held, {given_up} given up\n\n",
        count_text(*events, "event"),
        count_text(periods.len() as u64, "period"),
        size_text(bytes),
    );
    let _ = writeln!(
        text,
        "{:18} {:>10} {:>10} {:>10} {:>12}",
        "PERIOD", "EVENTS", "UNFINISHED", "GIVEN UP", "SIZE"
    );
    for PeriodInfo { name, events, unfinished, given_up, bytes, is_current } in periods {
        let current = if *is_current { "  current" } else { "" };
        let size = size_text(*bytes);
        let _ = writeln!(text, "{name:18} {events:>10} {unfinished:>10} {given_up:>10} {size:>12}{current}");
    }
    text
}

async fn look_after(data: Option<&Path>, repair: bool) -> anyhow::Result<Exit> {
    lookup::is_there(data)?;
    let data = DataDir::open(data).map_err(Failure::from)?;
    let (sender, mut checked) = mpsc::unbounded_channel();
    let checking = tokio::task::spawn_blocking(move || {
        // Nobody listens any more only when nothing can be printed.
        let mut each = |checked: Checked| drop(sender.send(checked));
        let options = Options::default();
        if repair {
            History::repair(data.path(), &options, &mut each)
        } else {
            History::check(data.path(), &options, &mut each)
        }
    });
    let mut is_whole = true;
    while let Some(checked) = checked.recv().await {
        is_whole &= checked.problems.is_empty();
        write_stdout(page(&checked).as_bytes())?;
    }
    checking.await.unwrap_or(Err(HistoryError::Closed)).map_err(Failure::from)?;
    Ok(if is_whole { Exit::Success } else { Exit::No })
}

fn page(checked: &Checked) -> String {
    let Checked { name, records, events, problems, kept } = checked;
    let mut text = format!("{name}: {}, {}", count_text(*events, "event"), count_text(*records, "record"));
    text.push_str(if problems.is_empty() {
        ", all of it can be read
"
    } else {
        "
"
    });
    for problem in problems {
        let _ = writeln!(text, "  {}", visible(problem));
    }
    if let Some(kept) = kept {
        let kept = kept.display().to_string();
        let _ = writeln!(text, "  repaired; what was damaged is {}", visible(&kept));
    }
    text
}

async fn prune(data: Option<&Path>, args: &PruneArgs) -> anyhow::Result<Exit> {
    let access = lookup::open(data).await?;
    let ago = |age: std::time::Duration| {
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        UnixMillis(clock::now().0.saturating_sub(age))
    };
    let prune = Prune { before: args.older_than.map(ago), keep_bytes: args.keep, dry_run: args.dry_run };
    let pruned = access.prune(prune).await.map_err(Failure::from)?;
    access.close().await.map_err(Failure::from)?;
    let mut text = String::new();
    for PeriodInfo { name, events, given_up, bytes, .. } in &pruned {
        let events = count_text(*events, "event");
        let _ = writeln!(text, "{name}: {events}, {given_up} of them given up, {}", size_text(*bytes));
    }
    let what = if args.dry_run { "would be removed" } else { "removed" };
    let _ = writeln!(text, "{} {what}", count_text(pruned.len() as u64, "period"));
    write_stdout(text.as_bytes())?;
    Ok(Exit::Success)
}

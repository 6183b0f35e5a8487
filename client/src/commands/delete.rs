//! `inhaul delete ID...|FILTER`: events that go for good.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
};

use inhaul_core::{event::EventId, visible::visible};

use crate::{
    access::Access,
    cli::DeleteArgs,
    commands::{Exit, Failure, events, lookup},
    data_dir::DataDir,
    history::{Deletions, Found, replaced_journals},
    output::count_text,
};

/// Deletes events, once somebody has agreed to it.
///
/// # Errors
/// When it is not said which, nobody can be asked, or the history cannot be had.
pub async fn run(data: Option<&Path>, args: &DeleteArgs) -> anyhow::Result<Exit> {
    let access = lookup::open(data).await?;
    let ids = match named(&access, &args.events).await? {
        Some(ids) => ids,
        None => passing(&access, data, args).await?,
    };
    if ids.is_empty() {
        access.close().await.map_err(Failure::from)?;
        let _ = writeln!(io::stderr(), "no event passes the filter");
        return Ok(Exit::No);
    }
    let deletions = if is_agreed(ids.len() as u64, args.yes)? {
        access.delete_all(ids).await.map_err(Failure::from)?
    } else {
        Deletions::default()
    };
    access.close().await.map_err(Failure::from)?;
    for kept in &deletions.kept {
        let _ = writeln!(io::stderr(), "not deleted: {}", visible(&kept.reason));
    }
    let _ = writeln!(io::stderr(), "{} deleted", count_text(deletions.deleted.len() as u64, "event"));
    if !deletions.deleted.is_empty() {
        for journal in replaced_journals(&DataDir::open(data)?) {
            let journal = journal.display().to_string();
            let _ = writeln!(
                io::stderr(),
                "note: {} is as a repair left it and may still have them; it may be deleted",
                visible(&journal)
            );
        }
    }
    Ok(if deletions.kept.is_empty() { Exit::Success } else { Exit::No })
}

/// The events that are named by their ids or the beginnings of these; nothing when a word is no such thing, and so part of a filter. What
/// looks like an id never is: deleting one event twice must not delete those that speak of it.
async fn named(access: &Access, words: &[String]) -> Result<Option<Vec<EventId>>, Failure> {
    let mut ids = Vec::new();
    for word in words {
        match access.find(word).await? {
            Found::One(id) => ids.push(id),
            Found::None if ids.is_empty() && !words.iter().all(|word| lookup::looks_like_an_id(word)) => {
                return Ok(None);
            }
            Found::None | Found::Many(_) => ids.push(lookup::event_id(access, word).await?),
        }
    }
    Ok(Some(ids))
}

async fn passing(access: &Access, data: Option<&Path>, args: &DeleteArgs) -> Result<Vec<EventId>, Failure> {
    let filter = events::filter(&args.events.join(" "), data, args.config.as_deref())?;
    if filter.is_empty() {
        return Err(Failure::new("an empty filter means every event")
            .hint("`inhaul delete size>=0` deletes every event; `inhaul history prune` removes whole days"));
    }
    events::ids(access, &filter, usize::MAX).await
}

/// Whether they may go. Who is not at a terminal says so beforehand.
fn is_agreed(events: u64, yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    let events = count_text(events, "event");
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::new(format!("nobody can be asked whether {events} may go for good"))
            .hint("`--yes` deletes without asking"));
    }
    let _ = write!(io::stderr(), "delete {events} for good? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    Ok(read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes"))
}

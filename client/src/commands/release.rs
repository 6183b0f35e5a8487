//! `inhaul release`: what becomes of events that are held.

use std::{
    env,
    io::{self, Write},
    path::Path,
};

use crate::{
    access::{Access, AccessError},
    cli::ReleaseArgs,
    commands::{Exit, Failure, lookup},
    control::RemoteError,
    history::{HistoryError, Ruling},
    row::EventState,
};

/// Forwards held events, or drops them: through the running `listen` at once, else with the next one.
///
/// # Errors
/// When an event is not held, or the decision could not be written.
pub async fn run(data: Option<&Path>, args: &ReleaseArgs) -> anyhow::Result<Exit> {
    let draft = args.changes.draft()?;
    draft.check()?;
    let ruling = if args.drop {
        Ruling::Drop { by: whoever(), why: args.reason.clone() }
    } else {
        Ruling::Forward(draft)
    };
    let access = lookup::open(data).await?;
    let mut ids = Vec::new();
    for beginning in &args.ids {
        ids.push(lookup::event_id(&access, beginning).await?);
    }
    if args.all {
        ids = lookup::ids_in_state(&access, EventState::Held).await?;
    }
    let mut decided = 0_usize;
    for id in &ids {
        match access.decide(*id, ruling.clone()).await {
            Ok(_) => decided += 1,
            // Somebody else may have decided on one of many meanwhile, or the changes may not fit it.
            Err(
                error @ (AccessError::History(HistoryError::NotHeld(_))
                | AccessError::Remote(RemoteError::Refused(_))),
            ) if ids.len() > 1 => {
                let _ = writeln!(io::stderr(), "not released: {id}: {error}");
            }
            Err(error) => return Err(Failure::from(error).into()),
        }
    }
    let what = match (args.drop, &access) {
        (true, _) => "kept in the history and not forwarded",
        (false, Access::Remote(_)) => "on their way",
        (false, Access::Direct(_)) => "forwarded when `inhaul listen` runs next",
    };
    access.close().await.map_err(Failure::from)?;
    let _ = writeln!(io::stderr(), "events {what}: {decided}");
    Ok(if decided == ids.len() { Exit::Success } else { Exit::No })
}

/// Who decides, as the system calls them.
pub(crate) fn whoever() -> String {
    let named =
        ["USER", "LOGNAME"].into_iter().find_map(|name| env::var(name).ok().filter(|name| !name.is_empty()));
    named.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()))
}

//! `inhaul release`: what becomes of events that are held.

use std::{
    io::{self, Write},
    path::Path,
};

use crate::{
    access::Access,
    cli::ReleaseArgs,
    commands::{Exit, Failure, lookup},
    row::EventState,
};

/// Forwards held events, or drops them: through the running `listen` at once, else with the next one.
///
/// # Errors
/// When an event is not held, or the decision could not be written.
pub async fn run(data: Option<&Path>, args: &ReleaseArgs) -> anyhow::Result<Exit> {
    let access = lookup::open(data).await?;
    let mut ids = Vec::new();
    for beginning in &args.ids {
        ids.push(lookup::event_id(&access, beginning).await?);
    }
    if args.all {
        ids = lookup::ids_in_state(&access, EventState::Held).await?;
    }
    for id in &ids {
        access.decide(*id, !args.drop).await.map_err(Failure::from)?;
    }
    let what = match (args.drop, &access) {
        (true, _) => "kept in the history and not forwarded",
        (false, Access::Remote(_)) => "on their way",
        (false, Access::Direct(_)) => "forwarded when `inhaul listen` runs next",
    };
    access.close().await.map_err(Failure::from)?;
    let _ = writeln!(io::stderr(), "events {what}: {}", ids.len());
    Ok(Exit::Success)
}

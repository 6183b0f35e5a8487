//! `inhaul hold`: which events wait for a person before they are forwarded.

use std::path::Path;

use inhaul_core::visible::visible;
use serde_json::json;

use crate::{
    access::Access,
    cli::HoldArgs,
    commands::{Exit, Failure, events, lookup},
    hold::HoldChange,
    output::{json::line, write_stdout},
};

/// Changes what the running client holds, or only says what that is.
///
/// # Errors
/// When no client is running, or the text is no filter.
pub async fn run(data: Option<&Path>, args: &HoldArgs) -> anyhow::Result<Exit> {
    let change = match args.filter.as_deref() {
        None => None,
        Some("off") => Some(HoldChange::Turn(false)),
        Some("on") => Some(HoldChange::Turn(true)),
        Some(text) => {
            // The running client knows no saved filters, so what they stand for is sent.
            Some(HoldChange::Filter(events::filter(text, data, None)?.to_string()))
        }
    };
    let access = lookup::open_or_make(data).await?;
    let Access::Remote(running) = &access else {
        access.close().await.map_err(Failure::from)?;
        return Err(Failure::new("no `inhaul listen` is running on this data directory")
            .hint("start it with `--hold FILTER`; `inhaul events --held` lists what waits already")
            .into());
    };
    let (hold, held) = running.hold(change).await.map_err(Failure::new)?;
    let text = if args.json {
        line(
            &json!({ "schema": 1, "kind": "hold", "is_on": hold.is_on, "filter": hold.filter, "held": held }),
        )
    } else {
        format!("{}; waiting: {held}\n", visible(&hold.words()))
    };
    write_stdout(text.as_bytes())?;
    Ok(Exit::Success)
}

//! `inhaul listen`

use std::path::Path;

use crate::{cli::ListenArgs, commands::Exit};

/// Runs the command.
///
/// # Errors
/// Always: it is not built into this program yet.
#[expect(clippy::unused_async, reason = "the commands have one shape")]
pub async fn run(_data: Option<&Path>, _args: &ListenArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("`inhaul listen` is not part of this program yet")
}

//! `inhaul demo`

use std::path::Path;

use crate::{cli::DemoArgs, commands::Exit};

/// Runs the command.
///
/// # Errors
/// Always: it is not built into this program yet.
#[expect(clippy::unused_async, reason = "the commands have one shape")]
pub async fn run(_data: Option<&Path>, _args: &DemoArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("`inhaul demo` is not part of this program yet")
}

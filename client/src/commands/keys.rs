//! `inhaul keys`: the inspector's keys as configuration.

use std::path::Path;

use crate::{
    commands::{Exit, Failure},
    config,
    output::write_stdout,
};

/// Prints the keys in effect, or says what is wrong with those of the file.
///
/// # Errors
/// When the configuration file is wrong.
pub fn run(file: Option<&Path>) -> anyhow::Result<Exit> {
    let file = config::load_file(file).map_err(Failure::from)?;
    let keymap = file.and_then(|file| file.inspector.keymap).unwrap_or_default();
    write_stdout(keymap.to_toml().as_bytes())?;
    Ok(Exit::Success)
}

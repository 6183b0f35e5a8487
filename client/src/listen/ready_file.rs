//! The file that says where webhooks would arrive, for scripts that start a client and wait for it.

use std::path::PathBuf;

use serde_json::json;

use crate::{commands::Failure, data_dir::write_private_file, output::Ready};

/// A file to be written once.
pub(super) struct ReadyFile {
    pub(super) path: PathBuf,
    pub(super) ca_file: Option<PathBuf>,
}

impl ReadyFile {
    /// Writes one JSON object with the keys of a relay's ready file, whole or not at all.
    pub(super) fn write(&self, ready: &Ready) -> Result<(), Failure> {
        let object = json!({
            "public_url": ready.relay_url,
            "admin_url": null,
            "ca_file": self.ca_file,
            "pid": std::process::id(),
            "endpoint_url": ready.endpoint_url,
        });
        write_private_file(&self.path, format!("{object}\n").as_bytes()).map_err(|error| {
            Failure::new(format!("{}: {error}", self.path.display()))
                .hint("`--ready-file FILE` must name a place you can write to")
        })
    }
}

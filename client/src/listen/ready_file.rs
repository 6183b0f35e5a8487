//! The file that says where webhooks would arrive, for scripts that start a client and wait for it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{commands::Failure, data_dir::write_private_file, output::Ready};

/// A file that is there while webhooks would arrive: it is removed when this is dropped.
pub(super) struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Removes what a run that was killed left there: a script that waits for the file must not find that.
    pub(super) fn new(path: PathBuf) -> Result<Self, Failure> {
        let is_in_directory =
            path.parent().is_none_or(|parent| parent.as_os_str().is_empty() || parent.is_dir());
        if !is_in_directory {
            return Err(unusable(&path, &io::Error::from(io::ErrorKind::NotFound)));
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(&path, &error)),
            _ => Ok(Self(path)),
        }
    }

    /// Writes one JSON object with the keys of a relay's ready file, whole or not at all.
    pub(super) fn write(&self, ready: &Ready, ca_file: Option<&Path>) -> Result<(), Failure> {
        let object = json!({
            "public_url": ready.relay_url,
            "admin_url": null,
            "ca_file": ca_file,
            "pid": std::process::id(),
            "endpoint_url": ready.endpoint_url,
        });
        write_private_file(&self.0, format!("{object}\n").as_bytes())
            .map_err(|error| unusable(&self.0, &error))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        // Nothing is left to tell anybody.
        let _ = fs::remove_file(&self.0);
    }
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
        .hint("`--ready-file FILE` must name a place you can write to")
}

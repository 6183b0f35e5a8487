//! The ready file: one JSON object with every address in use, written when traffic would really be served.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::registry::replace_file;

/// What a ready file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The relay's address as senders and clients see it.
    pub public_url: String,
    /// Where health and metrics are, if anywhere.
    pub admin_url: Option<String>,
    /// The certificate authority of a self-signed relay.
    pub ca_file: Option<String>,
    /// The process that serves.
    pub pid: u32,
    /// Where to post, of a client that listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
}

impl Ready {
    /// Writes the file, so that whoever sees it sees it whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        replace_file(path, &text, 0o600)
    }

    /// Removes the file, if it is there: of a relay that stops, or of one that was killed before.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_one_json_object() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ready.json");
        let ready = Ready {
            public_url: "https://127.0.0.1:8443".into(),
            admin_url: None,
            ca_file: Some("/data/tls/ca.pem".into()),
            pid: 7,
            endpoint_url: None,
        };
        ready.write(&path).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            text,
            "{\"public_url\":\"https://127.0.0.1:8443\",\"admin_url\":null,\"ca_file\":\"/data/tls/ca.pem\",\"pid\":7}\n"
        );
        assert_eq!(serde_json::from_str::<Ready>(&text).unwrap(), ready);
    }
}

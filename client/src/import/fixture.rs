//! The files of one fixture.

use bytes::Bytes;
use inhaul_core::event::EndpointName;

use super::{ImportError, Imported, ndjson::Described};
use crate::export::fixture::{EVENT_FILE, HEAD_FILE};

/// Reads a fixture. `file` reads one of its files by name.
///
/// # Errors
/// When a file is missing or does not fit the others.
pub fn read(
    mut file: impl FnMut(&str) -> Result<Vec<u8>, String>,
    otherwise: &EndpointName,
) -> Result<Imported, ImportError> {
    let read = |name: &str, file: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>| {
        file(name).map_err(|what| ImportError::new(name, what))
    };
    let described = read(EVENT_FILE, &mut file)?;
    let described: Described = serde_json::from_slice(&described)
        .map_err(|error| ImportError::new(EVENT_FILE, error.to_string()))?;
    let wrong = |what: &str| ImportError::new(EVENT_FILE, what);
    let body_file = described.body_file.clone().ok_or_else(|| wrong("it has no `body_file`"))?;
    // Only a file beside it: a fixture may come from anybody.
    if body_file.contains(['/', '\\', '\0']) || matches!(body_file.as_str(), "" | "." | "..") {
        return Err(wrong("its `body_file` is no name of a file in the same directory"));
    }
    let head = Bytes::from(read(HEAD_FILE, &mut file)?);
    let body = Bytes::from(read(&body_file, &mut file)?);
    described.with(head, body, otherwise).map_err(|what| ImportError::new(EVENT_FILE, what))
}

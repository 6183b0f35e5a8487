//! Objects of the kind `event` of the public schema, one a line, with the whole request. Their heads are written anew from their fields.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use inhaul_core::event::{EndpointName, EventId, Header, Peer, PeerSource};
use serde::Deserialize;

use super::{Identity, ImportError, Imported, Said, event, parts, time};
use crate::{history::Facts, output::json::SCHEMA};

/// Reads every line.
///
/// # Errors
/// At the first line that is no event with a whole request.
pub fn read(bytes: &[u8], otherwise: &EndpointName) -> Result<Vec<Imported>, ImportError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut imported = Vec::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let place = || format!("line {}", index + 1);
        let described: Described =
            serde_json::from_slice(line).map_err(|error| ImportError::new(place(), column_only(&error)))?;
        imported.push(described.whole(otherwise).map_err(|what| ImportError::new(place(), what))?);
    }
    Ok(imported)
}

/// The error without its line, which is always the first.
fn column_only(error: &serde_json::Error) -> String {
    error.to_string().replace("line 1 column", "column")
}

/// An object of the kind `event`, as far as it is read back.
#[derive(Debug, Deserialize)]
pub(super) struct Described {
    schema: u32,
    kind: String,
    id: EventId,
    endpoint: EndpointName,
    received_at: String,
    method: String,
    #[serde(default)]
    raw_target: Option<Bytes64>,
    #[serde(default)]
    prefix_bytes: usize,
    #[serde(default)]
    http_version: Option<String>,
    #[serde(default)]
    peer: Option<String>,
    #[serde(default)]
    peer_source: Option<PeerSource>,
    #[serde(default)]
    headers: Option<Vec<DescribedHeader>>,
    #[serde(default)]
    body_sha256: Option<String>,
    #[serde(default)]
    body: Option<Bytes64>,
    /// Only in a fixture.
    #[serde(default)]
    pub(super) body_file: Option<String>,
    #[serde(default)]
    masked: bool,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    event_type: Option<String>,
    #[serde(default)]
    provider_event_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct DescribedHeader {
    name: Bytes64,
    value: Bytes64,
}

/// Bytes as the public schema has them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Bytes64 {
    Utf8(String),
    Base64 { base64: String },
}

impl Bytes64 {
    fn bytes(&self) -> Result<Bytes, String> {
        match self {
            Self::Utf8(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            Self::Base64 { base64 } => {
                STANDARD.decode(base64).map(Bytes::from).map_err(|error| format!("base64: {error}"))
            }
        }
    }
}

impl Described {
    fn whole(self, otherwise: &EndpointName) -> Result<Imported, String> {
        let (Some(target), Some(headers), Some(body)) = (&self.raw_target, &self.headers, &self.body) else {
            return Err("it has no request, as `inhaul export --format ndjson` writes it".to_owned());
        };
        let headers = headers
            .iter()
            .map(|header| Ok(Header { name: header.name.bytes()?, value: header.value.bytes()? }))
            .collect::<Result<Vec<_>, String>>()?;
        let version = self.http_version.as_deref().unwrap_or("HTTP/1.1");
        let head = parts::head(self.method.as_bytes(), &target.bytes()?, version, &headers)?;
        let body = body.bytes()?;
        self.with(head, body, otherwise)
    }

    /// The event with these bytes.
    pub(super) fn with(self, head: Bytes, body: Bytes, otherwise: &EndpointName) -> Result<Imported, String> {
        if self.schema != SCHEMA {
            return Err(format!("it has schema {}, and this release reads {SCHEMA}", self.schema));
        }
        if self.kind != "event" {
            return Err(format!("it is of the kind {:?}, not `event`", self.kind));
        }
        let source = self.peer_source.unwrap_or(PeerSource::Socket);
        let said = Said {
            identity: if self.masked { Identity::Masked(self.id) } else { Identity::Kept(self.id) },
            endpoint: Some(self.endpoint),
            received_at: time(&self.received_at)?,
            peer: self.peer.map(|address| Peer { address, source }),
            prefix_bytes: self.prefix_bytes,
            facts: Facts {
                provider: self.provider,
                event_type: self.event_type,
                provider_event_id: self.provider_event_id,
                ..Facts::default()
            },
        };
        let imported = event(said, head, body, otherwise);
        if self.body_sha256.is_some_and(|written| written != hex::encode(imported.event.body_sha256)) {
            return Err("the body is not the one its `body_sha256` is of".to_owned());
        }
        parts::check(&imported.event)?;
        Ok(imported)
    }
}

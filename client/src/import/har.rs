//! HTTP Archives: those of `inhaul export` byte for byte, those of other tools as far as HAR says what was sent.

use std::collections::{HashMap, HashSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use inhaul_core::event::{EndpointName, Header, Peer};

use super::{Identity, ImportError, Imported, Said, event, parts, time};
use crate::{
    export::har::{Archive, Entry, Own, PostData, Request},
    history::Facts,
};

/// How many requests of other tools there are with the same time, head and body.
type Equal = HashMap<(u64, Bytes, Bytes), u64>;

/// Reads the request of every entry; several attempts to deliver one event are one event.
///
/// # Errors
/// When it is no archive, or at the first entry that cannot be read.
pub fn read(bytes: &[u8], otherwise: &EndpointName) -> Result<Vec<Imported>, ImportError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let archive: Archive = serde_json::from_slice(bytes)
        .map_err(|error| ImportError::new(format!("line {}", error.line()), format!("not HAR: {error}")))?;
    let mut imported = Vec::new();
    let mut known = HashSet::new();
    let mut equal = Equal::new();
    for (index, entry) in archive.log.entries.iter().enumerate() {
        if entry.own.as_ref().is_some_and(|own| !known.insert(own.event_id)) {
            continue;
        }
        let read = match &entry.own {
            Some(own) => read_own(own, entry, otherwise),
            None => read_other(entry, &mut equal, otherwise),
        };
        imported.push(read.map_err(|what| ImportError::new(format!("entry {}", index + 1), what))?);
    }
    Ok(imported)
}

fn read_own(own: &Own, entry: &Entry, otherwise: &EndpointName) -> Result<Imported, String> {
    let head = STANDARD.decode(&own.head).map_err(|error| format!("`_inhaul.head`: {error}"))?;
    let said = Said {
        identity: if own.masked { Identity::Masked(own.event_id) } else { Identity::Kept(own.event_id) },
        endpoint: Some(own.endpoint.parse().map_err(|error| format!("`_inhaul.endpoint`: {error}"))?),
        received_at: time(&own.received_at)?,
        peer: Some(Peer { address: own.peer.clone(), source: own.peer_source }),
        prefix_bytes: own.prefix_bytes,
        facts: Facts {
            provider: own.provider.clone(),
            event_type: own.event_type.clone(),
            provider_event_id: own.provider_event_id.clone(),
            ..Facts::default()
        },
    };
    let body = match &own.body {
        Some(received) => {
            STANDARD.decode(received).map_err(|error| format!("`_inhaul.body`: {error}"))?.into()
        }
        None => body(entry.request.post_data.as_ref())?,
    };
    let imported = event(said, head.into(), body, otherwise);
    parts::check(&imported.event)?;
    Ok(imported)
}

fn read_other(entry: &Entry, equal: &mut Equal, otherwise: &EndpointName) -> Result<Imported, String> {
    let Request { method, url, http_version, headers, post_data, .. } = &entry.request;
    let (authority, target) = split(url).ok_or_else(|| format!("{url:?} is no URL of HTTP"))?;
    // HTTP/2 writes some parts of the request line as headers.
    let real = headers.iter().filter(|pair| !pair.name.starts_with(':'));
    let mut headers: Vec<Header> = real
        .map(|pair| Header { name: pair.name.clone().into(), value: pair.value.trim().to_owned().into() })
        .collect();
    if !headers.iter().any(|header| header.is("host")) {
        let host = Header { name: Bytes::from_static(b"Host"), value: authority.to_owned().into() };
        headers.insert(0, host);
    }
    let body = body(post_data.as_ref())?;
    for header in &mut headers {
        // Tools leave parts of bodies out, and undo codings.
        if header.is("content-length") {
            header.value = body.len().to_string().into();
        }
    }
    let version = match http_version.to_ascii_lowercase().as_str() {
        "h2" | "http/2" | "http/2.0" => "HTTP/2",
        "http/1.0" => "HTTP/1.0",
        _ => "HTTP/1.1",
    };
    let head = parts::head(method.as_bytes(), target.as_bytes(), version, &headers)?;
    let received_at = time(&entry.started_date_time)?;
    let before = equal.entry((received_at.0, head.clone(), body.clone())).or_default();
    let identity = Identity::After(*before);
    *before += 1;
    let said =
        Said { identity, endpoint: None, received_at, peer: None, prefix_bytes: 0, facts: Facts::default() };
    let imported = event(said, head, body, otherwise);
    parts::check(&imported.event)?;
    Ok(imported)
}

fn body(post_data: Option<&PostData>) -> Result<Bytes, String> {
    match post_data {
        None => Ok(Bytes::new()),
        Some(PostData { text, encoding, .. }) if encoding.as_deref() == Some("base64") => {
            STANDARD.decode(text).map(Bytes::from).map_err(|error| format!("`postData.text`: {error}"))
        }
        Some(PostData { text, .. }) => Ok(text.clone().into()),
    }
}

/// Host and port, and path with query.
fn split(url: &str) -> Option<(&str, String)> {
    let (scheme, rest) = url.split_once("://")?;
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return None;
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let slash = if target.starts_with('/') { "" } else { "/" };
    (!authority.is_empty()).then(|| (authority, format!("{slash}{target}")))
}

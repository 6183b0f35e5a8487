//! Events from files: HAR of any tool, NDJSON and fixtures of `inhaul export`. Nothing here reads or writes files: bytes come in.
//!
//! An event in which inhaul masked nothing keeps its id, so importing it into the history it came from changes nothing. Any other one gets an
//! id made from its time and its bytes: importing it again stores it once, whichever files it is in and wherever it stands in them.

use bytes::Bytes;
use inhaul_core::{
    event::{EndpointName, Event, EventId, Peer, PeerSource, UnixMillis},
    signature::Catalogue,
};
use thiserror::Error;
use uuid::Builder;

use crate::history::Facts;

pub mod fixture;
pub mod har;
pub mod ndjson;
pub(crate) mod parts;

/// Largest file that is read, in bytes.
pub const FILE_MAX_BYTES: u64 = 512 << 20;

/// Largest body that is looked into for the event's type and id.
const LOOK_INTO_BYTES: usize = 1 << 20;

/// An event to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The event.
    pub event: Event,
    /// What is known of it.
    pub facts: Facts,
}

/// What is wrong with a file, and where in it.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{place}: {what}")]
pub struct ImportError {
    /// Such as `line 3`.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl ImportError {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

/// What a file seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// An HTTP Archive.
    Har,
    /// JSON objects, one a line.
    Ndjson,
}

/// Tells the two kinds of file apart: an archive begins with its only member.
pub fn kind_of(bytes: &[u8]) -> FileKind {
    // A byte order mark is allowed by some tools.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let begin = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    if begin.take(5).eq(*b"{\"log") { FileKind::Har } else { FileKind::Ndjson }
}

/// Which id an event gets.
#[derive(Clone, Copy, Debug)]
enum Identity {
    /// The one it had: this is what was received, but for the address of its endpoint where that is left out.
    Kept(EventId),
    /// One made of its time, its bytes and the id it had: something in it was replaced.
    Masked(EventId),
    /// One made of its time, its bytes and how many equal ones the file has before it, for nothing else tells them apart.
    After(u64),
}

/// What is said of an event besides its bytes.
#[derive(Clone, Debug)]
struct Said {
    identity: Identity,
    endpoint: Option<EndpointName>,
    received_at: UnixMillis,
    peer: Option<Peer>,
    prefix_bytes: usize,
    facts: Facts,
}

/// An event made of what a file says.
fn event(said: Said, head: Bytes, body: Bytes, otherwise: &EndpointName) -> Imported {
    let id = id_of(said.identity, said.received_at, &head, &body);
    let unknown = || Peer { address: "unknown".to_owned(), source: PeerSource::Socket };
    Imported {
        event: Event {
            id,
            endpoint: said.endpoint.unwrap_or_else(|| otherwise.clone()),
            received_at: said.received_at,
            peer: said.peer.unwrap_or_else(unknown),
            prefix_bytes: said.prefix_bytes,
            body_sha256: Event::digest(&body),
            head,
            body,
        },
        facts: Facts { imported: true, forward: false, ..said.facts },
    }
}

fn id_of(identity: Identity, at: UnixMillis, head: &[u8], body: &[u8]) -> EventId {
    let apart = match identity {
        Identity::Kept(id) => return id,
        Identity::Masked(id) => id.0.into_bytes().to_vec(),
        Identity::After(equal) => equal.to_be_bytes().to_vec(),
    };
    let digests = [Event::digest(head), Event::digest(body)].concat();
    let digest = Event::digest(&[digests, apart].concat());
    let [random @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest;
    EventId(Builder::from_unix_timestamp_millis(at.0, &random).into_uuid())
}

/// Fills in who sent an event and what it is, where the file does not say so.
pub fn recognise(imported: &mut Imported, catalogue: &Catalogue) {
    let Ok(head) = imported.event.parsed_head() else { return };
    let facts = &mut imported.facts;
    let named = facts.provider.as_deref().and_then(|id| catalogue.provider(id));
    let Some(provider) = named.or_else(|| catalogue.candidates(&head.headers).into_iter().next()) else {
        return;
    };
    let body = &imported.event.body;
    let look_into = if body.len() > LOOK_INTO_BYTES { &[][..] } else { &body[..] };
    let names = provider.event_names(&head.headers, look_into);
    facts.provider.get_or_insert_with(|| provider.id().to_owned());
    facts.event_type = facts.event_type.take().or(names.event_type);
    facts.provider_event_id = facts.provider_event_id.take().or(names.event_id);
    facts.object_id = facts.object_id.take().or(names.object_id);
}

/// Milliseconds of an RFC 3339 time.
fn time(text: &str) -> Result<UnixMillis, String> {
    let moment: jiff::Timestamp = text.parse().map_err(|error| format!("{text:?} is no time: {error}"))?;
    u64::try_from(moment.as_millisecond()).map(UnixMillis).map_err(|_| format!("{text:?} is before 1970"))
}

#[cfg(test)]
mod tests;

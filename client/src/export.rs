//! Stored events as other tools take them. Nothing here reads or writes files: what comes out are bytes.
//!
//! ```text
//!  mask     takes secrets out of an event, before any of the formats sees it
//!  shell    words that a POSIX shell takes for what they were
//!  curl     a command that makes the same request
//!  httpie   the same for HTTPie
//!  fetch    the same in JavaScript
//!  raw      the request as it goes over the wire
//!  one      one event in any of them
//!  har      HTTP Archive 1.2, an entry for each attempt
//!  edited   what an attempt sent in place of what was received
//!  fixture  a directory of files that a test reads easily
//! ```
//! A request is what the application gets: path and query behind the endpoint, and the sender's headers. What speaks of one connection
//! (hop-by-hop headers, `Content-Length`, `Host`, `Expect`) is left to the tool that sends it.

pub mod curl;
mod edited;
pub mod fetch;
pub mod fixture;
pub mod har;
pub mod httpie;
pub mod mask;
pub mod one;
pub mod raw;
pub(crate) mod shell;

use bytes::Bytes;
use inhaul_core::event::{Event, Head, HeadError, Header, end_to_end};

pub use self::edited::{Edited, edits};
pub use self::mask::{Mask, masked_target, masked_target_bytes};
use crate::{
    forward::Target,
    output::json::{self, HeaderRecord, RequestRecord, Text},
    row::EventRow,
};

/// What a masked value is replaced by.
pub const MASKED: &str = "***";

/// Most bytes of a body that stand in a command; a longer one is in a file beside it.
pub const INLINE_MAX_BYTES: usize = 64 * 1024;

/// One event to be written in some format.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The event.
    pub event: Event,
    /// Its head taken apart.
    pub head: Head,
    /// What is known of it.
    pub row: EventRow,
    /// Something in the request was replaced by [`MASKED`]; that the address of the endpoint is left out does not count.
    pub masked: bool,
    /// What attempts sent in its place, as far as [`Exported::add_draft`] was told.
    pub edits: Vec<Edited>,
}

impl Exported {
    /// An event as it is.
    ///
    /// # Errors
    /// When its head cannot be read, which the relay never stores.
    pub fn whole(event: Event, row: EventRow) -> Result<Self, HeadError> {
        let head = event.parsed_head()?;
        Ok(Self { event, head, row, masked: false, edits: Vec::new() })
    }

    /// The sender's headers, in order, without those that whoever sends the request sets.
    pub fn headers(&self) -> impl Iterator<Item = &Header> {
        let set_by_sender =
            |header: &&Header| !["host", "content-length", "expect"].iter().any(|name| header.is(name));
        end_to_end(&self.head.headers).filter(set_by_sender)
    }

    /// Path and query behind the endpoint.
    pub fn target(&self) -> Bytes {
        self.event.app_target(&self.head)
    }

    /// Whether the request has a body, be it an empty one.
    pub fn has_body(&self) -> bool {
        has_body(&self.event, &self.head)
    }

    /// Where the application was when it last was sent this event, if that is known.
    pub fn application(&self) -> Option<Target> {
        self.row.attempts.last()?.target.parse().ok()
    }

    /// One JSON object of the public schema with the whole request, ended by a line feed.
    pub fn json_line(&self) -> String {
        let event = json::whole_event(&self.row, self.request());
        json::line(&json::exported_event(event, self.masked))
    }

    pub(crate) fn request(&self) -> RequestRecord {
        request(&self.event, &self.head)
    }
}

/// Where the application is taken to be when nothing says so: port 3000 of this machine.
pub fn default_application() -> Target {
    Target::here(3000)
}

fn has_body(event: &Event, head: &Head) -> bool {
    let announced = ["content-length", "transfer-encoding"];
    !event.body.is_empty() || announced.iter().any(|name| head.header(name).is_some())
}

/// The parts of an event that only a whole one has, for the public schema.
pub(crate) fn request(event: &Event, head: &Head) -> RequestRecord {
    let header =
        |header: &Header| HeaderRecord { name: Text::new(&header.name), value: Text::new(&header.value) };
    RequestRecord {
        raw_target: Text::new(&head.target),
        prefix_bytes: event.prefix_bytes,
        http_version: head.version.as_str(),
        peer: event.peer.address.clone(),
        peer_source: event.peer.source,
        headers: head.headers.iter().map(header).collect(),
        body_sha256: hex::encode(event.body_sha256),
        body: Text::new(&event.body),
        deliveries: Vec::new(),
    }
}

/// What a command or a script begins with when something in it is masked.
fn masked_note(exported: &Exported, comment: &str) -> String {
    if exported.masked {
        format!("{comment} Secrets are masked as {MASKED}, so a signature does not match any more.\n")
    } else {
        String::new()
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! One event in one format: what the inspector copies, and `inhaul show --as` prints.

use clap::ValueEnum;
use inhaul_core::{
    event::{Event, Head},
    signature::{Catalogue, Delivery, Provider},
};

use super::{
    Exported,
    curl::{self, BodyPlace},
    default_application, fetch, har, httpie, raw,
};
use crate::{pipeline::sender_url, row::EventRow};

/// What an event is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Its body
    Body,
    /// A command that makes the same request
    Curl,
    /// A command for HTTPie
    Httpie,
    /// JavaScript for `fetch`
    Fetch,
    /// The request as it goes over the wire
    Raw,
    /// HTTP Archive 1.2, an entry for each attempt
    Har,
    /// One JSON object, as docs/output-json.md describes
    Ndjson,
    /// The bytes its signature is over, with nothing masked
    Signed,
}

/// An event in a format.
///
/// # Errors
/// When it has no signature whose bytes could be written.
pub fn written(format: Format, exported: &Exported, catalogue: &Catalogue) -> Result<Vec<u8>, String> {
    let application = exported.application().unwrap_or_else(default_application);
    Ok(match format {
        Format::Body => exported.event.body.to_vec(),
        Format::Curl => curl::command(exported, &application, BodyPlace::Piped).into_bytes(),
        Format::Httpie => httpie::command(exported, &application, BodyPlace::Piped).into_bytes(),
        Format::Fetch => fetch::script(exported, &application).into_bytes(),
        Format::Raw => raw::request(exported, &application),
        Format::Har => har_document(exported).map_err(|error| error.to_string())?,
        Format::Ndjson => exported.json_line().into_bytes(),
        Format::Signed => signed(&exported.event, &exported.row, catalogue)?,
    })
}

fn har_document(exported: &Exported) -> serde_json::Result<Vec<u8>> {
    let entries: Vec<String> =
        har::entries(exported).iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    let (begin, end) = har::frame();
    Ok(format!("{begin}{}{end}", entries.join(",\n")).into_bytes())
}

/// What the signature of an event is over.
fn signed(event: &Event, row: &EventRow, catalogue: &Catalogue) -> Result<Vec<u8>, String> {
    let head = event.parsed_head().map_err(|error| error.to_string())?;
    let provider = row.provider.as_deref().and_then(|id| catalogue.provider(id));
    let provider = provider.ok_or("nobody is known to have signed it")?;
    let signed = signed_content(event, &head, &provider);
    signed.map(|(_, content)| content).ok_or_else(|| "it has no signature over bytes of its own".to_owned())
}

/// The bytes the signature of an event is over, and the `provider/scheme` that says so; nothing when there are none.
pub(crate) fn signed_content(event: &Event, head: &Head, provider: &Provider) -> Option<(String, Vec<u8>)> {
    let url = sender_url(event, head);
    provider.signed_content(&Delivery::of_event(event, head, url.as_deref()))
}

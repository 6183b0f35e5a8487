//! Events copied, saved and compared: the errands of the inspector that read whole events.

use std::{env, path::PathBuf};

use inhaul_core::{
    event::{Event, EventId},
    signature::{Catalogue, Delivery},
};

use super::{
    clipboard::{self, Way},
    keys::Copy,
};
use crate::{
    data_dir::{create_private_dir, write_private_file},
    diff::{self, Diff, Ignore},
    export::{
        Exported, Mask, curl, curl::BodyPlace, default_application, fetch, fixture::body_extension, httpie,
        raw,
    },
    history::History,
    pipeline::sender_url,
    row::EventRow,
};

/// Where copies that no clipboard takes, and saved bodies, are put: a directory in the data directory.
const DIRECTORY: &str = "copies";

/// What these errands need.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) history: History,
    pub(super) mask: Mask,
    pub(super) ignore: Ignore,
}

/// A copy, and where it went.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) what: Copy,
    pub(super) bytes: usize,
    /// Something in it was left out.
    pub(super) masked: bool,
    pub(super) way: Way,
}

/// Two events compared.
pub(super) struct Comparison {
    pub(super) left: EventRow,
    pub(super) right: EventRow,
    pub(super) diff: Diff,
    /// In two columns, not in one.
    pub(super) is_side_by_side: bool,
}

impl Exchange {
    pub(super) async fn copy(
        &self,
        id: EventId,
        what: Copy,
        masks: bool,
        url: Option<String>,
        catalogue: &Catalogue,
    ) -> Result<Copied, String> {
        let (text, masked, extension) = match what {
            Copy::Id => (id.to_string().into_bytes(), false, "txt"),
            Copy::Show => (format!("inhaul show {id}").into_bytes(), false, "txt"),
            Copy::Url => {
                let url = url.ok_or("the endpoint's URL is not known yet")?;
                (url.into_bytes(), false, "txt")
            }
            Copy::Signed => {
                let (event, row) = self.whole(id).await?;
                (signed(&event, &row, catalogue)?, false, "txt")
            }
            Copy::Body | Copy::Curl | Copy::Httpie | Copy::Fetch | Copy::Raw => {
                let (event, row) = self.whole(id).await?;
                let whole = event.body.clone();
                let exported = if masks { self.mask.apply(event, row) } else { Exported::whole(event, row) };
                let exported = exported.map_err(|error| error.to_string())?;
                let masked = if what == Copy::Body { whole != exported.event.body } else { exported.masked };
                let (text, extension) = written(what, &exported);
                (text, masked, extension)
            }
        };
        let bytes = text.len();
        let file = self.directory().join(format!("{id}.{extension}"));
        let in_tmux = env::var_os("TMUX").is_some_and(|value| !value.is_empty());
        let copying = tokio::task::spawn_blocking(move || clipboard::copy(text, in_tmux, &file));
        let way = copying.await.map_err(|_| "it broke off".to_owned())?.map_err(|error| error.to_string())?;
        Ok(Copied { what, bytes, masked, way })
    }

    /// Saves the body exactly as it was received.
    pub(super) async fn save_body(&self, id: EventId) -> Result<(PathBuf, usize), String> {
        let (event, _) = self.whole(id).await?;
        let directory = self.directory();
        let saving = tokio::task::spawn_blocking(move || {
            let path = directory.join(format!("{id}.{}", body_extension(&event.body)));
            create_private_dir(&directory)?;
            write_private_file(&path, &event.body).map(|()| (path, event.body.len()))
        });
        saving.await.map_err(|_| "it broke off".to_owned())?.map_err(|error| error.to_string())
    }

    pub(super) async fn compare(&self, left: EventId, right: EventId) -> Result<Box<Comparison>, String> {
        let (left, right) = (self.whole(left).await?, self.whole(right).await?);
        let ignore = self.ignore.clone();
        let comparing = tokio::task::spawn_blocking(move || {
            let diff = diff::events((&left.0, &left.1), (&right.0, &right.1), &ignore);
            Box::new(Comparison { left: left.1, right: right.1, diff, is_side_by_side: true })
        });
        comparing.await.map_err(|_| "they cannot be compared".to_owned())
    }

    /// An event with its row.
    pub(super) async fn whole(&self, id: EventId) -> Result<(Event, EventRow), String> {
        match self.history.event(id).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(format!("event {id} is gone")),
            Err(error) => Err(error.to_string()),
        }
    }

    fn directory(&self) -> PathBuf {
        self.history.data_dir().path().join(DIRECTORY)
    }
}

/// What is copied, and what the name of its file ends with.
fn written(what: Copy, exported: &Exported) -> (Vec<u8>, &'static str) {
    let application = exported.application().unwrap_or_else(default_application);
    let piped = BodyPlace::Piped;
    match what {
        Copy::Httpie => (httpie::command(exported, &application, piped).into_bytes(), "sh"),
        Copy::Fetch => (fetch::script(exported, &application).into_bytes(), "mjs"),
        Copy::Raw => (raw::request(exported, &application), "http"),
        Copy::Body => (exported.event.body.to_vec(), body_extension(&exported.event.body)),
        Copy::Curl | Copy::Signed | Copy::Id | Copy::Url | Copy::Show => {
            (curl::command(exported, &application, piped).into_bytes(), "sh")
        }
    }
}

/// What the signature of an event is over.
fn signed(event: &Event, row: &EventRow, catalogue: &Catalogue) -> Result<Vec<u8>, String> {
    let head = event.parsed_head().map_err(|error| error.to_string())?;
    let provider = row.provider.as_deref().and_then(|id| catalogue.provider(id));
    let provider = provider.ok_or("nobody is known to have signed it")?;
    let url = sender_url(event, &head);
    let delivery = Delivery {
        method: &head.method,
        url: url.as_deref(),
        headers: &head.headers,
        body: &event.body,
        received_at: event.received_at,
    };
    let signed = provider.signed_content(&delivery);
    signed.map(|(_, content)| content).ok_or_else(|| "it has no signature over bytes of its own".to_owned())
}

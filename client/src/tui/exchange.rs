//! Events copied, saved and compared: the errands of the inspector that read whole events.

use std::{env, path::PathBuf};

use inhaul_core::{
    event::{Event, EventId},
    signature::Catalogue,
};

use super::{
    clipboard::{self, Clipboard, Way},
    keys::Copy,
};
use crate::{
    data_dir::{create_private_dir, write_private_file},
    diff::{self, Diff, Ignore},
    export::{Exported, Mask, edits, fixture::body_extension, one},
    history::History,
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
    pub(super) clipboard: Clipboard,
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
    /// With secrets, and without.
    pub(super) whole: Diff,
    pub(super) masked: Diff,
    /// In two columns, not in one.
    pub(super) is_side_by_side: bool,
}

impl Comparison {
    /// Compares two events.
    pub(super) fn new(
        left: (Event, EventRow),
        right: (Event, EventRow),
        mask: &Mask,
        ignore: &Ignore,
    ) -> Result<Self, String> {
        let of = |left: &(Event, EventRow), right: &(Event, EventRow)| {
            diff::events((&left.0, &left.1), (&right.0, &right.1), ignore)
        };
        let whole = of(&left, &right);
        let (rows, both) = ((left.1.clone(), right.1.clone()), mask.apply_to_both(left, right));
        let [left, right] = both.map_err(|error| error.to_string())?;
        let masked = of(&left, &right);
        Ok(Self { left: rows.0, right: rows.1, whole, masked, is_side_by_side: true })
    }

    /// What differs, as it is shown with secrets or without.
    pub(super) fn diff(&self, masks: bool) -> &Diff {
        if masks { &self.masked } else { &self.whole }
    }
}

impl Exchange {
    pub(super) async fn copy(
        &self,
        id: Option<EventId>,
        what: Copy,
        masks: bool,
        text: Option<String>,
        catalogue: &Catalogue,
    ) -> Result<Copied, String> {
        let (text, masked, extension) = match format(what) {
            Some((format, extension)) => {
                let id = id.ok_or_else(no_event)?;
                self.written(id, format, extension, masks, catalogue).await?
            }
            None => (known(id, what, text)?.into_bytes(), false, "txt"),
        };
        let bytes = text.len();
        let name = id.map_or_else(|| "url".to_owned(), |id| id.to_string());
        let file = self.directory().join(format!("{name}.{extension}"));
        let copying = clipboard::copy(text, self.clipboard, &|name| env::var_os(name), file);
        let way = copying.await.map_err(|error| error.to_string())?;
        Ok(Copied { what, bytes, masked, way })
    }

    /// An event in a format, whether something in it is masked, and what the name of its file ends with.
    async fn written(
        &self,
        id: EventId,
        format: one::Format,
        extension: &'static str,
        masks: bool,
        catalogue: &Catalogue,
    ) -> Result<(Vec<u8>, bool, &'static str), String> {
        let (event, row) = self.whole(id).await?;
        let (whole, edits) = (event.clone(), edits(&row));
        let mask = Some(&self.mask).filter(|_| masks && format != one::Format::Signed);
        let exported = match mask {
            Some(mask) => mask.apply(event, row),
            None => Exported::whole(event, row),
        };
        let mut exported = exported.map_err(|error| error.to_string())?;
        for edit in edits.into_iter().filter(|_| format == one::Format::Har) {
            let found = self.history.draft(id, edit).await.map_err(|error| error.to_string())?;
            if let Some(found) = found {
                exported.add_draft(&whole, edit, &found.draft, mask);
            }
        }
        let text = one::written(format, &exported, catalogue)?;
        if format == one::Format::Body {
            return Ok((text, whole.body != exported.event.body, body_extension(&exported.event.body)));
        }
        Ok((text, exported.masked, extension))
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
        let (mask, ignore) = (self.mask.clone(), self.ignore.clone());
        let comparing =
            tokio::task::spawn_blocking(move || Comparison::new(left, right, &mask, &ignore).map(Box::new));
        comparing.await.map_err(|_| "they cannot be compared".to_owned())?
    }

    /// An event with its row, its body as it is shown with secrets or without.
    pub(super) async fn seen(&self, id: EventId, masks: bool) -> Result<(Event, EventRow), String> {
        let (mut event, row) = self.whole(id).await?;
        if masks && let Some(body) = self.mask.body_of(&event, event.parsed_head().ok().as_ref()) {
            event.body = body;
        }
        Ok((event, row))
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

fn no_event() -> String {
    "no event is selected".to_owned()
}

/// A copy that needs no event to be read.
fn known(id: Option<EventId>, what: Copy, text: Option<String>) -> Result<String, String> {
    match what {
        Copy::Id => Ok(id.ok_or_else(no_event)?.to_string()),
        Copy::Show => Ok(format!("inhaul show {}", id.ok_or_else(no_event)?)),
        Copy::JqPath => text.ok_or_else(|| "the body is no JSON that is shown as a tree".to_owned()),
        Copy::Url | Copy::Body | Copy::Curl | Copy::Httpie | Copy::Fetch | Copy::Raw | Copy::Signed => {
            text.ok_or_else(|| "the endpoint's URL is not known yet".to_owned())
        }
    }
}

/// What is written of an event for a copy, and what the name of its file ends with; nothing for what needs no event.
fn format(what: Copy) -> Option<(one::Format, &'static str)> {
    Some(match what {
        Copy::Body => (one::Format::Body, "body"),
        Copy::Curl => (one::Format::Curl, "sh"),
        Copy::Httpie => (one::Format::Httpie, "sh"),
        Copy::Fetch => (one::Format::Fetch, "mjs"),
        Copy::Raw => (one::Format::Raw, "http"),
        Copy::Signed => (one::Format::Signed, "txt"),
        Copy::Id | Copy::Url | Copy::JqPath | Copy::Show => return None,
    })
}

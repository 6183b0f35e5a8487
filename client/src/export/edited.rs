//! What was sent in place of an event, where a person changed it.

use inhaul_core::event::{Event, Head, UnixMillis};

use super::{Exported, Mask};
use crate::{
    draft::{self, Changes, Draft, EditId, IdChange, Sign, Signer},
    row::{Attempt, Changed, EventRow},
};

/// The request that a draft makes of an event, but for what was made anew for each attempt.
#[derive(Clone, Debug)]
pub struct Edited {
    edit: EditId,
    event: Event,
    /// SHA-256 of the body before anything in it was masked.
    body_sha256: [u8; 32],
    marks: bool,
    /// Signature and id are those that were received, or were changed by hand.
    keeps_signature_and_id: bool,
}

/// The request of an attempt, and how far it is what went out.
pub(super) struct Sent {
    pub(super) event: Event,
    pub(super) head: Head,
    pub(super) fidelity: Fidelity,
}

/// How far a request that is written is the one that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fidelity {
    /// It is.
    Sent,
    /// What was made for the attempt alone, a signature or an id, is not in it.
    Partly,
    /// It is the one that was received.
    Received,
}

/// The drafts that attempts of an event were made with, each once.
pub fn edits(row: &EventRow) -> Vec<EditId> {
    let mut edits: Vec<EditId> =
        row.attempts.iter().filter_map(|attempt| attempt.changed.as_ref()?.edit).collect();
    edits.sort_unstable();
    edits.dedup();
    edits
}

impl Exported {
    /// Adds a draft that attempts were made with, for the formats that write what each attempt sent. `whole` is the event as it was
    /// received; a draft that does not fit it adds nothing.
    pub fn add_draft(&mut self, whole: &Event, edit: EditId, draft: &Draft, mask: Option<&Mask>) {
        let Draft { body, changes } = draft.clone();
        let (marks, sign, id) = (changes.mark, changes.sign, changes.id);
        let content = Changes { sign: Sign::Keep, id: IdChange::Keep, mark: false, ..changes };
        // Only a signature would need the time.
        let applied =
            draft::apply(whole, &Draft { body, changes: content }, &Signer::default(), UnixMillis(0));
        let Ok(sent) = applied else { return };
        let body_sha256 = sent.body_sha256;
        let event = match mask {
            Some(mask) => mask.apply(sent, self.row.clone()).map(|masked| masked.event),
            None => Ok(sent),
        };
        let keeps_signature_and_id = sign == Sign::Keep && id == IdChange::Keep;
        self.edits.extend(event.map(|event| Edited {
            edit,
            event,
            body_sha256,
            marks,
            keeps_signature_and_id,
        }));
    }

    /// The request of an attempt that sent something else than was received.
    pub(super) fn sent_by(&self, attempt: &Attempt, changed: &Changed) -> Sent {
        self.edited_by(attempt, changed).unwrap_or_else(|| Sent {
            event: self.event.clone(),
            head: self.head.clone(),
            fidelity: Fidelity::Received,
        })
    }

    fn edited_by(&self, attempt: &Attempt, changed: &Changed) -> Option<Sent> {
        let edited = self.edits.iter().find(|edited| Some(edited.edit) == changed.edit)?;
        let event = match edited.marks {
            true => draft::marked(&edited.event, self.event.id, attempt.number),
            false => edited.event.clone(),
        };
        let is_whole = edited.keeps_signature_and_id && edited.body_sha256 == changed.body_sha256;
        let fidelity = if is_whole { Fidelity::Sent } else { Fidelity::Partly };
        Some(Sent { head: event.parsed_head().ok()?, event, fidelity })
    }
}

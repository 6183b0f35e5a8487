//! Signatures checked anew: asked for, and what came of it.

use inhaul_core::{
    event::EventId,
    signature::{Digests, Verdict},
};

use super::{
    message::Effect,
    state::{State, ToastKind},
};
use crate::output::{count_text, verdict_text};

/// What came of checking events anew: their verdicts, and why not all have one.
pub(super) type Verified = (Vec<Verdict>, Option<String>);

/// Has the marked events checked anew, else the selected one.
pub(super) fn ask(state: &mut State, effects: &mut Vec<Effect>) {
    let ids = state.chosen();
    if !ids.is_empty() {
        effects.push(Effect::Verify(ids));
    }
}

/// Tells what came of it.
pub(super) fn told(state: &mut State, (verdicts, why_not): Verified) {
    let is_valid = |verdict: &Verdict| matches!(verdict, Verdict::Valid { .. });
    let found = match verdicts.as_slice() {
        [] => String::new(),
        [one] => format!("verified again: {}", verdict_text(one)),
        many => {
            let valid = many.iter().filter(|verdict| is_valid(verdict)).count();
            format!("{} verified again: {valid} valid", count_text(many.len() as u64, "event"))
        }
    };
    let kind = if verdicts.iter().all(is_valid) { ToastKind::Good } else { ToastKind::Bad };
    match why_not {
        None => state.tell(found, kind),
        Some(reason) if found.is_empty() => state.tell(format!("not verified: {reason}"), ToastKind::Bad),
        Some(reason) => state.tell(format!("{found}; not all: {reason}"), ToastKind::Bad),
    }
}

/// Takes in the digests of the event that is open.
pub(super) fn found(state: &mut State, id: EventId, digests: Option<Digests>) {
    if let Some(detail) = state.detail.as_mut().filter(|detail| detail.id == id) {
        detail.digests = digests;
    }
}

/// Asks for the digests of the event that is open, when its signature is wrong.
pub(super) fn ask_for_digests(state: &State, id: EventId, effects: &mut Vec<Effect>) {
    let is_wrong = |id| state.row(id).is_some_and(|row| matches!(row.verdict, Some(Verdict::Invalid { .. })));
    if state.detail.as_ref().is_some_and(|detail| detail.id == id) && is_wrong(id) {
        effects.push(Effect::LoadDigests(id));
    }
}

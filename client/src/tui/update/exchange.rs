//! Copying, saving and comparing, as far as the state goes.

use std::path::PathBuf;

use super::{
    super::{
        clipboard::{HandedOn, TERMINAL_MAX_BYTES, Way},
        exchange::{Comparison, Copied},
        keys::{Copy, View},
        message::Effect,
        state::{State, ToastKind},
        tree::Tree,
    },
    short,
};
use crate::output::size_text;

/// Asks for a copy of something of the selected event.
pub(super) fn copy(state: &mut State, what: Copy, effects: &mut Vec<Effect>) {
    let id = state.selected;
    if id.is_none() && what != Copy::Url {
        return state.tell("there is no event to copy".to_owned(), ToastKind::Note);
    }
    let text = match what {
        Copy::Url => state.ready.as_ref().map(|ready| ready.endpoint_url.clone()),
        Copy::JqPath => state.tree().map(Tree::path),
        Copy::Body
        | Copy::Curl
        | Copy::Httpie
        | Copy::Fetch
        | Copy::Raw
        | Copy::Signed
        | Copy::Id
        | Copy::Show => None,
    };
    effects.push(Effect::Copy { id, what, masks: state.look.masks, text });
}

pub(super) fn copied(state: &mut State, result: Result<Copied, String>, effects: &mut Vec<Effect>) {
    let Copied { what, bytes, masked, way } = match result {
        Ok(copied) => copied,
        Err(reason) => return state.tell(format!("not copied: {reason}"), ToastKind::Bad),
    };
    let what = match what {
        Copy::Body => "body",
        Copy::Curl => "curl command",
        Copy::Httpie => "HTTPie command",
        Copy::Fetch => "fetch",
        Copy::Raw => "request",
        Copy::Signed => "signed bytes",
        Copy::Id => "id",
        Copy::Url => "URL",
        Copy::JqPath => "jq path",
        Copy::Show => "command",
    };
    let to = match &way {
        Way::Native(program) => format!("copied to the clipboard (by {program})"),
        Way::Tmux(HandedOn::Yes) => {
            "copied to tmux's buffer, and handed to its terminal's clipboard".to_owned()
        }
        Way::Tmux(HandedOn::IsOff) => "copied to tmux's buffer only: its set-clipboard is off".to_owned(),
        Way::Tmux(HandedOn::TooOld) => {
            "copied to tmux's buffer only: tmux before 3.2 hands nothing on".to_owned()
        }
        Way::Terminal(_) => "given to the terminal's clipboard (OSC 52)".to_owned(),
        Way::File(path) if bytes > TERMINAL_MAX_BYTES => {
            format!("too long for the clipboard, written to {}", path.display())
        }
        Way::File(path) => format!("written to {}", path.display()),
    };
    let mask = state.keymap.written("mask");
    let masked = if masked { format!("; secrets are masked, {mask} shows them") } else { String::new() };
    state.tell(format!("{what}, {}: {to}{masked}", size_text(bytes as u64)), ToastKind::Good);
    if let Way::Terminal(bytes) = way {
        effects.push(Effect::Clipboard(bytes));
    }
}

/// Asks for the body of the selected event in a file.
pub(super) fn save_body(state: &State, effects: &mut Vec<Effect>) {
    effects.extend(state.selected.map(Effect::SaveBody));
}

pub(super) fn saved(state: &mut State, result: Result<(PathBuf, usize), String>) {
    match result {
        Ok((path, bytes)) => {
            let text = format!("body, {}: saved to {}", size_text(bytes as u64), path.display());
            state.tell(text, ToastKind::Good);
        }
        Err(reason) => state.tell(format!("the body is not saved: {reason}"), ToastKind::Bad),
    }
}

/// Asks for a comparison of the two marked events; unless there are two, of the selected one with the one before it that is like it.
pub(super) fn compare(state: &mut State, effects: &mut Vec<Effect>) {
    let mut marked = state.marked.iter().copied();
    let pair = match (marked.next(), marked.next(), marked.next()) {
        (Some(one), Some(other), None) => Some((one, other)),
        _ => state.selected.and_then(|selected| Some((state.events.like_before(selected)?, selected))),
    };
    match pair {
        Some((before, selected)) => {
            let text = format!("comparing {} with {}", short(before), short(selected));
            state.tell(text, ToastKind::Note);
            effects.push(Effect::Compare(before, selected));
        }
        None => {
            let text = "no event of the same endpoint and type is before it in the list".to_owned();
            state.tell(text, ToastKind::Note);
        }
    }
}

pub(super) fn compared(state: &mut State, result: Result<Box<Comparison>, String>) {
    match result {
        Ok(comparison) => {
            state.toast.take_if(|toast| toast.kind == ToastKind::Note);
            if comparison.whole.is_empty() {
                state.tell("no difference".to_owned(), ToastKind::Good);
            }
            state.comparison = Some(*comparison);
            state.comparisons += 1;
            // Until something is looked for, one goes from difference to difference.
            state.search.clear();
            (state.view, state.view_scroll) = (Some(View::Diff), 0);
        }
        Err(reason) => state.tell(format!("not compared: {reason}"), ToastKind::Bad),
    }
}

/// One column in place of two, or two in place of one.
pub(super) fn other_layout(state: &mut State) {
    if state.view != Some(View::Diff) {
        return;
    }
    if let Some(comparison) = &mut state.comparison {
        comparison.is_side_by_side = !comparison.is_side_by_side;
    }
    state.view_scroll = 0;
}

/// Goes to the next difference, or the one before.
pub(super) fn step(state: &mut State, backwards: bool) {
    let (lines, at) = (&state.page.beginnings, state.view_scroll);
    let found = if backwards {
        lines.iter().rev().find(|line| **line < at).or(lines.last())
    } else {
        lines.iter().find(|line| **line > at).or(lines.first())
    };
    match found {
        Some(line) => state.view_scroll = *line,
        None => state.tell("there is no difference".to_owned(), ToastKind::Note),
    }
}

//! Commands with something behind their names: `:save NAME`, `:play NAME`, `:filter TEXT`, `:goto ID` and `:goto TIME`.

use inhaul_core::{event::UnixMillis, filter::moment};
use tui_input::Input;

use super::{
    keys::View,
    message::Effect,
    scenario,
    state::{Prompt, PromptKind, State, ToastKind},
    update::set_filter,
};
use crate::listing::Entry;

/// Such a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Scenario(scenario::Named),
    Filter(String),
    Goto(String),
}

impl Named {
    /// Reads one.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (command, behind) = text.trim().split_once(' ')?;
        match command {
            "filter" => Some(Self::Filter(behind.trim().to_owned())),
            "goto" => Some(Self::Goto(behind.trim().to_owned())),
            _ => scenario::Named::read(text).map(Self::Scenario),
        }
    }

    /// What it does, for people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Scenario(named) => named.text(),
            Self::Filter(text) => format!("show events that pass {text}"),
            Self::Goto(to) => format!("go to the event {to}, or to the first since then if it is a time"),
        }
    }
}

/// Begins a command, so that only what stands behind it is left to type.
pub(super) fn begin(state: &mut State, text: &str) {
    (state.view, state.view_scroll) = (Some(View::Commands), 0);
    state.asked_about = state.chosen();
    state.prompt = Some(Prompt { kind: PromptKind::Command, input: Input::new(text.to_owned()) });
}

/// Does what a command asks for.
pub(super) fn act(state: &mut State, named: Named, effects: &mut Vec<Effect>) {
    match named {
        Named::Scenario(named) => scenario::act(state, named, effects),
        Named::Filter(text) => {
            set_filter(state, &text);
            state.remember_filter();
        }
        Named::Goto(to) => match moment(&to, state.now) {
            Some(then) => go_to_time(state, then),
            None => go_to_event(state, &to),
        },
    }
}

/// Selects the first event that was received since then.
fn go_to_time(state: &mut State, then: UnixMillis) {
    let since = |entry: &&(usize, &Entry)| entry.1.received_at >= then;
    let shown = (0..state.events.shown()).filter_map(|place| Some((place, state.events.at(place)?)));
    let first = shown.filter(|entry| since(&entry)).min_by_key(|(_, entry)| entry.received_at);
    match first.map(|(place, _)| place) {
        Some(place) => select(state, place),
        None => state.tell(format!("no event that is shown was received since {then}"), ToastKind::Note),
    }
}

/// Selects the event whose id is this, or begins like this.
fn go_to_event(state: &mut State, id: &str) {
    let small = id.to_ascii_lowercase();
    let is_it =
        |place: &usize| state.events.at(*place).is_some_and(|entry| entry.id.to_string().starts_with(&small));
    let found = (0..state.events.shown()).rev().find(is_it).filter(|_| !small.is_empty());
    match found {
        Some(place) => select(state, place),
        None => {
            let text = format!(
                "no event that is shown has the id {id}, and it is no time; `id:` in a filter also looks for the provider's"
            );
            state.tell(text, ToastKind::Note);
        }
    }
}

fn select(state: &mut State, place: usize) {
    state.select(place);
    state.follows = false;
}

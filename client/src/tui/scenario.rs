//! Scenarios in the inspector: saved of what is marked or put together in the dialog, and played.

use std::path::PathBuf;

use crossterm::event::KeyCode;
use inhaul_core::event::EventId;

use super::{
    keys::View,
    message::Effect,
    named,
    state::{State, ToastKind},
};
use crate::{
    draft::Draft,
    forward::Target,
    output::count_text,
    scenario::{Cue, Played},
};

pub(super) mod outside;

/// What a key asks for: its command, to be typed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Command {
    Save,
    Play,
}

/// A command with a name behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Save { name: String, replace: bool },
    Play(String),
}

/// A scenario that is to be saved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Saving {
    pub(super) name: String,
    pub(super) ids: Vec<EventId>,
    pub(super) to: Option<Target>,
    pub(super) draft: Draft,
    pub(super) delay_ms: u64,
    /// Credentials are left out.
    pub(super) masks: bool,
    /// One of that name is written over.
    pub(super) replace: bool,
}

/// What came of saving one.
#[derive(Clone, Debug)]
pub(super) enum Saved {
    At {
        path: PathBuf,
        steps: usize,
        masked: bool,
    },
    /// There is one of that name.
    Exists(PathBuf),
    Failed(String),
}

/// A scenario that is played, or was last.
pub(super) struct Play {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) cues: Vec<Cue>,
    pub(super) done: Vec<Played>,
    pub(super) is_over: bool,
}

/// The name and the steps of a scenario whose play begins.
pub(super) struct Begun {
    pub(super) name: String,
    pub(super) cues: Vec<Cue>,
}

impl Named {
    /// Reads such as `save orders`, `save! orders` and `play orders`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (command, name) = text.trim().split_once(' ')?;
        let name = name.trim().to_owned();
        match command {
            "save" => Some(Self::Save { name, replace: false }),
            "save!" => Some(Self::Save { name, replace: true }),
            "play" => Some(Self::Play(name)),
            _ => None,
        }
    }

    /// What it does, for people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Save { name, replace: false } => format!("save what is marked as the scenario {name}"),
            Self::Save { name, replace: true } => {
                format!("save what is marked as the scenario {name}, over one that is there")
            }
            Self::Play(name) => format!("play the scenario {name}"),
        }
    }
}

/// Begins a command, so that only the name is left to type.
pub(super) fn ask(state: &mut State, command: Command) {
    named::begin(state, if command == Command::Save { "save " } else { "play " });
}

/// Does what a command with a name asks for.
pub(super) fn act(state: &mut State, named: Named, effects: &mut Vec<Effect>) {
    match named {
        Named::Save { name, replace } => {
            let ids = std::mem::take(&mut state.asked_about);
            if ids.is_empty() {
                return state.tell("there is no event to save".to_owned(), ToastKind::Note);
            }
            let draft = Draft::default();
            let masks = state.look.masks;
            effects.push(Effect::SaveScenario(Box::new(Saving {
                name,
                ids,
                to: None,
                draft,
                delay_ms: 0,
                masks,
                replace,
            })));
        }
        Named::Play(name) => {
            // One at a time: what came of an earlier one is not shown any more.
            effects.extend(state.play.take().map(|play| Effect::Stop(play.number)));
            state.runs += 1;
            effects.push(Effect::Play(state.runs, name));
        }
    }
}

/// A scenario is saved, or not.
pub(super) fn saved(state: &mut State, name: &str, saved: Saved) {
    match saved {
        Saved::At { path, steps, masked } => {
            let masked = if masked { "; credentials are masked" } else { "" };
            let steps = count_text(steps as u64, "step");
            let text = format!("{}, {steps}{masked}; `inhaul play {name}` plays it", path.display());
            state.tell(text, ToastKind::Good);
        }
        Saved::Exists(path) => {
            let again = match &mut state.dialog {
                Some(dialog) => {
                    dialog.replaces = Some(name.to_owned());
                    "F7 again writes over it".to_owned()
                }
                None => format!(":save! {name} writes over it"),
            };
            state.tell(format!("{} is there already; {again}", path.display()), ToastKind::Note);
        }
        Saved::Failed(reason) => state.tell(format!("not saved: {reason}"), ToastKind::Bad),
    }
}

/// The scenario can be played, or not.
pub(super) fn begun(state: &mut State, number: u64, begun: Result<Begun, String>) {
    if number != state.runs {
        return;
    }
    match begun {
        Ok(Begun { name, cues }) => {
            state.play = Some(Play { number, name, cues, done: Vec::new(), is_over: false });
            (state.view, state.view_scroll) = (Some(View::Play), 0);
        }
        Err(reason) => state.tell(format!("not played: {reason}"), ToastKind::Bad),
    }
}

/// A step is done; with nothing, all are.
pub(super) fn played(state: &mut State, number: u64, played: Option<Played>) {
    let Some(play) = state.play.as_mut().filter(|play| play.number == number) else { return };
    match played {
        Some(played) => play.done.push(played),
        None => {
            play.is_over = true;
            let (text, is_good) = (play.summary(), play.expected() == play.cues.len());
            state.tell(text, if is_good { ToastKind::Good } else { ToastKind::Bad });
        }
    }
}

impl Play {
    fn expected(&self) -> usize {
        self.done.iter().filter(|played| played.unexpected.is_none()).count()
    }

    /// How it goes, in a line.
    pub(super) fn summary(&self) -> String {
        let (name, expected, steps) = (&self.name, self.expected(), self.cues.len());
        let done = self.done.len();
        if self.is_over {
            format!("{name}: {expected} of {} as expected", count_text(steps as u64, "answer"))
        } else {
            format!("{name}: {done} of {} done, {expected} as expected", count_text(steps as u64, "step"))
        }
    }
}

/// A key on the page of what was played: esc stops what is under way, as in the replay dialog.
pub(super) fn stops(state: &mut State, key: KeyCode, effects: &mut Vec<Effect>) -> bool {
    let is_shown = state.view == Some(View::Play) && state.prompt.is_none();
    match state.play.as_mut().filter(|play| is_shown && key == KeyCode::Esc && !play.is_over) {
        Some(play) => {
            effects.push(Effect::Stop(play.number));
            true
        }
        None => false,
    }
}

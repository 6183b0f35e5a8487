//! What reaches the inspector, and what it wants done.

use std::path::PathBuf;

use bytes::Bytes;
use crossterm::event::{KeyEvent, MouseEvent};
use inhaul_core::{
    event::{EventId, UnixMillis},
    filter::Filter,
    signature::Digests,
};

use super::{
    content::Opened,
    exchange::{Comparison, Copied},
    keys::Copy,
    piping::News,
    scenario::{Begun, Saved, Saving},
    state::Thread,
    verifying::Verified,
};
use crate::{
    annotation::Annotation,
    history::{Deletions, Ruling},
    hold::{HoldChange, HoldState},
    jq::Answer,
    live::Live,
    output::body::Form,
    pipeline::Signing,
    replay::{Plan, Preview, Sent},
    row::{Attempt, EventRow},
    scenario::Played,
};

/// Something happened.
pub(super) enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// The terminal has this many columns and lines.
    Resize(u16, u16),
    /// The client tells something.
    Live(Live),
    /// Older rows, newest first; none are older than the last when it is `whole`.
    Rows {
        /// The rows.
        rows: Vec<EventRow>,
        /// Whether the history has no older ones.
        whole: bool,
    },
    /// Rows of these events, as far as there are any.
    RowsOf(Vec<EventId>, Vec<EventRow>),
    /// An event's bytes, or why there are none.
    Loaded(EventId, Result<Box<Opened>, String>),
    /// Which of some events pass the filter of this number.
    Judged(u64, Vec<(EventId, bool)>),
    /// It is this time.
    Time(UnixMillis),
    /// On how many events something was noted, and why not on all.
    Annotated(usize, Option<String>),
    /// What became of events that were to be deleted.
    Deleted(Deletions),
    /// Events that are back, and why not all are.
    Restored(Vec<EventRow>, Option<String>),
    /// The thread of an event.
    Thread(EventId, Thread),
    /// The signature of an event beside what would be right, where that can be told.
    Digests(EventId, Option<Digests>),
    /// What came of checking signatures anew.
    Verified(Verified),
    /// What came of a replay.
    Replayed(Result<Attempt, String>),
    /// What the plan of this number would send.
    Previewed(u64, Result<Preview, String>),
    /// One request of the plan of this number is done; with nothing, none is sent any more.
    Sent(u64, Option<Sent>),
    /// What is held from now on.
    Hold(Result<HoldState, String>),
    /// What was decided on held events, and on how many.
    Decided(&'static str, Result<u64, String>),
    /// An event's body as it was edited; nothing when nothing was changed.
    Edited(EventId, Result<Option<Bytes>, String>),
    /// What came of the command of this number.
    Piped(u64, News),
    /// What the jq program of this number returned for an event.
    Queried(u64, EventId, Result<Answer, String>),
    /// Something could not be done, and why.
    Failed(String),
    /// Where a copy went.
    Copied(Result<Copied, String>),
    /// The file a body was saved to, and its length.
    Saved(Result<(PathBuf, usize), String>),
    /// What came of saving a scenario of this name.
    ScenarioSaved(String, Saved),
    /// The scenario of this number is played from now on, or why not.
    PlayBegun(u64, Result<Begun, String>),
    /// A step of it is done; with nothing, none is sent any more.
    Played(u64, Option<Played>),
    /// What differs between two events.
    Compared(Result<Box<Comparison>, String>),
}

/// Something is to be done outside.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    /// Load rows older than this one, or the newest.
    LoadRows(Option<EventId>),
    /// Load the rows of these events.
    LoadRowsOf(Vec<EventId>),
    /// Load an event's bytes.
    Load(EventId),
    /// Find out from their bytes which events, marked or not, pass the filter of this number.
    Judge(u64, Filter, Vec<(EventId, bool)>),
    /// Find it out no longer: another filter is on.
    StopJudging,
    /// Note something on events.
    Annotate(Vec<EventId>, Annotation),
    /// Delete events.
    Delete(Vec<EventId>),
    /// Take the deletion of events back.
    Restore(Vec<EventId>),
    /// Save a filter under a name.
    SaveFilter(String, String),
    /// Write the filters that were used, as they are after this many changes.
    SaveUsed(u64, Vec<String>),
    /// Find out what the signature of an event should have been.
    LoadDigests(EventId),
    /// Check the signatures of events anew.
    Verify(Vec<EventId>),
    /// Load the thread of an event.
    LoadThread(EventId),
    /// Send an event once more.
    Replay(EventId, Signing),
    /// Find out what a plan would send.
    Preview(u64, Box<Plan>),
    /// Carry a plan out.
    CarryOut(u64, Box<Plan>),
    /// End what is under way by this number: send no more of a plan or scenario, or end a command.
    Stop(u64),
    /// Change what is held.
    Hold(HoldChange),
    /// Decide on held events.
    Decide(Vec<EventId>, Ruling),
    /// Release every event that is held, those of the list in its order.
    ReleaseAll(Vec<EventId>),
    /// Connect to the relay now, or ask whether the connection lives.
    Reconnect,
    /// Have an event's body edited, or one that was edited before.
    Edit(EventId, Option<Bytes>),
    /// Run a jq program on the body of an event, with secrets or without; it has this number.
    Query(u64, EventId, String, bool),
    /// Pipe the bodies of events to the command, one after another; it has this number.
    Pipe(u64, Vec<EventId>, String),
    /// Show an event's whole body in a pager, with secrets or without.
    Page(EventId, Form, bool),
    /// Copy something of an event.
    Copy {
        /// Which event; nothing when only what the screen knows is copied.
        id: Option<EventId>,
        /// What of it.
        what: Copy,
        /// Secrets are left out.
        masks: bool,
        /// What is copied, where the screen knows it: the endpoint's URL, or where one is in the body.
        text: Option<String>,
    },
    /// Have the terminal put this on its clipboard.
    Clipboard(Vec<u8>),
    /// Save an event's body to a file.
    SaveBody(EventId),
    /// Compare two events.
    Compare(EventId, EventId),
    /// Save a scenario.
    SaveScenario(Box<Saving>),
    /// Play the scenario of this name, under this number.
    Play(u64, String),
    /// Take the mouse, or leave it to the terminal.
    TakeMouse(bool),
    /// Draw everything anew.
    Redraw,
    /// Give the terminal to the shell until it is given back.
    Suspend,
    /// End, and leave the last screen when `keep`.
    Quit {
        /// Whether the screen stays.
        keep: bool,
    },
}

//! What reaches the inspector, and what it wants done.

use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseEvent};
use inhaul_core::{
    event::{EventId, UnixMillis},
    filter::Filter,
};

use super::{
    content::Opened,
    exchange::{Comparison, Copied},
    keys::Copy,
    state::Thread,
};
use crate::{
    annotation::Annotation,
    live::Live,
    pipeline::Signing,
    row::{Attempt, EventRow},
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
    /// The thread of an event.
    Thread(EventId, Thread),
    /// What came of a replay.
    Replayed(Result<Attempt, String>),
    /// Where a copy went.
    Copied(Result<Copied, String>),
    /// The file a body was saved to, and its length.
    Saved(Result<(PathBuf, usize), String>),
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
    /// Find out from their bytes which events pass the filter of this number.
    Judge(u64, Filter, Vec<EventId>),
    /// Note something on events.
    Annotate(Vec<EventId>, Annotation),
    /// Save a filter under a name.
    SaveFilter(String, String),
    /// Load the thread of an event.
    LoadThread(EventId),
    /// Send an event once more.
    Replay(EventId, Signing),
    /// Copy something of an event.
    Copy {
        /// Which event.
        id: EventId,
        /// What of it.
        what: Copy,
        /// Secrets are left out.
        masks: bool,
        /// The endpoint's URL, where it is known.
        url: Option<String>,
    },
    /// Have the terminal put this on its clipboard.
    Clipboard(Vec<u8>),
    /// Save an event's body to a file.
    SaveBody(EventId),
    /// Compare two events.
    Compare(EventId, EventId),
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

//! What keys do.

use super::{Command, Holding};
use crate::{listing::By, output::body::Form};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Go(Way),
    Open,
    OtherPane,
    Back,
    Quit,
    QuitNow,
    Suspend,
    Redraw,
    Show(View),
    Replay,
    ReplaySigned,
    Hold(Holding),
    Filter,
    Search,
    SearchNext,
    SearchBefore,
    Follow,
    Tab(Tab),
    NextTab,
    TabBefore,
    Fold,
    FoldAll,
    UnfoldAll,
    Change(Change),
    /// Only events of the same kind as the selected one; or none of them.
    OfKind(bool),
    /// Only events with the same value in their bodies.
    SameValue,
    /// To an event or a time.
    Goto,
    /// Checks signatures anew.
    Verify,
    /// Connects to the relay now.
    Reconnect,
    NextFailure,
    FailureBefore,
    /// The one behind the event that is open.
    NextEvent,
    EventBefore,
    Note(Note),
    Copy(Copy),
    SaveBody,
    Body(OnBody),
    Compare,
    DiffLayout,
    Scenario(Command),
}

/// What is done with the body of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OnBody {
    /// The whole of it in a pager.
    Page(Form),
    /// Asked by a jq program.
    Query,
    /// Given to a command.
    Pipe,
    /// Shown as it was sent, or as it reads.
    AsSent,
}

/// What is noted on events, and which filter finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Note {
    Mark,
    MarkAndGoDown,
    UnmarkAll,
    OnlyMarked,
    /// Everything from one end to the other.
    Range,
    /// Everything in the list.
    MarkShown,
    Tags,
    Comment,
    /// Deletes what is marked or selected.
    Delete,
    /// Takes the last deletion back.
    Undo,
    /// A saved filter, by its place in the order of names.
    Saved(usize),
}

/// What of an event is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Copy {
    Body,
    Curl,
    Httpie,
    Fetch,
    Raw,
    Signed,
    Id,
    Url,
    /// Where one is in the body.
    JqPath,
    Show,
}

/// What covers list and event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum View {
    Help,
    /// Everything a key can do.
    Commands,
    Options,
    Log,
    Relay,
    /// The events of the same object.
    Thread,
    /// Two events compared.
    Diff,
    /// What a command printed.
    Piped,
    /// The scenario played last.
    Play,
}

/// What of the look is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    Times,
    Layout,
    Wider,
    Narrower,
    Hints,
    Mouse,
    Mask,
    /// By what the list is ordered; again turns it round.
    OrderBy(By),
    ReverseOrder,
}

/// Where to go, in the list, the event or a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Down,
    Up,
    HalfDown,
    HalfUp,
    PageDown,
    PageUp,
    First,
    Last,
}

/// What of an event is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Tab {
    #[default]
    Body,
    Headers,
    Signature,
    Attempts,
    Raw,
}

impl Tab {
    pub(crate) const ALL: [Self; 5] = [Self::Body, Self::Headers, Self::Signature, Self::Attempts, Self::Raw];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Body => "Body",
            Self::Headers => "Headers",
            Self::Signature => "Signature",
            Self::Attempts => "Attempts",
            Self::Raw => "Raw",
        }
    }

    /// The name where there is little room.
    pub(crate) fn short_name(self) -> &'static str {
        match self {
            Self::Body => "Body",
            Self::Headers => "Head",
            Self::Signature => "Sig",
            Self::Attempts => "Tries",
            Self::Raw => "Raw",
        }
    }
}

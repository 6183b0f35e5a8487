//! What can go wrong with the history, and what a person can do about it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use inhaul_core::event::EventId;
use thiserror::Error;

use super::lock::Holder;
use crate::{annotation::AnnotationError, data_dir::DataDirError};

/// Why the history could not be opened, or could not do what it was asked.
#[derive(Clone, Debug, Error)]
pub enum HistoryError {
    /// Another process uses the data directory.
    #[error("the data directory {} is in use by {}", data_dir.display(), holder_text(holder.as_ref()))]
    Locked {
        /// The directory.
        data_dir: PathBuf,
        /// Who, if that process said so.
        holder: Option<Holder>,
    },
    /// A file or directory could not be read or made.
    #[error("{}: {reason}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A later release wrote it.
    #[error("{} was written by a later release of inhaul", path.display())]
    LaterRelease {
        /// What.
        path: PathBuf,
    },
    /// The journal of a period could not be opened.
    #[error("the history in {} cannot be opened: {reason}", path.display())]
    Journal {
        /// The directory of the period.
        path: PathBuf,
        /// What the journal says.
        reason: String,
    },
    /// What is on record of one event cannot be looked up or read, because an old period cannot be opened, or the system refuses. The
    /// others can be.
    #[error("the event {id} cannot be looked up: {reason}")]
    Unreadable {
        /// Which event.
        id: EventId,
        /// The directory of the period it is in, or may be in.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A record did not reach the disk.
    #[error("not stored: {reason}")]
    NotStored {
        /// What the journal says.
        reason: String,
    },
    /// No event of that id is stored.
    #[error("no event {0} is stored")]
    Unknown(EventId),
    /// Nobody has to decide on this event.
    #[error("the event {0} is not held")]
    NotHeld(EventId),
    /// Something is still to be done with this event.
    #[error("the event {id} cannot be deleted: {reason}")]
    NotDeletable {
        /// Which event.
        id: EventId,
        /// What is still to be done.
        reason: &'static str,
    },
    /// The bytes of deleted events could not be overwritten.
    #[error("not erased: {reason}")]
    NotErased {
        /// What the journal says.
        reason: String,
    },
    /// What was to be noted on an event is beyond a limit.
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    /// The event's row is there and its bytes are not.
    #[error("the bytes of event {id} cannot be read: {reason}")]
    Damaged {
        /// Which event.
        id: EventId,
        /// What the journal says.
        reason: String,
    },
    /// The history was closed meanwhile.
    #[error("the history is closed")]
    Closed,
}

impl HistoryError {
    /// What a person can do about it, where something can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Locked { holder, .. } => Some(match holder {
                Some(holder) => format!(
                    "stop that process (pid {}), or use another directory with `--data DIR`",
                    holder.pid
                ),
                None => "stop that process, or use another directory with `--data DIR`".to_owned(),
            }),
            Self::Io { path, .. } => Some(format!(
                "`{}` must be readable and writable for you; nothing was changed. `--data DIR` names another directory",
                path.display()
            )),
            Self::LaterRelease { .. } => Some(
                "install that release or a newer one, or start afresh with `--data DIR`; nothing was changed"
                    .to_owned(),
            ),
            Self::Journal { path, .. } => Some(format!(
                "nothing was changed. Move `{}` elsewhere to go on without the events in it",
                path.display()
            )),
            Self::Unreadable { path, .. } => Some(format!(
                "nothing was changed. Where `{}` stays as it is, moving it elsewhere lets everything go on without the events in it",
                path.display()
            )),
            Self::NotStored { .. } => {
                Some("is the disk full? Events wait at the relay until there is room".to_owned())
            }
            Self::Unknown(_) => Some("`inhaul events` lists what is stored".to_owned()),
            Self::NotDeletable { .. } => {
                Some("`inhaul show` says what is left to do for it; it can be deleted then".to_owned())
            }
            Self::NotHeld(_) => Some("`inhaul events --held` lists the events that are".to_owned()),
            Self::NotErased { .. } | Self::Annotation(_) | Self::Damaged { .. } | Self::Closed => None,
        }
    }

    pub(super) fn io(path: &Path, source: &io::Error) -> Self {
        Self::Io { path: path.to_owned(), reason: source.to_string() }
    }
}

impl From<DataDirError> for HistoryError {
    fn from(error: DataDirError) -> Self {
        match error {
            DataDirError::Io { path, error } => Self::io(&path, &error),
            DataDirError::IsFile { ref path }
            | DataDirError::OfAnother { ref path, .. }
            | DataDirError::OpenToOthers { ref path, .. }
            | DataDirError::ClientId { ref path } => {
                Self::Io { path: path.clone(), reason: error.to_string() }
            }
            DataDirError::NoHome => Self::Io { path: PathBuf::from("~"), reason: error.to_string() },
        }
    }
}

/// An error and what led to it, in one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error).chain(causes).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn holder_text(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), ToString::to_string)
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (pid {}) since {}", self.command.escape_debug(), self.pid, self.started_at)
    }
}

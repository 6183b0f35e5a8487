//! How a command gets at the history: by itself when nobody has it open, through the process that has otherwise.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use inhaul_core::event::{Event, EventId};
use thiserror::Error;
use tokio::time::Instant;

use crate::{
    annotation::Annotation,
    control::{Remote, RemoteError},
    draft::{Edit, EditId},
    history::{
        Deletions, Facts, Found, History, HistoryError, Holder, Opened, Options, PeriodInfo, Prune, Relation,
        Ruling, Status, Stored,
    },
    row::{EventRow, EventState},
};

/// How long to wait for a process that starts or ends: it has the directory and does not answer yet, or no more.
const SETTLE_TIME: Duration = Duration::from_secs(3);
/// How long to wait between two tries.
const TRY_INTERVAL: Duration = Duration::from_millis(50);

/// A way to the history.
#[derive(Debug)]
pub enum Access {
    /// Nobody else has it: this process does now, until [`Access::close`].
    Direct(History),
    /// A running process has it.
    Remote(Remote),
}

/// Why there is no way to the history, or it led nowhere.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The history itself says so.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A process has the data directory and does not answer.
    #[error("the data directory {} is in use by {holder}, which does not answer: {reason}", data_dir.display())]
    Silent {
        /// The directory.
        data_dir: PathBuf,
        /// Who.
        holder: Holder,
        /// What happened on its socket.
        reason: String,
    },
    /// The running process says so.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

impl AccessError {
    /// What a person can do about it, where something can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::History(error) => error.hint(),
            Self::Silent { holder, .. } => Some(format!(
                "wait a moment, or stop it with `kill {}`; what it stored is safe, and is read without it then",
                holder.pid
            )),
            Self::Remote(RemoteError::OtherRelease) => {
                Some("stop and start `inhaul listen`, so that both are the same release".to_owned())
            }
            Self::Remote(RemoteError::Silent { .. }) => {
                Some("did it just stop? Try again; what it stored is safe".to_owned())
            }
            Self::Remote(RemoteError::Refused(_) | RemoteError::Event(_)) => None,
        }
    }
}

impl Access {
    /// Finds the way to the history of a data directory. A process that has just started or is about to end gets a
    /// moment to do so.
    ///
    /// # Errors
    /// When the history cannot be opened, or the process that has it does not answer.
    pub async fn open(data_dir: &Path) -> Result<Self, AccessError> {
        Self::open_with(data_dir, &Options::default(), SETTLE_TIME).await
    }

    pub(crate) async fn open_with(
        data_dir: &Path,
        options: &Options,
        wait: Duration,
    ) -> Result<Self, AccessError> {
        let deadline = Instant::now() + wait;
        loop {
            let path = data_dir.to_owned();
            let options = Options { lock_wait: Duration::ZERO, ..options.clone() };
            let opened = tokio::task::spawn_blocking(move || History::open_with(&path, options)).await;
            let error = match opened {
                Ok(Ok(Opened { history, .. })) => return Ok(Self::Direct(history)),
                Ok(Err(error)) => error,
                Err(_) => HistoryError::Closed,
            };
            let failed = match &error {
                HistoryError::Locked { holder: Some(holder), .. } => match &holder.socket {
                    Some(socket) => match Remote::connect(socket).await {
                        Ok(remote) => return Ok(Self::Remote(remote)),
                        Err(silent) => AccessError::Silent {
                            data_dir: data_dir.to_owned(),
                            holder: holder.clone(),
                            reason: silent.to_string(),
                        },
                    },
                    None => AccessError::History(error),
                },
                HistoryError::Locked { holder: None, .. } => AccessError::History(error),
                HistoryError::Io { .. }
                | HistoryError::LaterRelease { .. }
                | HistoryError::Journal { .. }
                | HistoryError::Unreadable { .. }
                | HistoryError::NotStored { .. }
                | HistoryError::Unknown(_)
                | HistoryError::NotHeld(_)
                | HistoryError::NotDeletable { .. }
                | HistoryError::NotErased { .. }
                | HistoryError::Annotation(_)
                | HistoryError::Damaged { .. }
                | HistoryError::Closed => return Err(error.into()),
            };
            if Instant::now() >= deadline {
                return Err(failed);
            }
            tokio::time::sleep(TRY_INTERVAL).await;
        }
    }

    /// What was found wrong with the history and put right, when this process opened it: one plain line each.
    pub fn notes(&self) -> Vec<String> {
        match self {
            Self::Direct(history) => history.notes(),
            Self::Remote(_) => Vec::new(),
        }
    }

    /// As [`History::rows`], or with a state as [`History::in_state`].
    ///
    /// # Errors
    /// When the rows cannot be had.
    pub async fn rows(
        &self,
        state: Option<EventState>,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<EventRow>, AccessError> {
        Ok(match (self, state) {
            (Self::Direct(history), None) => history.rows(before, limit).await?,
            (Self::Direct(history), Some(state)) => history.in_state(state, before, limit).await?,
            (Self::Remote(remote), _) => remote.rows(state, before, limit).await?,
        })
    }

    /// Has a held event forwarded, or dropped. Without a running process, the next one forwards it.
    ///
    /// # Errors
    /// When the event is not held, or this could not be written.
    pub async fn decide(&self, id: EventId, ruling: Ruling) -> Result<EventRow, AccessError> {
        Ok(match self {
            Self::Direct(history) => history.decide(id, ruling).await?,
            Self::Remote(remote) => remote.decide(id, ruling).await?,
        })
    }

    /// As [`History::draft`].
    ///
    /// # Errors
    /// When the draft cannot be read.
    pub async fn draft(&self, id: EventId, edit: EditId) -> Result<Option<Edit>, AccessError> {
        Ok(match self {
            Self::Direct(history) => history.draft(id, edit).await?,
            Self::Remote(remote) => remote.draft(id, edit).await?,
        })
    }

    /// As [`History::annotate`].
    ///
    /// # Errors
    /// When it is beyond a limit, or could not be written.
    pub async fn annotate(&self, id: EventId, annotation: Annotation) -> Result<EventRow, AccessError> {
        Ok(match self {
            Self::Direct(history) => history.annotate(id, annotation).await?,
            Self::Remote(remote) => remote.annotate(id, annotation).await?,
        })
    }

    /// As [`History::delete_all`].
    ///
    /// # Errors
    /// When the running process does not answer.
    pub async fn delete_all(&self, ids: Vec<EventId>) -> Result<Deletions, AccessError> {
        Ok(match self {
            Self::Direct(history) => history.delete_all(ids).await,
            Self::Remote(remote) => remote.delete_all(&ids).await?,
        })
    }

    /// As [`History::related`].
    ///
    /// # Errors
    /// When the rows cannot be had.
    pub async fn related(
        &self,
        id: EventId,
        relation: Relation,
        limit: usize,
    ) -> Result<Vec<EventRow>, AccessError> {
        Ok(match self {
            Self::Direct(history) => history.related(id, relation, limit).await?,
            Self::Remote(remote) => remote.related(id, relation, limit).await?,
        })
    }

    /// Stores an event from a file, as [`History::store`] does.
    ///
    /// # Errors
    /// When it could not be stored.
    pub async fn import(&self, event: Event, facts: Facts) -> Result<Stored, AccessError> {
        Ok(match self {
            Self::Direct(history) => history.store(event, facts).await?,
            Self::Remote(remote) => remote.import(&event, &facts).await?,
        })
    }

    /// As [`History::find`].
    ///
    /// # Errors
    /// When the rows cannot be had.
    pub async fn find(&self, prefix: &str) -> Result<Found, AccessError> {
        Ok(match self {
            Self::Direct(history) => history.find(prefix).await?,
            Self::Remote(remote) => remote.find(prefix).await?,
        })
    }

    /// As [`History::event`].
    ///
    /// # Errors
    /// When the event cannot be read.
    pub async fn event(&self, id: EventId) -> Result<Option<(Event, EventRow)>, AccessError> {
        Ok(match self {
            Self::Direct(history) => history.event(id).await?,
            Self::Remote(remote) => remote.event(id).await?,
        })
    }

    /// As [`History::status`] and [`History::periods`].
    ///
    /// # Errors
    /// When the rows cannot be had.
    pub async fn stats(&self) -> Result<(Status, Vec<PeriodInfo>), AccessError> {
        Ok(match self {
            Self::Direct(history) => (history.status().await?, history.periods().await?),
            Self::Remote(remote) => (remote.status().await?.history, remote.periods().await?),
        })
    }

    /// As [`History::prune`].
    ///
    /// # Errors
    /// When a period cannot be removed.
    pub async fn prune(&self, prune: Prune) -> Result<Vec<PeriodInfo>, AccessError> {
        Ok(match self {
            Self::Direct(history) => history.prune(prune).await?.periods,
            Self::Remote(remote) => remote.prune(prune).await?,
        })
    }

    /// Gives the data directory back, if this process had it.
    ///
    /// # Errors
    /// When the history was closed before.
    pub async fn close(self) -> Result<(), AccessError> {
        match self {
            Self::Direct(history) => Ok(history.close().await?),
            Self::Remote(_) => Ok(()),
        }
    }
}

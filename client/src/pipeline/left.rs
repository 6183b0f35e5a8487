//! Events that stay at the relay, because they may be stored already in a period that cannot be read now. It is looked again and again
//! whether it can be; then the relay is asked for them.
//!
//! In one session the relay gives each event once, so it is asked by another session, which begins with all that is not acknowledged. What is
//! kept of the events here is little, however many there are, and takes nothing of the window.

use std::{
    collections::{HashMap, hash_map::Entry},
    path::{Path, PathBuf},
    time::Duration,
};

use inhaul_core::event::EventId;
use tokio::time::{Instant, sleep_until};

use super::{Came, Pipeline};
use crate::{history::HistoryError, live::Live, session::Report};

/// How often it is looked.
pub(super) const LOOK: Duration = Duration::from_secs(30);

/// What is known of the events that were left.
#[derive(Default)]
pub(super) struct Left {
    /// Of each period that cannot be read, one event that may be in it.
    periods: HashMap<PathBuf, EventId>,
    /// The session the last of them came by.
    session: u64,
    look: Option<Instant>,
}

impl Left {
    /// Notes one more; false when some are noted already that may be in the same period.
    fn note(&mut self, path: &Path, came: &Came) -> bool {
        self.session = self.session.max(came.session);
        self.look.get_or_insert_with(|| Instant::now() + LOOK);
        match self.periods.entry(path.to_owned()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(none) => {
                none.insert(came.event.id);
                true
            }
        }
    }

    /// Returns when it is time to look again; never while none are left.
    pub(super) async fn due(&self) {
        match self.look {
            Some(look) => sleep_until(look).await,
            None => std::future::pending().await,
        }
    }
}

impl Pipeline {
    /// Leaves an event at the relay. A person is told once of each period that cannot be read.
    pub(super) async fn leave(&self, came: &Came, path: &Path, reason: &str, left: &mut Left) {
        let (session, endpoint, seq) = (came.session, came.endpoint.clone(), came.seq);
        self.report(Report::NotStored { session, endpoint, seq }).await;
        if left.note(path, came) {
            let text = format!(
                "{} is not stored, because it may be in {}, which cannot be read: {reason}; such events stay at the relay until it can",
                came.event.id,
                path.display()
            );
            self.show(Live::Notice(text)).await;
        }
    }

    /// Asks for the events that were left, if one of the periods can be read now.
    pub(super) async fn look_for_left(&self, left: &mut Left) {
        let mut readable = Vec::new();
        for (path, id) in &left.periods {
            match self.history.rows_of(vec![*id]).await {
                Err(HistoryError::Unreadable { .. } | HistoryError::Closed) => {}
                Ok(_) | Err(_) => readable.push(path.clone()),
            }
        }
        for path in &readable {
            left.periods.remove(path);
            let text =
                format!("{} can be read again; the relay is asked for what was left there", path.display());
            self.show(Live::Notice(text)).await;
        }
        if !readable.is_empty() {
            self.report(Report::Again { session: left.session }).await;
        }
        left.look = (!left.periods.is_empty()).then(|| Instant::now() + LOOK);
    }
}

//! Giving space back: a period goes whole, or not at all.

use std::{collections::HashMap, fs, path::PathBuf, thread};

use inhaul_core::event::EventId;
use uuid::Uuid;

use super::{
    super::{HistoryError, PeriodInfo, Prune, Pruned, period::date_of, upkeep::bytes_on_disk},
    periods::{Known, Periods},
};
use crate::data_dir::sync_parent;

impl Periods {
    /// Every period, the oldest first.
    pub(super) fn list(&mut self) -> Result<Vec<PeriodInfo>, HistoryError> {
        // Of those that are open, what is known may have changed meanwhile.
        let newest = self.newest();
        let mut of_open = HashMap::new();
        for number in self.open_numbers() {
            of_open.insert(number, self.with(number, |period| period.index().extent())?);
        }
        let info = |known: &Known| {
            let is_current = Some(known.name.number) == newest;
            let extent = of_open.get(&known.name.number).copied().unwrap_or(known.extent);
            let open = extent.map(|extent| extent.open).unwrap_or_default();
            PeriodInfo {
                name: known.name.to_string(),
                events: extent.map_or(0, |extent| extent.events),
                unfinished: open.pending + open.held,
                given_up: open.given_up,
                bytes: bytes_on_disk(&self.directory(&known.name)),
                is_current,
            }
        };
        Ok(self.known.iter().map(info).collect())
    }

    /// Removes old periods, and says which, and which events went with them. Their files go behind this: it takes its time, and others wait
    /// for this thread.
    pub(super) fn prune(&mut self, prune: &Prune) -> Result<Pruned, HistoryError> {
        let mut going = Vec::new();
        let pruned = self.take_out(prune, &mut going);
        if !going.is_empty() {
            self.remove_behind(going);
        }
        pruned
    }

    fn take_out(&mut self, prune: &Prune, going: &mut Vec<PathBuf>) -> Result<Pruned, HistoryError> {
        let all = self.list()?;
        let mut left: u64 = all.iter().map(|period| period.bytes).sum();
        let first_day = prune.before.map(date_of);
        let mut pruned = Pruned::default();
        for period in all {
            let is_old = first_day.as_deref().is_some_and(|first| &period.name[..first.len()] < first);
            let is_too_much = prune.keep_bytes.is_some_and(|bytes| left > bytes);
            let known = self.known.iter().find(|known| known.name.to_string() == period.name);
            let is_readable = known.is_some_and(|known| !known.is_unreadable);
            if period.is_current || period.unfinished > 0 || !is_readable || !(is_old || is_too_much) {
                continue;
            }
            if !prune.dry_run {
                pruned.events.extend(self.events_of(known.map(|known| known.name.number)));
                going.extend(self.set_aside(&period.name)?);
            }
            left -= period.bytes;
            pruned.periods.push(period);
        }
        Ok(pruned)
    }

    /// The events of a period; none when it cannot say.
    fn events_of(&mut self, number: Option<u64>) -> Vec<EventId> {
        let (low, high) = (EventId(Uuid::nil()), EventId(Uuid::max()));
        let all = number
            .map(|number| self.with(number, |period| period.index().ids_between(low, high, usize::MAX)));
        all.and_then(Result::ok).unwrap_or_default()
    }

    /// Takes a period out of the history; where it is now. A period that is being removed has a name that is no period's, so what a crash
    /// leaves of it is not taken for one.
    fn set_aside(&mut self, name: &str) -> Result<Option<PathBuf>, HistoryError> {
        let Some(at) = self.known.iter().position(|known| known.name.to_string() == name) else {
            return Ok(None);
        };
        let number = self.known[at].name.number;
        self.close_one(number);
        let directory = self.directory(&self.known[at].name);
        let going = directory.with_file_name(format!("pruned-{name}"));
        fs::rename(&directory, &going)
            .and_then(|()| sync_parent(&going))
            .map_err(|error| HistoryError::io(&directory, &error))?;
        self.known.remove(at);
        Ok(Some(going))
    }

    /// Removes directories on a thread of its own, one prune after the other. [`Periods::close_all`] waits for it.
    fn remove_behind(&mut self, going: Vec<PathBuf>) {
        self.wait_for_removal();
        let notes = self.notes.clone();
        let remove = move || {
            for directory in going {
                if let Err(error) = fs::remove_dir_all(&directory) {
                    notes.add(format!("{} stays until the next start: {error}", directory.display()));
                }
            }
        };
        match thread::Builder::new().name("inhaul-prune".into()).spawn(remove) {
            Ok(removal) => self.removal = Some(removal),
            Err(error) => self.note(format!("what was pruned stays until the next start: {error}")),
        }
    }

    /// Waits until what was pruned is removed.
    pub(super) fn wait_for_removal(&mut self) {
        if let Some(removal) = self.removal.take() {
            // A panic in it has been reported by its thread; what it left goes at the next start.
            let _ = removal.join();
        }
    }
}

//! The periods of a history: which there are, which are open, and which one takes new events.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread::JoinHandle,
};

use bytes::Bytes;
use inhaul_core::event::{EventId, UnixMillis};
use inhaul_journal::{AppendError, Location};

use super::super::{
    HistoryError, Options,
    fold::Indexed,
    index::{Extent, IndexError},
    notes::Notes,
    period::{OpenPeriod, PeriodName, Role, date_of, read_summary, remove_summary, write_summary},
    record::{Change, EVENT},
    same::{KeySet, SameKey},
};
use crate::data_dir::{create_private_dir, read_small_file, sync_parent, write_private_file};

/// Most older periods kept open at once.
const OPEN_OLD_PERIODS_MAX: usize = 3;
/// How long after a delivery another one of the same event is known as such: a week, which is longer than any provider tries.
const DELIVERIES_LOOKED_FOR_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// The content of `format`. A later layout of the history has another one.
const FORMAT: &[u8] = b"1\n";

/// All periods of one history.
pub(super) struct Periods {
    root: PathBuf,
    options: Options,
    pub(super) notes: Notes,
    /// By number; the last one is the one that takes events.
    pub(super) known: Vec<Known>,
    /// By number; the one used last is at the end.
    open: Vec<(u64, OpenPeriod)>,
    /// No directory has this number yet, not even one that could not be opened.
    next_number: u64,
    /// Removes what was pruned last.
    pub(super) removal: Option<JoinHandle<()>>,
}

/// One period, open or not.
pub(super) struct Known {
    pub(super) name: PeriodName,
    /// What is in it. Of the last period, which still grows, nothing is kept here.
    pub(super) extent: Option<Extent>,
    /// What its events have in common with other deliveries. Of the last period, and of those that are too old, nothing is kept here.
    pub(super) keys: Option<KeySet>,
    /// It cannot be opened, and that was said.
    pub(super) is_unreadable: bool,
    /// The disk refused to read some of it when it was opened last, so what is found in it is not written down.
    lacks_records: bool,
    /// It has changed since its extent was found.
    is_stale: bool,
    /// Records that its journal has been given and has not reported yet.
    under_way: usize,
}

impl Known {
    fn new(name: PeriodName) -> Self {
        Self {
            name,
            extent: None,
            keys: None,
            is_unreadable: false,
            lacks_records: false,
            is_stale: false,
            under_way: 0,
        }
    }
}

/// Why a record was not taken.
pub(super) enum Refused {
    /// The journal has as much to write as it takes.
    Full,
    /// It will not be taken later either.
    Error(HistoryError),
}

impl Periods {
    /// The periods of the history in a directory; none are known before [`Periods::open_all`].
    pub(super) fn new(root: PathBuf, options: Options, notes: Notes) -> Self {
        Self { root, options, notes, known: Vec::new(), open: Vec::new(), next_number: 1, removal: None }
    }

    /// Finds out what there is, opens the last period, and says which arrival number was the last.
    pub(super) fn open_all(&mut self) -> Result<u64, HistoryError> {
        create_private_dir(&self.root)
            .and_then(|()| sync_parent(&self.root))
            .map_err(|error| HistoryError::io(&self.root, &error))?;
        check_format(&self.root.join("format"))?;
        let names = period_names(&self.root).map_err(|error| HistoryError::io(&self.root, &error))?;
        remove_leftovers(&self.root);
        self.known = names.into_iter().map(Known::new).collect();
        let Some(newest) = self.newest() else { return Ok(0) };
        self.next_number = newest + 1;
        for at in 0..self.known.len() - 1 {
            let number = self.known[at].name.number;
            match read_summary(&self.directory(&self.known[at].name)) {
                Some(extent) => self.known[at].extent = extent,
                None => match self.with(number, |period| period.extent()) {
                    Ok(extent) => self.set_extent(number, extent),
                    Err(error) => self.leave_out(number, &error),
                },
            }
            self.find_keys(at);
        }
        let last = self.with(newest, |period| period.extent())?;
        let extents = self.known.iter().filter_map(|known| known.extent).chain(last);
        Ok(extents.map(|extent| extent.last_arrival).max().unwrap_or(0))
    }

    /// The keys of a period that is over, unless it is too old: from its file, or made again.
    fn find_keys(&mut self, at: usize) {
        let Known { name, is_unreadable, .. } = &self.known[at];
        if *is_unreadable || name.date < self.oldest_date_with_keys((self.options.clock)()) {
            return;
        }
        let (number, directory) = (name.number, self.directory(name));
        if let Some(keys) = KeySet::read(&directory) {
            self.known[at].keys = Some(keys);
            return;
        }
        match self.with(number, |period| period.index().keys()) {
            Ok(keys) => self.set_keys(number, keys),
            Err(error) => self.leave_out(number, &error),
        }
    }

    fn set_keys(&mut self, number: u64, keys: Vec<SameKey>) {
        let Some(at) = self.known.iter().position(|known| known.name.number == number) else { return };
        let keys = KeySet::new(keys);
        if !self.known[at].lacks_records {
            keys.write(&self.directory(&self.known[at].name));
        }
        self.known[at].keys = Some(keys);
    }

    /// No deliveries are looked for in a period from before this day.
    fn oldest_date_with_keys(&self, now: UnixMillis) -> String {
        date_of(UnixMillis(now.0.saturating_sub(DELIVERIES_LOOKED_FOR_MS)))
    }

    fn forget_old_keys(&mut self, now: UnixMillis) {
        let oldest = self.oldest_date_with_keys(now);
        for known in self.known.iter_mut().filter(|known| known.name.date < oldest) {
            known.keys = None;
        }
    }

    /// The number of the period that takes events.
    pub(super) fn newest(&self) -> Option<u64> {
        self.known.last().map(|known| known.name.number)
    }

    /// Whether an event stored now begins a new period in place of one that there is.
    pub(super) fn is_over(&mut self, now: UnixMillis) -> bool {
        let Some(last) = self.known.last() else { return false };
        let (number, another_day) = (last.name.number, last.name.date != date_of(now));
        let limit = self.options.period_bytes;
        another_day || self.open(number).is_ok_and(|period| period.event_bytes() >= limit)
    }

    /// The period for an event stored now, made if need be.
    pub(super) fn current(&mut self, now: UnixMillis) -> Result<u64, HistoryError> {
        let over = self.is_over(now);
        if let Some(newest) = self.newest().filter(|_| !over) {
            return Ok(newest);
        }
        let number = self.next_number;
        self.next_number += 1;
        let name = PeriodName { date: date_of(now), number };
        let made = OpenPeriod::open(&self.directory(&name), Role::Current, &self.options, &self.notes)?;
        let ended = self.newest();
        self.known.push(Known::new(name));
        self.forget_old_keys(now);
        if let Some(at) = ended.and_then(|ended| self.open.iter().position(|(open, _)| *open == ended)) {
            let (ended, period) = self.open.remove(at);
            self.close(ended, period);
        }
        self.open.push((number, made));
        Ok(number)
    }

    /// Gives a record to a period's journal. Of a period that is over, the summary goes before: whoever finds it after a kill would not look for
    /// what the record says.
    pub(super) fn append(
        &mut self,
        number: u64,
        kind: u8,
        id: EventId,
        parts: Vec<Bytes>,
        done: impl FnOnce(Result<Location, AppendError>) + Send + 'static,
    ) -> Result<(), Refused> {
        let bytes: usize = parts.iter().map(Bytes::len).sum();
        self.open(number).map_err(Refused::Error)?;
        if self.role(number) == Role::Old {
            self.forget_summary(number);
        }
        let period = self.open(number).map_err(Refused::Error)?;
        match period.journal().append(kind, id.0.as_bytes(), parts, done) {
            Ok(()) => {
                if kind == EVENT {
                    period.add_event_bytes(bytes as u64);
                }
                if let Some(known) = self.known_mut(number) {
                    known.under_way += 1;
                }
                Ok(())
            }
            Err(AppendError::Full) => Err(Refused::Full),
            Err(error) => Err(Refused::Error(HistoryError::NotStored { reason: error.to_string() })),
        }
    }

    /// The journal of a period has reported a record.
    pub(super) fn reported(&mut self, number: u64) {
        if let Some(known) = self.known_mut(number) {
            known.under_way = known.under_way.saturating_sub(1);
        }
    }

    /// Brings a durable change into the index of its period.
    pub(super) fn apply(
        &mut self,
        number: u64,
        location: Location,
        id: EventId,
        change: &Change,
    ) -> Result<Option<Indexed>, HistoryError> {
        self.with(number, |period| period.apply(location, id, change))
    }

    /// Lets journals without a thread write; false when there is nothing to write.
    pub(super) fn write(&mut self) -> bool {
        self.open.iter().fold(false, |busy, (_, period)| period.journal().step() || busy)
    }

    /// Lets journals take records again after one could not be written.
    pub(super) fn go_on(&self) {
        self.open.iter().for_each(|(_, period)| period.journal().go_on());
    }

    /// Notes in every open index how far it is.
    pub(super) fn write_markers(&mut self) {
        let mut broken = Vec::new();
        for (number, period) in &mut self.open {
            if let Err(error) = period.write_marker() {
                broken.push((*number, error));
            }
        }
        for (number, error) in broken {
            if let Err(error) = self.repair(number, &error) {
                tracing::warn!(%error, "a period cannot be opened again");
            }
        }
    }

    /// Writes out and closes what is open.
    pub(super) fn close_all(&mut self) {
        for (number, period) in std::mem::take(&mut self.open) {
            self.close(number, period);
        }
        self.wait_for_removal();
    }

    /// Asks a period's index, and once more when it broke and was made again.
    pub(super) fn with<T>(
        &mut self,
        number: u64,
        mut work: impl FnMut(&mut OpenPeriod) -> Result<T, IndexError>,
    ) -> Result<T, HistoryError> {
        loop {
            match work(self.open(number)?) {
                Ok(value) => return Ok(value),
                // The second repair leaves an index in memory, which does not break.
                Err(error) => self.repair(number, &error)?,
            }
        }
    }

    /// A period, opened now if it is not open.
    pub(super) fn open(&mut self, number: u64) -> Result<&mut OpenPeriod, HistoryError> {
        match self.open.iter().position(|(open, _)| *open == number) {
            Some(at) => self.open[at..].rotate_left(1),
            None => {
                let known = self.known.iter().find(|known| known.name.number == number);
                let directory = known.map(|known| self.directory(&known.name)).ok_or(HistoryError::Closed)?;
                self.make_room();
                let role = self.role(number);
                let period = OpenPeriod::open(&directory, role, &self.options, &self.notes)?;
                self.opened(number, period);
            }
        }
        self.open.last_mut().map(|(_, period)| period).ok_or(HistoryError::Closed)
    }

    /// An old period that cannot be opened must not stop the others.
    pub(super) fn leave_out(&mut self, number: u64, error: &HistoryError) {
        if let Some(known) = self.known.iter_mut().find(|known| known.name.number == number) {
            known.is_unreadable = true;
            self.notes.add(format!("the events of {} are left out: {error}", known.name.date));
        }
    }

    fn role(&self, number: u64) -> Role {
        if self.newest() == Some(number) { Role::Current } else { Role::Old }
    }

    /// Where a period is.
    pub(super) fn directory(&self, name: &PeriodName) -> PathBuf {
        self.root.join(name.to_string())
    }

    /// Whether there is a period of that number.
    pub(super) fn is_known(&self, number: u64) -> bool {
        self.known.iter().any(|known| known.name.number == number)
    }

    /// Tells the user something.
    pub(super) fn note(&self, line: String) {
        self.notes.add(line);
    }

    /// The periods with bytes of deleted events: the last one may have some.
    pub(super) fn with_erasures(&self) -> Vec<u64> {
        let newest = self.newest();
        let has_some = |known: &&Known| {
            Some(known.name.number) == newest
                || known.extent.is_some_and(|extent| extent.open.erasable > 0 && !known.is_unreadable)
        };
        self.known.iter().filter(has_some).map(|known| known.name.number).collect()
    }

    /// What the summary of a period says is no longer so. It is written again when the period is closed; until then a start that finds none
    /// looks for itself.
    fn forget_summary(&mut self, number: u64) {
        let Some(known) = self.known_mut(number) else { return };
        if !std::mem::replace(&mut known.is_stale, true) {
            let name = known.name.clone();
            remove_summary(&self.directory(&name));
        }
    }

    fn known_mut(&mut self, number: u64) -> Option<&mut Known> {
        self.known.iter_mut().find(|known| known.name.number == number)
    }

    /// Looks again at the extents of periods that have changed since they were over. One that cannot say keeps what was known of it.
    pub(super) fn renew_extents(&mut self) -> Result<(), HistoryError> {
        let is_to_be_asked =
            |known: &&Known| known.is_stale && known.extent.is_some() && !known.is_unreadable;
        let stale: Vec<_> =
            self.known.iter().filter(is_to_be_asked).map(|known| (known.name.number, known.extent)).collect();
        for (number, before) in stale {
            let extent = self
                .with_or_without(number, before, |periods| periods.with(number, |period| period.extent()))?;
            if let Some(known) = self.known_mut(number) {
                known.extent = extent;
            }
        }
        Ok(())
    }

    /// The numbers of the periods that are open.
    pub(super) fn open_numbers(&self) -> Vec<u64> {
        self.open.iter().map(|(number, _)| *number).collect()
    }

    /// Closes a period if it is open.
    pub(super) fn close_one(&mut self, number: u64) {
        if let Some(at) = self.open.iter().position(|(open, _)| *open == number) {
            let (number, period) = self.open.remove(at);
            self.close(number, period);
        }
    }

    /// Closes the old period that was not used for longest, when as many are open as may be.
    fn make_room(&mut self) {
        let newest = self.newest();
        let mut old = self.open.iter().enumerate().filter(|(_, (number, _))| Some(*number) != newest);
        let longest = old.next().map(|(at, _)| at);
        if let Some(at) = longest.filter(|_| 1 + old.count() >= OPEN_OLD_PERIODS_MAX) {
            let (number, period) = self.open.remove(at);
            self.close(number, period);
        }
    }

    /// Closes a period; of one that is over, the summary is written if it changed.
    ///
    /// What its journal still has to write is written, and [`Periods::apply`] finds it in the index then; the summary waits until that is closed.
    fn close(&mut self, number: u64, period: OpenPeriod) {
        if self.role(number) == Role::Old {
            let is_known_whole = self.known_mut(number).is_none_or(|known| known.under_way == 0);
            match period.extent() {
                _ if !is_known_whole => {}
                Ok(extent) => self.set_extent(number, extent),
                Err(error) => tracing::debug!(%error, "no extent of a period that is closed"),
            }
            // No event joins it any more, so they are found once.
            let oldest = self.oldest_date_with_keys((self.options.clock)());
            let lacks_keys = |known: &Known| known.keys.is_none() && known.name.date >= oldest;
            if self.known.iter().any(|known| known.name.number == number && lacks_keys(known)) {
                match period.index().keys() {
                    Ok(keys) => self.set_keys(number, keys),
                    Err(error) => tracing::debug!(%error, "no keys of a period that is closed"),
                }
            }
        }
        period.close();
    }

    fn set_extent(&mut self, number: u64, extent: Option<Extent>) {
        let Some(at) = self.known.iter().position(|known| known.name.number == number) else { return };
        let directory = self.directory(&self.known[at].name);
        if !self.known[at].lacks_records && read_summary(&directory) != Some(extent) {
            write_summary(&directory, extent);
        }
        self.known[at].extent = extent;
        self.known[at].is_stale = false;
    }

    fn repair(&mut self, number: u64, error: &IndexError) -> Result<(), HistoryError> {
        if let Some(at) = self.open.iter().position(|(open, _)| *open == number) {
            let (_, period) = self.open.remove(at);
            let repaired = period.repair(self.role(number), &self.options, &self.notes, error)?;
            self.opened(number, repaired);
        }
        Ok(())
    }

    fn opened(&mut self, number: u64, period: OpenPeriod) {
        if let Some(known) = self.known.iter_mut().find(|known| known.name.number == number) {
            known.lacks_records = !period.is_whole();
        }
        self.open.push((number, period));
    }
}

/// Refuses the history of a later release, and says in a new one what it is.
pub(in super::super) fn check_format(path: &Path) -> Result<(), HistoryError> {
    let written = match read_small_file(path, 1024) {
        Ok(written) => written,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(HistoryError::LaterRelease { path: path.to_owned() });
        }
        Err(error) => return Err(HistoryError::io(path, &error)),
    };
    if written.is_empty() {
        write_private_file(path, FORMAT).map_err(|error| HistoryError::io(path, &error))
    } else if written == FORMAT {
        Ok(())
    } else {
        Err(HistoryError::LaterRelease { path: path.to_owned() })
    }
}

/// The periods there are, in their order. What has another name is not ours and stays.
pub(in super::super) fn period_names(root: &Path) -> io::Result<Vec<PeriodName>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.extend(entry.file_name().to_str().and_then(|name| name.parse::<PeriodName>().ok()));
        }
    }
    names.sort_by_key(|name| name.number);
    Ok(names)
}

/// What a crash left of periods that were being removed.
fn remove_leftovers(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_name().to_string_lossy().starts_with("pruned-")
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%error, "what is left of a pruned period stays until the next start");
        }
    }
}

//! Looking after a history that nobody uses: whether all of it can be read, and making whole again what is not.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::mpsc,
};

use inhaul_core::event::{EventId, UnixMillis};
use inhaul_journal::{AppendError, Journal, Location};
use serde::{Deserialize, Serialize};

use super::{
    HistoryError, Holder, Options,
    lock::DataLock,
    notes::Notes,
    period::{OpenPeriod, PeriodName, Role, journal_options, settle_repair},
    record::{Change, EVENT},
    worker::{check_format, period_names},
};
use crate::data_dir::{DataDir, create_private_dir, sync_parent};

/// A period, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodInfo {
    /// The name of its directory: its first day and its number.
    pub name: String,
    /// Events in it.
    pub events: u64,
    /// Of these, those to be forwarded or decided on.
    pub unfinished: u64,
    /// Of these, those that were given up.
    pub given_up: u64,
    /// All its files.
    pub bytes: u64,
    /// New events go into it.
    pub is_current: bool,
}

/// What a check of one period found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The name of its directory.
    pub name: String,
    /// Whole records of its journal.
    pub records: u64,
    /// Of these, events.
    pub events: u64,
    /// What cannot be read, or was put right: one plain line each. Nothing when all is well.
    pub problems: Vec<String>,
    /// Where the damaged journal is kept, when a repair replaced it.
    pub kept: Option<PathBuf>,
}

impl super::History {
    /// Reads every record of every period. An index that is not as the journal says is made again, as at any start; the journals stay as
    /// they are. `each` is told of one period after the other. Blocks.
    ///
    /// # Errors
    /// When another process has the data directory, or it cannot be read and written.
    pub fn check(
        data_dir: &Path,
        options: &Options,
        each: &mut dyn FnMut(Checked),
    ) -> Result<(), HistoryError> {
        look_after(data_dir, options, false, each)
    }

    /// As [`check`](super::History::check), and a journal with damage is replaced by one of its readable records. The damaged one is kept.
    ///
    /// # Errors
    /// As [`check`](super::History::check).
    pub fn repair(
        data_dir: &Path,
        options: &Options,
        each: &mut dyn FnMut(Checked),
    ) -> Result<(), HistoryError> {
        look_after(data_dir, options, true, each)
    }
}

fn look_after(
    data_dir: &Path,
    options: &Options,
    repair: bool,
    each: &mut dyn FnMut(Checked),
) -> Result<(), HistoryError> {
    let data = DataDir::open(Some(data_dir))?;
    let _lock = DataLock::take(&data, Holder::this_process(options), options.lock_wait)?;
    let root = data.history();
    if !root.exists() {
        return Ok(());
    }
    check_format(&root.join("format"))?;
    for name in period_names(&root).map_err(|error| HistoryError::io(&root, &error))? {
        let directory = root.join(name.to_string());
        each(look_after_period(&directory, &name, options, repair).unwrap_or_else(|error| {
            // The others can be looked at all the same.
            let problems = vec![error.to_string()];
            Checked { name: name.to_string(), records: 0, events: 0, problems, kept: None }
        }));
    }
    Ok(())
}

fn look_after_period(
    directory: &Path,
    name: &PeriodName,
    options: &Options,
    repair: bool,
) -> Result<Checked, HistoryError> {
    let (mut checked, is_damaged) = check_period(directory, name, options)?;
    if repair && is_damaged {
        checked.kept = Some(repair_journal(directory, options)?);
    }
    Ok(checked)
}

/// Opens a period, which puts its index right, and reads every record of its journal. True when not all of the journal can be read.
fn check_period(
    directory: &Path,
    name: &PeriodName,
    options: &Options,
) -> Result<(Checked, bool), HistoryError> {
    let notes = Notes::to_be_told();
    OpenPeriod::open(directory, Role::Old, options, &notes)?.close();
    let (journal, records, mut is_damaged) = open_journal(directory, options)?;
    let mut problems = notes.lines();
    let mut events = 0;
    for &(location, kind) in &records {
        let read = journal.read(location).map_err(|error| error.to_string());
        let change = read
            .and_then(|record| Change::from_record(kind, record.payload).map_err(|error| error.to_string()));
        match change {
            Ok(change) => events += u64::from(kind == EVENT && change.is_some()),
            Err(reason) => {
                is_damaged = true;
                let Location { segment, offset, .. } = location;
                problems.push(format!("a record at {offset} of segment {segment:016x}: {reason}"));
            }
        }
    }
    close(journal);
    let records = records.len() as u64;
    Ok((Checked { name: name.to_string(), records, events, problems, kept: None }, is_damaged))
}

/// A journal, its records, and whether something is missing between them.
type OpenJournal = (Journal, Vec<(Location, u8)>, bool);

fn open_journal(directory: &Path, options: &Options) -> Result<OpenJournal, HistoryError> {
    let mut records = Vec::new();
    let path = directory.join("journal");
    let (journal, recovery) =
        Journal::open(&path, journal_options(options, Role::Old), &mut |location, kind, _| {
            records.push((location, kind));
        })
        .map_err(|error| super::period::journal_error(directory, error))?;
    Ok((journal, records, !recovery.problems().is_empty()))
}

/// Begins the name of a journal that a repair replaced.
const REPLACED: &str = "journal.damaged-";

/// The journals that repairs replaced. What is deleted later on may still be in them.
pub fn replaced_journals(data: &DataDir) -> Vec<PathBuf> {
    let inside = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_replaced =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(REPLACED));
    let mut journals: Vec<PathBuf> =
        inside(&data.history()).flat_map(|period| inside(&period)).filter(is_replaced).collect();
    journals.sort();
    journals
}

/// Replaces a journal by one of its readable records; what was there stays under a name that says so.
fn repair_journal(directory: &Path, options: &Options) -> Result<PathBuf, HistoryError> {
    let io_error = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| HistoryError::io(&path, &error)
    };
    let unfinished = directory.join("journal.repairing");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(io_error(&unfinished))?;
    }
    let (damaged, records, _) = open_journal(directory, options)?;
    copy(&damaged, &records, &unfinished, options)?;
    close(damaged);
    let whole = directory.join("journal.repaired");
    let stamp: String = (options.clock)().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let kept = directory.join(format!("{REPLACED}{stamp}"));
    // The repaired one has its name before the damaged one gives way, so a start in between finds it.
    fs::rename(&unfinished, &whole)
        .and_then(|()| sync_parent(&whole))
        .and_then(|()| fs::rename(directory.join("journal"), &kept))
        .map_err(io_error(directory))?;
    settle_repair(directory).map_err(io_error(directory))?;
    for derived in ["summary.json", "same.keys"] {
        match fs::remove_file(directory.join(derived)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(directory)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    // The index is of the other journal, and is made again at once.
    let index = directory.join("index.sled");
    if index.exists() {
        fs::remove_dir_all(&index).map_err(io_error(&index))?;
    }
    OpenPeriod::open(directory, Role::Old, options, &Notes::default())?.close();
    Ok(kept)
}

fn copy(
    from: &Journal,
    records: &[(Location, u8)],
    to: &Path,
    options: &Options,
) -> Result<(), HistoryError> {
    let not_stored = |error: AppendError| HistoryError::NotStored { reason: error.to_string() };
    create_private_dir(to).map_err(|error| HistoryError::io(to, &error))?;
    let (journal, _) = Journal::open(to, journal_options(options, Role::Old), &mut |_, _, _| {})
        .map_err(|error| super::period::journal_error(to, error))?;
    let (sender, done) = mpsc::channel();
    let mut under_way = 0_usize;
    for &(location, _) in records {
        let Ok(record) = from.read(location) else { continue };
        loop {
            let sender = sender.clone();
            // Nobody listens any more only when the copy failed.
            let tell = move |written: Result<Location, AppendError>| drop(sender.send(written));
            match journal.append(record.kind, &*record.tag, vec![record.payload.clone()], tell) {
                Ok(()) => break,
                Err(AppendError::Full) if under_way > 0 => {
                    done.recv().unwrap_or(Err(AppendError::Closed)).map_err(not_stored)?;
                    under_way -= 1;
                }
                Err(error) => return Err(not_stored(error)),
            }
        }
        under_way += 1;
    }
    for _ in 0..under_way {
        done.recv().unwrap_or(Err(AppendError::Closed)).map_err(not_stored)?;
    }
    journal.close().map_err(not_stored)
}

fn close(journal: Journal) {
    if let Err(error) = journal.close() {
        tracing::warn!(%error, "the journal of a period did not close well");
    }
}

/// What the files below a directory take on the disk.
pub(super) fn bytes_on_disk(directory: &Path) -> u64 {
    /// Of [`MetadataExt::blocks`].
    const BLOCK: u64 = 512;
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_on_disk(&entry.path()),
        Ok(metadata) => metadata.blocks() * BLOCK,
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(of).sum()
}

/// What was pruned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The periods, the oldest first.
    pub periods: Vec<PeriodInfo>,
    /// The events that went with them.
    pub events: Vec<EventId>,
}

/// Which periods are pruned: the oldest ones, as far as one of these says, and never one with something left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prune {
    /// Those whose last day is over since this time.
    pub before: Option<UnixMillis>,
    /// So many that the rest takes no more than this.
    pub keep_bytes: Option<u64>,
    /// Only say which.
    pub dry_run: bool,
}

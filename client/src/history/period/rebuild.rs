//! How a period gets an index that holds what its journal holds: the one that is there, or another one when it is broken.

use std::{collections::HashSet, fs, io, path::Path, sync::Arc};

use inhaul_core::event::EventId;
use inhaul_journal::Journal;

use super::{
    super::{
        Options,
        index::{Database, Index, IndexError, Marker, Memory},
        notes::Notes,
    },
    catch_up::{CaughtUp, Log, catch_up},
};

/// The name of the index in a period's directory.
const INDEX: &str = "index.sled";

/// Where the index in use comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IndexSource {
    /// The database that was there, or an empty one when none was.
    Existing,
    /// A database made by this process after the one before broke.
    Afresh,
    /// Memory, after the second one broke too.
    Memory,
}

/// An index that holds what the journal holds.
pub(super) struct Ready {
    pub(super) index: Box<dyn Index>,
    pub(super) source: IndexSource,
    pub(super) marker: Option<Marker>,
    /// Events of which the disk refused to read a record.
    pub(super) held_back: HashSet<EventId>,
}

/// Gets an index for the journal: from `source`, or from the next one when that is broken.
pub(super) fn index_of(
    directory: &Path,
    journal: &Journal,
    log: &Log,
    mut source: IndexSource,
    cache_bytes: u64,
    options: &Options,
    notes: &Notes,
) -> Ready {
    loop {
        let found: Result<Box<dyn Index>, IndexError> = match source {
            IndexSource::Existing | IndexSource::Afresh => {
                Database::open(&directory.join(INDEX), cache_bytes).map(|index| Box::new(index) as _)
            }
            IndexSource::Memory => Ok(Box::new(Memory::default())),
        };
        let ready = found.and_then(|mut index| {
            let caught_up = catch_up(index.as_mut(), journal, log)?;
            if source != IndexSource::Memory {
                index.check(&Arc::new(log.latest()), caught_up.missing)?;
            }
            Ok((index, caught_up))
        });
        match ready {
            Ok((index, caught_up)) => {
                caught_up.tell(directory, notes);
                let CaughtUp { marker, held_back, .. } = caught_up;
                return Ready { index, source, marker, held_back };
            }
            Err(error) if source == IndexSource::Memory => {
                // Memory does not fail; should it ever, an empty list beside a whole journal still stores what comes.
                tracing::error!(%error, "no index could be made");
                let index = Box::new(Memory::default());
                return Ready { index, source, marker: None, held_back: HashSet::new() };
            }
            Err(error) => source = replace(directory, source, options, notes, &error),
        }
    }
}

/// Puts the broken index out of the way, and says what to use instead of it.
pub(super) fn replace(
    directory: &Path,
    broken: IndexSource,
    options: &Options,
    notes: &Notes,
    error: &IndexError,
) -> IndexSource {
    let place = directory.display();
    if error.is_refusal() {
        notes.add(format!(
            "history in {place}: the index cannot be written ({error}); until the next start it is kept in memory"
        ));
        return IndexSource::Memory;
    }
    let aside = match broken {
        IndexSource::Existing | IndexSource::Afresh => set_aside(directory, options),
        IndexSource::Memory => Ok(None),
    };
    match (broken, aside) {
        (IndexSource::Existing, Ok(aside)) => {
            let aside = aside.map(|name| format!("; the old one is `{name}`")).unwrap_or_default();
            notes.add(format!(
                "history in {place}: the index was damaged ({error}) and is made again from the journal{aside}"
            ));
            IndexSource::Afresh
        }
        (IndexSource::Existing, Err(aside)) => {
            notes.add(format!(
                "history in {place}: the index is damaged ({error}) and cannot be moved away ({aside}); until the \
                 next start it is kept in memory"
            ));
            IndexSource::Memory
        }
        (IndexSource::Afresh | IndexSource::Memory, _) => {
            notes.add(format!(
                "history in {place}: the index broke again ({error}); until the next start it is kept in memory"
            ));
            IndexSource::Memory
        }
    }
}

/// What is behind the name of an index that was set aside, before the time.
const SET_ASIDE: &str = ".damaged-";

/// Removes the indexes that were set aside in a period: the journal has all that they have.
pub(super) fn remove_set_aside(directory: &Path) -> io::Result<()> {
    let damaged = format!("{INDEX}{SET_ASIDE}");
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&damaged) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Renames the index's directory; of those set aside before, none is kept.
fn set_aside(directory: &Path, options: &Options) -> io::Result<Option<String>> {
    remove_set_aside(directory)?;
    let stamp: String = (options.clock)().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let name = format!("{INDEX}{SET_ASIDE}{stamp}");
    match fs::rename(directory.join(INDEX), directory.join(&name)) {
        Ok(()) => Ok(Some(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

//! An index in a sled database.
//!
//! ```text
//!  tree      key                         value
//!  rows      event id, 16 bytes          JSON of `Indexed`
//!  arrivals  arrival number, big endian  event id, and a byte behind it when the event is deleted
//!  open      arrival number, big endian  event id and a byte for what is left to do
//!  same      `SameKey`, arrival number   event id: by what deliveries of one event, and events of one object, have in common
//!  meta      "format"                    the number of this layout
//!  meta      "marker"                    JSON of `Marker`
//! ```
//! Of several trees written one after the other, sled keeps after a crash what was written first. The marker is written
//! last, so an entry is always at least as new as the marker says.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use inhaul_core::event::EventId;
use inhaul_journal::Location;
use serde::Deserialize;
use sled::{Db, IVec, Mode, Tree};

use super::{
    Extent, Index, IndexError, Indexed, LatestRecords, Left, Marker, OpenEvents, SameKey, Tombstone,
    arrival_from,
    contain::{abandon, contain, contain_on_thread},
    id_from, id_key, location_json,
};
use crate::{
    data_dir::{create_private_dir, open_private_file},
    row::EventState,
};

/// The number of the layout described above. Another one is made again from the journal.
const FORMAT: &[u8] = b"2";

/// How long sled's own threads may hold a database that was closed.
const UNLOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The entries of one period on disk.
pub(in super::super) struct Database {
    /// There until it is closed.
    trees: Option<Trees>,
    path: PathBuf,
}

#[derive(Clone)]
struct Trees {
    rows: Tree,
    arrivals: Tree,
    open: Tree,
    same: Tree,
    meta: Tree,
    db: Db,
}

impl Database {
    /// Opens or makes the database in a directory.
    ///
    /// Damage may also end the whole process in here. A file beside the directory tells the next start, which then does
    /// not try again.
    pub(in super::super) fn open(path: &Path, cache_bytes: u64) -> Result<Self, IndexError> {
        let opening = path.with_extension("opening");
        if opening.exists() {
            fs::remove_file(&opening)?;
            return Err(IndexError::Unfinished);
        }
        create_private_dir(path)?;
        open_private_file(&opening)?;
        let directory = path.to_owned();
        let trees = contain_on_thread(move || Trees::open(&directory, cache_bytes));
        fs::remove_file(&opening)?;
        let database = Self { trees: Some(trees?), path: path.to_owned() };
        database.close_to_others()?;
        Ok(database)
    }

    fn with<T>(&self, work: impl FnOnce(&Trees) -> Result<T, IndexError>) -> Result<T, IndexError> {
        contain(|| work(self.trees.as_ref().ok_or(IndexError::Missing)?))
    }

    /// sled makes its files with the user's usual mode.
    fn close_to_others(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let mode = if entry.file_type()?.is_dir() { 0o700 } else { 0o600 };
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

impl Drop for Database {
    /// Without [`Index::close`] something is wrong with it, and even the drop may break off.
    fn drop(&mut self) {
        if let Some(trees) = self.trees.take() {
            abandon(trees);
        }
    }
}

impl Trees {
    fn open(path: &Path, cache_bytes: u64) -> Result<Self, IndexError> {
        // Flushed when it is closed: what a kill loses is caught up from the journal.
        let config = sled::Config::new().path(path).cache_capacity(cache_bytes).mode(Mode::LowSpace);
        let db = open_unlocked(&config.flush_every_ms(None))?;
        let trees = Self {
            rows: db.open_tree("rows")?,
            arrivals: db.open_tree("arrivals")?,
            open: db.open_tree("open")?,
            same: db.open_tree("same")?,
            meta: db.open_tree("meta")?,
            db,
        };
        match trees.meta.get("format")? {
            Some(format) if format == FORMAT => Ok(trees),
            Some(_) => Err(IndexError::Format),
            None => {
                trees.meta.insert("format", FORMAT)?;
                Ok(trees)
            }
        }
    }

    fn entry(&self, id: &[u8]) -> Result<Option<Indexed>, IndexError> {
        match self.rows.get(id)? {
            Some(json) => Ok(Some(serde_json::from_slice(&json)?)),
            None => Ok(None),
        }
    }

    /// Part of a damaged database may be as it was at another time, with nothing in it to show that. So every row has to
    /// be as its event's latest record left it, and the other trees have to say what the rows say.
    fn check(&self, latest: &LatestRecords, missing: u64) -> Result<(), IndexError> {
        let mut stamps = Vec::new();
        for pair in &self.rows {
            let (key, json) = pair?;
            let stamp: Stamp = serde_json::from_slice(&json)?;
            if latest.get(&id_from(&key)?) != Some(&stamp.latest) {
                return Err(IndexError::OtherRows);
            }
            let left = Left::of_stamp(stamp.row.state, stamp.deleted.as_ref());
            let arrival = arrival_value(&key, stamp.deleted.is_some());
            stamps.push((stamp.arrival, key, arrival, left, [stamp.same, stamp.object]));
        }
        if (stamps.len() as u64).checked_add(missing) != Some(latest.len() as u64) {
            return Err(IndexError::OtherRows);
        }
        stamps.sort_unstable_by_key(|(arrival, ..)| *arrival);
        let number = |arrival: &u64| arrival.to_be_bytes().to_vec();
        let arrivals = stamps.iter().map(|(arrival, _, value, ..)| (number(arrival), value.clone()));
        let open = stamps.iter().filter_map(|(arrival, id, _, left, _)| {
            left.map(|left| (number(arrival), [id.as_ref(), &[left_byte(left)]].concat()))
        });
        let mut same: Vec<_> = stamps
            .iter()
            .flat_map(|(arrival, id, .., keys)| {
                keys.iter().flatten().map(|&key| (same_key(key, *arrival).to_vec(), id.to_vec()))
            })
            .collect();
        same.sort_unstable();
        if says(&self.arrivals, arrivals)? && says(&self.open, open)? && says(&self.same, same.into_iter())? {
            Ok(())
        } else {
            Err(IndexError::OtherRows)
        }
    }

    fn open_events(&self) -> Result<OpenEvents, IndexError> {
        let mut states = Vec::new();
        for pair in &self.open {
            states.push(open_value(&pair?.1)?.1);
        }
        Ok(OpenEvents::count(states))
    }

    /// The first entries that pairs of a number and an id lead to, without those deleted.
    fn entries(
        &self,
        pairs: impl Iterator<Item = sled::Result<(IVec, IVec)>>,
        limit: usize,
    ) -> Result<Vec<Indexed>, IndexError> {
        let mut entries = Vec::new();
        for pair in pairs {
            if entries.len() == limit {
                break;
            }
            let (_, id) = pair?;
            if !is_deleted(&id) {
                let entry = self.entry(&id)?.ok_or(IndexError::Missing)?;
                entries.extend((!entry.is_deleted()).then_some(entry));
            }
        }
        Ok(entries)
    }

    /// The last entries before a number of which this is left to do.
    fn open_before(&self, left: Left, arrival: u64, limit: usize) -> Result<Vec<Indexed>, IndexError> {
        let mut entries = Vec::new();
        for pair in self.open.range(..arrival.to_be_bytes()).rev() {
            if entries.len() == limit {
                break;
            }
            let (_, value) = pair?;
            let (id, is) = open_value(&value)?;
            if is == left {
                entries.push(self.entry(id)?.ok_or(IndexError::Missing)?);
            }
        }
        Ok(entries)
    }
}

/// Opens the database. No other process may have it, but a thread of sled's may still let go of it after this process
/// closed it.
fn open_unlocked(config: &sled::Config) -> sled::Result<Db> {
    let deadline = Instant::now() + UNLOCK_TIMEOUT;
    loop {
        match config.open() {
            Err(sled::Error::Io(error))
                if error.to_string().contains("could not acquire lock") && Instant::now() < deadline =>
            {
                thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

/// The part of an entry that a check needs.
#[derive(Deserialize)]
struct Stamp {
    arrival: u64,
    #[serde(with = "location_json")]
    latest: Location,
    same: Option<SameKey>,
    #[serde(default)]
    object: Option<SameKey>,
    #[serde(default)]
    deleted: Option<Tombstone>,
    row: RowStamp,
}

/// The part of an entry that says whether it is deleted.
#[derive(Deserialize)]
struct DeletedStamp {
    #[serde(default)]
    deleted: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct RowStamp {
    state: EventState,
}

/// Whether a tree holds exactly these pairs.
fn says(tree: &Tree, mut pairs: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<bool, IndexError> {
    for found in tree {
        let (key, value) = found?;
        if !pairs.next().is_some_and(|pair| key == pair.0 && value == pair.1) {
            return Ok(false);
        }
    }
    Ok(pairs.next().is_none())
}

/// What stands behind an id in `open`.
fn left_byte(left: Left) -> u8 {
    match left {
        Left::Pending => 1,
        Left::Held => 2,
        Left::GivenUp => 3,
        Left::Erasure => 4,
    }
}

/// An id of `open`, and what is left to do for it.
fn open_value(value: &[u8]) -> Result<(&[u8], Left), IndexError> {
    let (&byte, id) = value.split_last().ok_or(IndexError::Missing)?;
    let all = [Left::Pending, Left::Held, Left::GivenUp, Left::Erasure];
    let left = all.into_iter().find(|left| left_byte(*left) == byte);
    Ok((id, left.ok_or(IndexError::Missing)?))
}

/// Length of an event's id.
const ID_BYTES: usize = 16;

/// A value of `arrivals`.
fn arrival_value(id: &[u8], is_deleted: bool) -> Vec<u8> {
    let mark: &[u8] = if is_deleted { &[1] } else { &[] };
    [id, mark].concat()
}

/// Whether a value of `arrivals` is that of a deleted event.
fn is_deleted(value: &[u8]) -> bool {
    value.len() > ID_BYTES
}

fn same_key(key: SameKey, arrival: u64) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&key.0);
    bytes[16..].copy_from_slice(&arrival.to_be_bytes());
    bytes
}

/// How many values of `arrivals` are those of events that are not deleted.
fn count(items: impl Iterator<Item = sled::Result<IVec>>) -> Result<u64, IndexError> {
    items.into_iter().try_fold(0, |count, item| Ok(count + u64::from(!is_deleted(&item?))))
}

impl Index for Database {
    fn marker(&self) -> Result<Option<Marker>, IndexError> {
        self.with(|trees| match trees.meta.get("marker")? {
            Some(json) => Ok(Some(serde_json::from_slice(&json)?)),
            None => Ok(None),
        })
    }

    fn mark(&mut self, marker: Marker) -> Result<(), IndexError> {
        self.with(|trees| {
            trees.meta.insert("marker", serde_json::to_vec(&marker)?)?;
            Ok(())
        })
    }

    fn get(&self, id: EventId) -> Result<Option<Indexed>, IndexError> {
        self.with(|trees| trees.entry(&id_key(id)))
    }

    fn put(&mut self, entry: &Indexed) -> Result<(), IndexError> {
        let (id, arrival) = (id_key(entry.row.id), entry.arrival.to_be_bytes());
        self.with(|trees| {
            trees.rows.insert(id, serde_json::to_vec(entry)?)?;
            trees.arrivals.insert(arrival, arrival_value(&id, entry.is_deleted()))?;
            match Left::of(entry) {
                Some(left) => trees.open.insert(arrival, [id.as_slice(), &[left_byte(left)]].concat())?,
                None => trees.open.remove(arrival)?,
            };
            // The key of an event never changes, so it is written when the event arrives, and when that is caught up.
            for key in entry.keys().filter(|_| entry.latest == entry.location) {
                trees.same.insert(same_key(key, entry.arrival), &id)?;
            }
            Ok(())
        })
    }

    fn before(&self, arrival: u64, limit: usize) -> Result<Vec<Indexed>, IndexError> {
        self.with(|trees| trees.entries(trees.arrivals.range(..arrival.to_be_bytes()).rev(), limit))
    }

    fn in_state(&self, state: EventState, arrival: u64, limit: usize) -> Result<Vec<Indexed>, IndexError> {
        self.with(|trees| match Left::of_stamp(state, None) {
            Some(left) => trees.open_before(left, arrival, limit),
            None => Ok(Vec::new()),
        })
    }

    fn erasable(&self) -> Result<Vec<Indexed>, IndexError> {
        self.with(|trees| {
            let mut entries = trees.open_before(Left::Erasure, u64::MAX, usize::MAX)?;
            entries.reverse();
            Ok(entries)
        })
    }

    fn deliveries(&self, key: SameKey, limit: usize) -> Result<Vec<Indexed>, IndexError> {
        self.with(|trees| trees.entries(trees.same.scan_prefix(key.0).rev(), limit))
    }

    fn keys(&self) -> Result<Vec<SameKey>, IndexError> {
        self.with(|trees| {
            let key =
                |pair: sled::Result<IVec>| Ok(SameKey(*pair?.first_chunk().ok_or(IndexError::Missing)?));
            trees.same.iter().keys().map(key).collect()
        })
    }

    fn ids_between(&self, low: EventId, high: EventId, limit: usize) -> Result<Vec<EventId>, IndexError> {
        if low > high {
            return Ok(Vec::new());
        }
        self.with(|trees| {
            let mut ids = Vec::new();
            for pair in trees.rows.range(id_key(low)..=id_key(high)) {
                if ids.len() == limit {
                    break;
                }
                let (id, json) = pair?;
                let deleted: DeletedStamp = serde_json::from_slice(&json)?;
                if deleted.deleted.is_none() {
                    ids.push(id_from(&id)?);
                }
            }
            Ok(ids)
        })
    }

    fn extent(&self) -> Result<Option<Extent>, IndexError> {
        self.with(|trees| {
            let ends = trees.rows.first()?.zip(trees.rows.last()?).zip(trees.arrivals.last()?);
            let Some((((first_id, _), (last_id, _)), (last_arrival, _))) = ends else {
                return Ok(None);
            };
            Ok(Some(Extent {
                first_id: id_from(&first_id)?,
                last_id: id_from(&last_id)?,
                last_arrival: arrival_from(&last_arrival)?,
                events: count(trees.arrivals.iter().values())?,
                open: trees.open_events()?,
            }))
        })
    }

    fn check(&self, latest: &Arc<LatestRecords>, missing: u64) -> Result<(), IndexError> {
        let trees = self.trees.clone().ok_or(IndexError::Missing)?;
        let latest = Arc::clone(latest);
        contain_on_thread(move || trees.check(&latest, missing))
    }

    fn close(mut self: Box<Self>) -> Result<(), IndexError> {
        let trees = self.trees.take();
        contain(|| {
            if let Some(trees) = trees {
                trees.db.flush()?;
            }
            Ok(())
        })?;
        Ok(self.close_to_others()?)
    }
}

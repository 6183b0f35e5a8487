//! A disk in memory that does what disks may do: what was not synced is lost in whole, in part, or out of order when the power
//! goes; writes and syncs fail; it fills up; and the process or the power ends between any two things it is asked for.
//!
//! A failed sync drops some of what it was to write, and the next one does not say so: that is what Linux does.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use fastrand::Rng;
use inhaul_journal::{Disk, DiskFile};

/// What is on the device whole or not at all.
const SECTOR: u64 = 512;

/// A write that fails has written whole pages.
const PAGE: u64 = 4096;

/// A handle of one run of a process; it is refused everything once that run is over.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    run: u64,
}

struct State {
    rng: Rng,
    run: u64,
    nonces: u64,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    renamed: Vec<Naming>,
    files: Vec<Contents>,
    locks: BTreeSet<PathBuf>,
    /// So many more bytes may files grow by.
    room: Option<u64>,
    writes: Failures,
    syncs: Failures,
    /// So many more changes are made, then the run is over.
    changes_left: Option<u32>,
    over: bool,
    /// A sync failed since the power came: programs may see what the device will never have.
    suspect: bool,
    /// It was made to fail in this run.
    troubled: bool,
    /// Says of every sync that it was made, and makes none.
    lies: bool,
}

/// Which of the next calls of one kind fail.
#[derive(Clone, Copy, Default)]
struct Failures {
    /// So many go well before.
    after: u32,
    count: u32,
}

impl Failures {
    /// Whether the call that is made now fails.
    fn hit(&mut self) -> bool {
        let hits = self.after == 0 && self.count > 0;
        if hits {
            self.count -= 1;
        }
        self.after = self.after.saturating_sub(1);
        hits
    }
}

/// A change of a directory, not synced yet.
enum Naming {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

#[derive(Default)]
struct Contents {
    /// What programs see.
    now: Vec<u8>,
    /// What the device has.
    durable: Vec<u8>,
    /// On its way from one to the other.
    pending: Vec<Change>,
}

enum Change {
    Write { at: u64, bytes: Vec<u8> },
    SetLen(u64),
}

impl Naming {
    fn is_in(&self, directory: &Path) -> bool {
        let (Self::Link(path, _) | Self::Unlink(path) | Self::Rename(_, path)) = self;
        path.parent() == Some(directory)
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Link(path, file) => drop(names.insert(path, file)),
            Self::Unlink(path) => drop(names.remove(&path)),
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(&from) {
                    names.insert(to, file);
                }
            }
        }
    }
}

fn put(file: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let at = usize::try_from(at).unwrap();
    let end = at + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at..end].copy_from_slice(bytes);
}

impl Contents {
    fn change(&mut self, change: Change) {
        apply(&mut self.now, &change);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// Every sector that was not synced is on the device or is not. The length is one the file has had since the last sync.
    fn lose(&mut self, rng: &mut Rng) {
        let kept = [0.0, 0.5, 0.95, 1.0][rng.usize(..4)];
        let mut length = self.durable.len() as u64;
        let mut lengths = vec![length];
        for change in &self.pending {
            length = match change {
                Change::Write { at, bytes } => length.max(at + bytes.len() as u64),
                Change::SetLen(bytes) => *bytes,
            };
            lengths.push(length);
        }
        for change in self.pending.drain(..) {
            let Change::Write { at, bytes } = change else { continue };
            for range in sectors(at, bytes.len() as u64) {
                if rng.f64() < kept {
                    let part =
                        usize::try_from(range.start - at).unwrap()..usize::try_from(range.end - at).unwrap();
                    put(&mut self.durable, range.start, &bytes[part]);
                }
            }
        }
        let length = if kept == 1.0 { length } else { lengths[rng.usize(..lengths.len())] };
        self.durable.resize(usize::try_from(length).unwrap(), 0);
    }
}

fn apply(file: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes } => put(file, *at, bytes),
        Change::SetLen(bytes) => file.resize(usize::try_from(*bytes).unwrap(), 0),
    }
}

/// A range of bytes, cut at the borders of sectors.
fn sectors(at: u64, bytes: u64) -> impl Iterator<Item = Range<u64>> {
    let end = at + bytes;
    let mut from = at;
    std::iter::from_fn(move || {
        let to = end.min((from / SECTOR + 1) * SECTOR);
        let part = (from < end).then_some(from..to);
        from = to;
        part
    })
}

fn over() -> io::Error {
    io::Error::other("the run is over")
}

impl SimDisk {
    pub fn new(seed: u64) -> Self {
        let state = State {
            rng: Rng::with_seed(seed),
            run: 0,
            nonces: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renamed: Vec::new(),
            files: Vec::new(),
            locks: BTreeSet::new(),
            room: None,
            writes: Failures::default(),
            syncs: Failures::default(),
            changes_left: None,
            over: false,
            suspect: false,
            troubled: false,
            lies: false,
        };
        Self { state: Arc::new(Mutex::new(state)), run: 0 }
    }

    /// The run ends after so many more changes, wherever it is then.
    pub fn end_run_after(&self, changes: u32) {
        self.lock().changes_left = Some(changes);
    }

    /// Whether the run has come to its end.
    pub fn is_over(&self) -> bool {
        self.lock().over
    }

    /// The process ends: it changes nothing more, and what it changed stays. Returns the disk for the next run.
    ///
    /// When the device failed to sync, the machine ends with the process: otherwise the next one would be shown what the device
    /// will never have, and nothing could tell.
    pub fn kill(&self) -> Self {
        if self.lock().suspect { self.lose_power() } else { self.next_run() }
    }

    fn next_run(&self) -> Self {
        let mut state = self.lock();
        state.run += 1;
        state.locks.clear();
        state.changes_left = None;
        state.over = false;
        state.troubled = state.is_failing();
        Self { state: Arc::clone(&self.state), run: state.run }
    }

    /// The power ends: what was not synced may be lost. Returns the disk for the next run.
    pub fn lose_power(&self) -> Self {
        let next = self.next_run();
        let mut guard = self.lock();
        let state = &mut *guard;
        let kept = state.rng.usize(..=state.renamed.len());
        for naming in state.renamed.drain(..).take(kept) {
            naming.apply(&mut state.durable_names);
        }
        state.names = state.durable_names.clone();
        state.suspect = false;
        for file in &mut state.files {
            file.lose(&mut state.rng);
            file.now.clone_from(&file.durable);
        }
        drop(guard);
        next
    }

    /// Whether the power goes with the process: see [`SimDisk::kill`].
    pub fn is_suspect(&self) -> bool {
        self.lock().suspect
    }

    /// So many writes fail, once as many others were made.
    pub fn fail_writes(&self, after: u32, count: u32) {
        let mut state = self.lock();
        state.writes = Failures { after, count };
        state.troubled = true;
    }

    /// So many syncs fail, once as many others were made.
    pub fn fail_syncs(&self, after: u32, count: u32) {
        let mut state = self.lock();
        state.syncs = Failures { after, count };
        state.troubled = true;
    }

    /// Only so many more bytes fit.
    pub fn fill(&self, room: u64) {
        let mut state = self.lock();
        state.room = Some(room);
        state.troubled = true;
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        let state = self.lock();
        state.names.values().map(|&file| state.files[file].now.len() as u64).sum()
    }

    /// Whether something of it was made to fail.
    pub fn is_failing(&self) -> bool {
        self.lock().is_failing()
    }

    /// Whether something of it was made to fail in this run: then what was written last need not be there in the next.
    pub fn is_troubled(&self) -> bool {
        self.lock().troubled
    }

    /// Nothing fails any more, and there is room.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.room = None;
        state.writes = Failures::default();
        state.syncs = Failures::default();
        state.changes_left = None;
    }

    /// From now on no sync is made, though it is said to be.
    pub fn lie(&self) {
        self.lock().lies = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The state, when this run is not over.
    fn read(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.lock();
        if state.run == self.run && !state.over { Ok(state) } else { Err(over()) }
    }

    /// The state to be changed, and whether the run ends with this change.
    fn change(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.read()?;
        match state.changes_left {
            Some(0) => {
                state.over = true;
                return Err(over());
            }
            Some(left) => state.changes_left = Some(left - 1),
            None => {}
        }
        Ok(state)
    }

    fn file(&self, file: usize) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), file })
    }
}

impl State {
    fn is_failing(&self) -> bool {
        self.room.is_some() || self.writes.count + self.syncs.count > 0
    }

    fn name(&mut self, naming: Naming) {
        let again = match &naming {
            Naming::Link(path, file) => Naming::Link(path.clone(), *file),
            Naming::Unlink(path) => Naming::Unlink(path.clone()),
            Naming::Rename(from, to) => Naming::Rename(from.clone(), to.clone()),
        };
        again.apply(&mut self.names);
        self.renamed.push(naming);
    }

    fn give_room(&mut self, bytes: u64) {
        self.room = self.room.map(|room| room + bytes);
    }

    /// Fails when a sync is to fail; what it was to write is on the device or lost for good then.
    fn sync(&mut self, file: usize) -> io::Result<()> {
        if self.syncs.hit() {
            self.suspect = true;
            self.files[file].lose(&mut self.rng);
            return Err(io::Error::other("the device failed"));
        }
        if !self.lies {
            self.files[file].sync();
        }
        Ok(())
    }
}

/// The lock of one run.
struct Lock {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.disk.lock();
        if state.run == self.disk.run {
            state.locks.remove(&self.path);
        }
    }
}

impl Disk for SimDisk {
    fn make_directory(&self, _directory: &Path) -> io::Result<()> {
        self.read().map(drop)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send>>> {
        let fresh = self.read()?.locks.insert(path.to_owned());
        Ok(fresh.then(|| Box::new(Lock { disk: self.clone(), path: path.to_owned() }) as _))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        let state = self.read()?;
        let inside = state.names.iter().filter(|(path, _)| path.parent() == Some(directory));
        Ok(inside.map(|(path, &file)| (path.clone(), state.files[file].now.len() as u64)).collect())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.read()?.names.get(path).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(self.file(file))
    }

    fn make(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if let Ok(file) = self.open(path) {
            return Ok(file);
        }
        let mut state = self.change()?;
        let file = state.files.len();
        state.files.push(Contents::default());
        state.name(Naming::Link(path.to_owned(), file));
        Ok(self.file(file))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        if state.syncs.hit() {
            return Err(io::Error::other("the device failed"));
        }
        if !state.lies {
            let (synced, left) = std::mem::take(&mut state.renamed)
                .into_iter()
                .partition::<Vec<_>, _>(|naming| naming.is_in(directory));
            state.renamed = left;
            synced.into_iter().for_each(|naming| naming.apply(&mut state.durable_names));
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.name(Naming::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        let file = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let bytes = state.files[file].now.len() as u64;
        state.give_room(bytes);
        state.name(Naming::Unlink(path.to_owned()));
        Ok(())
    }

    fn nonce(&self) -> u64 {
        let mut state = self.lock();
        state.nonces += 1;
        // Far apart in all bits (Knuth's multiplicative hash), as the real ones are.
        state.nonces.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl DiskFile for SimFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.disk.read()?.files[self.file].now.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.read()?;
        let now = &state.files[self.file].now;
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let part = now.get(start..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.change()?;
        let length = state.files[self.file].now.len() as u64;
        let growth = (offset + bytes.len() as u64).saturating_sub(length);
        let fails = state.writes.hit();
        let fits = state.room.is_none_or(|room| growth <= room);
        let end = offset + bytes.len() as u64;
        let end = match state.room {
            _ if fits && !fails => end,
            Some(room) if !fits => length.max(offset) + room,
            _ => state.rng.u64(offset..=end),
        };
        let end = if fits && !fails { end } else { (end / PAGE * PAGE).max(offset) };
        let written = usize::try_from(end - offset).unwrap();
        let grown = end.saturating_sub(length);
        state.room = state.room.map(|room| room.saturating_sub(grown));
        let change = Change::Write { at: offset, bytes: bytes[..written].to_vec() };
        state.files[self.file].change(change);
        if fails {
            return Err(io::Error::other("the device failed"));
        }
        if fits { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    /// Not every disk can, and this one cannot always.
    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.change()?;
        if state.rng.bool() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if state.writes.hit() {
            return Err(io::Error::other("the device failed"));
        }
        if state.room.is_some_and(|room| bytes > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.room = state.room.map(|room| room - bytes);
        state.files[self.file].change(Change::SetLen(offset + bytes));
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.change()?;
        let length = state.files[self.file].now.len() as u64;
        state.give_room(length.saturating_sub(bytes));
        state.files[self.file].change(Change::SetLen(bytes));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.change()?.sync(self.file)
    }
}

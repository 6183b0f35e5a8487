//! For tests, here and of those who keep journals: the operating system's files, and a say in what is done to them.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::disk::{Disk, DiskFile, RealDisk};

/// What is about to be done to a file.
#[derive(Clone, Copy)]
pub struct Act<'a> {
    /// The file itself.
    pub file: &'a dyn DiskFile,
    /// The name it was opened by.
    pub path: &'a Path,
    /// Which opening of it does this: the system tells each of them once that data did not reach the device.
    pub handle: u64,
    /// What it is.
    pub what: What,
}

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Bytes are read from there on.
    Read(u64),
    /// Bytes are written, up to there.
    Write(u64),
    /// It is extended by zeros, up to there.
    Allocate(u64),
    /// Its data is to be on the device.
    Sync,
}

type Hook = dyn Fn(&Act<'_>) -> io::Result<()> + Send + Sync;

/// [`RealDisk`], whose files ask before each act. What is not allowed is not done, and fails with the error given.
#[derive(Clone)]
pub struct HookedDisk {
    before: Arc<Hook>,
    handles: Arc<AtomicU64>,
}

impl HookedDisk {
    /// A disk whose files ask `before` each act.
    pub fn new(before: impl Fn(&Act<'_>) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { before: Arc::new(before), handles: Arc::default() }
    }

    fn hooked(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let handle = self.handles.fetch_add(1, Ordering::SeqCst);
        Arc::new(HookedFile { before: Arc::clone(&self.before), handle, path: path.to_owned(), file })
    }
}

impl Disk for HookedDisk {
    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        RealDisk.make_directory(directory)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send>>> {
        RealDisk.try_lock(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        RealDisk.list(directory)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.hooked(path, RealDisk.open(path)?))
    }

    fn make(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.hooked(path, RealDisk.make(path)?))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        RealDisk.sync_directory(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn nonce(&self) -> u64 {
        RealDisk.nonce()
    }
}

struct HookedFile {
    before: Arc<Hook>,
    handle: u64,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
}

impl HookedFile {
    fn ask(&self, what: What) -> io::Result<()> {
        (self.before)(&Act { file: &*self.file, path: &self.path, handle: self.handle, what })
    }
}

impl DiskFile for HookedFile {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.ask(What::Read(offset))?;
        self.file.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.ask(What::Write(offset + bytes.len() as u64))?;
        self.file.write_all_at(bytes, offset)
    }

    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.ask(What::Allocate(offset + bytes))?;
        self.file.allocate(offset, bytes)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.ask(What::Sync)?;
        self.file.sync_data()
    }
}

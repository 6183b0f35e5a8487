//! The few things a journal does to files, so that tests can make them fail, lose what was not synced, and fill up.

use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Where a journal's files are. [`RealDisk`] is the operating system; a simulation has another.
pub trait Disk: Send + Sync {
    /// Makes a directory, for this user only, with those above it; its entry in the one above is on the device then.
    ///
    /// # Errors
    /// When the disk refuses.
    fn make_directory(&self, directory: &Path) -> io::Result<()>;
    /// Locks a file until what is returned is dropped; `None` while it is locked by another.
    ///
    /// # Errors
    /// When the disk refuses.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send>>>;
    /// The files in a directory and their lengths, in any order.
    ///
    /// # Errors
    /// When the disk refuses.
    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, u64)>>;
    /// Opens a file that is there for reading and writing.
    ///
    /// # Errors
    /// When it is not there, or the disk refuses.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing, and makes it, for this user only, when it is not there.
    ///
    /// # Errors
    /// When the disk refuses.
    fn make(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Returns when the directory's entries are on the device.
    ///
    /// # Errors
    /// When the disk refuses; then nothing is known of them.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
    /// Renames a file.
    ///
    /// # Errors
    /// When the disk refuses.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// When the disk refuses.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// A number that no file on it was begun with before.
    fn nonce(&self) -> u64;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// When the disk refuses.
    fn bytes(&self) -> io::Result<u64>;
    /// Fills the buffer from an offset.
    ///
    /// # Errors
    /// With [`io::ErrorKind::UnexpectedEof`] when the file ends before, or when the disk refuses.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of the bytes at an offset.
    ///
    /// # Errors
    /// When the disk refuses; some of the bytes may be written then.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Overwrites bytes within the file with zeros; a disk that can takes its blocks back.
    ///
    /// # Errors
    /// When the disk refuses; some of the bytes may be overwritten then.
    fn erase(&self, offset: u64, bytes: u64) -> io::Result<()> {
        write_zeros(self, offset, bytes)
    }
    /// Extends it from its end, at `offset`, by zeros that need not be written: the disk only keeps room for them.
    ///
    /// # Errors
    /// With [`io::ErrorKind::Unsupported`] when they have to be written, or when the disk refuses.
    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()> {
        let _ = (offset, bytes);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Cuts or extends it.
    ///
    /// # Errors
    /// When the disk refuses.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Returns when its data is on the device.
    ///
    /// # Errors
    /// When the disk refuses; then nothing is known of what was written since the last sync.
    fn sync_data(&self) -> io::Result<()>;
}

/// Overwrites bytes of a file with zeros.
fn write_zeros(file: &(impl DiskFile + ?Sized), offset: u64, bytes: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let end = offset + bytes;
    let mut at = offset;
    while at < end {
        let len = usize::try_from(end - at).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        file.write_all_at(&ZEROS[..len], at)?;
        at += len as u64;
    }
    Ok(())
}

impl fmt::Debug for dyn Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let synced = match directory.parent() {
            // A bare name is in the current directory.
            Some(parent) if parent.as_os_str().is_empty() => self.sync_directory(Path::new(".")),
            Some(parent) => self.sync_directory(parent),
            None => Ok(()),
        };
        match synced {
            // Whoever made the directory for us keeps the one above to themselves.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        }
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send>>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(data) => files.push((entry.path(), data.len())),
                // It was removed in this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(files)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn make(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let made =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        Ok(Arc::new(made?))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn nonce(&self) -> u64 {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_be_bytes();
        let low = crc32c::crc32c(&nanos);
        let high = crc32c::crc32c_append(process::id(), &nanos);
        u64::from(high) << 32 | u64::from(low)
    }
}

impl DiskFile for File {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    #[cfg(target_os = "linux")]
    fn erase(&self, offset: u64, bytes: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if bytes > 0 && fallocate(self, hole, offset, bytes).is_ok() {
            return Ok(());
        }
        // Not every file system has holes.
        write_zeros(self, offset, bytes)
    }

    #[cfg(target_os = "linux")]
    fn allocate(&self, offset: u64, bytes: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        Ok(fallocate(self, FallocateFlags::empty(), offset, bytes)?)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        Self::set_len(self, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }
}

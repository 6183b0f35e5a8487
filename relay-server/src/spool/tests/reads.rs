//! Disks that refuse to read for a while.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use inhaul_journal::DiskFile;

use super::*;

/// A disk whose files are not read while it is told so.
struct Refusing {
    refuses: Arc<AtomicBool>,
}

struct File {
    file: Arc<dyn DiskFile>,
    refuses: Arc<AtomicBool>,
}

impl Refusing {
    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(File { file, refuses: Arc::clone(&self.refuses) })
    }
}

impl Disk for Refusing {
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
        RealDisk.open(path).map(|file| self.file(file))
    }

    fn make(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.make(path).map(|file| self.file(file))
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

impl DiskFile for File {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(rustix::io::Errno::IO.into());
        }
        self.file.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_for_a_moment_is_read_later() {
    let directory = tempfile::tempdir().unwrap();
    let refuses = Arc::new(AtomicBool::new(false));
    let disk = Arc::new(Refusing { refuses: Arc::clone(&refuses) });
    let (spool, _) = Spool::open_on(disk, directory.path(), Options::default()).unwrap();
    spool.append(&event(1, 100), false, ROOMY).await.unwrap();
    let reader = alone(&spool);
    refuses.store(true, Ordering::Relaxed);
    let mut next = pin!(reader.next(0, u64::MAX));
    let moment = std::time::Duration::from_millis(50);
    assert!(tokio::time::timeout(moment, next.as_mut()).await.is_err(), "it is not given up");
    assert_eq!(spool.backlog(&orders()).events, 1);
    refuses.store(false, Ordering::Relaxed);
    let Next::Event(read) = next.await else { panic!("an event waits") };
    assert_eq!(read.event, event(1, 100));
}

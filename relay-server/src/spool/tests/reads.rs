//! Disks that refuse to read for a while.

use std::sync::atomic::{AtomicBool, Ordering};

use inhaul_journal::testing::{HookedDisk, What};

use super::*;

#[tokio::test]
async fn an_event_that_cannot_be_read_for_a_moment_is_read_later() {
    let directory = tempfile::tempdir().unwrap();
    let refuses = Arc::new(AtomicBool::new(false));
    let refused = Arc::clone(&refuses);
    let disk = Arc::new(HookedDisk::new(move |act| match act.what {
        What::Read(_) if refused.load(Ordering::Relaxed) => Err(rustix::io::Errno::IO.into()),
        What::Read(_) | What::Write(_) | What::Allocate(_) | What::Sync => Ok(()),
    }));
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

//! What the disk takes for one group of records, without a relay: whatever stores before it answers waits at least this long.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

/// About what a group of records takes.
const GROUP_BYTES: usize = 16 * 1024;

/// Groups written.
const GROUPS: usize = 400;

/// The median time of writing a group into a file that is filled with zeros already, and syncing it.
pub(crate) fn sync_time(directory: &Path) -> Duration {
    let mut times = measure(&directory.join("disk")).expect("the disk takes a few MiB");
    times.sort_unstable();
    times[times.len() / 2]
}

fn measure(path: &Path) -> io::Result<Vec<Duration>> {
    let file = File::create(path)?;
    let group = [1; GROUP_BYTES];
    file.write_all_at(&vec![0; GROUPS * GROUP_BYTES], 0)?;
    file.sync_all()?;
    (0..GROUPS)
        .map(|number| {
            let began = Instant::now();
            file.write_all_at(&group, (number * GROUP_BYTES) as u64)?;
            file.sync_data()?;
            Ok(began.elapsed())
        })
        .collect()
}

//! Where benches keep their files.

use tempfile::TempDir;

/// A directory on the disk the project is on, which goes when it is dropped. The system's temporary one may be in memory.
pub(crate) fn scratch() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

//! The relay's data directory: made for its user, and refused where somebody else could change what is in it.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Why a data directory is not used.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// It cannot be made or looked at.
    #[error("cannot make {path}")]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another user has it.
    #[error(
        "{path} belongs to another user (uid {owner}); name a directory of the relay's own with `--data`"
    )]
    OfAnother {
        /// The directory.
        path: PathBuf,
        /// Who has it.
        owner: u32,
    },
    /// Others can make files in it, or lead the relay's elsewhere.
    #[error(
        "{path} can be written by other users (mode {mode:03o}); `chmod go-w {path}` closes it, or name a directory inside it with `--data`"
    )]
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// Makes a data directory, closed to other users, or looks at the one there is.
///
/// # Errors
/// When it cannot be made, or other users can write to it.
pub fn open(path: &Path) -> Result<(), DataDirError> {
    let failed = |source| DataDirError::Io { path: path.to_owned(), source };
    make_directory(path).map_err(failed)?;
    let found = fs::metadata(path).map_err(failed)?;
    check(path, found.uid(), found.mode(), rustix::process::geteuid().as_raw())
}

/// Whether nobody but its owner can change what is in a directory, and that is `user`. Root's is anybody's: they can change everything
/// anyway, and a volume of a container may be theirs. For the same reason root takes one of another user.
fn check(path: &Path, owner: u32, mode: u32, user: u32) -> Result<(), DataDirError> {
    if owner != user && owner != 0 && user != 0 {
        return Err(DataDirError::OfAnother { path: path.to_owned(), owner });
    }
    if mode & 0o022 != 0 {
        return Err(DataDirError::OpenToOthers { path: path.to_owned(), mode: mode & 0o7777 });
    }
    Ok(())
}

/// Makes a directory, and those above it, for this user only; what exists keeps its mode.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        for (mode, is_taken) in [(0o700, true), (0o755, true), (0o775, false), (0o1777, false)] {
            fs::set_permissions(temp.path(), fs::Permissions::from_mode(mode)).unwrap();
            let opened = open(temp.path());
            assert_eq!(opened.is_ok(), is_taken, "{mode:o}");
            if let Err(error) = opened {
                let said = format!("(mode {mode:03o}); `chmod go-w {}` closes it", temp.path().display());
                assert!(error.to_string().contains(&said), "{error}");
            }
        }
        let made = temp.path().join("made");
        open(&made).unwrap();
        assert_eq!(fs::metadata(&made).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn only_roots_directory_is_also_anothers() {
        let (root, ada, bob) = (0, 1000, 1001);
        for (owner, user, is_taken) in
            [(ada, ada, true), (root, ada, true), (ada, root, true), (bob, ada, false)]
        {
            assert_eq!(check(Path::new("/data"), owner, 0o755, user).is_ok(), is_taken, "{owner} {user}");
        }
    }
}

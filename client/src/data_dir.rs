//! The directory everything of one user's client lives in, and the names inside it.
//!
//! ```text
//!  <data>/lock          who is using the directory
//!  <data>/control.sock  where the running `listen` answers other commands
//!  <data>/client_id     who this client is to a relay
//!  <data>/filters.toml  filters saved in the inspector
//!  <data>/filters.used  filters used in the inspector, a line each
//!  <data>/history/      every event stored, see docs/history.md
//!  <data>/relay/        the embedded relay's own data
//! ```

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use aws_lc_rs::{digest, rand};
use etcetera::{BaseStrategy, base_strategy::Xdg};
use rustix::fs::OFlags;
use thiserror::Error;
use uuid::Uuid;

/// Longest path of a unix domain socket that works everywhere: `sun_path` has 104 bytes on macOS and 108 on Linux.
const SOCKET_PATH_MAX_BYTES: usize = 100;

/// The data directory of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    path: PathBuf,
}

/// Why there is no usable data directory.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// Neither a directory was named nor a home directory is known.
    #[error("no home directory is known to keep data in")]
    NoHome,
    /// A file or directory could not be read or made.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is a file.
    #[error("{} is a file, not a directory", path.display())]
    IsFile {
        /// Which.
        path: PathBuf,
    },
    /// Another user has the directory, and could change what is in it.
    #[error("{} belongs to another user (uid {owner})", path.display())]
    OfAnother {
        /// The directory.
        path: PathBuf,
        /// Who has it.
        owner: u32,
    },
    /// Other users can make files in the directory, or lead ours elsewhere.
    #[error("{} can be written by other users (mode {mode:03o})", path.display())]
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file with the client's id holds something else.
    #[error("{}: not the id of a client", path.display())]
    ClientId {
        /// Which file.
        path: PathBuf,
    },
}

impl DataDirError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoHome => "name a directory with `--data DIR`, or set `HOME`".to_owned(),
            Self::Io { path, .. } => format!(
                "`{}` must be a place you can write to; `--data DIR` names another directory",
                path.display()
            ),
            Self::IsFile { .. } => "`--data DIR` names the directory that everything is kept in".to_owned(),
            Self::OfAnother { path, .. } => format!(
                "name a directory of your own with `--data DIR`, or one inside it: `--data {}`",
                path.join("inhaul").display()
            ),
            Self::OpenToOthers { path, .. } => format!(
                "`chmod go-w {}` closes it; where it must stay as it is, name one inside it: `--data {}`",
                path.display(),
                path.join("inhaul").display()
            ),
            Self::ClientId { path } => {
                format!("`rm {}` makes this client a new one to its relay", path.display())
            }
        }
    }

    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }
}

impl DataDir {
    /// The directory named, or `inhaul` in the user's XDG data directory; made, closed to other users, when missing.
    ///
    /// # Errors
    /// When there is no such place, it cannot be made, or other users can write to it.
    pub fn open(named: Option<&Path>) -> Result<Self, DataDirError> {
        let path = match named {
            Some(path) => std::path::absolute(path).map_err(|error| DataDirError::io(path, error))?,
            None => Xdg::new().map_err(|_| DataDirError::NoHome)?.data_dir().join("inhaul"),
        };
        if path.is_file() {
            return Err(DataDirError::IsFile { path });
        }
        create_private_dir(&path).map_err(|error| DataDirError::io(&path, error))?;
        let found = fs::metadata(&path).map_err(|error| DataDirError::io(&path, error))?;
        check_private(path.clone(), found.uid(), found.mode(), rustix::process::geteuid().as_raw())?;
        Ok(Self { path })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file whose lock says that the directory is in use.
    pub fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// The directory of the history.
    pub fn history(&self) -> PathBuf {
        self.path.join("history")
    }

    /// The filters saved in the inspector.
    pub fn filters(&self) -> PathBuf {
        self.path.join("filters.toml")
    }

    /// The filters that were used in the inspector.
    pub fn used_filters(&self) -> PathBuf {
        self.path.join("filters.used")
    }

    /// The data directory of the embedded relay.
    pub fn relay(&self) -> PathBuf {
        self.path.join("relay")
    }

    /// The file with the token of the embedded relay's endpoint.
    pub fn embedded_token(&self) -> PathBuf {
        self.path.join("embedded_token")
    }

    /// Where a running `listen` answers other commands: in the data directory, or, when that path is too long for a
    /// socket, in a directory of its own in the user's runtime directory or the system's temporary one.
    pub fn control_socket(&self) -> PathBuf {
        let inside = self.path.join("control.sock");
        if inside.as_os_str().len() <= SOCKET_PATH_MAX_BYTES {
            return inside;
        }
        let digest = digest::digest(&digest::SHA256, self.path.as_os_str().as_bytes());
        let name = format!("inhaul-{}", hex::encode(&digest.as_ref()[..8]));
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
        [runtime.unwrap_or_else(env::temp_dir), PathBuf::from("/tmp")]
            .into_iter()
            .map(|base| base.join(&name).join("control.sock"))
            .find(|path| path.as_os_str().len() <= SOCKET_PATH_MAX_BYTES)
            .unwrap_or(inside)
    }

    /// Who this client is to a relay: made once, the same ever after.
    ///
    /// # Errors
    /// When the file cannot be read or written, or holds no id.
    pub fn client_id(&self) -> Result<Uuid, DataDirError> {
        let path = self.path.join("client_id");
        match fs::read_to_string(&path) {
            Ok(text) => Uuid::parse_str(text.trim()).map_err(|_| DataDirError::ClientId { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bytes = [0; 16];
                rand::fill(&mut bytes)
                    .map_err(|_| DataDirError::io(&path, io::Error::other("no random bytes")))?;
                let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
                write_private_file(&path, format!("{id}\n").as_bytes())
                    .map_err(|error| DataDirError::io(&path, error))?;
                Ok(id)
            }
            Err(error) => Err(DataDirError::io(&path, error)),
        }
    }
}

/// Whether nobody but its owner can change what is in a directory, and that is `user`. Root's is anybody's: they can change everything anyway, and a volume
/// of a container may be theirs. For the same reason root takes one of another user.
fn check_private(path: PathBuf, owner: u32, mode: u32, user: u32) -> Result<(), DataDirError> {
    if owner != user && owner != 0 && user != 0 {
        return Err(DataDirError::OfAnother { path, owner });
    }
    if mode & 0o022 != 0 {
        return Err(DataDirError::OpenToOthers { path, mode: mode & 0o7777 });
    }
    Ok(())
}

/// Makes a directory, and those above it, for this user only (0700); what exists keeps its mode.
///
/// # Errors
/// When it cannot be made.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file for reading and writing, made for this user only (0600) when missing. A link that leads elsewhere is not followed.
///
/// # Errors
/// When it cannot be opened.
pub fn open_private_file(path: &Path) -> io::Result<File> {
    let own = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(own);
    options.open(path)
}

/// Writes a whole file for this user only (0600), so that whoever reads it sees all of it or the old one, also after
/// a power cut.
///
/// # Errors
/// When it cannot be written; the old file is untouched then.
pub fn write_private_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    // Under a name that nobody knows before, and only if there is no such file; what is made so is for this user only.
    let mut file =
        tempfile::Builder::new().prefix(".inhaul-").tempfile_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failed| failed.error)?;
    sync_parent(path)
}

/// Makes the entry of a file or directory in the directory above it survive a power cut.
///
/// # Errors
/// When the directory cannot be opened or flushed.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        // A bare file name is in the current directory.
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Reads a whole file of at most `max_bytes`.
///
/// # Errors
/// When it cannot be read or is longer.
pub fn read_small_file(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("longer than {max_bytes} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn everything_made_is_for_this_user_only() {
        let temp = tempfile::tempdir().unwrap();
        let data = DataDir::open(Some(&temp.path().join("a/b"))).unwrap();
        let id = data.client_id().unwrap();
        assert_eq!(data.client_id().unwrap(), id);
        assert_eq!(id.get_version_num(), 4);
        assert_eq!(mode(&temp.path().join("a")), 0o700);
        assert_eq!(mode(data.path()), 0o700);
        assert_eq!(mode(&data.path().join("client_id")), 0o600);
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_not_written_where_a_link_leads() {
        let temp = tempfile::tempdir().unwrap();
        let (path, other) = (temp.path().join("file"), temp.path().join("other"));
        fs::write(&other, "of somebody else").unwrap();
        std::os::unix::fs::symlink(&other, temp.path().join("file.new")).unwrap();
        write_private_file(&path, b"secret").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!((fs::read(&other).unwrap().as_slice(), mode(&path)), (&b"of somebody else"[..], 0o600));
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        for (mode, is_taken) in
            [(0o700, true), (0o755, true), (0o775, false), (0o1777, false), (0o702, false)]
        {
            fs::set_permissions(temp.path(), fs::Permissions::from_mode(mode)).unwrap();
            match DataDir::open(Some(temp.path())) {
                Ok(_) => assert!(is_taken, "{mode:o}"),
                Err(error) => {
                    assert!(!is_taken, "{error}");
                    assert!(error.to_string().ends_with(&format!("(mode {mode:03o})")), "{error}");
                    assert!(error.hint().contains(&format!("`chmod go-w {}`", temp.path().display())));
                }
            }
        }
    }

    #[test]
    fn only_roots_directory_is_also_anothers() {
        let (root, ada, bob) = (0, 1000, 1001);
        for (owner, user, is_taken) in
            [(ada, ada, true), (root, ada, true), (ada, root, true), (bob, ada, false)]
        {
            let checked = check_private(PathBuf::from("/data"), owner, 0o755, user);
            assert_eq!(checked.is_ok(), is_taken, "{owner} {user}");
            if let Err(error) = checked {
                assert_eq!(error.to_string(), "/data belongs to another user (uid 1001)");
            }
        }
    }

    #[test]
    fn a_damaged_client_id_is_kept_and_said() {
        let temp = tempfile::tempdir().unwrap();
        let data = DataDir::open(Some(temp.path())).unwrap();
        fs::write(temp.path().join("client_id"), "no id").unwrap();
        let error = data.client_id().unwrap_err();
        assert!(error.to_string().ends_with("client_id: not the id of a client"), "{error}");
        assert!(error.hint().contains("`rm "));
        assert_eq!(fs::read(temp.path().join("client_id")).unwrap(), b"no id");
    }

    #[test]
    fn a_file_in_its_way_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        let error = DataDir::open(Some(&file.join("data"))).unwrap_err();
        assert!(error.to_string().contains("/file/data: "), "{error}");
        assert!(error.hint().contains("`--data DIR`"));
    }

    #[test]
    fn a_long_path_gets_a_short_socket() {
        let temp = tempfile::tempdir().unwrap();
        let short = DataDir::open(Some(temp.path())).unwrap();
        assert_eq!(short.control_socket(), temp.path().join("control.sock"));
        let long = DataDir::open(Some(&temp.path().join("x".repeat(120)))).unwrap();
        let other = DataDir::open(Some(&temp.path().join("y".repeat(120)))).unwrap();
        let socket = long.control_socket();
        assert!(socket.as_os_str().len() <= SOCKET_PATH_MAX_BYTES, "{}", socket.display());
        assert_eq!(socket, long.control_socket());
        assert_ne!(socket, other.control_socket());
    }
}

//! How other `inhaul` commands ask the running one: a unix domain socket in the data directory, for this user only.
//!
//! One process has the history open. The others send one line of JSON each time and get one line back, and behind that
//! line the bytes it announces. `docs/history.md` has the requests and answers.

mod desk;
mod orders;
mod protocol;
mod remote;

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    net::UnixListener,
    sync::{Semaphore, mpsc},
    task::{JoinHandle, JoinSet},
};

use self::desk::Desk;
pub use self::{
    orders::{Decision, Ordered, Orders, PlanRequest, ReplayRequest, Wanted},
    protocol::ToSign,
    remote::{Remote, RemoteError},
};
use crate::{
    data_dir::create_private_dir,
    history::{History, HistoryError, Holder, Status},
    live::Live,
};

/// Most connections served at once; further ones wait until one ends.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may say nothing, or take nothing of an answer, before it is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most rows in one answer; who wants more asks again.
const ROWS_MAX: usize = 200;

/// Where webhooks reach the running process.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reach {
    /// The endpoint's public URL.
    pub endpoint_url: String,
    /// Certificate authorities to trust for it instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// The running process, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Running {
    /// Who holds the data directory.
    pub holder: Holder,
    /// Its history in numbers.
    pub history: Status,
    /// Where webhooks reach it; nowhere before the relay has said so.
    pub reach: Option<Reach>,
}

/// Why nothing could be served on a socket.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The socket could not be made.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Something that is no socket has its name.
    #[error("{} is in the way of the control socket", path.display())]
    InTheWay {
        /// What.
        path: PathBuf,
    },
    /// The directory of the socket, outside the data directory, is not this user's alone.
    #[error("{} belongs to another user, or is open to others", path.display())]
    NotPrivate {
        /// The directory.
        path: PathBuf,
    },
    /// The history could not say where the socket is.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// Serves other commands until it is dropped.
#[derive(Debug)]
pub struct ControlServer {
    task: JoinHandle<()>,
    _socket: Socket,
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves the history on a socket, inside a tokio runtime. Replays are passed on; when their queue is full, whoever
/// wants one more is told so. Imported events, and what others note on events, are told on `live`; when that is full, whoever imports waits.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve(
    path: &Path,
    history: History,
    orders: Orders,
    reach: Arc<OnceLock<Reach>>,
    live: mpsc::Sender<Live>,
) -> Result<ControlServer, ControlError> {
    let listener = listen(path, history.data_dir().path())?;
    let socket = Socket { path: path.to_owned(), history: history.clone() };
    history.announce(Some(path))?;
    let task = tokio::spawn(accept(listener, Desk { history, orders, reach, live }));
    Ok(ControlServer { task, _socket: socket })
}

/// The file of the socket; it goes with the server.
#[derive(Debug)]
struct Socket {
    path: PathBuf,
    history: History,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A closed history has given the lock back, and nobody looks for the socket.
        let _ = self.history.announce(None);
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket could not be removed");
        }
    }
}

/// Binds the socket. This process has the data directory, so a socket found there is a dead one's.
fn listen(path: &Path, data_dir: &Path) -> Result<UnixListener, ControlError> {
    let io_error = |error| ControlError::Io { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(io_error)?,
        Ok(_) => return Err(ControlError::InTheWay { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_error(error)),
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    create_private_dir(directory).map_err(io_error)?;
    let listener = UnixListener::bind(path).map_err(io_error)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io_error)?;
    if directory != data_dir {
        // Its name can be guessed, and somebody else may have made it.
        let own = fs::metadata(path).map_err(io_error)?;
        let around = fs::symlink_metadata(directory).map_err(io_error)?;
        if own.uid() != around.uid() || around.mode() & 0o077 != 0 {
            fs::remove_file(path).map_err(io_error)?;
            return Err(ControlError::NotPrivate { path: directory.to_owned() });
        }
    }
    Ok(listener)
}

async fn accept(listener: UnixListener, desk: Desk) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = desk.clone();
                connections.spawn(async move {
                    if let Err(error) = desk.serve(stream).await {
                        tracing::debug!(%error, "a control connection ended");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket accepts nothing for a second");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;

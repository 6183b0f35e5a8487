//! The endpoints of a relay: a file that `endpoint add` changes while the relay runs or not.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use inhaul_core::event::EndpointName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use uuid::Uuid;

use crate::data_dir::{self, DataDirError};

/// How long a file that was looked at counts as unchanged; a look costs a system call.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The version of the file.
const VERSION: u32 = 1;

/// How a sender is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum AnswerMode {
    /// By the app, through the client; the sender is held for it.
    App,
    /// By the relay, as soon as the event is stored.
    Relay,
}

/// What a sender is told when the app cannot answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum OnAbsent {
    /// 202: the event is stored and will be delivered.
    Accept,
    /// 502 or 504: the sender is to come again; the event is kept as missed.
    Refuse,
}

/// A public address of this relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its name.
    pub name: EndpointName,
    /// The path segment behind `/in/`: the name and a part nobody can guess.
    pub part: String,
    /// SHA-256 of its token, in hex.
    #[serde(with = "hex::serde")]
    token_sha256: [u8; 32],
    /// How senders are answered.
    pub answer: AnswerMode,
    /// What they are told when the app cannot answer.
    pub on_absent: OnAbsent,
    /// When it was added, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// Clients that share it and are to be removed; the relay does it and takes them off this list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove_clients: Vec<Uuid>,
}

/// A token: shown once, stored nowhere. Its text is only got by asking for it.
pub struct Token(String);

impl Token {
    /// The token itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Why the endpoints cannot be read or changed.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// The file is no list of endpoints.
    #[error("{file}: {error}; put it right, or move it away to begin without endpoints")]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong, with line and column.
        error: serde_json::Error,
    },
    /// A later release wrote the file.
    #[error("{file} has version {version}; this release reads version {VERSION}")]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u32,
    },
    /// The data directory is not one to use.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// There is an endpoint of that name.
    #[error("there is an endpoint {0} already; `endpoint rotate-token {0}` makes a new token for it")]
    Exists(EndpointName),
    /// There is no endpoint of that name.
    #[error("there is no endpoint {0}")]
    Unknown(EndpointName),
    /// The operating system refused.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the system gave no random bytes for a token")]
    Random,
}

/// A name and token that do not belong together. Which of the two is wrong is nobody's business.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("no such endpoint with this token")]
pub struct AuthError;

/// The endpoints. A clone is another handle of the same list.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    file: PathBuf,
    lock_file: PathBuf,
    state: Mutex<State>,
}

/// Told of the endpoints there are, and of those that were removed since it was told last, before anybody else sees the list.
type Changed = Box<dyn Fn(&[Arc<Endpoint>], &[Removed]) + Send>;

struct State {
    endpoints: Vec<Arc<Endpoint>>,
    removed: Vec<Removed>,
    changed: Option<Changed>,
    /// Removed endpoints that were told of, to be taken off the file.
    told: Vec<Removed>,
    seen: Option<Stamp>,
    looked: Instant,
    /// The broken file that was reported last, so that it is reported once.
    reported: Option<Stamp>,
}

/// What tells that a file is another one than before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    modified_ns: i128,
    bytes: u64,
}

/// An endpoint that was removed. The relay lets go of what waited at it, and takes it off the list of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Its name, which another endpoint may have by now.
    pub name: EndpointName,
    /// Its path segment, which no other ever has.
    part: String,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    endpoints: Vec<Endpoint>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removed: Vec<Removed>,
}

impl Endpoint {
    /// What tells its token from every other, without being of use to anybody.
    pub fn token_digest(&self) -> [u8; 32] {
        self.token_sha256
    }
}

impl Registry {
    /// Opens the list in a data directory; there need not be one yet.
    ///
    /// # Errors
    /// When the file cannot be read or understood, or others can write to the directory.
    pub fn open(data: &Path) -> Result<Self, RegistryError> {
        data_dir::open(data)?;
        let file = data.join("endpoints.json");
        let (Stored { endpoints, removed, .. }, seen) = read(&file)?;
        let endpoints = shared(endpoints);
        let (looked, changed, told) = (Instant::now(), None, Vec::new());
        let state = State { endpoints, removed, changed, told, seen, looked, reported: None };
        let lock_file = data.join("endpoints.lock");
        Ok(Self { shared: Arc::new(Shared { file, lock_file, state: Mutex::new(state) }) })
    }

    /// Has somebody told of every change from now on, and of what the file says now. Before that, nobody sees the change.
    pub fn watch(&self, changed: impl Fn(&[Arc<Endpoint>], &[Removed]) + Send + 'static) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.changed = Some(Box::new(changed));
        state.tell();
    }

    /// Takes the removed endpoints that were told of off the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget_removed(&self) -> Result<(), RegistryError> {
        let told = self.current(Instant::now()).told.clone();
        if told.is_empty() {
            return Ok(());
        }
        self.change(|stored| {
            stored.removed.retain(|removed| !told.contains(removed));
            Ok(())
        })?;
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.told.retain(|removed| !told.contains(removed));
        Ok(())
    }

    /// Adds an endpoint and makes its token.
    ///
    /// # Errors
    /// When there is one of that name, or the file cannot be written.
    pub fn add(
        &self,
        name: &EndpointName,
        answer: AnswerMode,
        on_absent: OnAbsent,
    ) -> Result<(Endpoint, Token), RegistryError> {
        let token = new_token()?;
        let endpoint = Endpoint {
            name: name.clone(),
            part: format!("{name}-{}", hex::encode(random::<16>()?)),
            token_sha256: Sha256::digest(token.0.as_bytes()).into(),
            answer,
            on_absent,
            created_at_ms: now_millis(),
            remove_clients: Vec::new(),
        };
        self.change(|stored| {
            if stored.endpoints.iter().any(|known| known.name == *name) {
                return Err(RegistryError::Exists(name.clone()));
            }
            stored.endpoints.push(endpoint.clone());
            Ok(())
        })?;
        Ok((endpoint, token))
    }

    /// Removes an endpoint, and what waits at it.
    ///
    /// # Errors
    /// When there is none of that name, or the file cannot be written.
    pub fn remove(&self, name: &EndpointName) -> Result<(), RegistryError> {
        self.change(|stored| {
            let known = stored.endpoints.iter().position(|known| known.name == *name);
            let at = known.ok_or_else(|| RegistryError::Unknown(name.clone()))?;
            let Endpoint { name, part, .. } = stored.endpoints.remove(at);
            stored.removed.push(Removed { name, part });
            Ok(())
        })
    }

    /// Makes a new token for an endpoint; the old one is refused from now on.
    ///
    /// # Errors
    /// When there is none of that name, or the file cannot be written.
    pub fn rotate_token(&self, name: &EndpointName) -> Result<Token, RegistryError> {
        let token = new_token()?;
        self.change_one(name, |endpoint| endpoint.token_sha256 = Sha256::digest(token.0.as_bytes()).into())?;
        Ok(token)
    }

    /// Changes how the senders of an endpoint are answered.
    ///
    /// # Errors
    /// When there is none of that name, or the file cannot be written.
    pub fn set_answer(
        &self,
        name: &EndpointName,
        answer: AnswerMode,
        on_absent: OnAbsent,
    ) -> Result<(), RegistryError> {
        self.change_one(name, |endpoint| {
            endpoint.answer = answer;
            endpoint.on_absent = on_absent;
        })
    }

    /// Asks the relay to keep no events for a client that shares an endpoint any more.
    ///
    /// # Errors
    /// When there is no endpoint of that name, or the file cannot be written.
    pub fn remove_client(&self, name: &EndpointName, client: Uuid) -> Result<(), RegistryError> {
        self.change_one(name, |endpoint| {
            if !endpoint.remove_clients.contains(&client) {
                endpoint.remove_clients.push(client);
            }
        })
    }

    /// The relay has removed these clients, or there was nothing to remove.
    ///
    /// # Errors
    /// When there is no endpoint of that name, or the file cannot be written.
    pub fn clients_removed(&self, name: &EndpointName, clients: &[Uuid]) -> Result<(), RegistryError> {
        self.change_one(name, |endpoint| endpoint.remove_clients.retain(|client| !clients.contains(client)))
    }

    /// Waits until the relay that runs, if any, goes by every change that was made before: it looks at the file as often as it needs to know.
    pub fn wait_until_known(&self) {
        std::thread::sleep(LOOK_AGAIN);
    }

    /// Every endpoint, in the order they were added.
    pub fn list(&self) -> Vec<Arc<Endpoint>> {
        self.current(Instant::now()).endpoints.clone()
    }

    /// The endpoint with this path segment.
    pub fn by_part(&self, part: &str) -> Option<Arc<Endpoint>> {
        self.find(|endpoint| endpoint.part == part)
    }

    /// The endpoint of this name, or with this path segment, if the token is its own. Takes as long for every wrong token.
    ///
    /// # Errors
    /// When it is not.
    pub fn authenticate(&self, name: &str, token: &str) -> Result<Arc<Endpoint>, AuthError> {
        let given: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.find(|endpoint| endpoint.name.as_str() == name || endpoint.part == name);
        let expected = known.as_ref().map_or([0; 32], |endpoint| endpoint.token_sha256);
        let right = bool::from(expected.ct_eq(&given));
        known.filter(|_| right).ok_or(AuthError)
    }

    fn find(&self, wanted: impl Fn(&Endpoint) -> bool) -> Option<Arc<Endpoint>> {
        let mut state = self.current(Instant::now());
        if let Some(found) = state.endpoints.iter().find(|endpoint| wanted(endpoint)) {
            return Some(Arc::clone(found));
        }
        // It may have been added in this very moment.
        self.reload(&mut state);
        state.endpoints.iter().find(|endpoint| wanted(endpoint)).cloned()
    }

    fn current(&self, now: Instant) -> MutexGuard<'_, State> {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.looked) >= LOOK_AGAIN {
            self.reload(&mut state);
        }
        state
    }

    /// Reads the file again if it is another one. A broken file leaves what is known, and is reported once.
    fn reload(&self, state: &mut State) {
        state.looked = Instant::now();
        let stamp = Stamp::of_file(&self.shared.file);
        if stamp == state.seen || (stamp.is_some() && stamp == state.reported) {
            return;
        }
        match read(&self.shared.file) {
            Ok((Stored { endpoints, removed, .. }, seen)) => {
                state.endpoints = shared(endpoints);
                state.removed = removed;
                state.seen = seen;
                state.reported = None;
                state.tell();
            }
            Err(error) => {
                tracing::error!(%error, "the endpoints' file cannot be read; the relay goes on with those it knows");
                state.reported = stamp;
            }
        }
    }

    fn change_one(
        &self,
        name: &EndpointName,
        change: impl FnOnce(&mut Endpoint),
    ) -> Result<(), RegistryError> {
        self.change(|stored| {
            let endpoint = stored.endpoints.iter_mut().find(|known| known.name == *name);
            change(endpoint.ok_or_else(|| RegistryError::Unknown(name.clone()))?);
            Ok(())
        })
    }

    /// Changes the file, alone among all processes.
    fn change(
        &self,
        change: impl FnOnce(&mut Stored) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        let Shared { file, lock_file, .. } = &*self.shared;
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock_file);
        let lock = opened.map_err(io_error("open", lock_file))?;
        lock.lock().map_err(io_error("lock", lock_file))?;
        let (mut stored, _) = read(file)?;
        change(&mut stored)?;
        let mut text = serde_json::to_vec_pretty(&stored).expect("plain data has a JSON form");
        text.push(b'\n');
        replace_file(file, &text, 0o600).map_err(io_error("write", file))?;
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.reload(&mut state);
        Ok(())
    }
}

impl State {
    fn tell(&mut self) {
        let Some(changed) = &self.changed else { return };
        self.removed.retain(|removed| !self.told.contains(removed));
        changed(&self.endpoints, &self.removed);
        self.told.append(&mut self.removed);
    }
}

impl Stamp {
    /// The file's, when it is there.
    pub(crate) fn of_file(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|data| Self::of(&data))
    }

    fn of(data: &Metadata) -> Self {
        let modified_ns = i128::from(data.mtime()) * 1_000_000_000 + i128::from(data.mtime_nsec());
        Self { inode: data.ino(), modified_ns, bytes: data.len() }
    }
}

fn read(file: &Path) -> Result<(Stored, Option<Stamp>), RegistryError> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((Stored { version: VERSION, endpoints: Vec::new(), removed: Vec::new() }, None));
        }
        Err(error) => return Err(io_error("read", file)(error)),
    };
    let stamp = opened.metadata().map(|data| Stamp::of(&data)).map_err(io_error("read", file))?;
    let text = io::read_to_string(opened).map_err(io_error("read", file))?;
    let malformed = |error| RegistryError::Malformed { file: file.to_owned(), error };
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } = serde_json::from_str(&text).map_err(malformed)?;
    if version != VERSION {
        return Err(RegistryError::Version { file: file.to_owned(), version });
    }
    let stored = serde_json::from_str(&text).map_err(malformed)?;
    Ok((stored, Some(stamp)))
}

/// Each request has its endpoint for as long as it takes.
fn shared(endpoints: Vec<Endpoint>) -> Vec<Arc<Endpoint>> {
    endpoints.into_iter().map(Arc::new).collect()
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RegistryError {
    let path = path.to_owned();
    move |source| RegistryError::Io { what, path, source }
}

/// Replaces a file so that at any moment, and after a power cut, either the old or the new one is there.
pub fn replace_file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = directory.join(format!(".{name}.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(if directory.as_os_str().is_empty() { Path::new(".") } else { directory })?.sync_all()
}

/// `ih_` and 256 random bits.
fn new_token() -> Result<Token, RegistryError> {
    Ok(Token(format!("ih_{}", URL_SAFE_NO_PAD.encode(random::<32>()?))))
}

fn random<const N: usize>() -> Result<[u8; N], RegistryError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| RegistryError::Random)?;
    Ok(bytes)
}

fn now_millis() -> u64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

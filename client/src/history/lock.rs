//! The lock on the data directory, and the word about who holds it.
//!
//! The lock is the kernel's: a killed process holds none. The text in the file is for people and for other commands,
//! which find the control socket through it; it may be stale, and counts only while the lock is held.

use std::{
    ffi::OsString,
    fs::{File, TryLockError},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use clap::CommandFactory;
use inhaul_core::event::UnixMillis;
use serde::{Deserialize, Serialize};

use super::{HistoryError, Options};
use crate::{
    cli::Cli,
    data_dir::{DataDir, open_private_file, read_small_file},
};

/// Who uses a data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// The program, and the command it was given; no other arguments.
    pub command: String,
    /// When it took the lock.
    pub started_at: UnixMillis,
    /// Where it answers other commands, if it does.
    pub socket: Option<PathBuf>,
}

impl Holder {
    /// This process, with the command its options name.
    pub(super) fn this_process(options: &Options) -> Self {
        Self {
            pid: std::process::id(),
            command: options.command.clone().unwrap_or_else(|| own_command(std::env::args_os())),
            started_at: (options.clock)(),
            socket: None,
        }
    }
}

/// The lock itself; dropping it gives it back.
#[derive(Debug)]
pub(super) struct DataLock {
    file: File,
    path: PathBuf,
    holder: Holder,
}

/// Longest text of a holder read or written.
const HOLDER_MAX_BYTES: u64 = 64 * 1024;
/// Longest command kept in the lock file.
const COMMAND_MAX_CHARS: usize = 200;
/// How long to sleep between two tries for the lock.
const TRY_INTERVAL: Duration = Duration::from_millis(20);

impl DataLock {
    /// Takes the lock, waiting up to `wait` for a holder that is about to go: one that answers no other commands.
    pub(super) fn take(data: &DataDir, holder: Holder, wait: Duration) -> Result<Self, HistoryError> {
        let path = data.lock();
        let file = open_private_file(&path).map_err(|error| HistoryError::io(&path, &error))?;
        let deadline = Instant::now() + wait;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let other = read_holder(&path);
                    let stays = other.as_ref().is_some_and(|other| other.socket.is_some());
                    if stays || Instant::now() >= deadline {
                        return Err(HistoryError::Locked { data_dir: data.path().to_owned(), holder: other });
                    }
                    thread::sleep(TRY_INTERVAL);
                }
                Err(TryLockError::Error(error)) => return Err(HistoryError::io(&path, &error)),
            }
        }
        let lock = Self { file, path, holder };
        lock.write().map_err(|error| HistoryError::io(&lock.path, &error))?;
        Ok(lock)
    }

    /// The file that is locked.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Who holds it.
    pub(super) fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Says in the file where this process answers other commands, or that it no longer does.
    pub(super) fn announce(&mut self, socket: Option<&Path>) -> io::Result<()> {
        self.holder.socket = socket.map(Path::to_owned);
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&self.holder)?;
        text.push(b'\n');
        self.file.write_all_at(&text, 0)?;
        self.file.set_len(text.len() as u64)
    }
}

/// What the lock file says; nothing when it is unreadable, as in the moment it is being written.
fn read_holder(path: &Path) -> Option<Holder> {
    serde_json::from_slice(&read_small_file(path, HOLDER_MAX_BYTES).ok()?).ok()
}

/// This process as people know it: the program's name without its directory, and what it was told to do. Other arguments may be secret,
/// such as a header to be sent, and anybody may read them here.
fn own_command(words: impl IntoIterator<Item = OsString>) -> String {
    let mut words = words.into_iter().map(|word| word.to_string_lossy().into_owned());
    let program = words.next().unwrap_or_default();
    let name = Path::new(&program).file_name().map_or(program.clone(), |name| name.to_string_lossy().into());
    let known = Cli::command();
    let command = words.find(|word| known.get_subcommands().any(|command| command.get_name() == word));
    let command = std::iter::once(name).chain(command).collect::<Vec<_>>().join(" ");
    command.chars().take(COMMAND_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(command: &str) -> Holder {
        Holder {
            pid: 123,
            command: command.into(),
            started_at: UnixMillis(1_763_970_070_118),
            socket: Some("/s".into()),
        }
    }

    #[test]
    fn what_is_said_of_a_process_holds_none_of_its_arguments() {
        for (line, said) in [
            ("/usr/bin/inhaul listen 3000 --secret-env STRIPE", "inhaul listen"),
            ("inhaul --data s3cret replay 0197 --set-header Authorization:s3cret", "inhaul replay"),
            ("./inhaul -v history prune --keep 2GiB", "inhaul history"),
            ("target/debug/deps/it s3cret", "it"),
            ("inhaul", "inhaul"),
        ] {
            assert_eq!(own_command(line.split(' ').map(OsString::from)), said);
        }
        assert_eq!(own_command([]), "");
    }

    #[test]
    fn a_lock_file_that_leads_elsewhere_is_not_written() {
        let temp = tempfile::tempdir().unwrap();
        let data = DataDir::open(Some(&temp.path().join("data"))).unwrap();
        let elsewhere = temp.path().join("elsewhere");
        std::fs::write(&elsewhere, "dear").unwrap();
        std::os::unix::fs::symlink(&elsewhere, data.lock()).unwrap();
        let error = DataLock::take(&data, holder("x"), Duration::ZERO).unwrap_err();
        assert!(matches!(error, HistoryError::Io { .. }), "{error}");
        assert_eq!(std::fs::read(&elsewhere).unwrap(), b"dear");
    }

    #[test]
    fn a_second_taker_is_told_who_holds_it() {
        let temp = tempfile::tempdir().unwrap();
        let data = DataDir::open(Some(temp.path())).unwrap();
        let mut first = DataLock::take(&data, holder("inhaul listen 3000"), Duration::ZERO).unwrap();
        let error = DataLock::take(&data, holder("second"), Duration::ZERO).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the data directory {} is in use by `inhaul listen 3000` (pid 123) since 2025-11-24T07:41:10.118Z",
                temp.path().display()
            )
        );
        assert!(error.hint().unwrap().contains("pid 123"));
        first.announce(None).unwrap();
        let error = DataLock::take(&data, holder("third"), Duration::ZERO).unwrap_err();
        assert!(matches!(error, HistoryError::Locked { holder: Some(Holder { socket: None, .. }), .. }));
        drop(first);
        let second = DataLock::take(&data, holder("x"), Duration::from_secs(600)).unwrap();
        assert_eq!(read_holder(&data.lock()).unwrap(), *second.holder());
    }

    #[test]
    fn a_holder_that_goes_is_waited_for() {
        let temp = tempfile::tempdir().unwrap();
        let data = DataDir::open(Some(temp.path())).unwrap();
        let mut first = DataLock::take(&data, holder("inhaul events"), Duration::ZERO).unwrap();
        first.announce(None).unwrap();
        let waiting = {
            let data = data.clone();
            thread::spawn(move || DataLock::take(&data, holder("next"), Duration::from_secs(600)).map(drop))
        };
        drop(first);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn a_holder_that_says_nonsense_is_another_process() {
        let temp = tempfile::tempdir().unwrap();
        let data = DataDir::open(Some(temp.path())).unwrap();
        let first = DataLock::take(&data, holder("x"), Duration::ZERO).unwrap();
        std::fs::write(data.lock(), b"{\"pid\":").unwrap();
        let error = DataLock::take(&data, holder("y"), Duration::ZERO).unwrap_err();
        assert!(error.to_string().ends_with("is in use by another process"), "{error}");
        drop(first);
    }
}

//! How many files and sockets the process may have open. A system gives a program 1024 unless it asks for more, and each connection is one, and each
//! 16 MiB of stored events.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many are asked for: enough for the relay's own limits many times over. Programs that are started look at every file there may be, so it is not
/// all that can be had.
const ENOUGH: u64 = 65_536;

/// Asks for enough, or as many as can be had; returns how many there may be.
pub(crate) fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Without a number there is no limit.
    let (Some(current), wanted) = (current, maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH))) else {
        return u64::MAX;
    };
    if wanted <= current {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            current
        }
    }
}

/// How many connections there may be of those asked for: a quarter of the files is kept for what is stored.
pub(crate) fn connections(asked: usize, files: u64) -> usize {
    let most = usize::try_from(files - files / 4).unwrap_or(usize::MAX);
    asked.min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_are_asked_for_as_can_be_had() {
        let files = raise();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current.unwrap_or(u64::MAX), files);
        assert!(files >= maximum.unwrap_or(ENOUGH).min(ENOUGH));
    }

    #[test]
    fn connections_leave_files_for_what_is_stored() {
        for (asked, files, given) in [(10_000, 65_536, 10_000), (10_000, 1024, 768), (5, 1024, 5)] {
            assert_eq!(connections(asked, files), given);
        }
        assert_eq!(connections(10_000, u64::MAX), 10_000);
    }
}

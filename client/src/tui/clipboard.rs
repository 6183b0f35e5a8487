//! Where copies go: to tmux, which hands them on, else to the terminal's clipboard, else to a file. A program on a remote machine has no
//! other way to the clipboard, and none of these needs a window system.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::data_dir::{create_private_dir, write_private_file};

/// Most bytes for the terminal's clipboard: in base64 they are below the 74 994 that terminals take at least.
pub(super) const TERMINAL_MAX_BYTES: usize = 56_000;

/// Where a copy went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To tmux.
    Tmux,
    /// It is still to be written to the terminal.
    Terminal(Vec<u8>),
    /// To a file.
    File(PathBuf),
}

/// Takes a copy to where it can go. Blocks.
///
/// # Errors
/// When not even a file can be written.
pub(super) fn copy(bytes: Vec<u8>, in_tmux: bool, file: &Path) -> io::Result<Way> {
    if in_tmux && to_tmux(&bytes).is_ok_and(|taken| taken) {
        return Ok(Way::Tmux);
    }
    if bytes.len() <= TERMINAL_MAX_BYTES {
        return Ok(Way::Terminal(bytes));
    }
    if let Some(directory) = file.parent() {
        create_private_dir(directory)?;
    }
    write_private_file(file, &bytes)?;
    Ok(Way::File(file.to_owned()))
}

/// Whether tmux took it, and gave it to the terminal it is in (`-w`, since tmux 3.2).
fn to_tmux(bytes: &[u8]) -> io::Result<bool> {
    let mut tmux = Command::new("tmux");
    tmux.args(["load-buffer", "-w", "-"]);
    let mut child = tmux.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(bytes));
    // It is waited for also when it did not take everything.
    let status = child.wait()?;
    written.map(|()| status.success())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn what_is_too_long_for_a_terminal_goes_to_a_file_of_this_user() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("copies/body.json");
        let short = vec![b'x'; TERMINAL_MAX_BYTES];
        assert_eq!(copy(short.clone(), false, &file).unwrap(), Way::Terminal(short));
        assert!(!file.exists());
        let long = vec![b'x'; TERMINAL_MAX_BYTES + 1];
        assert_eq!(copy(long.clone(), false, &file).unwrap(), Way::File(file.clone()));
        assert_eq!(fs::read(&file).unwrap(), long);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

//! A person's own pager: a whole body on the terminal, which is the pager's meanwhile.

use std::{env, process::Stdio};

use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::foreground;

/// The pager when `PAGER` is not set.
const OTHERWISE: &str = "if command -v less >/dev/null 2>&1; then exec less -R; fi; more";

/// What keeps the end of a text on the terminal, for pagers that end with it.
const WAIT: &str = "; printf '\\n[enter goes back] ' >/dev/tty; read -r line </dev/tty";

/// What a shell says when there is no such program.
const NOT_FOUND: i32 = 127;

/// Shows a text, which must be harmless to a terminal, until the pager ends.
///
/// # Errors
/// With a sentence for a person, when there is no such pager.
pub(super) async fn show(text: String, stop: &CancellationToken) -> Result<(), String> {
    let named = env::var("PAGER").ok().filter(|name| !name.trim().is_empty());
    show_with(named.as_deref(), text, stop).await
}

async fn show_with(named: Option<&str>, text: String, stop: &CancellationToken) -> Result<(), String> {
    // By a shell, because the variable may hold arguments too.
    let mut command = Command::new("sh");
    command.args(["-c", &script(named)]).stdin(Stdio::piped());
    if let Some(options) = env::var("LESS").ok().and_then(|options| staying(&options)) {
        command.env("LESS", options);
    }
    let named = named.unwrap_or("less");
    match foreground::run(command, Some(text.into_bytes()), stop).await {
        Ok(status) if status.code() == Some(NOT_FOUND) => {
            Err(format!("there is no pager {named:?}: set PAGER"))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the pager {named:?} cannot be started: {error}")),
    }
}

/// What the shell does for a pager.
fn script(named: Option<&str>) -> String {
    let Some(named) = named else { return format!("{OTHERWISE}{WAIT}") };
    let program = named.split_whitespace().next().unwrap_or_default();
    let ends_with_text = ["cat", "more"].contains(&program.rsplit('/').next().unwrap_or_default());
    if ends_with_text { format!("{named}{WAIT}") } else { foreground::script(named, "") }
}

/// The options of `less` without leaving at once when a text fits the screen: nobody would have seen it.
fn staying(options: &str) -> Option<String> {
    options.contains('F').then(|| format!("{options} -+F"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_pager_gets_the_text_and_a_missing_one_is_a_sentence() {
        let directory = tempfile::tempdir().unwrap();
        let shown = directory.path().join("shown");
        let stop = CancellationToken::new();
        let pager = format!("cat > '{}'; true", shown.display());
        // Not `cat` alone, which would wait for a key on a terminal.
        show_with(Some(&format!("command {pager}")), "a\nb\n".to_owned(), &stop).await.unwrap();
        assert_eq!(fs::read_to_string(shown).unwrap(), "a\nb\n");
        let error = show_with(Some("no-such-pager-anywhere"), String::new(), &stop).await.unwrap_err();
        assert_eq!(error, "there is no pager \"no-such-pager-anywhere\": set PAGER");
        show_with(Some("false"), String::new(), &stop).await.unwrap();
    }

    #[test]
    fn what_ends_with_the_text_waits_for_a_key() {
        for (named, waits) in [
            (Some("cat"), true),
            (Some("/bin/more -d"), true),
            (Some("less -S"), false),
            (Some("bat --paging=always"), false),
            (None, true),
        ] {
            assert_eq!(script(named).ends_with(WAIT), waits, "{named:?}");
        }
        assert_eq!(staying("-FRX").as_deref(), Some("-FRX -+F"));
        assert_eq!(staying("-R"), None);
    }
}

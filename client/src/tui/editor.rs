//! A person's own editor: the terminal is theirs meanwhile, and the file with the body is for nobody else.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use bytes::Bytes;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::foreground;

/// The editor when neither `VISUAL` nor `EDITOR` is set.
const OTHERWISE: &str = "vi";

/// Has a body edited, and returns it as it is when the editor ends.
///
/// # Errors
/// With a sentence for a person: there is no such editor, or it says that it failed. Nothing is changed then.
pub(super) async fn edit(
    body: &[u8],
    content_type: Option<&str>,
    stop: &CancellationToken,
) -> Result<Bytes, String> {
    let names = ["VISUAL", "EDITOR"].into_iter();
    let named = names.filter_map(|name| env::var(name).ok()).find(|editor| !editor.trim().is_empty());
    edit_with(&named.unwrap_or_else(|| OTHERWISE.to_owned()), body, content_type, stop).await
}

async fn edit_with(
    editor: &str,
    body: &[u8],
    content_type: Option<&str>,
    stop: &CancellationToken,
) -> Result<Bytes, String> {
    // A directory of its own, because editors keep copies beside the file.
    let directory = tempfile::tempdir().map_err(|error| format!("no file to edit can be made: {error}"))?;
    let path = directory.path().join(format!("body{}", ending(content_type)));
    write(&path, body).map_err(|error| format!("no file to edit can be made: {error}"))?;
    // By a shell, because the variable may hold arguments too.
    let mut command = Command::new("sh");
    command.args(["-c", &foreground::script(editor, "\"$1\""), "inhaul"]).arg(&path);
    match foreground::run(command, None, stop).await {
        Ok(status) if status.success() => {}
        Ok(status) if status.code() == Some(127) => {
            return Err(format!("there is no editor {editor:?}: set VISUAL or EDITOR; nothing is changed"));
        }
        Ok(status) => return Err(format!("the editor {editor:?} ended with {status}; nothing is changed")),
        Err(error) => {
            return Err(format!("the editor {editor:?} cannot be started: {error}; nothing is changed"));
        }
    }
    // Read by its name: some editors put another file in its place.
    fs::read(&path).map(Bytes::from).map_err(|error| format!("what was edited cannot be read: {error}"))
}

fn write(path: &Path, body: &[u8]) -> io::Result<()> {
    fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?.write_all(body)
}

/// By which an editor knows what it is.
fn ending(content_type: Option<&str>) -> &'static str {
    let kind = content_type.unwrap_or_default().to_ascii_lowercase();
    match kind.split(';').next().unwrap_or_default().trim() {
        kind if kind.ends_with("json") => ".json",
        kind if kind.ends_with("xml") => ".xml",
        "text/html" => ".html",
        "application/x-www-form-urlencoded" => ".txt",
        kind if kind.starts_with("text/") => ".txt",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn edit_with(editor: &str, body: &[u8], content_type: Option<&str>) -> Result<Bytes, String> {
        super::edit_with(editor, body, content_type, &CancellationToken::new()).await
    }

    #[tokio::test]
    async fn what_the_editor_leaves_is_what_is_sent_and_nobody_else_can_read_it() {
        let json = Some("application/json; charset=utf-8");
        let edited = edit_with("sed -i -e s/1/2/", b"{\"a\":1}", json).await.unwrap();
        assert_eq!(edited, "{\"a\":2}");
        let told =
            edit_with("f() { stat -c '%a %n' \"$1\" > \"$1.new\"; mv \"$1.new\" \"$1\"; }; f", b"", json)
                .await
                .unwrap();
        let told = String::from_utf8(told.to_vec()).unwrap();
        assert!(told.starts_with("600 ") && told.trim_end().ends_with("/body.json"), "{told}");
        assert_eq!(edit_with("true", b"\x00\xff", None).await.unwrap(), &b"\x00\xff"[..]);
    }

    #[tokio::test]
    async fn a_missing_or_failing_editor_is_a_sentence() {
        for (editor, words) in
            [("no-such-editor-anywhere", "set VISUAL or EDITOR"), ("false", "exit status: 1")]
        {
            let error = edit_with(editor, b"x", None).await.unwrap_err();
            assert!(error.contains(words) && error.contains("nothing is changed"), "{error}");
        }
        assert!(edit_with("rm", b"x", None).await.unwrap_err().contains("cannot be read"));
    }
}

//! An event as a directory of files, for the tests of an application:
//!
//! ```text
//!  charge.succeeded-0197a2c4-…/
//!    event.json   the event as docs/output-json.md describes it, with the name of the body's file in place of the body
//!    head.http    request line and headers, exactly as received
//!    body.json    the body, exactly as received; body.txt for other text, body.bin for anything else
//! ```

use bytes::Bytes;
use serde_json::Value;

use super::Exported;
use crate::output::{body, json};

/// The file that says what the others are.
pub const EVENT_FILE: &str = "event.json";
/// The file of the head.
pub const HEAD_FILE: &str = "head.http";

/// Most letters of an event's type in the name of its directory.
const NAME_LETTERS_MAX: usize = 60;

/// A directory and its files.
#[derive(Debug)]
pub struct Fixture {
    /// Name of the directory: the event's type as far as it is harmless in a path, and its id.
    pub directory: String,
    /// Names and contents of the files.
    pub files: Vec<(String, Bytes)>,
}

/// The files of an event.
pub fn fixture(exported: &Exported) -> Fixture {
    let body_file = format!("body.{}", body_extension(&exported.event.body));
    let line = exported.json_line();
    let described = match serde_json::from_str::<Value>(&line) {
        Ok(Value::Object(mut members)) => {
            members.shift_remove("body");
            members.insert("body_file".to_owned(), body_file.clone().into());
            json::line(&members)
        }
        Ok(_) | Err(_) => line,
    };
    let name = exported.row.event_type.as_deref().or(exported.row.provider.as_deref()).unwrap_or("event");
    Fixture {
        directory: format!("{}-{}", harmless(name), exported.event.id),
        files: vec![
            (EVENT_FILE.to_owned(), body::text(described.as_bytes(), None, true).into()),
            (HEAD_FILE.to_owned(), exported.event.head.clone()),
            (body_file, exported.event.body.clone()),
        ],
    }
}

/// What the name of a body's file ends with.
pub fn body_extension(body: &[u8]) -> &'static str {
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    match std::str::from_utf8(body) {
        Ok(text) if is_json(text) => "json",
        Ok(text) if !text.contains('\0') => "txt",
        Ok(_) | Err(_) => "bin",
    }
}

/// A name that is one step of a path everywhere, and no option of a command.
fn harmless(name: &str) -> String {
    let letters = name.chars().take(NAME_LETTERS_MAX);
    let letters = letters
        .map(|letter| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' });
    let name: String = letters.collect();
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "event".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_directories_are_harmless() {
        for (name, harmless_name) in [
            ("charge.succeeded", "charge.succeeded"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("-rf *", "rf__"),
            ("a\u{202e}b\n", "a_b_"),
            ("...", "event"),
            ("", "event"),
        ] {
            assert_eq!(harmless(name), harmless_name);
        }
        assert_eq!(harmless(&"x".repeat(500)).len(), NAME_LETTERS_MAX);
    }

    #[test]
    fn bodies_are_named_after_what_they_are() {
        for (body, extension) in
            [(&b"{}"[..], "json"), (b"a=b", "txt"), (b"", "txt"), (b"\xff", "bin"), (b"a\0", "bin")]
        {
            assert_eq!(body_extension(body), extension);
        }
    }
}

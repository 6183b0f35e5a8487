//! Words of a POSIX shell (POSIX.1-2017 §2.2). Control characters and bytes that are no text are written as escapes for `printf`, so a
//! command can be shown on a terminal and still gives the exact bytes.

use std::fmt::Write;

use inhaul_core::{
    shell::quoted,
    visible::{multiline, visible_bytes},
};

/// One word that the shell takes for exactly these bytes. They may not hold NUL, nor end with a line feed unless they are text.
pub(crate) fn word(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if is_printable(text) => quoted(text),
        Ok(_) | Err(_) => format!("\"$(printf '{}')\"", printf_format(bytes)),
    }
}

/// Whether a terminal shows a text as it is, on any number of lines.
pub(super) fn is_printable(text: &str) -> bool {
    multiline(text).to_string() == text
}

/// The format with which `printf` writes these bytes.
pub(super) fn printf_format(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            let mut buffer = [0; 4];
            let text: &str = letter.encode_utf8(&mut buffer);
            match letter {
                '%' => out.push_str("%%"),
                '\\' => out.push_str("\\\\"),
                // A format that begins with a dash would be an option.
                '-' if out.is_empty() => octal(&mut out, text.as_bytes()),
                '\'' => octal(&mut out, text.as_bytes()),
                _ if visible_bytes(text.as_bytes()).to_string() == text => out.push(letter),
                _ => octal(&mut out, text.as_bytes()),
            }
        }
        octal(&mut out, chunk.invalid());
    }
    out
}

fn octal(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "\\{byte:03o}");
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_words_stay_plain_and_others_are_quoted() {
        assert_eq!(word(b"http://localhost:3000/a"), "http://localhost:3000/a");
        assert_eq!(word(b""), "''");
        assert_eq!(word(b"it's $HOME `x` \\n"), r"'it'\''s $HOME `x` \n'");
        assert_eq!(word(b"two\nlines"), "'two\nlines'");
        assert_eq!(word(b"a\x1b[2J%\xff-'"), r#""$(printf 'a\033[2J%%\377-\047')""#);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_back_the_same_bytes(bytes in prop::collection::vec(1..=255u8, 0..60), text in "[ -~]{0,40}") {
            for bytes in [bytes, text.into_bytes()] {
                let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte != b'\n').collect();
                let script = format!("printf %s {}", word(&bytes));
                let output = Command::new("sh").args(["-c", &script]).output().unwrap();
                prop_assert_eq!(output.stdout, bytes, "{}", script);
            }
        }
    }
}

//! Text from outside, made harmless and visible: for terminals, logs and lines of output.
//!
//! Whatever a terminal would act on, or a person would not see, is written as an escape: control characters (ECMA-48), characters
//! that change the direction of text (Unicode UAX #9), invisible and zero-width ones, separators of lines, tags and
//! non-characters. Everything else is left as it is, so printable text is unchanged.

use std::fmt::{self, Write};

use unicode_width::UnicodeWidthChar;

/// How many combining marks may follow one character; more are stacked to deface a screen.
const MAX_COMBINING: usize = 3;

/// Libraries that at their finest level log what passes through them: tokens, headers and bodies. A log has nothing of theirs at that level, whatever it is
/// told to have.
pub const TALKATIVE: [&str; 5] = ["h2", "hyper", "sled", "tokio_tungstenite", "tungstenite"];

/// Text that shows what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Visible<'a> {
    bytes: &'a [u8],
    keeps_lines: bool,
}

/// Text on one line: line ends are escaped too.
pub fn visible(text: &str) -> Visible<'_> {
    Visible { bytes: text.as_bytes(), keeps_lines: false }
}

/// Bytes that may be no UTF-8, on one line; those that are none are written as `\xff`.
pub fn visible_bytes(bytes: &[u8]) -> Visible<'_> {
    Visible { bytes, keeps_lines: false }
}

/// Text of several lines: `\n` is kept, and so is the `\r` before it left out.
pub fn multiline(text: &str) -> Visible<'_> {
    Visible { bytes: text.as_bytes(), keeps_lines: true }
}

/// Bytes of several lines, some of which may be no UTF-8.
pub fn multiline_bytes(bytes: &[u8]) -> Visible<'_> {
    Visible { bytes, keeps_lines: true }
}

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut combining = 0;
        for chunk in self.bytes.utf8_chunks() {
            let mut characters = chunk.valid().chars().peekable();
            while let Some(character) = characters.next() {
                combining = if is_combining(character) { combining + 1 } else { 0 };
                let ends_line = character == '\r' && characters.peek() == Some(&'\n');
                match character {
                    '\n' if self.keeps_lines => f.write_char('\n')?,
                    '\r' if self.keeps_lines && ends_line => {}
                    _ if combining > MAX_COMBINING || is_hidden(character) => escape(f, character)?,
                    _ => f.write_char(character)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
                combining = 0;
            }
        }
        Ok(())
    }
}

fn escape(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    match character {
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\0'..='\x7f' => write!(f, "\\x{:02x}", u32::from(character)),
        _ => write!(f, "\\u{{{:x}}}", u32::from(character)),
    }
}

/// A mark that is drawn onto the character before it.
fn is_combining(character: char) -> bool {
    !character.is_ascii() && character.width() == Some(0) && !is_hidden(character)
}

/// Whether a terminal would act on it, or a person would not see it.
fn is_hidden(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let code = u32::from(character);
    // The last two of each plane are non-characters (Unicode §23.7).
    code & 0xfffe == 0xfffe || HIDDEN.iter().any(|range| range.contains(&code))
}

/// Hidden characters beyond ASCII.
const HIDDEN: [std::ops::RangeInclusive<u32>; 20] = [
    0x80..=0x9f,          // C1 controls
    0xad..=0xad,          // soft hyphen
    0x34f..=0x34f,        // combining grapheme joiner
    0x61c..=0x61c,        // Arabic letter mark
    0x115f..=0x1160,      // Hangul fillers
    0x17b4..=0x17b5,      // Khmer inherent vowels
    0x180b..=0x180f,      // Mongolian selectors
    0x200b..=0x200f,      // zero-width characters and direction marks
    0x2028..=0x202e,      // separators, embeddings and overrides
    0x2060..=0x206f,      // word joiner, isolates, deprecated controls
    0x2800..=0x2800,      // blank Braille pattern
    0x3164..=0x3164,      // Hangul filler
    0xfdd0..=0xfdef,      // non-characters
    0xfeff..=0xfeff,      // byte order mark
    0xffa0..=0xffa0,      // half-width Hangul filler
    0xfff0..=0xfffb,      // unassigned, annotations
    0x1bca0..=0x1bca3,    // shorthand format controls
    0x1d173..=0x1d17a,    // musical format controls
    0xe0000..=0xe01ef,    // tags, more selectors
    0xf_0000..=0x10_ffff, // private planes
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_is_shown_and_not_acted_on() {
        for (hostile, shown) in [
            ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
            ("\x1b[2J\x1b[31m", "\\x1b[2J\\x1b[31m"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\0b\x7f", "a\\x00b\\x7f"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("abc\u{202e}txt.exe", "abc\\u{202e}txt.exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("pay\u{200b}pal", "pay\\u{200b}pal"),
            ("a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}"),
            ("\u{feff}x\u{ad}", "\\u{feff}x\\u{ad}"),
            ("\u{e0041}\u{fffe}\u{1ffff}", "\\u{e0041}\\u{fffe}\\u{1ffff}"),
            ("e\u{301}\u{302}\u{303}\u{304}", "e\u{301}\u{302}\u{303}\\u{304}"),
            ("Grüße, 世界 🦀 \\x1b", "Grüße, 世界 🦀 \\x1b"),
        ] {
            assert_eq!(visible(hostile).to_string(), shown);
        }
        assert_eq!(visible_bytes(b"a\xff\xc3\x28\xc3\xa9").to_string(), "a\\xff\\xc3(é");
        assert_eq!(multiline_bytes(b"a\r\n\xff\x1b\n").to_string(), "a\n\\xff\\x1b\n");
        assert_eq!(multiline("a\r\nb\n\tc\rd").to_string(), "a\nb\n\\tc\\rd");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(bytes in prop::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
            for shown in [visible_bytes(&bytes).to_string(), visible(&text).to_string(), multiline(&text).to_string(), multiline_bytes(&bytes).to_string()] {
                let mut rest = shown.chars().filter(|character| *character != '\n');
                prop_assert!(!rest.any(|character| character.is_control() || is_hidden(character)), "{shown:?}");
            }
        }

        #[test]
        fn printable_ascii_is_unchanged(text in "[ -~]{0,100}") {
            prop_assert_eq!(visible(&text).to_string(), text);
        }
    }
}

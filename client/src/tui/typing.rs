//! A line that is typed: what of it is on the screen, and text that is pasted into it.

use std::ops::Range;

use inhaul_core::visible::visible;
use tui_input::Input;
use unicode_width::UnicodeWidthStr;

/// Longest line that is pasted, in bytes: as long as a filter may be.
pub(super) const LINE_MAX_BYTES: usize = 4096;

/// What is said when more was pasted.
pub(super) const CUT: &str = "what was pasted is cut: a line has at most 4096 bytes";

/// The part of a line that has room: the end of it while one types there, and always the cursor.
pub(super) struct Window {
    letters: Vec<Letter>,
    /// The first letter on the screen.
    first: usize,
    width: usize,
    /// Columns before the cursor.
    pub(super) cursor: usize,
}

struct Letter {
    /// Of the line.
    bytes: Range<usize>,
    /// As it is shown, harmless.
    shown: String,
    columns: usize,
}

impl Window {
    /// The part of a line that has room in so many columns.
    pub(super) fn new(input: &Input, width: usize) -> Self {
        let letter = |(at, letter): (usize, char)| {
            let mut bytes = [0; 4];
            let text = letter.encode_utf8(&mut bytes);
            let shown = visible(text).to_string();
            Letter { bytes: at..at + text.len(), columns: shown.width(), shown }
        };
        let letters: Vec<Letter> = input.value().char_indices().map(letter).collect();
        let before = letters.len().min(input.cursor());
        // The cursor takes a column too.
        let (mut first, mut cursor) = (before, 0);
        while first > 0 && cursor + letters[first - 1].columns < width {
            first -= 1;
            cursor += letters[first].columns;
        }
        Self { letters, first, width, cursor }
    }

    /// Columns before a byte of the line; none before what is not on the screen.
    pub(super) fn column(&self, byte: usize) -> usize {
        let before = self.letters[self.first..].iter().take_while(|letter| letter.bytes.end <= byte);
        before.map(|letter| letter.columns).sum::<usize>().min(self.width)
    }

    /// What is on the screen, in parts that are all in a range of the line or all outside of it.
    pub(super) fn parts(&self, marked: &Range<usize>) -> Vec<(String, bool)> {
        let mut parts: Vec<(String, bool)> = Vec::new();
        let mut left = self.width;
        for letter in &self.letters[self.first..] {
            let Some(rest) = left.checked_sub(letter.columns) else { break };
            left = rest;
            let is_marked = marked.contains(&letter.bytes.start);
            match parts.last_mut() {
                Some((text, known)) if *known == is_marked => text.push_str(&letter.shown),
                _ => parts.push((letter.shown.clone(), is_marked)),
            }
        }
        parts
    }

    /// What is on the screen.
    pub(super) fn text(&self) -> String {
        self.parts(&(0..0)).into_iter().map(|(text, _)| text).collect()
    }
}

/// Puts text in at the cursor: line ends and tabs are blanks, and what has no room is left out. Says whether all of it had.
pub(super) fn paste(input: &mut Input, text: &str) -> bool {
    let (line, cursor) = (input.value(), input.cursor());
    let mut room = LINE_MAX_BYTES.saturating_sub(line.len());
    let at = line.char_indices().nth(cursor).map_or(line.len(), |(at, _)| at);
    let mut put = line[..at].to_owned();
    let mut count = 0;
    let mut letters = text.trim_end_matches(['\r', '\n']).chars().peekable();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '\r' if letters.peek() == Some(&'\n') => continue,
            '\r' | '\n' | '\t' => ' ',
            letter if letter.is_control() => continue,
            letter => letter,
        };
        let Some(rest) = room.checked_sub(letter.len_utf8()) else {
            put.push_str(&line[at..]);
            *input = Input::new(put).with_cursor(cursor + count);
            return false;
        };
        room = rest;
        put.push(letter);
        count += 1;
    }
    put.push_str(&line[at..]);
    *input = Input::new(put).with_cursor(cursor + count);
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_paste_is_one_line_at_the_cursor_and_bounded() {
        let mut input = Input::new("ac".to_owned()).with_cursor(1);
        assert!(paste(&mut input, "one\r\ntwo\tthree\u{1b}[2J\n"));
        assert_eq!((input.value(), input.cursor()), ("aone two three[2Jc", 17));
        assert!(!paste(&mut input, &"é".repeat(1 << 20)));
        assert!(input.value().len() > LINE_MAX_BYTES - 2 && input.value().len() <= LINE_MAX_BYTES);
        assert!(input.value().ends_with("éc") && input.value().starts_with("aone"));
        let before: String = input.value().chars().take(input.cursor()).collect();
        assert!(!paste(&mut input, "xx"));
        assert!(input.value().starts_with(&before), "the cursor is where it was, or behind what had room");
    }

    #[test]
    fn a_mark_is_where_it_is_in_the_part_that_is_shown() {
        let window = Window::new(&Input::new("日本 \u{1b}x end".to_owned()), 9);
        assert_eq!((window.text().as_str(), window.cursor), ("x end", 5));
        let window = Window::new(&Input::new("日本 ms>soon".to_owned()), 40);
        let parts = window.parts(&(10..14));
        assert_eq!(parts, [("日本 ms>".to_owned(), false), ("soon".to_owned(), true)]);
        assert_eq!((window.column(10), window.cursor), (8, 12));
    }

    proptest! {
        #[test]
        fn the_cursor_is_always_in_the_part_that_is_shown(text in "[a-z日é\u{1b}]{0,40}", cursor in 0..50_usize, width in 1..20_usize) {
            let window = Window::new(&Input::new(text.clone()).with_cursor(cursor), width);
            let shown = window.text();
            prop_assert!(window.cursor < width && shown.width() <= width);
            prop_assert!(visible(&text).to_string().contains(&shown));
        }
    }
}

//! Filters that were used before, the newest last: kept over restarts in a file of their own, which never holds anything but filters.

use std::{collections::VecDeque, io, path::Path};

use inhaul_core::filter::{Filter, Saved, TEXT_MAX_BYTES};

use crate::data_dir::{read_small_file, write_private_file};

/// Most filters that are remembered.
const FILTERS_MAX: usize = 100;

/// Longest file that is read: as many of the longest ones.
const FILE_MAX_BYTES: u64 = ((TEXT_MAX_BYTES + 1) * FILTERS_MAX) as u64;

/// The filters, and whether the file has them all.
#[derive(Default)]
pub(super) struct UsedFilters {
    texts: VecDeque<String>,
    /// Counts the changes, so that an earlier state never takes the place of a later one.
    changes: u64,
    saved: u64,
    /// Those of the file are not there yet.
    is_early: bool,
}

impl UsedFilters {
    /// Before the file is read. What is remembered until then may name filters that are not known yet.
    pub(super) fn early() -> Self {
        Self { is_early: true, ..Self::default() }
    }

    /// Puts those of the file before what was used meanwhile, as far as that turns out to be filters.
    pub(super) fn come_after(&mut self, texts: Vec<String>, saved: &Saved) {
        self.is_early = false;
        let meanwhile = std::mem::replace(&mut self.texts, texts.into());
        for text in meanwhile {
            self.remember(&text, saved);
        }
    }

    /// Remembers a filter; what is none is not remembered.
    pub(super) fn remember(&mut self, text: &str, saved: &Saved) {
        let text = text.trim();
        let may_be_filter = self.is_early && !text.is_empty() && !text.contains(char::is_control);
        if !(may_be_filter || is_filter(text, saved)) || self.texts.back().is_some_and(|last| last == text) {
            return;
        }
        self.texts.retain(|used| used != text);
        if self.texts.len() == FILTERS_MAX {
            self.texts.pop_front();
        }
        self.texts.push_back(text.to_owned());
        self.changes += 1;
    }

    /// The one before a text, or behind it; without such a text before it, the newest.
    pub(super) fn beside(&self, text: &str, older: bool) -> Option<&str> {
        let at = self.texts.iter().position(|used| used == text);
        let next = match (at, older) {
            (Some(at), true) => at.checked_sub(1),
            (Some(at), false) => Some(at + 1),
            (None, true) => self.texts.len().checked_sub(1),
            (None, false) => None,
        };
        self.texts.get(next?).map(String::as_str)
    }

    /// All of them with the number of the last change, when they are to be written.
    pub(super) fn unsaved(&mut self) -> Option<(u64, Vec<String>)> {
        let is_new = !self.is_early && self.saved < self.changes;
        if is_new {
            self.saved = self.changes;
        }
        is_new.then(|| (self.changes, self.texts.iter().cloned().collect()))
    }
}

fn is_filter(text: &str, saved: &Saved) -> bool {
    !text.is_empty() && !text.contains(char::is_control) && Filter::parse_for_list(text, saved).is_ok()
}

/// The filters of a file, a line each; what is none is left out. None when there is no such file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(path: &Path, saved: &Saved) -> io::Result<Vec<String>> {
    let bytes = match read_small_file(path, FILE_MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&bytes);
    let filters: Vec<&str> = text.lines().filter(|line| is_filter(line, saved)).collect();
    let newest = filters.len().saturating_sub(FILTERS_MAX);
    Ok(filters[newest..].iter().map(|filter| (*filter).to_owned()).collect())
}

/// Writes the file.
///
/// # Errors
/// When it cannot be written; it is as it was then.
pub(super) fn write(path: &Path, filters: &[String]) -> io::Result<()> {
    let text: String = filters.iter().map(|filter| format!("{filter}\n")).collect();
    write_private_file(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn what_was_used_is_read_again_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("filters.used");
        let saved = Saved::default();
        assert_eq!(read(&path, &saved).unwrap(), Vec::<String>::new());
        let mut used = UsedFilters::default();
        for text in ["", "status:5xx", "(", "stripe\u{1b}", "@nowhere", "is:marked", " status:5xx ", "late"] {
            used.remember(text, &saved);
        }
        let (first, texts) = used.unsaved().unwrap();
        assert_eq!((texts.join("|"), used.unsaved()), ("is:marked|status:5xx|late".to_owned(), None));
        write(&path, &texts).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path, &saved).unwrap(), texts);
        for number in 0..200 {
            used.remember(&format!("size>{number}"), &saved);
        }
        let (second, texts) = used.unsaved().unwrap();
        assert!(second > first && texts.len() == FILTERS_MAX && texts[0] == "size>100");
        fs::write(&path, "late\n(\n\u{1b}[2J\n\nis:held\n").unwrap();
        assert_eq!(read(&path, &saved).unwrap(), ["late", "is:held"]);
        fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
        assert!(read(&path, &saved).is_err());
    }

    #[test]
    fn what_was_used_before_the_file_was_read_comes_after_it() {
        let saved = Saved::default();
        let mut used = UsedFilters::early();
        for text in ["status:5xx", "@slow", "(", "is:late"] {
            used.remember(text, &saved);
        }
        assert_eq!(used.unsaved(), None, "the file's own are not to be written over");
        let mut saved = saved;
        saved.insert("slow", "ms>500");
        used.come_after(vec!["is:late".to_owned(), "type:a".to_owned()], &saved);
        assert_eq!(used.beside("", true), Some("is:late"));
        let (_, texts) = used.unsaved().unwrap();
        assert_eq!(texts, ["type:a", "status:5xx", "@slow", "is:late"]);
        assert_eq!(used.unsaved(), None);
        let mut unused = UsedFilters::early();
        unused.come_after(texts, &saved);
        assert_eq!(unused.unsaved(), None, "the file has them all");
    }

    #[test]
    fn one_goes_back_and_forth_between_them() {
        let mut used = UsedFilters::default();
        used.come_after(vec!["one".to_owned(), "two".to_owned()], &Saved::default());
        assert_eq!(used.beside("", true), Some("two"));
        assert_eq!(used.beside("two", true), Some("one"));
        assert_eq!(used.beside("one", true), None);
        assert_eq!(used.beside("one", false), Some("two"));
        assert_eq!((used.beside("two", false), used.beside("", false)), (None, None));
    }
}

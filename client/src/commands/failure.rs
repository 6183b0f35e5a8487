//! What went wrong, as a person reads it: `error: …`, a blank line, `hint: …`.

use std::{error::Error, fmt, fmt::Write, ops::Range, process::ExitCode};

use inhaul_core::visible::visible;
use unicode_width::UnicodeWidthStr;

use crate::{
    access::AccessError,
    commands::Exit,
    config::{ConfigError, Problem},
    data_dir::DataDirError,
    history::HistoryError,
    output::PrintError,
    tls::TlsError,
};

/// An error, what a person can do about it, and how the program ends.
#[derive(Debug)]
pub struct Failure {
    error: Box<dyn Error + Send + Sync>,
    /// A text, and what in it is wrong: bytes from and to.
    place: Option<(String, Range<usize>)>,
    hint: Option<String>,
    answer_is_no: bool,
}

impl Failure {
    /// An error that ends the program with status 2.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { error: error.into(), place: None, hint: None, answer_is_no: false }
    }

    /// Adds what a person can do about it, commands in backticks.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Shows the text that is wrong, with a mark below the part from and to these bytes.
    #[must_use]
    pub fn at(self, text: &str, wrong: Range<usize>) -> Self {
        Self { place: Some((text.to_owned(), wrong)), ..self }
    }

    /// What went wrong and what a person can do about it, each a text.
    pub fn explained(&self) -> Vec<String> {
        let hint = self.hint.iter().map(|hint| format!("hint: {hint}"));
        std::iter::once(format!("error: {}", self.error)).chain(hint).collect()
    }

    /// Makes it an answer: the program ends with status 1.
    #[must_use]
    pub fn as_answer(self) -> Self {
        Self { answer_is_no: true, ..self }
    }

    /// Makes it no answer: the program ends with status 2.
    #[must_use]
    pub fn as_trouble(self) -> Self {
        Self { answer_is_no: false, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = error.hint();
        let place = if let Problem::Filter { text, error } = &error.problem {
            Some((text.clone(), error.span.clone()))
        } else {
            None
        };
        Self { hint, place, ..Self::new(error) }
    }
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        let hint = error.hint();
        Self::new(error).hint(hint)
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        let hint = error.hint();
        Self { hint, ..Self::new(error) }
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        let hint = error.hint();
        Self { hint, ..Self::new(error) }
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        let hint = error.hint();
        Self::new(error).hint(hint)
    }
}

/// What stderr gets, and how the program ends. Nobody reading stdout any more is no failure and says nothing.
pub fn report(error: &anyhow::Error) -> (String, ExitCode) {
    if matches!(error.downcast_ref::<PrintError>(), Some(PrintError::ReaderGone)) {
        return (String::new(), Exit::Success.into());
    }
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
    let mut text = format!("error: {}\n", visible(&format!("{error:#}")));
    if let Some((whole, wrong)) = failure.and_then(|failure| failure.place.as_ref()) {
        let width = |part: Option<&str>| visible(part.unwrap_or_default()).to_string().width();
        let (before, marked) = (width(whole.get(..wrong.start)), width(whole.get(wrong.clone())).max(1));
        let _ = write!(text, "\n    {}\n    {}{}\n", visible(whole), " ".repeat(before), "^".repeat(marked));
    }
    if let Some(hint) = failure.and_then(|failure| failure.hint.as_ref()) {
        let _ = write!(text, "\nhint: {}\n", visible(hint));
    }
    let answer_is_no = failure.is_some_and(|failure| failure.answer_is_no);
    (text, if answer_is_no { Exit::No.into() } else { ExitCode::from(2) })
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context;

    use super::*;

    #[test]
    fn errors_and_hints_are_plain_text() {
        let failure = Failure::new("no \u{1b}[31mfile").hint("`touch file` makes one");
        let error = anyhow::Error::from(failure).context("cannot begin");
        let (text, code) = report(&error);
        assert_eq!(text, "error: cannot begin: no \\x1b[31mfile\n\nhint: `touch file` makes one\n");
        assert_eq!(code, ExitCode::from(2));
        let (text, code) = report(&anyhow::anyhow!("plain"));
        assert_eq!((text.as_str(), code), ("error: plain\n", ExitCode::from(2)));
        assert_eq!(report(&Failure::new("none").as_answer().into()).1, ExitCode::from(1));
    }

    #[test]
    fn nobody_reading_any_more_is_no_failure() {
        let gone = PrintError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let error = Err::<(), _>(gone).context("while listing").unwrap_err();
        assert_eq!(report(&error), (String::new(), ExitCode::SUCCESS));
        let full = PrintError::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(report(&full.into()).1, ExitCode::from(2));
    }
}

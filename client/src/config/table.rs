//! Parsed TOML read by hand: each value keeps the line it stands on, and each mistake is told with its key and with
//! what is allowed there.

use std::{ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::config::{ConfigError, Origin, Problem};

/// A value and where it is said.
#[derive(Clone, Debug)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// Where it is said.
    pub origin: Origin,
}

/// A key of the file, and what it takes to name its line.
#[derive(Clone)]
pub(crate) struct Place<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// Its whole text.
    pub(crate) text: &'a str,
    /// The key; empty for the file as a whole.
    pub(crate) key: String,
}

impl Place<'_> {
    pub(crate) fn below(&self, key: &str) -> Self {
        let key = if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) };
        Self { key, ..self.clone() }
    }

    /// Where the part of the text at `span` stands.
    pub(crate) fn origin(&self, span: &Range<usize>) -> Origin {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        Origin::File { path: self.path.to_owned(), line, key: self.key.clone() }
    }

    /// What is wrong with the part of the text at `span`.
    pub(crate) fn error(&self, span: &Range<usize>, problem: Problem) -> ConfigError {
        ConfigError::new(self.origin(span), problem)
    }
}

/// One table of the file.
pub(crate) struct Table<'a> {
    /// Its key.
    pub(crate) place: Place<'a>,
    /// What it holds.
    pub(crate) table: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// Fails at the first key that is not one of those allowed.
    pub(crate) fn deny_unknown(&self, allowed: &'static [&'static str]) -> Result<(), ConfigError> {
        let unknown = self
            .table
            .keys()
            .filter(|key| !allowed.contains(&key.get_ref().as_ref()))
            .min_by_key(|key| key.span().start);
        match unknown {
            Some(key) => Err(self
                .place
                .error(&key.span(), Problem::UnknownKey { key: key.get_ref().to_string(), allowed })),
            None => Ok(()),
        }
    }

    /// The text of a key, read further.
    pub(crate) fn text<T>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Option<Given<T>>, ConfigError> {
        self.text_such_as(key, "text", read)
    }

    /// As [`Table::text`]; what it is to be is said when it is no text.
    pub(crate) fn text_such_as<T>(
        &self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Option<Given<T>>, ConfigError> {
        let place = self.place.below(key);
        match self.table.get(key) {
            Some(value) => {
                let DeValue::String(text) = value.get_ref() else {
                    return Err(wrong_type(&place, value, expected));
                };
                given(&place, value, text, read).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The whole number of a key, read further.
    pub(crate) fn number<T>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Option<Given<T>>, ConfigError> {
        let place = self.place.below(key);
        match self.table.get(key) {
            Some(value) => {
                let DeValue::Integer(number) = value.get_ref() else {
                    return Err(wrong_type(&place, value, "a number"));
                };
                given(&place, value, &number.to_string(), read).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Whether a key says true.
    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        match self.table.get(key) {
            Some(value) => match value.get_ref() {
                DeValue::Boolean(says) => Ok(Some(*says)),
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_)
                | DeValue::Table(_) => Err(wrong_type(&self.place.below(key), value, "true or false")),
            },
            None => Ok(None),
        }
    }

    /// The texts of a key that is one text or a list of them; a whole number is a text too, so that a port may be one.
    pub(crate) fn texts<T>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Vec<Given<T>>, ConfigError> {
        let place = self.place.below(key);
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        match value.get_ref() {
            DeValue::Array(values) => values
                .iter()
                .enumerate()
                .map(|(index, value)| {
                    let place = Place { key: format!("{}[{index}]", place.key), ..place.clone() };
                    let text = scalar(value).ok_or_else(|| wrong_type(&place, value, "text"))?;
                    given(&place, value, &text, &read)
                })
                .collect(),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_) => {
                let text =
                    scalar(value).ok_or_else(|| wrong_type(&place, value, "text or a list of texts"))?;
                Ok(vec![given(&place, value, &text, read)?])
            }
        }
    }

    /// The table of a key that is written as `[key]`, and where it stands.
    pub(crate) fn table(&self, key: &'static str) -> Result<Option<(Range<usize>, Table<'a>)>, ConfigError> {
        let place = self.place.below(key);
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let DeValue::Table(table) = value.get_ref() else {
            return Err(wrong_type(&place, value, "a table of its own"));
        };
        Ok(Some((value.span(), Table { place, table })))
    }

    /// The tables of a key that are written as `[key.NAME]`: each name and its table.
    pub(crate) fn named_tables(
        &self,
        key: &'static str,
    ) -> Result<Vec<(Spanned<&'a str>, Table<'a>)>, ConfigError> {
        let place = self.place.below(key);
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let expected = "tables, each below its own [provider.NAME]";
        let DeValue::Table(tables) = value.get_ref() else {
            return Err(wrong_type(&place, value, expected));
        };
        let mut found = Vec::new();
        for (name, value) in tables {
            let place = place.below(name.get_ref());
            let DeValue::Table(table) = value.get_ref() else {
                return Err(wrong_type(&place, value, expected));
            };
            found.push((Spanned::new(name.span(), name.get_ref().as_ref()), Table { place, table }));
        }
        Ok(found)
    }

    /// The tables of a key that is written as `[[key]]`, each with where it stands.
    pub(crate) fn tables(&self, key: &'static str) -> Result<Vec<(Range<usize>, Table<'a>)>, ConfigError> {
        let expected = "a list of tables, each below its own [[route]]";
        let place = self.place.below(key);
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let DeValue::Array(values) = value.get_ref() else {
            return Err(wrong_type(&place, value, expected));
        };
        values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let place = Place { key: format!("{key}[{index}]"), ..place.clone() };
                match value.get_ref() {
                    DeValue::Table(table) => Ok((value.span(), Table { place, table })),
                    DeValue::String(_)
                    | DeValue::Integer(_)
                    | DeValue::Float(_)
                    | DeValue::Boolean(_)
                    | DeValue::Datetime(_)
                    | DeValue::Array(_) => Err(wrong_type(&place, value, expected)),
                }
            })
            .collect()
    }
}

fn given<T>(
    place: &Place<'_>,
    value: &Spanned<DeValue<'_>>,
    text: &str,
    read: impl Fn(&str) -> Result<T, Problem>,
) -> Result<Given<T>, ConfigError> {
    match read(text) {
        Ok(read) => Ok(Given { value: read, origin: place.origin(&value.span()) }),
        Err(problem) => Err(place.error(&value.span(), problem)),
    }
}

fn scalar(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}

pub(crate) fn wrong_type(
    place: &Place<'_>,
    value: &Spanned<DeValue<'_>>,
    expected: &'static str,
) -> ConfigError {
    let found = match value.get_ref() {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    place.error(&value.span(), Problem::WrongType { expected, found })
}

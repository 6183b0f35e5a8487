//! `[filters]`: filters by their names, in `inhaul.toml` and in the file the inspector saves them in.

use std::{fmt::Write, io, path::Path};

use inhaul_core::filter::Saved;
use toml::de::{DeTable, DeValue};

use super::{
    ConfigError, Origin, Problem,
    table::{Place, Table, wrong_type},
};
use crate::data_dir::{read_small_file, write_private_file};

/// Longest file of saved filters that is read.
const FILE_MAX_BYTES: u64 = 256 * 1024;

/// The filters of a table, each of which means something.
pub(super) fn read(table: &Table<'_>) -> Result<Saved, ConfigError> {
    let mut saved = Saved::default();
    let place = table.place.below("filters");
    let Some(value) = table.table.get("filters") else { return Ok(saved) };
    let DeValue::Table(filters) = value.get_ref() else {
        return Err(wrong_type(&place, value, "a table of texts"));
    };
    for (name, value) in filters {
        if !Saved::is_name(name.get_ref()) {
            return Err(place.error(&name.span(), Problem::FilterName(name.get_ref().to_string())));
        }
        let DeValue::String(text) = value.get_ref() else {
            return Err(wrong_type(&place.below(name.get_ref()), value, "text"));
        };
        saved.insert(name.get_ref(), text);
    }
    for (name, value) in filters {
        saved.check(name.get_ref()).map_err(|error| {
            let text = saved.text(name.get_ref()).unwrap_or_default().to_owned();
            place.below(name.get_ref()).error(&value.span(), Problem::Filter { text, error })
        })?;
    }
    Ok(saved)
}

/// The filters a person saved in the inspector; none when there is no such file.
///
/// # Errors
/// At the first thing in the file that is wrong.
pub fn saved_filters(path: &Path) -> Result<Saved, ConfigError> {
    let start = || Origin::whole(path);
    let text = match read_small_file(path, FILE_MAX_BYTES) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Saved::default()),
        Err(error) => return Err(ConfigError::new(start(), Problem::Unreadable(error))),
    };
    let place = Place { path, text: &text, key: String::new() };
    let table = DeTable::parse(&text)
        .map_err(|error| ConfigError::new(start(), Problem::Syntax(error.message().to_owned())))?;
    let table = Table { place, table: table.get_ref() };
    table.deny_unknown(&["filters"])?;
    read(&table)
}

/// Writes the filters a person saved, as the table that `inhaul.toml` may have.
///
/// # Errors
/// When the file cannot be written.
pub fn save_filters(path: &Path, saved: &Saved) -> io::Result<()> {
    let mut text =
        String::from("# Filters saved in the inspector. Those of inhaul.toml come before them.\n[filters]\n");
    for (name, filter) in saved.iter() {
        let _ = writeln!(text, "{name} = {}", toml::Value::from(filter));
    }
    write_private_file(path, text.as_bytes())
}

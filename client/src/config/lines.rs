//! Where each key of a configuration file stands.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::{Origin, Place};

/// The origin of each key, by its whole name, such as `route[1].verify`.
pub(super) fn lines(place: &Place<'_>, table: &DeTable<'_>) -> BTreeMap<String, Origin> {
    let mut found = BTreeMap::new();
    add(place, table, &mut found);
    found
}

fn add(place: &Place<'_>, table: &DeTable<'_>, found: &mut BTreeMap<String, Origin>) {
    for (key, value) in table {
        let place = place.below(key.get_ref());
        found.insert(place.key.clone(), place.origin(&key.span()));
        match value.get_ref() {
            DeValue::Table(table) => add(&place, table, found),
            DeValue::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    if let DeValue::Table(table) = value.get_ref() {
                        add(&Place { key: format!("{}[{index}]", place.key), ..place.clone() }, table, found);
                    }
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
}

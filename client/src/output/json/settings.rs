//! What `inhaul config` prints for programs.

use serde::Serialize;

use super::SCHEMA;
use crate::config::Setting;

/// `kind: setting`
#[derive(Serialize)]
pub struct SettingRecord<'a> {
    schema: u32,
    kind: &'static str,
    name: &'a str,
    value: &'a str,
    source: &'a str,
}

/// What is printed of a setting in effect.
pub fn setting(setting: &Setting) -> SettingRecord<'_> {
    let Setting { name, value, source } = setting;
    SettingRecord { schema: SCHEMA, kind: "setting", name, value, source }
}

//! Reads values out of a request, and writes them into one: the two directions of a selector.

use serde_json::Value;

use super::rule::{Selector, Source};
use crate::event::Header;

/// What a selector found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The header or member is not there.
    Absent,
    /// It is there, and no value of the expected form is in it.
    Malformed,
    /// The values, in order; at least one.
    Values(Vec<Vec<u8>>),
}

impl Selector {
    /// Reads every value; of the body only what is JSON already.
    pub(super) fn read(&self, headers: &[Header], json: Option<&Value>) -> Found {
        let raw: Vec<Vec<u8>> = match &self.from {
            Source::Header(name) => {
                headers.iter().filter(|header| header.is(name)).map(|header| header.value.to_vec()).collect()
            }
            Source::Json(pointer) => {
                json.and_then(|json| json.pointer(pointer)).and_then(scalar).into_iter().collect()
            }
        };
        if raw.is_empty() {
            return Found::Absent;
        }
        let values: Vec<Vec<u8>> =
            raw.iter().flat_map(|value| self.parts(value)).filter(|value| !value.is_empty()).collect();
        if values.is_empty() { Found::Malformed } else { Found::Values(values) }
    }

    /// The one value that counts.
    pub(super) fn read_one(&self, headers: &[Header], json: Option<&Value>) -> Result<Vec<u8>, Found> {
        match self.read(headers, json) {
            Found::Values(mut values) => {
                let index = if self.last { values.len() - 1 } else { 0 };
                Ok(values.swap_remove(index))
            }
            absent_or_malformed @ (Found::Absent | Found::Malformed) => Err(absent_or_malformed),
        }
    }

    fn parts(&self, value: &[u8]) -> Vec<Vec<u8>> {
        let parts = match &self.list {
            Some(separator) => split(value, separator.as_bytes()),
            None => vec![value],
        };
        parts.into_iter().filter_map(|part| self.part(part)).map(<[u8]>::to_vec).collect()
    }

    fn part<'v>(&self, part: &'v [u8]) -> Option<&'v [u8]> {
        let part = match (&self.kv, &self.field) {
            (Some(separator), Some(field)) => {
                part.strip_prefix(field.as_bytes())?.strip_prefix(separator.as_bytes())?
            }
            _ => part,
        };
        match &self.strip {
            Some(prefix) => part.strip_prefix(prefix.as_bytes()),
            None => Some(part),
        }
    }

    /// The header's name, and the text that says `value` in it.
    pub(super) fn write(&self, value: &str) -> Option<(&str, String)> {
        let Source::Header(name) = &self.from else { return None };
        let mut text = String::new();
        if let (Some(separator), Some(field)) = (&self.kv, &self.field) {
            text.push_str(field);
            text.push_str(separator);
        }
        text.push_str(self.strip.as_deref().unwrap_or_default());
        text.push_str(value);
        Some((name, text))
    }
}

fn split<'v>(value: &'v [u8], separator: &[u8]) -> Vec<&'v [u8]> {
    let mut parts = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.windows(separator.len()).position(|window| window == separator) {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    parts
}

/// A JSON value as the text it stands for.
fn scalar(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Number(number) => Some(number.to_string().into_bytes()),
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn selector(row: &str) -> Selector {
        toml::from_str(row).unwrap()
    }

    fn header(name: &'static str, value: &'static str) -> Header {
        Header { name: Bytes::from_static(name.as_bytes()), value: Bytes::from_static(value.as_bytes()) }
    }

    fn values(found: &[&str]) -> Found {
        Found::Values(found.iter().map(|value| value.as_bytes().to_vec()).collect())
    }

    #[test]
    fn lists_pairs_and_prefixes_are_taken_apart() {
        let headers = [header("A", "t=1,v1=x,v0=z,v1=y"), header("a", "v1=w"), header("B", "v0=q")];
        let of = |row: &str| selector(row).read(&headers, None);
        let list = "from = \"header:a\"\nlist = \",\"\nkv = \"=\"\n";
        assert_eq!(of(&format!("{list}field = \"v1\"")), values(&["x", "y", "w"]));
        assert_eq!(of(&format!("{list}field = \"v\"")), Found::Malformed);
        assert_eq!(of("from = \"header:b\"\nstrip = \"v0=\""), values(&["q"]));
        assert_eq!(of("from = \"header:b\"\nstrip = \"v1=\""), Found::Malformed);
        assert_eq!(of("from = \"header:c\""), Found::Absent);
        let last = selector(&format!("{list}field = \"v1\"\nlast = true"));
        assert_eq!(last.read_one(&headers, None).unwrap(), b"w");
    }

    #[test]
    fn members_of_the_body_are_texts_and_numbers() {
        let body = json!({"type": "call.ended", "n": 7, "deep": {"list": [1, {"x": "y"}]}, "none": null});
        let of = |pointer: &str| {
            let row = format!("from = \"json:{pointer}\"");
            selector(&row).read(&[], Some(&body))
        };
        assert_eq!(of("/type"), values(&["call.ended"]));
        assert_eq!(of("/n"), values(&["7"]));
        assert_eq!(of("/deep/list/1/x"), values(&["y"]));
        assert_eq!(of("/deep"), Found::Absent);
        assert_eq!(of("/none"), Found::Absent);
        assert_eq!(of("/absent"), Found::Absent);
    }

    #[test]
    fn what_is_written_reads_back() {
        for row in [
            "from = \"header:a\"\nkv = \"=\"\nfield = \"v1\"\nlist = \",\"",
            "from = \"header:a\"\nstrip = \"v0=\"",
        ] {
            let selector = selector(row);
            let (name, text) = selector.write("abc").unwrap();
            let header = Header { name: name.to_owned().into(), value: text.into() };
            assert_eq!(selector.read(&[header], None), values(&["abc"]));
        }
    }
}

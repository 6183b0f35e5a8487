//! Reads values out of a request, and writes them into one: the two directions of a selector.

use std::cell::OnceCell;

use memchr::memmem;
use serde_json::Value;

use super::{
    Delivery,
    rule::{Encoding, Selector, Source},
};

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

/// A request to look into; what is not a header is read once, when it is asked for.
pub(super) struct Request<'a> {
    pub(super) delivery: &'a Delivery<'a>,
    /// Seconds that count in place of the provider's own tolerance.
    pub(super) tolerance: Option<u64>,
    /// Whether a mismatch is looked into.
    pub(super) explained: bool,
    json: OnceCell<Option<Value>>,
    form: OnceCell<Vec<(String, String)>>,
    has_escaped_letters: OnceCell<bool>,
}

impl<'a> Request<'a> {
    pub(super) fn new(delivery: &'a Delivery<'a>) -> Self {
        Self::within(delivery, None)
    }

    pub(super) fn within(delivery: &'a Delivery<'a>, tolerance: Option<u64>) -> Self {
        Self {
            delivery,
            tolerance,
            explained: true,
            json: OnceCell::new(),
            form: OnceCell::new(),
            has_escaped_letters: OnceCell::new(),
        }
    }

    /// As [`Request::new`], where only the verdict counts and not the reason.
    pub(super) fn unexplained(delivery: &'a Delivery<'a>) -> Self {
        Self { explained: false, ..Self::new(delivery) }
    }

    /// Another delivery, which is looked at in the same way.
    pub(super) fn with(&self, delivery: &'a Delivery<'a>) -> Self {
        Self { explained: self.explained, ..Self::within(delivery, self.tolerance) }
    }

    /// The same request with one item of a list in the place of the body's JSON.
    pub(super) fn of_item(&self, item: Value) -> Self {
        Self { json: OnceCell::from(Some(item)), ..self.with(self.delivery) }
    }

    /// The body, if it is JSON.
    pub(super) fn json(&self) -> Option<&Value> {
        self.json.get_or_init(|| serde_json::from_slice(self.delivery.body).ok()).as_ref()
    }

    /// The fields of the body, if that is what it is.
    pub(super) fn form(&self) -> &[(String, String)] {
        self.form.get_or_init(|| {
            let body = if self.is_form() { self.delivery.body } else { &[] };
            form_urlencoded::parse(body).into_owned().collect()
        })
    }

    /// Whether the body says that it is a form.
    pub(super) fn is_form(&self) -> bool {
        const FORM: &[u8] = b"application/x-www-form-urlencoded";
        self.delivery.headers.iter().any(|header| {
            header.is("content-type")
                && header.value.get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM))
        })
    }

    /// Whether a pointer can lead to anything, without reading the body as JSON: a member's name stands in it as it is, unless
    /// letters are written as escapes.
    pub(super) fn may_have(&self, pointer: &str) -> bool {
        let Some(name) = member(pointer) else { return true };
        let holds = |text: &str| memmem::find(self.delivery.body, text.as_bytes()).is_some();
        self.json.get().is_some() || holds(name) || *self.has_escaped_letters.get_or_init(|| holds("\\u"))
    }

    /// Every value of a source, in order.
    pub(super) fn values(&self, source: &Source) -> Vec<Vec<u8>> {
        match source {
            Source::Header(name) => {
                let named = self.delivery.headers.iter().filter(|header| header.is(name));
                named.map(|header| header.value.to_vec()).collect()
            }
            Source::Numbered(prefix) => {
                let is_numbered = |name: &[u8]| {
                    name.split_at_checked(prefix.len()).is_some_and(|(start, number)| {
                        start.eq_ignore_ascii_case(prefix.as_bytes())
                            && !number.is_empty()
                            && number.iter().all(u8::is_ascii_digit)
                    })
                };
                let numbered = self.delivery.headers.iter().filter(|header| is_numbered(&header.name));
                numbered.map(|header| header.value.to_vec()).collect()
            }
            Source::Json(pointer) => {
                self.json().and_then(|json| json.pointer(pointer)).and_then(scalar).into_iter().collect()
            }
            Source::Form(name) => {
                let named = self.form().iter().filter(|(known, _)| known == name);
                named.map(|(_, value)| value.clone().into_bytes()).collect()
            }
            Source::Query(name) => {
                let query =
                    self.delivery.url.and_then(|url| url.split_once('?')).map_or("", |(_, query)| query);
                let named = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
                named.map(|(_, value)| value.into_owned().into_bytes()).collect()
            }
        }
    }
}

/// Whether this text stands in JSON as it is, unless letters are written as escapes.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.'))
}

/// The name of the member a pointer leads to, if it is a word.
fn member(pointer: &str) -> Option<&str> {
    pointer.rsplit_once('/').map(|(_, name)| name).filter(|name| is_word(name))
}

impl Source {
    /// The name of the member of the body's JSON that this is, if it is a word.
    pub(super) fn member(&self) -> Option<&str> {
        match self {
            Self::Json(pointer) => member(pointer),
            Self::Header(_) | Self::Numbered(_) | Self::Form(_) | Self::Query(_) => None,
        }
    }
}

impl Selector {
    /// A selector of the first of some sources, whole.
    pub(super) fn first_of(from: Vec<Source>) -> Self {
        Self {
            from,
            list: None,
            kv: None,
            field: None,
            any_field: false,
            index: None,
            rest: false,
            trim: false,
            strip: None,
            strip_optional: false,
            last: false,
            inside: None,
            default: None,
        }
    }

    /// Reads every value.
    pub(super) fn read(&self, request: &Request<'_>) -> Found {
        let raw = self.from.iter().map(|source| request.values(source)).find(|values| !values.is_empty());
        let Some(raw) = raw else {
            return match &self.default {
                Some(default) => Found::Values(vec![default.clone().into_bytes()]),
                None => Found::Absent,
            };
        };
        let values: Vec<Vec<u8>> =
            raw.iter().flat_map(|value| self.parts(value)).filter(|value| !value.is_empty()).collect();
        if values.is_empty() { Found::Malformed } else { Found::Values(values) }
    }

    /// The one value that counts.
    pub(super) fn read_one(&self, request: &Request<'_>) -> Result<Vec<u8>, Found> {
        match self.read(request) {
            Found::Values(mut values) => {
                let index = if self.last { values.len() - 1 } else { 0 };
                Ok(values.swap_remove(index))
            }
            absent_or_malformed @ (Found::Absent | Found::Malformed) => Err(absent_or_malformed),
        }
    }

    fn parts(&self, value: &[u8]) -> Vec<Vec<u8>> {
        let mut parts = match &self.list {
            Some(separator) => split(value, separator.as_bytes()),
            None => vec![value],
        };
        if let Some(index) = self.index {
            parts = parts.into_iter().skip(index).take(if self.rest { usize::MAX } else { 1 }).collect();
        }
        parts.into_iter().filter_map(|part| self.part(part)).filter_map(|part| self.within(part)).collect()
    }

    /// What counts of a part that is base64 of JSON; any other part is whole.
    fn within(&self, part: &[u8]) -> Option<Vec<u8>> {
        let Some(pointer) = &self.inside else { return Some(part.to_vec()) };
        let json: Value = serde_json::from_slice(&Encoding::Base64.decode(part)?).ok()?;
        scalar(json.pointer(pointer)?)
    }

    fn part<'v>(&self, part: &'v [u8]) -> Option<&'v [u8]> {
        let part = if self.trim { part.trim_ascii() } else { part };
        let part = match (&self.kv, &self.field) {
            (Some(separator), Some(field)) if !self.any_field => {
                part.strip_prefix(field.as_bytes())?.strip_prefix(separator.as_bytes())?
            }
            (Some(separator), _) => {
                let at = part.windows(separator.len()).position(|window| window == separator.as_bytes())?;
                &part[at + separator.len()..]
            }
            (None, _) => part,
        };
        match &self.strip {
            Some(prefix) if self.strip_optional => Some(part.strip_prefix(prefix.as_bytes()).unwrap_or(part)),
            Some(prefix) => part.strip_prefix(prefix.as_bytes()),
            None => Some(part),
        }
    }

    /// The header's name, and the text that says `value` in it; `None` for what is in no header.
    pub(super) fn write(&self, value: &str) -> Option<(String, String)> {
        let name = match self.from.first()? {
            Source::Header(name) => name.clone(),
            Source::Numbered(prefix) => format!("{prefix}1"),
            Source::Json(_) | Source::Form(_) | Source::Query(_) => return None,
        };
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

    use super::*;
    use crate::event::{Header, UnixMillis};

    fn selector(row: &str) -> Selector {
        toml::from_str(row).unwrap()
    }

    fn header(name: &'static str, value: &'static str) -> Header {
        Header { name: Bytes::from_static(name.as_bytes()), value: Bytes::from_static(value.as_bytes()) }
    }

    fn read(selector: &Selector, headers: &[Header], body: &str) -> Found {
        let url = Some("https://relay.example/in/a?one=1&two=a%2Fb&one=2");
        let delivery =
            Delivery { method: b"POST", url, headers, body: body.as_bytes(), received_at: UnixMillis(0) };
        selector.read(&Request::new(&delivery))
    }

    fn values(found: &[&str]) -> Found {
        Found::Values(found.iter().map(|value| value.as_bytes().to_vec()).collect())
    }

    #[test]
    fn lists_pairs_and_prefixes_are_taken_apart() {
        let headers = [header("A", "t=1,v1=x,v0=z,v1=y"), header("a", "v1=w"), header("B", "v0=q")];
        let of = |row: &str| read(&selector(row), &headers, "");
        let list = "from = \"header:a\"\nlist = \",\"\nkv = \"=\"\n";
        assert_eq!(of(&format!("{list}field = \"v1\"")), values(&["x", "y", "w"]));
        assert_eq!(of(&format!("{list}field = \"v\"")), Found::Malformed);
        assert_eq!(of("from = \"header:b\"\nstrip = \"v0=\""), values(&["q"]));
        assert_eq!(of("from = \"header:b\"\nstrip = \"v1=\""), Found::Malformed);
        assert_eq!(of("from = \"header:c\""), Found::Absent);
        assert_eq!(of("from = \"header:b\"\nstrip = \"v1=\"\nstrip_optional = true"), values(&["v0=q"]));
        assert_eq!(of("from = \"header:a\"\nlist = \",\"\nindex = 1"), values(&["v1=x"]));
        assert_eq!(
            of("from = \"header:a\"\nlist = \",\"\nindex = 2\nrest = true"),
            values(&["v0=z", "v1=y"])
        );
        assert_eq!(of("from = [\"header:c\", \"header:b\"]"), values(&["v0=q"]));
        assert_eq!(of("from = \"header:c\"\ndefault = \"d\""), values(&["d"]));
        assert_eq!(of("from = \"header:b\"\nkv = \"=\""), values(&["q"]));
    }

    #[test]
    fn members_of_the_body_are_texts_and_numbers() {
        let body = r#"{"type": "call.ended", "n": 7, "deep": {"list": [1, {"x": "y"}]}, "none": null}"#;
        let of = |pointer: &str| read(&selector(&format!("from = \"json:{pointer}\"")), &[], body);
        assert_eq!(of("/type"), values(&["call.ended"]));
        assert_eq!(of("/n"), values(&["7"]));
        assert_eq!(of("/deep/list/1/x"), values(&["y"]));
        assert_eq!(of("/deep"), Found::Absent);
        assert_eq!(of("/none"), Found::Absent);
        assert_eq!(of("/absent"), Found::Absent);
    }

    #[test]
    fn fields_of_forms_and_parameters_of_the_query_are_decoded() {
        let form = [header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")];
        let row = selector("from = \"form:a b\"");
        assert_eq!(read(&row, &form, "x=1&a+b=%C3%A9&a%20b=2"), values(&["é", "2"]));
        assert_eq!(read(&row, &[], "a+b=1"), Found::Absent);
        assert_eq!(read(&selector("from = \"query:two\""), &[], ""), values(&["a/b"]));
        assert_eq!(read(&selector("from = \"query:one\""), &[], ""), values(&["1", "2"]));
    }

    #[test]
    fn what_is_written_reads_back() {
        for row in [
            "from = \"header:a\"\nkv = \"=\"\nfield = \"v1\"\nlist = \",\"",
            "from = \"header:a\"\nstrip = \"v0=\"",
        ] {
            let selector = selector(row);
            let (name, text) = selector.write("abc").unwrap();
            let header = Header { name: name.into(), value: text.into() };
            assert_eq!(read(&selector, &[header], ""), values(&["abc"]));
        }
    }
}

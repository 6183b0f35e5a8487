//! One value of a JSON text replaced: everything else stays byte for byte, also numbers of any length and the layout.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::DraftError;

/// Longest path to a value, in steps.
const STEPS_MAX: usize = 64;

/// The text with another value at a path such as `data.object.amount`, `$.items[0].id` or `items.0.id`. A member that is not there is
/// added to an object that is.
pub(super) fn set(text: &str, path: &str, value: &str) -> Result<String, DraftError> {
    let steps = steps(path);
    let missing = || DraftError::NoSuchPlace { path: path.to_owned() };
    if steps.len() > STEPS_MAX {
        return Err(missing());
    }
    Ok(put(text, &find(text, &steps).ok_or_else(missing)?, &as_json(value)))
}

/// The text of the value behind a JSON pointer, and where it is.
pub(super) fn at_pointer<'t>(text: &'t str, pointer: &str) -> Option<(Range<usize>, &'t str)> {
    let unescape = |step: &str| step.replace("~1", "/").replace("~0", "~");
    let steps: Vec<String> = pointer.split('/').skip(1).map(unescape).collect();
    match find(text, &steps)? {
        Place::Value(range) => Some((range.clone(), text.get(range)?)),
        Place::End { .. } => None,
    }
}

/// What is written for a value: itself if it is JSON, else a text.
fn as_json(value: &str) -> String {
    if serde_json::from_str::<IgnoredAny>(value).is_ok() {
        value.trim().to_owned()
    } else {
        serde_json::Value::from(value).to_string()
    }
}

fn steps(path: &str) -> Vec<String> {
    let path = path.strip_prefix('$').unwrap_or(path);
    let plain = path.replace('[', ".").replace(']', "");
    plain.split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect()
}

/// Where something is, or would be.
enum Place {
    Value(Range<usize>),
    /// Behind the last member of an object.
    End {
        at: usize,
        name: String,
        is_first: bool,
    },
}

fn find(text: &str, steps: &[String]) -> Option<Place> {
    let mut value: &RawValue = serde_json::from_str(text).ok()?;
    for (at, step) in steps.iter().enumerate() {
        value = match serde_json::from_str(value.get()).ok()? {
            // Of several of one name, parsers take the last.
            Inside::Members(members) => match members.iter().rfind(|(name, _)| name == step) {
                Some((_, member)) => *member,
                None if at + 1 == steps.len() => {
                    let range = range_in(text, value);
                    let inside = text.get(range.start..range.end - 1)?.trim_end();
                    let at = range.start + inside.len();
                    return Some(Place::End { at, name: step.clone(), is_first: members.is_empty() });
                }
                None => return None,
            },
            Inside::Items(items) => *items.get(step.parse::<usize>().ok()?)?,
            Inside::Nothing => return None,
        };
    }
    Some(Place::Value(range_in(text, value)))
}

fn put(text: &str, place: &Place, value: &str) -> String {
    match place {
        Place::Value(range) => [&text[..range.start], value, &text[range.end..]].concat(),
        Place::End { at, name, is_first } => {
            let comma = if *is_first { "" } else { "," };
            let name = serde_json::Value::from(name.as_str());
            format!("{}{comma}{name}:{value}{}", &text[..*at], &text[*at..])
        }
    }
}

/// Where a part of a text is in it.
fn range_in(text: &str, part: &RawValue) -> Range<usize> {
    let start = part.get().as_ptr().addr() - text.as_ptr().addr();
    start..start + part.get().len()
}

/// What a value holds, as it is written.
enum Inside<'t> {
    Members(Vec<(String, &'t RawValue)>),
    Items(Vec<&'t RawValue>),
    Nothing,
}

impl<'t> Deserialize<'t> for Inside<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'t> Visitor<'t> for Reader {
    type Value = Inside<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Inside::Members(members))
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Inside::Items(items))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Inside::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Inside::Nothing)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Inside::Nothing)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Inside::Nothing)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Inside::Nothing)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Inside::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_changes_and_every_other_byte_stays() {
        let digits = "9".repeat(10_000);
        let text =
            format!("{{ \"a\" : {{\"b\": [1, {{\"c\":1e400}}]}},\n \"n\":{digits}, \"a\\u0062\": \"x\" }}\n");
        for (path, value, from, to) in [
            ("a.b[1].c", "7", "1e400", "7"),
            ("$.a.b.0", "\"x\"", "[1,", "[\"x\","),
            ("a.b", "[ ]", "[1, {\"c\":1e400}]", "[ ]"),
            ("ab", "plain text", "\"x\"", "\"plain text\""),
            ("a.new", "null", "]}", "],\"new\":null}"),
            ("top", "1.50", "\"x\" }", "\"x\",\"top\":1.50 }"),
        ] {
            assert_eq!(set(&text, path, value).unwrap(), text.replacen(from, to, 1), "{path}");
        }
        assert_eq!(set("{}", "a", "1").unwrap(), "{\"a\":1}");
        assert_eq!(set("[1]", "$", "2").unwrap(), "2");
        assert_eq!(set("{\"a\":1,\"a\":2}", "a", "3").unwrap(), "{\"a\":1,\"a\":3}");
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for (text, path) in
            [("{}", "a.b"), ("[1]", "1"), ("[1]", "x"), ("1", "a"), ("no json", "a"), ("", "a")]
        {
            assert!(matches!(set(text, path, "1"), Err(DraftError::NoSuchPlace { .. })), "{text} {path}");
        }
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(set(&deep, &"0.".repeat(100_000), "2").is_err());
        assert_eq!(set(&deep, "0.0.0", "2").unwrap(), "[[[2]]]");
    }

    #[test]
    fn a_pointer_leads_to_the_text_of_a_value() {
        let text = r#"{"data": {"a/b": "evt_1", "n": 12}}"#;
        assert_eq!(at_pointer(text, "/data/a~1b").unwrap().1, "\"evt_1\"");
        assert_eq!(at_pointer(text, "/data/n").unwrap(), (31..33, "12"));
        assert!(at_pointer(text, "/data/x").is_none());
    }
}

//! A body as a person reads it: JSON and XML with each value on a line of its own, forms decoded, other text as it is, the rest as bytes.

use std::fmt::Write;

use inhaul_core::visible::{multiline, multiline_bytes, visible};
use serde::de::IgnoredAny;

use super::xml;

/// How much of a body that is no text is shown.
const HEX_MAX_BYTES: usize = 256;

/// Largest body that is laid out anew.
const LAID_OUT_MAX_BYTES: usize = 16 << 20;

/// How a body is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Laid out for reading.
    Readable,
    /// Every byte in its place.
    AsSent,
}

/// The body, ended by a line feed; JSON and XML are laid out anew when asked for.
pub fn text(body: &[u8], content_type: Option<&str>, reformat: bool) -> String {
    let Some(text) = as_text(body) else { return excerpt(body) };
    let laid_out = reformat.then(|| laid_out(text, content_type)).flatten();
    line_ended(multiline(laid_out.as_deref().unwrap_or(text)).to_string())
}

/// The whole body, ended by a line feed.
pub fn whole(body: &[u8], content_type: Option<&str>, form: Form) -> String {
    if form == Form::AsSent {
        return line_ended(multiline_bytes(body).to_string());
    }
    let Some(text) = as_text(body) else { return hex_dump(body) };
    if is_form(content_type) && body.len() <= LAID_OUT_MAX_BYTES {
        let fields = form_urlencoded::parse(body);
        return fields.map(|(name, value)| format!("{}  {}\n", visible(&name), visible(&value))).collect();
    }
    let laid_out = laid_out(text, content_type);
    line_ended(multiline(laid_out.as_deref().unwrap_or(text)).to_string())
}

/// Whether a body's type says that it is a form.
pub fn is_form(content_type: Option<&str>) -> bool {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn as_text(body: &[u8]) -> Option<&str> {
    std::str::from_utf8(body).ok().filter(|text| !text.contains('\0'))
}

fn line_ended(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// JSON or XML laid out anew; nothing when it is neither, or too long.
fn laid_out(text: &str, content_type: Option<&str>) -> Option<String> {
    if text.len() > LAID_OUT_MAX_BYTES {
        return None;
    }
    if serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return Some(lay_out(text));
    }
    xml::is_meant(content_type, text).then(|| xml::lay_out(text).ok()).flatten()
}

/// Valid JSON with other white space. Names, numbers and escapes stay as the sender wrote them, duplicates too: a parser
/// would round `1.10` and long numbers.
fn lay_out(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut letters = json.chars().peekable();
    let new_line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth.min(xml::INDENT_MAX)));
    };
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                out.push(letter);
                let mut escaped = false;
                for inner in letters.by_ref() {
                    out.push(inner);
                    match inner {
                        '"' if !escaped => break,
                        '\\' => escaped = !escaped,
                        _ => escaped = false,
                    }
                }
            }
            '{' | '[' => {
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                out.push(letter);
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            blank if blank.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

/// The beginning of bytes that are no text.
fn excerpt(bytes: &[u8]) -> String {
    let mut out = hex_dump(&bytes[..bytes.len().min(HEX_MAX_BYTES)]);
    if bytes.len() > HEX_MAX_BYTES {
        let _ = writeln!(out, "… and {} bytes more; `--raw` writes all", bytes.len() - HEX_MAX_BYTES);
    }
    out
}

fn hex_dump(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (index, row) in bytes.chunks(16).enumerate() {
        let numbers: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let letters: String =
            row.iter().map(|&byte| if byte.is_ascii_graphic() { char::from(byte) } else { '.' }).collect();
        let _ = writeln!(out, "{:08x}  {:<47}  {letters}", index * 16, numbers.join(" "));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn json_is_laid_out_and_keeps_every_number_and_name() {
        let json = r#"{"a":1.10,"a":[12345678901234567890,{ },[ ]],"b{,":"x\"]\\","c":{"d":null}}"#;
        let expected = r#"{
  "a": 1.10,
  "a": [
    12345678901234567890,
    {},
    []
  ],
  "b{,": "x\"]\\",
  "c": {
    "d": null
  }
}
"#;
        assert_eq!(text(json.as_bytes(), None, true), expected);
        assert_eq!(text(json.as_bytes(), None, false), format!("{json}\n"));
        assert_eq!(text(b"{not json}", None, true), "{not json}\n");
    }

    #[test]
    fn depth_of_json_costs_no_width() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        let laid_out = whole(deep.as_bytes(), None, Form::Readable);
        assert_eq!(laid_out.split_whitespace().collect::<String>(), deep);
        let widest = laid_out.lines().map(str::len).max().unwrap();
        assert!(widest <= 2 * xml::INDENT_MAX + 2, "a line has {widest} letters");
    }

    #[test]
    fn text_is_made_harmless_and_bytes_are_counted() {
        assert_eq!(text(b"a\nb\x1b[2J\n", None, true), "a\nb\\x1b[2J\n");
        let dump = text(&[0xff; 300], None, true);
        assert!(dump.starts_with("00000000  ff ff"), "{dump}");
        assert!(dump.ends_with("… and 44 bytes more; `--raw` writes all\n"), "{dump}");
        assert_eq!(text(b"ab\0", None, true), format!("00000000  {:<47}  ab.\n", "61 62 00"));
    }

    #[test]
    fn a_whole_body_is_laid_out_or_shown_as_sent() {
        let json = Some("application/json");
        let shown = |body: &[u8], kind, form| whole(body, kind, form);
        assert_eq!(shown(b"{\"a\":1}", json, Form::Readable), "{\n  \"a\": 1\n}\n");
        assert_eq!(shown(b"{\"a\":1}", json, Form::AsSent), "{\"a\":1}\n");
        let xml = b"<a><b>1</b></a>";
        assert_eq!(shown(xml, Some("text/xml"), Form::Readable), "<a>\n  <b>1</b>\n</a>\n");
        assert_eq!(shown(b"<a><b></a>", Some("text/xml"), Form::Readable), "<a><b></a>\n");
        let form = Some("application/x-www-form-urlencoded; charset=utf-8");
        assert_eq!(shown(b"a=x%1b[2J+y&b", form, Form::Readable), "a  x\\x1b[2J y\nb  \n");
        assert_eq!(shown(b"a\x1b\xff\nb\n", None, Form::AsSent), "a\\x1b\\xff\nb\n");
        assert_eq!(shown(&[0xff; 300], None, Form::Readable).lines().count(), 19);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn laid_out_json_is_the_same_json(value in json()) {
            let compact = value.to_string();
            prop_assert_eq!(serde_json::from_str::<Value>(&lay_out(&compact)).unwrap(), value.clone());
            prop_assert_eq!(lay_out(&compact), serde_json::to_string_pretty(&value).unwrap());
            prop_assert_eq!(lay_out(&lay_out(&compact)), lay_out(&compact));
        }
    }
}

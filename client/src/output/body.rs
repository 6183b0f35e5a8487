//! A body as a person reads it: JSON on lines of its own, other text as it is, the rest as bytes.

use std::fmt::Write;

use inhaul_core::visible::multiline;
use serde::de::IgnoredAny;

/// How much of a body that is no text is shown.
const HEX_MAX_BYTES: usize = 256;

/// The body, ended by a line feed; JSON is laid out anew when asked for.
pub(crate) fn text(body: &[u8], reformat: bool) -> String {
    let Ok(text) = std::str::from_utf8(body) else { return hex_dump(body) };
    if text.contains('\0') {
        return hex_dump(body);
    }
    let laid_out = (reformat && serde_json::from_str::<IgnoredAny>(text).is_ok()).then(|| lay_out(text));
    let mut shown = multiline(laid_out.as_deref().unwrap_or(text)).to_string();
    if !shown.ends_with('\n') {
        shown.push('\n');
    }
    shown
}

/// Valid JSON with other white space. Names, numbers and escapes stay as the sender wrote them, duplicates too: a parser
/// would round `1.10` and long numbers.
fn lay_out(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut letters = json.chars().peekable();
    let new_line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
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

fn hex_dump(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (index, row) in bytes[..bytes.len().min(HEX_MAX_BYTES)].chunks(16).enumerate() {
        let numbers: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let letters: String =
            row.iter().map(|&byte| if byte.is_ascii_graphic() { char::from(byte) } else { '.' }).collect();
        let _ = writeln!(out, "{:08x}  {:<47}  {letters}", index * 16, numbers.join(" "));
    }
    if bytes.len() > HEX_MAX_BYTES {
        let _ = writeln!(out, "… and {} bytes more; `--raw` writes all", bytes.len() - HEX_MAX_BYTES);
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
        assert_eq!(text(json.as_bytes(), true), expected);
        assert_eq!(text(json.as_bytes(), false), format!("{json}\n"));
        assert_eq!(text(b"{not json}", true), "{not json}\n");
    }

    #[test]
    fn text_is_made_harmless_and_bytes_are_counted() {
        assert_eq!(text(b"a\nb\x1b[2J\n", true), "a\nb\\x1b[2J\n");
        let dump = text(&[0xff; 300], true);
        assert!(dump.starts_with("00000000  ff ff"), "{dump}");
        assert!(dump.ends_with("… and 44 bytes more; `--raw` writes all\n"), "{dump}");
        assert_eq!(text(b"ab\0", true), format!("00000000  {:<47}  ab.\n", "61 62 00"));
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

//! JSON as it is written: every value with the place of its bytes, so that numbers, names, duplicates and white space stay the
//! sender's.

use std::ops::Range;

use inhaul_core::filter::{JsonPath, JsonPlace};
use serde::de::IgnoredAny;

/// Largest text that is taken apart.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// Deepest nesting that is taken apart, as deep as parsers of many languages go.
const MAX_DEPTH: usize = 128;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where its bytes are.
    pub(crate) span: Range<usize>,
    /// What it holds.
    pub(crate) kind: Kind,
}

/// What a value holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text, a number, or one of the three words.
    Scalar,
    /// Items in order.
    Array(Vec<Node>),
    /// Members in the order written, duplicates too.
    Object(Vec<Member>),
}

/// One member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Where its name is, with the quotes.
    pub(crate) written: Range<usize>,
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: Node,
}

/// Why a text is not taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is no JSON.
    NotJson,
    /// It is JSON, larger or deeper than is taken apart.
    TooLarge,
}

/// Takes JSON apart.
pub(crate) fn parse(text: &str) -> Result<Node, Unread> {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Err(Unread::NotJson);
    }
    if text.len() > MAX_BYTES {
        return Err(Unread::TooLarge);
    }
    Reader { bytes: text.as_bytes(), text, at: 0 }.value(MAX_DEPTH).ok_or(Unread::TooLarge)
}

impl Node {
    /// Calls `each` for every value a path leads to, and does not look into those.
    pub(crate) fn visit<'n>(&'n self, paths: &[JsonPath], each: &mut dyn FnMut(&'n Node)) {
        self.visit_below(paths, &mut Vec::new(), each);
    }

    fn visit_below<'n>(
        &'n self,
        paths: &[JsonPath],
        places: &mut Vec<JsonPlace<'n>>,
        each: &mut dyn FnMut(&'n Node),
    ) {
        if paths.iter().any(|path| path.leads_to(places)) {
            return each(self);
        }
        if !paths.iter().any(|path| path.leads_through(places)) {
            return;
        }
        match &self.kind {
            Kind::Scalar => {}
            Kind::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    places.push(JsonPlace::Item(index));
                    item.visit_below(paths, places, each);
                    places.pop();
                }
            }
            Kind::Object(members) => {
                for member in members {
                    places.push(JsonPlace::Member(&member.name));
                    member.value.visit_below(paths, places, each);
                    places.pop();
                }
            }
        }
    }
}

/// Reads text that is known to be JSON.
struct Reader<'t> {
    bytes: &'t [u8],
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Node> {
        self.skip_blanks();
        let start = self.at;
        let kind = match self.peek()? {
            b'{' => self.object(depth.checked_sub(1)?)?,
            b'[' => self.array(depth.checked_sub(1)?)?,
            b'"' => {
                self.string();
                Kind::Scalar
            }
            _ => {
                while self.peek().is_some_and(|byte| !matches!(byte, b',' | b'}' | b']') && !is_blank(byte)) {
                    self.at += 1;
                }
                Kind::Scalar
            }
        };
        Some(Node { span: start..self.at, kind })
    }

    fn array(&mut self, depth: usize) -> Option<Kind> {
        let mut items = Vec::new();
        while self.goes_on(b']') {
            items.push(self.value(depth)?);
        }
        Some(Kind::Array(items))
    }

    fn object(&mut self, depth: usize) -> Option<Kind> {
        let mut members = Vec::new();
        while self.goes_on(b'}') {
            let start = self.at;
            self.string();
            let written = start..self.at;
            // A lone surrogate has no text; its escape stands for it.
            let name = &self.text[written.clone()];
            let name = serde_json::from_str(name).unwrap_or_else(|_| name.trim_matches('"').to_owned());
            self.skip_blanks();
            self.at += 1;
            members.push(Member { written, name, value: self.value(depth)? });
        }
        Some(Kind::Object(members))
    }

    /// Passes the bracket or comma before an item, or the bracket at the end.
    fn goes_on(&mut self, end: u8) -> bool {
        self.skip_blanks();
        let is_end = self.peek().is_none_or(|byte| byte == end);
        self.at += 1;
        if is_end {
            return false;
        }
        self.skip_blanks();
        // Only behind the opening bracket.
        let is_empty = self.peek() == Some(end);
        self.at += usize::from(is_empty);
        !is_empty
    }

    /// Passes a text, from quote to quote.
    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

/// White space between values (RFC 8259 §2).
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Any JSON, small.
    pub(crate) fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..4i64).prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((prop_oneof!["[a-d]|id", any::<String>()], inner), 0..5)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    fn rebuilt(node: &Node, text: &str) -> Value {
        match &node.kind {
            Kind::Scalar => serde_json::from_str(&text[node.span.clone()]).unwrap(),
            Kind::Array(items) => items.iter().map(|item| rebuilt(item, text)).collect(),
            Kind::Object(members) => {
                let members =
                    members.iter().map(|member| (member.name.clone(), rebuilt(&member.value, text)));
                Value::Object(members.collect())
            }
        }
    }

    #[test]
    fn values_keep_the_bytes_they_are_written_with() {
        let text = " { \"a\" : 1.10 , \"a\":[ ] ,\"b\\\"\":[-0,\"x]\\\\\"] }\n";
        let node = parse(text).unwrap();
        let Kind::Object(members) = &node.kind else { panic!("{node:?}") };
        let written: Vec<(&str, &str)> =
            members.iter().map(|member| (member.name.as_str(), &text[member.value.span.clone()])).collect();
        assert_eq!(written, [("a", "1.10"), ("a", "[ ]"), ("b\"", "[-0,\"x]\\\\\"]")]);
        assert_eq!(&text[node.span], text.trim());
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_not_taken_apart() {
        assert_eq!(parse("{a}"), Err(Unread::NotJson));
        assert_eq!(parse(""), Err(Unread::NotJson));
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&deep(MAX_DEPTH - 1)).is_ok());
        assert!(parse(&deep(MAX_DEPTH + 1)).is_err());
    }

    proptest! {
        #[test]
        fn every_value_is_found_where_it_is(value in any_json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            prop_assert_eq!(rebuilt(&parse(&text).unwrap(), &text), value);
        }
    }
}

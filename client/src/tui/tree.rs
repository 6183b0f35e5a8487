//! A JSON body as a tree that folds. It keeps the sender's text: numbers with their digits, names in their order, duplicates too.

use std::{collections::HashMap, ops::Range};

use inhaul_core::{filter::in_quotes, visible::visible};
use serde::de::IgnoredAny;
use unicode_width::UnicodeWidthStr;

/// Deepest level whose nodes are unfolded at first.
const OPEN_DEPTH: u32 = 3;

/// Most children a node may have to be unfolded at first, unless it is the outermost.
const OPEN_CHILDREN: u32 = 50;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Text,
    Number,
    /// `true`, `false` or `null`.
    Word,
}

struct Node {
    kind: Kind,
    depth: u32,
    /// Of the text, with its quotes.
    name: Option<Range<u32>>,
    /// Of the text.
    value: Range<u32>,
    /// The node behind the last one inside.
    end: u32,
    parent: Option<u32>,
    children: u32,
    /// Its place in its parent.
    place: u32,
    folded: bool,
}

/// One line of the tree.
pub(super) struct TreeLine<'a> {
    pub(super) kind: Kind,
    pub(super) depth: u32,
    /// As it stands in the text, without quotes; the place in an array has none.
    pub(super) name: Option<&'a str>,
    /// In an array.
    pub(super) place: Option<u32>,
    /// As it stands in the text.
    pub(super) value: &'a str,
    pub(super) children: u32,
    pub(super) folded: bool,
    /// A part of the long text above it.
    pub(super) is_part: bool,
    /// How many parts of a long text are below it.
    pub(super) parts: usize,
}

/// The tree, what of it is folded, and where in it one is.
pub(super) struct Tree {
    text: String,
    nodes: Vec<Node>,
    /// Long texts that are unfolded, with their parts, each a line.
    long: HashMap<u32, Vec<Range<u32>>>,
    /// Nodes that no folded one hides, and behind a long text its parts, which have numbers from 1.
    shown: Vec<(u32, usize)>,
    /// Of `shown`.
    cursor: usize,
}

impl Tree {
    /// Of a text that is JSON.
    pub(super) fn parse(text: &str) -> Option<Self> {
        u32::try_from(text.len()).ok()?;
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        let mut tree = Self {
            text: text.to_owned(),
            nodes: nodes(text),
            long: HashMap::new(),
            shown: Vec::new(),
            cursor: 0,
        };
        for node in &mut tree.nodes {
            node.folded = node.depth > 0 && (node.depth >= OPEN_DEPTH || node.children > OPEN_CHILDREN);
        }
        tree.show();
        Some(tree)
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.shown.len()
    }

    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    pub(super) fn go(&mut self, to: usize) {
        self.cursor = to.min(self.shown.len().saturating_sub(1));
    }

    pub(super) fn line(&self, index: usize) -> TreeLine<'_> {
        let (at, part) = self.shown[index];
        let node = self.node(at);
        let parts = self.long.get(&at).map(Vec::as_slice).unwrap_or_default();
        if let Some(text) = part.checked_sub(1).and_then(|part| parts.get(part)) {
            let (depth, value) = (node.depth + 1, self.part(text));
            let (name, place, kind) = (None, None, Kind::Text);
            return TreeLine {
                kind,
                depth,
                name,
                place,
                value,
                children: 0,
                folded: false,
                is_part: true,
                parts: 0,
            };
        }
        let in_array = node.parent.is_some_and(|parent| self.node(parent).kind == Kind::Array);
        TreeLine {
            kind: node.kind,
            depth: node.depth,
            name: node.name.as_ref().map(|name| self.inside_quotes(name)),
            place: in_array.then_some(node.place),
            value: self.part(&node.value),
            children: node.children,
            folded: node.folded && node.children > 0,
            is_part: false,
            parts: parts.len(),
        }
    }

    /// Folds or unfolds where one is.
    pub(super) fn toggle(&mut self) {
        let (index, part) = self.shown[self.cursor];
        if self.long.remove(&index).is_some() {
            self.cursor -= part;
        } else {
            let node = &mut self.nodes[index as usize];
            node.folded ^= node.children > 0;
        }
        self.show();
    }

    /// Unfolds the text where one is, in lines of so many columns at most.
    pub(super) fn unfold_text(&mut self, columns: usize) {
        let index = self.shown[self.cursor].0;
        if self.node(index).kind == Kind::Text {
            let parts = parts(&self.text, &self.node(index).value, columns);
            self.long.insert(index, parts);
            self.show();
        }
    }

    /// Folds where one is, or goes to what it is part of; says no at the outermost.
    pub(super) fn fold(&mut self) -> bool {
        let index = self.shown[self.cursor].0;
        let node = self.node(index);
        if (node.children > 0 && !node.folded) || self.long.contains_key(&index) {
            self.toggle();
            return true;
        }
        match node.parent {
            Some(parent) => {
                self.reveal(parent);
                true
            }
            None => false,
        }
    }

    /// Folds everything but the outermost, or unfolds everything.
    pub(super) fn fold_all(&mut self, folded: bool) {
        let at = self.shown[self.cursor];
        for node in &mut self.nodes {
            node.folded = folded && node.depth > 0;
        }
        if folded {
            self.long.clear();
        }
        self.show();
        // What is hidden now stands in something that is not.
        let visible = self.shown.partition_point(|&shown| shown <= at);
        self.cursor = visible.saturating_sub(1);
    }

    /// Goes to the next node with this text in its name or value, however it is folded, and around the end.
    pub(super) fn find(&mut self, text: &str, backwards: bool) -> bool {
        let wanted = text.to_lowercase();
        let count = self.nodes.len();
        let at = self.shown[self.cursor].0 as usize;
        let mut others: Box<dyn Iterator<Item = usize>> = if backwards {
            Box::new((1..=count).map(|step| (at + count - step) % count))
        } else {
            Box::new((1..=count).map(|step| (at + step) % count))
        };
        let holds = |range: &Range<u32>| self.part(range).to_lowercase().contains(&wanted);
        let found = others.find(|&index| {
            let node = &self.nodes[index];
            node.name.as_ref().is_some_and(holds) || (node.children == 0 && holds(&node.value))
        });
        drop(others);
        if let Some(found) = found {
            self.reveal(u32::try_from(found).unwrap_or(u32::MAX));
        }
        found.is_some()
    }

    /// Where one is, as a jq path such as `.data.items[2]["odd name"]`.
    pub(super) fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut at = Some(self.shown[self.cursor].0);
        while let Some(index) = at {
            let node = self.node(index);
            if let Some(name) = &node.name {
                let bare = self.inside_quotes(name);
                let simple = bare.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
                    && !bare.is_empty()
                    && !bare.starts_with(|letter: char| letter.is_ascii_digit());
                steps.push(if simple { format!(".{bare}") } else { format!("[{}]", self.part(name)) });
            } else if node.parent.is_some() {
                steps.push(format!("[{}]", node.place));
            }
            at = node.parent;
        }
        if steps.is_empty() {
            return ".".to_owned();
        }
        steps.reverse();
        let path = steps.concat();
        // As jq wants it.
        if path.starts_with('[') { format!(".{path}") } else { path }
    }

    /// A filter that finds bodies with the value where one is: with the same one, or of an object or array with any there. Items of arrays
    /// may be at other places.
    pub(super) fn test(&self) -> String {
        let mut steps = Vec::new();
        let index = self.shown[self.cursor].0;
        let mut at = Some(index);
        while let Some(index) = at {
            let node = self.node(index);
            match &node.name {
                Some(name) => steps.push(format!(".{}", self.inside_quotes(name))),
                None if node.parent.is_some() => steps.push("[*]".to_owned()),
                None => {}
            }
            at = node.parent;
        }
        steps.reverse();
        let (path, node) = (format!("${}", steps.concat()), self.node(index));
        let value = self.part(&node.value);
        match node.kind {
            Kind::Object | Kind::Array => format!("exists:{path}"),
            Kind::Number | Kind::Word => format!("{path}={value}"),
            // A lone surrogate has no text; its escape stands for it.
            Kind::Text => {
                let text: String = serde_json::from_str(value)
                    .unwrap_or_else(|_| self.inside_quotes(&node.value).to_owned());
                format!("{path}={}", in_quotes(&text))
            }
        }
    }

    fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    fn part(&self, range: &Range<u32>) -> &str {
        &self.text[range.start as usize..range.end as usize]
    }

    fn inside_quotes(&self, range: &Range<u32>) -> &str {
        self.part(&(range.start + 1..range.end - 1))
    }

    /// Unfolds what hides a node, and goes there.
    fn reveal(&mut self, index: u32) {
        let mut at = self.node(index).parent;
        while let Some(parent) = at {
            self.nodes[parent as usize].folded = false;
            at = self.node(parent).parent;
        }
        self.show();
        self.cursor = self.shown.binary_search(&(index, 0)).unwrap_or(0);
    }

    fn show(&mut self) {
        self.shown.clear();
        let mut index = 0;
        while let Some(node) = self.nodes.get(index as usize) {
            let parts = self.long.get(&index).map_or(0, Vec::len);
            self.shown.extend((0..=parts).map(|part| (index, part)));
            index = if node.folded { node.end } else { index + 1 };
        }
        self.cursor = self.cursor.min(self.shown.len().saturating_sub(1));
    }
}

/// The parts of a text that have room in lines of so many columns, as they are shown; each has one letter at least.
fn parts(text: &str, whole: &Range<u32>, columns: usize) -> Vec<Range<u32>> {
    let (mut parts, mut from, mut used) = (Vec::new(), whole.start, 0);
    let letters = text[whole.start as usize..whole.end as usize].char_indices();
    for (at, letter) in letters {
        let at = whole.start + u32::try_from(at).unwrap_or(u32::MAX);
        let width = match letter {
            ' '..='~' => 1,
            _ => visible(letter.encode_utf8(&mut [0; 4])).to_string().width(),
        };
        if used + width > columns && at > from {
            parts.push(from..at);
            (from, used) = (at, 0);
        }
        used += width;
    }
    parts.push(from..whole.end);
    parts
}

/// The nodes of valid JSON, each before what is inside it.
fn nodes(text: &str) -> Vec<Node> {
    let bytes = text.as_bytes();
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let mut nodes: Vec<Node> = Vec::new();
    let mut open: Vec<u32> = Vec::new();
    let mut name: Option<Range<u32>> = None;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let kind = match byte {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'"' => Kind::Text,
            b't' | b'f' | b'n' => Kind::Word,
            b'-' | b'0'..=b'9' => Kind::Number,
            b'}' | b']' => {
                at += 1;
                if let Some(index) = open.pop() {
                    let end = offset(nodes.len());
                    let node = &mut nodes[index as usize];
                    (node.value.end, node.end) = (offset(at), end);
                }
                continue;
            }
            _ => {
                at += 1;
                continue;
            }
        };
        at = match kind {
            Kind::Object | Kind::Array => start + 1,
            Kind::Text => string_end(bytes, start),
            Kind::Number | Kind::Word => word_end(bytes, start),
        };
        let parent = open.last().copied();
        let is_in_object = parent.is_some_and(|parent| nodes[parent as usize].kind == Kind::Object);
        if is_in_object && kind == Kind::Text && name.is_none() {
            name = Some(offset(start)..offset(at));
            continue;
        }
        let place = parent.map_or(0, |parent| {
            let parent = &mut nodes[parent as usize];
            parent.children += 1;
            parent.children - 1
        });
        let index = offset(nodes.len());
        nodes.push(Node {
            kind,
            depth: offset(open.len()),
            name: name.take(),
            value: offset(start)..offset(at),
            end: index + 1,
            parent,
            children: 0,
            place,
            folded: false,
        });
        open.extend(matches!(kind, Kind::Object | Kind::Array).then_some(index));
    }
    nodes
}

/// Behind the number or word that begins here.
fn word_end(bytes: &[u8], start: usize) -> usize {
    let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
    bytes[start..].iter().position(ends).map_or(bytes.len(), |length| start + length)
}

/// Behind the closing quote of the string that begins here.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn lines(tree: &Tree) -> Vec<String> {
        (0..tree.len())
            .map(|index| {
                let line = tree.line(index);
                let name = line.name.map(str::to_owned).or_else(|| line.place.map(|place| place.to_string()));
                let value = match line.kind {
                    Kind::Object => format!("{{}} {}", line.children),
                    Kind::Array => format!("[] {}", line.children),
                    Kind::Text | Kind::Number | Kind::Word => line.value.to_owned(),
                };
                format!("{}{} {value}", " ".repeat(line.depth as usize), name.unwrap_or_default())
            })
            .collect()
    }

    #[test]
    fn a_tree_keeps_what_the_sender_wrote_and_folds() {
        let text = r#"{"a":1.10,"a":[12345678901234567890,{"x y":"\"]"}],"e":{},"n":null}"#;
        let mut tree = Tree::parse(text).unwrap();
        let all = [
            " {} 4",
            " a 1.10",
            " a [] 2",
            "  0 12345678901234567890",
            "  1 {} 1",
            "   x y \"\\\"]\"",
            " e {} 0",
            " n null",
        ];
        assert_eq!(lines(&tree), all);
        tree.go(5);
        assert_eq!(tree.path(), r#".a[1]["x y"]"#);
        assert!(tree.fold());
        assert_eq!((tree.cursor(), tree.path().as_str()), (4, ".a[1]"));
        assert!(tree.fold());
        assert_eq!(lines(&tree).len(), 7);
        tree.fold_all(true);
        assert_eq!(lines(&tree), [" {} 4", " a 1.10", " a [] 2", " e {} 0", " n null"]);
        assert_eq!(tree.path(), ".a", "it stands where the hidden one is");
        tree.toggle();
        assert_eq!(lines(&tree).len(), 7);
        tree.go(0);
        assert!(tree.fold() && !tree.fold(), "the outermost has nothing around it");
        assert_eq!(tree.path(), ".");
    }

    #[test]
    fn a_value_has_a_filter_that_finds_it() {
        let text = r#"{"a":1.10,"l":[{"id":"15 \"x\""}],"o":{"odd name":null},"w":true}"#;
        let mut tree = Tree::parse(text).unwrap();
        tree.fold_all(false);
        let tests: Vec<String> = (0..tree.len())
            .map(|line| {
                tree.go(line);
                tree.test()
            })
            .collect();
        let expected = [
            "exists:$",
            "$.a=1.10",
            "exists:$.l",
            "exists:$.l[*]",
            r#"$.l[*].id="15 \"x\"""#,
            "exists:$.o",
            "$.o.odd name=null",
            "$.w=true",
        ];
        assert_eq!(tests, expected);
    }

    #[test]
    fn what_is_looked_for_is_unfolded() {
        let mut tree = Tree::parse(r#"{"a":{"b":{"c":{"Deep":{"f":"one"}}}},"g":"ONE"}"#).unwrap();
        assert!(tree.find("one", false));
        assert_eq!(tree.path(), ".a.b.c.Deep.f");
        assert!(tree.find("one", false));
        assert_eq!(tree.path(), ".g");
        assert!(tree.find("one", true));
        assert_eq!(tree.path(), ".a.b.c.Deep.f");
        assert!(tree.find("deep", true));
        assert!(!tree.find("nowhere", false));
        assert_eq!(tree.path(), ".a.b.c.Deep");
    }

    #[test]
    fn depth_and_length_have_no_limit() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let mut tree = Tree::parse(&deep).unwrap();
        tree.fold_all(false);
        assert_eq!(tree.len(), 100_000);
        tree.go(usize::MAX);
        assert_eq!(tree.path().len(), 1 + 3 * 99_999);
        let long = "9".repeat(10_000);
        let tree = Tree::parse(&format!("[{long}]")).unwrap();
        assert_eq!(tree.line(1).value, long);
        for wrong in ["", "{", "[1,]", "{'a':1}", "nul"] {
            assert!(Tree::parse(wrong).is_none(), "{wrong}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(count).sum(),
            Value::Object(members) => members.values().map(count).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        }
    }

    proptest! {
        #[test]
        fn every_value_has_a_line_with_its_own_text(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let mut tree = Tree::parse(&text).unwrap();
            tree.fold_all(false);
            prop_assert_eq!(tree.len(), count(&value));
            prop_assert_eq!(serde_json::from_str::<Value>(tree.line(0).value).unwrap(), value);
            for index in 0..tree.len() {
                prop_assert!(serde_json::from_str::<Value>(tree.line(index).value).is_ok());
            }
        }
    }
}

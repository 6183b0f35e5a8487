//! JSON documents, compared by what they say: the order of names does not matter, that of items does. Numbers are the same when their
//! digits are, texts when their letters are, whatever their escapes.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use inhaul_core::filter::{JsonPath, JsonPlace};

use super::{
    Change, Row,
    text::{Step, steps},
};
use crate::json_text::{self, Kind, Member, Node};

/// Longest path to a value that stands beside a difference. Names are the sender's, and each of many values below a long one would have it.
pub(super) const PATH_MAX_BYTES: usize = 1024;

/// A document and its text.
#[derive(Clone, Copy)]
struct Value<'d> {
    text: &'d str,
    node: &'d Node,
}

/// Compares two documents; nothing when one of them is none.
pub(super) fn compare(left: &str, right: &str, ignored: &[JsonPath]) -> Option<Vec<Row>> {
    let (left_node, right_node) = (json_text::parse(left).ok()?, json_text::parse(right).ok()?);
    let mut writer = Writer { rows: Vec::new(), ignored, places: Vec::new() };
    let sides = (Value { text: left, node: &left_node }, Value { text: right, node: &right_node });
    writer.pair(sides, &Line { depth: 0, names: ("", ""), commas: ("", "") });
    Some(writer.rows)
}

/// What stands around a value on its first and last line.
struct Line<'n> {
    depth: usize,
    /// `"name": ` on either side.
    names: (&'n str, &'n str),
    commas: (&'n str, &'n str),
}

struct Writer<'d, 'i> {
    rows: Vec<Row>,
    ignored: &'i [JsonPath],
    places: Vec<JsonPlace<'d>>,
}

/// Which of the sides has an item, and where.
#[derive(Clone, Copy)]
enum Item {
    Both(usize, usize),
    Left(usize),
    Right(usize),
}

impl<'d> Value<'d> {
    fn raw(self) -> &'d str {
        &self.text[self.node.span.clone()]
    }

    fn of(self, node: &'d Node) -> Self {
        Self { node, ..self }
    }

    /// A text that two values share when they say the same.
    fn canonical(self) -> String {
        let mut out = String::new();
        self.write_canonical(&mut out);
        out
    }

    fn write_canonical(self, out: &mut String) {
        match &self.node.kind {
            Kind::Scalar => out.push_str(&scalar(self.raw())),
            Kind::Array(items) => {
                out.push('[');
                for item in items {
                    self.of(item).write_canonical(out);
                    out.push(',');
                }
                out.push(']');
            }
            Kind::Object(members) => {
                // Members of one name stay in their order.
                let mut sorted: BTreeMap<&str, Vec<&Member>> = BTreeMap::new();
                for member in members {
                    sorted.entry(&member.name).or_default().push(member);
                }
                out.push('{');
                for (name, member) in
                    sorted.iter().flat_map(|(name, members)| members.iter().map(move |member| (name, member)))
                {
                    out.push_str(&format!("{name:?}:"));
                    self.of(&member.value).write_canonical(out);
                    out.push(',');
                }
                out.push('}');
            }
        }
    }

    /// The value of an object's member `id`, if that is no list or object.
    fn id(self) -> Option<String> {
        let Kind::Object(members) = &self.node.kind else { return None };
        let id = members.iter().find(|member| member.name == "id")?;
        (id.value.kind == Kind::Scalar).then(|| scalar(self.of(&id.value).raw()))
    }
}

/// A text with its shortest escapes, anything else as it is written.
fn scalar(raw: &str) -> String {
    if !raw.starts_with('"') {
        return raw.to_owned();
    }
    // A lone surrogate has no text: its escape stands for it.
    serde_json::from_str::<String>(raw).map_or_else(|_| raw.to_owned(), |text| format!("{text:?}"))
}

impl<'d> Writer<'d, '_> {
    fn pair(&mut self, (left, right): (Value<'d>, Value<'d>), line: &Line<'_>) {
        if self.ignored.iter().any(|path| path.leads_to(&self.places)) {
            let change = if left.canonical() == right.canonical() { Change::Same } else { Change::Ignored };
            return self.whole_pair(change, left, right, line);
        }
        match (&left.node.kind, &right.node.kind) {
            (Kind::Object(members), Kind::Object(others)) if !members.is_empty() && !others.is_empty() => {
                self.open_and_close(("{", "}"), line, |writer| {
                    writer.members((left, members), (right, others), line.depth + 1);
                });
            }
            (Kind::Array(items), Kind::Array(others)) if !items.is_empty() && !others.is_empty() => {
                self.open_and_close(("[", "]"), line, |writer| {
                    writer.items((left, items), (right, others), line.depth + 1);
                });
            }
            _ => {
                let same = left.canonical() == right.canonical();
                let change = if same { Change::Same } else { Change::Changed };
                self.whole_pair(change, left, right, line);
            }
        }
    }

    fn open_and_close(
        &mut self,
        (open, close): (&str, &str),
        line: &Line<'_>,
        inside: impl FnOnce(&mut Self),
    ) {
        let indent = "  ".repeat(line.depth);
        let (left_name, right_name) = line.names;
        let text = |name: &str| format!("{indent}{name}{open}");
        self.rows.push(Row::both(Change::Same, text(left_name), text(right_name)));
        inside(self);
        let (left_comma, right_comma) = line.commas;
        let text = |comma: &str| format!("{indent}{close}{comma}");
        self.rows.push(Row::both(Change::Same, text(left_comma), text(right_comma)));
    }

    fn members(
        &mut self,
        (left, members): (Value<'d>, &'d [Member]),
        (right, others): (Value<'d>, &'d [Member]),
        depth: usize,
    ) {
        // The first of a name belongs to the first of that name, the second to the second.
        let mut free: HashMap<&str, VecDeque<usize>> = HashMap::new();
        for (other, member) in others.iter().enumerate() {
            free.entry(&member.name).or_default().push_back(other);
        }
        let mut pairs = Vec::new();
        for (at, member) in members.iter().enumerate() {
            let partner = free.get_mut(member.name.as_str()).and_then(VecDeque::pop_front);
            pairs.push(partner.map_or(Item::Left(at), |other| Item::Both(at, other)));
        }
        let mut only_right: Vec<usize> = free.into_values().flatten().collect();
        only_right.sort_unstable();
        pairs.extend(only_right.into_iter().map(Item::Right));
        let name = |value: Value<'d>, member: &Member| format!("{}: ", &value.text[member.written.clone()]);
        for (pair, commas) in pairs.iter().zip(commas(&pairs)) {
            let (left_member, right_member) = match *pair {
                Item::Both(at, other) => (Some(&members[at]), Some(&others[other])),
                Item::Left(at) => (Some(&members[at]), None),
                Item::Right(other) => (None, Some(&others[other])),
            };
            let Some(known) = left_member.or(right_member) else { continue };
            self.places.push(JsonPlace::Member(&known.name));
            let names = (
                left_member.map(|member| name(left, member)).unwrap_or_default(),
                right_member.map(|member| name(right, member)).unwrap_or_default(),
            );
            let line = Line { depth, names: (&names.0, &names.1), commas };
            let values = (
                left_member.map(|member| left.of(&member.value)),
                right_member.map(|member| right.of(&member.value)),
            );
            self.either(values, &line);
            self.places.pop();
        }
    }

    fn items(
        &mut self,
        (left, items): (Value<'d>, &'d [Node]),
        (right, others): (Value<'d>, &'d [Node]),
        depth: usize,
    ) {
        let left_values: Vec<Value<'d>> = items.iter().map(|item| left.of(item)).collect();
        let right_values: Vec<Value<'d>> = others.iter().map(|item| right.of(item)).collect();
        let pairs = aligned(&left_values, &right_values);
        for (pair, commas) in pairs.iter().zip(commas(&pairs)) {
            let (at, values) = match *pair {
                Item::Both(at, other) => (at, (Some(left_values[at]), Some(right_values[other]))),
                Item::Left(at) => (at, (Some(left_values[at]), None)),
                Item::Right(other) => (other, (None, Some(right_values[other]))),
            };
            self.places.push(JsonPlace::Item(at));
            self.either(values, &Line { depth, names: ("", ""), commas });
            self.places.pop();
        }
    }

    fn either(&mut self, values: (Option<Value<'d>>, Option<Value<'d>>), line: &Line<'_>) {
        let ignored = self.ignored.iter().any(|path| path.leads_to(&self.places));
        let change = |change| if ignored { Change::Ignored } else { change };
        match values {
            (Some(left), Some(right)) => self.pair((left, right), line),
            (Some(left), None) => {
                let lines = laid_out(left, line.depth, line.names.0, line.commas.0);
                self.one_sided(lines.into_iter().map(Row::removed), change(Change::Removed));
            }
            (None, Some(right)) => {
                let lines = laid_out(right, line.depth, line.names.1, line.commas.1);
                self.one_sided(lines.into_iter().map(Row::added), change(Change::Added));
            }
            (None, None) => {}
        }
    }

    fn one_sided(&mut self, rows: impl Iterator<Item = Row>, change: Change) {
        let path = self.path();
        let rows = rows.enumerate().map(|(index, row)| {
            let path = path.clone().filter(|_| index == 0);
            Row { change, path, ..row }
        });
        self.rows.extend(rows);
    }

    /// Two values that are not compared further.
    fn whole_pair(&mut self, change: Change, left: Value<'_>, right: Value<'_>, line: &Line<'_>) {
        let left = laid_out(left, line.depth, line.names.0, line.commas.0);
        let right = laid_out(right, line.depth, line.names.1, line.commas.1);
        let path = self.path();
        for index in 0..left.len().max(right.len()) {
            let path = path.clone().filter(|_| index == 0 && change != Change::Same);
            let row = match (left.get(index), right.get(index)) {
                (Some(left), Some(right)) => Row::both(change, left, right),
                (Some(left), None) if change == Change::Changed => Row::removed(left),
                (None, Some(right)) if change == Change::Changed => Row::added(right),
                (left, right) => Row { change, left: left.cloned(), right: right.cloned(), path: None },
            };
            self.rows.push(Row { path, ..row });
        }
    }

    /// Where one is; nothing when that is too long to stand beside every difference.
    fn path(&self) -> Option<String> {
        let mut path = "$".to_owned();
        for place in &self.places {
            match place {
                JsonPlace::Member(name) if path.len() + name.len() >= PATH_MAX_BYTES => return None,
                JsonPlace::Member(name) => path.push_str(&format!(".{name}")),
                JsonPlace::Item(index) => path.push_str(&format!("[{index}]")),
            }
        }
        (path.len() <= PATH_MAX_BYTES).then_some(path)
    }
}

/// Whether a comma follows, on either side of each.
fn commas(pairs: &[Item]) -> Vec<(&'static str, &'static str)> {
    let last_left = pairs.iter().rposition(|pair| !matches!(pair, Item::Right(_)));
    let last_right = pairs.iter().rposition(|pair| !matches!(pair, Item::Left(_)));
    let comma = |at: usize, last: Option<usize>| if Some(at) == last { "" } else { "," };
    (0..pairs.len()).map(|at| (comma(at, last_left), comma(at, last_right))).collect()
}

/// Which items belong together: those of one `id` when all have one of their own and those that both lists have come in the same order,
/// else what leaves most items equal.
fn aligned(left: &[Value<'_>], right: &[Value<'_>]) -> Vec<Item> {
    let by_id = ids(left).zip(ids(right));
    if let Some((left, right)) = by_id.filter(|(left, right)| in_same_order(left, right)) {
        return pairs(&left, &right, false);
    }
    let canonical = |values: &[Value<'_>]| values.iter().map(|value| value.canonical()).collect::<Vec<_>>();
    pairs(&canonical(left), &canonical(right), true)
}

fn in_same_order(left: &[String], right: &[String]) -> bool {
    let (in_left, in_right): (HashSet<&String>, HashSet<&String>) =
        (left.iter().collect(), right.iter().collect());
    let left = left.iter().filter(|id| in_right.contains(id));
    left.eq(right.iter().filter(|id| in_left.contains(id)))
}

fn pairs(left: &[String], right: &[String], replaced_belong_together: bool) -> Vec<Item> {
    let mut pairs = Vec::new();
    for step in steps(left, right) {
        match step {
            Step::Equal(from, other_from, count) => {
                pairs.extend((0..count).map(|index| Item::Both(from + index, other_from + index)));
            }
            Step::Replaced { left: (from, count), right: (other_from, other_count) } => {
                let both = if replaced_belong_together { count.min(other_count) } else { 0 };
                pairs.extend((0..both).map(|index| Item::Both(from + index, other_from + index)));
                pairs.extend((both..count).map(|index| Item::Left(from + index)));
                pairs.extend((both..other_count).map(|index| Item::Right(other_from + index)));
            }
        }
    }
    pairs
}

/// The ids of all items, when each has one and no two are the same.
fn ids(values: &[Value<'_>]) -> Option<Vec<String>> {
    let ids: Vec<String> = values.iter().map(|value| value.id()).collect::<Option<_>>()?;
    let distinct: HashSet<&String> = ids.iter().collect();
    (distinct.len() == ids.len()).then_some(ids)
}

/// A value on lines of its own, with what stands before and behind it.
fn laid_out(value: Value<'_>, depth: usize, name: &str, comma: &str) -> Vec<String> {
    let mut lines = Vec::new();
    lay_out(value, depth, name, comma, &mut lines);
    lines
}

fn lay_out(value: Value<'_>, depth: usize, name: &str, comma: &str, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    let between = |at: usize, count: usize| if at + 1 < count { "," } else { "" };
    match &value.node.kind {
        Kind::Array(items) if !items.is_empty() => {
            lines.push(format!("{indent}{name}["));
            for (at, item) in items.iter().enumerate() {
                lay_out(value.of(item), depth + 1, "", between(at, items.len()), lines);
            }
            lines.push(format!("{indent}]{comma}"));
        }
        Kind::Object(members) if !members.is_empty() => {
            lines.push(format!("{indent}{name}{{"));
            for (at, member) in members.iter().enumerate() {
                let name = format!("{}: ", &value.text[member.written.clone()]);
                lay_out(value.of(&member.value), depth + 1, &name, between(at, members.len()), lines);
            }
            lines.push(format!("{indent}}}{comma}"));
        }
        Kind::Array(_) => lines.push(format!("{indent}{name}[]{comma}")),
        Kind::Object(_) => lines.push(format!("{indent}{name}{{}}{comma}")),
        Kind::Scalar => lines.push(format!("{indent}{name}{}{comma}", value.raw())),
    }
}

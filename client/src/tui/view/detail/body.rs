//! The body: what it is decides how it is shown.

use inhaul_core::{
    event::EventId,
    visible::{multiline_bytes, visible},
};
use jiff::Timestamp;
use ratatui::{
    style::Style,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{
    super::super::{
        content::{Content, Opened, PARSED_MAX_BYTES, Part},
        keys::{Action, OnBody},
        query::Query,
        state::{Pane, State},
        theme::Theme,
        tree::{Kind, Tree, TreeLine},
    },
    Page, Tail,
};
use crate::output::{body::Form, count_text, fit, size_text};

/// Seconds between which a number looks like a time: 2001 to 2286, when it has ten digits.
const TIMES: std::ops::Range<i64> = 1_000_000_000..10_000_000_000;

/// Lines for what is no tree; says what follows them.
pub(super) fn put(page: &mut Page, opened: &Opened, as_sent: bool) -> Tail {
    let theme = page.theme;
    let body = opened.body(page.hides.is_some());
    match &body.content {
        Content::Empty | Content::Bytes | Content::Text { .. } => {}
        _ if as_sent => {
            page.put("as it was sent", theme.faint());
            multiline_bytes(&body.bytes).to_string().lines().for_each(|line| page.put(line, Style::new()));
            return Tail::Nothing;
        }
        Content::Json(_) | Content::Xml(_) | Content::Form(_) | Content::Parts(_) => {}
    }
    match &body.content {
        Content::Empty => page.put("no body", theme.faint()),
        Content::Json(_) => return Tail::Tree,
        Content::Xml(text) => text.lines().for_each(|line| page.put(line, Style::new())),
        Content::Text { text, cut, flaw } => {
            if let Some(flaw) = flaw {
                page.put(&visible(flaw).to_string(), theme.doubtful());
            }
            for line in text.lines() {
                page.put(line, Style::new());
            }
            if *cut {
                let rest = size_text((body.bytes.len() - PARSED_MAX_BYTES) as u64);
                let [reads, saves] = [Action::Body(OnBody::Page(Form::Readable)), Action::SaveBody]
                    .map(|action| page.keymap.first(action));
                page.put(
                    &format!("… and {rest} more; {reads} reads all, {saves} saves it"),
                    theme.doubtful(),
                );
            }
        }
        Content::Form(fields) => {
            let names =
                fields.iter().map(|(name, _)| visible(name).to_string().width()).max().unwrap_or(0).min(28);
            for (name, value) in fields {
                page.pair(&visible(name).to_string(), names, &visible(value).to_string(), Style::new());
            }
        }
        Content::Parts(parts) => {
            for (index, (headers, part)) in parts.iter().enumerate() {
                page.heading(&format!("part {} of {}", index + 1, parts.len()));
                for header in headers {
                    page.put(&visible(header).to_string(), theme.name());
                }
                match part {
                    Part::Text(text) => text.lines().for_each(|line| page.put(line, Style::new())),
                    Part::Bytes(count) => {
                        page.put(&format!("{} that are no text", size_text(*count as u64)), theme.faint());
                    }
                }
            }
        }
        Content::Bytes => return Tail::Hex,
    }
    Tail::Nothing
}

/// Lines for what a jq program makes of the body.
pub(super) fn put_query(page: &mut Page, query: &Query, id: EventId) {
    let theme = page.theme;
    page.put(&format!("jq {}", visible(query.program())), theme.strong());
    if let Some(error) = &query.error {
        page.put(&visible(error).to_string(), theme.bad());
    }
    let Some((_, answer)) = query.answer.as_ref().filter(|(of, _)| *of == id) else {
        if query.error.is_none() {
            page.put("running …", theme.faint());
        }
        return;
    };
    let text = multiline_bytes(&answer.output).to_string();
    text.lines().for_each(|line| page.put(line, Style::new()));
    if answer.output.is_empty() && answer.error.is_none() {
        page.put("it returned nothing", theme.faint());
    }
    if let Some(error) = &answer.error {
        page.put(&visible(error).to_string(), theme.bad());
    }
    if answer.is_cut {
        page.put(&format!("… and more; `inhaul show {id} --jq` writes all"), theme.doubtful());
    }
}

/// A line of a tree, as far as its room goes.
struct Drawn {
    begin: String,
    name: String,
    value: String,
    /// The value has no room.
    is_cut: bool,
    /// Columns behind the value.
    left: usize,
}

impl Drawn {
    fn new(line: &TreeLine<'_>, width: usize) -> Self {
        let begin = format!("{:indent$}", "", indent = indent(line.depth, width));
        let name = match (line.name, line.place) {
            (Some(name), _) => name.to_owned(),
            (None, Some(place)) => place.to_string(),
            (None, None) => String::new(),
        };
        let name = fit(&name, 0, (width / 2).saturating_sub(2));
        let name = if name.is_empty() { name } else { name + "  " };
        let room = width.saturating_sub(begin.width() + FOLD_SIGN + name.width());
        let value = match line.kind {
            Kind::Object => format!("{{}} {}", count(line.children, "member")),
            Kind::Array => format!("[] {}", count(line.children, "item")),
            Kind::Text if line.parts > 0 => count_text(line.value.chars().count() as u64 - 2, "letter"),
            Kind::Text | Kind::Number | Kind::Word => fit(line.value, 0, room),
        };
        let is_cut = line.kind == Kind::Text && line.parts == 0 && !line.is_part && value.ends_with('…');
        let value = fit(&value, 0, room);
        let left = room.saturating_sub(value.width());
        Self { begin, name, value, is_cut, left }
    }
}

/// Columns of the sign that says what is folded.
const FOLD_SIGN: usize = 2;

/// Deep levels are drawn no further to the right than that.
fn indent(depth: u32, width: usize) -> usize {
    (depth as usize * 2).min(width / 3)
}

/// The columns that the parts of the text at the cursor have room in; nothing when it is no text, or has room where it is.
pub(in super::super::super) fn columns_of_parts(state: &State, tree: &Tree) -> Option<usize> {
    let (line, width) = (tree.line(tree.cursor()), super::width(state));
    let columns = width.saturating_sub(indent(line.depth + 1, width) + FOLD_SIGN).max(1);
    Drawn::new(&line, width).is_cut.then_some(columns)
}

/// A line of a tree.
pub(super) fn tree_line(state: &State, tree: &Tree, index: usize, width: usize) -> Line<'static> {
    let theme = state.theme();
    let line = tree.line(index);
    let has_cursor = index == tree.cursor() && state.pane == Pane::Detail;
    let Drawn { begin, name, value, is_cut, left } = Drawn::new(&line, width);
    let fold = match (line.children > 0 || line.parts > 0, line.folded) {
        (true, false) => "▾",
        (true, true) => "▸",
        (false, _) if is_cut => "▸",
        (false, _) => " ",
    };
    let style = match line.kind {
        Kind::Object | Kind::Array => theme.faint(),
        Kind::Text if line.parts > 0 => theme.faint(),
        Kind::Text => theme.good(),
        Kind::Number => Style::new(),
        Kind::Word => theme.doubtful(),
    };
    let note = time_note(line.value).filter(|note| line.kind == Kind::Number && note.width() + 2 <= left);
    let mut spans = vec![
        Span::raw(format!("{begin}{fold} ")),
        Span::styled(name, theme.name()),
        Span::styled(value, style),
    ];
    spans.extend(note.map(|note| Span::styled(format!("  {note}"), theme.faint())));
    if has_cursor {
        spans.iter_mut().for_each(|span| span.style = Style::new());
        return Line::from(spans).patch_style(theme.selected());
    }
    Line::from(spans)
}

fn count(count: u32, one: &str) -> String {
    count_text(count.into(), one)
}

/// The time a number looks like: seconds or milliseconds since 1970.
fn time_note(number: &str) -> Option<String> {
    let number: i64 = number.parse().ok()?;
    let millis = if TIMES.contains(&number) {
        number * 1000
    } else if TIMES.contains(&(number / 1000)) {
        number
    } else {
        return None;
    };
    Timestamp::from_millisecond(millis).ok().map(|time| format!("≈ {time:.0}"))
}

/// How many bytes a line shows.
fn hex_columns(width: usize) -> usize {
    // Offset, three columns and a letter for each byte, and gaps.
    match width.saturating_sub(12) / 4 {
        0..4 => 2,
        4..8 => 4,
        8..16 => 8,
        _ => 16,
    }
}

/// How many lines some bytes take.
pub(super) fn hex_lines(bytes: usize, width: usize) -> usize {
    bytes.div_ceil(hex_columns(width))
}

/// A line of bytes: where they stand, as numbers, and as letters.
pub(super) fn hex_line(theme: Theme, bytes: &[u8], index: usize, width: usize) -> Line<'static> {
    let columns = hex_columns(width);
    let from = index * columns;
    let row = &bytes[from.min(bytes.len())..bytes.len().min(from + columns)];
    let numbers: String = row.iter().map(|byte| format!("{byte:02x} ")).collect();
    let letters: String = row
        .iter()
        .map(|&byte| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' })
        .collect();
    Line::from(vec![
        Span::styled(format!("{from:08x}  "), theme.faint()),
        Span::raw(format!("{numbers:numbers_width$} ", numbers_width = columns * 3)),
        Span::styled(letters, theme.name()),
    ])
}

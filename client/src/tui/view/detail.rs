//! One event: a few lines about it, and a tab of it.
//!
//! ```text
//!  headers    request line and headers
//!  body       JSON as a tree, text, forms, parts, bytes
//!  signature  what the check found, and how this provider signs
//!  attempts   every attempt to deliver it, on a scale of time
//!  answer     what the application answered
//! ```
//! Lines that do not change are laid out once. A tree, and the bytes of a body, are drawn as far as they are on the screen.

use inhaul_core::{
    event::UnixMillis,
    signature::{Digests, Verdict},
    visible::visible,
};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Position, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};
use unicode_width::UnicodeWidthStr;

use super::{
    super::{
        keys::{Action, Holding, Keymap, Tab},
        next_try,
        state::{Look, Pane, State, Times},
        theme::Theme,
        tree::Tree,
    },
    list, page, pane,
};
use crate::{
    export::Mask,
    output::{attempt_text, fit, remark_texts, size_text, verdict_text},
    row::{EventRow, EventState, Outcome},
};

pub(super) mod answer;
mod attempts;
mod body;
mod headers;
mod signature;

pub(in super::super) use body::columns_of_parts;

/// Lines of an event below which nothing is said above its tab.
const FACTS_FROM: u16 = 12;

/// Letters of an id that are worth a place in the title.
const ID_MIN: usize = 8;

/// The lines of a tab, and what they were made of.
#[derive(Default)]
pub(in super::super) struct Laid {
    made_of: Option<MadeOf>,
    lines: Vec<Line<'static>>,
    tail: Tail,
}

/// What is drawn behind the lines, as far as it is on the screen.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Tail {
    #[default]
    Nothing,
    Tree,
    Hex,
}

/// Everything that lines depend on.
#[derive(PartialEq)]
struct MadeOf {
    row: EventRow,
    is_read: bool,
    tab: Tab,
    width: usize,
    theme: Theme,
    masks: bool,
    is_local: bool,
    as_sent: bool,
    query: Option<u64>,
    digests: Option<Digests>,
    next_try: Option<String>,
}

/// The lines of what is shown, unless they are there already.
pub(in super::super) fn lay_out(state: &State) -> Option<Laid> {
    let area = state.areas().event?;
    let detail = state.detail.as_ref()?;
    let row = state.row(detail.id)?;
    let width = usize::from(area.width.saturating_sub(2)).max(1);
    let made_of = MadeOf {
        row: row.clone(),
        is_read: detail.opened.is_some(),
        tab: state.tab,
        width,
        theme: state.theme(),
        masks: state.look.masks,
        is_local: state.look.times == Times::Local,
        as_sent: state.look.as_sent,
        query: state.query.as_ref().map(|query| query.revision),
        digests: detail.digests.clone(),
        next_try: (state.tab == Tab::Attempts).then(|| next_try::text(state, detail.id)).flatten(),
    };
    if state.laid.made_of.as_ref() == Some(&made_of) {
        return None;
    }
    let mut page = Page::new(state, width);
    let mut tail = Tail::Nothing;
    match &detail.opened {
        None => page.put("reading …", state.theme().faint()),
        Some(Err(reason)) => page.put(&visible(reason).to_string(), state.theme().bad()),
        Some(Ok(opened)) => match state.tab {
            Tab::Body => match &state.query {
                Some(query) => body::put_query(&mut page, query, detail.id),
                None => tail = body::put(&mut page, opened, state.look.as_sent),
            },
            Tab::Headers => headers::put(&mut page, opened, row),
            Tab::Signature => signature::put(&mut page, opened, row, detail.digests.as_ref()),
            Tab::Attempts => attempts::put(&mut page, opened, row, made_of.next_try.as_deref()),
            Tab::Raw => {
                headers::put_raw(&mut page, opened);
                tail = Tail::Hex;
            }
        },
    }
    Some(Laid { made_of: Some(made_of), lines: page.lines, tail })
}

/// How many lines there are to scroll through.
pub(in super::super) fn line_count(state: &State) -> usize {
    let opened = state.detail.as_ref().and_then(|detail| detail.opened());
    let tail = match (state.laid.tail, opened) {
        (Tail::Hex, Some(opened)) => body::hex_lines(opened.body(state.look.masks).bytes.len(), width(state)),
        (Tail::Tree, Some(opened)) => opened.tree(state.look.masks).map_or(0, Tree::len),
        (Tail::Nothing | Tail::Hex | Tail::Tree, _) => 0,
    };
    state.laid.lines.len() + tail
}

/// How many of them are on the screen.
pub(in super::super) fn lines_shown(state: &State) -> usize {
    let Some(area) = state.areas().event else { return 1 };
    usize::from(parts(state, area).tab.height).max(1)
}

/// The next line with a text, behind or before this one, and around the end. Bytes are not looked through.
pub(in super::super) fn find(state: &State, text: &str, from: usize, backwards: bool) -> Option<usize> {
    page::find_in(&state.laid.lines, text, from, backwards)
}

fn width(state: &State) -> usize {
    state.laid.made_of.as_ref().map_or(1, |made_of| made_of.width)
}

/// Inside the frame: the lines about the event, the names of the tabs, and the tab.
struct Parts {
    facts: Rect,
    names: Rect,
    tab: Rect,
}

fn parts(state: &State, area: Rect) -> Parts {
    let inside = Rect {
        x: area.x + 1.min(area.width),
        y: area.y + 1.min(area.height),
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    };
    let count = if inside.height < FACTS_FROM { 0 } else { facts(state, usize::from(inside.width)).len() };
    let count = u16::try_from(count).unwrap_or(u16::MAX).min(inside.height / 2);
    let [facts, names, tab] =
        Layout::vertical([Constraint::Length(count), Constraint::Length(1), Constraint::Fill(1)])
            .areas(inside);
    Parts { facts, names, tab }
}

/// The first line on the screen.
fn first_line(state: &State, tree: Option<&Tree>, count: usize, height: usize) -> usize {
    match tree {
        Some(tree) => tree.cursor().saturating_sub(height / 2).min(count.saturating_sub(height)),
        None => state.scroll,
    }
}

/// What stands at a place of the screen.
pub(in super::super) enum At {
    Tab(Tab),
    /// A line of the tree.
    Line(usize),
}

/// What of the event stands at a place of the screen, if it is something to click on.
pub(in super::super) fn at(state: &State, place: Position) -> Option<At> {
    let parts = parts(state, state.areas().event?);
    if parts.names.contains(place) {
        let mut end = parts.names.x;
        let names = names(state, usize::from(parts.names.width)).spans.into_iter().zip(Tab::ALL);
        let mut until = names.map(|(name, tab)| {
            end = end.saturating_add(u16::try_from(name.width()).unwrap_or(u16::MAX));
            (end, tab)
        });
        return until.find(|(end, _)| place.x < *end).map(|(_, tab)| At::Tab(tab));
    }
    let tree = state.tree().filter(|_| state.laid.tail == Tail::Tree && parts.tab.contains(place))?;
    let height = usize::from(parts.tab.height);
    let first = first_line(state, Some(tree), line_count(state), height);
    let line = first + usize::from(place.y - parts.tab.y);
    line.checked_sub(state.laid.lines.len()).filter(|line| *line < tree.len()).map(At::Line)
}

/// Draws the selected event.
pub(super) fn draw(state: &State, frame: &mut Frame, area: Rect) {
    let parts = parts(state, area);
    let (count, height) = (line_count(state), usize::from(parts.tab.height));
    let opened = state.detail.as_ref().and_then(|detail| detail.opened());
    let tree = match (state.laid.tail, opened) {
        (Tail::Tree, Some(opened)) => opened.tree(state.look.masks),
        (Tail::Nothing | Tail::Hex | Tail::Tree, _) => None,
    };
    let scroll = first_line(state, tree, count, height);
    let mut title = title(state, usize::from(area.width.saturating_sub(2))).0;
    if count > height {
        title.push_str(&format!("· line {}/{count} ", scroll + 1));
    }
    let mut block = pane(state, title, state.pane == Pane::Detail);
    // At the outermost there is nothing to say of where one is.
    if let Some(tree) = tree.filter(|tree| state.pane == Pane::Detail && tree.path() != ".") {
        let room = usize::from(area.width.saturating_sub(4));
        block = block
            .title_bottom(Span::styled(format!(" {} ", fit(&tree.path(), 0, room)), state.theme().faint()));
    }
    frame.render_widget(block, area);
    let width = usize::from(parts.tab.width);
    frame.render_widget(Paragraph::new(facts(state, width)), parts.facts);
    frame.render_widget(Paragraph::new(names(state, width)), parts.names);
    let lines: Vec<Line> = (scroll..count.min(scroll + height))
        .map(|index| {
            let line = match (state.laid.lines.get(index), tree, opened) {
                (Some(line), _, _) => line.clone(),
                (None, Some(tree), _) => body::tree_line(state, tree, index - state.laid.lines.len(), width),
                (None, None, Some(opened)) => {
                    let bytes = &opened.body(state.look.masks).bytes;
                    body::hex_line(state.theme(), bytes, index - state.laid.lines.len(), width)
                }
                (None, None, None) => Line::default(),
            };
            if page::has(&line, &state.search) { line.patch_style(Modifier::UNDERLINED) } else { line }
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), parts.tab);
}

/// Which event it is: type, id, time, and its place in the list; and whether all of it has room. A long id is the first to be cut.
fn title(state: &State, width: usize) -> (String, bool) {
    let row = state.detail.as_ref().and_then(|detail| state.row(detail.id));
    let Some(row) = row else { return (" Event ".to_owned(), true) };
    let name =
        row.event_type.clone().unwrap_or_else(|| format!("{} {}", row.method, state.shown_target(row)));
    let id = row.provider_event_id.as_deref().map_or_else(|| row.id.to_string(), str::to_owned);
    let place = state.position().map(|at| format!("  {}/{}", at + 1, state.events.shown()));
    let rest = format!("  {}{} ", list::clock(state, row.received_at), place.unwrap_or_default());
    let room = width.saturating_sub(rest.len() + 3);
    let name = fit(&name, 0, room);
    let id_room = room.saturating_sub(name.width());
    let cut = fit(&id, 0, id_room);
    let is_whole = cut == visible(&id).to_string() && Some(&name) == row.event_type.as_ref();
    // A few letters of an id say nothing.
    let id = if cut.width() < ID_MIN.min(id.len()) { String::new() } else { format!("  {cut}") };
    (format!(" {name}{id}{rest}"), is_whole)
}

/// What is always said of an event, from its row.
fn facts(state: &State, width: usize) -> Vec<Line<'static>> {
    let theme = state.theme();
    let Some(row) = state.detail.as_ref().and_then(|detail| state.row(detail.id)) else { return Vec::new() };
    let line = |text: &str, style| Line::styled(fit(text, 0, width), style);
    let kind = row.content_type.as_deref().map(|kind| format!("  {kind}")).unwrap_or_default();
    let mut lines = vec![line(
        &format!("{} {}  {}{kind}", row.method, state.shown_target(row), size_text(row.body_bytes)),
        theme.strong(),
    )];
    let is_in_title = title(state, width).1;
    if let Some(event_type) = row.event_type.as_ref().filter(|_| !is_in_title) {
        let id = row.provider_event_id.as_deref().map(|id| format!("  {id}")).unwrap_or_default();
        lines.push(line(&format!("{event_type}{id}"), Style::new()));
    }
    let at = full_time(&state.look, row.received_at);
    lines.push(line(&format!("received {at}  at {}", row.endpoint), Style::new()));
    let (glyph, style) = signature::verdict_look(theme, row.verdict.as_ref());
    let verdict = match &row.verdict {
        // What matters stands where it is not cut.
        Some(Verdict::Valid { scheme, secret }) => format!("valid  {scheme}  {secret}"),
        Some(verdict) => verdict_text(verdict),
        None => "not checked yet".to_owned(),
    };
    lines.push(line(&format!("{glyph} {verdict}"), style));
    match row.attempts.last() {
        Some(attempt) => {
            let target = attempt.target.strip_prefix("http://").unwrap_or(&attempt.target);
            let text =
                format!("#{} {} → {target}", attempt.number, attempt_text(attempt, row.verdict.as_ref()));
            lines.push(line(&text, outcome_style(theme, &attempt.outcome)));
        }
        None => lines.push(line("not forwarded so far", theme.faint())),
    }
    lines.extend(next_try::text(state, row.id).map(|text| line(&text, theme.doubtful())));
    let remark = |(name, remark): (&str, String)| {
        // Here keys do it.
        let remark =
            if row.state == EventState::Held && name == "held" { held_text(state, row) } else { remark };
        line(&format!("{name}: {remark}"), theme.doubtful())
    };
    lines.extend(remark_texts(row).into_iter().map(remark));
    if !row.tags.is_empty() {
        lines.push(line(&format!("tags: {}", row.tags.join(", ")), theme.name()));
    }
    lines.extend(row.comment.as_ref().map(|comment| line(&format!("comment: {comment}"), theme.name())));
    lines
}

/// A time with its date and zone (RFC 3339): that of here when times are, else UTC.
fn full_time(look: &Look, at: UnixMillis) -> String {
    let here = (look.times == Times::Local).then(|| i64::try_from(at.0).ok()).flatten();
    here.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok()).map_or_else(
        || at.to_string(),
        |time| time.to_zoned(look.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string(),
    )
}

/// What can be done with a held event, and what its sender hears.
fn held_text(state: &State, row: &EventRow) -> String {
    let key = |holding| state.keymap.first(Action::Hold(holding));
    let [release, drop, change] = [Holding::Release, Holding::Drop, Holding::Dialog].map(key);
    let waits =
        if row.sender_waited { "; its sender waits, and is answered without it in the end" } else { "" };
    format!("{release} forwards it, {drop} drops it, {change} changes it before{waits}")
}

/// The names of the tabs, with the one that is open.
fn names(state: &State, width: usize) -> Line<'static> {
    let theme = state.theme();
    let row = state.detail.as_ref().and_then(|detail| state.row(detail.id));
    let attempts = row.map(|row| format!(" {}", row.attempts_made())).unwrap_or_default();
    let named = |name: fn(Tab) -> &'static str| {
        let tabs = (1..).zip(Tab::ALL);
        let more = |tab| if tab == Tab::Attempts { attempts.as_str() } else { "" };
        tabs.map(|(number, tab)| format!(" {number} {}{}", name(tab), more(tab))).collect::<Vec<_>>()
    };
    let mut texts = named(Tab::name);
    if texts.concat().len() > width {
        texts = named(Tab::short_name);
    }
    let mut room = width;
    let spans = texts.into_iter().zip(Tab::ALL).map(|(text, tab)| {
        let text = fit(&text, 0, room);
        room = room.saturating_sub(text.chars().count());
        Span::styled(text, if tab == state.tab { theme.selected() } else { theme.faint() })
    });
    Line::from_iter(spans)
}

fn outcome_style(theme: Theme, outcome: &Outcome) -> Style {
    match outcome {
        Outcome::Begun | Outcome::Rejected => theme.doubtful(),
        Outcome::Answered { .. } if outcome.is_success() => theme.good(),
        Outcome::Answered { .. } | Outcome::Failed { .. } => theme.bad(),
    }
}

/// Lines of a width.
struct Page<'m> {
    lines: Vec<Line<'static>>,
    width: usize,
    theme: Theme,
    /// What is hidden; nothing when secrets are shown.
    hides: Option<&'m Mask>,
    keymap: &'m Keymap,
    look: &'m Look,
}

impl<'m> Page<'m> {
    /// An empty one of so many columns.
    fn new(state: &'m State, width: usize) -> Self {
        Self {
            lines: Vec::new(),
            width,
            theme: state.theme(),
            hides: state.hides(),
            keymap: &state.keymap,
            look: &state.look,
        }
    }

    /// A time with its date and zone.
    fn time(&self, at: UnixMillis) -> String {
        full_time(self.look, at)
    }

    /// Whether the value of a header of this name is hidden.
    fn hides(&self, name: &[u8]) -> bool {
        self.hides.is_some_and(|mask| mask.is_credential(name))
    }

    /// Adds a text that is harmless already, wrapped at the width.
    fn put(&mut self, text: &str, style: Style) {
        let parts = page::wrapped(text, self.width).into_iter();
        self.lines.extend(parts.map(|part| Line::styled(part, style)));
    }

    /// Adds a name in its own style and a value behind it, both harmless already; what does not fit goes on below the value.
    fn pair(&mut self, name: &str, name_width: usize, value: &str, style: Style) {
        let indent = (name_width + 2).min(self.width / 2);
        let room = self.width.saturating_sub(indent).max(1);
        let name_width = indent.saturating_sub(2);
        for (index, part) in page::wrapped(value, room).into_iter().enumerate() {
            let name = if index == 0 { fit(name, name_width, name_width) } else { " ".repeat(name_width) };
            let name = Span::styled(format!("{name}  "), self.theme.name());
            self.lines.push(Line::from(vec![name, Span::styled(part, style)]));
        }
    }

    /// Adds the name of a part.
    fn heading(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.lines.push(Line::default());
        }
        self.put(text, self.theme.strong());
    }
}

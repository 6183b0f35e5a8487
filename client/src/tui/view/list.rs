//! The list of events: only the rows that are on the screen are drawn.

use inhaul_core::{
    event::{EventId, UnixMillis},
    filter::{Flag, Signature, TextField},
    visible::visible,
};
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Paragraph, Wrap},
};

use super::{
    super::{
        keys::{Action, Way},
        marks, next_try, sight,
        state::{Pane, Start, State, Times},
    },
    areas::{Areas, RowShape},
    page::wrapped,
    pane,
};
use crate::{
    export::shell,
    listing::{Entry, Last, Order},
    output::{count_text, fit},
    row::EventRow,
};

/// Width of everything but the columns of provider and type.
const FIXED_COLUMNS: usize = 2 + 8 + 1 + SIGNATURE + 1 + STATUS + 1 + 1 + LATENCY + 1 + FLAGS;
const SIGNATURE: usize = 3;
const STATUS: usize = 4;
/// The provider has as much room as the names that were seen need, between these.
const PROVIDER: (usize, usize) = (8, 11);
const LATENCY: usize = 6;
const FLAGS: usize = 9;

/// Draws the list, as much as fits.
pub(super) fn draw(state: &State, frame: &mut Frame, area: Rect, areas: &Areas) {
    let position = state.position();
    let order = state.events.list().order();
    let order = if order == Order::default() { String::new() } else { format!("· {order} ") };
    let only = if state.events.list().only().is_some() { "· marked only " } else { "" };
    let title = match position {
        Some(position) => format!(" Events {}/{} {only}{order}", position + 1, state.events.shown()),
        None => format!(" Events {only}{order}"),
    };
    let mut block = pane(state, title, state.pane == Pane::List);
    if let Some(unseen) = unseen_text(state) {
        block = block.title_bottom(Span::styled(unseen, state.theme().doubtful()));
    }
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inside.width);
    let shape = areas.row_shape();
    let mut lines = vec![header(state, width, shape)];
    let first = state.sight.top();
    for place in first..state.events.shown().min(first + areas.rows_shown()) {
        let Some(entry) = state.events.at(place) else { break };
        let before = before(state, place, entry);
        let is_selected = Some(place) == position;
        let is_in_range = marks::is_in_range(state, place, position);
        let columns = Columns { time: time(state, entry, before), state, entry, is_selected, is_in_range };
        match shape {
            RowShape::Whole => lines.push(columns.line(width, provider_width(state))),
            RowShape::WithoutProvider => lines.push(columns.line(width, 0)),
            RowShape::TwoLines => lines.extend(columns.two_lines(width)),
        }
    }
    if state.events.shown() == 0 {
        lines = nothing_shown(state).iter().flat_map(|text| wrapped(text, width)).map(Line::from).collect();
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

/// How many events came that were not on the screen so far, and the key that goes to them.
fn unseen_text(state: &State) -> Option<String> {
    let unseen = sight::unseen(state);
    let (where_to, way) = match state.events.list().order().is_reversed {
        true => ("above", Way::First),
        false => ("below", Way::Last),
    };
    let key = state.keymap.first(Action::Go(way));
    (unseen > 0).then(|| format!(" {unseen} new {where_to}, {key} shows them "))
}

/// Why no event is shown, and what shows them.
fn nothing_shown(state: &State) -> Vec<String> {
    let (list, key) = (state.events.list(), state.keymap.first(Action::Back));
    let hidden = count_text(list.len() as u64, "event");
    // While the text is wrong, the one before it is on.
    let on = state.filter_error.as_ref().map(|_| list.filter().to_string());
    let filter = visible(on.as_deref().unwrap_or(state.filter_text.trim())).to_string();
    let mut lines = vec![match list.only() {
        Some(_) => format!("No marked event passes the filter {filter}"),
        None => format!("No event passes the filter {filter}"),
    }];
    lines.push(match (list.only(), &state.prompt) {
        (_, Some(_)) => format!("{hidden} hidden; {key} brings the filter back that was on before."),
        (Some(_), None) => format!("{hidden} hidden; {key} shows those that are not marked too."),
        (None, None) => format!("{hidden} hidden; {key} clears the filter."),
    });
    lines.extend(list.scanned_percent().map(|percent| format!("It looks through them: {percent}% so far.")));
    lines
}

/// What is said of the whole list beside the filter, as much as has room.
pub(super) fn standing(state: &State, room: usize) -> String {
    let list = state.events.list();
    // Beyond the most there can be, older ones are left to `inhaul events`.
    let all = if list.is_cut() { format!("newest {}", list.len()) } else { list.len().to_string() };
    let count = if list.filter().is_empty() && list.only().is_none() {
        format!("{all} event{}", if list.len() == 1 { "" } else { "s" })
    } else {
        format!("{} of {all} events", list.matching())
    };
    let follow = match sight::unseen(state) {
        _ if state.follows => "follow on".to_owned(),
        0 => "follow off".to_owned(),
        unseen => format!("{unseen} new"),
    };
    let more =
        list.scanned_percent().map_or_else(|| list.order().to_string(), |percent| format!("scan {percent}%"));
    let texts = [format!("{count} · {more} · {follow} "), format!("{count} · {follow} ")];
    let fitting = texts.into_iter().find(|text| text.chars().count() <= room);
    fitting.unwrap_or_else(|| format!("{count} "))
}

/// The room of the provider's column.
fn provider_width(state: &State) -> usize {
    state.events.list().widest_provider().clamp(PROVIDER.0, PROVIDER.1)
}

/// The event before one: of those shown, or in an order that is not that of arrival, of all.
fn before<'s>(state: &'s State, place: usize, entry: &Entry) -> Option<&'s Entry> {
    if state.events.list().order() == Order::default() {
        return place.checked_sub(1).and_then(|before| state.events.at(before));
    }
    state.events.list().before(entry.id)
}

/// The place of the event that is on a line of the screen.
pub(in super::super) fn place_at(state: &State, line: u16) -> Option<usize> {
    let areas = state.areas();
    // The frame and the names of the columns are above.
    let below = line.checked_sub(areas.list?.y + 2)?;
    let row = usize::from(below) / areas.row_lines();
    let place = state.sight.top() + row;
    (row < areas.rows_shown() && place < state.events.shown()).then_some(place)
}

/// The events whose rows are needed to draw the list and the event beside it.
pub(in super::super) fn shown(state: &State) -> impl Iterator<Item = EventId> {
    let areas = state.areas();
    let first = state.sight.top();
    let places = first..state.events.shown().min(first + areas.rows_shown());
    places.filter_map(|place| state.events.at(place)).map(|entry| entry.id).chain(state.selected)
}

/// What to do while there is nothing to show.
pub(super) fn draw_empty(state: &State, frame: &mut Frame, area: Rect) {
    let is_emptied = state.events.list().is_emptied();
    let title = match &state.start {
        Some(_) => " Start ",
        None if is_emptied => " No events ",
        None => " No events yet ",
    };
    let block = pane(state, title.to_owned(), true);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    if let Some(start) = &state.start {
        let lines = starting(state, start, usize::from(inside.width));
        return frame.render_widget(Paragraph::new(lines), inside);
    }
    let waiting = match is_emptied {
        true => "No event is left. Waiting for the next webhook.",
        false => "Waiting for the first webhook.",
    };
    let mut lines = vec![Line::default(), Line::from(waiting), Line::default()];
    if let Some(ready) = &state.ready {
        let url = visible(&ready.endpoint_url).to_string();
        let url = shell::word(url.as_bytes());
        let key = state.keymap.written("copy_url");
        let text = format!("1  Give this URL to the sender ({key} copies it), or send one yourself:");
        lines.push(Line::from(text));
        lines.push(Line::default());
        lines.push(Line::styled(format!("   curl -d '{{\"id\":\"evt_1\"}}' {url}"), state.theme().strong()));
        lines.push(Line::default());
        lines.push(Line::from(if ready.targets.is_empty() {
            "2  Events are stored and shown. `inhaul listen 3000` also forwards them to your application."
                .to_owned()
        } else {
            format!("2  Events are stored, shown, and forwarded to {}.", visible(&ready.targets.join(", ")))
        }));
        lines.push(Line::from("3  `inhaul demo` shows what it looks like with events."));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), inside);
}

/// What is said while the client starts, or cannot.
fn starting(state: &State, start: &Start, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    match start {
        Start::Opening => {
            lines.push(Line::from("Opening the history."));
            lines.push(Line::default());
            let text =
                "After a crash it is checked first, and what is broken is put right; that takes longer.";
            lines.extend(wrapped(text, width).into_iter().map(Line::from));
        }
        Start::Failed(reasons) => {
            for reason in reasons {
                let text = visible(reason).to_string();
                lines.extend(
                    wrapped(&text, width).into_iter().map(|part| Line::styled(part, state.theme().bad())),
                );
                lines.push(Line::default());
            }
            lines.push(Line::from(format!("{} ends it.", state.keymap.first(Action::Quit))));
        }
    }
    lines
}

fn header(state: &State, width: usize, shape: RowShape) -> Line<'static> {
    let time = match state.look.times {
        Times::Utc => "TIME UTC",
        Times::Local => "TIME",
        Times::Age => "AGE",
        Times::Gap => "AFTER",
    };
    let provider = match shape {
        RowShape::Whole => fit("PROVIDER", provider_width(state), provider_width(state)) + " ",
        RowShape::WithoutProvider | RowShape::TwoLines => String::new(),
    };
    let kind = width.saturating_sub(FIXED_COLUMNS + provider.len());
    let text = if shape == RowShape::TwoLines {
        format!("  {time:8} SIG STAT PROVIDER, TYPE BELOW")
    } else {
        let kind = fit("TYPE", kind, kind);
        format!("  {time:8} SIG STAT {provider}{kind} {:>LATENCY$} FLAGS", "MS")
    };
    Line::styled(fit(&text, 0, width), state.theme().faint())
}

/// An event as the list shows it.
struct Columns<'a> {
    state: &'a State,
    entry: &'a Entry,
    time: String,
    is_selected: bool,
    /// It would be marked if the range ended where one is.
    is_in_range: bool,
}

impl Columns<'_> {
    /// In one line, with so much room for the provider.
    fn line(&self, width: usize, provider_width: usize) -> Line<'static> {
        let provider = match provider_width {
            0 => String::new(),
            room => fit(self.text(&TextField::Provider), room, room) + " ",
        };
        let kind_width =
            width.saturating_sub(FIXED_COLUMNS + provider_width + usize::from(provider_width > 0));
        let (mut spans, latency) = self.beginning();
        spans.extend([
            Span::raw(provider),
            Span::raw(fit(&self.kind(), kind_width, kind_width)),
            Span::styled(format!(" {latency:>LATENCY$} "), self.state.theme().faint()),
            Span::styled(fit(&self.flags(), FLAGS, FLAGS), self.state.theme().doubtful()),
        ]);
        self.finish(spans)
    }

    /// For a narrow list: who and when above, what below.
    fn two_lines(&self, width: usize) -> [Line<'static>; 2] {
        let (mut first, latency) = self.beginning();
        let used = FIXED_COLUMNS - LATENCY - FLAGS - 2;
        let provider = self.text(&TextField::Provider);
        let room = width.saturating_sub(used);
        first.push(Span::raw(fit(provider, room, room)));
        let rest = format!(" {latency:>LATENCY$} {}", fit(&self.flags(), FLAGS, FLAGS));
        let room = width.saturating_sub(4 + rest.chars().count());
        let second = vec![
            Span::raw("    "),
            Span::raw(fit(&self.kind(), room, room)),
            Span::styled(rest, self.state.theme().faint()),
        ];
        [self.finish(first), self.finish(second)]
    }

    /// What every shape begins with, and the latency, which comes later.
    fn beginning(&self) -> (Vec<Span<'static>>, String) {
        let theme = self.state.theme();
        let (verdict, verdict_style) = match self.entry.signature() {
            Signature::Valid => ("✓", theme.good()),
            Signature::Invalid => ("✗", theme.bad()),
            Signature::Stale => ("~", theme.bad()),
            Signature::NoSecret => ("?", theme.doubtful()),
            Signature::Unsigned => ("-", theme.faint()),
            Signature::Unchecked => ("·", theme.faint()),
        };
        let (status, status_style, latency) = outcome(self.state, self.entry);
        let mark = match self.state.marked.contains(&self.entry.id) {
            true => "*",
            false if self.is_in_range => "+",
            false => " ",
        };
        let spans = vec![
            Span::raw(if self.is_selected { "▸" } else { " " }),
            Span::styled(mark, theme.strong()),
            Span::raw(format!("{:8} ", self.time)),
            Span::styled(format!("{verdict:^SIGNATURE$} "), verdict_style),
            Span::styled(format!("{status:STATUS$} "), status_style),
        ];
        (spans, latency)
    }

    /// A text of the entry, or a sign that it has none.
    fn text(&self, field: &TextField) -> &str {
        self.state.events.list().text(self.entry, field).unwrap_or("-")
    }

    /// Its type; without one its method and, once its row is there, its path.
    fn kind(&self) -> String {
        let row = self.state.row(self.entry.id);
        match self.state.events.list().text(self.entry, &TextField::Type) {
            Some(event_type) => event_type.to_owned(),
            None => match row {
                Some(EventRow { event_type: Some(event_type), .. }) => event_type.clone(),
                Some(row) => format!("{} {}", row.method, self.state.shown_target(row)),
                None => self.text(&TextField::Method).to_owned(),
            },
        }
    }

    /// What is out of the ordinary, as much as has room, the most important first.
    fn flags(&self) -> String {
        let entry = self.entry;
        let held = match self.state.queue.place(entry.id) {
            Some(place @ ..100) => format!("held{place:2}"),
            Some(_) | None => "held".to_owned(),
        };
        let next = next_try::flag(self.state, entry.id);
        let attempts = entry.attempts();
        let notes = [("t", entry.has(Flag::Tagged)), ("c", entry.has_comment())];
        let notes: String = notes.into_iter().filter(|(_, is_so)| *is_so).map(|(letter, _)| letter).collect();
        let flags = [
            (entry.has(Flag::Missed), "missed".to_owned()),
            (entry.has(Flag::GivenUp), "dead".to_owned()),
            (entry.has(Flag::Held), held),
            (entry.has(Flag::Imported) && attempts == 0, "file".to_owned()),
            (next.is_some(), next.unwrap_or_default()),
            (attempts > 1, format!("x{attempts}")),
            (!notes.is_empty(), notes),
            (entry.has(Flag::Repeat), "repeat".to_owned()),
        ];
        let mut text = String::new();
        for (_, flag) in flags.into_iter().filter(|(is_so, _)| *is_so) {
            let blank = if text.is_empty() { "" } else { " " };
            if text.len() + blank.len() + flag.len() <= FLAGS {
                text.push_str(blank);
                text.push_str(&flag);
            }
        }
        text
    }

    fn finish(&self, mut spans: Vec<Span<'static>>) -> Line<'static> {
        let theme = self.state.theme();
        if self.is_selected && self.state.pane == Pane::List {
            // Colours reversed one by one would be patches.
            spans.iter_mut().for_each(|span| span.style = Style::new());
            return Line::from(spans).patch_style(theme.selected());
        }
        Line::from(spans).patch_style(if self.is_selected { theme.strong() } else { Style::new() })
    }
}

/// Status, its style and the latency of the last attempt.
fn outcome(state: &State, entry: &Entry) -> (String, Style, String) {
    let theme = state.theme();
    let (last, status, latency_ms) = entry.last();
    match last {
        Last::None if entry.has(Flag::Held) => ("HLD".to_owned(), theme.doubtful(), String::new()),
        Last::None => ("-".to_owned(), theme.faint(), String::new()),
        Last::Begun => ("···".to_owned(), theme.doubtful(), String::new()),
        Last::Answered => {
            let style = if (200..300).contains(&status) { theme.good() } else { theme.bad() };
            (status.to_string(), style, latency(latency_ms))
        }
        Last::Failed => ("ERR".to_owned(), theme.bad(), latency(latency_ms)),
        Last::Rejected => ("REJ".to_owned(), theme.doubtful(), String::new()),
    }
}

/// How long an attempt took, in six columns.
fn latency(millis: u64) -> String {
    if millis < 10_000 { format!("{millis}ms") } else { short_time(millis) }
}

/// When an event was received, as times are written now, in eight columns at most.
fn time(state: &State, entry: &Entry, before: Option<&Entry>) -> String {
    let at = entry.received_at;
    match state.look.times {
        Times::Utc | Times::Local => clock(state, at),
        Times::Age => short_time(state.now.0.saturating_sub(at.0)),
        Times::Gap => match before {
            Some(before) => format!("+{}", short_time(at.0.saturating_sub(before.received_at.0))),
            None => String::new(),
        },
    }
}

/// The time of day, here when times are written like that, else UTC.
pub(in super::super) fn clock(state: &State, at: UnixMillis) -> String {
    let here = (state.look.times == Times::Local).then(|| i64::try_from(at.0).ok()).flatten();
    here.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok()).map_or_else(
        || at.to_string().get(11..19).unwrap_or_default().to_owned(),
        |time| time.to_zoned(state.look.zone.clone()).strftime("%H:%M:%S").to_string(),
    )
}

/// A time in its largest unit.
pub(in super::super) fn short_time(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis}ms"),
        1000..60_000 => format!("{}s", millis / 1000),
        60_000..3_600_000 => format!("{}min", millis / 60_000),
        3_600_000..172_800_000 => format!("{}h", millis / 3_600_000),
        _ => format!("{}d", millis / 86_400_000),
    }
}

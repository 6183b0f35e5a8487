//! The replay dialog over everything: a line for each field, and what came of it below.

use ratatui::{
    Frame,
    layout::{Margin, Position, Rect},
    text::{Line, Span},
    widgets::{Clear, Paragraph},
};

use tui_input::Input;

use super::{
    super::{
        dialog::{Dialog, Field, SIGNS, Stage},
        state::State,
        typing::Window,
    },
    pane,
};
use crate::{
    output::{count_text, fit, size_text, tally_text},
    row::EventRow,
};

/// Widest the dialog gets.
const WIDTH_MAX: u16 = 90;

/// Among so many events those that are held are counted for every picture.
const HELD_COUNTED_MAX: usize = 1000;

/// Columns of the names of the fields.
const NAMES: usize = 13;

/// Where it is, and what of it has room there: the field with the keys stays on the screen.
struct Placed {
    lines: Vec<Line<'static>>,
    place: Rect,
    /// The first line that is seen.
    scroll: usize,
}

fn placed(state: &State, dialog: &Dialog, area: Rect) -> Placed {
    let width = area.width.min(WIDTH_MAX);
    let lines = lines(state, dialog, usize::from(width.saturating_sub(2)));
    let height = area.height.min(u16::try_from(lines.len() + 2).unwrap_or(u16::MAX));
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    // What came of a run counts more.
    let last = if dialog.run.is_some() { lines.len() - 1 } else { place_of(dialog.focus) };
    let scroll = (last + 1).saturating_sub(usize::from(height.saturating_sub(2)));
    Placed { lines, place, scroll }
}

fn place_of(wanted: Field) -> usize {
    Field::ALL.iter().position(|(field, _, _)| *field == wanted).unwrap_or(0)
}

/// The field at a place of the screen.
pub(in super::super) fn field_at(state: &State, dialog: &Dialog, at: Position) -> Option<Field> {
    let Placed { place, scroll, .. } = placed(state, dialog, state.areas().main);
    let inside = place.inner(Margin::new(1, 1));
    let line = scroll + usize::from(at.y.checked_sub(inside.y)?);
    inside.contains(at).then(|| Field::ALL.get(line).map(|(field, _, _)| *field)).flatten()
}

/// Draws it, as far as there is room.
pub(super) fn draw(state: &State, dialog: &Dialog, frame: &mut Frame, area: Rect) {
    let Placed { lines, place, scroll } = placed(state, dialog, area);
    let (width, inside) = (place.width, usize::from(place.width.saturating_sub(2)));
    let shown = usize::from(place.height.saturating_sub(2));
    let focus = place_of(dialog.focus);
    let title = match dialog.ids.len() {
        1 => " Replay one event ".to_owned(),
        events => format!(" Replay {events} marked events "),
    };
    frame.render_widget(Clear, place);
    let lines: Vec<Line> = lines.into_iter().skip(scroll).take(shown).collect();
    frame.render_widget(Paragraph::new(lines).block(pane(state, title, true)), place);
    let cursor = dialog.text(dialog.focus).filter(|_| !dialog.is_sending() && focus >= scroll);
    if let Some(input) = cursor {
        let typed = Window::new(input, inside.saturating_sub(NAMES + 3));
        let column = u16::try_from(NAMES + 3 + typed.cursor).unwrap_or(u16::MAX);
        let line = u16::try_from(focus - scroll).unwrap_or(0);
        frame.set_cursor_position((place.x + 1 + column.min(width.saturating_sub(3)), place.y + 1 + line));
    }
}

fn lines(state: &State, dialog: &Dialog, width: usize) -> Vec<Line<'static>> {
    let theme = state.theme();
    let mut lines: Vec<Line> = Field::ALL
        .iter()
        .map(|&(field, name, help)| {
            let has_keys = field == dialog.focus && !dialog.is_sending();
            let mark = if has_keys { "▸" } else { " " };
            let (text, style) = match value(dialog, field) {
                text if text.is_empty() => (help_text(dialog, field, help), theme.faint()),
                text => (text, ratatui::style::Style::new()),
            };
            let room = width.saturating_sub(NAMES + 3);
            // While it is typed the cursor stays in sight.
            let typed = dialog.text(field).filter(|input| has_keys && !input.value().is_empty());
            let text = typed.map_or_else(|| fit(&text, 0, room), |input| Window::new(input, room).text());
            let name = Span::styled(format!("{mark} {} ", fit(name, NAMES, NAMES)), theme.name());
            let line = Line::from(vec![name, Span::styled(text, style)]);
            if has_keys { line.patch_style(theme.strong()) } else { line }
        })
        .collect();
    lines.push(Line::default());
    lines.extend(results(state, dialog, width));
    lines
}

/// What stands in a field that says nothing.
fn help_text(dialog: &Dialog, field: Field, help: &str) -> String {
    match dialog.destination().filter(|_| field == Field::Target) {
        Some(targets) => format!("{targets}; or a port, host:port or URL"),
        None => help.to_owned(),
    }
}

/// What a field says; nothing when it says what it says by itself.
fn value(dialog: &Dialog, field: Field) -> String {
    match field {
        Field::Body => match &dialog.body {
            Some(body) => format!(
                "edited, {}; e edits it again, d takes the one received",
                size_text(body.len() as u64)
            ),
            None => String::new(),
        },
        // All of them would not fit.
        Field::Sign => {
            let at = SIGNS.iter().position(|(sign, _)| *sign == dialog.sign).unwrap_or(0);
            format!("(•) {}   {} of {}, space chooses", SIGNS[at].1, at + 1, SIGNS.len())
        }
        Field::Id => choice([(!dialog.new_id, "as received"), (dialog.new_id, "new for each copy")]),
        Field::Mark => choice([(!dialog.mark, "none"), (dialog.mark, "X-Inhaul-Replay")]),
        Field::Order => choice([(!dialog.shuffle, "as listed"), (dialog.shuffle, "shuffled")]),
        Field::Target
        | Field::Values
        | Field::Headers
        | Field::Query
        | Field::Times
        | Field::Delay
        | Field::Concurrency
        | Field::Scenario => dialog.text(field).map(|input| input.value().to_owned()).unwrap_or_default(),
        Field::Jitter => {
            let text = dialog.text(field).map(Input::value).unwrap_or_default();
            if text.ends_with('%') || text.is_empty() { text.to_owned() } else { format!("{text} %") }
        }
    }
}

fn choice<'n>(choices: impl IntoIterator<Item = (bool, &'n str)>) -> String {
    let one =
        |(is_it, name): (bool, &str)| if is_it { format!("(•) {name}") } else { format!("( ) {name}") };
    choices.into_iter().map(one).collect::<Vec<_>>().join("  ")
}

/// That held events can be released; nothing when none is.
pub(super) fn release_text(state: &State, dialog: &Dialog) -> Option<String> {
    let list = state.events.list();
    if dialog.ids.len() > HELD_COUNTED_MAX {
        return (list.held_count() > 0).then(|| " f6 releases those that are held like this".to_owned());
    }
    let held = dialog.ids.iter().filter(|id| list.is_held(**id)).count();
    match (held, dialog.ids.len()) {
        (0, _) => None,
        (_, 1) => Some(" f6 releases it like this".to_owned()),
        (held, _) => Some(format!(" f6 releases {} like this", count_text(held as u64, "held event"))),
    }
}

fn results(state: &State, dialog: &Dialog, width: usize) -> Vec<Line<'static>> {
    let theme = state.theme();
    let Some(run) = &dialog.run else {
        let text = match dialog.requests() {
            Ok(requests) => {
                let to = dialog.destination().map(|to| format!(" to {to}")).unwrap_or_default();
                format!(" f5 sends {}{to}", count_text(requests, "request"))
            }
            Err(reason) => format!(" {reason}"),
        };
        let mut lines = vec![Line::from(fit(&text, 0, width))];
        lines.extend(release_text(state, dialog).map(|text| Line::from(fit(&text, 0, width))));
        let is_signed = dialog.ids.first().and_then(|id| state.row(*id)).is_some_and(EventRow::is_signed);
        if is_signed && dialog.leaves_signature() {
            let text = " its signature is that of what was received; space on Signature makes it anew";
            lines.push(Line::styled(fit(text, 0, width), theme.doubtful()));
        }
        return lines;
    };
    let stage = match run.stage {
        Stage::Asked => "asking what it would send".to_owned(),
        Stage::Sending => format!("sending {} of {}   esc stops it", run.tally.done, run.requests),
        Stage::Stopping => format!("stopping after {} of {}", run.tally.done, run.requests),
        Stage::Done | Stage::Stopped => "f5 sends it again   esc close".to_owned(),
    };
    let mut lines = Vec::new();
    if run.tally.done > 0 {
        let whole = run.stage != Stage::Stopped && run.stage != Stage::Stopping;
        let text = tally_text(&run.tally, run.requests, whole);
        lines.extend(text.lines().map(|line| Line::from(fit(&format!(" {line}"), 0, width))));
    }
    lines.push(Line::styled(fit(&format!(" {stage}"), 0, width), theme.faint()));
    lines
}

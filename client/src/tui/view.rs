//! The screen as a picture of the state.
//!
//! ```text
//!  areas    where everything is
//!  status   one line: connection, what came, where to post, where events go
//!  filter   one line: what is typed, or the filter and how many events pass it
//!  list     events, oldest first
//!  detail   one event: a few lines about it, and a tab of it; on a wide screen its answer
//!  menu     what may stand where a filter is typed
//!  page     what covers both: help, commands, options, log, relay, differences, output of a command
//!  dialog   a replay that is put together, over all of it
//! ```

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    symbols::border,
    text::{Line, Span},
    widgets::{Block, Paragraph},
};

use super::{
    keys::{Action, BINDINGS, Binding, Copy, Note, View},
    state::{PromptKind, State, ToastKind},
};
use crate::output::fit;

pub(super) mod areas;
pub(super) mod commands;
pub(super) mod detail;
pub(super) mod dialog;
mod diff;
mod filter;
mod help;
pub(super) mod list;
mod log;
mod menu;
mod options;
pub(super) mod page;
mod piped;
mod play;
mod relay;
mod status;
pub(super) mod thread;

/// Draws everything.
pub(super) fn view(state: &State, frame: &mut Frame) {
    let areas = state.areas();
    if state.width < areas::COLUMNS_MIN || state.height < areas::LINES_MIN {
        draw_too_small(state, frame);
    } else {
        frame.render_widget(status::line(state, areas.status.width), areas.status);
        filter::draw(state, frame, areas.filter);
        if state.view.is_some() {
            page::draw(state, frame, areas.main);
        } else if state.events.list().is_empty() {
            list::draw_empty(state, frame, areas.main);
        }
        if let Some(area) = areas.list {
            list::draw(state, frame, area, &areas);
        }
        if let Some(area) = areas.event {
            detail::draw(state, frame, area);
        }
        if let Some(area) = areas.answer {
            detail::answer::draw(state, frame, area);
        }
        menu::draw(state, frame, areas.main);
        if let Some(dialog) = &state.dialog {
            dialog::draw(state, dialog, frame, areas.main);
        }
        draw_toast(state, frame, areas.toast);
        if let Some(area) = areas.hints {
            frame.render_widget(hint_line(state, area.width), area);
        }
    }
    state.theme().finish(frame.buffer_mut());
}

fn draw_too_small(state: &State, frame: &mut Frame) {
    let text = format!(
        "inhaul goes on; the inspector needs {}x{}, this is {}x{}",
        areas::COLUMNS_MIN,
        areas::LINES_MIN,
        state.width,
        state.height
    );
    let area = frame.area();
    let lines: Vec<Line> = text
        .chars()
        .collect::<Vec<_>>()
        .chunks(usize::from(area.width).max(1))
        .map(|line| Line::from(line.iter().collect::<String>()))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// A framed pane.
fn pane<'t>(state: &State, title: String, has_focus: bool) -> Block<'t> {
    Block::bordered()
        .border_set(border::PLAIN)
        .border_style(state.theme().border(has_focus))
        .title(Span::styled(title, state.theme().strong()))
}

fn draw_toast(state: &State, frame: &mut Frame, area: Rect) {
    let waiting = || {
        let keys = super::keys::written(&state.pressed);
        let text = format!("{}{keys}", state.count.map(|count| format!("{count} ")).unwrap_or_default());
        (!text.is_empty()).then_some((text, "", state.theme().faint()))
    };
    let told = state.toast.as_ref().map(|toast| {
        let (glyph, style) = toast_look(state, toast.kind);
        (toast.text.clone(), glyph, style)
    });
    let wrong = || filter::error(state).map(|text| (text, "✗", state.theme().bad()));
    let Some((text, glyph, style)) = told.or_else(waiting).or_else(wrong) else { return };
    let text = fit(&format!(" {glyph} {text}"), 0, usize::from(area.width));
    frame.render_widget(Paragraph::new(Span::styled(text, style)), area);
}

/// The glyph and the style of something told.
fn toast_look(state: &State, kind: ToastKind) -> (&'static str, Style) {
    match kind {
        ToastKind::Good => ("✓", state.theme().good()),
        ToastKind::Bad => ("✗", state.theme().bad()),
        ToastKind::Note => ("»", state.theme().doubtful()),
    }
}

fn hint_line(state: &State, width: u16) -> Paragraph<'static> {
    let mut hints = Vec::new();
    if state.prompt.is_none() && !state.pressed.is_empty() {
        let next = state.keymap.continued(&state.pressed, state.scope());
        let hint = |(keys, name): (String, &'static str)| {
            let name = ["copy_", "order_"].iter().find_map(|all| name.strip_prefix(all)).unwrap_or(name);
            format!("{keys} {}", name.replace('_', " "))
        };
        let text = format!(" {}", next.into_iter().map(hint).collect::<Vec<_>>().join("  "));
        return Paragraph::new(Span::styled(fit(&text, 0, usize::from(width)), state.theme().strong()));
    }
    let asked = state.prompt.as_ref().map(|prompt| prompt.kind);
    match (asked, state.view) {
        _ if state.dialog.is_some() => {
            let releases = state.dialog.as_ref().and_then(|dialog| dialog::release_text(state, dialog));
            let release = releases.map_or("", |_| "f6 release  ");
            hints.push(format!(
                "tab field  space choose  f5 send  {release}f7 save as scenario  esc stop or close"
            ));
        }
        (Some(PromptKind::Hold), _) => {
            hints.push("enter hold them; nothing means every event  esc cancel".to_owned());
        }
        (Some(PromptKind::Filter), _) if state.completing.is_some() => {
            hints.push("tab take it  ↑ ↓ choose  enter keep the filter  esc as it was".to_owned());
        }
        (Some(PromptKind::Filter), _) => {
            hints.push("enter keep  esc as it was  tab complete  ↑ ↓ used before  ctrl-s save".to_owned());
        }
        (Some(PromptKind::Tags), _) => {
            hints.push("slow gives a tag, -slow takes it away  enter do it  esc cancel".to_owned());
        }
        (Some(PromptKind::Comment(_) | PromptKind::SaveFilter), _) => {
            hints.push("enter do it  esc cancel".to_owned());
        }
        (Some(PromptKind::Pipe), _) => {
            hints.push("enter run it with sh; INHAUL_EVENT_ID, _EVENT_TYPE, _ENDPOINT are set  ↑ the last  esc cancel".to_owned());
        }
        (Some(PromptKind::Query), _) => hints.push("enter keep  esc clear".to_owned()),
        (Some(PromptKind::Search), _) => hints.push("enter look for it  esc cancel".to_owned()),
        (Some(PromptKind::Command), _) => {
            hints.push("type a name  ↑ ↓ choose  enter do it  esc cancel".to_owned());
        }
        (None, Some(view)) => hints.extend(page::hints(state, view)),
        (None, None) => {
            hints.extend(place_hints(state));
            // The help has those that have no room, so its key and the way out stay.
            while hints.len() > 2 && hints.join("  ").chars().count() >= usize::from(width) {
                hints.remove(hints.len() - 3);
            }
        }
    }
    let text = format!(" {}", hints.join("  "));
    Paragraph::new(Span::styled(fit(&text, 0, usize::from(width)), state.theme().faint()))
}

/// The keys that matter where one is.
fn place_hints(state: &State) -> Vec<String> {
    let hint = |action, text: &str| format!("{} {text}", state.keymap.first(action));
    if state.range_from.is_some() {
        let (mark, back) = (Action::Note(Note::Range), Action::Back);
        return vec![hint(mark, "mark up to here"), hint(back, "leave the range")];
    }
    if state.events.list().is_empty() {
        let url = state.ready.as_ref().map(|_| hint(Action::Copy(Copy::Url), "copy the URL"));
        let others = [
            (Action::Show(View::Relay), "relay"),
            (Action::Show(View::Help), "help"),
            (Action::Quit, "quit"),
        ];
        return url.into_iter().chain(others.map(|(action, text)| hint(action, text))).collect();
    }
    let scope = state.scope();
    let hinted = |line: &Binding| Some((line.action, line.hint(scope)?));
    BINDINGS.iter().filter_map(hinted).map(|(action, text)| hint(action, text)).collect()
}

//! What covers list and event: a page of lines that scrolls.

use inhaul_core::visible::visible;
use ratatui::{
    Frame,
    layout::Rect,
    style::Modifier,
    text::{Line, Span},
    widgets::Paragraph,
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{
    super::{
        keys::{BINDINGS, Binding, View},
        named::Named,
        state::{PromptKind, State},
        update::{found_commands, layout_text},
    },
    diff, pane, piped, play, relay, thread, toast_look,
};
use crate::{config::Setting, output::fit};

/// Columns of the keys in help and commands.
const KEYS: usize = 16;

/// Draws the page that is open.
pub(super) fn draw(state: &State, frame: &mut Frame, area: Rect) {
    let lines = lines(state, usize::from(area.width.saturating_sub(2)));
    let height = usize::from(area.height.saturating_sub(2));
    let scroll = match state.view {
        // The chosen one stays on the screen.
        Some(View::Commands) => (state.view_scroll + 1).saturating_sub(height),
        _ => state.view_scroll.min(lines.len().saturating_sub(height)),
    };
    let name = match state.view {
        Some(View::Help) => "Help",
        Some(View::Commands) => "Commands",
        Some(View::Options) => "Options",
        Some(View::Log) => "Log",
        Some(View::Relay) => "Relay",
        Some(View::Thread) => "Thread",
        Some(View::Diff) => "Diff",
        Some(View::Piped) => "Command",
        Some(View::Play) => "Scenario",
        None => return,
    };
    let title = if lines.len() > height {
        format!(" {name}, line {}/{} ", scroll + 1, lines.len())
    } else {
        format!(" {name} ")
    };
    let shown: Vec<Line> = lines
        .into_iter()
        .skip(scroll)
        .take(height)
        .map(|line| if has(&line, &state.search) { line.patch_style(Modifier::UNDERLINED) } else { line })
        .collect();
    frame.render_widget(Paragraph::new(shown).block(pane(state, title, true)), area);
}

/// How many lines the page has.
pub(in super::super) fn line_count(state: &State) -> usize {
    lines(state, usize::from(state.width)).len()
}

/// The next line with a text, behind or before this one, and around the end.
pub(in super::super) fn find(state: &State, text: &str, from: usize, backwards: bool) -> Option<usize> {
    find_in(&lines(state, usize::from(state.width)), text, from, backwards)
}

/// The same in any lines.
pub(in super::super) fn find_in(lines: &[Line], text: &str, from: usize, backwards: bool) -> Option<usize> {
    let count = lines.len();
    (1..=count)
        .map(|step| if backwards { (from + count - step) % count } else { (from + step) % count })
        .find(|&index| has(&lines[index], text))
}

/// Whether a line has a text, whatever its case; no line has nothing.
pub(super) fn has(line: &Line, text: &str) -> bool {
    !text.is_empty() && line.to_string().to_lowercase().contains(&text.to_lowercase())
}

/// The lines of the table that the typed text finds.
pub(in super::super) fn commands(state: &State) -> Vec<&'static Binding> {
    found_commands(typed(state))
}

/// The command with a name behind it that is typed, unless it is the name of a line of the table.
pub(in super::super) fn named(state: &State) -> Option<Named> {
    let text = typed(state).trim();
    let is_line = BINDINGS.iter().any(|line| line.name.replace('_', " ") == text);
    Named::read(text).filter(|_| !is_line)
}

fn typed(state: &State) -> &str {
    let prompt = state.prompt.as_ref().filter(|prompt| prompt.kind == PromptKind::Command);
    prompt.map_or("", |prompt| prompt.input.value())
}

fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    match state.view {
        Some(View::Help) => help(state, width),
        Some(View::Commands) => command_lines(state, width),
        Some(View::Options) => options(state, width),
        Some(View::Log) => log(state, width),
        Some(View::Relay) => relay::lines(state, width),
        Some(View::Thread) => thread::lines(state, width),
        Some(View::Diff) => diff::lines(state, width),
        Some(View::Piped) => piped::lines(state, width),
        Some(View::Play) => play::lines(state, width),
        None => Vec::new(),
    }
}

fn binding(state: &State, binding: &Binding, width: usize) -> Line<'static> {
    let keys = fit(&state.keymap.written(binding.name), KEYS, KEYS);
    let text = fit(binding.text, 0, width.saturating_sub(KEYS + 3));
    Line::from(vec![Span::styled(format!(" {keys}  "), state.theme().name()), Span::raw(text)])
}

fn help(state: &State, width: usize) -> Vec<Line<'static>> {
    let mut lines: Vec<Line> = BINDINGS.iter().map(|line| binding(state, line, width)).collect();
    lines.push(Line::default());
    for text in [
        " Signature: ✓ valid  ✗ invalid  ~ stale  ? no secret  - unsigned  · not checked yet",
        " Status:    a number: answered  ERR no answer  REJ kept back  HLD held  ··· under way",
        " Flags:     xN attempts  repeat: sent before  held: waits for you  missed: not forwarded, the sender comes again",
        "            dead: given up  file: imported from a file  t: has tags  c: has a comment",
        "            Filters know the words too, as `is:dead` and by themselves",
    ] {
        lines.push(Line::from(fit(text, 0, width)));
    }
    lines
}

fn command_lines(state: &State, width: usize) -> Vec<Line<'static>> {
    if let Some(named) = named(state) {
        let text = fit(&format!("▸{}", named.text()), 0, width);
        return vec![Line::styled(text, state.theme().selected())];
    }
    let (found, chosen) = (commands(state), state.view_scroll);
    if found.is_empty() {
        return vec![Line::from(" nothing has this name")];
    }
    let lines = found.iter().enumerate().map(|(index, line)| {
        let keys = fit(&state.keymap.written(line.name), KEYS, KEYS);
        let name = fit(&line.name.replace('_', " "), KEYS, KEYS);
        let text = fit(line.text, 0, width.saturating_sub(2 * KEYS + 5));
        let mark = if index == chosen { "▸" } else { " " };
        let parts = vec![
            Span::styled(format!("{mark}{name}  "), state.theme().strong()),
            Span::styled(format!("{keys}  "), state.theme().name()),
            Span::raw(text),
        ];
        let line = Line::from(parts);
        if index == chosen { line.patch_style(state.theme().selected()) } else { line }
    });
    lines.collect()
}

fn options(state: &State, width: usize) -> Vec<Line<'static>> {
    let now = |name: &str, value: String, key: &str| Setting {
        name: name.to_owned(),
        value,
        source: format!("now; {} changes it", state.keymap.written(key)),
    };
    let theme = state.theme().palette().to_string();
    let own = [
        Setting { name: "theme".to_owned(), value: theme, source: "now; NO_COLOR makes it mono".to_owned() },
        now("mouse", yes_no(state.look.mouse), "mouse"),
        now("layout", layout_text(state.look.layout).to_owned(), "layout"),
        now("credentials", if state.look.masks { "hidden" } else { "shown" }.to_owned(), "mask"),
    ];
    let all = || state.options.iter().chain(&own);
    let widest = |text: fn(&Setting) -> &str| all().map(|setting| text(setting).width()).max().unwrap_or(0);
    let name_width = widest(|setting| &setting.name).min(width / 3);
    let source_width = widest(|setting| &setting.source).min(width / 3);
    // The sources are beside each other, behind the values as far as these need room.
    let room = width.saturating_sub(name_width + source_width + 5);
    let value_width = widest(|setting| &setting.value).min(room);
    let line = |setting: &Setting| {
        let name = fit(&setting.name, name_width, name_width);
        let value = fit(&setting.value, value_width, value_width);
        let source = fit(&setting.source, 0, source_width);
        Line::from(vec![
            Span::styled(format!(" {name}  "), state.theme().name()),
            Span::raw(format!("{value}  ")),
            Span::styled(source, state.theme().faint()),
        ])
    };
    let mut lines: Vec<Line> = state.options.iter().map(line).collect();
    lines.push(Line::default());
    lines.extend(own.iter().map(line));
    lines
}

fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn log(state: &State, width: usize) -> Vec<Line<'static>> {
    if state.log.is_empty() {
        return vec![Line::from(" nothing was told so far")];
    }
    let newest_first = state.log.iter().rev();
    newest_first
        .flat_map(|(at, toast)| {
            let (glyph, style) = toast_look(state, toast.kind);
            let at = format!(" {at} {glyph} ");
            let indent = at.chars().count();
            let text = visible(&toast.text).to_string();
            let parts = wrapped(&text, width.saturating_sub(indent)).into_iter().enumerate();
            let line = move |(index, part): (usize, String)| {
                let begin = if index == 0 { at.clone() } else { " ".repeat(indent) };
                Line::from(vec![Span::styled(begin, state.theme().faint()), Span::styled(part, style)])
            };
            parts.map(line).collect::<Vec<_>>()
        })
        .collect()
}

/// A harmless text in parts that fit a width, parted behind blanks where there are some; no letter is lost.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut part, mut used) = (String::new(), 0);
    for letter in text.chars() {
        let columns = letter.width().unwrap_or(0);
        if used + columns > width && !part.is_empty() {
            let blank = part.rfind(' ').map(|at| at + 1).filter(|at| at * 2 > part.len());
            let rest = part.split_off(blank.unwrap_or(part.len()));
            parts.push(std::mem::replace(&mut part, rest));
            used = part.width();
        }
        part.push(letter);
        used += columns;
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_parted_behind_blanks_where_there_are_some() {
        assert_eq!(wrapped("one two three", 8), ["one two ", "three"]);
        assert_eq!(
            wrapped("a bbbbbbbbbbbb", 8),
            ["a bbbbbb", "bbbbbb"],
            "not where nearly nothing would stay"
        );
        assert_eq!(wrapped("日本語", 4), ["日本", "語"]);
        assert_eq!(wrapped("", 4), [""]);
    }

    proptest! {
        #[test]
        fn no_letter_is_lost_and_nothing_is_wider(text in "[ a-z日é]{0,60}", width in 2..20_usize) {
            let parts = wrapped(&text, width);
            prop_assert_eq!(parts.concat(), text);
            prop_assert!(parts.iter().all(|part| part.width() <= width));
        }
    }
}

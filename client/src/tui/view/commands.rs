//! Everything a key can do, by its name: what the typed text finds, what counts where one is before the rest.

use ratatui::text::{Line, Span};

use super::{
    super::{
        keys::{BINDINGS, Binding},
        named::Named,
        state::{PromptKind, State},
    },
    help,
    page::{Laid, hanging},
};
use crate::output::fit;

/// Columns of names and keys.
const NAMES: usize = 16;

/// Words that say nothing.
const FILLERS: [&str; 3] = ["the", "a", "of"];

/// The lines of the table that the typed text finds: in their names first, then in what they do.
pub(in super::super) fn found(state: &State) -> Vec<&'static Binding> {
    let wanted = typed(state).trim().to_lowercase();
    let here = help::scope(state);
    let is_named = |line: &Binding| line.name.replace('_', " ").contains(&wanted);
    let is_told = |line: &Binding| line.text.to_lowercase().contains(&wanted);
    let mut found: Vec<&Binding> = BINDINGS.iter().filter(|line| is_named(line) || is_told(line)).collect();
    found.sort_by_key(|line| (!is_named(line), !line.counts_in(here)));
    found
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

/// The lines of the page: the chosen one is there as a whole.
pub(super) fn laid(state: &State, width: usize) -> Laid {
    let theme = state.theme();
    if let Some(named) = named(state) {
        let text = fit(&format!("▸{}", named.text()), 0, width);
        return Laid::of(vec![Line::styled(text, theme.selected())]);
    }
    let (found, chosen) = (found(state), state.view_scroll);
    if found.is_empty() {
        return Laid::of(vec![Line::from(" nothing has this name")]);
    }
    let mut laid = Laid::default();
    for (index, line) in found.into_iter().enumerate() {
        let columns = NAMES.min(width / 4);
        let keys = fit(&state.keymap.written(line.name), columns, columns);
        let name = fit(&line.name.replace('_', " "), NAMES, NAMES);
        let mark = if index == chosen { "▸" } else { " " };
        let begin = vec![
            Span::styled(format!("{mark}{name}  "), theme.strong()),
            Span::styled(format!("{keys}  "), theme.name()),
        ];
        let text = if repeats(line) { "" } else { line.text };
        let room = width.saturating_sub(NAMES + columns + 5);
        if index == chosen {
            let from = laid.lines.len();
            let lines = hanging(begin, text, width).into_iter();
            laid.lines.extend(lines.map(|line| line.patch_style(theme.selected())));
            laid.chosen = Some(from..laid.lines.len());
        } else {
            laid.lines.extend(hanging(begin, &fit(text, 0, room), width));
        }
    }
    laid
}

/// Whether what a line does is what it is called.
fn repeats(line: &Binding) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split([' ', '_']).filter(|word| !FILLERS.contains(word)).map(str::to_owned).collect()
    };
    words(line.name) == words(line.text)
}

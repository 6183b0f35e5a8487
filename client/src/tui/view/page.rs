//! What covers list and event: a page of lines that scrolls. Its lines are laid out when something of it changes, not for every picture.

use std::ops::Range;

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
        keys::{Action, View},
        state::State,
        theme::Theme,
    },
    commands, diff, help, log, options, pane, piped, play, relay, thread,
};

/// The lines of a page.
#[derive(Default)]
pub(in super::super) struct Laid {
    made_of: Option<MadeOf>,
    pub(super) lines: Vec<Line<'static>>,
    /// The lines that differences begin with.
    pub(in super::super) beginnings: Vec<usize>,
    /// Those of what is chosen, where one chooses.
    pub(super) chosen: Option<Range<usize>>,
}

impl Laid {
    pub(super) fn of(lines: Vec<Line<'static>>) -> Self {
        Self { lines, ..Self::default() }
    }

    /// How many lines the page has.
    pub(in super::super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Its lines as text.
    #[cfg(test)]
    pub(in super::super) fn text(&self) -> Vec<String> {
        self.lines.iter().map(ToString::to_string).collect()
    }

    /// The next line with a text, behind or before this one, and around the end.
    pub(in super::super) fn find(&self, text: &str, from: usize, backwards: bool) -> Option<usize> {
        find_in(&self.lines, text, from, backwards)
    }
}

/// Everything that the lines of a long page depend on.
#[derive(PartialEq)]
struct MadeOf {
    view: View,
    width: usize,
    theme: Theme,
    masks: bool,
    is_side_by_side: bool,
    /// Counts what was taken in.
    revision: u64,
}

/// Columns and lines inside the frame of a page.
pub(in super::super) fn room(state: &State) -> (usize, usize) {
    let main = state.areas().main;
    (usize::from(main.width.saturating_sub(2)), usize::from(main.height.saturating_sub(2)))
}

/// The line a page can begin with at last, or the last one that can be chosen.
pub(in super::super) fn last(state: &State) -> usize {
    let (_, height) = room(state);
    match state.view {
        Some(View::Thread) => state.page.len().saturating_sub(1),
        _ => state.page.len().saturating_sub(height),
    }
}

/// The lines of the page that is open, unless they are there already. Those of a short page are always made anew.
pub(in super::super) fn lay_out(state: &State) -> Option<Laid> {
    let view = state.view?;
    let (width, _) = room(state);
    let revision = match view {
        View::Diff => Some(state.comparisons),
        View::Log => Some(state.notes),
        View::Piped => state.piped.as_ref().map(|piped| piped.revision),
        View::Help | View::Commands | View::Options | View::Relay | View::Thread | View::Play => None,
    };
    let made_of = revision.map(|revision| MadeOf {
        view,
        width,
        theme: state.theme(),
        masks: state.look.masks,
        is_side_by_side: state.comparison.as_ref().is_some_and(|comparison| comparison.is_side_by_side),
        revision,
    });
    if made_of.is_some() && state.page.made_of == made_of {
        return None;
    }
    let laid = match view {
        View::Help => Laid::of(help::lines(state, width)),
        View::Commands => commands::laid(state, width),
        View::Options => Laid::of(options::lines(state, width)),
        View::Log => Laid::of(log::lines(state, width)),
        View::Relay => Laid::of(relay::lines(state, width)),
        View::Thread => thread::laid(state, width),
        View::Diff => diff::laid(state, width),
        View::Piped => Laid::of(piped::lines(state, width)),
        View::Play => Laid::of(play::lines(state, width)),
    };
    Some(Laid { made_of, ..laid })
}

/// Draws the page that is open.
pub(super) fn draw(state: &State, frame: &mut Frame, area: Rect) {
    let (lines, height) = (&state.page.lines, usize::from(area.height.saturating_sub(2)));
    let scroll = match &state.page.chosen {
        // It stays on the screen.
        Some(chosen) => chosen.end.saturating_sub(height).min(chosen.start),
        None => state.view_scroll.min(lines.len().saturating_sub(height)),
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
        .iter()
        .skip(scroll)
        .take(height)
        .cloned()
        .map(|line| if has(&line, &state.search) { line.patch_style(Modifier::UNDERLINED) } else { line })
        .collect();
    frame.render_widget(Paragraph::new(shown).block(pane(state, title, true)), area);
}

/// What can be done on the page that is open.
pub(super) fn hints(state: &State, view: View) -> Vec<String> {
    let key = |action| state.keymap.first(action);
    let mut hints = vec![format!("{} back", key(Action::Quit))];
    match view {
        View::Thread => hints.push(format!("{} open the event", key(Action::Open))),
        View::Relay => hints.push(format!("{} copy the URL", state.keymap.written("copy_url"))),
        View::Diff => {
            let other = state.comparison.as_ref().is_some_and(|comparison| comparison.is_side_by_side);
            let other = if other { "one column" } else { "two columns" };
            hints.push(format!("{} {other}", key(Action::DiffLayout)));
        }
        View::Help | View::Commands | View::Options | View::Log | View::Piped | View::Play => {}
    }
    let (next, before) = (key(Action::SearchNext), key(Action::SearchBefore));
    match state.search.is_empty() {
        true if view == View::Diff => hints.push(format!("{next} {before} next, last difference")),
        true => {}
        false => hints.push(format!("{next} {before} next, last place of it")),
    }
    hints.push(format!("{} look for text", key(Action::Search)));
    hints
}

/// The next line with a text, behind or before this one, and around the end.
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

/// A beginning, and behind it a harmless text that goes on below itself.
pub(super) fn hanging(begin: Vec<Span<'static>>, text: &str, width: usize) -> Vec<Line<'static>> {
    let indent: usize = begin.iter().map(|span| span.content.width()).sum();
    let parts = wrapped(text, width.saturating_sub(indent).max(1)).into_iter();
    let mut begin = Some(begin);
    parts
        .map(|part| {
            let mut spans = begin.take().unwrap_or_else(|| vec![Span::raw(" ".repeat(indent))]);
            spans.push(Span::raw(part));
            Line::from(spans)
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

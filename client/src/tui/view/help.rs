//! Every key, from the table: by what they are for, those that count where one is before the others.

use inhaul_core::visible::visible;
use ratatui::text::{Line, Span};

use super::{
    super::{
        holding::Holding,
        keys::{Action, BINDINGS, Binding, Note, OnBody, Scope},
        state::{Pane, State},
    },
    page::hanging,
};
use crate::{filter_help::LANGUAGE, output::fit};

/// Columns of the keys at most.
const KEYS: usize = 16;

/// Columns of what can be written in a filter at most.
const FILTERS: usize = 24;

/// What keys are for.
const GROUPS: [&str; 6] = ["Move", "Find", "Act", "Hold", "Copy", "View"];

/// Signs, and what they mean.
const LEGEND: [(&str, &str); 3] = [
    ("signature", "✓ valid  ✗ invalid  ~ stale  ? no secret  - unsigned  · not checked yet"),
    ("status", "a number: answered  ERR no answer  REJ kept back  HLD held  ··· under way"),
    (
        "flags",
        "xN attempts  repeat: sent before  held: waits for you  missed: not forwarded, the sender comes again  dead: given up  file: imported from a file  t: has tags  c: has a comment; filters know these words too, as `is:dead` and by themselves",
    ),
];

/// The lines of the page.
pub(super) fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    let here = scope(state);
    let mut page = Page { state, width, lines: Vec::new() };
    for group in GROUPS {
        page.part(
            group,
            BINDINGS.iter().filter(|line| line.counts_in(here) && self::group(line.action) == group),
        );
    }
    for (title, there) in [
        ("Only in the list", Scope::List),
        ("Only in an event", Scope::Event),
        ("Only on pages", Scope::View),
    ] {
        if there != here {
            let is_there = |line: &&Binding| {
                let elsewhere = [Scope::List, Scope::Event].contains(&there) || !line.counts_in(Scope::Event);
                line.counts_in(there) && !line.counts_in(here) && elsewhere
            };
            page.part(title, BINDINGS.iter().filter(is_there));
        }
    }
    page.heading("Signs");
    for (name, text) in LEGEND {
        page.line(name, text);
    }
    page.heading("Filters");
    for (written, meaning) in LANGUAGE {
        page.wide(written, meaning);
    }
    page.lines
}

/// What is below the help.
pub(super) fn scope(state: &State) -> Scope {
    match state.pane {
        Pane::List => Scope::List,
        Pane::Detail => Scope::Event,
    }
}

struct Page<'s> {
    state: &'s State,
    width: usize,
    lines: Vec<Line<'static>>,
}

impl Page<'_> {
    fn heading(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.lines.push(Line::default());
        }
        self.lines.push(Line::styled(format!(" {text}"), self.state.theme().strong()));
    }

    fn part(&mut self, title: &str, bindings: impl Iterator<Item = &'static Binding>) {
        let bindings: Vec<&Binding> = bindings.collect();
        if bindings.is_empty() {
            return;
        }
        self.heading(title);
        let is_saved = |line: &&Binding| matches!(line.action, Action::Note(Note::Saved(_)));
        let keys = |line: &Binding| self.state.keymap.written(line.name);
        let saved: Vec<String> = bindings
            .iter()
            .copied()
            .filter(|line| is_saved(line))
            .map(keys)
            .filter(|keys| !keys.is_empty())
            .collect();
        let lines: Vec<(String, &str)> =
            bindings.iter().filter(|line| !is_saved(line)).map(|line| (keys(line), line.text)).collect();
        for (keys, text) in lines {
            self.line(&keys, text);
        }
        // They are many, and one like the other.
        if let [first, .., last] = &saved[..] {
            self.line(&format!("{first} … {last}"), "filter: the saved ones, in the order of their names");
        }
    }

    fn line(&mut self, keys: &str, text: &str) {
        self.put(KEYS, keys, text);
    }

    /// A line whose beginning has more room.
    fn wide(&mut self, written: &str, text: &str) {
        self.put(FILTERS, written, text);
    }

    fn put(&mut self, most: usize, keys: &str, text: &str) {
        let columns = most.min(self.width * most / (4 * KEYS));
        let keys = fit(&visible(keys).to_string(), columns, columns);
        let begin = vec![Span::styled(format!(" {keys}  "), self.state.theme().name())];
        self.lines.extend(hanging(begin, text, self.width));
    }
}

/// What an action is for.
fn group(action: Action) -> &'static str {
    match action {
        Action::Go(_)
        | Action::Open
        | Action::Fold
        | Action::OtherPane
        | Action::NextEvent
        | Action::EventBefore
        | Action::Goto
        | Action::NextFailure
        | Action::FailureBefore
        | Action::Tab(_)
        | Action::NextTab
        | Action::TabBefore
        | Action::Back
        | Action::Quit
        | Action::QuitNow => "Move",
        Action::Filter
        | Action::Search
        | Action::SearchNext
        | Action::SearchBefore
        | Action::OfKind(_)
        | Action::SameValue
        | Action::Follow
        | Action::Compare
        | Action::Body(OnBody::Query)
        | Action::Note(Note::Saved(_) | Note::OnlyMarked) => "Find",
        Action::Replay
        | Action::ReplaySigned
        | Action::Verify
        | Action::Reconnect
        | Action::Hold(Holding::Dialog | Holding::Edit)
        | Action::Scenario(_)
        | Action::Body(OnBody::Pipe)
        | Action::Note(_) => "Act",
        Action::Hold(_) => "Hold",
        Action::Copy(_) | Action::SaveBody => "Copy",
        Action::Suspend
        | Action::Redraw
        | Action::Show(_)
        | Action::FoldAll
        | Action::UnfoldAll
        | Action::Change(_)
        | Action::Body(OnBody::Page(_) | OnBody::AsSent)
        | Action::DiffLayout => "View",
    }
}

//! The table of keys, in the order of the help.

use super::{
    Action, Binding, Change, Note,
    Scope::{Event, Everywhere, List, View},
    Tab, View as Page, Way,
};

const fn line(
    name: &'static str,
    action: Action,
    scopes: &'static [super::Scope],
    keys: &'static [&'static str],
    text: &'static str,
) -> Binding {
    Binding { action, name, scopes, keys, text, hint: None }
}

impl Binding {
    const fn hinted(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

/// The table.
pub(crate) const BINDINGS: [Binding; 61] = [
    line(
        "down",
        Action::Go(Way::Down),
        &[Everywhere],
        &["j", "down"],
        "next event, or a line down; a number before it repeats",
    ),
    line("up", Action::Go(Way::Up), &[Everywhere], &["k", "up"], "event before, or a line up"),
    line("half_down", Action::Go(Way::HalfDown), &[Everywhere], &["ctrl-d"], "half a page down"),
    line("half_up", Action::Go(Way::HalfUp), &[Everywhere], &["ctrl-u"], "half a page up"),
    line("page_down", Action::Go(Way::PageDown), &[Everywhere], &["ctrl-f", "pgdn"], "a page down"),
    line("page_up", Action::Go(Way::PageUp), &[Everywhere], &["ctrl-b", "pgup"], "a page up"),
    line("first", Action::Go(Way::First), &[Everywhere], &["g g", "home"], "oldest event, or the top"),
    line(
        "last",
        Action::Go(Way::Last),
        &[Everywhere],
        &["G", "end"],
        "newest event and follow, or the end; 50G goes to the 50th",
    ),
    line(
        "mark_down",
        Action::Note(Note::MarkAndGoDown),
        &[List],
        &["space"],
        "mark the event, or take its mark away, and go to the next one",
    ),
    line("mark", Action::Note(Note::Mark), &[List, Event], &["m"], "mark the event, or take its mark away"),
    line("unmark", Action::Note(Note::UnmarkAll), &[List, Event], &["U"], "take every mark away"),
    line(
        "only_marked",
        Action::Note(Note::OnlyMarked),
        &[List, Event],
        &["M"],
        "show only marked events, or all again",
    ),
    line(
        "tag",
        Action::Note(Note::Tags),
        &[List, Event],
        &["T"],
        "give the marked events tags, else this one: slow -fine; - takes one away",
    ),
    line("comment", Action::Note(Note::Comment), &[List, Event], &[";"], "write a comment about the event"),
    line(
        "thread",
        Action::Show(Page::Thread),
        &[List, Event],
        &["g t"],
        "the events of the same object, such as a call, and what is missing of them",
    ),
    line("filter_1", Action::Note(Note::Saved(0)), &[List, Event], &["f2"], "filter: the first saved one"),
    line("filter_2", Action::Note(Note::Saved(1)), &[List, Event], &["f3"], "filter: the second saved one"),
    line("filter_3", Action::Note(Note::Saved(2)), &[List, Event], &["f4"], "filter: the third saved one"),
    line("filter_4", Action::Note(Note::Saved(3)), &[List, Event], &["f5"], "filter: the fourth saved one"),
    line("filter_5", Action::Note(Note::Saved(4)), &[List, Event], &["f6"], "filter: the fifth saved one"),
    line("filter_6", Action::Note(Note::Saved(5)), &[List, Event], &["f7"], "filter: the sixth saved one"),
    line("filter_7", Action::Note(Note::Saved(6)), &[List, Event], &["f8"], "filter: the seventh saved one"),
    line("filter_8", Action::Note(Note::Saved(7)), &[List, Event], &["f9"], "filter: the eighth saved one"),
    line(
        "next_failure",
        Action::NextFailure,
        &[List, Event],
        &["}"],
        "next event that failed: answered otherwise than 2xx, not answered, or its signature not valid",
    ),
    line("failure_before", Action::FailureBefore, &[List, Event], &["{"], "the one before that failed"),
    line(
        "open",
        Action::Open,
        &[List, Event],
        &["enter", "l", "right"],
        "open the event; in its body, fold or unfold",
    )
    .hinted("open"),
    line(
        "fold",
        Action::Fold,
        &[Event],
        &["h", "left"],
        "fold, or go to what it is part of; from the outermost, back",
    ),
    line("pane", Action::OtherPane, &[List, Event], &["tab", "shift-tab"], "between list and event"),
    line(
        "replay",
        Action::Replay,
        &[List, Event],
        &["r"],
        "replay: send the event to your application once more, as a new attempt",
    )
    .hinted("replay"),
    line(
        "replay_signed",
        Action::ReplaySigned,
        &[List, Event],
        &["ctrl-r"],
        "replay signed anew: with the time of now and, in a header, a fresh id",
    ),
    line(
        "filter",
        Action::Filter,
        &[List],
        &["/", "f"],
        "filter: words, type:charge.* status:5xx -is:late body:text data.amount>9 (docs/filters.md)",
    )
    .hinted("filter"),
    line("search", Action::Search, &[Event, View], &["/"], "look for text in what is shown"),
    line("search_next", Action::SearchNext, &[Event, View], &["n"], "next place of the text"),
    line("search_before", Action::SearchBefore, &[Event, View], &["N"], "place of the text before"),
    line("follow", Action::Follow, &[List, Event], &["F"], "follow the newest event, or stay")
        .hinted("follow"),
    line("body", Action::Tab(Tab::Body), &[Event], &["1"], "the body"),
    line("headers", Action::Tab(Tab::Headers), &[Event], &["2"], "the request line and every header"),
    line(
        "signature",
        Action::Tab(Tab::Signature),
        &[Event],
        &["3"],
        "what the signature check found, and why",
    ),
    line(
        "attempts",
        Action::Tab(Tab::Attempts),
        &[Event],
        &["4"],
        "every attempt to deliver it, and the answers",
    ),
    line("raw", Action::Tab(Tab::Raw), &[Event], &["5"], "the bytes as they came"),
    line(
        "next_tab",
        Action::NextTab,
        &[List, Event],
        &["]"],
        "what is shown of the event: the next of these",
    ),
    line(
        "tab_before",
        Action::TabBefore,
        &[List, Event],
        &["["],
        "what is shown of the event: the one before",
    ),
    line("fold_all", Action::FoldAll, &[Event], &["z M"], "fold the whole body"),
    line("unfold_all", Action::UnfoldAll, &[Event], &["z R"], "unfold the whole body"),
    line(
        "times",
        Action::Change(Change::Times),
        &[Everywhere],
        &["t"],
        "times as UTC, as time here, as age, or as time since the event before",
    ),
    line(
        "layout",
        Action::Change(Change::Layout),
        &[List, Event],
        &["-"],
        "list and event side by side, above each other, or one at a time",
    ),
    line("wider", Action::Change(Change::Wider), &[List, Event], &[">"], "more room for the list"),
    line("narrower", Action::Change(Change::Narrower), &[List, Event], &["<"], "less room for the list"),
    line("mask", Action::Change(Change::Mask), &[Everywhere], &["S"], "show or hide credentials in headers"),
    line(
        "relay",
        Action::Show(Page::Relay),
        &[Everywhere],
        &["C"],
        "the relay: connection, endpoint, waiting events, throughput",
    ),
    line("options", Action::Show(Page::Options), &[Everywhere], &["O"], "the options in effect"),
    line("log", Action::Show(Page::Log), &[Everywhere], &["E"], "what the client told so far"),
    line(
        "commands",
        Action::Show(Page::Commands),
        &[Everywhere],
        &[":"],
        "everything of this table by its name",
    ),
    line("hints", Action::Change(Change::Hints), &[Everywhere], &["H"], "show or hide the line of hints"),
    line(
        "mouse",
        Action::Change(Change::Mouse),
        &[Everywhere],
        &["%"],
        "take the mouse (click, wheel), or leave it to the terminal",
    ),
    line("redraw", Action::Redraw, &[Everywhere], &["ctrl-l"], "draw the screen anew"),
    line(
        "suspend",
        Action::Suspend,
        &[Everywhere],
        &["ctrl-z"],
        "to the shell; `fg` comes back, events wait at the relay meanwhile",
    ),
    line("help", Action::Show(Page::Help), &[Everywhere], &["?", "f1"], "this help").hinted("help"),
    line("back", Action::Back, &[Everywhere], &["esc"], "back: close what is open, clear the filter"),
    line("quit", Action::Quit, &[Everywhere], &["q"], "back, and from the list quit").hinted("quit"),
    line(
        "quit_now",
        Action::QuitNow,
        &[Everywhere],
        &["Q"],
        "quit at once and leave the screen as it was; so does ctrl-c, without the screen",
    ),
];

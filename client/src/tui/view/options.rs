//! The options in effect, and what says each.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::super::{state::State, theme::Palette, update::layout_text};
use crate::{config::Setting, output::fit};

/// The setting that the theme in use may differ from.
const THEME: &str = "inspector.theme";

/// The lines of the page.
pub(super) fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    let now = |name: &str, value: String, key: &str| Setting {
        name: name.to_owned(),
        value,
        source: format!("now; {} changes it", state.keymap.written(key)),
    };
    let own = [
        theme(state),
        now("mouse", yes_no(state.look.mouse), "mouse"),
        now("layout", layout_text(state.look.layout).to_owned(), "layout"),
        now("secrets", if state.look.masks { "hidden" } else { "shown" }.to_owned(), "mask"),
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

/// The theme in use. It is another than the one that is set where the terminal takes no colours.
fn theme(state: &State) -> Setting {
    let palette = state.theme().palette();
    let set = state.options.iter().find(|setting| setting.name == THEME);
    let source = match set {
        Some(set) if set.value != palette.to_string() && palette == Palette::Mono => {
            "now; there are no colours here, as with NO_COLOR".to_owned()
        }
        Some(set) => set.source.clone(),
        None => "now".to_owned(),
    };
    Setting { name: "theme".to_owned(), value: palette.to_string(), source }
}

fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

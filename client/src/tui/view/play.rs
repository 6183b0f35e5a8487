//! A scenario that is played: a line for each step, and how it goes.

use ratatui::text::Line;

use super::super::state::State;
use crate::output::{fit, played_text};

pub(super) fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    let theme = state.theme();
    let Some(play) = &state.play else {
        return vec![Line::styled(" no scenario was played; :play NAME plays one", theme.faint())];
    };
    let mut lines = vec![Line::styled(fit(&format!(" {}", play.summary()), 0, width), theme.strong())];
    let mut targets: Vec<String> = play.cues.iter().map(|cue| cue.target.to_string()).collect();
    targets.dedup();
    lines.push(Line::styled(fit(&format!(" to {}", targets.join(", ")), 0, width), theme.faint()));
    lines.push(Line::default());
    for played in &play.done {
        let style = if played.unexpected.is_none() { theme.good() } else { theme.bad() };
        let text = played_text(&play.cues[played.step], played);
        lines.push(Line::styled(fit(&format!(" {text}"), 0, width), style));
    }
    let waiting = play.cues.iter().enumerate().skip(play.done.len());
    lines.extend(waiting.map(|(index, cue)| {
        let text = format!(" ···{:>4}  {}", index + 1, cue.step.name);
        Line::styled(fit(&text, 0, width), theme.faint())
    }));
    lines
}

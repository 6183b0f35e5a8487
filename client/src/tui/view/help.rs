//! Every key, from the table.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Paragraph, Wrap},
};

use super::{
    super::{keys::BINDINGS, state::State},
    pane,
};

/// Draws the help.
pub(super) fn draw(state: &State, frame: &mut Frame, area: Rect) {
    let block = pane(state, " Help ".to_owned(), true);
    let mut lines: Vec<Line> = BINDINGS
        .iter()
        .map(|binding| {
            let keys = Span::styled(format!(" {:12}", binding.keys), state.theme.strong());
            Line::from(vec![keys, Span::raw(binding.text)])
        })
        .collect();
    lines.push(Line::default());
    lines.push(Line::from(" Verdicts: ✓ valid  ✗ invalid or stale  ? no secret  - unsigned"));
    lines.push(Line::from(" Status:   a number: answered  ERR no answer  REJ kept back  ··· under way"));
    lines.push(Line::from(
        " Flags:    xN attempts  missed: not forwarded, the sender comes again  dead: given up",
    ));
    frame.render_widget(Paragraph::new(lines).block(block).wrap(Wrap { trim: false }), area);
}

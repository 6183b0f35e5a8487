//! Styles by meaning. Every state has a glyph and a word too, so nothing is told by colour alone.

use ratatui::style::{Color as Paint, Modifier, Style};

use crate::output::Color;

/// The styles of one terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    color: Color,
}

impl Theme {
    pub(super) fn new(color: Color) -> Self {
        Self { color }
    }

    fn painted(self, paint: Paint, otherwise: Modifier) -> Style {
        match self.color {
            Color::On => Style::new().fg(paint),
            Color::Off => Style::new().add_modifier(otherwise),
        }
    }

    pub(super) fn good(self) -> Style {
        self.painted(Paint::Green, Modifier::empty())
    }

    pub(super) fn bad(self) -> Style {
        self.painted(Paint::Red, Modifier::BOLD)
    }

    pub(super) fn doubtful(self) -> Style {
        self.painted(Paint::Yellow, Modifier::empty())
    }

    pub(super) fn faint(self) -> Style {
        self.painted(Paint::DarkGray, Modifier::DIM)
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The frame of a pane.
    pub(super) fn border(self, has_focus: bool) -> Style {
        if has_focus { self.painted(Paint::Cyan, Modifier::BOLD) } else { self.faint() }
    }
}

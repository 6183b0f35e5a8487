//! Styles by meaning. Every state has a glyph and a word too, so nothing is told by colour alone.

use std::{fmt, str::FromStr};

use ratatui::{
    buffer::Buffer,
    style::{Color as Paint, Modifier, Style},
};

use crate::output::Color;

/// Which colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// The sixteen colours of the terminal, for a dark ground.
    #[default]
    Dark,
    /// The same for a light ground.
    Light,
    /// Bright and bold, nothing faint.
    HighContrast,
    /// Colours that people who do not tell red from green tell apart (Okabe and Ito, "Color Universal Design", 2008).
    ColorBlind,
    /// No colour.
    Mono,
}

impl Palette {
    /// Every palette.
    pub const ALL: [Self; 5] = [Self::Dark, Self::Light, Self::HighContrast, Self::ColorBlind, Self::Mono];

    fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::HighContrast => "high-contrast",
            Self::ColorBlind => "color-blind",
            Self::Mono => "mono",
        }
    }
}

impl fmt::Display for Palette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Palette {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|palette| palette.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{text:?} is no theme; there are {names}")
        })
    }
}

/// The styles of one terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Theme {
    palette: Palette,
    /// Only ASCII is drawn.
    ascii: bool,
}

impl Theme {
    /// The palette, unless the terminal takes no colours.
    pub(super) fn new(palette: Palette, color: Color, ascii: bool) -> Self {
        let palette = match color {
            Color::On => palette,
            Color::Off => Palette::Mono,
        };
        Self { palette, ascii }
    }

    pub(super) fn palette(self) -> Palette {
        self.palette
    }

    pub(super) fn good(self) -> Style {
        match self.palette {
            Palette::Dark | Palette::Light => Style::new().fg(Paint::Green),
            Palette::HighContrast => Style::new().fg(Paint::LightGreen).add_modifier(Modifier::BOLD),
            Palette::ColorBlind => Style::new().fg(Paint::Rgb(0x00, 0x9e, 0x73)),
            Palette::Mono => Style::new(),
        }
    }

    pub(super) fn bad(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        match self.palette {
            Palette::Dark | Palette::Light => Style::new().fg(Paint::Red),
            Palette::HighContrast => style.fg(Paint::LightRed),
            Palette::ColorBlind => style.fg(Paint::Rgb(0xd5, 0x5e, 0x00)),
            Palette::Mono => style,
        }
    }

    pub(super) fn doubtful(self) -> Style {
        match self.palette {
            Palette::Dark => Style::new().fg(Paint::Yellow),
            Palette::Light => Style::new().fg(Paint::Magenta),
            Palette::HighContrast => Style::new().fg(Paint::LightYellow).add_modifier(Modifier::BOLD),
            Palette::ColorBlind => Style::new().fg(Paint::Rgb(0xe6, 0x9f, 0x00)),
            Palette::Mono => Style::new(),
        }
    }

    pub(super) fn faint(self) -> Style {
        match self.palette {
            Palette::Dark | Palette::ColorBlind => Style::new().fg(Paint::DarkGray),
            Palette::Light => Style::new().fg(Paint::Gray).add_modifier(Modifier::DIM),
            Palette::HighContrast => Style::new(),
            Palette::Mono => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// Names of fields and headers.
    pub(super) fn name(self) -> Style {
        match self.palette {
            Palette::Dark => Style::new().fg(Paint::Cyan),
            Palette::Light => Style::new().fg(Paint::Blue),
            Palette::HighContrast => Style::new().fg(Paint::LightCyan).add_modifier(Modifier::BOLD),
            Palette::ColorBlind => Style::new().fg(Paint::Rgb(0x56, 0xb4, 0xe9)),
            Palette::Mono => Style::new(),
        }
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The frame of a pane.
    pub(super) fn border(self, has_focus: bool) -> Style {
        if has_focus { self.name().add_modifier(Modifier::BOLD) } else { self.faint() }
    }

    /// In ASCII, has a drawn screen hold nothing else: what inhaul draws itself has a twin, other letters are question marks.
    pub(super) fn finish(self, buffer: &mut Buffer) {
        if !self.ascii {
            return;
        }
        for cell in &mut buffer.content {
            if cell.symbol().is_ascii() {
                continue;
            }
            let twin = TWINS.iter().find(|(symbol, _)| *symbol == cell.symbol());
            cell.set_symbol(twin.map_or("?", |(_, twin)| twin));
        }
    }
}

/// What inhaul draws, and what stands for it in ASCII.
const TWINS: [(&str, &str); 37] = [
    ("─", "-"),
    ("│", "|"),
    ("┌", "+"),
    ("┐", "+"),
    ("└", "+"),
    ("┘", "+"),
    ("├", "+"),
    ("┤", "+"),
    ("━", "="),
    ("═", "="),
    ("║", "|"),
    ("▸", ">"),
    ("▾", "v"),
    ("●", "*"),
    ("○", "o"),
    ("◌", "."),
    ("✓", "+"),
    ("✗", "x"),
    ("·", "."),
    ("»", ">"),
    ("…", "~"),
    ("→", ">"),
    ("←", "<"),
    ("↑", "^"),
    ("↓", "v"),
    ("≈", "~"),
    ("▁", "."),
    ("▂", "."),
    ("▃", ":"),
    ("▄", ":"),
    ("▅", "-"),
    ("▆", "="),
    ("▇", "#"),
    ("█", "#"),
    ("▌", "#"),
    ("×", "x"),
    ("±", "~"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn themes_are_named_and_only_mono_has_no_colour() {
        for palette in Palette::ALL {
            assert_eq!(palette.to_string().parse(), Ok(palette));
            let theme = Theme::new(palette, Color::On, false);
            let styles = [theme.good(), theme.bad(), theme.doubtful(), theme.name()];
            let colored = styles.iter().filter(|style| style.fg.is_some()).count();
            assert_eq!(colored, if palette == Palette::Mono { 0 } else { 4 }, "{palette}");
            assert_eq!(Theme::new(palette, Color::Off, false).palette(), Palette::Mono);
        }
        assert!("pink".parse::<Palette>().unwrap_err().contains("color-blind"));
    }
}

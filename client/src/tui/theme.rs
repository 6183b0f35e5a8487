//! Styles by meaning. Every state has a glyph and a word too, so nothing is told by colour alone.

use std::{ffi::OsString, fmt, str::FromStr};

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
    depth: Depth,
}

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Depth {
    Sixteen,
    /// The 256 of xterm.
    Indexed,
    /// 24 bits each.
    #[default]
    True,
}

impl Depth {
    /// What the environment says of the terminal: `COLORTERM` of 24 bits, the name in `TERM` of 256 colours.
    pub(super) fn of(environment: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let says = |name: &str, what: &[&str]| {
            let value = environment(name).unwrap_or_default().to_string_lossy().to_lowercase();
            what.iter().any(|what| value.contains(what))
        };
        if says("COLORTERM", &["truecolor", "24bit"]) || says("TERM", &["direct"]) {
            Self::True
        } else if says("TERM", &["256color"]) {
            Self::Indexed
        } else {
            Self::Sixteen
        }
    }
}

/// A colour of Okabe and Ito's, with the nearest of the 256 of xterm (16 to 255), and the one of the sixteen that stands for it.
#[derive(Clone, Copy)]
struct Shade(Paint, u8, Paint);

const GREEN: Shade = Shade(Paint::Rgb(0x00, 0x9e, 0x73), 36, Paint::LightBlue);
const VERMILLION: Shade = Shade(Paint::Rgb(0xd5, 0x5e, 0x00), 166, Paint::Yellow);
const ORANGE: Shade = Shade(Paint::Rgb(0xe6, 0x9f, 0x00), 178, Paint::LightYellow);
const SKY: Shade = Shade(Paint::Rgb(0x56, 0xb4, 0xe9), 74, Paint::Cyan);

impl Theme {
    /// The palette, unless the terminal takes no colours.
    pub(super) fn new(palette: Palette, color: Color, ascii: bool) -> Self {
        let palette = match color {
            Color::On => palette,
            Color::Off => Palette::Mono,
        };
        Self { palette, ascii, depth: Depth::default() }
    }

    /// The same for a terminal with so many colours.
    pub(super) fn with(self, depth: Depth) -> Self {
        Self { depth, ..self }
    }

    fn shade(self, Shade(whole, indexed, sixteen): Shade) -> Paint {
        match self.depth {
            Depth::True => whole,
            Depth::Indexed => Paint::Indexed(indexed),
            Depth::Sixteen => sixteen,
        }
    }

    pub(super) fn palette(self) -> Palette {
        self.palette
    }

    pub(super) fn good(self) -> Style {
        match self.palette {
            Palette::Dark | Palette::Light => Style::new().fg(Paint::Green),
            Palette::HighContrast => Style::new().fg(Paint::LightGreen).add_modifier(Modifier::BOLD),
            Palette::ColorBlind => Style::new().fg(self.shade(GREEN)),
            Palette::Mono => Style::new(),
        }
    }

    pub(super) fn bad(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        match self.palette {
            Palette::Dark | Palette::Light => Style::new().fg(Paint::Red),
            Palette::HighContrast => style.fg(Paint::LightRed),
            Palette::ColorBlind => style.fg(self.shade(VERMILLION)),
            Palette::Mono => style,
        }
    }

    pub(super) fn doubtful(self) -> Style {
        match self.palette {
            Palette::Dark => Style::new().fg(Paint::Yellow),
            Palette::Light => Style::new().fg(Paint::Magenta),
            Palette::HighContrast => Style::new().fg(Paint::LightYellow).add_modifier(Modifier::BOLD),
            Palette::ColorBlind => Style::new().fg(self.shade(ORANGE)),
            Palette::Mono => Style::new(),
        }
    }

    pub(super) fn faint(self) -> Style {
        match self.palette {
            // On white too it is read; the lighter grey is nearly white.
            Palette::Dark | Palette::ColorBlind | Palette::Light => Style::new().fg(Paint::DarkGray),
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
            Palette::ColorBlind => Style::new().fg(self.shade(SKY)),
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
const TWINS: [(&str, &str); 39] = [
    ("•", "*"),
    ("␤", "|"),
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
    fn no_terminal_gets_colours_that_it_does_not_have() {
        for (variable, value, depth) in [
            ("COLORTERM", "truecolor", Depth::True),
            ("COLORTERM", "24bit", Depth::True),
            ("TERM", "xterm-direct", Depth::True),
            ("TERM", "screen-256color", Depth::Indexed),
            ("TERM", "xterm", Depth::Sixteen),
            ("TERM", "", Depth::Sixteen),
        ] {
            let environment = |name: &str| (name == variable).then(|| value.into());
            assert_eq!(Depth::of(&environment), depth, "{variable}={value}");
        }
        for depth in [Depth::Sixteen, Depth::Indexed] {
            for palette in Palette::ALL {
                let theme = Theme::new(palette, Color::On, false).with(depth);
                let styles = [theme.good(), theme.bad(), theme.doubtful(), theme.name(), theme.faint()];
                for paint in styles.iter().filter_map(|style| style.fg) {
                    let is_whole = matches!(paint, Paint::Rgb(..));
                    let is_indexed = matches!(paint, Paint::Indexed(_));
                    assert!(
                        !is_whole && (!is_indexed || depth == Depth::Indexed),
                        "{palette} {depth:?}: {paint}"
                    );
                }
            }
        }
    }

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
        let light = Theme::new(Palette::Light, Color::On, false).faint();
        assert!(
            light.fg != Some(Paint::Gray) && light.fg != Some(Paint::White) && light.add_modifier.is_empty()
        );
        assert!("pink".parse::<Palette>().unwrap_err().contains("color-blind"));
    }
}

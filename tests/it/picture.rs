//! A picture of a terminal's screen.

use std::fmt::Write;

const CELL_WIDTH: f32 = 8.4;
const CELL_HEIGHT: u16 = 18;
const BACKGROUND: &str = "#16181d";
const TEXT: &str = "#d6d9e0";

/// The screen as SVG: one text element for each run of cells that look the same.
pub fn svg(screen: &vt100::Screen) -> String {
    let size = screen.size();
    let (lines, columns) = (u16::from(size.0), u16::from(size.1));
    let (width, height) = (f32::from(columns) * CELL_WIDTH + 24.0, lines * CELL_HEIGHT + 24);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height}\" font-family=\"ui-monospace, \
         Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for line in 0..lines {
        let mut column = 0;
        while column < columns {
            let look = look(screen, line, column);
            let start = column;
            let mut text = String::new();
            while column < columns && self::look(screen, line, column) == look {
                let letters = screen.cell(line, column).map(vt100::Cell::contents).unwrap_or_default();
                text.push_str(if letters.is_empty() { " " } else { letters });
                column += 1;
            }
            put(&mut out, line, start, column - start, &text, look);
        }
    }
    out.push_str("</svg>\n");
    out
}

#[derive(Clone, Copy, PartialEq)]
struct Look {
    color: vt100::Color,
    bold: bool,
    inverse: bool,
}

fn look(screen: &vt100::Screen, line: u16, column: u16) -> Look {
    let cell = screen.cell(line, column);
    Look {
        color: cell.map_or(vt100::Color::Default, vt100::Cell::fgcolor),
        bold: cell.is_some_and(vt100::Cell::bold),
        inverse: cell.is_some_and(vt100::Cell::inverse),
    }
}

fn put(out: &mut String, line: u16, column: u16, columns: u16, text: &str, look: Look) {
    let (x, y) = (f32::from(column) * CELL_WIDTH + 12.0, line * CELL_HEIGHT + 26);
    let width = f32::from(columns) * CELL_WIDTH;
    let color = match look.color {
        vt100::Color::Idx(1) => "#e06c75",
        vt100::Color::Idx(2) => "#98c379",
        vt100::Color::Idx(3) => "#e5c07b",
        vt100::Color::Idx(6) => "#56b6c2",
        vt100::Color::Idx(8) => "#7f8694",
        vt100::Color::Default | vt100::Color::Idx(_) | vt100::Color::Rgb(..) => TEXT,
    };
    let fill = if look.inverse { BACKGROUND } else { color };
    if look.inverse {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{CELL_HEIGHT}\" fill=\"{color}\"/>",
            y - 14
        );
    }
    if text.trim().is_empty() {
        return;
    }
    let weight = if look.bold { " font-weight=\"bold\"" } else { "" };
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y}\" fill=\"{fill}\"{weight} textLength=\"{width:.1}\" xml:space=\"preserve\">{text}</text>"
    );
}

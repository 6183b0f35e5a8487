//! The picture of the README, made of the same cells as every screen. `INHAUL_PICTURES=write cargo test -p inhaul picture` makes it again.

use std::{env, fmt::Write, fs, path::Path};

use inhaul_core::signature::Verdict;
use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color as Paint, Modifier},
};

use super::{Stage, answered, attempt, id, opened, row};
use crate::{
    live::Live,
    output::Color,
    row::{AttemptCause, EventRow, FailureKind, Outcome, Repeat},
    tui::{
        message::Message,
        theme::{Palette, Theme},
    },
};

const CELL_WIDTH: f32 = 8.4;
const CELL_HEIGHT: u16 = 18;
const GROUND: &str = "#16181d";
const TEXT: &str = "#d6d9e0";

const COLORS: [(Paint, &str); 5] = [
    (Paint::Red, "#e06c75"),
    (Paint::Green, "#98c379"),
    (Paint::Yellow, "#e5c07b"),
    (Paint::Cyan, "#56b6c2"),
    (Paint::DarkGray, "#7f8694"),
];

/// The screen as SVG: one text element for each run of cells that look the same.
fn svg(buffer: &Buffer) -> String {
    let (columns, lines) = (buffer.area.width, buffer.area.height);
    let (width, height) = (f32::from(columns) * CELL_WIDTH + 24.0, lines * CELL_HEIGHT + 24);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height}\" font-family=\"ui-monospace, Menlo, Consolas, \
         'DejaVu Sans Mono', monospace\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n"
    );
    for (line, cells) in buffer.content.chunks(usize::from(columns)).enumerate() {
        let mut column = 0;
        for run in cells.chunk_by(|one, other| (one.fg, one.modifier) == (other.fg, other.modifier)) {
            put(&mut out, line, column, run);
            column += run.len();
        }
    }
    out.push_str("</svg>\n");
    out
}

#[expect(clippy::cast_precision_loss, reason = "a screen has few cells")]
fn put(out: &mut String, line: usize, column: usize, run: &[Cell]) {
    let (x, y) = (column as f32 * CELL_WIDTH + 12.0, line * usize::from(CELL_HEIGHT) + 26);
    let width = run.len() as f32 * CELL_WIDTH;
    let look = &run[0];
    let color = COLORS.iter().find(|(paint, _)| *paint == look.fg).map_or(TEXT, |(_, color)| color);
    let is_reversed = look.modifier.contains(Modifier::REVERSED);
    if is_reversed {
        let top = y - 14;
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{CELL_HEIGHT}\" fill=\"{color}\"/>"
        );
    }
    let text: String = run.iter().map(Cell::symbol).collect();
    if text.trim().is_empty() {
        return;
    }
    let fill = if is_reversed { GROUND } else { color };
    let weight = if look.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y}\" fill=\"{fill}\"{weight} textLength=\"{width:.1}\" xml:space=\"preserve\">{text}</text>"
    );
}

/// A call from its beginning to the charge, with what may go wrong on the way.
fn call() -> Vec<EventRow> {
    let typed =
        |number: u8, event_type: &str| EventRow { event_type: Some(event_type.to_owned()), ..row(number) };
    let refused = Outcome::Failed {
        kind: FailureKind::Connect,
        message: "no connection to http://localhost:3000".to_owned(),
        latency_ms: 1,
    };
    let again = Repeat {
        number: 2,
        first: id(5),
        first_received_at: row(5).received_at,
        same_id: true,
        same_body: true,
        dropped: false,
    };
    let forged = Verdict::Invalid {
        scheme: "callpaymin/hex".to_owned(),
        code: "mismatch".to_owned(),
        reason: "the signature belongs to another body or another secret".to_owned(),
    };
    let retried = crate::row::Attempt { cause: AttemptCause::Retry, ..answered(2, 200) };
    vec![
        typed(1, "call.created"),
        typed(2, "call.started"),
        EventRow { attempts: vec![attempt(1, refused), retried], ..typed(3, "call.ended") },
        EventRow {
            provider: Some("stripe".to_owned()),
            provider_event_id: Some("evt_3Pq".to_owned()),
            ..typed(4, "invoice.paid")
        },
        typed(5, "call.billing.charged"),
        EventRow { repeat: Some(again), ..typed(6, "call.billing.charged") },
        EventRow {
            verdict: Some(forged),
            attempts: vec![answered(1, 401)],
            ..typed(7, "call.billing.charged")
        },
        EventRow { provider: Some("github".to_owned()), ..typed(8, "pull_request") },
        EventRow { attempts: vec![answered(1, 500)], ..typed(9, "user.balance_low") },
        typed(10, "summary.ready"),
    ]
}

#[test]
fn the_picture_of_the_readme_is_what_the_inspector_draws() {
    let mut stage = Stage::looking(120, 30, Theme::new(Palette::Dark, Color::On, false));
    for row in call() {
        stage.tell(Message::Live(Live::Event(Box::new(row))));
    }
    stage.keys("gg2j<enter>");
    let body = br#"{"id":"evt_01J9Z6TQ4","type":"call.ended","created":1763970070,"data":{"call_id":"call_220","seconds":187,"amount":{"value":1.870,"currency":"USD"},"parties":[{"number":"+15550100","role":"caller"},{"number":"+15550199","role":"callee"}],"livemode":false}}"#;
    stage.tell(Message::Loaded(id(3), Ok(opened(3, body))));
    let picture = svg(&stage.buffer());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/pictures/inspector.svg");
    if env::var_os("INHAUL_PICTURES").is_some_and(|value| value == "write") {
        fs::write(&path, &picture).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert!(
        kept == picture,
        "the inspector looks otherwise now: `INHAUL_PICTURES=write cargo test -p inhaul picture` makes the picture again"
    );
}

//! The head of a request: as names and values, and as the bytes it came in.

use bytes::Bytes;
use inhaul_core::visible::visible_bytes;
use ratatui::style::Style;

use super::{super::super::content::Opened, Page};
use crate::{export::masked_target_bytes, output::size_text, row::EventRow};

/// What is shown of a credential.
pub(super) const HIDDEN: &str = "(hidden; S shows it)";

/// Widest column of names.
const NAMES_MAX: usize = 28;

/// Request line, headers, and what the relay knows of the connection.
pub(super) fn put(page: &mut Page, opened: &Opened, row: &EventRow) {
    match &opened.head {
        Ok(head) => {
            let target = shown_target(page, &head.target);
            let line = format!(
                "{} {} {}",
                visible_bytes(&head.method),
                visible_bytes(&target),
                head.version.as_str()
            );
            page.put(&line, page.theme.strong());
            let names = head.headers.iter().map(|header| header.name.len()).max().unwrap_or(0).min(NAMES_MAX);
            for header in &head.headers {
                let hides = page.hides(&header.name);
                let value = if hides { HIDDEN.to_owned() } else { visible_bytes(&header.value).to_string() };
                page.pair(&visible_bytes(&header.name).to_string(), names, &value, Style::new());
            }
        }
        Err(error) => page.put(error, page.theme.bad()),
    }
    page.heading("Event");
    let sha256: String = opened.event.body_sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    for (name, value) in [
        ("id", row.id.to_string()),
        ("endpoint", row.endpoint.to_string()),
        ("from", visible_bytes(opened.event.peer.address.as_bytes()).to_string()),
        ("received", page.time(row.received_at)),
        ("stored here", page.time(row.stored_at)),
        ("body", size_text(row.body_bytes)),
        ("SHA-256", sha256),
    ] {
        page.pair(name, 11, &value, Style::new());
    }
}

/// The bytes of the head, a line for each of its lines.
pub(super) fn put_raw(page: &mut Page, opened: &Opened) {
    let head = &opened.event.head[..];
    for (index, line) in head.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        let (text, end) = line.split_at(end);
        let name = text.split(|byte| *byte == b':').next().unwrap_or_default();
        if index > 0 && page.hides(name) {
            page.put(&format!("{}: {HIDDEN}", visible_bytes(name)), Style::new());
            continue;
        }
        let text = if index == 0 { shown_line(page, text) } else { text.to_vec().into() };
        page.put(&format!("{}{}", visible_bytes(&text), visible_bytes(end)), Style::new());
    }
}

/// A target as it is shown now.
fn shown_target(page: &Page, target: &[u8]) -> Bytes {
    if page.hides.is_some() { masked_target_bytes(target) } else { Bytes::copy_from_slice(target) }
}

/// The request line as it is shown now: the target is what stands between its blanks.
fn shown_line(page: &Page, line: &[u8]) -> Bytes {
    let at = line.iter().rposition(|byte| *byte == b' ').unwrap_or(line.len());
    let (target, version) = line.split_at(at);
    [&shown_target(page, target)[..], version].concat().into()
}

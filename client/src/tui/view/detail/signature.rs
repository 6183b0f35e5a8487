//! What the signature check found, and how the provider signs: enough to mend what is wrong.

use inhaul_core::{
    event::EventId,
    signature::Verdict,
    visible::{visible, visible_bytes},
};
use ratatui::style::Style;

use super::{
    super::super::{
        content::{Opened, Sender},
        keys::{Action, Keymap},
        theme::Theme,
    },
    Page,
    body::{hex_line, hex_lines},
    headers::HIDDEN,
};
use crate::{
    output::{size_text, verdict_text},
    row::EventRow,
};

/// Width of the names.
const NAMES: usize = 11;

/// Most of the signed bytes that are shown.
const SIGNED_SHOWN_BYTES: usize = 512;

/// The code of a signature that no mistake explains.
const UNEXPLAINED: &str = "mismatch";

/// What is tried before that is said, as in `src/signature/diagnose.rs`.
const TRIED: [(&str, &str); 6] = [
    ("encoding", "the signature in hex, base64 and the like, with and without a prefix"),
    ("secrets", "each secret that is configured: as it is, trimmed, decoded, encoded"),
    ("algorithm", "other hashes"),
    ("body", "with and without a line end or byte order mark, as JSON written anew, unpacked"),
    ("URL", "with another scheme, port, slash or query, where the URL is signed"),
    ("provider", "other providers, and the other secrets"),
];

/// The glyph and the style of a verdict.
pub(super) fn verdict_look(theme: Theme, verdict: Option<&Verdict>) -> (&'static str, Style) {
    match verdict {
        Some(Verdict::Valid { .. }) => ("✓", theme.good()),
        Some(Verdict::Invalid { .. }) => ("✗", theme.bad()),
        Some(Verdict::Stale { .. }) => ("~", theme.bad()),
        Some(Verdict::NoSecret { .. }) => ("?", theme.doubtful()),
        Some(Verdict::Unsigned) => ("-", theme.faint()),
        None => ("·", theme.faint()),
    }
}

/// The lines.
pub(super) fn put(page: &mut Page, opened: &Opened, row: &EventRow) {
    let theme = page.theme;
    let (glyph, style) = verdict_look(theme, row.verdict.as_ref());
    let text = row.verdict.as_ref().map_or_else(|| "not checked yet".to_owned(), verdict_text);
    page.put(&format!("{glyph} {text}"), style);
    if let Some(advice) = row.verdict.as_ref().and_then(|verdict| advice(verdict, row.id, page.keymap)) {
        page.put(&format!("  {advice}"), Style::new());
    }
    page.heading("Checked");
    let (text, style) = if opened.is_unchanged {
        ("the same bytes as the relay received: their SHA-256 is the same", theme.good())
    } else {
        ("other bytes than the relay received: their SHA-256 is another", theme.bad())
    };
    page.pair("body", NAMES, &format!("{} {text}", if opened.is_unchanged { "✓" } else { "✗" }), style);
    if let (Some(sender), Ok(head)) = (&opened.sender, &opened.head) {
        for name in &sender.headers {
            let found: Vec<_> = head
                .headers
                .iter()
                .filter(|header| header.name.eq_ignore_ascii_case(name.as_bytes()))
                .collect();
            let (text, style) = match found.as_slice() {
                [] => ("- not there".to_owned(), theme.faint()),
                [_] if page.hides(name.as_bytes()) => (format!("✓ {HIDDEN}"), Style::new()),
                [one] => (format!("✓ {}", visible_bytes(&one.value)), Style::new()),
                many => (format!("✗ there {} times", many.len()), theme.bad()),
            };
            page.pair(name, sender.headers.iter().map(String::len).max().unwrap_or(0).min(28), &text, style);
        }
    }
    put_tried(page, opened, row.verdict.as_ref());
    put_signed(page, opened);
    let Some(sender) = &opened.sender else {
        page.heading("Unknown sender");
        page.put("No provider of the catalogue signs like this; `inhaul providers` lists them. A route's `provider` names one.", Style::new());
        return;
    };
    page.heading(&visible(&sender.name).to_string());
    let timeout = sender.timeout_seconds.map(|seconds| format!("{seconds} s"));
    for (name, value) in [
        ("signs by", Some(sender.schemes.join(", "))),
        ("expects", Some(sender.success.clone())),
        ("sender timeout", timeout),
        ("retries", sender.retries.clone()),
        ("described at", Some(sender.docs.clone())),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            page.pair(name, 14, &visible(&value).to_string(), Style::new());
        }
    }
    for note in &sender.notes {
        page.pair("note", 14, &visible(note).to_string(), Style::new());
    }
}

/// What else would have explained a wrong signature and did not. One that is explained says by what.
fn put_tried(page: &mut Page, opened: &Opened, verdict: Option<&Verdict>) {
    let Some(Verdict::Invalid { code, scheme, .. }) = verdict else { return };
    // With public keys and tokens there is less to try.
    let is_tried = |sender: &Sender| sender.shared_secrets.contains(scheme);
    if code != UNEXPLAINED || !opened.sender.as_ref().is_some_and(is_tried) {
        return;
    }
    page.heading("Tried, and none of it matches");
    for (name, what) in TRIED {
        page.pair(name, 14, what, Style::new());
    }
}

/// The bytes the signature is over: the beginning of them.
fn put_signed(page: &mut Page, opened: &Opened) {
    let Some((scheme, bytes)) = &opened.signed else { return };
    page.heading(&format!("Signed bytes ({}), {}", visible(scheme), size_text(bytes.len() as u64)));
    if page.hides.is_some() && opened.has_secrets {
        return page.put(HIDDEN, page.theme.faint());
    }
    let shown = bytes.len().min(SIGNED_SHOWN_BYTES);
    for index in 0..hex_lines(shown, page.width) {
        page.lines.push(hex_line(page.theme, &bytes[..shown], index, page.width));
    }
    if shown < bytes.len() {
        let rest = size_text((bytes.len() - shown) as u64);
        page.put(&format!("… and {rest} more; copied, they are whole"), page.theme.faint());
    }
}

/// What to do about it.
fn advice(verdict: &Verdict, id: EventId, keymap: &Keymap) -> Option<String> {
    match verdict {
        Verdict::Valid { .. } => None,
        Verdict::Invalid { .. } => {
            Some(format!("`inhaul verify {id} --secret-env NAME` checks it again, with another secret"))
        }
        Verdict::Stale { .. } => Some(format!(
            "it was on its way for long, or the sender's clock is wrong; `{}` replays it signed anew",
            keymap.first(Action::ReplaySigned)
        )),
        Verdict::NoSecret { provider } => Some(format!(
            "give the secret of {} with `--secret-env NAME` or in a `[[route]]` of inhaul.toml",
            visible(provider)
        )),
        Verdict::Unsigned => Some("no header of it is a signature that a known provider makes".to_owned()),
    }
}

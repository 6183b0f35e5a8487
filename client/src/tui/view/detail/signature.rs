//! What the signature check found, and how the provider signs: enough to mend what is wrong.

use inhaul_core::{
    signature::Verdict,
    visible::{visible, visible_bytes},
};
use ratatui::style::Style;

use super::{
    super::super::{content::Opened, theme::Theme},
    Page,
    headers::HIDDEN,
};
use crate::{output::verdict_text, row::EventRow};

/// Width of the names.
const NAMES: usize = 11;

/// The glyph and the style of a verdict.
pub(super) fn verdict_look(theme: Theme, verdict: Option<&Verdict>) -> (&'static str, Style) {
    match verdict {
        Some(Verdict::Valid { .. }) => ("✓", theme.good()),
        Some(Verdict::Invalid { .. } | Verdict::Stale { .. }) => ("✗", theme.bad()),
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
    if let Some(advice) = row.verdict.as_ref().and_then(advice) {
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
    let Some(sender) = &opened.sender else {
        page.heading("Nobody known");
        page.put("No provider of the catalogue signs like this; `inhaul providers` lists them. A route's `provider` names one.", Style::new());
        return;
    };
    page.heading(&visible(&sender.name).to_string());
    let timeout = sender.timeout_seconds.map(|seconds| format!("waits {seconds} s for an answer"));
    for (name, value) in [
        ("signs by", Some(sender.schemes.join(", "))),
        ("expects", Some(sender.success.clone())),
        ("patience", timeout),
        ("tries again", sender.retries.clone()),
        ("described at", Some(sender.docs.clone())),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            page.pair(name, NAMES + 1, &visible(&value).to_string(), Style::new());
        }
    }
    for note in &sender.notes {
        page.pair("note", NAMES + 1, &visible(note).to_string(), Style::new());
    }
}

/// What to do about it.
fn advice(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Valid { .. } => None,
        Verdict::Invalid { .. } => {
            Some("`inhaul verify ID --secret-env NAME` checks it with another secret".to_owned())
        }
        Verdict::Stale { .. } => Some(
            "it was on its way for long, or the sender's clock is wrong; `ctrl-r` replays it signed anew"
                .to_owned(),
        ),
        Verdict::NoSecret { provider } => Some(format!(
            "give the secret of {} with `--secret-env NAME` or in a `[[route]]` of inhaul.toml",
            visible(provider)
        )),
        Verdict::Unsigned => Some("no header of it is a signature that a known provider makes".to_owned()),
    }
}

//! What the signature check found, and how the provider signs: enough to mend what is wrong.

use inhaul_core::{
    event::EventId,
    signature::{Digests, Verdict},
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
pub(super) fn put(page: &mut Page, opened: &Opened, row: &EventRow, digests: Option<&Digests>) {
    let theme = page.theme;
    let (glyph, style) = verdict_look(theme, row.verdict.as_ref());
    let text = row.verdict.as_ref().map_or_else(|| "not checked yet".to_owned(), verdict_text);
    page.put(&format!("{glyph} {text}"), style);
    let advice = row.verdict.as_ref().map(|verdict| advice(verdict, row.id, page.keymap)).unwrap_or_default();
    for line in advice {
        page.put(&format!("  {line}"), Style::new());
    }
    put_digests(page, opened, row.verdict.as_ref(), digests);
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

/// The signature that came, above each one that would have been right, with where they begin to differ.
///
/// What would have been right is hidden as secrets are: the signature that came has been seen by everybody on its way, but anybody can post a
/// body to the endpoint, and with the other one it would be accepted elsewhere.
fn put_digests(page: &mut Page, opened: &Opened, verdict: Option<&Verdict>, digests: Option<&Digests>) {
    let Some((Verdict::Invalid { scheme, .. }, digests)) = verdict.zip(digests) else { return };
    if digests.scheme != *scheme {
        return;
    }
    page.heading(&format!("Received and expected ({})", visible(scheme)));
    let headers = opened.sender.as_ref().map(|sender| sender.headers.as_slice()).unwrap_or_default();
    let hides_received = headers.iter().any(|name| page.hides(name.as_bytes()));
    for expected in &digests.expected {
        let Some(received) = closest(&digests.received, &expected.digest) else { continue };
        if page.hides.is_some() {
            let shown = if hides_received { HIDDEN.to_owned() } else { visible(received).to_string() };
            page.pair("received", NAMES, &shown, Style::new());
            page.pair("expected", NAMES, HIDDEN, page.theme.faint());
        } else {
            put_beside(page, &visible(received).to_string(), &visible(&expected.digest).to_string());
        }
        page.pair("made with", NAMES, &format!("the secret {}", visible(&expected.secret)), Style::new());
        if *received == expected.digest {
            let text =
                format!("they are the same now; `{}` verifies it again", page.keymap.written("verify"));
            page.put(&text, page.theme.good());
        }
    }
}

/// How many characters two texts begin with alike.
fn alike(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

/// Of several signatures the one that is most like this one.
fn closest<'r>(received: &'r [String], expected: &str) -> Option<&'r String> {
    received.iter().max_by_key(|one| alike(one, expected))
}

/// Two digests, each line of one above that of the other, and a mark below the first character that differs.
fn put_beside(page: &mut Page, received: &str, expected: &str) {
    let same = alike(received, expected);
    let room = page.width.saturating_sub(NAMES + 2).max(1);
    let (received, expected): (Vec<char>, Vec<char>) =
        (received.chars().collect(), expected.chars().collect());
    for from in (0..received.len().max(expected.len())).step_by(room) {
        let part = |digest: &[char]| -> String { digest.iter().skip(from).take(room).collect() };
        let names = if from == 0 { ("received", "expected") } else { ("", "") };
        page.pair(names.0, NAMES, &part(&received), page.theme.bad());
        page.pair(names.1, NAMES, &part(&expected), page.theme.good());
        if (from..from + room).contains(&same) {
            let said = format!("^ differs from character {} on", same + 1);
            let fits = same - from + said.len() <= room;
            let mark = format!("{}{}", " ".repeat(same - from), if fits { &said } else { "^" });
            page.pair("", NAMES, &mark, page.theme.faint());
        }
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

/// What to do about it, a line each.
fn advice(verdict: &Verdict, id: EventId, keymap: &Keymap) -> Vec<String> {
    let again =
        format!("`{}` verifies it again, with the secrets in files read anew", keymap.written("verify"));
    match verdict {
        Verdict::Valid { .. } => Vec::new(),
        Verdict::Invalid { .. } => {
            vec![format!("`inhaul verify {id} --secret-env NAME` tries another secret"), again]
        }
        Verdict::Stale { .. } => vec![format!(
            "it was on its way for long, or the sender's clock is wrong; `{}` replays it signed anew",
            keymap.first(Action::ReplaySigned)
        )],
        Verdict::NoSecret { provider } => vec![
            format!(
                "give the secret of {} with `--secret-env NAME` or in a `[[route]]` of inhaul.toml",
                visible(provider)
            ),
            again,
        ],
        Verdict::Unsigned => vec!["no header of it is a signature that a known provider makes".to_owned()],
    }
}

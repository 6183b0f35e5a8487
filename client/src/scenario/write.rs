//! A scenario made of stored events: the text of its file, and the bodies that have files of their own.

use std::{fmt::Write as _, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use inhaul_core::{
    event::{Event, Header},
    signature::{Catalogue, Provider},
    visible::visible,
};

use super::{FILE_MAX_BYTES, FORMAT_VERSION, STEPS_MAX};
use crate::{
    clock,
    draft::{self, Changes, Draft, IdChange, Sign, Signer},
    export::{Exported, INLINE_MAX_BYTES, MASKED, Mask, fixture::body_extension},
    forward::Target,
    replay::DELAY_MAX,
    row::EventRow,
};

/// What is the same for all events of a scenario that is made.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// What it is called.
    pub name: String,
    /// Where they go; where each last was sent when absent.
    pub to: Option<Target>,
    /// What is different from what was received.
    pub draft: Draft,
    /// From the start of one to that of the next; as they came when absent.
    pub delay: Option<Duration>,
    /// What takes credentials out of them; nothing does when absent.
    pub mask: Option<Mask>,
}

/// The files of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The scenario.
    pub text: String,
    /// Names and contents of the files beside it.
    pub files: Vec<(String, Bytes)>,
    /// Something in them was replaced by [`MASKED`].
    pub masked: bool,
}

/// Makes a scenario of events, in this order.
///
/// # Errors
/// With a sentence for a person: the draft does not fit an event, or it would be too large to be read back.
pub fn write(
    events: Vec<(Event, EventRow)>,
    recording: &Recording,
    catalogue: &Catalogue,
) -> Result<Written, String> {
    if events.len() > STEPS_MAX {
        return Err(format!("{} steps are too many for a scenario; {STEPS_MAX} are the most", events.len()));
    }
    let mut written = Written { text: String::new(), files: Vec::new(), masked: false };
    let targets: Vec<Option<Target>> =
        events.iter().map(|(_, row)| recording.to.clone().or_else(|| last_target(row))).collect();
    // One for all of them stands once, at the top.
    let shared = targets
        .first()
        .cloned()
        .flatten()
        .filter(|first| targets.iter().all(|to| to.as_ref() == Some(first)));
    let mut steps = String::new();
    let mut before = None;
    for (index, ((event, row), to)) in events.into_iter().zip(targets).enumerate() {
        let gap = before.map_or(0, |before: u64| event.received_at.0.saturating_sub(before));
        before = Some(event.received_at.0);
        let pause = match recording.delay {
            Some(delay) if index > 0 => delay,
            _ => Duration::from_millis(gap),
        };
        let provider = row.provider.as_deref().and_then(|name| catalogue.provider(name));
        let Draft { body, changes } = recording.draft.clone();
        let content = Changes { sign: Sign::Keep, id: IdChange::Keep, mark: false, ..changes.clone() };
        let changed =
            draft::apply(&event, &Draft { body, changes: content }, &Signer::default(), clock::now());
        let event = changed.map_err(|error| format!("{}: {error}", event.id))?;
        let exported = match &recording.mask {
            Some(mask) => mask.apply(event, row),
            None => Exported::whole(event, row),
        };
        let exported = exported.map_err(|error| error.to_string())?;
        let step = Recorded {
            number: index + 1,
            pause: pause.min(DELAY_MAX),
            to: to.filter(|_| shared.is_none()),
            signing: signing(&exported, provider.as_deref(), &changes),
            changes: &changes,
            exported: &exported,
        };
        step.write(&recording.name, &mut steps, &mut written);
    }
    written.text = top(shared.as_ref(), written.masked) + &steps;
    let lengths = written.files.iter().map(|(_, bytes)| bytes.len()).chain([written.text.len()]);
    if lengths.into_iter().any(|length| length as u64 > FILE_MAX_BYTES) {
        return Err(format!("a file of it would be larger than {} MiB", FILE_MAX_BYTES >> 20));
    }
    Ok(written)
}

fn last_target(row: &EventRow) -> Option<Target> {
    row.attempts.last()?.target.parse().ok()
}

/// What stands before the steps.
fn top(to: Option<&Target>, masked: bool) -> String {
    let mut text = "# A scenario of inhaul: `inhaul play` sends these requests, and says which answers are not as expected.\n".to_owned();
    if masked {
        let _ = writeln!(
            text,
            "# Credentials are masked as {MASKED}; what was signed is signed anew when it is played."
        );
    }
    let _ = writeln!(text, "version = {FORMAT_VERSION}");
    if let Some(to) = to {
        let _ = writeln!(text, "to = {}", quoted(&to.to_string()));
    }
    text
}

/// How a step is signed, and by whom; nothing when it stays as it is.
struct Signing {
    sign: Sign,
    provider: String,
    /// Headers that are made anew.
    left_out: Vec<String>,
}

/// What was signed and is masked has to be signed anew.
fn signing(exported: &Exported, provider: Option<&Provider>, changes: &Changes) -> Option<Signing> {
    let provider = provider?;
    let names: Vec<String> = provider.signature_headers().map(str::to_owned).collect();
    let is_masked = |header: &Header| header.value == MASKED && names.iter().any(|name| header.is(name));
    let lost = exported.head.headers.iter().any(is_masked);
    let sign = if lost && changes.sign == Sign::Keep { Sign::Fresh } else { changes.sign };
    let made = sign != Sign::Keep || changes.id != IdChange::Keep;
    let left_out = if lost { names } else { Vec::new() };
    made.then(|| Signing { sign, provider: provider.id().to_owned(), left_out })
}

/// One event on its way into the file.
struct Recorded<'r> {
    number: usize,
    pause: Duration,
    to: Option<Target>,
    signing: Option<Signing>,
    changes: &'r Changes,
    exported: &'r Exported,
}

impl Recorded<'_> {
    fn write(&self, scenario: &str, text: &mut String, written: &mut Written) {
        let Self { exported, changes, .. } = self;
        let mut line = |key: &str, value: String| {
            let _ = writeln!(text, "{key} = {value}");
        };
        let row = &exported.row;
        line("\n[[step]]\nname", quoted(row.event_type.as_deref().unwrap_or(&row.target)));
        line("event", quoted(&row.id.to_string()));
        if !self.pause.is_zero() {
            line("pause", quoted(&format!("{} ms", self.pause.as_millis())));
        }
        if let Some(to) = &self.to {
            line("to", quoted(&to.to_string()));
        }
        line("method", quoted(&String::from_utf8_lossy(&exported.head.method)));
        line("path", quoted(&String::from_utf8_lossy(&exported.target())));
        let left_out = self.signing.as_ref().map_or(&[][..], |signing| &signing.left_out);
        let kept = exported.headers().filter(|header| !left_out.iter().any(|name| header.is(name)));
        let headers: Vec<&Header> = kept.collect();
        written.masked |= self.exported.masked;
        if !headers.is_empty() {
            let lines: String =
                headers.iter().map(|header| format!("  {},\n", written_header(header))).collect();
            line("headers", format!("[\n{lines}]"));
        }
        if let Some(Signing { sign, provider, .. }) = &self.signing {
            line("provider", quoted(provider));
            if changes.id != IdChange::Keep {
                line("new_id", "true".to_owned());
            }
            line("sign", quoted(sign_word(*sign)));
        }
        if changes.mark {
            line("mark", "true".to_owned());
        }
        line("expect", quoted("2xx"));
        let body = &exported.event.body;
        match std::str::from_utf8(body) {
            _ if body.is_empty() => {}
            _ if body.len() > INLINE_MAX_BYTES => {
                let file = format!("{scenario}.{}.{}", self.number, body_extension(body));
                line("body_file", quoted(&file));
                written.files.push((file, body.clone()));
            }
            Ok(body) => line("body", written_body(body)),
            Err(_) => line("body_base64", quoted(&STANDARD.encode(body))),
        }
    }
}

fn sign_word(sign: Sign) -> &'static str {
    match sign {
        Sign::Keep => "keep",
        Sign::Fresh => "fresh",
        Sign::BreakDigest => "break-digest",
        Sign::BreakTime => "break-time",
        Sign::BreakMissing => "break-missing",
    }
}

fn written_header(header: &Header) -> String {
    let name = String::from_utf8_lossy(&header.name);
    match std::str::from_utf8(&header.value) {
        // White space around it would not be read back.
        Ok(value) if value.trim() == value => quoted(&format!("{name}: {value}")),
        Ok(_) | Err(_) => {
            format!("{{ name = {}, base64 = {} }}", quoted(&name), quoted(&STANDARD.encode(&header.value)))
        }
    }
}

/// A text on one line. What a terminal would act on, and an editor would hide, is written as escapes.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for letter in text.chars() {
        let plain = matches!(letter, ' '..='~')
            || visible(letter.encode_utf8(&mut [0; 4])).to_string().starts_with(letter);
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if plain => out.push(letter),
            _ => {
                let _ = write!(out, "\\U{:08X}", u32::from(letter));
            }
        }
    }
    out.push('"');
    out
}

/// A body as people read it best: as it is, between quotes that change nothing, if it can be.
fn written_body(body: &str) -> String {
    let plain = |line: &str| visible(line).to_string() == line;
    let is_literal = !body.contains("'''") && !body.ends_with('\'') && body.split('\n').all(plain);
    if is_literal && (body.contains('\n') || body.contains('"')) {
        format!("'''\n{body}'''")
    } else {
        quoted(body)
    }
}

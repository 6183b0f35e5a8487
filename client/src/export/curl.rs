//! A `curl` command that makes the same request: method, target, the sender's headers in order, body.
//!
//! curl itself sets `Host` (from the URL) and `Content-Length` (it counts, so the body can be edited); the headers it would add by itself
//! are taken away where the sender had none of that name.

use super::{
    Exported, INLINE_MAX_BYTES, masked_note,
    shell::{is_printable, printf_format, word},
};
use crate::forward::Target;

/// Headers curl adds by itself.
const OWN_HEADERS: [&str; 2] = ["User-Agent", "Accept"];

/// Where a body stands that is no text, or too long for a command.
#[derive(Clone, Copy, Debug)]
pub enum BodyPlace<'a> {
    /// Written by `printf` before the command, so that the command needs nothing else.
    Piped,
    /// In a file of this name.
    File(&'a str),
}

/// The command, ended by a line feed. It holds nothing that a terminal would act on.
pub fn command(exported: &Exported, application: &Target, place: BodyPlace<'_>) -> String {
    let (before, body) = body(exported, place);
    let head = &exported.head;
    let path = application.path_for(&exported.target());
    let mut lines = vec![format!("{before}curl {}", word(application.origin().as_bytes()))];
    if is_left_as_it_is(&path) {
        lines = vec![format!("{before}curl {}", word(&[application.origin().as_bytes(), &path].concat()))];
    } else {
        lines.push(format!("--request-target {}", word(&path)));
    }
    if application.is_https() {
        lines.push("--http1.1".to_owned());
    }
    let is_head = &head.method[..] == b"HEAD" && body.is_none();
    lines.push(if is_head { "--head".to_owned() } else { format!("-X {}", word(&head.method)) });
    for header in exported.headers() {
        let colon: &[u8] = if header.value.is_empty() { b";" } else { b": " };
        lines.push(format!("-H {}", word(&[&header.name, colon, &header.value].concat())));
    }
    let has = |name: &str| exported.headers().any(|header| header.is(name));
    for name in OWN_HEADERS.into_iter().filter(|name| !has(name)) {
        lines.push(format!("-H {name}:"));
    }
    if let Some(body) = body {
        if !has("content-type") {
            lines.push("-H Content-Type:".to_owned());
        }
        // Above a size of its own curl would wait for a `100 Continue`.
        if exported.event.body.len() > INLINE_MAX_BYTES {
            lines.push("-H Expect:".to_owned());
        }
        lines.push(body);
    }
    format!("{}{}\n", masked_note(exported, "#"), lines.join(" \\\n  "))
}

/// Whether the body of an event stands in a file of its own when there can be one.
pub fn wants_file(exported: &Exported) -> bool {
    inline(exported).is_none()
}

fn inline(exported: &Exported) -> Option<&str> {
    let body = &exported.event.body;
    let text = std::str::from_utf8(body).ok().filter(|_| body.len() <= INLINE_MAX_BYTES)?;
    is_printable(text).then_some(text)
}

/// What stands before the command, and the argument for the body.
fn body(exported: &Exported, place: BodyPlace<'_>) -> (String, Option<String>) {
    if !exported.has_body() {
        return (String::new(), None);
    }
    if let Some(text) = inline(exported) {
        return (String::new(), Some(format!("--data-raw {}", word(text.as_bytes()))));
    }
    match place {
        BodyPlace::Piped => {
            let format = printf_format(&exported.event.body);
            (format!("printf '{format}' | "), Some("--data-binary @-".to_owned()))
        }
        BodyPlace::File(name) => {
            (String::new(), Some(format!("--data-binary {}", word(format!("@{name}").as_bytes()))))
        }
    }
}

/// Whether curl sends a path and query as they are: no escapes to add, no `..` to resolve, no globs, no fragment.
fn is_left_as_it_is(path: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/?&=%+-._~:@!$'()*,;".contains(byte);
    let (before_query, _) = path.split_at(path.iter().position(|&byte| byte == b'?').unwrap_or(path.len()));
    let has_dots = before_query.split(|&byte| byte == b'/').any(|part| {
        let part = part.to_ascii_lowercase();
        let part = String::from_utf8_lossy(&part).replace("%2e", ".");
        part == "." || part == ".."
    });
    path.starts_with(b"/") && path.iter().all(is_plain) && !has_dots
}

//! An HTTPie command that makes the same request. HTTPie writes headers in its own order.

use super::{
    Exported, INLINE_MAX_BYTES,
    curl::BodyPlace,
    masked_note,
    shell::{is_printable, printf_format, word},
};
use crate::forward::Target;

/// Headers HTTPie adds by itself.
const OWN_HEADERS: [&str; 3] = ["User-Agent", "Accept", "Accept-Encoding"];

/// The command, ended by a line feed. It holds nothing that a terminal would act on.
pub fn command(exported: &Exported, application: &Target, place: BodyPlace<'_>) -> String {
    let body = &exported.event.body;
    let text = std::str::from_utf8(body).ok();
    let inline = text.filter(|text| body.len() <= INLINE_MAX_BYTES && is_printable(text));
    let path = application.path_for(&exported.target());
    let url = [application.origin().as_bytes(), &path].concat();
    let mut lines = match (inline, place) {
        _ if !exported.has_body() => vec!["http --ignore-stdin".to_owned()],
        // With the sign between, a body that begins with a dash is no option.
        (Some(text), _) => vec![format!("http --ignore-stdin --raw={}", word(text.as_bytes()))],
        (None, BodyPlace::Piped) => vec![format!("printf '{}' | http", printf_format(body))],
        (None, BodyPlace::File(name)) => vec![format!("http < {}", word(name.as_bytes()))],
    };
    lines.push(format!("--path-as-is {} {}", word(&exported.head.method), word(&url)));
    for header in exported.headers() {
        lines.push(word(&item(&header.name, &header.value)));
    }
    let has = |name: &str| exported.headers().any(|header| header.is(name));
    let missing = OWN_HEADERS.into_iter().filter(|name| !has(name));
    lines.extend(missing.map(|name| format!("{name}:")));
    if exported.has_body() && !has("content-type") {
        lines.push("Content-Type:".to_owned());
    }
    let mut notes = masked_note(exported, "#");
    if exported.headers().any(|header| loses_backslash(&header.value)) {
        notes += "# HTTPie leaves out a backslash before : ; = and @ in the value of a header.\n";
    }
    format!("{notes}{}\n", lines.join(" \\\n  "))
}

/// A header as HTTPie's request items have it: what would be another separator behind the colon is escaped.
fn item(name: &[u8], value: &[u8]) -> Vec<u8> {
    match value.first() {
        None => [name, b";"].concat(),
        Some(b'=' | b'@') => [name, b":\\", value].concat(),
        Some(_) => [name, b":", value].concat(),
    }
}

/// Whether HTTPie takes a backslash in a value for one of its own escapes, which it has no escape for.
fn loses_backslash(value: &[u8]) -> bool {
    value.windows(2).any(|pair| pair[0] == b'\\' && b":;=@".contains(&pair[1]))
}

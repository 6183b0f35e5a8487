//! JavaScript that makes the same request with `fetch`, for Node.js, Deno and Bun. `fetch` joins repeated headers with commas, adds
//! some of its own and escapes letters such as `'` in the URL; browsers do not let a page set some headers.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Exported, masked_note};
use crate::{forward::Target, output::json};

/// A module whose last value is the answer, ended by a line feed. It holds nothing that a terminal would act on.
pub fn script(exported: &Exported, application: &Target) -> String {
    let path = application.path_for(&exported.target());
    let url = latin1(&[application.origin().as_bytes(), &path].concat());
    let mut out = masked_note(exported, "//");
    out += &format!(
        "const response = await fetch({}, {{\n  method: {},\n",
        literal(&url),
        literal(&latin1(&exported.head.method))
    );
    out += "  headers: [\n";
    for header in exported.headers() {
        out += &format!("    [{}, {}],\n", literal(&latin1(&header.name)), literal(&latin1(&header.value)));
    }
    out += "  ],\n";
    if exported.has_body() {
        let body = match std::str::from_utf8(&exported.event.body) {
            // A byte order mark would be taken for one and left out.
            Ok(text) if !text.starts_with('\u{feff}') => {
                if exported.headers().any(|header| header.is("content-type")) {
                    literal(text)
                } else {
                    // Of a text it would say that it is one.
                    format!("new TextEncoder().encode({})", literal(text))
                }
            }
            Ok(_) | Err(_) => {
                format!(
                    "Uint8Array.from(atob({:?}), (c) => c.charCodeAt(0))",
                    STANDARD.encode(&exported.event.body)
                )
            }
        };
        out += &format!("  body: {body},\n");
    }
    out += "  redirect: \"manual\",\n});\nconsole.log(response.status, await response.text());\n";
    out
}

/// A text with one character for each byte, as `fetch` takes headers (a `ByteString`).
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn literal(text: &str) -> String {
    json::line(&text).trim_end().to_owned()
}

//! A request's head from its parts, which may hold anything.

use bytes::Bytes;
use inhaul_core::event::{Event, Head, Header};

/// Writes a head.
///
/// # Errors
/// At the first part that cannot stand in a head.
pub(crate) fn head(method: &[u8], target: &[u8], version: &str, headers: &[Header]) -> Result<Bytes, String> {
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return Err(format!("{:?} is no method", String::from_utf8_lossy(method)));
    }
    if target.is_empty() || target.iter().any(|byte| byte.is_ascii_control() || *byte == b' ') {
        return Err(format!("{:?} is no path and query", String::from_utf8_lossy(target)));
    }
    for Header { name, value } in headers {
        let name_text = String::from_utf8_lossy(name);
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err(format!("{name_text:?} is no name of a header"));
        }
        if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(format!("the header {name_text:?} holds the end of a line"));
        }
    }
    let mut out = [method, b" ", target, b" ", version.as_bytes(), b"\r\n"].concat();
    out.extend_from_slice(&Head::write_headers(headers));
    Ok(out.into())
}

/// Checks the head of an event that was read whole.
pub(super) fn check(event: &Event) -> Result<(), String> {
    let head = event.parsed_head().map_err(|error| format!("its head: {error}"))?;
    if event.prefix_bytes > head.target.len() {
        return Err("more of its target names the endpoint than there is".to_owned());
    }
    let version = head.version.as_str();
    self::head(&head.method, &head.target, version, &head.headers).map(|_| ())
}

/// Letters of methods and names of headers (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

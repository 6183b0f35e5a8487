//! The request as bytes on the wire, such as `nc localhost 3000` takes.

use super::Exported;
use crate::forward::Target;

/// Head and body; the body's length is counted.
pub fn request(exported: &Exported, application: &Target) -> Vec<u8> {
    let mut out = exported.head.method.to_vec();
    out.push(b' ');
    out.extend_from_slice(&application.path_for(&exported.target()));
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mut line = |name: &[u8], value: &[u8]| out.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
    line(b"Host", application.authority().as_bytes());
    for header in exported.headers() {
        line(&header.name, &header.value);
    }
    if exported.has_body() {
        line(b"Content-Length", exported.event.body.len().to_string().as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&exported.event.body);
    out
}

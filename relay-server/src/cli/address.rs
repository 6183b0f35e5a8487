//! What a relay is reached at: how that is given, and the file in which it is known to `endpoint add` and `endpoint list`.

use std::{fs, io, path::Path};

use http::Uri;

use crate::registry::replace_file;

/// Its name in the data directory.
const FILE_NAME: &str = "public-url";

/// Reads a public URL: scheme, host, and the port unless it is the scheme's own.
pub(super) fn parse_public_url(text: &str) -> Result<String, String> {
    let form = || "must be scheme, host and port, such as `https://hooks.example.com`".to_owned();
    let uri: Uri = text.parse().map_err(|_| form())?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https")).ok_or_else(form)?;
    let authority = uri.authority().ok_or_else(form)?;
    let has_port = authority.as_str().len() > authority.host().len();
    let is_more = !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('#');
    if is_more || authority.host().is_empty() || (has_port && authority.port_u16().is_none()) {
        return Err(form());
    }
    Ok(format!("{scheme}://{authority}"))
}

/// Says what the relay of a data directory is reached at.
pub(super) fn store(data: &Path, public_url: &str) -> io::Result<()> {
    replace_file(&data.join(FILE_NAME), public_url.as_bytes(), 0o600)
}

/// What it was reached at when it last ran, or will be; nothing when nobody said.
pub(super) fn known(data: &Path) -> Option<String> {
    fs::read_to_string(data.join(FILE_NAME)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_a_scheme_a_host_and_a_port() {
        for text in ["https://hooks.example.com", "http://10.0.0.1:8080", "https://[2001:db8::1]:8443"] {
            assert_eq!(parse_public_url(text).as_deref(), Ok(text));
        }
        assert_eq!(parse_public_url("https://hooks.example.com/").unwrap(), "https://hooks.example.com");
        for text in [
            "",
            "foo",
            "foo bar",
            "hooks.example.com:443",
            "ftp://hooks.example.com",
            "https://",
            "https://:443",
            "https://hooks.example.com:99999",
            "https://hooks.example.com:",
            "https://me:pass@hooks.example.com",
            "https://me@hooks.example.com",
            "https://hooks.example.com/base",
            "https://hooks.example.com?a=1",
            "https://hooks.example.com#a",
        ] {
            let told = parse_public_url(text).unwrap_err();
            assert!(told.contains("such as `https://"), "{text}: {told}");
        }
    }
}

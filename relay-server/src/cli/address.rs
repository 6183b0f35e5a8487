//! What a relay is reached at: how that is given, and the file in which it is known to `endpoint add` and `endpoint list`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use http::Uri;

use crate::{registry::replace_file, tls};

/// What a relay that was started with no options is reached at.
const DEFAULT_URL: &str = "https://127.0.0.1:8443";

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

/// What a relay is reached at, and by what its certificate is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) public_url: String,
    /// The certificate authority of a self-signed relay.
    pub(super) ca_file: Option<PathBuf>,
}

impl Address {
    /// Says so for the relay of a data directory: the URL, and the authority's file on a line of its own, if there is one.
    pub(super) fn store(&self, data: &Path) -> io::Result<()> {
        let Self { public_url, ca_file } = self;
        let ca_file = ca_file.as_ref().map(|path| format!("\n{}", path.display())).unwrap_or_default();
        replace_file(&data.join(FILE_NAME), format!("{public_url}{ca_file}").as_bytes(), 0o600)
    }

    /// What it was reached at when it last ran, or will be; nothing when nobody said.
    pub(super) fn known(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join(FILE_NAME)).ok()?;
        let (public_url, ca_file) = text.split_once('\n').unwrap_or((&text, ""));
        let ca_file = Some(ca_file).filter(|path| !path.is_empty()).map(PathBuf::from);
        Some(Self { public_url: public_url.to_owned(), ca_file })
    }

    /// What it is reached at when it is started with no options.
    pub(super) fn usual(data: &Path) -> Self {
        let ca_file = tls::ca_file(data);
        let ca_file = std::path::absolute(&ca_file).unwrap_or(ca_file);
        Self { public_url: DEFAULT_URL.to_owned(), ca_file: Some(ca_file) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_relay_said_is_known_with_its_authority_or_without() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(Address::known(data.path()), None);
        for ca_file in [Some("/var/lib/it's/tls/ca.pem".into()), None] {
            let address = Address { public_url: "https://hooks.example.com".to_owned(), ca_file };
            address.store(data.path()).unwrap();
            assert_eq!(Address::known(data.path()), Some(address));
        }
        let usual = Address::usual(Path::new("near")).ca_file.unwrap();
        assert!(usual.is_absolute() && usual.ends_with("near/tls/ca.pem"), "{usual:?}");
    }

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

//! The public URL of a remote relay, as a person names it.

use std::{fmt, net::IpAddr, str::FromStr};

use http::{Uri, uri::Authority};
use thiserror::Error;

/// The public URL of a relay: `https://host[:port]`, or `http://` on this machine.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayUrl {
    tls: bool,
    authority: Authority,
}

/// Why a text is no URL of a relay.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RelayUrlError {
    /// It has no scheme, or is no URL at all.
    #[error("{0:?} is not the URL of a relay, such as https://relay.example")]
    Form(String),
    /// There is more than scheme, host and port.
    #[error("{0:?} is more than a relay's URL: scheme, host and port, such as https://relay.example")]
    TooMuch(String),
    /// The token and every event would be readable on the way.
    #[error("{0:?} would send the token readable to another machine: use https://")]
    Plain(String),
}

impl RelayUrl {
    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        bare_host(&self.authority)
    }

    /// The port, named or the scheme's own.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.tls { 443 } else { 80 })
    }

    /// Host and port as written: the value of `Host`.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        is_this_machine(bare_host(&self.authority))
    }
}

impl FromStr for RelayUrl {
    type Err = RelayUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || RelayUrlError::Form(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| form())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(form()),
        };
        let authority = uri.authority().ok_or_else(form)?.clone();
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(RelayUrlError::TooMuch(without_user(text)));
        }
        let has_port = authority.as_str().len() > authority.host().len();
        if bare_host(&authority).is_empty() || (has_port && authority.port_u16().is_none()) {
            return Err(form());
        }
        if !tls && !is_this_machine(bare_host(&authority)) {
            return Err(RelayUrlError::Plain(text.to_owned()));
        }
        Ok(Self { tls, authority })
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

impl fmt::Debug for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelayUrl({self})")
    }
}

fn bare_host(authority: &Authority) -> &str {
    authority.host().trim_start_matches('[').trim_end_matches(']')
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The text without what stands between `//` and `@`: a password does not belong into a message.
fn without_user(text: &str) -> String {
    match (text.find("//"), text.rfind('@')) {
        (Some(slashes), Some(at)) if slashes + 2 < at => format!("{}…{}", &text[..slashes + 2], &text[at..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_a_scheme_a_host_and_a_port() {
        for (text, tls, host, port) in [
            ("https://relay.example", true, "relay.example", 443),
            ("https://relay.example/", true, "relay.example", 443),
            ("https://relay.example:8443", true, "relay.example", 8443),
            ("http://localhost:8780", false, "localhost", 8780),
            ("http://127.0.0.1", false, "127.0.0.1", 80),
            ("http://[::1]:8780", false, "::1", 8780),
        ] {
            let url: RelayUrl = text.parse().unwrap();
            assert_eq!((url.is_tls(), url.host(), url.port()), (tls, host, port), "{text}");
            assert_eq!(url.to_string(), text.trim_end_matches('/'));
        }
    }

    #[test]
    fn what_is_no_relay_is_said() {
        let shown = |text: &str| RelayUrl::from_str(text).unwrap_err().to_string();
        for text in [
            "",
            "relay.example",
            "wss://relay.example",
            "https://",
            "/in/a",
            "https://relay.example:99999",
            "https://relay.example:",
        ] {
            assert!(shown(text).contains("is not the URL of a relay"), "{text}: {}", shown(text));
        }
        for text in
            ["https://relay.example/in/orders", "https://relay.example/?a", "https://me@relay.example"]
        {
            assert!(shown(text).contains("is more than a relay's URL"), "{text}: {}", shown(text));
        }
        for text in ["http://relay.example", "http://10.0.0.1:8780", "http://localhost.example"] {
            assert!(shown(text).contains("use https://"), "{text}: {}", shown(text));
        }
        let leaked = shown("https://me:hunter2@relay.example");
        assert!(!leaked.contains("hunter2"), "{leaked}");
    }
}

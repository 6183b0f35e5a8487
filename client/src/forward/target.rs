//! A target: where on this machine an event goes.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use bytes::Bytes;
use thiserror::Error;

/// Where events are forwarded to: a scheme, a host, a port and a path before each event's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    https: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// Without a slash at the end.
    base_path: String,
}

/// Why a text is no target.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{text:?} is no target: {reason}; write a port (3000), host:port, or a URL such as http://localhost:3000/hooks"
)]
pub struct TargetError {
    text: String,
    reason: &'static str,
}

impl Target {
    /// A port on this machine, such as 3000.
    pub fn here(port: u16) -> Self {
        Self { https: false, host: "localhost".to_owned(), port, base_path: String::new() }
    }

    /// Whether it is `https`.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The host, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is on this machine: a loopback address, `localhost`, or a name below it (RFC 6761 §6.3).
    pub fn is_loopback(&self) -> bool {
        self.loopback_addresses().is_some() || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// The addresses `localhost` stands for, whatever the resolver says: many apps listen on only one of them.
    pub(super) fn loopback_addresses(&self) -> Option<[SocketAddr; 2]> {
        let host = self.host.to_ascii_lowercase();
        (host == "localhost" || host.ends_with(".localhost"))
            .then(|| [(Ipv4Addr::LOCALHOST, self.port).into(), (Ipv6Addr::LOCALHOST, self.port).into()])
    }

    /// What goes into the `Host` header: the port only when it is not the scheme's own (RFC 9110 §7.2).
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.https { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }

    /// Scheme, host and port, as a URL begins.
    pub fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// The request target of an event: the base path, then the event's own path and query, unchanged.
    pub fn path_for(&self, app_target: &[u8]) -> Bytes {
        if self.base_path.is_empty() {
            return Bytes::copy_from_slice(app_target);
        }
        // The bare endpoint is the base path itself.
        let rest = match app_target {
            [b'/'] => &[],
            [b'/', b'?', ..] => &app_target[1..],
            _ => app_target,
        };
        Bytes::from([self.base_path.as_bytes(), rest].concat())
    }

    /// The whole URL an event goes to; bytes that are no UTF-8 are replaced.
    pub fn url_for(&self, app_target: &[u8]) -> String {
        format!("{}{}", self.origin(), String::from_utf8_lossy(&self.path_for(app_target)))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.base_path)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |reason| TargetError { text: text.to_owned(), reason };
        if text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
            return Err(fail("it has a space or a control character"));
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let port = port(text).ok_or_else(|| fail("the port is not between 1 and 65535"))?;
            return Ok(Self::here(port));
        }
        let (https, rest) = match text.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err(fail("the scheme is neither http nor https")),
            None => (false, text),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        if path.contains(['?', '#']) || authority.contains(['?', '#']) {
            return Err(fail("a target has no query: each event brings its own"));
        }
        if authority.contains('@') {
            return Err(fail("a user name in a target is not supported"));
        }
        let (host, port) = split_authority(authority).ok_or_else(|| fail("the host or port is malformed"))?;
        let port = match (port, text.contains("://")) {
            (Some(port), _) => port,
            (None, true) => {
                if https {
                    443
                } else {
                    80
                }
            }
            (None, false) => return Err(fail("there is no port")),
        };
        let base_path = path.trim_end_matches('/').to_owned();
        Ok(Self { https, host: host.to_owned(), port, base_path })
    }
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

/// Host without brackets, and the port if there is one.
fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, rest)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            authority.split_at(end)
        }
    };
    if host.is_empty() {
        return None;
    }
    match rest.strip_prefix(':') {
        Some(digits) => Some((host, Some(port(digits)?))),
        None => rest.is_empty().then_some((host, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_target() {
        for (text, shown, loopback) in [
            ("3000", "http://localhost:3000", true),
            ("localhost:3000", "http://localhost:3000", true),
            ("127.0.0.1:3000", "http://127.0.0.1:3000", true),
            ("[::1]:3000", "http://[::1]:3000", true),
            ("http://localhost", "http://localhost", true),
            ("http://localhost:3000/", "http://localhost:3000", true),
            ("http://app.localhost:3000/hooks/", "http://app.localhost:3000/hooks", true),
            ("https://localhost:3443/a/b", "https://localhost:3443/a/b", true),
            ("https://example.com", "https://example.com", false),
            ("10.0.0.7:80", "http://10.0.0.7", false),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), shown);
            assert_eq!(target.is_loopback(), loopback, "{text}");
            assert_eq!(shown.parse::<Target>().unwrap(), target);
        }
    }

    #[test]
    fn what_is_no_target_is_told_why() {
        for (text, words) in [
            ("", "host or port"),
            ("0", "between 1 and 65535"),
            ("70000", "between 1 and 65535"),
            ("localhost", "no port"),
            ("ftp://a:1", "neither http nor https"),
            ("http://a:1/x?y=1", "no query"),
            ("http://u@a:1", "user name"),
            ("http://:80", "host or port"),
            ("http://[::1:80", "host or port"),
            ("http://a:x", "host or port"),
            ("a b:1", "space"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("3000"), "{error}");
        }
    }

    #[test]
    fn paths_are_joined_without_changing_a_byte() {
        let plain: Target = "3000".parse().unwrap();
        let based: Target = "http://localhost:3000/base/".parse().unwrap();
        for (app, at_plain, at_based) in [
            ("/", "/", "/base"),
            ("/?q=1", "/?q=1", "/base?q=1"),
            ("/x?a=%2F&a=b+c&&=", "/x?a=%2F&a=b+c&&=", "/base/x?a=%2F&a=b+c&&="),
            ("//x/../y", "//x/../y", "/base//x/../y"),
        ] {
            assert_eq!(plain.path_for(app.as_bytes()), at_plain);
            assert_eq!(based.path_for(app.as_bytes()), at_based);
        }
    }
}

//! Whom a request is from that a proxy brought. `X-Forwarded-For` is written by whoever likes, each proxy adding behind the others whom it saw; so
//! only what proxies say that the operator trusts is believed, from the last one back.

use std::net::{IpAddr, SocketAddr};

use inhaul_core::event::{Head, Peer, PeerSource};
use ipnet::IpNet;

/// The header in which a proxy says whom it saw.
const HEADER: &[u8] = b"x-forwarded-for";

/// The proxies whose word is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Those of these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether an address is that of one.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whom a request is from that one of them brought: the last address that is none of theirs, or the first when all are. `None` when they do not say,
    /// or what they say is no address.
    pub fn sender(&self, head: &Head) -> Option<Peer> {
        let lines = head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(HEADER));
        let mut sender = None;
        for named in lines.rev().flat_map(|header| header.value.rsplit(|&byte| byte == b',')) {
            let address = address(named)?;
            sender = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        sender.map(|address| Peer { address: address.to_string(), source: PeerSource::TrustedProxy })
    }
}

/// An address; some proxies add the port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = text.parse::<IpAddr>().ok().or_else(with_port)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(trusted: &[&str], values: &[&str]) -> Option<String> {
        let proxies = TrustedProxies::new(trusted.iter().map(|network| network.parse().unwrap()).collect());
        let lines: String = values.iter().map(|value| format!("X-Forwarded-for: {value}\r\n")).collect();
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}X-Other: 192.0.2.1\r\n\r\n");
        let peer = proxies.sender(&Head::parse(&bytes.into()).unwrap())?;
        assert_eq!(peer.source, PeerSource::TrustedProxy);
        Some(peer.address)
    }

    #[test]
    fn the_last_address_that_is_no_trusted_proxy_is_the_senders() {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"];
        for (values, expected) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            (&["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
            (&["1.2.3.4, 203.0.113.9,10.0.0.7 , 10.9.9.9"], "203.0.113.9"),
            (&["nonsense, 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
            (&["1.2.3.4", "203.0.113.9, 10.0.0.7", "10.0.0.8"], "203.0.113.9"),
            (&["203.0.113.9:4711"], "203.0.113.9"),
            (&["::ffff:203.0.113.9, ::ffff:10.0.0.7"], "203.0.113.9"),
            (&["2001:db8:2::1, 2001:db8:1::1"], "2001:db8:2::1"),
            (&["[2001:db8:2::1]:443"], "2001:db8:2::1"),
            (&["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ] {
            assert_eq!(sender(&trusted, values).as_deref(), Some(expected), "{values:?}");
        }
    }

    #[test]
    fn what_is_no_address_names_nobody() {
        for values in [&[][..], &[""], &["unknown"], &["203.0.113.9, "], &["203.0.113.9, nonsense, 10.0.0.7"]]
        {
            assert_eq!(sender(&["10.0.0.0/8"], values), None, "{values:?}");
        }
    }

    #[test]
    fn a_proxy_is_known_by_either_form_of_its_address() {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        for (address, is_trusted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("::1", true),
            ("11.0.0.1", false),
            ("::2", false),
        ] {
            assert_eq!(proxies.trusts(address.parse().unwrap()), is_trusted, "{address}");
        }
    }
}

//! The way to a relay through a proxy, as `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in capitals or not.

use std::io;

use http::Uri;
use hyper_util::{
    client::{
        legacy::connect::{HttpConnector, proxy::Tunnel},
        proxy::matcher::Matcher,
    },
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::config::RelayUrl;

/// A connection to a relay: through the proxy that the environment names for it, or straight.
///
/// # Errors
/// When neither the proxy nor the relay takes it, or the proxy is one that speaks something else than HTTP.
pub(super) async fn connect(relay: &RelayUrl) -> io::Result<TcpStream> {
    let proxy = if relay.is_loopback() { None } else { proxy_of(relay) };
    let stream = match proxy {
        Some((proxy, auth)) => {
            let scheme = proxy.scheme_str().unwrap_or_default().to_owned();
            if scheme != "http" {
                let reason =
                    format!("the environment names a proxy of the kind {scheme}://; only http:// is used");
                return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
            }
            let named = format!("{}:{}", proxy.host().unwrap_or_default(), proxy.port_u16().unwrap_or(80));
            let mut tunnel = Tunnel::new(proxy, HttpConnector::new());
            if let Some(auth) = auth {
                tunnel = tunnel.with_auth(auth);
            }
            let failed = |error| io::Error::other(format!("the proxy {named}: {}", with_cause(&error)));
            TokioIo::into_inner(tunnel.call(uri(relay)).await.map_err(failed)?)
        }
        None => TcpStream::connect((relay.host(), relay.port())).await?,
    };
    // Small frames such as STORED must not wait for a full packet.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The proxy for a relay, and how it knows us.
fn proxy_of(relay: &RelayUrl) -> Option<(Uri, Option<http::HeaderValue>)> {
    let named = Matcher::from_env().intercept(&uri(relay))?;
    Some((named.uri().clone(), named.basic_auth().cloned()))
}

fn uri(relay: &RelayUrl) -> Uri {
    let scheme = if relay.is_tls() { "https" } else { "http" };
    let built = Uri::builder().scheme(scheme).authority(relay.authority()).path_and_query("/").build();
    built.expect("the URL was parsed")
}

fn with_cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

//! The provider of the demo: posts events and hears the answers.

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use inhaul_core::event::Header;
use thiserror::Error;
use tokio::net::TcpStream;

/// Why a post was not answered.
#[derive(Debug, Error)]
pub enum SendError {
    /// The address is no URL.
    #[error("{0:?} is no URL to post to")]
    Url(String),
    /// No connection.
    #[error("no connection to the relay: {0}")]
    Connect(#[from] std::io::Error),
    /// No answer.
    #[error("the relay did not answer: {0}")]
    Http(#[from] hyper::Error),
    /// A header that cannot be sent.
    #[error("not a request: {0}")]
    Request(#[from] http::Error),
}

/// Posts JSON and returns the whole answer.
pub(super) async fn post(url: &str, headers: &[Header], body: Bytes) -> Result<Response<Bytes>, SendError> {
    let no_url = || SendError::Url(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| no_url())?;
    let authority = uri.authority().ok_or_else(no_url)?.clone();
    let stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut request = Request::post(path)
        .header(header::HOST, authority.as_str())
        .header(header::USER_AGENT, "CallPayMin-Webhooks/1.0 (demo)")
        .header(header::CONTENT_TYPE, "application/json");
    for header in headers {
        request = request.header(header.name.as_ref(), header.value.as_ref());
    }
    let answer = sender.send_request(request.body(Full::<Bytes>::from(body))?).await?;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    connection.abort();
    Ok(Response::from_parts(parts, body))
}

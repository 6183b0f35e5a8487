//! Posts a webhook as a provider would, and hears the answer.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use inhaul_core::event::Header;
use rustls::ClientConfig;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::forward::{Target, connect};

/// How long a sender waits for the whole answer, as providers do at most.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest body of an answer.
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// Why a post was not answered.
#[derive(Debug, Error)]
pub enum SendError {
    /// No connection.
    #[error("no connection to {url}: {error}")]
    Connect {
        /// Where to.
        url: String,
        /// What the system says.
        error: io::Error,
    },
    /// No answer.
    #[error("{url} did not answer: {error}")]
    Http {
        /// Where to.
        url: String,
        /// Why not.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A header that cannot be sent.
    #[error("not a request: {0}")]
    Request(#[from] http::Error),
    /// It took too long.
    #[error("{url} did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Timeout {
        /// Where to.
        url: String,
    },
}

/// Sends posts.
#[derive(Clone, Default)]
pub struct Sender {
    /// For `https`.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Sender {
    /// Posts a body and returns the whole answer.
    ///
    /// # Errors
    /// When no whole answer comes in time.
    pub async fn post(
        &self,
        target: &Target,
        headers: &[Header],
        body: Bytes,
    ) -> Result<Response<Bytes>, SendError> {
        let url = target.url_for(b"/");
        match timeout(ANSWER_TIMEOUT, self.exchange(target, headers, body)).await {
            Ok(answered) => answered,
            Err(_) => Err(SendError::Timeout { url }),
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        headers: &[Header],
        body: Bytes,
    ) -> Result<Response<Bytes>, SendError> {
        let failed = |error| SendError::Connect { url: target.url_for(b"/"), error };
        let path = String::from_utf8_lossy(&target.path_for(b"/")).into_owned();
        let mut request = Request::post(path).header(header::HOST, target.authority());
        for header in headers {
            request = request.header(header.name.as_ref(), header.value.as_ref());
        }
        let request = request.body(Full::<Bytes>::from(body))?;
        let stream = connect(target).await.map_err(failed)?;
        if !target.is_https() {
            return self.exchange_on(stream, target, request).await;
        }
        let config = self.tls.clone().ok_or_else(|| failed(io::Error::other("TLS is not set up")))?;
        let name = target.host().to_owned().try_into().map_err(|error| failed(io::Error::other(error)))?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(failed)?;
        self.exchange_on(stream, target, request).await
    }

    async fn exchange_on<IO>(
        &self,
        stream: IO,
        target: &Target,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, SendError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| SendError::Http {
            url: target.url_for(b"/"),
            error,
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(error.into()))?;
        let connection = tokio::spawn(connection);
        let answered = async {
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        let answered = answered.await;
        connection.abort();
        answered.map_err(failed)
    }
}

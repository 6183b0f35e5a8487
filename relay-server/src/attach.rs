//! `/_inhaul/attach`: where a client's request becomes a session.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Method, Request, Response, StatusCode,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
        UPGRADE,
    },
};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use inhaul_core::{session::LastByte, wire::SUB_PROTOCOL};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};
use tokio_util::{io::InspectReader, sync::CancellationToken, task::TaskTracker};

use crate::{
    ingest::relay_answer,
    serve::Place,
    session::{self, SessionContext},
};

/// Answers the WebSocket handshake (RFC 6455 §4.2) of a request over HTTP/1.1 and starts the session behind it, which keeps the connection's place.
pub fn attach<B: Send + 'static>(
    mut request: Request<B>,
    context: Arc<SessionContext>,
    sessions: &TaskTracker,
    stop: CancellationToken,
    place: Place,
) -> Response<Full<Bytes>> {
    let key = match handshake_key(&request) {
        Ok(key) => key,
        Err(reason) => return relay_answer(StatusCode::BAD_REQUEST, reason),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    sessions.spawn(async move {
        let upgraded = match upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "a client's connection was not upgraded"),
        };
        let config = Some(session::websocket_config());
        let last_byte = LastByte::new(Instant::now());
        let noted = last_byte.clone();
        let note = move |bytes: &[u8]| {
            if !bytes.is_empty() {
                noted.note(Instant::now());
            }
        };
        let stream = InspectReader::new(TokioIo::new(upgraded), note);
        let socket = WebSocketStream::from_raw_socket(stream, Role::Server, config).await;
        tokio::select! {
            () = session::run(socket, last_byte, context) => {}
            () = stop.cancelled() => {}
        }
        drop(place);
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, http::HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, http::HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, http::HeaderValue::from_static(SUB_PROTOCOL));
    if let Ok(accept) = http::HeaderValue::from_str(&derive_accept_key(&key)) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// The client's key, if the request is a handshake this relay can answer.
fn handshake_key<B>(request: &Request<B>) -> Result<Vec<u8>, &'static str> {
    let headers = request.headers();
    if request.method() != Method::GET
        || !has_token(headers, &CONNECTION, "upgrade")
        || !has_token(headers, &UPGRADE, "websocket")
    {
        return Err("clients of inhaul attach here with a WebSocket: `inhaul listen --relay URL`\n");
    }
    if !has_token(headers, &SEC_WEBSOCKET_VERSION, "13") {
        return Err("the WebSocket version must be 13\n");
    }
    if !has_token(headers, &SEC_WEBSOCKET_PROTOCOL, SUB_PROTOCOL) {
        return Err("the WebSocket sub-protocol must be inhaul.v1\n");
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or("the Sec-WebSocket-Key header is missing\n")?;
    // 16 bytes in base64 (RFC 6455 §4.1).
    if key.len() == 24 {
        Ok(key.as_bytes().to_vec())
    } else {
        Err("the Sec-WebSocket-Key header is malformed\n")
    }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

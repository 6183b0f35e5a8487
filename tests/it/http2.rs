//! A sender that speaks HTTP/2.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::World,
};

#[tokio::test]
async fn a_webhook_over_http2_reaches_the_application_and_is_answered() {
    let world = World::new();
    let relay = world.relay(&[]);
    let url = world.endpoint(&["--answer", "app"]);
    let handler = Handler::start(Reply::text("201 Created", "made"));
    let client = world.listen_at(&relay, &[&handler.target()]);

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(relay.ca_file.as_ref().unwrap()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let Sender { authority, .. } = Sender::new(&url, None);
    let stream = TcpStream::connect(&authority).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));

    let (mut http2, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let body: Vec<u8> = (0..=255).collect();
    let request = Request::post(format!("{url}/two?a=%2F"))
        .header("x-twice", "one")
        .header("x-twice", "two")
        .body(Full::<Bytes>::from(body.clone()))
        .unwrap();
    let answer = http2.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 201);
    let id = answer.headers()["x-inhaul-event-id"].to_str().unwrap().to_owned();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "made");
    connection.abort();

    let got = handler.next();
    assert_eq!(got.request_line(), "POST /two?a=%2F HTTP/1.1");
    assert_eq!(got.body, body);
    let twice: Vec<&str> = got.lines().into_iter().filter(|line| line.starts_with("x-twice")).collect();
    assert_eq!(twice, ["x-twice: one", "x-twice: two"]);
    let shown = world.json(&["show", &id, "--json"]);
    assert_eq!(shown[0]["http_version"], "HTTP/2");
    assert!(client.program.stop().success());
}

//! Connections as senders and clients make them, and as they should not.

use std::{path::PathBuf, pin::Pin};

use futures_util::{Stream, stream};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::{
    hub::Hub,
    metrics::Metrics,
    registry::{AnswerMode, OnAbsent, Registry},
    spool::Spool,
    tls::{TlsMode, server_config},
};

/// How long a test waits for what must happen; far beyond what it takes.
const PATIENCE: Duration = Duration::from_secs(60);

const SHORT: Duration = Duration::from_millis(100);

const FOREVER: Duration = Duration::from_secs(3600);

/// A relay without what watches over it.
struct World {
    server: Arc<Server>,
    address: SocketAddr,
    running: JoinHandle<()>,
    ca_file: Option<PathBuf>,
    _data: TempDir,
}

impl World {
    async fn new(limits: Limits, tls: &TlsMode) -> Self {
        let data = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(&data.path().join("spool")).unwrap();
        let setup = server_config(tls, data.path(), &[]).unwrap();
        let sessions = Arc::new(SessionContext {
            registry: Registry::open(data.path()).unwrap(),
            spool,
            hub: Hub::default(),
            metrics: Arc::new(Metrics::new()),
            public_url: "http://relay.example".into(),
            config: Arc::new(crate::relay::session_config(&limits)),
        });
        let server = Arc::new(Server {
            ingest: Ingest::new(&sessions, limits),
            sessions,
            trusted_proxies: TrustedProxies::default(),
            tls: setup.as_ref().map(|setup| TlsAcceptor::from(Arc::clone(&setup.config))),
            arriving: Arc::default(),
            stop_accepting: CancellationToken::new(),
            stop_now: CancellationToken::new(),
            connections: TaskTracker::new(),
            clients: TaskTracker::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let running = tokio::spawn(run(Arc::clone(&server), listener));
        Self { server, address, running, ca_file: setup.and_then(|setup| setup.ca_file), _data: data }
    }

    async fn plain(limits: Limits) -> Self {
        Self::new(limits, &TlsMode::Off).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn connect_h2(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.ca_file.as_ref().unwrap()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = "127.0.0.1".try_into().unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, self.connect().await).await.unwrap()
    }

    /// The path of a new endpoint.
    fn endpoint(&self) -> String {
        let registry = &self.server.sessions.registry;
        let made = registry.add(&"orders".parse().unwrap(), AnswerMode::Relay, OnAbsent::Accept);
        format!("/in/{}", made.unwrap().0.part)
    }
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("not within {PATIENCE:?}: {what}"),
    }
}

async fn until_closed(mut stream: impl AsyncRead + Unpin) {
    let mut rest = Vec::new();
    // However it ends, it ends.
    let _ = soon("the relay closes the connection", stream.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn a_sender_that_never_reads_its_answers_is_cut_off() {
    let limits = Limits { write_timeout: SHORT, session_silence: SHORT, ..Limits::default() };
    let world = World::plain(limits).await;
    let mut stream = world.connect().await;
    let asking = async { while stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.is_ok() {} };
    soon("the relay closes the connection", asking).await;
}

#[tokio::test]
async fn webhooks_do_not_wait_for_connections_that_say_nothing() {
    let world = World::new(Limits::default(), &TlsMode::SelfSigned).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(world.connect().await);
    }
    // Those before it are accepted by then.
    let _speaking = world.connect_h2().await;
    let waiting = || world.server.arriving.worth_waiting();
    assert_eq!(waiting(), Duration::ZERO);
    for stream in &mut silent {
        stream.write_all(b"\x16").await.unwrap();
    }
    let counted = async {
        while waiting().is_zero() {
            tokio::task::yield_now().await;
        }
    };
    soon("they count", counted).await;
}

#[tokio::test]
async fn a_connection_that_speaks_http2_ends_without_requests() {
    let limits = Limits { head_timeout: SHORT, idle_timeout: SHORT, ..Limits::default() };
    let world = World::new(limits, &TlsMode::SelfSigned).await;
    // Not even a preface.
    until_closed(world.connect_h2().await).await;
    // The preface and settings, and then no answer to anything.
    let mut silent = world.connect_h2().await;
    silent.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    until_closed(silent).await;
    // A request, and nothing behind it.
    let stream = TokioIo::new(world.connect_h2().await);
    let (mut http2, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("https://127.0.0.1/").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(http2.send_request(request).await.unwrap().status(), 200);
    let _ = soon("the relay closes the connection", connection).await.unwrap();
    drop(http2);
}

#[tokio::test]
async fn a_relay_without_room_for_connections_stops_accepting() {
    let limits = Limits { max_connections: 1, body_timeout: FOREVER, ..Limits::default() };
    let world = World::plain(limits).await;
    let path = world.endpoint();
    let mut stream = world.connect().await;
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // The request is on its way, and its body never comes.
    let mut told = [0; 12];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100");
    world.server.stop_accepting.cancel();
    soon("the relay stops accepting", world.running).await.unwrap();
}

#[tokio::test]
async fn a_session_counts_among_the_connections_as_long_as_it_lasts() {
    let world = World::plain(Limits { max_connections: 1, ..Limits::default() }).await;
    let mut session = world.connect().await;
    let attach = format!(
        "GET {ATTACH_PATH} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: inhaul.v1\r\n\r\n"
    );
    session.write_all(attach.as_bytes()).await.unwrap();
    let mut told = [0; 12];
    session.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 101");
    let mut next = world.connect().await;
    next.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    // Only the session's end, by its own deadline at the latest, makes room.
    assert!(timeout(5 * SHORT, next.read_to_string(&mut answer)).await.is_err(), "{answer}");
    drop(session);
    soon("there is room again", next.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// The answer to one request on a connection of its own.
async fn answer(world: &World, request: &[u8]) -> String {
    let mut stream = world.connect().await;
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    soon("an answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn a_body_that_is_announced_and_does_not_come_takes_little_of_what_may_be_in_memory() {
    let limits = Limits { in_flight_bytes: 80_000, body_timeout: FOREVER, ..Limits::default() };
    let world = World::plain(limits).await;
    let path = world.endpoint();
    let mut slow = world.connect().await;
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 79000\r\nExpect: 100-continue\r\n\r\n");
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 12];
    slow.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100");
    let post = |bytes: usize| {
        let body = "x".repeat(bytes);
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n{body}"
        )
    };
    let taken = answer(&world, post(1000).as_bytes()).await;
    assert!(taken.starts_with("HTTP/1.1 200"), "{taken}");
    // What has come counts.
    let refused = answer(&world, post(20_000).as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("in flight"), "{refused}");
}

#[tokio::test]
async fn a_sender_that_writes_a_large_body_before_it_reads_hears_why_it_is_refused() {
    let world = World::plain(Limits { max_body_bytes: 1000, ..Limits::default() }).await;
    let path = world.endpoint();
    let rest = vec![b'x'; 200_000];
    for (head, status) in [
        ("POST /in/none HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n".to_owned(), "404"),
        (format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"), "413"),
        (format!("POST {path} HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 200000\r\n\r\n"), "400"),
        (format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense"), "400"),
    ] {
        let mut stream = world.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        // The answer is there.
        stream.readable().await.unwrap();
        for piece in rest.chunks(5000) {
            stream.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut answer = String::new();
        soon("the answer", stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    // A short body is read to its end, and the connection is kept.
    let mut stream = world.connect().await;
    for _ in 0..2 {
        stream.write_all(b"POST /in/none HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await.unwrap();
        let mut told = [0; 12];
        stream.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 404");
        let mut answer = Vec::new();
        while !answer.ends_with(b"shows the URLs\n") {
            assert_ne!(soon("the rest", stream.read_buf(&mut answer)).await.unwrap(), 0);
        }
    }
}

#[tokio::test]
async fn a_connection_is_kept_for_its_next_request_longer_than_a_head_may_take() {
    let limits = Limits { head_timeout: 5 * SHORT, idle_timeout: FOREVER, ..Limits::default() };
    let world = World::plain(limits).await;
    until_closed(world.connect().await).await;
    let mut stream = world.connect().await;
    let mut ask = async || {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"--relay URL`.\n") {
            assert_ne!(soon("the answer", stream.read_buf(&mut answer)).await.unwrap(), 0);
        }
    };
    ask().await;
    tokio::time::sleep(8 * SHORT).await;
    ask().await;
    // A head that is begun has its own time.
    stream.write_all(b"GET / HT").await.unwrap();
    until_closed(stream).await;
    let world = World::plain(Limits { idle_timeout: SHORT, ..Limits::default() }).await;
    let mut stream = world.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    until_closed(stream).await;
}

#[tokio::test]
async fn heads_over_http2_are_checked_and_the_answer_to_head_has_no_body() {
    let limits = Limits { max_headers: 5, max_target_bytes: 50, ..Limits::default() };
    let world = World::new(limits, &TlsMode::SelfSigned).await;
    let stream = TokioIo::new(world.connect_h2().await);
    let (mut http2, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let get = |path: &str| Request::get(format!("https://127.0.0.1{path}"));
    let many = (0..6).fold(get("/"), |request, number| request.header(format!("x-{number}"), "1"));
    let head = get("/").method("HEAD");
    for (request, status) in [
        (get("/").header("host", "127.0.0.1"), 200),
        (get("/").header("host", "other"), 400),
        (get("/").header("host", "127.0.0.1").header("host", "127.0.0.1"), 400),
        (get(&format!("/{}", "x".repeat(60))), 414),
        (many, 431),
        (head, 200),
    ] {
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let is_head = request.method() == "HEAD";
        let shown = format!("{request:?}");
        let answer = http2.send_request(request).await.unwrap();
        assert_eq!(answer.status(), status, "{shown}");
        if is_head {
            assert!(hyper::body::Body::is_end_stream(answer.body()), "no DATA comes");
            assert_ne!(answer.headers()["content-length"], "0");
        }
    }
    connection.abort();
}

/// A body that is sent piece by piece, and what the pieces are given to. That is closed when nobody wants more of them.
type PiecesSent = StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>>;

fn body_in_pieces() -> (mpsc::Sender<Bytes>, PiecesSent) {
    let (sender, pieces) = mpsc::channel(1);
    let frames = stream::unfold(pieces, async |mut pieces: mpsc::Receiver<Bytes>| {
        let piece = pieces.recv().await?;
        Some((Ok(Frame::data(piece)), pieces))
    });
    (sender, StreamBody::new(Box::pin(frames)))
}

#[tokio::test]
async fn a_sender_over_http2_hears_why_it_is_refused_and_may_send_the_rest() {
    let limits = Limits { max_body_bytes: 1000, refused_timeout: FOREVER, ..Limits::default() };
    let world = World::new(limits, &TlsMode::SelfSigned).await;
    let endpoint = world.endpoint();
    let stream = TokioIo::new(world.connect_h2().await);
    let (mut http2, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut post = |path: &str| {
        let (sender, body) = body_in_pieces();
        let request = Request::post(format!("https://127.0.0.1{path}")).body(body).unwrap();
        (sender, tokio::spawn(http2.send_request(request)))
    };
    let (short, long) = (Bytes::from("short"), Bytes::from(vec![b'x'; 2 * raw_heads::MOST_BYTES]));
    for (path, piece, status, says) in [
        ("/in/none", &short, 404, "no such endpoint"),
        ("/none", &short, 404, "nothing here"),
        ("/in/none", &long, 404, "no such endpoint"),
        (&*endpoint, &long, 413, "max_body_bytes"),
    ] {
        let (sender, answer) = post(path);
        sender.send(piece.clone()).await.unwrap();
        let answer = if *piece == long {
            // It comes before the end of so long a body.
            Ok(soon("the answer", answer).await)
        } else {
            // An answer would have come before that to another request.
            let (nothing, other) = post("/");
            drop(nothing);
            assert_eq!(soon("the other answer", other).await.unwrap().unwrap().status(), 200);
            Err(answer)
        };
        let send_on = async || sender.send(piece.clone()).await.is_ok() && sender.reserve().await.is_ok();
        assert!(soon("the rest is sent", send_on()).await, "{path}: the rest is wanted");
        drop(sender);
        let answer = match answer {
            Ok(answer) => answer,
            Err(answer) => soon("the answer", answer).await,
        };
        let answer = answer.unwrap().unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(std::str::from_utf8(&text).unwrap().contains(says), "{path}: {text:?}");
    }
    connection.abort();
}

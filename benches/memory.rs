//! What connected clients cost a relay in memory, while nothing happens and while they do not take what waits for them.
//!
//! `cargo bench --bench memory`. The clients speak the session protocol from this process, each on an endpoint of its own.

use std::{fs, net::SocketAddr, path::Path, process::Command, thread, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use inhaul_core::{
    event::{Event, EventId, Peer, PeerSource, UnixMillis},
    wire::{ATTACH_PATH, Credit, Frame, Hello, HelloEndpoint, PROTOCOL_VERSION, SUB_PROTOCOL},
};
use inhaul_relay::{
    registry::AnswerMode,
    session::websocket_config,
    spool::{BacklogLimits, Spool},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Runtime,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest, http::header::SEC_WEBSOCKET_PROTOCOL},
};
use uuid::Uuid;

mod support {
    pub(crate) mod figures;
    pub(crate) mod relay;
    pub(crate) mod resident;
    pub(crate) mod scratch;
    pub(crate) mod trusting;
}

use support::{
    figures::print,
    relay::{Relay, add_endpoint},
    resident::resident,
    scratch::scratch,
    trusting::trusting,
};

const ROUNDS: usize = 3;

/// Clients from which and up to which memory is compared, so that what a relay needs anyhow does not count.
const FEW: usize = 200;
const MANY: usize = 2000;

/// Clients that stop reading, and what waits for each of them: 64 MiB.
const STALLED: usize = 4;
const WAITING_EVENTS: usize = 1024;
const WAITING_BYTES: usize = 64 * 1024;

/// How long memory is watched for what stalled clients make it.
const WATCHED: Duration = Duration::from_secs(4);

type Socket = WebSocketStream<Box<dyn Stream>>;

/// A connection, plain or TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

fn main() {
    allow_files(2 * MANY as u64);
    println!("\nresident memory of the relay for each idle client, from {FEW} to {MANY} clients");
    for (name, tls, goal) in [("plain", false, "≤ 10"), ("TLS", true, "≤ 20")] {
        let rounds = (0..ROUNDS).map(|_| idle(tls)).collect();
        print(&format!("  {name}: KiB a client"), rounds, goal);
    }
    let waiting = (WAITING_EVENTS * WAITING_BYTES) >> 20;
    println!("\nhow much it grows for a client that stops reading while {waiting} MiB wait for it");
    for (name, tls) in [("plain", false), ("TLS", true)] {
        let rounds = (0..ROUNDS).map(|_| stalled(tls)).collect();
        print(&format!("  {name}: MiB a client"), rounds, "≤ 8");
    }
}

/// Each client is a file in this process and one in the relay's.
fn allow_files(files: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let enough = current.is_none_or(|current| current >= files);
    if !enough {
        let more = Rlimit { current: maximum.map(|maximum| maximum.min(files)), maximum };
        setrlimit(Resource::Nofile, more)
            .expect("as many open files as there are clients; `ulimit -Hn` says how many may be");
    }
}

fn idle(tls: bool) -> f64 {
    let directory = scratch();
    let token = add_endpoints(directory.path(), MANY);
    let relay = Relay::start(program(), directory.path(), tls);
    let runtime = Runtime::new().expect("a runtime");
    let tls = relay.ca_file.as_deref().map(trusting);
    let mut clients = JoinSet::new();
    let mut attach_up_to = |count: usize| {
        runtime.block_on(async {
            while clients.len() < count {
                let socket =
                    attached(relay.address, tls.as_ref(), &endpoint_name(clients.len()), &token).await;
                clients.spawn(stay(socket));
            }
        });
        settled(relay.pid())
    };
    let few = attach_up_to(FEW);
    let many = attach_up_to(MANY);
    let connected = runtime.block_on(async { clients.try_join_next().is_none() });
    assert!(connected, "every client is connected to the end");
    (many as f64 - few as f64) / (MANY - FEW) as f64 / 1024.0
}

fn stalled(tls: bool) -> f64 {
    let directory = scratch();
    let token = add_endpoints(directory.path(), STALLED);
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(fill(directory.path()));
    let relay = Relay::start(program(), directory.path(), tls);
    let before = settled(relay.pid());
    let tls = relay.ca_file.as_deref().map(trusting);
    let mut sockets = Vec::new();
    runtime.block_on(async {
        for number in 0..STALLED {
            sockets.push(attached(relay.address, tls.as_ref(), &endpoint_name(number), &token).await);
        }
    });
    let step = Duration::from_millis(50);
    let mut most = before;
    for _ in 0..WATCHED.as_millis() / step.as_millis() {
        thread::sleep(step);
        most = most.max(resident(relay.pid()));
    }
    drop(sockets);
    (most - before) as f64 / STALLED as f64 / f64::from(1 << 20)
}

/// The resident memory once it stays as it is.
fn settled(pid: u32) -> u64 {
    let (mut before, mut now) = (0, resident(pid));
    for _ in 0..20 {
        if before == now {
            break;
        }
        thread::sleep(Duration::from_millis(400));
        before = std::mem::replace(&mut now, resident(pid));
    }
    now
}

fn endpoint_name(number: usize) -> String {
    if number == 0 { "orders".to_owned() } else { format!("orders-{number}") }
}

/// Makes endpoints that share a token, which is returned: the first is made by the relay's own code, the others are its copies.
fn add_endpoints(data: &Path, count: usize) -> String {
    let (_, token) = add_endpoint(data, AnswerMode::Relay);
    let file = data.join("endpoints.json");
    let text = fs::read(&file).expect("the endpoints' file");
    let mut stored: serde_json::Value = serde_json::from_slice(&text).expect("the endpoints' file is JSON");
    let endpoints = stored["endpoints"].as_array_mut().expect("a list");
    for number in 1..count {
        let mut endpoint = endpoints[0].clone();
        endpoint["name"] = endpoint_name(number).into();
        endpoint["part"] = format!("{}-0123456789abcdef", endpoint_name(number)).into();
        endpoints.push(endpoint);
    }
    fs::write(&file, serde_json::to_vec(&stored).expect("it is JSON")).expect("the endpoints' file");
    token
}

/// Fills the spool a relay will open.
async fn fill(data: &Path) {
    let (spool, _) = Spool::open(&data.join("spool")).expect("a spool");
    let body = Bytes::from(vec![b'x'; WAITING_BYTES]);
    let digest = Event::digest(&body);
    for number in 0..STALLED * WAITING_EVENTS {
        let event = Event {
            id: EventId(Uuid::now_v7()),
            endpoint: endpoint_name(number % STALLED).parse().expect("a name"),
            received_at: UnixMillis(1),
            peer: Peer { address: "203.0.113.9:1".to_owned(), source: PeerSource::Socket },
            prefix_bytes: 10,
            head: Bytes::from_static(b"POST /in/orders HTTP/1.1\r\nHost: relay.example\r\n\r\n"),
            body_sha256: digest,
            body: body.clone(),
        };
        let limits = BacklogLimits { events: u64::MAX, bytes: u64::MAX };
        spool.append(&event, false, limits).await.expect("it is stored");
    }
    spool.close().expect("the spool closes");
}

/// A client that has been welcomed and takes whatever comes.
async fn attached(address: SocketAddr, tls: Option<&TlsConnector>, endpoint: &str, token: &str) -> Socket {
    let stream = TcpStream::connect(address).await.expect("the relay listens");
    let stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(tls) => {
            let name = ServerName::IpAddress(address.ip().into());
            Box::new(tls.connect(name, stream).await.expect("the relay speaks TLS"))
        }
    };
    let mut request = format!("ws://{address}{ATTACH_PATH}").into_client_request().expect("a request");
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, SUB_PROTOCOL.parse().expect("a header's value"));
    let config = Some(websocket_config());
    let (mut socket, _) =
        client_async_with_config(request, stream, config).await.expect("the relay upgrades");
    let name = endpoint.parse().expect("a name");
    let hello = Hello {
        versions: vec![PROTOCOL_VERSION],
        software: "bench".to_owned(),
        client_id: Uuid::now_v7(),
        endpoints: vec![HelloEndpoint { name, token: token.to_owned(), resume: None, sharing: None }],
    };
    say(&mut socket, &Frame::Hello(hello)).await;
    let welcome = heard(&mut socket).await;
    assert!(matches!(welcome, Some(Frame::Welcome(_))), "{welcome:?}");
    say(&mut socket, &Frame::Credit(Credit { events: 1 << 40, bytes: 1 << 40 })).await;
    socket
}

/// Stays connected as long as the relay wants.
async fn stay(mut socket: Socket) {
    while let Some(frame) = heard(&mut socket).await {
        if let Frame::Ping(echo) = frame {
            say(&mut socket, &Frame::Pong(echo)).await;
        }
    }
}

async fn say(socket: &mut Socket, frame: &Frame) {
    socket.send(Message::Binary(frame.encode())).await.expect("the relay reads");
}

/// The next frame, or nothing when the session is over.
async fn heard(socket: &mut Socket) -> Option<Frame> {
    loop {
        match socket.next().await?.ok()? {
            Message::Binary(bytes) => {
                if let Some(frame) = Frame::decode(bytes).expect("a frame") {
                    return Some(frame);
                }
            }
            Message::Close(_) => return None,
            Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_inhaul-relay"))
}

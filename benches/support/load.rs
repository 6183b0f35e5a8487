//! Senders in a closed loop: each connection sends its next request when it has the answer to the one before.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

/// How long a server is warmed up before it is measured.
const WARM_UP: Duration = Duration::from_millis(700);

/// How long one measurement takes.
const MEASURED: Duration = Duration::from_secs(2);

/// Most time for one request; a server that takes longer is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a measurement found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Answers a second.
    pub(crate) per_second: f64,
    /// Microseconds from the first byte of a request to the last of its answer; connecting included when each has its own.
    pub(crate) p50: f64,
    /// As `p50`, which one in a hundred exceeds.
    pub(crate) p99: f64,
    /// Answers in all, those of the warm-up included.
    pub(crate) answers: u64,
}

/// Who sends what.
#[derive(Clone)]
pub(crate) struct Load {
    /// The server.
    pub(crate) address: SocketAddr,
    /// Whole requests are these bytes.
    pub(crate) request: Arc<[u8]>,
    /// How many at once.
    pub(crate) connections: usize,
    /// A connection for each request.
    pub(crate) connect_each: bool,
    /// TLS, when spoken.
    pub(crate) tls: Option<TlsConnector>,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    micros: Vec<u32>,
    warm_up: u64,
}

impl Load {
    /// Sends until the time is over, on one thread of its own.
    pub(crate) fn measure(&self) -> Figures {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime for the senders").block_on(self.send())
    }

    async fn send(&self) -> Figures {
        let from = Instant::now() + WARM_UP;
        let until = from + MEASURED;
        let mut senders = JoinSet::new();
        for _ in 0..self.connections {
            let load = self.clone();
            senders.spawn(async move { load.one_after_another(from, until).await });
        }
        let mut all = Seen::default();
        while let Some(seen) = senders.join_next().await {
            let seen = seen.expect("a sender ends").expect("the server answers 200 to everything");
            all.micros.extend(seen.micros);
            all.warm_up += seen.warm_up;
        }
        all.micros.sort_unstable();
        let at = |share: usize| f64::from(all.micros[(all.micros.len() - 1) * share / 100]);
        Figures {
            per_second: all.micros.len() as f64 / MEASURED.as_secs_f64(),
            p50: at(50),
            p99: at(99),
            answers: all.micros.len() as u64 + all.warm_up,
        }
    }

    async fn one_after_another(&self, from: Instant, until: Instant) -> io::Result<Seen> {
        let mut seen = Seen::default();
        let mut connection = None;
        loop {
            let began = Instant::now();
            if began >= until {
                return Ok(seen);
            }
            let exchange = async {
                let mut stream = match connection.take() {
                    Some(stream) => stream,
                    None => self.connect().await?,
                };
                self.exchange(&mut stream).await?;
                io::Result::Ok(stream)
            };
            let stream = tokio::time::timeout(PATIENCE, exchange).await??;
            if began >= from {
                seen.micros.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
            } else {
                seen.warm_up += 1;
            }
            if !self.connect_each {
                connection = Some(stream);
            }
        }
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::IpAddress(self.address.ip().into());
        Ok(Box::new(tls.connect(name, stream).await?))
    }

    /// Sends the request and reads the whole answer, which must be a 200 with a length.
    async fn exchange(&self, stream: &mut Box<dyn Stream>) -> io::Result<()> {
        stream.write_all(&self.request).await?;
        stream.flush().await?;
        let mut answer = [0; 2048];
        let mut len = 0;
        loop {
            let read = stream.read(&mut answer[len..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            len += read;
            if whole(&answer[..len])? {
                return Ok(());
            }
        }
    }
}

/// A connection of either kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Whether these bytes are a whole answer.
fn whole(answer: &[u8]) -> io::Result<bool> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = head.parse(answer).map_err(io::Error::other)? else {
        return Ok(false);
    };
    if head.code != Some(200) {
        return Err(io::Error::other(String::from_utf8_lossy(answer).into_owned()));
    }
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    let length = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
    Ok(answer.len() >= head_bytes + length)
}

/// A webhook with a body of `body_bytes`, as a sender would write it.
pub(crate) fn webhook(path: &str, address: SocketAddr, body_bytes: usize) -> Arc<[u8]> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: sender/1.0\r\nAccept: */*\r\nContent-Type: application/json\r\n\
         Webhook-Id: msg_2f1c7a\r\nWebhook-Timestamp: 1760000000\r\nWebhook-Signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=\r\n\
         Content-Length: {body_bytes}\r\n\r\n"
    )
    .into_bytes();
    let open = b"{\"type\":\"invoice.paid\",\"data\":\"";
    let close = b"\"}";
    request.extend_from_slice(open);
    request.extend((0..body_bytes - open.len() - close.len()).map(|at| b"0123456789abcdef"[at * 7 % 16]));
    request.extend_from_slice(close);
    request.into()
}

//! A server of hyper's that reads bodies and answers 200: what remains of a relay without its work. It runs in a process of its own,
//! which is this program started again.

use std::{
    io::{BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use inhaul_relay::tls::{TlsMode, server_config};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// The argument that makes a bench program this server; the directory of its certificate follows, or nothing.
const ARGUMENT: &str = "bare-server";

/// The server's process; it goes when this is dropped.
pub(crate) struct Bare {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Bare {
    /// Starts one. With a directory it speaks TLS, with the certificate a relay would make there.
    pub(crate) fn start(tls: Option<&Path>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg(ARGUMENT).args(tls).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program starts again");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        Self { child, address: line.trim().parse().expect("an address") }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the server, if this process was started to be it; returns when the process that started it is gone.
pub(crate) fn serve_if_asked() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|argument| argument != ARGUMENT) {
        return false;
    }
    let directory = arguments.next();
    let tls = directory.and_then(|directory| {
        let names = [Ipv4Addr::LOCALHOST.to_string()];
        server_config(&TlsMode::SelfSigned, Path::new(&directory), &names).expect("a certificate")
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.spawn(serve(tls.map(|tls| TlsAcceptor::from(tls.config))));
    // The end of this stream is the end of the bench.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    runtime.shutdown_background();
    true
}

async fn serve(tls: Option<TlsAcceptor>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    println!("{}", listener.local_addr().expect("its address"));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("an open connection");
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                None => answer_all(stream).await,
                Some(tls) => {
                    // A sender that goes away while it connects is counted by the bench.
                    if let Ok(stream) = tls.accept(stream).await {
                        answer_all(stream).await;
                    }
                }
            }
        });
    }
}

async fn answer_all<IO: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: IO) {
    let service = service_fn(|request: Request<Incoming>| async move {
        request.into_body().collect().await?;
        Ok::<_, hyper::Error>(Response::new(Full::<Bytes>::from("read\n")))
    });
    // A sender that goes away is counted by the bench.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

//! A spool with a million events that no client has fetched, left by a process that was killed.

use std::{
    io::Read,
    path::Path,
    process::{Command, Stdio},
};

use bytes::Bytes;
use inhaul_core::event::{Event, EventId, Peer, PeerSource, UnixMillis};
use inhaul_relay::spool::{BacklogLimits, Spool};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Events in the spool.
pub(crate) const PENDING: u64 = 1_000_000;

/// The argument that makes a bench program fill a spool and wait to be killed; the directory follows.
const ARGUMENT: &str = "fill";

const PAYLOAD_BYTES: usize = 1024;

/// Appends under way at one time.
const AT_ONCE: usize = 1024;

/// Fills a spool in another process and kills that when everything is stored.
pub(crate) fn fill_and_kill(directory: &Path) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg(ARGUMENT).arg(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("this program starts again");
    let mut said = [0];
    let stored = child.stdout.take().expect("it is piped").read_exact(&mut said);
    child.kill().expect("it waits to be killed");
    child.wait().expect("it ends");
    stored.expect("it says that everything is stored");
}

/// Fills a spool, if this process was started to do it; returns when the process that started it is gone.
pub(crate) fn fill_if_asked() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [fill, directory] if fill == ARGUMENT => {
            fill_and_wait(Path::new(directory));
            true
        }
        _ => false,
    }
}

fn fill_and_wait(directory: &Path) {
    let (spool, _) = Spool::open(directory).expect("a spool");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let body = Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
        let digest = Event::digest(&body);
        let mut appends = JoinSet::new();
        for number in 0..PENDING {
            if appends.len() >= AT_ONCE {
                appends.join_next().await.expect("one is under way").expect("it ends");
            }
            let event = Event {
                id: EventId(Uuid::now_v7()),
                endpoint: "orders".parse().expect("a name"),
                received_at: UnixMillis(number),
                peer: Peer { address: "203.0.113.9:1".to_owned(), source: PeerSource::Socket },
                prefix_bytes: 10,
                head: Bytes::from_static(b"POST /in/orders HTTP/1.1\r\nHost: relay.example\r\n\r\n"),
                body_sha256: digest,
                body: body.clone(),
            };
            let spool = spool.clone();
            appends.spawn(async move {
                let limits = BacklogLimits { events: u64::MAX, bytes: u64::MAX };
                spool.append(&event, false, limits).await.expect("it is stored");
            });
        }
        while appends.join_next().await.is_some() {}
    });
    println!("stored");
    // The end of this stream is the end of the bench, should it not come to kill this process.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

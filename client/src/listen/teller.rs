//! What the session says, told to whoever watches.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ready_file::ReadyFile;
use crate::{
    cli::CatchUp,
    commands::Failure,
    control::Reach,
    live::Live,
    output::{Ready, count_text, time_text},
    session::SessionNews,
};

/// Tells what the session says.
pub(super) struct Teller {
    pub(super) ready_file: Option<ReadyFile>,
    pub(super) ready: Ready,
    /// Where other commands find the endpoint's URL.
    pub(super) reach: Arc<OnceLock<Reach>>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) catch_up: CatchUp,
    pub(super) live: mpsc::Sender<Live>,
    /// When the client stops, nothing is ready any more.
    pub(super) stop: CancellationToken,
}

impl Teller {
    pub(super) async fn run(mut self, mut news: mpsc::Receiver<SessionNews>) -> Result<(), Failure> {
        let mut told = false;
        loop {
            let news = tokio::select! {
                biased;
                () = self.stop.cancelled(), if self.ready_file.is_some() => {
                    self.ready_file = None;
                    continue;
                }
                news = news.recv() => news,
            };
            let Some(news) = news else { return Ok(()) };
            let live = match news {
                SessionNews::State(state) => Live::Connection(state),
                SessionNews::Notice(text) => Live::Notice(text),
                SessionNews::Late { events, oldest } => Live::Notice(self.late_text(events, oldest)),
                SessionNews::Opened(_) if told => continue,
                SessionNews::Opened(welcome) => {
                    told = true;
                    if let Some(endpoint) = welcome.endpoints.into_iter().next() {
                        self.ready.endpoint_url = endpoint.url;
                    }
                    // It is told once.
                    let _ = self.reach.set(Reach {
                        endpoint_url: self.ready.endpoint_url.clone(),
                        ca_file: self.ca_file.clone(),
                    });
                    let live = Live::Ready(Box::new(self.ready.clone()));
                    // Nobody watches any more; whoever waits for the file still does.
                    let _ = self.live.send(live).await;
                    if let Some(file) = &self.ready_file {
                        file.write(&self.ready, self.ca_file.as_deref())?;
                    }
                    continue;
                }
            };
            let _ = self.live.send(live).await;
        }
    }

    fn late_text(&self, events: u64, oldest: Duration) -> String {
        let what = match self.catch_up {
            CatchUp::Deliver => "they are forwarded now",
            CatchUp::Store => "they are stored and not forwarded; `inhaul replay` sends one",
            CatchUp::Ask => {
                "they are held: `inhaul release --all` forwards them, `inhaul release --all --drop` does not"
            }
        };
        let oldest = time_text(oldest);
        let events = count_text(events, "event");
        format!("{events} came while this client was away, the first {oldest} ago; {what}")
    }
}

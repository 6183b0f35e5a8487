//! The inspector.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{control::ReplayRequest, history::History, live::Live, output::Color};

/// What the inspector needs.
pub struct Inspector {
    /// Every event stored.
    pub history: History,
    /// What happens.
    pub live: mpsc::Receiver<Live>,
    /// Takes what is to be sent again.
    pub replays: mpsc::Sender<ReplayRequest>,
    /// Whether the terminal takes colours.
    pub color: Color,
}

/// Why the inspector ended.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// The terminal.
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[from] std::io::Error),
}

/// Shows events until the user quits, `stop` is cancelled, or `live` ends.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn run(mut inspector: Inspector, stop: CancellationToken) -> Result<(), TuiError> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            live = inspector.live.recv() => if live.is_none() { return Ok(()) },
        }
    }
}

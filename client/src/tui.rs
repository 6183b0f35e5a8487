//! The inspector: events on the whole terminal, with keys.
//!
//! ```text
//!  message   what reaches it, and what it wants done
//!  state     everything the screen shows
//!  update    what becomes of the state, without I/O and clock
//!  view      the screen as a picture of the state
//!  keys      every key, in one table
//!  marks     which events something is to be done with
//!  theme     styles by meaning
//!  terminal  taken and given back
//! ```

use std::{
    io,
    time::{Duration, Instant},
};

use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind};
use futures_util::StreamExt;
use inhaul_core::{event::EventId, filter::Filter};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::{
    message::{Effect, Message},
    state::State,
    terminal::Screen,
    theme::Theme,
    update::update,
    view::view,
};
use crate::{
    clock, control::ReplayRequest, filtering::Filtered, history::History, live::Live, output::Color,
};

mod keys;
mod marks;
mod message;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod update;
mod view;

/// Rows read from the history at once.
const PAGE_ROWS: usize = 500;

/// Most things taken in before the screen is drawn again.
const BATCH: usize = 4096;

/// Shortest time between two pictures: 60 a second are more than anybody sees.
const FRAME: Duration = Duration::from_millis(16);

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
#[derive(Debug, Error)]
pub enum TuiError {
    /// The terminal.
    #[error("the terminal cannot be used: {0}; `--output lines` needs none")]
    Terminal(#[from] io::Error),
}

/// Shows events until the user quits, `stop` is cancelled, or `live` ends. The terminal is as before when it returns.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn run(inspector: Inspector, stop: CancellationToken) -> Result<(), TuiError> {
    let Inspector { history, mut live, replays, color } = inspector;
    let mut screen = Screen::take()?;
    let (results_sender, mut results) = mpsc::channel(64);
    let errands = Errands { history, replays, results: results_sender };
    let size = screen.terminal.size()?;
    let mut state = State::new(size.width, size.height, Theme::new(color));
    let mut keys = EventStream::new();
    errands.go(Effect::LoadRows(None));
    loop {
        let drawn = Instant::now();
        screen.terminal.draw(|frame| view(&state, frame))?;
        let first = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            key = keys.next() => match key {
                Some(event) => terminal_message(&event?),
                None => return Ok(()),
            },
            happened = live.recv() => match happened {
                Some(happened) => Some(Message::Live(happened)),
                None => return Ok(()),
            },
            Some(result) = results.recv() => Some(result),
        };
        let is_key = matches!(first, Some(Message::Key(_)));
        let mut messages: Vec<Message> = vec![Message::Time(clock::now())];
        messages.extend(first);
        if !is_key {
            // What comes in a burst is drawn once.
            tokio::time::sleep_until((drawn + FRAME).into()).await;
            while messages.len() < BATCH
                && let Ok(happened) = live.try_recv()
            {
                messages.push(Message::Live(happened));
            }
        }
        for effect in update(&mut state, messages) {
            if effect == Effect::Quit {
                return Ok(());
            }
            errands.go(effect);
        }
    }
}

/// What a terminal's event means for the inspector, if anything.
fn terminal_message(event: &TerminalEvent) -> Option<Message> {
    match event {
        TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => Some(Message::Key(*key)),
        TerminalEvent::Resize(width, height) => Some(Message::Resize(*width, *height)),
        TerminalEvent::Key(_)
        | TerminalEvent::FocusGained
        | TerminalEvent::FocusLost
        | TerminalEvent::Mouse(_)
        | TerminalEvent::Paste(_) => None,
    }
}

/// Does what is to be done outside, and brings back what came of it.
struct Errands {
    history: History,
    replays: mpsc::Sender<ReplayRequest>,
    results: mpsc::Sender<Message>,
}

impl Errands {
    /// Sets out; what comes of it is a message. Nobody waits for it when the inspector has ended.
    fn go(&self, effect: Effect) {
        let (history, replays, results) = (self.history.clone(), self.replays.clone(), self.results.clone());
        tokio::spawn(async move {
            let message = match effect {
                Effect::LoadRows(before) => match history.rows(before, PAGE_ROWS).await {
                    Ok(rows) => Message::Rows { whole: rows.len() < PAGE_ROWS, rows },
                    Err(error) => {
                        let text = format!("older events cannot be read: {error}");
                        let _ = results.send(Message::Live(Live::Notice(text))).await;
                        Message::Rows { rows: Vec::new(), whole: true }
                    }
                },
                Effect::Load(id) => Message::Loaded(
                    id,
                    match history.event(id).await {
                        Ok(Some((event, _))) => Ok(Box::new(event)),
                        Ok(None) => Err(format!("event {id} is gone")),
                        Err(error) => Err(error.to_string()),
                    },
                ),
                Effect::Replay(id, signing) => {
                    let (answer, answered) = oneshot::channel();
                    let stopping = || Err("the client is stopping".to_owned());
                    let result = match replays.send(ReplayRequest { id, to: None, signing, answer }).await {
                        Ok(()) => answered.await.unwrap_or_else(|_| stopping()),
                        Err(_) => stopping(),
                    };
                    Message::Replayed(result)
                }
                Effect::Judge(number, filter, ids) => {
                    Message::Judged(number, judge(&history, &filter, ids).await)
                }
                Effect::Quit => return,
            };
            let _ = results.send(message).await;
        });
    }
}

/// Whether events pass a filter, by all there is of them. One that cannot be read does not.
async fn judge(history: &History, filter: &Filter, ids: Vec<EventId>) -> Vec<(EventId, bool)> {
    let now = clock::now();
    let mut verdicts = Vec::new();
    for id in ids {
        let passes = match history.event(id).await {
            Ok(Some((event, row))) => filter.test(&Filtered::whole(&row, &event, now)),
            Ok(None) | Err(_) => None,
        };
        verdicts.push((id, passes.unwrap_or(false)));
    }
    verdicts
}

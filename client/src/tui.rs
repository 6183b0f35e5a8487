//! The inspector: events on the whole terminal, with keys.
//!
//! ```text
//!  message   what reaches it, and what it wants done
//!  state     everything the screen shows
//!  update    what becomes of the state, without I/O and clock
//!  view      the screen as a picture of the state
//!  content   an event taken apart, and tree its JSON
//!  events    the list in memory, and the rows on the screen
//!  exchange  events copied, saved and compared; clipboard is where copies go
//!  traffic   what came when
//!  keys      every key, in one table
//!  marks     which events something is to be done with
//!  theme     styles by meaning
//!  terminal  taken and given back
//!  offscreen the same without a terminal, for what measures it
//! ```

use std::{
    collections::HashMap,
    fmt::Write as _,
    io,
    time::{Duration, Instant},
};

use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind};
use futures_util::StreamExt;
use inhaul_core::{
    event::{Event, EventId},
    filter::Filter,
    signature::Catalogue,
};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use rustix::process::{Signal, getpid, kill_process};
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use self::{
    content::Opened,
    exchange::Exchange,
    message::{Effect, Message},
    state::{Layout, Look, State, Thread, Times},
    terminal::Screen,
    theme::Theme,
    update::update,
    view::view,
};
use crate::{
    annotation::Annotation,
    clock,
    config::{save_filters, saved_filters},
    control::ReplayRequest,
    filtering::Filtered,
    history::{History, Relation},
    listen::Shown,
    live::Live,
    output::{Color, write_stdout},
    thread::{THREAD_EVENTS_MAX, thread},
};

mod clipboard;
mod content;
mod events;
mod exchange;
pub mod keys;
mod marks;
mod message;
mod offscreen;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod traffic;
mod tree;
mod update;
mod view;

pub use keys::{Keymap, KeysError};
pub use offscreen::OffScreen;
pub use theme::Palette;

/// Rows read from the history at once.
const PAGE_ROWS: usize = 1000;

/// Most things taken in before the screen is drawn again.
const BATCH: usize = 4096;

/// Shortest time between two pictures: 60 a second are more than anybody sees.
const FRAME: Duration = Duration::from_millis(16);

/// How often ages and rates are drawn anew when nothing happens.
const TICK: Duration = Duration::from_secs(1);

/// Results of errands that were not taken in yet; errands wait when there are as many.
const RESULTS: usize = 64;

/// Share of the width that the list has at first, in percent.
const LIST_PERCENT: u16 = 55;

/// How the inspector looks, and which keys it has.
#[derive(Clone, Debug)]
pub struct Ui {
    /// The colours.
    pub palette: Palette,
    /// Draw nothing but ASCII.
    pub ascii: bool,
    /// Take the mouse.
    pub mouse: bool,
    /// The keys.
    pub keymap: Keymap,
}

impl Default for Ui {
    fn default() -> Self {
        Self { palette: Palette::default(), ascii: false, mouse: true, keymap: Keymap::default() }
    }
}

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
    /// What it is told of the client.
    pub shown: Shown,
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
    let Inspector { history, mut live, replays, color, shown } = inspector;
    let mut screen = Screen::take(shown.ui.mouse)?;
    let mut state = State {
        options: shown.options.clone(),
        saved: shown.filters.clone(),
        ..state(&screen, shown.ui.clone(), color)?
    };
    let (errands, mut results) = Errands::new(history, replays, shown);
    let mut keys = EventStream::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    errands.go(Effect::LoadRows(None));
    // What happens while the terminal takes nothing is drawn once it does.
    let mut is_shown = false;
    loop {
        let drawn = Instant::now();
        if !is_shown && screen.is_drawn() {
            screen.draw(|frame| view(&state, frame))?;
            is_shown = true;
        }
        let first = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            key = keys.next() => match key {
                Some(event) => terminal_message(event?),
                None => return Ok(()),
            },
            happened = live.recv() => match happened {
                Some(happened) => Some(Message::Live(happened)),
                None => return Ok(()),
            },
            Some(result) = results.recv() => Some(result),
            _ = ticks.tick() => None,
            () = screen.drawn(), if !is_shown => continue,
        };
        let is_key = matches!(first, Some(Message::Key(_) | Message::Mouse(_)));
        let mut messages: Vec<Message> = vec![Message::Time(clock::now())];
        messages.extend(first);
        if !is_key {
            // What comes in a burst is drawn once.
            tokio::time::sleep_until((drawn + FRAME).into()).await;
            messages.extend(std::iter::from_fn(|| live.try_recv().ok()).take(BATCH).map(Message::Live));
        }
        is_shown = false;
        for effect in update(&mut state, messages) {
            if let Some(keep) = done(effect, &mut screen, &state, &errands)? {
                return quit(screen, &state, keep);
            }
        }
    }
}

/// Does what is to be done on the terminal, and sends the errands on their way. When it is the end, whether the screen stays.
fn done(effect: Effect, screen: &mut Screen, state: &State, errands: &Errands) -> io::Result<Option<bool>> {
    match effect {
        Effect::Quit { keep } => return Ok(Some(keep)),
        Effect::TakeMouse(mouse) => screen.take_mouse(mouse)?,
        Effect::Redraw => screen.clear()?,
        Effect::Suspend => suspend(screen, state)?,
        Effect::Clipboard(bytes) => screen.copy(&bytes)?,
        effect @ (Effect::LoadRows(_)
        | Effect::LoadRowsOf(_)
        | Effect::LoadThread(_)
        | Effect::Annotate(..)
        | Effect::SaveFilter(..)
        | Effect::Load(..)
        | Effect::Judge(..)
        | Effect::Replay(..)
        | Effect::Copy { .. }
        | Effect::SaveBody(..)
        | Effect::Compare(..)) => errands.go(effect),
    }
    Ok(None)
}

/// The state of an inspector that has just begun.
fn state(screen: &Screen, ui: Ui, color: Color) -> Result<State, TuiError> {
    let size = screen.size()?;
    let look = Look {
        theme: Theme::new(ui.palette, color, ui.ascii),
        times: Times::Utc,
        zone: TimeZone::system(),
        layout: Layout::Auto,
        list_percent: LIST_PERCENT,
        hints: true,
        mouse: ui.mouse,
        masks: true,
    };
    Ok(State::new(size.width, size.height, look, ui.keymap))
}

/// Gives the terminal to the shell until it gives it back.
fn suspend(screen: &mut Screen, state: &State) -> io::Result<()> {
    let stopped = screen.lend(state.look.mouse, || kill_process(getpid(), Signal::TSTP))?;
    stopped.map_err(io::Error::from)
}

/// Gives the terminal back, with the last picture on it when it is kept.
fn quit(mut screen: Screen, state: &State, keep: bool) -> Result<(), TuiError> {
    if keep {
        let last = text(&screen.draw(|frame| view(state, frame))?);
        drop(screen);
        // A terminal that is gone needs nothing.
        let _ = write_stdout(last.as_bytes());
    }
    Ok(())
}

/// A picture as plain text.
fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for line in buffer.content.chunks(usize::from(buffer.area.width).max(1)) {
        let line: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// What a terminal's event means for the inspector, if anything.
fn terminal_message(event: TerminalEvent) -> Option<Message> {
    match event {
        TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => Some(Message::Key(key)),
        TerminalEvent::Resize(width, height) => Some(Message::Resize(width, height)),
        TerminalEvent::Mouse(mouse) => Some(Message::Mouse(mouse)),
        TerminalEvent::Paste(text) => Some(Message::Paste(text)),
        TerminalEvent::Key(_) | TerminalEvent::FocusGained | TerminalEvent::FocusLost => None,
    }
}

/// Does what is to be done outside, and brings back what came of it.
struct Errands {
    history: History,
    replays: mpsc::Sender<ReplayRequest>,
    catalogue: Catalogue,
    exchange: Exchange,
    results: mpsc::Sender<Message>,
}

impl Errands {
    /// With where their results come out.
    fn new(
        history: History,
        replays: mpsc::Sender<ReplayRequest>,
        shown: Shown,
    ) -> (Self, mpsc::Receiver<Message>) {
        let (results, come_back) = mpsc::channel(RESULTS);
        let Shown { catalogue, mask, ignore, .. } = shown;
        let exchange = Exchange { history: history.clone(), mask, ignore };
        (Self { history, replays, catalogue, exchange, results }, come_back)
    }

    /// Sets out; what comes of it is a message. Nobody waits for it when the inspector has ended.
    fn go(&self, effect: Effect) {
        let (history, replays, results) = (self.history.clone(), self.replays.clone(), self.results.clone());
        let (catalogue, exchange) = (self.catalogue.clone(), self.exchange.clone());
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
                Effect::LoadRowsOf(ids) => {
                    let rows = history.rows_of(ids.clone()).await.unwrap_or_default();
                    Message::RowsOf(ids, rows)
                }
                Effect::Load(id) => Message::Loaded(
                    id,
                    match history.event(id).await {
                        Ok(Some((event, row))) => opened(event, row.provider, catalogue).await,
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
                Effect::Annotate(ids, annotation) => annotate(&history, &results, ids, annotation).await,
                Effect::SaveFilter(name, text) => save_filter(&history, &name, &text),
                Effect::LoadThread(id) => Message::Thread(id, thread_of(&history, &catalogue, id).await),
                Effect::Judge(number, filter, ids) => {
                    Message::Judged(number, judge(&history, &filter, ids).await)
                }
                Effect::Copy { id, what, masks, url } => {
                    Message::Copied(exchange.copy(id, what, masks, url, &catalogue).await)
                }
                Effect::SaveBody(id) => Message::Saved(exchange.save_body(id).await),
                Effect::Compare(left, right) => Message::Compared(exchange.compare(left, right).await),
                Effect::TakeMouse(_)
                | Effect::Clipboard(_)
                | Effect::Redraw
                | Effect::Suspend
                | Effect::Quit { .. } => return,
            };
            let _ = results.send(message).await;
        });
    }
}

/// Notes something on each of some events, until one cannot be.
async fn annotate(
    history: &History,
    results: &mpsc::Sender<Message>,
    ids: Vec<EventId>,
    annotation: Annotation,
) -> Message {
    let mut noted = 0;
    for id in ids {
        match history.annotate(id, annotation.clone()).await {
            Ok(row) => {
                noted += 1;
                let _ = results.send(Message::Live(Live::Changed(Box::new(row)))).await;
            }
            Err(error) => return Message::Annotated(noted, Some(error.to_string())),
        }
    }
    Message::Annotated(noted, None)
}

/// Saves a filter beside those saved before.
fn save_filter(history: &History, name: &str, text: &str) -> Message {
    let path = history.data_dir().filters();
    let saved = saved_filters(&path).map_err(|error| error.to_string()).and_then(|mut saved| {
        saved.insert(name, text);
        save_filters(&path, &saved).map_err(|error| error.to_string())
    });
    Message::Live(Live::Notice(match saved {
        Ok(()) => format!("the filter is saved as @{name}"),
        Err(error) => format!("the filter is not saved: {error}"),
    }))
}

/// The events of the same object.
async fn thread_of(history: &History, catalogue: &Catalogue, id: EventId) -> Thread {
    let rows = history.related(id, Relation::SameObject, THREAD_EVENTS_MAX).await;
    let rows = rows.map_err(|error| error.to_string())?;
    let this = rows.iter().find(|row| row.id == id);
    let object = this.and_then(|row| row.object_id.clone());
    let object = object.ok_or("its provider does not say what this event is about")?;
    let provider = this.and_then(|row| row.provider.as_deref()).and_then(|name| catalogue.provider(name));
    let stages = provider.map(|provider| provider.stages().to_vec()).unwrap_or_default();
    Ok((object, thread(rows, &stages)))
}

/// Takes an event apart where nobody waits for it: a body may be long.
async fn opened(event: Event, provider: Option<String>, catalogue: Catalogue) -> Result<Box<Opened>, String> {
    let opened = move || Box::new(Opened::new(event, provider.as_deref(), &catalogue));
    tokio::task::spawn_blocking(opened).await.map_err(|_| "the event cannot be taken apart".to_owned())
}

/// Whether events pass a filter, by their rows, and by all there is of those whose rows do not tell. One that cannot be read does not.
async fn judge(history: &History, filter: &Filter, ids: Vec<EventId>) -> Vec<(EventId, bool)> {
    let now = clock::now();
    let rows = history.rows_of(ids.clone()).await.unwrap_or_default();
    let mut verdicts: HashMap<EventId, bool> = ids.into_iter().map(|id| (id, false)).collect();
    for row in rows {
        let told = filter.test(&Filtered::listed(&row, now));
        let passes = match told {
            Some(told) => Some(told),
            None => match history.event(row.id).await {
                Ok(Some((event, row))) => filter.test(&Filtered::whole(&row, &event, now)),
                Ok(None) | Err(_) => None,
            },
        };
        verdicts.insert(row.id, passes.unwrap_or(false));
    }
    verdicts.into_iter().collect()
}

//! The inspector: events on the whole terminal, with keys.
//!
//! ```text
//!  message   what reaches it, and what it wants done
//!  state     everything the screen shows
//!  update    what becomes of the state, without I/O and clock
//!  view      the screen as a picture of the state
//!  dialog    a replay that is put together, and holding what keys do with held events
//!  queue     the order in which held events are released
//!  editor    a person's own editor for a body, and pager for reading it; foreground is how they have the terminal
//!  errands   what is done outside, and comes back as messages
//!  content   an event taken apart, and tree its JSON
//!  front     the terminal and its keys, before there is a history
//!  intake    what is taken in between two pictures
//!  interrupts  those that somebody sent
//!  events    the list in memory, and the rows on the screen
//!  exchange  events copied, saved and compared; clipboard is where copies go
//!  query     a jq program over the body
//!  piping    bodies given to a command, which shell runs
//!  scenario  scenarios saved and played
//!  traffic   what came when
//!  used      filters that were used before
//!  verifying signatures checked anew
//!  keys      every key, in one table
//!  next_try  when an event that was not delivered is tried again
//!  marks     which events something is to be done with
//!  deleting  events that go, and come back while they can
//!  theme     styles by meaning
//!  terminal  taken and given back
//!  offscreen the same without a terminal, for what measures it
//! ```

use std::{env, fmt::Write as _, io, time::Duration};

use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind};
use futures_util::StreamExt;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use rustix::process::{Signal, getpid, kill_process};
use thiserror::Error;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{
    errands::Errands,
    intake::{gather, until},
    interrupts::Interrupts,
    message::{Effect, Message},
    state::{Layout, Look, State, Times, ToastKind},
    terminal::Screen,
    theme::{Depth, Theme},
    update::{set_filter, update},
    view::view,
};
use crate::{
    commands::release::whoever,
    config::Settings,
    control::Orders,
    history::History,
    listen::Shown,
    listing::Order,
    live::Live,
    output::{Color, write_stdout},
};

mod clipboard;
mod content;
mod deleting;
mod dialog;
mod editor;
mod errands;
mod events;
mod exchange;
mod foreground;
mod front;
mod holding;
mod intake;
mod interrupts;
pub mod keys;
mod marks;
mod message;
mod named;
mod next_try;
mod offscreen;
mod pager;
mod piping;
mod query;
mod queue;
mod scenario;
mod shell;
mod sight;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod traffic;
mod tree;
mod typing;
mod update;
mod used;
mod verifying;
mod view;

pub use clipboard::Clipboard;
pub use front::Front;
pub use keys::{Keymap, KeysError};
pub use offscreen::OffScreen;
pub use theme::Palette;

/// Shortest time between two pictures: 60 a second are more than anybody sees.
const FRAME: Duration = Duration::from_millis(16);

/// How often ages and rates are drawn anew when nothing happens.
const TICK: Duration = Duration::from_secs(1);

/// How long a program that was told to stop may take to do so.
const STOPS_WITHIN: Duration = Duration::from_millis(500);

/// Share of the width that the list has at first, in percent.
const LIST_PERCENT: u16 = 59;

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
    /// The order of the list at first.
    pub order: Order,
    /// What takes copies.
    pub clipboard: Clipboard,
}

impl Default for Ui {
    fn default() -> Self {
        Self {
            palette: Palette::default(),
            ascii: false,
            mouse: true,
            keymap: Keymap::default(),
            order: Order::default(),
            clipboard: Clipboard::default(),
        }
    }
}

/// What the inspector needs.
pub struct Inspector {
    /// Every event stored.
    pub history: History,
    /// What happens.
    pub live: mpsc::Receiver<Live>,
    /// Takes what a person wants.
    pub orders: Orders,
    /// What it is told of the client.
    pub shown: Shown,
}

/// Why the inspector ended.
#[derive(Debug, Error)]
pub enum TuiError {
    /// The terminal.
    #[error("the terminal cannot be used (`--output lines` needs none)")]
    Terminal(#[from] io::Error),
}

/// Shows events until the user quits, `stop` is cancelled, or `live` ends. The terminal is as before when it returns.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn run(front: Front, inspector: Inspector, stop: CancellationToken) -> Result<(), TuiError> {
    let Inspector { history, mut live, orders, shown } = inspector;
    let Front { mut screen, mut state, mut keys, mut ticks, later, mut is_shown } = front;
    know(&mut state, &history, &orders, &shown);
    let (errands, mut results) = Errands::new(history, orders, shown);
    let mut interrupts = Interrupts::new()?;
    errands.go(Effect::LoadRows(None));
    later.into_iter().for_each(|effect| errands.go(effect));
    let mut due = Instant::now();
    loop {
        // What happens while the terminal takes nothing is drawn once it does.
        if !is_shown && due <= Instant::now() && screen.is_drawn() {
            screen.draw(|frame| view(&state, frame))?;
            (is_shown, due) = (true, Instant::now() + FRAME);
        }
        let first = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            sent = interrupts.sent() => return Ok(sent?),
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
            () = sleep_until(due), if !is_shown && Instant::now() < due => continue,
            () = screen.drawn(), if !is_shown && due <= Instant::now() => continue,
        };
        if matches!(first, Some(Message::Key(_) | Message::Mouse(_))) {
            // Whoever presses a key waits for no picture.
            due = Instant::now();
        }
        let messages = gather(first, due, &mut live, &mut results).await;
        is_shown = false;
        for effect in update(&mut state, messages) {
            if let Effect::Quit { keep } = effect {
                return quit(screen, &state, keep);
            }
            if matches!(effect, Effect::Edit(..) | Effect::Page(..) | Effect::Suspend) {
                // The keys are somebody else's.
                drop(keys);
                screen.give_away();
                let done = lend(effect, &errands, &stop);
                let take_in = |messages| update(&mut state, messages);
                let later = until(done, &mut live, &mut results, take_in, |effect| errands.go(effect)).await;
                if stop.is_cancelled() {
                    return Ok(());
                }
                screen.take_back(state.look.mouse)?;
                keys = EventStream::new();
                for effect in later {
                    on_terminal(effect, &mut screen)?;
                }
                continue;
            }
            on_terminal(effect, &mut screen)?.into_iter().for_each(|effect| errands.go(effect));
        }
    }
}

/// Does what is to be done with the terminal; all else comes back.
fn on_terminal(effect: Effect, screen: &mut Screen) -> io::Result<Option<Effect>> {
    match effect {
        Effect::TakeMouse(mouse) => screen.take_mouse(mouse)?,
        Effect::Redraw => screen.clear()?,
        Effect::Clipboard(bytes) => screen.copy(&bytes)?,
        effect @ (Effect::LoadRows(_)
        | Effect::LoadRowsOf(_)
        | Effect::Annotate(..)
        | Effect::Delete(_)
        | Effect::Restore(_)
        | Effect::SaveFilter(..)
        | Effect::SaveUsed(..)
        | Effect::LoadThread(_)
        | Effect::LoadDigests(_)
        | Effect::Verify(_)
        | Effect::Load(..)
        | Effect::Judge(..)
        | Effect::StopJudging
        | Effect::Replay(..)
        | Effect::Preview(..)
        | Effect::CarryOut(..)
        | Effect::Stop(_)
        | Effect::Hold(_)
        | Effect::Decide(..)
        | Effect::Reconnect
        | Effect::ReleaseAll(_)
        | Effect::Copy { .. }
        | Effect::SaveBody(..)
        | Effect::Compare(..)
        | Effect::Query(..)
        | Effect::Pipe(..)
        | Effect::SaveScenario(_)
        | Effect::Play(..)
        | Effect::Edit(..)
        | Effect::Page(..)
        | Effect::Suspend
        | Effect::Quit { .. }) => return Ok(Some(effect)),
    }
    Ok(None)
}

/// The state of an inspector that has just begun.
fn state_of(screen: &Screen, settings: &Settings, color: Color) -> Result<State, TuiError> {
    let (size, ui) = (screen.size()?, &settings.ui);
    let look = Look {
        theme: Theme::new(ui.palette, color, ui.ascii).with(Depth::of(&|name| env::var_os(name))),
        times: Times::Utc,
        zone: TimeZone::system(),
        layout: Layout::Auto,
        list_percent: LIST_PERCENT,
        hints: true,
        mouse: ui.mouse,
        as_sent: false,
        masks: true,
    };
    let mut state = State {
        options: settings.described(),
        saved: settings.filters.clone(),
        person: whoever(),
        follows: ui.order.is_of_arrival(),
        ..State::new(size.width, size.height, look, ui.keymap.clone())
    };
    state.events.set_order(ui.order);
    Ok(state)
}

/// Takes in what is known once there is a history.
fn know(state: &mut State, history: &History, orders: &Orders, shown: &Shown) {
    state.saved = shown.filters.clone();
    state.hold = orders.hold.state();
    state.mask = shown.mask.clone();
    take_used_filters(state, history);
    // One that was typed already may name a filter that is known only now.
    let filter = state.filter_text.clone();
    set_filter(state, &filter);
}

/// Takes the filters of earlier runs.
fn take_used_filters(state: &mut State, history: &History) {
    let texts = used::read(&history.data_dir().used_filters(), &state.saved).unwrap_or_else(|error| {
        state.tell(format!("the filters used before cannot be read: {error}"), ToastKind::Bad);
        Vec::new()
    });
    state.used.come_after(texts, &state.saved);
}

/// What has the terminal meanwhile: an editor, a pager, or the shell.
async fn lend(effect: Effect, errands: &Errands, stop: &CancellationToken) {
    if let Effect::Edit(id, body) = effect {
        errands.edit(id, body, stop).await;
    } else if let Effect::Page(id, form, masks) = effect {
        errands.page(id, form, masks, stop).await;
    } else {
        suspended().await;
    }
}

/// Stops the program, and goes on when the shell says so. Where nobody stops programs, it goes on at once.
async fn suspended() {
    let goes_on = signal(SignalKind::from_raw(Signal::CONT.as_raw()));
    // It may stop a moment after it was told to.
    if kill_process(getpid(), Signal::TSTP).is_ok()
        && let Ok(mut goes_on) = goes_on
    {
        let _ = timeout(STOPS_WITHIN, goes_on.recv()).await;
    }
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

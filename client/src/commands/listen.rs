//! `inhaul listen`: receives, shows and forwards webhooks until it is told to stop.

use std::{
    future::pending,
    io::{self, IsTerminal},
    path::Path,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{ListenArgs, OutputMode},
    clock,
    commands::{Exit, Failure},
    config::{self, saved_filters},
    data_dir::DataDir,
    listen::{ListenConfig, Listening, Shown},
    live::Live,
    output::{Color, PrintError, Printer},
    tui::{self, Front, Inspector},
};

/// Listens.
///
/// # Errors
/// When it cannot start, or cannot go on.
pub async fn run(data: Option<&Path>, args: &ListenArgs) -> anyhow::Result<Exit> {
    let settings = config::load(args).map_err(Failure::from)?;
    let data = DataDir::open(data).map_err(Failure::from)?;
    let mut signals = Signals::new()?;
    let config = ListenConfig { settings, data, ready_file: args.output.ready_file.clone() };
    let screen = Screen::new(args.output.output);
    match start(config, screen, &mut signals).await? {
        Some((started, live)) => show(started, live, &mut signals, pending()).await,
        None => Ok(Exit::Success),
    }
}

/// A client that is started, and what shows what happens.
pub(super) struct Started {
    pub(super) listening: Listening,
    pub(super) shower: Shower,
}

/// What shows what happens.
pub(super) enum Shower {
    Inspector(Box<Front>),
    Printer(Screen),
}

/// Starts a client, with the inspector on the terminal meanwhile if it is wanted; nothing when the user ends it before that.
pub(super) async fn start(
    config: ListenConfig,
    screen: Screen,
    signals: &mut Signals,
) -> anyhow::Result<Option<(Started, mpsc::Receiver<Live>)>> {
    if screen.mode != OutputMode::Tui {
        let (listening, live) = Listening::start(config).await?;
        return Ok(Some((Started { listening, shower: Shower::Printer(screen) }, live)));
    }
    let front = Front::take(&config.settings, screen.color)?;
    let started = front.open(Listening::start(config), signals.next()).await?;
    Ok(started.map(|(front, (listening, live))| {
        (Started { listening, shower: Shower::Inspector(Box::new(front)) }, live)
    }))
}

/// How things are shown, and whether stdout takes colours.
#[derive(Clone, Copy)]
pub(super) struct Screen {
    pub(super) mode: OutputMode,
    pub(super) color: Color,
}

impl Screen {
    /// What was asked for, or what suits stdout.
    pub(super) fn new(asked: Option<OutputMode>) -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self { mode: OutputMode::or_by_terminal(asked, is_terminal), color: Color::of_output(is_terminal) }
    }
}

/// Shows what happens until a signal, the end of the reader, the inspector's `q`, a failure, or the end of `until`; then stops in
/// order. A second signal stops at once.
pub(super) async fn show(
    started: Started,
    live: mpsc::Receiver<Live>,
    signals: &mut Signals,
    until: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Exit> {
    let stop = CancellationToken::new();
    let Started { mut listening, shower } = started;
    let has_keys = matches!(shower, Shower::Inspector(_));
    let mut shower = tokio::spawn(shower.show(&listening, live, stop.clone()));
    let told_to_stop =
        async { if has_keys { signals.next_but_interrupts().await } else { signals.next().await } };
    let ended = tokio::select! {
        () = told_to_stop => Ok(()),
        ended = until => ended,
        failure = listening.failed() => Err(anyhow::Error::from(failure)),
        // The inspector was closed, or nobody reads stdout any more.
        shown = &mut shower => shown.unwrap_or_else(|_| Err(anyhow::anyhow!("what shows events failed"))),
    };
    stop.cancel();
    let in_order = tokio::select! {
        () = listening.stop() => true,
        () = signals.next() => false,
    };
    if in_order && !shower.is_finished() {
        // Everything that happened is shown when the last sender is gone.
        let _ = shower.await;
    }
    ended.map(|()| Exit::Success)
}

impl Shower {
    fn show(
        self,
        listening: &Listening,
        live: mpsc::Receiver<Live>,
        stop: CancellationToken,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
        let (history, orders) = (listening.history.clone(), listening.orders.clone());
        let shown = listening.shown.clone();
        async move {
            match self {
                Self::Inspector(front) => {
                    // A file that cannot be read is said once a filter is saved.
                    let saved = saved_filters(&history.data_dir().filters()).unwrap_or_default();
                    let shown = Shown { filters: saved.with(&shown.filters), ..shown };
                    Ok(tui::run(*front, Inspector { history, live, orders, shown }, stop).await?)
                }
                Self::Printer(screen) => {
                    drop((history, orders));
                    Ok(print(live, screen).await?)
                }
            }
        }
    }
}

/// Prints everything that happens until nothing can happen any more.
async fn print(mut live: mpsc::Receiver<Live>, screen: Screen) -> Result<(), PrintError> {
    let mut printer = Printer::new(screen.mode, screen.color);
    while let Some(live) = live.recv().await {
        print_one(&mut printer, live)?;
    }
    Ok(())
}

/// Prints one thing.
fn print_one(printer: &mut Printer, live: Live) -> Result<(), PrintError> {
    match live {
        Live::Ready(ready) => printer.ready(&ready),
        Live::Event(row) => printer.event(&row),
        Live::Attempt(row, attempt) => printer.attempt(&row, &attempt),
        Live::NextTry(..) | Live::Changed(_) | Live::Gone(_) => Ok(()),
        Live::Hold(state) => printer.notice(&state.words()),
        Live::Connection(state) => printer.connection(&state, clock::now()),
        Live::Notice(text) => printer.notice(&text),
        Live::Told(text) => printer.told(&text),
    }
}

/// The signals that mean stop: Ctrl-C, `kill`, and the terminal that goes away.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(Failure::new);
        Ok(Self {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
            hang_up: of(SignalKind::hangup())?,
        })
    }

    /// Waits for the next of them.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }

    /// Waits for the next that is no interrupt: those are the inspector's, or of the program that has its terminal meanwhile.
    async fn next_but_interrupts(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => return,
                _ = self.hang_up.recv() => return,
            }
        }
    }
}

//! The terminal: taken when the inspector starts, and given back however it ends.
//!
//! What is drawn is written by a thread of its own, a picture at a time: a terminal that takes nothing, as a slow line or one that was
//! stopped with Ctrl-S, keeps nobody waiting but that thread.

use std::{
    env,
    io::{self, IsTerminal, Write},
    panic,
    sync::{Arc, Condvar, Mutex, Once, PoisonError, mpsc},
    thread,
    time::Duration,
};

use crossterm::{
    cursor,
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    execute,
    terminal::{
        BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
        disable_raw_mode, enable_raw_mode,
    },
};
use ratatui::{
    Frame, Terminal,
    backend::{Backend, ClearType, CrosstermBackend},
    buffer::Buffer,
};
use tokio::sync::Notify;

use super::clipboard::{is_in_screen, sequence};
use crate::history::panic_is_contained;

/// How long the end waits for the last picture. A terminal that takes nothing must not keep the program.
const LAST_PICTURE: Duration = Duration::from_millis(500);

/// The terminal of the inspector. Dropping it gives the terminal back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Pictures>>,
    pictures: Arc<Pending>,
}

impl Screen {
    pub(super) fn take(mouse: bool) -> io::Result<Self> {
        if !io::stdout().is_terminal() {
            return Err(io::Error::other("stdout is none"));
        }
        restore_on_panic();
        enable_raw_mode()?;
        let pictures = Arc::new(Pending::default());
        let taken = take(mouse).and_then(|()| {
            let writer = Pictures::start(Arc::clone(&pictures), io::stdout())?;
            Terminal::new(CrosstermBackend::new(writer))
        });
        match taken {
            Ok(terminal) => Ok(Self { terminal, pictures }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    pub(super) fn size(&self) -> io::Result<ratatui::layout::Size> {
        self.terminal.size()
    }

    /// Whether the last picture is on the terminal.
    pub(super) fn is_drawn(&self) -> bool {
        self.pictures.count() == 0
    }

    /// Waits until the last picture is on the terminal.
    pub(super) async fn drawn(&self) {
        while !self.is_drawn() {
            self.pictures.written.notified().await;
        }
    }

    /// Draws a picture, and returns it.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame)) -> io::Result<Buffer> {
        let backend = self.terminal.backend_mut();
        crossterm::queue!(backend, BeginSynchronizedUpdate)?;
        let buffer = self.terminal.draw(draw)?.buffer.clone();
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        Ok(buffer)
    }

    /// Has the next picture be drawn wholly.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        // Its own `clear` asks the terminal where the cursor is, and not every terminal answers.
        self.terminal.backend_mut().clear_region(ClearType::All)?;
        self.terminal.swap_buffers();
        Ok(())
    }

    /// Takes the mouse, or leaves it to the terminal.
    pub(super) fn take_mouse(&mut self, mouse: bool) -> io::Result<()> {
        if mouse {
            execute!(self.terminal.backend_mut(), EnableMouseCapture)
        } else {
            execute!(self.terminal.backend_mut(), DisableMouseCapture)
        }
    }

    /// Has the terminal put something on its clipboard, if it does such things.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> io::Result<()> {
        let in_screen = is_in_screen(&|name| env::var_os(name));
        let backend = self.terminal.backend_mut();
        backend.write_all(&sequence(bytes, in_screen))?;
        io::Write::flush(backend)
    }

    /// Gives the terminal away; nothing may be drawn until it is taken back.
    pub(super) fn give_away(&mut self) {
        self.pictures.wait(LAST_PICTURE);
        restore();
    }

    /// Takes the terminal back.
    pub(super) fn take_back(&mut self, mouse: bool) -> io::Result<()> {
        take(mouse)?;
        self.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.pictures.wait(LAST_PICTURE) {
            restore();
        } else {
            // It takes nothing, so it would keep the program from ending; its mode is set without it.
            let _ = disable_raw_mode();
        }
    }
}

/// Pictures that are not on the terminal yet.
#[derive(Default)]
struct Pending {
    count: Mutex<usize>,
    less: Condvar,
    written: Notify,
}

impl Pending {
    fn count(&self) -> usize {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn remove(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.less.notify_all();
        self.written.notify_waiters();
        self.written.notify_one();
    }

    /// Waits until there are none; says no when that takes longer.
    fn wait(&self, at_most: Duration) -> bool {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.less.wait_timeout_while(count, at_most, |count| *count > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }
}

/// Collects what is drawn, and hands it to the thread that writes.
struct Pictures {
    collected: Vec<u8>,
    to_thread: mpsc::Sender<Vec<u8>>,
    pending: Arc<Pending>,
}

impl Pictures {
    fn start(pending: Arc<Pending>, mut terminal: impl Write + Send + 'static) -> io::Result<Self> {
        let (to_thread, pictures) = mpsc::channel::<Vec<u8>>();
        let written = Arc::clone(&pending);
        thread::Builder::new().name("inhaul-screen".to_owned()).spawn(move || {
            for picture in pictures {
                // A terminal that is gone is noticed where keys are read.
                let _ = terminal.write_all(&picture).and_then(|()| terminal.flush());
                written.remove();
            }
        })?;
        Ok(Self { collected: Vec::new(), to_thread, pending })
    }
}

impl Write for Pictures {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.collected.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.collected.is_empty() {
            return Ok(());
        }
        self.pending.add();
        self.to_thread
            .send(std::mem::take(&mut self.collected))
            .map_err(|_| io::Error::other("the thread that draws has ended"))
    }
}

fn take(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
    if mouse { execute!(io::stdout(), EnableMouseCapture) } else { Ok(()) }
}

/// Gives the terminal back. A terminal that is gone needs nothing.
fn restore() {
    let _ = execute!(
        io::stdout(),
        DisableMouseCapture,
        DisableBracketedPaste,
        EndSynchronizedUpdate,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

/// Has a panic give the terminal back before it says what happened. One that is caught and healed says nothing.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !panic_is_contained() {
                restore();
            }
            before(info);
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::{env, io::Read};

    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    use super::*;

    /// Set for the process that is to panic.
    const PANIC: &str = "INHAUL_TEST_PANIC";

    /// A terminal that takes nothing until it is let.
    struct Stopped(mpsc::Receiver<()>);

    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_takes_nothing_keeps_nobody_waiting() {
        let (go_on, stopped) = mpsc::channel();
        let pending = Arc::new(Pending::default());
        let mut pictures = Pictures::start(Arc::clone(&pending), Stopped(stopped)).unwrap();
        for _ in 0..3 {
            pictures.write_all(b"picture").unwrap();
            pictures.flush().unwrap();
        }
        assert_eq!(pending.count(), 3);
        assert!(!pending.wait(Duration::ZERO), "the end waits no longer than it is told");
        (0..3).for_each(|_| go_on.send(()).unwrap());
        assert!(pending.wait(Duration::from_secs(60)));
    }

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_speaks() {
        if env::var_os(PANIC).is_some() {
            let _screen = Screen::take(false).unwrap();
            panic!("on purpose");
        }
        let pair = native_pty_system().openpty(PtySize::default()).unwrap();
        let mut command = CommandBuilder::new(env::current_exe().unwrap());
        let name = "tui::terminal::tests::a_panic_gives_the_terminal_back_before_it_speaks";
        command.args(["--exact", name, "--nocapture"]);
        command.env(PANIC, "1");
        let mut child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = Vec::new();
        // On Linux, the end of the last process on a terminal is an error for who reads it.
        let _ = pair.master.try_clone_reader().unwrap().read_to_end(&mut output);
        assert!(!child.wait().unwrap().success());
        let output = String::from_utf8(output).unwrap();
        let at = |text: &str| output.find(text).unwrap_or_else(|| panic!("no {text:?} in {output:?}"));
        assert!(at("\x1b[?1049h") < at("\x1b[?1049l"), "{output:?}");
        assert!(at("\x1b[?1049l") < at("on purpose"), "{output:?}");
        assert!(at("\x1b[?25h") < at("on purpose"), "the cursor is back too: {output:?}");
    }
}

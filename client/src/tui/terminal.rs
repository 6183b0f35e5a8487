//! The terminal: taken when the inspector starts, and given back however it ends.

use std::{
    io::{self, Stdout},
    panic,
    sync::Once,
};

use crossterm::{
    cursor, execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Terminal, backend::CrosstermBackend};

use crate::history::panic_is_contained;

/// The terminal of the inspector. Dropping it gives the terminal back.
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    pub(super) fn take() -> io::Result<Self> {
        restore_on_panic();
        enable_raw_mode()?;
        let taken = execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match taken {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back. A terminal that is gone needs nothing.
fn restore() {
    let _ = execute!(io::stdout(), LeaveAlternateScreen, cursor::Show);
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

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_speaks() {
        if env::var_os(PANIC).is_some() {
            let _screen = Screen::take().unwrap();
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

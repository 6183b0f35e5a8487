//! A program on a terminal of its own: what it draws is read back, keys are typed into it.

use std::{
    fs::File,
    io::{Read, Write},
    process::Command,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::world::PATIENCE;

pub struct Terminal {
    shared: Arc<Shared>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    /// Open for as long as the test, so that its mode can be asked for.
    tty: File,
}

struct Shared {
    parser: Mutex<vt100::Parser>,
    drawn: Condvar,
    /// Nothing is read while it is true.
    is_stopped: Mutex<bool>,
    goes_on: Condvar,
}

impl Terminal {
    /// Starts a command on a terminal of this many columns and lines.
    pub fn start(command: &Command, columns: u16, lines: u16) -> Self {
        let size = PtySize { rows: lines, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut builder = CommandBuilder::new(command.get_program());
        builder.args(command.get_args());
        builder.cwd(command.get_current_dir().unwrap());
        builder.env_clear();
        for (name, value) in command.get_envs() {
            builder.env(name, value.unwrap());
        }
        builder.env("TERM", "xterm-256color");
        let tty = File::open(pair.master.tty_name().unwrap()).unwrap();
        let child = pair.slave.spawn_command(builder).unwrap();
        drop(pair.slave);
        let shared = Arc::new(Shared {
            parser: Mutex::new(vt100::Parser::new(lines.try_into().unwrap(), columns.try_into().unwrap(), 0)),
            drawn: Condvar::new(),
            is_stopped: Mutex::new(false),
            goes_on: Condvar::new(),
        });
        let mut output = pair.master.try_clone_reader().unwrap();
        let to = Arc::clone(&shared);
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                to.parser.lock().unwrap().process(&buffer[..count]);
                to.drawn.notify_all();
                let stopped = to.is_stopped.lock().unwrap();
                drop(to.goes_on.wait_while(stopped, |stopped| *stopped).unwrap());
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Self { shared, keys, child, master: pair.master, tty }
    }

    /// Waits until the screen is like this.
    pub fn until<T>(&self, what: &str, like: impl Fn(&vt100::Screen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut parser = self.shared.parser.lock().unwrap();
        loop {
            if let Some(found) = like(parser.screen()) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not come; the screen is\n{}", parser.screen().contents());
            parser = self.shared.drawn.wait_timeout(parser, left).unwrap().0;
        }
    }

    /// Waits until the screen shows a text.
    pub fn until_text(&self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text).then_some(()));
    }

    pub fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// The window has another size from now on.
    pub fn resize(&self, columns: u16, lines: u16) {
        let (rows, cols) = (lines.try_into().unwrap(), columns.try_into().unwrap());
        self.shared.parser.lock().unwrap().screen_mut().set_size(rows, cols);
        self.master.resize(PtySize { rows: lines, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Makes a signal of Ctrl-C, and shows it, as while a program has the terminal that takes no keys, or makes a key of it again.
    pub fn make_signals(&self, make: bool) {
        let mut modes = tcgetattr(&self.tty).unwrap();
        modes.local_modes.set(LocalModes::ISIG | LocalModes::ECHO, make);
        tcsetattr(&self.tty, OptionalActions::Now, &modes).unwrap();
    }

    /// Takes nothing from now on, as after Ctrl-S, or over a connection that is gone.
    pub fn stop_taking(&self) {
        *self.shared.is_stopped.lock().unwrap() = true;
    }

    /// Waits until the program has ended, whatever is on the terminal; the exit code.
    pub fn ended(mut self) -> u32 {
        let code = self.child.wait().unwrap().exit_code();
        *self.shared.is_stopped.lock().unwrap() = false;
        self.shared.goes_on.notify_all();
        code
    }

    /// Waits until the program has ended and the terminal is as it was; whether the terminal shows what is typed then.
    pub fn echoes_at_its_end(mut self) -> bool {
        self.until("the terminal as it was", |screen| {
            (!screen.alternate_screen() && !screen.hide_cursor()).then_some(())
        });
        assert!(self.child.wait().unwrap().success());
        let modes = tcgetattr(&self.tty).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }

    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Waits until the program has ended and the terminal is as it was; the exit code.
    pub fn end(mut self) -> u32 {
        self.until("the terminal as it was", |screen| {
            (!screen.alternate_screen() && !screen.hide_cursor()).then_some(())
        });
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Copies on a real clipboard: that of an X server without a screen, read back by another program.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::{
    handler::{Handler, Reply},
    inspector::on_terminal,
    world::{World, until},
};

/// An X server, on the first display that is free.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    /// Starts it; nothing where it or `xclip` is not installed.
    fn start() -> Option<Self> {
        let mut server = Command::new("Xvfb");
        // It says on its standard output which display it took, once clients may connect.
        let server = server.args(["-displayfd", "1", "-screen", "0", "64x64x8"]);
        let mut server =
            server.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut line = String::new();
        BufReader::new(server.stdout.take()?).read_line(&mut line).unwrap();
        let display = Self { server, name: format!(":{}", line.trim()) };
        assert!(line.ends_with('\n'), "Xvfb ended before it took connections");
        Command::new("xclip").arg("-version").stderr(Stdio::null()).status().ok()?;
        Some(display)
    }

    /// Waits until this is on its clipboard, as another program finds it.
    fn until_it_has(&self, bytes: &[u8]) {
        until("the copy is on the clipboard", || {
            let mut xclip = Command::new("xclip");
            let found =
                xclip.args(["-selection", "clipboard", "-o"]).env("DISPLAY", &self.name).output().unwrap();
            found.status.success() && found.stdout == bytes
        });
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        // Whoever keeps a clipboard there ends with it.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn a_copy_is_on_the_clipboard_of_this_machine_byte_for_byte() {
    let Some(display) = Display::start() else {
        eprintln!("skipped: there is no clipboard here (it takes `Xvfb` and `xclip`)");
        return;
    };
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let mut command = world.inhaul(&["listen", "--port", "0", &handler.target()]);
    command.env("DISPLAY", &display.name).env("PATH", std::env::var_os("PATH").unwrap());
    let (mut terminal, sender) = on_terminal(&command, 120, 36);
    // Longer than a terminal takes, and than goes over to another program at once.
    let long: Vec<u8> = (0..400_000_u32).map(|at| b"0123456789\n \xc3\xa9"[at as usize % 14]).collect();
    let bodies = [b"{\"amount\":1.10}\r\n".to_vec(), b"\xff\x00\x1b[2J no text\n\n".to_vec(), long];
    for (body, place) in bodies.iter().zip(1..) {
        assert_eq!(sender.send("POST", "/a", &["Content-Type: text/plain"], body).status, 200);
        terminal.until_text(&format!("{place}/{place}"));
        terminal.type_keys("yy");
        display.until_it_has(body);
        terminal.until_text("copied to the clipboard (by xclip)");
    }
    let id = sender.send("POST", "/b", &[], b"").event_id();
    terminal.until_text("4/4");
    terminal.type_keys("yi");
    display.until_it_has(id.as_bytes());
    terminal.until_text("id, 36 B: copied to the clipboard (by xclip)");
    terminal.type_keys("q");
    assert_eq!(terminal.end(), 0);
}

//! A middleman between client and relay: passes bytes on, keeps them back or loses them, each way by itself.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// What becomes of the bytes that go one way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They are passed on, and so is their end.
    Pass,
    /// They are not read, as from a peer that vanished.
    Hold,
    /// They are read and lost.
    Lose,
}

/// The middleman; its threads end with the test's process.
pub struct Middleman {
    pub url: String,
    door: Arc<Mutex<Door>>,
}

struct Door {
    is_open: bool,
    connections: Vec<Arc<Ways>>,
}

struct Ways {
    to_relay: Tap,
    to_client: Tap,
}

struct Tap {
    way: Mutex<Way>,
    changed: Condvar,
}

impl Middleman {
    /// Stands before the relay at an address. Every connection passes at first.
    pub fn start(relay: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let door = Arc::new(Mutex::new(Door { is_open: true, connections: Vec::new() }));
        let opened = Arc::clone(&door);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let mut door = opened.lock().unwrap();
                // A closed door drops the connection; so does a relay that is not there.
                let Some(server) = door.is_open.then(|| TcpStream::connect(relay).ok()).flatten() else {
                    continue;
                };
                let ways = Arc::new(Ways { to_relay: Tap::new(), to_client: Tap::new() });
                door.connections.push(Arc::clone(&ways));
                let (to_server, from_server) = (server.try_clone().unwrap(), server);
                let (to_client, from_client) = (client.try_clone().unwrap(), client);
                let both = Arc::clone(&ways);
                thread::spawn(move || both.to_relay.carry(from_client, to_server));
                thread::spawn(move || ways.to_client.carry(from_server, to_client));
            }
        });
        Self { url, door }
    }

    /// Changes what becomes of the connections there are, for good, and lets no other in.
    pub fn break_off(&self, to_relay: Way, to_client: Way) {
        let mut door = self.door.lock().unwrap();
        door.is_open = false;
        for ways in door.connections.drain(..) {
            ways.to_relay.set(to_relay);
            ways.to_client.set(to_client);
        }
    }

    /// Lets new connections in; those that were broken off stay so.
    pub fn let_in(&self) {
        self.door.lock().unwrap().is_open = true;
    }
}

impl Tap {
    fn new() -> Self {
        Self { way: Mutex::new(Way::Pass), changed: Condvar::new() }
    }

    fn set(&self, way: Way) {
        *self.way.lock().unwrap() = way;
        self.changed.notify_all();
    }

    /// What becomes of bytes now; while they are held, nothing.
    fn way(&self) -> Way {
        let held = |way: &mut Way| *way == Way::Hold;
        *self.changed.wait_while(self.way.lock().unwrap(), held).unwrap()
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            self.way();
            let count = from.read(&mut buffer).unwrap_or(0);
            match self.way() {
                Way::Pass if count == 0 || to.write_all(&buffer[..count]).is_err() => {
                    // Either may be gone already.
                    let _ = to.shutdown(Shutdown::Write);
                    return;
                }
                // Open to the end, as a connection whose other end vanished.
                _ if count == 0 => return std::mem::forget((from, to)),
                Way::Pass | Way::Lose | Way::Hold => {}
            }
        }
    }
}

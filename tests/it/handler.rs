//! An application that keeps the bytes of every request, and answers what it is told to.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
};

use crate::world::PATIENCE;

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub struct Got {
    pub head: String,
    pub body: Vec<u8>,
}

impl Got {
    pub fn request_line(&self) -> &str {
        self.head.split("\r\n").next().unwrap()
    }

    /// Header lines, in order.
    pub fn lines(&self) -> Vec<&str> {
        self.head.split("\r\n").skip(1).filter(|line| !line.is_empty()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.lines().into_iter().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// What the application does with a request.
#[derive(Clone)]
pub enum Reply {
    /// Answers with these bytes and closes.
    Bytes(Vec<u8>),
    /// Answers 200, but 503 to one request of so many.
    Unsteady(u64),
    /// Reads the request and never answers.
    Silence,
}

impl Reply {
    pub fn ok() -> Self {
        Self::text("200 OK", "done")
    }

    pub fn text(status: &str, body: &str) -> Self {
        Self::Bytes(Self::bytes(status, body))
    }

    fn bytes(status: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
    }
}

/// The application; its thread ends with the test's process.
pub struct Handler {
    pub port: u16,
    reply: Arc<Mutex<Reply>>,
    got: Receiver<Got>,
}

impl Handler {
    pub fn start(reply: Reply) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), reply)
    }

    pub fn start_at(address: SocketAddr, reply: Reply) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let reply = Arc::new(Mutex::new(reply));
        let (sender, got) = channel();
        let current = Arc::clone(&reply);
        thread::spawn(move || {
            for (number, stream) in (1_u64..).zip(listener.incoming()) {
                let (sender, current) = (sender.clone(), Arc::clone(&current));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(request) = read(&mut stream) else { return };
                    let reply = current.lock().unwrap().clone();
                    let _ = sender.send(request);
                    match reply {
                        // The other end may be gone, as a test may want.
                        Reply::Bytes(bytes) => drop(stream.write_all(&bytes)),
                        Reply::Unsteady(of) if number % of == 0 => {
                            drop(stream.write_all(&Reply::bytes("503 Service Unavailable", "")));
                        }
                        Reply::Unsteady(_) => drop(stream.write_all(&Reply::bytes("200 OK", "done"))),
                        Reply::Silence => drop(stream.read(&mut [0])),
                    }
                });
            }
        });
        Self { port, reply, got }
    }

    pub fn target(&self) -> String {
        self.port.to_string()
    }

    pub fn reply_with(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    /// Hands every request on, on a thread that ends with the test's process; the port.
    pub fn hand_on(self, mut to: impl FnMut(Got) + Send + 'static) -> u16 {
        let Self { port, got, .. } = self;
        thread::spawn(move || got.into_iter().for_each(&mut to));
        port
    }

    /// The next request.
    pub fn next(&self) -> Got {
        self.got.recv_timeout(PATIENCE).expect("the application gets a request")
    }

    /// Requests that came and were not looked at yet.
    pub fn rest(&self) -> Vec<Got> {
        self.got.try_iter().collect()
    }
}

fn read(stream: &mut TcpStream) -> Option<Got> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let mut buffer = [0; 16 * 1024];
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    };
    let mut got = Got { head: String::from_utf8(bytes[..end].to_vec()).unwrap(), body: bytes.split_off(end) };
    let length: usize = got.header("content-length").map_or(0, |value| value.parse().unwrap());
    let missing = length - got.body.len();
    stream.take(missing as u64).read_to_end(&mut got.body).ok()?;
    (got.body.len() == length).then_some(got)
}

//! A sender of webhooks: writes exactly the bytes it is told to, over TCP or TLS.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::world::PATIENCE;

/// Where a sender posts to.
pub struct Sender {
    https: bool,
    pub authority: String,
    pub path: String,
    ca_file: Option<PathBuf>,
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn event_id(&self) -> String {
        self.header("x-inhaul-event-id").expect("the answer names the event").to_owned()
    }
}

impl Sender {
    /// A sender to an endpoint's URL.
    pub fn new(url: &str, ca_file: Option<&Path>) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, path) = rest.split_once('/').unwrap();
        Self {
            https: scheme == "https",
            authority: authority.to_owned(),
            path: format!("/{path}"),
            ca_file: ca_file.map(Path::to_owned),
        }
    }

    /// Posts a body.
    pub fn post(&self, body: &[u8]) -> Answer {
        self.send("POST", "", &[], body)
    }

    /// Sends a request with a body of known length.
    pub fn send(&self, method: &str, rest: &str, headers: &[&str], body: &[u8]) -> Answer {
        self.exchange(&self.request(method, rest, headers, body))
    }

    /// The bytes of a request.
    pub fn request(&self, method: &str, rest: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
        let mut head = format!("{method} {}{rest} HTTP/1.1\r\nHost: {}\r\n", self.path, self.authority);
        for line in headers {
            head += line;
            head += "\r\n";
        }
        head += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    /// Writes bytes, and reads the answer to them.
    pub fn exchange(&self, request: &[u8]) -> Answer {
        let stream = TcpStream::connect(&self.authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let answer = if self.https { talk(self.tls(stream), request) } else { talk(stream, request) };
        parse(&answer)
    }

    fn tls(&self, stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
        let host = self.authority.rsplit_once(':').unwrap().0.to_owned();
        let config = tls_config(self.ca_file.as_deref().expect("HTTPS needs the authority's file"));
        StreamOwned::new(ClientConnection::new(config, host.try_into().unwrap()).unwrap(), stream)
    }
}

fn tls_config(ca_file: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

fn talk(mut stream: impl Read + Write, request: &[u8]) -> Vec<u8> {
    // A request that is refused early need not be read to its end.
    let wrote = stream.write_all(request).and_then(|()| stream.flush());
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset && !answer.is_empty() => {}
        Err(error) => panic!("no answer: {error}; writing: {wrote:?}"),
    }
    answer
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let rest = &bytes[end + 4..];
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    Answer { status, headers, body: if chunked { join_chunks(rest) } else { rest.to_vec() } }
}

fn join_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        rest = &rest[line + 2..];
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[..length]);
        rest = &rest[length + 2..];
    }
}

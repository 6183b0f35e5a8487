//! Keeps request heads as they came, and lets only strict ones through to hyper.
//!
//! hyper gives headers without their order across names and accepts more than is safe behind or in front of a proxy. This stands
//! between the connection and hyper: it finds each head, checks it, keeps its bytes for the service, and hands on exactly one
//! message at a time, with the headers hyper needs. A head that is refused is replaced by a harmless one, so that hyper still answers in order and closes.

use std::{
    collections::VecDeque,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use http::{StatusCode, header::HOST, request::Parts, uri::Authority};
use inhaul_core::event::Head;
use memchr::memchr_iter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

mod check;
mod chunked;
mod linger;
mod waiting;

use check::{Checked, Framing, check, check_h2, for_hyper};
use chunked::Chunked;
use linger::Linger;
pub(super) use linger::MOST_BYTES;
use waiting::Waiting;

/// What hyper is given in place of a refused head.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";

/// How much is read from the connection at once.
const READ_BYTES: usize = 8 * 1024;

/// How large a head may be, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct RawHeadLimits {
    /// Request line and header lines.
    pub max_head_bytes: usize,
    /// Header lines.
    pub max_headers: usize,
    /// The request target.
    pub max_target_bytes: usize,
    /// How long a head may take from its first byte, and the first one of a connection from the beginning.
    pub head_timeout: Duration,
    /// How long a connection may wait for the first byte of its next head.
    pub idle_timeout: Duration,
    /// How long the rest of a message that is answered before it was read is read.
    pub refused_timeout: Duration,
}

/// The head of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Byte for byte as received.
    pub bytes: Bytes,
    /// Taken apart.
    pub parsed: Head,
    /// The whole body, when it came with the head. Otherwise it comes by hyper.
    pub body: Option<Bytes>,
}

/// What the service finds for its request.
#[derive(Debug, PartialEq, Eq)]
pub enum Tapped {
    /// The head. Boxed, because a connection has room for several and seldom has two.
    Head(Box<RequestHead>),
    /// The head was not let through; this is the answer.
    Refused(Refusal),
}

/// Why a head was not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status to answer with.
    pub status: StatusCode,
    /// What was wrong, for a person.
    pub text: &'static str,
}

/// Where the service takes the head of its request.
#[derive(Clone)]
pub struct HeadTap {
    heads: Arc<Mutex<VecDeque<Tapped>>>,
}

impl HeadTap {
    /// The head of the request the service has just been given. Requests and heads come in the same order.
    pub fn take(&self) -> Option<Tapped> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn put(&self, tapped: Tapped) {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).push_back(tapped);
    }
}

enum State {
    Head,
    Body {
        left: u64,
    },
    Chunked(Chunked),
    /// The bytes are no longer HTTP.
    Passthrough,
    /// Nothing more is handed on: it is not HTTP as it should be, and there may be more of it.
    Refused,
    /// Nothing more comes.
    Ended,
}

/// A connection whose heads are kept.
pub struct RawHeads<IO> {
    io: IO,
    limits: RawHeadLimits,
    tap: HeadTap,
    state: State,
    /// Read from the connection and not handed on.
    input: BytesMut,
    /// Bytes at the start of `input` that were looked at for the end of a head.
    looked_at: usize,
    /// To be handed on.
    output: Bytes,
    waiting: Waiting,
    /// What is done with the rest of a message after the connection was closed for writing.
    linger: Option<Linger>,
}

impl<IO> RawHeads<IO> {
    /// Wraps a connection.
    pub fn new(io: IO, limits: RawHeadLimits) -> (Self, HeadTap) {
        let tap = HeadTap { heads: Arc::default() };
        let wrapped = Self {
            io,
            limits,
            tap: tap.clone(),
            state: State::Head,
            input: BytesMut::new(),
            looked_at: 0,
            output: Bytes::new(),
            waiting: Waiting::default(),
            linger: None,
        };
        (wrapped, tap)
    }

    /// Moves what belongs to the current message to `output`. False when more must be read first.
    fn advance(&mut self) -> bool {
        match &mut self.state {
            State::Head => return self.advance_head(),
            State::Body { left } => {
                if self.input.is_empty() {
                    return false;
                }
                let len = usize::try_from(*left).map_or(self.input.len(), |left| left.min(self.input.len()));
                *left -= len as u64;
                self.output = self.input.split_to(len).freeze();
                if *left == 0 {
                    self.state = State::Head;
                }
            }
            State::Chunked(chunked) => {
                if self.input.is_empty() {
                    return false;
                }
                match chunked.take(&self.input) {
                    Ok(len) => {
                        self.output = self.input.split_to(len).freeze();
                        if chunked.is_finished() {
                            self.state = State::Head;
                        }
                    }
                    Err(chunked::Malformed) => self.state = State::Refused,
                }
            }
            State::Passthrough => self.output = self.input.split().freeze(),
            State::Refused | State::Ended => {}
        }
        true
    }

    fn advance_head(&mut self) -> bool {
        // Empty lines before a request line are skipped (RFC 9112 §2.2).
        while self.input.starts_with(b"\r\n") {
            self.input.advance(2);
            self.looked_at = 0;
        }
        let end = match self.find_head_end() {
            Ok(Some(end)) => end,
            Ok(None) => return false,
            Err(refusal) => {
                self.refuse(refusal);
                return true;
            }
        };
        self.looked_at = 0;
        self.waiting.head_came();
        let head = self.input.split_to(end).freeze();
        if head.len() > self.limits.max_head_bytes {
            self.refuse(too_large());
            return true;
        }
        match check(&head, &self.limits) {
            Ok(Checked { parsed, framing }) => {
                let body = self.whole_body(framing);
                self.output = for_hyper(&head, &parsed, framing, body.is_some());
                self.state = match framing {
                    Framing::Length(left) if body.is_none() => State::Body { left },
                    Framing::Chunked => State::Chunked(Chunked::default()),
                    Framing::Attach => State::Passthrough,
                    Framing::None | Framing::Length(_) => State::Head,
                };
                if framing == Framing::Attach {
                    self.waiting.over();
                }
                self.tap.put(Tapped::Head(Box::new(RequestHead { bytes: head, parsed, body })));
            }
            Err(refusal) => self.refuse(refusal),
        }
        true
    }

    /// The body, if all of it came with the head: it need not pass through hyper then.
    fn whole_body(&mut self, framing: Framing) -> Option<Bytes> {
        match framing {
            Framing::None => Some(Bytes::new()),
            Framing::Length(len) => {
                let len = usize::try_from(len).ok().filter(|len| *len <= self.input.len())?;
                Some(self.input.split_to(len).freeze())
            }
            Framing::Chunked | Framing::Attach => None,
        }
    }

    /// Where the head in `input` ends.
    fn find_head_end(&mut self) -> Result<Option<usize>, Refusal> {
        let input = &self.input;
        for at in memchr_iter(b'\n', &input[self.looked_at..]).map(|at| self.looked_at + at) {
            if at == 0 || input[at - 1] != b'\r' {
                return Err(bad_request("a line of the head ends without a carriage return"));
            }
            if at >= 3 && input[at - 3..at] == *b"\r\n\r" {
                return Ok(Some(at + 1));
            }
        }
        self.looked_at = input.len();
        if input.len() > self.limits.max_head_bytes { Err(too_large()) } else { Ok(None) }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.tap.put(Tapped::Refused(refusal));
        self.output = Bytes::from_static(STAND_IN);
        self.input.clear();
        self.state = State::Refused;
    }
}

fn too_large() -> Refusal {
    Refusal {
        status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        text: "the head of the request is larger than this relay takes (max_head_bytes)",
    }
}

pub(crate) fn bad_request(text: &'static str) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, text }
}

impl<IO: AsyncRead + Unpin> AsyncRead for RawHeads<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.output.is_empty() {
                let len = this.output.len().min(buffer.remaining());
                buffer.put_slice(&this.output.split_to(len));
                return Poll::Ready(Ok(()));
            }
            if matches!(this.state, State::Refused | State::Ended) {
                return Poll::Ready(Ok(()));
            }
            if matches!(this.state, State::Passthrough) && this.input.is_empty() {
                return Pin::new(&mut this.io).poll_read(context, buffer);
            }
            if !this.advance() {
                let mut room = [MaybeUninit::uninit(); READ_BYTES];
                let mut read = ReadBuf::uninit(&mut room);
                let came = Pin::new(&mut this.io).poll_read(context, &mut read)?;
                if came.is_pending() && matches!(this.state, State::Head) {
                    ready!(this.waiting.for_head(!this.input.is_empty(), &this.limits, context))?;
                } else {
                    ready!(came);
                }
                if read.filled().is_empty() {
                    this.state = State::Ended;
                } else {
                    this.input.extend_from_slice(read.filled());
                }
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for RawHeads<IO> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(context))?;
        }
        if matches!(this.state, State::Body { .. } | State::Chunked(_) | State::Refused) {
            let linger = this.linger.get_or_insert_with(|| Linger::new(this.limits.refused_timeout));
            ready!(linger.poll(&mut this.io, context));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl RequestHead {
    /// The head of an HTTP/2 request in the form of HTTP/1: the authority becomes `host` when there is none. HTTP/2 has no request
    /// line and no spelling of names, so this is all there was.
    ///
    /// # Errors
    /// When it is larger than it may be, or could be read in two ways.
    pub fn of_h2(parts: &Parts, limits: &RawHeadLimits) -> Result<Self, Refusal> {
        let mut head = BytesMut::new();
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        head.extend_from_slice(format!("{} {target} HTTP/2\r\n", parts.method).as_bytes());
        if let Some(authority) = parts.uri.authority()
            && !parts.headers.contains_key(HOST)
        {
            head.extend_from_slice(format!("host: {authority}\r\n").as_bytes());
        }
        for (name, value) in &parts.headers {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        let bytes = head.freeze();
        let parsed = check_h2(&bytes, parts.uri.authority().map(Authority::as_str), limits)?;
        Ok(Self { bytes, parsed, body: None })
    }
}

#[cfg(test)]
mod tests;

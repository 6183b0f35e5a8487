//! A connection on which hyper's request head is replaced by exact bytes, and the head of the answer is kept as it comes.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use inhaul_core::event::{Head, Header};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest head of an answer that is kept; hyper refuses longer ones soon after.
const MAX_ANSWER_HEAD_BYTES: usize = 256 * 1024;

const END: &[u8] = b"\r\n\r\n";

/// The wrapped connection.
pub(super) struct Exact<IO> {
    io: IO,
    /// What is left to be written in place of hyper's head.
    head: Bytes,
    /// How much of [`END`] the bytes hyper wrote end with; `None` once its head is over.
    ended: Option<usize>,
    answer: Arc<Mutex<Answer>>,
}

#[derive(Default)]
struct Answer {
    bytes: BytesMut,
    /// The header lines with the empty line, once there.
    lines: Option<Bytes>,
    done: bool,
}

/// Where the head of the answer is found.
pub(super) struct AnswerHead(Arc<Mutex<Answer>>);

impl AnswerHead {
    /// Every header of the final answer as it was written; `None` when its lines do not end with CRLF.
    pub(super) fn headers(&self) -> Option<Vec<Header>> {
        let answer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Head::parse_headers(answer.lines.as_ref()?).ok()
    }
}

impl<IO> Exact<IO> {
    /// Wraps a connection on which one request will be sent.
    pub(super) fn new(io: IO, head: Bytes) -> (Self, AnswerHead) {
        let answer = Arc::new(Mutex::new(Answer::default()));
        (Self { io, head, ended: Some(0), answer: Arc::clone(&answer) }, AnswerHead(answer))
    }

    /// How many of these bytes belong to hyper's head; the rest is body.
    fn swallow(&mut self, bytes: &[u8]) -> usize {
        for (at, &byte) in bytes.iter().enumerate() {
            let Some(matched) = self.ended else { return at };
            let matched = match byte {
                byte if byte == END[matched] => matched + 1,
                b'\r' => 1,
                _ => 0,
            };
            self.ended = (matched < END.len()).then_some(matched);
        }
        bytes.len()
    }
}

impl Answer {
    fn take(&mut self, bytes: &[u8]) {
        if self.done {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        while let Some(end) = self.bytes.windows(END.len()).position(|window| window == END) {
            let head = self.bytes.split_to(end + END.len()).freeze();
            // Interim answers come before the final one (RFC 9110 §15.2).
            let interim = head.get(9) == Some(&b'1') && head.get(9..12) != Some(b"101");
            if !interim {
                let line_end = head.windows(2).position(|window| window == b"\r\n").map_or(0, |at| at + 2);
                self.lines = Some(head.slice(line_end..));
                self.finish();
                return;
            }
        }
        if self.bytes.len() > MAX_ANSWER_HEAD_BYTES {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.done = true;
        self.bytes = BytesMut::new();
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Exact<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(context, buffer))?;
        this.answer.lock().unwrap_or_else(PoisonError::into_inner).take(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> Exact<IO> {
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.head.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, &self.head))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.head.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Exact<IO> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.ended.is_some() {
            let swallowed = this.swallow(bytes);
            if swallowed > 0 {
                return Poll::Ready(Ok(swallowed));
            }
        }
        ready!(this.poll_head(context))?;
        Pin::new(&mut this.io).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ended.is_none() {
            ready!(this.poll_head(context))?;
        }
        Pin::new(&mut this.io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ended.is_none() {
            ready!(this.poll_head(context))?;
        }
        Pin::new(&mut this.io).poll_shutdown(context)
    }
}

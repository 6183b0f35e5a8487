//! Notes when bytes came from the other side. On a slow link a whole frame may take longer than the silence after which a session is given
//! up, and is none.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// When bytes came last.
#[derive(Clone, Debug)]
pub(super) struct LastByte {
    began: Instant,
    /// Since then; 0 when none came.
    nanos: Arc<AtomicU64>,
}

impl LastByte {
    fn note(&self) {
        let nanos = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanos.store(nanos.max(1), Ordering::Relaxed);
    }

    /// When bytes came last, if any came since this was asked before.
    pub(super) fn take(&self) -> Option<Instant> {
        let nanos = self.nanos.swap(0, Ordering::Relaxed);
        if nanos == 0 { None } else { self.began.checked_add(Duration::from_nanos(nanos)) }
    }
}

/// A connection that notes when bytes come.
#[derive(Debug)]
pub(super) struct Heard<IO> {
    io: IO,
    last: LastByte,
}

impl<IO> Heard<IO> {
    /// The connection, and what it notes.
    pub(super) fn new(io: IO) -> (Self, LastByte) {
        let last = LastByte { began: Instant::now(), nanos: Arc::default() };
        (Self { io, last: last.clone() }, last)
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Heard<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.last.note();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Heard<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn every_byte_that_comes_is_noted_and_none_that_goes() {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut near, last) = Heard::new(near);
        let mut buffer = [0; 1];
        near.write_all(b"out").await.unwrap();
        assert_eq!(last.take(), None);
        for _ in 0..2 {
            let before = Instant::now();
            far.write_all(b"i").await.unwrap();
            near.read_exact(&mut buffer).await.unwrap();
            let at = last.take().unwrap();
            assert!((before..=Instant::now()).contains(&at));
            assert_eq!(last.take(), None, "it is told once");
        }
        drop(far);
        assert_eq!(near.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(last.take(), None, "an end is no byte");
    }
}

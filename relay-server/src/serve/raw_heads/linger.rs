//! What becomes of the rest of a message that is answered before it was read. A socket that is closed while there is something to read is reset, and a
//! sender that writes before it reads never sees its answer. So the rest is read and thrown away for a while (RFC 9112 §9.6).

use std::{
    future::Future,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::Sleep,
};

use super::READ_BYTES;

/// How much is read at most.
pub(in crate::serve) const MOST_BYTES: usize = 256 * 1024;

pub(super) struct Linger {
    left: usize,
    over: Pin<Box<Sleep>>,
}

impl Linger {
    /// For so long at most.
    pub(super) fn new(longest: Duration) -> Self {
        Self { left: MOST_BYTES, over: Box::pin(tokio::time::sleep(longest)) }
    }

    /// Ready when the other side has closed, or it was enough.
    pub(super) fn poll<IO: AsyncRead + Unpin>(&mut self, io: &mut IO, context: &mut Context<'_>) -> Poll<()> {
        if self.over.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut room = [MaybeUninit::uninit(); READ_BYTES];
        while self.left > 0 {
            let mut read = ReadBuf::uninit(&mut room);
            let came = ready!(Pin::new(&mut *io).poll_read(context, &mut read));
            if came.is_err() || read.filled().is_empty() {
                break;
            }
            self.left = self.left.saturating_sub(read.filled().len());
        }
        Poll::Ready(())
    }
}

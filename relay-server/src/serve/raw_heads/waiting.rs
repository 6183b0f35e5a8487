//! How long a head is waited for.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Sleep;

use super::RawHeadLimits;

/// What runs while a connection waits for a head.
#[derive(Default)]
pub(super) struct Waiting {
    /// There was a head before.
    kept: bool,
    /// Whether the time is that of a connection without a head, and when it is over.
    running: Option<(bool, Pin<Box<Sleep>>)>,
}

impl Waiting {
    /// A head is whole.
    pub(super) fn head_came(&mut self) {
        self.kept = true;
        self.running = None;
    }

    /// Nothing comes now. Ready when that has been so for too long: an error within a head, and the end of the connection before one.
    pub(super) fn for_head(
        &mut self,
        begun: bool,
        limits: &RawHeadLimits,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let idle = self.kept && !begun;
        if self.running.as_ref().is_none_or(|(was_idle, _)| *was_idle != idle) {
            let limit: Duration = if idle { limits.idle_timeout } else { limits.head_timeout };
            self.running = Some((idle, Box::pin(tokio::time::sleep(limit))));
        }
        if let Some((_, over)) = &mut self.running {
            ready!(over.as_mut().poll(context));
        }
        if idle { Poll::Ready(Ok(())) } else { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) }
    }
}

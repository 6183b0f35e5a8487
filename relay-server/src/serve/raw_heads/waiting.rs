//! How long a head is waited for.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::RawHeadLimits;

/// What runs while a connection waits for a head.
#[derive(Default)]
pub(super) struct Waiting {
    /// There was a head before.
    kept: bool,
    /// Whether the time that runs is that of a connection without a head, and when it is over.
    running: Option<(bool, Instant)>,
    /// Made once, and not set anew for each head: when it comes too early, it is set to what is left.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Waiting {
    /// A head is whole.
    pub(super) fn head_came(&mut self) {
        self.kept = true;
        self.running = None;
    }

    /// No head comes any more.
    pub(super) fn over(&mut self) {
        *self = Self::default();
    }

    /// Nothing comes now. Ready when that has been so for too long: an error within a head, and the end of the connection before one.
    pub(super) fn for_head(
        &mut self,
        begun: bool,
        limits: &RawHeadLimits,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let idle = self.kept && !begun;
        let until = match self.running {
            Some((was_idle, until)) if was_idle == idle => until,
            _ => Instant::now() + if idle { limits.idle_timeout } else { limits.head_timeout },
        };
        self.running = Some((idle, until));
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        if timer.deadline() < until {
            ready!(timer.as_mut().poll(context));
            timer.as_mut().reset(until);
        }
        ready!(timer.as_mut().poll(context));
        if idle { Poll::Ready(Ok(())) } else { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) }
    }
}

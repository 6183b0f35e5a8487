//! Interrupts that somebody sent, and no others.
//!
//! The inspector takes ctrl-c as a key, so one that the terminal made a signal of was meant for a program that had the terminal. It may be
//! noticed when that program has ended already, so it is told by where it comes from, and not by when.

use std::io;

use signal_hook::{
    consts::SIGINT,
    iterator::{backend::SignalDelivery, exfiltrator::WithOrigin},
};
use tokio::{io::AsyncReadExt, net::UnixStream};

/// Notices interrupts from when it is made until it is dropped.
pub(super) struct Interrupts(SignalDelivery<UnixStream, WithOrigin>);

impl Interrupts {
    pub(super) fn new() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        Ok(Self(SignalDelivery::with_pipe(read, write, WithOrigin::default(), [SIGINT])?))
    }

    /// Waits until a process sends one. Whoever stops waiting loses none.
    pub(super) async fn sent(&mut self) -> io::Result<()> {
        loop {
            // A terminal is no process.
            if self.0.pending().any(|origin| origin.process.is_some()) {
                return Ok(());
            }
            self.0.get_read_mut().read_u8().await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
        time::Duration,
    };

    use rustix::process::{Signal, getpid, kill_process};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn one_that_a_process_sends_is_noticed_once() {
        let mut interrupts = Interrupts::new().unwrap();
        let is_there = |interrupts: &mut Interrupts| {
            pin!(interrupts.sent()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
        };
        for _ in 0..3 {
            assert!(!is_there(&mut interrupts));
            kill_process(getpid(), Signal::INT).unwrap();
            timeout(Duration::from_secs(60), interrupts.sent()).await.expect("it comes").unwrap();
        }
    }
}

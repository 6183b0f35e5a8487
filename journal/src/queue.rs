//! Records on their way to the writer: bounded in number and bytes.

use std::{
    collections::VecDeque,
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use crate::{AppendError, Location};

/// Called on the writer's thread once a record is stored, or has failed.
pub(crate) type Done = Box<dyn FnOnce(Result<Location, AppendError>) + Send>;

/// A record to be written.
pub(crate) struct Append {
    pub(crate) kind: u8,
    pub(crate) tag: Vec<u8>,
    pub(crate) parts: Vec<Bytes>,
    pub(crate) payload_len: u32,
    pub(crate) done: Done,
}

/// What the writer finds when it looks.
pub(crate) enum Work {
    /// Records, and whether there is space to give back.
    Batch(Vec<Append>),
    /// Nothing to write; segments may have become empty.
    Maintain,
    /// Nothing to write, and nothing will come.
    Stop,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    max_records: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Append>,
    bytes: usize,
    maintain: bool,
    closed: bool,
    /// A record could not be written, and none behind it is to be.
    refusing: bool,
    /// The writer waits, and nobody has woken it yet. Waking it is a system call, which one record of a group needs.
    idle: bool,
}

impl State {
    fn take(&mut self) -> Option<Work> {
        if !self.waiting.is_empty() {
            self.bytes = 0;
            return Some(Work::Batch(self.waiting.drain(..).collect()));
        }
        // Space that is not given back now is given back after the next opening.
        if self.closed {
            return Some(Work::Stop);
        }
        mem::take(&mut self.maintain).then_some(Work::Maintain)
    }
}

impl Queue {
    pub(crate) fn new(max_records: usize, max_bytes: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), max_records, max_bytes }
    }

    /// Queues a record, or gives it back. One record is always taken when nothing waits, however large.
    pub(crate) fn push(&self, append: Append) -> Result<(), (Append, AppendError)> {
        let mut state = self.lock();
        if state.closed {
            return Err((append, AppendError::Closed));
        }
        if state.refusing {
            return Err((append, AppendError::Behind));
        }
        let bytes = append.payload_len as usize;
        let full =
            state.waiting.len() >= self.max_records || state.bytes.saturating_add(bytes) > self.max_bytes;
        if full && !state.waiting.is_empty() {
            return Err((append, AppendError::Full));
        }
        state.bytes += bytes;
        state.waiting.push_back(append);
        self.wake(state);
        Ok(())
    }

    /// Wakes the writer to give space back.
    pub(crate) fn maintain(&self) {
        let mut state = self.lock();
        state.maintain = true;
        self.wake(state);
    }

    /// Lets nothing in until [`Queue::go_on`]; what is queued is taken out.
    pub(crate) fn refuse(&self) -> Vec<Append> {
        let mut state = self.lock();
        state.refusing = true;
        state.bytes = 0;
        state.waiting.drain(..).collect()
    }

    /// Lets records in again.
    pub(crate) fn go_on(&self) {
        self.lock().refusing = false;
    }

    /// Lets nothing more in; what is queued is still written.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake(state);
    }

    /// Nobody writes any more: what is queued goes, and so whoever waits for it learns that it is not stored.
    pub(crate) fn abandon(&self) {
        let abandoned = {
            let mut state = self.lock();
            state.closed = true;
            mem::take(&mut state.waiting)
        };
        drop(abandoned);
    }

    /// Waits for work.
    pub(crate) fn take(&self) -> Work {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.take() {
                return work;
            }
            state.idle = true;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The work there is now.
    pub(crate) fn try_take(&self) -> Option<Work> {
        self.lock().take()
    }

    /// Gives the lock back first: who is woken takes it at once.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let idle = mem::take(&mut state.idle);
        drop(state);
        if idle {
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! sled panics on damaged files, in our threads and in its own. Here such a panic becomes an error, and says nothing on
//! the terminal.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::{Once, mpsc},
    thread,
    time::Duration,
};

use super::IndexError;

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// How long the database may take to be opened and read through. Some damage sends it round in circles.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether a panic of this thread is caught where it happens, or stays in a thread of the database's own.
///
/// A panic hook that restores the terminal must leave it alone then: the program goes on.
pub fn panic_is_contained() -> bool {
    CONTAINED.get() || thread::current().name().is_some_and(|name| name.starts_with("sled-"))
}

/// Runs `work`; a panic in it is an error.
pub(super) fn contain<T>(work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    silence_contained_panics();
    let outer = CONTAINED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(outer);
    result.unwrap_or_else(|panic| Err(IndexError::Panicked(message(panic.as_ref()))))
}

/// Runs `work` on a thread of its own, for as long as opening may take. Work that never ends leaves its thread behind.
pub(super) fn contain_on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
) -> Result<T, IndexError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new().name("inhaul-index".into()).spawn(move || {
        // Nobody waits any more when the time is over; the work's result is dropped then.
        let _ = sender.send(contain(work));
    })?;
    receiver.recv_timeout(OPEN_TIMEOUT).unwrap_or(Err(IndexError::Silent))
}

/// Drops what may panic or hang while it is dropped, on a thread that nobody waits for.
pub(super) fn abandon<T: Send + 'static>(damaged: T) {
    let dropping = thread::Builder::new().name("inhaul-index".into()).spawn(move || {
        let _ = contain(move || {
            drop(damaged);
            Ok(())
        });
    });
    if let Err(error) = dropping {
        tracing::warn!(%error, "no thread to drop a damaged index on");
    }
}

fn silence_contained_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if panic_is_contained() {
                tracing::debug!(panic = %info, "the index broke off");
            } else {
                previous(info);
            }
        }));
    });
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

//! When bytes came from the other side: noted where they are read, and asked for where the time is kept. On a slow link a whole frame may take longer
//! than the silence after which a session is given up, and is none.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// When bytes came last. A clone is another handle of the same note.
#[derive(Clone, Debug)]
pub struct LastByte {
    began: Instant,
    /// Since then; 0 when none came.
    nanos: Arc<AtomicU64>,
}

impl LastByte {
    /// For a connection that begins now.
    pub fn new(now: Instant) -> Self {
        Self { began: now, nanos: Arc::default() }
    }

    /// Bytes have come.
    pub fn note(&self, now: Instant) {
        let nanos = now.saturating_duration_since(self.began).as_nanos();
        self.nanos.store(u64::try_from(nanos).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    /// When bytes came last, if any came since this was asked before.
    pub fn take(&self) -> Option<Instant> {
        let nanos = self.nanos.swap(0, Ordering::Relaxed);
        if nanos == 0 { None } else { self.began.checked_add(Duration::from_nanos(nanos)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_last_is_told_once() {
        let now = Instant::now();
        let (last, later) = (LastByte::new(now), |seconds| now + Duration::from_secs(seconds));
        assert_eq!(last.take(), None);
        last.clone().note(later(1));
        last.note(later(2));
        assert_eq!(last.take(), Some(later(2)));
        assert_eq!(last.take(), None);
        last.note(now);
        assert_eq!(
            last.take(),
            Some(now + Duration::from_nanos(1)),
            "also in the very moment in which it began"
        );
    }
}

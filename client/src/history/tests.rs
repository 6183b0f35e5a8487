//! Sample events, and conversations with a whole history.

mod damage;
mod delete;
mod kill;
mod notes;
mod over;
mod periods;
mod refused;
mod repeats;
mod store;
mod upkeep;

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use inhaul_core::event::{Peer, PeerSource};
use inhaul_journal::Location;
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    fold::{Indexed, fold},
    record::{Arrived, Change},
    *,
};
use crate::row::Outcome;

/// 2025-11-24T07:41:10.118Z
const NOW: u64 = 1_763_970_070_118;
const DAY: u64 = 86_400_000;

/// The event received at that many milliseconds after [`NOW`].
pub(crate) fn sample_event(number: u64, body: &[u8]) -> Event {
    let id = (u128::from(NOW + number) << 80) | 0x7000_8000_0000_0000_0000 | u128::from(number);
    Event {
        id: EventId(Uuid::from_u128(id)),
        endpoint: "orders".parse().unwrap(),
        received_at: UnixMillis(NOW + number),
        peer: Peer { address: "203.0.113.9:40001".into(), source: PeerSource::Socket },
        prefix_bytes: 12,
        head: format!("POST /in/orders-1/hook?n={number} HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n")
            .into(),
        body: Bytes::copy_from_slice(body),
        body_sha256: Event::digest(body),
    }
}

/// One attempt.
pub(crate) fn sample_attempt(number: u32, outcome: Outcome) -> Attempt {
    Attempt {
        number,
        target: "http://localhost:3000/".into(),
        cause: AttemptCause::Arrival,
        started_at: UnixMillis(NOW),
        changed: None,
        outcome,
    }
}

/// One entry of an index.
pub(super) fn sample_entry(event: u8, arrival: u64) -> Indexed {
    let facts = Facts { forward: true, ..Facts::default() };
    let arrived = Arrived { arrival, stored_at_ms: UnixMillis(NOW), facts, repeat: None };
    let location = Location { segment: 1, offset: arrival, len: 1 };
    fold(None, location, &Change::Arrived(arrived, sample_event(u64::from(event), b"x"))).unwrap()
}

/// A data directory, and a clock that a test moves by hand.
pub(crate) struct World {
    temp: TempDir,
    clock: Arc<AtomicU64>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap(), clock: Arc::new(AtomicU64::new(NOW)) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.temp.path().join("data")
    }

    pub(crate) fn options(&self) -> Options {
        let clock = Arc::clone(&self.clock);
        Options {
            segment_bytes: 1 << 20,
            prefill: false,
            cache_bytes: 1 << 20,
            old_cache_bytes: 1 << 20,
            clock: Arc::new(move || UnixMillis(clock.load(Ordering::Relaxed))),
            lock_wait: Duration::from_secs(600),
            command: Some("inhaul listen 3000".into()),
            ..Options::default()
        }
    }

    fn open(&self) -> Opened {
        History::open_with(&self.path(), self.options()).unwrap()
    }

    /// A history in which nothing was found wrong.
    pub(crate) fn open_well(&self) -> History {
        let opened = self.open();
        assert_eq!(opened.notes, Vec::<String>::new());
        opened.history
    }

    pub(crate) fn advance(&self, millis: u64) {
        self.clock.fetch_add(millis, Ordering::Relaxed);
    }

    /// Another world with the files as they are now: what a kill would leave.
    fn killed_now(&self) -> Self {
        let temp = tempfile::tempdir().unwrap();
        copy_directory(&self.path(), &temp.path().join("data"));
        Self { temp, clock: Arc::new(AtomicU64::new(self.clock.load(Ordering::Relaxed))) }
    }

    /// The directories of all periods, in order.
    fn periods(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path().join("history")).unwrap();
        let mut periods: Vec<PathBuf> =
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
        periods.sort_by_key(|path| path.extension().unwrap().to_str().unwrap().parse::<u64>().unwrap());
        periods
    }
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy_directory(&entry.path(), &target),
            kind if kind.is_file() => drop(fs::copy(entry.path(), target).unwrap()),
            _ => {}
        }
    }
}

/// With a target.
pub(crate) fn forwarded() -> Facts {
    Facts { forward: true, ..Facts::default() }
}

/// Everything a history says of its events: rows in order of storing, and which are pending.
async fn everything(history: &History) -> (Vec<EventRow>, Vec<EventId>) {
    let mut rows = history.rows(None, usize::MAX).await.unwrap();
    rows.reverse();
    let pending = history.pending().await.unwrap().into_iter().map(|row| row.id).collect();
    (rows, pending)
}

async fn store_all(history: &History, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let stored = history.store(sample_event(number, &body(number)), forwarded()).await.unwrap();
        assert!(matches!(stored, Stored::New(_)), "{number}");
    }
}

/// A body that is another one for each event.
fn body(number: u64) -> Vec<u8> {
    number.to_be_bytes().repeat(1 + usize::try_from(number % 50).unwrap())
}

/// Some of everything: verdicts, attempts that ended and one that did not, settled events and pending ones.
async fn busy_history(history: &History, numbers: std::ops::Range<u64>) {
    store_all(history, numbers.clone()).await;
    for number in numbers {
        let id = sample_event(number, b"").id;
        if number % 2 == 0 {
            history.set_verdict(id, Verdict::NoSecret { provider: "stripe".into() }).await.unwrap();
        }
        let mut attempt =
            history.begin_attempt(id, "http://localhost:3000/", AttemptCause::Arrival).await.unwrap();
        if number % 5 == 0 {
            continue;
        }
        attempt.outcome = Outcome::Answered {
            status: 200,
            headers: vec![("server".into(), "test".into())],
            body_bytes: 2,
            body_excerpt: b"ok".to_vec(),
            latency_ms: number,
        };
        if number % 6 == 0 {
            history.finish_last_attempt(id, attempt).await.unwrap();
            continue;
        }
        history.finish_attempt(id, attempt).await.unwrap();
        if number % 3 == 0 {
            history.settle(id).await.unwrap();
        }
    }
}

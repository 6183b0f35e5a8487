//! Stored, read, forgotten, and found again at the next start.

use std::{fs, path::PathBuf, pin::pin, thread};

use bytes::Bytes;
use futures_util::FutureExt;
use inhaul_core::{
    event::{EventId, Peer, PeerSource, UnixMillis},
    wire::Sharing,
};
use inhaul_journal::Moved;

use super::{
    tag::{ClientRecord, Standing},
    *,
};

mod reads;
mod retention;
mod sharing;

const ROOMY: BacklogLimits = BacklogLimits { events: 1000, bytes: 1 << 30 };

fn orders() -> EndpointName {
    "orders".parse().unwrap()
}

fn event(number: u8, body_bytes: usize) -> Event {
    let body = Bytes::from(vec![number; body_bytes]);
    Event {
        id: EventId(Uuid::from_u128(u128::from(number))),
        endpoint: orders(),
        received_at: UnixMillis(1),
        peer: Peer { address: "203.0.113.9:1".into(), source: PeerSource::Socket },
        prefix_bytes: 5,
        head: Bytes::from_static(b"POST /in/o HTTP/1.1\r\nHost: a\r\n\r\n"),
        body_sha256: Event::digest(&body),
        body,
    }
}

fn client(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A client that does not share.
fn alone(spool: &Spool) -> Reader {
    spool.join(&orders(), client(1), None, None).unwrap()
}

/// A client that shares, with its place on the disk.
fn share(spool: &Spool, number: u128) -> Reader {
    let mut reader = spool.join(&orders(), client(number), Some(Sharing::Share), None).unwrap();
    if let Some(joined) = reader.joined() {
        let mut joined = pin!(joined);
        while joined.as_mut().now_or_never().is_none() {
            thread::yield_now();
        }
    }
    reader
}

/// A spool that writes when it is told to.
fn stepped(directory: &Path) -> Spool {
    let options = Options { stepped: true, ..Options::default() };
    Spool::open_on(Arc::new(RealDisk), directory, options).unwrap().0
}

/// Every number that waits for a client behind `after`, with its event and whether it is missed.
async fn waiting(reader: &Reader, mut after: u64) -> Vec<(u64, u8, bool)> {
    let mut found = Vec::new();
    while let Next::Event(spooled) = reader.next(after, u64::MAX).await {
        after = spooled.seq;
        found.push((spooled.seq, spooled.event.id.0.as_bytes()[15], spooled.missed));
    }
    found
}

#[test]
fn what_follows_a_stored_event_is_done_though_its_sender_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let spool = stepped(directory.path());
    let done = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&done);
    let event = event(1, 10);
    let then = move |_: &EndpointName| _ = counting.fetch_add(1, Ordering::Relaxed);
    assert!(
        spool.append_then(&event, false, ROOMY, 0, then).now_or_never().is_none(),
        "it waits for the disk"
    );
    assert_eq!(done.load(Ordering::Relaxed), 0);
    while spool.step() {}
    assert_eq!(done.load(Ordering::Relaxed), 1);
    assert_eq!(spool.backlog(&orders()).events, 1);
}

#[tokio::test]
async fn events_wait_in_order_until_they_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    for number in 1..=5 {
        spool.append(&event(number, 10), number == 3, ROOMY).await.unwrap();
    }
    let all = [(1, 1, false), (2, 2, false), (3, 3, true), (4, 4, false), (5, 5, false)];
    assert_eq!(waiting(&alone(&spool), 0).await, all);
    assert_eq!(alone(&spool).backlog().events, 5);
    alone(&spool).stored(2, &[4]);
    assert_eq!(waiting(&alone(&spool), 0).await, [(3, 3, true), (5, 5, false)]);
    assert_eq!(alone(&spool).backlog().events, 2);
    assert_eq!(alone(&spool).start(), 2);
}

#[test]
fn that_a_sender_is_to_come_again_is_on_the_disk_before_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let spool = stepped(directory.path());
    let (event, orders) = (event(1, 10), orders());
    let mut stored = pin!(spool.append(&event, false, ROOMY));
    assert!(stored.as_mut().now_or_never().is_none());
    while spool.step() {}
    assert_eq!(stored.now_or_never().unwrap().unwrap(), 1);
    // The second time, of an event that waits no more: so that it does not is on the disk too.
    for _ in 0..2 {
        let mut marked = pin!(spool.mark_missed(&orders, 1));
        assert!(marked.as_mut().now_or_never().is_none(), "it is not written yet");
        while spool.step() {}
        assert!(marked.now_or_never().is_some());
        alone(&spool).stored(1, &[]);
    }
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let id = spool.id();
    for number in 1..=6 {
        spool.append(&event(number, 10), false, ROOMY).await.unwrap();
    }
    alone(&spool).stored(2, &[4]);
    spool.mark_missed(&orders(), 5).await;
    let (before, backlog) = (waiting(&alone(&spool), 0).await, alone(&spool).backlog());
    spool.close().unwrap();

    let (spool, recovery) = Spool::open(directory.path()).unwrap();
    assert!(recovery.holes.is_empty());
    assert_eq!(spool.id(), id);
    assert_eq!(waiting(&alone(&spool), 0).await, before);
    assert_eq!(before, [(3, 3, false), (5, 5, true), (6, 6, false)]);
    assert_eq!(alone(&spool).backlog(), backlog);
    assert_eq!(alone(&spool).start(), 2);
    assert_eq!(spool.append(&event(7, 10), false, ROOMY).await.unwrap(), 7, "numbers go on");
}

#[tokio::test]
async fn a_number_is_not_given_again_when_its_event_was_stored_before_an_earlier_one() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let options = Options { segment_bytes: 16 << 10, keep_free: 0, ..Options::default() };
        Spool::open_on(Arc::new(RealDisk), directory.path(), options).unwrap().0
    };
    let spool = open();
    spool.append(&event(1, 10), false, ROOMY).await.unwrap();
    // It has a segment of its own, which goes with it.
    spool.append(&event(2, 20_000), false, ROOMY).await.unwrap();
    alone(&spool).stored(0, &[2]);
    spool.close().unwrap();
    open().close().unwrap();
    let spool = open();
    assert_eq!(spool.append(&event(3, 10), false, ROOMY).await.unwrap(), 3);
    spool.close().unwrap();
    assert_eq!(waiting(&alone(&open()), 0).await, [(1, 1, false), (3, 3, false)]);
}

#[tokio::test]
async fn a_full_backlog_refuses_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let limits = BacklogLimits { events: 2, bytes: 1000 };
    spool.append(&event(1, 10), false, limits).await.unwrap();
    let large = spool.append(&event(2, 2000), false, limits).await;
    assert!(matches!(large, Err(SpoolError::Backlog { events: 1, .. })));
    spool.append(&event(3, 10), false, limits).await.unwrap();
    assert!(spool.append(&event(4, 10), false, limits).await.is_err());
    assert_eq!(waiting(&alone(&spool), 0).await.len(), 2);
    alone(&spool).stored(1, &[]);
    spool.append(&event(5, 10), false, limits).await.unwrap();
}

#[tokio::test]
async fn an_event_larger_than_asked_for_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    spool.append(&event(1, 500), false, ROOMY).await.unwrap();
    assert!(matches!(alone(&spool).next(0, 100).await, Next::TooLarge));
    assert!(matches!(alone(&spool).next(1, 100).await, Next::Empty));
    assert!(matches!(alone(&spool).next(0, 533).await, Next::Event(_)));
}

/// The one segment of a small spool.
fn segment(directory: &Path) -> PathBuf {
    let mut files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|extension| extension == "seg")).unwrap()
}

#[tokio::test]
async fn a_damaged_event_is_missing_alone_and_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    for number in 1..=5 {
        spool.append(&event(number, 100), false, ROOMY).await.unwrap();
    }
    spool.close().unwrap();
    let path = segment(directory.path());
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(100).position(|window| window == [3; 100]).unwrap();
    bytes[at + 50] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (spool, recovery) = Spool::open(directory.path()).unwrap();
    assert_eq!(recovery.problems().len(), 1);
    let left: Vec<u8> = waiting(&alone(&spool), 0).await.into_iter().map(|(_, event, _)| event).collect();
    assert_eq!(left, [1, 2, 4, 5]);
}

#[tokio::test]
async fn numbers_that_are_given_again_are_those_of_another_spool() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    for number in 1..=5 {
        spool.append(&event(number, 100), false, ROOMY).await.unwrap();
    }
    let id = spool.id();
    spool.close().unwrap();
    let path = segment(directory.path());
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(100).position(|window| window == [4; 100]).unwrap();
    fs::write(&path, &bytes[..at]).unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    assert_eq!(spool.append(&event(6, 100), false, ROOMY).await.unwrap(), 4);
    // A client that has 1 to 5 of the spool that was is not taken to have this event.
    assert_ne!(spool.id(), id);
    let left: Vec<u8> = waiting(&alone(&spool), 0).await.into_iter().map(|(_, event, _)| event).collect();
    assert_eq!(left, [1, 2, 3, 6]);
}

#[test]
fn what_the_journal_moves_is_found_where_it_went() {
    let place = |offset| Location { segment: 1, offset, len: 0 };
    let id = EventId(Uuid::from_u128(1));
    let expired = Expired { events: 2, since: UnixMillis(3) };
    let record = ClientRecord {
        up_to: 1,
        revision: 4,
        standing: Standing::Holds,
        seen: 5,
        seen_at: UnixMillis(6),
        expired,
    };
    let records = [
        (Kind::Identity, Uuid::from_u128(9).as_bytes().to_vec()),
        (Kind::Cursor, tag::of_mark(&orders(), 1)),
        (Kind::Event, tag::of_event(&orders(), 2, id, 10, false, 0)),
        (Kind::Missed, tag::of_mark(&orders(), 2)),
        (Kind::OneStored, tag::of_mark(&orders(), 3)),
        (Kind::Client, tag::of_client(&orders(), client(1), &record)),
        (Kind::Expired, tag::of_expired(&orders(), 5, expired)),
        (Kind::Clock, tag::of_clock(7).to_vec()),
    ];
    let mut lanes = Lanes::default();
    let mut released = Vec::new();
    for ((kind, tag), offset) in records.iter().zip(0..) {
        lanes.recover(place(offset), *kind as u8, tag, &mut released);
    }
    assert_eq!(released, []);
    for ((kind, tag), offset) in records.iter().zip(0..) {
        let moved = Moved { from: place(offset), to: place(offset + 100), kind: *kind as u8, tag };
        assert!(lanes.moved(&moved), "{kind:?}");
        assert!(!lanes.moved(&moved), "{kind:?} is no longer where it was");
    }
    let unknown = Moved { from: place(7), to: place(107), kind: 99, tag: &[] };
    assert!(lanes.moved(&unknown), "a later release may need it");
    let lane = lanes.by_name.get_mut(&orders()).unwrap();
    assert_eq!(lane.waiting[&2].location, place(102));
    assert_eq!(lane.cursor_record.take(), Some(place(101)));
}

#[test]
fn of_several_records_of_one_thing_the_latest_counts_wherever_it_stands() {
    let place = |offset| Location { segment: 1, offset, len: 0 };
    let record = |up_to, revision| ClientRecord {
        up_to,
        revision,
        standing: Standing::Holds,
        seen: 0,
        seen_at: UnixMillis(0),
        expired: Expired::default(),
    };
    let of_client = |record| tag::of_client(&orders(), client(1), &record);
    let expired = |events| Expired { events, since: UnixMillis(1) };
    let records = [
        (Kind::Cursor, tag::of_mark(&orders(), 9), tag::of_mark(&orders(), 8)),
        (Kind::Client, of_client(record(9, 5)), of_client(record(8, 4))),
        (Kind::Expired, tag::of_expired(&orders(), 7, expired(1)), tag::of_expired(&orders(), 6, expired(2))),
        (Kind::Clock, tag::of_clock(9).to_vec(), tag::of_clock(8).to_vec()),
    ];
    for order in [false, true] {
        let mut lanes = Lanes::default();
        let mut released = Vec::new();
        for ((kind, latest, older), offset) in records.iter().zip((0..).step_by(10)) {
            let both = [(place(offset), latest), (place(offset + 1), older)];
            let both = if order { [both[1], both[0]] } else { both };
            for (place, tag) in both {
                lanes.recover(place, *kind as u8, tag, &mut released);
            }
        }
        assert_eq!(released, [1, 11, 21, 31].map(place));
        let lane = &lanes.by_name[&orders()];
        assert_eq!((lane.cursor, lane.clients[&client(1)].up_to(), lane.expired.events), (9, 9, 1));
        assert_eq!((lane.last_seq, lane.revision, lanes.clock.seconds()), (9, 7, 9));
    }
}

/// A spool that a release before there were shared endpoints and a retention has written.
const GOLDEN: &[u8] = include_bytes!("../../../assets/golden/spool-v1.seg");

#[tokio::test]
async fn a_spool_of_the_first_release_is_read() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("0000000000000001.seg"), GOLDEN).unwrap();
    let (spool, recovery) = Spool::open(directory.path()).unwrap();
    assert_eq!(recovery.problems(), Vec::<String>::new());
    assert_eq!(spool.id().to_string(), "01a21222-c8b1-7745-a29c-c4e1f3415533");
    let left = [(2, 2, true), (3, 3, false), (5, 5, true), (6, 6, false)];
    assert_eq!(waiting(&alone(&spool), 0).await, left);
    assert_eq!(alone(&spool).start(), 1);
    let shared = share(&spool, 1);
    assert_eq!(waiting(&shared, 0).await, left, "who shares first has what waits");
    assert_eq!(spool.append(&event(7, 10), false, ROOMY).await.unwrap(), 7);
}

/// The endpoint was looked up, and removed before its event was given to the spool.
#[tokio::test]
async fn an_event_is_not_taken_when_an_endpoint_was_removed_since_it_was_looked_up() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let removals = spool.removals();
    spool.remove_endpoint(&orders());
    let refused = spool.append_then(&event(1, 100), false, ROOMY, removals, |_| {}).await;
    assert!(matches!(refused, Err(SpoolError::Removal)), "{refused:?}");
    assert_eq!(spool.backlog(&orders()).events, 0);
    spool.append_then(&event(2, 100), false, ROOMY, spool.removals(), |_| {}).await.unwrap();
    assert_eq!(spool.backlog(&orders()).events, 1);
}

#[tokio::test]
async fn what_waits_at_an_endpoint_that_is_removed_is_for_nobody_also_after_a_restart() {
    for shared in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (mut spool, _) = Spool::open(directory.path()).unwrap();
        if shared {
            drop(share(&spool, 1));
        }
        spool.append(&event(1, 100), false, ROOMY).await.unwrap();
        spool.append(&event(2, 100), false, ROOMY).await.unwrap();
        let gone = spool.remove_endpoint(&orders());
        assert_eq!(gone.events, 2);
        assert!(spool.shared_clients().is_empty());
        let seq = spool.append(&event(3, 100), false, ROOMY).await.unwrap();
        assert!(seq > 2, "numbers are not given again");
        for _start in 0..2 {
            assert_eq!(spool.backlog(&orders()).events, 1);
            let reader = alone(&spool);
            let Next::Event(first) = reader.next(reader.start(), u64::MAX).await else { panic!("one waits") };
            assert_eq!(first.event, event(3, 100));
            drop(reader);
            spool.close().unwrap();
            spool = Spool::open(directory.path()).unwrap().0;
        }
    }
}

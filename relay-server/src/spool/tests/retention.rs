//! Events that wait too long, and how time is counted.

use std::time::{Duration, Instant};

use super::*;

/// Kept for ten minutes.
const RETENTION: Option<Duration> = Some(Duration::from_secs(600));

/// A webhook's id, made a minute after 1970-01-01T00:00:00Z.
fn old_event(number: u8) -> Event {
    let at = uuid::Timestamp::from_unix(uuid::NoContext, 60, 0);
    let mut id = Uuid::new_v7(at).into_bytes();
    id[15] = number;
    Event { id: EventId(Uuid::from_bytes(id)), ..event(number, 10) }
}

const RECEIVED: UnixMillis = UnixMillis(60_000);

/// The clock of a relay that runs.
struct Running {
    now: Instant,
}

impl Running {
    fn new(spool: &Spool) -> Self {
        let running = Self { now: Instant::now() };
        assert_eq!(running.look(spool), []);
        running
    }

    fn look(&self, spool: &Spool) -> Vec<Dropped> {
        let dropped = spool.tick(self.now, UnixMillis(100_000), RETENTION);
        dropped.into_iter().map(|(_, dropped)| dropped).collect()
    }

    /// Time passes, a second at a time, as a relay that runs sees it.
    fn pass(&mut self, spool: &Spool, seconds: u64) -> Vec<Dropped> {
        let mut all = Vec::new();
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            all.extend(self.look(spool));
        }
        all
    }
}

fn expired(dropped: &[Dropped]) -> u64 {
    dropped.iter().map(|dropped| dropped.backlog.events).sum()
}

#[tokio::test]
async fn an_event_that_waits_too_long_is_dropped_and_counted_until_a_client_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let mut running = Running::new(&spool);
    spool.append(&old_event(1), false, ROOMY).await.unwrap();
    spool.append(&old_event(2), true, ROOMY).await.unwrap();
    assert_eq!(running.pass(&spool, 300), []);
    spool.append(&old_event(3), false, ROOMY).await.unwrap();
    assert_eq!(running.pass(&spool, 299), [], "not before its time");
    let dropped = running.pass(&spool, 10);
    assert_eq!(dropped.len(), 1, "{dropped:?}");
    assert_eq!((dropped[0].backlog.events, dropped[0].why), (2, Why::Expired { since: RECEIVED }));
    assert_eq!(spool.total().events, 1);
    let untold = Some(Expired { events: 2, since: RECEIVED });
    assert_eq!(alone(&spool).expired(), untold, "nobody was told yet");
    spool.close().unwrap();

    let (spool, _) = Spool::open(directory.path()).unwrap();
    assert_eq!(spool.total().events, 1, "what was dropped does not come again");
    let reader = alone(&spool);
    assert_eq!(reader.expired(), untold);
    reader.told();
    reader.told();
    spool.close().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    assert_eq!(alone(&spool).expired(), None, "told once");
    assert_eq!(waiting(&alone(&spool), 0).await.len(), 1);
}

#[tokio::test]
async fn only_the_time_the_relay_runs_counts() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let mut running = Running::new(&spool);
    spool.append(&old_event(1), false, ROOMY).await.unwrap();
    assert_eq!(running.pass(&spool, 500), []);
    spool.close().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    // However long it was down, and whatever the clock says.
    let mut running = Running::new(&spool);
    assert_eq!(running.pass(&spool, 100), []);
    assert_eq!(expired(&running.pass(&spool, 10)), 1, "the time before counts too");
}

#[tokio::test]
async fn a_clock_that_jumps_by_hours_drops_nothing_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let mut running = Running::new(&spool);
    for number in 1..=3 {
        spool.append(&old_event(number), false, ROOMY).await.unwrap();
    }
    for _ in 0..9 {
        running.now += Duration::from_secs(50 * 3600);
        assert_eq!(running.look(&spool), [], "a jump counts for a minute");
    }
    let later = UnixMillis(4_000_000_000_000);
    assert_eq!(spool.tick(running.now, later, RETENTION), [], "the time of day counts for nothing");
    assert_eq!(spool.total().events, 3);
    assert_eq!(expired(&running.pass(&spool, 70)), 3, "time that passes does");
}

#[tokio::test]
async fn without_a_retention_everything_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    spool.append(&old_event(1), false, ROOMY).await.unwrap();
    drop(share(&spool, 1));
    let mut now = Instant::now();
    for _ in 0..2000 {
        now += Duration::from_secs(60);
        assert_eq!(spool.tick(now, UnixMillis(0), None), []);
    }
    assert_eq!(spool.total().events, 1);
    assert_eq!(spool.shared_clients().len(), 1);
}

#[tokio::test]
async fn events_of_the_first_release_count_from_the_first_start_of_this_one() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("0000000000000001.seg"), GOLDEN).unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let mut running = Running::new(&spool);
    assert_eq!(running.pass(&spool, 400), []);
    spool.close().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let mut running = Running::new(&spool);
    assert_eq!(running.pass(&spool, 190), []);
    assert_eq!(expired(&running.pass(&spool, 20)), 4);
    assert_eq!(alone(&spool).start(), 6);
}

#[tokio::test]
async fn each_client_that_shares_is_told_what_expired_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let mut running = Running::new(&spool);
    let (quick, slow) = (share(&spool, 1), share(&spool, 2));
    for number in 1..=3 {
        spool.append(&old_event(number), false, ROOMY).await.unwrap();
    }
    quick.stored(2, &[]);
    assert_eq!(expired(&running.pass(&spool, 610)), 3);
    drop((quick, slow));
    spool.close().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    for (number, events) in [(1, 1), (2, 3)] {
        let reader = share(&spool, number);
        assert_eq!(reader.expired(), Some(Expired { events, since: RECEIVED }));
        reader.told();
        assert_eq!(share(&spool, number).expired(), None);
        assert_eq!(reader.start(), 3);
    }
}

#[tokio::test]
async fn what_expired_before_anybody_shared_is_told_to_the_first_who_does_and_back() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let mut running = Running::new(&spool);
    spool.append(&old_event(1), false, ROOMY).await.unwrap();
    assert_eq!(expired(&running.pass(&spool, 610)), 1);
    let untold = Some(Expired { events: 1, since: RECEIVED });
    assert_eq!(share(&spool, 1).expired(), untold);
    assert_eq!(share(&spool, 2).expired(), None, "it is told once");
    spool.remove_client(&orders(), client(2)).unwrap();
    spool.close().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    assert_eq!(alone(&spool).expired(), untold, "the same client, which shares no longer");
    alone(&spool).told();
    assert_eq!(share(&spool, 1).expired(), None);
}

#[tokio::test]
async fn a_client_that_is_away_for_longer_than_the_retention_holds_nothing_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let mut running = Running::new(&spool);
    let here = share(&spool, 1);
    drop(share(&spool, 2));
    assert_eq!(running.pass(&spool, 400), []);
    spool.append(&old_event(1), false, ROOMY).await.unwrap();
    here.stored(1, &[]);
    assert_eq!(running.pass(&spool, 190), []);
    let dropped = running.pass(&spool, 20);
    assert_eq!(dropped.len(), 1, "{dropped:?}");
    assert_eq!((dropped[0].backlog.events, dropped[0].why), (1, Why::Lapsed { client: client(2) }));
    assert_eq!(spool.total().events, 0);
    spool.append(&old_event(2), false, ROOMY).await.unwrap();
    here.stored(2, &[]);
    assert_eq!(spool.total().events, 0, "nothing is kept for it");
    let back = share(&spool, 2);
    assert_eq!(back.expired(), Some(Expired { events: 2, since: RECEIVED }), "and it is told");
    assert_eq!(back.start(), 2);
    assert_eq!(spool.shared_clients().len(), 2);
    drop(back);
    // Who stays connected stays.
    assert_eq!(running.pass(&spool, 590), []);
    assert_eq!(spool.shared_clients().len(), 2);
    assert_eq!(running.pass(&spool, 20).len(), 1);
    assert_eq!(spool.shared_clients()[0].client, client(1));
}

#[tokio::test]
async fn a_client_that_was_connected_when_the_relay_died_was_not_away() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let mut running = Running::new(&spool);
    let (first, second) = (share(&spool, 1), share(&spool, 2));
    assert_eq!(running.pass(&spool, 5000), []);
    let copy = tempfile::tempdir().unwrap();
    spool.append(&old_event(1), false, ROOMY).await.unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    drop((first, second));
    // The copy is what a power cut would have left.
    let (spool, _) = Spool::open(copy.path()).unwrap();
    let mut running = Running::new(&spool);
    assert_eq!(running.pass(&spool, 500), []);
    assert_eq!(spool.shared_clients().len(), 2);
}

#[tokio::test]
async fn when_the_last_client_lapses_what_waits_is_for_whoever_comes_next() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let mut running = Running::new(&spool);
    drop(share(&spool, 1));
    assert_eq!(running.pass(&spool, 300), []);
    spool.append(&old_event(1), false, ROOMY).await.unwrap();
    let dropped = running.pass(&spool, 310);
    assert_eq!((dropped.len(), expired(&dropped)), (1, 0));
    assert_eq!(waiting(&alone(&spool), 0).await.len(), 1);
}

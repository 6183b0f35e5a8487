//! What an event costs the disk on its way, and in which order it gets there: the real history, on a disk that counts.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use inhaul_core::session::Delivery;
use inhaul_journal::{Disk as JournalDisk, DiskFile, RealDisk};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    clock,
    control::Orders,
    draft::Draft,
    forward::ForwardOptions,
    history::{ByHand, Options, tests::sample_event},
    listen::carry_out,
    replay::{Pace, Plan},
};

/// The real disk, and how often data was synced to it.
struct Counting(Arc<AtomicU64>);

struct CountingFile(Arc<dyn DiskFile>, Arc<AtomicU64>);

impl Counting {
    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(CountingFile(file, Arc::clone(&self.0)))
    }
}

impl JournalDisk for Counting {
    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        RealDisk.make_directory(directory)
    }
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send>>> {
        RealDisk.try_lock(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        RealDisk.list(directory)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(RealDisk.open(path)?))
    }
    fn make(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(RealDisk.make(path)?))
    }
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        RealDisk.sync_directory(directory)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn nonce(&self) -> u64 {
        RealDisk.nonce()
    }
}

impl DiskFile for CountingFile {
    fn bytes(&self) -> io::Result<u64> {
        self.0.bytes()
    }
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.sync_data()
    }
}

/// A pipeline on a history that a thread of the test runs.
struct World {
    history: History,
    pipeline: Pipeline,
    syncs: Arc<AtomicU64>,
    arrivals: mpsc::Sender<Arrival>,
    live: mpsc::Receiver<Live>,
    /// Kept open: without the other end, reports are nobody's.
    reports: mpsc::Receiver<Report>,
    next: u64,
    ended: Arc<AtomicBool>,
    runs_history: Option<thread::JoinHandle<()>>,
    _decisions: mpsc::Sender<Decision>,
    temp: TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(self.runs_history.take().map(thread::JoinHandle::join));
    }
}

impl World {
    fn new(targets: &[Target]) -> Self {
        Self::with(targets, Options::default())
    }

    fn with(targets: &[Target], options: Options) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let syncs = Arc::new(AtomicU64::new(0));
        let options = Options { simulated: Some(Arc::new(Counting(Arc::clone(&syncs)))), ..options };
        let (opened, mut by_hand) = ByHand::open(&temp.path().join("data"), options).unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ended);
        let runs_history = thread::spawn(move || {
            while !is_over.load(Ordering::SeqCst) {
                if !by_hand.step() && !by_hand.write() {
                    thread::yield_now();
                }
            }
        });
        let route = Route { targets: targets.to_vec(), ..Route::catch_all() };
        let (arrivals, to_take) = mpsc::channel(1);
        let (decisions, to_decide) = mpsc::channel(1);
        let (live_sender, live) = mpsc::channel(100);
        let (reports_sender, reports) = mpsc::channel(100);
        let history = opened.history;
        let pipeline = Pipeline {
            history: history.clone(),
            disk: Disk::impatient(live_sender.clone()),
            routes: Arc::new(Routes::new(route, Vec::new())),
            catch_up: CatchUp::default(),
            hold: Hold::default(),
            forwarder: Forwarder::new(ForwardOptions::default()),
            reports: reports_sender,
            live: live_sender,
            clock: Arc::new(clock::now),
            random: crate::random::random,
        };
        tokio::spawn(pipeline.clone().run(to_take, to_decide, CancellationToken::new()));
        Self {
            history,
            pipeline,
            syncs,
            arrivals,
            live,
            reports,
            next: 0,
            ended,
            runs_history: Some(runs_history),
            _decisions: decisions,
            temp,
        }
    }

    /// Gives the pipeline an event and waits until it has so many attempts with an outcome; its row then.
    async fn post(&mut self, sender_waits: bool, attempts: usize) -> EventRow {
        self.give(sender_waits).await;
        loop {
            match self.live.recv().await.unwrap() {
                Live::Event(row) => assert!(row.verdict.is_some(), "it is shown with its verdict"),
                Live::Attempt(row, _) if is_ended(&row) == attempts => return *row,
                Live::Attempt(..)
                | Live::Changed(_)
                | Live::Gone(_)
                | Live::Hold(_)
                | Live::Ready(_)
                | Live::Connection(_)
                | Live::Notice(_)
                | Live::Told(_) => {}
            }
        }
    }

    /// Gives the pipeline an event.
    async fn give(&mut self, sender_waits: bool) -> EventId {
        self.next += 1;
        let deadline = sender_waits.then(|| Instant::now() + Duration::from_secs(60));
        let event = sample_event(self.next, b"body");
        let id = event.id;
        let delivery = Box::new(Delivery { event, seq: self.next, deadline, missed: false });
        let arrival = Arrival {
            session: 1,
            delivery,
            endpoint_url: "http://localhost/in/orders".into(),
            taken_when_late: false,
            late: false,
        };
        self.arrivals.send(arrival).await.unwrap();
        id
    }

    /// The next event that is shown as stored, or that was delivered, with the notices before it.
    async fn shown(&mut self) -> (EventId, Vec<String>) {
        let mut notices = Vec::new();
        loop {
            match self.live.recv().await.unwrap() {
                Live::Event(row) | Live::Attempt(row, _) => return (row.id, notices),
                Live::Notice(text) => notices.push(text),
                Live::Changed(_)
                | Live::Gone(_)
                | Live::Hold(_)
                | Live::Ready(_)
                | Live::Connection(_)
                | Live::Told(_) => {}
            }
        }
    }

    async fn answered(&mut self) -> ResultHeader {
        loop {
            if let Report::Result { header, .. } = self.reports.recv().await.unwrap() {
                return header;
            }
        }
    }
}

fn is_ended(row: &EventRow) -> usize {
    row.attempts.iter().filter(|attempt| attempt.outcome != Outcome::Begun).count()
}

/// An application that answers 204, after it was told what the history has of the event then.
struct App {
    target: Target,
    history: Arc<Mutex<Option<History>>>,
    found: mpsc::Receiver<EventRow>,
}

impl App {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let history = Arc::new(Mutex::new(None));
        let (sender, found) = mpsc::channel(100);
        let known = Arc::clone(&history);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let asked: Option<History> = known.lock().unwrap().clone();
                let row = asked.unwrap().rows(None, 1).await.unwrap().remove(0);
                answer(stream).await;
                sender.send(row).await.unwrap();
            }
        });
        Self { target, history, found }
    }
}

async fn answer(mut stream: TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\nbody") {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await.unwrap();
}

#[tokio::test]
async fn an_event_is_synced_when_it_is_stored_when_it_is_begun_and_with_its_outcome() {
    let mut app = App::start().await;
    let mut world = World::new(&[app.target.clone()]);
    *app.history.lock().unwrap() = Some(world.history.clone());
    // The first one makes the files.
    world.post(true, 1).await;
    for sender_waits in [true, false] {
        app.found.recv().await.unwrap();
        let before = world.syncs.load(Ordering::SeqCst);
        for number in 1..=5 {
            let row = world.post(sender_waits, 1).await;
            assert_eq!(row.state, EventState::Settled, "its outcome settles it");
            assert_eq!(world.syncs.load(Ordering::SeqCst) - before, 3 * number);
            if number < 5 {
                let attempts = app.found.recv().await.unwrap().attempts;
                assert!(matches!(&attempts[..], [begun] if begun.outcome == Outcome::Begun), "{attempts:?}");
            }
        }
    }
    assert_eq!(world.history.pending().await.unwrap(), []);
}

/// A failure whose sender comes again by itself is the end of it as well.
#[tokio::test]
async fn a_failed_attempt_settles_an_event_whose_sender_was_told() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", gone.local_addr().unwrap()).parse().unwrap();
    drop(gone);
    let mut world = World::new(&[target]);
    world.post(true, 1).await;
    let before = world.syncs.load(Ordering::SeqCst);
    let row = world.post(true, 1).await;
    assert_eq!(row.state, EventState::Settled);
    assert_eq!(world.syncs.load(Ordering::SeqCst) - before, 3);
    assert!(matches!(world.answered().await.kind, ResultKind::Unreachable { .. }));
    // A sender that does not wait does not come again: it is to be tried again.
    let row = world.post(false, 1).await;
    assert_eq!(row.state, EventState::Pending);
}

/// Each event is a period of its own here.
#[tokio::test]
async fn an_event_that_cannot_be_read_is_looked_up_again_and_the_next_ones_go_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut world = World::with(&[target], Options { period_bytes: 1, ..Options::default() });
    let first = world.give(false).await;
    assert_eq!(world.shown().await.0, first);
    // The route is busy with the first one while the others are stored.
    let (busy, _) = listener.accept().await.unwrap();
    let (unread, next) = (world.give(false).await, world.give(false).await);
    assert_eq!((world.shown().await.0, world.shown().await.0), (unread, next));
    let periods = std::fs::read_dir(world.temp.path().join("data/history")).unwrap();
    let mut periods: Vec<PathBuf> = periods.map(|entry| entry.unwrap().path()).collect();
    periods.retain(|path| path.is_dir());
    periods.sort();
    let (journal, aside) = (periods[1].join("journal"), world.temp.path().join("aside"));
    std::fs::rename(&journal, &aside).unwrap();
    std::fs::write(&journal, "in the way").unwrap();
    answer(busy).await;
    assert_eq!(world.shown().await, (first, vec![]));
    answer(listener.accept().await.unwrap().0).await;
    let (delivered, notices) = world.shown().await;
    assert_eq!(delivered, next);
    assert!(
        notices.len() == 1 && notices[0].starts_with(&format!("the event {unread} cannot be looked up: ")),
        "{notices:?}"
    );
    std::fs::remove_file(&journal).unwrap();
    std::fs::rename(&aside, &journal).unwrap();
    answer(listener.accept().await.unwrap().0).await;
    assert_eq!(world.shown().await, (unread, vec![]));
}

#[tokio::test]
async fn the_last_of_several_outcomes_settles_an_event() {
    let apps = [App::start().await, App::start().await];
    let mut world = World::new(&[apps[0].target.clone(), apps[1].target.clone()]);
    for app in &apps {
        *app.history.lock().unwrap() = Some(world.history.clone());
    }
    world.post(true, 2).await;
    for sender_waits in [true, false] {
        let before = world.syncs.load(Ordering::SeqCst);
        let row = world.post(sender_waits, 2).await;
        assert_eq!((row.state, row.attempts.len()), (EventState::Settled, 2));
        let syncs = world.syncs.load(Ordering::SeqCst) - before;
        assert!((4..=5).contains(&syncs), "{syncs}: stored, both begun, and both outcomes");
    }
}

#[tokio::test]
async fn a_replay_that_is_stopped_tells_of_those_that_were_under_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut world = World::new(&[]);
    let id = world.give(false).await;
    assert_eq!(world.shown().await.0, id);
    let (orders, mut ordered) = Orders::new(Hold::default());
    let pace = Pace { times: 100, concurrency: 4, ..Pace::default() };
    let plan = Plan { pace, ..Plan::of_one(id, Some(target), Draft::default()) };
    let stop = CancellationToken::new();
    let mut done = orders.carry_out(plan, stop.clone()).await.unwrap();
    let request = ordered.plans.recv().await.unwrap();
    let sending = tokio::spawn(carry_out(world.pipeline.clone(), request, CancellationToken::new()));
    let mut under_way = Vec::new();
    while under_way.len() < 4 {
        under_way.push(listener.accept().await.unwrap().0);
    }
    stop.cancel();
    for stream in under_way {
        answer(stream).await;
    }
    let mut told = 0;
    while let Some(sent) = done.recv().await {
        assert!(sent.result.unwrap().outcome.is_success());
        told += 1;
    }
    sending.await.unwrap();
    let row = world.history.rows(None, 1).await.unwrap().remove(0);
    assert_eq!((told, row.attempts.len()), (4, 4));
}

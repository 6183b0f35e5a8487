//! What an event costs the disk on its way, and in which order it gets there: the real history, on a disk that counts.

use std::{
    io,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use bytes::Bytes;
use inhaul_core::{
    event::UnixMillis,
    retry::Schedule,
    session::Delivery,
    wire::{ResultHeader, ResultKind},
};
use inhaul_journal::testing::{HookedDisk, What};
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
    listen::replays::carry_out,
    live::NextTry,
    replay::{Pace, Plan},
};

mod replays;
mod senders;

/// A pipeline on a history that a thread of the test runs.
struct World {
    history: History,
    pipeline: Pipeline,
    syncs: Arc<AtomicU64>,
    refuses_reads: Arc<AtomicBool>,
    arrivals: mpsc::Sender<Arrival>,
    live: mpsc::Receiver<Live>,
    /// Kept open: without the other end, reports are nobody's.
    reports: mpsc::Receiver<Report>,
    next: u64,
    ended: Arc<AtomicBool>,
    runs_history: Option<thread::JoinHandle<()>>,
    _decisions: mpsc::Sender<Decision>,
    stop: CancellationToken,
    /// The pipeline before it runs.
    idle: Option<(Pipeline, mpsc::Receiver<Arrival>, mpsc::Receiver<Decision>)>,
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
        Self::on(Route { targets: targets.to_vec(), ..Route::catch_all() }, options)
    }

    fn on(route: Route, options: Options) -> Self {
        let mut world = Self::idle(route, options);
        drop(world.run());
        world
    }

    /// Whose pipeline does not run yet.
    fn idle(route: Route, options: Options) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (syncs, refuses_reads) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, refused) = (Arc::clone(&syncs), Arc::clone(&refuses_reads));
        let disk = HookedDisk::new(move |act| match act.what {
            What::Read(_) if refused.load(Ordering::SeqCst) => Err(io::ErrorKind::Other.into()),
            What::Read(_) | What::Write(_) | What::Allocate(_) => Ok(()),
            What::Sync => {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        });
        let options = Options { disk: Arc::new(disk), simulated: true, ..options };
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
        let (arrivals, to_take) = mpsc::channel(1);
        let (decisions, to_decide) = mpsc::channel(1);
        let (live_sender, live) = mpsc::channel(100);
        let (reports_sender, reports) = mpsc::channel(100);
        let (history, stop) = (opened.history, CancellationToken::new());
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
            stop: stop.clone(),
        };
        Self {
            history,
            pipeline: pipeline.clone(),
            syncs,
            refuses_reads,
            arrivals,
            live,
            reports,
            next: 0,
            ended,
            runs_history: Some(runs_history),
            _decisions: decisions,
            stop,
            idle: Some((pipeline, to_take, to_decide)),
            temp,
        }
    }

    /// Starts the pipeline.
    fn run(&mut self) -> tokio::task::JoinHandle<Result<(), HistoryError>> {
        let (pipeline, arrivals, decisions) = self.idle.take().unwrap();
        tokio::spawn(pipeline.run(arrivals, decisions))
    }

    /// Gives the pipeline an event and waits until it has so many attempts with an outcome; its row then.
    async fn post(&mut self, sender_waits: bool, attempts: usize) -> EventRow {
        self.give(sender_waits).await;
        loop {
            match self.live.recv().await.unwrap() {
                Live::Event(row) => assert!(row.verdict.is_some(), "it is shown with its verdict"),
                Live::Attempt(row, _) if is_ended(&row) == attempts => return *row,
                Live::Attempt(..)
                | Live::NextTry(..)
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
        let deadline = sender_waits.then(|| Instant::now() + Duration::from_secs(60));
        self.give_body(deadline, false, Bytes::from_static(b"body")).await
    }

    /// Gives the pipeline an event whose sender waits until then.
    async fn give_body(&mut self, deadline: Option<Instant>, taken_when_late: bool, body: Bytes) -> EventId {
        self.next += 1;
        let event = Event { body: body.clone(), ..sample_event(self.next, &body) };
        let id = event.id;
        drop(body);
        let delivery = Box::new(Delivery { event, seq: self.next, deadline, missed: false });
        let arrival = Arrival {
            session: 1,
            delivery,
            endpoint_url: "http://localhost/in/orders".into(),
            taken_when_late,
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
                Live::NextTry(..)
                | Live::Changed(_)
                | Live::Gone(_)
                | Live::Hold(_)
                | Live::Ready(_)
                | Live::Connection(_)
                | Live::Told(_) => {}
            }
        }
    }

    /// Lets the time go by after which the pipeline looks for what was left, and waits until it has.
    async fn look(&self) {
        tokio::time::advance(left::LOOK + Duration::from_secs(1)).await;
        for _ in 0..4 {
            tokio::task::yield_now().await;
            // It asks the history before this does, and so has its answer before.
            self.history.status().await.unwrap();
        }
    }

    /// The directories of all periods, in order.
    fn periods(&self) -> Vec<PathBuf> {
        let periods = std::fs::read_dir(self.temp.path().join("data/history")).unwrap();
        let mut periods: Vec<PathBuf> = periods.map(|entry| entry.unwrap().path()).collect();
        periods.retain(|path| path.is_dir());
        periods.sort();
        periods
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

async fn answer(stream: TcpStream) {
    answer_with(stream, "204 No Content").await;
}

async fn answer_with(mut stream: TcpStream, status: &str) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\nbody") {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
    }
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let head = if status.starts_with("204") { head.replace("Content-Length: 0\r\n", "") } else { head };
    stream.write_all(head.as_bytes()).await.unwrap();
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
    let periods = world.periods();
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

/// The relay gives an event again that is in a period which cannot be opened now. Each event is a period of its own here.
#[tokio::test]
async fn what_was_left_at_the_relay_is_asked_for_when_its_period_can_be_opened() {
    let mut world = World::with(&[], Options { period_bytes: 1, ..Options::default() });
    for _ in 0..2 {
        world.give(false).await;
        assert!(matches!(world.reports.recv().await, Some(Report::Stored { .. })));
    }
    let (journal, aside) = (world.periods()[0].join("journal"), world.temp.path().join("aside"));
    std::fs::rename(&journal, &aside).unwrap();
    std::fs::write(&journal, "in the way").unwrap();
    for _ in 0..2 {
        world.next = 0;
        world.give(false).await;
        assert!(matches!(world.reports.recv().await, Some(Report::NotStored { seq: 1, .. })));
    }
    tokio::time::pause();
    // While it works, time goes by only when it is told to.
    let (ended, until_ended) = std::sync::mpsc::channel::<()>();
    let keeps_time = tokio::task::spawn_blocking(move || until_ended.recv().is_err());
    for _ in 0..2 {
        world.look().await;
        assert!(world.reports.try_recv().is_err(), "it cannot be read yet");
    }
    std::fs::remove_file(&journal).unwrap();
    std::fs::rename(&aside, &journal).unwrap();
    world.look().await;
    assert!(matches!(world.reports.try_recv(), Ok(Report::Again { session: 1 })));
    world.next = 0;
    world.give(false).await;
    assert!(matches!(world.reports.recv().await, Some(Report::Stored { seq: 1, .. })));
    world.look().await;
    assert!(world.reports.try_recv().is_err(), "nothing is left");
    drop(ended);
    assert!(keeps_time.await.unwrap());
    let mut notices = Vec::new();
    while let Ok(live) = world.live.try_recv() {
        notices.extend(if let Live::Notice(text) = live { Some(text) } else { None });
    }
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(
        notices[0].contains("such events stay at the relay until it can")
            && notices[1].contains("can be read again")
    );
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

/// Takes a request and answers it with a status.
async fn answer_next(listener: &TcpListener, status: &str) {
    let (stream, _) = listener.accept().await.unwrap();
    answer_with(stream, status).await;
}

#[tokio::test]
async fn the_time_of_the_next_try_is_told_and_that_there_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let wait = Duration::from_millis(50);
    let retry = Schedule::new(vec![wait, wait]);
    let route = Route { targets: vec![target.clone()], retry, ..Route::catch_all() };
    let mut world = World::on(route, Options::default());
    let id = world.give(false).await;
    let mut told = Vec::new();
    for status in ["500 Oh", "404 No"] {
        answer_next(&listener, status).await;
        loop {
            let live = world.live.recv().await.unwrap();
            let is_last = matches!(live, Live::NextTry(..) | Live::Changed(_));
            told.push(live);
            if is_last {
                break;
            }
        }
    }
    let [
        Live::Event(_),
        Live::Attempt(_, first),
        Live::NextTry(of, NextTry::At(at)),
        Live::Attempt(_, second),
        Live::Changed(row),
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(*of, id);
    assert!(first.started_at < *at && *at <= UnixMillis(second.started_at.0 + 1), "{told:?}");
    assert!(row.state == EventState::GivenUp && row.given_up.is_some(), "{row:?}");
}

#[tokio::test]
async fn an_event_whose_target_is_away_waits_for_that() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", gone.local_addr().unwrap()).parse().unwrap();
    drop(gone);
    let mut world = World::new(std::slice::from_ref(&target));
    let id = world.give(false).await;
    loop {
        if let Live::NextTry(of, next) = world.live.recv().await.unwrap() {
            assert_eq!((of, next), (id, NextTry::When(target.to_string())));
            break;
        }
    }
}

#[tokio::test]
async fn a_replay_that_is_stopped_tells_of_those_that_were_under_way() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut world = World::new(&[]);
    let id = world.give(false).await;
    assert_eq!(world.shown().await.0, id);
    let (orders, mut ordered) = Orders::new(Hold::default(), Verifier::without_secrets(&world.history));
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

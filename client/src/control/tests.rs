//! The running process and the others, over a real socket.

use std::os::unix::net::UnixListener as StdListener;

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use inhaul_core::event::Event;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::oneshot,
};

use super::{orders::REPLAYS, protocol::REQUEST_MAX_BYTES, *};
use crate::{
    access::{Access, AccessError},
    annotation::{Annotation, Comment, TagChange},
    data_dir::DataDir,
    draft::{Changes, Draft, Sign},
    history::{
        Facts, Found, Options, Prune, Relation, Ruling, Stored,
        tests::{World, forwarded, sample_attempt, sample_event},
    },
    hold::{Hold, HoldChange},
    pipeline::{Signing, Verifier},
    replay::{Pace, Plan, Sent},
    row::{EventState, Outcome},
};

/// A running process: its world, its history, its server, and what it is asked to send again.
struct Listening {
    world: World,
    history: History,
    server: ControlServer,
    replays: mpsc::Receiver<ReplayRequest>,
    plans: mpsc::Receiver<PlanRequest>,
    decisions: mpsc::Receiver<Decision>,
    orders: Orders,
    shown: mpsc::Receiver<Live>,
    tell: mpsc::Sender<Live>,
}

/// Nobody watches.
fn unwatched() -> mpsc::Sender<Live> {
    mpsc::channel(1).0
}

/// Where wishes go to, of a client that verifies nothing.
fn orders(history: &History) -> (Orders, Ordered) {
    Orders::new(Hold::default(), Verifier::without_secrets(history))
}

fn listening() -> Listening {
    let world = World::new();
    let history = world.open_well();
    let (orders, Ordered { replays, plans, decisions, .. }) = orders(&history);
    let (live, shown) = mpsc::channel(8);
    let server = serve(
        &history.data_dir().control_socket(),
        history.clone(),
        orders.clone(),
        Arc::default(),
        live.clone(),
    )
    .unwrap();
    Listening { world, history, server, replays, plans, decisions, orders, shown, tell: live }
}

async fn access(world: &World) -> Result<Access, AccessError> {
    Access::open_with(&world.path(), &world.options(), Duration::ZERO).await
}

async fn remote(world: &World) -> Remote {
    match access(world).await.unwrap() {
        Access::Remote(remote) => remote,
        Access::Direct(_) => panic!("nobody has the history"),
    }
}

async fn store(history: &History, number: u64, body: &[u8]) -> Event {
    let event = sample_event(number, body);
    assert!(matches!(history.store(event.clone(), forwarded()).await.unwrap(), Stored::New(_)));
    event
}

#[tokio::test]
async fn another_command_sees_what_the_running_one_has() {
    let running = listening();
    let large: Vec<u8> = (0..5 << 20).map(|at: u32| at.to_le_bytes()[at as usize % 3]).collect();
    let mut events = Vec::new();
    for (number, body) in [(1, &b""[..]), (2, &large), (3, b"{\"a\":1}\n\x00\xff")] {
        events.push(store(&running.history, number, body).await);
    }
    let access = access(&running.world).await.unwrap();
    assert_eq!(access.notes(), Vec::<String>::new());
    let rows = access.rows(None, None, 100).await.unwrap();
    assert_eq!(rows, running.history.rows(None, 100).await.unwrap());
    assert_eq!(access.rows(None, Some(events[1].id), 100).await.unwrap(), rows[2..]);
    for event in events {
        let (read, row) = access.event(event.id).await.unwrap().unwrap();
        assert!(read == event, "event {} changed on its way", event.id);
        assert_eq!(row.body_bytes, event.body.len() as u64);
        assert_eq!(access.find(&event.id.to_string()).await.unwrap(), Found::One(event.id));
    }
    assert_eq!(access.event(sample_event(9, b"").id).await.unwrap(), None);
    let unknown = access.rows(None, Some(sample_event(9, b"").id), 1).await.unwrap_err();
    assert_eq!(unknown.to_string(), format!("no event {} is stored", sample_event(9, b"").id));

    let status = remote(&running.world).await.status().await.unwrap();
    assert_eq!(status.holder, running.history.holder().unwrap());
    assert_eq!(status.holder.socket, Some(running.history.data_dir().control_socket()));
    assert_eq!((status.history.events, status.history.pending), (3, 3));
}

#[tokio::test]
async fn more_rows_than_one_answer_holds() {
    let running = listening();
    let stores = (0..ROWS_MAX as u64 * 2 + 1).map(|number| store(&running.history, number, b""));
    futures_util::future::join_all(stores).await;
    let all = running.history.rows(None, usize::MAX).await.unwrap();
    let access = access(&running.world).await.unwrap();
    assert_eq!(access.rows(None, None, usize::MAX).await.unwrap(), all);
    assert_eq!(access.rows(None, Some(all[3].id), ROWS_MAX + 7).await.unwrap(), all[4..ROWS_MAX + 11]);
}

#[tokio::test]
async fn a_replay_is_passed_on_and_its_outcome_comes_back() {
    let mut running = listening();
    let id = store(&running.history, 1, b"x").await.id;
    let expected = sample_attempt(2, Outcome::Rejected);
    let attempt = expected.clone();
    let client = async {
        let remote = remote(&running.world).await;
        let first = remote.replay(id, Some("http://localhost:4000/"), Signing::AsReceived).await.unwrap();
        let second = remote.replay(id, None, Signing::AsReceived).await.unwrap_err();
        let third = remote.replay(id, None, Signing::AsReceived).await.unwrap_err();
        (first, second.to_string(), third.to_string())
    };
    let sending = async {
        let request = running.replays.recv().await.unwrap();
        assert_eq!((request.id, request.to.as_deref()), (id, Some("http://localhost:4000/")));
        request.answer.send(Ok(attempt)).unwrap();
        let request = running.replays.recv().await.unwrap();
        request.answer.send(Err("no such target".into())).unwrap();
        drop(running.replays.recv().await.unwrap());
    };
    let ((first, second, third), ()) = tokio::join!(client, sending);
    assert_eq!(first, expected);
    assert_eq!(second, "no such target");
    assert_eq!(third, "it stopped before the replay ended");
}

#[tokio::test]
async fn what_is_noted_on_an_event_is_told_to_whoever_watches() {
    let mut running = listening();
    let id = store(&running.history, 1, b"{}").await.id;
    let access = access(&running.world).await.unwrap();
    let tags = TagChange::parse(["+slow", "+bug/12"]).unwrap();
    access.annotate(id, Annotation::Tags(tags)).await.unwrap();
    let comment = Comment::new("who sent this?").unwrap();
    let row = access.annotate(id, Annotation::Comment(comment)).await.unwrap();
    assert_eq!(row.tags, ["bug/12", "slow"]);
    assert_eq!(row.comment.as_deref(), Some("who sent this?"));
    assert_eq!(access.related(id, Relation::SameEvent, 9).await.unwrap(), std::slice::from_ref(&row));
    let mut told = Vec::new();
    for _ in 0..2 {
        told.extend(running.shown.recv().await);
    }
    let last = told.pop();
    assert!(matches!(last, Some(Live::Changed(of)) if *of == row), "{told:?}");
    let unknown = sample_event(9, b"").id;
    let error = access.annotate(unknown, Annotation::Tags(TagChange::default())).await.unwrap_err();
    assert_eq!(error.to_string(), format!("no event {unknown} is stored"));
}

#[tokio::test]
async fn decisions_reach_the_running_process_and_their_rows_come_back() {
    let mut running = listening();
    let id = store(&running.history, 1, b"x").await.id;
    let (_, row) = running.history.event(id).await.unwrap().unwrap();
    let changes = Changes { sign: Sign::Fresh, ..Changes::default() };
    let edited = Ruling::Forward(Draft { body: Some(vec![b'x'; 3 << 20].into()), changes });
    let dropped = Ruling::Drop { by: "ada".into(), why: Some("a test".into()) };
    let client = async {
        let access = access(&running.world).await.unwrap();
        let first = access.decide(row.id, edited.clone()).await.unwrap();
        let second = access.decide(row.id, dropped.clone()).await.unwrap_err();
        (first, second.to_string())
    };
    let deciding = async {
        let decision = running.decisions.recv().await.unwrap();
        assert_eq!((decision.id, decision.ruling), (row.id, edited.clone()));
        decision.answer.send(Ok(row.clone())).unwrap();
        let decision = running.decisions.recv().await.unwrap();
        assert_eq!(decision.ruling, dropped);
        decision.answer.send(Err("it is not held".into())).unwrap();
    };
    let ((first, second), ()) = tokio::join!(client, deciding);
    assert_eq!((first, second.as_str()), (row.clone(), "it is not held"));
}

#[tokio::test]
async fn a_plan_is_passed_on_and_every_outcome_comes_back_until_the_asker_goes() {
    let mut running = listening();
    let id = store(&running.history, 1, b"x").await.id;
    let changes = Changes { set_values: vec!["a=1".into()], ..Changes::default() };
    let draft = Draft { body: Some(vec![b'x'; 3 << 20].into()), changes };
    let plan = Plan { pace: Pace { times: 3, ..Pace::default() }, ..Plan::of_one(id, None, draft) };
    let attempt = sample_attempt(2, Outcome::Rejected);
    let client = async {
        let remote = remote(&running.world).await;
        let refused = remote.preview(&plan).await.unwrap_err().to_string();
        let mut told = Vec::new();
        remote.carry_out(&plan, |sent| told.push(sent.result)).await.unwrap();
        let mut heard = 0;
        tokio::select! {
            _ = remote.carry_out(&plan, |_| heard += 1) => panic!("it is not done"),
            () = running.shown.recv().map(drop) => {}
        }
        (refused, told)
    };
    let sending = async {
        let PlanRequest { plan: asked, wanted: Wanted::Preview(answer) } =
            running.plans.recv().await.unwrap()
        else {
            panic!("a preview was asked for")
        };
        assert_eq!(asked, plan);
        answer.send(Err("it does not fit".into())).unwrap();
        let next = |request| match request {
            Some(PlanRequest { wanted: Wanted::Sent(sent, _), .. }) => sent,
            _ => panic!("it is to be sent"),
        };
        let sent = next(running.plans.recv().await);
        sent.send(Sent { id, result: Ok(attempt.clone()) }).await.unwrap();
        sent.send(Sent { id, result: Err("no".into()) }).await.unwrap();
        drop(sent);
        let sent = next(running.plans.recv().await);
        running.orders.hold.change(&HoldChange::Turn(true)).unwrap();
        running.tell.send(Live::Hold(running.orders.hold.state())).await.unwrap();
        // The asker has gone, and so has whoever passes on.
        sent.closed().await;
    };
    let ((refused, told), ()) = tokio::join!(client, sending);
    assert_eq!(refused, "it does not fit");
    assert_eq!(told, [Ok(attempt.clone()), Err("no".to_owned())]);
}

#[tokio::test]
async fn what_is_held_is_asked_and_changed() {
    let mut running = listening();
    let remote = remote(&running.world).await;
    let (hold, held) = remote.hold(None).await.unwrap();
    assert_eq!((hold.is_on, held), (false, 0));
    let (hold, _) = remote.hold(Some(HoldChange::Filter("type:charge.*".into()))).await.unwrap();
    assert_eq!((hold.is_on, hold.filter.as_str()), (true, "type:charge.*"));
    assert!(matches!(running.shown.recv().await, Some(Live::Hold(state)) if state == hold));
    let error = remote.hold(Some(HoldChange::Filter("(".into()))).await.unwrap_err().to_string();
    assert!(!error.is_empty());
    assert_eq!(remote.hold(None).await.unwrap().0, hold);
    assert_eq!(running.orders.hold.state(), hold);
}

#[tokio::test]
async fn drafts_of_the_running_process_are_seen() {
    let running = listening();
    let id = store(&running.history, 1, b"x").await.id;
    let draft = Draft { body: Some(b"edited".to_vec().into()), ..Draft::default() };
    let edit = running.history.record_draft(id, draft.clone()).await.unwrap();
    let access = access(&running.world).await.unwrap();
    assert_eq!(access.draft(id, edit).await.unwrap().unwrap().draft, draft);
    assert_eq!(access.draft(id, Draft::default().id()).await.unwrap(), None);
}

#[tokio::test]
async fn replays_beyond_the_queue_are_refused() {
    let running = listening();
    let id = store(&running.history, 1, b"x").await.id;
    let room = CONNECTIONS_MAX - 1;
    for _ in room..REPLAYS {
        let (answer, _) = oneshot::channel();
        let request = ReplayRequest { id, to: None, signing: Signing::AsReceived, answer };
        running.orders.replays.try_send(request).unwrap();
    }
    let mut replays = FuturesUnordered::new();
    for _ in 0..=room {
        let remote = remote(&running.world).await;
        replays.push(async move { remote.replay(id, None, Signing::AsReceived).await });
    }
    // Nobody takes them, so the one that finds no room is the first with an answer.
    let outcome = replays.next().await.unwrap();
    assert_eq!(outcome.unwrap_err().to_string(), "too many replays are waiting; try again later");
}

#[tokio::test]
async fn what_is_no_request_gets_an_answer_that_says_so() {
    let running = listening();
    let mut stream = UnixStream::connect(running.history.data_dir().control_socket()).await.unwrap();
    stream
        .write_all(b"nonsense\n{\"request\":\"fly\"}\n{\"request\":\"rows\",\"limit\":-1}\n")
        .await
        .unwrap();
    stream.write_all(b"{\"request\":\"status\",\"later\":1}\n").await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    for _ in 0..3 {
        let line = lines.next_line().await.unwrap().unwrap();
        assert!(line.starts_with(r#"{"answer":"error","message":"not a request: "#), "{line}");
    }
    assert!(lines.next_line().await.unwrap().unwrap().starts_with(r#"{"answer":"status","#));

    let mut stream = UnixStream::connect(running.history.data_dir().control_socket()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let too_long = vec![b'x'; usize::try_from(REQUEST_MAX_BYTES).unwrap() + 1];
    let mut said = String::new();
    let (written, read) = tokio::join!(writing.write_all(&too_long), reading.read_to_string(&mut said));
    assert!(written.is_ok() && read.is_ok());
    assert!(said.contains("a line is longer than 1048576 bytes") && said.ends_with('\n'), "{said}");
}

#[tokio::test]
async fn many_connections_that_say_nothing_do_not_stop_the_history() {
    let running = listening();
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_MAX + 5 {
        silent.push(UnixStream::connect(running.history.data_dir().control_socket()).await.unwrap());
    }
    store(&running.history, 1, b"x").await;
    drop(silent);
    assert_eq!(remote(&running.world).await.rows(None, None, 5).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_deleted_or_pruned_is_told_to_whoever_watches() {
    let mut running = listening();
    let (gone, pending) =
        (store(&running.history, 1, b"x").await.id, store(&running.history, 2, b"y").await.id);
    running.history.settle(gone).await.unwrap();
    let access = access(&running.world).await.unwrap();
    let deletions = access.delete_all(vec![gone, pending]).await.unwrap();
    assert_eq!(deletions.deleted, [gone]);
    assert!(deletions.kept[0].id == pending && deletions.kept[0].reason.contains("still to be forwarded"));
    assert!(matches!(running.shown.recv().await, Some(Live::Gone(ids)) if ids == [gone]));
    assert_eq!(access.rows(None, None, 5).await.unwrap().len(), 1);

    running.history.settle(pending).await.unwrap();
    running.world.advance(24 * 3_600_000);
    store(&running.history, 3, b"z").await;
    let all = Prune { before: None, keep_bytes: Some(0), dry_run: false };
    assert_eq!(access.prune(all).await.unwrap().len(), 1);
    assert!(matches!(running.shown.recv().await, Some(Live::Gone(ids)) if ids == [pending]));
}

#[tokio::test]
async fn without_a_running_one_a_command_opens_the_history_itself() {
    let world = World::new();
    let history = world.open_well();
    let id = store(&history, 1, b"x").await.id;
    history.close().await.unwrap();
    let access = access(&world).await.unwrap();
    assert!(matches!(access, Access::Direct(_)));
    assert_eq!(access.rows(None, None, 5).await.unwrap()[0].id, id);
    assert_eq!(access.find(&id.to_string()[..5]).await.unwrap(), Found::One(id));
    assert_eq!(access.event(id).await.unwrap().unwrap().0.body, "x");
    access.close().await.unwrap();
    drop(world.open_well());
}

#[tokio::test]
async fn a_process_that_has_the_directory_and_is_silent_is_named() {
    let world = World::new();
    let history = world.open_well();
    let error = access(&world).await.err().unwrap();
    assert!(matches!(error, AccessError::History(HistoryError::Locked { .. })), "{error}");
    let socket = history.data_dir().control_socket();
    drop(StdListener::bind(&socket).unwrap());
    history.announce(Some(&socket)).unwrap();
    let error = access(&world).await.err().unwrap();
    let text = error.to_string();
    assert!(
        text.contains("is in use by `inhaul listen 3000` (pid ") && text.contains("does not answer"),
        "{text}"
    );
    assert!(error.hint().unwrap().contains(&format!("`kill {}`", std::process::id())));
}

#[tokio::test]
async fn a_command_waits_for_one_that_is_just_starting() {
    let world = World::new();
    let history = world.open_well();
    let (orders, _ordered) = orders(&history);
    let options = world.options();
    let path = world.path();
    let mut waiting = Box::pin(Access::open_with(&path, &options, Duration::from_secs(600)));
    let first = tokio::time::timeout(Duration::ZERO, &mut waiting).await;
    assert!(first.is_err(), "nothing answers yet");
    let _server =
        serve(&history.data_dir().control_socket(), history.clone(), orders, Arc::default(), unwatched())
            .unwrap();
    assert!(matches!(waiting.await.unwrap(), Access::Remote(_)));
}

#[tokio::test]
async fn the_socket_is_for_this_user_and_goes_with_the_server() {
    let running = listening();
    let socket = running.history.data_dir().control_socket();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    drop(running.server);
    assert!(!socket.exists());
    assert_eq!(running.history.holder().unwrap().socket, None);
}

#[tokio::test]
async fn what_is_in_the_way_of_the_socket() {
    let world = World::new();
    let history = world.open_well();
    let socket = history.data_dir().control_socket();
    let try_serve = || serve(&socket, history.clone(), orders(&history).0, Arc::default(), unwatched());
    // A dead process's socket is no obstacle.
    drop(StdListener::bind(&socket).unwrap());
    assert!(socket.exists());
    drop(try_serve().unwrap());
    fs::write(&socket, "mine").unwrap();
    let error = try_serve().unwrap_err();
    assert!(matches!(error, ControlError::InTheWay { .. }), "{error}");
    assert_eq!(fs::read(&socket).unwrap(), b"mine");
}

#[tokio::test]
async fn a_data_directory_with_a_long_path_is_reached_too() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("long".repeat(30));
    let options = || Options { lock_wait: Duration::ZERO, ..World::new().options() };
    let history = History::open_with(&path, options()).unwrap().history;
    let data = DataDir::open(Some(&path)).unwrap();
    let socket = data.control_socket();
    let server = serve(&socket, history.clone(), orders(&history).0, Arc::default(), unwatched()).unwrap();
    let access = Access::open_with(&path, &options(), Duration::ZERO).await.unwrap();
    assert!(matches!(access, Access::Remote(_)));
    assert_eq!(access.rows(None, None, 1).await.unwrap(), []);
    drop(server);

    let directory = socket.parent().unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    let error = serve(&socket, history.clone(), orders(&history).0, Arc::default(), unwatched()).unwrap_err();
    assert!(matches!(error, ControlError::NotPrivate { .. }), "{error}");
    assert!(!socket.exists());
    fs::remove_dir(directory).unwrap();
}

#[tokio::test]
async fn an_event_from_a_file_is_stored_once_shown_and_not_forwarded() {
    let world = World::new();
    let history = world.open_well();
    let (live, mut shown) = mpsc::channel(4);
    let socket = history.data_dir().control_socket();
    let _server = serve(&socket, history.clone(), orders(&history).0, Arc::default(), live).unwrap();
    let access = access(&world).await.unwrap();
    let large: Vec<u8> = (0..3 << 20).map(|at: u32| at.to_le_bytes()[at as usize % 3]).collect();
    let event = sample_event(1, &large);
    let facts = Facts {
        event_type: Some("a.b".into()),
        object_id: Some("o-1".into()),
        imported: true,
        ..Facts::default()
    };
    let Stored::New(row) = access.import(event.clone(), facts.clone()).await.unwrap() else { panic!() };
    assert!(row.imported && row.state == EventState::Settled && row.event_type.as_deref() == Some("a.b"));
    assert_eq!(row.object_id.as_deref(), Some("o-1"));
    let Some(Live::Event(told)) = shown.recv().await else { panic!("it is shown") };
    assert_eq!(*told, row);
    assert!(matches!(access.import(event.clone(), facts).await.unwrap(), Stored::Duplicate(_)));
    assert!(history.event(event.id).await.unwrap().unwrap().0 == event);
    // A delivery of the same request is no repeat of what nobody delivered.
    let Stored::New(delivered) = history.store(sample_event(2, &large), forwarded()).await.unwrap() else {
        panic!()
    };
    assert_eq!(delivered.repeat, None);
}

#[tokio::test]
async fn an_event_is_verified_again_for_another_command_and_shown() {
    let mut running = listening();
    let id = store(&running.history, 1, b"x").await.id;
    let remote = remote(&running.world).await;
    let row = remote.verify(id).await.unwrap();
    assert_eq!(row.verdict, Some(inhaul_core::signature::Verdict::Unsigned));
    let Some(Live::Changed(told)) = running.shown.recv().await else { panic!("it is shown") };
    assert_eq!(*told, row);
    let unknown = remote.verify(sample_event(9, b"").id).await.unwrap_err();
    assert!(unknown.to_string().contains("there is no event"), "{unknown}");
}

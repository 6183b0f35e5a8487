//! A relay that is told to stop, and starts again: what it took is there, what it refused is clear, and clients come back.

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use inhaul::{
    connection::ConnectionState,
    session::{self, SessionConfig, SessionNews, SessionPorts, WINDOW},
};
use inhaul_core::wire::HelloEndpoint;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    runtime::Runtime,
    sync::mpsc::{Receiver, Sender as ChannelSender, channel},
    time::timeout,
};
use uuid::Uuid;

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    traffic::{RELAY, Traffic, number_from},
    world::{PATIENCE, World, terminate, until},
};

#[test]
fn a_relay_restarted_at_load_loses_nothing_and_its_client_is_told_and_comes_back() {
    let world = World::new();
    let mut relay = world.relay(&RELAY);
    let mut traffic = Traffic::start(&world.endpoint(&["--answer", "relay"]), 300);
    let mut client = world.listen_at(&relay, &[&traffic.target]);
    traffic.relay_is_there();
    for restart in 1..=3 {
        traffic.until_acknowledged(restart * 200);
        let address = relay.address().to_owned();
        terminate(relay.program.pid());
        while !client.notice().contains("the relay is going down") {}
        let waiting = client.connection("waiting");
        assert_eq!(waiting["reason"], "the relay goes down; the client comes back by itself");
        assert!(relay.program.wait().success());
        traffic.relay_died();
        relay = world.relay(&[&RELAY[..], &["--listen", &address]].concat());
        traffic.relay_is_there();
        client.connection("connected");
    }
    traffic.end();
    assert!(client.program.stop().success());
    let figures = traffic.compare(&world);
    assert_eq!((figures.relay_deaths, figures.repeated), (3, 0));
}

#[test]
fn a_request_under_way_when_the_relay_is_told_to_stop_is_stored_and_answered() {
    let world = World::new();
    let mut relay = world.relay(&["--tls", "off"]);
    let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    let body = vec![b'x'; 100_000];
    let request = sender.request("POST", "", &["Expect: 100-continue"], &body);
    let (head, body) = request.split_at(request.len() - body.len());
    let mut stream = BufReader::new(TcpStream::connect(relay.address()).unwrap());
    stream.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    stream.get_mut().write_all(head).unwrap();
    // The relay has begun to read the body.
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stream.get_mut().write_all(&body[..1000]).unwrap();
    terminate(relay.program.pid());
    until("it takes no new connections", || TcpStream::connect(relay.address()).is_err());
    stream.get_mut().write_all(&body[1000..]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(relay.program.wait().success());
    let relay = world.relay(&["--tls", "off"]);
    let handler = Handler::start(Reply::ok());
    let _client = world.listen_at(&relay, &[&handler.target()]);
    assert_eq!(handler.next().body.len(), 100_000);
}

/// Makes copies of the only endpoint, with the same token; the name of each.
fn copies(world: &World, count: u64) -> Vec<String> {
    let file = world.path("relay/endpoints.json");
    let mut stored: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let endpoints = stored["endpoints"].as_array_mut().unwrap();
    let names: Vec<String> = (0..count).map(|number| format!("copy-{number}")).collect();
    for name in &names {
        let mut endpoint = endpoints[0].clone();
        endpoint["name"] = name.as_str().into();
        endpoint["part"] = format!("{name}-0123456789abcdef").into();
        endpoints.push(endpoint);
    }
    fs::write(&file, serde_json::to_vec(&stored).unwrap()).unwrap();
    names
}

/// Lets this process and those it starts have so many files open.
fn allow_files(count: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < count) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(count), maximum })
            .expect("as many open files as there are clients; `ulimit -Hn` says how many may be");
    }
}

/// The client's own code for sessions, with nothing behind it; tells how the connection stands.
async fn stay_connected(
    number: usize,
    config: SessionConfig,
    states: ChannelSender<(usize, ConnectionState)>,
) {
    let (arrivals, _arrived) = channel(usize::try_from(WINDOW.events).unwrap());
    let (_reports, reported) = channel(1);
    let (news, mut told) = channel(8);
    let telling = async {
        while let Some(news) = told.recv().await {
            if let SessionNews::State(state) = news {
                // The test may be over.
                let _ = states.send((number, state)).await;
            }
        }
    };
    let ports = SessionPorts { arrivals, reports: reported, news, reconnect: Default::default() };
    let (ended, ()) = tokio::join!(session::run(config, ports), telling);
    panic!("session {number} ended: {ended:?}");
}

/// Many clients in this process, and which of them are connected.
struct Crowd {
    runtime: Runtime,
    states: Receiver<(usize, ConnectionState)>,
    connected: HashSet<usize>,
    /// What those not connected said they would wait.
    waits: Vec<Duration>,
}

impl Crowd {
    fn start(relay_url: &str, names: &[String], token: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let (told, states) = channel(1024);
        for (number, name) in names.iter().enumerate() {
            let config = SessionConfig {
                relay: session::Relay { url: relay_url.parse().unwrap(), tls: None },
                client_id: Uuid::from_u128(number as u128),
                endpoint: HelloEndpoint {
                    name: name.parse().unwrap(),
                    token: token.to_owned(),
                    resume: None,
                    sharing: None,
                },
            };
            runtime.spawn(stay_connected(number, config, told.clone()));
        }
        Self { runtime, states, connected: HashSet::new(), waits: Vec::new() }
    }

    fn take_next(&mut self) {
        let next = self.runtime.block_on(async { timeout(PATIENCE, self.states.recv()).await });
        match next.expect("the crowd goes on").unwrap() {
            (number, ConnectionState::Connected { .. }) => drop(self.connected.insert(number)),
            (number, ConnectionState::Waiting { retry_in, .. }) => {
                if self.connected.remove(&number) {
                    self.waits.push(retry_in);
                }
            }
            (_, ConnectionState::Connecting { .. }) => {}
            (number, ConnectionState::Refused { reason }) => panic!("client {number} is refused: {reason}"),
        }
    }

    fn until_connected(&mut self, count: usize) {
        while self.connected.len() != count {
            self.take_next();
        }
    }
}

#[test]
fn a_crowd_of_clients_comes_back_spread_over_time_and_the_relay_goes_on_answering() {
    let count = number_from("INHAUL_CROWD", 1000);
    allow_files(count + 1000);
    let world = World::new();
    let (url, token) = world.endpoint_named("orders", &["--answer", "relay"]);
    let names = copies(&world, count);
    let mut relay = world.relay(&RELAY);
    let address = relay.address().to_owned();
    let sender = Sender::new(&format!("{}/in/{}", relay.public_url, url.rsplit_once('/').unwrap().1), None);
    let mut crowd = Crowd::start(&relay.public_url, &names, &token);
    crowd.until_connected(names.len());
    for in_order in [true, false] {
        crowd.waits.clear();
        if in_order {
            assert!(relay.program.stop().success());
        } else {
            relay.program.kill();
        }
        crowd.until_connected(0);
        if in_order {
            check_spread(std::mem::take(&mut crowd.waits));
        }
        relay = world.relay(&[&RELAY[..], &["--listen", &address]].concat());
        let (began, mut slowest) = (Instant::now(), Duration::ZERO);
        while crowd.connected.len() < names.len() {
            let posted = Instant::now();
            assert_eq!(sender.post(b"meanwhile").status, 200);
            slowest = slowest.max(posted.elapsed());
            while crowd.connected.len() < names.len() && !crowd.states.is_empty() {
                crowd.take_next();
            }
            assert!(began.elapsed() < PATIENCE, "{} of {count} are back", crowd.connected.len());
        }
        let back = began.elapsed();
        eprintln!("{count} clients were back after {back:?}; the slowest answer meanwhile took {slowest:?}");
    }
}

/// No more than half of the clients come back within any quarter of a second.
fn check_spread(mut waits: Vec<Duration>) {
    waits.sort_unstable();
    let together = |first: &Duration| {
        waits.iter().filter(|wait| (*first..*first + Duration::from_millis(250)).contains(*wait)).count()
    };
    let most = waits.iter().map(together).max().unwrap();
    assert!(most <= waits.len() / 2, "{most} of {} come back together", waits.len());
}

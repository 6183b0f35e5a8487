//! One history: a relay, a client, what is between them, and everything that can happen to them.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use fastrand::Rng;
use inhaul_core::event::{EndpointName, Event, EventId, Peer, PeerSource, UnixMillis};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    client::{Client, Stepped},
    disk::SimDisk,
    model::Model,
    network::{Arrived, Link},
    relay::Relay,
    seeds::Outcome,
};

/// Small, so that a history goes through many.
pub const SEGMENT_BYTES: u64 = 16 << 10;

/// Things that happen in one history.
const STEPS: u32 = 500;

/// Far more rounds than a world that is well needs to come to rest.
const ROUNDS_TO_REST: u32 = 2000;

/// 2025-11-24T07:41:10Z
const CLOCK: u64 = 1_763_970_070_000;

/// What is broken on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The relay answers 2xx when the event is queued, not when it is on its disk.
    AnswerBeforeSync,
    /// The client says STORED when the event is queued, not when it is on its disk.
    StoredBeforeFlush,
    /// The relay forgets an event when it sends it.
    ForgetOnSending,
    /// The relay's disk says that it synced, and did not.
    RelayDiskLies,
    /// The client's disk says that it synced, and did not.
    ClientDiskLies,
}

struct World {
    rng: Rng,
    now: Instant,
    clock: Arc<AtomicU64>,
    endpoints: Vec<EndpointName>,
    mutation: Option<Mutation>,
    model: Model,
    relay: Option<Relay>,
    relay_disk: SimDisk,
    client: Option<Client>,
    client_disk: SimDisk,
    client_directory: PathBuf,
    links: Vec<Link>,
    next_link: u64,
    next_event: u64,
    connects_at: Instant,
    /// As this project's client does; others may do otherwise.
    reports_in_order: bool,
    trace: Option<Vec<String>>,
    _temp: TempDir,
}

/// Where the client's directories are; its files are on the simulated disk.
fn temp() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl World {
    fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (relay_disk, client_disk) = (SimDisk::new(rng.u64(..)), SimDisk::new(rng.u64(..)));
        match mutation {
            Some(Mutation::RelayDiskLies) => relay_disk.lie(),
            Some(Mutation::ClientDiskLies) => client_disk.lie(),
            _ => {}
        }
        let (now, temp) = (Instant::now(), temp());
        Self {
            now,
            clock: Arc::new(AtomicU64::new(CLOCK)),
            endpoints: vec!["orders".parse().unwrap(), "payments".parse().unwrap()],
            mutation,
            model: Model::default(),
            relay: None,
            relay_disk,
            client: None,
            client_disk,
            client_directory: temp.path().join("data"),
            links: Vec::new(),
            next_link: 0,
            next_event: 0,
            connects_at: now,
            reports_in_order: rng.bool(),
            trace: None,
            _temp: temp,
            rng,
        }
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(what());
        }
    }

    fn event(&mut self) -> Event {
        self.next_event += 1;
        let number = self.next_event;
        let bytes = match self.rng.u32(..60) {
            0 => self.rng.usize(60_000..70_000),
            1..4 => self.rng.usize(..20_000),
            4..12 => self.rng.usize(..4000),
            12..18 => 0,
            _ => self.rng.usize(..300),
        };
        let body = vec![u8::try_from(number % 251).unwrap(); bytes];
        let received = self.clock.load(Ordering::Relaxed);
        let id = (u128::from(received) << 80) | 0x7000_8000_0000_0000_0000 | u128::from(number);
        let endpoint = self.rng.choice(&self.endpoints).unwrap().clone();
        Event {
            id: EventId(Uuid::from_u128(id)),
            prefix_bytes: "/in/".len() + endpoint.as_str().len(),
            head: format!("POST /in/{endpoint}?n={number} HTTP/1.1\r\nHost: a\r\n\r\n").into(),
            endpoint,
            received_at: UnixMillis(received),
            peer: Peer { address: "203.0.113.9:40001".into(), source: PeerSource::Socket },
            body_sha256: Event::digest(&body),
            body: body.into(),
        }
    }

    fn post(&mut self) {
        if self.relay.is_none() {
            return;
        }
        let event = self.event();
        self.say(|| format!("post {} of {} bytes to {}", event.id, event.body.len(), event.endpoint));
        if let Some(relay) = &mut self.relay {
            relay.post(event, &mut self.model);
        }
    }

    /// Time passes, and the clock with it.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.clock.fetch_add(millis, Ordering::Relaxed);
    }

    fn start_relay(&mut self) -> Outcome {
        let started = Relay::start(&self.relay_disk, &self.endpoints, &mut self.model, self.mutation)
            .context("the relay starts")?;
        if started.is_none() {
            self.relay_disk.heal();
            self.relay_disk = self.relay_disk.kill();
        }
        self.say(|| format!("the relay starts: {}", started.is_some()));
        self.relay = started;
        Ok(())
    }

    fn start_client(&mut self) -> Outcome {
        let Self { client_disk, client_directory, clock, endpoints, model, mutation, .. } = self;
        let started = Client::start(client_disk, client_directory, clock, endpoints, model, *mutation)
            .context("the client starts")?;
        if started.is_none() {
            self.client_disk.heal();
            self.client_disk = self.client_disk.kill();
        }
        self.say(|| format!("the client starts: {}", started.is_some()));
        self.client = started;
        self.connects_at = self.now;
        Ok(())
    }

    /// The relay's process ends, by itself or with the power.
    fn end_relay(&mut self) {
        let kill = self.rng.bool();
        self.say(|| format!("the relay ends, killed: {kill}"));
        let next = if kill { self.relay_disk.kill() } else { self.relay_disk.lose_power() };
        // What it does on its way out reaches no disk and nobody's ear.
        self.relay = None;
        self.relay_disk = next;
        for at in 0..self.links.len() {
            let told = self.rng.bool();
            self.links[at].to_client.cut(told);
        }
    }

    fn end_client(&mut self) {
        let kill = self.rng.bool();
        self.say(|| format!("the client ends, killed: {kill}"));
        if !kill || self.client_disk.is_suspect() {
            self.model.torn(self.client.iter().flat_map(Client::being_stored));
        }
        let next = if kill { self.client_disk.kill() } else { self.client_disk.lose_power() };
        if let Some(link) =
            self.client.as_ref().and_then(|client| client.session.as_ref()).map(|open| open.link)
        {
            let told = self.rng.bool();
            self.links
                .iter_mut()
                .filter(|other| other.number == link)
                .for_each(|link| link.to_relay.cut(told));
        }
        self.client = None;
        self.client_disk = next;
    }

    fn close_relay(&mut self) {
        if let Some(relay) = self.relay.take() {
            self.say(|| "the relay is closed".to_owned());
            relay.close(&mut self.model);
            self.links.iter_mut().for_each(|link| link.to_client.end());
            self.relay_disk = self.relay_disk.kill();
        }
    }

    fn close_client(&mut self) {
        if let Some(mut client) = self.client.take() {
            self.say(|| "the client is closed".to_owned());
            let link = client.session.as_ref().map(|session| session.link);
            client.disconnect();
            client.close();
            self.links
                .iter_mut()
                .filter(|other| Some(other.number) == link)
                .for_each(|link| link.to_relay.end());
            self.client_disk = self.client_disk.kill();
        }
    }

    /// Something from outside happens.
    fn trouble(&mut self) {
        let what = self.rng.u32(..26);
        self.say(|| format!("trouble {what}"));
        let (writes, changes) = (self.rng.u32(1..4), self.rng.u32(..25));
        let disk = if self.rng.bool() { self.relay_disk.clone() } else { self.client_disk.clone() };
        match what {
            0 => self.end_relay(),
            1 => self.end_client(),
            2..6 => disk.end_run_after(changes),
            6 => self.close_relay(),
            7 => self.close_client(),
            8 => disk.fail_writes(writes),
            9 => disk.fail_syncs(writes),
            10 => disk.fill(self.rng.u64(..60_000)),
            11..13 => disk.heal(),
            13 => {
                let hours = self.rng.u64(1..60);
                let clock = self.clock.load(Ordering::Relaxed);
                let ahead = self.rng.bool();
                let millis = hours * 3_600_000;
                self.clock.store(if ahead { clock + millis } else { clock - millis }, Ordering::Relaxed);
            }
            14 => {
                let time = Duration::from_secs(self.rng.u64(..60));
                self.pass(time);
            }
            _ => self.trouble_on_a_link(what),
        }
    }

    fn trouble_on_a_link(&mut self, what: u32) {
        if self.links.is_empty() {
            return;
        }
        let (to_relay, to_client) = (self.rng.bool(), self.rng.bool());
        let stalled = Duration::from_millis(self.rng.u64(..60_000));
        let (at, now) = (self.rng.usize(..self.links.len()), self.now);
        let link = &mut self.links[at];
        match what {
            15..18 => {
                link.to_relay.cut(to_relay);
                link.to_client.cut(to_client);
            }
            18..20 => link.stalled_until = now + stalled,
            20..25 => link.to_relay.repeat_last(),
            _ => link.to_client.repeat_last(),
        }
    }

    /// Something of what is due is done.
    fn tick(&mut self) -> anyhow::Result<bool> {
        match self.rng.u32(..14) {
            0 | 1 => Ok(self.relay.as_mut().is_some_and(|relay| relay.write(&mut self.model))),
            2 => Ok(self.client.as_mut().is_some_and(Client::step)),
            3 => Ok(self.client.as_mut().is_some_and(Client::write)),
            4 => Ok(self.report()),
            5..8 => {
                let links = self.links.len();
                if links == 0 {
                    Ok(false)
                } else {
                    let at = self.rng.usize(..links);
                    Ok(self.deliver(at))
                }
            }
            8..11 => self.drive_relay(),
            11..13 => self.drive_client(),
            _ => {
                let time = Duration::from_millis(self.rng.u64(..200));
                self.pass(time);
                Ok(false)
            }
        }
    }

    fn report(&mut self) -> bool {
        let settles = self.rng.u8(..4) == 0;
        let Some(client) = &mut self.client else { return false };
        let which = if self.reports_in_order { 0 } else { self.rng.usize(..4) };
        let stepped = client.report(&mut self.model, settles, which);
        if stepped == Stepped::Refused {
            self.say(|| "the history refuses an event".to_owned());
            self.close_client();
        }
        stepped != Stepped::Idle
    }

    fn deliver(&mut self, at: usize) -> bool {
        let link = &mut self.links[at];
        if link.stalled_until > self.now {
            return false;
        }
        let (number, mut busy) = (link.number, false);
        let session =
            self.relay.as_ref().and_then(|relay| relay.sessions.iter().position(|open| open.link == number));
        if let (Some(relay), Some(at)) = (&mut self.relay, session) {
            match link.to_relay.take(self.now) {
                Some(Arrived::Frame(frame)) => {
                    relay.receive(at, frame, self.now);
                    busy = true;
                }
                Some(Arrived::End) => {
                    relay.sessions.remove(at);
                    busy = true;
                }
                None => {}
            }
        }
        let client = self
            .client
            .as_mut()
            .filter(|client| client.session.as_ref().is_some_and(|open| open.link == number));
        if let Some(client) = client {
            match link.to_client.take(self.now) {
                Some(Arrived::Frame(frame)) => {
                    client.receive(frame, self.now);
                    busy = true;
                }
                Some(Arrived::End) => {
                    client.disconnect();
                    self.connects_at = self.now + Duration::from_millis(self.rng.u64(..2000));
                    busy = true;
                }
                None => {}
            }
        }
        busy
    }

    fn drive_relay(&mut self) -> anyhow::Result<bool> {
        let Some(relay) = &mut self.relay else { return Ok(false) };
        if relay.sessions.is_empty() {
            return Ok(false);
        }
        let at = self.rng.usize(..relay.sessions.len());
        let arrives = self.now + Duration::from_millis(self.rng.u64(..100));
        let read = relay.read(at);
        let number = relay.sessions[at].link;
        let Some(link) = self.links.iter_mut().find(|link| link.number == number) else { return Ok(read) };
        Ok(relay.drive(at, link, self.now, arrives, &self.model)? || read)
    }

    fn drive_client(&mut self) -> anyhow::Result<bool> {
        let Some(client) = &mut self.client else { return Ok(false) };
        let arrives = self.now + Duration::from_millis(self.rng.u64(..100));
        let Some(number) = client.session.as_ref().map(|session| session.link) else {
            if self.now < self.connects_at {
                return Ok(false);
            }
            let Some(relay) = &mut self.relay else { return Ok(false) };
            self.next_link += 1;
            self.links.push(Link::new(self.next_link, self.now));
            relay.accept(self.next_link, self.now);
            client.connect(self.next_link, self.now);
            return Ok(true);
        };
        let Some(link) = self.links.iter_mut().find(|link| link.number == number) else { return Ok(false) };
        let stepped = client.drive(link, self.now, arrives)?;
        if client.session.is_none() {
            self.connects_at = self.now + Duration::from_millis(self.rng.u64(..2000));
        }
        Ok(stepped != Stepped::Idle)
    }

    /// Machines whose runs are over end; some that are down start again.
    fn keep_up(&mut self) -> Outcome {
        if self.relay_disk.is_over() {
            self.end_relay();
        }
        if self.client_disk.is_over() {
            self.end_client();
        }
        if self.relay.is_none() && self.rng.u8(..8) == 0 {
            self.start_relay()?;
        }
        if self.client.is_none() && self.rng.u8(..8) == 0 {
            self.start_client()?;
        }
        // Connections nobody holds any more are gone.
        let (relay, client) = (&self.relay, &self.client);
        self.links.retain(|link| {
            relay.iter().flat_map(|relay| &relay.sessions).any(|open| open.link == link.number)
                || client.iter().flat_map(|client| &client.session).any(|open| open.link == link.number)
        });
        Ok(())
    }

    fn step(&mut self) -> Outcome {
        match self.rng.u32(..100) {
            0..10 => self.post(),
            10..13 => self.trouble(),
            _ => drop(self.tick()?),
        }
        self.keep_up()
    }

    /// All is well from now on: everything comes to rest, and both agree, also after another start.
    fn end_well(&mut self) -> Outcome {
        self.come_to_rest()?;
        self.model.check_all_arrived()?;
        self.close_relay();
        self.close_client();
        // What the relay's failing disk did not take of what it should forget, the client gets again, and knows.
        self.come_to_rest()?;
        self.check_space()?;
        self.close_client();
        self.start_client()?;
        self.model.check_all_arrived()
    }

    /// A relay that holds nothing takes little of its disk.
    fn check_space(&mut self) -> Outcome {
        let Some(relay) = &mut self.relay else { anyhow::bail!("the relay is down") };
        let steps = (0..1000).take_while(|_| relay.write(&mut self.model)).count();
        let bytes = self.relay_disk.bytes();
        ensure!(
            steps < 1000 && bytes <= 8 * SEGMENT_BYTES,
            "{bytes} bytes are used for nothing, after {steps} steps"
        );
        Ok(())
    }

    fn come_to_rest(&mut self) -> Outcome {
        for round in 0..ROUNDS_TO_REST {
            self.relay_disk.heal();
            self.client_disk.heal();
            for _ in 0..20 {
                self.tick()?;
                self.keep_up()?;
            }
            let rests = self.relay.as_ref().is_some_and(Relay::is_idle)
                && self.client.as_ref().is_some_and(Client::is_idle);
            if rests {
                return Ok(());
            }
            // Whoever waits on a dead connection notices.
            if round % 10 == 9 {
                self.pass(Duration::from_secs(5));
            }
        }
        let (relay, client) =
            (self.relay.as_ref().map(Relay::state), self.client.as_ref().map(Client::state));
        anyhow::bail!("it does not come to rest: {relay:?}, {client:?}")
    }
}

/// One history, from its seed.
pub fn history(seed: u64, mutation: Option<Mutation>) -> Outcome {
    let mut world = World::new(seed, mutation);
    if crate::seeds::is_repeated() {
        world.trace = Some(Vec::new());
    }
    let outcome = world.run();
    if crate::seeds::is_repeated() {
        world.trace.iter().flatten().for_each(|line| println!("{line}"));
    }
    outcome
}

/// What happens in the history of a seed, in words.
pub fn trace(seed: u64) -> Vec<String> {
    let mut world = World::new(seed, None);
    world.trace = Some(Vec::new());
    let outcome = world.run();
    let acknowledged = world.model.acknowledged_count();
    world.say(|| format!("{outcome:?}, {acknowledged} acknowledged"));
    world.trace.take().unwrap_or_default()
}

impl World {
    fn run(&mut self) -> Outcome {
        self.start_relay()?;
        self.start_client()?;
        for _ in 0..STEPS {
            self.step()?;
        }
        self.end_well()
    }
}

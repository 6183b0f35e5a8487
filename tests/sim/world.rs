//! One history: a relay, its clients and their applications, what is between them, and everything that can happen to them.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use fastrand::Rng;
use inhaul_core::{
    event::{EndpointName, Event, EventId, Peer, PeerSource, UnixMillis},
    wire::HelloEndpoint,
};
use inhaul_relay::registry::{AnswerMode, OnAbsent, Registry};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::{
    app::App,
    client::{self, Client, Installation},
    disk::SimDisk,
    kind::{Kind, Mutation},
    model::Model,
    network::{Arrived, Link},
    relay::Relay,
    seeds::Outcome,
};

mod rest;

/// Small, so that a history goes through many.
pub const SEGMENT_BYTES: u64 = 16 << 10;

/// Things that happen in one history, for each client of it.
const STEPS: u32 = 500;

/// 2025-11-24T07:41:10Z
const CLOCK: u64 = 1_763_970_070_000;

/// One client, running or not.
struct Place {
    id: Uuid,
    client: Option<Client>,
    disk: SimDisk,
    directory: PathBuf,
    app: App,
    connects_at: Instant,
}

struct World {
    rng: Rng,
    /// Its clock is the relay's and the network's.
    runtime: Runtime,
    clock: Arc<AtomicU64>,
    registry: Registry,
    /// What clients ask for.
    endpoints: Vec<HelloEndpoint>,
    mutation: Option<Mutation>,
    model: Model,
    relay: Option<Relay>,
    relay_disk: SimDisk,
    places: Vec<Place>,
    links: Vec<Link>,
    next_link: u64,
    next_event: u64,
    at_once: u32,
    /// As this project's client does; others may do otherwise.
    reports_in_order: bool,
    trace: Option<Vec<String>>,
    _temp: TempDir,
}

/// Where directories are that are not on a simulated disk.
fn temp() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl Place {
    fn new(number: u128, rng: &mut Rng, temp: &TempDir, now: Instant) -> Self {
        Self {
            id: Uuid::from_u128(number),
            client: None,
            disk: SimDisk::new(rng.u64(..)),
            directory: temp.path().join(format!("client-{number}")),
            app: App::new(rng.u64(..)),
            connects_at: now,
        }
    }

    fn link(&self) -> Option<u64> {
        Some(self.client.as_ref()?.session.as_ref()?.link)
    }
}

impl World {
    fn new(seed: u64, kind: Kind, mutation: Option<Mutation>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (relay_disk, temp, runtime) = (SimDisk::new(rng.u64(..)), temp(), client::runtime());
        let now = client::time_of(&runtime);
        let places: Vec<Place> =
            (7..).take(kind.clients).map(|number| Place::new(number, &mut rng, &temp, now)).collect();
        match mutation {
            Some(Mutation::RelayDiskLies) => relay_disk.lie(),
            Some(Mutation::ClientDiskLies) => places.iter().for_each(|place| place.disk.lie()),
            _ => {}
        }
        let registry = Registry::open(&temp.path().join("relay")).unwrap();
        let names = ["orders", "payments"].map(|name| name.parse::<EndpointName>().unwrap());
        let endpoint = |(name, (answer, on_absent)): (&EndpointName, (AnswerMode, OnAbsent))| {
            let (_, token) = registry.add(name, answer, on_absent).unwrap();
            let token = token.reveal().to_owned();
            HelloEndpoint { name: name.clone(), token, resume: None, sharing: kind.sharing }
        };
        let late =
            names.iter().zip(kind.answers).filter(|(_, (_, on_absent))| *on_absent == OnAbsent::Accept);
        let takes_late = late.map(|(name, _)| name.clone()).collect();
        Self {
            endpoints: names.iter().zip(kind.answers).map(endpoint).collect(),
            registry,
            runtime,
            clock: Arc::new(AtomicU64::new(CLOCK)),
            mutation,
            model: Model::new(kind.sharing, takes_late),
            relay: None,
            relay_disk,
            places,
            links: Vec::new(),
            next_link: 0,
            next_event: 0,
            at_once: kind.at_once,
            reports_in_order: rng.bool(),
            trace: None,
            _temp: temp,
            rng,
        }
    }

    fn now(&self) -> Instant {
        client::time_of(&self.runtime)
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
        let endpoint = self.rng.choice(&self.endpoints).unwrap().name.clone();
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

    fn post(&mut self) -> Outcome {
        if self.relay.is_none() {
            return Ok(());
        }
        let event = self.event();
        self.say(|| format!("post {} of {} bytes to {}", event.id, event.body.len(), event.endpoint));
        let (now, _entered) = (self.now(), self.runtime.enter());
        match &mut self.relay {
            Some(relay) => relay.post(event, now, &mut self.model),
            None => Ok(()),
        }
    }

    /// Time passes, and every clock with it.
    fn pass(&mut self, time: Duration) -> Outcome {
        client::pass(&self.runtime, time);
        let millis = u64::try_from(time.as_millis())?;
        self.clock.fetch_add(millis, Ordering::Relaxed);
        let mut clients = self.places.iter_mut().flat_map(|place| &mut place.client);
        clients.try_for_each(|client| client.pass(time, &mut self.model))
    }

    fn start_relay(&mut self) -> Outcome {
        let started = {
            // A disk that refuses to read is tried again later.
            let _entered = self.runtime.enter();
            Relay::start(&self.relay_disk, &self.registry, &mut self.model, self.mutation)
        };
        let started = started.context("the relay starts")?;
        if started.is_none() {
            self.relay_disk.heal();
            self.relay_disk = self.relay_disk.kill();
        }
        self.say(|| format!("the relay starts: {}", started.is_some()));
        self.relay = started;
        Ok(())
    }

    fn start_client(&mut self, at: usize) -> Outcome {
        let now = self.now();
        let Self { places, endpoints, clock, model, mutation, .. } = self;
        let place = &mut places[at];
        let Place { id, disk, directory, app, .. } = &*place;
        let installation = Installation { id: *id, disk, directory, app, endpoints };
        let started = Client::start(&installation, clock, model, *mutation).context("a client starts")?;
        if started.is_none() {
            place.disk.heal();
            place.disk = place.disk.kill();
        }
        (place.client, place.connects_at) = (started, now);
        let is_there = self.places[at].client.is_some();
        self.say(|| format!("client {at} starts: {is_there}"));
        Ok(())
    }

    /// The relay's process ends, by itself or with the power.
    fn end_relay(&mut self) {
        let kill = self.rng.bool();
        self.say(|| format!("the relay ends, killed: {kill}"));
        let next = if kill { self.relay_disk.kill() } else { self.relay_disk.lose_power() };
        // What it does on its way out reaches no disk and nobody's ear.
        if let Some(relay) = self.relay.take() {
            relay.gone(&mut self.model);
        }
        self.relay_disk = next;
        for at in 0..self.links.len() {
            let told = self.rng.bool();
            self.links[at].to_client.cut(told);
        }
    }

    fn end_client(&mut self, at: usize) {
        let (kill, told) = (self.rng.bool(), self.rng.bool());
        self.say(|| format!("client {at} ends, killed: {kill}"));
        let place = &mut self.places[at];
        if !kill || place.disk.is_suspect() {
            self.model.torn(place.id, place.client.iter().flat_map(Client::being_stored));
        }
        let next = if kill { place.disk.kill() } else { place.disk.lose_power() };
        let link = place.link();
        place.client = None;
        place.disk = next;
        self.links
            .iter_mut()
            .filter(|other| Some(other.number) == link)
            .for_each(|link| link.to_relay.cut(told));
    }

    fn close_relay(&mut self) -> Outcome {
        let Some(relay) = self.relay.take() else { return Ok(()) };
        self.say(|| "the relay is closed".to_owned());
        {
            let _entered = self.runtime.enter();
            relay.close(&mut self.model)?;
        }
        self.links.iter_mut().for_each(|link| link.to_client.end());
        self.relay_disk = self.relay_disk.kill();
        Ok(())
    }

    fn close_client(&mut self, at: usize) -> Outcome {
        let link = self.places[at].link();
        let Some(mut client) = self.places[at].client.take() else { return Ok(()) };
        self.say(|| format!("client {at} is closed"));
        client.disconnect();
        client.close(&mut self.model)?;
        self.links.iter_mut().filter(|other| Some(other.number) == link).for_each(|link| link.to_relay.end());
        self.places[at].disk = self.places[at].disk.kill();
        Ok(())
    }

    /// Something from outside happens.
    fn trouble(&mut self) -> Outcome {
        let what = self.rng.u32(..27);
        self.say(|| format!("trouble {what}"));
        let (writes, changes) = (self.rng.u32(1..4), self.rng.u32(..25));
        let at = self.rng.usize(..self.places.len());
        let disk = if self.rng.bool() { self.relay_disk.clone() } else { self.places[at].disk.clone() };
        match what {
            0 => self.end_relay(),
            1 => self.end_client(at),
            2..6 => disk.end_run_after(changes),
            6 => self.close_relay()?,
            7 => self.close_client(at)?,
            8 => disk.fail_writes(0, writes),
            9 => disk.fail_syncs(0, writes),
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
                self.pass(time)?;
            }
            15 => self.places[at].app.come_and_go(),
            _ => self.trouble_on_a_link(what - 1),
        }
        Ok(())
    }

    fn trouble_on_a_link(&mut self, what: u32) {
        if self.links.is_empty() {
            return;
        }
        let (to_relay, to_client) = (self.rng.bool(), self.rng.bool());
        let stalled = Duration::from_millis(self.rng.u64(..60_000));
        let (at, now) = (self.rng.usize(..self.links.len()), self.now());
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
    fn tick(&mut self) -> Outcome {
        let at = self.rng.usize(..self.places.len());
        let Self { places, model, .. } = self;
        let client = places[at].client.as_mut();
        match self.rng.u32(..17) {
            0 | 1 => drop(self.relay.as_mut().map(Relay::write)),
            2 => self.answer_senders()?,
            3 => drop(client.map(Client::step)),
            4 => drop(client.map(Client::write)),
            5 | 6 => client.map_or(Ok(()), |client| client.turn(model))?,
            7 => self.report(at),
            8..11 => {
                if let Some(link) = (!self.links.is_empty()).then(|| self.rng.usize(..self.links.len())) {
                    self.deliver(link)?;
                }
            }
            11..14 => self.drive_relay()?,
            14..16 => self.drive_client(at)?,
            _ => {
                let time = Duration::from_millis(self.rng.u64(..200));
                self.pass(time)?;
            }
        }
        Ok(())
    }

    fn answer_senders(&mut self) -> Outcome {
        let _entered = self.runtime.enter();
        self.relay.as_mut().map_or(Ok(()), |relay| relay.answer(&mut self.model))
    }

    fn report(&mut self, at: usize) {
        let which = if self.reports_in_order { 0 } else { self.rng.usize(..4) };
        if let Some(client) = &mut self.places[at].client {
            client.report(&mut self.model, which);
        }
    }

    /// What has arrived on a connection is taken, at both of its ends.
    fn deliver(&mut self, at: usize) -> Outcome {
        let (now, _entered) = (client::time_of(&self.runtime), self.runtime.enter());
        let link = &mut self.links[at];
        if link.stalled_until > now {
            return Ok(());
        }
        let number = link.number;
        let session = self.relay.as_ref().and_then(|relay| relay.session_of(number));
        if let (Some(relay), Some(at)) = (&mut self.relay, session) {
            match link.to_relay.take(now) {
                Some(Arrived::Frame(frame)) => {
                    relay.receive(at, frame, &mut link.to_client, now, &mut self.model)?;
                }
                Some(Arrived::End) => relay.leave(at, &mut self.model),
                None => {}
            }
        }
        let Some(place) = self.places.iter_mut().find(|place| place.link() == Some(number)) else {
            return Ok(());
        };
        let Some(client) = &mut place.client else { return Ok(()) };
        match link.to_client.take(now) {
            Some(Arrived::Frame(frame)) => client.receive(frame),
            Some(Arrived::End) => {
                client.disconnect();
                place.connects_at = now + Duration::from_millis(self.rng.u64(..2000));
            }
            None => {}
        }
        Ok(())
    }

    fn drive_relay(&mut self) -> Outcome {
        let (now, _entered) = (client::time_of(&self.runtime), self.runtime.enter());
        let Some(relay) = self.relay.as_mut().filter(|relay| !relay.sessions.is_empty()) else {
            return Ok(());
        };
        let at = self.rng.usize(..relay.sessions.len());
        let arrives = now + Duration::from_millis(self.rng.u64(..100));
        relay.read(at, now, &mut self.model)?;
        let number = relay.sessions[at].link;
        let Some(link) = self.links.iter_mut().find(|link| link.number == number) else { return Ok(()) };
        relay.drive(at, link, now, arrives, &mut self.model)
    }

    fn drive_client(&mut self, at: usize) -> Outcome {
        let now = self.now();
        let place = &mut self.places[at];
        let Some(client) = &mut place.client else { return Ok(()) };
        let arrives = now + Duration::from_millis(self.rng.u64(..100));
        let Some(number) = client.session.as_ref().map(|session| session.link) else {
            let is_time = now >= place.connects_at && client.has_room();
            let Some(relay) = self.relay.as_mut().filter(|_| is_time) else { return Ok(()) };
            self.next_link += 1;
            self.links.push(Link::new(self.next_link, now));
            relay.accept(self.next_link, now);
            client.connect(self.next_link);
            return Ok(());
        };
        let Some(link) = self.links.iter_mut().find(|link| link.number == number) else { return Ok(()) };
        client.drive(link, arrives)?;
        if client.session.is_none() {
            place.connects_at = now + Duration::from_millis(self.rng.u64(..2000));
        }
        Ok(())
    }

    /// Machines whose runs are over end; some that are down start again.
    fn keep_up(&mut self) -> Outcome {
        if self.relay_disk.is_over() {
            self.end_relay();
        }
        if self.relay.is_none() && self.rng.u8(..8) == 0 {
            self.start_relay()?;
        }
        for at in 0..self.places.len() {
            if self.places[at].disk.is_over() {
                self.end_client(at);
            }
            if self.places[at].client.as_ref().is_some_and(Client::has_failed) {
                self.say(|| format!("client {at} cannot go on"));
                self.close_client(at)?;
            }
            if self.places[at].client.is_none() && self.rng.u8(..8) == 0 {
                self.start_client(at)?;
            }
        }
        // Connections nobody holds any more are gone.
        let (relay, places) = (&self.relay, &self.places);
        self.links.retain(|link| {
            relay.as_ref().is_some_and(|relay| relay.session_of(link.number).is_some())
                || places.iter().any(|place| place.link() == Some(link.number))
        });
        Ok(())
    }

    fn step(&mut self) -> Outcome {
        match self.rng.u32(..100) {
            0..8 => self.post()?,
            8..11 => self.trouble()?,
            _ => {
                self.tick()?;
                let more = if self.at_once > 1 { self.rng.u32(..self.at_once) } else { 0 };
                for _ in 0..more {
                    // Nothing is done by a machine that is down.
                    self.keep_up()?;
                    self.tick()?;
                }
            }
        }
        self.keep_up()
    }

    fn run(&mut self) -> Outcome {
        self.start_relay()?;
        (0..self.places.len()).try_for_each(|at| self.start_client(at))?;
        for _ in 0..STEPS * u32::try_from(self.places.len())? {
            self.step()?;
        }
        self.end_well()
    }
}

/// One history, from its seed.
pub fn history(seed: u64, kind: Kind, mutation: Option<Mutation>) -> Outcome {
    let mut world = World::new(seed, kind, mutation);
    if crate::seeds::is_repeated() {
        world.trace = Some(Vec::new());
    }
    let outcome = world.run();
    if crate::seeds::is_repeated() {
        world.trace.iter().flatten().for_each(|line| println!("{line}"));
    }
    outcome
}

/// How many senders heard an application's answer in the history of a seed.
pub fn answered(seed: u64, kind: Kind) -> usize {
    let mut world = World::new(seed, kind, None);
    // What becomes of it is another test's.
    let _ = world.run();
    world.model.answered_count()
}

/// What happens in the history of a seed, in words.
pub fn trace(seed: u64, kind: Kind) -> Vec<String> {
    let mut world = World::new(seed, kind, None);
    world.trace = Some(Vec::new());
    let outcome = world.run();
    let (acknowledged, answered) = (world.model.acknowledged_count(), world.model.answered_count());
    world.say(|| format!("{outcome:?}, {acknowledged} acknowledged, {answered} answered by an application"));
    world.trace.take().unwrap_or_default()
}

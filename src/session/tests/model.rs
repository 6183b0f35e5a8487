//! Random histories of sending, storing late and out of order, cutting the link and restarting either side, against what must
//! hold: nothing is forgotten before it is stored, and in the end everything is stored, once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Post { body_bytes: usize },
    ToClient,
    ToRelay,
    StoreFirst,
    StoreLast,
    Cut,
    Repeat,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![Just(0), 1..100_usize, Just(70_000), Just(150_000)]
            .prop_map(|body_bytes| Step::Post { body_bytes }),
        12 => Just(Step::ToClient),
        12 => Just(Step::ToRelay),
        3 => Just(Step::StoreFirst),
        2 => Just(Step::StoreLast),
        1 => Just(Step::Cut),
        1 => Just(Step::Repeat),
    ]
}

/// The relay's disk and the client's disk, and one session between them.
struct World {
    now: Instant,
    spool: BTreeMap<u64, usize>,
    cursor: u64,
    next_seq: u64,
    history: BTreeSet<EventId>,
    stored_twice: u64,
    relay: RelayEnd,
    client: ClientEnd,
    to_client: VecDeque<Bytes>,
    to_relay: VecDeque<Bytes>,
    unstored: VecDeque<(u64, EventId)>,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            now,
            spool: BTreeMap::new(),
            cursor: 0,
            next_seq: 1,
            history: BTreeSet::new(),
            stored_twice: 0,
            relay: relay(now),
            client: client(now, WINDOW, None),
            to_client: VecDeque::new(),
            to_relay: VecDeque::new(),
            unstored: VecDeque::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Post { body_bytes } => {
                self.spool.insert(self.next_seq, *body_bytes);
                self.next_seq += 1;
                self.relay.handle_news(&orders());
            }
            Step::ToClient => {
                self.to_client.extend(self.relay.poll_frame(self.now).map(|frame| frame.encode()));
                if let Some(bytes) = self.to_client.pop_front() {
                    self.client.handle_frame(Frame::decode(bytes).unwrap().unwrap(), self.now);
                }
            }
            Step::ToRelay => {
                self.to_relay.extend(self.client.poll_frame().map(|frame| frame.encode()));
                if let Some(bytes) = self.to_relay.pop_front() {
                    self.relay.handle_frame(Frame::decode(bytes).unwrap().unwrap(), self.now);
                }
            }
            Step::StoreFirst => {
                let first = self.unstored.pop_front();
                self.store(first);
            }
            Step::StoreLast => {
                let last = self.unstored.pop_back();
                self.store(last);
            }
            Step::Cut => {
                let resume = self.client.resume()[0].resume;
                self.relay = relay(self.now);
                self.client = client(self.now, WINDOW, resume);
                self.to_client.clear();
                self.to_relay.clear();
                self.unstored.clear();
            }
            Step::Repeat => {
                if let Some(bytes) = self.to_relay.back().cloned()
                    && !matches!(Frame::decode(bytes.clone()), Ok(Some(Frame::Hello(_))))
                {
                    self.to_relay.push_back(bytes);
                }
            }
        }
        self.carry_out();
    }

    fn store(&mut self, unstored: Option<(u64, EventId)>) {
        if let Some((seq, id)) = unstored {
            if !self.history.insert(id) {
                self.stored_twice += 1;
            }
            self.client.handle_stored(&orders(), seq);
        }
    }

    fn carry_out(&mut self) {
        while let Some(command) = self.relay.poll_command() {
            match command {
                RelayCommand::Admit(hello) => {
                    if let Some(cursor) = hello.endpoints[0].resume {
                        self.forget(cursor.up_to, &[]);
                    }
                    self.relay.handle_admitted(admitted(self.cursor));
                }
                RelayCommand::ReadNext { after, max_bytes, .. } => {
                    let head_bytes = event(0, vec![]).head.len();
                    let read = match self.spool.range(after + 1..).next() {
                        None => Read::Empty,
                        Some((_, &bytes)) if (bytes + head_bytes) as u64 > max_bytes => Read::TooLarge,
                        Some((&seq, &bytes)) => outgoing(seq, vec![3; bytes]),
                    };
                    self.relay.handle_read(&orders(), read);
                }
                RelayCommand::Forget(stored) => self.forget(stored.up_to, &stored.plus),
                RelayCommand::Answer { .. } => panic!("nobody waits"),
                RelayCommand::Close => panic!("the relay's end closed"),
            }
        }
        while let Some(command) = self.client.poll_command() {
            match command {
                ClientCommand::Store(delivery) => {
                    self.unstored.push_back((delivery.seq, delivery.event.id));
                }
                ClientCommand::Opened(_) | ClientCommand::RoundTrip(_) | ClientCommand::Draining(_) => {}
                ClientCommand::Close(error) => panic!("the client's end closed: {}", error.text),
            }
        }
    }

    /// Promise 3: only what the client has on its own disk.
    fn forget(&mut self, up_to: u64, plus: &[u64]) {
        let gone: Vec<u64> =
            self.spool.keys().copied().filter(|seq| *seq <= up_to || plus.contains(seq)).collect();
        for seq in gone {
            self.spool.remove(&seq);
            assert!(
                self.history.contains(&EventId(Uuid::from_u128(u128::from(seq)))),
                "{seq} is forgotten and not stored"
            );
        }
        self.cursor = self.cursor.max(up_to);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_is_forgotten_early_and_everything_arrives(steps in prop::collection::vec(step(), 0..300)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        let posted = world.next_seq - 1;
        for _ in 0..(posted + 1) * 12 + 50 {
            for step in [Step::ToRelay, Step::ToClient, Step::StoreFirst] {
                world.take(&step);
            }
        }
        prop_assert_eq!(world.history.len() as u64, posted);
        prop_assert!(world.spool.is_empty(), "{:?} is still in the spool", world.spool);
        if !steps.iter().any(|step| matches!(step, Step::Cut)) {
            prop_assert_eq!(world.stored_twice, 0);
        }
    }
}

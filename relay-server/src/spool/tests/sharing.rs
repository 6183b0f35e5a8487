//! Several clients on one endpoint: each with a cursor of its own, or all with one.

use std::collections::{BTreeMap, BTreeSet};

use inhaul_core::wire::Cursor;
use proptest::prelude::*;

use super::*;

fn balance(spool: &Spool, number: u128) -> Reader {
    spool.join(&orders(), client(number), Some(Sharing::Balance), None).unwrap()
}

async fn post(spool: &Spool, numbers: std::ops::RangeInclusive<u8>) {
    for number in numbers {
        spool.append(&event(number, 10), false, ROOMY).await.unwrap();
    }
}

/// The events that wait for a client.
async fn events(reader: &Reader) -> Vec<u8> {
    waiting(reader, reader.start()).await.into_iter().map(|(_, event, _)| event).collect()
}

/// A restart of the relay.
fn reopen(spool: Spool, directory: &Path) -> Spool {
    spool.close().unwrap();
    let (spool, recovery) = Spool::open(directory).unwrap();
    assert_eq!(recovery.problems(), Vec::<String>::new());
    spool
}

#[test]
fn what_waits_is_kept_by_whichever_client_is_on_the_disk_first() {
    let directory = tempfile::tempdir().unwrap();
    let spool = stepped(directory.path());
    let event = event(1, 10);
    let mut stored = pin!(spool.append(&event, false, ROOMY));
    assert!(stored.as_mut().now_or_never().is_none());
    while spool.step() {}
    let join = |number| spool.join(&orders(), client(number), Some(Sharing::Share), None).unwrap();
    let (mut first, mut second) = (join(1), join(2));
    assert_eq!((first.start(), second.start()), (0, 0), "another start may know the second alone");
    let mut joined = [first.joined().unwrap().boxed(), second.joined().unwrap().boxed()];
    assert!(joined.iter_mut().all(|joined| joined.now_or_never().is_none()), "nothing is written yet");
    while spool.step() {}
    assert!(joined.into_iter().all(|joined| joined.now_or_never().is_some()));
    assert_eq!(join(3).start(), 1, "a later one begins with the next");
    assert!(join(1).joined().is_none(), "it has its place");
}

#[tokio::test]
async fn each_client_that_shares_has_every_event_at_its_own_pace() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    post(&spool, 1..=2).await;
    let first = share(&spool, 1);
    assert_eq!(events(&first).await, [1, 2], "the first has what waits");
    let second = share(&spool, 2);
    assert_eq!(events(&second).await, [0; 0], "a later one begins with the next");
    post(&spool, 3..=4).await;
    assert_eq!(events(&first).await, [1, 2, 3, 4]);
    assert_eq!(events(&second).await, [3, 4]);
    assert_eq!((first.backlog().events, second.backlog().events), (4, 2));
    first.stored(4, &[]);
    assert_eq!(spool.total().events, 2, "what the other has not stored stays");
    assert_eq!((first.backlog().events, second.backlog().events), (0, 2));
    second.stored(2, &[4]);
    assert_eq!(spool.total().events, 1);
    assert_eq!(events(&second).await, [3]);
    second.stored(4, &[]);
    assert_eq!(spool.total(), Backlog::default());
}

#[tokio::test]
async fn cursors_of_clients_are_there_after_a_restart_and_hold_events_while_they_are_away() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let (first, second) = (share(&spool, 1), share(&spool, 2));
    post(&spool, 1..=5).await;
    first.stored(4, &[]);
    second.stored(2, &[]);
    drop((first, second));
    let spool = reopen(spool, directory.path());
    assert_eq!(spool.total().events, 3, "what both have is not there again");
    let first = share(&spool, 1);
    post(&spool, 6..=6).await;
    assert_eq!(events(&first).await, [5, 6]);
    first.stored(6, &[]);
    let spool = reopen(spool, directory.path());
    assert_eq!(events(&share(&spool, 2)).await, [3, 4, 5, 6]);
    assert_eq!(events(&share(&spool, 1)).await, [0; 0]);
}

#[tokio::test]
async fn a_client_that_says_where_it_was_goes_on_there() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let first = share(&spool, 1);
    post(&spool, 1..=4).await;
    let resume = |up_to| Some(Cursor { spool: spool.id(), up_to });
    let of_other = Some(Cursor { spool: Uuid::from_u128(9), up_to: 1 });
    let join = |number, resume| spool.join(&orders(), client(number), Some(Sharing::Share), resume).unwrap();
    assert_eq!(events(&join(2, resume(2))).await, [3, 4]);
    assert_eq!(events(&join(3, of_other)).await, [0; 0], "numbers of another spool mean nothing");
    assert_eq!(events(&join(1, resume(3))).await, [4]);
    assert_eq!(join(4, resume(99)).start(), 4, "nobody has what is not there");
    drop(first);
}

#[tokio::test]
async fn who_does_not_share_is_refused_while_events_are_kept_for_others() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    drop((share(&spool, 1), share(&spool, 2)));
    post(&spool, 1..=3).await;
    for sharing in [None, Some(Sharing::Balance)] {
        let refused = spool.join(&orders(), client(1), sharing, None).err();
        assert_eq!(refused, Some(JoinError::Shared { others: 1 }));
        assert_eq!(spool.may_join(&orders(), client(3), sharing), Err(JoinError::Shared { others: 2 }));
    }
    assert_eq!(spool.may_join(&orders(), client(3), Some(Sharing::Share)), Ok(()));
    assert_eq!(spool.remove_client(&orders(), client(9)), Err(RemoveError::Unknown));
    let here = share(&spool, 2);
    assert_eq!(spool.remove_client(&orders(), client(2)), Err(RemoveError::Connected));
    here.stored(1, &[]);
    drop(here);
    assert_eq!(spool.remove_client(&orders(), client(2)).unwrap().events, 0, "the other needs them all");
    // The last one hands its place to whoever comes.
    assert_eq!(events(&alone(&spool)).await, [1, 2, 3]);
    assert_eq!(spool.shared_clients(), []);
    let spool = reopen(spool, directory.path());
    assert_eq!(events(&alone(&spool)).await, [1, 2, 3]);
}

#[tokio::test]
async fn what_waited_only_for_a_client_that_is_removed_goes() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let first = share(&spool, 1);
    drop(share(&spool, 2));
    post(&spool, 1..=3).await;
    first.stored(2, &[]);
    let shown = spool.shared_clients();
    let away = shown.iter().find(|shown| shown.client == client(2)).unwrap();
    assert_eq!((away.connected, away.backlog.events), (false, 3));
    assert_eq!(spool.remove_client(&orders(), client(2)).unwrap().events, 2);
    let spool = reopen(spool, directory.path());
    assert_eq!(spool.total().events, 1);
    assert_eq!(spool.shared_clients().len(), 1);
    assert_eq!(share(&spool, 2).expired(), None, "it was not away too long");
}

#[tokio::test]
async fn a_shared_endpoint_has_so_many_clients_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    for number in 1..=SHARED_CLIENTS_MAX {
        drop(share(&spool, number as u128));
    }
    let one_more = || spool.join(&orders(), client(1000), Some(Sharing::Share), None);
    assert_eq!(one_more().err(), Some(JoinError::Full));
    spool.remove_client(&orders(), client(5)).unwrap();
    assert!(one_more().is_ok());
    assert_eq!(spool.shared_clients().len(), SHARED_CLIENTS_MAX);
}

#[tokio::test]
async fn each_balanced_event_goes_to_one_client_and_comes_back_when_that_ends() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let (first, second) = (balance(&spool, 1), balance(&spool, 2));
    assert_ne!(first.numbers_of(), second.numbers_of(), "numbers are the session's own");
    post(&spool, 1..=6).await;
    let take = async |reader: &Reader| match reader.next(0, u64::MAX).await {
        Next::Event(spooled) => (spooled.seq, spooled.event.id.0.as_bytes()[15]),
        Next::Empty | Next::TooLarge => panic!("there is one"),
    };
    assert_eq!([take(&first).await, take(&second).await, take(&first).await], [(1, 1), (1, 2), (2, 3)]);
    assert_eq!(first.backlog().events, 3, "what is nobody's yet");
    first.stored(0, &[2]);
    assert_eq!(spool.total().events, 5);
    assert!(first.leave() && !first.leave(), "once");
    assert!(matches!(first.next(0, u64::MAX).await, Next::Empty), "it is over");
    assert_eq!([take(&second).await, take(&second).await], [(2, 1), (3, 4)], "first what was given back");
    second.stored(2, &[]);
    drop(second);
    let spool = reopen(spool, directory.path());
    assert_eq!(events(&alone(&spool)).await, [4, 5, 6], "what was stored does not come again");
    assert_eq!(alone(&spool).start(), 3);
}

#[tokio::test]
async fn a_balanced_event_is_left_to_the_session_that_has_less_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let (first, second) = (balance(&spool, 1), balance(&spool, 2));
    let mut got = Vec::new();
    for number in 1..=6 {
        post(&spool, number..=number).await;
        // The first always asks first, and each asks until there is no more.
        let (to_first, to_second) = tokio::join!(events(&first), events(&second));
        got.push((to_first.len(), to_second.len()));
        if number == 4 {
            second.stored(2, &[]);
        }
    }
    assert_eq!(got, [(1, 0), (0, 1), (1, 0), (0, 1), (0, 1), (0, 1)]);
    // Nobody else waits any more, so nothing is left to anybody.
    assert!(second.leave());
    assert_eq!(events(&first).await, [5, 6]);
}

#[tokio::test]
async fn a_damaged_event_does_not_stop_a_balanced_session() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    post(&spool, 1..=3).await;
    let path = segment(directory.path());
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(10).position(|window| window == [2; 10]).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(events(&balance(&spool, 1)).await, [1, 3]);
}

#[tokio::test]
async fn where_it_was_shared_it_can_be_had_alone_and_shared_again_by_the_same_client() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    post(&spool, 1..=4).await;
    share(&spool, 1).stored(1, &[]);
    alone(&spool).stored(2, &[]);
    let spool = reopen(spool, directory.path());
    assert_eq!(events(&share(&spool, 1)).await, [3, 4]);
    balance(&spool, 1).stored(0, &[]);
    assert_eq!(events(&alone(&spool)).await, [3, 4]);
    assert_eq!(alone(&spool).expired(), None);
}

/// What may happen to a shared endpoint.
#[derive(Clone, Debug)]
enum Step {
    Post,
    Join(u128),
    Leave(u128),
    /// A client stores so many more, and the last of all that there are.
    Store(u128, u64, bool),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 1..4_u128;
    prop_oneof![
        5 => Just(Step::Post),
        2 => client().prop_map(Step::Join),
        1 => client().prop_map(Step::Leave),
        4 => (client(), 0..4_u64, any::<bool>()).prop_map(|(who, more, last)| Step::Store(who, more, last)),
        1 => Just(Step::Restart),
    ]
}

/// What each client must still get, by what happened.
#[derive(Default)]
struct Model {
    last: u64,
    missing: BTreeMap<u128, BTreeSet<u64>>,
    unshared: BTreeSet<u64>,
}

impl Model {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Post => {
                self.last += 1;
                self.missing.values_mut().for_each(|missing| {
                    missing.insert(self.last);
                });
                if self.missing.is_empty() {
                    self.unshared.insert(self.last);
                }
            }
            Step::Join(who) if !self.missing.contains_key(who) => {
                self.missing.insert(*who, std::mem::take(&mut self.unshared));
            }
            Step::Store(who, more, last) => {
                let Some(missing) = self.missing.get_mut(who) else { return };
                let up_to = missing.first().map_or(0, |first| first + more).min(self.last);
                missing.retain(|seq| *seq > up_to);
                if *last {
                    missing.remove(&self.last);
                }
            }
            Step::Join(_) | Step::Leave(_) | Step::Restart => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_event_goes_before_every_client_has_it(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let (mut spool, _) = Spool::open(directory.path()).unwrap();
            let mut model = Model::default();
            let mut readers: BTreeMap<u128, Reader> = BTreeMap::new();
            let mut forgot_plus = BTreeSet::new();
            for step in &steps {
                match step {
                    Step::Post => {
                        let number = u8::try_from(model.last + 1).unwrap();
                        post(&spool, number..=number).await;
                    }
                    Step::Join(who) => {
                        let newer = share(&spool, *who);
                        readers.insert(*who, newer);
                    }
                    Step::Leave(who) => drop(readers.remove(who)),
                    Step::Store(who, more, last) => {
                        let Some(reader) = readers.get(who) else { continue };
                        let first = model.missing[who].first();
                        let up_to = first.map_or(0, |first| first + more).min(model.last);
                        reader.stored(up_to, if *last { std::slice::from_ref(&model.last) } else { &[] });
                    }
                    Step::Restart => {
                        readers.clear();
                        spool = reopen(spool, directory.path());
                        forgot_plus = model.missing.keys().copied().collect();
                    }
                }
                model.take(step);
                for (who, reader) in &readers {
                    let waits: BTreeSet<u64> =
                        waiting(reader, 0).await.into_iter().map(|(seq, ..)| seq).collect();
                    let missing = &model.missing[who];
                    prop_assert!(waits.is_superset(missing), "{who}: {waits:?} of {missing:?}");
                    // What was stored out of order may come again after a restart, and nothing else.
                    if !forgot_plus.contains(who) {
                        prop_assert_eq!(&waits, missing, "{}", who);
                    }
                    prop_assert_eq!(reader.backlog().events, waits.len() as u64);
                }
                let all: BTreeSet<u64> =
                    model.missing.values().flatten().chain(&model.unshared).copied().collect();
                prop_assert!(spool.total().events >= all.len() as u64);
                if forgot_plus.is_empty() {
                    prop_assert_eq!(spool.total().events, all.len() as u64);
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_waits_for_each_client_is_counted_the_same_for_all_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path()).unwrap();
    let readers: Vec<Reader> = (1..=4).map(|number| share(&spool, number)).collect();
    post(&spool, 1..=9).await;
    readers[0].stored(3, &[5, 9]);
    readers[1].stored(3, &[]);
    readers[2].stored(0, &[2, 4, 6]);
    readers[3].stored(9, &[]);
    let counted = spool.shared_clients();
    let events = |number: u128| {
        counted.iter().find(|known| known.client == client(number)).map(|known| known.backlog.events)
    };
    assert_eq!([1, 2, 3, 4].map(events), [4, 6, 6, 0].map(Some));
    for (reader, number) in readers.iter().zip(1..) {
        let known = counted.iter().find(|known| known.client == client(number)).unwrap();
        assert_eq!(known.backlog, reader.backlog());
    }
}

//! Several clients on one endpoint: each gets every event, or each event goes to one of them.

use std::{collections::BTreeSet, thread, time::Instant};

use serde_json::Value;

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    traffic::{Numbers, RELAY},
    world::{Client, PATIENCE, Relay, World, failure, signal},
};

const CLIENTS: [&str; 2] = ["first", "second"];

/// Posts so many events, one after the other; their ids.
fn post(sender: &Sender, count: usize) -> Vec<String> {
    let one = |number: usize| {
        let answer = sender.post(number.to_string().as_bytes());
        assert_eq!(answer.status, 200);
        answer.event_id()
    };
    (0..count).map(one).collect()
}

/// The ids of so many events a client shows.
fn shown(client: &mut Client, count: usize) -> Vec<String> {
    (0..count).map(|_| id(&client.event())).collect()
}

fn id(event: &Value) -> String {
    event["id"].as_str().unwrap().to_owned()
}

/// The ids in a client's history, in the order the relay gave them.
fn stored(world: &World, data: &str) -> Vec<String> {
    world.events_in(data).iter().map(id).collect()
}

fn relay_with_endpoint(world: &World, answer: &str) -> (Relay, Sender) {
    let mut relay = world.relay(&RELAY);
    relay.program.ignore_lines();
    let sender = Sender::new(&world.endpoint(&["--answer", answer]), None);
    (relay, sender)
}

#[test]
fn clients_that_share_get_every_event_and_one_that_was_away_catches_up() {
    let world = World::new();
    let (relay, sender) = relay_with_endpoint(&world, "relay");
    let mut all = post(&sender, 2);
    let mut first = world.listen_at_in("first", &relay, &["--share"]);
    assert_eq!(shown(&mut first, 2), all, "the first has what waits");
    let mut second = world.listen_at_in("second", &relay, &["--share"]);
    let together = post(&sender, 10);
    assert_eq!(shown(&mut first, 10), together);
    assert_eq!(shown(&mut second, 10), together, "and a later one what comes next");
    second.program.kill();
    let away = post(&sender, 10);
    assert_eq!(shown(&mut first, 10), away);
    let mut second = world.listen_at_in("second", &relay, &["--share"]);
    assert_eq!(shown(&mut second, 10), away);
    assert!(first.program.stop().success() && second.program.stop().success());
    all.extend(together.iter().chain(&away).cloned());
    assert_eq!(stored(&world, "first"), all);
    assert_eq!(stored(&world, "second"), all[2..]);
}

#[test]
fn clients_that_share_and_their_relay_are_killed_at_random_and_each_has_every_event_once() {
    let (mut numbers, seed) = Numbers::from_environment("INHAUL_SHARE_SEED");
    eprintln!("INHAUL_SHARE_SEED={seed}");
    let world = World::new();
    let (mut relay, sender) = relay_with_endpoint(&world, "relay");
    let address = relay.public_url.strip_prefix("http://").unwrap().to_owned();
    let listen = |relay: &Relay, data| Some(world.listen_at_in(data, relay, &["--share"]));
    let mut clients = CLIENTS.map(|data| listen(&relay, data));
    let mut all = Vec::new();
    for _ in 0..12 {
        all.extend(post(&sender, 10));
        match numbers.below(5) {
            0 => {
                relay.program.kill();
                relay = world.relay(&[&RELAY[..], &["--listen", &address]].concat());
                relay.program.ignore_lines();
            }
            chosen => {
                let chosen = usize::try_from(chosen % 2).unwrap();
                match clients[chosen].take() {
                    Some(client) => client.program.kill(),
                    None => clients[chosen] = listen(&relay, CLIENTS[chosen]),
                }
            }
        }
    }
    for (data, client) in CLIENTS.into_iter().zip(clients) {
        let mut client = client.unwrap_or_else(|| world.listen_at_in(data, &relay, &["--share"]));
        let last = post(&sender, 1).remove(0);
        all.push(last.clone());
        while id(&client.event()) != last {}
        client.program.kill();
    }
    // The first has not seen the very last one, which was for the second.
    let first = stored(&world, "first");
    assert_eq!(first, all[..all.len() - 1]);
    assert_eq!(stored(&world, "second"), all);
}

#[test]
fn a_balanced_event_goes_to_one_client_and_each_client_gets_its_own_in_order() {
    let world = World::new();
    let (relay, sender) = relay_with_endpoint(&world, "relay");
    let mut clients = CLIENTS.map(|data| world.listen_at_in(data, &relay, &["--balance"]));
    let all = post(&sender, 60);
    let deadline = Instant::now() + PATIENCE;
    let taken = loop {
        let taken = CLIENTS.map(|data| stored(&world, data));
        if taken.iter().map(Vec::len).sum::<usize>() >= all.len() {
            break taken;
        }
        assert!(Instant::now() < deadline, "not all is stored: {taken:?}");
    };
    assert!(taken.iter().all(|taken| !taken.is_empty()), "each has its part: {taken:?}");
    for (client, taken) in clients.iter_mut().zip(&taken) {
        assert_eq!(shown(client, taken.len()), *taken, "in order");
    }
    let mut taken = taken.concat();
    taken.sort();
    assert_eq!(taken, all, "each is stored, and once in all");
}

#[test]
fn what_a_balanced_client_took_and_did_not_store_goes_to_another_when_it_dies() {
    let world = World::new();
    let (relay, sender) = relay_with_endpoint(&world, "relay");
    let mut first = world.listen_at_in("first", &relay, &["--balance"]);
    let before = post(&sender, 3);
    assert_eq!(shown(&mut first, 3), before);
    // From here on it takes, and stores nothing.
    signal(first.program.pid(), "STOP");
    let all = post(&sender, 20);
    let mut second = world.listen_at_in("second", &relay, &["--balance"]);
    let more = post(&sender, 5);
    first.program.kill();
    let (mut got, mut left): (Vec<String>, BTreeSet<String>) =
        (Vec::new(), all.iter().chain(&more).cloned().collect());
    while !left.is_empty() {
        let next = id(&second.event());
        // Of the events before, only what was not yet known to be stored comes again.
        assert!(left.remove(&next) || before.contains(&next), "{next} came twice");
        got.push(next);
    }
    assert!(second.program.stop().success());
    assert_eq!(stored(&world, "second").len(), got.len());
    assert_eq!(stored(&world, "first"), before);
}

#[test]
fn one_of_two_balanced_clients_is_killed_in_the_middle_and_together_they_have_every_event_once() {
    let world = World::new();
    let (relay, sender) = relay_with_endpoint(&world, "relay");
    let handler = Handler::start(Reply::ok());
    let listen = |data| world.listen_at_in(data, &relay, &["--balance", &handler.target()]);
    let [mut first, second] = CLIENTS.map(listen);
    let mut all: Vec<String> = thread::scope(|scope| {
        let posting: Vec<_> = (0..4).map(|_| scope.spawn(|| post(&sender, 50))).collect();
        shown(&mut first, 10);
        first.program.kill();
        posting.into_iter().flat_map(|posting| posting.join().unwrap()).collect()
    });
    all.sort();
    let killed = stored(&world, "first");
    let deadline = Instant::now() + PATIENCE;
    let survivor = loop {
        let survivor = stored(&world, "second");
        let together: BTreeSet<&String> = killed.iter().chain(&survivor).collect();
        if together.into_iter().eq(&all) {
            break survivor;
        }
        assert!(Instant::now() < deadline, "not all is stored: {killed:?}, {survivor:?}");
    };
    // At both is only what the killed one had just stored when it had not said so yet.
    let at_both = killed.iter().filter(|id| survivor.contains(id)).count();
    let said = killed.len() - at_both;
    assert!(said > 0 && killed[..said].iter().all(|id| !survivor.contains(id)), "{killed:?}, {survivor:?}");
    // It finishes what it had, and takes its part of what comes.
    let mut first = listen("first");
    let more = post(&sender, 20);
    while !shown(&mut first, 1).iter().all(|id| more.contains(id)) {}
    assert!(first.program.stop().success() && second.program.stop().success());
    let histories = CLIENTS.map(|data| stored(&world, data));
    let once = histories.iter().flatten().filter(|id| more.contains(id)).count();
    assert_eq!(once, more.len(), "once in all");
    let is_stored = |id: &&String| histories.iter().any(|history| history.contains(id));
    assert_eq!(all.iter().filter(is_stored).count(), all.len());
}

#[test]
fn clients_that_do_not_agree_how_to_share_are_refused_with_the_reason() {
    let world = World::new();
    let (relay, _) = relay_with_endpoint(&world, "relay");
    for (held, asked, words) in [
        (&[][..], &[][..], &["--share", "--balance", "stop it first"][..]),
        (&[], &["--share"], &["alone", "--share"]),
        (&["--share"], &["--balance"], &["--share", "--balance"]),
        (&["--balance"], &[], &["--balance"]),
    ] {
        let holder = world.listen_at_in("first", &relay, held);
        let (code, said) = failure(world.inhaul_at("second", &relay, asked));
        assert_eq!(code, 2);
        for word in words {
            assert!(said.contains(word), "{word} is not in: {said}");
        }
        holder.program.kill();
    }
}

#[test]
fn an_application_is_heard_before_a_client_that_only_looks_on() {
    let world = World::new();
    let (relay, sender) = relay_with_endpoint(&world, "app");
    let mut onlooker = world.listen_at_in("first", &relay, &["--share"]);
    assert_eq!(sender.post(b"nobody").header("x-inhaul-source"), Some("relay"), "there is no application");
    let handler = Handler::start(Reply::text("201 Created", "made"));
    let mut with_app = world.listen_at_in("second", &relay, &["--share", &handler.target()]);
    for _ in 0..5 {
        let answer = sender.post(b"somebody");
        assert_eq!((answer.status, answer.header("x-inhaul-source")), (201, Some("app")));
        assert_eq!(id(&with_app.event()), answer.event_id());
    }
    shown(&mut onlooker, 6);
    assert_eq!(handler.rest().len(), 5, "each once");
}

#[test]
fn the_operator_sees_who_is_away_and_can_let_go_what_waits_for_it() {
    let world = World::new();
    let (relay, sender) = relay_with_endpoint(&world, "relay");
    let mut first = world.listen_at_in("first", &relay, &["--share"]);
    let second = world.listen_at_in("second", &relay, &["--share"]);
    let all_here =
        |clients: &[Value]| clients.len() == 2 && clients.iter().all(|client| client["connected"] == true);
    let clients = world.clients_when(all_here);
    assert!(clients.iter().all(|client| client["sharing"] == "share"));
    let here = clients[0]["client"].as_str().unwrap();
    let (code, said) = failure(world.relay_endpoint(&["remove-client", "orders", here]));
    assert!(code == 1 && said.contains("is connected"), "{said}");
    second.program.kill();
    let posted = post(&sender, 3);
    assert_eq!(shown(&mut first, 3), posted);
    let is_away = |client: &&Value| client["connected"] == false && client["backlog_events"] == 3;
    let clients = world.clients_when(|clients| clients.iter().any(|client| is_away(&client)));
    let away = clients.iter().find(is_away).unwrap()["client"].as_str().unwrap().to_owned();
    assert!(first.program.stop().success());
    let (_, said) = failure(world.inhaul_at("first", &relay, &[]));
    assert!(said.contains("`--share`") && said.contains("endpoint clients"), "{said}");
    let removed = world.relay_endpoint(&["remove-client", "orders", &away]).output().unwrap();
    assert!(removed.status.success());
    world.clients_when(|clients| clients.len() == 1);
    let mut alone = world.listen_at_in("first", &relay, &[]);
    let last = post(&sender, 1);
    assert_eq!(shown(&mut alone, 1), last, "what waited for the other is gone");
    let (code, said) = failure(world.relay_endpoint(&["remove-client", "orders", &away]));
    assert!(code == 1 && said.contains("no events of orders are kept"), "{said}");
}

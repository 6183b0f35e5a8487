//! A network that loses every packet for a while, between a client and its relay.
//!
//! The test runs in a network of its own: the relay's machine, a router and the client's machine, each a network namespace. A router that does
//! not forward loses packets without a word to either end. That takes Linux, `unshare` and `ip`, and root or namespaces for everybody.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    sender::Sender,
    traffic::number_from,
    world::{World, run, through, until},
};

/// Set in the process that has a network of its own.
const INSIDE: &str = "INHAUL_TEST_INSIDE";

/// Makes the network; run in namespaces of its own. The names of `ip netns` are files below `/run`. Disks that other tests have mounted are let
/// go, or they could not be unmounted for as long as this runs.
const NETWORK: &str = "set -e
awk '$1 ~ \"^/dev/loop\" && $2 ~ \"/[.]tmp\" { print $2 }' /proc/mounts | xargs -r umount --lazy || true
mount -t tmpfs tmpfs /run
ip link set lo up
for name in router client; do ip netns add $name; ip -n $name link set lo up; done
ip link add to-relay netns router type veth peer name relay
ip link add to-client netns router type veth peer name client netns client
ip address add 10.0.1.1/24 dev relay
ip link set relay up
ip -n router address add 10.0.1.254/24 dev to-relay
ip -n router link set to-relay up
ip -n router address add 10.0.2.254/24 dev to-client
ip -n router link set to-client up
ip -n client address add 10.0.2.1/24 dev client
ip -n client link set client up
ip route add 10.0.2.0/24 via 10.0.1.254
ip -n client route add default via 10.0.2.254
ip netns exec router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'";

/// Runs a test of this file again in a process with a network of its own, or says why that is not possible.
fn in_a_network_of_its_own(test: &str) {
    let unshare = ["--map-root-user", "--net", "--mount"];
    if let Err(reason) = run("unshare", &[&unshare[..], &["sh", "-c", NETWORK]].concat()) {
        eprintln!("skipped: no network can be made here (it takes Linux, `unshare` and `ip`): {reason}");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(unshare).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads", "1"]).env(INSIDE, "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
    eprintln!("{said}");
}

/// Makes the network, if this process is meant to have one.
fn is_inside() -> bool {
    let is_inside = std::env::var_os(INSIDE).is_some();
    if is_inside {
        run("sh", &["-c", NETWORK]).unwrap();
    }
    is_inside
}

/// Whether packets get from one machine to the other.
fn forward(is_on: bool) {
    let set = format!("echo {} >/proc/sys/net/ipv4/ip_forward", u8::from(is_on));
    run("ip", &["netns", "exec", "router", "sh", "-c", &set]).unwrap();
}

/// The network is lost for some time while events are posted on the relay's side of it.
fn partition(lasts: Duration, silence: Duration) {
    let world = World::new();
    let silence_ms = silence.as_millis().to_string();
    let relay = world.relay(&[
        "--listen",
        "10.0.1.1:0",
        "--session-silence-ms",
        &silence_ms,
        "--answer-deadline-ms",
        "200",
    ]);
    let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), relay.ca_file.as_deref());
    let command = world.client_command(&relay, &["3000"]);
    let mut client = world.client(through(&["ip", "netns", "exec", "client"], &command));
    let mut posted = vec![sender.post(b"before").event_id()];
    assert_eq!(client.event()["id"], *posted[0]);
    forward(false);
    let began = Instant::now();
    let is_noticed = lasts > silence;
    while began.elapsed() < lasts {
        posted.push(sender.post(b"meanwhile").event_id());
        thread::sleep(lasts / 20);
    }
    if is_noticed {
        until("the relay gives the session up", || relay.figure("inhaul_relay_clients_connected") == 0);
        let waiting = client.connection("waiting");
        let reason = waiting["reason"].as_str().unwrap();
        assert!(reason.starts_with("nothing was heard from the relay within"), "{reason}");
    }
    forward(true);
    posted.push(sender.post(b"after").event_id());
    for id in &posted[1..] {
        assert_eq!(client.event()["id"], **id, "in order, each once");
    }
    let sessions = relay.figure("inhaul_relay_sessions_total");
    eprintln!("{lasts:?} without a network, {silence:?} until a session is given up: {sessions} sessions");
    assert_eq!(sessions > 1, is_noticed, "a short loss costs no session: {sessions}");
    assert!(client.program.stop().success());
    assert_eq!(world.events().len(), posted.len());
}

#[test]
fn a_partition_longer_than_the_silence_is_noticed_by_both_ends_and_loses_nothing() {
    in_a_network_of_its_own("partition::noticed_in_a_network_of_its_own");
}

#[test]
fn a_partition_shorter_than_the_silence_costs_no_session() {
    in_a_network_of_its_own("partition::outlasted_in_a_network_of_its_own");
}

#[test]
#[ignore = "long; INHAUL_PARTITION_SECONDS says how long"]
fn a_long_partition_loses_nothing() {
    in_a_network_of_its_own("partition::long_in_a_network_of_its_own");
}

/// Not a test: what [`a_partition_longer_than_the_silence_is_noticed_by_both_ends_and_loses_nothing`] starts.
#[test]
#[ignore = "run in a network of its own by the test above"]
fn noticed_in_a_network_of_its_own() {
    if is_inside() {
        partition(Duration::from_secs(5), Duration::from_secs(2));
    }
}

/// Not a test: what [`a_partition_shorter_than_the_silence_costs_no_session`] starts.
#[test]
#[ignore = "run in a network of its own by the test above"]
fn outlasted_in_a_network_of_its_own() {
    if is_inside() {
        partition(Duration::from_secs(2), Duration::from_secs(60));
    }
}

/// Not a test: what [`a_long_partition_loses_nothing`] starts.
#[test]
#[ignore = "run in a network of its own by the test above"]
fn long_in_a_network_of_its_own() {
    if is_inside() {
        let lasts = Duration::from_secs(number_from("INHAUL_PARTITION_SECONDS", 10));
        partition(lasts, Duration::from_secs(25));
        partition(lasts, Duration::from_secs(5));
    }
}

//! Endpoints that change while the relay runs: a token that is changed, and a name that is given to another endpoint, are at once nobody else's.

use std::fs;

use crate::{sender::Sender, world::World};

/// Runs `inhaul relay endpoint …`, which must succeed.
fn endpoint(world: &World, args: &[&str]) -> Vec<u8> {
    let output = world.relay_endpoint(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn a_client_whose_token_is_changed_is_told_and_ends() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    world.endpoint(&[]);
    let mut client = world.listen_at(&relay, &[]);
    let changed = endpoint(&world, &["rotate-token", "orders"]);
    assert_eq!(client.program.wait().code(), Some(2));
    let said = fs::read_to_string(world.path("client.err")).unwrap();
    assert!(said.contains("the token of orders was changed"), "{said}");
    world.write("token", changed);
    world.listen_at(&relay, &[]);
}

#[test]
fn what_waits_at_an_endpoint_that_is_removed_is_not_for_the_next_one_of_its_name() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let before = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    assert_eq!(before.post(b"before").status, 200);
    endpoint(&world, &["remove", "orders"]);
    let again = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    assert_eq!(again.post(b"again").status, 200);
    assert_eq!(before.post(b"before").status, 404);
    let mut client = world.listen_at(&relay, &[]);
    assert_eq!(client.event()["body_bytes"], 5);
    assert!(client.program.stop().success());
    assert_eq!(world.events().len(), 1);
    // The same while the relay does not run.
    assert_eq!(again.post(b"waits").status, 200);
    let address = relay.address().to_owned();
    assert!(relay.program.stop().success());
    endpoint(&world, &["remove", "orders"]);
    let last = world.endpoint(&["--answer", "relay"]);
    let relay = world.relay(&["--tls", "off", "--listen", &address]);
    assert_eq!(Sender::new(&last, None).post(b"last").status, 200);
    let mut client = world.listen_at_in("other", &relay, &[]);
    assert_eq!(client.event()["body_bytes"], 4);
    assert!(client.program.stop().success());
    assert_eq!(world.events_in("other").len(), 1);
}

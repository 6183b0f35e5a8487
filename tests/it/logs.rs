//! What a log at its finest has, and what it never has.

use std::{cell::RefCell, fs};

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{Relay, World, failure, terminate},
};

#[test]
fn the_log_of_a_relay_in_a_file_is_plain_text_that_names_endpoints() {
    let world = World::new();
    let mut relay = world.relay(&["--tls", "off"]);
    world.endpoint(&[]);
    assert!(world.listen_at(&relay, &[]).program.stop().success());
    let line = |relay: &mut Relay, what: &str| {
        relay.program.line(|line| line.contains(what).then(|| line.to_owned()))
    };
    let connected = line(&mut relay, "a client is connected");
    assert!(connected.contains("endpoints=\"orders\"") && !connected.contains('\x1b'), "{connected:?}");
    world.write("token", "ih_another");
    failure(world.client_command(&relay, &[]));
    let refused = line(&mut relay, "a client was refused");
    assert!(refused.contains("endpoints=\"orders\" code=unauthorized"), "{refused:?}");
}

#[test]
fn tokens_headers_and_bodies_are_in_no_log() {
    let world = World::new();
    let mut command = world.relay_command(&["--tls", "off"]);
    command.env("INHAUL_LOG", "trace");
    let mut relay = world.start_relay(command);
    let url = world.endpoint(&["--answer", "app"]);
    let handler = Handler::start(Reply::text("200 OK", "canary in the answer"));
    let mut command = world.client_command(&relay, &[&handler.target()]);
    command.env("INHAUL_LOG", "trace");
    let mut client = world.client(command);
    let sender = Sender::new(&url, None);
    let answer = sender.send("POST", "/a", &["X-Secret: canary in a header"], b"canary in the body");
    assert_eq!(answer.body, b"canary in the answer");
    client.attempt();
    assert!(client.program.stop().success());
    let client_log = fs::read_to_string(world.path("client.err")).unwrap();
    let relay_log = RefCell::new(String::new());
    terminate(relay.program.pid());
    relay.program.line(|line| {
        relay_log.borrow_mut().push_str(line);
        line.starts_with("stopping").then_some(())
    });
    let token = fs::read_to_string(world.path("token")).unwrap();
    for (whose, log) in [("the relay", &relay_log.into_inner()), ("the client", &client_log)] {
        assert!(log.contains("TRACE"), "{whose} logs at its finest");
        for secret in [token.trim(), "canary"] {
            let at = log.find(secret).map(|at| &log[at.saturating_sub(300)..at]);
            assert_eq!(at, None, "in the log of {whose}");
        }
    }
}

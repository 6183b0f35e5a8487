//! Endpoints that change while the relay runs: a token that is changed, and a name that is given to another endpoint, are at once nobody else's.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::Command,
};

use crate::{
    sender::Sender,
    world::{PATIENCE, World, failure},
};

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

/// A request that came just before is no reason to take the next one.
#[test]
fn the_url_of_an_endpoint_is_unknown_once_it_is_removed() {
    let world = World::new();
    let _relay = world.relay(&["--tls", "off"]);
    for _ in 0..5 {
        let sender = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
        assert_eq!(sender.post(b"before").status, 200);
        endpoint(&world, &["remove", "orders"]);
        assert_eq!(sender.post(b"after").status, 404);
    }
}

/// The relay asks for the body once it has looked the endpoint up.
#[test]
fn a_request_whose_endpoint_is_removed_while_its_body_comes_is_refused_and_for_nobody() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    let before = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    let body = [b'b'; 10_000];
    let request = before.request("POST", "", &["Expect: 100-continue"], &body);
    let mut stream = TcpStream::connect(&before.authority).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&request[..request.len() - body.len()]).unwrap();
    let mut answer = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    answer.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stream.write_all(&body[..5000]).unwrap();
    endpoint(&world, &["remove", "orders"]);
    let again = Sender::new(&world.endpoint(&["--answer", "relay"]), None);
    assert_eq!(again.post(b"again").status, 200);
    stream.write_all(&body[5000..]).unwrap();
    let mut rest = String::new();
    answer.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("HTTP/1.1 404 ") && rest.contains("there is no such endpoint"), "{rest}");
    assert_eq!(again.post(b"last").status, 200);
    let mut client = world.listen_at(&relay, &[]);
    assert_eq!(
        (client.event()["body_bytes"].clone(), client.event()["body_bytes"].clone()),
        (5.into(), 4.into())
    );
    assert!(client.program.stop().success());
    assert_eq!(world.events().len(), 2);
}

/// What `endpoint list` prints, and what it says beside that.
fn listed(world: &World) -> (String, String) {
    let output = world.relay_endpoint(&["list"]).output().unwrap();
    assert!(output.status.success());
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn what_a_relay_is_reached_at_is_checked_and_known_before_it_runs() {
    let world = World::new();
    for url in ["foo", "foo bar", "http://hooks.example.com/base"] {
        for command in [
            world.relay_endpoint(&["add", "orders", "--public-url", url]),
            world.relay_command(&["--public-url", url]),
        ] {
            let (code, said) = failure(command);
            assert_eq!(code, 2);
            assert!(
                said.contains(&format!("'{url}'")) && said.contains("https://hooks.example.com"),
                "{said}"
            );
        }
    }
    assert!(!world.path("relay").exists(), "nothing was added");
    for name in ["orders", "bills"] {
        endpoint(&world, &["add", name]);
    }
    let (urls, said) = listed(&world);
    assert_eq!(urls.matches(" https://127.0.0.1:8443/in/").count(), 2, "{urls}");
    assert_eq!(said.matches("note: ").count(), 1, "{said}");
    endpoint(&world, &["add", "other", "--public-url", "https://hooks.example.com/"]);
    let (urls, said) = listed(&world);
    assert_eq!(urls.matches(" https://hooks.example.com/in/").count(), 3, "{urls}");
    assert_eq!(said, "");
    world.relay(&["--public-url", "https://real.example.com"]);
    let (urls, _) = listed(&world);
    assert_eq!(urls.matches(" https://real.example.com/in/").count(), 3, "{urls}");
}

#[test]
fn an_endpoint_that_is_not_there_or_there_already_is_the_answer_no() {
    let world = World::new();
    world.endpoint(&[]);
    for (args, says) in [
        (&["add", "orders"][..], "there is an endpoint orders already"),
        (&["remove", "nope"], "there is no endpoint nope"),
        (&["rotate-token", "nope"], "there is no endpoint nope"),
        (&["clients", "nope"], "there is no endpoint nope"),
        (
            &["remove-client", "orders", "019ad5c6-7b5e-7c10-8d53-2d41c0a2f7aa"],
            "no events of orders are kept",
        ),
    ] {
        let (code, said) = failure(world.relay_endpoint(args));
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(says) && said.contains("\nhint: `inhaul relay endpoint "), "{said}");
    }
    assert!(endpoint(&world, &["clients", "orders"]).is_empty());
}

#[test]
fn a_directory_that_is_not_there_is_made_by_the_first_endpoint_only() {
    let world = World::new();
    let client = "019ad5c6-7b5e-7c10-8d53-2d41c0a2f7aa";
    for args in [
        &["list"][..],
        &["remove", "orders"],
        &["rotate-token", "orders"],
        &["clients"],
        &["remove-client", "orders", client],
    ] {
        let (code, said) = failure(world.relay_endpoint(args));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("there is no relay in") && said.contains("`--data DIR`"), "{said}");
    }
    assert!(!world.path("relay").exists());
    world.endpoint(&[]);
    assert!(!endpoint(&world, &["list"]).is_empty());
}

#[test]
fn the_command_of_a_self_signed_relay_names_its_authority_wherever_it_is_run() {
    let world = World::new();
    let ca_file = world.path("relay/tls/ca.pem");
    let command_for = |name: &str| {
        let added = world.relay_endpoint(&["add", name]).output().unwrap();
        String::from_utf8(added.stderr).unwrap()
    };
    let trusted = format!(" --cacert {}\n", ca_file.display());
    let said = command_for("early");
    assert!(said.contains(&trusted), "it is where the relay will make it: {said}");
    let mut near = Command::new(env!("CARGO_BIN_EXE_inhaul"));
    near.env_clear().env("HOME", world.path("")).current_dir(world.path(""));
    near.args([
        "relay",
        "serve",
        "--data",
        "relay",
        "--listen",
        "127.0.0.1:0",
        "--ready-file",
        "relay-ready.json",
    ]);
    let relay = world.start_relay(near);
    assert_eq!(relay.ca_file.as_ref(), Some(&ca_file), "the ready file has no relative name");
    let said = command_for("orders");
    assert!(said.contains(&format!("--relay {} ", relay.public_url)) && said.contains(&trusted), "{said}");
    drop(relay);
    world.relay(&["--tls", "off"]);
    let said = command_for("others");
    assert!(said.contains("--token-file FILE\n"), "{said}");
}

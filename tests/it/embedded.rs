//! `inhaul listen 3000`: a relay of its own on this machine.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

use serde_json::Value;

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{World, text},
};

#[test]
fn the_ready_file_says_where_to_post() {
    let world = World::new();
    let ready_file = world.path("ready.json");
    let handler = Handler::start(Reply::ok());
    let mut client =
        world.listen(&["--port", "0", "--tls", "--ready-file", text(&ready_file), &handler.target()]);
    // It is written when the client is welcomed, which it is before an event can come.
    let ca_file = world.path("client/relay/tls/ca.pem");
    assert_eq!(Sender::new(client.endpoint_url(), Some(&ca_file)).post(b"{}").status, 200);
    client.attempt();
    let ready: Value = serde_json::from_slice(&fs::read(&ready_file).unwrap()).unwrap();
    assert_eq!(ready["endpoint_url"], client.ready["endpoint_url"]);
    assert_eq!(ready["public_url"], client.ready["relay_url"]);
    assert_eq!(ready["ca_file"].as_str().map(Path::new), Some(ca_file.as_path()));
    assert_eq!(client.ready["ca_file"], ready["ca_file"]);
    assert_eq!(ready["admin_url"], Value::Null);
    assert!(client.program.stop().success());
    assert!(!ready_file.exists(), "nothing arrives any more");
}

#[test]
fn the_ready_file_of_a_run_that_was_killed_says_nothing_of_the_next() {
    let world = World::new();
    let ready_file = world.path("ready.json");
    fs::write(&ready_file, "of a run that was killed").unwrap();
    fs::write(world.path("token"), "ih_0").unwrap();
    // Nobody answers there: the client is never ready.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let command = world.client_of(&format!("http://{address}"), &["--ready-file", text(&ready_file)]);
    let mut client = world.start(command);
    client.line(|line| line.contains("connection").then_some(()));
    assert!(!ready_file.exists());
    assert!(client.stop().success());

    let relay_file = world.path("relay-ready.json");
    fs::write(&relay_file, "of a run that was killed").unwrap();
    let mut command = world.relay_command(&["--listen", &address]);
    assert_eq!(command.output().unwrap().status.code(), Some(2));
    assert!(!relay_file.exists(), "it could not start");
    let relay = world.relay(&[]);
    assert!(relay_file.exists());
    assert!(relay.program.stop().success());
    assert!(!relay_file.exists(), "nothing is taken any more");
}

#[test]
fn a_place_for_the_ready_file_that_is_not_there_is_said_at_once() {
    let world = World::new();
    let output =
        world.inhaul(&["listen", "--port", "0", "--ready-file", "nowhere/ready.json"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("nowhere/ready.json") && said.contains("a place you can write to"), "{said}");
}

#[test]
fn that_its_directory_was_removed_is_said() {
    let world = World::new();
    let mut client = world.listen(&["--port", "0"]);
    fs::remove_dir_all(world.path("client/relay")).unwrap();
    assert_eq!(client.program.wait().code(), Some(2));
    let said = fs::read_to_string(world.path("client.err")).unwrap();
    assert!(said.contains("client/relay was removed or changed while this program ran"), "{said}");
    assert!(!said.contains("--token-file"), "{said}");
}

#[test]
fn everything_it_keeps_is_for_this_user_only() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen(&["--port", "0", "--tls", &handler.target()]);
    Sender::new(client.endpoint_url(), Some(&world.path("client/relay/tls/ca.pem"))).post(b"{}");
    client.attempt();
    let (mut files, mut left) = (0, vec![world.path("client")]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let mode = metadata.permissions().mode() & 0o777;
            if metadata.is_dir() {
                assert_eq!(mode, 0o700, "{}", entry.path().display());
                left.push(entry.path());
            } else {
                assert_eq!(mode, 0o600, "{}", entry.path().display());
                files += 1;
            }
        }
    }
    assert!(files > 8, "the lock, the socket, ids, journals and the index are there: {files}");
    assert!(client.program.stop().success());
}

#[test]
fn it_listens_on_both_loopback_addresses_of_the_target() {
    let world = World::new();
    let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else { return };
    let port = listener.local_addr().unwrap().port();
    // The other address stays taken and refuses, whatever else runs here.
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    if other.bind(([127, 0, 0, 1], port).into()).is_err() {
        return it_listens_on_both_loopback_addresses_of_the_target();
    }
    let answered = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let client = world.listen(&["--port", "0", &port.to_string()]);
    assert_eq!(Sender::new(client.endpoint_url(), None).post(b"").status, 202);
    answered.join().unwrap();
}

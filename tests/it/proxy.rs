//! A client behind a proxy: the way to the relay is a tunnel, and what goes wrong there is said.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
};

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{PATIENCE, World, failure, text},
};

/// A proxy that takes every name for the relay; the heads of the requests it got.
fn proxy(relay: SocketAddr, answer: &'static str) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heads) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut client = stream.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if client.read_exact(&mut byte).is_err() {
                        return;
                    }
                    head.push(byte[0]);
                }
                let _ = sender.send(String::from_utf8(head).unwrap());
                let _ = client.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes());
                if !answer.starts_with("200") {
                    return;
                }
                let server = TcpStream::connect(relay).unwrap();
                let (mut from_client, mut to_server) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = io::copy(&mut from_client, &mut to_server);
                });
                let (mut from_server, mut to_client) = (server, client);
                let _ = io::copy(&mut from_server, &mut to_client);
            });
        }
    });
    (port, heads)
}

#[test]
fn the_relay_is_reached_through_the_proxy_of_the_environment() {
    let world = World::new();
    let relay = world.relay(&[]);
    let address: SocketAddr = relay.public_url.strip_prefix("https://").unwrap().parse().unwrap();
    relay.program.kill();
    let relay = world.relay(&["--listen", &address.to_string(), "--public-url", "https://relay.test"]);
    let url = world.endpoint(&["--answer", "app", "--public-url", "https://relay.test"]);
    let (ca_file, token_file) = (relay.ca_file.clone().unwrap(), world.path("token"));
    let handler = Handler::start(Reply::ok());
    let target = handler.target();
    let args = ["listen", "--output", "json", "--relay", "https://relay.test", "--endpoint", "orders"];
    let files = ["--token-file", text(&token_file), "--cacert", text(&ca_file), &target];
    let (port, heads) = proxy(address, "200 Connection established");
    let mut command = world.inhaul(&[&args[..], &files].concat());
    command.env("HTTPS_PROXY", format!("http://me:secret@127.0.0.1:{port}"));
    let client = world.client(command);
    let head = heads.recv_timeout(PATIENCE).unwrap();
    assert!(head.starts_with("CONNECT relay.test:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("proxy-authorization: basic bwu6c2vjcmv0\r\n"), "{head}");
    let here = url.replace("https://relay.test", &format!("https://{address}"));
    assert_eq!(Sender::new(&here, Some(&ca_file)).post(b"{}").status, 200);
    assert_eq!(handler.next().body, b"{}");
    assert_eq!(client.ready["relay_url"], "https://relay.test");
    assert!(client.program.stop().success());
    let (port, heads) = proxy(address, "407 Proxy Authentication Required");
    let mut command = world.inhaul(&[&args[..], &files].concat());
    command.env("https_proxy", format!("http://127.0.0.1:{port}"));
    let mut program = world.start(command);
    let reason = program.line(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["reason"].as_str().map(str::to_owned)
    });
    assert!(reason.contains(&format!("the proxy 127.0.0.1:{port}")), "{reason}");
    heads.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn whom_a_webhook_is_from_is_told_by_a_proxy_that_is_trusted_and_by_no_other() {
    let trusted = ["--tls", "off", "--trusted-proxy", "192.0.2.0/24", "--trusted-proxy", "127.0.0.1"];
    for (args, header, sender) in [
        (&trusted[..], "X-Forwarded-For: 198.51.100.1, 203.0.113.9, 192.0.2.7", Some("203.0.113.9")),
        (&trusted, "X-Forwarded-For: nobody", None),
        (&trusted[..4], "X-Forwarded-For: 203.0.113.9", None),
    ] {
        let world = World::new();
        let relay = world.relay(args);
        let url = world.endpoint(&["--answer", "relay"]);
        let mut client = world.listen_at(&relay, &[]);
        let id = Sender::new(&url, None).send("POST", "", &[header], b"{}").event_id();
        assert_eq!(client.event()["id"], id);
        assert!(client.program.stop().success());
        let shown = world.json(&["show", &id, "--json"]).remove(0);
        let found = world.json(&["events", "--json", "ip:203.0.113.9"]).len();
        match sender {
            Some(sender) => {
                assert_eq!(
                    (&shown["peer"], &shown["peer_source"]),
                    (&sender.into(), &"trusted_proxy".into())
                );
                assert_eq!(found, 1);
            }
            None => {
                assert!(shown["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{shown}");
                assert_eq!((&shown["peer_source"], found), (&"socket".into(), 0));
            }
        }
    }
    let world = World::new();
    let (code, said) = failure(world.relay_command(&["--trusted-proxy", "10.0.0.0/33"]));
    assert!(code == 2 && said.contains("such as `10.0.0.7`"), "{said}");
}

//! What is wrong is said clearly, and nothing is lost by it.

use std::{fs, net::TcpListener};

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{World, text},
};

#[test]
fn an_unknown_endpoint_is_404_and_too_large_a_body_413() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off", "--max-body-bytes", "1000"]);
    let url = world.endpoint(&["--answer", "relay"]);
    let sender = Sender::new(&url, None);
    assert_eq!(sender.post(&[b'x'; 1000]).status, 200);
    assert_eq!(sender.post(&[b'x'; 1001]).status, 413);
    let chunks = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n",
        sender.path,
        sender.authority,
        "x".repeat(1001)
    );
    assert_eq!(sender.exchange(chunks.as_bytes()).status, 413);
    for path in ["/in/orders", "/in/orders-0123456789abcdef0123456789abcdef/a", "/in/", "/elsewhere"] {
        let mut unknown = Sender::new(&url, None);
        unknown.path = path.to_owned();
        assert_eq!(unknown.post(b"").status, 404, "{path}");
    }
    let mut client = world.listen_at(&relay, &[]);
    client.event();
    drop(client);
    assert_eq!(world.events().len(), 1, "what was refused is not stored");
}

#[test]
fn a_wrong_token_is_refused_with_the_reason() {
    let world = World::new();
    let relay = world.relay(&[]);
    world.endpoint(&[]);
    let wrong = world.write("wrong", "iht_wrong");
    let ca_file = relay.ca_file.clone().unwrap();
    let args = ["listen", "--relay", &relay.public_url, "--endpoint", "orders", "--token-file", text(&wrong)];
    let (code, said) = world.fails(&[&args[..], &["--cacert", text(&ca_file)]].concat());
    assert_eq!(code, 2);
    assert!(said.contains("no endpoint orders with this token") && said.contains("hint: "), "{said}");
    assert!(!said.contains("iht_wrong"), "{said}");
    // Without trust in the relay's authority, nothing is sent at all.
    let (code, said) = world.fails(&args);
    assert_eq!(code, 2);
    assert!(said.contains("--cacert"), "{said}");
    assert_eq!(said.matches("certificate").count(), 1, "it is said once: {said}");
}

#[test]
fn a_relay_that_speaks_tls_where_the_url_does_not_is_named_and_the_other_way_round() {
    for (tls, wrong, right) in [("self-signed", "http", "https"), ("off", "https", "http")] {
        let world = World::new();
        let relay = world.relay(&["--tls", tls]);
        world.endpoint(&[]);
        let token = world.path("token");
        let url = format!("{wrong}://{}", relay.address());
        let args = ["listen", "--relay", &url, "--endpoint", "orders", "--token-file", text(&token)];
        let (code, said) = world.fails(&args);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(&format!("use {right}://{}", relay.address())), "{said}");
    }
}

#[test]
fn one_endpoint_has_one_client() {
    let world = World::new();
    let relay = world.relay(&["--tls", "off"]);
    world.endpoint(&[]);
    let _client = world.listen_at(&relay, &[]);
    let token = world.path("token");
    let args = ["listen", "--relay", &relay.public_url, "--endpoint", "orders", "--token-file", text(&token)];
    let (code, said) = world.fails_in("other", &args);
    assert_eq!(code, 2);
    assert!(said.contains("hint: stop the other client"), "{said}");
}

#[test]
fn a_target_that_is_down_slow_or_talks_nonsense_is_a_recorded_attempt() {
    let world = World::new();
    let handler = Handler::start(Reply::Silence);
    // A port nobody listens on: it was just given back.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (target, reply, kind, status) in [
        (closed, Reply::Silence, "connect", 502),
        (handler.port, Reply::Silence, "timeout", 504),
        (handler.port, Reply::Bytes(b"SSH-2.0-nonsense\r\n".to_vec()), "bad_answer", 502),
        (
            handler.port,
            Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort".to_vec()),
            "bad_answer",
            502,
        ),
        (handler.port, Reply::Bytes(Vec::new()), "bad_answer", 502),
    ] {
        handler.reply_with(reply);
        let target = format!("127.0.0.1:{target}");
        let mut client =
            world.listen(&["--port", "0", "--on-absent", "refuse", "--timeout", "300ms", &target]);
        let answer = Sender::new(client.endpoint_url(), None).post(b"{}");
        let attempt = client.attempt();
        assert_eq!(
            (&attempt["result"], &attempt["error"]["kind"]),
            (&"failed".into(), &kind.into()),
            "{attempt}"
        );
        assert_eq!(answer.status, status, "{kind}");
        assert!(client.program.stop().success());
        let recorded = world.events().pop().unwrap()["attempts"][0].clone();
        assert_eq!(recorded["error"]["kind"], kind);
        assert!(!recorded["error"]["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(world.events().len(), 5);
}

#[test]
fn a_broken_configuration_names_file_line_and_key() {
    let world = World::new();
    let path = world.write(
        "broken.toml",
        "relay = \"https://relay.example\"\n\n[[route]]\npath = \"/a\"\ntragets = [3000]\n",
    );
    let (code, said) = world.fails(&["listen", "--config", text(&path)]);
    assert_eq!(code, 2);
    assert!(said.contains("broken.toml") && said.contains('5') && said.contains("tragets"), "{said}");
    let (code, said) = world.fails(&["listen", "--provider", "strip"]);
    assert_eq!(code, 2);
    assert!(said.contains("strip") && said.contains("stripe"), "{said}");
    assert!(!world.path("client").join("history").exists(), "nothing was begun");
}

#[test]
fn a_second_listen_says_who_holds_the_directory() {
    let world = World::new();
    let _client = world.listen(&["--port", "0"]);
    let (code, said) = world.fails(&["listen", "--port", "0"]);
    assert_eq!(code, 2);
    assert!(said.contains("in use by") && said.contains("pid") && said.contains("listen"), "{said}");
}

#[test]
fn a_taken_port_is_said() {
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, said) = world.fails(&["listen", "--port", &port]);
    assert_eq!(code, 2);
    assert!(said.contains(&port) && said.contains("--port 0"), "{said}");
}

#[test]
fn a_history_or_spool_that_cannot_be_opened_is_left_as_it_is() {
    let world = World::new();
    assert!(world.listen(&["--port", "0"]).program.stop().success());
    let history_format = world.path("client/history/format");
    fs::write(&history_format, "99").unwrap();
    for args in [&["listen", "--port", "0"][..], &["events"]] {
        let (code, said) = world.fails(args);
        assert_eq!(code, 2);
        assert!(said.contains("later release") && said.contains("nothing was changed"), "{said}");
    }
    assert_eq!(fs::read(&history_format).unwrap(), b"99");
    let spool = world.path("other/relay/spool");
    fs::create_dir_all(spool.parent().unwrap()).unwrap();
    fs::write(&spool, "in the way").unwrap();
    let (code, said) = world.fails_in("other", &["listen", "--port", "0"]);
    assert_eq!(code, 2);
    assert!(said.contains("spool") && said.contains("hint: "), "{said}");
    assert_eq!(fs::read(&spool).unwrap(), b"in the way");
}

#[test]
fn what_went_wrong_is_said_with_what_to_do() {
    let world = World::new();
    let secret = world.write("secret", "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw==");
    let file = world.write("file", "");
    fs::create_dir(world.path("client")).unwrap();
    for (args, said) in [
        (&["events", "--data", text(&file)][..], "is a file, not a directory"),
        (&["verify"], "--body-file"),
        (&["sign", "--provider", "clerk", "--secret-file", text(&secret)], "hint: `--id ID` says it"),
        (&["trigger", "acme", "made"], "`[provider.NAME]`"),
        (&["listen", "--port", "0", "--cacert", "nope"], "\"nope\": No such file"),
    ] {
        let (code, error) = world.fails(args);
        assert_eq!(code, 2, "{args:?}: {error}");
        assert!(error.contains(said), "{args:?}: {error}");
    }
    for (args, said) in [
        (&["replay", "--given-up"][..], "no event is given up\n"),
        (&["replay", "--filter", "type:none"], "no event passes the filter\n"),
    ] {
        assert_eq!(String::from_utf8(world.run(args).stderr).unwrap(), said);
    }
}

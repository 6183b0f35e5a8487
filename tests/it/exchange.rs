//! `export`, `import` and `diff`: beside a running client and without one.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{Client, World, text},
};

const STRIPE: [&str; 2] = ["Stripe-Signature: t=1,v1=5257a869", "Content-Type: application/json"];

/// A world with a running client and three events, the ids oldest first.
fn world_with_events() -> (World, Client, [String; 3]) {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen(&["--port", "0", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let bodies = [
        &br#"{"type":"charge.succeeded","id":"evt_1","n":1.10,"card":"4242"}"#[..],
        br#"{"id":"evt_2","type":"charge.succeeded","n":2,"card":"4242"}"#,
        b"\xff\x00 bytes",
    ];
    let ids = bodies.map(|body| {
        let answer = sender.send("POST", "/stripe?token=abc&a=%2F", &STRIPE, body);
        assert_eq!(answer.status, 200);
        client.attempt();
        answer.event_id()
    });
    (world, client, ids)
}

fn export(world: &World, args: &[&str]) -> Vec<u8> {
    world.stdout(&[&["export"], args].concat())
}

/// Events of a data directory with everything that an import keeps.
fn kept(world: &World, data: &str) -> Vec<Vec<Value>> {
    let mut events: Vec<Vec<Value>> = world
        .events_in(data)
        .iter()
        .map(|event| {
            let names = ["id", "endpoint", "received_at", "method", "target", "body_bytes", "event_type"];
            names.map(|name| event[name].clone()).to_vec()
        })
        .collect();
    events.sort_by_key(|event| event[0].to_string());
    events
}

#[test]
fn events_go_from_one_history_to_another() {
    let (world, client, ids) = world_with_events();
    let fixtures = world.path("fixtures");
    let run = |format: &str, name: &str| {
        let path = world.path(name);
        export(&world, &["--unmasked", "--format", format, "--to", text(&path)]);
        path
    };
    let files = [run("har", "a.har"), run("ndjson", "a.ndjson"), run("fixture", "fixtures")];
    let expected = kept(&world, "client");
    assert!(client.program.stop().success());
    assert_eq!(fs::read(&files[0]).unwrap(), export(&world, &["--unmasked", "--format", "har"]));
    for (number, file) in files.iter().enumerate() {
        let data = format!("other-{number}");
        let import = || {
            let output = world.inhaul_in(&data, &["import", text(file)]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(import(), "3 events imported\n");
        assert_eq!(import(), "0 events imported, 3 there already\n");
        assert_eq!(kept(&world, &data), expected, "{}", file.display());
        for id in &ids {
            let raw = |data: &str| world.inhaul_in(data, &["show", id, "--raw"]).output().unwrap().stdout;
            assert_eq!(raw(&data), raw("client"), "{}", file.display());
        }
        let listed = world.inhaul_in(&data, &["events", "is:imported", "--json"]).output().unwrap().stdout;
        let listed = String::from_utf8(listed).unwrap();
        assert_eq!(listed.lines().count(), 3);
        assert!(listed.lines().all(|line| line.contains(r#""state":"settled""#)), "{listed}");
        let others =
            world.inhaul_in(&data, &["events", "-is:imported", "--limit", "5", "--json"]).output().unwrap();
        assert!(others.status.success() && others.stdout.is_empty(), "{others:?}");
    }
    let bytes = fixtures.join(format!("event-{}", ids[2])).join("body.bin");
    let of_stripe = fixtures.join(format!("stripe-{}", ids[2])).join("body.bin");
    let body = fs::read(bytes).or_else(|_| fs::read(of_stripe)).unwrap();
    assert_eq!(body, b"\xff\x00 bytes");
}

#[test]
fn a_running_client_takes_imported_events_and_shows_them() {
    let (from, other, ids) = world_with_events();
    let file = from.path("a.ndjson");
    export(&from, &["--unmasked", "--format", "ndjson", "--to", text(&file), "$.card=4242"]);
    assert!(other.program.stop().success());
    let world = World::new();
    let mut client = world.listen(&["--port", "0"]);
    let said = String::from_utf8(world.stdout(&["import", text(&file)])).unwrap();
    assert_eq!(said, "2 events imported\n");
    let shown: Vec<Value> = (0..2).map(|_| client.event()).collect();
    assert!(shown.iter().all(|event| event["imported"] == true && event["state"] == "settled"), "{shown:?}");
    assert_eq!(world.json(&["show", &ids[0], "--json"])[0]["body"], {
        from.json(&["show", &ids[0], "--json"])[0]["body"].clone()
    });
    // It is sent when somebody says so.
    let handler = Handler::start(Reply::ok());
    world.stdout(&["replay", &ids[0], "--to", &handler.target()]);
    assert!(handler.next().body.starts_with(b"{\"type\""));
    assert!(client.program.stop().success());
}

#[test]
fn secrets_stay_unless_they_are_asked_for() {
    let (world, _client, ids) = world_with_events();
    let config = world.write("mask.toml", "[mask]\njson = \"card\"\n");
    let with_secrets = ["5257a869", "token=abc", "4242", "/in/"];
    for format in ["curl", "httpie", "fetch", "raw", "har", "ndjson"] {
        let args = ["--format", format, "--config", text(&config), &ids[0]];
        let masked = String::from_utf8(export(&world, &args)).unwrap();
        for secret in with_secrets {
            assert!(!masked.contains(secret), "{format}: {secret} is in {masked}");
        }
        assert!(masked.contains("***"), "{masked}");
        let whole = String::from_utf8(export(&world, &[&args[..], &["--unmasked"]].concat())).unwrap();
        assert!(whole.contains("5257a869") && whole.contains("4242"), "{format}: {whole}");
    }
    let directory = world.path("curl/");
    export(&world, &["--format", "curl", "--to", text(&directory), "--limit", "1"]);
    assert_eq!(fs::read(directory.join(format!("{}.body", ids[2]))).unwrap(), b"\xff\x00 bytes");
    let script = fs::read_to_string(directory.join(format!("{}.sh", ids[2]))).unwrap();
    assert!(script.starts_with("# Secrets are masked") && script.contains("--data-binary @"), "{script}");
    assert_eq!(private(&directory.join(format!("{}.sh", ids[2]))), 0o600);
    let (code, said) = world.fails(&["export", "--format", "fixture"]);
    assert!(code == 2 && said.contains("--to"), "{said}");
}

fn private(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn bad_files_are_named_and_nothing_is_imported() {
    let world = World::new();
    let good = r#"{"log":{"version":"1.2","creator":{},"entries":[{"startedDateTime":"2026-11-24T07:41:11Z","request":{"method":"GET","url":"http://a/"}}]}}"#;
    let good = world.write("good.har", good);
    let bad = world.write("bad.ndjson", "\n{\"schema\":1}\n");
    let (code, said) = world.fails(&["import", text(&good), text(&bad)]);
    assert_eq!(code, 2);
    assert!(
        said.contains("bad.ndjson: line 2: missing field") && said.contains("nothing was imported"),
        "{said}"
    );
    assert!(said.contains("files are HAR or NDJSON"), "{said}");
    assert!(!world.path("client").exists(), "not even a history");
    let (code, said) = world.fails(&["import", text(&world.path("absent.har"))]);
    assert!(code == 2 && said.contains("absent.har cannot be read"), "{said}");
    fs::create_dir(world.path("empty")).unwrap();
    let (code, said) = world.fails(&["import", text(&world.path("empty"))]);
    assert!(code == 2 && said.contains("holds no fixture"), "{said}");
    world.stdout(&["import", "--endpoint", "browser", text(&good)]);
    assert_eq!(world.events()[0]["endpoint"], "browser");
}

#[test]
fn two_events_are_compared_as_diff_compares_files() {
    let (world, client, ids) = world_with_events();
    let [first, second, bytes] = &ids;
    let differs = |args: &[&str]| {
        let output = world.run(&[&["diff"], args].concat());
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(differs(&[first, first]), (0, String::new()));
    let (code, said) = differs(&[first, second]);
    assert_eq!(code, 1);
    assert!(said.contains("-   \"n\": 1.10,") && said.contains("+   \"n\": 2,"), "{said}");
    assert!(!said.contains("\n- \"type\"") && said.contains("headers: "), "{said}");
    let (code, said) = differs(&[first, second, "--side-by-side"]);
    assert!(code == 1 && said.contains("  \"n\": 1.10,"), "{said}");
    let json = differs(&[first, second, "--json", "--ignore-json", "id", "--ignore-json", "n"]).1;
    let json: Value = serde_json::from_str(&json).unwrap();
    let parts: Vec<&Value> = json["differences"].as_array().unwrap().iter().map(|row| &row["part"]).collect();
    assert!(!parts.contains(&&Value::from("body")), "{json}");
    // Against the one before it of the same kind.
    let json: Value = serde_json::from_str(&differs(&[second, "--json"]).1).unwrap();
    assert_eq!(
        (&json["left"], &json["right"]),
        (&Value::from(first.as_str()), &Value::from(second.as_str()))
    );
    let config = world
        .write("diff.toml", "[diff]\nignore_json = [\"id\", \"n\"]\nignore_headers = [\"Content-Length\"]\n");
    assert_eq!(differs(&[first, second, "--config", text(&config)]).0, 0);
    let (code, said) = differs(&[first, bytes]);
    assert!(code == 1 && said.contains("ff 00"), "{said}");
    let (code, said) = world.fails(&["diff", first, "ffff"]);
    assert!(code == 2 && said.contains("there is no event"), "{said}");
    let (code, said) = world.fails(&["diff", first]);
    assert!(code == 2 && said.contains("no event of the same endpoint and type"), "{said}");
    assert!(client.program.stop().success());
    assert_eq!(differs(&[first, second]).0, 1);
}

#[test]
fn a_replay_that_was_changed_is_in_an_archive_as_it_was_sent() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen(&["--port", "0", &handler.target()]);
    let id = Sender::new(client.endpoint_url(), None)
        .send("POST", "/a", &["Content-Type: application/json"], br#"{"n":1}"#)
        .event_id();
    client.attempt();
    handler.next();
    let changes = ["--set", "n=2", "--set-header", "X-New: 1", "--set-query", "q=7"];
    world.stdout(&[&["replay", &id], &changes[..]].concat());
    let sent = handler.next();
    assert_eq!((sent.request_line(), &*sent.body), ("POST /a?q=7 HTTP/1.1", &br#"{"n":2}"#[..]));
    for command in [&["export", &id, "--format", "har"][..], &["show", &id, "--as", "har"]] {
        let archive: Value = serde_json::from_slice(&world.stdout(command)).unwrap();
        let requests: Vec<(&Value, &Value)> = archive["log"]["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (&entry["request"]["url"], &entry["request"]["postData"]["text"]))
            .collect();
        let url = |rest: &str| Value::from(format!("http://localhost:{}{rest}", handler.port));
        assert_eq!(
            requests,
            [(&url("/a"), &Value::from(r#"{"n":1}"#)), (&url("/a?q=7"), &Value::from(r#"{"n":2}"#)),]
        );
        assert!(archive.to_string().contains(r#"{"name":"X-New","value":"1"}"#), "{archive}");
    }
    assert!(client.program.stop().success());
}

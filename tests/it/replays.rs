//! Stored events sent again: changed, many times, with signatures that are right or wrong on purpose.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{Client, World, run, text, until},
};

const BODY: &str = r#"{"id":"evt_1abcdefghijklmnop","type":"charge.failed","n":1}"#;

/// A client with one event of Stripe's in its history, and the event's id.
fn with_event(world: &World, handler: &Handler) -> (Client, String) {
    let secret = world.write("secret", "whsec_test");
    let args = ["--port", "0", "--provider", "stripe", "--secret-file", text(&secret), &handler.target()];
    let client = world.listen(&args);
    let sender = Sender::new(client.endpoint_url(), None);
    let id = sender.send("POST", "", &["Stripe-Signature: t=1763970070,v1=00"], BODY.as_bytes()).event_id();
    handler.next();
    until("it is delivered", || world.events()[0]["state"] == "settled");
    (client, id)
}

#[test]
fn an_id_in_the_body_stays_when_an_event_is_signed_anew_and_nothing_else_is_said() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let (_client, id) = with_event(&world, &handler);
    world.stdout(&["replay", &id, "--resign"]);
    assert_eq!(handler.next().body, BODY.as_bytes());
    let shown = &world.json(&["show", &id, "--json"])[0];
    assert_eq!(shown["attempts"][1]["changed"]["what"], "signed anew");
    let dry = world.json(&["replay", &id, "--resign", "--dry-run", "--output", "json"]);
    assert_eq!(dry[0]["changes"], json!(["signed anew"]));
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// Whether every attempt has a number of its own and none is missing.
fn numbers_are_whole(world: &World, made: u64) {
    let event = &world.events()[0];
    let numbers: Vec<u64> = event["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["number"].as_u64().unwrap())
        .collect();
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!((distinct.len(), numbers.last()), (numbers.len(), Some(&made)), "{numbers:?}");
    // Of the replays, the last ones are listed, each with its own outcome.
    assert_eq!(numbers, [vec![1], (made - 49..=made).collect()].concat());
}

#[test]
fn a_replay_of_two_hundred_at_once_adds_up_beside_a_running_client_and_without_one() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let (client, id) = with_event(&world, &handler);
    handler.reply_with(Reply::Unsteady(10));
    let many = ["replay", &id, "--times", "200", "--concurrency", "16", "--output", "json"];
    for (round, client) in [(1, Some(client)), (2, None)] {
        let output = if round == 1 {
            world.run(&many)
        } else {
            world.run(&[&many[..], &["--to", &handler.target()]].concat())
        };
        assert_eq!(output.status.code(), Some(1), "some were answered 503");
        let lines: Vec<Value> = output
            .stdout
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        let (attempts, summary) = lines.split_at(200);
        let [summary] = summary else { panic!("{summary:?}") };
        let numbers: BTreeSet<u64> =
            attempts.iter().map(|attempt| attempt["number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (1..=200).map(|number| number + 1 + 200 * (round - 1)).collect());
        assert_eq!(
            (&summary["kind"], &summary["done"], &summary["whole"]),
            (&json!("replay"), &json!(200), &json!(true))
        );
        let (ok, failed) = (&summary["statuses"]["200"], &summary["statuses"]["503"]);
        assert_eq!((ok, failed, &summary["delivered"]), (&json!(180), &json!(20), &json!(180)));
        assert_eq!(sum(&summary["statuses"]) + sum(&summary["failures"]) + sum(&summary["not_sent"]), 200);
        assert!(summary["p50_ms"].as_u64() <= summary["p99_ms"].as_u64());
        assert_eq!(handler.rest().len(), 200);
        numbers_are_whole(&world, 1 + 200 * round);
        if let Some(client) = client {
            assert!(client.program.stop().success());
        }
    }
    let shown = String::from_utf8(world.stdout(&["show", &id])).unwrap();
    assert!(shown.contains("and 350 earlier replays"), "{shown}");
}

#[test]
fn what_is_edited_is_sent_and_the_stored_event_stays() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let (_client, id) = with_event(&world, &handler);
    let replay = |args: &[&str]| {
        world.stdout(&[&["replay", &id], args].concat());
        handler.next()
    };
    let got = replay(&["--set", "n=12345678901234567890123", "--remove-header", "stripe-signature"]);
    assert_eq!(String::from_utf8_lossy(&got.body), BODY.replace(":1}", ":12345678901234567890123}"));
    assert_eq!(got.header("stripe-signature"), None);
    let body = world.write("body.bin", b"\x00\xff any bytes");
    let got = replay(&["--body", text(&body), "--sign", "fresh"]);
    assert_eq!(
        (got.body.as_slice(), world.verdict(&got)["state"].as_str()),
        (&b"\x00\xff any bytes"[..], Some("valid"))
    );
    assert_eq!(world.stdout(&["show", &id, "--edited", "3"]), b"\x00\xff any bytes");
    let got = replay(&[]);
    assert_eq!(
        (got.body.as_slice(), got.header("stripe-signature")),
        (BODY.as_bytes(), Some("t=1763970070,v1=00"))
    );
    let (code, said) = world.fails(&["show", &id, "--edited", "4"]);
    assert!(code == 1 && said.contains("sent what was received"), "{said}");
    assert!(world.stdout(&["show", &id, "--raw"]).ends_with(BODY.as_bytes()));
}

#[test]
fn broken_signatures_are_rejected_and_new_ids_are_signed() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let (_client, id) = with_event(&world, &handler);
    for (sign, expected) in [
        ("fresh", "valid"),
        ("break-digest", "invalid"),
        ("break-time", "stale"),
        ("break-missing", "unsigned"),
    ] {
        world.stdout(&["replay", &id, "--sign", sign]);
        let got = handler.next();
        assert_eq!(
            (world.verdict(&got)["state"].as_str(), got.body.as_slice()),
            (Some(expected), BODY.as_bytes()),
            "{sign}"
        );
    }
    world.stdout(&["replay", &id, "--new-id", "--times", "3"]);
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let got = handler.next();
        assert_eq!(world.verdict(&got)["state"], "valid");
        let body: Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!(body["n"], 1);
        ids.insert(body["id"].as_str().unwrap().to_owned());
    }
    assert!(
        ids.len() == 3
            && ids.iter().all(|id| id.starts_with("evt_"))
            && !ids.contains("evt_1abcdefghijklmnop")
    );
}

#[test]
fn a_filter_names_events_and_a_dry_run_sends_nothing() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let client = world.listen(&["--port", "0", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    for number in 0..6 {
        sender.post(format!("{{\"n\":{number}}}").as_bytes());
        handler.next();
    }
    let dry = ["replay", "--filter", "$.n>2", "--times", "2", "--set-header", "X-A: 1", "--dry-run"];
    let said = String::from_utf8(world.stdout(&dry)).unwrap();
    assert!(said.contains("would send 6 requests to http://localhost:") && said.contains("X-A: 1"), "{said}");
    assert!(!said.contains("/in/"), "the endpoint's part of the path is not sent: {said}");
    assert!(handler.rest().is_empty());
    let changed = ["replay", "--filter", "$.n=5", "--set", "n=12345", "--mark"];
    let said = String::from_utf8(world.stdout(&[&changed[..], &["--dry-run"]].concat())).unwrap();
    world.stdout(&changed);
    let sent = handler.next();
    let lines: Vec<&str> = said.lines().skip_while(|line| !line.starts_with("POST ")).collect();
    let head: Vec<String> = sent.head.lines().map(str::to_owned).collect();
    assert_eq!(lines[..head.len()], head, "what is said is what is sent: {said}");
    assert!(said.ends_with("\n\n{\"n\":12345}\n"), "with its body: {said}");
    let said = String::from_utf8(world.stdout(&["replay", "--filter", "$.n>2", "--times", "2"])).unwrap();
    assert!(said.contains("6 requests, 6 answered 2xx") && said.contains("200"), "{said}");
    let bodies: Vec<String> = (0..6).map(|_| String::from_utf8(handler.next().body).unwrap()).collect();
    let expected: Vec<String> =
        [3, 4, 5, 3, 4, 5].iter().map(|number| format!("{{\"n\":{number}}}")).collect();
    assert_eq!(bodies, expected);
    let output = world.run(&["replay", "--filter", "$.n>99"]);
    assert!(output.status.success() && output.stdout.is_empty());
    let first = world.events()[0]["id"].as_str().unwrap().to_owned();
    let (code, said) = world.fails(&["replay", &first, "--times", "10001"]);
    assert!(code == 2 && said.contains("10000 are the most"), "{said}");
    let (code, said) = world.fails(&["replay", &first, "--to", "http://198.51.100.7:9/"]);
    assert!(code == 2 && said.contains("is not on this machine") && said.contains("--yes"), "{said}");
    assert!(handler.rest().is_empty());
}

#[test]
fn an_interrupted_replay_says_how_far_it_came_and_sends_no_more() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let (client, id) = with_event(&world, &handler);
    for running in [Some(client), None] {
        let command =
            world.inhaul(&["replay", &id, "--times", "500", "--delay", "20ms", "--to", &handler.target()]);
        let mut replaying = world.start(command);
        (0..3).for_each(|_| drop(handler.next()));
        run("sh", &["-c", &format!("kill -INT {}", replaying.pid())]).unwrap();
        let done: u64 = replaying.line(|line| {
            let rest = line.strip_prefix("stopped after ")?;
            rest.split_once(" of 500 requests")?.0.parse().ok()
        });
        assert!((1..500).contains(&done), "{done}");
        assert_eq!(replaying.wait().code(), Some(1));
        if let Some(client) = running {
            // What the running client has begun comes to its end.
            assert!(client.program.stop().success());
        }
        let event = world.events()[0].clone();
        let made = event["attempts"].as_array().unwrap().last().unwrap()["number"].as_u64().unwrap();
        assert!(
            event["attempts"].as_array().unwrap().iter().all(|attempt| attempt["result"] != "begun"),
            "{event}"
        );
        assert!(made > done && made < 500, "{made} {done}");
        handler.rest();
    }
}

#[test]
fn where_a_large_replay_goes_is_found_out_without_reading_every_event() {
    let world = World::new();
    let (handler, other) = (Handler::start(Reply::ok()), Handler::start(Reply::ok()));
    let routes = format!(
        "[[route]]\npath = \"/a\"\nwhen = \"data.x=1\"\ntarget = {}\n[[route]]\npath = \"/\"\ntarget = {}\n",
        handler.port, other.port
    );
    world.write("inhaul.toml", routes);
    let client = world.listen(&["--port", "0"]);
    let sender = Sender::new(client.endpoint_url(), None);
    let mut sent = 0;
    let mut targets_of = |events: usize| {
        while sent < events {
            sender.send("POST", "/a", &[], br#"{"data":{"x":1}}"#);
            handler.next();
            sent += 1;
        }
        let preview = world.stdout(&["replay", "--filter", "path:/a", "--dry-run", "--json"]);
        let preview: Value = serde_json::from_slice(&preview).unwrap();
        assert_eq!(preview["requests"], json!(events));
        preview["targets"].as_array().unwrap().len()
    };
    assert_eq!(targets_of(3), 1);
    // Beyond those that are read, every target counts that one of them could go to.
    assert_eq!(targets_of(101), 2);
}

#[test]
fn without_a_client_a_replay_goes_where_its_file_says_else_where_the_event_went_by_itself() {
    let world = World::new();
    let (handler, other) = (Handler::start(Reply::ok()), Handler::start(Reply::ok()));
    let (client, id) = with_event(&world, &handler);
    assert!(client.program.stop().success());
    world.stdout(&["replay", &id, "--to", &other.target()]);
    other.next();
    world.stdout(&["replay", &id]);
    handler.next();
    let file = world.write("own.toml", format!("[[route]]\npath = \"/\"\ntarget = {}\n", other.target()));
    for more in [&[][..], &["--set-header", "X-Mode: test"]] {
        world.stdout(&[&["replay", &id, "--config", text(&file)], more].concat());
        other.next();
    }
    assert!(handler.rest().is_empty() && other.rest().is_empty());
}

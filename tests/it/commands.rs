//! `events`, `show` and `replay`, beside a running client and without one.

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::World,
};

/// Checks the commands on two stored events, the older one first.
fn look(world: &World, ids: &[String; 2], handler: &Handler) {
    let [older, newer] = ids;
    let listed: Vec<String> = world
        .json(&["events", "--json"])
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, [newer.clone(), older.clone()], "newest first");
    let lines = String::from_utf8(world.stdout(&["events", "--limit", "1"])).unwrap();
    assert_eq!(lines.lines().count(), 1);
    assert!(lines.contains(newer));
    // Without its dashes, the longest beginning that is not the other's too.
    let common = older.bytes().zip(newer.bytes()).take_while(|(a, b)| a == b).count();
    let shown = world.json(&["show", &newer[..=common], "--json"]);
    assert_eq!(shown[0]["body"], "newer");
    let page = String::from_utf8(world.stdout(&["show", older])).unwrap();
    assert!(page.starts_with("POST /in/") && page.contains("older"), "{page}");
    let (code, said) = world.fails(&["show", &older[..common]]);
    assert_eq!(code, 2);
    assert!(said.contains(older.as_str()) && said.contains(newer.as_str()), "{said}");
    let (code, said) = world.fails(&["show", "ffff"]);
    assert_eq!(code, 1);
    assert!(said.contains("there is no event"), "{said}");

    let before = world.json(&["show", older, "--json"])[0]["attempts"].as_array().unwrap().len();
    handler.reply_with(Reply::text("204 No Content", ""));
    let attempt = world.json(&["replay", older, "--json"]).remove(0);
    assert_eq!((&attempt["status"], &attempt["cause"]), (&204.into(), &"replay".into()));
    assert_eq!(attempt["number"], before + 1, "a new attempt, never an overwrite");
    assert_eq!(handler.next().body, b"older");
    handler.reply_with(Reply::text("500 Oh", ""));
    let (code, _) = world.fails(&["replay", older]);
    assert_eq!(code, 1, "the target did not answer 2xx");
    handler.next();
    let elsewhere = Handler::start(Reply::ok());
    world.stdout(&["replay", newer, "--to", &format!("127.0.0.1:{}/base", elsewhere.port)]);
    let got = elsewhere.next();
    assert_eq!((got.request_line(), &got.body[..]), ("POST /base/b HTTP/1.1", &b"newer"[..]));
    let attempts = world.json(&["show", older, "--json"])[0]["attempts"].as_array().unwrap().len();
    assert_eq!(attempts, before + 2);
    let (code, said) = world.fails(&["replay", newer, "--to", "http://192.0.2.1/"]);
    assert_eq!(code, 2);
    assert!(said.contains("--allow-external"), "{said}");
}

#[test]
fn they_work_beside_a_running_client_and_without_one() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let client = world.listen(&["--port", "0", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let ids = [("/a", "older"), ("/b", "newer")].map(|(rest, body)| {
        let answer = sender.send("POST", rest, &[], body.as_bytes());
        assert_eq!(answer.status, 200);
        handler.next();
        answer.event_id()
    });
    look(&world, &ids, &handler);
    assert!(client.program.stop().success());
    look(&world, &ids, &handler);
}

#[test]
fn an_empty_history_is_no_error_and_none_is_made_by_a_slip() {
    let world = World::new();
    let (code, said) = world.fails(&["events"]);
    assert!(code == 2 && said.contains("there is no history in "), "{said}");
    for command in [&["check"][..], &["repair"], &["stats"], &["prune", "--keep", "0B"]] {
        let (code, said) = world.fails(&[&["history"], command].concat());
        assert!(code == 2 && said.contains("there is no history in "), "{command:?}: {said}");
    }
    assert!(!world.path("client").exists());
    std::fs::create_dir(world.path("client")).unwrap();
    let output = world.run(&["events"]);
    assert!(output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("no events yet"));
    assert!(world.json(&["events", "--json"]).is_empty());
}

#[test]
fn events_are_found_by_what_they_are_and_hold() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen(&["--port", "0", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let small = sender.post(br#"{"order":{"total":9}}"#).event_id();
    let large = sender.post(br#"{"order":{"total":900}}"#).event_id();
    let other = sender.send("PUT", "/a?mode=live", &["X-Tag: blue"], b"text").event_id();
    (0..3).for_each(|_| drop(client.attempt()));
    let found = |filter: &[&str]| {
        let events = world.json(&[&["events", "--json"], filter].concat());
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&["order.total>100"]), std::slice::from_ref(&large));
    assert_eq!(found(&["order.total>100", "OR", "body:text"]), [other.clone(), large.clone()]);
    assert_eq!(found(&["method:POST status:2xx", "--limit", "1"]), [large]);
    assert_eq!(found(&["NOT method:PUT", "order.total!=900"]), std::slice::from_ref(&small));
    assert_eq!(found(&["header.x-tag:blue query.mode=live"]), [other]);
    assert!(found(&["is:failed"]).is_empty());
    let (code, said) = world.fails(&["events", "status:5xx", "ms>soon"]);
    assert_eq!(code, 2);
    assert!(said.contains("    status:5xx ms>soon\n                  ^^^^\n"), "{said}");
    assert!(client.program.stop().success());
    assert_eq!(found(&["order.total<10"]), [small]);
}

#[test]
fn a_history_is_looked_after_beside_a_running_client_and_without_one() {
    let world = World::new();
    let client = world.listen(&["--port", "0"]);
    Sender::new(client.endpoint_url(), None).post(b"{}");
    let stats = &world.json(&["history", "stats", "--json"])[0];
    assert_eq!((&stats["events"], &stats["periods"][0]["events"]), (&1.into(), &1.into()));
    assert_eq!(stats["periods"][0]["is_current"], true);
    let (code, said) = world.fails(&["history", "check"]);
    assert!(code == 2 && said.contains("is in use by"), "{code}: {said}");
    let pruned = String::from_utf8(world.stdout(&["history", "prune", "--keep", "0B"])).unwrap();
    assert_eq!(pruned, "0 periods removed\n", "the current one stays");
    let (code, said) = world.fails(&["history", "prune"]);
    assert!(
        code == 2 && said.contains("--older-than") && said.contains("--keep"),
        "what is to go must be said: {said}"
    );
    assert!(client.program.stop().success());
    for command in ["check", "repair"] {
        let said = String::from_utf8(world.stdout(&["history", command])).unwrap();
        assert!(said.contains(": 1 event, ") && said.contains("all of it can be read"), "{said}");
    }
    assert_eq!(world.run(&["history", "prune", "--dry-run"]).status.code(), Some(2), "as beside a client");
    let table = String::from_utf8(world.stdout(&["history", "stats"])).unwrap();
    assert!(table.starts_with("1 event in 1 period, ") && table.contains("  current"), "{table}");
}

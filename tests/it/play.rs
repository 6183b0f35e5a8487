//! Scenarios played from the command line: what the application gets, what is told, and how it ends.

use serde_json::{Value, json};

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{World, text, until},
};

const BODY: &str = r#"{"id":"evt_1abcdefghijklmnop","type":"charge.failed"}"#;

/// Two steps, the first of them signed.
fn scenario(port: u16) -> String {
    format!(
        "to = {port}\n[[step]]\nname = \"charge.failed\"\npath = \"/stripe?a=1\"\n\
         headers = [\"Content-Type: application/json\", \"X-Twice: 1\", \"X-Twice: 2\"]\n\
         body = '''\n{BODY}'''\nprovider = \"stripe\"\nsign = \"fresh\"\nexpect = 200\n\
         [[step]]\npause = \"30m\"\nmethod = \"PUT\"\nbody_base64 = \"/wA=\"\nexpect = [\"2xx\", 409]\n"
    )
}

#[test]
fn a_scenario_is_a_test_of_a_handler() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let secret = world.write("secret", "whsec_test");
    let file = world.write("orders.toml", scenario(handler.port));
    let play = |more: &[&str]| {
        let usual = ["play", text(&file), "--speed", "max", "--secret-file", text(&secret)];
        world.run(&[&usual[..], more].concat())
    };
    let output = play(&[]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("ok    1  charge.failed") && said.contains("2 of 2 answers as expected"), "{said}");
    let [first, second] = &handler.rest()[..] else { panic!("two requests") };
    assert_eq!((first.request_line(), first.body.as_slice()), ("POST /stripe?a=1 HTTP/1.1", BODY.as_bytes()));
    assert_eq!(first.lines().iter().filter(|line| line.starts_with("X-Twice: ")).count(), 2);
    assert_eq!(world.verdict(first)["state"], "valid");
    assert_eq!((second.request_line(), second.body.as_slice()), ("PUT / HTTP/1.1", &b"\xff\x00"[..]));
    assert_eq!(second.header("x-inhaul-replay"), None);

    handler.reply_with(Reply::text("409 Conflict", "no"));
    let output = play(&["--times", "2", "--json", "--mark", "--set-header", "X-New: n"]);
    assert_eq!(output.status.code(), Some(1), "409 is expected of the second only");
    let lines: Vec<Value> = output
        .stdout
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let seen: Vec<_> =
        lines.iter().map(|line| (&line["kind"], &line["round"], &line["step"], &line["expected"])).collect();
    let played = json!("played");
    assert_eq!(
        seen[..4],
        [
            (&played, &json!(1), &json!(1), &json!(false)),
            (&played, &json!(1), &json!(2), &json!(true)),
            (&played, &json!(2), &json!(1), &json!(false)),
            (&played, &json!(2), &json!(2), &json!(true)),
        ]
    );
    assert_eq!(
        (&lines[4]["kind"], &lines[4]["requests"], &lines[4]["expected"]),
        (&json!("play"), &json!(4), &json!(2))
    );
    let got = handler.rest();
    assert!(got.iter().all(|got| got.header("x-new") == Some("n")));
    assert!(got[0].header("x-inhaul-replay").unwrap().ends_with("; n=1"));
    assert!(got[3].header("x-inhaul-replay").unwrap().ends_with("; n=2"));

    let output = play(&["--dry-run"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("/stripe?a=1  expects 200") && said.contains("expects 2xx or 409"), "{said}");
    assert!(handler.rest().is_empty(), "nothing is sent");
}

#[test]
fn what_is_wrong_ends_it_before_anything_is_sent() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let fails = |content: &str, more: &[&str]| {
        let file = world.write("wrong.toml", content);
        world.fails(&[&["play", text(&file)], more].concat())
    };
    let to = format!("to = {}\n", handler.port);
    let (code, said) = fails(&format!("{to}[[step]]\n[[step]]\nbdy = 1"), &[]);
    assert!(code == 2 && said.contains("wrong.toml:4: step[1]: unknown key \"bdy\""), "{said}");
    let (code, said) = fails(&format!("{to}[[step]]\nprovider = \"stripe\"\nsign = \"fresh\""), &[]);
    assert!(code == 2 && said.contains("no secret of Stripe"), "{said}");
    let (code, said) = fails("to = \"https://hooks.example\"\n[[step]]", &[]);
    assert!(code == 2 && said.contains("is not on this machine") && said.contains("--yes"), "{said}");
    let (code, said) = world.fails(&["play", "nothing"]);
    assert!(
        code == 2 && said.contains("there is no scenario") && said.contains("`inhaul play --list`"),
        "{said}"
    );
    assert!(handler.rest().is_empty());
}

#[test]
fn scenarios_beside_a_configuration_are_listed_and_played_by_their_names() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let config = world.write("inhaul.toml", "");
    std::fs::create_dir(world.path("inhaul.d")).unwrap();
    world.write("inhaul.d/orders.toml", format!("to = {}\n[[step]]\n", handler.port));
    world.write("inhaul.d/wrong.toml", "[[stop]]");
    let listed = world.stdout(&["play", "--list", "--config", text(&config)]);
    let listed = String::from_utf8(listed).unwrap();
    assert!(listed.contains("orders ") && listed.contains("1 step\n"), "{listed}");
    assert!(listed.contains("wrong.toml:1: unknown key \"stop\""), "{listed}");
    world.stdout(&["play", "orders", "--config", text(&config)]);
    assert_eq!(handler.next().request_line(), "POST / HTTP/1.1");
}

#[test]
fn a_marked_replay_says_of_which_event_it_is_and_which_attempt() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let client = world.listen(&["--port", "0", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let id = sender.send("POST", "/hook", &[], b"x").event_id();
    assert_eq!(handler.next().header("x-inhaul-replay"), None);
    until("it is delivered", || world.events()[0]["state"] == "settled");
    world.stdout(&["replay", &id]);
    assert_eq!(handler.next().header("x-inhaul-replay"), None, "as received is as received");
    world.stdout(&["replay", &id, "--mark", "--times", "2"]);
    for number in [3, 4] {
        assert_eq!(handler.next().header("x-inhaul-replay"), Some(format!("of={id}; n={number}").as_str()));
    }
    let shown = String::from_utf8(world.stdout(&["show", &id])).unwrap();
    assert!(shown.contains("marked as a replay"), "{shown}");
}

//! jq programs: over one event, and in filters; in the command and in the inspector.

use std::process::Output;

use crate::{
    handler::{Handler, Reply},
    inspector::{listen, until_gone},
    world::World,
};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn programs_show_and_find_events_and_are_ended_when_they_use_too_much() {
    let (world, handler) = (World::new(), Handler::start(Reply::ok()));
    let (mut terminal, sender) = listen(&world, 120, 36, &handler.target());
    let body = br#"{"data":{"id":"x","amounts":[1.10,2]},"evil":"\u009b2J"}"#;
    let first = sender.send("POST", "/first", &["Authorization: Bearer abc"], body).event_id();
    sender.send("POST", "/second", &[], br#"{"data":{"id":"y","amounts":[]}}"#);
    sender.send("POST", "/third", &[], b"no JSON");
    terminal.until_text("POST /third");

    // For a program, exactly; the numbers are the sender's.
    assert_eq!(world.stdout(&["show", &first, "--jq", ".data.amounts[]"]), b"1.10\n2\n");
    let output = world.inhaul(&["show", &first, "--jq", ".data | .id, .id.no"]).output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b"\"x\"\n"[..]));
    assert!(said(&output).contains("error: jq: cannot index"), "{}", said(&output));
    let output = world.inhaul(&["show", &first, "--jq", ".data | nothing"]).output().unwrap();
    assert!(said(&output).contains("there is no filter \"nothing\""), "{}", said(&output));
    assert!(said(&output).contains("        ^^^^^^^"), "{}", said(&output));

    // In filters, what is neither false nor null finds an event; what goes wrong, or takes too long, finds none.
    let found = |filter: &str| world.json(&["events", "--json", filter]).len();
    assert_eq!(found("jq:'.data.amounts | length > 0'"), 1);
    assert_eq!(found("NOT jq:'.data.amounts | length > 0'"), 2);
    assert_eq!(found("jq:'.data.amounts[0], .data.id'"), 2);
    assert_eq!(found("path:/first jq:'def f: f; f'"), 0);
    assert_eq!(found("path:/first jq:'[range(1e12)]'"), 0);
    assert_eq!(found("jq:.data.id"), 2, "the next program is not held up by those before");
    let output = world.inhaul(&["events", "jq:'.data['"]).output().unwrap();
    assert!(said(&output).contains("error: jq: "), "{}", said(&output));

    // In the inspector, as it is typed, while events go on.
    terminal.type_keys("/jq:'.data.id == \"x\"'\r");
    terminal.until_text("1 of 3 events");
    terminal.type_keys("J.evil, .data.id");
    terminal.until_text("\"\\u{9b}2J\"");
    terminal.until_text("\"x\"");
    terminal.type_keys("[");
    terminal.until_text("column 17: expected closing bracket");
    terminal.until_text("\"\\u{9b}2J\"");
    terminal.type_keys("\u{15}def f: f; f\r");
    terminal.until_text("it was ended after 2 s");
    sender.send("POST", "/meanwhile", &[], b"{}");
    terminal.type_keys("\u{1b}");
    until_gone(&terminal, "jq def");
    terminal.type_keys("qq");
    assert_eq!(terminal.end(), 0);
    assert_eq!(handler.rest().len(), 4);
}

#[test]
fn an_event_is_printed_as_the_inspector_copies_it() {
    let (world, handler) = (World::new(), Handler::start(Reply::ok()));
    let (mut terminal, sender) = listen(&world, 120, 36, &handler.target());
    let id = sender.send("POST", "/a?token=abc", &["Authorization: Bearer abc"], b"{}").event_id();
    terminal.until_text("POST /a");
    let printed =
        |args: &[&str]| String::from_utf8(world.stdout(&[&["show", &id][..], args].concat())).unwrap();
    let curl = printed(&["--as", "curl"]);
    assert!(
        curl.contains("token=***") && curl.contains("--data-raw '{}'") && !curl.contains("abc"),
        "{curl}"
    );
    assert!(printed(&["--as", "curl", "--unmasked"]).contains("token=abc"));
    assert!(printed(&["--as", "httpie"]).contains("http"));
    assert!(printed(&["--as", "fetch"]).contains("fetch("));
    assert!(printed(&["--as", "raw"]).starts_with("POST /a?token=*** HTTP/1.1\r\n"));
    assert_eq!(printed(&["--as", "body"]), "{}");
    let har: serde_json::Value = serde_json::from_str(&printed(&["--as", "har"])).unwrap();
    assert_eq!(har["log"]["entries"].as_array().unwrap().len(), 1);
    let line: serde_json::Value = serde_json::from_str(&printed(&["--as", "ndjson"])).unwrap();
    assert_eq!(line["id"], id);
    let output = world.inhaul(&["show", &id, "--as", "signed"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("nobody is known to have signed it"), "{}", said(&output));
    terminal.type_keys("q");
    assert_eq!(terminal.end(), 0);
}

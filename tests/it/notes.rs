//! Tags, comments and threads, beside a running client and without one.

use serde_json::Value;

use crate::{sender::Sender, world::World};

/// What CallPayMin puts where the provider is recognised, with a signature that nobody checks.
const CALLPAYMIN: &str = "x-callpaymin-signature: 00";

fn post(sender: &Sender, kind: &str, call: &str) -> String {
    let body = format!(r#"{{"id":"evt_{kind}","type":"call.{kind}","data":{{"call_id":"{call}"}}}}"#);
    sender.send("POST", "", &[CALLPAYMIN], body.as_bytes()).event_id()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_is_noted_on_an_event_is_shown_and_found() {
    let world = World::new();
    let client = world.listen(&["--port", "0"]);
    let sender = Sender::new(client.endpoint_url(), None);
    let (one, other) = (post(&sender, "created", "call_1"), post(&sender, "ended", "call_1"));
    let said = text(world.stdout(&["tag", &one, &other, "+slow", "+bug/12"]));
    assert_eq!(said, format!("{one}  bug/12 slow\n{other}  bug/12 slow\n"));
    world.stdout(&["comment", &one, "who sent", "\u{1b}[2Jthis?"]);
    assert!(client.program.stop().success());

    // Without a client it is there too, and can be changed.
    world.stdout(&["tag", &other, "-slow"]);
    let shown = world.json(&["show", &one, "--json"]).remove(0);
    assert_eq!(shown["tags"], serde_json::json!(["bug/12", "slow"]));
    assert_eq!(shown["comment"], "who sent \u{1b}[2Jthis?");
    let page = text(world.stdout(&["show", &one]));
    assert!(page.contains("tags      bug/12 slow\ncomment   who sent \\x1b[2Jthis?\n"), "{page}");
    let found = |filter: &str| {
        let listed = world.json(&["events", "--json", filter]);
        listed.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("tag:slow"), std::slice::from_ref(&one));
    assert_eq!(found("is:tagged"), [other.clone(), one.clone()]);
    assert_eq!(found("comment:who"), std::slice::from_ref(&one));
    assert_eq!(found("bug/12 object:call_1"), [other.clone(), one.clone()]);
    world.write("inhaul.toml", "[filters]\nmine = 'tag:slow comment:who'\n");
    assert_eq!(found("@mine"), std::slice::from_ref(&one));
    let (code, said) = world.fails(&["events", "@other"]);
    assert!(code == 2 && said.contains("no filter is saved as \"other\""), "{said}");
    let line = text(world.stdout(&["events", "tag:slow"]));
    assert!(line.contains("+bug/12 +slow ; who sent \\x1b[2Jthis?"), "{line}");
    let said = text(world.stdout(&["comment", &one]));
    assert_eq!(said, "who sent \\x1b[2Jthis?\n", "without a text it is printed");
    assert_eq!(found("comment:who"), std::slice::from_ref(&one), "and stays");
    world.stdout(&["comment", &one, ""]);
    assert!(found("comment:who").is_empty());
    assert!(world.stdout(&["comment", &one]).is_empty());
    for (args, why) in [
        (&["tag", &one, "+two words"][..], "is no tag"),
        (&["tag", "+slow"], "no event is named"),
        (&["tag", &one], "no tag is named"),
        (&["tag", &one, "+slow", "--data"], "a directory follows `--data`"),
        (&["tag", &one, "+slow", "--dat", "d"], "is no tag"),
        (&["tag", &one, "+slow", "--data", "nowhere"], "there is no history in nowhere"),
        (&["comment", &one, &"x".repeat(2000)], "at most 1024 bytes"),
    ] {
        let (code, said) = world.fails(args);
        assert!(code == 2 && said.contains(why), "{said}");
    }
}

#[test]
fn a_thread_says_what_is_missing_and_what_came_late() {
    let world = World::new();
    let client = world.listen(&["--port", "0"]);
    let sender = Sender::new(client.endpoint_url(), None);
    let created = post(&sender, "created", "call_1");
    post(&sender, "created", "call_2");
    let charged = post(&sender, "billing.charged", "call_1");
    let started = post(&sender, "started", "call_1");
    let thread = world.json(&["thread", &started, "--json"]).remove(0);
    assert_eq!((&thread["object"], &thread["provider"]), (&"call_1".into(), &"callpaymin".into()));
    let steps: Vec<[&Value; 3]> = thread["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| [&step["step"], &step["id"], &step["place"]])
        .collect();
    let event = |id: &str, place: &str| [Value::from("event"), Value::from(id), Value::from(place)];
    let expected = [
        event(&created, "in_order"),
        [Value::from("missing"), Value::Null, Value::Null],
        event(&charged, "in_order"),
        event(&started, "out_of_order"),
    ];
    assert_eq!(steps, expected.each_ref().map(<[Value; 3]>::each_ref));
    let page = text(world.stdout(&["thread", &created]));
    assert!(page.starts_with("call_1 of callpaymin: 3 events\n"), "{page}");
    assert!(page.contains("call.ended                missing\n"), "{page}");
    let plain = sender.send("POST", "", &[], b"{}").event_id();
    let (code, said) = world.fails(&["thread", &plain]);
    assert!(code == 1 && said.contains("it is not known what this event is about"), "{said}");
}

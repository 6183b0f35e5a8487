//! Routes that take only events that pass a filter.

use serde_json::json;

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{World, text},
};

#[test]
fn events_go_where_their_filter_says_and_what_no_route_takes_is_kept() {
    let world = World::new();
    let [charges, large, others] = [(); 3].map(|()| Handler::start(Reply::text("201 Created", "")));
    let config = format!(
        "[[route]]\npath = '/hook'\nwhen = 'type:charge.* data.amount>100'\ntarget = {}\n\n\
         [[route]]\npath = '/hook'\nwhen = 'type:charge.*'\ntarget = {}\n\n\
         [[route]]\npath = '/'\nwhen = 'header.x-take:yes'\ntarget = {}\n",
        large.port, charges.port, others.port
    );
    let config = world.write("inhaul.toml", config);
    let mut client = world.listen(&["--port", "0", "--config", text(&config)]);
    let sender = Sender::new(client.endpoint_url(), None);
    let post = |path: &str, header: &str, body: &str| {
        let signed = ["Stripe-Signature: t=1763970070,v1=00", header];
        sender.send("POST", path, &signed, body.as_bytes()).status
    };
    let charge = |amount: u32| {
        format!(r#"{{"id":"evt_{amount}","type":"charge.failed","data":{{"amount":{amount}}}}}"#)
    };
    assert_eq!(post("/hook", "X-Take: no", &charge(500)), 201);
    assert_eq!(post("/hook", "X-Take: yes", &charge(5)), 201);
    assert_eq!(post("/hook", "X-Take: yes", r#"{"type":"other"}"#), 201, "the next route that fits takes it");
    assert_eq!(post("/hook", "X-Take: no", r#"{"type":"other"}"#), 200, "no route takes it");
    assert_eq!(post("/x", "X-Take: no", &charge(6)), 200);
    assert_eq!(large.next().body, charge(500).as_bytes());
    assert_eq!(charges.next().body, charge(5).as_bytes());
    assert_eq!(others.next().body, br#"{"type":"other"}"#);
    let states: Vec<_> = (0..5).map(|_| client.event()["state"].clone()).collect();
    assert_eq!(states, ["pending", "pending", "pending", "settled", "settled"].map(|state| json!(state)));
    let events = world.events();
    assert_eq!(events.iter().filter(|event| event["attempts"] == json!([])).count(), 2);
    // A replay goes where the event belongs.
    world.run(&["replay", events[0]["id"].as_str().unwrap()]);
    assert_eq!(large.next().body, charge(500).as_bytes());
    let (_, said) = world.fails(&["replay", events[4]["id"].as_str().unwrap()]);
    assert!(said.contains("there is no target"), "{said}");
    assert!([charges, large, others].iter().all(|handler| handler.rest().is_empty()));
}

#[test]
fn an_argument_filters_what_is_forwarded_and_mistakes_are_shown_where_they_are() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let client = world.listen(&["--port", "0", "--when", "method:PUT", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    assert_eq!(sender.post(b"kept").status, 200);
    assert_eq!(sender.send("PUT", "", &[], b"forwarded").status, 200);
    assert_eq!(handler.next().body, b"forwarded");
    assert!(handler.rest().is_empty());
    let config = world.write("bad.toml", "[[route]]\npath = '/'\nwhen = 'type:a (b'\n");
    let (code, said) = world.fails(&["listen", "--config", text(&config)]);
    assert_eq!(code, 2);
    assert!(
        said.contains("bad.toml:3: route[0].when: ") && said.contains("\n    type:a (b\n             ^\n"),
        "{said}"
    );
    let (_, said) = world.fails(&["listen", "--when", "status:abc"]);
    assert!(said.contains("--when: ") && said.contains("    status:abc\n           ^^^\n"), "{said}");
}

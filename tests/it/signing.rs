//! `sign`, `verify` and `providers`, without any relay.

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{World, text},
};

const BODY: &str = r#"{"id":"evt_1","type":"charge.succeeded"}"#;

#[test]
fn what_is_signed_verifies_and_what_is_changed_does_not() {
    let world = World::new();
    let secret = world.write("secret", "whsec_c2VjcmV0\n");
    let other = world.write("other", "whsec_b3RoZXI=\n");
    let body = world.write("body.json", BODY);
    let changed = world.write("changed.json", BODY.replace("evt_1", "evt_2"));
    for provider in ["stripe", "standard-webhooks", "github", "hubspot"] {
        let url = "https://relay.example/in/orders-5f0c/hook?a=%2F";
        let request =
            ["--provider", provider, "--url", url, "--secret-file", text(&secret), "--at", "1763970070"];
        let signed =
            world.stdout(&[&["sign", "--id", "msg_1", "--body-file", text(&body)], &request[..]].concat());
        let signed = String::from_utf8(signed).unwrap();
        let headers: Vec<&str> = signed.lines().flat_map(|line| ["--header", line]).collect();
        let verify = |body: &str, more: &[&str]| {
            let output = world
                .run(&[&["verify", "--json", "--body-file", body], &request[..], &headers, more].concat());
            let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            (output.status.code().unwrap(), verdict["verdict"]["state"].as_str().unwrap().to_owned())
        };
        assert_eq!(verify(text(&body), &[]), (0, "valid".to_owned()), "{provider}: {signed}");
        assert_eq!(verify(text(&changed), &[]), (1, "invalid".to_owned()), "{provider}");
        assert_eq!(
            verify(text(&body), &["--secret-file", text(&other)]),
            (0, "valid".to_owned()),
            "any secret"
        );
    }
}

#[test]
fn what_cannot_be_checked_is_told_from_what_is_not_valid() {
    let world = World::new();
    let body = world.write("body.json", BODY);
    let verify = ["verify", "--provider", "github", "--body-file", text(&body)];
    let (secret, empty) = (world.write("secret", "s"), world.write("empty", ""));
    let (secret, empty) = (text(&secret), text(&empty));
    for (more, code) in [
        (&["--secret-file", empty][..], 2),
        (&["--secret-file", secret, "--at", "noon"], 2),
        (&["--secret-file", secret, "--header", "no colon"], 2),
        (&[], 2),
        (&["--secret", "s"], 2),
        (&["--secret-file", secret], 1),
        (&["--secret-file", secret, "--header", "X-Hub-Signature-256: sha256=00"], 1),
    ] {
        assert_eq!(world.fails(&[&verify[..], more].concat()).0, code, "{more:?}");
    }
    let (code, said) =
        world.fails(&["verify", "--provider", "githup", "--secret-file", secret, "--body-file", text(&body)]);
    assert!(code == 2 && said.contains("did you mean \"github\""), "{code}: {said}");
    let (code, said) = world.fails(&["verify", "--secret-file", secret, "--body-file", "no-such-file"]);
    assert!(code == 2 && said.contains("no-such-file"), "{code}: {said}");
}

#[test]
fn age_is_judged_at_the_time_named() {
    let world = World::new();
    let secret = world.write("secret", "s");
    let body = world.write("body.json", BODY);
    let request = ["--provider", "stripe", "--secret-file", text(&secret), "--body-file", text(&body)];
    let signed = world.stdout(&[&["sign", "--at", "1763970070"], &request[..]].concat());
    let header = String::from_utf8(signed).unwrap();
    for (more, code) in [
        (&["--at", "1763970370"][..], 0),
        (&["--at", "1763970371"], 1),
        (&["--at", "1763970371", "--tolerance", "10m"], 0),
        (&["--at", "1763970080", "--tolerance", "5s"], 1),
    ] {
        let output = world.run(&[&["verify", "--header", header.trim()], &request[..], more].concat());
        assert_eq!(output.status.code(), Some(code), "{more:?}");
    }
}

#[test]
fn a_stored_event_is_verified_with_the_secret_that_was_not_known_before() {
    let world = World::new();
    let secret = world.write("secret", "s");
    let body = world.write("body.json", BODY);
    let handler = Handler::start(Reply::ok());
    let mut client = world.listen(&["--port", "0", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    // Square signs the URL.
    let sign = ["sign", "--provider", "square", "--secret-file", text(&secret), "--body-file", text(&body)];
    let header = world.stdout(&[&sign[..], &["--url", client.endpoint_url()]].concat());
    let header = String::from_utf8(header).unwrap();
    let answer = sender.send("POST", "", &[header.trim()], BODY.as_bytes());
    let event = client.event();
    assert_eq!(event["verdict"]["state"], "no_secret");
    let id = answer.event_id();
    assert_eq!(
        world.json(&["verify", &id, "--secret-file", text(&secret), "--json"])[0]["provider"],
        "square"
    );
    let (code, said) = world.fails(&["verify", &id]);
    assert_eq!(code, 2);
    assert!(said.contains("no secret is given"), "{said}");
    assert!(client.program.stop().success());
    world.stdout(&["verify", &id, "--secret-file", text(&secret)]);
}

#[test]
fn providers_are_listed_and_told_about() {
    let world = World::new();
    let all = world.json(&["providers", "--json"]);
    assert!(all.len() > 80);
    let page = String::from_utf8(world.stdout(&["providers", "standard-webhooks"])).unwrap();
    assert!(page.contains("standard_webhooks/v1") && page.contains("webhook-signature"), "{page}");
    let (code, said) = world.fails(&["providers", "strip"]);
    assert_eq!(code, 2);
    assert!(said.contains("did you mean \"stripe\"") && said.contains("inhaul providers"), "{said}");
}

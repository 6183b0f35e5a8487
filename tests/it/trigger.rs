//! `trigger` and `replay --resign`: signed sample events through a running client, and stored events signed anew.

use std::{io::Write, process::Stdio};

use inhaul_core::{
    event::{Header, UnixMillis},
    signature::{Delivery, Secret, Verdict, catalogue},
};
use serde_json::Value;

use crate::{
    handler::{Got, Handler, Reply},
    world::{World, text},
};

const SECRET: &str = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw==";

/// What the handler's own check finds.
fn verdict(provider: &str, got: &Got, url: Option<&str>) -> Verdict {
    let headers: Vec<Header> = got
        .lines()
        .iter()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| Header { name: name.to_owned().into(), value: value.to_owned().into() })
        .collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let received_at = UnixMillis(u64::try_from(now).unwrap());
    let delivery = Delivery { method: b"POST", url, headers: &headers, body: &got.body, received_at };
    catalogue().provider(provider).unwrap().verify(&delivery, &[Secret::new("s", SECRET)])
}

fn is_valid(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Valid { .. })
}

#[test]
fn samples_go_to_the_running_client_and_to_a_port() {
    let world = World::new();
    let secret = world.write("secret", SECRET);
    let handler = Handler::start(Reply::ok());
    let named = ["--secret-file", text(&secret)];
    fn trigger<'a>(named: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
        [&["trigger"], rest, named].concat()
    }
    let client = world.listen(&[&["--port", "0", &handler.target()], &named[..]].concat());
    for (provider, event) in [
        ("stripe", "charge.refunded"),
        ("clerk", "user.created"),
        ("linear", "Issue.create"),
        ("github", "push"),
    ] {
        let sent = world.json(&trigger(&named, &[provider, event, "--json"])).remove(0);
        assert_eq!((&sent["status"], &sent["event"]), (&200.into(), &event.into()));
        assert!(sent["url"].as_str().unwrap().starts_with(client.endpoint_url()), "{sent}");
        let got = handler.next();
        assert!(is_valid(&verdict(provider, &got, None)), "{provider}: {:?}", verdict(provider, &got, None));
        let stored = world.events().pop().unwrap();
        assert_eq!(stored["verdict"]["state"], "valid", "{stored}");
        assert_eq!(stored["provider_event_id"], sent["id"], "{stored}");
    }
    // Twilio signs the URL.
    world.stdout(&trigger(&named, &["twilio", "sms.received"]));
    let got = handler.next();
    assert!(is_valid(&verdict("twilio", &got, Some(client.endpoint_url()))));
    assert_eq!(world.events().pop().unwrap()["verdict"]["state"], "valid");

    let set = ["--set", "data.object.amount=7", "--set", "data.object.note=a=b"];
    let direct = handler.target();
    world.stdout(&trigger(&named, &[&["stripe", "charge.refunded", "--to", &direct][..], &set].concat()));
    let got = handler.next();
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(
        (&body["data"]["object"]["amount"], &body["data"]["object"]["note"]),
        (&7.into(), &"a=b".into())
    );
    assert!(is_valid(&verdict("stripe", &got, None)));
    assert!(got.header("x-inhaul-event-id").is_none(), "it came as from the provider");

    handler.reply_with(Reply::text("500 Oh", ""));
    let (code, _) = world.fails(&trigger(&named, &["stripe", "charge.refunded", "--count", "2"]));
    assert_eq!(code, 1);
    assert_ne!(handler.next().body, handler.next().body, "each with an id of its own");
    assert!(client.program.stop().success());
}

#[test]
fn the_running_client_signs_with_its_own_secrets() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let secret = world.write("secret", SECRET);
    let config = world.write(
        "client.toml",
        format!(
            "[[route]]\npath = \"/hub\"\nprovider = \"github\"\nsecret_file = \"{}\"\n",
            secret.display()
        ),
    );
    let args = ["--port", "0", "--provider", "clerk", "--config", text(&config), "--verify", "reject"];
    let client = world.listen(&[&args[..], &["--secret-file", text(&secret), &handler.target()]].concat());
    // Through the endpoint, below the path of another route, and straight to the application.
    let direct = handler.target();
    for (provider, rest) in [
        ("clerk", &["clerk", "user.created"][..]),
        ("github", &["github", "push", "--path", "/hub"]),
        ("github", &["github", "push", "--to", &direct]),
    ] {
        world.stdout(&[&["trigger"], rest].concat());
        let got = handler.next();
        assert!(is_valid(&verdict(provider, &got, None)), "{rest:?}: {:?}", verdict(provider, &got, None));
    }
    // The secret of one provider is none of another's.
    let (code, said) = world.fails(&["trigger", "stripe", "charge.refunded", "--path", "/hub"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("the running client has no secret to sign Stripe's events with"), "{said}");
    assert!(said.contains("--secret-file"), "{said}");
    assert!(client.program.stop().success());
}

#[test]
fn what_cannot_be_sent_is_said_and_a_dry_run_sends_nothing() {
    let world = World::new();
    let body = world.write("body.json", "{\"mine\":true}");
    for (args, said) in [
        (&["trigger", "stripe", "charge.refunded", "--unsigned"][..], "no `inhaul listen` is running"),
        (&["trigger", "stripe", "charge.refunded"], "nothing says what to sign Stripe's events with"),
        (&["trigger", "stripe", "charge.refundet"], "payment_intent.succeeded"),
        (&["trigger", "stripe", "charge.refundet", "--unsigned", "--to", "9"], "payment_intent.succeeded"),
        (&["trigger", "box", "x", "--unsigned", "--to", "9"], "there are no sample events of box"),
        (&["trigger", "strype"], "did you mean \"stripe\"?"),
        (
            &["trigger", "stripe", "charge.refunded", "--unsigned", "--to", "http://192.0.2.1/"],
            "--allow-external",
        ),
        (
            &["trigger", "stripe", "charge.refunded", "--unsigned", "--to", "9", "--set", "a.b=1"],
            "there is no \"a\"",
        ),
    ] {
        let (code, error) = world.fails(args);
        assert_eq!(code, 2, "{args:?}: {error}");
        assert!(error.contains(said), "{args:?}: {error}");
    }
    let listed = String::from_utf8(world.stdout(&["trigger", "callpaymin"])).unwrap();
    assert_eq!(listed.lines().count(), 6, "{listed}");
    let dry = ["trigger", "acme", "made", "--dry-run", "--body-file", text(&body), "--unsigned"];
    let config = world.write("inhaul.toml", "[provider.acme]\nlike = \"github\"\n");
    let args = [&dry[..], &["--config", text(&config)]].concat();
    let printed = String::from_utf8(world.stdout(&args)).unwrap();
    assert!(printed.starts_with("POST / HTTP/1.1\r\nHost: localhost\r\n"), "{printed}");
    assert!(printed.ends_with("Content-Length: 13\r\n\r\n{\"mine\":true}\n"), "{printed}");
}

#[test]
fn a_stored_event_is_signed_anew() {
    let world = World::new();
    let secret = world.write("secret", SECRET);
    let handler = Handler::start(Reply::ok());
    let named = ["--secret-file", text(&secret)];
    let client = world.listen(&[&["--port", "0", &handler.target()], &named[..]].concat());
    let old = ["--at", "1700000000"];
    let body = world.write("body", "{\"type\":\"user.created\"}");
    let sign =
        [&["sign", "--provider", "clerk", "--id", "msg_old", "--body-file", text(&body)], &old[..], &named]
            .concat();
    let headers = String::from_utf8(world.stdout(&sign)).unwrap();
    let headers: Vec<&str> = headers.lines().collect();
    let answer = crate::sender::Sender::new(client.endpoint_url(), None).send(
        "POST",
        "/hooks?a=b",
        &headers,
        b"{\"type\":\"user.created\"}",
    );
    let id = answer.event_id();
    let first = handler.next();
    assert!(matches!(verdict("clerk", &first, None), Verdict::Stale { .. }));

    world.stdout(&["replay", &id]);
    let again = handler.next();
    assert_eq!(again.header("svix-id"), Some("msg_old"));
    assert!(matches!(verdict("clerk", &again, None), Verdict::Stale { .. }), "as it was received");
    world.stdout(&["replay", &id, "--resign"]);
    let anew = handler.next();
    assert!(is_valid(&verdict("clerk", &anew, None)));
    assert_eq!((anew.request_line(), &anew.body), (first.request_line(), &first.body));
    assert!(anew.header("svix-id").is_some_and(|id| id.starts_with("msg_") && id != "msg_old"));
    world.stdout(&["replay", &id, "--resign", "--keep-id"]);
    let kept = handler.next();
    assert_eq!(kept.header("svix-id"), Some("msg_old"));
    assert!(is_valid(&verdict("clerk", &kept, None)));
    let (code, said) = world.fails(&[&["replay", &id, "--resign"], &named[..]].concat());
    assert_eq!(code, 2);
    assert!(said.contains("signs with its own secrets"), "{said}");
    assert!(client.program.stop().success());

    let (code, said) = world.fails(&["replay", &id, "--resign"]);
    assert_eq!(code, 2);
    assert!(said.contains("no secret of Svix is configured") && said.contains("--secret-file"), "{said}");
    world.stdout(&[&["replay", &id, "--resign"], &named[..]].concat());
    assert!(is_valid(&verdict("clerk", &handler.next(), None)), "without a running client");
    let shown = &world.json(&["show", &id, "--json"])[0];
    let changed: Vec<Option<&str>> = shown["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["changed"]["what"].as_str())
        .collect();
    let anew = Some("new id, signed anew");
    assert_eq!(changed, [None, None, anew, Some("signed anew"), anew]);
}

#[test]
fn a_body_from_stdin_is_sent_each_time() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let target = handler.target();
    let args =
        ["trigger", "github", "push", "--to", &target, "--body-file", "-", "--count", "3", "--unsigned"];
    let mut trigger = world.inhaul(&args).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    trigger.stdin.take().unwrap().write_all(b"{\"n\":1}").unwrap();
    assert!(trigger.wait().unwrap().success());
    let bodies: Vec<_> = handler.rest().into_iter().map(|got| got.body).collect();
    assert_eq!(bodies, [b"{\"n\":1}"; 3]);
}

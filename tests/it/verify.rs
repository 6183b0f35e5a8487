//! Signatures, end to end: what six providers sign is valid, what is forged is marked, and kept back when that is asked for.

use std::time::SystemTime;

use inhaul_core::{
    event::UnixMillis,
    signature::{Secret, SignRequest, catalogue},
};
use serde_json::Value;

use crate::{
    handler::{Handler, Reply},
    sender::Sender,
    world::{Client, World, text},
};

const SECRET: &str = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw==";
const BODY: &[u8] = br#"{"id":"evt_1","type":"call.created","event_id":"Ev1"}"#;

/// Header lines of a signature made now, if it is not a part of the body or the secret of another form.
fn sign(provider: &str, url: &str, secret: &str) -> Option<Vec<String>> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let at = UnixMillis(u64::try_from(since.as_millis()).unwrap());
    let (id, event_type) = (Some("evt_1"), Some("call.created"));
    let request = SignRequest { method: b"POST", url: Some(url), body: BODY, at, id, event_type };
    let headers = catalogue().provider(provider).unwrap().sign(&request, &Secret::new("s", secret)).ok()?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let signed = headers.iter().map(|header| format!("{}: {}", text(&header.name), text(&header.value)));
    // One provider signs the fields of a form.
    Some(signed.chain(["Content-Type: application/x-www-form-urlencoded".to_owned()]).collect())
}

fn signed_lines(provider: &str, secret: &str) -> Vec<String> {
    sign(provider, "", secret).unwrap()
}

fn send(sender: &Sender, lines: &[String]) -> u16 {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    sender.send("POST", "", &lines, BODY).status
}

#[test]
fn every_provider_is_recognised_and_verified() {
    let world = World::new();
    let secret = world.write("secret", format!("{SECRET}\n"));
    let mut client = world.listen(&["--port", "0", "--secret-file", text(&secret)]);
    let sender = Sender::new(client.endpoint_url(), None);
    let url = client.endpoint_url().to_owned();
    let mut checked = 0;
    for provider in catalogue().providers() {
        let (Some(lines), Some(forged)) =
            (sign(provider.id(), &url, SECRET), sign(provider.id(), &url, "whsec_b3RoZXI="))
        else {
            continue;
        };
        assert_eq!(send(&sender, &lines), 200, "there is no app to wait for");
        let event = client.event();
        if lines.iter().any(|line| line.starts_with("Authorization:")) {
            assert_eq!(event["verdict"]["state"], "unsigned", "an Authorization header is nobody's mark");
            continue;
        }
        assert_eq!(event["verdict"]["state"], "valid", "{}: {event}", provider.id());
        assert_eq!(event["verdict"]["secret"], text(&secret));
        assert!(!event.to_string().contains(SECRET));
        send(&sender, &forged);
        assert_eq!(client.event()["verdict"]["state"], "invalid", "{}", provider.id());
        checked += 1;
    }
    assert!(checked > 75, "{checked}");
    sender.post(b"{}");
    assert_eq!(client.event()["verdict"]["state"], "unsigned");
}

#[test]
fn a_bad_signature_marks_and_with_reject_keeps_back() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    for (mode, forged_status, forwarded) in [("mark", 200, 2), ("reject", 401, 1)] {
        let args = [
            "listen",
            "--output",
            "json",
            "--port",
            "0",
            "--provider",
            "stripe",
            "--secret-env",
            "THE_SECRET",
        ];
        let mut command = world.inhaul(&[&args[..], &["--verify", mode, &handler.target()]].concat());
        command.env("THE_SECRET", SECRET);
        let mut client = world.client(command);
        let sender = Sender::new(client.endpoint_url(), None);
        assert_eq!(send(&sender, &signed_lines("stripe", "guessed")), forged_status, "{mode}");
        let event = client.event();
        assert_eq!(
            (&event["verdict"]["state"], &event["verdict"]["code"]),
            (&"invalid".into(), &"mismatch".into())
        );
        assert_eq!(send(&sender, &signed_lines("stripe", SECRET)), 200);
        assert_eq!(client.event()["verdict"]["secret"], "THE_SECRET");
        assert_eq!(handler.rest().len(), forwarded, "{mode}");
        assert!(client.program.stop().success());
    }
}

#[test]
fn without_a_secret_reject_refuses_everything_and_says_why() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    let args = ["listen", "--output", "json", "--port", "0", "--verify", "reject", &handler.target()];
    let mut program = world.start(world.inhaul(&args));
    let first = program.line(|line| Some(line.to_owned()));
    assert!(first.contains("every webhook is refused: `reject` is on, and no secret"), "{first}");
    let ready =
        program.line(|line| serde_json::from_str::<Value>(line).ok().filter(|line| line["kind"] == "ready"));
    let mut client = Client { program, ready };
    let sender = Sender::new(client.endpoint_url(), None);
    let lines = signed_lines("stripe", SECRET);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    for (lines, reason) in [
        (&lines[..], "the signature of this webhook cannot be checked: no secret is configured\n"),
        (&[], "this webhook has no signature\n"),
    ] {
        let answer = sender.send("POST", "", lines, BODY);
        assert_eq!((answer.status, String::from_utf8(answer.body).unwrap()), (401, reason.to_owned()));
        assert_eq!(client.attempt()["result"], "rejected");
    }
    assert!(handler.rest().is_empty());
    assert!(client.program.stop().success());
    for event in world.events() {
        let shown = world.stdout(&["show", event["id"].as_str().unwrap()]);
        let shown = String::from_utf8(shown).unwrap();
        let why = match event["verdict"]["state"].as_str() {
            Some("no_secret") => "not forwarded: no secret is configured to check its signature with",
            _ => "not forwarded: it has no signature",
        };
        assert!(shown.contains(why), "{shown}");
    }
}

#[test]
fn routes_of_the_configuration_have_their_own_provider_and_target() {
    let world = World::new();
    let (stripe, rest) = (Handler::start(Reply::ok()), Handler::start(Reply::ok()));
    world.write("stripe-secret", SECRET);
    world.write(
        "inhaul.toml",
        format!(
            "[[route]]\npath = \"/stripe\"\ntarget = [\"{}\"]\nprovider = \"stripe\"\nsecret_file = \"stripe-secret\"\nverify = \"reject\"\n",
            stripe.port
        ),
    );
    let mut client = world.listen(&["--port", "0", &rest.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let lines = signed_lines("stripe", SECRET);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(sender.send("POST", "/stripe/hook", &lines, BODY).status, 200);
    assert_eq!(stripe.next().request_line(), "POST /stripe/hook HTTP/1.1");
    assert_eq!(client.event()["verdict"]["state"], "valid");
    assert_eq!(sender.send("POST", "/stripe", &[], BODY).status, 401);
    assert_eq!(sender.send("POST", "/else", &lines, BODY).status, 200);
    rest.next();
    client.event();
    assert_eq!(client.event()["verdict"]["state"], "no_secret");
    assert!(stripe.rest().is_empty());
}

#[test]
fn a_secret_that_was_mended_counts_without_a_new_start() {
    let world = World::new();
    let secret = world.write("secret", "whsec_b3RoZXI=");
    let mut client = world.listen(&["--port", "0", "--secret-file", text(&secret)]);
    let sender = Sender::new(client.endpoint_url(), None);
    assert_eq!(send(&sender, &signed_lines("github", SECRET)), 200);
    let event = client.event();
    assert_eq!(event["verdict"]["state"], "invalid");
    let id = event["id"].as_str().unwrap();
    let again = |code: i32| {
        let output = world.run(&["verify", id, "--again", "--json"]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["verdict"]["state"].clone()
    };
    assert_eq!(again(1), "invalid");
    world.write("secret", SECRET);
    assert_eq!(again(0), "valid");
    assert_eq!(world.json(&["events", "sig:valid", "--json"])[0]["id"], id);
    // What comes next is verified with it too.
    assert_eq!(send(&sender, &signed_lines("github", SECRET)), 200);
    assert_eq!(client.event()["verdict"]["state"], "valid");
    assert!(client.program.stop().success());

    // Without a client, the configuration file says the secret; without any, the verdict stays.
    let (code, said) = world.fails(&["verify", id, "--again"]);
    assert!(code == 2 && said.contains("no secret of github is configured"), "{said}");
    world.write("inhaul.toml", "[[route]]\npath = \"/\"\ntarget = [\"3000\"]\nsecret_file = \"other\"\n");
    world.write("other", "whsec_b3RoZXI=");
    assert_eq!(again(1), "invalid");
    assert_eq!(world.json(&["events", "sig:invalid", "--json"])[0]["id"], id);
}

#[test]
fn the_secret_of_another_route_is_named_and_accepts_nothing() {
    let world = World::new();
    let handler = Handler::start(Reply::ok());
    world.write("live-secret", SECRET);
    world.write("test-secret", "whsec_b3RoZXI=");
    let route = |path: &str, secret: &str| {
        format!(
            "[[route]]\npath = \"{path}\"\nprovider = \"stripe\"\nsecret_file = \"{secret}\"\nverify = \"reject\"\n"
        )
    };
    world.write("inhaul.toml", route("/live", "live-secret") + &route("/test", "test-secret"));
    let mut client = world.listen(&["--port", "0", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let lines = signed_lines("stripe", SECRET);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(sender.send("POST", "/test", &lines, BODY).status, 401);
    let verdict = &client.event()["verdict"];
    assert_eq!(verdict["code"], "other_secret", "{verdict}");
    let reason = verdict["reason"].as_str().unwrap();
    assert!(reason.contains("live-secret") && reason.contains("\"/live\""), "{reason}");
    assert!(handler.rest().is_empty());
}

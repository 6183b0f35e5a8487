//! Questions that providers ask an endpoint: answered by the relay, by the client, or by the app.

use crate::{
    handler::{Handler, Reply},
    sender::{Answer, Sender},
    world::{World, text},
};

const SLACK: &[u8] = br#"{"token":"t","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
const SLACK_ANSWER: &[u8] = b"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
const ZOOM: &[u8] = br#"{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}"#;
const ZOOM_SECRET: &str = "zoom_secret_token_0123";
/// The HMAC of the token above under that secret, in hex.
const ZOOM_ANSWER: &str = "a23901ed88ca4fede7c71ecdcee8c210e59ea972c566396f0c5983a08f25724d";

fn slack(sender: &Sender) -> Answer {
    sender.send("POST", "", &["Content-Type: application/json"], SLACK)
}

fn zoom(sender: &Sender) -> Answer {
    sender.send("POST", "", &["Content-Type: application/json"], ZOOM)
}

#[test]
fn a_relay_answers_what_takes_no_secret_and_a_client_the_rest() {
    for mode in ["app", "relay"] {
        let world = World::new();
        let relay = world.relay(&[]);
        let url = world.endpoint(&["--answer", mode]);
        let sender = Sender::new(&url, relay.ca_file.as_deref());
        let absent = slack(&sender);
        assert_eq!((absent.status, &absent.body[..]), (200, SLACK_ANSWER), "{mode}: no client is connected");
        assert_eq!(absent.header("content-type"), Some("text/plain"));
        assert_eq!(absent.header("x-inhaul-source"), Some("relay"));
        assert_eq!(sender.send("HEAD", "", &[], b"").status, 200, "{mode}: Trello wants exactly that");
        let unanswered = zoom(&sender);
        assert_ne!(unanswered.body, SLACK_ANSWER);

        let secret = world.write("secret", ZOOM_SECRET);
        let mut client = world.listen_at(&relay, &["--secret-file", text(&secret)]);
        let late = client.event();
        assert_eq!((&late["event_type"], &late["provider"]), (&"challenge".into(), &"slack".into()));
        client.event();
        client.event();
        let answer = zoom(&sender);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["encryptedToken"], ZOOM_ANSWER, "{mode}");
        assert_eq!(client.event()["event_type"], "challenge");
        assert_eq!(&slack(&sender).body[..], SLACK_ANSWER, "{mode}");
    }
}

#[test]
fn an_app_that_is_there_answers_itself() {
    let world = World::new();
    let handler = Handler::start(Reply::text("200 OK", "mine"));
    let client = world.listen(&["--port", "0", &handler.target()]);
    let sender = Sender::new(client.endpoint_url(), None);
    let answer = slack(&sender);
    assert_eq!((answer.status, &answer.body[..]), (200, &b"mine"[..]));
    assert_eq!(handler.next().body, SLACK);
}

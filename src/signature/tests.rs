//! Every vector of `assets/signature-vectors`, and signing read back by checking.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::*;

/// A request whose verdict is known: from a provider's documentation, from its own library, or from the formula.
#[derive(Deserialize)]
struct Vector {
    id: String,
    what: String,
    provider: String,
    headers: Map<String, Value>,
    body: String,
    body_encoding: String,
    secret: String,
    /// Unix seconds.
    now: u64,
    /// The verdict's state, or the code of an invalid one.
    verdict: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../assets/signature-vectors/hmac.json")).unwrap()
}

impl Vector {
    fn headers(&self) -> Vec<Header> {
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            for value in values {
                headers.push(header(name, value.as_str().unwrap()));
            }
        }
        headers
    }

    fn body(&self) -> Vec<u8> {
        match self.body_encoding.as_str() {
            "utf8" => self.body.clone().into_bytes(),
            "base64" => STANDARD.decode(&self.body).unwrap(),
            other => panic!("{other}"),
        }
    }
}

fn header(name: &str, value: &str) -> Header {
    Header { name: Bytes::copy_from_slice(name.as_bytes()), value: Bytes::copy_from_slice(value.as_bytes()) }
}

fn short(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Valid { .. } => "valid",
        Verdict::Invalid { code, .. } => code,
        Verdict::Stale { .. } => "stale",
        Verdict::NoSecret { .. } => "no_secret",
        Verdict::Unsigned => "unsigned",
    }
}

#[test]
fn every_vector_has_its_verdict() {
    for vector in vectors() {
        let provider = catalogue().provider(&vector.provider).unwrap();
        let (headers, body) = (vector.headers(), vector.body());
        let delivery =
            Delivery { headers: &headers, body: &body, received_at: UnixMillis(vector.now * 1000) };
        let verdict = provider.verify(&delivery, &[Secret::new("vector", vector.secret.as_str())]);
        assert_eq!(short(&verdict), vector.verdict, "{}: {}: {verdict:?}", vector.id, vector.what);
        let signed = verdict != Verdict::Unsigned;
        let recognised = catalogue().candidates(&headers).iter().any(|found| found.id() == vector.provider);
        assert_eq!(recognised, signed, "{}", vector.id);
        if signed {
            let malformed = vector.verdict == "malformed_signature";
            let expected = if malformed { "malformed_signature" } else { "no_secret" };
            assert_eq!(short(&provider.verify(&delivery, &[])), expected, "{}", vector.id);
        }
    }
}

#[test]
fn every_provider_has_a_vector_that_is_valid_and_one_that_is_not() {
    let vectors = vectors();
    for provider in catalogue().providers() {
        let of = |valid: bool| {
            vectors.iter().any(|one| one.provider == provider.id() && (one.verdict == "valid") == valid)
        };
        assert!(of(true) && of(false), "{}", provider.id());
    }
}

/// A request signed by a provider with secret `secret`, checked with others.
struct Signed {
    provider: &'static Provider,
    headers: Vec<Header>,
    body: Vec<u8>,
}

const AT: UnixMillis = UnixMillis(1_763_970_070_118);
const SECRET: &str = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw==";

fn signed(provider: &'static Provider, body: &[u8]) -> Signed {
    let request = SignRequest { body, at: AT, id: Some("msg_1"), event_type: Some("call.created") };
    let headers = provider.sign(&request, &Secret::new("signing", SECRET)).unwrap();
    Signed { provider, headers, body: body.to_vec() }
}

impl Signed {
    fn verdict(&self, received_at: UnixMillis, secrets: &[Secret]) -> Verdict {
        self.provider.verify(&Delivery { headers: &self.headers, body: &self.body, received_at }, secrets)
    }
}

#[test]
fn the_label_of_the_secret_that_matched_is_told_and_no_secret_ever() {
    let signed = signed(catalogue().provider("standard-webhooks").unwrap(), b"{}");
    let secrets = [Secret::new("old", "whsec_b3RoZXI="), Secret::new("new", SECRET)];
    let verdict = signed.verdict(AT, &secrets);
    let expected = Verdict::Valid { scheme: "standard_webhooks/v1".to_owned(), secret: "new".to_owned() };
    assert_eq!(verdict, expected);
    assert!(!format!("{secrets:?}").contains("whsec"));
    let wrong_form = signed.verdict(AT, &[Secret::new("mine", "not base64!")]);
    assert!(matches!(&wrong_form, Verdict::Invalid { code, reason, .. }
        if code == "unusable_secret" && reason.contains("\"mine\" is not base64")));
    let request = SignRequest { body: b"", at: AT, id: None, event_type: None };
    let missing = signed.provider.sign(&request, &Secret::new("s", SECRET));
    assert_eq!(missing, Err(SignError::Missing("id".to_owned())));
}

#[test]
fn age_is_judged_by_the_time_the_relay_received_it() {
    let of = |id: &str, seconds: i64| {
        let at = UnixMillis(AT.0.checked_add_signed(seconds * 1000).unwrap());
        signed(catalogue().provider(id).unwrap(), b"{}").verdict(at, &[Secret::new("s", SECRET)])
    };
    for (id, seconds, expected) in [
        ("stripe", 300, "valid"),
        ("stripe", 301, "stale"),
        ("stripe", -100_000, "valid"),
        ("standard_webhooks", -300, "valid"),
        ("standard_webhooks", -301, "stale"),
        ("github", 1_000_000, "valid"),
    ] {
        assert_eq!(short(&of(id, seconds)), expected, "{id} {seconds}");
    }
    let Verdict::Stale { age_seconds, tolerance_seconds, .. } = of("standard_webhooks", -301) else {
        panic!()
    };
    assert_eq!((age_seconds, tolerance_seconds), (-301, 300));
}

#[test]
fn what_is_signed_besides_the_body_must_be_there() {
    let without = |id: &str, name: &str| {
        let mut signed = signed(catalogue().provider(id).unwrap(), b"{}");
        signed.headers.retain(|header| !header.is(name));
        signed.verdict(AT, &[Secret::new("s", SECRET)])
    };
    assert_eq!(short(&without("slack", "x-slack-request-timestamp")), "missing_part");
    assert_eq!(short(&without("standard_webhooks", "webhook-id")), "missing_part");
    let mut signed = signed(catalogue().provider("slack").unwrap(), b"{}");
    for header in &mut signed.headers {
        if header.is("x-slack-request-timestamp") {
            header.value = Bytes::from_static(b"01763970070");
        }
    }
    assert_eq!(short(&signed.verdict(AT, &[Secret::new("s", SECRET)])), "malformed_time");
}

#[test]
fn events_are_called_what_their_senders_call_them() {
    let of = |id: &str, headers: &[Header], body: &str| {
        let names = catalogue().provider(id).unwrap().event_names(headers, body.as_bytes());
        (names.event_type, names.event_id)
    };
    let some = |event_type: &str, id: &str| (Some(event_type.to_owned()), Some(id.to_owned()));
    let body = r#"{"id":"evt_1","type":"call.created"}"#;
    assert_eq!(of("callpaymin", &[], body), some("call.created", "evt_1"));
    assert_eq!(of("callpaymin", &[], r#"{"id":7,"event":"call.ended"}"#), some("call.ended", "7"));
    let headers = [header("x-github-event", "push"), header("X-GITHUB-DELIVERY", "d-1")];
    assert_eq!(of("github", &headers, "payload=%7B%7D"), some("push", "d-1"));
    let body = r#"{"type":"event_callback","event_id":"Ev1","event":{"type":"app_mention"}}"#;
    assert_eq!(of("slack", &[], body), some("app_mention", "Ev1"));
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(300));
    assert_eq!(of("stripe", &[], &long), (None, None));
    assert_eq!(of("stripe", &[], "no JSON"), (None, None));
}

proptest! {
    #[test]
    fn what_a_provider_signs_it_also_accepts(body: Vec<u8>, index in 0..6usize, flip: proptest::sample::Index) {
        let provider = catalogue().providers().nth(index).unwrap();
        let mut signed = signed(provider, &body);
        let secrets = [Secret::new("signing", SECRET)];
        let accepted = matches!(signed.verdict(AT, &secrets), Verdict::Valid { .. });
        prop_assert!(accepted);
        let other = signed.verdict(AT, &[Secret::new("other", "whsec_b3RoZXI=")]);
        prop_assert_eq!(short(&other), "mismatch");
        prop_assert!(catalogue().candidates(&signed.headers).iter().any(|found| found.id() == provider.id()));
        if !body.is_empty() {
            let at = flip.index(body.len());
            signed.body[at] ^= 1;
            let altered = signed.verdict(AT, &secrets);
            prop_assert_eq!(short(&altered), "mismatch");
        }
    }

    #[test]
    fn no_header_makes_a_check_fail_otherwise_than_by_a_verdict(value: Vec<u8>, body: Vec<u8>, index in 0..6usize) {
        let provider = catalogue().providers().nth(index).unwrap();
        let mut signed = signed(provider, &body);
        for header in &mut signed.headers {
            header.value = value.clone().into();
        }
        let accepted = matches!(signed.verdict(AT, &[Secret::new("s", SECRET)]), Verdict::Valid { .. });
        prop_assert!(!accepted);
    }
}

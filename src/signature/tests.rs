//! Every vector of `assets/signature-vectors`, and signing read back by checking.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::*;

mod damage;
mod digests;

/// A request whose verdict is known: from a provider's documentation, from its own library, or from the formula.
#[derive(Deserialize)]
struct Vector {
    id: String,
    what: String,
    provider: String,
    #[serde(default = "post")]
    method: String,
    url: String,
    headers: Map<String, Value>,
    body: String,
    body_encoding: String,
    /// One, or several.
    secret: Value,
    /// Unix seconds.
    now: f64,
    /// The verdict's state, or the code of an invalid one; `invalid` for any that is not valid.
    verdict: String,
    /// What the provider signs with, where the secret only checks.
    private: Option<String>,
}

fn post() -> String {
    "POST".to_owned()
}

fn vectors() -> Vec<Vector> {
    let read = |text| serde_json::from_str::<Vec<Vector>>(text).unwrap();
    let mut vectors = read(include_str!("../../assets/signature-vectors/hmac.json"));
    vectors.extend(read(include_str!("../../assets/signature-vectors/public.json")));
    vectors
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

    fn secrets(&self) -> Vec<Secret> {
        let all = self.secret.as_array().cloned().unwrap_or_else(|| vec![self.secret.clone()]);
        all.iter().map(|secret| Secret::new("vector", secret.as_str().unwrap())).collect()
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

/// Providers whose requests no header tells.
const NOT_RECOGNISED: [&str; 12] = [
    "apple_app_store",
    "auth0",
    "braintree",
    "cloudevents",
    "google_chat",
    "google_pubsub",
    "livekit",
    "mailgun",
    "microsoft_graph",
    "monday",
    "okta",
    "websub",
];

#[test]
fn every_vector_has_its_verdict() {
    let mut wrong = Vec::new();
    for vector in vectors() {
        let provider = catalogue().provider(&vector.provider).unwrap();
        let (headers, body) = (vector.headers(), vector.body());
        let received_at = UnixMillis((vector.now * 1000.0).round() as u64);
        let method = vector.method.as_bytes();
        let delivery =
            Delivery { method, url: Some(&vector.url), headers: &headers, body: &body, received_at };
        let verdict = provider.verify(&delivery, &vector.secrets());
        let expected = vector.verdict.as_str();
        let agrees = short(&verdict) == expected || (expected == "invalid" && short(&verdict) != "valid");
        if !agrees {
            wrong.push(format!("{}: {}: expected {expected}, got {verdict:?}", vector.id, vector.what));
        }
        let recognised = catalogue().candidates(&headers).iter().any(|found| found.id() == provider.id());
        // Adyen has two schemes, and one of them is in the body.
        let in_body = vector.id.starts_with("adyen.payments.");
        if expected == "valid" && !in_body && recognised == NOT_RECOGNISED.contains(&provider.id()) {
            wrong.push(format!("{}: recognised: {recognised}", vector.id));
        }
        let without = provider.verify(&delivery, &[]);
        if expected == "valid" && short(&without) != "no_secret" {
            wrong.push(format!("{}: without a secret: {without:?}", vector.id));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_provider_has_a_vector_that_is_valid_and_three_ways_to_spoil_it() {
    let vectors = vectors();
    let mut seen = std::collections::BTreeSet::new();
    for vector in vectors.iter().filter(|vector| vector.verdict == "valid") {
        let provider = catalogue().provider(&vector.provider).unwrap();
        seen.insert(provider.id().to_owned());
        let received_at = UnixMillis((vector.now * 1000.0).round() as u64);
        let verdict = |headers: &[Header], body: &[u8], secrets: &[Secret]| {
            let method = vector.method.as_bytes();
            let delivery = Delivery { method, url: Some(&vector.url), headers, body, received_at };
            short(&provider.verify(&delivery, secrets)).to_owned()
        };
        let (headers, body, secrets) = (vector.headers(), vector.body(), vector.secrets());
        let other = [Secret::new("other", "b3RoZXIgc2VjcmV0"), Secret::new("hex", "0123456789abcdef")];
        assert_ne!(verdict(&headers, &body, &other), "valid", "{}: another secret", vector.id);
        assert_ne!(
            verdict(&headers, &body, &[Secret::new("empty", "")]),
            "valid",
            "{}: no secret",
            vector.id
        );
        // The signature is in a header, or in the body.
        let read: Vec<&str> = provider.headers_read().collect();
        let mut without = headers.clone();
        without.retain(|header| !read.iter().any(|name| header.is(name) || is_numbered(header, name)));
        let lost = if without.len() < headers.len() { &body[..] } else { b"{}" };
        let url = vector.url.split('?').next();
        let delivery = Delivery { method: b"POST", url, headers: &without, body: lost, received_at };
        let verdict = provider.verify(&delivery, &secrets);
        assert_ne!(short(&verdict), "valid", "{}: no signature", vector.id);
    }
    for provider in catalogue().providers() {
        assert!(seen.contains(provider.id()), "{} has no vector that is valid", provider.id());
    }
}

fn is_numbered(header: &Header, prefix: &str) -> bool {
    prefix.ends_with('-')
        && header.name.to_ascii_lowercase().starts_with(prefix.to_ascii_lowercase().as_bytes())
}

#[test]
fn what_a_private_key_signs_its_public_key_accepts() {
    let mut seen = std::collections::BTreeSet::new();
    for vector in vectors().iter().filter(|vector| vector.verdict == "valid") {
        let Some(private) = &vector.private else { continue };
        let provider = catalogue().provider(&vector.provider).unwrap();
        let body = vector.body();
        let request = SignRequest { url: Some(&vector.url), ..request(&body) };
        let Ok(headers) = provider.sign(&request, &Secret::new("private", private.as_str())) else {
            continue;
        };
        seen.insert(provider.id().to_owned());
        let mut delivery = Delivery {
            method: b"POST",
            url: Some(&vector.url),
            headers: &headers,
            body: &body,
            received_at: AT,
        };
        let verdict = provider.verify(&delivery, &vector.secrets());
        assert_eq!(short(&verdict), "valid", "{}: {verdict:?}", vector.id);
        delivery.body = b"another body";
        let verdict = provider.verify(&delivery, &vector.secrets());
        // A token of monday.com or Google is for a URL, not for a body.
        let says_nothing_of_the_body = ["monday", "google_pubsub"].contains(&provider.id());
        assert_eq!(short(&verdict) == "valid", says_nothing_of_the_body, "{}: {verdict:?}", vector.id);
    }
    for id in [
        "discord",
        "telnyx",
        "sendgrid",
        "standard_webhooks",
        "wise",
        "github_secret_scanning",
        "paypal",
        "plaid",
    ] {
        assert!(seen.contains(id), "{id}: {seen:?}");
    }
}

/// A request signed by a provider with secret `secret`, checked with others.
struct Signed {
    provider: Arc<Provider>,
    headers: Vec<Header>,
    body: Vec<u8>,
}

const AT: UnixMillis = UnixMillis(1_763_970_070_118);
const SECRET: &str = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw==";

/// A secret of the provider's form.
fn secret_of(provider: &Provider) -> Option<&'static str> {
    let forms = [SECRET, "c2VjcmV0IG9mIHRoZSB0ZXN0cw==", "00112233445566778899aabbccddeeff"];
    forms.into_iter().find(|secret| provider.sign(&request(b""), &Secret::new("form", *secret)).is_ok())
}

fn request(body: &[u8]) -> SignRequest<'_> {
    let url = Some("https://relay.example/in/orders-5f0c/hook?a=1");
    SignRequest { method: b"POST", url, body, at: AT, id: Some("msg_1"), event_type: Some("call.created") }
}

fn signed(provider: &Arc<Provider>, body: &[u8]) -> Signed {
    let secret = Secret::new("signing", secret_of(provider).unwrap());
    let mut headers = provider.sign(&request(body), &secret).unwrap();
    headers.push(header("Content-Type", "application/x-www-form-urlencoded"));
    Signed { provider: Arc::clone(provider), headers, body: body.to_vec() }
}

impl Signed {
    fn verdict(&self, received_at: UnixMillis, secrets: &[Secret]) -> Verdict {
        self.provider.verify(
            &Delivery {
                method: b"POST",
                url: request(b"").url,
                headers: &self.headers,
                body: &self.body,
                received_at,
            },
            secrets,
        )
    }
}

#[test]
fn the_label_of_the_secret_that_matched_is_told_and_no_secret_ever() {
    let signed = signed(&catalogue().provider("standard-webhooks").unwrap(), b"{}");
    let secrets = [Secret::new("old", "whsec_b3RoZXI="), Secret::new("new", SECRET)];
    let verdict = signed.verdict(AT, &secrets);
    let expected = Verdict::Valid { scheme: "standard_webhooks/v1".to_owned(), secret: "new".to_owned() };
    assert_eq!(verdict, expected);
    assert!(!format!("{secrets:?}").contains("whsec"));
    let wrong_form = signed.verdict(AT, &[Secret::new("mine", "not base64!")]);
    assert!(matches!(&wrong_form, Verdict::Invalid { code, reason, .. }
        if code == "unusable_secret" && reason.contains("\"mine\" is not base64")));
    let request = SignRequest { method: b"POST", url: None, body: b"", at: AT, id: None, event_type: None };
    let missing = signed.provider.sign(&request, &Secret::new("s", SECRET));
    assert_eq!(missing, Err(SignError::Missing("id".to_owned())));
}

#[test]
fn age_is_judged_by_the_time_the_relay_received_it() {
    let of = |id: &str, seconds: i64| {
        let at = UnixMillis(AT.0.checked_add_signed(seconds * 1000).unwrap());
        signed(&catalogue().provider(id).unwrap(), b"{}").verdict(at, &[Secret::new("s", SECRET)])
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
        let mut signed = signed(&catalogue().provider(id).unwrap(), b"{}");
        signed.headers.retain(|header| !header.is(name));
        signed.verdict(AT, &[Secret::new("s", SECRET)])
    };
    assert_eq!(short(&without("slack", "x-slack-request-timestamp")), "missing_part");
    assert_eq!(short(&without("standard_webhooks", "webhook-id")), "missing_part");
    let mut signed = signed(&catalogue().provider("slack").unwrap(), b"{}");
    for header in &mut signed.headers {
        if header.is("x-slack-request-timestamp") {
            header.value = Bytes::from_static(b"01763970070");
        }
    }
    assert_eq!(short(&signed.verdict(AT, &[Secret::new("s", SECRET)])), "malformed_time");
}

#[test]
fn events_of_unknown_senders_are_called_what_most_call_them() {
    let of = |headers: &[Header], body: &str| usual_event_type(headers, body.as_bytes());
    for (body, expected) in [
        (r#"{"type":"charge.failed","data":{}}"#, Some("charge.failed")),
        (r#"{"event":"call.ended"}"#, Some("call.ended")),
        (r#"{"event_type":"a:b","type":7}"#, Some("a:b")),
        (r#"{"event":{"type":"app_mention"}}"#, Some("app_mention")),
        (r#"{"topic":"orders/create"}"#, Some("orders/create")),
        (r#"{"type":"a whole sentence is no name"}"#, None),
        (r#"{"type":""}"#, None),
        (r#"{"kind":"x"}"#, None),
        (r#"[{"type":"x"}]"#, None),
        ("type=x", None),
        ("", None),
    ] {
        assert_eq!(of(&[], body).as_deref(), expected, "{body}");
    }
    assert_eq!(of(&[header("Ce-Type", "com.example.made")], "").as_deref(), Some("com.example.made"));
    assert_eq!(of(&[], &format!(r#"{{"type":"{}"}}"#, "x".repeat(300))), None);
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

#[test]
fn events_say_which_object_they_are_about() {
    for (id, body, object) in [
        ("callpaymin", r#"{"data":{"id":"chg_1","call_id":"call_220"}}"#, Some("call_220")),
        ("callpaymin", r#"{"data":{"user_id":"user_1"}}"#, None),
        ("stripe", r#"{"id":"evt_1","data":{"object":{"id":"ch_1"}}}"#, Some("ch_1")),
        (
            "github",
            r#"{"pull_request":{"html_url":"https://github.com/o/r/pull/5"}}"#,
            Some("https://github.com/o/r/pull/5"),
        ),
        (
            "shopify",
            r#"{"id":450789469,"admin_graphql_api_id":"gid://shopify/Order/450789469"}"#,
            Some("gid://shopify/Order/450789469"),
        ),
        ("shopify", r#"{"id":450789469}"#, Some("450789469")),
        ("twilio", "CallSid=CA1&CallStatus=completed", Some("CA1")),
    ] {
        let form = [header("Content-Type", "application/x-www-form-urlencoded")];
        let headers = if body.starts_with('{') { &[][..] } else { &form };
        let names = catalogue().provider(id).unwrap().event_names(headers, body.as_bytes());
        assert_eq!(names.object_id.as_deref(), object, "{id} {body}");
    }
    let stages = catalogue().provider("callpaymin").unwrap().stages().to_vec();
    assert_eq!(stages, ["call.created", "call.started", "call.ended", "call.billing.charged"]);
    assert!(catalogue().provider("stripe").unwrap().stages().is_empty());
}

/// Providers whose first scheme is a token, which says nothing of the body, or is over the fields of a form, which other bytes may
/// say too.
const NOT_OVER_BYTES: [&str; 10] = [
    "auth0",
    "cloudevents",
    "flutterwave",
    "gitlab",
    "mandrill",
    "monday",
    "okta",
    "plivo",
    "telegram",
    "twilio",
];

/// Providers whose signatures cannot be made with a text: they are in the body, over headers only they choose, or made with a private key.
const NOT_WITH_A_TEXT: [&str; 17] = [
    "apple_app_store",
    "aws_sns",
    "braintree",
    "contentful",
    "discord",
    "ebay",
    "github_secret_scanning",
    "google_chat",
    "google_pubsub",
    "linear",
    "mailgun",
    "microsoft_graph",
    "paypal",
    "plaid",
    "sendgrid",
    "telnyx",
    "wise",
];

#[test]
fn everything_a_text_can_sign_can_be_made() {
    for provider in catalogue().providers() {
        assert_eq!(
            secret_of(provider).is_none(),
            NOT_WITH_A_TEXT.contains(&provider.id()),
            "{}",
            provider.id()
        );
    }
}

/// What a damaged request is found to be, for every provider that signs bytes.
fn each_damaged(damage: impl Fn(&mut Signed, &mut String), mut look: impl FnMut(&Provider, &Verdict)) {
    for provider in catalogue().providers() {
        let Some(secret) = secret_of(provider).filter(|_| !NOT_OVER_BYTES.contains(&provider.id())) else {
            continue;
        };
        let mut signed = signed(provider, br#"{"b":"a/\u00e9","a":[1,2]}"#);
        let mut secret = secret.to_owned();
        damage(&mut signed, &mut secret);
        look(provider, &signed.verdict(AT, &[Secret::new("mine", secret)]));
    }
}

#[test]
fn a_body_that_was_changed_on_the_way_is_told_from_another_body() {
    type Change = fn(&[u8]) -> Vec<u8>;
    let changes: [(Change, &str); 5] = [
        (|body| [body, b"\n"].concat(), "a line end was added"),
        (|body| [b"\xef\xbb\xbf", body].concat(), "a byte order mark was put before it"),
        (|body| String::from_utf8_lossy(body).replace(':', ": ").into_bytes(), "JSON that was written anew"),
        (
            |body| String::from_utf8_lossy(body).replace(',', ",\n  ").into_bytes(),
            "JSON that was written anew",
        ),
        (|body| body.iter().rev().copied().collect(), "another body"),
    ];
    for (change, expected) in changes {
        let damage = |signed: &mut Signed, _: &mut String| signed.body = change(&signed.body);
        each_damaged(damage, |provider, verdict| {
            let Verdict::Invalid { reason, .. } = verdict else { panic!("{}: {verdict:?}", provider.id()) };
            assert!(reason.contains(expected), "{}: {expected}: {verdict:?}", provider.id());
        });
    }
}

#[test]
fn a_secret_in_another_form_is_named() {
    each_damaged(
        |_, secret| secret.push_str(" \n"),
        |provider, verdict| assert_eq!(short(verdict), "secret_form", "{}: {verdict:?}", provider.id()),
    );
    // Signed with the text itself as the key, though the provider's secrets are base64 of it.
    let standard = catalogue().provider("standard_webhooks").unwrap();
    let encoded = Secret::new("encoded", STANDARD.encode("c2VjcmV0"));
    let headers = standard.sign(&request(b"{}"), &encoded).unwrap();
    let undecoded = Signed { provider: standard, headers, body: b"{}".to_vec() };
    let verdict = undecoded.verdict(AT, &[Secret::new("mine", "c2VjcmV0")]);
    assert!(
        matches!(&verdict, Verdict::Invalid { reason, .. } if reason.contains("\"mine\" is the key as it is")),
        "{verdict:?}"
    );
}

#[test]
fn a_digest_written_otherwise_is_told_from_a_wrong_one() {
    let github = catalogue().provider("github").unwrap();
    let right = signed(&github, b"{}");
    let digest = String::from_utf8(right.headers[0].value.to_vec()).unwrap();
    let bare = digest.strip_prefix("sha256=").unwrap();
    let in_base64 = format!("sha256={}", STANDARD.encode(hex::decode(bare).unwrap()));
    let sha512 = {
        use hmac::{Hmac, KeyInit, Mac};
        let mut mac = Hmac::<sha2::Sha512>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(b"{}");
        format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    };
    for (value, code) in [
        (digest.to_uppercase().replace("SHA256", "sha256"), "wrong_encoding"),
        (in_base64, "wrong_encoding"),
        (bare.to_owned(), "wrong_prefix"),
        (format!("sha512={bare}"), "wrong_prefix"),
        (sha512, "other_algorithm"),
        ("sha256=00".to_owned(), "mismatch"),
        ("sha256=".to_owned(), "malformed_signature"),
    ] {
        let mut changed = signed(&github, b"{}");
        changed.headers[0].value = value.clone().into();
        let verdict = changed.verdict(AT, &[Secret::new("s", SECRET)]);
        assert_eq!(short(&verdict), code, "{value}: {verdict:?}");
    }
}

#[test]
fn another_spelling_of_the_url_is_named() {
    for id in ["square", "trello", "hubspot"] {
        let provider = catalogue().provider(id).unwrap();
        let secret = Secret::new("s", SECRET);
        let at_home =
            SignRequest { url: Some("http://relay.example:8780/in/orders-5f0c/hook?a=1"), ..request(b"{}") };
        let headers = provider.sign(&at_home, &secret).unwrap();
        for (url, code) in [
            ("https://relay.example:8780/in/orders-5f0c/hook?a=1", "other_url"),
            ("http://relay.example:8780/in/orders-5f0c/hook?a=1", "valid"),
            ("http://elsewhere.example:8780/in/orders-5f0c/hook?a=1", "mismatch"),
        ] {
            // HubSpot's first scheme is over no URL.
            let expected = if id == "hubspot" { "valid" } else { code };
            let delivery =
                Delivery { method: b"POST", url: Some(url), headers: &headers, body: b"{}", received_at: AT };
            let verdict = provider.verify(&delivery, std::slice::from_ref(&secret));
            assert_eq!(short(&verdict), expected, "{id} {url}: {verdict:?}");
        }
    }
}

/// A row of the table in docs/signatures.md.
fn table_row(provider: &Provider) -> String {
    let mut headers: Vec<&str> = Vec::new();
    for header in provider.headers_read() {
        if !headers.iter().any(|known| known.eq_ignore_ascii_case(header)) {
            headers.push(header);
        }
    }
    let headers =
        if headers.is_empty() { "in the body".to_owned() } else { format!("`{}`", headers.join("`, `")) };
    let recognised = if NOT_RECOGNISED.contains(&provider.id()) { "no" } else { "yes" };
    let docs = provider.docs();
    let name = if docs.starts_with("https://") {
        format!("[{}]({docs})", provider.name())
    } else {
        provider.name().to_owned()
    };
    format!("| `{}` | {name} | {headers} | {recognised} |", provider.id())
}

#[test]
fn the_signed_bytes_can_be_shown_and_hold_no_secret() {
    let content = |id: &str| {
        let provider = catalogue().provider(id).unwrap();
        let signed = signed(&provider, b"{\"a\":1}");
        let delivery = Delivery {
            method: b"POST",
            url: None,
            headers: &signed.headers,
            body: &signed.body,
            received_at: AT,
        };
        provider.signed_content(&delivery).map(|(scheme, bytes)| (scheme, String::from_utf8(bytes).unwrap()))
    };
    assert_eq!(content("github").unwrap().1, "{\"a\":1}");
    let (scheme, stripe) = content("stripe").unwrap();
    assert_eq!(stripe, format!("{}.{{\"a\":1}}", AT.0 / 1000));
    assert!(scheme.starts_with("stripe/"), "{scheme}");
    assert_eq!(content("gitlab"), None, "a token is over nothing");
}

#[test]
fn the_page_about_signatures_lists_every_provider() {
    let mut table = "| id | provider | read from | recognised |\n|---|---|---|---|\n".to_owned();
    for provider in catalogue().providers() {
        table += &table_row(provider);
        table.push('\n');
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/signatures.md");
    let page = std::fs::read_to_string(path).unwrap();
    for code in super::diagnose::CODES {
        assert!(page.contains(&format!("| `{code}` |")), "{code}");
    }
    assert!(page.contains(&table), "docs/signatures.md must have this table:\n{table}");
}

proptest! {
    #[test]
    fn what_a_provider_signs_it_also_accepts(body: Vec<u8>, index: proptest::sample::Index, flip: proptest::sample::Index) {
        let makers: Vec<&Arc<Provider>> = catalogue().providers().filter(|provider| secret_of(provider).is_some()).collect();
        let provider = makers[index.index(makers.len())];
        let id = provider.id();
        let mut signed = signed(provider, &body);
        let secrets = [Secret::new("signing", secret_of(provider).unwrap())];
        let verdict = signed.verdict(AT, &secrets);
        prop_assert_eq!(short(&verdict), "valid", "{}: {:?}", id, verdict);
        let other = signed.verdict(AT, &[Secret::new("other", "b3RoZXI="), Secret::new("hex", "00")]);
        prop_assert_eq!(short(&other), "mismatch", "{}", id);
        let recognised = catalogue().candidates(&signed.headers).iter().any(|found| found.id() == id);
        prop_assert_eq!(recognised, !NOT_RECOGNISED.contains(&id), "{}", id);
        if !body.is_empty() && !NOT_OVER_BYTES.contains(&id) {
            let at = flip.index(body.len());
            signed.body[at] ^= 1;
            let altered = signed.verdict(AT, &secrets);
            prop_assert_eq!(short(&altered), "mismatch", "{}", id);
        }
    }

    #[test]
    fn no_header_makes_a_check_fail_otherwise_than_by_a_verdict(
        value: Vec<u8>,
        body: Vec<u8>,
        index: proptest::sample::Index,
    ) {
        let providers: Vec<&Arc<Provider>> = catalogue().providers().collect();
        let provider = providers[index.index(providers.len())];
        let names = provider.headers_read();
        let headers: Vec<Header> =
            names.map(|name| Header { name: name.to_owned().into(), value: value.clone().into() }).collect();
        let delivery = Delivery { method: b"POST", url: None, headers: &headers, body: &body, received_at: AT };
        let verdict = provider.verify(&delivery, &[Secret::new("s", SECRET)]);
        prop_assert_ne!(short(&verdict), "valid");
    }
}

//! What every provider's signature is found to be after each kind of damage, and input that nobody sends by mistake.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use super::*;

/// A way to damage a request, and the codes that may say so.
struct Damage {
    name: &'static str,
    act: fn(&mut Signed, &mut String),
    /// The first is what is found for most; the others depend on how the provider signs.
    codes: &'static [&'static str],
}

fn each_signature(signed: &mut Signed, change: impl Fn(&str) -> String) {
    let names: Vec<String> = signed.provider.headers_read().map(str::to_ascii_lowercase).collect();
    for header in &mut signed.headers {
        let name = String::from_utf8_lossy(&header.name).to_ascii_lowercase();
        if names.iter().any(|known| name == *known || (known.ends_with('-') && name.starts_with(known))) {
            header.value = change(&String::from_utf8_lossy(&header.value)).into();
        }
    }
}

const DAMAGES: [Damage; 14] = [
    Damage { name: "line end added", act: |signed, _| signed.body.push(b'\n'), codes: &["body_changed"] },
    Damage {
        name: "byte order mark",
        act: |signed, _| signed.body.splice(0..0, *b"\xef\xbb\xbf").for_each(drop),
        codes: &["body_changed"],
    },
    Damage {
        name: "written anew with blanks",
        act: |signed, _| signed.body = String::from_utf8_lossy(&signed.body).replace(':', ": ").into_bytes(),
        codes: &["body_changed"],
    },
    Damage {
        name: "packed",
        act: |signed, _| {
            let mut packer = GzEncoder::new(Vec::new(), Compression::default());
            packer.write_all(&signed.body).unwrap();
            signed.body = packer.finish().unwrap();
        },
        codes: &["body_changed"],
    },
    Damage { name: "another body", act: |signed, _| signed.body.reverse(), codes: &["mismatch"] },
    Damage {
        name: "blank behind the secret",
        act: |_, secret| secret.push_str(" \n"),
        codes: &["secret_form"],
    },
    Damage {
        name: "another secret",
        act: |_, secret| "b3RoZXIgc2VjcmV0".clone_into(secret),
        codes: &["mismatch", "unusable_secret"],
    },
    Damage {
        name: "example secret",
        act: |_, secret| "whsec_...".clone_into(secret),
        codes: &["placeholder_secret", "mismatch", "unusable_secret"],
    },
    Damage { name: "empty secret", act: |_, secret| secret.clear(), codes: &["unusable_secret", "mismatch"] },
    Damage { name: "no headers", act: |signed, _| signed.headers.clear(), codes: &["unsigned"] },
    Damage {
        name: "garbage in the headers",
        act: |signed, _| each_signature(signed, |_| "garbage".to_owned()),
        codes: &["mismatch", "malformed_signature", "malformed_time", "malformed_part", "missing_part"],
    },
    Damage {
        name: "empty headers",
        act: |signed, _| each_signature(signed, |_| String::new()),
        codes: &["malformed_signature", "unsigned", "malformed_part", "missing_part"],
    },
    Damage {
        name: "the last letter of each header",
        act: |signed, _| {
            each_signature(signed, |value| {
                let mut value = value.to_owned();
                let last = value.pop();
                value + if last == Some('0') { "1" } else { "0" }
            });
        },
        codes: &[
            "mismatch",
            "malformed_signature",
            "malformed_time",
            "malformed_part",
            "wrong_encoding",
            "stale",
        ],
    },
    Damage {
        name: "half of each header",
        act: |signed, _| each_signature(signed, |value| value[..value.len() / 2].to_owned()),
        codes: &[
            "mismatch",
            "malformed_signature",
            "malformed_time",
            "malformed_part",
            "missing_part",
            "stale",
        ],
    },
];

#[test]
fn every_damage_of_every_provider_has_its_code() {
    for damage in &DAMAGES {
        let mut first = 0;
        each_damaged(damage.act, |provider, verdict| {
            let code = short(verdict);
            assert!(damage.codes.contains(&code), "{}: {}: {verdict:?}", provider.id(), damage.name);
            first += usize::from(code == damage.codes[0]);
        });
        assert!(first > 0, "{}", damage.name);
    }
}

#[test]
fn a_request_that_waited_is_stale_where_the_provider_says_how_long_is_too_long() {
    let mut stale = Vec::new();
    let late = UnixMillis(AT.0 + 86_400_000);
    for provider in catalogue().providers() {
        let Some(secret) = secret_of(provider) else { continue };
        let verdict = signed(provider, b"{}").verdict(late, &[Secret::new("s", secret)]);
        assert!(["stale", "valid", "expired"].contains(&short(&verdict)), "{}: {verdict:?}", provider.id());
        if short(&verdict) != "valid" {
            stale.push(provider.id().to_owned());
        }
    }
    for id in ["stripe", "slack", "standard_webhooks", "hubspot", "qstash", "rfc9421"] {
        let is_stale = stale.iter().any(|stale| stale == id);
        // HubSpot's first version has no time.
        assert_eq!(is_stale, id != "hubspot", "{id}");
    }
}

#[test]
fn another_provider_and_a_field_of_a_form_are_told() {
    let github = catalogue().provider("github").unwrap();
    let of_github = signed(&github, b"{}");
    let asked_for_stripe = Signed { provider: catalogue().provider("stripe").unwrap(), ..of_github };
    let verdict = asked_for_stripe.verdict(AT, &[Secret::new("s", SECRET)]);
    assert!(
        matches!(&verdict, Verdict::Invalid { code, reason, .. } if code == "other_provider" && reason.contains("GitHub")),
        "{verdict:?}"
    );
    let unknown = asked_for_stripe.verdict(AT, &[Secret::new("s", "another")]);
    assert_eq!(short(&unknown), "unsigned", "nothing says that it is GitHub's own");

    let mut form = signed(&github, b"{\"a\":1}");
    form.body = b"payload=%7B%22a%22%3A1%7D".to_vec();
    let verdict = form.verdict(AT, &[Secret::new("s", SECRET)]);
    assert!(
        matches!(&verdict, Verdict::Invalid { code, reason, .. } if code == "form_field" && reason.contains("payload")),
        "{verdict:?}"
    );
}

#[test]
fn another_url_is_told_by_every_provider_that_signs_it() {
    let mut told = Vec::new();
    for provider in catalogue().providers() {
        let Some(secret) = secret_of(provider) else { continue };
        let signed = signed(provider, b"a=1");
        for other in
            ["http://relay.example/in/orders-5f0c/hook?a=1", "https://relay.example/in/orders-5f0c/hook"]
        {
            let delivery = Delivery {
                method: b"POST",
                url: Some(other),
                headers: &signed.headers,
                body: &signed.body,
                received_at: AT,
            };
            let verdict = provider.verify(&delivery, &[Secret::new("s", secret)]);
            if short(&verdict) == "other_url" {
                told.push(provider.id().to_owned());
            }
        }
    }
    for id in ["square", "twilio", "trello", "monday", "qstash"] {
        assert!(told.iter().any(|told| told == id), "{id}: {told:?}");
    }
}

#[test]
fn only_a_body_that_json_would_write_otherwise_is_warned_about() {
    let stripe = catalogue().provider("stripe").unwrap();
    assert!(stripe.needs_raw_body(b"{\n  \"a\": 1\n}"));
    assert!(!stripe.needs_raw_body(b"{\"a\":1}"));
    assert!(!stripe.needs_raw_body(b"no JSON"));
    assert!(
        !catalogue().provider("telegram").unwrap().needs_raw_body(b"{ }"),
        "its token says nothing of the body"
    );
}

/// Garbage of every kind in every header that is read, for every provider: a verdict, and soon.
#[test]
fn hostile_headers_get_a_verdict() {
    let many = |one: &str, count: usize| vec![one; count].join(",");
    let long = "a".repeat(64 * 1024);
    let values: Vec<Vec<u8>> = vec![
        many("v1=00", 10_000).into_bytes(),
        many("t=1", 10_000).into_bytes(),
        vec!["v1,AAAA"; 10_000].join(" ").into_bytes(),
        many("sig1=:AAAA:", 10_000).into_bytes(),
        many("sig=(\"@method\" \"@path\")", 3000).into_bytes(),
        long.into_bytes(),
        b"\0\0\0".to_vec(),
        b"\xff\xfe\x80".to_vec(),
        b"t=99999999999999999999999999,v1=00".to_vec(),
        b"-1".to_vec(),
        b"18446744073709551616".to_vec(),
        b"eyJhbGciOiJIUzI1NiJ9.e30.".to_vec(),
        b"eyJhbGciOiJub25lIn0.e30.".to_vec(),
        b"....".to_vec(),
        b"=".repeat(60_000),
        b"sha256=".to_vec(),
        b"sha256=zz".to_vec(),
        b"9999-99-99T99:99:99Z".to_vec(),
        b"Fri, 99 Foo 9999 99:99:99 GMT".to_vec(),
    ];
    let keys = [
        SECRET,
        "-----BEGIN PUBLIC KEY-----\nnot a key\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "{\"keys\":[]}",
        "{\"kty\":\"EC\"}",
        "\0",
    ];
    let secrets: Vec<Secret> = keys.iter().map(|key| Secret::new("s", *key)).collect();
    for provider in catalogue().providers() {
        for value in &values {
            let headers: Vec<Header> = provider
                .headers_read()
                .map(|name| Header { name: name.to_owned().into(), value: value.clone().into() })
                .collect();
            let body = &value[..value.len().min(64)];
            let url = Some("https://relay.example/in/x?a=1");
            let delivery = Delivery { method: b"POST", url, headers: &headers, body, received_at: AT };
            let verdict = provider.verify(&delivery, &secrets);
            assert_ne!(short(&verdict), "valid", "{}: {value:?}", provider.id());
        }
    }
}

#[test]
fn a_megabyte_is_signed_and_checked_and_no_byte_of_it_may_change() {
    let body: Vec<u8> = (0..1 << 20).map(|at: u32| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for id in ["github", "stripe", "standard_webhooks", "netlify", "rfc9421", "cloudinary"] {
        let provider = catalogue().provider(id).unwrap();
        let secrets = [Secret::new("s", secret_of(&provider).unwrap())];
        let mut signed = signed(&provider, &body);
        assert_eq!(short(&signed.verdict(AT, &secrets)), "valid", "{id}");
        for at in [0, 1 << 19, (1 << 20) - 1] {
            signed.body[at] ^= 1;
            assert_eq!(short(&signed.verdict(AT, &secrets)), "mismatch", "{id}: byte {at}");
            signed.body[at] ^= 1;
        }
    }
}

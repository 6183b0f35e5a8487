//! A signature beside what the secrets would have made of the request.

use super::*;

/// The digests of a vector, by the scheme of its verdict.
fn digests(vector: &Vector, secrets: &[Secret]) -> Option<(String, Option<Digests>)> {
    let provider = catalogue().provider(&vector.provider).unwrap();
    let (headers, body) = (vector.headers(), vector.body());
    let received_at = UnixMillis((vector.now * 1000.0).round() as u64);
    let method = vector.method.as_bytes();
    let delivery = Delivery { method, url: Some(&vector.url), headers: &headers, body: &body, received_at };
    let (Verdict::Valid { scheme, .. } | Verdict::Invalid { scheme, .. }) =
        provider.verify(&delivery, &vector.secrets())
    else {
        return None;
    };
    Some((scheme.clone(), provider.digests(&scheme, &delivery, secrets)))
}

fn is_shared(scheme: &str, vector: &Vector) -> bool {
    let provider = catalogue().provider(&vector.provider).unwrap();
    provider.shared_secret_schemes().any(|shared| shared == scheme)
}

#[test]
fn the_right_secret_makes_what_was_received_and_another_one_does_not() {
    let mut told = 0;
    for vector in vectors().iter().filter(|vector| vector.verdict == "valid") {
        let Some((scheme, Some(found))) = digests(vector, &vector.secrets()) else { continue };
        assert!(is_shared(&scheme, vector), "{}", vector.id);
        assert_eq!(found.scheme, scheme);
        let same = |one: &String, other: &String| {
            one.trim_end_matches('=').eq_ignore_ascii_case(other.trim_end_matches('='))
        };
        let made = |found: &Digests| {
            found
                .received
                .iter()
                .any(|received| found.expected.iter().any(|expected| same(received, &expected.digest)))
        };
        // Twilio takes a URL with and without its port; what is made is of the URL as it is.
        assert!(made(&found) || vector.provider == "twilio", "{}: {:?}", vector.id, found.received);
        let (_, other) = digests(vector, &[Secret::new("other", "b3RoZXIgc2VjcmV0")]).unwrap();
        assert!(other.is_none_or(|other| !made(&other)), "{}", vector.id);
        told += 1;
    }
    assert!(told > 60, "{told}");
}

#[test]
fn where_the_expected_digest_would_be_the_secret_or_a_key_nothing_is_told() {
    for vector in vectors() {
        if let Some((scheme, found)) = digests(&vector, &vector.secrets())
            && !is_shared(&scheme, &vector)
        {
            assert!(found.is_none(), "{}", vector.id);
        }
    }
}

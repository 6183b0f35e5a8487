//! Signatures that are wrong on purpose, so that a handler can be seen to refuse them.

use super::{Delivery, Provider, Secret, SignError, SignRequest, Verdict};
use crate::event::{Header, UnixMillis};

/// How a signature is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is of the right form and over other bytes.
    Digest,
    /// It is right, and older than the provider's own tolerance.
    Time,
    /// It is not there.
    Missing,
}

/// How much older than tolerated a signature with an old time is: an hour, far beyond clocks that differ.
const TOO_OLD_SECONDS: u64 = 3600;

impl Provider {
    /// The headers as [`Provider::sign`] makes them, with a signature that this provider's check refuses; none for [`Flaw::Missing`].
    ///
    /// # Errors
    /// As [`Provider::sign`], and when the provider's signatures cannot be wrong in this way.
    pub fn sign_with_flaw(
        &self,
        request: &SignRequest<'_>,
        secret: &Secret,
        flaw: Flaw,
    ) -> Result<Vec<Header>, SignError> {
        let (headers, received_at) = match flaw {
            Flaw::Missing => return Ok(Vec::new()),
            Flaw::Digest => (self.with_wrong_digest(request, secret)?, request.at),
            Flaw::Time => {
                let tolerated = self.scheme.iter().find_map(|rule| rule.ts.as_ref()?.past);
                let tolerated = tolerated.ok_or(SignError::NoTime)?;
                let age_ms = tolerated.saturating_add(TOO_OLD_SECONDS).saturating_mul(1000);
                let old = SignRequest { at: UnixMillis(request.at.0.saturating_sub(age_ms)), ..*request };
                (self.sign(&old, secret)?, request.at)
            }
        };
        let delivery = Delivery {
            method: request.method,
            url: request.url,
            headers: &headers,
            body: request.body,
            received_at,
        };
        match (flaw, self.verify_within(&delivery, std::slice::from_ref(secret), None)) {
            (_, Verdict::Valid { .. }) | (Flaw::Digest, Verdict::Unsigned) => Err(SignError::NotWrong),
            _ => Ok(headers),
        }
    }

    /// Signed right, and then a letter of what looks most like a digest is another one.
    fn with_wrong_digest(
        &self,
        request: &SignRequest<'_>,
        secret: &Secret,
    ) -> Result<Vec<Header>, SignError> {
        let mut headers = self.sign(request, secret)?;
        let names: Vec<&str> = self.signature_headers().collect();
        for header in headers.iter_mut().filter(|header| names.iter().any(|name| header.is(name))) {
            header.value = other_digest(&header.value).into();
        }
        Ok(headers)
    }
}

/// The value with another letter in the middle of its last longest run of letters and digits: hex stays hex and base64 base64.
fn other_digest(value: &[u8]) -> Vec<u8> {
    let mut changed = value.to_vec();
    let mut longest = 0..0;
    let mut start = 0;
    for at in 0..=value.len() {
        if value.get(at).is_some_and(u8::is_ascii_alphanumeric) {
            continue;
        }
        if at - start >= longest.len() {
            longest = start..at;
        }
        start = at + 1;
    }
    if let Some(letter) = changed.get_mut(longest.start + longest.len() / 2) {
        *letter = match *letter {
            b'0'..=b'8' | b'a'..=b'e' | b'A'..=b'E' => *letter + 1,
            b'9' => b'0',
            b'F'..=b'Z' => b'A',
            _ => b'a',
        };
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::catalogue;

    const BODY: &[u8] = br#"{"id":"evt_1","type":"charge.failed"}"#;

    fn request() -> SignRequest<'static> {
        SignRequest {
            method: b"POST",
            url: Some("https://relay.example/in/orders-5f0c"),
            body: BODY,
            at: UnixMillis(1_763_970_070_000),
            id: Some("msg_1"),
            event_type: Some("charge.failed"),
        }
    }

    fn verdict(provider: &Provider, headers: &[Header], secret: &Secret) -> Verdict {
        let SignRequest { method, url, body, at, .. } = request();
        provider
            .verify(&Delivery { method, url, headers, body, received_at: at }, std::slice::from_ref(secret))
    }

    #[test]
    fn a_flaw_is_refused_for_its_own_reason() {
        let secret = Secret::new("s", "whsec_c2VjcmV0");
        for name in ["stripe", "standard_webhooks", "slack", "github", "shopify", "gitlab"] {
            let provider = catalogue().provider(name).unwrap();
            let right = provider.sign(&request(), &secret).unwrap();
            assert!(matches!(verdict(&provider, &right, &secret), Verdict::Valid { .. }), "{name}");
            let wrong = provider.sign_with_flaw(&request(), &secret, Flaw::Digest).unwrap();
            assert_eq!(wrong.len(), right.len());
            assert!(matches!(verdict(&provider, &wrong, &secret), Verdict::Invalid { .. }), "{name}");
            assert_eq!(provider.sign_with_flaw(&request(), &secret, Flaw::Missing), Ok(Vec::new()));
        }
        for name in ["stripe", "standard_webhooks", "slack"] {
            let provider = catalogue().provider(name).unwrap();
            let old = provider.sign_with_flaw(&request(), &secret, Flaw::Time).unwrap();
            assert!(matches!(verdict(&provider, &old, &secret), Verdict::Stale { .. }), "{name}");
        }
        let github = catalogue().provider("github").unwrap();
        assert_eq!(github.sign_with_flaw(&request(), &secret, Flaw::Time), Err(SignError::NoTime));
    }

    #[test]
    fn every_provider_refuses_the_flaws_it_can_have() {
        let secret = Secret::new("s", "whsec_c2VjcmV0");
        let mut made = 0;
        for provider in catalogue().providers() {
            for flaw in [Flaw::Digest, Flaw::Time] {
                let Ok(headers) = provider.sign_with_flaw(&request(), &secret, flaw) else { continue };
                let verdict = verdict(provider, &headers, &secret);
                assert!(!matches!(verdict, Verdict::Valid { .. }), "{}: {flaw:?}", provider.id());
                made += 1;
            }
        }
        assert!(made > 60, "{made}");
    }

    #[test]
    fn one_letter_of_the_digest_changes() {
        for (value, changed) in [
            ("t=1763970070,v1=00112233445566778899", "t=1763970070,v1=00112233446566778899"),
            ("v1,K5oZ/fzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9N=", "v1,K5oZ/fzN95Z9UVu1EsfQafVNQhnkZ2pj9o9N="),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(other_digest(value.as_bytes())).unwrap(), changed);
        }
    }
}

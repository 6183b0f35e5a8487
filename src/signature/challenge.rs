//! The questions providers ask an endpoint before they send to it: Slack's `url_verification`, Meta's `hub.challenge`, and their like.
//!
//! The rows are data, in `challenge.toml`. Those that need no secret can be answered by a relay, the others by who has the secrets.

use std::{cell::LazyCell, collections::BTreeMap, sync::LazyLock};

use aho_corasick::packed::Searcher;
use memchr::memmem;
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::{
    Delivery, Secret, Verdict,
    catalogue::catalogue,
    check::Variable,
    rule::{Algorithm, Encoding, Key, Selector, Source},
    select::{Request, is_word},
};
use crate::event::Header;

/// Longest text that is given back.
const ECHO_MAX_BYTES: usize = 4096;

static CHALLENGES: LazyLock<Vec<Challenge>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rows {
        challenge: Vec<Challenge>,
    }
    let mut rows: Rows = toml::from_str(include_str!("challenge.toml"))
        .expect("the challenges are part of the program, and a test reads them");
    for challenge in &mut rows.challenge {
        challenge.telltale = challenge.longest_word().map(str::to_owned);
    }
    rows.challenge
});

/// Finds the words that questions asked in a body have; absent on a processor for which the search is not made.
static TELLTALES: LazyLock<Option<Searcher>> =
    LazyLock::new(|| Searcher::new(CHALLENGES.iter().filter_map(|challenge| challenge.telltale.as_deref())));

/// Whether a body may be a question: it has such a word, or letters written as escapes, which may be one.
fn is_telling(body: &[u8]) -> bool {
    TELLTALES.as_ref().is_none_or(|words| words.find(body).is_some()) || memmem::find(body, b"\\u").is_some()
}

/// One question and how it is answered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    provider: String,
    #[serde(default)]
    unspecific: bool,
    method: String,
    #[serde(default)]
    when: Vec<Sign>,
    #[serde(default)]
    absent: Vec<Source>,
    #[serde(default)]
    vars: BTreeMap<String, Selector>,
    #[serde(default = "ok")]
    status: u16,
    r#type: Option<String>,
    body: Option<String>,
    #[serde(default)]
    json: BTreeMap<String, Member>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    mac: Option<Mac>,
    digest: Option<String>,
    token: Option<Source>,
    #[serde(default)]
    signed: bool,
    /// A word that is in the body of every such question, if its letters are written as they are.
    #[serde(skip)]
    telltale: Option<String>,
}

/// What tells that a request is the question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sign {
    from: Source,
    equals: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Member {
    Text(String),
    Number(u64),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mac {
    of: String,
    #[serde(default)]
    alg: Algorithm,
    #[serde(default)]
    enc: Encoding,
}

/// The answer to a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeAnswer {
    /// The status code.
    pub status: u16,
    /// Every header but those of the framing.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Vec<u8>,
}

fn ok() -> u16 {
    200
}

/// The challenge a request is, if it is one.
pub fn challenge(delivery: &Delivery<'_>) -> Option<&'static Challenge> {
    let request = Request::new(delivery);
    // Every webhook is asked, and hardly one is a question: most have none of the words.
    let is_telling = LazyCell::new(|| is_telling(delivery.body));
    let may_be = |challenge: &Challenge| challenge.telltale.is_none() || *is_telling;
    CHALLENGES.iter().find(|challenge| {
        challenge.method.as_bytes() == delivery.method && may_be(challenge) && challenge.is(&request)
    })
}

/// Parameters of queries that hold a secret: the tokens by which endpoints know who asks.
pub fn token_parameters() -> impl Iterator<Item = &'static str> {
    CHALLENGES.iter().filter_map(|challenge| match &challenge.token {
        Some(Source::Query(name)) => Some(name.as_str()),
        Some(Source::Header(_) | Source::Numbered(_) | Source::Json(_) | Source::Form(_)) | None => None,
    })
}

impl Challenge {
    /// Who asks: the id of a provider, which need not be one whose signatures are known.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Whether nobody else asks so.
    pub fn is_specific(&self) -> bool {
        !self.unspecific
    }

    /// Whether the answer takes a secret.
    pub fn needs_secret(&self) -> bool {
        self.mac.is_some() || self.digest.is_some() || self.token.is_some() || self.signed
    }

    /// The answer; none when it takes a secret and there is none.
    pub fn answer(&self, delivery: &Delivery<'_>, secrets: &[Secret]) -> Option<ChallengeAnswer> {
        if self.needs_secret() && secrets.is_empty() {
            return None;
        }
        let request = Request::new(delivery);
        let plain = |status| ChallengeAnswer { status, headers: Vec::new(), body: Vec::new() };
        if let Some(place) = &self.token {
            let given = Selector::first_of(vec![place.clone()]).read_one(&request).unwrap_or_default();
            if !secrets.iter().any(|secret| bool::from(secret.text.as_bytes().ct_eq(&given))) {
                return Some(plain(403));
            }
        }
        if self.signed {
            let provider = catalogue().provider(&self.provider)?;
            if !matches!(provider.verify(delivery, secrets), Verdict::Valid { .. }) {
                return Some(plain(401));
            }
        }
        let mut values = self.values(&request)?;
        if let Some(Mac { of, alg, enc }) = &self.mac {
            let key = Key::read(&[], &self.shared_secret(secrets)?.text).ok()?;
            let mac = enc.encode(&alg.mac(&key.bytes, &[filled(of, &values).into_bytes().into()]));
            values.push(("mac", mac.into_bytes()));
        }
        if let Some(text) = &self.digest {
            let url = delivery.url?;
            values.push(("secret", self.shared_secret(secrets)?.text.clone().into_bytes()));
            values.push(("url.base", url.split('?').next().unwrap_or_default().as_bytes().to_vec()));
            let digest = hex::encode(Algorithm::Sha256.digest(&[filled(text, &values).into_bytes().into()]));
            values.retain(|(name, _)| *name != "secret");
            values.push(("digest", digest.into_bytes()));
        }
        Some(self.written(&values))
    }

    /// The first secret that is no key in PEM: a public key answers no challenge.
    fn shared_secret<'s>(&self, secrets: &'s [Secret]) -> Option<&'s Secret> {
        secrets.iter().find(|secret| !secret.text.contains("-----BEGIN"))
    }

    fn is(&self, request: &Request<'_>) -> bool {
        let read = |source: &Source| request.values(source).into_iter().find(|value| !value.is_empty());
        self.may_be(request)
            && self.when.iter().all(|sign| match (read(&sign.from), &sign.equals) {
                (Some(found), Some(expected)) => found == expected.as_bytes(),
                (found, None) => found.is_some(),
                (None, Some(_)) => false,
            })
            && self.absent.iter().all(|source| read(source).is_none())
            && self.values(request).is_some()
    }

    /// The longest word that is in the body of every such question; none for questions that a header tells.
    fn longest_word(&self) -> Option<&str> {
        fn of_sign(sign: &Sign) -> Option<&str> {
            match (&sign.from, &sign.equals) {
                (Source::Json(_), Some(text)) if is_word(text) => Some(text),
                (from, _) => from.member(),
            }
        }
        if self.when.iter().any(|sign| matches!(sign.from, Source::Header(_))) {
            return None;
        }
        let signs = self.when.iter().filter_map(of_sign);
        let values = self.vars.values().filter_map(|var| match var.from.as_slice() {
            [from] if var.default.is_none() => from.member(),
            _ => None,
        });
        signs.chain(values).max_by_key(|word| word.len())
    }

    /// Tells most requests apart without reading their bodies as JSON: every webhook is asked, and hardly one is a question.
    fn may_be(&self, request: &Request<'_>) -> bool {
        let has_header = |name: &str| request.delivery.headers.iter().any(|header| header.is(name));
        let in_head = |source: &Source| !matches!(source, Source::Header(name) if !has_header(name));
        let in_body = |source: &Source| !matches!(source, Source::Json(at) if !request.may_have(at));
        let has_any =
            |var: &Selector, has: &dyn Fn(&Source) -> bool| var.default.is_some() || var.from.iter().any(has);
        self.when.iter().all(|sign| in_head(&sign.from))
            && self.vars.values().all(|var| has_any(var, &in_head))
            && self.when.iter().all(|sign| in_body(&sign.from))
            && self.vars.values().all(|var| has_any(var, &in_body))
    }

    /// The values of `vars`, if they are all there and not too long.
    fn values(&self, request: &Request<'_>) -> Option<Vec<Variable<'_>>> {
        self.vars
            .iter()
            .map(|(name, selector)| {
                let value = selector.read_one(request).ok().filter(|value| value.len() <= ECHO_MAX_BYTES)?;
                Some((name.as_str(), value))
            })
            .collect()
    }

    fn written(&self, values: &[Variable<'_>]) -> ChallengeAnswer {
        let header = |name: &str, value: String| Header { name: name.to_owned().into(), value: value.into() };
        let mut headers: Vec<Header> =
            self.headers.iter().map(|(name, text)| header(name, filled(text, values))).collect();
        let json: Map<String, Value> = self
            .json
            .iter()
            .map(|(name, member)| {
                let value = match member {
                    Member::Text(text) => Value::String(filled(text, values)),
                    Member::Number(number) => Value::from(*number),
                };
                (name.clone(), value)
            })
            .collect();
        let body = match &self.body {
            Some(text) => filled(text, values),
            None if json.is_empty() => String::new(),
            None => Value::Object(json).to_string(),
        };
        let media_type = self.r#type.as_deref().or((!self.json.is_empty()).then_some("application/json"));
        if let Some(media_type) = media_type {
            headers.push(header("Content-Type", media_type.to_owned()));
            // What is given back is text of somebody unknown, and no page.
            headers.push(header("X-Content-Type-Options", "nosniff".to_owned()));
        }
        // What is given back in a header must be one line.
        headers.retain(|header| !header.value.iter().any(u8::is_ascii_control));
        ChallengeAnswer { status: self.status, headers, body: body.into_bytes() }
    }
}

/// A text with values in place of their names in braces.
fn filled(text: &str, values: &[Variable<'_>]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        out.push_str(before);
        let value = values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_slice());
        out.push_str(&String::from_utf8_lossy(value.unwrap_or_default()));
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::event::UnixMillis;

    /// A question whose answer is known, from the provider's documentation or its own code.
    #[derive(Deserialize)]
    struct Vector {
        id: String,
        provider: String,
        method: String,
        url: String,
        headers: BTreeMap<String, String>,
        body: String,
        secrets: Vec<String>,
        status: u16,
        answer: Option<String>,
        json: Option<Value>,
        answer_headers: BTreeMap<String, String>,
    }

    fn headers(of: &BTreeMap<String, String>) -> Vec<Header> {
        of.iter()
            .map(|(name, value)| Header { name: name.clone().into(), value: value.clone().into() })
            .collect()
    }

    #[test]
    fn every_question_gets_its_answer() {
        let text = include_str!("../../assets/signature-vectors/challenges.json");
        let vectors: Vec<Vector> = serde_json::from_str(text).unwrap();
        let mut seen = BTreeSet::new();
        for vector in vectors {
            let id = &vector.id;
            let headers = headers(&vector.headers);
            let received_at = UnixMillis(1_700_000_000_000);
            let delivery = Delivery {
                method: vector.method.as_bytes(),
                url: Some(&vector.url),
                headers: &headers,
                body: vector.body.as_bytes(),
                received_at,
            };
            let found = challenge(&delivery).unwrap_or_else(|| panic!("{id} is not recognised"));
            assert_eq!(found.provider(), vector.provider, "{id}");
            seen.insert(found.provider());
            let secrets: Vec<Secret> =
                vector.secrets.iter().map(|text| Secret::new("s", text.as_str())).collect();
            let answer = found.answer(&delivery, &secrets).unwrap_or_else(|| panic!("{id} has no answer"));
            assert_eq!(answer.status, vector.status, "{id}");
            if let Some(text) = &vector.answer {
                assert_eq!(String::from_utf8_lossy(&answer.body), *text, "{id}");
            }
            if let Some(json) = &vector.json {
                assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), *json, "{id}");
            }
            for (name, value) in &vector.answer_headers {
                let header = answer.headers.iter().find(|header| header.is(name));
                assert_eq!(header.map(|header| &header.value[..]), Some(value.as_bytes()), "{id}: {name}");
            }
            assert_eq!(found.answer(&delivery, &[]).is_none(), found.needs_secret(), "{id}");
        }
        for row in CHALLENGES.iter() {
            assert!(seen.contains(row.provider()), "{}", row.provider());
            let page = include_str!("../../docs/signatures.md");
            assert!(page.contains(&format!("| `{}` |", row.provider())), "{}", row.provider());
        }
    }

    #[test]
    fn a_question_is_told_however_its_letters_are_written() {
        let ask = |body: &str| {
            let delivery = Delivery {
                method: b"POST",
                url: Some("https://relay/in/a"),
                headers: &[],
                body: body.as_bytes(),
                received_at: UnixMillis(0),
            };
            challenge(&delivery).map(Challenge::provider)
        };
        assert_eq!(ask(r#"{"type":"url_verification","challenge":"c"}"#), Some("slack"));
        assert_eq!(ask(r#"{"type":"url_verification","\u0063hallenge":"c"}"#), Some("slack"));
        assert_eq!(ask(r#"{"type":"url_verification","data":"c"}"#), None);
    }

    #[test]
    fn an_event_is_no_question_and_nothing_gets_into_a_header() {
        let ask = |method: &str, url: &str, header: Option<(&str, &str)>, body: &str| {
            let headers: Vec<Header> = header
                .map(|(name, value)| Header { name: name.to_owned().into(), value: value.to_owned().into() })
                .into_iter()
                .collect();
            let delivery = Delivery {
                method: method.as_bytes(),
                url: Some(url),
                headers: &headers,
                body: body.as_bytes(),
                received_at: UnixMillis(0),
            };
            challenge(&delivery).and_then(|found| found.answer(&delivery, &[]))
        };
        let url = "https://relay.example/in/x";
        assert_eq!(ask("POST", url, None, r#"{"type":"event_callback","challenge":"c"}"#), None);
        assert_eq!(ask("POST", url, None, "{}"), None);
        assert_eq!(ask("GET", url, None, ""), None);
        assert_eq!(ask("GET", &format!("{url}?challenge={}", "x".repeat(5000)), None, ""), None);
        let answer = ask("POST", url, Some(("X-Hook-Secret", "a\r\nSet-Cookie: b")), "{}").unwrap();
        assert!(answer.headers.is_empty(), "{answer:?}");
        let page = ask("GET", &format!("{url}?challenge=%3Cscript%3E"), None, "").unwrap();
        assert_eq!(page.body, b"<script>");
        assert!(
            page.headers.iter().any(|header| header.is("content-type") && &header.value[..] == b"text/plain")
        );
    }
}

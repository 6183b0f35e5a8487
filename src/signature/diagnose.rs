//! Why a signature does not match: what people get wrong, tried one after the other, until one of them would make it match.
//!
//! Tried only after a mismatch, on bodies of bounded size, with each secret in turn; what is found is said, never accepted.

use std::{borrow::Cow, io::Read};

use flate2::read::GzDecoder;
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::{
    Delivery, Secret,
    check::{Variable, Wrong, fits, make, matches},
    content::{content, escaped},
    rule::{Algorithm, Encoding, Key, KeyStep, Kind, Known, Piece, Rule},
    select::Request,
};

/// Largest body that is tried in other forms.
const BODY_MAX_BYTES: usize = 256 * 1024;

/// Longest name of a field that is shown.
const NAME_SHOWN_CHARS: usize = 100;

/// What is said of a secret that fits once it is trimmed.
const SURROUNDED: &str = "has white space around it that does not belong to it";

/// Most secrets and most signatures that are tried.
const TRIED_MAX: usize = 8;

/// Longest signature that is read in other ways.
const SIGNATURE_MAX_BYTES: usize = 4 * 1024;

/// Everything a diagnosis looks at.
pub(super) struct Case<'a> {
    rule: &'a Rule,
    request: &'a Request<'a>,
    signatures: Vec<Vec<u8>>,
    variables: &'a [Variable<'a>],
    secrets: &'a [Secret],
}

/// The codes of what is found here: an invalid signature with one of them is explained.
pub(super) const CODES: [&str; 13] = [
    "wrong_encoding",
    "wrong_prefix",
    "secret_form",
    "other_algorithm",
    "body_changed",
    "other_url",
    "expired",
    "claim",
    "body_not_covered",
    "form_field",
    "other_provider",
    "other_secret",
    "placeholder_secret",
];

/// The first mistake that explains the mismatch.
pub(super) fn diagnose(case: &Case<'_>) -> Option<Wrong> {
    if case.rule.kind == Kind::Token {
        return token(case);
    }
    if case.signatures.is_empty() {
        return None;
    }
    let secrets = || case.secrets.iter();
    if case.rule.kind.is_public() {
        let keys = || secrets().filter_map(|secret| Key::read(&case.rule.key, &secret.text).ok());
        return keys().find_map(|key| body(case, &key));
    }
    fn own<'s>(case: &Case<'_>, secret: &'s Secret) -> Option<Key<'s>> {
        Key::read(&case.rule.key, &secret.text).ok()
    }
    secrets()
        .find_map(|secret| encoding(case, &own(case, secret)?))
        .or_else(|| secrets().find_map(|secret| secret_form(case, secret)))
        .or_else(|| secrets().find_map(|secret| algorithm(case, &own(case, secret)?)))
        .or_else(|| secrets().find_map(|secret| body(case, &own(case, secret)?)))
        .or_else(|| secrets().find_map(|secret| url(case, &own(case, secret)?)))
        .or_else(|| secrets().find_map(placeholder))
}

impl<'a> Case<'a> {
    /// Of many secrets and signatures, the first few; of signatures, those that are not too long to be one.
    pub(super) fn new(
        rule: &'a Rule,
        request: &'a Request<'a>,
        signatures: &[Vec<u8>],
        variables: &'a [Variable<'a>],
        secrets: &'a [Secret],
    ) -> Self {
        let short = signatures.iter().filter(|signature| signature.len() <= SIGNATURE_MAX_BYTES);
        let signatures = short.take(TRIED_MAX).cloned().collect();
        Self { rule, request, signatures, variables, secrets: &secrets[..secrets.len().min(TRIED_MAX)] }
    }

    /// Whether a key would make one of the signatures.
    fn fits(&self, request: &Request<'_>, key: &Key<'_>) -> bool {
        fits(self.rule, request, &self.signatures, self.variables, key)
    }

    /// Whether the content names something of the request.
    fn signs(&self, known: Known) -> bool {
        self.rule.content.iter().flat_map(|template| &template.0).any(|piece| *piece == Piece::Known(known))
    }
}

fn wrong(code: &'static str, reason: impl Into<String>) -> Option<Wrong> {
    Some(Wrong { code, reason: reason.into() })
}

/// The token with white space around it.
fn token(case: &Case<'_>) -> Option<Wrong> {
    let mut pairs =
        case.secrets.iter().flat_map(|secret| case.signatures.iter().map(move |token| (secret, token)));
    pairs.find_map(|(secret, token)| {
        let same = secret.text.as_bytes().trim_ascii().ct_eq(token.trim_ascii());
        bool::from(same).then(|| surrounded(secret))
    })
}

/// The right digest, written in another way.
fn encoding(case: &Case<'_>, key: &Key<'_>) -> Option<Wrong> {
    let made: Vec<Vec<u8>> = case
        .rule
        .content
        .iter()
        .map(|template| make(case.rule, template, case.request, case.variables, key))
        .collect();
    case.signatures.iter().find_map(|signature| {
        let text = String::from_utf8_lossy(signature);
        let written = |text: &str| {
            [(Encoding::Hex, "hex"), (Encoding::Base64, "base64")].into_iter().find(|(encoding, _)| {
                let digest = encoding.decode(text.as_bytes()).filter(|digest| !digest.is_empty());
                digest.is_some_and(|digest| made.iter().any(|made| bool::from(made.ct_eq(&digest))))
            })
        };
        let expected = match case.rule.enc {
            Encoding::Hex => "lower-case hex",
            Encoding::Base64 => "base64",
            Encoding::Base64url => "base64 for URLs, without padding",
        };
        if let Some((encoding, name)) = written(&text) {
            let name = match (encoding, case.rule.enc) {
                (Encoding::Hex, _) if text.bytes().any(|byte| byte.is_ascii_uppercase()) => "upper-case hex",
                (Encoding::Base64, Encoding::Base64) => "base64 for URLs, or without padding",
                (Encoding::Hex | Encoding::Base64 | Encoding::Base64url, _) => name,
            };
            let reason =
                format!("the digest is right, and written as {name} where this provider writes {expected}");
            return wrong("wrong_encoding", reason);
        }
        // It may stand behind a beginning, or among other parts, that this provider does not write.
        text.split(['=', ',', ' ', ';']).find_map(written).and_then(|_| {
            wrong("wrong_prefix", "the digest is right, and has a beginning this provider does not write")
        })
    })
}

/// A right digest where no signature of the provider's form is: without its prefix, or under another name.
pub(super) fn misplaced(case: &Case<'_>) -> Option<Wrong> {
    let mut keys = case.secrets.iter().filter_map(|secret| Key::read(&case.rule.key, &secret.text).ok());
    keys.find_map(|key| {
        encoding(case, &key)?;
        wrong(
            "wrong_prefix",
            "the digest is right, and has not the beginning this provider writes, such as `v1=`",
        )
    })
}

/// Another reading of the secret.
fn secret_form(case: &Case<'_>, secret: &Secret) -> Option<Wrong> {
    let text = secret.text.as_str();
    let trimmed = text.trim();
    let strip = || KeyStep::Strip("whsec_".to_owned());
    let readings: [(&str, &[KeyStep], &str); 6] = [
        (trimmed, &case.rule.key, SURROUNDED),
        (trimmed, &[], "is the key as it is, and was decoded"),
        (trimmed, &[strip()], "is the key as text, without its `whsec_`"),
        (trimmed, &[strip(), KeyStep::Base64], "is base64 of the key, and was taken as text"),
        (trimmed, &[KeyStep::Base64], "is base64 of the key, and was taken as text"),
        (trimmed, &[KeyStep::Hex], "is the key in hex, and was taken as text"),
    ];
    readings.into_iter().find_map(|(text, steps, what)| {
        let key = Key::read(steps, text).ok()?;
        case.fits(case.request, &key).then(|| secret_reason(secret, what))
    })
}

/// A secret that would fit without the white space around it.
pub(super) fn surrounded(secret: &Secret) -> Wrong {
    secret_reason(secret, SURROUNDED)
}

fn secret_reason(secret: &Secret, what: &str) -> Wrong {
    Wrong { code: "secret_form", reason: format!("the secret {:?} {what}", secret.label) }
}

/// Another digest.
fn algorithm(case: &Case<'_>, key: &Key<'_>) -> Option<Wrong> {
    let all = [(Algorithm::Sha1, "SHA-1"), (Algorithm::Sha256, "SHA-256"), (Algorithm::Sha512, "SHA-512")];
    all.into_iter().filter(|(algorithm, _)| *algorithm != case.rule.alg).find_map(|(algorithm, name)| {
        case.rule.content.iter().find_map(|template| {
            let signed = content(template, case.request, case.variables, Some(key));
            let made = if case.rule.kind == Kind::Hash {
                algorithm.digest(&signed)
            } else {
                algorithm.mac(&key.bytes, &signed)
            };
            let fits = case.signatures.iter().any(|signature| matches(case.rule, &made, signature));
            fits.then(|| Wrong {
                code: "other_algorithm",
                reason: format!("the signature was made with {name}, which this provider does not use"),
            })
        })
    })
}

/// A body that was changed on the way.
fn body(case: &Case<'_>, key: &Key<'_>) -> Option<Wrong> {
    let delivery = case.request.delivery;
    if delivery.body.len() > BODY_MAX_BYTES || !(case.signs(Known::Body) || case.signs(Known::BodySha256Hex))
    {
        return None;
    }
    let fits = |body: &[u8]| case.fits(&Request::new(&Delivery { body, ..*delivery }), key);
    if let Some((_, what)) = other_bodies(delivery.body).into_iter().find(|(body, _)| fits(body)) {
        let reason = format!("the body was changed after it was signed: {what}");
        return Some(Wrong { code: "body_changed", reason });
    }
    let fields = if case.request.is_form() { case.request.form() } else { &[] };
    let (name, _) = fields.iter().take(TRIED_MAX).find(|(_, value)| fits(value.as_bytes()))?;
    let shown: String = name.chars().take(NAME_SHOWN_CHARS).collect();
    wrong("form_field", format!("the signature is over the form's field {shown:?}, not over the whole body"))
}

/// A secret that stands in an example.
fn placeholder(secret: &Secret) -> Option<Wrong> {
    const WORDS: [&str; 9] =
        ["...", "\u{2026}", "your_", "your-", "changeme", "change_me", "placeholder", "replace", "xxxx"];
    let text = secret.text.to_ascii_lowercase();
    let stands_for_another =
        WORDS.iter().any(|word| text.contains(word)) || (text.starts_with('<') && text.ends_with('>'));
    let reason = || format!("the secret {:?} looks like an example's, not like a secret", secret.label);
    if stands_for_another { wrong("placeholder_secret", reason()) } else { None }
}

/// The body as it may have been when it was signed, and what has happened to it then.
pub(super) fn other_bodies(body: &[u8]) -> Vec<(Cow<'_, [u8]>, &'static str)> {
    let mut bodies: Vec<(Cow<'_, [u8]>, &'static str)> = Vec::new();
    for end in [&b"\r\n"[..], b"\n"] {
        if let Some(shorter) = body.strip_suffix(end) {
            bodies.push((shorter.into(), "a line end was added at its end"));
        }
    }
    bodies.push(([body, b"\n"].concat().into(), "the line end at its end was cut off"));
    bodies.push(([body, b"\r\n"].concat().into(), "the line end at its end was cut off"));
    if let Some(without) = body.strip_prefix(b"\xef\xbb\xbf") {
        bodies.push((without.into(), "a byte order mark was put before it"));
    }
    bodies.push(([b"\xef\xbb\xbf", body].concat().into(), "its byte order mark was taken away"));
    if let Some(unpacked) = unpacked(body) {
        bodies.push((unpacked.into(), "it is packed with gzip, and was signed unpacked"));
    }
    let Ok(text) = std::str::from_utf8(body) else { return bodies };
    if text.contains('\n') {
        let unix = text.replace("\r\n", "\n");
        bodies.push((unix.replace('\n', "\r\n").into_bytes().into(), "its line ends CR LF became LF"));
        bodies.push((unix.into_bytes().into(), "its line ends LF became CR LF"));
    }
    let Ok(json) = serde_json::from_str::<Value>(text) else { return bodies };
    let what = "it is JSON that was written anew, with other white space or escapes";
    if let Ok(compact) = serde_json::to_string(&json) {
        let spaced = compact_with_spaces(&compact);
        bodies.push((compact.replace('/', "\\/").into_bytes().into(), what));
        bodies.push((escaped(&compact).into_bytes().into(), what));
        bodies.push((spaced.into_bytes().into(), what));
        bodies.push((compact.into_bytes().into(), what));
    }
    if let Ok(pretty) = serde_json::to_string_pretty(&json) {
        bodies.push((pretty.replace("\n  ", "\n    ").into_bytes().into(), what));
        bodies.push((pretty.into_bytes().into(), what));
    }
    bodies
}

/// What is packed with gzip (RFC 1952), if it is no larger than what is tried.
fn unpacked(body: &[u8]) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    let limit = u64::try_from(BODY_MAX_BYTES).ok()?;
    GzDecoder::new(body.starts_with(b"\x1f\x8b").then_some(body)?)
        .take(limit + 1)
        .read_to_end(&mut unpacked)
        .ok()?;
    (unpacked.len() <= BODY_MAX_BYTES).then_some(unpacked)
}

/// Compact JSON with a blank behind each colon and comma that stand outside strings, as Python writes it.
fn compact_with_spaces(compact: &str) -> String {
    let mut out = String::with_capacity(compact.len() * 2);
    let (mut in_string, mut escaped) = (false, false);
    for letter in compact.chars() {
        out.push(letter);
        match letter {
            '"' if !escaped => in_string = !in_string,
            ':' | ',' if !in_string => out.push(' '),
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    out
}

/// Another spelling of the URL.
fn url(case: &Case<'_>, key: &Key<'_>) -> Option<Wrong> {
    let delivery = case.request.delivery;
    let url = delivery.url.filter(|_| case.signs(Known::Url))?;
    other_urls(url).into_iter().find_map(|other| {
        let delivery = Delivery { url: Some(&other), ..*delivery };
        let fits = case.fits(&Request::new(&delivery), key);
        fits.then(|| Wrong {
            code: "other_url",
            reason: format!("the signature is over the URL {other:?}, and this one is {url:?}"),
        })
    })
}

fn other_urls(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return Vec::new() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let without_query = path.split('?').next().unwrap_or_default();
    let mut others = Vec::new();
    for scheme in [scheme, if scheme == "https" { "http" } else { "https" }] {
        let usual = if scheme == "https" { "443" } else { "80" };
        for authority in [authority.to_owned(), host.to_owned(), format!("{host}:{usual}")] {
            for path in [
                path.to_owned(),
                without_query.to_owned(),
                format!("{path}/"),
                path.trim_end_matches('/').to_owned(),
            ] {
                others.push(format!("{scheme}://{authority}{path}"));
            }
        }
    }
    others
}

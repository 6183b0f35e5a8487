//! JSON Web Tokens: signed claims of which some name the body, the endpoint or the sender (RFC 7519).
//!
//! The algorithm is the row's, never the token's: a token that says another is not looked at further.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{
    Algorithm as Alg, DecodingKey, EncodingKey, Header as TokenHeader, Validation, decode, decode_header,
    encode,
    jwk::{Jwk, JwkSet},
};
use serde_json::{Map, Value, json};

use super::{
    Delivery, Secret, SignError, SignRequest,
    check::{Judged, Wrong},
    content::content,
    diagnose::{other_bodies, surrounded},
    rule::{Jws, Key, KeyStep, Known, Piece, Rule, Template},
    select::Request,
};

/// Most tokens that are looked at in one request.
const TOKENS_MAX: usize = 4;

/// Longest value of a claim that is shown.
const SHOWN_MAX_CHARS: usize = 200;

/// Seconds from its time for which a token that is made here is valid.
const VALID_SECONDS: u64 = 300;

type Claims = Map<String, Value>;

/// Judges a request by the first of its tokens that is valid, else by the last that is not.
pub(super) fn judge(rule: &Rule, request: &Request<'_>, tokens: &[Vec<u8>], secrets: &[Secret]) -> Judged {
    let mut judged = Err(malformed());
    for token in tokens.iter().take(TOKENS_MAX) {
        judged = judge_one(rule, request, token, secrets);
        if judged.is_ok() {
            return judged;
        }
    }
    judged
}

fn judge_one(rule: &Rule, request: &Request<'_>, token: &[u8], secrets: &[Secret]) -> Judged {
    let jws = rule.jws.ok_or_else(malformed)?;
    let header = decode_header(token).map_err(|_| malformed())?;
    if header.alg != algorithm(jws) {
        let reason =
            format!("the token is signed with {:?}, and this provider signs with {jws:?}", header.alg);
        return Err(Wrong { code: "other_algorithm", reason });
    }
    let mut unusable = None;
    let mut usable = false;
    for secret in secrets {
        let key = Key::read(&rule.key, &secret.text)
            .and_then(|key| Ok((decoding_key(jws, &key.bytes, header.kid.as_deref())?, key)));
        let (decoding, key) = match key {
            Ok(keys) => keys,
            Err(why) => {
                unusable = Some(format!("the secret {:?} {why}", secret.label));
                continue;
            }
        };
        usable = true;
        if let Ok(token) = decode::<Claims>(token, &decoding, &validation(jws)) {
            let stale = judge_claims(rule, request, &token.claims, &key)?;
            return Ok((secret.label.clone(), stale));
        }
    }
    let trimmed = secrets.iter().filter_map(Secret::trimmed).find(|secret| {
        let key = Key::read(&rule.key, &secret.text).and_then(|key| decoding_key(jws, &key.bytes, None));
        key.is_ok_and(|key| decode::<Claims>(token, &key, &validation(jws)).is_ok())
    });
    if let Some(secret) = trimmed {
        return Err(surrounded(&secret));
    }
    match unusable.filter(|_| !usable) {
        Some(reason) => Err(Wrong { code: "unusable_secret", reason }),
        None => Err(Wrong {
            code: "mismatch",
            reason: "the token was made with another key than the secret".to_owned(),
        }),
    }
}

fn malformed() -> Wrong {
    Wrong { code: "malformed_signature", reason: "the signature is no JSON Web Token".to_owned() }
}

fn algorithm(jws: Jws) -> Alg {
    match jws {
        Jws::HS256 => Alg::HS256,
        Jws::ES256 => Alg::ES256,
        Jws::RS256 => Alg::RS256,
    }
}

/// Of the signature alone: claims are judged here, by the time the relay received the event.
fn validation(jws: Jws) -> Validation {
    let mut validation = Validation::new(algorithm(jws));
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// The key a token is verified with: the secret itself, a public key in PEM, a JWK or a JWK set (RFC 7517), or PEM by key id.
fn decoding_key(jws: Jws, key: &[u8], kid: Option<&str>) -> Result<DecodingKey, &'static str> {
    const NO_KEY: &str = "is no public key of the right kind: PEM, a JWK or a set of them";
    if jws == Jws::HS256 {
        return Ok(DecodingKey::from_secret(key));
    }
    let Ok(json) = serde_json::from_slice::<Value>(key) else { return pem_key(jws, key).ok_or(NO_KEY) };
    if let Some(pem) = kid.and_then(|kid| json.get(kid)?.as_str()) {
        return pem_key(jws, pem.as_bytes()).ok_or(NO_KEY);
    }
    let jwk = if json.get("keys").is_some() {
        let set: JwkSet = serde_json::from_value(json).map_err(|_| NO_KEY)?;
        let named = kid.and_then(|kid| set.find(kid).cloned());
        named.or_else(|| set.keys.into_iter().next()).ok_or(NO_KEY)?
    } else {
        serde_json::from_value::<Jwk>(json).map_err(|_| NO_KEY)?
    };
    DecodingKey::from_jwk(&jwk).map_err(|_| NO_KEY)
}

fn pem_key(jws: Jws, text: &[u8]) -> Option<DecodingKey> {
    let text = String::from_utf8_lossy(text);
    let der = Key::read(&[KeyStep::PublicKey], &text).ok()?.bytes;
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    match jws {
        Jws::ES256 => DecodingKey::from_ec_pem(pem.as_bytes()).ok(),
        Jws::RS256 => DecodingKey::from_rsa_pem(pem.as_bytes()).ok(),
        Jws::HS256 => None,
    }
}

/// Age and tolerance, when the token is too old.
fn judge_claims(
    rule: &Rule,
    request: &Request<'_>,
    claims: &Claims,
    key: &Key<'_>,
) -> Result<Option<(i64, u64)>, Wrong> {
    for (name, allowed) in &rule.claims {
        let found = texts(claims.get(name));
        let is_right = |template: &Template| found.contains(&text_of(template, request, key));
        if !allowed.iter().any(is_right) {
            return Err(wrong_claim(name, allowed, &found, request, key));
        }
    }
    let received = i64::try_from(request.delivery.received_at.0 / 1000).unwrap_or(i64::MAX);
    let leeway = i64::try_from(rule.leeway).unwrap_or(i64::MAX);
    if let Some(end) = seconds(claims, "exp").filter(|end| received.saturating_sub(*end) > leeway) {
        let late = received.saturating_sub(end);
        let reason = format!("the token's validity ended {late} s before the relay received the event");
        return Err(Wrong { code: "expired", reason });
    }
    if let Some(start) = seconds(claims, "nbf").filter(|start| start.saturating_sub(received) > leeway) {
        let early = start.saturating_sub(received);
        let reason = format!("the token becomes valid {early} s after the relay received the event");
        return Err(Wrong { code: "expired", reason });
    }
    let Some(own) = rule.max_age else { return Ok(None) };
    let issued = seconds(claims, "iat").ok_or_else(|| Wrong {
        code: "claim",
        reason: "the token does not say when it was issued".to_owned(),
    })?;
    let age = received.saturating_sub(issued);
    let limit = request.tolerance.unwrap_or(own);
    Ok((age > i64::try_from(limit).unwrap_or(i64::MAX)).then_some((age, limit)))
}

/// A time, where fractions of a second do not count.
fn seconds(claims: &Claims, name: &str) -> Option<i64> {
    let value = claims.get(name)?;
    value
        .as_i64()
        .or_else(|| jiff::SignedDuration::try_from_secs_f64(value.as_f64()?).ok().map(|time| time.as_secs()))
}

/// The texts a claim has: one, or those of a list.
fn texts(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::Array(items)) => items.iter().flat_map(|item| texts(Some(item))).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(value @ (Value::Bool(_) | Value::Number(_))) => vec![value.to_string()],
        Some(Value::Null | Value::Object(_)) | None => Vec::new(),
    }
}

fn text_of(template: &Template, request: &Request<'_>, key: &Key<'_>) -> String {
    String::from_utf8_lossy(&content(template, request, &[], Some(key)).concat()).into_owned()
}

fn wrong_claim(
    name: &str,
    allowed: &[Template],
    found: &[String],
    request: &Request<'_>,
    key: &Key<'_>,
) -> Wrong {
    let names = |wanted: &[Known]| {
        allowed.iter().flat_map(|template| &template.0).any(|piece| match piece {
            Piece::Known(known) => wanted.contains(known),
            Piece::Literal(_) | Piece::Variable(_) | Piece::SecretPart(_) => false,
        })
    };
    if found.is_empty() {
        return Wrong { code: "claim", reason: format!("the token does not say its `{name}`") };
    }
    if names(&[Known::BodySha256Hex, Known::BodySha256Base64, Known::BodySha256Base64url]) {
        let delivery = request.delivery;
        let changed = other_bodies(delivery.body).into_iter().find(|(body, _): &(Cow<'_, [u8]>, _)| {
            let other = Delivery { body, ..*delivery };
            allowed.iter().any(|template| found.contains(&text_of(template, &Request::new(&other), key)))
        });
        return match changed {
            Some((_, what)) => Wrong {
                code: "body_changed",
                reason: format!("the body was changed after it was signed: {what}"),
            },
            None => Wrong { code: "mismatch", reason: "the token was made for another body".to_owned() },
        };
    }
    let expected = allowed.first().map(|template| text_of(template, request, key)).unwrap_or_default();
    let shown: String = found.join(", ").chars().take(SHOWN_MAX_CHARS).collect();
    let code = if names(&[Known::Url]) { "other_url" } else { "claim" };
    Wrong { code, reason: format!("the token's `{name}` is {shown:?}, and should be {expected:?}") }
}

/// Makes a token as the provider would.
///
/// # Errors
/// When the secret is not of the provider's form.
pub(super) fn sign(rule: &Rule, request: &SignRequest<'_>, secret: &Secret) -> Result<String, SignError> {
    let failed = |why| SignError::Secret { label: secret.label.clone(), why };
    let jws = rule.jws.ok_or_else(|| SignError::Missing("jws".to_owned()))?;
    let key = Key::read(&rule.key, &secret.text).map_err(failed)?;
    let SignRequest { method, url, body, at, .. } = *request;
    let delivery = Delivery { method, url, headers: &[], body, received_at: at };
    let reading = Request::new(&delivery);
    let now = at.0 / 1000;
    let mut claims = Claims::new();
    for (name, allowed) in &rule.claims {
        let Some(template) = allowed.first() else { continue };
        let text = text_of(template, &reading, &key);
        claims.insert(name.clone(), if text == "true" { Value::Bool(true) } else { Value::String(text) });
    }
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("exp".to_owned(), json!(now + VALID_SECONDS));
    const NO_KEY: &str = "is no private key in PEM (PKCS#8) of the kind this provider signs with";
    let encoding = match jws {
        Jws::HS256 => EncodingKey::from_secret(&key.bytes),
        Jws::ES256 => EncodingKey::from_ec_pem(&key.bytes).map_err(|_| failed(NO_KEY))?,
        Jws::RS256 => EncodingKey::from_rsa_pem(&key.bytes).map_err(|_| failed(NO_KEY))?,
    };
    encode(&TokenHeader::new(algorithm(jws)), &claims, &encoding).map_err(|_| failed(NO_KEY))
}

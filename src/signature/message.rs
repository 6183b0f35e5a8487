//! HTTP Message Signatures (RFC 9421): a list of parts of the request that are signed, in a header, and the signature in another.
//!
//! Parts are headers and `@method`, `@authority`, `@scheme`, `@target-uri`, `@request-target`, `@path`, `@query` and `@query-param`. The body
//! is signed by `Content-Digest` (RFC 9530) alone: a signature that does not cover it says nothing about the body, and is not valid here.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use sfv::{BareItem, Dictionary, FieldType, InnerList, Item, ListEntry, Parser};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::{
    Delivery, Secret, SignError, SignRequest,
    check::{Judged, Wrong},
    diagnose::{other_bodies, surrounded},
    rule::{Algorithm, Encoding, Key, KeyStep},
    select::Request,
};
use crate::event::Header;

/// Most signatures that are looked at in one request.
const LABELS_MAX: usize = 8;

/// Most parts that one signature may cover.
const PARTS_MAX: usize = 100;

/// Seconds a signature may be older or newer than the event.
const WINDOW_SECONDS: u64 = 300;

/// Judges a request by the first of its signatures that is right.
pub(super) fn judge(request: &Request<'_>, secrets: &[Secret]) -> Judged {
    let delivery = request.delivery;
    let inputs = dictionary(delivery, "signature-input")
        .ok_or_else(|| malformed("`Signature-Input` is not there, or no list of signatures"))?;
    let signatures =
        dictionary(delivery, "signature").ok_or_else(|| malformed("`Signature` holds no signatures"))?;
    let mut judged = Err(malformed("no signature in `Signature` has a description in `Signature-Input`"));
    for (label, input) in inputs.iter().take(LABELS_MAX) {
        let ListEntry::InnerList(covered) = input else { continue };
        let Some(ListEntry::Item(item)) = signatures.get(label) else { continue };
        let Some(signature) = item.bare_item.as_byte_sequence() else { continue };
        judged = judge_one(request, covered, signature, secrets);
        if judged.is_ok() {
            break;
        }
    }
    judged
}

/// The base of the first signature that has one (RFC 9421 section 2.5).
pub(super) fn signed_content(request: &Request<'_>) -> Option<Vec<u8>> {
    let inputs = dictionary(request.delivery, "signature-input")?;
    let mut bases = inputs.iter().take(LABELS_MAX).filter_map(|(_, input)| match input {
        ListEntry::InnerList(covered) => signature_base(request.delivery, covered).ok(),
        ListEntry::Item(_) => None,
    });
    bases.next().map(String::into_bytes)
}

fn malformed(reason: &str) -> Wrong {
    Wrong { code: "malformed_signature", reason: reason.to_owned() }
}

fn judge_one(request: &Request<'_>, covered: &InnerList, signature: &[u8], secrets: &[Secret]) -> Judged {
    let delivery = request.delivery;
    let base = signature_base(delivery, covered)?;
    let alg = covered.params.get("alg").and_then(|alg| Some(alg.as_string()?.as_str().to_owned()));
    let judged: Vec<(&Secret, Option<bool>)> = secrets
        .iter()
        .map(|secret| (secret, verify(secret, alg.as_deref(), base.as_bytes(), signature)))
        .collect();
    let matched = judged.iter().find(|(_, right)| *right == Some(true)).map(|(secret, _)| *secret);
    let unusable =
        judged.first().filter(|_| judged.iter().all(|(_, right)| right.is_none())).map(|(secret, _)| {
            format!("the secret {:?} is neither a key in base64 nor a public key in PEM", secret.label)
        });
    let Some(secret) = matched else {
        let trimmed = secrets.iter().filter_map(Secret::trimmed);
        let fits = |secret: &Secret| verify(secret, alg.as_deref(), base.as_bytes(), signature) == Some(true);
        if let Some(secret) = trimmed.into_iter().find(fits) {
            return Err(surrounded(&secret));
        }
        return Err(match unusable {
            Some(reason) => Wrong { code: "unusable_secret", reason },
            None => Wrong {
                code: "mismatch",
                reason: "the signature belongs to another request or was made with another key".to_owned(),
            },
        });
    };
    let covers = |name: &str| {
        covered
            .items
            .iter()
            .any(|item| item.bare_item.as_string().is_some_and(|covered| covered.as_str() == name))
    };
    if !delivery.body.is_empty() {
        if !covers("content-digest") {
            let reason =
                "the signature is right, and says nothing about the body: it does not cover `Content-Digest`";
            return Err(Wrong { code: "body_not_covered", reason: reason.to_owned() });
        }
        if !digest_is_right(delivery) {
            let changed = other_bodies(delivery.body)
                .into_iter()
                .find(|(body, _)| digest_is_right(&Delivery { body, ..*delivery }));
            return Err(match changed {
                Some((_, what)) => Wrong {
                    code: "body_changed",
                    reason: format!("the body was changed after it was signed: {what}"),
                },
                None => Wrong {
                    code: "mismatch",
                    reason: "`Content-Digest` is signed, and belongs to another body".to_owned(),
                },
            });
        }
    }
    Ok((secret.label.clone(), outside(request, covered)?))
}

/// Age and tolerance, when the signature is too old or too new.
fn outside(request: &Request<'_>, covered: &InnerList) -> Result<Option<(i64, u64)>, Wrong> {
    let number = |name: &str| Some(i64::from(covered.params.get(name)?.as_integer()?));
    let received = i64::try_from(request.delivery.received_at.0 / 1000).unwrap_or(i64::MAX);
    if let Some(end) = number("expires").filter(|end| received > *end) {
        let late = received.saturating_sub(end);
        let reason = format!("the signature's validity ended {late} s before the relay received the event");
        return Err(Wrong { code: "expired", reason });
    }
    let limit = request.tolerance.unwrap_or(WINDOW_SECONDS);
    let age = number("created").map(|created| received.saturating_sub(created));
    Ok(age.filter(|age| age.unsigned_abs() > limit).map(|age| (age, limit)))
}

/// Every line of a header, read as a dictionary (RFC 9651 section 3.2).
fn dictionary(delivery: &Delivery<'_>, name: &str) -> Option<Dictionary> {
    let value = field(delivery, name)?;
    Parser::new(&value).parse::<Dictionary>().ok()
}

/// The combined value of a header (RFC 9421 section 2.1).
fn field(delivery: &Delivery<'_>, name: &str) -> Option<String> {
    let values: Vec<String> = delivery
        .headers
        .iter()
        .filter(|header| header.is(name))
        .map(|header| String::from_utf8_lossy(&header.value).trim().to_owned())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// What is signed (RFC 9421 section 2.5).
fn signature_base(delivery: &Delivery<'_>, covered: &InnerList) -> Result<String, Wrong> {
    if covered.items.len() > PARTS_MAX {
        return Err(malformed("the signature covers more parts than are looked at"));
    }
    let mut base = String::new();
    for item in &covered.items {
        base.push_str(&format!("{}: {}\n", item.serialize(), part(delivery, item)?));
    }
    let list: sfv::List = vec![ListEntry::InnerList(covered.clone())];
    let parameters = list.serialize().ok_or_else(|| malformed("the signature covers nothing"))?;
    base.push_str(&format!("\"@signature-params\": {parameters}"));
    Ok(base)
}

/// The value of one part (RFC 9421 section 2).
fn part(delivery: &Delivery<'_>, item: &Item) -> Result<String, Wrong> {
    let name =
        item.bare_item.as_string().ok_or_else(|| malformed("a part that is signed has no name"))?.as_str();
    let missing = || Wrong {
        code: "missing_part",
        reason: format!("`{name}` is missing, and is part of what is signed"),
    };
    if item.params.keys().any(|parameter| name != "@query-param" || parameter.as_str() != "name") {
        let reason = format!("`{name}` is signed in a form that is not known here: {}", item.serialize());
        return Err(Wrong { code: "malformed_part", reason });
    }
    if !name.starts_with('@') {
        return field(delivery, name).ok_or_else(missing);
    }
    if name == "@method" {
        return Ok(String::from_utf8_lossy(delivery.method).into_owned());
    }
    let url = delivery.url.ok_or_else(missing)?;
    let (scheme, rest) = url.split_once("://").ok_or_else(missing)?;
    let (authority, target) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Ok(match name {
        "@scheme" => scheme.to_ascii_lowercase(),
        "@target-uri" => url.to_owned(),
        "@request-target" => target,
        "@path" => path.to_owned(),
        "@query" => format!("?{query}"),
        "@authority" => {
            let usual = if scheme == "https" { ":443" } else { ":80" };
            let authority = authority.to_ascii_lowercase();
            authority.strip_suffix(usual).map(str::to_owned).unwrap_or(authority)
        }
        "@query-param" => {
            let wanted = item.params.get("name").and_then(BareItem::as_string).ok_or_else(missing)?;
            let parameters = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let found = parameters.into_iter().find(|(name, _)| *name == wanted.as_str());
            found.ok_or_else(missing)?.1.to_owned()
        }
        _ => {
            let reason = format!("`{name}` is signed, and is not known here");
            return Err(Wrong { code: "malformed_part", reason });
        }
    })
}

/// Whether a digest in `Content-Digest` is the body's, and none is not (RFC 9530 section 2).
fn digest_is_right(delivery: &Delivery<'_>) -> bool {
    let Some(digests) = dictionary(delivery, "content-digest") else { return false };
    let mut checked = false;
    for (algorithm, digest) in &digests {
        let made = match algorithm.as_str() {
            "sha-256" => Sha256::digest(delivery.body).to_vec(),
            "sha-512" => Sha512::digest(delivery.body).to_vec(),
            _ => continue,
        };
        let ListEntry::Item(item) = digest else { return false };
        if item.bare_item.as_byte_sequence() != Some(made.as_slice()) {
            return false;
        }
        checked = true;
    }
    checked
}

/// Whether a signature is right; nothing when the secret is no key. A secret in PEM is a public key, any other a shared one in base64.
fn verify(secret: &Secret, alg: Option<&str>, base: &[u8], signature: &[u8]) -> Option<bool> {
    if !secret.text.contains("-----BEGIN") {
        let key = Encoding::Base64.decode(secret.text.as_bytes()).filter(|key| !key.is_empty())?;
        let made = Algorithm::Sha256.mac(&key, &[base.into()]);
        return Some(matches!(alg, None | Some("hmac-sha256")) && bool::from(made.ct_eq(signature)));
    }
    let key = Key::read(&[KeyStep::PublicKey], &secret.text).ok()?.bytes;
    let all: [(&str, &dyn VerificationAlgorithm); 5] = [
        ("ed25519", &ED25519),
        ("ecdsa-p256-sha256", &ECDSA_P256_SHA256_FIXED),
        ("ecdsa-p384-sha384", &ECDSA_P384_SHA384_FIXED),
        ("rsa-pss-sha512", &RSA_PSS_2048_8192_SHA512),
        ("rsa-v1_5-sha256", &RSA_PKCS1_2048_8192_SHA256),
    ];
    let allowed = all.into_iter().filter(|(name, _)| alg.is_none_or(|alg| alg == *name));
    Some(
        allowed
            .into_iter()
            .any(|(_, algorithm)| UnparsedPublicKey::new(algorithm, &key).verify(base, signature).is_ok()),
    )
}

/// Makes the headers of a signature with a shared key over method, URL and body.
///
/// # Errors
/// When the secret is no key in base64, or the URL is not known.
pub(super) fn sign(request: &SignRequest<'_>, secret: &Secret) -> Result<Vec<Header>, SignError> {
    let key =
        Encoding::Base64.decode(secret.text.as_bytes()).filter(|key| !key.is_empty()).ok_or_else(|| {
            SignError::Secret { label: secret.label.clone(), why: "is no shared key in base64" }
        })?;
    if request.url.is_none() {
        return Err(SignError::Missing("url".to_owned()));
    }
    let header = |name: &'static str, value: String| Header { name: name.into(), value: value.into() };
    let digest = format!("sha-256=:{}:", Encoding::Base64.encode(&Sha256::digest(request.body)));
    let mut headers = vec![header("Content-Digest", digest)];
    let covered = format!(
        "sig1=(\"@method\" \"@target-uri\" \"content-digest\");created={};alg=\"hmac-sha256\"",
        request.at.0 / 1000
    );
    let SignRequest { method, url, body, at, .. } = *request;
    let delivery = Delivery { method, url, headers: &headers, body, received_at: at };
    let input = Parser::new(&covered).parse::<Dictionary>().ok();
    let Some(ListEntry::InnerList(list)) = input.as_ref().and_then(|input| input.get("sig1")) else {
        return Err(SignError::Missing("list of signed parts".to_owned()));
    };
    let base = signature_base(&delivery, list).map_err(|wrong| SignError::Missing(wrong.reason))?;
    let made = Algorithm::Sha256.mac(&key, &[base.as_bytes().into()]);
    headers.push(header("Signature-Input", covered));
    headers.push(header("Signature", format!("sig1=:{}:", Encoding::Base64.encode(&made))));
    Ok(headers)
}

//! The verdict about one request under one scheme.

use serde_json::Value;
use subtle::ConstantTimeEq;

use super::{
    Delivery, Secret, Verdict,
    rule::{KeyStep, Piece, Rule, Source, Window},
    select::Found,
};

/// A value that is signed with the body, by name.
type Variable<'r> = (&'r str, Vec<u8>);

/// Checks a request against one scheme with every secret.
pub(super) fn check(provider: &str, rule: &Rule, delivery: &Delivery<'_>, secrets: &[Secret]) -> Verdict {
    let scheme = format!("{provider}/{}", rule.id);
    let invalid = |code: &str, reason: String| Verdict::Invalid {
        scheme: scheme.clone(),
        code: code.to_owned(),
        reason,
    };
    let json = reads_json(rule).then(|| serde_json::from_slice::<Value>(delivery.body).ok()).flatten();
    let signatures = match rule.sig.read(delivery.headers, json.as_ref()) {
        Found::Absent => return Verdict::Unsigned,
        Found::Malformed => {
            let reason =
                format!("{} is there and holds no signature of the expected form", name(&rule.sig.from));
            return invalid("malformed_signature", reason);
        }
        Found::Values(signatures) => signatures,
    };
    if secrets.is_empty() {
        return Verdict::NoSecret { provider: provider.to_owned() };
    }
    let mut variables = Vec::new();
    for (variable, selector) in &rule.vars {
        match selector.read_one(delivery.headers, json.as_ref()) {
            Ok(value) => variables.push((variable.as_str(), value)),
            Err(Found::Absent) => {
                let reason = format!("{} is missing, and is part of what is signed", name(&selector.from));
                return invalid("missing_part", reason);
            }
            Err(_) => {
                let reason = format!("{} is there and holds no `{variable}`", name(&selector.from));
                return invalid("malformed_part", reason);
            }
        }
    }
    let signed_at = match rule.ts.as_ref().map(|window| (window, signed_at(window, &variables))) {
        None => None,
        Some((window, Some(seconds))) => Some((window, seconds)),
        Some((window, None)) => {
            let reason = format!("the signature's time `{}` is no number of seconds since 1970", window.var);
            return invalid("malformed_time", reason);
        }
    };
    let label = match matching_secret(rule, &signatures, &variables, delivery.body, secrets) {
        Ok(label) => label,
        Err(mismatch) => return invalid(mismatch.code, mismatch.reason),
    };
    let received_at = i64::try_from(delivery.received_at.0 / 1000).unwrap_or(i64::MAX);
    match signed_at.and_then(|(window, signed_at)| outside(window, received_at.saturating_sub(signed_at))) {
        Some((age_seconds, tolerance_seconds)) => Verdict::Stale { scheme, age_seconds, tolerance_seconds },
        None => Verdict::Valid { scheme, secret: label },
    }
}

fn reads_json(rule: &Rule) -> bool {
    rule.vars.values().chain([&rule.sig]).any(|selector| matches!(selector.from, Source::Json(_)))
}

fn name(source: &Source) -> String {
    match source {
        Source::Header(header) => format!("the header `{header}`"),
        Source::Json(pointer) => format!("the body's member `{pointer}`"),
    }
}

struct Mismatch {
    code: &'static str,
    reason: String,
}

/// The label of the secret that makes one of the signatures.
fn matching_secret(
    rule: &Rule,
    signatures: &[Vec<u8>],
    variables: &[Variable<'_>],
    body: &[u8],
    secrets: &[Secret],
) -> Result<String, Mismatch> {
    let content = content(rule, variables, body);
    let mut unusable = None;
    let mut usable = false;
    for secret in secrets {
        let key = match KeyStep::apply_all(&rule.key, &secret.text) {
            Ok(key) => key,
            Err(why) => {
                unusable =
                    Some(format!("the secret {:?} {why}, as this provider's secrets are", secret.label));
                continue;
            }
        };
        usable = true;
        let expected = rule.enc.encode(&rule.alg.mac(&key, &content));
        let matches = |signature: &Vec<u8>| bool::from(expected.as_bytes().ct_eq(signature));
        if signatures.iter().any(matches) {
            return Ok(secret.label.clone());
        }
    }
    match unusable {
        Some(reason) if !usable => Err(Mismatch { code: "unusable_secret", reason }),
        _ => {
            let reason = "the signature belongs to another body or was made with another secret".to_owned();
            Err(Mismatch { code: "mismatch", reason })
        }
    }
}

/// What is signed, in parts.
pub(super) fn content<'a>(rule: &'a Rule, variables: &'a [Variable<'_>], body: &'a [u8]) -> Vec<&'a [u8]> {
    let value = |name: &str| {
        variables
            .iter()
            .find(|(variable, _)| *variable == name)
            .map_or(&[][..], |(_, value)| value.as_slice())
    };
    let part = |piece: &'a Piece| match piece {
        Piece::Literal(text) => text.as_bytes(),
        Piece::Body => body,
        Piece::Variable(name) => value(name),
    };
    rule.content.0.iter().map(part).collect()
}

/// Seconds since 1970, in plain decimal digits.
fn signed_at(window: &Window, variables: &[Variable<'_>]) -> Option<i64> {
    let (_, value) = variables.iter().find(|(variable, _)| *variable == window.var)?;
    let plain = value.iter().all(u8::is_ascii_digit) && (value.len() == 1 || value.first() != Some(&b'0'));
    if !plain {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The age and the tolerance, when the age is outside it.
fn outside(window: &Window, age_seconds: i64) -> Option<(i64, u64)> {
    let limit = if age_seconds < 0 { window.future } else { window.past }?;
    (age_seconds.unsigned_abs() > limit).then_some((age_seconds, limit))
}

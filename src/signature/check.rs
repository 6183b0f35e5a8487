//! The verdict about one request under one scheme.

use subtle::ConstantTimeEq;

use super::{
    Delivery, Secret, Verdict,
    content::content,
    diagnose::{Case, diagnose, misplaced},
    jwt, message, public_key,
    rule::{Compare, Key, Kind, Known, Piece, Requirement, Rule, Selector, Source, Template, Unit, Window},
    select::{Found, Request},
    x5c,
};

/// A value that is signed with the body, by name.
pub(super) type Variable<'r> = (&'r str, Vec<u8>);

/// Most signatures of one request that are looked at.
const SIGNATURES_MAX: usize = 100;

/// Most signatures that are verified with one public key.
const PUBLIC_SIGNATURES_MAX: usize = 16;

/// Most whole signatures looked at in one header.
const GROUPS_MAX: usize = 8;

/// Why a request is not valid.
pub(super) struct Wrong {
    pub(super) code: &'static str,
    pub(super) reason: String,
}

/// Checks a request against one scheme with every secret. Of several whole signatures in one header, the best counts.
pub(super) fn check(provider: &str, rule: &Rule, request: &Request<'_>, secrets: &[Secret]) -> Verdict {
    if let Some(pointer) = &rule.each {
        return check_each(pointer, provider, rule, request, secrets);
    }
    let delivery = request.delivery;
    let (Some(separator), Some(Source::Header(name))) =
        (&rule.group, rule.sig.first().and_then(|selector| selector.from.first()))
    else {
        return check_one(provider, rule, request, secrets);
    };
    let mut verdict = Verdict::Unsigned;
    for at in 0..delivery.headers.len() {
        let Ok(value) = std::str::from_utf8(&delivery.headers[at].value) else { continue };
        if !delivery.headers[at].is(name) {
            continue;
        }
        for group in value.split(separator.as_str()).take(GROUPS_MAX) {
            let mut headers = delivery.headers.to_vec();
            headers[at].value = group.to_owned().into();
            let one = Delivery { headers: &headers, ..*delivery };
            let found = check_one(provider, rule, &request.with(&one), secrets);
            if found.rank() > verdict.rank() {
                verdict = found;
            }
        }
    }
    verdict
}

/// Checks every item of a list in the body: the first that is not valid decides.
fn check_each(
    pointer: &str,
    provider: &str,
    rule: &Rule,
    request: &Request<'_>,
    secrets: &[Secret],
) -> Verdict {
    let items = request.json().and_then(|json| json.pointer(pointer)).and_then(|items| items.as_array());
    let mut verdict = Verdict::Unsigned;
    for item in items.into_iter().flatten() {
        verdict = check_one(provider, rule, &request.of_item(item.clone()), secrets);
        if !matches!(verdict, Verdict::Valid { .. }) {
            return verdict;
        }
    }
    verdict
}

fn check_one(provider: &str, rule: &Rule, request: &Request<'_>, secrets: &[Secret]) -> Verdict {
    let scheme = format!("{provider}/{}", rule.id);
    let signatures = match signatures(rule, request) {
        Ok(Some(signatures)) => signatures,
        Ok(None) => return Verdict::Unsigned,
        Err(malformed) => {
            let Wrong { code, reason } = misplaced_signature(rule, request, secrets).unwrap_or(malformed);
            return Verdict::Invalid { scheme, code: code.to_owned(), reason };
        }
    };
    if secrets.is_empty() {
        return Verdict::NoSecret { provider: provider.to_owned() };
    }
    let judged = match rule.kind {
        Kind::Jwt => jwt::judge(rule, request, &signatures, secrets),
        Kind::X5c => x5c::judge(&signatures, secrets),
        Kind::Message => message::judge(request, secrets),
        Kind::Hmac | Kind::Hash | Kind::Token | Kind::Ed25519 | Kind::Ecdsa | Kind::Rsa => {
            judge(rule, request, &signatures, secrets)
        }
    };
    match judged {
        Err(Wrong { code, reason }) => Verdict::Invalid { scheme, code: code.to_owned(), reason },
        Ok((_, Some((age_seconds, tolerance_seconds)))) => {
            Verdict::Stale { scheme, age_seconds, tolerance_seconds }
        }
        Ok((secret, None)) => Verdict::Valid { scheme, secret },
    }
}

/// Every signature there is; none when the request is not signed this way.
pub(super) fn signatures(rule: &Rule, request: &Request<'_>) -> Result<Option<Vec<Vec<u8>>>, Wrong> {
    let mut signatures = Vec::new();
    let mut malformed = None;
    for selector in &rule.sig {
        match selector.read(request) {
            Found::Absent => {}
            Found::Malformed => malformed = malformed.or(selector.from.first()),
            Found::Values(values) => signatures.extend(values),
        }
    }
    signatures.truncate(SIGNATURES_MAX);
    match malformed {
        Some(source) if signatures.is_empty() => Err(Wrong {
            code: "malformed_signature",
            reason: format!("{} is there and holds no signature of the expected form", name(source)),
        }),
        _ => Ok((!signatures.is_empty()).then_some(signatures)),
    }
}

/// What is there in place of a signature, if that can be said.
fn misplaced_signature(rule: &Rule, request: &Request<'_>, secrets: &[Secret]) -> Option<Wrong> {
    if !request.explained {
        return None;
    }
    let raw =
        rule.sig.iter().flat_map(|selector| match Selector::first_of(selector.from.clone()).read(request) {
            Found::Values(values) => values,
            Found::Absent | Found::Malformed => Vec::new(),
        });
    let signatures: Vec<Vec<u8>> = raw.collect();
    let variables = variables(rule, request).ok()?;
    misplaced(&Case::new(rule, request, &signatures, &variables, secrets))
}

/// The label of the secret that matches, and age and tolerance when the signature is too old or too new.
pub(super) type Judged = Result<(String, Option<(i64, u64)>), Wrong>;

fn judge(rule: &Rule, request: &Request<'_>, signatures: &[Vec<u8>], secrets: &[Secret]) -> Judged {
    let variables = variables(rule, request)?;
    require(rule, request, &variables)?;
    let age = match rule.ts.as_ref().filter(|window| window.past.is_some() || window.future.is_some()) {
        None => None,
        Some(window) => Some((window, age_ms(window, &variables, request.delivery.received_at.0)?)),
    };
    let label = matching_secret(rule, request, signatures, &variables, secrets)?;
    Ok((label, age.and_then(|(window, age)| outside(window, age, request.tolerance))))
}

/// What must be so besides the signature. A signature over the fields of a form says nothing of a body that is none.
pub(super) fn require(rule: &Rule, request: &Request<'_>, variables: &[Variable<'_>]) -> Result<(), Wrong> {
    let over_fields = rule
        .content
        .iter()
        .flat_map(|template| &template.0)
        .any(|piece| matches!(piece, Piece::Known(Known::FormSorted | Known::FormSortedUnique)));
    if over_fields && !request.delivery.body.is_empty() && !request.is_form() {
        let reason = "the signature is over the fields of a form, and the body is no form".to_owned();
        return Err(Wrong { code: "not_a_form", reason });
    }
    for requirement in &rule.require {
        let found = Selector::first_of(vec![requirement.from.clone()]).read_one(request).unwrap_or_default();
        if let Some(reason) = unmet(requirement, &found, request, variables) {
            return Err(Wrong {
                code: "requirement",
                reason: format!("{} {reason}", name(&requirement.from)),
            });
        }
    }
    Ok(())
}

/// What is wrong with a value of which something is required.
fn unmet(
    requirement: &Requirement,
    found: &[u8],
    request: &Request<'_>,
    variables: &[Variable<'_>],
) -> Option<String> {
    if let Some(template) = &requirement.equals
        && content(template, request, variables, None).concat() != found
    {
        return Some(match template.0.as_slice() {
            [Piece::Literal(text)] => format!("is not `{text}`"),
            _ => "does not belong to this request".to_owned(),
        });
    }
    let found = String::from_utf8_lossy(found);
    let known = requirement.url.is_empty() || requirement.url.iter().any(|pattern| begins(&found, pattern));
    (!known).then(|| format!("is not at a place of the provider's own: {}", requirement.url.join(", ")))
}

/// Whether a URL begins as a pattern does, in which `*` is one label of the host.
fn begins(url: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => url.starts_with(pattern),
        Some((before, after)) => url.strip_prefix(before).is_some_and(|rest| {
            let label = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-').count();
            label > 0 && begins(&rest[label..], after)
        }),
    }
}

/// What one scheme's signature in a request is over; nothing when it is not signed that way.
pub(super) fn signed_content(rule: &Rule, request: &Request<'_>) -> Option<Vec<u8>> {
    signatures(rule, request).ok()??;
    match rule.kind {
        Kind::Hmac | Kind::Hash | Kind::Ed25519 | Kind::Ecdsa | Kind::Rsa => {
            let variables = variables(rule, request).ok()?;
            Some(content(rule.content.first()?, request, &variables, None).concat())
        }
        Kind::Message => message::signed_content(request),
        Kind::Token | Kind::Jwt | Kind::X5c => None,
    }
}

pub(super) fn variables<'r>(rule: &'r Rule, request: &Request<'_>) -> Result<Vec<Variable<'r>>, Wrong> {
    let read = |(variable, selector): (&'r String, &Selector)| {
        let place = || selector.from.first().map(name).unwrap_or_default();
        match selector.read_one(request) {
            Ok(value) => Ok((variable.as_str(), value)),
            Err(Found::Absent) => Err(Wrong {
                code: "missing_part",
                reason: format!("{} is missing, and is part of what is signed", place()),
            }),
            Err(Found::Malformed | Found::Values(_)) => Err(Wrong {
                code: "malformed_part",
                reason: format!("{} is there and holds no `{variable}`", place()),
            }),
        }
    };
    rule.vars.iter().map(read).collect()
}

fn name(source: &Source) -> String {
    match source {
        Source::Header(header) => format!("the header `{header}`"),
        Source::Numbered(prefix) => format!("the header `{prefix}1`"),
        Source::Json(pointer) => format!("the body's member `{pointer}`"),
        Source::Form(field) => format!("the form's field `{field}`"),
        Source::Query(parameter) => format!("the URL's parameter `{parameter}`"),
    }
}

/// The label of the secret that makes one of the signatures.
fn matching_secret(
    rule: &Rule,
    request: &Request<'_>,
    signatures: &[Vec<u8>],
    variables: &[Variable<'_>],
    secrets: &[Secret],
) -> Result<String, Wrong> {
    let mut unusable = None;
    let mut usable = false;
    for secret in secrets {
        let key = match usable_key(rule, secret) {
            Ok(key) => key,
            Err(why) => {
                unusable =
                    Some(format!("the secret {:?} {why}, as this provider's secrets are", secret.label));
                continue;
            }
        };
        usable = true;
        if fits(rule, request, signatures, variables, &key) {
            return Ok(secret.label.clone());
        }
        if rule.url_ports {
            let delivery = request.delivery;
            for url in delivery.url.map(other_ports).unwrap_or_default() {
                let other = Delivery { url: Some(&url), ..*delivery };
                if fits(rule, &Request::new(&other), signatures, variables, &key) {
                    return Ok(secret.label.clone());
                }
            }
        }
    }
    if request.explained
        && let Some(found) = diagnose(&Case::new(rule, request, signatures, variables, secrets))
    {
        return Err(found);
    }
    if let Some(reason) = unusable.filter(|_| !usable) {
        return Err(Wrong { code: "unusable_secret", reason });
    }
    let reason = if rule.kind == Kind::Token {
        "the token is another one than the secret"
    } else if rule.kind.is_public() {
        "the signature belongs to another body or was made with another key"
    } else {
        "the signature belongs to another body or was made with another secret"
    };
    Err(Wrong { code: "mismatch", reason: reason.to_owned() })
}

pub(super) fn usable_key<'s>(rule: &Rule, secret: &'s Secret) -> Result<Key<'s>, &'static str> {
    let key = Key::read(&rule.key, &secret.text)?;
    if public_key::is_key(rule.kind, &key.bytes) {
        Ok(key)
    } else {
        Err("is no public key of the right kind")
    }
}

/// Whether a key makes one of the signatures, or is the public key of who made it.
pub(super) fn fits(
    rule: &Rule,
    request: &Request<'_>,
    signatures: &[Vec<u8>],
    variables: &[Variable<'_>],
    key: &Key<'_>,
) -> bool {
    rule.content.iter().any(|template| {
        if rule.kind.is_public() {
            let content = content(template, request, variables, Some(key)).concat();
            let verify = |signature: Vec<u8>| {
                public_key::verify(rule.kind, rule.alg, &key.bytes, &content, &signature)
            };
            let tried = signatures.iter().take(PUBLIC_SIGNATURES_MAX);
            return tried.filter_map(|signature| rule.enc.decode(signature)).any(verify);
        }
        let made = make(rule, template, request, variables, key);
        signatures.iter().any(|signature| matches(rule, &made, signature))
    })
}

/// The URL without its port, and with the scheme's own.
fn other_ports(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return Vec::new() };
    let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let usual = if scheme == "https" { 443 } else { 80 };
    vec![format!("{scheme}://{host}{path}"), format!("{scheme}://{host}:{usual}{path}")]
}

/// The bytes a signature stands for.
pub(super) fn make(
    rule: &Rule,
    template: &Template,
    request: &Request<'_>,
    variables: &[Variable<'_>],
    key: &Key<'_>,
) -> Vec<u8> {
    let content = || content(template, request, variables, Some(key));
    match rule.kind {
        Kind::Hmac => rule.alg.mac(&key.bytes, &content()),
        Kind::Hash => rule.alg.digest(&content()),
        Kind::Token => key.bytes.clone(),
        // These are verified, or made elsewhere; no signature is empty.
        Kind::Ed25519 | Kind::Ecdsa | Kind::Rsa | Kind::Jwt | Kind::X5c | Kind::Message => Vec::new(),
    }
}

/// Compares in a time that tells nothing but the lengths.
pub(super) fn matches(rule: &Rule, made: &[u8], signature: &[u8]) -> bool {
    match (rule.kind, rule.compare) {
        (Kind::Token, _) => bool::from(made.ct_eq(signature)),
        _ if made.is_empty() => false,
        (_, Compare::Text) => bool::from(rule.enc.encode(made).as_bytes().ct_eq(signature)),
        (_, Compare::Bytes) => {
            rule.enc.decode(signature).is_some_and(|signature| bool::from(made.ct_eq(&signature)))
        }
    }
}

/// How much later than it was signed a request was received, in milliseconds. Times in whole seconds are compared as such.
fn age_ms(window: &Window, variables: &[Variable<'_>], received_at_ms: u64) -> Result<i64, Wrong> {
    let received = i64::try_from(received_at_ms).unwrap_or(i64::MAX);
    let text = variables
        .iter()
        .find(|(variable, _)| *variable == window.var)
        .and_then(|(_, value)| std::str::from_utf8(value).ok())
        .unwrap_or_default();
    let age = match window.unit {
        Unit::S => digits(text).map(|seconds| (received / 1000).saturating_sub(seconds).saturating_mul(1000)),
        Unit::Ms => digits(text).map(|millis| received.saturating_sub(millis)),
        Unit::Rfc3339 => {
            text.parse::<jiff::Timestamp>().ok().map(|at| received.saturating_sub(at.as_millisecond()))
        }
        Unit::Imf => jiff::fmt::rfc2822::parse(text)
            .ok()
            .map(|at| (received / 1000).saturating_sub(at.timestamp().as_second()).saturating_mul(1000)),
    };
    age.ok_or_else(|| {
        let form = match window.unit {
            Unit::S => "a number of seconds since 1970",
            Unit::Ms => "a number of milliseconds since 1970",
            Unit::Rfc3339 => "a date and time of RFC 3339",
            Unit::Imf => "a date and time as HTTP writes it",
        };
        Wrong {
            code: "malformed_time",
            reason: format!("the signature's time `{}` is not {form}", window.var),
        }
    })
}

/// A number in plain decimal digits.
fn digits(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// The age and the tolerance in seconds, when the age is outside it.
fn outside(window: &Window, age_ms: i64, tolerance: Option<u64>) -> Option<(i64, u64)> {
    let own = if age_ms < 0 { window.future } else { window.past }?;
    let limit = tolerance.unwrap_or(own);
    (age_ms.unsigned_abs() > limit.saturating_mul(1000)).then_some((age_ms / 1000, limit))
}

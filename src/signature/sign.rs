//! The headers a provider would send: for the demo, for samples, and for replays that must be fresh.

use thiserror::Error;

use super::{
    Delivery, Secret, SignRequest,
    check::{Variable, make},
    content::content,
    jwt, message, public_key,
    rule::{Key, KeyStep, Kind, Known, Piece, Rule, Selector, Source, Unit},
    select::Request,
};
use crate::event::{Header, UnixMillis};

/// Why a request cannot be signed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SignError {
    /// The secret has another form than the provider's secrets.
    #[error("the secret {label:?} {why}, as this provider's secrets are")]
    Secret {
        /// Which secret.
        label: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The signature is a part of the body.
    #[error("this provider's signature is a part of the body, and the body is not changed here")]
    InBody,
    /// A value is signed that the request does not have.
    #[error("this provider signs the event's `{0}` too, and there is none")]
    Missing(String),
    /// It has no time that could be an old one.
    #[error("this provider's signatures have no time, or none that is ever too old")]
    NoTime,
    /// What was made would be taken for right, or not seen at all.
    #[error("this provider's signatures cannot be made wrong in this way")]
    NotWrong,
}

/// Signs under one scheme: the headers of the signature and of everything signed with it.
pub(super) fn sign(
    rule: &Rule,
    request: &SignRequest<'_>,
    secret: &Secret,
) -> Result<Vec<Header>, SignError> {
    let over_named_headers = rule.content.iter().flat_map(|template| &template.0);
    if over_named_headers.into_iter().any(|piece| *piece == Piece::Known(Known::ContentfulHeaders)) {
        return Err(SignError::Missing("list of signed headers".to_owned()));
    }
    if !rule.sig.first().is_some_and(is_header) {
        return Err(SignError::InBody);
    }
    if rule.kind == Kind::Message {
        return message::sign(request, secret);
    }
    let SignRequest { method, url, body, at, .. } = *request;
    // A signature over fields is one of a form.
    let form = [Header { name: "content-type".into(), value: "application/x-www-form-urlencoded".into() }];
    let delivery = Delivery { method, url, headers: &form, body, received_at: at };
    let reading = Request::new(&delivery);
    let variables = variables(rule, request, &reading)?;
    let signature = signature(rule, request, &reading, &variables, secret)?;
    let mut headers: Vec<(String, String)> = Vec::new();
    let texts = variables.iter().map(|(name, value)| (&rule.vars[*name], String::from_utf8_lossy(value)));
    for (selector, text) in texts.chain(rule.sig.first().map(|selector| (selector, signature.into()))) {
        let Some((name, text)) = selector.write(&text) else { continue };
        match (headers.iter_mut().find(|(present, _)| *present == name), &selector.list) {
            // Parts of one header, such as `t=…,v1=…`.
            (Some((_, whole)), Some(separator)) => {
                whole.push_str(separator);
                whole.push_str(&text);
            }
            _ => headers.push((name, text)),
        }
    }
    for requirement in &rule.require {
        let equals = requirement.equals.as_ref().map(|template| template.0.as_slice());
        if let (Source::Header(name), Some([Piece::Literal(text)])) = (&requirement.from, equals) {
            headers.push((name.clone(), text.clone()));
        }
    }
    Ok(headers.into_iter().map(|(name, value)| Header { name: name.into(), value: value.into() }).collect())
}

/// Everything that is signed besides the body: from the request, or made for it.
fn variables<'r>(
    rule: &'r Rule,
    request: &SignRequest<'_>,
    reading: &Request<'_>,
) -> Result<Vec<Variable<'r>>, SignError> {
    let value = |(name, selector): (&'r String, &Selector)| {
        let missing = || SignError::Missing(name.clone());
        let made = match (rule.ts.as_ref(), name.as_str()) {
            _ if !is_header(selector) && selector.default.is_none() => {
                return Ok((name.as_str(), selector.read_one(reading).map_err(|_| missing())?));
            }
            (Some(window), name) if window.var == name => written(request.at, window.unit),
            _ if selector.default.is_some() => selector.default.clone().unwrap_or_default(),
            // A number that is used once.
            (_, "n") => request.at.0.to_string(),
            (_, "id") => request.id.ok_or_else(missing)?.to_owned(),
            _ => return Err(missing()),
        };
        Ok((name.as_str(), made.into_bytes()))
    };
    rule.vars.iter().map(value).collect()
}

/// The signature as it is written.
fn signature(
    rule: &Rule,
    request: &SignRequest<'_>,
    reading: &Request<'_>,
    variables: &[Variable<'_>],
    secret: &Secret,
) -> Result<String, SignError> {
    let unusable = |why| SignError::Secret { label: secret.label.clone(), why };
    let template = rule.content.first().ok_or_else(|| SignError::Missing("content".to_owned()))?;
    Ok(match rule.kind {
        Kind::Token | Kind::Hmac | Kind::Hash => {
            let key = Key::read(&rule.key, &secret.text).map_err(unusable)?;
            let made = make(rule, template, reading, variables, &key);
            if rule.kind == Kind::Token {
                String::from_utf8_lossy(&made).into_owned()
            } else {
                rule.enc.encode(&made)
            }
        }
        Kind::Ed25519 | Kind::Ecdsa | Kind::Rsa => {
            // A private key, alone or as the member `key` beside what is signed too.
            let private = Key::read(&[KeyStep::Member("key".to_owned())], &secret.text).map_err(unusable)?;
            let content = content(template, reading, variables, Some(&private)).concat();
            let pem = String::from_utf8_lossy(&private.bytes);
            rule.enc.encode(&public_key::sign(rule.kind, rule.alg, &pem, &content).map_err(unusable)?)
        }
        Kind::Jwt => jwt::sign(rule, request, secret)?,
        Kind::X5c | Kind::Message => return Err(SignError::InBody),
    })
}

fn is_header(selector: &Selector) -> bool {
    matches!(selector.from.first(), Some(Source::Header(_) | Source::Numbered(_)))
}

fn written(at: UnixMillis, unit: Unit) -> String {
    let seconds = at.0 / 1000;
    match unit {
        Unit::S => seconds.to_string(),
        Unit::Ms => at.0.to_string(),
        Unit::Rfc3339 => UnixMillis(seconds * 1000).to_string(),
        Unit::Imf => {
            let moment =
                i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
            moment.map(|moment| moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()).unwrap_or_default()
        }
    }
}

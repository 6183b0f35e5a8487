//! The headers a provider would send: for the demo, for samples, and for replays that must be fresh.

use thiserror::Error;

use super::{
    Delivery, Secret, SignRequest,
    check::make,
    rule::{KeyStep, Kind, Known, Piece, Rule, Selector, Source, Unit},
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
    let key = KeyStep::apply_all(&rule.key, &secret.text)
        .map_err(|why| SignError::Secret { label: secret.label.clone(), why })?;
    let SignRequest { method, url, body, at, .. } = *request;
    // A signature over fields is one of a form.
    let form = [Header { name: "content-type".into(), value: "application/x-www-form-urlencoded".into() }];
    let delivery = Delivery { method, url, headers: &form, body, received_at: at };
    let reading = Request::new(&delivery);
    let mut variables = Vec::new();
    for name in rule.vars.keys() {
        let selector = &rule.vars[name];
        if !is_header(selector) && selector.default.is_none() {
            let value = selector.read_one(&reading).map_err(|_| SignError::Missing(name.clone()))?;
            variables.push((name.as_str(), value));
            continue;
        }
        let value = match (rule.ts.as_ref(), name.as_str()) {
            (Some(window), name) if window.var == name => written(request.at, window.unit),
            (_, _) if selector.default.is_some() => selector.default.clone().unwrap_or_default(),
            // A number that is used once.
            (_, "n") => request.at.0.to_string(),
            (_, "id") => request.id.ok_or_else(|| SignError::Missing(name.clone()))?.to_owned(),
            (_, other) => return Err(SignError::Missing(other.to_owned())),
        };
        variables.push((name.as_str(), value.into_bytes()));
    }
    let Some(template) = rule.content.first() else { return Err(SignError::Missing("content".to_owned())) };
    let made = make(rule, template, &reading, &variables, &key);
    let signature = match rule.kind {
        Kind::Token => String::from_utf8_lossy(&made).into_owned(),
        Kind::Hmac | Kind::Hash => rule.enc.encode(&made),
    };
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
        if let (Source::Header(name), [Piece::Literal(text)]) =
            (&requirement.from, requirement.equals.0.as_slice())
        {
            headers.push((name.clone(), text.clone()));
        }
    }
    Ok(headers.into_iter().map(|(name, value)| Header { name: name.into(), value: value.into() }).collect())
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

//! The headers a provider would send: for the demo, for samples, and for replays that must be fresh.

use thiserror::Error;

use super::{
    Secret, SignRequest,
    check::content,
    rule::{KeyStep, Rule},
};
use crate::event::Header;

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
    let key = KeyStep::apply_all(&rule.key, &secret.text)
        .map_err(|why| SignError::Secret { label: secret.label.clone(), why })?;
    let mut variables = Vec::new();
    for name in rule.vars.keys() {
        let value = match (rule.ts.as_ref(), name.as_str()) {
            (Some(window), name) if window.var == name => (request.at.0 / 1000).to_string(),
            (_, "id") => request.id.ok_or_else(|| SignError::Missing(name.clone()))?.to_owned(),
            (_, other) => return Err(SignError::Missing(other.to_owned())),
        };
        variables.push((name.as_str(), value.into_bytes()));
    }
    let signature = rule.enc.encode(&rule.alg.mac(&key, &content(rule, &variables, request.body)));
    let mut headers: Vec<(String, String)> = Vec::new();
    let texts = variables.iter().map(|(name, value)| (&rule.vars[*name], String::from_utf8_lossy(value)));
    for (selector, text) in texts.chain([(&rule.sig, signature.into())]) {
        let Some((name, text)) = selector.write(&text) else { continue };
        match (headers.iter_mut().find(|(present, _)| present == name), &selector.list) {
            // Parts of one header, such as `t=…,v1=…`.
            (Some((_, whole)), Some(separator)) => {
                whole.push_str(separator);
                whole.push_str(&text);
            }
            _ => headers.push((name.to_owned(), text)),
        }
    }
    Ok(headers.into_iter().map(|(name, value)| Header { name: name.into(), value: value.into() }).collect())
}

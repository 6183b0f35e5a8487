//! The digests of a request: those its signatures are, and those that secrets would have made of it.

use super::{
    Delivery, Provider, Secret,
    check::{make, matches, signatures, usable_key, variables},
    rule::{Kind, Rule},
    select::Request,
};

/// Most signatures, and most secrets, whose digests are told.
const TOLD_MAX: usize = 4;

/// Digests of one request by one scheme, as the provider writes them.
///
/// What is expected is a valid signature, also of a request that nobody signed: it is as secret as the secret is for this one request.
#[derive(Clone, PartialEq, Eq)]
pub struct Digests {
    /// `provider/scheme`.
    pub scheme: String,
    /// The signatures that came, as far as they are text.
    pub received: Vec<String>,
    /// What each secret makes of the request.
    pub expected: Vec<Expected>,
}

/// What a secret makes of a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Expected {
    /// Label of the secret.
    pub secret: String,
    /// The digest, as the provider writes it.
    pub digest: String,
}

impl Provider {
    /// The digests of a request by a scheme, named as in verdicts. Nothing where the scheme's signatures are no digests made with a secret
    /// that both sides have, where the request has none of them, or where no secret is of the provider's form.
    pub fn digests(&self, scheme: &str, delivery: &Delivery<'_>, secrets: &[Secret]) -> Option<Digests> {
        let is_named = |rule: &&Rule| {
            scheme.strip_prefix(self.id()).is_some_and(|rest| rest.strip_prefix('/') == Some(&rule.id))
        };
        let rule = self.scheme.iter().find(is_named)?;
        if !matches!(rule.kind, Kind::Hmac | Kind::Hash) {
            return None;
        }
        let request = Request::new(delivery);
        let received = signatures(rule, &request).ok()??;
        let variables = variables(rule, &request).ok()?;
        let expected = secrets.iter().filter_map(|secret| {
            let key = usable_key(rule, secret).ok()?;
            let mut made =
                rule.content.iter().map(|template| make(rule, template, &request, &variables, &key));
            let first = made.next()?;
            // Where a provider signs in one of several ways, the way that fits is the one that was meant.
            let fits = |made: &Vec<u8>| received.iter().any(|signature| matches(rule, made, signature));
            let meant = if fits(&first) { None } else { made.find(fits) };
            let digest = rule.enc.encode(&meant.unwrap_or(first));
            Some(Expected { secret: secret.label().to_owned(), digest })
        });
        let expected = expected.take(TOLD_MAX).collect();
        let digests = Digests {
            scheme: scheme.to_owned(),
            received: received
                .into_iter()
                .take(TOLD_MAX)
                .filter_map(|digest| String::from_utf8(digest).ok())
                .collect(),
            expected,
        };
        (!digests.received.is_empty() && !digests.expected.is_empty()).then_some(digests)
    }
}

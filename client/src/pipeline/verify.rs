//! Who signed an event, whether rightly, and what the sender calls it.

use std::sync::Arc;

use inhaul_core::{
    event::{Event, Head},
    signature::{
        ChallengeAnswer, Delivery, EventNames, Provider, Verdict, challenge, usual_event_type, verify_any,
    },
    wire::Rejection,
};

use crate::{
    cli::VerifyMode,
    config::{Route, Routes},
};

/// Largest body that is looked into for the event's type and id.
const LOOK_INTO_BYTES: usize = 1 << 20;

/// Most other routes whose secrets are tried when a signature is wrong.
const ROUTES_TRIED_MAX: usize = 8;

/// The type of events that are questions to the endpoint.
const CHALLENGE: &str = "challenge";

/// What is known of an event from its bytes and the configuration.
pub(super) struct Recognised {
    pub(super) provider: Option<String>,
    pub(super) event_type: Option<String>,
    pub(super) provider_event_id: Option<String>,
    pub(super) object_id: Option<String>,
    pub(super) verdict: Option<Verdict>,
    /// Its route keeps events back that are not valid.
    must_be_valid: bool,
    /// The answer, when it is a question to the endpoint that can be answered here.
    pub(super) answer: Option<ChallengeAnswer>,
}

/// Why an event's signature is not known to be valid; nothing when it is.
pub(super) fn rejection(verdict: Option<&Verdict>) -> Option<Rejection> {
    match verdict {
        Some(Verdict::Valid { .. }) => None,
        Some(Verdict::Unsigned) | None => Some(Rejection::Unsigned),
        Some(Verdict::NoSecret { .. }) => Some(Rejection::Unchecked),
        Some(Verdict::Invalid { .. } | Verdict::Stale { .. }) => Some(Rejection::Invalid),
    }
}

impl Recognised {
    /// Why its route keeps it back; nothing when it does not.
    pub(super) fn rejection(&self) -> Option<Rejection> {
        rejection(self.verdict.as_ref()).filter(|_| self.must_be_valid)
    }

    /// Of bytes that are no request.
    pub(super) fn nothing() -> Self {
        Self {
            provider: None,
            event_type: None,
            provider_event_id: None,
            object_id: None,
            verdict: None,
            must_be_valid: false,
            answer: None,
        }
    }
}

/// Recognises and verifies an event. Age is judged by when the relay received it, so late events stay valid.
pub(super) fn recognise(
    event: &Event,
    head: &Head,
    routes: &Routes,
    route: &Route,
    endpoint_url: &str,
) -> Recognised {
    let url = full_url(event, head, endpoint_url);
    let delivery = Delivery::of_event(event, head, url.as_deref());
    let candidates = match &route.provider {
        Some(chosen) => vec![Arc::clone(chosen)],
        None => routes.catalogue().candidates(&head.headers),
    };
    let secrets = route.secrets.now();
    let (provider, verdict) = verify_any(candidates.clone(), &delivery, &secrets, None);
    let verdict = explained_by_routes(verdict, &candidates, &delivery, routes, route);
    let look_into = if event.body.len() > LOOK_INTO_BYTES { &[][..] } else { &event.body[..] };
    let names = match &provider {
        Some(provider) => provider.event_names(&head.headers, look_into),
        None => {
            EventNames { event_type: usual_event_type(&head.headers, look_into), ..EventNames::default() }
        }
    };
    let asked = challenge(&delivery);
    let asking = asked.filter(|asked| asked.is_specific()).map(|asked| asked.provider().to_owned());
    Recognised {
        event_type: asked.map(|_| CHALLENGE.to_owned()).or(names.event_type),
        provider_event_id: names.event_id,
        object_id: names.object_id,
        provider: provider.map(|provider| provider.id().to_owned()).or(asking),
        answer: asked.and_then(|asked| asked.answer(&delivery, &secrets)),
        verdict: Some(verdict),
        must_be_valid: route.verify == VerifyMode::Reject,
    }
}

/// The verdict, and when nothing explains why a signature is wrong, whether the secret of another route would make it right.
fn explained_by_routes(
    verdict: Verdict,
    candidates: &[Arc<Provider>],
    delivery: &Delivery<'_>,
    routes: &Routes,
    route: &Route,
) -> Verdict {
    let Verdict::Invalid { scheme, code, .. } = &verdict else { return verdict };
    if code != "mismatch" {
        return verdict;
    }
    let is_other = |other: &&Route| !std::ptr::eq(*other, route) && !other.secrets.now().is_empty();
    let others = routes.iter().filter(is_other);
    for other in others.take(ROUTES_TRIED_MAX) {
        let (_, found) = verify_any(candidates.to_vec(), delivery, &other.secrets.now(), None);
        if let Verdict::Valid { secret, .. } = found {
            return Verdict::Invalid {
                scheme: scheme.clone(),
                code: "other_secret".to_owned(),
                reason: format!(
                    "it is signed with the secret {secret:?}, which belongs to the route {:?}",
                    other.path.as_str()
                ),
            };
        }
    }
    verdict
}

/// The URL as the sender used it: the relay's public scheme and host, the sender's own path and query.
pub(super) fn full_url(event: &Event, head: &Head, endpoint_url: &str) -> Option<String> {
    let base = endpoint_url.split_once("/in/").map(|(base, _)| base)?;
    let target = std::str::from_utf8(&head.target).ok()?;
    // An absolute target brings its own scheme and host.
    let path_start = target.find("/in/").filter(|start| *start <= event.prefix_bytes)?;
    Some(format!("{base}{}", &target[path_start..]))
}

/// The URL as the sender most likely used it: its `Host`, over HTTPS unless that is this machine.
pub fn sender_url(event: &Event, head: &Head) -> Option<String> {
    let host = std::str::from_utf8(head.header("host")?).ok()?;
    let target = std::str::from_utf8(&head.target).ok()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_here = name == "localhost"
        || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let scheme = if is_here { "http" } else { "https" };
    // An absolute target says everything itself.
    if target.starts_with('/') && event.prefix_bytes <= target.len() {
        Some(format!("{scheme}://{host}{target}"))
    } else {
        Some(target.to_owned())
    }
}

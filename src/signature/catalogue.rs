//! The rows of `catalogue.toml`, by id and by the headers of a request.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use serde::Deserialize;

use super::{
    Delivery, Secret, SignError, SignRequest, Verdict, check, diagnose,
    rule::{Kind, Known, Piece, Rule, Selector, Source, one_or_many},
    select::Request,
    sign,
};
use crate::event::{Header, UnixMillis};

/// Most other providers that are tried when a signature is wrong.
const OTHERS_MAX: usize = 8;

/// Longest type or id of an event that is taken from a request; longer ones are no names.
const NAME_MAX_BYTES: usize = 256;

/// The catalogue's text.
pub(super) const TEXT: &str = include_str!("catalogue.toml");

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    Catalogue::parse(TEXT).expect("the catalogue is part of the program, and a test reads it")
});

/// Every provider inhaul knows by itself.
pub fn catalogue() -> &'static Catalogue {
    &CATALOGUE
}

/// Providers of webhooks and how each signs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalogue {
    providers: Vec<Arc<Provider>>,
}

/// One sender of webhooks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) docs: String,
    /// Any of them may apply to one request.
    pub(super) scheme: Vec<Rule>,
    /// Where the event's type is: the first that is present.
    #[serde(default, rename = "type", deserialize_with = "one_or_many")]
    pub(super) event_type: Vec<Source>,
    /// Where the event's id is: the first that is present. The same id means the same event.
    #[serde(default, deserialize_with = "one_or_many")]
    pub(super) event_id: Vec<Source>,
    /// Where the id of the object is that the event is about: the first that is present. Events about one object have the same.
    #[serde(default, deserialize_with = "one_or_many")]
    pub(super) object: Vec<Source>,
    /// Types of the events of one object, in the order in which they happen.
    #[serde(default)]
    pub(super) stages: Vec<String>,
    /// Headers that say who sent a request whose signature is in the body.
    #[serde(default)]
    pub(super) recognise: Vec<String>,
    /// Seconds after which the sender gives up waiting for the answer.
    pub(super) timeout: Option<u64>,
    /// The answers that count as received, where not any 2xx.
    pub(super) success: Option<String>,
    /// What the sender does when there is none.
    pub(super) retries: Option<String>,
    /// What else to know, a sentence each.
    #[serde(default)]
    pub(super) notes: Vec<String>,
}

/// What a sender itself calls an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventNames {
    /// Its type, such as `call.created`.
    pub event_type: Option<String>,
    /// Its id; an event that is sent again has the same.
    pub event_id: Option<String>,
    /// The id of the object it is about, such as a call; the events of one object have the same.
    pub object_id: Option<String>,
}

/// Where a request has the sender's own id of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdPlace {
    /// The header of this name.
    Header(String),
    /// What a JSON pointer leads to in the body.
    Json(String),
    /// A field of a form, or of the query.
    Elsewhere,
}

impl Catalogue {
    fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Rows {
            provider: Vec<Provider>,
        }
        let rows: Rows = toml::from_str(text).map_err(|error| error.to_string())?;
        for provider in &rows.provider {
            if let Some(problem) = provider.problem() {
                return Err(format!("{}: {problem}", provider.id));
            }
        }
        Ok(Self { providers: rows.provider.into_iter().map(Arc::new).collect() })
    }

    /// These providers with others before them.
    #[must_use]
    pub fn with(&self, own: impl IntoIterator<Item = Provider>) -> Self {
        let own = own.into_iter().map(Arc::new);
        Self { providers: own.chain(self.providers.iter().cloned()).collect() }
    }

    /// The provider of that name: its id, or `id/scheme` or `id-scheme` for one of its schemes alone; `-` and `_` are the same.
    pub fn provider(&self, name: &str) -> Option<Arc<Provider>> {
        let name = name.replace('-', "_");
        if let Some(provider) = self.providers.iter().find(|provider| provider.id == name) {
            return Some(Arc::clone(provider));
        }
        self.providers.iter().find_map(|provider| {
            let named = |rule: &&Rule| {
                let scheme = name.strip_prefix(&provider.id).and_then(|rest| rest.strip_prefix(['/', '_']));
                scheme == Some(rule.id.as_str()) || rule.alias.as_ref() == Some(&name)
            };
            let rule = provider.scheme.iter().find(named)?;
            Some(Arc::new(Provider { scheme: vec![rule.clone()], ..Provider::clone(provider) }))
        })
    }

    /// Every provider, in the catalogue's order.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.iter()
    }

    /// Providers whose signature headers a request has; those with more of their headers present come first.
    pub fn candidates(&self, headers: &[Header]) -> Vec<Arc<Provider>> {
        let mut found: Vec<(usize, &Arc<Provider>)> = self
            .providers
            .iter()
            .filter_map(|provider| Some((provider.headers_present(headers)?, provider)))
            .collect();
        found.sort_by_key(|(present, _)| std::cmp::Reverse(*present));
        found.into_iter().map(|(_, provider)| Arc::clone(provider)).collect()
    }
}

/// The verdict about a request, and whose it is: of several providers that may have signed it, as when they use the same headers, the
/// first whose signature is right, else the first.
pub fn verify_any(
    providers: impl IntoIterator<Item = Arc<Provider>>,
    delivery: &Delivery<'_>,
    secrets: &[Secret],
    tolerance_seconds: Option<u64>,
) -> (Option<Arc<Provider>>, Verdict) {
    let mut checked = providers.into_iter().map(|provider| {
        let verdict = provider.verify_within(delivery, secrets, tolerance_seconds);
        (Some(provider), verdict)
    });
    let is_valid = |(_, verdict): &(_, Verdict)| matches!(verdict, Verdict::Valid { .. });
    match checked.next() {
        None => (None, Verdict::Unsigned),
        Some(first) if is_valid(&first) => first,
        Some(first) => checked.find(is_valid).unwrap_or(first),
    }
}

impl Provider {
    /// Its id in configuration and output, such as `standard_webhooks`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is wrong with the row itself, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        if self.scheme.is_empty() {
            return Some("there is no scheme".to_owned());
        }
        self.scheme.iter().find_map(Rule::problem)
    }

    /// Its name for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it says how it signs.
    pub fn docs(&self) -> &str {
        &self.docs
    }

    /// Ids of the ways it signs; [`Provider::sign`] uses the first that the secret is of the form of.
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.scheme.iter().map(|rule| rule.id.as_str())
    }

    /// Names of the headers its signatures are read from.
    pub fn headers_read(&self) -> impl Iterator<Item = &str> {
        let selectors = self.scheme.iter().flat_map(|rule| rule.sig.iter().chain(rule.vars.values()));
        selectors.flat_map(|selector| &selector.from).filter_map(|source| match source {
            Source::Header(name) | Source::Numbered(name) => Some(name.as_str()),
            Source::Json(_) | Source::Form(_) | Source::Query(_) => None,
        })
    }

    /// Names of the headers that hold a signature, or the secret itself.
    pub fn signature_headers(&self) -> impl Iterator<Item = &str> {
        self.scheme.iter().flat_map(sig_headers)
    }

    /// Its schemes whose signatures are made with a secret that both sides have, as `provider/scheme`.
    pub fn shared_secret_schemes(&self) -> impl Iterator<Item = String> {
        let rules = self.scheme.iter().filter(|rule| matches!(rule.kind, Kind::Hmac | Kind::Hash));
        rules.map(|rule| format!("{}/{}", self.id, rule.id))
    }

    /// Names of the headers that hold the secret itself.
    pub fn token_headers(&self) -> impl Iterator<Item = &str> {
        self.scheme.iter().filter(|rule| rule.kind == Kind::Token).flat_map(sig_headers)
    }

    /// The bytes its signature of a request is over, with the `provider/scheme` that says so; the secret, where it is among them, is
    /// left out. Nothing when no signature is there, or it is over no bytes that can be shown: a token, or the claims of one.
    pub fn signed_content(&self, delivery: &Delivery<'_>) -> Option<(String, Vec<u8>)> {
        let request = Request::new(delivery);
        let mut signed = self.scheme.iter().filter_map(|rule| {
            let content = check::signed_content(rule, &request)?;
            Some((format!("{}/{}", self.id, rule.id), content))
        });
        signed.next()
    }

    /// How long it waits for an answer, where it says so.
    pub fn sender_timeout(&self) -> Option<Duration> {
        self.timeout.map(Duration::from_secs)
    }

    /// The answers that count as received.
    pub fn success(&self) -> &str {
        self.success.as_deref().unwrap_or("2xx")
    }

    /// What it does when it gets none of them, where it says so.
    pub fn retries(&self) -> Option<&str> {
        self.retries.as_deref()
    }

    /// Types of the events of one object, in the order in which they happen; empty when it has no such order.
    pub fn stages(&self) -> &[String] {
        &self.stages
    }

    /// What else to know about its webhooks, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Checks a request against every scheme and every secret.
    ///
    /// The first scheme that is valid decides, then one that is stale, then one that is invalid for a reason that was found, then
    /// any that is invalid; schemes whose signature is not there do not count.
    pub fn verify(&self, delivery: &Delivery<'_>, secrets: &[Secret]) -> Verdict {
        self.verify_within(delivery, secrets, None)
    }

    /// As [`Provider::verify`], with a tolerance in seconds in place of the provider's own.
    pub fn verify_within(
        &self,
        delivery: &Delivery<'_>,
        secrets: &[Secret],
        tolerance_seconds: Option<u64>,
    ) -> Verdict {
        let own = self.verify_alone(&Request::within(delivery, tolerance_seconds), secrets);
        let unexplained = match &own {
            Verdict::Unsigned => true,
            Verdict::Invalid { code, .. } => !diagnose::CODES.contains(&code.as_str()),
            Verdict::Valid { .. } | Verdict::Stale { .. } | Verdict::NoSecret { .. } => false,
        };
        if unexplained { self.of_another(delivery, secrets).unwrap_or(own) } else { own }
    }

    /// What there is to say when a request is rightly signed by another provider with one of the secrets.
    fn of_another(&self, delivery: &Delivery<'_>, secrets: &[Secret]) -> Option<Verdict> {
        let others = catalogue().candidates(delivery.headers);
        let request = Request::unexplained(delivery);
        let mut others = others.into_iter().filter(|other| other.id != self.id).take(OTHERS_MAX);
        let other = others.find(|other| {
            matches!(other.verify_alone(&request, secrets), Verdict::Valid { .. } | Verdict::Stale { .. })
        })?;
        Some(Verdict::Invalid {
            scheme: format!("{}/{}", self.id, self.schemes().next().unwrap_or_default()),
            code: "other_provider".to_owned(),
            reason: format!("the secret is right, and the signature is one of {} ({})", other.name, other.id),
        })
    }

    fn verify_alone(&self, request: &Request<'_>, secrets: &[Secret]) -> Verdict {
        let mut verdict = Verdict::Unsigned;
        for rule in &self.scheme {
            let found = check::check(&self.id, rule, request, secrets);
            if found.rank() > verdict.rank() {
                verdict = found;
            }
        }
        verdict
    }

    /// The headers the provider would send with a body: signature, and its own type and id where they are headers.
    ///
    /// # Errors
    /// When the secret is not of the provider's form, or an id is missing that is signed.
    pub fn sign(&self, request: &SignRequest<'_>, secret: &Secret) -> Result<Vec<Header>, SignError> {
        let mut signed = self.scheme.iter().map(|rule| sign::sign(rule, request, secret));
        let first = signed.next().unwrap_or(Err(SignError::InBody));
        let mut headers = first.or_else(|error| signed.find_map(Result::ok).ok_or(error))?;
        for (sources, name) in [(&self.event_type, request.event_type), (&self.event_id, request.id)] {
            let header = sources.iter().find_map(|source| match source {
                Source::Header(header) => Some(header),
                Source::Numbered(_) | Source::Json(_) | Source::Form(_) | Source::Query(_) => None,
            });
            if let (Some(header), Some(name)) = (header, name)
                && !headers.iter().any(|present| present.is(header))
            {
                headers.push(Header { name: header.clone().into(), value: name.to_owned().into() });
            }
        }
        Ok(headers)
    }

    /// Whether a handler would refuse a body that it parses as JSON and writes anew before it checks the signature, as with
    /// `JSON.stringify(req.body)`: the signature is over the bytes, and those would be others.
    pub fn needs_raw_body(&self, body: &[u8]) -> bool {
        let rules = || self.scheme.iter().filter(|rule| rule.kind != Kind::Token);
        let pieces = || rules().flat_map(|rule| &rule.content).flat_map(|template| &template.0);
        let claims =
            || self.scheme.iter().flat_map(|rule| rule.claims.values().flatten()).flat_map(|claim| &claim.0);
        let bytes = [Known::Body, Known::BodySha256Hex, Known::BodySha256Base64, Known::BodySha256Base64url];
        let over_bytes = pieces().chain(claims()).any(|piece| bytes.map(Piece::Known).contains(piece));
        let written_anew = || {
            serde_json::from_slice::<serde_json::Value>(body).ok().map(|json| json.to_string().into_bytes())
        };
        over_bytes && written_anew().is_some_and(|anew| anew != body)
    }

    /// What the sender calls an event.
    pub fn event_names(&self, headers: &[Header], body: &[u8]) -> EventNames {
        let delivery = Delivery { method: b"POST", url: None, headers, body, received_at: UnixMillis(0) };
        let request = Request::new(&delivery);
        let first = |sources: &[Source]| {
            let found = Selector::first_of(sources.to_vec()).read_one(&request).ok()?;
            String::from_utf8(found).ok().filter(|name| name.len() <= NAME_MAX_BYTES)
        };
        EventNames {
            event_type: first(&self.event_type),
            event_id: first(&self.event_id),
            object_id: first(&self.object),
        }
    }

    /// Where a request has the id that [`Provider::event_names`] finds.
    pub fn event_id_place(&self, headers: &[Header], body: &[u8]) -> Option<IdPlace> {
        let delivery = Delivery { method: b"POST", url: None, headers, body, received_at: UnixMillis(0) };
        let request = Request::new(&delivery);
        let present = self.event_id.iter().find(|source| !request.values(source).is_empty())?;
        Some(match present {
            Source::Header(name) => IdPlace::Header(name.clone()),
            Source::Json(pointer) => IdPlace::Json(pointer.clone()),
            Source::Numbered(_) | Source::Form(_) | Source::Query(_) => IdPlace::Elsewhere,
        })
    }

    /// How many of its headers a request has; none when it is not signed by it.
    fn headers_present(&self, headers: &[Header]) -> Option<usize> {
        let present = |source: &Source| match source {
            Source::Header(name) => headers.iter().any(|header| header.is(name)),
            Source::Numbered(prefix) => headers.iter().any(|header| header.is(&format!("{prefix}1"))),
            Source::Json(_) | Source::Form(_) | Source::Query(_) => false,
        };
        let read = |selector: &Selector| selector.from.iter().any(present);
        if self.recognise.iter().any(|name| headers.iter().any(|header| header.is(name))) {
            return Some(1);
        }
        let own = self.event_type.iter().chain(&self.event_id).filter(|source| present(source)).count();
        self.scheme
            .iter()
            .filter(|rule| !rule.unspecific && rule.sig.iter().any(read))
            .map(|rule| 1 + own + rule.vars.values().filter(|selector| read(selector)).count())
            .max()
    }
}

/// Where most senders say what an event is, those first that mean nothing else.
const USUAL_TYPES: [&str; 7] = [
    "header:ce-type",
    "json:/event_type",
    "json:/eventType",
    "json:/type",
    "json:/event",
    "json:/event/type",
    "json:/topic",
];

/// What a sender that is not known calls an event, if it says so where most do. What does not look like a name is none.
pub fn usual_event_type(headers: &[Header], body: &[u8]) -> Option<String> {
    let delivery = Delivery { method: b"POST", url: None, headers, body, received_at: UnixMillis(0) };
    let request = Request::new(&delivery);
    USUAL_TYPES.into_iter().find_map(|place| {
        let source = Source::try_from(place.to_owned()).ok()?;
        let found = Selector::first_of(vec![source]).read_one(&request).ok()?;
        String::from_utf8(found).ok().filter(|name| is_name(name))
    })
}

fn is_name(text: &str) -> bool {
    let fits = |letter: char| letter.is_alphanumeric() || "._:/-#@".contains(letter);
    text.len() <= NAME_MAX_BYTES && text.starts_with(char::is_alphabetic) && text.chars().all(fits)
}

/// Names of the headers a rule reads signatures from.
fn sig_headers(rule: &Rule) -> impl Iterator<Item = &str> {
    rule.sig.iter().flat_map(|selector| &selector.from).filter_map(|source| match source {
        Source::Header(name) => Some(name.as_str()),
        Source::Numbered(_) | Source::Json(_) | Source::Form(_) | Source::Query(_) => None,
    })
}

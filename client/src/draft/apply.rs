//! A draft laid over an event: the request that is sent in its place.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use inhaul_core::{
    event::{Event, HOP_BY_HOP, Head, Header, UnixMillis},
    signature::{Flaw, IdPlace, Provider, Secret, SignError, SignRequest},
};
use thiserror::Error;

use super::{Changes, Draft, IdChange, Sign, json};
use crate::{pipeline::sender_url, sample};

/// Header lines that each request gets by itself.
const MADE_FOR_EACH: [&str; 2] = ["host", "content-length"];

/// What signs an event: whoever signed it, and a secret.
#[derive(Clone, Debug, Default)]
pub struct Signer {
    /// Who signs it; nobody when nothing says so.
    pub provider: Option<Arc<Provider>>,
    /// What with.
    pub secret: Option<Secret>,
}

/// Why a draft cannot be laid over an event.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DraftError {
    /// The event is no request.
    #[error("the event's head cannot be read: {0}")]
    Head(String),
    /// A setting has no `=`.
    #[error("{0:?} sets nothing: write it as `path=value`, such as `data.object.amount=500`")]
    Form(String),
    /// The body is no JSON, or nothing is at the path.
    #[error("the body is no JSON with something at {path:?}")]
    NoSuchPlace {
        /// The path.
        path: String,
    },
    /// It is no header.
    #[error("{0:?} is no name and value of a header")]
    Header(String),
    /// It is a header, and nobody's to choose.
    #[error("the header {0:?} is made for each request")]
    MadeForEach(String),
    /// Nothing says who sent it.
    #[error("nothing says who signs it: name a provider in its route")]
    NoProvider,
    /// It cannot be signed.
    #[error(
        "no secret of {0} is configured to sign it with: `--secret-env` or `--secret-file` names one, or a route of `inhaul.toml`"
    )]
    NoSecret(String),
    /// It cannot be signed like this.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The event has no id that could be another one.
    #[error("the provider's id of the event is not where it can be changed")]
    NoId,
}

/// The event as the draft wants it. Its id and times stay; without any change its bytes do too.
///
/// # Errors
/// When the draft does not fit the event.
pub fn apply(event: &Event, draft: &Draft, signer: &Signer, now: UnixMillis) -> Result<Event, DraftError> {
    let Changes { set_values, id, sign, .. } = &draft.changes;
    let parsed = event.parsed_head().map_err(|error| DraftError::Head(error.to_string()))?;
    let mut body = draft.body.clone().unwrap_or_else(|| event.body.clone());
    for setting in set_values {
        let (path, value) = setting.split_once('=').ok_or_else(|| DraftError::Form(setting.clone()))?;
        let text = str::from_utf8(&body).map_err(|_| DraftError::NoSuchPlace { path: path.to_owned() })?;
        body = json::set(text, path, value)?.into();
    }
    let mut head = Head { target: target(&parsed.target, &draft.changes), ..parsed.clone() };
    change_headers(&mut head.headers, &draft.changes)?;
    if *id != IdChange::Keep {
        renew_id(&mut head, &mut body, *id, signer)?;
    }
    if *sign != Sign::Keep {
        sign_anew(event, &mut head, &body, *sign, signer, now)?;
    }
    let head_bytes = if head == parsed { event.head.clone() } else { written(event, &parsed, &head) };
    Ok(Event { head: head_bytes, body_sha256: Event::digest(&body), body, ..event.clone() })
}

/// The bytes of a head that was changed; its request line is the sender's own, but for the target.
fn written(event: &Event, parsed: &Head, head: &Head) -> Bytes {
    let line_end = event.head.windows(2).position(|pair| pair == b"\r\n").map_or(0, |end| end + 2);
    let line = &event.head[..line_end];
    let line = if head.target == parsed.target {
        line.to_vec()
    } else {
        let version = parsed.version.as_str().as_bytes();
        [&parsed.method[..], b" ", &head.target, b" ", version, b"\r\n"].concat()
    };
    [line, Head::write_headers(&head.headers)].concat().into()
}

/// The request target with other parameters; those that stay are byte for byte as they were.
fn target(target: &Bytes, changes: &Changes) -> Bytes {
    let Changes { remove_query, set_query, .. } = changes;
    if remove_query.is_empty() && set_query.is_empty() {
        return target.clone();
    }
    let (path, query) = match target.iter().position(|&byte| byte == b'?') {
        Some(at) => (&target[..at], &target[at + 1..]),
        None => (&target[..], &[][..]),
    };
    let name_of = |pair: &[u8]| {
        form_urlencoded::parse(pair).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
    };
    let mut left: Vec<Option<&(String, String)>> = set_query.iter().map(Some).collect();
    let mut pairs: Vec<Vec<u8>> = Vec::new();
    for pair in query.split(|&byte| byte == b'&').filter(|_| !query.is_empty()) {
        let name = name_of(pair);
        if let Some(wanted) = left.iter_mut().find(|wanted| wanted.is_some_and(|(known, _)| *known == name)) {
            pairs.extend(wanted.take().map(written_pair));
        } else if !remove_query.contains(&name) && !set_query.iter().any(|(known, _)| *known == name) {
            pairs.push(pair.to_vec());
        }
    }
    pairs.extend(left.into_iter().flatten().map(written_pair));
    let query = pairs.join(&b'&');
    if query.is_empty() { path.to_vec().into() } else { [path, b"?", &query].concat().into() }
}

fn written_pair((name, value): &(String, String)) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish().into_bytes()
}

fn change_headers(headers: &mut Vec<Header>, changes: &Changes) -> Result<(), DraftError> {
    let Changes { remove_headers, set_headers, .. } = changes;
    let names = remove_headers.iter().chain(set_headers.iter().map(|(name, _)| name));
    for name in names {
        let lower = name.to_ascii_lowercase();
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(DraftError::Header(name.clone()));
        }
        if MADE_FOR_EACH.contains(&lower.as_str()) || HOP_BY_HOP.contains(&lower.as_str()) {
            return Err(DraftError::MadeForEach(name.clone()));
        }
    }
    headers.retain(|header| !remove_headers.iter().any(|name| header.is(name)));
    // The first value of a name takes the place of all that were there; further ones come behind it.
    let mut done: Vec<&str> = Vec::new();
    for (name, value) in set_headers {
        if HeaderValue::from_bytes(value.as_bytes()).is_err() {
            return Err(DraftError::Header(format!("{name}: {value}")));
        }
        put_header(headers, name, value, done.iter().any(|known| known.eq_ignore_ascii_case(name)));
        done.push(name);
    }
    Ok(())
}

/// Puts a header line in the place of those with its name, or `beside` them.
fn put_header(headers: &mut Vec<Header>, name: &str, value: &str, beside: bool) {
    let line = Header { name: name.to_owned().into(), value: value.to_owned().into() };
    match headers.iter().position(|header| header.is(name)) {
        Some(at) if !beside => {
            let kept = Header { name: headers[at].name.clone(), ..line };
            headers.retain(|header| !header.is(name));
            headers.insert(at, kept);
        }
        _ => headers.push(line),
    }
}

/// Whether the event that [`apply`] made has another id of the provider's.
pub fn renews_id(sent: &Event, change: IdChange, provider: Option<&Provider>) -> bool {
    match change {
        IdChange::Keep => false,
        IdChange::New => true,
        IdChange::NewInHeader => {
            let place = provider.zip(sent.parsed_head().ok());
            let place = place.and_then(|(provider, head)| provider.event_id_place(&head.headers, &sent.body));
            matches!(place, Some(IdPlace::Header(_)))
        }
    }
}

fn renew_id(head: &mut Head, body: &mut Bytes, change: IdChange, signer: &Signer) -> Result<(), DraftError> {
    let place = signer.provider.as_ref().and_then(|provider| provider.event_id_place(&head.headers, body));
    match (place, change) {
        (Some(IdPlace::Header(name)), _) => {
            let old = head.header(&name).map(|value| String::from_utf8_lossy(value).into_owned());
            put_header(&mut head.headers, &name, &fresh(&old.unwrap_or_default()), false);
        }
        (_, IdChange::NewInHeader | IdChange::Keep) => {}
        (Some(IdPlace::Json(pointer)), IdChange::New) => {
            let text = str::from_utf8(body).map_err(|_| DraftError::NoId)?;
            let (range, old) = json::at_pointer(text, &pointer).ok_or(DraftError::NoId)?;
            let new = match serde_json::from_str::<String>(old) {
                Ok(old) => serde_json::Value::from(fresh(&old)).to_string(),
                Err(_) if old.bytes().all(|digit| digit.is_ascii_digit()) => digits(old.len()),
                Err(_) => return Err(DraftError::NoId),
            };
            *body = [&text[..range.start], &new, &text[range.end..]].concat().into();
        }
        (Some(IdPlace::Elsewhere) | None, IdChange::New) => return Err(DraftError::NoId),
    }
    Ok(())
}

fn sign_anew(
    event: &Event,
    head: &mut Head,
    body: &Bytes,
    sign: Sign,
    signer: &Signer,
    now: UnixMillis,
) -> Result<(), DraftError> {
    let provider = signer.provider.as_ref().ok_or(DraftError::NoProvider)?;
    if sign == Sign::BreakMissing {
        let names: Vec<&str> = provider.signature_headers().collect();
        head.headers.retain(|header| !names.iter().any(|name| header.is(name)));
        return Ok(());
    }
    let secret = signer.secret.as_ref().ok_or_else(|| DraftError::NoSecret(provider.name().to_owned()))?;
    let names = provider.event_names(&head.headers, body);
    let url = sender_url(event, head);
    let request = SignRequest {
        method: &head.method,
        url: url.as_deref(),
        body,
        at: now,
        id: names.event_id.as_deref(),
        event_type: names.event_type.as_deref(),
    };
    let signed = match sign {
        Sign::BreakDigest => provider.sign_with_flaw(&request, secret, Flaw::Digest)?,
        Sign::BreakTime => provider.sign_with_flaw(&request, secret, Flaw::Time)?,
        Sign::Keep | Sign::Fresh | Sign::BreakMissing => provider.sign(&request, secret)?,
    };
    head.headers.retain(|header| !signed.iter().any(|new| new.name.eq_ignore_ascii_case(&header.name)));
    head.headers.extend(signed);
    Ok(())
}

/// Another id of the same form: a UUID, or random letters behind the same beginning.
fn fresh(id: &str) -> String {
    if id.parse::<uuid::Uuid>().is_ok() {
        return uuid::Builder::from_random_bytes(sample::random()).into_uuid().to_string();
    }
    let prefix = id.rfind('_').map_or("", |at| &id[..=at]);
    format!("{prefix}{}", sample::letters(id.len().saturating_sub(prefix.len()).max(16)))
}

/// A number of so many digits, between 15 and 18 at least and at most: enough to be another one, and within 64 bits.
fn digits(count: usize) -> String {
    let count = count.clamp(15, 18);
    let mut digits = (u64::from_be_bytes(sample::random()) % 10_u64.pow(18)).to_string();
    digits.insert(0, '1');
    digits.truncate(count);
    format!("{digits:0<count$}")
}

#[cfg(test)]
mod tests {
    use inhaul_core::signature::{Delivery, Verdict, catalogue};

    use super::*;
    use crate::history::tests::sample_event;

    const NOW: UnixMillis = UnixMillis(1_763_970_070_118);

    /// An event with a query and repeated headers.
    fn event(body: &'static [u8]) -> Event {
        let head = "POST /in/orders-1/hook?a=%2F&b=1&b=2&c HTTP/1.1\r\nHost: relay.example\r\nX-A: 1\r\nx-a: 2\r\nX-B: 3\r\n\r\n";
        Event {
            head: head.into(),
            prefix_bytes: "/in/orders-1".len(),
            body: body.into(),
            body_sha256: Event::digest(body),
            ..sample_event(1, b"")
        }
    }

    fn changed(event: &Event, changes: Changes) -> Result<Event, DraftError> {
        apply(event, &Draft { body: None, changes }, &Signer::default(), NOW)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn head_of(event: &Event) -> &str {
        str::from_utf8(&event.head).unwrap()
    }

    #[test]
    fn an_empty_draft_changes_no_byte() {
        let event = event(b"x");
        assert_eq!(changed(&event, Changes::default()).unwrap(), event);
    }

    #[test]
    fn parameters_change_and_the_others_stay_as_they_were_written() {
        let event = event(b"");
        for (remove, set, query) in [
            (&["b"][..], &[][..], "?a=%2F&c"),
            (&["a", "b", "c"], &[], ""),
            (&[], &[("b", "x y"), ("new", "&")], "?a=%2F&b=x+y&c&new=%26"),
            (&["c"], &[("c", "1")], "?a=%2F&b=1&b=2&c=1"),
        ] {
            let remove_query = remove.iter().map(|&name| name.to_owned()).collect();
            let changes = Changes { remove_query, set_query: pairs(set), ..Changes::default() };
            let sent = changed(&event, changes).unwrap();
            let line = format!("POST /in/orders-1/hook{query} HTTP/1.1\r\nHost: relay.example\r\n");
            assert!(head_of(&sent).starts_with(&line), "{}", head_of(&sent));
        }
    }

    #[test]
    fn header_lines_are_put_in_place_and_those_of_the_request_itself_are_nobodys() {
        let event = event(b"");
        let changes = Changes {
            remove_headers: vec!["x-b".to_owned()],
            set_headers: pairs(&[("X-a", "9"), ("x-new", "n"), ("X-New", "m")]),
            ..Changes::default()
        };
        let sent = changed(&event, changes).unwrap();
        assert!(head_of(&sent).ends_with("relay.example\r\nX-A: 9\r\nx-new: n\r\nX-New: m\r\n\r\n"));
        for (name, value) in [("Host", "a"), ("content-length", "1"), ("Connection", "x")] {
            let changes = Changes { set_headers: pairs(&[(name, value)]), ..Changes::default() };
            assert_eq!(changed(&event, changes), Err(DraftError::MadeForEach(name.to_owned())));
        }
        for (name, value) in [("a b", "1"), ("", ""), ("x", "a\r\nHost: b")] {
            let changes = Changes { set_headers: pairs(&[(name, value)]), ..Changes::default() };
            assert!(matches!(changed(&event, changes), Err(DraftError::Header(_))), "{name}");
        }
    }

    fn signer(provider: &str) -> Signer {
        Signer { provider: catalogue().provider(provider), secret: Some(Secret::new("s", "whsec_c2VjcmV0")) }
    }

    fn verdict(event: &Event, signer: &Signer) -> Verdict {
        let head = event.parsed_head().unwrap();
        let url = sender_url(event, &head);
        let delivery = Delivery { received_at: NOW, ..Delivery::of_event(event, &head, url.as_deref()) };
        let (provider, secret) = (signer.provider.as_ref().unwrap(), signer.secret.clone().unwrap());
        provider.verify(&delivery, &[secret])
    }

    #[test]
    fn an_id_is_new_where_the_provider_sends_it_in_a_header() {
        let event = event(br#"{"id":"evt_1","type":"charge.failed"}"#);
        for (provider, renews) in [("stripe", false), ("standard_webhooks", true)] {
            let signer = signer(provider);
            let set_headers = pairs(&[("webhook-id", "msg_1")]);
            let changes =
                Changes { sign: Sign::Fresh, id: IdChange::NewInHeader, set_headers, ..Changes::default() };
            let sent = apply(&event, &Draft { body: None, changes }, &signer, NOW).unwrap();
            let is_new = !head_of(&sent).contains("msg_1") || sent.body != event.body;
            let said = renews_id(&sent, IdChange::NewInHeader, signer.provider.as_deref());
            assert_eq!((is_new, said), (renews, renews), "{provider}");
        }
    }

    #[test]
    fn what_is_signed_is_what_was_edited() {
        let event = event(br#"{"id":"evt_1","type":"charge.failed","n":1}"#);
        for provider in ["stripe", "standard_webhooks", "square"] {
            let signer = signer(provider);
            let made = |sign| {
                let mut changes = Changes { sign, set_query: pairs(&[("q", "1")]), ..Changes::default() };
                changes.set_values = vec!["n=2".to_owned()];
                changes.set_headers = pairs(&[("webhook-id", "msg_1")]);
                apply(&event, &Draft { body: None, changes }, &signer, NOW)
                    .map(|sent| verdict(&sent, &signer))
            };
            assert!(matches!(made(Sign::Fresh), Ok(Verdict::Valid { .. })), "{provider}");
            assert!(matches!(made(Sign::BreakDigest), Ok(Verdict::Invalid { .. })), "{provider}");
            assert_eq!(made(Sign::BreakMissing), Ok(Verdict::Unsigned), "{provider}");
            assert!(matches!(made(Sign::BreakTime), Ok(Verdict::Stale { .. }) | Err(_)), "{provider}");
        }
        let unsigned = Changes { sign: Sign::Fresh, ..Changes::default() };
        assert_eq!(changed(&event, unsigned), Err(DraftError::NoProvider));
    }

    #[test]
    fn ids_are_new_where_the_provider_has_them() {
        let event = event(br#"{"id": "evt_1abcdefghijklmnop", "n": 1 }"#);
        let with = |id, provider| {
            let changes = Changes { id, sign: Sign::Fresh, ..Changes::default() };
            apply(&event, &Draft { body: None, changes }, &signer(provider), NOW).unwrap()
        };
        let renewed = with(IdChange::New, "stripe");
        let body = str::from_utf8(&renewed.body).unwrap();
        assert!(body.starts_with("{\"id\": \"evt_") && body.ends_with("\", \"n\": 1 }"), "{body}");
        assert!(renewed.body != event.body && renewed.body.len() == event.body.len());
        assert!(matches!(verdict(&renewed, &signer("stripe")), Verdict::Valid { .. }));
        assert_eq!(with(IdChange::NewInHeader, "stripe").body, event.body);
        assert_ne!(with(IdChange::New, "stripe").body, renewed.body, "another one for each copy");
    }

    #[test]
    fn fresh_ids_have_the_form_of_the_old_ones() {
        let uuid = fresh("0f8fad5b-d9cb-469f-a165-70867728950e");
        assert!(uuid.parse::<uuid::Uuid>().is_ok() && uuid != "0f8fad5b-d9cb-469f-a165-70867728950e");
        let message = fresh("msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert!(message.starts_with("msg_") && message.len() == 28, "{message}");
        assert_ne!(message, "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!((fresh("7").len(), digits(3).len(), digits(40).len()), (16, 15, 18));
        assert_ne!(digits(15), digits(15));
    }
}

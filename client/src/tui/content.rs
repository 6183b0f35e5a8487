//! An event that was read, taken apart as far as it can be shown: done beside the inspector, once for each event opened.

use std::borrow::Cow;

use bytes::Bytes;
use inhaul_core::{
    event::{Event, Head},
    signature::{Catalogue, Provider},
    visible::multiline,
};

use super::tree::Tree;
use crate::{
    export::{Mask, masked_target_bytes, one},
    output::{body::is_form, xml},
};

/// Longest body that is taken apart; of a longer one, that much is shown as text.
pub(super) const PARSED_MAX_BYTES: usize = 256 * 1024;

/// Most fields of a form, and parts of a multipart body, that are shown.
const PARTS_MAX: usize = 1000;

/// Longest boundary of a multipart body (RFC 2046 §5.1.1). It is looked for at every byte.
const BOUNDARY_MAX_BYTES: usize = 70;

/// An event with what its body is.
pub(super) struct Opened {
    pub(super) event: Event,
    /// The request's head, or why it is none.
    pub(super) head: Result<Head, String>,
    whole: Body,
    /// Without the values of secrets, where it has some.
    masked: Option<Body>,
    /// The body is the one the relay received, by its digest.
    pub(super) is_unchanged: bool,
    /// The bytes its signature is over, and by which scheme, when its provider is known and signs such.
    pub(super) signed: Option<(String, Vec<u8>)>,
    /// Something of its target or body is hidden until it is asked for.
    pub(super) has_secrets: bool,
    /// What the catalogue knows of who sent it.
    pub(super) sender: Option<Sender>,
}

/// A body, and what can be shown of it.
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) content: Content,
}

/// What the catalogue knows of a provider, as far as it helps to understand an event.
pub(super) struct Sender {
    pub(super) name: String,
    pub(super) docs: String,
    pub(super) schemes: Vec<String>,
    /// Those of them, as verdicts name them, that are made with a secret which both sides have.
    pub(super) shared_secrets: Vec<String>,
    /// Names of the headers its signatures are made of.
    pub(super) headers: Vec<String>,
    /// How long it waits for an answer, in seconds.
    pub(super) timeout_seconds: Option<u64>,
    pub(super) success: String,
    pub(super) retries: Option<String>,
    pub(super) notes: Vec<String>,
}

/// A body by what can be shown of it.
pub(super) enum Content {
    Empty,
    Json(Box<Tree>),
    /// Harmless text; `cut` when there is more than is shown, and what is wrong when it was meant to be XML.
    Text {
        text: String,
        cut: bool,
        flaw: Option<String>,
    },
    /// XML laid out, harmless.
    Xml(String),
    /// A form's fields, decoded.
    Form(Vec<(String, String)>),
    /// The parts of a multipart body: their headers, and their text or how long they are.
    Parts(Vec<(Vec<String>, Part)>),
    /// Neither text nor anything known.
    Bytes,
}

/// The body of a part.
pub(super) enum Part {
    Text(String),
    Bytes(usize),
}

impl Opened {
    /// Takes an event apart. `provider` is who sent it, as its row says.
    pub(super) fn new(event: Event, provider: Option<&str>, catalogue: &Catalogue, mask: &Mask) -> Self {
        let head = event.parsed_head().map_err(|error| error.to_string());
        let kind = head.as_ref().ok().and_then(|head| head.header("content-type"));
        let kind = kind.map_or(Cow::Borrowed(""), |kind| String::from_utf8_lossy(kind));
        let body = |bytes: Bytes| Body { content: content(&bytes, &kind), bytes };
        let masked = mask.body_of(&event, head.as_ref().ok()).map(body);
        let whole = body(event.body.clone());
        let sender = provider.and_then(|id| catalogue.provider(id)).map(|provider| Sender::of(&provider));
        let is_unchanged = Event::digest(&event.body) == event.body_sha256;
        let provider = provider.and_then(|id| catalogue.provider(id));
        let head_of = head.as_ref().ok();
        let signed =
            head_of.zip(provider).and_then(|(head, provider)| one::signed_content(&event, head, &provider));
        let has_secrets =
            masked.is_some() || head_of.is_some_and(|head| masked_target_bytes(&head.target) != head.target);
        Self { head, whole, masked, is_unchanged, signed, has_secrets, sender, event }
    }

    /// The body as it is shown, with secrets or without.
    pub(super) fn body(&self, masks: bool) -> &Body {
        self.masked.as_ref().filter(|_| masks).unwrap_or(&self.whole)
    }

    /// Its tree, if it is JSON.
    pub(super) fn tree(&self, masks: bool) -> Option<&Tree> {
        if let Content::Json(tree) = &self.body(masks).content { Some(tree) } else { None }
    }

    pub(super) fn tree_mut(&mut self, masks: bool) -> Option<&mut Tree> {
        let body = self.masked.as_mut().filter(|_| masks).unwrap_or(&mut self.whole);
        if let Content::Json(tree) = &mut body.content { Some(tree) } else { None }
    }
}

impl Sender {
    fn of(provider: &Provider) -> Self {
        Self {
            name: provider.name().to_owned(),
            docs: provider.docs().to_owned(),
            schemes: provider.schemes().map(str::to_owned).collect(),
            shared_secrets: provider.shared_secret_schemes().collect(),
            headers: read_once(provider),
            timeout_seconds: provider.sender_timeout().map(|time| time.as_secs()),
            success: provider.success().to_owned(),
            retries: provider.retries().map(str::to_owned),
            notes: provider.notes().to_vec(),
        }
    }
}

/// Names of the headers a provider's signatures are made of, each once.
fn read_once(provider: &Provider) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in provider.headers_read() {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.to_owned());
        }
    }
    names
}

fn content(body: &[u8], kind: &str) -> Content {
    if body.is_empty() {
        return Content::Empty;
    }
    let (essence, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let cut = body.len() > PARSED_MAX_BYTES;
    if !cut {
        if essence.trim().eq_ignore_ascii_case("multipart/form-data")
            && let Some(parts) = boundary(parameters).and_then(|boundary| parts(body, &boundary))
        {
            return Content::Parts(parts);
        }
        if let Ok(text) = str::from_utf8(body) {
            if let Some(tree) = Tree::parse(text) {
                return Content::Json(Box::new(tree));
            }
            if is_form(Some(kind)) {
                let fields = form_urlencoded::parse(body).take(PARTS_MAX);
                return Content::Form(
                    fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
                );
            }
        }
    }
    let Some(text) = text(&body[..body.len().min(PARSED_MAX_BYTES)], cut) else { return Content::Bytes };
    let xml = (!cut && xml::is_meant(Some(kind), &text)).then(|| xml::lay_out(&text));
    match xml {
        Some(Ok(laid_out)) => Content::Xml(multiline(&laid_out).to_string()),
        Some(Err(error)) => {
            Content::Text { text: multiline(&text).to_string(), cut, flaw: Some(error.to_string()) }
        }
        None => Content::Text { text: multiline(&text).to_string(), cut, flaw: None },
    }
}

/// Bytes as text, if they are; the last letter may be cut.
fn text(bytes: &[u8], cut: bool) -> Option<Cow<'_, str>> {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if cut && error.error_len().is_none() => {
            str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if text.contains('\0') { None } else { Some(Cow::Borrowed(text)) }
}

/// The boundary of a multipart body (RFC 2046 §5.1.1).
fn boundary(parameters: &str) -> Option<String> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        let value = value.trim_matches('"');
        let fits = (1..=BOUNDARY_MAX_BYTES).contains(&value.len());
        (name.eq_ignore_ascii_case("boundary") && fits).then(|| value.to_owned())
    })
}

/// The parts between boundaries; nothing when there is no boundary in it.
fn parts(body: &[u8], boundary: &str) -> Option<Vec<(Vec<String>, Part)>> {
    let delimiter = format!("--{boundary}").into_bytes();
    let mut starts = positions(body, &delimiter);
    let mut start = starts.next()? + delimiter.len();
    let mut parts = Vec::new();
    for next in starts.take(PARTS_MAX) {
        let part = &body[start..next];
        let part = part.strip_prefix(b"\r\n").unwrap_or(part);
        let part = part.strip_suffix(b"\r\n").unwrap_or(part);
        let split = positions(part, b"\r\n\r\n").next();
        let (head, content) = split.map_or((part, &[][..]), |at| (&part[..at], &part[at + 4..]));
        let headers = String::from_utf8_lossy(head).lines().map(str::to_owned).collect();
        let content = match text(content, false) {
            Some(text) => Part::Text(multiline(&text).to_string()),
            None => Part::Bytes(content.len()),
        };
        parts.push((headers, content));
        start = next + delimiter.len();
    }
    Some(parts)
}

/// Where `wanted` begins, each behind the one before.
fn positions<'a>(bytes: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = bytes[from..].windows(wanted.len()).position(|window| window == wanted)? + from;
        from = at + wanted.len();
        Some(at)
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use inhaul_core::event::{EventId, Peer, PeerSource, UnixMillis};

    use super::*;

    fn opened(content_type: &str, body: impl Into<Bytes>) -> Content {
        let body = body.into();
        let event = Event {
            id: EventId("01935b1e-7c00-7000-8000-000000000001".parse().unwrap()),
            endpoint: "orders".parse().unwrap(),
            received_at: UnixMillis(0),
            peer: Peer { address: "127.0.0.1:1".to_owned(), source: PeerSource::Socket },
            prefix_bytes: 0,
            head: format!("POST / HTTP/1.1\r\nContent-Type: {content_type}\r\n\r\n").into(),
            body_sha256: Event::digest(&body),
            body,
        };
        let head = event.parsed_head().unwrap();
        let kind = head.header("content-type").map_or(&b""[..], |kind| &kind[..]);
        content(&event.body, &String::from_utf8_lossy(kind))
    }

    #[test]
    fn a_header_that_holds_several_parts_of_a_signature_is_named_once() {
        let catalogue = inhaul_core::signature::catalogue();
        let stripe = Sender::of(&catalogue.provider("stripe").unwrap());
        assert_eq!(stripe.headers, ["Stripe-Signature"]);
    }

    #[test]
    fn a_body_is_what_its_bytes_and_its_type_say() {
        assert!(matches!(opened("text/plain", ""), Content::Empty));
        assert!(matches!(opened("text/plain", r#"{"a":1}"#), Content::Json(_)), "whatever its type says");
        let Content::Form(fields) =
            opened("application/x-www-form-urlencoded; charset=utf-8", "a=1&b=x%20y&a")
        else {
            panic!("a form")
        };
        assert_eq!(
            fields,
            [("a", "1"), ("b", "x y"), ("a", "")].map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        let Content::Text { text, cut, .. } = opened("application/json", "{broken\x1b[2J") else {
            panic!("text")
        };
        assert_eq!((text.as_str(), cut), (r"{broken\x1b[2J", false));
        assert!(matches!(opened("text/plain", &b"\xff\x00"[..]), Content::Bytes));
        assert!(matches!(opened("text/plain", &b"a\0"[..]), Content::Bytes));
    }

    #[test]
    fn xml_is_laid_out_and_what_is_none_says_why() {
        let Content::Xml(text) = opened("application/xml", "<a><b>\x1b</b></a>") else { panic!("XML") };
        assert_eq!(text, "<a>\n  <b>\\x1b</b>\n</a>");
        let Content::Text { text, flaw, .. } = opened("text/xml", "<a><b></a>") else { panic!("text") };
        assert_eq!(text, "<a><b></a>");
        assert!(flaw.unwrap().starts_with("no well-formed XML, line 1, column 7"));
        assert!(matches!(opened("text/html", "<p>"), Content::Text { flaw: None, .. }));
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let body = format!("x{}", "日".repeat(PARSED_MAX_BYTES / 3 + 1));
        let Content::Text { text, cut, .. } = opened("text/plain", body) else { panic!("text") };
        assert!(cut && text.len() <= PARSED_MAX_BYTES && text.len() > PARSED_MAX_BYTES - 3);
    }

    #[test]
    fn a_multipart_body_is_shown_part_by_part() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\ntwo\r\n--b\r\nX: y\r\n\r\n\xff\xfe\r\n--b--\r\n";
        let Content::Parts(parts) = opened("multipart/form-data; boundary=\"b\"", &body[..]) else {
            panic!("parts")
        };
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].0, ["Content-Disposition: form-data; name=\"a\""]);
        assert!(matches!(&parts[0].1, Part::Text(text) if text == "one\ntwo"));
        assert!(matches!(parts[1].1, Part::Bytes(2)));
        assert!(matches!(opened("multipart/form-data; boundary=other", "no parts"), Content::Text { .. }));
        for (letters, is_boundary) in [(BOUNDARY_MAX_BYTES, true), (BOUNDARY_MAX_BYTES + 1, false)] {
            let boundary = "b".repeat(letters);
            let body = format!("--{boundary}\r\n\r\n\r\n--{boundary}--\r\n");
            let content = opened(&format!("multipart/form-data; boundary={boundary}"), body);
            assert_eq!(matches!(content, Content::Parts(_)), is_boundary, "{letters} letters");
        }
    }
}

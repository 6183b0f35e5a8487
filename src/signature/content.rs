//! The bytes that a scheme signs, put together from its template.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::{
    check::Variable,
    rule::{Encoding, Key, Known, Piece, Template},
    select::Request,
};

/// Most headers that may be named as signed.
const SIGNED_HEADERS_MAX: usize = 100;

/// What is signed, in parts.
pub(super) fn content<'a>(
    template: &'a Template,
    request: &'a Request<'_>,
    variables: &'a [Variable<'_>],
    key: Option<&'a Key<'_>>,
) -> Vec<Cow<'a, [u8]>> {
    let delivery = request.delivery;
    let value = |name: &str| {
        variables
            .iter()
            .find(|(variable, _)| *variable == name)
            .map_or(&[][..], |(_, value)| value.as_slice())
    };
    let part = |piece: &'a Piece| match piece {
        Piece::Literal(text) => Cow::from(text.as_bytes()),
        Piece::Variable(name) => Cow::from(value(name)),
        Piece::Known(Known::Body) => Cow::from(delivery.body),
        Piece::Known(Known::BodySha256Hex) => {
            Cow::from(hex::encode(Sha256::digest(delivery.body)).into_bytes())
        }
        Piece::Known(Known::Method) => Cow::from(delivery.method),
        Piece::Known(Known::Url) => Cow::from(delivery.url.unwrap_or_default().as_bytes()),
        Piece::Known(Known::Secret) => Cow::from(key.map_or(&[][..], |key| &key.bytes)),
        Piece::SecretPart(name) => Cow::from(key.map(|key| key.part(name)).unwrap_or_default().into_bytes()),
        Piece::Known(Known::BodySha256Base64) => {
            Cow::from(Encoding::Base64.encode(&Sha256::digest(delivery.body)).into_bytes())
        }
        Piece::Known(Known::BodySha256Base64url) => {
            Cow::from(Encoding::Base64url.encode(&Sha256::digest(delivery.body)).into_bytes())
        }
        Piece::Known(Known::BodyCrc32) => Cow::from(crc32fast::hash(delivery.body).to_string().into_bytes()),
        Piece::Known(Known::BodyCompact) => match request.json() {
            Some(json) => Cow::from(json.to_string().into_bytes()),
            None => Cow::from(delivery.body),
        },
        Piece::Known(Known::SnsMessage) => Cow::from(sns_message(request).into_bytes()),
        Piece::Known(Known::UrlSorted) => {
            Cow::from(sorted_query(delivery.url.unwrap_or_default()).into_bytes())
        }
        Piece::Known(Known::ContentfulPath) => {
            Cow::from(contentful_path(delivery.url.unwrap_or_default()).into_bytes())
        }
        Piece::Known(Known::ContentfulHeaders) => Cow::from(contentful_headers(request).into_bytes()),
        Piece::Known(Known::BodyEscaped) => {
            Cow::from(escaped(&String::from_utf8_lossy(delivery.body)).into_bytes())
        }
        Piece::Known(known @ (Known::FormSorted | Known::FormSortedUnique)) => {
            let mut fields: Vec<&(String, String)> = request.form().iter().collect();
            if *known == Known::FormSorted {
                fields.sort_by(|a, b| a.0.cmp(&b.0));
            } else {
                fields.sort();
                fields.dedup();
            }
            Cow::from(
                fields.iter().map(|(name, value)| format!("{name}{value}")).collect::<String>().into_bytes(),
            )
        }
    };
    template.0.iter().map(part).collect()
}

/// The members of an Amazon SNS message that are signed, in their order, each name and value on a line of its own
/// (docs.aws.amazon.com, "Verifying the signatures of Amazon SNS messages").
fn sns_message(request: &Request<'_>) -> String {
    let Some(json) = request.json() else { return String::new() };
    let of = |name: &str| json.get(name).and_then(|value| value.as_str());
    let names: &[&str] = if of("Type") == Some("Notification") {
        &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    } else {
        &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    };
    names.iter().filter_map(|name| Some(format!("{name}\n{}\n", of(name)?))).collect()
}

/// With `\u` and four hex digits for everything beyond ASCII.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii() {
            out.push(letter);
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// The URL with the parameters of its query in the order of their names and values, as they are written.
fn sorted_query(url: &str) -> String {
    let Some((base, query)) = url.split_once('?') else { return url.to_owned() };
    let mut parameters: Vec<&str> = query.split('&').collect();
    parameters.sort_unstable();
    format!("{base}?{}", parameters.join("&"))
}

/// What `encodeURIComponent` of JavaScript leaves as it is (ECMA-262 section 19.2.6.4).
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The path, and the query escaped twice, as Contentful's own library does.
fn contentful_path(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    match path.split_once('?') {
        Some((path, query)) => {
            let once = utf8_percent_encode(query, COMPONENT).to_string();
            format!("{path}?{}", utf8_percent_encode(&once, COMPONENT))
        }
        None => path.to_owned(),
    }
}

/// `name:value` of the headers that are named as signed, in that order.
fn contentful_headers(request: &Request<'_>) -> String {
    let headers = request.delivery.headers;
    let list = headers.iter().find(|header| header.is("x-contentful-signed-headers"));
    let list =
        list.map(|header| String::from_utf8_lossy(&header.value).to_ascii_lowercase()).unwrap_or_default();
    let one = |name: &str| {
        let value = headers
            .iter()
            .find(|header| header.is(name))
            .map(|header| String::from_utf8_lossy(&header.value));
        format!("{name}:{}", value.unwrap_or_default().trim())
    };
    let named = list.split(',').map(str::trim).filter(|name| !name.is_empty()).take(SIGNED_HEADERS_MAX);
    named.map(one).collect::<Vec<_>>().join(";")
}

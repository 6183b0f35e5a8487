//! The language of the catalogue's rows: where a signature is, what is signed, with which key, how fresh it must be.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer},
    },
};

mod key;

pub(super) use key::{Algorithm, Encoding, Key, KeyStep};

/// One way a provider signs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// The scheme's own id within its provider.
    pub(super) id: String,
    /// Another name it goes by as a provider of its own, such as `adyen_platform`.
    pub(super) alias: Option<String>,
    /// Its header says nothing of who sent it, so nobody is recognised by it.
    #[serde(default)]
    pub(super) unspecific: bool,
    /// What a signature is.
    #[serde(default)]
    pub(super) kind: Kind,
    /// The digest, below an HMAC or by itself.
    #[serde(default)]
    pub(super) alg: Algorithm,
    /// From the secret's text to the key's bytes, step by step.
    #[serde(default)]
    pub(super) key: Vec<KeyStep>,
    /// Where the signature is: any of them may match.
    #[serde(deserialize_with = "one_or_many")]
    pub(super) sig: Vec<Selector>,
    /// Further values that are signed, by name.
    #[serde(default)]
    pub(super) vars: BTreeMap<String, Selector>,
    /// What is signed: any of them may match.
    #[serde(default = "whole_body", deserialize_with = "one_or_many")]
    pub(super) content: Vec<Template>,
    /// How the digest is written.
    #[serde(default)]
    pub(super) enc: Encoding,
    /// Whether the digest is compared as it is written, or decoded first.
    #[serde(default)]
    pub(super) compare: Compare,
    /// The signature's own time, and how far it may be from the event's.
    pub(super) ts: Option<Window>,
    /// How a token is signed.
    pub(super) jws: Option<Jws>,
    /// What the claims of a token must be: any of the values given.
    #[serde(default, deserialize_with = "lists")]
    pub(super) claims: BTreeMap<String, Vec<Template>>,
    /// Seconds since a token was issued; any when absent.
    pub(super) max_age: Option<u64>,
    /// Seconds by which clocks may differ where a token says from when to when it is valid.
    #[serde(default)]
    pub(super) leeway: u64,
    /// What must be so besides.
    #[serde(default)]
    pub(super) require: Vec<Requirement>,
    /// What separates whole signatures, each with its own values, in the header of `sig`.
    pub(super) group: Option<String>,
    /// A JSON pointer to a list in the body: every item of it must be signed, and pointers begin at the item.
    pub(super) each: Option<String>,
    /// The URL may have been signed with or without its port.
    #[serde(default)]
    pub(super) url_ports: bool,
}

/// Something that must be so for a signature to count.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Requirement {
    /// What is looked at.
    pub(super) from: Source,
    /// What it must be.
    pub(super) equals: Option<Template>,
    /// Beginnings of URLs, of which it must have one; `*` in a host is one label.
    #[serde(default, deserialize_with = "one_or_many")]
    pub(super) url: Vec<String>,
}

impl Rule {
    /// Everything the rule looks into.
    pub(super) fn sources(&mut self) -> impl Iterator<Item = &mut Source> {
        let selectors =
            self.sig.iter_mut().chain(self.vars.values_mut()).flat_map(|selector| &mut selector.from);
        selectors.chain(self.require.iter_mut().map(|requirement| &mut requirement.from))
    }

    /// What is wrong with the row itself, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let unknown = self.content.iter().flat_map(|template| &template.0).find_map(|piece| match piece {
            Piece::Variable(name) if !self.vars.contains_key(name) => Some(name),
            Piece::Variable(_) | Piece::Literal(_) | Piece::Known(_) | Piece::SecretPart(_) => None,
        });
        if let Some(name) = unknown {
            return Some(format!("content names {{{name}}}, which is not among vars"));
        }
        if (self.kind == Kind::Jwt) != self.jws.is_some() {
            return Some(
                "jws says how a token is signed, and there is one exactly when kind is \"jwt\"".to_owned(),
            );
        }
        let window = self.ts.as_ref().filter(|window| !self.vars.contains_key(&window.var));
        window.map(|window| format!("ts names {:?}, which is not among vars", window.var))
    }
}

/// One value, or a list of them. Written by hand, since an untagged enum would say neither what is wrong nor where.
pub(super) fn one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct OneOrMany<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("one value or a list of them")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            T::deserialize(StrDeserializer::new(text)).map(|one| vec![one])
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(|one| vec![one])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }

    deserializer.deserialize_any(OneOrMany(PhantomData))
}

/// Lists by name, each one value or a list of them.
fn lists<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Vec<Template>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct List(#[serde(deserialize_with = "one_or_many")] Vec<Template>);
    let lists = BTreeMap::<String, List>::deserialize(deserializer)?;
    Ok(lists.into_iter().map(|(name, List(list))| (name, list)).collect())
}

fn whole_body() -> Vec<Template> {
    vec![Template(vec![Piece::Known(Known::Body)])]
}

/// What a signature is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// An HMAC of the content under the key (RFC 2104).
    #[default]
    Hmac,
    /// A plain digest of content that holds the secret.
    Hash,
    /// The secret itself.
    Token,
    /// An Ed25519 signature (RFC 8032); the secret is the provider's public key.
    Ed25519,
    /// An ECDSA signature on P-256, in ASN.1 (RFC 3279 section 2.2.3).
    Ecdsa,
    /// An RSA signature, RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2).
    Rsa,
    /// A JSON Web Token whose claims say what it is for (RFC 7519).
    Jwt,
    /// A JSON Web Signature whose certificates come with it, as Apple's (RFC 7515 section 4.1.6).
    X5c,
    /// HTTP Message Signatures (RFC 9421).
    Message,
}

impl Kind {
    /// Whether the secret is a public key, and a signature verified with it.
    pub(super) fn is_public(self) -> bool {
        matches!(self, Self::Ed25519 | Self::Ecdsa | Self::Rsa)
    }
}

/// How a JSON Web Token is signed (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Jws {
    /// HMAC with SHA-256.
    HS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
}

/// How a signature is compared, always in constant time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Compare {
    /// Letter by letter.
    #[default]
    Text,
    /// Byte by byte once decoded: hex in either case, base64 of either alphabet, padded or not.
    Bytes,
}

/// Where a value is in a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Selector {
    /// What is looked into; the first that is there counts.
    #[serde(deserialize_with = "one_or_many")]
    pub(super) from: Vec<Source>,
    /// What separates the parts, when the value is a list of them.
    pub(super) list: Option<String>,
    /// What separates a part's name from its value.
    pub(super) kv: Option<String>,
    /// The name of the parts that count; every part's value does when absent.
    pub(super) field: Option<String>,
    /// Parts of other names count too; `field` is the name that is written.
    #[serde(default)]
    pub(super) any_field: bool,
    /// Which part counts, from 0.
    pub(super) index: Option<usize>,
    /// Those behind `index` count too.
    #[serde(default)]
    pub(super) rest: bool,
    /// White space around a part does not belong to it.
    #[serde(default)]
    pub(super) trim: bool,
    /// A beginning that must be there and does not belong to the value.
    pub(super) strip: Option<String>,
    /// A value without that beginning counts too.
    #[serde(default)]
    pub(super) strip_optional: bool,
    /// The last of several values counts, not the first.
    #[serde(default)]
    pub(super) last: bool,
    /// The value is base64 of a JSON document, and this pointer leads to what counts in it.
    pub(super) inside: Option<String>,
    /// The value when there is none.
    pub(super) default: Option<String>,
}

/// What a selector looks into.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Source {
    /// A header, in any case.
    Header(String),
    /// Headers of that name with a number behind it.
    Numbered(String),
    /// A JSON pointer into the body (RFC 6901).
    Json(String),
    /// A field of a body of the type `application/x-www-form-urlencoded`.
    Form(String),
    /// A parameter of the URL's query.
    Query(String),
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("header", name)) if !name.is_empty() => Ok(Self::Header(name.to_owned())),
            Some(("json", pointer)) if pointer.starts_with('/') => Ok(Self::Json(pointer.to_owned())),
            Some(("headers", name)) if !name.is_empty() => Ok(Self::Numbered(name.to_owned())),
            Some(("form", name)) if !name.is_empty() => Ok(Self::Form(name.to_owned())),
            Some(("query", name)) if !name.is_empty() => Ok(Self::Query(name.to_owned())),
            _ => Err(format!(
                "{text:?} is no source: header:NAME, headers:NAME, json:/POINTER, form:NAME, query:NAME"
            )),
        }
    }
}

/// What is signed: literal text and placeholders in braces.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Template(pub(super) Vec<Piece>);

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// These bytes.
    Literal(String),
    /// What every request has.
    Known(Known),
    /// A value of `vars`.
    Variable(String),
    /// A part of the secret: a member, where it is a JSON object, and for `id` else what stands before its first colon.
    SecretPart(String),
}

/// A placeholder that is not among `vars`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The whole body.
    Body,
    /// Its SHA-256 in lower-case hex.
    BodySha256Hex,
    /// The same in base64, padded.
    BodySha256Base64,
    /// The same in base64 for URLs, without padding.
    BodySha256Base64url,
    /// Its CRC-32 (ISO 3309) in decimal.
    BodyCrc32,
    /// The body, which is JSON, written without white space.
    BodyCompact,
    /// The parts of an Amazon SNS message that are signed.
    SnsMessage,
    /// The request method.
    Method,
    /// The whole URL, as the sender used it.
    Url,
    /// The secret's text.
    Secret,
    /// Every form field's name and value, in the order of the names.
    FormSorted,
    /// The same, with equal fields once, and those of one name in the order of their values.
    FormSortedUnique,
    /// The URL with the parameters of its query in order.
    UrlSorted,
    /// Path and query as Contentful signs them: the query escaped twice.
    ContentfulPath,
    /// The headers Contentful says it has signed.
    ContentfulHeaders,
    /// The whole body, with `\u` and four hex digits in place of everything beyond ASCII.
    BodyEscaped,
}

impl Known {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "body" => Self::Body,
            "body.sha256hex" => Self::BodySha256Hex,
            "body.sha256base64" => Self::BodySha256Base64,
            "body.sha256base64url" => Self::BodySha256Base64url,
            "body.crc32" => Self::BodyCrc32,
            "body.compact" => Self::BodyCompact,
            "sns.message" => Self::SnsMessage,
            "method" => Self::Method,
            "url" => Self::Url,
            "secret" => Self::Secret,
            "form.sorted" => Self::FormSorted,
            "form.sorted_unique" => Self::FormSortedUnique,
            "body.escaped" => Self::BodyEscaped,
            "url.sorted" => Self::UrlSorted,
            "contentful.path" => Self::ContentfulPath,
            "contentful.headers" => Self::ContentfulHeaders,
            _ => return None,
        })
    }
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some((literal, after)) = rest.split_once('{') {
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| format!("content {text:?} has a brace that is not closed"))?;
            pieces.push(match (Known::named(name), name.strip_prefix("secret.")) {
                (Some(known), _) => Piece::Known(known),
                (None, Some(part)) => Piece::SecretPart(part.to_owned()),
                (None, None) => Piece::Variable(name.to_owned()),
            });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self(pieces))
    }
}

/// How far a signature's own time may be from the time of the event.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    /// The variable that holds the time.
    pub(super) var: String,
    /// How it is written.
    #[serde(default)]
    pub(super) unit: Unit,
    /// Seconds it may be older; any when absent.
    pub(super) past: Option<u64>,
    /// Seconds it may be ahead; any when absent.
    pub(super) future: Option<u64>,
}

/// How a signature's time is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    /// Seconds since 1970.
    #[default]
    S,
    /// Milliseconds since 1970.
    Ms,
    /// A date and time of RFC 3339.
    Rfc3339,
    /// A date and time of RFC 9110 section 5.6.7.
    Imf,
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn templates_are_literals_and_placeholders() {
        let template = Template::try_from("v0:{t}:{body}".to_owned()).unwrap();
        let expected = [
            Piece::Literal("v0:".to_owned()),
            Piece::Variable("t".to_owned()),
            Piece::Literal(":".to_owned()),
            Piece::Known(Known::Body),
        ];
        assert_eq!(template.0, expected);
        assert!(Template::try_from("{t".to_owned()).is_err());
    }

    #[test]
    fn keys_are_made_step_by_step() {
        let steps = [KeyStep::Strip("whsec_".to_owned()), KeyStep::Base64];
        for text in ["whsec_AAEC/w==", "AAEC/w==", "AAEC/w"] {
            assert_eq!(KeyStep::apply_all(&steps, text), Ok(vec![0, 1, 2, 255]), "{text}");
        }
        assert_eq!(KeyStep::apply_all(&steps, "whsec_!"), Err("is not base64"));
        assert_eq!(KeyStep::apply_all(&[KeyStep::Hex], "00ff"), Ok(vec![0, 255]));
        assert_eq!(KeyStep::apply_all(&[KeyStep::Hex], "0"), Err("is not hexadecimal"));
        assert_eq!(KeyStep::apply_all(&[], "as it is"), Ok(b"as it is".to_vec()));
        assert!(KeyStep::try_from("rot13".to_owned()).is_err());
    }

    /// RFC 2202 section 3 and RFC 4231 section 4.3, test case 2 of each.
    #[test]
    fn hmacs_are_those_of_the_rfcs() {
        let mac = |algorithm: Algorithm| {
            let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
            Encoding::Hex.encode(&algorithm.mac(b"Jefe", &parts.map(Cow::from)))
        };
        assert_eq!(mac(Algorithm::Sha1), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            mac(Algorithm::Sha256),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            mac(Algorithm::Sha512),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        );
    }

    #[test]
    fn a_row_that_contradicts_itself_is_found() {
        let row = |text: &str| {
            toml::from_str::<Rule>(&format!("id = \"v1\"\nsig = {{ from = \"header:s\" }}\n{text}"))
                .map(|rule| rule.problem())
        };
        assert_eq!(row("").unwrap(), None);
        let unknown = "content names {t}, which is not among vars".to_owned();
        assert_eq!(row("content = \"{t}{body}\"").unwrap(), Some(unknown));
        assert!(row("ts = { var = \"t\" }").unwrap().is_some());
        assert!(row("digest = \"md5\"").is_err());
        assert!(row("vars.t = { from = \"cookie:t\" }").is_err());
    }
}

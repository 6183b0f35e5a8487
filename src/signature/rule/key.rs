//! From a secret's text to a key, from key and content to a digest, and from a digest to text.

use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig,
        general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    },
};
use hmac::{Hmac, KeyInit, Mac};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, pem::PemObject};
use serde::Deserialize;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use unicode_normalization::UnicodeNormalization;

/// A digest an HMAC is made with (RFC 2104, FIPS 180-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::signature) enum Algorithm {
    Sha1,
    #[default]
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// The HMAC of all parts, one after the other.
    pub(in crate::signature) fn mac(self, key: &[u8], parts: &[Cow<'_, [u8]>]) -> Vec<u8> {
        fn mac<M: Mac + KeyInit>(key: &[u8], parts: &[Cow<'_, [u8]>]) -> Vec<u8> {
            let mut mac = <M as KeyInit>::new_from_slice(key)
                .expect("an HMAC takes keys of any length (RFC 2104, section 2)");
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha1 => mac::<Hmac<Sha1>>(key, parts),
            Self::Sha256 => mac::<Hmac<Sha256>>(key, parts),
            Self::Sha384 => mac::<Hmac<Sha384>>(key, parts),
            Self::Sha512 => mac::<Hmac<Sha512>>(key, parts),
        }
    }

    /// The plain digest of all parts.
    pub(in crate::signature) fn digest(self, parts: &[Cow<'_, [u8]>]) -> Vec<u8> {
        fn digest<D: Digest>(parts: &[Cow<'_, [u8]>]) -> Vec<u8> {
            let mut digest = D::new();
            parts.iter().for_each(|part| digest.update(part));
            digest.finalize().to_vec()
        }
        match self {
            Self::Sha1 => digest::<Sha1>(parts),
            Self::Sha256 => digest::<Sha256>(parts),
            Self::Sha384 => digest::<Sha384>(parts),
            Self::Sha512 => digest::<Sha512>(parts),
        }
    }
}

/// How a digest is written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::signature) enum Encoding {
    /// Lower case.
    #[default]
    Hex,
    /// The alphabet of RFC 4648 section 4, padded.
    Base64,
    /// The alphabet of RFC 4648 section 5, without padding.
    Base64url,
}

impl Encoding {
    pub(in crate::signature) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Base64url => URL_SAFE_NO_PAD.encode(bytes),
        }
    }

    /// The digest a text stands for, read as kindly as can be.
    pub(in crate::signature) fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 | Self::Base64url => LENIENT.decode(text).or_else(|_| LENIENT_URL.decode(text)).ok(),
        }
    }
}

/// One step from a secret's text to a key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::signature) enum KeyStep {
    /// Takes a beginning away if it is there.
    Strip(String),
    /// Decodes base64, padded or not.
    Base64,
    /// Decodes hexadecimal digits.
    Hex,
    /// Takes what stands behind the last of these.
    AfterLast(String),
    /// A secret that begins so is base64 behind it; any other is the key as it is.
    Base64If(String),
    /// The digest of the secret.
    Sha1,
    /// Unicode normalisation form KD (UAX #15).
    Nfkd,
    /// Takes what stands behind the first of these.
    AfterFirst(String),
    /// Takes the member of that name of a secret that is a JSON object; any other is the key as it is.
    Member(String),
    /// Reads a public key: SubjectPublicKeyInfo (RFC 5280 section 4.1) in PEM or base64, or a certificate in PEM.
    PublicKey,
    /// Puts characters in place of the HTML entities of `& < > " '`.
    Html,
}

/// Base64 as people paste it: with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const LENIENT_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl KeyStep {
    /// The key after this step; an error tells in words what the secret should have been.
    fn apply(&self, key: Vec<u8>) -> Result<Vec<u8>, &'static str> {
        match self {
            Self::Strip(prefix) => Ok(key.strip_prefix(prefix.as_bytes()).map(<[u8]>::to_vec).unwrap_or(key)),
            Self::Base64 => LENIENT.decode(&key).map_err(|_| "is not base64"),
            Self::Hex => hex::decode(&key).map_err(|_| "is not hexadecimal"),
            Self::AfterLast(separator) => Ok(after_last(&key, separator.as_bytes()).to_vec()),
            Self::Base64If(prefix) => match key.strip_prefix(prefix.as_bytes()) {
                Some(encoded) => LENIENT.decode(encoded).map_err(|_| "is not base64"),
                None => Ok(key),
            },
            Self::Sha1 => Ok(Sha1::digest(&key).to_vec()),
            Self::Nfkd => Ok(String::from_utf8_lossy(&key).nfkd().collect::<String>().into_bytes()),
            Self::AfterFirst(separator) => {
                let at = key.windows(separator.len()).position(|window| window == separator.as_bytes());
                Ok(at.map(|at| key[at + separator.len()..].to_vec()).unwrap_or(key))
            }
            Self::Member(name) => Ok(match serde_json::from_slice::<Value>(&key) {
                Ok(Value::Object(members)) => match members.get(name) {
                    Some(Value::String(text)) => text.clone().into_bytes(),
                    Some(member) => member.to_string().into_bytes(),
                    None => key,
                },
                _ => key,
            }),
            Self::PublicKey => public_key(&key).ok_or("is no public key in PEM"),
            Self::Html => Ok(without_entities(&String::from_utf8_lossy(&key)).into_bytes()),
        }
    }

    /// The key of a secret's text.
    pub(in crate::signature) fn apply_all(steps: &[Self], text: &str) -> Result<Vec<u8>, &'static str> {
        steps.iter().try_fold(text.as_bytes().to_vec(), |key, step| step.apply(key))
    }
}

/// The DER of a public key.
fn public_key(text: &[u8]) -> Option<Vec<u8>> {
    if let Ok(key) = SubjectPublicKeyInfoDer::from_pem_slice(text) {
        return Some(key.to_vec());
    }
    if let Ok(certificate) = CertificateDer::from_pem_slice(text) {
        let certificate = webpki::EndEntityCert::try_from(&certificate).ok()?;
        return Some(certificate.subject_public_key_info().to_vec());
    }
    // As it stands between the lines of a PEM file, and with the line ends that were lost.
    let bare = String::from_utf8_lossy(text);
    let bare = bare
        .trim()
        .trim_start_matches("-----BEGIN PUBLIC KEY-----")
        .trim_end_matches("-----END PUBLIC KEY-----");
    let bare: String = bare.split_whitespace().collect();
    LENIENT.decode(bare).ok().filter(|der| der.first() == Some(&0x30))
}

/// The key of a rule, and the secret it was made of.
#[derive(Clone, Debug)]
pub(in crate::signature) struct Key<'s> {
    pub(in crate::signature) bytes: Vec<u8>,
    secret: &'s str,
}

impl<'s> Key<'s> {
    /// Reads a secret; an error tells in words what it should have been.
    pub(in crate::signature) fn read(steps: &[KeyStep], secret: &'s str) -> Result<Self, &'static str> {
        let bytes = KeyStep::apply_all(steps, secret)?;
        if bytes.is_empty() { Err("holds no key") } else { Ok(Self { bytes, secret }) }
    }

    /// A part of the secret that is signed too.
    pub(in crate::signature) fn part(&self, name: &str) -> String {
        match serde_json::from_str::<Value>(self.secret) {
            Ok(Value::Object(members)) => match members.get(name) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            },
            _ if name == "id" => self.secret.split(':').next().unwrap_or_default().to_owned(),
            _ => String::new(),
        }
    }
}

fn after_last<'k>(key: &'k [u8], separator: &[u8]) -> &'k [u8] {
    match key.windows(separator.len()).rposition(|window| window == separator) {
        Some(at) => &key[at + separator.len()..],
        None => key,
    }
}

/// WordPress stores a secret typed by its user with these entities, and takes them out before it signs.
fn without_entities(text: &str) -> String {
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#039;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

impl TryFrom<String> for KeyStep {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match (text.as_str(), text.split_once(':')) {
            ("base64", _) => Ok(Self::Base64),
            ("hex", _) => Ok(Self::Hex),
            ("sha1", _) => Ok(Self::Sha1),
            ("html", _) => Ok(Self::Html),
            ("nfkd", _) => Ok(Self::Nfkd),
            (_, Some(("strip", prefix))) => Ok(Self::Strip(prefix.to_owned())),
            (_, Some(("after_last", separator))) if !separator.is_empty() => {
                Ok(Self::AfterLast(separator.to_owned()))
            }
            (_, Some(("after_first", separator))) if !separator.is_empty() => {
                Ok(Self::AfterFirst(separator.to_owned()))
            }
            (_, Some(("member", name))) => Ok(Self::Member(name.to_owned())),
            ("public_key", _) => Ok(Self::PublicKey),
            (_, Some(("base64_if", prefix))) => Ok(Self::Base64If(prefix.to_owned())),
            _ => Err(format!(
                "{text:?} is no step of a key: base64, base64_if:PREFIX, hex, sha1, nfkd, html, strip:PREFIX, after_last:SEPARATOR, after_first:SEPARATOR, member:NAME, public_key"
            )),
        }
    }
}

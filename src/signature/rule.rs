//! The language of the catalogue's rows: where a signature is, what is signed, with which key, how fresh it must be.

use std::collections::BTreeMap;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// One way a provider signs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// The scheme's own id within its provider.
    pub(super) id: String,
    /// The digest below the HMAC.
    #[serde(default)]
    pub(super) alg: Algorithm,
    /// From the secret's text to the key's bytes, step by step.
    #[serde(default)]
    pub(super) key: Vec<KeyStep>,
    /// Where the signature is.
    pub(super) sig: Selector,
    /// Further values that are signed, by name.
    #[serde(default)]
    pub(super) vars: BTreeMap<String, Selector>,
    /// What is signed.
    #[serde(default)]
    pub(super) content: Template,
    /// How the digest is written.
    #[serde(default)]
    pub(super) enc: Encoding,
    /// The signature's own time, and how far it may be from the event's.
    pub(super) ts: Option<Window>,
}

impl Rule {
    /// What is wrong with the row itself, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let unknown = self.content.0.iter().find_map(|piece| match piece {
            Piece::Variable(name) if !self.vars.contains_key(name) => Some(name),
            Piece::Variable(_) | Piece::Literal(_) | Piece::Body => None,
        });
        if let Some(name) = unknown {
            return Some(format!("content names {{{name}}}, which is not among vars"));
        }
        let window = self.ts.as_ref().filter(|window| !self.vars.contains_key(&window.var));
        window.map(|window| format!("ts names {:?}, which is not among vars", window.var))
    }
}

/// A digest an HMAC is made with (RFC 2104, FIPS 180-4).
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Algorithm {
    Sha1,
    #[default]
    Sha256,
    Sha512,
}

impl Algorithm {
    /// The HMAC of all parts, one after the other.
    pub(super) fn mac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        fn mac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
            let mut mac = <M as KeyInit>::new_from_slice(key)
                .expect("an HMAC takes keys of any length (RFC 2104, section 2)");
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha1 => mac::<Hmac<Sha1>>(key, parts),
            Self::Sha256 => mac::<Hmac<Sha256>>(key, parts),
            Self::Sha512 => mac::<Hmac<Sha512>>(key, parts),
        }
    }
}

/// How a digest is written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    /// Lower case.
    #[default]
    Hex,
    /// The alphabet of RFC 4648 section 4, padded.
    Base64,
}

impl Encoding {
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
        }
    }
}

/// One step from a secret's text to a key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum KeyStep {
    /// Takes a beginning away if it is there.
    Strip(String),
    /// Decodes base64, padded or not.
    Base64,
    /// Decodes hexadecimal digits.
    Hex,
}

/// Base64 as people paste it: with or without padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl KeyStep {
    /// The key after this step; an error tells in words what the secret should have been.
    fn apply(&self, key: Vec<u8>) -> Result<Vec<u8>, &'static str> {
        match self {
            Self::Strip(prefix) => Ok(key.strip_prefix(prefix.as_bytes()).map(<[u8]>::to_vec).unwrap_or(key)),
            Self::Base64 => LENIENT.decode(&key).map_err(|_| "is not base64"),
            Self::Hex => hex::decode(&key).map_err(|_| "is not hexadecimal"),
        }
    }

    /// The key of a secret's text.
    pub(super) fn apply_all(steps: &[Self], text: &str) -> Result<Vec<u8>, &'static str> {
        steps.iter().try_fold(text.as_bytes().to_vec(), |key, step| step.apply(key))
    }
}

impl TryFrom<String> for KeyStep {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match (text.as_str(), text.split_once(':')) {
            ("base64", _) => Ok(Self::Base64),
            ("hex", _) => Ok(Self::Hex),
            (_, Some(("strip", prefix))) => Ok(Self::Strip(prefix.to_owned())),
            _ => Err(format!("{text:?} is no step of a key: base64, hex, strip:PREFIX")),
        }
    }
}

/// Where a value is in a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Selector {
    /// The header or the member of a JSON body.
    pub(super) from: Source,
    /// What separates the parts, when the value is a list of them.
    pub(super) list: Option<String>,
    /// What separates a part's name from its value.
    pub(super) kv: Option<String>,
    /// The name of the parts that count.
    pub(super) field: Option<String>,
    /// A beginning that must be there and does not belong to the value.
    pub(super) strip: Option<String>,
    /// The last of several values counts, not the first.
    #[serde(default)]
    pub(super) last: bool,
}

/// What a selector looks into.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Source {
    /// A header, in any case.
    Header(String),
    /// A JSON pointer into the body (RFC 6901).
    Json(String),
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("header", name)) if !name.is_empty() => Ok(Self::Header(name.to_owned())),
            Some(("json", pointer)) if pointer.starts_with('/') => Ok(Self::Json(pointer.to_owned())),
            _ => Err(format!("{text:?} is no source: header:NAME, json:/POINTER")),
        }
    }
}

/// What is signed: literal text and placeholders in braces.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Template(pub(super) Vec<Piece>);

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// These bytes.
    Literal(String),
    /// The whole body.
    Body,
    /// A value of `vars`.
    Variable(String),
}

impl Default for Template {
    fn default() -> Self {
        Self(vec![Piece::Body])
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
            pieces.push(if name == "body" { Piece::Body } else { Piece::Variable(name.to_owned()) });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self(pieces))
    }
}

/// How far a signature's own time may be from the time of the event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    /// The variable that holds the time, in seconds since 1970.
    pub(super) var: String,
    /// Seconds it may be older; any when absent.
    pub(super) past: Option<u64>,
    /// Seconds it may be ahead; any when absent.
    pub(super) future: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_literals_and_placeholders() {
        let template = Template::try_from("v0:{t}:{body}".to_owned()).unwrap();
        let expected = [
            Piece::Literal("v0:".to_owned()),
            Piece::Variable("t".to_owned()),
            Piece::Literal(":".to_owned()),
            Piece::Body,
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
            Encoding::Hex.encode(&algorithm.mac(b"Jefe", &[b"what do ya want ", b"for nothing?"]))
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

//! Apple's App Store Server Notifications: a JSON Web Signature that brings its certificates along (RFC 7515 section 4.1.6).
//!
//! As Apple's own library does it: three certificates, of which the second must be signed by the root that is trusted, both with the marks
//! Apple gives them, and valid when the notification was signed
//! (developer.apple.com, "Responding to App Store Server Notifications").

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};
use serde_json::Value;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::{
    Secret,
    check::{Judged, Wrong},
};

/// How many certificates come with a notification: leaf, intermediate and root.
const CHAIN: usize = 3;

/// The extension of Apple's intermediate certificates, 1.2.840.113635.100.6.2.1, in DER.
const INTERMEDIATE_MARK: &[u8] = b"\x06\x0a\x2a\x86\x48\x86\xf7\x63\x64\x06\x02\x01";

/// The extension of certificates that sign notifications, 1.2.840.113635.100.6.11.1, in DER.
const LEAF_MARK: &[u8] = b"\x06\x0a\x2a\x86\x48\x86\xf7\x63\x64\x06\x0b\x01";

/// A notification taken apart.
struct Notification {
    certificates: Vec<CertificateDer<'static>>,
    /// What is signed: header and payload as they were sent.
    signed: Vec<u8>,
    signature: Vec<u8>,
    /// When it was signed, in milliseconds since 1970.
    signed_at: u64,
}

/// Judges a notification by each root certificate in turn.
pub(super) fn judge(notifications: &[Vec<u8>], secrets: &[Secret]) -> Judged {
    let malformed = |reason: &str| Wrong { code: "malformed_signature", reason: reason.to_owned() };
    let whole = notifications.first().ok_or_else(|| malformed("there is no signed payload"))?;
    let notification = Notification::read(whole).map_err(malformed)?;
    let mut unusable = None;
    for secret in secrets {
        let Ok(root) = CertificateDer::from_pem_slice(secret.text.as_bytes()) else {
            unusable = Some(format!("the secret {:?} is no certificate in PEM", secret.label));
            continue;
        };
        if notification.is_signed_below(&root) {
            return Ok((secret.label.clone(), None));
        }
        unusable = None;
    }
    match unusable {
        Some(reason) => Err(Wrong { code: "unusable_secret", reason }),
        None => Err(Wrong {
            code: "mismatch",
            reason: "the payload is not signed by a certificate below the root that is trusted".to_owned(),
        }),
    }
}

impl Notification {
    fn read(whole: &[u8]) -> Result<Self, &'static str> {
        const NO_JWS: &str = "the signed payload is no JSON Web Signature";
        let text = std::str::from_utf8(whole).map_err(|_| NO_JWS)?;
        let (signed, signature) = text.rsplit_once('.').ok_or(NO_JWS)?;
        let (header, payload) = signed.split_once('.').ok_or(NO_JWS)?;
        let json = |part: &str| -> Option<Value> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
        };
        let header = json(header).ok_or(NO_JWS)?;
        let payload = json(payload).ok_or(NO_JWS)?;
        if header["alg"] != "ES256" {
            return Err("the signed payload is not signed with ES256");
        }
        let chain = header["x5c"].as_array().ok_or("the signed payload brings no certificates")?;
        if chain.len() != CHAIN {
            return Err("the signed payload does not bring three certificates");
        }
        let certificate = |text: &Value| Some(CertificateDer::from(STANDARD.decode(text.as_str()?).ok()?));
        Ok(Self {
            certificates: chain.iter().map(certificate).collect::<Option<_>>().ok_or(NO_JWS)?,
            signed: signed.as_bytes().to_vec(),
            signature: URL_SAFE_NO_PAD.decode(signature).map_err(|_| NO_JWS)?,
            signed_at: payload["signedDate"]
                .as_u64()
                .ok_or("the signed payload does not say when it was signed")?,
        })
    }

    fn is_signed_below(&self, root: &CertificateDer<'_>) -> bool {
        let [leaf, intermediate, _] = self.certificates.as_slice() else { return false };
        let has = |certificate: &CertificateDer<'_>, mark: &[u8]| {
            certificate.windows(mark.len()).any(|window| window == mark)
        };
        if !has(leaf, LEAF_MARK) || !has(intermediate, INTERMEDIATE_MARK) {
            return false;
        }
        let (Ok(anchor), Ok(leaf)) = (anchor_from_trusted_cert(root), EndEntityCert::try_from(leaf)) else {
            return false;
        };
        let anchors = [anchor];
        let chain = leaf.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &anchors,
            std::slice::from_ref(intermediate),
            UnixTime::since_unix_epoch(Duration::from_millis(self.signed_at)),
            // What the certificates are for is said by Apple's marks.
            KeyUsage::server_auth(),
            None,
            None,
        );
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, leaf.subject_public_key_info().to_vec());
        chain.is_ok() && key.verify(&self.signed, &self.signature).is_ok()
    }
}

//! Signatures that are checked with a public key, and made with the private one.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        self, ECDSA_P256_SHA1_ASN1, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519,
        EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

use super::rule::{Algorithm, Encoding, Kind};

/// The beginning of Standard Webhooks' private keys: base64 of seed and public key.
const STANDARD_WEBHOOKS_PREFIX: &str = "whsk_";

/// Whether a signature belongs to a content and a public key.
pub(super) fn verify(kind: Kind, alg: Algorithm, key: &[u8], content: &[u8], signature: &[u8]) -> bool {
    let algorithm: &dyn VerificationAlgorithm = match (kind, alg) {
        (Kind::Ed25519, _) => &ED25519,
        (Kind::Ecdsa, Algorithm::Sha1) => &ECDSA_P256_SHA1_ASN1,
        (Kind::Ecdsa, _) => &ECDSA_P256_SHA256_ASN1,
        (Kind::Rsa, Algorithm::Sha1) => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (Kind::Rsa, _) => &RSA_PKCS1_2048_8192_SHA256,
        _ => return false,
    };
    UnparsedPublicKey::new(algorithm, key).verify(content, signature).is_ok()
}

/// Signs with a private key: PKCS#8 in PEM, or of Standard Webhooks' form.
///
/// # Errors
/// In words, what the secret should have been.
pub(super) fn sign(
    kind: Kind,
    alg: Algorithm,
    secret: &str,
    content: &[u8],
) -> Result<Vec<u8>, &'static str> {
    const NO_KEY: &str = "is no private key in PEM (PKCS#8) of the kind this provider signs with";
    let failed = |_| NO_KEY;
    if let (Kind::Ed25519, Some(encoded)) = (kind, secret.strip_prefix(STANDARD_WEBHOOKS_PREFIX)) {
        let seed = Encoding::Base64.decode(encoded.as_bytes()).filter(|key| key.len() >= 32).ok_or(NO_KEY)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed[..32]).map_err(failed)?;
        return Ok(pair.sign(content).as_ref().to_vec());
    }
    let key = PrivatePkcs8KeyDer::from_pem_slice(secret.as_bytes()).map_err(|_| NO_KEY)?;
    let key = key.secret_pkcs8_der();
    match (kind, alg) {
        (Kind::Ed25519, _) => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map_err(failed)?;
            Ok(pair.sign(content).as_ref().to_vec())
        }
        (Kind::Ecdsa, Algorithm::Sha256) => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key).map_err(failed)?;
            let made = pair
                .sign(&SystemRandom::new(), content)
                .map_err(|_| "cannot sign: there are no random numbers")?;
            Ok(made.as_ref().to_vec())
        }
        (Kind::Rsa, Algorithm::Sha256) => {
            let pair = RsaKeyPair::from_pkcs8(key).map_err(failed)?;
            let mut made = vec![0; pair.public_modulus_len()];
            let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), content, &mut made);
            signed.map_err(|_| NO_KEY)?;
            Ok(made)
        }
        _ => Err("cannot make signatures with SHA-1: they are only checked"),
    }
}

/// Whether bytes are a public key of a kind.
pub(super) fn is_key(kind: Kind, key: &[u8]) -> bool {
    let algorithm: &'static dyn VerificationAlgorithm = match kind {
        Kind::Ed25519 => &ED25519,
        Kind::Ecdsa => &ECDSA_P256_SHA256_ASN1,
        Kind::Rsa => &RSA_PKCS1_2048_8192_SHA256,
        Kind::Hmac | Kind::Hash | Kind::Token | Kind::Jwt | Kind::X5c | Kind::Message => return true,
    };
    signature::ParsedPublicKey::new(algorithm, key).is_ok()
}

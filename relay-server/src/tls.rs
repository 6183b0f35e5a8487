//! The relay's certificates: from files, or of an authority of its own for development.
//!
//! A self-signed relay keeps its authority in `<data>/tls/` and signs a new certificate at each start, so `--cacert ca.pem` goes on
//! working whatever name or address the relay has.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{self, Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    CipherSuite, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use thiserror::Error;

use crate::{data_dir::make_directory, registry::replace_file};

mod renewal;

pub use renewal::CertificateFiles;
use renewal::Current;

/// Where the authority is, in the data directory.
const DIRECTORY: &str = "tls";

/// Its certificate there.
const CA_FILE: &str = "ca.pem";

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Plain HTTP.
    Off,
    /// An authority of the relay's own, made on its first start.
    SelfSigned,
    /// PEM files.
    Files {
        /// The certificate and those between it and a root.
        cert: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// A server's TLS.
pub struct TlsSetup {
    /// For the acceptor.
    pub config: Arc<ServerConfig>,
    /// What clients must trust, when the relay is its own authority.
    pub ca_file: Option<PathBuf>,
    /// The files that may be renewed, when it comes from files.
    pub files: Option<CertificateFiles>,
}

/// Why there are no certificates.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {what}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The key is not the certificate's, or the like.
    #[error("the certificate and key cannot be used together: {0}")]
    Unusable(#[from] rustls::Error),
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
}

/// The TLS of a relay that is known by these names and addresses; `None` for plain HTTP.
///
/// # Errors
/// When files cannot be read, or do not belong together.
pub fn server_config(mode: &TlsMode, data: &Path, names: &[String]) -> Result<Option<TlsSetup>, TlsError> {
    let provider = Arc::new(provider());
    let (current, files, ca_file) = match mode {
        TlsMode::Off => return Ok(None),
        TlsMode::SelfSigned => {
            let (chain, key, ca_file) = self_signed(&data.join(DIRECTORY), names)?;
            // Whoever is told of it may be in another directory.
            let ca_file = path::absolute(&ca_file).unwrap_or(ca_file);
            (Current::new(CertifiedKey::from_der(chain, key, &provider)?), None, Some(ca_file))
        }
        TlsMode::Files { cert, key } => {
            let (files, current) = CertificateFiles::open(cert.clone(), key.clone())?;
            (current, Some(files), None)
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(current);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    // Most senders that come again do so on the connection they have.
    config.send_tls13_tickets = 1;
    Ok(Some(TlsSetup { config: Arc::new(config), ca_file, files }))
}

/// Prefers the suite that every processor with instructions for AES and SHA-256 is fast at. With SHA-384, which few have instructions for, a
/// handshake takes an eighth longer on both sides.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

type Chain = Vec<CertificateDer<'static>>;

fn self_signed(
    directory: &Path,
    names: &[String],
) -> Result<(Chain, PrivateKeyDer<'static>, PathBuf), TlsError> {
    let (issuer, ca_der, ca_file) = authority(directory)?;
    let mut names: Vec<String> = names.to_vec();
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    names.sort();
    names.dedup();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "inhaul relay");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok((vec![certificate.der().clone(), ca_der], key, ca_file))
}

/// Where the authority of a self-signed relay is, or will be.
pub(crate) fn ca_file(data: &Path) -> PathBuf {
    data.join(DIRECTORY).join(CA_FILE)
}

/// The relay's own authority: the one in the directory, or a new one.
fn authority(
    directory: &Path,
) -> Result<(Issuer<'static, KeyPair>, CertificateDer<'static>, PathBuf), TlsError> {
    let (key_file, ca_file) = (directory.join("ca.key"), directory.join(CA_FILE));
    let params = authority_params()?;
    match fs::read_to_string(&key_file) {
        Ok(text) => {
            let wrong = |what: String| TlsError::Content { path: key_file.clone(), what };
            let key = KeyPair::from_pem(&text).map_err(|error| wrong(error.to_string()))?;
            let der = read_chain(&ca_file)?.remove(0);
            Ok((Issuer::new(params, key), der, ca_file))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_directory(directory).map_err(io_error("make", directory))?;
            let key = KeyPair::generate()?;
            let certificate = params.self_signed(&key)?;
            // The key goes last: with it, everything is there.
            let pem = certificate.pem();
            replace_file(&ca_file, pem.as_bytes(), 0o600).map_err(io_error("write", &ca_file))?;
            replace_file(&key_file, key.serialize_pem().as_bytes(), 0o600)
                .map_err(io_error("write", &key_file))?;
            let der = certificate.der().clone();
            Ok((Issuer::new(params, key), der, ca_file))
        }
        Err(error) => Err(io_error("read", &key_file)(error)),
    }
}

/// The same at each start, so that the stored key is enough to sign.
fn authority_params() -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CommonName, "inhaul relay authority");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn read_chain(path: &Path) -> Result<Chain, TlsError> {
    let bytes = fs::read(path).map_err(io_error("read", path))?;
    let wrong = |what: String| TlsError::Content { path: path.to_owned(), what };
    let chain: Result<Chain, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|error| wrong(format!("not PEM: {error}")))?;
    if chain.is_empty() { Err(wrong("holds no certificate".to_owned())) } else { Ok(chain) }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = fs::read(path).map_err(io_error("read", path))?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| TlsError::Content {
        path: path.to_owned(),
        what: format!("holds no private key: {error}"),
    })
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

    use super::*;

    /// A TLS handshake in memory with a client that trusts one file.
    fn handshake(setup: &TlsSetup, ca_file: &Path, name: &str) -> Result<Option<Vec<u8>>, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(read_chain(ca_file).unwrap().remove(0)).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = name.to_owned().try_into().unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(&setup.config)).unwrap();
        let mut wire = Vec::new();
        while client.is_handshaking() || server.is_handshaking() {
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets()?;
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut wire.as_slice()).unwrap();
            client.process_new_packets()?;
            wire.clear();
        }
        let suite = client.negotiated_cipher_suite().map(|suite| suite.suite());
        assert_eq!(suite, Some(CipherSuite::TLS13_AES_128_GCM_SHA256));
        Ok(client.alpn_protocol().map(<[u8]>::to_vec))
    }

    #[test]
    fn a_self_signed_relay_is_trusted_by_its_authority_before_and_after_a_restart() {
        let data = tempfile::tempdir().unwrap();
        let names = ["relay.example".to_owned(), "192.0.2.7".to_owned()];
        let first = server_config(&TlsMode::SelfSigned, data.path(), &names).unwrap().unwrap();
        let ca_file = first.ca_file.clone().unwrap();
        let before = fs::read(&ca_file).unwrap();
        let second = server_config(&TlsMode::SelfSigned, data.path(), &names).unwrap().unwrap();
        assert_eq!(fs::read(&ca_file).unwrap(), before);
        for setup in [&first, &second] {
            for name in ["relay.example", "192.0.2.7", "localhost", "127.0.0.1"] {
                assert_eq!(handshake(setup, &ca_file, name).unwrap(), Some(b"h2".to_vec()), "{name}");
            }
            assert!(handshake(setup, &ca_file, "other.example").is_err());
        }
        let mode = fs::metadata(data.path().join("tls/ca.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn renewed_files_are_taken_and_broken_ones_change_nothing() {
        let data = tempfile::tempdir().unwrap();
        let path = |name: &str| data.path().join(name);
        let renew = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let pem = params.self_signed(&key).unwrap().pem();
            fs::write(path(name), &pem).unwrap();
            replace_file(&path("cert.pem"), pem.as_bytes(), 0o600).unwrap();
            key.serialize_pem()
        };
        fs::write(path("key.pem"), renew("one.example")).unwrap();
        let mode = TlsMode::Files { cert: path("cert.pem"), key: path("key.pem") };
        let mut setup = server_config(&mode, data.path(), &[]).unwrap().unwrap();
        let mut files = setup.files.take().unwrap();
        let is_for = |name: &str| handshake(&setup, &path(name), name).is_ok();
        assert!(is_for("one.example"));
        let key = renew("two.example");
        for _ in 0..3 {
            files.look();
            assert!(is_for("one.example"), "the key is not there yet");
        }
        replace_file(&path("key.pem"), key.as_bytes(), 0o600).unwrap();
        files.look();
        assert!(is_for("one.example"), "it may be on its way still");
        files.look();
        assert!(is_for("two.example"));
        fs::remove_file(path("cert.pem")).unwrap();
        files.look();
        files.look();
        assert!(is_for("two.example"));
    }

    #[test]
    fn files_are_used_and_named_when_they_are_wrong() {
        let data = tempfile::tempdir().unwrap();
        let path = |name: &str| data.path().join(name);
        let (mine, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let params = CertificateParams::new(vec!["relay.example".to_owned()]).unwrap();
        fs::write(path("cert.pem"), params.self_signed(&mine).unwrap().pem()).unwrap();
        fs::write(path("key.pem"), mine.serialize_pem()).unwrap();
        fs::write(path("other.pem"), other.serialize_pem()).unwrap();
        fs::write(path("empty.pem"), "").unwrap();
        let config = |cert: &str, key: &str| {
            let mode = TlsMode::Files { cert: path(cert), key: path(key) };
            server_config(&mode, data.path(), &[]).map(|setup| setup.unwrap())
        };
        let setup = config("cert.pem", "key.pem").unwrap();
        assert!(setup.ca_file.is_none());
        assert!(handshake(&setup, &path("cert.pem"), "relay.example").is_ok());
        for (cert, key, words) in [
            ("none.pem", "key.pem", "cannot read"),
            ("empty.pem", "key.pem", "holds no certificate"),
            ("cert.pem", "empty.pem", "holds no private key"),
            ("cert.pem", "other.pem", "cannot be used together"),
        ] {
            let error = config(cert, key).err().unwrap().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(server_config(&TlsMode::Off, data.path(), &[]).unwrap().is_none());
    }
}

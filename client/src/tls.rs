//! Whom this program trusts when it speaks TLS, to a relay or to a target.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem, pem::PemObject};
use rustls_platform_verifier::BuilderVerifierExt;
use thiserror::Error;

/// Why there is nobody to trust.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The file with the authorities cannot be read or is not PEM.
    #[error("{path:?}: {error}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: PemProblem,
    },
    /// A certificate in the file cannot be an authority's.
    #[error("{path:?}: certificate {number}: {error}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Which certificate of the file, from 1.
        number: usize,
        /// What is wrong.
        error: rustls::Error,
    },
    /// There is no certificate in the file.
    #[error("{path:?} holds no certificate")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The system's authorities cannot be used.
    #[error("the certificate authorities of this system cannot be used: {0}")]
    Platform(rustls::Error),
}

/// What is wrong with a PEM file.
#[derive(Debug, Error)]
pub enum PemProblem {
    /// It cannot be read.
    #[error("{0}")]
    Io(std::io::Error),
    /// It is not PEM.
    #[error("not PEM: {0}")]
    Form(pem::Error),
}

impl TlsError {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Pem { .. } | Self::Certificate { .. } | Self::Empty { .. } => {
                "`--cacert FILE` takes a PEM file with at least one `BEGIN CERTIFICATE`"
            }
            Self::Platform(_) => {
                "install the system's certificates (package `ca-certificates`), or use `--cacert FILE`"
            }
        }
    }
}

/// How this program speaks TLS: TLS 1.2 or later, HTTP/1.1, and trust in the authorities of a PEM file, or in the
/// system's when none is named.
///
/// # Errors
/// When the file holds no usable certificate, or the system has none.
pub fn client_config(cacert: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Platform)?;
    let mut config = match cacert {
        Some(path) => builder.with_root_certificates(read_authorities(path)?).with_no_client_auth(),
        None => builder.with_platform_verifier().map_err(TlsError::Platform)?.with_no_client_auth(),
    };
    // A WebSocket begins as an HTTP/1.1 request; a relay that could speak HTTP/2 must not choose it.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn read_authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let unreadable = |error| {
        let error =
            if let pem::Error::Io(error) = error { PemProblem::Io(error) } else { PemProblem::Form(error) };
        TlsError::Pem { path: path.to_owned(), error }
    };
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_file_iter(path).map_err(unreadable)?.enumerate() {
        roots.add(certificate.map_err(unreadable)?).map_err(|error| TlsError::Certificate {
            path: path.to_owned(),
            number: index + 1,
            error,
        })?;
    }
    if roots.is_empty() { Err(TlsError::Empty { path: path.to_owned() }) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use std::{fs, io};

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::{ClientConnection, ServerConfig, ServerConnection, server::NoServerSessionStorage};
    use rustls_pki_types::PrivateKeyDer;

    use super::*;

    /// An authority, and a server certificate for `localhost` made by it.
    struct World {
        authority_pem: String,
        server: Arc<ServerConfig>,
    }

    fn world() -> World {
        let authority_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&authority_key).unwrap();
        let authority_pem = authority.pem();
        let issuer = Issuer::new(params, authority_key);
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let mut server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        World { authority_pem, server: Arc::new(server) }
    }

    /// A handshake in memory; the protocol agreed on.
    fn handshake(
        client: Arc<ClientConfig>,
        server: Arc<ServerConfig>,
    ) -> Result<Option<Vec<u8>>, rustls::Error> {
        let mut client = ClientConnection::new(client, "localhost".try_into().unwrap()).unwrap();
        let mut server = ServerConnection::new(server).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            let mut wire = io::Cursor::new(wire);
            while wire.position() < wire.get_ref().len() as u64 {
                server.read_tls(&mut wire).unwrap();
                server.process_new_packets()?;
            }
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut wire = io::Cursor::new(wire);
            while wire.position() < wire.get_ref().len() as u64 {
                client.read_tls(&mut wire).unwrap();
                client.process_new_packets()?;
            }
        }
        Ok(client.alpn_protocol().map(<[u8]>::to_vec))
    }

    #[test]
    fn only_the_authorities_named_are_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let (ours, theirs) = (world(), world());
        fs::write(&path, format!("a comment\n{}", ours.authority_pem)).unwrap();
        let client = client_config(Some(&path)).unwrap();
        assert_eq!(handshake(client.clone(), ours.server).unwrap().unwrap(), b"http/1.1");
        assert!(matches!(handshake(client, theirs.server), Err(rustls::Error::InvalidCertificate(_))));
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let shown = || client_config(Some(&path)).unwrap_err().to_string();
        assert!(shown().ends_with("ca.pem\": No such file or directory (os error 2)"), "{}", shown());
        fs::write(&path, "").unwrap();
        assert!(shown().ends_with("ca.pem\" holds no certificate"), "{}", shown());
        fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
        assert!(shown().contains("ca.pem\": not PEM: "), "{}", shown());
        fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(shown().contains("ca.pem\": certificate 1: "), "{}", shown());
    }
}

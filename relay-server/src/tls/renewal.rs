//! Certificates in files are taken anew when the files change, so that renewing them takes no restart.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{TlsError, read_chain, read_key};
use crate::{log::with_causes, registry::Stamp};

/// The certificate that handshakes get now.
#[derive(Debug)]
pub(super) struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    pub(super) fn new(certified: CertifiedKey) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(certified))))
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A certificate and its key in PEM files.
pub struct CertificateFiles {
    cert: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
    /// The files that were looked at last, and those that were taken, or found wrong.
    looked: [Option<Stamp>; 2],
    taken: [Option<Stamp>; 2],
}

impl CertificateFiles {
    /// Reads the files.
    pub(super) fn open(cert: PathBuf, key: PathBuf) -> Result<(Self, Arc<Current>), TlsError> {
        let stamps = [&cert, &key].map(|path| Stamp::of_file(path));
        let current = Current::new(certified(&cert, &key)?);
        let files = Self { cert, key, current: Arc::clone(&current), looked: stamps, taken: stamps };
        Ok((files, current))
    }

    /// Takes the files when they have changed and are the same as at the look before: one is written after the other. What cannot be used is
    /// logged once, and the certificate before it stays.
    pub fn look(&mut self) {
        let stamps = [&self.cert, &self.key].map(|path| Stamp::of_file(path));
        let settled = std::mem::replace(&mut self.looked, stamps) == stamps;
        if !settled || stamps == self.taken {
            return;
        }
        self.taken = stamps;
        match certified(&self.cert, &self.key) {
            Ok(certified) => {
                *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
                tracing::info!(cert = %self.cert.display(), "the certificate was taken anew");
            }
            Err(error) => {
                let error = with_causes(&error);
                tracing::error!(
                    error,
                    "the new certificate cannot be used; the relay goes on with the one before"
                );
            }
        }
    }
}

fn certified(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    Ok(CertifiedKey::from_der(read_chain(cert)?, read_key(key)?, &aws_lc_rs::default_provider())?)
}

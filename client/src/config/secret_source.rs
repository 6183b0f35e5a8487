//! Where the secrets of a run are read anew: a person who has mended one does not want to start everything again for it.

use std::path::PathBuf;

use super::{ConfigError, ConfigFile, Routes, load_routes};
use crate::cli::{ListenArgs, SignatureArgs};

/// Where secrets are read anew; nowhere by default, as in the demo, which makes its own.
#[derive(Clone, Debug, Default)]
pub struct SecretSource(Option<Named>);

/// What names the secrets.
#[derive(Clone, Debug)]
struct Named {
    file: Option<PathBuf>,
    arguments: SignatureArgs,
}

impl SecretSource {
    /// What the arguments name, and the file that was read, or one that is there later.
    pub(super) fn of(args: &ListenArgs, file: Option<&ConfigFile>) -> Self {
        let file = file.map(|file| file.path.clone()).or_else(|| args.config.clone());
        Self(Some(Named { file, arguments: args.signatures.clone() }))
    }

    /// Reads the secrets anew, those of variables as they were when the program was started, and puts them in place of those of the same
    /// routes. Of the configuration file nothing else counts before the next start.
    ///
    /// # Errors
    /// At the first thing that is wrong; the secrets stay as they are then.
    pub fn reread(&self, routes: &Routes) -> Result<(), ConfigError> {
        let Some(Named { file, arguments }) = &self.0 else { return Ok(()) };
        routes.take_secrets(&load_routes(file.as_deref(), arguments)?);
        Ok(())
    }
}

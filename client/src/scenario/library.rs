//! The directory of scenarios: `inhaul.d`, beside the configuration file, or where the command is run when there is none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use inhaul_core::filter::Saved;
use thiserror::Error;

use super::{FILE_MAX_BYTES, Scenario, Written};
use crate::{
    config::ConfigError,
    data_dir::{create_private_dir, read_small_file, write_private_file},
};

/// The directory's name.
pub const DIRECTORY: &str = "inhaul.d";

/// What the name of a scenario's file ends with.
const EXTENSION: &str = "toml";

/// Where scenarios are.
#[derive(Clone, Debug)]
pub struct Library {
    directory: PathBuf,
}

/// Why a scenario is not read or not saved.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// It is no name.
    #[error("{0:?} is no name of a scenario: letters, digits, - and _, at most 40")]
    Name(String),
    /// There is one of that name.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// There is none.
    #[error("there is no scenario {}", .0.display())]
    Missing(PathBuf),
    /// Its file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Something in its file is wrong.
    #[error(transparent)]
    Wrong(#[from] ConfigError),
}

impl LibraryError {
    /// What a person can do about it, where the message does not say so by itself.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing(_) => Some("`inhaul play --list` lists those there are"),
            Self::Wrong(_) => Some("docs/scenarios.md has every key"),
            Self::Name(_) | Self::Exists(_) | Self::File { .. } => None,
        }
    }
}

impl Library {
    /// The scenarios beside a configuration file, or in the current directory.
    pub fn beside(config: Option<&Path>) -> Self {
        let directory = config.and_then(Path::parent).unwrap_or(Path::new(""));
        Self { directory: directory.join(DIRECTORY) }
    }

    /// The file that a name means, or a path: a path has a slash in it, or ends with `.toml`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn path(&self, name_or_path: &str) -> Result<PathBuf, LibraryError> {
        let path = Path::new(name_or_path);
        if name_or_path.contains('/') || path.extension().is_some_and(|extension| extension == EXTENSION) {
            return Ok(path.to_owned());
        }
        if !Saved::is_name(name_or_path) {
            return Err(LibraryError::Name(name_or_path.to_owned()));
        }
        Ok(self.directory.join(format!("{name_or_path}.{EXTENSION}")))
    }

    /// Reads the scenario of a name, or of a path.
    ///
    /// # Errors
    /// When there is none, or at the first thing in it that is wrong.
    pub fn read(&self, name_or_path: &str) -> Result<Scenario, LibraryError> {
        let path = self.path(name_or_path)?;
        let bytes = read_small_file(&path, FILE_MAX_BYTES).map_err(|error| {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            let path = path.clone();
            if is_missing { LibraryError::Missing(path) } else { LibraryError::File { path, error } }
        })?;
        Ok(Scenario::parse(&path, &bytes)?)
    }

    /// The names of all scenarios, in order.
    ///
    /// # Errors
    /// When the directory cannot be read; one that is not there has none.
    pub fn names(&self) -> Result<Vec<String>, LibraryError> {
        let failed = |error| LibraryError::File { path: self.directory.clone(), error };
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).filter(|name| Saved::is_name(name));
            let is_scenario = path.extension().is_some_and(|extension| extension == EXTENSION);
            names.extend(name.filter(|_| is_scenario).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The directory itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Saves a scenario with its files, those that are too long for it first, and says where.
    ///
    /// # Errors
    /// When there is one of that name and it is not to be replaced, or it cannot be written.
    pub fn save(&self, name: &str, written: &Written, replace: bool) -> Result<PathBuf, LibraryError> {
        if !Saved::is_name(name) {
            return Err(LibraryError::Name(name.to_owned()));
        }
        let path = self.path(name)?;
        if path.exists() && !replace {
            return Err(LibraryError::Exists(path));
        }
        let write = |path: &Path, bytes: &[u8]| {
            write_private_file(path, bytes)
                .map_err(|error| LibraryError::File { path: path.to_owned(), error })
        };
        create_private_dir(&self.directory)
            .map_err(|error| LibraryError::File { path: self.directory.clone(), error })?;
        for (file, bytes) in &written.files {
            write(&self.directory.join(file), bytes)?;
        }
        write(&path, written.text.as_bytes())?;
        Ok(path)
    }
}

//! What a run of `listen` is to do: defaults, under the configuration file, under the environment, under the arguments.
//!
//! ```text
//!  described  the settings as the inspector shows them
//!  error      what is wrong, and the file and line, argument or variable that says it
//!  file       inhaul.toml and its keys
//!  filters    filters that have a name
//!  inspector  how the inspector looks, and its keys
//!  lines      where each key of the file stands
//!  relay_url  the address of a remote relay
//!  route      which part of the request path goes where, and how it is verified
//!  secret     signing secrets and tokens, read once at the start
//!  secret_source  where the secrets of a run are read anew
//!  settings   the layers laid over each other
//!  sources    what says each setting in effect
//!  table      TOML read with the line of every value
//! ```

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use etcetera::{BaseStrategy, base_strategy::Xdg};
use inhaul_core::{
    filter::Saved,
    signature::{Catalogue, Secret, catalogue},
};

use crate::{
    cli::{ListenArgs, SignatureArgs},
    data_dir::DataDir,
};

mod described;
mod error;
mod file;
mod filters;
mod inspector;
mod lines;
mod relay_url;
mod route;
mod secret;
mod secret_source;
mod settings;
mod sources;
mod table;

pub use error::{ConfigError, Origin, Problem};
pub use file::{ConfigFile, FileRoute, Parts};
pub use filters::{save_filters, saved_filters};
pub use inspector::{FileInspector, ui};
pub use relay_url::{RelayUrl, RelayUrlError};
pub use route::{Route, RoutePath, RoutePathError, Routes, Secrets};
pub use secret::Token;
pub use secret_source::SecretSource;
pub use settings::{
    DEFAULT_ENDPOINT, DEFAULT_PORT, DEFAULT_TIMEOUT, EmbeddedSettings, RelaySettings, Settings,
    provider_named,
};
pub use sources::{Setting, Sources};
pub use table::Given;
pub(crate) use table::{Place, Table, wrong_type};

/// The name of the configuration file.
pub const FILE_NAME: &str = "inhaul.toml";

/// How an environment variable is looked up; a closure, so that nothing but `main` depends on the process's own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads the configuration file that applies and every secret it and the arguments name.
///
/// # Errors
/// At the first thing that is wrong, saying where it is said.
pub fn load(args: &ListenArgs) -> Result<Settings, ConfigError> {
    let environment = |name: &str| env::var_os(name);
    let file = match config_path(args.config.as_deref()) {
        Some(path) => Some(ConfigFile::read(&path)?),
        None => None,
    };
    Settings::resolve(args, &environment, file)
}

/// Reads the secrets that `--secret-env` and `--secret-file` name.
///
/// # Errors
/// At the first that cannot be read.
pub fn load_secrets(args: &SignatureArgs) -> Result<Vec<Secret>, ConfigError> {
    settings::secrets_of_arguments(args, &|name: &str| env::var_os(name))
}

/// The configuration file that applies, if there is one; secrets it names are not read.
///
/// # Errors
/// At the first thing that is wrong with it.
pub fn load_file(named: Option<&Path>) -> Result<Option<ConfigFile>, ConfigError> {
    config_path(named).map(|path| ConfigFile::read(&path)).transpose()
}

/// The routes of the configuration file that applies, with every secret they and the arguments name.
///
/// # Errors
/// At the first thing that is wrong.
pub fn load_routes(named: Option<&Path>, signatures: &SignatureArgs) -> Result<Routes, ConfigError> {
    let args = ListenArgs { signatures: signatures.clone(), ..unsigned() };
    settings::routes(&args, &|name: &str| env::var_os(name), load_file(named)?.as_ref())
}

/// The routes of the configuration file that applies, to say where events go: with the secrets they name if all of them can be read, else
/// with none.
///
/// # Errors
/// At the first other thing that is wrong.
pub fn load_targets(named: Option<&Path>) -> Result<Routes, ConfigError> {
    let Some(mut file) = load_file(named)? else { return Ok(Routes::new(Route::catch_all(), Vec::new())) };
    let (args, environment) = (unsigned(), |name: &str| env::var_os(name));
    settings::routes(&args, &environment, Some(&file)).or_else(|_| {
        for route in &mut file.routes {
            route.secret_env.clear();
            route.secret_file.clear();
        }
        settings::routes(&args, &environment, Some(&file))
    })
}

fn unsigned() -> ListenArgs {
    ListenArgs { allow_external: true, ..ListenArgs::default() }
}

/// Every provider there is, those of the configuration file that applies among them.
///
/// # Errors
/// At the first thing that is wrong with that file.
pub fn load_catalogue(named: Option<&Path>) -> Result<Catalogue, ConfigError> {
    Ok(load_file(named)?.map_or_else(|| catalogue().clone(), |file| file.catalogue))
}

/// Every filter that has a name: those of the configuration file that applies, and those saved in the inspector.
///
/// # Errors
/// At the first thing that is wrong with either file.
pub fn load_filters(named: Option<&Path>, data: &DataDir) -> Result<Saved, ConfigError> {
    let of_file = load_file(named)?.map(|file| file.filters).unwrap_or_default();
    Ok(saved_filters(&data.filters())?.with(&of_file))
}

/// What the configuration file says about a provider's events.
#[derive(Debug)]
pub struct RouteOfProvider {
    /// The path they are posted to.
    pub path: String,
    /// What they are verified with.
    pub secrets: Vec<Secret>,
}

impl Default for RouteOfProvider {
    fn default() -> Self {
        Self { path: "/".to_owned(), secrets: Vec::new() }
    }
}

/// The route of a provider's events, with its secrets, or one without any.
///
/// # Errors
/// When a secret cannot be read.
pub fn route_of_provider(file: &ConfigFile, id: &str) -> Result<RouteOfProvider, ConfigError> {
    let is_its = |route: &&FileRoute| route.provider.as_ref().is_some_and(|provider| provider.id() == id);
    let Some(route) = file.routes.iter().find(is_its) else { return Ok(RouteOfProvider::default()) };
    Ok(RouteOfProvider {
        path: route.path.value.as_str().to_owned(),
        secrets: settings::secrets_of_file(file, route, &|name: &str| env::var_os(name))?,
    })
}

/// The file named, or `inhaul.toml` in the current directory, or in the user's XDG configuration directory.
pub fn config_path(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = named {
        return Some(path.to_owned());
    }
    let here = PathBuf::from(FILE_NAME);
    let of_user = || Xdg::new().ok().map(|xdg| xdg.config_dir().join("inhaul").join(FILE_NAME));
    if exists(&here) { Some(here) } else { of_user().filter(|path| exists(path)) }
}

/// Whether there is something of that name; a file that is there and cannot be looked at is an error later, not absent.
fn exists(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

#[cfg(test)]
mod tests;

//! The layers laid over each other: default, file, environment, arguments; the later one wins.
//!
//! Arguments about targets and signatures describe the route `/`, which takes everything that no other route of the
//! file takes. A route without targets or without a word on verifying has those of `/`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use inhaul_core::{
    event::EndpointName,
    filter::Filter,
    filter::Saved,
    signature::{Catalogue, Provider, Secret, catalogue},
    wire::Sharing,
};

use crate::{
    cli::{AnswerMode, CatchUp, EmbeddedArgs, ListenArgs, OnAbsent, SignatureArgs},
    config::{
        ConfigError, ConfigFile, Environment, FileRoute, Origin, Parts, Problem, RelayUrl, Route, Routes,
        SecretSource, Sources, Token, inspector, secret, table::Given,
    },
    forward::Target,
    tui::Ui,
};

/// Name of the embedded relay's endpoint, when none is given.
pub const DEFAULT_ENDPOINT: &str = "local";

/// Port of the embedded relay, when none is given.
pub const DEFAULT_PORT: u16 = 8780;

/// How long a target may take, when nothing is said: senders wait no longer than that.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Everything a run of `listen` needs to know, with every secret read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// Where events come from.
    pub relay: RelaySettings,
    /// How the endpoint is had with other clients; alone when absent.
    pub sharing: Option<Sharing>,
    /// Certificate authorities to trust instead of the system's.
    pub cacert: Option<PathBuf>,
    /// Where events go, and how they are verified.
    pub routes: Routes,
    /// How long a target may take.
    pub timeout: Duration,
    /// What becomes of events that came while the client was away.
    pub catch_up: CatchUp,
    /// Which events are held; none when absent.
    pub hold: Option<Filter>,
    /// Filters that have a name.
    pub filters: Saved,
    /// How the inspector looks, and its keys.
    pub ui: Ui,
    /// What copies of events replace, besides what they always do.
    pub mask: Parts,
    /// What is not compared.
    pub diff: Parts,
    /// What says each of these.
    pub sources: Sources,
    /// Where the secrets are read anew.
    pub secret_source: SecretSource,
}

/// Where events come from.
#[derive(Clone, Debug)]
pub enum RelaySettings {
    /// A relay that runs elsewhere.
    Remote {
        /// Its public URL.
        url: RelayUrl,
        /// The endpoint on it.
        endpoint: EndpointName,
        /// What proves that the endpoint is ours.
        token: Token,
    },
    /// A relay hosted by this program.
    Embedded(EmbeddedSettings),
}

/// A relay hosted by this program.
#[derive(Clone, Debug)]
pub struct EmbeddedSettings {
    /// The endpoint to make on it.
    pub endpoint: EndpointName,
    /// Its port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Whether it speaks HTTPS.
    pub tls: bool,
    /// Who answers the sender.
    pub answer: AnswerMode,
    /// What the sender hears when the application does not answer.
    pub on_absent: OnAbsent,
}

impl Settings {
    /// Lays arguments over the environment, over the file, over the defaults, and reads every secret they name.
    ///
    /// # Errors
    /// At the first thing that is wrong, saying where it is said.
    pub fn resolve(
        args: &ListenArgs,
        environment: Environment<'_>,
        file: Option<ConfigFile>,
    ) -> Result<Self, ConfigError> {
        let cacert_of_file = || file.as_ref()?.cacert();
        Ok(Self {
            relay: relay(args, environment, file.as_ref())?,
            sharing: args.relay.sharing().or_else(|| file.as_ref()?.sharing),
            cacert: args.relay.cacert.clone().or_else(cacert_of_file),
            routes: routes(args, environment, file.as_ref())?,
            timeout: args.timeout.or(file.as_ref().and_then(|file| file.timeout)).unwrap_or(DEFAULT_TIMEOUT),
            catch_up: args.catch_up.or(file.as_ref().and_then(|file| file.catch_up)).unwrap_or_default(),
            hold: match filter_of(args.hold.as_deref(), "--hold", file.as_ref())? {
                Some(filter) => Some(filter),
                None => file.as_ref().and_then(|file| file.hold.clone()),
            },
            filters: file.as_ref().map(|file| file.filters.clone()).unwrap_or_default(),
            ui: inspector::resolve(&args.output.ui, environment, file.as_ref().map(|file| &file.inspector)),
            mask: file.as_ref().map(|file| file.mask.clone()).unwrap_or_default(),
            diff: file.as_ref().map(|file| file.diff.clone()).unwrap_or_default(),
            sources: Sources::of(args, environment, file.as_ref()),
            secret_source: SecretSource::of(args, file.as_ref()),
            file: file.map(|file| file.path),
        })
    }
}

/// The filter an argument says, which may name those of the file.
fn filter_of(
    text: Option<&str>,
    argument: &'static str,
    file: Option<&ConfigFile>,
) -> Result<Option<Filter>, ConfigError> {
    let none = Saved::default();
    let saved = file.map_or(&none, |file| &file.filters);
    let read = |text| {
        Problem::or_filter(text, saved)
            .map_err(|problem| ConfigError::new(Origin::Argument(argument), problem))
    };
    text.map(read).transpose()
}

fn relay(
    args: &ListenArgs,
    environment: Environment<'_>,
    file: Option<&ConfigFile>,
) -> Result<RelaySettings, ConfigError> {
    let url = choose(
        args.relay.relay.clone(),
        "--relay",
        variable("INHAUL_RELAY", environment, |text| Ok(text.parse::<RelayUrl>()?))?,
        file.and_then(|file| file.relay.clone()),
    );
    let endpoint = choose(
        args.relay.endpoint.clone(),
        "--endpoint",
        variable("INHAUL_ENDPOINT", environment, |text| Ok(text.parse::<EndpointName>()?))?,
        file.and_then(|file| file.endpoint.clone()),
    );
    let Some(url) = url else {
        deny_token_without_relay(args, file)?;
        let default = || DEFAULT_ENDPOINT.parse().expect("the default name is a name");
        return Ok(RelaySettings::Embedded(EmbeddedSettings {
            endpoint: endpoint.map_or_else(default, |endpoint| endpoint.value),
            port: args.embedded.port.or(file.and_then(|file| file.port)).unwrap_or(DEFAULT_PORT),
            tls: args.embedded.tls,
            answer: args.embedded.answer.or(file.and_then(|file| file.answer)).unwrap_or_default(),
            on_absent: args.embedded.on_absent.or(file.and_then(|file| file.on_absent)).unwrap_or_default(),
        }));
    };
    deny_embedded_arguments(&args.embedded, &url.origin)?;
    let needs = |what| ConfigError::new(url.origin.clone(), Problem::RelayNeeds(what));
    Ok(RelaySettings::Remote {
        endpoint: endpoint.ok_or_else(|| needs("endpoint"))?.value,
        token: token(args, environment, file)?.ok_or_else(|| needs("token"))?,
        url: url.value,
    })
}

fn token(
    args: &ListenArgs,
    environment: Environment<'_>,
    file: Option<&ConfigFile>,
) -> Result<Option<Token>, ConfigError> {
    if let Some(path) = &args.relay.token_file {
        let token = Token::from_file(path);
        return token
            .map(Some)
            .map_err(|problem| ConfigError::new(Origin::Argument("--token-file"), problem));
    }
    let name = "INHAUL_TOKEN";
    let in_environment = Token::from_variable(name, environment)
        .map_err(|problem| ConfigError::new(Origin::Environment(name), problem))?;
    if in_environment.is_some() {
        return Ok(in_environment);
    }
    match file.and_then(|file| file.token_file.as_ref().map(|path| (file, path))) {
        Some((file, path)) => Token::from_file(&file.resolve(&path.value))
            .map(Some)
            .map_err(|problem| ConfigError::new(path.origin.clone(), problem)),
        None => Ok(None),
    }
}

fn deny_token_without_relay(args: &ListenArgs, file: Option<&ConfigFile>) -> Result<(), ConfigError> {
    let argument = args.relay.token_file.as_ref().map(|_| Origin::Argument("--token-file"));
    let in_file = || file.and_then(|file| file.token_file.as_ref()).map(|path| path.origin.clone());
    match argument.or_else(in_file) {
        Some(origin) => Err(ConfigError::new(origin, Problem::OnlyRemote)),
        None => Ok(()),
    }
}

fn deny_embedded_arguments(args: &EmbeddedArgs, relay: &Origin) -> Result<(), ConfigError> {
    let given = [
        ("--port", args.port.is_some()),
        ("--tls", args.tls),
        ("--answer", args.answer.is_some()),
        ("--on-absent", args.on_absent.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((name, _)) => {
            Err(ConfigError::new(Origin::Argument(name), Problem::OnlyEmbedded(relay.clone())))
        }
        None => Ok(()),
    }
}

pub(super) fn routes(
    args: &ListenArgs,
    environment: Environment<'_>,
    file: Option<&ConfigFile>,
) -> Result<Routes, ConfigError> {
    let external = args.allow_external;
    let mut catch_all = Route::catch_all();
    let mut others: Vec<(&FileRoute, Route)> = Vec::new();
    for (file, given) in file.iter().flat_map(|file| file.routes.iter().map(move |route| (file, route))) {
        let route = Route {
            path: given.path.value.clone(),
            when: given.when.clone(),
            targets: allowed(&given.targets, external)?,
            provider: given.provider.clone(),
            secrets: secrets_of_file(file, given, environment)?.into(),
            verify: given.verify.unwrap_or_default(),
            retry: given.retry.clone().unwrap_or_default(),
            concurrency: given.concurrency.unwrap_or(1),
            strict_order: given.strict_order.unwrap_or(false),
            dedupe: given.dedupe.unwrap_or_default(),
        };
        if route.path.is_root() && route.when.is_none() {
            catch_all = route;
        } else {
            others.push((given, route));
        }
    }
    let catalogue = file.map_or_else(|| catalogue().clone(), |file| file.catalogue.clone());
    lay_arguments_over(&mut catch_all, args, &catalogue, (environment, file))?;
    let routes = others.into_iter().map(|(given, mut route)| {
        if route.targets.is_empty() {
            route.targets.clone_from(&catch_all.targets);
        }
        route.verify = given.verify.unwrap_or(catch_all.verify);
        route.retry = given.retry.clone().unwrap_or_else(|| catch_all.retry.clone());
        route.concurrency = given.concurrency.unwrap_or(catch_all.concurrency);
        route.strict_order = given.strict_order.unwrap_or(catch_all.strict_order);
        route.dedupe = given.dedupe.unwrap_or(catch_all.dedupe);
        route
    });
    let routes = routes.collect();
    Ok(Routes::new(catch_all, routes).with_catalogue(catalogue))
}

fn lay_arguments_over(
    route: &mut Route,
    args: &ListenArgs,
    catalogue: &Catalogue,
    (environment, file): (Environment<'_>, Option<&ConfigFile>),
) -> Result<(), ConfigError> {
    if !args.targets.is_empty() {
        let origin = Origin::Argument("TARGET");
        let targets: Vec<Given<Target>> = args
            .targets
            .iter()
            .map(|target| Given { value: target.clone(), origin: origin.clone() })
            .collect();
        route.targets = allowed(&targets, args.allow_external)?;
    }
    if let Some(when) = filter_of(args.when.as_deref(), "--when", file)? {
        route.when = Some(when);
    }
    if let Some(name) = &args.signatures.provider {
        route.provider = Some(provider_named(name, "--provider", catalogue)?);
    }
    let secrets = secrets_of_arguments(&args.signatures, environment)?;
    if !secrets.is_empty() {
        route.secrets = secrets.into();
    }
    if let Some(verify) = args.signatures.verify {
        route.verify = verify;
    }
    if let Some(retry) = &args.retry {
        route.retry.clone_from(retry);
    }
    route.concurrency = args.concurrency.unwrap_or(route.concurrency);
    route.strict_order |= args.strict_order;
    route.dedupe = args.dedupe.unwrap_or(route.dedupe);
    Ok(())
}

/// The provider that an argument names.
///
/// # Errors
/// When there is none of that name.
pub fn provider_named(
    name: &str,
    argument: &'static str,
    catalogue: &Catalogue,
) -> Result<Arc<Provider>, ConfigError> {
    let unknown = || ConfigError::new(Origin::Argument(argument), Problem::unknown_provider(name, catalogue));
    catalogue.provider(name).ok_or_else(unknown)
}

fn allowed(targets: &[Given<Target>], allow_external: bool) -> Result<Vec<Target>, ConfigError> {
    targets
        .iter()
        .map(|target| {
            if allow_external || target.value.is_loopback() {
                Ok(target.value.clone())
            } else {
                let problem = Problem::ExternalTarget(target.value.to_string());
                Err(ConfigError::new(target.origin.clone(), problem))
            }
        })
        .collect()
}

pub(super) fn secrets_of_file(
    file: &ConfigFile,
    route: &FileRoute,
    environment: Environment<'_>,
) -> Result<Vec<Secret>, ConfigError> {
    let of_variables = route.secret_env.iter().map(|name| {
        secret::from_variable(&name.value, environment)
            .map_err(|problem| ConfigError::new(name.origin.clone(), problem))
    });
    let of_files = route.secret_file.iter().map(|path| {
        secret::from_file(&file.resolve(&path.value), &path.value)
            .map_err(|problem| ConfigError::new(path.origin.clone(), problem))
    });
    of_variables.chain(of_files).collect()
}

/// The secrets that `--secret-env` and `--secret-file` name.
pub(super) fn secrets_of_arguments(
    args: &SignatureArgs,
    environment: Environment<'_>,
) -> Result<Vec<Secret>, ConfigError> {
    let of_variables = args.secret_env.iter().map(|name| {
        secret::from_variable(name, environment)
            .map_err(|problem| ConfigError::new(Origin::Argument("--secret-env"), problem))
    });
    let of_files = args.secret_file.iter().map(|path| {
        secret::from_file(path, path)
            .map_err(|problem| ConfigError::new(Origin::Argument("--secret-file"), problem))
    });
    of_variables.chain(of_files).collect()
}

/// What a variable says; an empty one says nothing.
fn variable<T>(
    name: &'static str,
    environment: Environment<'_>,
    read: impl Fn(&str) -> Result<T, Problem>,
) -> Result<Option<Given<T>>, ConfigError> {
    let origin = Origin::Environment(name);
    let Some(value) = environment(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = value.to_str().ok_or_else(|| Problem::VariableNotText(name.to_owned()));
    match text.and_then(read) {
        Ok(value) => Ok(Some(Given { value, origin })),
        Err(problem) => Err(ConfigError::new(origin, problem)),
    }
}

fn choose<T>(
    argument: Option<T>,
    name: &'static str,
    variable: Option<Given<T>>,
    file: Option<Given<T>>,
) -> Option<Given<T>> {
    let argument = argument.map(|value| Given { value, origin: Origin::Argument(name) });
    argument.or(variable).or(file)
}

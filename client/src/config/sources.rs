//! What says each setting in effect: an argument, a variable, a line of the file, or nothing but the defaults.

use std::collections::BTreeMap;

use inhaul_core::{filter::Filter, visible::visible};

use super::{ConfigFile, Environment, Origin, Route, RoutePath};
use crate::cli::ListenArgs;

/// A setting in effect, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What it is called; keys of the configuration file where there is one.
    pub name: String,
    /// What it is.
    pub value: String,
    /// What says so, such as `inhaul.toml:3`, `--timeout`, `INHAUL_RELAY` or `default`.
    pub source: String,
}

/// What says each setting.
#[derive(Clone, Debug)]
pub struct Sources {
    /// What says those that nothing else does.
    otherwise: &'static str,
    settings: BTreeMap<&'static str, Origin>,
    routes: Vec<RouteSources>,
}

/// What says each setting of a route of the file.
#[derive(Clone, Debug)]
struct RouteSources {
    path: RoutePath,
    when: Option<Filter>,
    settings: BTreeMap<&'static str, Origin>,
}

/// Settings that a variable may say.
const VARIABLES: [(&str, &str); 3] =
    [("relay", "INHAUL_RELAY"), ("endpoint", "INHAUL_ENDPOINT"), ("token_file", "INHAUL_TOKEN")];

/// Settings that the file may say, by its keys.
const KEYS: [&str; 19] = [
    "relay",
    "endpoint",
    "token_file",
    "cacert",
    "sharing",
    "catch_up",
    "timeout",
    "port",
    "answer",
    "on_absent",
    "hold.when",
    "filters",
    "mask",
    "diff",
    "inspector.theme",
    "inspector.ascii",
    "inspector.mouse",
    "inspector.order",
    "inspector.clipboard",
];

/// Settings of a route, by the keys of the file; `secret` is `secret_env` and `secret_file`.
pub(super) const ROUTE_KEYS: [&str; 9] =
    ["when", "target", "provider", "secret", "verify", "retry", "concurrency", "strict_order", "dedupe"];

/// Those of them that other routes have from the route `/` when they do not say them.
const PASSED_ON: [&str; 6] = ["target", "verify", "retry", "concurrency", "strict_order", "dedupe"];

impl Default for Sources {
    fn default() -> Self {
        Self::all("default")
    }
}

impl Sources {
    /// One source of every setting.
    pub fn all(otherwise: &'static str) -> Self {
        Self { otherwise, settings: BTreeMap::new(), routes: Vec::new() }
    }

    /// Finds out what says each setting.
    pub(super) fn of(args: &ListenArgs, environment: Environment<'_>, file: Option<&ConfigFile>) -> Self {
        let mut settings = BTreeMap::new();
        for key in KEYS {
            if let Some(origin) = file.and_then(|file| file.lines.get(key)) {
                settings.insert(key, origin.clone());
            }
        }
        for (key, variable) in VARIABLES {
            if environment(variable).is_some_and(|value| !value.is_empty()) {
                settings.insert(key, Origin::Environment(variable));
            }
        }
        settings.extend(arguments(args));
        let of_file = file.iter().flat_map(|file| file.routes.iter().enumerate());
        let mut routes: Vec<RouteSources> = of_file
            .map(|(index, route)| {
                let line = |key: &&'static str| {
                    let names = if *key == "secret" { &["secret_env", "secret_file"][..] } else { &[*key] };
                    let mut lines =
                        names.iter().filter_map(|name| file?.lines.get(&format!("route[{index}].{name}")));
                    Some((*key, lines.next()?.clone()))
                };
                let settings = ROUTE_KEYS.iter().filter_map(line).collect();
                RouteSources { path: route.path.value.clone(), when: route.when.clone(), settings }
            })
            .collect();
        // Arguments describe the route that takes everything else.
        let is_catch_all = |route: &RouteSources| route.path.is_root() && route.when.is_none();
        let mut catch_all = match routes.iter().position(is_catch_all) {
            Some(at) => routes.remove(at),
            None => RouteSources { path: RoutePath::root(), when: None, settings: BTreeMap::new() },
        };
        catch_all.settings.extend(route_arguments(args));
        routes.push(catch_all);
        Self { settings, routes, ..Self::default() }
    }

    /// What says a setting, for people.
    pub(super) fn text(&self, key: &str) -> String {
        self.source_text(self.settings.get(key))
    }

    /// What says a setting of a route, for people.
    pub(super) fn route_text(&self, route: &Route, key: &str) -> String {
        let own = self.routes.iter().find(|known| known.path == route.path && known.when == route.when);
        // What `--when` says is not in the file.
        let own = own.or_else(|| self.routes.last().filter(|_| route.path.is_root()));
        let said = own.and_then(|own| own.settings.get(key));
        let inherited = || self.routes.last().filter(|_| PASSED_ON.contains(&key))?.settings.get(key);
        self.source_text(said.or_else(inherited))
    }

    fn source_text(&self, origin: Option<&Origin>) -> String {
        match origin {
            None => self.otherwise.to_owned(),
            Some(Origin::File { path, line, .. }) => format!("{}:{line}", visible(&path.to_string_lossy())),
            Some(Origin::Argument(name) | Origin::Environment(name)) => (*name).to_owned(),
        }
    }
}

/// The arguments that are given, and the setting each is of.
fn given(
    all: impl IntoIterator<Item = (&'static str, &'static str, bool)>,
) -> impl Iterator<Item = (&'static str, Origin)> {
    let of = |(key, name, is_given): (&'static str, &'static str, bool)| {
        is_given.then_some((key, Origin::Argument(name)))
    };
    all.into_iter().filter_map(of)
}

fn arguments(args: &ListenArgs) -> impl Iterator<Item = (&'static str, Origin)> {
    let ListenArgs { relay, embedded, output, .. } = args;
    given([
        ("relay", "--relay", relay.relay.is_some()),
        ("endpoint", "--endpoint", relay.endpoint.is_some()),
        ("token_file", "--token-file", relay.token_file.is_some()),
        ("cacert", "--cacert", relay.cacert.is_some()),
        ("sharing", "--share", relay.share),
        ("sharing", "--balance", relay.balance),
        ("port", "--port", embedded.port.is_some()),
        ("tls", "--tls", embedded.tls),
        ("answer", "--answer", embedded.answer.is_some()),
        ("on_absent", "--on-absent", embedded.on_absent.is_some()),
        ("timeout", "--timeout", args.timeout.is_some()),
        ("catch_up", "--catch-up", args.catch_up.is_some()),
        ("hold.when", "--hold", args.hold.is_some()),
        ("file", "--config", args.config.is_some()),
        ("inspector.theme", "--theme", output.ui.theme.is_some()),
        ("inspector.ascii", "--ascii", output.ui.ascii),
        ("inspector.order", "--order", output.ui.order.is_some()),
    ])
}

fn route_arguments(args: &ListenArgs) -> impl Iterator<Item = (&'static str, Origin)> {
    let signatures = &args.signatures;
    given([
        ("when", "--when", args.when.is_some()),
        ("target", "TARGET", !args.targets.is_empty()),
        ("provider", "--provider", signatures.provider.is_some()),
        ("secret", "--secret-file", !signatures.secret_file.is_empty()),
        ("secret", "--secret-env", !signatures.secret_env.is_empty()),
        ("verify", "--verify", signatures.verify.is_some()),
        ("retry", "--retry", args.retry.is_some()),
        ("concurrency", "--concurrency", args.concurrency.is_some()),
        ("strict_order", "--strict-order", args.strict_order),
        ("dedupe", "--dedupe", args.dedupe.is_some()),
    ])
}

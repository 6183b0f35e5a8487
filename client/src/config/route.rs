//! Which part of the request path goes where, and how its events are verified.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
};

use inhaul_core::{
    filter::Filter,
    retry::Schedule,
    signature::{Catalogue, Provider, Secret, catalogue},
};
use thiserror::Error;

use crate::{
    cli::{Dedupe, VerifyMode},
    forward::Target,
};

/// What becomes of events below one path.
#[derive(Clone, Debug)]
pub struct Route {
    /// The path these events are posted to.
    pub path: RoutePath,
    /// Of these, the events it takes; all of them when absent. Others are left to the routes behind it.
    pub when: Option<Filter>,
    /// Where they are forwarded to; nowhere when empty.
    pub targets: Vec<Target>,
    /// Who signs them; recognised by their headers when absent.
    pub provider: Option<Arc<Provider>>,
    /// What they are verified with.
    pub secrets: Secrets,
    /// What becomes of an event whose signature is not valid.
    pub verify: VerifyMode,
    /// When an event that was not delivered, and whose sender does not come again, is tried again.
    pub retry: Schedule,
    /// How many events whose senders do not wait are forwarded beside each other.
    pub concurrency: usize,
    /// Whether an event waits until the one before it is delivered or given up.
    pub strict_order: bool,
    /// What becomes of another delivery of an event that was delivered.
    pub dedupe: Dedupe,
}

impl Route {
    /// What applies when nothing is said.
    pub fn catch_all() -> Self {
        Self {
            path: RoutePath::root(),
            when: None,
            targets: Vec::new(),
            provider: None,
            secrets: Secrets::default(),
            verify: VerifyMode::default(),
            retry: Schedule::default(),
            concurrency: 1,
            strict_order: false,
            dedupe: Dedupe::default(),
        }
    }
}

/// The secrets of a route. Every clone is the same one, so that secrets which are read anew count everywhere at once.
#[derive(Clone, Default)]
pub struct Secrets(Arc<RwLock<Arc<[Secret]>>>);

impl Secrets {
    /// Those of now.
    pub fn now(&self) -> Arc<[Secret]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, secrets: Arc<[Secret]>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = secrets;
    }
}

impl From<Vec<Secret>> for Secrets {
    fn from(secrets: Vec<Secret>) -> Self {
        Self(Arc::new(RwLock::new(secrets.into())))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.now().iter()).finish()
    }
}

/// The beginning of request paths, in whole segments: `/stripe` is the beginning of `/stripe` and `/stripe/a`, not of
/// `/stripes`. Compared byte by byte with what the sender wrote, nothing decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoutePath(String);

/// Why a text is no path of a route.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RoutePathError {
    /// It does not start with a slash.
    #[error("{0:?} must start with \"/\", such as \"/stripe\"")]
    Start(String),
    /// It holds what no path holds.
    #[error("{0:?} holds {1:?}: a path is written as in a URL, without query")]
    Character(String, char),
}

impl RoutePath {
    /// `/`, the beginning of every path.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The path as text, without a slash at the end unless it is `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every path begins with it.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    fn is_beginning_of(&self, path: &[u8]) -> bool {
        let segments = self.0.trim_end_matches('/').as_bytes();
        path.strip_prefix(segments).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
    }
}

impl FromStr for RoutePath {
    type Err = RoutePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.starts_with('/') {
            return Err(RoutePathError::Start(text.to_owned()));
        }
        let foreign = |letter: &char| !letter.is_ascii_graphic() || matches!(letter, '?' | '#');
        if let Some(letter) = text.chars().find(foreign) {
            return Err(RoutePathError::Character(text.to_owned(), letter));
        }
        match text.trim_end_matches('/') {
            "" => Ok(Self::root()),
            path => Ok(Self(path.to_owned())),
        }
    }
}

/// Every route; the one with the longest path that fits, and that takes the event, applies.
#[derive(Clone, Debug)]
pub struct Routes {
    /// Those with a path or a filter of their own, longest path first.
    routes: Vec<Route>,
    /// The one for everything else.
    catch_all: Route,
    catalogue: Catalogue,
}

impl Routes {
    /// Orders routes with paths of their own before the one for everything else.
    pub fn new(catch_all: Route, mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.path.0.len()));
        Self { routes, catch_all, catalogue: catalogue().clone() }
    }

    /// The same, with other providers than those inhaul knows by itself.
    #[must_use]
    pub fn with_catalogue(self, catalogue: Catalogue) -> Self {
        Self { catalogue, ..self }
    }

    /// Providers that are recognised by their headers.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The routes whose path fits, by what of the request target goes to the app: in their order, with their places in [`Routes::iter`].
    /// The first of them that takes an event applies; there is always one.
    pub fn fitting(&self, app_target: &[u8]) -> impl Iterator<Item = (usize, &Route)> {
        let path = app_target.split(|&byte| byte == b'?').next().unwrap_or_default().to_vec();
        let last = self.routes.len();
        self.iter().enumerate().filter(move |(at, route)| *at == last || route.path.is_beginning_of(&path))
    }

    /// The place of the route in [`Routes::iter`], when its path alone says that it applies.
    pub fn by_path(&self, app_target: &[u8]) -> Option<usize> {
        self.fitting(app_target).next().filter(|(_, route)| route.when.is_none()).map(|(at, _)| at)
    }

    /// The route at a place in [`Routes::iter`].
    pub fn at(&self, place: usize) -> &Route {
        self.routes.get(place).unwrap_or(&self.catch_all)
    }

    /// The route `/` without a filter, or with that of `--when`: the last.
    pub fn catch_all(&self) -> &Route {
        &self.catch_all
    }

    /// Takes the secrets of the same routes of another configuration; a route that is not in it keeps its own.
    pub(super) fn take_secrets(&self, other: &Self) {
        self.catch_all.secrets.replace(other.catch_all.secrets.now());
        for route in &self.routes {
            let is_same = |known: &&Route| known.path == route.path && known.when == route.when;
            if let Some(same) = other.routes.iter().find(is_same) {
                route.secrets.replace(same.secrets.now());
            }
        }
    }

    /// Every route, longest path first, the one for everything else last.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().chain([&self.catch_all])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str) -> Route {
        Route { path: path.parse().unwrap(), ..Route::catch_all() }
    }

    fn path_of<'r>(routes: &'r Routes, app_target: &[u8]) -> &'r str {
        routes.at(routes.by_path(app_target).unwrap()).path.as_str()
    }

    #[test]
    fn a_route_with_a_filter_comes_before_those_behind_it_and_does_not_decide_alone() {
        let when = |path, filter: &str| Route { when: Some(filter.parse().unwrap()), ..route(path) };
        let routes = Routes::new(Route::catch_all(), vec![when("/", "a"), when("/x", "b"), when("/", "c")]);
        let fitting = |target: &[u8]| routes.fitting(target).map(|(at, _)| at).collect::<Vec<_>>();
        assert_eq!((fitting(b"/x/1?a"), fitting(b"/y")), (vec![0, 1, 2, 3], vec![1, 2, 3]));
        assert_eq!((routes.by_path(b"/x"), routes.by_path(b"/y")), (None, None));
        let filters: Vec<_> =
            routes.iter().map(|route| route.when.as_ref().map(ToString::to_string)).collect();
        assert_eq!(filters, [Some("b"), Some("a"), Some("c"), None].map(|text| text.map(str::to_owned)));
    }

    #[test]
    fn the_longest_path_of_whole_segments_applies() {
        let routes = Routes::new(
            Route::catch_all(),
            vec![route("/a"), route("/a/b/"), route("/stripe"), route("/%7e")],
        );
        for (target, expected) in [
            ("/", "/"),
            ("/other", "/"),
            ("/stripe", "/stripe"),
            ("/stripe/", "/stripe"),
            ("/stripe?x=/a/b", "/stripe"),
            ("/stripes", "/"),
            ("/Stripe", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/c?d", "/a/b"),
            ("/a/bc", "/a"),
            ("//a", "/"),
            ("/~", "/"),
            ("/%7e/x", "/%7e"),
            ("?a", "/"),
            ("", "/"),
        ] {
            assert_eq!(path_of(&routes, target.as_bytes()), expected, "{target}");
        }
        assert_eq!(path_of(&routes, b"/a/\xff"), "/a");
        let order: Vec<&str> = routes.iter().map(|route| route.path.as_str()).collect();
        assert_eq!(order, ["/stripe", "/a/b", "/%7e", "/a", "/"]);
    }

    #[test]
    fn paths_are_written_as_in_a_url() {
        for text in ["/", "/a", "/a/", "/a%20b", "///"] {
            assert!(text.parse::<RoutePath>().is_ok(), "{text}");
        }
        assert!(matches!("stripe".parse::<RoutePath>(), Err(RoutePathError::Start(_))));
        for text in ["/a?b", "/a b", "/ä", "/a#b", "/\u{1b}[31m"] {
            assert!(matches!(text.parse::<RoutePath>(), Err(RoutePathError::Character(..))), "{text}");
        }
    }
}

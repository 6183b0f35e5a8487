//! `inhaul.toml`: its keys, and what each of them may say.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use inhaul_core::{
    event::EndpointName,
    filter::{Filter, JsonPath, Saved},
    retry::Schedule,
    signature::{Catalogue, Provider, catalogue},
    wire::Sharing,
};
use toml::{Spanned, de::DeTable};

use crate::{
    cli::{
        AnswerMode, CatchUp, Dedupe, OnAbsent, VerifyMode, parse_concurrency, parse_duration, parse_schedule,
    },
    config::{
        ConfigError, Origin, Problem, RelayUrl, RoutePath, filters,
        inspector::FileInspector,
        lines::lines,
        table::{Given, Place, Table},
    },
    data_dir::read_small_file,
    forward::Target,
};

/// Longest configuration file that is read.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// Every key at the top of the file.
pub(super) const KEYS: &[&str] = &[
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
    "hold",
    "filters",
    "mask",
    "diff",
    "route",
    "provider",
    "inspector",
    "keys",
];

/// Every key of `[hold]`.
pub(super) const HOLD_KEYS: &[&str] = &["when"];
/// Every key of `[mask]`.
pub(super) const MASK_KEYS: &[&str] = &["headers", "json"];

/// Every key of `[diff]`.
pub(super) const DIFF_KEYS: &[&str] = &["ignore_headers", "ignore_json"];

/// Every key of a `[[route]]`.
pub(super) const ROUTE_KEYS: &[&str] = &[
    "path",
    "when",
    "target",
    "provider",
    "secret_env",
    "secret_file",
    "verify",
    "retry",
    "concurrency",
    "strict_order",
    "dedupe",
];

/// The words of `verify`.
const VERIFY_WORDS: &[&str] = &["mark", "reject"];

/// The words of `sharing`.
const SHARING_WORDS: &[&str] = &["share", "balance"];

/// The words of `dedupe`.
const DEDUPE_WORDS: &[&str] = &["flag", "drop"];

/// The words of `catch_up`.
const CATCH_UP_WORDS: &[&str] = &["deliver", "store", "ask"];

/// The words of `answer`.
const ANSWER_WORDS: &[&str] = &["app", "relay"];

/// The words of `on_absent`.
const ON_ABSENT_WORDS: &[&str] = &["accept", "refuse"];

/// A configuration file, taken apart and checked; secrets it names are not read yet.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// The file.
    pub path: PathBuf,
    /// `relay`
    pub relay: Option<Given<RelayUrl>>,
    /// `endpoint`
    pub endpoint: Option<Given<EndpointName>>,
    /// `token_file`; a relative path is one from the configuration file's directory.
    pub token_file: Option<Given<PathBuf>>,
    /// `cacert`, relative like `token_file`.
    pub cacert: Option<Given<PathBuf>>,
    /// `sharing`
    pub sharing: Option<Sharing>,
    /// `catch_up`
    pub catch_up: Option<CatchUp>,
    /// `timeout`
    pub timeout: Option<Duration>,
    /// `port`
    pub port: Option<u16>,
    /// `answer`
    pub answer: Option<AnswerMode>,
    /// `on_absent`
    pub on_absent: Option<OnAbsent>,
    /// `when` of `[hold]`
    pub hold: Option<Filter>,
    /// `[filters]`
    pub filters: Saved,
    /// `[mask]`: what exports replace, besides what they always do.
    pub mask: Parts,
    /// `[diff]`: what is not compared.
    pub diff: Parts,
    /// Every provider there is: those of `[provider.NAME]`, before those inhaul knows by itself.
    pub catalogue: Catalogue,
    /// Every `[[route]]`.
    pub routes: Vec<FileRoute>,
    /// `[inspector]` and `[keys]`.
    pub inspector: FileInspector,
    /// Where each key stands, by its whole name, such as `route[1].verify`.
    pub lines: BTreeMap<String, Origin>,
}

/// Parts of events, by name.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Names of headers.
    pub headers: Vec<String>,
    /// Values in JSON bodies.
    pub json: Vec<JsonPath>,
}

/// One `[[route]]`.
#[derive(Clone, Debug)]
pub struct FileRoute {
    /// `path`
    pub path: Given<RoutePath>,
    /// `when`
    pub when: Option<Filter>,
    /// `target`
    pub targets: Vec<Given<Target>>,
    /// `provider`
    pub provider: Option<Arc<Provider>>,
    /// `secret_env`
    pub secret_env: Vec<Given<String>>,
    /// `secret_file`, as written; relative like `token_file`.
    pub secret_file: Vec<Given<PathBuf>>,
    /// `verify`
    pub verify: Option<VerifyMode>,
    /// `retry`
    pub retry: Option<Schedule>,
    /// `concurrency`
    pub concurrency: Option<usize>,
    /// `strict_order`
    pub strict_order: Option<bool>,
    /// `dedupe`
    pub dedupe: Option<Dedupe>,
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or at the first thing in it that is wrong.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let start = || Origin::whole(path);
        let bytes = read_small_file(path, FILE_MAX_BYTES)
            .map_err(|error| ConfigError::new(start(), Problem::Unreadable(error)))?;
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(path, &text),
            Err(_) => Err(ConfigError::new(start(), Problem::Syntax("not UTF-8".to_owned()))),
        }
    }

    /// Takes the text of a file apart.
    ///
    /// # Errors
    /// At the first thing that is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let place = Place { path, text, key: String::new() };
        let table = DeTable::parse(text).map_err(|error| {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            place.error(&error.span().unwrap_or(0..0), Problem::Syntax(message))
        })?;
        let table = Table { place, table: table.get_ref() };
        table.deny_unknown(KEYS)?;
        let own = table.named_tables("provider")?;
        let own = own.iter().map(|(id, table)| own_provider(id, table)).collect::<Result<Vec<_>, _>>()?;
        let catalogue = catalogue().with(own);
        let filters = filters::read(&table)?;
        let file = Self {
            path: path.to_owned(),
            relay: table.text("relay", |text| Ok(text.parse::<RelayUrl>()?))?,
            endpoint: table.text("endpoint", |text| Ok(text.parse::<EndpointName>()?))?,
            token_file: table.text("token_file", |text| Ok(PathBuf::from(text)))?,
            cacert: table.text("cacert", |text| Ok(PathBuf::from(text)))?,
            sharing: table.text("sharing", sharing)?.map(|given| given.value),
            catch_up: table.text("catch_up", catch_up)?.map(|given| given.value),
            timeout: table.text_such_as("timeout", "text such as \"30s\"", timeout)?.map(|given| given.value),
            port: table.number("port", port)?.map(|given| given.value),
            answer: table.text("answer", answer)?.map(|given| given.value),
            on_absent: table.text("on_absent", on_absent)?.map(|given| given.value),
            hold: table.table("hold")?.map(|(_, hold)| hold_filter(&hold, &filters)).transpose()?.flatten(),
            mask: parts(&table, "mask", MASK_KEYS)?,
            diff: parts(&table, "diff", DIFF_KEYS)?,
            routes: table
                .tables("route")?
                .iter()
                .map(|route| FileRoute::read(route, &catalogue, &filters))
                .collect::<Result<_, _>>()?,
            inspector: FileInspector::read(&table)?,
            lines: lines(&table.place, table.table),
            filters,
            catalogue,
        };
        file.deny_duplicate_routes()?;
        Ok(file)
    }

    /// A path named in the file: relative ones start at the file's directory.
    pub fn resolve(&self, named: &Path) -> PathBuf {
        self.path.parent().map_or_else(|| named.to_owned(), |directory| directory.join(named))
    }

    /// The file of the certificate authorities to trust.
    pub fn cacert(&self) -> Option<PathBuf> {
        self.cacert.as_ref().map(|cacert| self.resolve(&cacert.value))
    }

    fn deny_duplicate_routes(&self) -> Result<(), ConfigError> {
        for (index, route) in self.routes.iter().enumerate() {
            let is_same =
                |earlier: &&FileRoute| earlier.path.value == route.path.value && earlier.when == route.when;
            let earlier = self.routes[..index].iter().find(is_same);
            if let Some(Origin::File { line, .. }) = earlier.map(|earlier| &earlier.path.origin) {
                let path = route.path.value.as_str().to_owned();
                return Err(ConfigError::new(
                    route.path.origin.clone(),
                    Problem::DuplicateRoute { path, line: *line },
                ));
            }
        }
        Ok(())
    }
}

impl FileRoute {
    fn read(
        (span, table): &(Range<usize>, Table<'_>),
        catalogue: &Catalogue,
        filters: &Saved,
    ) -> Result<Self, ConfigError> {
        table.deny_unknown(ROUTE_KEYS)?;
        let provider =
            |text: &str| catalogue.provider(text).ok_or_else(|| Problem::unknown_provider(text, catalogue));
        Ok(Self {
            path: table
                .text("path", |text| Ok(text.parse::<RoutePath>()?))?
                .ok_or_else(|| table.place.error(span, Problem::Missing("path")))?,
            when: table.text("when", |text| Problem::or_filter(text, filters))?.map(|given| given.value),
            targets: table.texts("target", |text| Ok(text.parse::<Target>()?))?,
            provider: table.text("provider", provider)?.map(|given| given.value),
            secret_env: table.texts("secret_env", |text| Ok(text.to_owned()))?,
            secret_file: table.texts("secret_file", |text| Ok(PathBuf::from(text)))?,
            verify: table.text("verify", verify_mode)?.map(|given| given.value),
            retry: table.text("retry", |text| Ok(parse_schedule(text)?))?.map(|given| given.value),
            concurrency: table
                .number("concurrency", |text| Ok(parse_concurrency(text)?))?
                .map(|given| given.value),
            strict_order: table.boolean("strict_order")?,
            dedupe: table.text("dedupe", dedupe)?.map(|given| given.value),
        })
    }
}

fn hold_filter(table: &Table<'_>, filters: &Saved) -> Result<Option<Filter>, ConfigError> {
    table.deny_unknown(HOLD_KEYS)?;
    Ok(table.text("when", |text| Problem::or_filter(text, filters))?.map(|given| given.value))
}

/// A table with two lists: names of headers, and paths in JSON.
fn parts(table: &Table<'_>, key: &'static str, keys: &'static [&'static str]) -> Result<Parts, ConfigError> {
    let Some((_, table)) = table.table(key)? else { return Ok(Parts::default()) };
    table.deny_unknown(keys)?;
    let [headers, json] = keys else { return Ok(Parts::default()) };
    let path = |text: &str| JsonPath::parse(text).ok_or_else(|| Problem::JsonPath(text.to_owned()));
    let headers = table.texts(headers, |text| Ok(text.to_owned()))?;
    let json = table.texts(json, path)?;
    Ok(Parts {
        headers: headers.into_iter().map(|given| given.value).collect(),
        json: json.into_iter().map(|given| given.value).collect(),
    })
}

fn own_provider(id: &Spanned<&str>, table: &Table<'_>) -> Result<Provider, ConfigError> {
    table.deny_unknown(Provider::TABLE_KEYS)?;
    Provider::from_table(id.get_ref(), &Spanned::new(id.span(), table.table.clone())).map_err(|error| {
        let span = error.span().unwrap_or_else(|| id.span());
        table.place.error(&span, Problem::Row(error))
    })
}

fn sharing(text: &str) -> Result<Sharing, Problem> {
    [Sharing::Share, Sharing::Balance].into_iter().find(|sharing| sharing.as_str() == text).ok_or_else(|| {
        Problem::UnknownWord { what: "way to share", value: text.to_owned(), allowed: SHARING_WORDS }
    })
}

fn verify_mode(text: &str) -> Result<VerifyMode, Problem> {
    [VerifyMode::Mark, VerifyMode::Reject].into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| {
        Problem::UnknownWord { what: "way to verify", value: text.to_owned(), allowed: VERIFY_WORDS }
    })
}

fn dedupe(text: &str) -> Result<Dedupe, Problem> {
    [Dedupe::Flag, Dedupe::Drop].into_iter().find(|dedupe| dedupe.as_str() == text).ok_or_else(|| {
        Problem::UnknownWord {
            what: "way with repeated deliveries",
            value: text.to_owned(),
            allowed: DEDUPE_WORDS,
        }
    })
}

fn timeout(text: &str) -> Result<Duration, Problem> {
    parse_duration(text).map_err(|error| Problem::Wrong(error.to_string()))
}

fn port(text: &str) -> Result<u16, Problem> {
    text.parse().map_err(|_| Problem::Wrong(format!("{text} is no port: from 0 to 65535")))
}

fn answer(text: &str) -> Result<AnswerMode, Problem> {
    match text {
        "app" => Ok(AnswerMode::App),
        "relay" => Ok(AnswerMode::Relay),
        _ => {
            Err(Problem::UnknownWord { what: "way to answer", value: text.to_owned(), allowed: ANSWER_WORDS })
        }
    }
}

fn on_absent(text: &str) -> Result<OnAbsent, Problem> {
    match text {
        "accept" => Ok(OnAbsent::Accept),
        "refuse" => Ok(OnAbsent::Refuse),
        _ => Err(Problem::UnknownWord {
            what: "way when no answer comes",
            value: text.to_owned(),
            allowed: ON_ABSENT_WORDS,
        }),
    }
}

fn catch_up(text: &str) -> Result<CatchUp, Problem> {
    let all = [CatchUp::Deliver, CatchUp::Store, CatchUp::Ask];
    all.into_iter().find(|catch_up| catch_up.as_str() == text).ok_or_else(|| Problem::UnknownWord {
        what: "way to catch up",
        value: text.to_owned(),
        allowed: CATCH_UP_WORDS,
    })
}

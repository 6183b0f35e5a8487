//! A scenario read from its file. Every mistake is told with its line and with what may stand there.

use std::{
    ops::Range,
    path::{Component, Path},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use clap::ValueEnum;
use inhaul_core::event::{EventId, Header};
use thiserror::Error;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Expect, ExpectError, FILE_MAX_BYTES, STEPS_MAX, Scenario, Step};
use crate::{
    cli::{DurationError, parse_duration, parse_header},
    config::{ConfigError, Given, Origin, Place, Problem, Table, wrong_type},
    data_dir::read_small_file,
    draft::{Changes, IdChange, Sign},
    forward::Target,
    import::parts,
    replay::DELAY_MAX,
};

/// The version of the format that is written, and the newest that is read.
pub const FORMAT_VERSION: u32 = 1;

/// Every key at the top of the file.
pub(super) const KEYS: &[&str] = &["version", "to", "step"];

/// Every key of a `[[step]]`.
pub(super) const STEP_KEYS: &[&str] = &[
    "name",
    "event",
    "pause",
    "to",
    "method",
    "path",
    "headers",
    "body",
    "body_base64",
    "body_file",
    "provider",
    "sign",
    "new_id",
    "mark",
    "expect",
    "within",
];

/// The words of `sign`.
const SIGN_WORDS: &[&str] = &["keep", "fresh", "break-digest", "break-time", "break-missing"];

/// What can be wrong with a scenario besides its form.
#[derive(Debug, Error)]
pub enum ScenarioProblem {
    /// There is nothing to send.
    #[error("there is no [[step]] in it")]
    NoSteps,
    /// There is too much.
    #[error("it has {0} steps; {STEPS_MAX} are the most")]
    Steps(usize),
    /// It is of a later release.
    #[error("version {0} is of a later release; this one reads up to {FORMAT_VERSION}")]
    Version(String),
    /// It is no time.
    #[error(transparent)]
    Time(#[from] DurationError),
    /// It is too long.
    #[error("a pause is at most an hour")]
    Pause,
    /// It is no status.
    #[error(transparent)]
    Expect(#[from] ExpectError),
    /// It is no id.
    #[error("{0:?} is no id of an event")]
    Event(String),
    /// It is no header.
    #[error("{0:?} is no header: write `Name: value`, or {{ name = \"…\", base64 = \"…\" }}")]
    Header(String),
    /// It is no base64.
    #[error("no base64: {0}")]
    Base64(base64::DecodeError),
    /// More than one of them is there.
    #[error("of body, body_base64 and body_file only one can be there")]
    Bodies,
    /// It is elsewhere.
    #[error("{0:?} is no path of a file beside the scenario or below")]
    BodyPath(String),
    /// It cannot be read.
    #[error("{path:?}: {error}")]
    BodyFile {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// Method, path and headers are no request.
    #[error("{0}")]
    Request(String),
}

impl From<ScenarioProblem> for Problem {
    fn from(problem: ScenarioProblem) -> Self {
        Self::Scenario(Box::new(problem))
    }
}

impl From<DurationError> for Problem {
    fn from(error: DurationError) -> Self {
        ScenarioProblem::Time(error).into()
    }
}

impl From<ExpectError> for Problem {
    fn from(error: ExpectError) -> Self {
        ScenarioProblem::Expect(error).into()
    }
}

impl Scenario {
    /// Takes the bytes of a file apart. Bodies in files beside it are read.
    ///
    /// # Errors
    /// At the first thing that is wrong.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        let start = Origin::whole(path);
        let text = std::str::from_utf8(bytes)
            .map_err(|_| ConfigError::new(start.clone(), Problem::Syntax("not UTF-8".to_owned())))?;
        let place = Place { path, text, key: String::new() };
        let table = DeTable::parse(text).map_err(|error| {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            place.error(&error.span().unwrap_or(0..0), Problem::Syntax(message))
        })?;
        let table = Table { place, table: table.get_ref() };
        table.deny_unknown(KEYS)?;
        table.number("version", version)?;
        let to = target(&table)?;
        let steps = table.tables("step")?;
        match steps.len() {
            0 => return Err(ConfigError::new(start, ScenarioProblem::NoSteps)),
            count if count > STEPS_MAX => {
                return Err(ConfigError::new(start, ScenarioProblem::Steps(count)));
            }
            _ => {}
        }
        let steps = steps.iter().map(|(span, table)| step(table, span, to.as_ref()));
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { name, steps: steps.collect::<Result<_, _>>()? })
    }
}

fn version(text: &str) -> Result<(), Problem> {
    match text.parse::<u32>() {
        Ok(1..=FORMAT_VERSION) => Ok(()),
        Ok(_) | Err(_) => Err(ScenarioProblem::Version(text.to_owned()).into()),
    }
}

fn target(table: &Table<'_>) -> Result<Option<Target>, ConfigError> {
    let mut targets = table.texts("to", |text| Ok(text.parse::<Target>()?))?;
    if targets.len() > 1 {
        let expected = "one port, host:port or URL";
        let problem = Problem::WrongType { expected, found: "a list" };
        return Err(ConfigError::new(targets.remove(0).origin, problem));
    }
    Ok(targets.pop().map(|given| given.value))
}

fn step(table: &Table<'_>, span: &Range<usize>, to: Option<&Target>) -> Result<Step, ConfigError> {
    table.deny_unknown(STEP_KEYS)?;
    let text =
        |key| Ok::<_, ConfigError>(table.text(key, |text| Ok(text.to_owned()))?.map(|given| given.value));
    let method = text("method")?.unwrap_or_else(|| "POST".to_owned());
    let path = text("path")?.unwrap_or_else(|| "/".to_owned());
    let head = parts::head(method.as_bytes(), path.as_bytes(), "HTTP/1.1", &headers(table)?)
        .map_err(|what| table.place.error(span, ScenarioProblem::Request(what).into()))?;
    let event = table.text("event", |text| {
        text.parse::<EventId>().map_err(|_| ScenarioProblem::Event(text.to_owned()).into())
    })?;
    let expect = table.texts("expect", |text| Ok(text.parse::<Expect>()?))?;
    Ok(Step {
        origin: table.place.origin(span),
        name: text("name")?.unwrap_or_else(|| format!("{method} {path}")),
        event: event.map(|given| given.value),
        pause: table.text("pause", pause)?.map(|given| given.value).unwrap_or_default(),
        to: target(table)?.or_else(|| to.cloned()),
        head,
        body: body(table)?,
        provider: text("provider")?,
        changes: changes(table)?,
        expect: Expect::any(expect.into_iter().map(|given| given.value)),
        within: table.text("within", |text| Ok(parse_duration(text)?))?.map(|given| given.value),
    })
}

fn pause(text: &str) -> Result<Duration, Problem> {
    if text == "0" || text == "0s" {
        return Ok(Duration::ZERO);
    }
    let pause = parse_duration(text)?;
    if pause > DELAY_MAX { Err(ScenarioProblem::Pause.into()) } else { Ok(pause) }
}

fn changes(table: &Table<'_>) -> Result<Changes, ConfigError> {
    let sign = table.text("sign", |text| {
        Sign::from_str(text, false).map_err(|_| Problem::UnknownWord {
            what: "way to sign",
            value: text.to_owned(),
            allowed: SIGN_WORDS,
        })
    })?;
    let new_id = table.boolean("new_id")?.unwrap_or(false);
    let usual = if new_id { Sign::Fresh } else { Sign::Keep };
    Ok(Changes {
        sign: sign.map_or(usual, |given| given.value),
        id: if new_id { IdChange::New } else { IdChange::Keep },
        mark: table.boolean("mark")?.unwrap_or(false),
        ..Changes::default()
    })
}

/// The header lines: each `Name: value`, or a table when the value is no text.
fn headers(table: &Table<'_>) -> Result<Vec<Header>, ConfigError> {
    let place = table.place.below("headers");
    let Some(value) = table.table.get("headers") else { return Ok(Vec::new()) };
    let DeValue::Array(lines) = value.get_ref() else {
        return Err(wrong_type(&place, value, "a list of headers"));
    };
    lines.iter().map(|line| header(&place, line)).collect()
}

fn header(place: &Place<'_>, line: &Spanned<DeValue<'_>>) -> Result<Header, ConfigError> {
    match line.get_ref() {
        DeValue::String(text) => {
            let (name, value) = parse_header(text)
                .map_err(|_| place.error(&line.span(), ScenarioProblem::Header(text.to_string()).into()))?;
            Ok(Header { name: name.into(), value: value.into() })
        }
        DeValue::Table(table) => {
            let table = Table { place: place.clone(), table };
            table.deny_unknown(&["name", "base64"])?;
            let part = |key| {
                let given = table.text(key, |text| Ok(text.to_owned()))?;
                given.ok_or_else(|| place.error(&line.span(), Problem::Missing(key)))
            };
            let (name, value): (Given<String>, Given<String>) = (part("name")?, part("base64")?);
            Ok(Header { name: name.value.into(), value: base64(&value)? })
        }
        DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => Err(wrong_type(place, line, "text such as \"Name: value\"")),
    }
}

fn base64(given: &Given<String>) -> Result<Bytes, ConfigError> {
    let bytes = STANDARD.decode(given.value.trim());
    bytes
        .map(Bytes::from)
        .map_err(|error| ConfigError::new(given.origin.clone(), ScenarioProblem::Base64(error)))
}

fn body(table: &Table<'_>) -> Result<Bytes, ConfigError> {
    let text = |key| table.text(key, |text| Ok(text.to_owned()));
    match (text("body")?, text("body_base64")?, text("body_file")?) {
        (None, None, None) => Ok(Bytes::new()),
        (Some(body), None, None) => Ok(body.value.into()),
        (None, Some(body), None) => base64(&body),
        (None, None, Some(file)) => body_file(&table.place, file),
        (first, second, third) => {
            let last = third.or(second).or(first).map(|given| given.origin);
            let origin = last.unwrap_or_else(|| table.place.origin(&(0..0)));
            Err(ConfigError::new(origin, ScenarioProblem::Bodies))
        }
    }
}

/// A body in a file: only one beside the scenario or below, for a scenario may come from anybody.
fn body_file(place: &Place<'_>, Given { value, origin }: Given<String>) -> Result<Bytes, ConfigError> {
    let named = Path::new(&value);
    let is_below = named.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if value.is_empty() || !is_below {
        return Err(ConfigError::new(origin, ScenarioProblem::BodyPath(value)));
    }
    let path = place.path.parent().unwrap_or(Path::new("")).join(named);
    match read_small_file(&path, FILE_MAX_BYTES) {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => Err(ConfigError::new(origin, ScenarioProblem::BodyFile { path: value, error })),
    }
}

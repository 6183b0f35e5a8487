//! From words and values to what they mean, or to a message about the first that means nothing.

use std::cell::Cell;

use super::{
    Expression, FilterError, Test,
    decimal::Decimal,
    field::{FLAGS, Field, SIGNATURES, StatusTest},
    json::{JsonTest, Path, Wanted},
    number::{Comparison, Numbers, Unit},
    pattern::{self, Kind, Pattern},
    saved::{SAVED_BYTES_MAX, SAVED_DEPTH_MAX, Saved},
    syntax::{self, Raw, Spanned},
    time::{self, Time, Times},
};

/// mitmproxy's letters: the name and the operator that do the same, and a value where the letter takes none.
const ALIASES: [(&str, &str, &str, Option<&str>); 20] = [
    ("c", "status", ":", None),
    ("b", "body", ":", None),
    ("bq", "body", ":", None),
    ("bs", "resp", ":", None),
    ("h", "header", "~", None),
    ("hq", "header", "~", None),
    ("hs", "resp.header", "~", None),
    ("u", "path", "~", None),
    ("t", "header.content-type", "~", None),
    ("tq", "header.content-type", "~", None),
    ("d", "host", "~", None),
    ("m", "method", "~", None),
    ("src", "ip", "~", None),
    ("dst", "target", "~", None),
    ("e", "status", ":", Some("err")),
    ("q", "status", ":", Some("none")),
    ("s", "status", ">=", Some("0")),
    ("comment", "comment", "~", None),
    ("replay", "is", ":", Some("replayed")),
    ("marked", "is", ":", Some("marked")),
];

/// Whether a value stands behind one of mitmproxy's letters.
pub(super) fn alias_has_value(name: &str) -> bool {
    ALIASES.iter().any(|(alias, _, _, value)| *alias == name && value.is_none())
}

/// The saved filters that one may name.
pub(super) struct Names<'s> {
    saved: &'s Saved,
    /// How many bytes of them may still be taken in.
    left: Cell<usize>,
}

impl<'s> Names<'s> {
    pub(super) fn new(saved: &'s Saved) -> Self {
        Self { saved, left: Cell::new(SAVED_BYTES_MAX) }
    }
}

/// What a filter means, with the saved ones it may name; `depth` counts how many of them lead here.
pub(super) fn resolve(raw: &Raw, names: &Names<'_>, depth: usize) -> Result<Expression, FilterError> {
    let resolve = |raw: &Raw| resolve(raw, names, depth);
    let all = |parts: &[Raw]| parts.iter().map(resolve).collect::<Result<Vec<_>, _>>();
    Ok(match raw {
        // Brackets around a part of the same kind say nothing.
        Raw::And(parts) => Expression::And(
            all(parts)?
                .into_iter()
                .flat_map(|part| if let Expression::And(inner) = part { inner } else { vec![part] })
                .collect(),
        ),
        Raw::Or(parts) => Expression::Or(
            all(parts)?
                .into_iter()
                .flat_map(|part| if let Expression::Or(inner) = part { inner } else { vec![part] })
                .collect(),
        ),
        Raw::Not(other) => {
            let inner = resolve(other)?;
            if let Expression::Not(twice) = inner { *twice } else { Expression::Not(Box::new(inner)) }
        }
        Raw::Word(word) if is_saved(word) => named(word, names, depth)?,
        Raw::Word(word) => Expression::Test(word_test(word)?),
        Raw::Regex(regex) => Expression::Test(Test::Word(pattern(Kind::Regex, regex)?)),
        Raw::Test { name, op: "!=", values } => {
            Expression::Not(Box::new(Expression::Test(other(name, values)?)))
        }
        Raw::Test { name, op, values } => Expression::Test(test(name, op, values)?),
        Raw::Alias { name, value } => Expression::Test(alias(name, value.as_ref())?),
    })
}

/// Whether a word is the name of a saved filter.
fn is_saved(word: &Spanned) -> bool {
    word.text.starts_with('@') && is_bare(word)
}

/// Whether a word stands without quotes.
fn is_bare(word: &Spanned) -> bool {
    word.span.len() == word.text.len()
}

/// What a saved filter means.
fn named(word: &Spanned, names: &Names<'_>, depth: usize) -> Result<Expression, FilterError> {
    let name = &word.text[1..];
    let Some(text) = names.saved.text(name) else {
        return wrong(
            word,
            format!("no filter is saved as {name:?}; a text with such a sign stands in quotes"),
        );
    };
    if depth >= SAVED_DEPTH_MAX {
        return wrong(word, format!("saved filters name each other more than {SAVED_DEPTH_MAX} deep"));
    }
    // An empty one is not free either.
    let Some(left) = names.left.get().checked_sub(text.len() + 1) else {
        return wrong(
            word,
            format!(
                "with {} the filter is longer than {SAVED_BYTES_MAX} bytes: filters that name each other multiply",
                word.text
            ),
        );
    };
    names.left.set(left);
    let expression = syntax::parse(text).and_then(|raw| match raw {
        Some(raw) => resolve(&raw, names, depth + 1),
        None => wrong(word, "it is empty"),
    });
    expression.or_else(|error| wrong(word, format!("in {}: {}", word.text, error.message)))
}

fn wrong<T>(at: &Spanned, message: impl Into<String>) -> Result<T, FilterError> {
    Err(FilterError { span: at.span.clone(), message: message.into() })
}

fn pattern(kind: Kind, value: &Spanned) -> Result<Pattern, FilterError> {
    Pattern::new(kind, &value.text)
        .or_else(|reason| wrong(value, format!("{:?} is no regular expression: {reason}", value.text)))
}

/// A word by itself; with the name of a header or a parameter it asks whether there is one.
fn word_test(word: &Spanned) -> Result<Test, FilterError> {
    let is_named = ["header.", "query.", "resp.header."].iter().any(|prefix| word.text.starts_with(prefix));
    match Field::named(&word.text) {
        Some(Field::Text(field)) if is_named && is_bare(word) => Ok(Test::Present(field)),
        _ => Ok(Test::Word(word_pattern(word)?)),
    }
}

/// A word without quotes may stand for others. One that begins as a regular expression does is one in the normal form, which could not tell
/// it from those.
fn word_pattern(word: &Spanned) -> Result<Pattern, FilterError> {
    if is_glob(word) && word.text.starts_with('/') {
        let regex = Spanned { text: pattern::glob(&word.text), span: word.span.clone() };
        return pattern(Kind::Regex, &regex);
    }
    pattern(part(word), word)
}

/// What `:` means of a value.
fn part(value: &Spanned) -> Kind {
    if is_glob(value) { Kind::Glob } else { Kind::Part }
}

fn is_glob(value: &Spanned) -> bool {
    is_bare(value) && pattern::is_glob(&value.text)
}

fn alias(name: &Spanned, value: Option<&Spanned>) -> Result<Test, FilterError> {
    let Some((_, field, op, fixed)) = ALIASES.iter().find(|(alias, ..)| *alias == name.text) else {
        return wrong(name, format!("there is no ~{}; docs/filters.md has the letters there are", name.text));
    };
    let field = Spanned { text: (*field).to_owned(), span: name.span.clone() };
    let fixed = fixed.map(|text| Spanned { text: text.to_owned(), span: name.span.clone() });
    let values: Vec<Spanned> = fixed.or_else(|| value.cloned()).into_iter().collect();
    test(&field, op, &values)
}

/// What `!=` is the contrary of.
fn other(name: &Spanned, values: &[Spanned]) -> Result<Test, FilterError> {
    match Field::named(&name.text) {
        Some(Field::After | Field::Before | Field::At | Field::Exists | Field::Jq) => {
            test(name, "!=", values)
        }
        _ => test(name, "=", values),
    }
}

fn test(name: &Spanned, op: &str, values: &[Spanned]) -> Result<Test, FilterError> {
    let Some(field) = Field::named(&name.text) else { return unknown(name) };
    match field {
        Field::Text(field) => Ok(Test::Text(field, patterns(op, values)?)),
        Field::Number(field) => Ok(Test::Number(field, numbers(field.unit(), op, values)?)),
        Field::Status => Ok(Test::Status(statuses(op, values)?)),
        Field::Flags => Ok(Test::Flags(words(&FLAGS, name, op, values)?)),
        Field::Signature => Ok(Test::Signature(words(&SIGNATURES, name, op, values)?)),
        Field::After => {
            let since = Some(time(only(op, &[":"], values)?)?);
            Ok(Test::Received(Times { since, before: None }))
        }
        Field::Before => {
            let before = Some(time(only(op, &[":"], values)?)?);
            Ok(Test::Received(Times { since: None, before }))
        }
        Field::At => Ok(Test::Received(times(only(op, &[":"], values)?)?)),
        Field::Exists => {
            let value = only(op, &[":"], values)?;
            match Path::parse(&value.text) {
                Some(path) => Ok(Test::Json(path, JsonTest::Exists)),
                None => wrong(value, "expected a path such as data.amount or $.items[0].id"),
            }
        }
        Field::Jq => Ok(Test::Jq(only(op, &[":"], values)?.text.clone())),
        Field::Json(path) => Ok(Test::Json(path, json_test(op, values)?)),
    }
}

fn unknown<T>(name: &Spanned) -> Result<T, FilterError> {
    let distance = |known: &&str| strsim::damerau_levenshtein(known, &name.text);
    let near = |known: &&str| name.text.len() > 2 && distance(known) <= 2;
    let hint = match Field::names().filter(near).min_by_key(distance) {
        Some(near) => format!("did you mean {near}?"),
        None => {
            let path = format!("$.{}", name.text);
            let of_body = Path::parse(&path).map(|_| format!("a value of the JSON body is {path}, and "));
            format!("{}a text with such a sign stands in quotes", of_body.unwrap_or_default())
        }
    };
    wrong(name, format!("nothing is named {:?}; {hint}", name.text))
}

/// The one value of an operator that takes no others.
fn only<'v>(op: &str, allowed: &[&str], values: &'v [Spanned]) -> Result<&'v Spanned, FilterError> {
    match values {
        [value] if allowed.contains(&op) => Ok(value),
        [value] => wrong(value, format!("{op:?} does not go with this name; {} does", allowed.join(" or "))),
        [_, second, ..] => wrong(second, format!("one value stands behind {op:?} here")),
        [] => Err(FilterError { span: 0..0, message: "expected a value".to_owned() }),
    }
}

fn patterns(op: &str, values: &[Spanned]) -> Result<Vec<Pattern>, FilterError> {
    let kind = match op {
        ":" => None,
        "=" => Some(Kind::Whole),
        "~" => Some(Kind::Regex),
        _ => return only(op, &[":", "=", "!=", "~"], values).map(|_| Vec::new()),
    };
    values.iter().map(|value| pattern(kind.unwrap_or_else(|| part(value)), value)).collect()
}

/// The values of an operator; those that compare take one.
fn compared<'v>(op: &str, values: &'v [Spanned]) -> Result<&'v [Spanned], FilterError> {
    if !matches!(op, ":" | "=") {
        only(op, &[":", "=", "!=", ">", ">=", "<", "<="], values)?;
    }
    Ok(values)
}

fn numbers(unit: Unit, op: &str, values: &[Spanned]) -> Result<Vec<Numbers<f64>>, FilterError> {
    let numbers = |value: &Spanned| {
        let numbers = Numbers::parse(op, &value.text, |text| unit.number(text));
        numbers.or_else(|found| {
            wrong(value, format!("expected {} after {op:?}, found {found:?}", unit.expected()))
        })
    };
    compared(op, values)?.iter().map(numbers).collect()
}

fn statuses(op: &str, values: &[Spanned]) -> Result<Vec<StatusTest>, FilterError> {
    let status = |text: &str| text.parse::<u16>().ok().filter(|status| *status < 1000);
    let test = |value: &Spanned| {
        let small = value.text.to_ascii_lowercase();
        let class = small.strip_suffix("xx").and_then(|class| class.parse::<u16>().ok());
        match (small.as_str(), class) {
            ("err", _) if Comparison::named(op).is_none() => Ok(StatusTest::Failed),
            ("none", _) if Comparison::named(op).is_none() => Ok(StatusTest::None),
            (_, Some(class @ 1..=9)) if Comparison::named(op).is_none() => {
                Ok(StatusTest::Answered(Numbers::Between(class * 100, class * 100 + 99)))
            }
            _ => Numbers::parse(op, &value.text, status).map(StatusTest::Answered).or_else(|_| {
                let expected = match Comparison::named(op) {
                    Some(_) => "a number",
                    None => "a status such as 404, 4xx, 200..299, >=400, err or none",
                };
                wrong(value, format!("expected {expected} after {op:?}, found {:?}", value.text))
            }),
        }
    };
    compared(op, values)?.iter().map(test).collect()
}

fn words<T: Copy>(
    all: &[(T, &[&str])],
    name: &Spanned,
    op: &str,
    values: &[Spanned],
) -> Result<Vec<T>, FilterError> {
    if !matches!(op, ":" | "=") {
        return wrong(name, format!("behind {:?} stands ':' and a word", name.text));
    }
    let word = |value: &Spanned| {
        let found =
            all.iter().find(|(_, words)| words.iter().any(|word| value.text.eq_ignore_ascii_case(word)));
        let usual =
            || all.iter().filter_map(|(_, words)| words.first().copied()).collect::<Vec<_>>().join(", ");
        found.map_or_else(
            || wrong(value, format!("expected one of {}; found {:?}", usual(), value.text)),
            |(is, _)| Ok(*is),
        )
    };
    values.iter().map(word).collect()
}

fn time(value: &Spanned) -> Result<Time, FilterError> {
    let message = || format!("expected {}, found {:?}", time::EXPECTED, value.text);
    Time::parse(&value.text).map_or_else(|| wrong(value, message()), Ok)
}

fn times(value: &Spanned) -> Result<Times, FilterError> {
    let part = |text: &str| time(&Spanned { text: text.to_owned(), span: value.span.clone() }).map(Some);
    match value.text.split_once("..") {
        Some((since, before)) => Ok(Times { since: part(since)?, before: part(before)? }),
        None => wrong(value, "expected two times, such as at:14:00..15:00 or at:-10m..-5m"),
    }
}

fn json_test(op: &str, values: &[Spanned]) -> Result<JsonTest, FilterError> {
    if Comparison::named(op).is_some() {
        let value = only(op, &[op], values)?;
        let numbers = Numbers::parse(op, &value.text, Decimal::parse);
        return match numbers {
            Ok(numbers) => Ok(JsonTest::OneOf(vec![Wanted::Numbers(numbers)])),
            Err(found) => wrong(value, format!("expected a number after {op:?}, found {found:?}")),
        };
    }
    let wanted = |(value, pattern): (&Spanned, Pattern)| {
        let numbers =
            Numbers::parse(op, &value.text, Decimal::parse).ok().filter(|_| op != "~" && is_bare(value));
        match (Decimal::parse(&value.text), numbers) {
            (Some(number), Some(_)) => Wanted::Either(number, pattern),
            (None, Some(numbers)) => Wanted::Numbers(numbers),
            (_, None) => Wanted::Text(pattern),
        }
    };
    let patterns = patterns(op, values)?;
    Ok(JsonTest::OneOf(values.iter().zip(patterns).map(wanted).collect()))
}

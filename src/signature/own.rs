//! Providers of a user's own: tables of a configuration file in the language of the catalogue's rows.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use serde::Deserialize;
use thiserror::Error;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};

use super::{
    catalogue::{self, Provider},
    rule::{Rule, Source, one_or_many},
};

/// Keys of the table of a provider that are not keys of a scheme.
const FACTS: [&str; 12] = [
    "name",
    "docs",
    "type",
    "event_id",
    "object",
    "stages",
    "timeout",
    "success",
    "retries",
    "notes",
    "like",
    "rename_headers",
];

/// What is wrong with the table of a provider.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}")]
pub struct RowError {
    message: String,
    span: Option<Range<usize>>,
}

impl RowError {
    fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: Some(span) }
    }

    /// Where in the text of the file it is, in bytes.
    pub fn span(&self) -> Option<Range<usize>> {
        self.span.clone()
    }
}

impl From<toml::de::Error> for RowError {
    fn from(error: toml::de::Error) -> Self {
        Self { message: error.message().to_owned(), span: error.span() }
    }
}

/// What is said of the provider, beside its schemes.
#[derive(Deserialize)]
struct Facts {
    name: Option<String>,
    docs: Option<String>,
    #[serde(default, rename = "type", deserialize_with = "one_or_many")]
    event_type: Vec<Source>,
    #[serde(default, deserialize_with = "one_or_many")]
    event_id: Vec<Source>,
    #[serde(default, deserialize_with = "one_or_many")]
    object: Vec<Source>,
    stages: Option<Vec<String>>,
    timeout: Option<u64>,
    success: Option<String>,
    retries: Option<String>,
    #[serde(default, deserialize_with = "one_or_many")]
    notes: Vec<String>,
    like: Option<Spanned<String>>,
    #[serde(default)]
    rename_headers: BTreeMap<String, Spanned<String>>,
}

/// The provider that another is like: what it is, and its schemes as they stand in the catalogue.
struct Base {
    provider: Provider,
    rows: Vec<DeTable<'static>>,
}

impl Provider {
    /// Every key of a table that [`Provider::from_table`] reads.
    pub const TABLE_KEYS: &[&str] = &[
        "name",
        "docs",
        "type",
        "event_id",
        "object",
        "stages",
        "timeout",
        "success",
        "retries",
        "notes",
        "like",
        "rename_headers",
        "scheme",
        "id",
        "unspecific",
        "kind",
        "alg",
        "key",
        "sig",
        "vars",
        "content",
        "enc",
        "compare",
        "ts",
        "require",
        "group",
        "each",
        "url_ports",
        "jws",
        "claims",
        "max_age",
        "leeway",
    ];

    /// A provider from a table of a configuration file: the keys of a row of the catalogue, where `name` and `docs` may be left out and
    /// the keys of a single scheme may stand in the table itself. `like` names a provider or `provider/scheme` that everything comes
    /// from which is not said here, and `rename_headers` says which of its headers have another name.
    ///
    /// # Errors
    /// At the first thing that is wrong, with its place in the text the table was parsed from.
    pub fn from_table(id: &str, table: &Spanned<DeTable<'_>>) -> Result<Self, RowError> {
        let id_fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if id.is_empty() || !id.bytes().all(id_fits) {
            return Err(RowError::at(
                table.span(),
                "the name of a provider is lower-case letters, digits, - and _",
            ));
        }
        if catalogue::catalogue().provider(id).is_some() {
            return Err(RowError::at(
                table.span(),
                format!("{id} is known already: choose another name, and `like = {id:?}`"),
            ));
        }
        let (facts, own) = split(table)?;
        let base = facts.like.as_ref().map(Base::named).transpose()?;
        let mut scheme = match &base {
            Some(base) if own.iter().all(|scheme| scheme.get_ref().is_empty()) => {
                base.provider.scheme.clone()
            }
            _ => own.into_iter().map(|own| rule(own, base.as_ref())).collect::<Result<Vec<_>, _>>()?,
        };
        rename_headers(&mut scheme, &facts)?;
        let base = base.map(|base| base.provider);
        let or_base = |own: Vec<Source>, of_base: fn(&Self) -> &Vec<Source>| match &base {
            Some(base) if own.is_empty() => {
                let mut sources = of_base(base).clone();
                for (from, to) in &facts.rename_headers {
                    for source in &mut sources {
                        rename(source, from, to.get_ref());
                    }
                }
                sources
            }
            Some(_) | None => own,
        };
        let provider = Self {
            id: id.replace('-', "_"),
            name: facts.name.unwrap_or_else(|| id.to_owned()),
            docs: facts.docs.unwrap_or_default(),
            scheme,
            event_type: or_base(facts.event_type, |base| &base.event_type),
            event_id: or_base(facts.event_id, |base| &base.event_id),
            object: or_base(facts.object, |base| &base.object),
            stages: facts.stages.or_else(|| Some(base.as_ref()?.stages.clone())).unwrap_or_default(),
            recognise: Vec::new(),
            success: facts.success,
            retries: facts.retries,
            notes: facts.notes,
            timeout: facts.timeout.or_else(|| base.as_ref()?.timeout),
        };
        match provider.problem() {
            Some(problem) => Err(RowError::at(table.span(), problem)),
            None => Ok(provider),
        }
    }
}

impl Base {
    fn named(like: &Spanned<String>) -> Result<Self, RowError> {
        let name = like.get_ref();
        let provider = catalogue::catalogue()
            .provider(name)
            .ok_or_else(|| RowError::at(like.span(), format!("no provider is named {name:?}")))?;
        let text = DeTable::parse(catalogue::TEXT)?.into_inner();
        let tables = |list: Option<&Spanned<DeValue<'static>>>| -> Vec<DeTable<'static>> {
            let items = list.and_then(|list| list.get_ref().as_array()).into_iter().flatten();
            items.filter_map(|item| item.get_ref().as_table().cloned()).collect()
        };
        let is = |row: &DeTable<'_>, id: &str| {
            row.get("id").and_then(|value| value.get_ref().as_str()) == Some(id)
        };
        let row =
            tables(text.get("provider")).into_iter().find(|row| is(row, &provider.id)).unwrap_or_default();
        let chosen = |row: &DeTable<'_>| provider.scheme.iter().any(|rule| is(row, &rule.id));
        let rows = tables(row.get("scheme")).into_iter().filter(chosen).collect();
        Ok(Self { provider: Provider::clone(&provider), rows })
    }
}

/// The facts, and the tables of the schemes: those below `scheme`, else the other keys of the table itself.
fn split<'t>(table: &Spanned<DeTable<'t>>) -> Result<(Facts, Vec<Spanned<DeTable<'t>>>), RowError> {
    let (mut facts, mut scheme) = (DeTable::new(), DeTable::new());
    let mut list = None;
    for (key, value) in table.get_ref() {
        match key.get_ref().as_ref() {
            "scheme" => list = Some(value),
            name if FACTS.contains(&name) => drop(facts.insert(key.clone(), value.clone())),
            _ => drop(scheme.insert(key.clone(), value.clone())),
        }
    }
    let facts = Facts::deserialize(Deserializer::from(Spanned::new(table.span(), facts)))?;
    let Some(list) = list else { return Ok((facts, vec![Spanned::new(table.span(), scheme)])) };
    if let Some(key) = scheme.keys().min_by_key(|key| key.span().start) {
        let message =
            format!("{} stands beside the list of schemes: it belongs into one of them", key.get_ref());
        return Err(RowError::at(key.span(), message));
    }
    let not_tables = || RowError::at(list.span(), "must be a list of tables");
    let items = list.get_ref().as_array().ok_or_else(not_tables)?;
    let table = |item: &Spanned<DeValue<'t>>| {
        let table = item.get_ref().as_table().ok_or_else(not_tables)?;
        Ok(Spanned::new(item.span(), table.clone()))
    };
    Ok((facts, items.iter().map(table).collect::<Result<_, RowError>>()?))
}

/// A scheme: its own keys, over those of the scheme it is like.
fn rule(own: Spanned<DeTable<'_>>, base: Option<&Base>) -> Result<Rule, RowError> {
    let span = own.span();
    let own = own.into_inner();
    let mut merged = DeTable::new();
    match base.map(|base| base.rows.as_slice()) {
        None => {}
        Some([row]) => merged.clone_from(row),
        Some(_) => {
            let provider = base.map(|base| &base.provider);
            let names: Vec<String> = provider
                .into_iter()
                .flat_map(|provider| {
                    provider.schemes().map(|scheme| format!("{:?}", format!("{}/{scheme}", provider.id)))
                })
                .collect();
            return Err(RowError::at(
                span,
                format!("say which scheme this one is like: {}", names.join(", ")),
            ));
        }
    }
    for (key, value) in own {
        // A variable that is said replaces the one of that name, and no other.
        let merged_vars = match (value.get_ref(), merged.get(key.get_ref().as_ref()).map(Spanned::get_ref)) {
            (DeValue::Table(own), Some(DeValue::Table(base))) if key.get_ref() == "vars" => {
                let mut vars = base.clone();
                vars.extend(own.clone());
                Some(vars)
            }
            _ => None,
        };
        let value =
            merged_vars.map_or(value.clone(), |vars| Spanned::new(value.span(), DeValue::Table(vars)));
        merged.remove(key.get_ref().as_ref());
        merged.insert(key, value);
    }
    if !merged.contains_key("id") {
        let id = DeValue::String(Cow::Borrowed("own"));
        merged.insert(Spanned::new(span.clone(), Cow::Borrowed("id")), Spanned::new(span.clone(), id));
    }
    Ok(Rule::deserialize(Deserializer::from(Spanned::new(span, merged)))?)
}

/// Gives headers that signatures are read from their other names.
fn rename_headers(scheme: &mut [Rule], facts: &Facts) -> Result<(), RowError> {
    for (from, to) in &facts.rename_headers {
        let mut renamed = 0;
        for source in scheme.iter_mut().flat_map(Rule::sources) {
            renamed += usize::from(rename(source, from, to.get_ref()));
        }
        if renamed == 0 {
            return Err(RowError::at(to.span(), format!("no signature is read from a header {from:?}")));
        }
    }
    Ok(())
}

/// Gives a source another header, if it is the one that has another name.
fn rename(source: &mut Source, from: &str, to: &str) -> bool {
    match source {
        Source::Header(name) | Source::Numbered(name) if name.eq_ignore_ascii_case(from) => {
            to.clone_into(name);
            true
        }
        Source::Header(_) | Source::Numbered(_) | Source::Json(_) | Source::Form(_) | Source::Query(_) => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Header, UnixMillis},
        signature::{Delivery, Secret, SignRequest, Verdict},
    };

    fn read(text: &str) -> Result<Provider, RowError> {
        Provider::from_table("acme", &DeTable::parse(text).unwrap())
    }

    fn header(name: &str, value: &str) -> Header {
        Header { name: name.to_owned().into(), value: value.to_owned().into() }
    }

    /// Whether what a provider of the catalogue signs is valid under an own one once its headers are renamed.
    fn accepts(own: &Provider, model: &str, renamed: &[(&str, &str)]) -> bool {
        let at = UnixMillis(1_763_970_070_118);
        let secret = Secret::new("s", "whsec_c2VjcmV0");
        let request =
            SignRequest { method: b"POST", url: None, body: b"{}", at, id: Some("msg_1"), event_type: None };
        let mut headers = catalogue::catalogue().provider(model).unwrap().sign(&request, &secret).unwrap();
        for header in &mut headers {
            if let Some((_, to)) = renamed.iter().find(|(from, _)| header.is(from)) {
                header.name = (*to).to_owned().into();
            }
        }
        let delivery =
            Delivery { method: b"POST", url: None, headers: &headers, body: b"{}", received_at: at };
        matches!(own.verify(&delivery, &[secret]), Verdict::Valid { .. })
    }

    #[test]
    fn a_scheme_may_stand_in_the_table_itself() {
        let own = read("sig = { from = 'header:X-Acme', strip = 'sha256=' }\ntype = 'json:/type'").unwrap();
        assert_eq!(own.schemes().collect::<Vec<_>>(), ["own"]);
        assert!(accepts(&own, "github", &[("X-Hub-Signature-256", "X-Acme")]));
        assert!(!accepts(&own, "github", &[]));
        let names = own.event_names(&[], br#"{"type": "acme.made"}"#);
        assert_eq!(names.event_type.as_deref(), Some("acme.made"));
    }

    #[test]
    fn a_provider_may_be_like_another() {
        let same = read("like = 'stripe'").unwrap();
        assert!(accepts(&same, "stripe", &[]));
        let renamed =
            read("like = 'stripe'\nrename_headers = { stripe-signature = 'Acme-Signature' }").unwrap();
        assert!(accepts(&renamed, "stripe", &[("Stripe-Signature", "Acme-Signature")]));
        assert!(!accepts(&renamed, "stripe", &[]));
        let one_key = read("like = 'github'\nsig = { from = 'header:Acme', strip = 'sha256=' }").unwrap();
        assert!(accepts(&one_key, "github", &[("X-Hub-Signature-256", "Acme")]));
        let one_variable =
            read("like = 'standard-webhooks/v1'\nvars.id = { from = 'header:Acme-Id' }\nts = { var = 't' }")
                .unwrap();
        assert!(accepts(&one_variable, "standard_webhooks", &[("webhook-id", "Acme-Id")]));
        let own_type = read("like = 'github'\nrename_headers = { X-GitHub-Event = 'Acme-Event' }");
        assert!(own_type.is_err(), "no signature is read from it");
    }

    #[test]
    fn several_schemes_stand_in_a_list() {
        let own = read(
            "[[scheme]]\nid = 'a'\nsig = { from = 'header:A' }\n[[scheme]]\nid = 'b'\nsig = { from = 'header:B' }",
        )
        .unwrap();
        assert_eq!(own.schemes().collect::<Vec<_>>(), ["a", "b"]);
        let candidates = catalogue::catalogue().with([own]).candidates(&[header("b", "x")]);
        assert_eq!(candidates[0].id(), "acme");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, place, message) in [
            ("", "", "missing field `sig`"),
            ("sig = 7", "7", "one value or a list of them"),
            ("sig = { from = 'cookie:a' }", "'cookie:a'", "is no source"),
            ("sig = { from = 'header:a' }\nalg = 'md5'", "'md5'", "unknown variant `md5`"),
            ("sig = { from = 'header:a' }\ncontent = '{t}.{body}'", "", "content names {t}"),
            ("sig = { form = 'header:a' }", "form", "unknown field `form`"),
            ("like = 'strype'", "'strype'", "no provider is named \"strype\""),
            ("like = 'hubspot'\nenc = 'hex'", "", "\"hubspot/v1\", \"hubspot/v2\", \"hubspot/v3\""),
            (
                "like = 'github'\nrename_headers = { A = 'B' }",
                "'B'",
                "no signature is read from a header \"A\"",
            ),
            ("enc = 'hex'\nscheme = []", "enc", "stands beside the list"),
            ("scheme = 1", "1", "a list of tables"),
            ("scheme = []", "", "no scheme"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(message), "{text}: {error}");
            let found = error.span().map(|span| &text[span]);
            assert!(place.is_empty() || found == Some(place), "{text}: {found:?}: {error}");
        }
        let sig = DeTable::parse("sig = { from = 'header:a' }").unwrap();
        assert!(Provider::from_table("stripe", &sig).unwrap_err().to_string().contains("is known already"));
        assert!(Provider::from_table("A b", &sig).is_err());
    }
}

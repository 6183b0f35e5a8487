//! Sample events, as providers send them, with fresh ids and times: the files of `assets/samples`.
//!
//! A text in double braces is filled in each time. A text that is nothing else becomes a number where the value is one.
//!
//! | placeholder | what it becomes |
//! |---|---|
//! | `{{id}}` | 24 letters and digits |
//! | `{{hex}}`, `{{hex32}}` | 40 or 32 hexadecimal digits |
//! | `{{uuid}}` | a UUID |
//! | `{{number}}` | a number of 10 digits |
//! | `{{unix}}`, `{{unix_ms}}` | the time in seconds or milliseconds since 1970 |
//! | `{{time}}` | the time as in RFC 3339 |
//!
//! A colon and a name behind it make several of them the same, or different, within one event; `{{unix:text}}` stays a text.

use std::{collections::BTreeMap, fmt::Write};

use aws_lc_rs::rand;
use inhaul_core::event::{Header, UnixMillis};
use serde::Deserialize;
use serde_json::{Map, Number, Value};
use thiserror::Error;

/// The media type of a form.
const FORM: &str = "application/x-www-form-urlencoded";

macro_rules! files {
    ($($id:literal),* $(,)?) => {
        &[$(($id, include_str!(concat!("../../assets/samples/", $id, ".json")))),*]
    };
}

/// The file of each provider.
const FILES: &[(&str, &str)] = files![
    "calendly",
    "callpaymin",
    "clerk",
    "github",
    "gitlab",
    "hubspot",
    "intercom",
    "lemon_squeezy",
    "linear",
    "meta",
    "mux",
    "openai",
    "paddle",
    "pagerduty",
    "paystack",
    "razorpay",
    "resend",
    "sentry",
    "shopify",
    "slack",
    "square",
    "standard_webhooks",
    "stripe",
    "twilio",
    "typeform",
    "vercel",
    "zendesk",
    "zoom",
];

/// The sample events of one provider.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Samples {
    user_agent: String,
    #[serde(default = "json")]
    content_type: String,
    /// The event's id, where the provider sends it in a header.
    id: Option<String>,
    /// Whether the provider lays its JSON out over several lines.
    #[serde(default)]
    pretty: bool,
    events: Vec<Template>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    name: String,
    /// The type in the provider's header, where it is not the name.
    r#type: Option<String>,
    body: Value,
}

/// One event, ready to be signed.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The event's type, for providers that send it in a header.
    pub event_type: String,
    /// The event's id, for providers that sign it or send it in a header.
    pub id: Option<String>,
    /// Headers besides those of the signature.
    pub headers: Vec<Header>,
    content: Content,
}

/// What a body says.
#[derive(Clone, Debug)]
enum Content {
    /// JSON on one line.
    Compact(Value),
    /// JSON over several lines.
    Pretty(Value),
    /// The fields of a form.
    Form(Value),
    /// These bytes.
    Exact(Vec<u8>),
}

/// Why a value of a sample cannot be set.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SetError {
    /// There is no `=`.
    #[error("{0:?} sets nothing: write it as `path=value`, such as `data.object.amount=500`")]
    Form(String),
    /// The body is the user's own.
    #[error("a body of your own stays as it is: change it in its file")]
    Exact,
    /// Nothing is at the path.
    #[error("there is no {missing:?} to set; what is there: {}", present.join(", "))]
    NoSuchPlace {
        /// The part of the path that is missing.
        missing: String,
        /// What is there.
        present: Vec<String>,
    },
}

fn json() -> String {
    "application/json".to_owned()
}

/// Ids of the providers that have samples, in the order of the alphabet.
pub fn providers() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(id, _)| *id)
}

impl Samples {
    /// The samples of a provider, if there are any.
    pub fn of(provider: &str) -> Option<Self> {
        let (_, text) = FILES.iter().find(|(id, _)| *id == provider)?;
        Some(serde_json::from_str(text).expect("the samples are part of the program, and a test reads them"))
    }

    /// Names of the events.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|event| event.name.as_str())
    }

    /// An event of that name as if it happened now.
    pub fn event(&self, name: &str, at: UnixMillis) -> Option<Sample> {
        let template = self.events.iter().find(|event| event.name == name)?;
        let mut fill = Fill { at, made: BTreeMap::new() };
        let header =
            |name: &'static str, value: &str| Header { name: name.into(), value: value.to_owned().into() };
        let body = fill.value(&template.body);
        Some(Sample {
            event_type: template.r#type.as_ref().unwrap_or(&template.name).clone(),
            id: self.id.as_ref().map(|id| fill.text(id)),
            headers: vec![header("User-Agent", &self.user_agent), header("Content-Type", &self.content_type)],
            content: match self.pretty {
                _ if self.content_type == FORM => Content::Form(body),
                true => Content::Pretty(body),
                false => Content::Compact(body),
            },
        })
    }
}

impl Sample {
    /// An event with a body of the user's own.
    pub fn of_body(event_type: &str, body: Vec<u8>) -> Self {
        let header =
            |name: &'static str, value: &'static str| Header { name: name.into(), value: value.into() };
        Self {
            event_type: event_type.to_owned(),
            id: Some(make("uuid", UnixMillis(0))),
            headers: vec![header("User-Agent", "inhaul"), header("Content-Type", "application/json")],
            content: Content::Exact(body),
        }
    }

    /// Sets a value: `path=value`, the path's parts separated by dots, the value JSON or else a text. A member that is not there is added
    /// to an object that is.
    ///
    /// # Errors
    /// When it is written otherwise, or nothing is at the path.
    pub fn set(&mut self, setting: &str) -> Result<(), SetError> {
        let (path, value) = setting.split_once('=').ok_or_else(|| SetError::Form(setting.to_owned()))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        let mut place = match &mut self.content {
            Content::Compact(value) | Content::Pretty(value) | Content::Form(value) => value,
            Content::Exact(_) => return Err(SetError::Exact),
        };
        let mut parts = path.split('.').peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let present = match &*place {
                Value::Object(members) => members.keys().cloned().collect(),
                Value::Array(items) => (0..items.len()).map(|index| index.to_string()).collect(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
            };
            let missing = || SetError::NoSuchPlace { missing: part.to_owned(), present };
            place = match place {
                Value::Object(members) => {
                    if last {
                        members.entry(part).or_insert(Value::Null)
                    } else {
                        members.get_mut(part).ok_or_else(missing)?
                    }
                }
                Value::Array(items) => {
                    part.parse::<usize>().ok().and_then(|index| items.get_mut(index)).ok_or_else(missing)?
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(missing()),
            };
        }
        *place = value;
        Ok(())
    }

    /// The body's bytes.
    pub fn body(&self) -> Vec<u8> {
        match &self.content {
            Content::Compact(value) => value.to_string().into_bytes(),
            Content::Pretty(value) => format!("{value:#}").into_bytes(),
            Content::Exact(bytes) => bytes.clone(),
            Content::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, value) in fields.as_object().into_iter().flatten() {
                    form.append_pair(name, value.as_str().unwrap_or(&value.to_string()));
                }
                form.finish().into_bytes()
            }
        }
    }
}

/// What is filled in: each placeholder once.
struct Fill {
    at: UnixMillis,
    made: BTreeMap<String, String>,
}

impl Fill {
    fn value(&mut self, template: &Value) -> Value {
        match template {
            Value::String(text) => {
                let filled = self.text(text);
                let whole = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
                let is_number = whole.is_some_and(|name| {
                    name == "unix" || name == "unix_ms" || name.split(':').next() == Some("number")
                });
                match filled.parse::<u64>() {
                    Ok(number) if is_number => Value::Number(Number::from(number)),
                    _ => Value::String(filled),
                }
            }
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                let filled: Map<String, Value> =
                    members.iter().map(|(name, value)| (name.clone(), self.value(value))).collect();
                Value::Object(filled)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => template.clone(),
        }
    }

    fn text(&mut self, template: &str) -> String {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { break };
            text.push_str(before);
            let at = self.at;
            text.push_str(self.made.entry(name.to_owned()).or_insert_with(|| make(name, at)));
            rest = after;
        }
        text + rest
    }
}

fn make(placeholder: &str, at: UnixMillis) -> String {
    match placeholder.split(':').next().unwrap_or_default() {
        "hex" => hex::encode(random::<20>()),
        "hex32" => hex::encode(random::<16>()),
        "uuid" => uuid::Builder::from_random_bytes(random()).into_uuid().to_string(),
        "number" => (1_000_000_000 + u64::from(u32::from_le_bytes(random())) * 2).to_string(),
        "unix" => (at.0 / 1000).to_string(),
        "unix_ms" => at.0.to_string(),
        "time" => UnixMillis(at.0 / 1000 * 1000).to_string(),
        _ => letters(24),
    }
}

/// As many random letters and digits.
pub fn letters(count: usize) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = String::with_capacity(count);
    while text.len() < count {
        // Those beyond a multiple of 62 would make some letters more likely.
        let fair = random::<32>().into_iter().filter(|byte| *byte < 248);
        for byte in fair.take(count - text.len()) {
            let _ = text.write_char(char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
        }
    }
    text
}

/// Random bytes; all zero if the system has none, which ids of samples can bear.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if rand::fill(&mut bytes).is_err() {
        tracing::warn!("the system has no random bytes");
    }
    bytes
}

#[cfg(test)]
mod tests {
    use inhaul_core::signature::{Delivery, Secret, SignRequest, Verdict, catalogue};

    use super::*;

    const AT: UnixMillis = UnixMillis(1_763_970_070_118);

    #[test]
    fn every_file_is_read_and_has_three_events_or_more() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/samples");
        let mut files: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        assert_eq!(files, providers().collect::<Vec<_>>());
        assert!(files.len() >= 20);
        for provider in providers() {
            assert!(Samples::of(provider).unwrap().names().count() >= 3, "{provider}");
        }
    }

    #[test]
    fn every_sample_is_signed_as_its_provider_signs_and_says_its_type_and_id() {
        // Twilio has a field for each product; the others have no id of their own.
        let without_type = ["twilio"];
        let without_id = ["calendly", "lemon_squeezy", "meta", "paystack", "slack", "twilio", "zoom"];
        let secret = Secret::new("s", "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw==");
        let url = Some("https://relay.example/in/x");
        for id in providers() {
            let provider = catalogue().provider(id).unwrap();
            let samples = Samples::of(id).unwrap();
            for name in samples.names() {
                let sample = samples.event(name, AT).unwrap();
                let body = sample.body();
                assert!(!String::from_utf8_lossy(&body).contains("{{"), "{id} {name}");
                let request = SignRequest {
                    method: b"POST",
                    url,
                    body: &body,
                    at: AT,
                    id: sample.id.as_deref(),
                    event_type: Some(&sample.event_type),
                };
                let mut headers = sample.headers.clone();
                headers.extend(provider.sign(&request, &secret).unwrap());
                let delivery =
                    Delivery { method: b"POST", url, headers: &headers, body: &body, received_at: AT };
                let verdict = provider.verify(&delivery, std::slice::from_ref(&secret));
                assert!(matches!(verdict, Verdict::Valid { .. }), "{id} {name}: {verdict:?}");
                let recognised = catalogue().candidates(&headers);
                assert!(recognised.iter().any(|candidate| candidate.id() == id), "{id} {name}");
                let names = provider.event_names(&headers, &body);
                assert!(names.event_id.is_some() || without_id.contains(&id), "{id} {name}: {names:?}");
                assert!(names.event_type.is_some() || without_type.contains(&id), "{id} {name}: {names:?}");
            }
        }
    }

    fn content(sample: &Sample) -> Value {
        serde_json::from_slice(&sample.body()).unwrap()
    }

    #[test]
    fn placeholders_are_fresh_each_time_and_the_same_within_an_event() {
        let samples = Samples::of("stripe").unwrap();
        let one = content(&samples.event("payment_intent.succeeded", AT).unwrap());
        let other = content(&samples.event("payment_intent.succeeded", AT).unwrap());
        assert_ne!(one["id"], other["id"]);
        assert_eq!(one["created"], AT.0 / 1000);
        let push = content(&Samples::of("github").unwrap().event("push", AT).unwrap());
        assert_eq!(push["after"], push["commits"][0]["id"]);
        assert_ne!(push["after"], push["before"]);
        assert_eq!(letters(100).len(), 100);
    }

    #[test]
    fn values_are_set_by_their_path() {
        let samples = Samples::of("stripe").unwrap();
        let mut sample = samples.event("payment_intent.succeeded", AT).unwrap();
        sample.set("data.object.amount=7").unwrap();
        sample.set("data.object.description=a = b").unwrap();
        sample.set("data.object.metadata.new={\"a\":[1]}").unwrap();
        sample.set("data.object.payment_method_types.0=sepa").unwrap();
        let content = content(&sample);
        let object = &content["data"]["object"];
        assert_eq!(object["amount"], 7);
        assert_eq!(object["description"], "a = b");
        assert_eq!(object["metadata"]["new"]["a"][0], 1);
        assert_eq!(object["payment_method_types"][0], "sepa");
        assert!(matches!(sample.set("data.object"), Err(SetError::Form(_))));
        let error = sample.set("data.objekt.amount=1").unwrap_err();
        assert_eq!(error.to_string(), "there is no \"objekt\" to set; what is there: object");
        assert!(sample.set("id.x=1").is_err());
        assert!(sample.set("data.object.payment_method_types.9=1").is_err());
    }
}

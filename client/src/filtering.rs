//! Events as filters see them: the row of a list, and the whole event once it has been read.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeMap, slice, str};

use inhaul_core::{
    event::{Event, Head, UnixMillis},
    filter::{
        FAILED, Filter, FilterError, Flag, JsonPath, JsonValue, NumberField, Outcome as LastOutcome, REMARKS,
        Signature, Subject, TextField,
    },
    signature::Verdict,
};

use crate::{
    jq::{self, Bounds, Jq},
    json_text::{self, Kind, Node},
    row::{Attempt, AttemptCause, EventRow, EventState, Outcome},
};

/// A filter whose jq programs are programs.
///
/// # Errors
/// With the place of the first that is none: in the text when it stands there, else all of the text.
pub fn checked(text: &str, filter: Filter) -> Result<Filter, FilterError> {
    for program in filter.jq_programs() {
        jq::check(program).map_err(|error| {
            let span = match text.find(program) {
                Some(at) => at + error.span.start..at + error.span.end,
                None => 0..text.len(),
            };
            FilterError { span, message: format!("jq: {error}") }
        })?;
    }
    Ok(filter)
}

/// Whether an event passes of which everything is at hand. jq programs are run where nothing else decides; one that goes wrong finds nothing.
pub(crate) async fn passes<'a>(filter: &'a Filter, whole: Filtered<'a>, jq: &Jq) -> bool {
    if let Some(passes) = filter.test(&whole) {
        return passes;
    }
    let Some(Whole { event, .. }) = &whole.whole else { return false };
    let mut found = BTreeMap::new();
    for program in filter.jq_programs() {
        let answer = jq.run(program, &event.body, Bounds::AT_ONCE).await;
        found.insert(program, answer.is_ok_and(|answer| answer.is_true));
    }
    filter.test(&Filtered { found, ..whole }).unwrap_or(false)
}

/// Largest body that is read as JSON for a filter, and in which text is looked for.
const BODY_MAX_BYTES: usize = 16 << 20;

/// An event as far as it is at hand.
pub struct Filtered<'a> {
    row: &'a EventRow,
    now: UnixMillis,
    is_marked: bool,
    whole: Option<Whole<'a>>,
    /// What jq programs found.
    found: BTreeMap<&'a str, bool>,
}

struct Whole<'a> {
    event: &'a Event,
    head: Option<Head>,
    json: OnceCell<Option<Node>>,
}

impl<'a> Filtered<'a> {
    /// Of which only the row is at hand.
    pub fn listed(row: &'a EventRow, now: UnixMillis) -> Self {
        Self { row, now, is_marked: false, whole: None, found: BTreeMap::new() }
    }

    /// Of which everything is.
    pub fn whole(row: &'a EventRow, event: &'a Event, now: UnixMillis) -> Self {
        let whole = Whole { event, head: event.parsed_head().ok(), json: OnceCell::new() };
        Self { row, now, is_marked: false, whole: Some(whole), found: BTreeMap::new() }
    }

    /// The same, marked in a list or not.
    #[must_use]
    pub fn marked(self, is_marked: bool) -> Self {
        Self { is_marked, ..self }
    }

    fn last(&self) -> Option<&Attempt> {
        self.row.attempts.last()
    }

    fn answers(&self) -> impl Iterator<Item = (&[(String, String)], &[u8])> {
        self.row.attempts.iter().filter_map(|attempt| match &attempt.outcome {
            Outcome::Answered { headers, body_excerpt, .. } => Some((&headers[..], &body_excerpt[..])),
            Outcome::Begun | Outcome::Failed { .. } | Outcome::Rejected => None,
        })
    }

    /// Path and query of the row's target.
    fn path_and_query(&self) -> (&str, &str) {
        self.row.target.split_once('?').unwrap_or((&self.row.target, ""))
    }
}

impl Whole<'_> {
    fn any_header(&self, passes: &mut dyn FnMut(&str, &str) -> bool) -> bool {
        let headers = self.head.iter().flat_map(|head| &head.headers);
        headers.into_iter().any(|header| passes(&text(&header.name), &text(&header.value)))
    }

    fn body(&self) -> &[u8] {
        let body = &self.event.body;
        &body[..body.len().min(BODY_MAX_BYTES)]
    }
}

/// Whether a value passes that stands in a text.
fn passes_value(value: &Node, text: &str, passes: &mut dyn FnMut(JsonValue<'_>) -> bool) -> bool {
    let written = &text[value.span.clone()];
    match &value.kind {
        Kind::Array(_) | Kind::Object(_) => passes(JsonValue::Nested),
        Kind::Scalar if written.starts_with('"') => {
            // A lone surrogate has no text; its escape stands for it.
            let read = serde_json::from_str(written);
            passes(JsonValue::Text(&read.unwrap_or_else(|_| written.trim_matches('"').to_owned())))
        }
        Kind::Scalar => passes(JsonValue::Plain(written)),
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

impl Subject for Filtered<'_> {
    fn now(&self) -> UnixMillis {
        self.now
    }

    fn received_at(&self) -> UnixMillis {
        self.row.received_at
    }

    fn outcome(&self) -> LastOutcome {
        match self.last().map(|attempt| &attempt.outcome) {
            Some(Outcome::Answered { status, .. }) => LastOutcome::Status(*status),
            Some(Outcome::Failed { .. }) => LastOutcome::Failed,
            Some(Outcome::Begun | Outcome::Rejected) | None => LastOutcome::None,
        }
    }

    fn signature(&self) -> Signature {
        match &self.row.verdict {
            Some(Verdict::Valid { .. }) => Signature::Valid,
            Some(Verdict::Invalid { .. }) => Signature::Invalid,
            Some(Verdict::Stale { .. }) => Signature::Stale,
            Some(Verdict::NoSecret { .. }) => Signature::NoSecret,
            Some(Verdict::Unsigned) => Signature::Unsigned,
            None => Signature::Unchecked,
        }
    }

    fn has(&self, flag: Flag) -> bool {
        let row = self.row;
        let any_cause = |cause| row.attempts.iter().any(|attempt| attempt.cause == cause);
        match flag {
            Flag::Pending => row.state == EventState::Pending,
            Flag::Held => row.state == EventState::Held,
            Flag::GivenUp => row.given_up.is_some(),
            Flag::Delivered => row.attempts.iter().any(|attempt| attempt.outcome.is_success()),
            Flag::Failed => row.last_attempt_failed(),
            Flag::Rejected => self.last().is_some_and(|last| last.outcome == Outcome::Rejected),
            Flag::Missed => row.missed,
            Flag::Late => row.late,
            Flag::Imported => row.imported,
            Flag::Repeat => row.repeat.is_some(),
            Flag::Dropped => {
                row.dropped.is_some() || row.repeat.as_ref().is_some_and(|repeat| repeat.dropped)
            }
            Flag::Replayed => any_cause(AttemptCause::Replay),
            Flag::Retried => any_cause(AttemptCause::Retry),
            Flag::Tagged => !row.tags.is_empty(),
            Flag::Marked => self.is_marked,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 nobody counts by one")]
    fn any_number(&self, field: NumberField, passes: &mut dyn FnMut(f64) -> bool) -> bool {
        match field {
            NumberField::Milliseconds => match self.last().map(|last| &last.outcome) {
                Some(Outcome::Answered { latency_ms, .. } | Outcome::Failed { latency_ms, .. }) => {
                    passes(*latency_ms as f64)
                }
                Some(Outcome::Begun | Outcome::Rejected) | None => false,
            },
            NumberField::Age => passes(self.now.0.saturating_sub(self.row.received_at.0) as f64),
            NumberField::Size => passes(self.row.body_bytes as f64),
            NumberField::Attempts => passes(f64::from(self.row.attempts_made())),
        }
    }

    fn any_word(&self, passes: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        let row = self.row;
        let id = row.id.to_string();
        let has_status = match self.outcome() {
            LastOutcome::Status(status) => passes(&status.to_string()),
            LastOutcome::Failed => FAILED.iter().any(|word| passes(word)),
            LastOutcome::None => false,
        };
        let mut given =
            [&row.event_type, &row.provider, &row.provider_event_id, &row.comment].into_iter().flatten();
        let found = has_status
            || given.any(|text| passes(text))
            || row.tags.iter().any(|tag| passes(tag))
            || passes(&row.method)
            || passes(&row.target)
            || passes(&id)
            || passes(&self.signature().to_string())
            || row.given_up.as_ref().is_some_and(|given_up| passes(&given_up.reason))
            || REMARKS.into_iter().any(|flag| self.has(flag) && flag.words().iter().any(|word| passes(word)));
        Some(found)
    }

    fn any_text(&self, field: &TextField, passes: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        let row = self.row;
        let optional =
            |text: &Option<String>, passes: &mut dyn FnMut(&str) -> bool| text.as_deref().is_some_and(passes);
        Some(match field {
            TextField::Provider => optional(&row.provider, passes),
            TextField::Type => optional(&row.event_type, passes),
            TextField::Key => optional(&row.provider_event_id, passes),
            TextField::Tag => row.tags.iter().any(|tag| passes(tag)),
            TextField::Comment => optional(&row.comment, passes),
            TextField::Object => optional(&row.object_id, passes),
            TextField::Repeats => {
                passes(&row.repeat.as_ref().map_or(row.id, |repeat| repeat.first).to_string())
            }
            TextField::Endpoint => passes(row.endpoint.as_str()),
            TextField::Target => row.attempts.iter().any(|attempt| passes(&attempt.target)),
            TextField::Id => passes(&row.id.to_string()) || optional(&row.provider_event_id, passes),
            TextField::Method => passes(&row.method),
            TextField::Path => passes(self.path_and_query().0),
            TextField::Query(name) => form_urlencoded::parse(self.path_and_query().1.as_bytes())
                .any(|(key, value)| key == **name && passes(&value)),
            TextField::AnswerHeader(name) => self.answers().any(|(headers, _)| {
                headers.iter().any(|(known, value)| known.eq_ignore_ascii_case(name) && passes(value))
            }),
            TextField::AnswerHeaders => self
                .answers()
                .any(|(headers, _)| headers.iter().any(|(name, value)| passes(&format!("{name}: {value}")))),
            TextField::Answer => self.answers().any(|(_, excerpt)| passes(&text(excerpt))),
            TextField::Ip => passes(&self.whole.as_ref()?.event.peer.address),
            TextField::Host => self
                .whole
                .as_ref()?
                .any_header(&mut |name, value| name.eq_ignore_ascii_case("host") && passes(value)),
            TextField::Header(wanted) => self
                .whole
                .as_ref()?
                .any_header(&mut |name, value| name.eq_ignore_ascii_case(wanted) && passes(value)),
            TextField::Headers => {
                self.whole.as_ref()?.any_header(&mut |name, value| passes(&format!("{name}: {value}")))
            }
            TextField::Body => passes(&text(self.whole.as_ref()?.body())),
        })
    }

    fn any_json(&self, path: &JsonPath, passes: &mut dyn FnMut(JsonValue<'_>) -> bool) -> Option<bool> {
        let whole = self.whole.as_ref()?;
        let Ok(text) = str::from_utf8(whole.body()) else { return Some(false) };
        let Some(node) = whole.json.get_or_init(|| json_text::parse(text).ok()) else { return Some(false) };
        let mut found = false;
        node.visit(slice::from_ref(path), &mut |value| found = found || passes_value(value, text, passes));
        Some(found)
    }

    fn jq(&self, program: &str) -> Option<bool> {
        self.found.get(program).copied()
    }
}

#[cfg(test)]
mod tests {
    use inhaul_core::filter::Filter;

    use super::*;
    use crate::{
        history::tests::sample_event,
        output::tests::{answered, row},
        row::FailureKind,
    };

    #[test]
    fn a_filter_asks_the_row_first_and_the_event_for_the_rest() {
        let row = EventRow { attempts: vec![answered(1, 503)], ..row() };
        let event = sample_event(3, br#"{"data":{"amount":150}}"#);
        let now = UnixMillis(row.received_at.0 + 90_000);
        let (listed, whole) = (Filtered::listed(&row, now), Filtered::whole(&row, &event, now));
        for (filter, of_row, of_event) in [
            ("charge status:5xx", Some(true), true),
            ("503", Some(true), true),
            ("query.a:/ path:/stripe", Some(true), true),
            ("age>1m age<2m ms:12 size>=2k attempts=1", Some(true), true),
            ("is:failed -is:delivered sig:ok", Some(true), true),
            ("target:localhost resp:ok", Some(true), true),
            ("provider:github body:150", Some(false), false),
            ("body:150", None, true),
            ("data.amount>100", None, true),
            ("data.amount>200", None, false),
            ("header.content-type:text", None, true),
            ("header:plain host:a", None, false),
            ("ip:203.0.113.9", None, true),
        ] {
            let filter: Filter = filter.parse().unwrap();
            assert_eq!(filter.test(&listed), of_row, "{filter}");
            assert_eq!(filter.test(&whole), Some(of_event), "{filter}");
        }
    }

    #[cfg(feature = "jq")]
    #[test]
    fn a_program_that_is_none_is_shown_where_it_stands() {
        let of = |text: &str| {
            let filter = Filter::parse_with(text, &inhaul_core::filter::Saved::default()).unwrap();
            checked(text, filter)
        };
        assert!(of("is:failed jq:'.a | length'").is_ok());
        let error = of("is:failed jq:'.a | nothing'").unwrap_err();
        assert_eq!((error.span, error.message.as_str()), (19..26, "jq: there is no filter \"nothing\""));
    }

    #[test]
    fn numbers_in_a_body_are_compared_as_they_are_written() {
        let event = sample_event(
            1,
            br#"{"a":{"value":1.870,"id":9007199254740993,"text":"\u0031\u0035 x"},"l":[150]}"#,
        );
        let row = row();
        let whole = Filtered::whole(&row, &event, row.received_at);
        let holds = |filter: &str| filter.parse::<Filter>().unwrap().test(&whole).unwrap();
        for filter in [
            "a.value=1.870",
            "a.value:1.87",
            "a.value:1..2",
            "a.id=9007199254740993",
            "$.l[*]:100..200",
            "a.text:\"15 \"",
            "exists:a",
        ] {
            assert!(holds(filter), "{filter}");
        }
        for filter in ["a.value:1", "a.id=9007199254740992", "$.l[0]:1", "a.text=15", "exists:a.value.b"] {
            assert!(!holds(filter), "{filter}");
        }
    }

    #[test]
    fn what_a_list_shows_of_an_event_is_a_word() {
        let failed = Outcome::Failed { kind: FailureKind::Timeout, message: "x".to_owned(), latency_ms: 1 };
        let attempts = vec![Attempt { outcome: failed, ..answered(1, 503) }];
        let row = EventRow { attempts, imported: true, ..row() };
        let listed = Filtered::listed(&row, row.received_at);
        for filter in ["ERR", "err", "status:ERR", "file", "imported", "is:file", "-again"] {
            assert_eq!(filter.parse::<Filter>().unwrap().test(&listed), Some(true), "{filter}");
        }
    }

    #[test]
    fn a_body_that_is_no_json_has_no_values() {
        let event = sample_event(1, b"\xff not json");
        let row = row();
        let whole = Filtered::whole(&row, &event, row.received_at);
        let holds = |filter: &str| filter.parse::<Filter>().unwrap().test(&whole).unwrap();
        assert!(!holds("exists:$") && holds("-exists:a.b") && holds("body:not"));
    }
}

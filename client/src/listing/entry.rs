//! What a list keeps of each event: 64 bytes, enough for most filters and for a line on the screen.

use inhaul_core::{
    event::{EventId, UnixMillis},
    filter::{
        Flag, JsonPath, JsonValue, Listed, ListedWord, NumberField, Outcome, Signature, Subject, TextField,
        Vocabulary,
    },
};

use super::words::{WordNumber, Words};
use crate::{
    filtering::Filtered,
    row::{self, EventRow},
};

/// Not a flag of filters: the event has a comment.
const HAS_COMMENT: u32 = 1 << 31;

/// Not a flag of filters: the event was deleted, or went with its period. Its entry keeps the place, for it may come back.
const IS_GONE: u32 = 1 << 30;

/// One event in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The relay's id.
    pub id: EventId,
    /// When the relay received it.
    pub received_at: UnixMillis,
    latency_ms: u32,
    body_bytes: u32,
    event_type: WordNumber,
    provider: WordNumber,
    endpoint: WordNumber,
    method: WordNumber,
    /// Words too: all tags of an event are one, with a space between them.
    tags: WordNumber,
    flags: u32,
    /// Of an answer.
    status: u16,
    attempts: u16,
    last: Last,
    signature: Signature,
}

/// How the last attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// There was none.
    None,
    /// It has no outcome yet.
    Begun,
    /// It was kept back.
    Rejected,
    /// No answer.
    Failed,
    /// An answer.
    Answered,
}

/// The words of all fields that have some.
#[derive(Default)]
pub struct FieldWords {
    types: Words,
    providers: Words,
    endpoints: Words,
    methods: Words,
    tags: Words,
}

impl Entry {
    /// What is kept of a row.
    pub(super) fn new(row: &EventRow, words: &mut FieldWords) -> Self {
        // Nothing that depends on the time is kept.
        let subject = Filtered::listed(row, row.received_at);
        let flag = |flags: u32, flag: Flag| flags | if subject.has(flag) { flag.bit() } else { 0 };
        let comment = if row.comment.is_some() { HAS_COMMENT } else { 0 };
        let tags = (!row.tags.is_empty()).then(|| row.tags.join(" "));
        let (last, status, latency_ms) = match row.attempts.last().map(|attempt| &attempt.outcome) {
            None => (Last::None, 0, 0),
            Some(row::Outcome::Begun) => (Last::Begun, 0, 0),
            Some(row::Outcome::Rejected) => (Last::Rejected, 0, 0),
            Some(row::Outcome::Failed { latency_ms, .. }) => (Last::Failed, 0, *latency_ms),
            Some(row::Outcome::Answered { status, latency_ms, .. }) => (Last::Answered, *status, *latency_ms),
        };
        Self {
            id: row.id,
            received_at: row.received_at,
            latency_ms: saturated(latency_ms),
            body_bytes: saturated(row.body_bytes),
            event_type: words.types.number(row.event_type.as_deref()),
            provider: words.providers.number(row.provider.as_deref()),
            endpoint: words.endpoints.number(Some(row.endpoint.as_str())),
            method: words.methods.number(Some(&row.method)),
            tags: words.tags.number(tags.as_deref()),
            flags: Flag::all().fold(comment, flag),
            status,
            attempts: u16::try_from(row.attempts_made()).unwrap_or(u16::MAX),
            last,
            signature: subject.signature(),
        }
    }

    /// Whether this is true of it.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags & flag.bit() != 0
    }

    /// Whether a person wrote something about it.
    pub fn has_comment(&self) -> bool {
        self.flags & HAS_COMMENT != 0
    }

    /// Whether it is in the history and held.
    pub(super) fn is_held(&self) -> bool {
        self.has(Flag::Held) && !self.is_gone()
    }

    /// Whether it is no longer in the history.
    pub(super) fn is_gone(&self) -> bool {
        self.flags & IS_GONE != 0
    }

    pub(super) fn set_gone(&mut self) {
        self.flags |= IS_GONE;
    }

    /// A person marked it, or took the mark away.
    pub(super) fn set_marked(&mut self, is_marked: bool) {
        let marked = Flag::Marked.bit();
        self.flags = if is_marked { self.flags | marked } else { self.flags & !marked };
    }

    /// Whether a person would look at it, as [`EventRow::has_failed`] says.
    pub fn has_failed(&self) -> bool {
        self.has(Flag::Failed)
            || self.has(Flag::GivenUp)
            || matches!(self.signature, Signature::Invalid | Signature::Stale)
    }

    /// Whether the other one is of the same sender, endpoint and type.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.endpoint, self.provider, self.event_type) == (other.endpoint, other.provider, other.event_type)
    }

    /// What the signature check found.
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// How the last attempt ended, the status of its answer, and the milliseconds it took.
    pub fn last(&self) -> (Last, u16, u64) {
        (self.last, self.status, u64::from(self.latency_ms))
    }

    /// How many attempts there were.
    pub fn attempts(&self) -> usize {
        usize::from(self.attempts)
    }

    /// Bytes of the body.
    pub fn body_bytes(&self) -> u64 {
        u64::from(self.body_bytes)
    }

    /// The place of its type among the words, if that is one of them; nothing when it has no type.
    pub(super) fn type_word(&self) -> Option<Option<usize>> {
        (self.event_type != WordNumber::NONE).then(|| self.event_type.place())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these have words")]
    fn word(&self, field: &TextField) -> WordNumber {
        match field {
            TextField::Type => self.event_type,
            TextField::Provider => self.provider,
            TextField::Endpoint => self.endpoint,
            TextField::Method => self.method,
            TextField::Tag => self.tags,
            _ => WordNumber::UNLISTED,
        }
    }
}

fn saturated(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl FieldWords {
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these have words")]
    fn of(&self, field: &TextField) -> Option<&Words> {
        match field {
            TextField::Type => Some(&self.types),
            TextField::Provider => Some(&self.providers),
            TextField::Endpoint => Some(&self.endpoints),
            TextField::Method => Some(&self.methods),
            TextField::Tag => Some(&self.tags),
            _ => None,
        }
    }

    /// The text of a field of an entry, as far as it is kept.
    pub(super) fn text(&self, entry: &Entry, field: &TextField) -> Option<&str> {
        self.of(field)?.text(entry.word(field))
    }

    pub(super) fn widest_provider(&self) -> usize {
        self.providers.widest()
    }

    /// For each type its place in the order of the types.
    pub(super) fn type_ranks(&self) -> Vec<u32> {
        let texts: Vec<&str> = self.types.texts().collect();
        let mut sorted: Vec<usize> = (0..texts.len()).collect();
        sorted.sort_unstable_by_key(|word| texts[*word]);
        let mut ranks = vec![0; texts.len()];
        for (rank, word) in (0..).zip(sorted) {
            ranks[word] = rank;
        }
        ranks
    }

    /// Every word of a field, and its number in entries.
    pub(super) fn counted<'e>(
        &self,
        field: &TextField,
        entries: impl Iterator<Item = &'e Entry>,
    ) -> Vec<(&str, u64)> {
        let Some(words) = self.of(field) else { return Vec::new() };
        let mut counts = vec![0_u64; words.texts().len()];
        for place in entries.filter_map(|entry| entry.word(field).place()) {
            counts[place] += 1;
        }
        words.texts().zip(counts).filter(|(_, count)| *count > 0).collect()
    }
}

impl Vocabulary for FieldWords {
    fn passing(&self, field: &TextField, passes: &mut dyn FnMut(&str) -> bool) -> Option<Vec<bool>> {
        let words = self.of(field)?.texts();
        let together = *field == TextField::Tag;
        Some(
            words
                .map(|text| if together { text.split(' ').any(&mut *passes) } else { passes(text) })
                .collect(),
        )
    }
}

/// An entry as filters see it.
pub(super) struct Known<'a> {
    pub(super) entry: &'a Entry,
    pub(super) words: &'a FieldWords,
    pub(super) now: UnixMillis,
}

impl Listed for Known<'_> {
    fn flags(&self) -> u32 {
        self.entry.flags
    }

    fn word(&self, field: &TextField) -> ListedWord {
        match self.entry.word(field) {
            WordNumber::NONE => ListedWord::None,
            number => number.place().map_or(ListedWord::Unlisted, ListedWord::Number),
        }
    }
}

impl Subject for Known<'_> {
    fn now(&self) -> UnixMillis {
        self.now
    }

    fn received_at(&self) -> UnixMillis {
        self.entry.received_at
    }

    fn outcome(&self) -> Outcome {
        match self.entry.last {
            Last::Answered => Outcome::Status(self.entry.status),
            Last::Failed => Outcome::Failed,
            Last::None | Last::Begun | Last::Rejected => Outcome::None,
        }
    }

    fn signature(&self) -> Signature {
        self.entry.signature
    }

    fn has(&self, flag: Flag) -> bool {
        self.entry.has(flag)
    }

    fn any_number(&self, field: NumberField, passes: &mut dyn FnMut(f64) -> bool) -> bool {
        let entry = self.entry;
        match field {
            NumberField::Milliseconds => {
                matches!(entry.last, Last::Answered | Last::Failed) && passes(f64::from(entry.latency_ms))
            }
            NumberField::Age => {
                let age = self.now.0.saturating_sub(entry.received_at.0);
                passes(f64::from(saturated(age / 1000)) * 1000.0 + f64::from(saturated(age % 1000)))
            }
            NumberField::Size => passes(f64::from(entry.body_bytes)),
            NumberField::Attempts => passes(f64::from(entry.attempts)),
        }
    }

    fn any_word(&self, passes: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        let known = [TextField::Type, TextField::Provider, TextField::Method];
        known.iter().any(|field| self.words.text(self.entry, field).is_some_and(&mut *passes)).then_some(true)
    }

    fn any_text(&self, field: &TextField, passes: &mut dyn FnMut(&str) -> bool) -> Option<bool> {
        let was_tried = self.entry.attempts > 0;
        match field {
            TextField::Type
            | TextField::Provider
            | TextField::Endpoint
            | TextField::Method
            | TextField::Tag => match self.entry.word(field) {
                WordNumber::NONE => Some(false),
                number => {
                    let text = self.words.of(field)?.text(number)?;
                    Some(if *field == TextField::Tag { text.split(' ').any(passes) } else { passes(text) })
                }
            },
            TextField::Comment => (self.entry.flags & HAS_COMMENT == 0).then_some(false),
            TextField::Id => passes(&self.entry.id.to_string()).then_some(true),
            TextField::Repeats => (!self.entry.has(Flag::Repeat)).then(|| passes(&self.entry.id.to_string())),
            TextField::Target | TextField::Answer | TextField::AnswerHeader(_) | TextField::AnswerHeaders => {
                (!was_tried).then_some(false)
            }
            TextField::Key
            | TextField::Object
            | TextField::Path
            | TextField::Ip
            | TextField::Host
            | TextField::Query(_)
            | TextField::Header(_)
            | TextField::Headers
            | TextField::Body => None,
        }
    }

    fn any_json(&self, _: &JsonPath, _: &mut dyn FnMut(JsonValue<'_>) -> bool) -> Option<bool> {
        None
    }
}

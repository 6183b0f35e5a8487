//! What may stand where a filter is being written: names of fields, and values that were seen.
//!
//! A text that is being written is seldom a filter yet, so the place is found by going over quotes and signs, as the parser does, and not by
//! parsing.

use std::ops::Range;

use super::{
    field::{FLAGS, Field, SIGNATURES},
    pattern::quoted,
    saved::Saved,
    syntax::outside_quotes,
};

/// What stands at a place of a text, and what may stand there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The bytes that a candidate takes the place of: those from the beginning of the word to the cursor.
    pub span: Range<usize>,
    /// The best first.
    pub candidates: Vec<Candidate>,
}

/// Something that may stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// As it is written, with what must stand behind a name.
    pub text: String,
    /// How many events have it, where that is known.
    pub count: Option<u64>,
}

/// Values that events have, with how many have each.
pub trait Seen {
    /// The values of a field, by one of its names: `type`, `provider`, `endpoint`, `tag`, `status`, `method`, `is` or `sig`. Nothing for others.
    fn values(&self, field: &str) -> Vec<(String, u64)>;
}

/// What may stand at the cursor, which is a place between two characters of the text; nothing when that is no place for a name or a value.
pub fn complete(text: &str, cursor: usize, saved: &Saved, seen: &dyn Seen) -> Option<Completion> {
    let before = text.get(..cursor)?;
    let word = before.len() - begun(before)?.len();
    let word = word + before[word..].len() - before[word..].trim_start_matches(['-', '!']).len();
    let (start, candidates) = match operator(&before[word..]) {
        None => (word, names(saved)),
        Some((name, operator_end)) => {
            let values = &before[word + operator_end..];
            let start = word + operator_end + values.rfind(',').map_or(0, |comma| comma + 1);
            (start, values_of(name, seen))
        }
    };
    let candidates = best(candidates, &before[start..]);
    (!candidates.is_empty()).then_some(Completion { span: start..cursor, candidates })
}

/// The word that ends at the end; nothing inside of quotes.
fn begun(text: &str) -> Option<&str> {
    let (outside, is_quoted) = outside_quotes(text);
    let ends = |letter: char| matches!(letter, '(' | ')' | '|' | '&') || letter.is_whitespace();
    let before = outside.into_iter().rfind(|(_, letter)| ends(*letter));
    let start = before.map_or(0, |(at, letter)| at + letter.len_utf8());
    if is_quoted { None } else { Some(&text[start..]) }
}

/// The name before an operator, and where that ends.
fn operator(word: &str) -> Option<(&str, usize)> {
    let at = word.find([':', '=', '!', '<', '>', '~']).filter(|at| *at > 0)?;
    let operator = &word[at..];
    let length = if operator.starts_with("!=") || operator.starts_with(">=") || operator.starts_with("<=") {
        2
    } else {
        1
    };
    Some((&word[..at], at + length))
}

fn names(saved: &Saved) -> Vec<Candidate> {
    let plain = |text: String| Candidate { text, count: None };
    let fields = Field::names_to_offer().map(|name| plain(format!("{name}:")));
    let prefixes = ["header.", "query.", "resp.header."].map(|prefix| plain(prefix.to_owned()));
    fields.chain(prefixes).chain(saved.iter().map(|(name, _)| plain(format!("@{name}")))).collect()
}

fn values_of(name: &str, seen: &dyn Seen) -> Vec<Candidate> {
    let usual = Field::usual_name(name).unwrap_or_default();
    let known: Vec<&str> = match usual {
        "is" => FLAGS.iter().filter_map(|(_, words)| words.first().copied()).collect(),
        "sig" => SIGNATURES.iter().filter_map(|(_, words)| words.first().copied()).collect(),
        "status" => vec!["2xx", "4xx", "5xx", "err", "none"],
        _ => Vec::new(),
    };
    let mut found: Vec<Candidate> = seen
        .values(usual)
        .into_iter()
        .map(|(text, count)| Candidate { text: quoted(&text), count: Some(count) })
        .collect();
    found.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
    let known = known.into_iter().filter(|word| found.iter().all(|seen| seen.text != **word));
    let known: Vec<Candidate> = known.map(|word| Candidate { text: word.to_owned(), count: None }).collect();
    found.extend(known);
    found
}

/// Those that begin like this, and behind them those that hold it; letters of either case are the same.
fn best(candidates: Vec<Candidate>, begun: &str) -> Vec<Candidate> {
    let small = begun.trim_start_matches(['"', '\'']).to_lowercase();
    let holds = |candidate: &Candidate| candidate.text.to_lowercase().find(&small);
    let mut ranked: Vec<(bool, Candidate)> = candidates
        .into_iter()
        .filter(|candidate| candidate.text != begun)
        .filter_map(|candidate| {
            Some((holds(&candidate)? > usize::from(candidate.text.starts_with('"')), candidate))
        })
        .collect();
    ranked.sort_by_key(|(is_inside, _)| *is_inside);
    ranked.into_iter().map(|(_, candidate)| candidate).collect()
}

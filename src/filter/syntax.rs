//! From text to words, operators and values, each with its place. What they mean is another question.
//!
//! ```text
//!  or    = and { ("OR" | "|") and }
//!  and   = not { [ "AND" | "&" ] not }
//!  not   = { "NOT" | "-" | "!" } atom
//!  atom  = "(" or ")" | "~" letters [ value ] | name op value { "," value } | quoted | "/" regex "/" | word
//!  op    = "!=" | ">=" | "<=" | ":" | "=" | ">" | "<" | "~"
//! ```

use std::ops::Range;

use winnow::{
    ModalResult, Parser, Stateful,
    ascii::{alpha1, multispace0, multispace1},
    combinator::{alt, cut_err, delimited, eof, not, opt, peek, preceded, repeat, separated, terminated},
    error::{AddContext, ContextError, ErrMode, StrContext, StrContextValue},
    stream::{LocatingSlice, Stream},
    token::{any, none_of, one_of, take_while},
};

use super::FilterError;

/// How deep brackets may be in each other.
const DEPTH_MAX: usize = 64;

/// What is said when they are deeper.
const TOO_DEEP: &str = "brackets are more than 64 deep in each other";

/// A filter, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    And(Vec<Raw>),
    Or(Vec<Raw>),
    Not(Box<Raw>),
    Word(Spanned),
    Regex(Spanned),
    Test { name: Spanned, op: &'static str, values: Vec<Spanned> },
    Alias { name: Spanned, value: Option<Spanned> },
}

/// A text and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spanned {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// With how many brackets are open.
type Input<'t> = Stateful<LocatingSlice<&'t str>, usize>;

/// Takes a filter apart; nothing when it has no words.
pub(super) fn parse(text: &str) -> Result<Option<Raw>, FilterError> {
    let end = (multispace0, eof).context(expected("a space, AND, OR or the end"));
    let input = Stateful { input: LocatingSlice::new(text), state: 0 };
    delimited(multispace0, opt(or), end).parse(input).map_err(|error| {
        let at = error.offset();
        let rest = &text[at..];
        if let Some((word, message)) = lone(text, at) {
            return FilterError { span: at..at + word.len(), message };
        }
        let wrong = rest.find(char::is_whitespace).unwrap_or(rest.len());
        FilterError { span: at..at + wrong, message: message(error.inner(), &rest[..wrong]) }
    })
}

/// The word at a place that stands between or before others, and what it lacks.
fn lone(text: &str, at: usize) -> Option<(&'static str, String)> {
    let (before, rest) = (text[..at].trim_end(), &text[at..]);
    let is_it = |word: &&&str| {
        let next = rest.strip_prefix(**word).map(|behind| behind.chars().next());
        next.is_some_and(|next| {
            next.is_none_or(|next| !word.starts_with(char::is_alphabetic) || !next.is_alphanumeric())
        })
    };
    let word = *["OR", "AND", "NOT", "|", "&"].iter().find(is_it)?;
    let is_first = word != "NOT" && (before.is_empty() || before.ends_with('('));
    let side = if is_first { "stand before" } else { "follow" };
    Some((word, format!("something must {side} {word}: a word or NAME:VALUE")))
}

/// The letters of a text that stand in no quotes, each with its place, and whether the last quotes are open.
pub(super) fn outside_quotes(text: &str) -> (Vec<(usize, char)>, bool) {
    let (mut outside, mut quote, mut is_escaped) = (Vec::new(), None, false);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            _ if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, _) => outside.push((at, letter)),
        }
    }
    (outside, quote.is_some())
}

fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

fn message(error: &ContextError, found: &str) -> String {
    let mut expected = "a word or NAME:VALUE";
    // The innermost comes first.
    for context in error.context() {
        if let StrContext::Label(wrong) = context {
            return (*wrong).to_owned();
        }
        if let StrContext::Expected(StrContextValue::Description(what)) = context {
            expected = what;
            break;
        }
    }
    let found = if found.is_empty() { "nothing more".to_owned() } else { format!("{found:?}") };
    format!("expected {expected}, found {found}")
}

fn or(input: &mut Input<'_>) -> ModalResult<Raw> {
    let between = delimited(multispace0, alt((keyword("OR"), "|".void())), multispace0);
    separated(1.., and, between).map(|parts| one_or(parts, Raw::Or)).parse_next(input)
}

fn and(input: &mut Input<'_>) -> ModalResult<Raw> {
    let written = delimited(multispace0, alt((keyword("AND"), "&".void())), multispace0);
    let between = alt((written, multispace1.void()));
    separated(1.., negated, between).map(|parts| one_or(parts, Raw::And)).parse_next(input)
}

fn one_or(mut parts: Vec<Raw>, many: fn(Vec<Raw>) -> Raw) -> Raw {
    match parts.pop() {
        Some(one) if parts.is_empty() => one,
        last => {
            parts.extend(last);
            many(parts)
        }
    }
}

fn negated(input: &mut Input<'_>) -> ModalResult<Raw> {
    let sign = alt((terminated(keyword("NOT"), multispace1), one_of(['-', '!']).void()));
    let (signs, raw): (usize, Raw) = (repeat(0.., sign), atom).parse_next(input)?;
    Ok(if signs % 2 == 1 { Raw::Not(Box::new(raw)) } else { raw })
}

fn atom(input: &mut Input<'_>) -> ModalResult<Raw> {
    alt((group, alias, test, quoted.map(Raw::Word), slashes.map(Raw::Regex), word.map(Raw::Word)))
        .context(expected("a word or NAME:VALUE"))
        .parse_next(input)
}

fn group(input: &mut Input<'_>) -> ModalResult<Raw> {
    let start = input.checkpoint();
    '('.parse_next(input)?;
    // Nothing goes back over an opening bracket, so that the count is right.
    input.state += 1;
    if input.state > DEPTH_MAX {
        input.reset(&start);
        let error = ContextError::new().add_context(input, &start, StrContext::Label(TOO_DEEP));
        return Err(ErrMode::Cut(error));
    }
    let inside = delimited(multispace0, or, multispace0);
    let raw = cut_err(terminated(inside, ')'.context(expected("a closing bracket")))).parse_next(input)?;
    input.state -= 1;
    Ok(raw)
}

/// One of mitmproxy's: `~c 500`.
fn alias(input: &mut Input<'_>) -> ModalResult<Raw> {
    let name = preceded('~', cut_err(alpha1.context(expected("a letter behind the tilde"))));
    let name = spanned(name.map(str::to_owned)).parse_next(input)?;
    let value = if super::resolve::alias_has_value(&name.text) {
        let value = alt((quoted, slashes, bare)).context(expected("a value"));
        Some(
            cut_err(preceded(multispace1.context(expected("a space and a value")), value))
                .parse_next(input)?,
        )
    } else {
        None
    };
    Ok(Raw::Alias { name, value })
}

fn test(input: &mut Input<'_>) -> ModalResult<Raw> {
    let name = take_while(1.., |letter: char| {
        letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '$' | '[' | ']' | '*' | '@')
    });
    let op = alt(("!=", ">=", "<=", ":", "=", ">", "<", "~"));
    let (name, op) = (spanned(name.map(str::to_owned)), op).parse_next(input)?;
    let text = alt((quoted, bare)).context(expected("a value"));
    let values: Vec<Spanned> = if op == "~" {
        let regex = alt((quoted, slashes, bare)).context(expected("a regular expression"));
        cut_err(separated(1.., regex, ',')).parse_next(input)?
    } else {
        cut_err(separated(1.., text, ',')).parse_next(input)?
    };
    // The parser gives a part of the text, which ends before the filter does.
    let op =
        ["!=", ">=", "<=", ":", "=", ">", "<", "~"].into_iter().find(|known| *known == op).unwrap_or(":");
    Ok(Raw::Test { name, op, values })
}

fn quoted(input: &mut Input<'_>) -> ModalResult<Spanned> {
    spanned(alt((in_quotes('"'), in_quotes('\'')))).parse_next(input)
}

fn in_quotes<'t>(quote: char) -> impl Parser<Input<'t>, String, winnow::error::ErrMode<ContextError>> {
    let letter = alt((preceded('\\', any), none_of([quote, '\\'])));
    let inside = repeat(0.., letter).fold(String::new, |mut text, letter| {
        text.push(letter);
        text
    });
    delimited(quote, inside, cut_err(quote.context(expected("a closing quote"))))
}

/// A regular expression between slashes; `i` behind it ignores the letters' case.
fn slashes(input: &mut Input<'_>) -> ModalResult<Spanned> {
    let letter = alt((preceded('\\', '/').value("/".to_owned()), none_of(['/']).map(String::from)));
    let inside = repeat(1.., letter).fold(String::new, |text, letter| text + &letter);
    let end = peek(alt((
        eof.void(),
        one_of(|letter: char| letter.is_whitespace() || matches!(letter, ')' | ',' | '|' | '&')).void(),
    )));
    let whole = terminated((delimited('/', inside, '/'), opt('i')), end);
    let with_flag = |(text, flag): (String, Option<char>)| match flag {
        Some(_) => format!("(?i){text}"),
        None => text,
    };
    spanned(whole.map(with_flag)).parse_next(input)
}

/// A value without quotes.
fn bare(input: &mut Input<'_>) -> ModalResult<Spanned> {
    let letter =
        |letter: char| !letter.is_whitespace() && !matches!(letter, ',' | '(' | ')' | '"' | '\'' | '|' | '&');
    spanned(take_while(1.., letter).map(str::to_owned)).parse_next(input)
}

fn word(input: &mut Input<'_>) -> ModalResult<Spanned> {
    let letter = |letter: char| {
        !letter.is_whitespace()
            && !matches!(letter, ',' | '(' | ')' | '"' | '\'' | '|' | '&' | ':' | '=' | '<' | '>' | '~' | '!')
    };
    let is_keyword = alt((keyword("AND"), keyword("OR"), keyword("NOT")));
    spanned(preceded(not(is_keyword), take_while(1.., letter)).map(str::to_owned)).parse_next(input)
}

/// A word in capital letters, with no other letter behind it.
fn keyword<'t>(name: &'static str) -> impl Parser<Input<'t>, (), winnow::error::ErrMode<ContextError>> {
    let end = peek(alt((eof.void(), multispace1.void(), one_of(['(', ')', '"', '\'']).void())));
    (name, end).void()
}

fn spanned<'t>(
    parser: impl Parser<Input<'t>, String, winnow::error::ErrMode<ContextError>>,
) -> impl Parser<Input<'t>, Spanned, winnow::error::ErrMode<ContextError>> {
    parser.with_span().map(|(text, span)| Spanned { text, span })
}

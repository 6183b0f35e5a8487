//! A filter made ready for very many events whose texts are words of a vocabulary: each word is compared once, and each event only looks
//! its words up.

use super::{Expression, Filter, Flag, Outcome, Subject, Test, TextField, field::SIGNATURES};

/// The words that events have, numbered from 0 for each field.
pub trait Vocabulary {
    /// For each word of a field whether it passes; nothing when the field has no words here.
    fn passing(&self, field: &TextField, passes: &mut dyn FnMut(&str) -> bool) -> Option<Vec<bool>>;
}

/// An event whose texts are words of a vocabulary.
pub trait Listed: Subject {
    /// Its word.
    fn word(&self, field: &TextField) -> ListedWord;

    /// The [bits](Flag::bit) of all that is true of it.
    fn flags(&self) -> u32;
}

/// What an event has in place of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedWord {
    /// The word of this number.
    Number(usize),
    /// It has no such text.
    None,
    /// Its text is not among the words.
    Unlisted,
}

/// Flags that a word by itself finds.
pub const REMARKS: [Flag; 7] =
    [Flag::GivenUp, Flag::Held, Flag::Missed, Flag::Late, Flag::Imported, Flag::Repeat, Flag::Rejected];

/// The words that find an attempt without an answer, as filters and lists have them.
pub const FAILED: [&str; 2] = ["err", "ERR"];

/// Fields of which a word by itself is looked for among the words of a vocabulary.
const WORD_FIELDS: [TextField; 4] = [TextField::Type, TextField::Provider, TextField::Method, TextField::Tag];

/// A filter with what its texts make of a vocabulary. Words that come later are not in it.
pub struct Prepared<'f>(Option<Node<'f>>);

enum Node<'f> {
    And(Vec<Node<'f>>),
    Or(Vec<Node<'f>>),
    Not(Box<Node<'f>>),
    Words(TextField, Vec<bool>),
    Word(Box<Word>),
    /// The bits of what must be true, or found by the signature check, one of which is enough.
    Flags(u32),
    Signatures(u32),
    Test(&'f Test),
}

/// What passes of all that a word by itself may be found in and that is in an index. When nothing does, the rest of the event decides.
struct Word {
    /// Those that have words that pass.
    fields: Vec<(TextField, Vec<bool>)>,
    /// Of answers; empty when none passes.
    statuses: Vec<bool>,
    failed: bool,
    /// Bits.
    signatures: u32,
    flags: u32,
}

impl Filter {
    /// Makes it ready for events with the words of a vocabulary.
    pub fn prepared(&self, vocabulary: &dyn Vocabulary) -> Prepared<'_> {
        Prepared(self.expression.as_ref().map(|expression| node(expression, vocabulary)))
    }

    /// Whether what it says of an event changes with the time.
    pub fn is_about_now(&self) -> bool {
        fn of(expression: &Expression) -> bool {
            match expression {
                Expression::And(all) | Expression::Or(all) => all.iter().any(of),
                Expression::Not(other) => of(other),
                Expression::Test(Test::Number(super::NumberField::Age, _) | Test::Received(_)) => true,
                Expression::Test(_) => false,
            }
        }
        self.expression.as_ref().is_some_and(of)
    }
}

impl Prepared<'_> {
    /// As [`Filter::test`].
    pub fn test(&self, subject: &impl Listed) -> Option<bool> {
        self.0.as_ref().map_or(Some(true), |node| node.test(subject))
    }
}

fn node<'f>(expression: &'f Expression, vocabulary: &dyn Vocabulary) -> Node<'f> {
    let all = |parts: &'f [Expression]| parts.iter().map(|part| node(part, vocabulary)).collect();
    match expression {
        Expression::And(parts) => Node::And(all(parts)),
        Expression::Or(parts) => Node::Or(all(parts)),
        Expression::Not(other) => Node::Not(Box::new(node(other, vocabulary))),
        Expression::Test(test @ Test::Text(field, patterns)) => {
            let mut passes = |text: &str| patterns.iter().any(|pattern| pattern.matches(text));
            match vocabulary.passing(field, &mut passes) {
                Some(words) => Node::Words(field.clone(), words),
                None => Node::Test(test),
            }
        }
        Expression::Test(Test::Word(pattern)) => {
            let mut passes = |text: &str| pattern.matches(text);
            let field = |field: TextField, passes: &mut dyn FnMut(&str) -> bool| {
                Some((field.clone(), vocabulary.passing(&field, passes)?))
            };
            let has_any = |passing: &[bool]| passing.contains(&true);
            let fields = WORD_FIELDS.into_iter().filter_map(|one| field(one, &mut passes));
            let fields = fields.filter(|(_, passing)| has_any(passing)).collect();
            let statuses: Vec<bool> = (0..1000_u16).map(|status| passes(&status.to_string())).collect();
            Node::Word(Box::new(Word {
                fields,
                statuses: if has_any(&statuses) { statuses } else { Vec::new() },
                failed: FAILED.into_iter().any(&mut passes),
                signatures: SIGNATURES
                    .map(|(signature, _)| signature)
                    .into_iter()
                    .filter(|signature| passes(&signature.to_string()))
                    .fold(0, |bits, signature| bits | signature.bit()),
                flags: REMARKS
                    .into_iter()
                    .filter(|flag| flag.words().iter().any(|word| passes(word)))
                    .fold(0, |bits, flag| bits | flag.bit()),
            }))
        }
        Expression::Test(Test::Flags(flags)) => {
            Node::Flags(flags.iter().fold(0, |bits, flag| bits | flag.bit()))
        }
        Expression::Test(Test::Signature(all)) => {
            Node::Signatures(all.iter().fold(0, |bits, signature| bits | signature.bit()))
        }
        Expression::Test(test) => Node::Test(test),
    }
}

impl Node<'_> {
    fn test(&self, subject: &impl Listed) -> Option<bool> {
        match self {
            Self::And(all) => decide(all, subject, false),
            Self::Or(any) => decide(any, subject, true),
            Self::Not(other) => other.test(subject).map(|truth| !truth),
            Self::Words(field, passing) => passes(field, passing, subject),
            Self::Word(word) => word.test(subject),
            Self::Flags(flags) => Some(subject.flags() & flags != 0),
            Self::Signatures(signatures) => Some(subject.signature().bit() & signatures != 0),
            Self::Test(test) => test.test(subject),
        }
    }
}

/// As for an expression: the first that is `decisive` decides; otherwise those that are not known leave it open.
fn decide(nodes: &[Node<'_>], subject: &impl Listed, decisive: bool) -> Option<bool> {
    let mut known = true;
    for node in nodes {
        match node.test(subject) {
            Some(truth) if truth == decisive => return Some(decisive),
            Some(_) => {}
            None => known = false,
        }
    }
    known.then_some(!decisive)
}

fn passes(field: &TextField, passing: &[bool], subject: &impl Listed) -> Option<bool> {
    match subject.word(field) {
        ListedWord::Number(word) => Some(passing.get(word).copied().unwrap_or(false)),
        ListedWord::None => Some(false),
        ListedWord::Unlisted => None,
    }
}

impl Word {
    /// What is not among the words may be it, so that an event is never refused here.
    fn test(&self, subject: &impl Listed) -> Option<bool> {
        let of_outcome = match subject.outcome() {
            Outcome::Status(status) => self.statuses.get(usize::from(status)).copied().unwrap_or(false),
            Outcome::Failed => self.failed,
            Outcome::None => false,
        };
        let of_bits = subject.signature().bit() & self.signatures | subject.flags() & self.flags;
        let found = of_outcome
            | (of_bits != 0)
            | self.fields.iter().any(|(field, passing)| passes(field, passing, subject) == Some(true));
        found.then_some(true)
    }
}

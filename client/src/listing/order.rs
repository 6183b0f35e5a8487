//! By what a list is ordered.

use std::{cmp::Ordering, fmt, str::FromStr};

use inhaul_core::filter::TextField;

use super::{Entry, FieldWords, Last};

/// How many digits there are: their places stay in the fastest memory.
const DIGITS: u64 = 2048;

/// What of events is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum By {
    /// When they were stored.
    #[default]
    Arrival,
    /// The status of the last answer; no answer is above all statuses, and no attempt below them.
    Status,
    /// How long the last attempt took.
    Duration,
    /// How long the body is.
    Size,
    /// The type, as text; events without one are behind the others.
    Type,
}

/// The order of a list. Events that are equal in it stay in the order of arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Order {
    /// What is compared.
    pub by: By,
    /// The other way round than one reads it at first: oldest, highest, slowest, largest, from a to z.
    pub is_reversed: bool,
}

impl By {
    /// Everything that can be compared.
    pub const ALL: [Self; 5] = [Self::Arrival, Self::Status, Self::Duration, Self::Size, Self::Type];

    /// The names of both orders by it.
    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Arrival => ["oldest", "newest"],
            Self::Status => ["highest-status", "lowest-status"],
            Self::Duration => ["slowest", "fastest"],
            Self::Size => ["largest", "smallest"],
            Self::Type => ["a-z", "z-a"],
        }
    }
}

impl Order {
    /// Every order there is.
    pub fn all() -> impl Iterator<Item = Self> {
        By::ALL.into_iter().flat_map(|by| [false, true].map(|is_reversed| Self { by, is_reversed }))
    }

    /// Its name among options.
    pub fn name(self) -> &'static str {
        self.by.names()[usize::from(self.is_reversed)]
    }

    /// This order, or when the list has it already the other way round.
    #[must_use]
    pub fn chosen(self, by: By) -> Self {
        Self { by, is_reversed: self.by == by && !self.is_reversed }
    }

    /// Whether new events are at one end of the list.
    pub fn is_of_arrival(self) -> bool {
        self.by == By::Arrival
    }

    /// How two events stand to each other, but for their arrival.
    pub(super) fn compare(self, one: &Entry, other: &Entry, words: &FieldWords) -> Ordering {
        let ordering = match self.by {
            By::Arrival => Ordering::Equal,
            By::Type => type_of(one, words).cmp(&type_of(other, words)),
            By::Status | By::Duration | By::Size => self.number(other).cmp(&self.number(one)),
        };
        if self.is_reversed { ordering.reverse() } else { ordering }
    }

    /// A number for each entry that is larger for those behind. Of types, the places of the words in their order are given.
    pub(super) fn rank(self, entry: &Entry, types: &[u32]) -> u64 {
        let rank = match self.by {
            By::Arrival => 0,
            By::Type => match entry.type_word() {
                Some(Some(place)) => types.get(place).copied().map_or(u64::from(u32::MAX), u64::from),
                Some(None) => u64::from(u32::MAX),
                None => u64::from(u32::MAX) + 1,
            },
            By::Status | By::Duration | By::Size => u64::MAX - self.number(entry),
        };
        if self.is_reversed { u64::MAX - rank } else { rank }
    }

    fn number(self, entry: &Entry) -> u64 {
        let (last, status, latency_ms) = entry.last();
        match self.by {
            By::Status => match last {
                Last::None => 0,
                Last::Begun => 1,
                Last::Rejected => 2,
                Last::Answered => u64::from(status).max(3),
                Last::Failed => u64::from(u16::MAX) + 1,
            },
            By::Duration => match last {
                Last::None | Last::Begun | Last::Rejected => 0,
                Last::Answered | Last::Failed => latency_ms + 1,
            },
            By::Size => entry.body_bytes(),
            By::Arrival | By::Type => 0,
        }
    }
}

/// Brings pairs into the order of their first; equal ones stay as they are. In so many steps as the numbers have digits, each over all of
/// them (least significant digit first), because comparing a million of them two by two takes longer.
pub(super) fn by_rank<T: Copy>(mut ranked: Vec<(u64, T)>) -> Vec<(u64, T)> {
    let ranks = || ranked.iter().map(|(rank, _)| *rank);
    let (Some(least), Some(most)) = (ranks().min(), ranks().max()) else { return ranked };
    let mut sorted = ranked.clone();
    let mut shift = 0;
    while shift < u64::BITS && (most - least) >> shift > 0 {
        let digit = |rank: u64| usize::try_from((rank - least) >> shift & (DIGITS - 1)).unwrap_or(0);
        let mut places = vec![0_usize; DIGITS as usize];
        ranked.iter().for_each(|(rank, _)| places[digit(*rank)] += 1);
        let mut before = 0;
        for place in &mut places {
            before += std::mem::replace(place, before);
        }
        for &pair in &ranked {
            let place = &mut places[digit(pair.0)];
            sorted[*place] = pair;
            *place += 1;
        }
        std::mem::swap(&mut ranked, &mut sorted);
        shift += DIGITS.trailing_zeros();
    }
    ranked
}

/// Those with a type first, then those whose type is not among the words, then those without one.
fn type_of<'w>(entry: &Entry, words: &'w FieldWords) -> (u8, &'w str) {
    match (entry.type_word(), words.text(entry, &TextField::Type)) {
        (Some(_), Some(text)) => (0, text),
        (Some(_), None) => (1, ""),
        (None, _) => (2, ""),
    }
}

/// As the list's title says it.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            By::Arrival | By::Duration | By::Size => write!(f, "{} first", self.name()),
            By::Status => write!(f, "{} first", self.name().replace('-', " ")),
            By::Type => write!(f, "types {}", self.name()),
        }
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::all().find(|order| order.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::all().map(Self::name).collect();
            format!("{text:?} is no order of the list; there are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranks_are_ordered_as_a_stable_sort_does(
            ranks in prop::collection::vec(prop_oneof![0..4_u64, 0..5000_u64, any::<u64>()], 0..60),
        ) {
            let ranked: Vec<(u64, usize)> = ranks.into_iter().zip(0..).collect();
            let mut expected = ranked.clone();
            expected.sort_by_key(|(rank, _)| *rank);
            prop_assert_eq!(by_rank(ranked), expected);
        }
    }

    #[test]
    fn every_order_is_read_as_it_is_named() {
        for order in Order::all() {
            assert_eq!(order.name().parse(), Ok(order));
        }
        assert!("random".parse::<Order>().unwrap_err().contains("oldest, newest, highest-status"));
        assert_eq!(Order::default().to_string(), "oldest first");
    }

    #[test]
    fn the_same_again_is_the_other_way_round() {
        let slowest = Order::default().chosen(By::Duration);
        assert_eq!(slowest.to_string(), "slowest first");
        assert_eq!(slowest.chosen(By::Duration).to_string(), "fastest first");
        assert_eq!(slowest.chosen(By::Duration).chosen(By::Duration), slowest);
        assert_eq!(slowest.chosen(By::Type).to_string(), "types a-z");
    }
}

//! Random histories of a relay and a client, and the proof that what is broken on purpose is noticed.

use crate::{
    seeds::{self, Regressions},
    world::{self, Mutation},
};

const REGRESSIONS: &Regressions = &[
    (61, "an event that was too large while room was made for it was never looked for again"),
    (450, "events behind one that the history had refused were stored"),
    (578, "records behind one that could not be written were written"),
    (9697, "an event was stored behind one that was refused while it waited for a new period"),
    (11_705, "an event of a period that could not be opened for a moment was stored a second time"),
];

#[test]
fn what_was_acknowledged_arrives_once_and_in_order_whatever_happens() {
    seeds::hold("delivery", REGRESSIONS, 1000, |seed| world::history(seed, None));
}

#[test]
fn a_seed_decides_everything() {
    for seed in 0..20 {
        assert_eq!(world::trace(seed), world::trace(seed), "seed {seed}");
    }
}

#[test]
fn a_wrong_order_of_acknowledgements_is_noticed() {
    for (mutation, seeds) in [
        (Mutation::AnswerBeforeSync, 20),
        (Mutation::StoredBeforeFlush, 20),
        (Mutation::ForgetOnSending, 20),
        (Mutation::RelayDiskLies, 50),
        (Mutation::ClientDiskLies, 50),
    ] {
        let (seed, words) = seeds::must_break(seeds, |seed| world::history(seed, Some(mutation)));
        println!("{mutation:?}: seed {seed}: {words}");
    }
}

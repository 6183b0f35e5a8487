//! Random histories of a relay and a client whose senders are answered by the relay, and the proof that what is broken on purpose is noticed.

use inhaul_relay::registry::{AnswerMode, OnAbsent};

use crate::{
    kind::{Kind, Mutation},
    seeds::{self, Regressions, Seeds},
    world,
};

const ALONE: Kind =
    Kind { clients: 1, sharing: None, answers: [(AnswerMode::Relay, OnAbsent::Refuse); 2], at_once: 1 };

const REGRESSIONS: &Regressions =
    &[(90, "an event was stored behind one that heard earlier that it was not stored")];

#[test]
fn what_was_acknowledged_arrives_once_and_in_order_whatever_happens() {
    seeds::hold("delivery", REGRESSIONS, &Seeds { usually: 100, one_of: 1 }, |seed| {
        world::history(seed, ALONE, None)
    });
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
        seeds::must_break(seeds, &format!("{mutation:?}"), |seed| {
            world::history(seed, ALONE, Some(mutation))
        });
    }
}

//! Random histories in which senders wait for the application's answer, and the proof that what is broken on purpose is noticed.

use inhaul_relay::registry::{AnswerMode, OnAbsent};

use crate::{
    kind::{Kind, Mutation},
    seeds::{self, Regressions, Seeds},
    world,
};

/// The senders of one endpoint are told to come again when there is no answer in time, those of the other that their event is taken.
pub const ANSWERS: Kind = Kind {
    clients: 1,
    sharing: None,
    answers: [(AnswerMode::App, OnAbsent::Refuse), (AnswerMode::App, OnAbsent::Accept)],
    at_once: 24,
};

const REGRESSIONS: &Regressions = &[];

#[test]
fn an_answer_reaches_its_sender_once_and_what_was_missed_is_kept_and_not_forwarded() {
    seeds::hold("answers", REGRESSIONS, &Seeds { usually: 100, one_of: 10 }, |seed| {
        world::history(seed, ANSWERS, None)
    });
}

#[test]
fn senders_hear_answers_in_these_histories() {
    let heard: usize = (0..20).map(|seed| world::answered(seed, ANSWERS)).sum();
    assert!(heard >= 40, "{heard} in 20 histories");
}

#[test]
fn an_answer_given_twice_or_to_another_and_a_missed_event_that_is_forwarded_are_noticed() {
    for (mutation, seeds) in [
        (Mutation::AnswerBeforeRecord, 20),
        (Mutation::ClientDiskLies, 100),
        (Mutation::AnswerAnother, 50),
        (Mutation::HideMissed, 20),
        (Mutation::ForwardMissed, 20),
    ] {
        seeds::must_break(seeds, &format!("{mutation:?}"), |seed| {
            world::history(seed, ANSWERS, Some(mutation))
        });
    }
}

//! Random histories of several clients on one endpoint, and the proof that what is broken on purpose is noticed.

use inhaul_core::wire::Sharing;
use inhaul_relay::registry::{AnswerMode, OnAbsent};

use crate::{
    kind::{Kind, Mutation},
    seeds::{self, Regressions, Seeds},
    world,
};

const fn kind(clients: usize, sharing: Sharing) -> Kind {
    let answers = [(AnswerMode::Relay, OnAbsent::Refuse), (AnswerMode::App, OnAbsent::Refuse)];
    Kind { clients, sharing: Some(sharing), answers, at_once: 1 }
}

/// Each has every event.
pub const SHARED: Kind = kind(2, Sharing::Share);

/// Each event goes to one.
pub const BALANCED: Kind = kind(3, Sharing::Balance);

const SEEDS: Seeds = Seeds { usually: 40, one_of: 25 };

const SHARED_REGRESSIONS: &Regressions =
    &[(115, "a client was welcomed before its place was on the disk, and another start did not know it")];

const BALANCED_REGRESSIONS: &Regressions = &[];

#[test]
fn shared_events_arrive_at_each_client_once_and_in_order_from_when_it_joined() {
    seeds::hold("shared", SHARED_REGRESSIONS, &SEEDS, |seed| world::history(seed, SHARED, None));
}

#[test]
fn balanced_events_go_to_one_client_and_to_another_when_it_goes_without_them() {
    seeds::hold("balanced", BALANCED_REGRESSIONS, &SEEDS, |seed| world::history(seed, BALANCED, None));
}

#[test]
fn clients_that_stand_for_each_other_or_keep_what_they_took_are_noticed() {
    for (kind, mutation, seeds) in [
        (SHARED, Mutation::StoredForAll, 50),
        (SHARED, Mutation::StoredBeforeFlush, 50),
        (SHARED, Mutation::RelayDiskLies, 50),
        (BALANCED, Mutation::StoredUnheard, 20),
        (BALANCED, Mutation::HolderKeeps, 50),
        (BALANCED, Mutation::StoredBeforeFlush, 50),
    ] {
        let name = format!("{mutation:?} with {:?}", kind.sharing);
        seeds::must_break(seeds, &name, |seed| world::history(seed, kind, Some(mutation)));
    }
}

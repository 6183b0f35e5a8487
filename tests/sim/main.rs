//! The relay's and the client's own code on simulated disks, a simulated network and a simulated clock: one thread, and one seed
//! decides everything.
//!
//! ```text
//!  disk     files that lose what was not synced, fail, fill up, and stop in the middle
//!  network  connections that are slow, cut, silent, or repeat themselves
//!  app      applications that answer late, badly or not at all
//!  relay    the relay's intake, spool, hub and sessions, driven step by step
//!  client   the client's history, pipeline and session, driven step by step
//!  model    what must hold
//!  kind     what kinds of worlds there are, and what is broken on purpose
//!  world    all of these, and what happens to them
//!  journal  histories of one journal
//!  delivery histories of a relay and a client
//!  answers  histories in which senders wait for the application
//!  sharing  histories of several clients of one endpoint
//!  seeds    many histories, one for each seed; the first that breaks a promise is named
//! ```
//!
//! `INHAUL_SIM_SEEDS` says how many histories each test tries, `INHAUL_SIM_SEED` names the only one.

#![expect(unreachable_pub, reason = "what the tests share is public among them")]
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod app;
mod client;
mod disk;
mod kind;
mod model;
mod network;
mod relay;
mod seeds;
mod world;

mod answers;
mod delivery;
mod journal;
mod sharing;

#[test]
fn a_seed_decides_everything() {
    for kind in [answers::ANSWERS, sharing::SHARED, sharing::BALANCED] {
        for seed in 0..10 {
            assert_eq!(world::trace(seed, kind), world::trace(seed, kind), "seed {seed} of {kind:?}");
        }
    }
}

//! The relay's and the client's own code on simulated disks, a simulated network and a simulated clock: one thread, and one seed
//! decides everything.
//!
//! ```text
//!  disk     files that lose what was not synced, fail, fill up, and stop in the middle
//!  network  connections that are slow, cut, silent, or repeat themselves
//!  relay    the relay's spool, hub and sessions, driven step by step
//!  client   the client's history and session, driven step by step
//!  model    what must hold
//!  world    all of these, and what happens to them
//!  journal  histories of one journal
//!  delivery histories of a relay and a client
//!  seeds    many histories, one for each seed; the first that breaks a promise is named
//! ```
//!
//! `INHAUL_SIM_SEEDS` says how many histories each test tries, `INHAUL_SIM_SEED` names the only one.

#![expect(unreachable_pub, reason = "what the tests share is public among them")]
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod client;
mod disk;
mod model;
mod network;
mod relay;
mod seeds;
mod world;

mod delivery;
mod journal;

//! End-to-end tests over the whole of inhaul: real processes, real sockets, real TLS, everything on the loopback interface.
//!
//! ```text
//!  world      the processes: relays and clients, ended when a test ends
//!  sender     a sender of webhooks that writes the bytes it is told to
//!  handler    an application that keeps the bytes it got
//!  traffic    numbered events from many senders, and an account of what became of each
//!  middleman  a link between client and relay that breaks as it is told to
//!  terminal   a program on a terminal, its screen and its keys
//!  picture    a screen as SVG
//! ```

#![expect(unreachable_pub, reason = "what the tests share is public among them")]
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod handler;
mod sender;
mod terminal;
mod traffic;
mod world;

mod app_answers;
mod bad_input;
mod body;
mod busy;
mod catch_up;
mod challenges;
mod clipboard;
mod clock;
mod commands;
mod data_dirs;
mod delete;
mod delivery;
mod demo;
mod disk_full;
mod embedded;
mod endpoints;
mod exact_bytes;
mod exchange;
mod hold;
mod http2;
mod inspector;
#[cfg(feature = "jq")]
mod jq;
mod kill;
mod logs;
mod middleman;
mod notes;
mod offline;
mod partition;
mod play;
mod power;
mod proxy;
mod repeats;
mod replays;
mod restart;
mod retention;
mod routes;
mod sharing;
mod signing;
mod silence;
mod soak;
mod start;
mod tidy;
mod trigger;
mod verify;
